//! How rows of tokens are padded for a device.

use attend_data::Padding;
use attend_model::padding_multiple;
use burn::tensor::Device;

/// Returns how rows of tokens are padded with `token` on `device`, for a model that has `positions`. On a device that
/// compiles kernels for each length, lengths are multiples of eight, but at most `positions`.
#[must_use]
pub fn padding(device: &Device, token: u32, positions: usize) -> Padding {
    Padding {
        token,
        multiple: padding_multiple(device),
        most: positions,
    }
}
