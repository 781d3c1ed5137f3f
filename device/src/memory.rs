//! The memory that this process has used, and the values of tensors, read from their device.

use std::fs;

use burn::tensor::Tensor;

/// Returns the most bytes of memory that this process has had resident so far; `None` if the system does not report
/// them. Only Linux does.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Reads the values of a tensor of any shape from its device, in row-major order.
///
/// # Panics
///
/// If the device could not compute the tensor. [`notice_device_failure`](crate::notice_device_failure) turns this panic
/// into an error.
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data_as::<f32>().try_into_vec();
    values.expect("the values were converted to f32")
}
