//! The padding of rows of tokens for a device.

use attend_data::Padding;
use attend_model::padding_multiple;
use burn::tensor::Device;

/// Returns the padding of rows of tokens on `device`: the id of the padding `token`, and the lengths that rows may
/// have.
///
/// On a device that compiles kernels for each length, rows are padded to a multiple of eight tokens, which keeps the
/// number of kernels small. No row is padded to more than `positions` tokens, the number of positions of the model.
/// On other devices, rows are padded to the length of the longest row.
#[must_use]
pub fn padding(device: &Device, token: u32, positions: usize) -> Padding {
    Padding {
        token,
        multiple: padding_multiple(device),
        most: positions,
    }
}
