//! Compares every device that this machine has, and whose backend is built in, with the processor.

use std::process::Command;

use attend_device as device;

#[test]
fn every_device_computes_what_the_processor_does() {
    for device in device::list() {
        let output = Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(["conformance", "--sentences", "100", "--device", &device.name])
            .output()
            .unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{table}{complaint}");
        let updates = "losses of ten updates in float32";
        for check in ["logits", "steps in float32", updates, "log P of greedy"] {
            assert!(table.contains(check), "{table}");
        }
        if device.name.starts_with("wgpu") {
            let growth = table
                .lines()
                .find_map(|line| line.strip_prefix("growth of the memory held "));
            let part = growth.and_then(|row| row.split_whitespace().next()?.parse::<f64>().ok());
            assert!(part.is_some(), "{table}");
        }
        println!("{table}");
    }
}
