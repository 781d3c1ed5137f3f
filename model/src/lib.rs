//! The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017) on Burn.
//!
//! Tensors in, tensors out: this crate knows no text, no files and no search, and names no backend. A tensor
//! lives on a [`burn::tensor::Device`] that the program picks at run time.
//!
//! | paper | module |
//! |---|---|
//! | 3.1 encoder and decoder stacks | [`encoder`], [`decoder`], [`add_norm`] |
//! | 3.2 attention | [`attention`], [`mask`] |
//! | 3.3 position-wise feed-forward networks | [`feed_forward`] |
//! | 3.4 embeddings and softmax | [`transformer`] |
//! | 3.5 positional encoding | [`position`] |
//! | 5.4 dropout, label smoothing | [`dropout`], [`Transformer::loss`] |
//! | 6.1 translating, a token at a time | [`inference`] |
//!
//! Everywhere, shapes are written `[batch, seq, d_model]`, and a mask is `true` where a position is **hidden**.
//!
//! ```
//! use attend_model::{Transformer, TransformerConfig};
//! use burn::tensor::{Device, Int, Tensor};
//!
//! let device = Device::default();
//! let model = Transformer::new(&TransformerConfig::tiny(100), &device).unwrap();
//! let source = Tensor::<2, Int>::from_ints([[5, 6, 2]], &device);
//! let target_input = Tensor::<2, Int>::from_ints([[1, 7, 8, 9]], &device);
//! assert_eq!(model.forward(source, target_input).dims(), [1, 4, 100]);
//! ```

pub mod add_norm;
pub mod attention;
pub mod config;
pub mod decoder;
pub mod dropout;
pub mod encoder;
pub mod feed_forward;
pub mod inference;
mod init;
mod linear;
pub mod mask;
pub mod position;
pub mod transformer;

pub use attend_ops::{Precision, width_multiple, with_products_in};
pub use attention::MultiHeadAttention;
pub use config::{ConfigError, NormPlacement, PositionKind, Preset, TransformerConfig, bounds};
pub use dropout::seed_dropout;
pub use inference::{DecoderState, Ensemble, InferenceTransformer, NextTokens};
pub use transformer::{AttentionWeights, Memory, Transformer};
