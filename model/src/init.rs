//! Initial weights of embeddings.

use burn::nn::{Embedding, EmbeddingConfig, Initializer};
use burn::tensor::Device;

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
