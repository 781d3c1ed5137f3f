//! Initial weights.

use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::Device;

/// Returns an embedding `[rows, d_model]` with normally distributed weights of variance `1 / d_model`. After the
/// multiplication by `sqrt(d_model)` (section 3.4), its rows have unit variance. If the output layer is tied to it, the
/// logits start small.
pub(crate) fn embedding(rows: usize, d_model: usize, device: &Device) -> Embedding {
    EmbeddingConfig::new(rows, d_model)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: (d_model as f64).powf(-0.5),
        })
        .init(device)
}

/// Returns a linear layer with `d_input` inputs and `d_output` outputs. Its bias is zero, and its weights are uniform
/// in `±gain · sqrt(6 / (d_input + d_output))` (Glorot and Bengio, 2010, equation 16).
pub(crate) fn linear(d_input: usize, d_output: usize, gain: f64, device: &Device) -> Linear {
    let mut linear = linear_without_bias(d_input, d_output, gain, device);
    linear.bias = Some(Initializer::Zeros.init([d_output], device));
    linear
}

/// Returns a linear layer as [`linear`] does, but without a bias.
pub(crate) fn linear_without_bias(d_input: usize, d_output: usize, gain: f64, device: &Device) -> Linear {
    LinearConfig::new(d_input, d_output)
        .with_bias(false)
        .with_initializer(Initializer::XavierUniform { gain })
        .init(device)
}
