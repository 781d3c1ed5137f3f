//! The devices of this machine, by each backend that is built in, beside the processor.

use std::process::Command;

use attend_infer::device;

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
        for check in ["logits", "steps in float32", "losses of ten updates in float32"] {
            assert!(table.contains(check), "{table}");
        }
        println!("{table}");
    }
}
