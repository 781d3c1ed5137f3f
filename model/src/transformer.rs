//! The whole network for training: embeddings, encoder, decoder and output (figure 1).

use attend_ops::{linear_cross_entropy, product_of_rows};
use burn::module::{Module, Param};
use burn::nn::{Embedding, Initializer};
use burn::tensor::{Device, Int, Tensor};

use crate::attention_weights::{AttentionWeights, DecoderLayerWeights, ReturnedAttention};
use crate::config::{ConfigError, TiedEmbeddings, TransformerConfig};
use crate::decoder::Decoder;
use crate::dropout::Dropout;
use crate::embedding::embed;
use crate::encoder::Encoder;
use crate::init;
use crate::mask::padding_mask;
use crate::memory::Memory;
use crate::position::PositionalEncoding;

/// The target embedding and the output matrix, each `[target_vocabulary, d_model]`, if they are not tied to the source
/// embedding. There is no output matrix if it is tied to the target embedding.
#[derive(Module, Debug)]
struct UntiedEmbeddings {
    target: Embedding,
    output: Option<Embedding>,
}

impl UntiedEmbeddings {
    /// Returns what `config` does not tie to the source embedding, with initial weights.
    fn new(config: &TransformerConfig, device: &Device) -> Option<Self> {
        let embedding = || init::embedding(config.target_vocabulary(), config.d_model, device);
        let (target, output) = match config.tie_embeddings {
            TiedEmbeddings::All => return None,
            TiedEmbeddings::Decoder => (embedding(), None),
            TiedEmbeddings::None => (embedding(), Some(embedding())),
        };
        Some(Self { target, output })
    }
}

/// The encoder-decoder Transformer for training, which runs on whole targets.
///
/// For inference, convert it to an [`InferenceTransformer`](crate::InferenceTransformer).
#[derive(Module, Debug)]
pub struct Transformer {
    pub(crate) embedding: Embedding,
    untied: Option<UntiedEmbeddings>,
    /// The numbers that are added to the logits, `[target_vocabulary]`. A token whose number is negative infinity is
    /// never predicted.
    output_bias: Option<Param<Tensor<1>>>,
    pub(crate) source_positions: PositionalEncoding,
    pub(crate) target_positions: PositionalEncoding,
    embedding_dropout: Dropout,
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) pad_id: usize,
}

impl Transformer {
    /// Returns a network with initial weights, drawn from the device's random number generator.
    ///
    /// # Errors
    ///
    /// If `config` is not [valid](TransformerConfig::validate).
    pub fn new(config: &TransformerConfig, device: &Device) -> Result<Self, ConfigError> {
        config.validate()?;
        let output_bias = || Initializer::Zeros.init([config.target_vocabulary()], device);
        Ok(Self {
            embedding: init::embedding(config.vocab_size, config.d_model, device),
            untied: UntiedEmbeddings::new(config, device),
            output_bias: config.output_bias.then(output_bias),
            source_positions: PositionalEncoding::new(config, device),
            target_positions: PositionalEncoding::new(config, device),
            embedding_dropout: Dropout::new(config.dropout),
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            pad_id: config.pad_id,
        })
    }

    /// Returns the logits of the next token at every target position. Each position sees the whole source, itself and
    /// the target positions before it.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - output: `[batch, target_seq, target_vocabulary]`
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn forward(&self, source: Tensor<2, Int>, target_input: Tensor<2, Int>) -> Tensor<3> {
        self.decode(target_input, &self.encode(source))
    }

    /// Returns the attention weights of every layer in a forward pass.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn attention_weights(
        &self,
        source: Tensor<2, Int>,
        target_input: Tensor<2, Int>,
    ) -> AttentionWeights {
        let (memory, encoder) = self.encode_returning(source, ReturnedAttention::All);
        let (_, layers) = self.decode_returning(target_input, &memory, ReturnedAttention::All);
        AttentionWeights::new(encoder, layers)
    }

    /// Returns the training loss, in nats: the sum of the [label-smoothed cross-entropy](linear_cross_entropy) over all
    /// target tokens that are not padding.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - target_output: `[batch, target_seq]`, rows end with `</s>`, padded on the right
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn loss(
        &self,
        source: Tensor<2, Int>,
        target_input: Tensor<2, Int>,
        target_output: Tensor<2, Int>,
        smoothing: f64,
    ) -> Tensor<1> {
        let memory = self.encode(source);
        let (x, _) = self.decode_returning(target_input, &memory, ReturnedAttention::None);
        let (weight, bias) = (self.output_weight(), self.output_bias());
        linear_cross_entropy(x, weight, bias, target_output, self.pad_id, smoothing)
    }

    /// Encodes a batch of source sentences.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn encode(&self, source: Tensor<2, Int>) -> Memory {
        self.encode_returning(source, ReturnedAttention::None).0
    }

    /// Returns the logits of the next token at every position of whole targets.
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - output: `[batch, target_seq, target_vocabulary]`
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn decode(&self, target_input: Tensor<2, Int>, memory: &Memory) -> Tensor<3> {
        let (x, _) = self.decode_returning(target_input, memory, ReturnedAttention::None);
        let logits = product_of_rows(x, self.output_weight().transpose());
        match self.output_bias() {
            Some(bias) => logits + bias.unsqueeze(),
            None => logits,
        }
    }

    /// Returns the device of the weights. Inputs must be on this device.
    pub fn device(&self) -> Device {
        self.embedding.weight.device()
    }

    /// Encodes `[batch, source_seq]`. Returns the memory and the attention weights that `returned` names.
    fn encode_returning(
        &self,
        source: Tensor<2, Int>,
        returned: ReturnedAttention,
    ) -> (Memory, Vec<Tensor<4>>) {
        let hidden = padding_mask(source.clone(), self.pad_id);
        let x = embed(&self.embedding, &self.source_positions, source, 0);
        let x = self.embedding_dropout.forward(x);
        let (states, weights) = self.encoder.forward(x, hidden.clone(), returned);
        (Memory { states, hidden }, weights)
    }

    /// Returns the decoder's output `[batch, target_seq, d_model]` for whole targets `[batch, target_seq]`, and the
    /// attention weights that `returned` names.
    fn decode_returning(
        &self,
        target_input: Tensor<2, Int>,
        memory: &Memory,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let x = embed(self.target_embedding(), &self.target_positions, target_input, 0);
        let x = self.embedding_dropout.forward(x);
        self.decoder.forward(x, memory, returned)
    }

    /// Returns the embedding of target tokens, `[target_vocabulary, d_model]`.
    pub(crate) fn target_embedding(&self) -> &Embedding {
        match &self.untied {
            Some(untied) => &untied.target,
            None => &self.embedding,
        }
    }

    /// Returns the weight of the output layer, `[target_vocabulary, d_model]`.
    pub(crate) fn output_weight(&self) -> Tensor<2> {
        let own = self.untied.as_ref().and_then(|untied| untied.output.as_ref());
        own.unwrap_or(self.target_embedding()).weight.val()
    }

    /// Returns what is added to the logits, `[target_vocabulary]`.
    pub(crate) fn output_bias(&self) -> Option<Tensor<1>> {
        self.output_bias.as_ref().map(Param::val)
    }
}
