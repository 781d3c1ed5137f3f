//! Initial weights.

use burn::module::Param;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::Device;

/// A linear layer with Xavier-uniform weights (Glorot and Bengio, 2010) and a bias of zeros.
pub(crate) fn linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_input, d_output)
        .with_initializer(Initializer::XavierUniform { gain: 1.0 })
        .init(device);
    linear.bias = Some(zeros(d_output, device));
    linear
}

fn zeros(size: usize, device: &Device) -> Param<burn::tensor::Tensor<1>> {
    Initializer::Zeros.init([size], device)
}

/// An embedding with normal weights of variance `1 / d_model`: rows come out of the multiplication by
/// `sqrt(d_model)` (section 3.4) with unit variance, and logits of a tied output start small.
pub(crate) fn embedding(rows: usize, d_model: usize, device: &Device) -> Embedding {
    EmbeddingConfig::new(rows, d_model)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: (d_model as f64).powf(-0.5),
        })
        .init(device)
}
