//! Why a shape of a Transformer is refused.

use super::{LayerKind, bounds};

/// The reason why no network can be built from a [`TransformerConfig`](super::TransformerConfig).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A size of zero.
    #[error("{field} is 0, but must be at least 1")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
    /// A size above its [bound](mod@crate::bounds).
    #[error("{field} = {size}, but must be at most {most}")]
    TooLarge {
        /// The field's name, or the names of two fields with a `*` between them.
        field: &'static str,
        /// The value given.
        size: usize,
        /// The largest value that is accepted.
        most: usize,
    },
    /// A number of heads that does not divide the width.
    #[error("n_heads = {n_heads} does not divide d_model = {d_model}")]
    Heads {
        /// Number of attention heads.
        n_heads: usize,
        /// Width of the model.
        d_model: usize,
    },
    /// An odd width with sinusoidal positions, which need a pair of dimensions for each sine and cosine.
    #[error("d_model = {d_model} is odd, but sinusoidal positions need pairs of dimensions")]
    OddWidth {
        /// Width of the model.
        d_model: usize,
    },
    /// A dropout probability outside [0, 1).
    #[error("dropout = {dropout} is outside [0, 1)")]
    Dropout {
        /// The value given.
        dropout: f64,
    },
    /// An id of a token outside the vocabulary.
    #[error("{field} = {id} is outside the vocabulary of {vocab_size}")]
    TokenId {
        /// The name of the field with the id.
        field: &'static str,
        /// The value given.
        id: usize,
        /// Number of subwords.
        vocab_size: usize,
    },
    /// A vocabulary of the target, though source and target share the matrix of their embeddings.
    #[error(
        "target_vocab_size = {size}, but tie_embeddings = true, by which source and target share one vocabulary"
    )]
    TiedVocabularies {
        /// Number of subwords in the vocabulary of the target.
        size: usize,
    },
    /// A number that layer normalization adds to a variance outside [1e-12, 1).
    #[error("norm_epsilon = {epsilon:e} is outside [{least:e}, 1)", least = bounds::LEAST_NORM_EPSILON)]
    NormEpsilon {
        /// The value given.
        epsilon: f64,
    },
    /// Restricted layers without the number of positions that they see.
    #[error(
        "{field} is \"restricted\", which needs attention_window, the number of positions to see on a side"
    )]
    NoWindow {
        /// The name of the field that asks for restricted layers.
        field: &'static str,
    },
    /// A kind of layer that a decoder does not have.
    #[error(
        "decoder_layer = \"{kind}\", but a decoder has only \"self-attention\", \"restricted\" and \"ssru\", \
         which do not look ahead"
    )]
    DecoderLayer {
        /// The kind given.
        kind: LayerKind,
    },
    /// A kind of layer that an encoder does not have.
    #[error(
        "encoder_layer = \"{kind}\", but a decoder alone has this kind, since a position would not see those after it"
    )]
    EncoderLayer {
        /// The kind given.
        kind: LayerKind,
    },
    /// An odd width with recurrent layers.
    #[error("d_model = {d_model} is odd, but a recurrent layer divides it between its two directions")]
    OddRecurrentWidth {
        /// Width of the model.
        d_model: usize,
    },
    /// A convolution without a position in its middle.
    #[error(
        "convolution_width = {width} is even, but must be odd, so that each position is the middle of what it sees"
    )]
    EvenConvolution {
        /// The value given.
        width: usize,
    },
    /// A width of convolutions, though no layer is a convolution.
    #[error("convolution_width = {width}, but encoder_layer is not \"convolution\", which alone uses it")]
    UnusedConvolution {
        /// The value given.
        width: usize,
    },
    /// A number of positions to see, though no layer is restricted.
    #[error(
        "attention_window = {window}, but neither encoder_layer nor decoder_layer is \"restricted\", which alone use it"
    )]
    UnusedWindow {
        /// The value given.
        window: usize,
    },
}

impl ConfigError {
    /// Returns the name of the field of [`TransformerConfig`](super::TransformerConfig) to change, or the names of two
    /// fields with a `*` between them.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Zero { field } | Self::TooLarge { field, .. } => field,
            Self::Heads { .. } => "n_heads",
            Self::OddWidth { .. } | Self::OddRecurrentWidth { .. } => "d_model",
            Self::Dropout { .. } => "dropout",
            Self::TokenId { field, .. } => field,
            Self::TiedVocabularies { .. } => "target_vocab_size",
            Self::NormEpsilon { .. } => "norm_epsilon",
            Self::DecoderLayer { .. } => "decoder_layer",
            Self::EncoderLayer { .. } => "encoder_layer",
            Self::EvenConvolution { .. } | Self::UnusedConvolution { .. } => "convolution_width",
            Self::NoWindow { .. } | Self::UnusedWindow { .. } => "attention_window",
        }
    }
}
