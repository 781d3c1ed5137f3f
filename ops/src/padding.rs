//! The multiple to which the rows of a batch are padded.

use burn::tensor::Device;

use crate::dispatch::is_flex;

/// The multiple to which the rows of a batch are padded on most devices.
pub(crate) const MULTIPLE: usize = 8;

/// Returns the number of tokens to a multiple of which the rows of a batch should be padded on `device`.
///
/// It is 1 on a device with kernels of this crate, which take rows of every length. It is 8 on other devices, because
/// they compile and tune their kernels again for each power of two that divides a row's length.
#[must_use]
pub fn padding_multiple(device: &Device) -> usize {
    if is_flex(device) { 1 } else { MULTIPLE }
}
