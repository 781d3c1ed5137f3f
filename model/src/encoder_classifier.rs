//! An encoder that labels a text, or each of its tokens.

use attend_ops::{Activation, PackedLinear, Precision};
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::attention_weights::ReturnedAttention;
use crate::config::{ConfigError, TransformerConfig};
use crate::dropout::Dropout;
use crate::embedding::embed;
use crate::encoder::Encoder;
use crate::init;
use crate::mask::padding_mask;
use crate::pooling::{Pooling, PoolingKind};
use crate::position::PositionalEncoding;
use crate::projection::{Projection, pack};

/// The shape of an [`EncoderClassifier`].
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderClassifierConfig {
    /// The shape of the encoder. The fields of the decoder, of the target and of the output layer have no effect.
    pub encoder: TransformerConfig,
    /// How a text becomes one vector, which is then labelled; `None` to label each token.
    pub pooling: Option<PoolingKind>,
    /// Number of labels.
    pub labels: usize,
}

/// An encoder and a linear layer that gives each label a logit: for a whole text if there is [`Pooling`], and else for
/// each token.
///
/// It has the embeddings, the positions and the [`Encoder`] of a [`Transformer`](crate::Transformer), and no decoder.
///
/// ```
/// use attend_model::{EncoderClassifier, EncoderClassifierConfig, PoolingKind, Preset};
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let config = EncoderClassifierConfig {
///     encoder: Preset::Tiny.config(100),
///     pooling: Some(PoolingKind::Mean),
///     labels: 3,
/// };
/// let text = Tensor::<2, Int>::from_ints([[1, 5, 6, 2]], &device);
/// let classifier = EncoderClassifier::new(&config, &device)?;
/// assert_eq!(classifier.forward(text.clone()).dims(), [1, 1, 3]);
///
/// let tagger = EncoderClassifier::new(&EncoderClassifierConfig { pooling: None, ..config }, &device)?;
/// assert_eq!(tagger.forward(text).dims(), [1, 4, 3]);
/// # Ok::<(), attend_model::ConfigError>(())
/// ```
#[derive(Module, Debug)]
pub struct EncoderClassifier<P = Linear> {
    embedding: Embedding,
    positions: PositionalEncoding,
    embedding_dropout: Dropout,
    encoder: Encoder<P>,
    pooling: Option<Pooling>,
    output: P,
    pad_id: usize,
}

impl EncoderClassifier {
    /// Returns a network with initial weights, drawn from the device's random number generator.
    ///
    /// # Errors
    ///
    /// If the shape of the encoder is not [valid](TransformerConfig::validate), or there is no label.
    pub fn new(config: &EncoderClassifierConfig, device: &Device) -> Result<Self, ConfigError> {
        let EncoderClassifierConfig {
            encoder,
            pooling,
            labels,
        } = config;
        encoder.validate()?;
        if *labels == 0 {
            return Err(ConfigError::Zero { field: "labels" });
        }
        Ok(Self {
            embedding: init::embedding(encoder.vocab_size, encoder.d_model, device),
            positions: PositionalEncoding::new(encoder, device),
            embedding_dropout: Dropout::new(encoder.dropout),
            encoder: Encoder::new(encoder, device),
            pooling: pooling.map(|kind| Pooling::new(kind, encoder.d_model, device)),
            output: init::linear(encoder.d_model, *labels, 1.0, device),
            pad_id: encoder.pad_id,
        })
    }

    /// Returns the training loss, in nats: the label-smoothed cross-entropy (Szegedy et al., 2016, section 7), summed
    /// over all labels y with the smoothing ε, the number of labels L and the probabilities p:
    ///
    /// ```text
    /// Σ  -(1 - ε) log p(y) - ε/L Σ_l log p(l)
    /// ```
    ///
    /// # Shapes
    ///
    /// - ids: `[batch, seq]`, padded on the right
    /// - labels: `[batch, 1]` with pooling, `[batch, seq]` without; a negative number stands where there is no label
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions, a token is outside its vocabulary, or there is no such label.
    pub fn loss(&self, ids: Tensor<2, Int>, labels: Tensor<2, Int>, smoothing: f64) -> Tensor<1> {
        let log_probabilities = log_softmax(self.forward(ids), 2);
        let unlabelled = labels.clone().lower_elem(0);
        let of_label = log_probabilities
            .clone()
            .gather(2, labels.clamp_min(0).unsqueeze_dim(2))
            .squeeze_dim::<2>(2);
        let mean = log_probabilities.mean_dim(2).squeeze_dim::<2>(2);
        let loss = of_label * (smoothing - 1.0) - mean * smoothing;
        loss.mask_fill(unlabelled, 0.0).sum()
    }

    /// Packs the weights for inference in the given precision.
    #[must_use]
    pub fn pack(self, precision: Precision) -> EncoderClassifier<PackedLinear> {
        EncoderClassifier {
            embedding: self.embedding,
            positions: self.positions,
            embedding_dropout: self.embedding_dropout,
            encoder: self.encoder.pack(precision),
            pooling: self.pooling,
            output: pack(self.output, precision),
            pad_id: self.pad_id,
        }
    }
}

impl<P: Projection> EncoderClassifier<P> {
    /// Returns the logit of each label.
    ///
    /// # Shapes
    ///
    /// - ids: `[batch, seq]`, padded on the right
    /// - output: `[batch, 1, labels]` with pooling, `[batch, seq, labels]` without
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.forward_with_weights(ids).0
    }

    /// Returns the logit of each label, and the weights of pooling by attention.
    ///
    /// # Shapes
    ///
    /// - ids: `[batch, seq]`, padded on the right
    /// - output: `[batch, 1, labels]` with pooling, `[batch, seq, labels]` without; and weights `[batch, seq]`, of which
    ///   each row sums to 1
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn forward_with_weights(&self, ids: Tensor<2, Int>) -> (Tensor<3>, Option<Tensor<2>>) {
        let hidden = padding_mask(ids.clone(), self.pad_id);
        let x = self
            .embedding_dropout
            .forward(embed(&self.embedding, &self.positions, ids, 0));
        let (x, _) = self.encoder.forward(x, hidden.clone(), ReturnedAttention::None);
        let (x, weights) = match &self.pooling {
            Some(pooling) => pooling.forward(x, without_heads(hidden)),
            None => (x, None),
        };
        (self.output.forward(x, Activation::Identity), weights)
    }

    /// Returns the device of the weights. Inputs must be on this device.
    pub fn device(&self) -> Device {
        self.embedding.weight.device()
    }
}

/// Returns the mask `[batch, seq]` of a mask `[batch, 1, 1, seq]`.
fn without_heads(hidden: Tensor<4, Bool>) -> Tensor<2, Bool> {
    hidden.squeeze_dims(&[1, 2])
}
