//! The whole network: embeddings, encoder, decoder and output (figure 1).

use attend_ops::{linear_cross_entropy, product_of_rows};
use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::config::{ConfigError, TransformerConfig};
use crate::decoder::Decoder;
use crate::dropout::Dropout;
use crate::encoder::Encoder;
use crate::init;
use crate::mask::padding_mask;
use crate::position::PositionalEncoding;

/// The encoder's output, which the decoder attends to.
#[derive(Clone, Debug)]
pub struct Memory {
    /// `[batch, source_seq, d_model]`
    pub states: Tensor<3>,
    /// `[batch, 1, 1, source_seq]`, `true` at padding
    pub hidden: Tensor<4, Bool>,
}

/// The attention weights of one forward pass, a tensor per layer from the bottom up.
#[derive(Clone, Debug, Default)]
pub struct AttentionWeights {
    /// Encoder self-attention: `[batch, n_heads, source_seq, source_seq]`
    pub encoder: Vec<Tensor<4>>,
    /// Decoder self-attention: `[batch, n_heads, target_seq, target_seq]`
    pub decoder: Vec<Tensor<4>>,
    /// Encoder-decoder attention: `[batch, n_heads, target_seq, source_seq]`
    pub cross: Vec<Tensor<4>>,
}

/// Embedding matrices `[vocab_size, d_model]` besides the source's, where the three are not tied.
#[derive(Module, Debug)]
pub(crate) struct UntiedEmbeddings {
    pub(crate) target: Embedding,
    output: Embedding,
}

/// The encoder-decoder Transformer.
#[derive(Module, Debug)]
pub struct Transformer {
    pub(crate) embedding: Embedding,
    pub(crate) untied: Option<UntiedEmbeddings>,
    pub(crate) source_positions: PositionalEncoding,
    pub(crate) target_positions: PositionalEncoding,
    embedding_dropout: Dropout,
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) pad_id: usize,
}

impl Transformer {
    /// A network with initial weights, drawn from the device's random numbers.
    ///
    /// # Errors
    ///
    /// If `config` is not [valid](TransformerConfig::validate).
    pub fn new(config: &TransformerConfig, device: &Device) -> Result<Self, ConfigError> {
        config.validate()?;
        let embedding = || init::embedding(config.vocab_size, config.d_model, device);
        Ok(Self {
            embedding: embedding(),
            untied: (!config.tie_embeddings).then(|| UntiedEmbeddings {
                target: embedding(),
                output: embedding(),
            }),
            source_positions: PositionalEncoding::new(config, device),
            target_positions: PositionalEncoding::new(config, device),
            embedding_dropout: Dropout::new(config.dropout),
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            pad_id: config.pad_id,
        })
    }

    /// Next-token logits at every target position, each seeing the target up to itself and the whole source.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - output: `[batch, target_seq, vocab_size]`
    ///
    /// # Panics
    ///
    /// As [`encode`](Self::encode).
    pub fn forward(&self, source: Tensor<2, Int>, target_input: Tensor<2, Int>) -> Tensor<3> {
        self.decode(target_input, &self.encode(source))
    }

    /// The attention weights of [`forward`](Self::forward) on the same input.
    pub fn attention_weights(
        &self,
        source: Tensor<2, Int>,
        target_input: Tensor<2, Int>,
    ) -> AttentionWeights {
        let mut weights = AttentionWeights::default();
        let memory = self.encode_recording(source, Some(&mut weights.encoder));
        self.decode_recording(target_input, &memory, Some(&mut weights));
        weights
    }

    /// The training loss: the [label-smoothed cross-entropy](linear_cross_entropy) of each target token, in nats,
    /// summed over those that are no padding.
    ///
    /// # Shapes
    ///
    /// - source, target_input: as for [`forward`](Self::forward)
    /// - target_output: `[batch, target_seq]`, rows end with `</s>`, padded on the right
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// As [`encode`](Self::encode).
    pub fn loss(
        &self,
        source: Tensor<2, Int>,
        target_input: Tensor<2, Int>,
        target_output: Tensor<2, Int>,
        smoothing: f64,
    ) -> Tensor<1> {
        let x = self.decode_recording(target_input, &self.encode(source), None);
        linear_cross_entropy(x, self.output_weight(), target_output, self.pad_id, smoothing)
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
        self.encode_recording(source, None)
    }

    /// Next-token logits at every position of whole targets.
    ///
    /// # Shapes
    ///
    /// - target_input and output: as for [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// As [`encode`](Self::encode).
    pub fn decode(&self, target_input: Tensor<2, Int>, memory: &Memory) -> Tensor<3> {
        let x = self.decode_recording(target_input, memory, None);
        product_of_rows(x, self.output_weight().transpose())
    }

    /// Where the weights are, and where input must be.
    pub fn device(&self) -> Device {
        self.embedding.weight.device()
    }

    fn encode_recording(&self, source: Tensor<2, Int>, weights: Option<&mut Vec<Tensor<4>>>) -> Memory {
        let hidden = padding_mask(source.clone(), self.pad_id);
        let x = embed(&self.embedding, &self.source_positions, source, 0);
        let x = self.embedding_dropout.forward(x);
        Memory {
            states: self.encoder.forward(x, hidden.clone(), weights),
            hidden,
        }
    }

    /// The decoder's output `[batch, seq, d_model]` for whole targets.
    fn decode_recording(
        &self,
        target_input: Tensor<2, Int>,
        memory: &Memory,
        weights: Option<&mut AttentionWeights>,
    ) -> Tensor<3> {
        let embedding = match &self.untied {
            Some(untied) => &untied.target,
            None => &self.embedding,
        };
        let x = embed(embedding, &self.target_positions, target_input, 0);
        let x = self.embedding_dropout.forward(x);
        self.decoder.forward(x, memory, weights)
    }

    /// The output layer's weight, `[vocab_size, d_model]`.
    pub(crate) fn output_weight(&self) -> Tensor<2> {
        match &self.untied {
            Some(untied) => untied.output.weight.val(),
            None => self.embedding.weight.val(),
        }
    }
}

/// `embedding · sqrt(d_model) + position` (sections 3.4 and 3.5) of tokens `[batch, seq]` at positions from `start` on.
pub(crate) fn embed(
    embedding: &Embedding,
    positions: &PositionalEncoding,
    ids: Tensor<2, Int>,
    start: usize,
) -> Tensor<3> {
    let x = embedding.forward(ids);
    let [_, _, d_model] = x.dims();
    positions.forward(x.mul_scalar((d_model as f64).sqrt()), start)
}
