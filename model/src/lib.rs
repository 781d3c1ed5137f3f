//! The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017) on Burn.
//!
//! All functions take and return tensors. Text, files and search belong to other crates. This crate names no backend: a
//! tensor is on the [`burn::tensor::Device`] that the program chooses at run time.
//!
//! | paper | here |
//! |---|---|
//! | 3.1 encoder and decoder stacks | [`Encoder`], [`Decoder`], and [`AddNorm`] around each sub-layer |
//! | 3.2 attention | [`MultiHeadAttention`], with [`padding_mask`] and the causal [`Window`] |
//! | 3.3 position-wise feed-forward networks | [`FeedForward`] |
//! | 3.4 embeddings and softmax | [`Transformer`] |
//! | 3.5 positional encoding | [`PositionalEncoding`], [`sinusoids`], [`sinusoid_halves`], [`marian_sinusoids`] |
//! | 4 why self-attention: table 1 | [`SequenceLayer`]: self-attention, restricted or not, [`Recurrent`], [`Convolution`] |
//! | relatives from other papers | [`Ssru`], which stands in place of the decoder's self-attention |
//! | 5.4 dropout, label smoothing | [`Dropout`], [`Transformer::loss`] |
//! | 6.1 inference, one token at a time | [`InferenceTransformer`], an [`Ensemble`] of them, [`DecoderState`], [`OutputShortlist`] |
//! | table 3: sizes and variants | [`TransformerConfig`], [`Preset`] |
//! | other tasks of an encoder | [`EncoderClassifier`], [`Pooling`] |
//!
//! A [`Transformer`] is for training and an [`InferenceTransformer`] for inference. Both consist of the same layers,
//! which are generic over the type of their linear layers, a [`Projection`]. Shapes are written
//! `[batch, seq, d_model]`. A mask is `true` at the positions that are **hidden**, which attention ignores.
//!
//! ```
//! use attend_model::{InferenceTransformer, Precision, Preset, Transformer};
//! use burn::tensor::{Device, Int, Tensor};
//!
//! let device = Device::default();
//! let network = Transformer::new(&Preset::Tiny.config(100), &device)?;
//! let source = Tensor::<2, Int>::from_ints([[5, 6, 2]], &device);
//! let target_input = Tensor::<2, Int>::from_ints([[1, 7, 8, 9]], &device);
//! assert_eq!(network.forward(source.clone(), target_input).dims(), [1, 4, 100]);
//!
//! let network = InferenceTransformer::new(network, Precision::Float32);
//! let mut state = network.start(network.encode(source));
//! let next = network.step(Tensor::from_ints([1], &device), &mut state);
//! assert_eq!(next.logits.dims(), [1, 100]);
//! # Ok::<(), attend_model::ConfigError>(())
//! ```

mod add_norm;
mod attention;
mod attention_weights;
mod cache;
mod config;
mod convolution;
mod decoder;
mod dropout;
mod embedding;
mod encoder;
mod encoder_classifier;
mod ensemble;
mod feed_forward;
mod head;
mod inference;
mod init;
mod key_value;
mod mask;
mod memory;
mod pooling;
mod position;
mod projection;
mod recurrent;
mod sequence_layer;
mod ssru;
mod transformer;

pub use add_norm::AddNorm;
pub use attend_ops::{Precision, Window, autocast, padding_multiple, scaled_dot_product_attention};
pub use attention::{Attended, MultiHeadAttention};
pub use attention_weights::{AttentionWeights, DecoderLayerWeights, ReturnedAttention};
pub use cache::DecoderState;
pub use config::{
    ActivationKind, ConfigError, LayerKind, NormPlacement, PositionKind, Preset, TiedEmbeddings,
    TransformerConfig, bounds,
};
pub use convolution::Convolution;
pub use decoder::{Decoder, DecoderLayer};
pub use dropout::{Dropout, seed_dropout};
pub use encoder::{Encoder, EncoderLayer};
pub use encoder_classifier::{EncoderClassifier, EncoderClassifierConfig};
pub use ensemble::Ensemble;
pub use feed_forward::FeedForward;
pub use head::{AttentionKind, Head};
pub use inference::{InferenceTransformer, NextTokens, OutputShortlist};
pub use key_value::KeyValue;
pub use mask::padding_mask;
pub use memory::Memory;
pub use pooling::{Pooling, PoolingKind};
pub use position::{PositionalEncoding, marian_sinusoids, sinusoid_halves, sinusoids};
pub use projection::Projection;
pub use recurrent::Recurrent;
pub use sequence_layer::SequenceLayer;
pub use ssru::Ssru;
pub use transformer::Transformer;
