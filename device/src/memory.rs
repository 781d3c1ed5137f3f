//! Memory: that of this process, and the values that a tensor has on its device.

use std::fs;

use burn::tensor::Tensor;

/// Returns the most bytes that this process has had resident so far; `None` where the system does not say, which is
/// everywhere but on Linux.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Reads the values of a tensor from its device, row after row.
///
/// # Panics
///
/// If the device could not compute them; see [`notice_device_failure`](crate::notice_device_failure).
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data_as::<f32>().try_into_vec();
    values.expect("the values were converted to f32")
}
