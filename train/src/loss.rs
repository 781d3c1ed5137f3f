//! The loss of a batch of token ids.

use attend_data::{Batch, TokenMatrix};
use attend_model::Transformer;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The label-smoothed cross-entropy of a batch, summed over its target tokens: `[1]`.
pub fn batch_loss(model: &Transformer, batch: &Batch, device: &Device, smoothing: f64) -> Tensor<1> {
    model.loss(
        to_tensor(&batch.source, device),
        to_tensor(&batch.target_input, device),
        to_tensor(&batch.target_output, device),
        smoothing,
    )
}

/// The ids as a tensor: `[rows, width]`.
pub fn to_tensor(matrix: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let shape = [matrix.rows, matrix.width];
    Tensor::from_data(TensorData::new(matrix.ids.clone(), shape), device)
}
