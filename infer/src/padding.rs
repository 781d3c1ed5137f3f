//! Rows of tokens on a device: their padding, and their copy.

use attend_data::{Padding, TokenMatrix};
use attend_model::padding_multiple;
use burn::tensor::{Device, Int, Tensor, TensorData};

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

/// Copies token ids to a device, as a tensor `[rows, width]`.
#[must_use]
pub fn to_tensor(matrix: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let shape = [matrix.rows, matrix.width];
    Tensor::from_data(TensorData::new(matrix.ids.clone(), shape), device)
}
