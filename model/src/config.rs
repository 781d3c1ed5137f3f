//! The shape of a Transformer, and its presets.

mod error;
mod kind;

use attend_ops::Window;
use serde::{Deserialize, Serialize};

pub use error::ConfigError;
pub use kind::{ActivationKind, LayerKind, NormPlacement, PositionKind, TiedEmbeddings};

/// The largest sizes that [`TransformerConfig::validate`] accepts. They are larger than any network in use. They
/// prevent a typing error or a damaged file from requesting more memory than there is.
pub mod bounds {
    /// The largest `vocab_size` and `target_vocab_size`.
    pub const VOCAB_SIZE: usize = 10_000_000;
    /// The largest `d_model`.
    pub const D_MODEL: usize = 65_536;
    /// The largest `d_ff`.
    pub const D_FF: usize = 1_000_000;
    /// The largest `n_heads`.
    pub const N_HEADS: usize = 65_536;
    /// The largest `encoder_layers` and `decoder_layers`.
    pub const LAYERS: usize = 1_000;
    /// The largest `max_length` and `attention_window`.
    pub const LENGTH: usize = 1_000_000;
    /// The largest `convolution_width`.
    pub const CONVOLUTION_WIDTH: usize = 1_000;
    /// The largest `max_length * d_model`, which is the number of values in a table of positions.
    pub const POSITIONS: usize = 1 << 28;
    /// The smallest `norm_epsilon`. The largest is below 1.
    pub const LEAST_NORM_EPSILON: f64 = 1e-12;
}

/// The shape of a [`Transformer`](crate::Transformer). The file `config.json` in a model folder holds it.
// A new field needs `#[serde(default = "…")]` with the value that keeps the old behaviour, so that a `config.json` that
// was saved before can still be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Number of subwords in the vocabulary of the source, which is that of the target too if there is no
    /// `target_vocab_size`.
    pub vocab_size: usize,
    /// Width of every layer's input and output.
    pub d_model: usize,
    /// Width of the feed-forward network's hidden layer.
    pub d_ff: usize,
    /// Number of attention heads; must divide `d_model`.
    pub n_heads: usize,
    /// Number of encoder layers.
    pub encoder_layers: usize,
    /// Number of decoder layers.
    pub decoder_layers: usize,
    /// Probability, in [0, 1), with which dropout zeroes an element of a sub-layer's output or of an embedding during
    /// training (Vaswani et al., 2017, section 5.4).
    pub dropout: f64,
    /// The place of layer normalization: post-norm, as in Vaswani et al. (2017), or pre-norm.
    pub norm: NormPlacement,
    /// Sinusoidal positions, as in Vaswani et al. (2017) or in one of two other orders, or learned positions.
    pub positions: PositionKind,
    /// The maximum number of tokens in a sequence, `<s>` or `</s>` included.
    pub max_length: usize,
    /// Which of source embedding, target embedding and output layer share one matrix (Vaswani et al., 2017, section
    /// 3.4).
    pub tie_embeddings: TiedEmbeddings,
    /// Id of the padding token, which is hidden from attention. It is the same in both vocabularies.
    pub pad_id: usize,
    /// The kind of the encoder's layers.
    // The options from here on are not written if they have their defaults, so that earlier versions read the file.
    #[serde(default, skip_serializing_if = "LayerKind::is_default")]
    pub encoder_layer: LayerKind,
    /// The kind of the decoder's layers, for the part of a layer that looks at the target.
    #[serde(default, skip_serializing_if = "LayerKind::is_default")]
    pub decoder_layer: LayerKind,
    /// The number of positions that a position sees on either side of it, or in the decoder before it, in layers that
    /// are [restricted](LayerKind::Restricted). It is `None` if no layer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_window: Option<usize>,
    /// The number of positions that a [convolution](LayerKind::Convolution) takes together. It is odd.
    #[serde(
        default = "default_convolution_width",
        skip_serializing_if = "is_default_convolution_width"
    )]
    pub convolution_width: usize,
    /// The function within the feed-forward networks.
    #[serde(default, skip_serializing_if = "ActivationKind::is_default")]
    pub activation: ActivationKind,
    /// A small number that layer normalization adds to a variance, so that a row of equal numbers is not divided by
    /// zero. Its default is that of PyTorch, 1e-5.
    #[serde(
        default = "default_norm_epsilon",
        skip_serializing_if = "is_default_norm_epsilon"
    )]
    pub norm_epsilon: f64,
    /// Whether a vector with a number for each token of the target is added to the logits.
    #[serde(default, skip_serializing_if = "is_false")]
    pub output_bias: bool,
    /// Number of subwords in the vocabulary of the target. It is `None` if source and target have one vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_vocab_size: Option<usize>,
    /// Id of the token that the decoder reads first. It is `None` if that token is the tokenizer's `<s>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_start_id: Option<usize>,
    /// Whether the encoder reads `</s>` after the tokens of a source. Some models of other toolkits do without.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub source_eos: bool,
}

