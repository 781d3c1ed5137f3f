//! The options of a Transformer that are chosen by name.

use std::fmt;

use attend_ops::Activation;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    /// Fixed sines and cosines, interleaved (Vaswani et al., 2017, section 3.5): [`sinusoids`](crate::sinusoids).
    #[default]
    Sinusoidal,
    /// A trained embedding of each position (Vaswani et al., 2017, section 3.5 and table 3, row E).
    Learned,
    /// The numbers of the sinusoidal encoding, first all sines and then all cosines, as in Hugging Face's models of
    /// Marian: [`sinusoid_halves`](crate::sinusoid_halves).
    SinusoidalHalves,
    /// Sines and then cosines of other wavelengths, as in the toolkit Marian:
    /// [`marian_sinusoids`](crate::marian_sinusoids).
    Marian,
}

/// The function between the two linear layers of a feed-forward network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ActivationKind {
    /// `max(0, x)` (Vaswani et al., 2017, equation 2).
    #[default]
    Relu,
    /// `x Φ(x)`, where Φ is the distribution function of the standard normal distribution (Hendrycks and Gimpel, 2016,
    /// "Gaussian Error Linear Units").
    Gelu,
    /// `x / (1 + e^-x)` (Ramachandran et al., 2017, "Searching for Activation Functions"), which PyTorch calls SiLU.
    Swish,
}

impl ActivationKind {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<ActivationKind> for Activation {
    fn from(kind: ActivationKind) -> Self {
        match kind {
            ActivationKind::Relu => Self::Relu,
            ActivationKind::Gelu => Self::Gelu,
            ActivationKind::Swish => Self::Swish,
        }
    }
}

/// Which of the source embedding, the target embedding and the output layer share one matrix (Vaswani et al., 2017,
/// section 3.4). In files, it is `true`, `"decoder"` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TiedEmbeddings {
    /// All three share one matrix: `true`.
    All,
    /// The target embedding and the output layer share one matrix, and the source embedding has another: `"decoder"`.
    Decoder,
    /// Each has a matrix of its own: `false`.
    None,
}

/// The name of [`TiedEmbeddings::Decoder`] in files.
const DECODER: &str = "decoder";

impl Serialize for TiedEmbeddings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_bool(true),
            Self::Decoder => serializer.serialize_str(DECODER),
            Self::None => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for TiedEmbeddings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrName;

        impl Visitor<'_> for BoolOrName {
            type Value = TiedEmbeddings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "true, false or \"{DECODER}\"")
            }

            fn visit_bool<E: Error>(self, all: bool) -> Result<TiedEmbeddings, E> {
                Ok(if all {
                    TiedEmbeddings::All
                } else {
                    TiedEmbeddings::None
                })
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<TiedEmbeddings, E> {
                if name == DECODER {
                    Ok(TiedEmbeddings::Decoder)
                } else {
                    Err(E::invalid_value(Unexpected::Str(name), &self))
                }
            }
        }

        deserializer.deserialize_any(BoolOrName)
    }
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
    /// A simpler simple recurrent unit, which reads the sequence forwards: [`Ssru`](crate::Ssru). The decoder alone has
    /// it.
    Ssru,
}

impl LayerKind {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
