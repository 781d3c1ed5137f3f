//! The shape of a Transformer, and its presets.

use attend_ops::Window;
use serde::{Deserialize, Serialize};

/// The place of layer normalization around a sub-layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormPlacement {
    /// `LayerNorm(x + SubLayer(x))` (Vaswani et al., 2017, section 3.1).
    #[default]
    Post,
    /// `x + SubLayer(LayerNorm(x))` with one more norm after each stack (Xiong et al., 2020).
    Pre,
}

/// The kind of positional encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionKind {
    /// Fixed sines and cosines, interleaved (Vaswani et al., 2017, section 3.5).
    #[default]
    Sinusoidal,
    /// A trained embedding of each position (Vaswani et al., 2017, section 3.5 and table 3, row E).
    Learned,
}

/// The kind of layer by which the positions of a sequence learn of each other (Vaswani et al., 2017, section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum LayerKind {
    /// Self-attention: a position sees all positions, or in the decoder itself and all before it.
    #[default]
    SelfAttention,
    /// Self-attention to the nearest positions alone, `attention_window` on either side, or in the decoder before it.
    Restricted,
    /// Gated recurrent units that read the sequence in both directions. The encoder alone has it.
    Recurrent,
    /// A convolution over `convolution_width` positions. The encoder alone has it.
    Convolution,
}

impl LayerKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The largest sizes that [`TransformerConfig::validate`] accepts. They are larger than any network in use. They
/// prevent a typing error or a damaged file from requesting more memory than there is.
pub mod bounds {
    /// The largest `vocab_size`.
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
}

/// The shape of a [`Transformer`](crate::Transformer). The file `config.json` in a model folder holds it.
// A new field needs `#[serde(default = "…")]` with the value that keeps the old behaviour, so that a `config.json` that
// was saved before can still be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Number of subwords in the joint source and target vocabulary.
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
    /// Sinusoidal positions, as in Vaswani et al. (2017), or learned positions.
    pub positions: PositionKind,
    /// The maximum number of tokens in a sequence, `<s>` or `</s>` included.
    pub max_length: usize,
    /// Whether source embedding, target embedding and output layer share one matrix (Vaswani et al., 2017, section
    /// 3.4).
    pub tie_embeddings: bool,
    /// Id of the padding token, which is hidden from attention.
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
}

fn default_convolution_width() -> usize {
    3
}

fn is_default_convolution_width(width: &usize) -> bool {
    *width == default_convolution_width()
}

/// The reason why no network can be built from a [`TransformerConfig`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A size of zero.
    #[error("{field} is 0, but must be at least 1")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
    /// A size above its [bound](mod@bounds).
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
    /// An id of the padding token outside the vocabulary.
    #[error("pad_id = {pad_id} is outside the vocabulary of {vocab_size}")]
    Padding {
        /// The value given.
        pad_id: usize,
        /// Number of subwords.
        vocab_size: usize,
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
        "decoder_layer = \"{kind}\", but a decoder has only \"self-attention\" and \"restricted\": it caches keys and values"
    )]
    DecoderLayer {
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
    /// Returns the name of the field of [`TransformerConfig`] to change, or the names of two fields with a `*` between
    /// them.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Zero { field } | Self::TooLarge { field, .. } => field,
            Self::Heads { .. } => "n_heads",
            Self::OddWidth { .. } | Self::OddRecurrentWidth { .. } => "d_model",
            Self::Dropout { .. } => "dropout",
            Self::Padding { .. } => "pad_id",
            Self::DecoderLayer { .. } => "decoder_layer",
            Self::EvenConvolution { .. } | Self::UnusedConvolution { .. } => "convolution_width",
            Self::NoWindow { .. } | Self::UnusedWindow { .. } => "attention_window",
        }
    }
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
            tie_embeddings: true,
            pad_id: 0,
            encoder_layer: LayerKind::default(),
            decoder_layer: LayerKind::default(),
            attention_window: None,
            convolution_width: default_convolution_width(),
        }
    }
}

impl TransformerConfig {
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
        let sizes = sizes
            .into_iter()
            .chain(window.map(|window| ("attention_window", window, bounds::LENGTH)));
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
        if self.positions == PositionKind::Sinusoidal && !self.d_model.is_multiple_of(2) {
            return Err(ConfigError::OddWidth {
                d_model: self.d_model,
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ConfigError::Dropout {
                dropout: self.dropout,
            });
        }
        if self.pad_id >= self.vocab_size {
            return Err(ConfigError::Padding {
                pad_id: self.pad_id,
                vocab_size: self.vocab_size,
            });
        }
        self.validate_layers()
    }