fn default_norm_epsilon() -> f64 {
    1e-5
}

#[expect(clippy::float_cmp, reason = "only the default itself is left out of files")]
fn is_default_norm_epsilon(epsilon: &f64) -> bool {
    *epsilon == default_norm_epsilon()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn default_convolution_width() -> usize {
    3
}

fn is_default_convolution_width(width: &usize) -> bool {
    *width == default_convolution_width()
}

/// The named network shapes. Each has post-norm, sinusoidal positions for 256 tokens, tied embeddings and a `pad_id` of
/// 0. The dropout is 0.1 unless the preset names another.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Preset {
    /// 4+4 layers, 128 wide, 256 in the feed-forward network, 4 heads: "Transformer-Tiny" (Wu et al., 2021).
    Tiny,
    /// 3+3 layers, 256 wide, 1024 in the feed-forward network, 4 heads.
    Small,
    /// The base model of Vaswani et al. (2017, table 3): 6+6 layers, 512 wide, 2048 in the feed-forward network, 8
    /// heads.
    Base,
    /// The big model of Vaswani et al. (2017, table 3): 6+6 layers, 1024 wide, 4096 in the feed-forward network, 16
    /// heads, and a dropout of 0.3.
    Big,
}

impl Preset {
    /// Returns the shape with a vocabulary of this size.
    #[must_use]
    pub fn config(self, vocab_size: usize) -> TransformerConfig {
        let (layers, d_model, d_ff, n_heads, dropout) = match self {
            Self::Tiny => (4, 128, 256, 4, 0.1),
            Self::Small => (3, 256, 1024, 4, 0.1),
            Self::Base => (6, 512, 2048, 8, 0.1),
            Self::Big => (6, 1024, 4096, 16, 0.3),
        };
        TransformerConfig {
            vocab_size,
            d_model,
            d_ff,
            n_heads,
            encoder_layers: layers,
            decoder_layers: layers,
            dropout,
            norm: NormPlacement::Post,
            positions: PositionKind::Sinusoidal,
            max_length: 256,
            tie_embeddings: TiedEmbeddings::All,
            pad_id: 0,
            encoder_layer: LayerKind::default(),
            decoder_layer: LayerKind::default(),
            attention_window: None,
            convolution_width: default_convolution_width(),
            activation: ActivationKind::default(),
            norm_epsilon: default_norm_epsilon(),
            output_bias: false,
            target_vocab_size: None,
            decoder_start_id: None,
            source_eos: true,
        }
    }
}

impl TransformerConfig {
    /// Returns the number of subwords in the vocabulary of the target: its own, or that of source and target together.
    #[must_use]
    pub fn target_vocabulary(&self) -> usize {
        self.target_vocab_size.unwrap_or(self.vocab_size)
    }

    /// Returns the window of the encoder's self-attention.
    pub(crate) fn encoder_window(&self) -> Window {
        self.window(Window::ALL, self.encoder_layer)
    }

    /// Returns the window of the decoder's self-attention.
    pub(crate) fn decoder_window(&self) -> Window {
        self.window(Window::CAUSAL, self.decoder_layer)
    }

    fn window(&self, whole: Window, kind: LayerKind) -> Window {
        match (kind, self.attention_window) {
            (LayerKind::Restricted, Some(radius)) => whole.restricted_to(radius),
            _ => whole,
        }
    }

