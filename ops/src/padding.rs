//! How far the rows of a batch are padded.

use burn::tensor::Device;

use crate::dispatch::is_flex;

/// The multiple to which the rows of a batch are padded on most devices.
pub(crate) const MULTIPLE: usize = 8;

/// Returns the number of tokens of which the rows of a batch should be a multiple on `device`.
///
/// It is 1 where this crate's kernels compute, which take rows of every length, and 8 elsewhere: other devices compile
/// and tune their kernels again for each power of two that divides a row's length.
#[must_use]
pub fn padding_multiple(device: &Device) -> usize {
    if is_flex(device) { 1 } else { MULTIPLE }
}
