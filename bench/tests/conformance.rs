//! The devices of this machine, by each backend that is built in, beside the processor.

use std::process::Command;

use attend_infer::device;

#[test]
fn every_device_computes_what_the_processor_does() {
    for device in device::list() {
        let output = Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(["conformance", "--device", &device.name])
            .output()
            .unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{table}{complaint}");
        assert_eq!(table.lines().count(), 8, "{table}");
        println!("{table}");
    }
}
