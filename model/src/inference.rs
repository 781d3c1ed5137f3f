//! The whole network for translating: one target position at a time, or whole targets that are given.

use attend_ops::{Activation, PackedLinear, Precision, log_sum_exp};
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};

use crate::attention_weights::{DecoderLayerWeights, ReturnedWeights};
use crate::cache::DecoderState;
use crate::decoder::Decoder;
use crate::embedding::embed;
use crate::encoder::Encoder;
use crate::mask::padding_mask;
use crate::memory::Memory;
use crate::position::PositionalEncoding;
use crate::transformer::Transformer;

/// The positions whose logits are computed together: the logits of all could take more memory than the model.
const SCORED_TOGETHER: usize = 256;

/// The distribution of the token that follows each row.
#[derive(Clone, Debug)]
pub struct NextTokens {
    /// `[rows, vocab_size]`
    pub logits: Tensor<2>,
    /// The logarithm of the sum of the exponentials of a row's logits, `[rows]`. A token's log-probability is its
    /// logit less this number.
    pub log_totals: Tensor<1>,
}

/// A [`Transformer`] that translates, one token of each row at a time, and scores given translations.
///
/// Its layers are the network's own, with their weights laid out once for all the matrix products to come, and without
/// a backward pass.
#[derive(Clone, Debug)]
pub struct InferenceTransformer {
    source_embedding: Embedding,
    target_embedding: Embedding,
    source_positions: PositionalEncoding,
    target_positions: PositionalEncoding,
    encoder: Encoder<PackedLinear>,
    decoder: Decoder<PackedLinear>,
    output: PackedLinear,
    pad_id: usize,
}

impl InferenceTransformer {
    /// Lays out the weights of `network` for matrix products in this precision.
    #[must_use]
    pub fn new(network: Transformer, precision: Precision) -> Self {
        let output = network.output_weight().transpose();
        let [_, vocab_size] = output.dims();
        let no_bias = Tensor::zeros([vocab_size], &output.device());
        Self {
            target_embedding: network.target_embedding().clone(),
            source_embedding: network.embedding,
            source_positions: network.source_positions,
            target_positions: network.target_positions,
            encoder: network.encoder.pack(precision),
            decoder: network.decoder.pack(precision),
            output: PackedLinear::new(output, no_bias, precision),
            pad_id: network.pad_id,
        }
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
        let hidden = padding_mask(source.clone(), self.pad_id);
        let x = embed(&self.source_embedding, &self.source_positions, source, 0);
        let (states, _) = self.encoder.forward(x, hidden.clone(), ReturnedWeights::None);
        Memory { states, hidden }
    }

    /// Returns the decoder's state before the first target token, a row for each sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        self.decoder.start(memory)
    }

    /// Adds the given token to each row of `state`, and returns what follows it.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, at first `<s>`
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions or a token is outside its vocabulary.
    pub fn step(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> NextTokens {
        self.step_returning(tokens, state, ReturnedWeights::None).0
    }

    /// Adds the given token to each row of `state`, and returns what follows it and the
    /// [alignment](Self::alignment) of what follows: how much the decoder attends to each source token to find it.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, at first `<s>`
    /// - alignment: `[rows, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions or a token is outside its vocabulary.
    pub fn step_aligned(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> (NextTokens, Tensor<2>) {
        let (next, weights) = self.step_returning(tokens, state, ReturnedWeights::Alignment);
        (next, alignment_of(weights).squeeze_dim(1))
    }

    fn step_returning(
        &self,
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
        returned: ReturnedWeights,
    ) -> (NextTokens, Vec<DecoderLayerWeights>) {
        let ids = tokens.unsqueeze_dim(1);
        let start = state.length();
        let x = embed(&self.target_embedding, &self.target_positions, ids, start);
        let (x, weights) = self.decoder.step(x, state, returned);
        (self.next_tokens(x), weights)
    }

    /// Returns the log-probability of each token of whole targets, given the tokens before it, in nats.
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - target_output: `[batch, target_seq]`, rows end with `</s>`, padded on the right
    /// - output: `[batch, target_seq]`; padding has a number, too
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn score(
        &self,
        target_input: Tensor<2, Int>,
        target_output: Tensor<2, Int>,
        memory: &Memory,
    ) -> Tensor<2> {
        let (x, _) = self.decode(target_input, memory, ReturnedWeights::None);
        let [batch, target_seq, d_model] = x.dims();
        let rows = x.reshape([batch * target_seq, 1, d_model]);
        let tokens = target_output.reshape([batch * target_seq, 1]);
        let parts = rows.split(SCORED_TOGETHER, 0).into_iter();
        let log_probabilities = parts.zip(tokens.split(SCORED_TOGETHER, 0)).map(|(rows, tokens)| {
            let NextTokens { logits, log_totals } = self.next_tokens(rows);
            logits.gather(1, tokens).squeeze_dim(1) - log_totals
        });
        Tensor::cat(log_probabilities.collect(), 0).reshape([batch, target_seq])
    }

    /// Returns how much the decoder attends to each source token to find the token behind each of `target_input`: the
    /// weights of the last decoder layer but one, the mean of its heads. These agree best with human word alignments
    /// (Garg et al., 2019, "Jointly Learning to Align and Translate with Transformer Models", section 4.1).
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - output: `[batch, target_seq, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a sequence is longer than the model's positions or a token is outside its vocabulary.
    pub fn alignment(&self, target_input: Tensor<2, Int>, memory: &Memory) -> Tensor<3> {
        let (_, weights) = self.decode(target_input, memory, ReturnedWeights::Alignment);
        alignment_of(weights)
    }

    /// Returns the decoder's output `[batch, target_seq, d_model]` for whole targets `[batch, target_seq]`, and the
    /// attention weights that are asked for.
    fn decode(
        &self,
        target_input: Tensor<2, Int>,
        memory: &Memory,
        returned: ReturnedWeights,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let x = embed(&self.target_embedding, &self.target_positions, target_input, 0);
        self.decoder.forward(x, memory, returned)
    }

    /// Returns what follows rows of the decoder's output, `[rows, 1, d_model]`.
    fn next_tokens(&self, x: Tensor<3>) -> NextTokens {
        let logits = self.output.forward(x, Activation::Identity).squeeze_dim(1);
        NextTokens {
            log_totals: log_sum_exp(logits.clone()),
            logits,
        }
    }

    /// Returns the device where the weights are, and where input must be.
    pub fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }
}

/// Returns the mean of the heads, `[batch, target_seq, source_seq]`, of the weights asked for by
/// [`ReturnedWeights::Alignment`].
fn alignment_of(layers: Vec<DecoderLayerWeights>) -> Tensor<3> {
    let weights = layers.into_iter().find_map(|layer| layer.cross_attention);
    let weights = weights.expect("one layer returns the alignment");
    weights.mean_dim(1).squeeze_dim(1)
}
