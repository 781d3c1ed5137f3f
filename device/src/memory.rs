//! The memory that this process has used, and the values of tensors.

use std::fs;

use burn::tensor::Tensor;

/// Returns the maximum number of bytes that this process has had resident in memory so far. Returns `None` if the
/// system does not report it; only Linux does.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Copies the values of a tensor from its device, in row-major order.
///
/// # Panics
///
/// Panics if the device could not compute the tensor. [`notice_device_failure`](crate::notice_device_failure) turns
/// this panic into an error.
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data_as::<f32>().try_into_vec();
    values.expect("the values were converted to f32")
}