    /// Checks the kinds of layers, and the options that belong to them.
    fn validate_layers(&self) -> Result<(), ConfigError> {
        if matches!(self.decoder_layer, LayerKind::Recurrent | LayerKind::Convolution) {
            return Err(ConfigError::DecoderLayer {
                kind: self.decoder_layer,
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
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};
    use strum::VariantNames;

    use super::*;

    #[test]
    fn presets_are_valid() {
        for preset in [Preset::Tiny, Preset::Small, Preset::Base, Preset::Big] {
            assert_eq!(preset.config(37_000).validate(), Ok(()));
        }
    }

    #[test]
    fn presets_have_one_name_in_files_and_on_command_lines() {
        assert_eq!(Preset::VARIANTS, ["tiny", "small", "base", "big"]);
        for name in Preset::VARIANTS {
            let preset: Preset = name.parse().unwrap();
            assert_eq!(preset.to_string(), *name);
            let deserializer: StrDeserializer<ValueError> = name.into_deserializer();
            assert_eq!(Preset::deserialize(deserializer), Ok(preset));
        }
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let valid = Preset::Tiny.config(100);
        let heads = TransformerConfig {
            n_heads: 3,
            ..valid.clone()
        };
        assert_eq!(
            heads.validate().unwrap_err().to_string(),
            "n_heads = 3 does not divide d_model = 128"
        );
        let width = TransformerConfig {
            d_model: 9,
            n_heads: 3,
            ..valid.clone()
        };
        assert_eq!(width.validate(), Err(ConfigError::OddWidth { d_model: 9 }));
        assert_eq!(width.validate().unwrap_err().field(), "d_model");
        let learned = TransformerConfig {
            positions: PositionKind::Learned,
            ..width
        };
        assert_eq!(learned.validate(), Ok(()));
        let dropout = TransformerConfig {
            dropout: f64::NAN,
            ..valid.clone()
        };
        assert_eq!(dropout.validate().unwrap_err().field(), "dropout");
        let layers = TransformerConfig {
            decoder_layers: 0,
            ..valid.clone()
        };
        assert_eq!(
            layers.validate(),
            Err(ConfigError::Zero {
                field: "decoder_layers"
            })
        );
        let length = TransformerConfig {
            max_length: 1_000_000_000_000,
            ..valid.clone()
        };
        assert_eq!(
            length.validate().unwrap_err().to_string(),
            "max_length = 1000000000000, but must be at most 1000000"
        );
        let positions = TransformerConfig {
            d_model: 65_536,
            max_length: 1_000_000,
            ..valid.clone()
        };
        assert!(matches!(
            positions.validate(),
            Err(ConfigError::TooLarge {
                field: "max_length * d_model",
                ..
            })
        ));
        let padding = TransformerConfig { pad_id: 100, ..valid };
        assert_eq!(padding.validate().unwrap_err().field(), "pad_id");
    }

    #[test]
    fn a_window_belongs_to_restricted_layers() {
        let full = Preset::Tiny.config(100);
        let message = |config: &TransformerConfig| config.validate().unwrap_err().to_string();
        let unused = TransformerConfig {
            attention_window: Some(4),
            ..full.clone()
        };
        assert_eq!(
            message(&unused),
            "attention_window = 4, but neither encoder_layer nor decoder_layer is \"restricted\", which alone use it"
        );
        let decoder = TransformerConfig {
            decoder_layer: LayerKind::Restricted,
            ..unused.clone()
        };
        assert_eq!(decoder.validate(), Ok(()));
        assert_eq!(decoder.encoder_window(), Window::ALL);
        assert_eq!(decoder.decoder_window(), Window { before: 4, after: 0 });
        let encoder = TransformerConfig {
            encoder_layer: LayerKind::Restricted,
            ..unused
        };
        assert_eq!(encoder.validate(), Ok(()));
        assert_eq!(encoder.encoder_window(), Window { before: 4, after: 4 });
        assert_eq!(encoder.decoder_window(), Window::CAUSAL);
        let none = TransformerConfig {
            attention_window: None,
            ..encoder.clone()
        };
        assert_eq!(
            message(&none),
            "encoder_layer is \"restricted\", which needs attention_window, the number of positions to see on a side"
        );
        let zero = TransformerConfig {
            attention_window: Some(0),
            ..encoder
        };
        assert_eq!(message(&zero), "attention_window is 0, but must be at least 1");
        for config in [none, zero] {
            assert_eq!(config.validate().unwrap_err().field(), "attention_window");
        }
    }

    #[test]
    fn a_kind_of_layer_has_its_place_and_its_options() {
        let full = Preset::Tiny.config(100);
        for (config, field, message) in [
            (
                TransformerConfig {
                    decoder_layer: LayerKind::Recurrent,
                    ..full.clone()
                },
                "decoder_layer",
                "decoder_layer = \"recurrent\", but a decoder has only \"self-attention\" and \"restricted\": it caches \
                 keys and values",
            ),
            (
                TransformerConfig {
                    encoder_layer: LayerKind::Convolution,
                    convolution_width: 4,
                    ..full.clone()
                },
                "convolution_width",
                "convolution_width = 4 is even, but must be odd, so that each position is the middle of what it sees",
            ),
            (
                TransformerConfig {
                    convolution_width: 5,
                    ..full.clone()
                },
                "convolution_width",
                "convolution_width = 5, but encoder_layer is not \"convolution\", which alone uses it",
            ),
            (
                TransformerConfig {
                    encoder_layer: LayerKind::Recurrent,
                    d_model: 9,
                    n_heads: 3,
                    positions: PositionKind::Learned,
                    ..full.clone()
                },
                "d_model",
                "d_model = 9 is odd, but a recurrent layer divides it between its two directions",
            ),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!((error.field(), error.to_string().as_str()), (field, message));
        }
        let wide = TransformerConfig {
            encoder_layer: LayerKind::Convolution,
            convolution_width: 5,
            ..full
        };
        assert_eq!(wide.validate(), Ok(()));
    }
}