    /// Checks that a network can be built.
    ///
    /// # Errors
    ///
    /// Returns the [`ConfigError`] of the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab_size", self.vocab_size, bounds::VOCAB_SIZE),
            ("d_model", self.d_model, bounds::D_MODEL),
            ("d_ff", self.d_ff, bounds::D_FF),
            ("n_heads", self.n_heads, bounds::N_HEADS),
            ("encoder_layers", self.encoder_layers, bounds::LAYERS),
            ("decoder_layers", self.decoder_layers, bounds::LAYERS),
            ("max_length", self.max_length, bounds::LENGTH),
            (
                "convolution_width",
                self.convolution_width,
                bounds::CONVOLUTION_WIDTH,
            ),
        ];
        let window = self.attention_window;
        let target = self.target_vocab_size;
        let sizes = sizes
            .into_iter()
            .chain(window.map(|window| ("attention_window", window, bounds::LENGTH)))
            .chain(target.map(|size| ("target_vocab_size", size, bounds::VOCAB_SIZE)));
        if let Some((field, ..)) = sizes.clone().find(|(_, size, _)| *size == 0) {
            return Err(ConfigError::Zero { field });
        }
        let positions = self.max_length.saturating_mul(self.d_model);
        let mut sizes = sizes.chain([("max_length * d_model", positions, bounds::POSITIONS)]);
        if let Some((field, size, most)) = sizes.find(|(_, size, most)| size > most) {
            return Err(ConfigError::TooLarge { field, size, most });
        }
        if !self.d_model.is_multiple_of(self.n_heads) {
            return Err(ConfigError::Heads {
                n_heads: self.n_heads,
                d_model: self.d_model,
            });
        }
        if self.positions != PositionKind::Learned && !self.d_model.is_multiple_of(2) {
            return Err(ConfigError::OddWidth {
                d_model: self.d_model,
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ConfigError::Dropout {
                dropout: self.dropout,
            });
        }
        if !(bounds::LEAST_NORM_EPSILON..1.0).contains(&self.norm_epsilon) {
            return Err(ConfigError::NormEpsilon {
                epsilon: self.norm_epsilon,
            });
        }
        self.validate_vocabularies()?;
        self.validate_layers()
    }

    /// Checks the vocabulary of the target, and the ids of tokens.
    fn validate_vocabularies(&self) -> Result<(), ConfigError> {
        if let (TiedEmbeddings::All, Some(size)) = (self.tie_embeddings, self.target_vocab_size) {
            return Err(ConfigError::TiedVocabularies { size });
        }
        let target = self.target_vocabulary();
        let ids = [
            ("pad_id", Some(self.pad_id), self.vocab_size.min(target)),
            ("decoder_start_id", self.decoder_start_id, target),
        ];
        for (field, id, vocab_size) in ids {
            if let Some(id) = id.filter(|id| *id >= vocab_size) {
                return Err(ConfigError::TokenId {
                    field,
                    id,
                    vocab_size,
                });
            }
        }
        Ok(())
    }

    /// Checks the kinds of layers, and the options that belong to them.
    fn validate_layers(&self) -> Result<(), ConfigError> {
        if matches!(self.decoder_layer, LayerKind::Recurrent | LayerKind::Convolution) {
            return Err(ConfigError::DecoderLayer {
                kind: self.decoder_layer,
            });
        }
        if self.encoder_layer == LayerKind::Ssru {
            return Err(ConfigError::EncoderLayer {
                kind: self.encoder_layer,
            });
        }
        if self.encoder_layer == LayerKind::Recurrent && !self.d_model.is_multiple_of(2) {
            return Err(ConfigError::OddRecurrentWidth {
                d_model: self.d_model,
            });
        }
        let width = self.convolution_width;
        if width.is_multiple_of(2) {
            return Err(ConfigError::EvenConvolution { width });
        }
        if self.encoder_layer != LayerKind::Convolution && !is_default_convolution_width(&width) {
            return Err(ConfigError::UnusedConvolution { width });
        }
        let kinds = [
            ("encoder_layer", self.encoder_layer),
            ("decoder_layer", self.decoder_layer),
        ];
        let restricted = kinds.into_iter().find(|(_, kind)| *kind == LayerKind::Restricted);
        match (restricted, self.attention_window) {
            (Some((field, _)), None) => Err(ConfigError::NoWindow { field }),
            (None, Some(window)) => Err(ConfigError::UnusedWindow { window }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
