//! The whole network for inference: it decodes one target position at a time, and scores whole targets.

use std::sync::OnceLock;

use attend_ops::{Activation, PackedLinear, Precision, log_sum_exp};
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};

use crate::attention_weights::{AttentionWeights, DecoderLayerWeights, ReturnedAttention};
use crate::cache::DecoderState;
use crate::decoder::Decoder;
use crate::embedding::embed;
use crate::encoder::Encoder;
use crate::mask::padding_mask;
use crate::memory::Memory;
use crate::position::PositionalEncoding;
use crate::transformer::Transformer;

/// The number of positions whose logits are computed together. The logits of all positions could take more memory than
/// the model.
const SCORE_CHUNK: usize = 256;

/// The distribution of the next token of each row.
#[derive(Clone, Debug)]
pub struct NextTokens {
    /// `[rows, target_vocabulary]`, or `[rows, tokens]` for the tokens of a [`OutputShortlist`].
    pub logits: Tensor<2>,
    /// The logarithm of the sum of the exponentials of a row's logits, `[rows]`. A token's log-probability is its logit
    /// minus this number.
    pub log_sum_exp: Tensor<1>,
}

impl NextTokens {
    /// Returns the log-probabilities of the next tokens in nats, in the shape of the logits.
    #[must_use]
    pub fn log_probabilities(self) -> Tensor<2> {
        self.logits - self.log_sum_exp.unsqueeze_dim(1)
    }
}

/// The output layer for some tokens of the target vocabulary, which alone are predicted. With few tokens, a step of
/// decoding is faster, since most of its work in a small network are the logits.
/// [`InferenceTransformer::shortlist`] returns it.
#[derive(Clone, Debug)]
pub struct OutputShortlist(PackedLinear);

/// A [`Transformer`] for inference. It translates, one token per row at a time, and scores given translations.
///
/// It has the layers of the [`Transformer`], without a backward pass. Their weights are packed once for all later
/// matrix products.
#[derive(Clone, Debug)]
pub struct InferenceTransformer {
    source_embedding: Embedding,
    target_embedding: Embedding,
    source_positions: PositionalEncoding,
    target_positions: PositionalEncoding,
    encoder: Encoder<PackedLinear>,
    decoder: Decoder<PackedLinear>,
    /// The output layer for all tokens, once it is used: a search among the tokens of shortlists does without.
    output: OnceLock<PackedLinear>,
    /// The weight from which `output` is packed, `[target_vocabulary, d_model]`, if it is not that of an embedding.
    untied_output: Option<Tensor<2>>,
    /// The bias of `output`, `[target_vocabulary]`.
    output_bias: Tensor<1>,
    precision: Precision,
    pad_id: usize,
}

impl InferenceTransformer {
    /// Packs the weights of `network` for inference in the given precision.
    #[must_use]
    pub fn new(network: Transformer, precision: Precision) -> Self {
        let output_weight = network.output_weight();
        let [vocab_size, _] = output_weight.dims();
        let no_bias = || Tensor::zeros([vocab_size], &output_weight.device());
        let output_bias = network.output_bias().unwrap_or_else(no_bias);
        let untied_output = network.untied_output();
        Self {
            target_embedding: network.target_embedding().clone(),
            source_embedding: network.embedding,
            source_positions: network.source_positions,
            target_positions: network.target_positions,
            encoder: network.encoder.pack(precision),
            decoder: network.decoder.pack(precision),
            output: OnceLock::new(),
            untied_output,
            output_bias,
            precision,
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
        self.encode_returning(source, ReturnedAttention::None).0
    }

    /// Encodes a batch of source sentences, and returns the attention weights of each layer that `returned` names.
    fn encode_returning(
        &self,
        source: Tensor<2, Int>,
        returned: ReturnedAttention,
    ) -> (Memory, Vec<Tensor<4>>) {
        let hidden = padding_mask(source.clone(), self.pad_id);
        let x = embed(&self.source_embedding, &self.source_positions, source, 0);
        let (states, weights) = self.encoder.forward(x, hidden.clone(), returned);
        (Memory { states, hidden }, weights)
    }

    /// Returns the decoder's state before the first target token, with one row per sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        self.decoder.start(memory)
    }

    /// Appends one token to each row of `state`, and returns the distribution of the token after it.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions or a token is outside its vocabulary.
    pub fn step(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> NextTokens {
        self.step_returning(tokens, state, ReturnedAttention::None).0
    }

    /// Returns the output layer for all tokens.
    fn output(&self) -> &PackedLinear {
        let pack = || {
            PackedLinear::new(
                self.output_weight().transpose(),
                self.output_bias.clone(),
                self.precision,
            )
        };
        self.output.get_or_init(pack)
    }

    /// Returns the weight of the output layer, `[target_vocabulary, d_model]`.
    fn output_weight(&self) -> Tensor<2> {
        let weight = self.untied_output.clone();
        weight.unwrap_or_else(|| self.target_embedding.weight.val())
    }

    /// Returns the output layer of the given tokens alone, for [`step_among`](Self::step_among).
    ///
    /// # Shapes
    ///
    /// - tokens: `[tokens]`, each once
    ///
    /// # Panics
    ///
    /// If a token is outside the model's vocabulary.
    #[must_use]
    pub fn shortlist(&self, tokens: Tensor<1, Int>) -> OutputShortlist {
        let weight = self.output_weight().select(0, tokens.clone());
        let bias = self.output_bias.clone().select(0, tokens);
        OutputShortlist(PackedLinear::new(weight.transpose(), bias, self.precision))
    }

    /// Appends one token to each row of `state`, and returns the distribution of the token after it among the tokens of
    /// a shortlist, in their order. No other token has a probability.
    ///
    /// `shortlists` divides the rows into parts, in order: the number of rows of each part, and its shortlist. For
    /// example, parts of 2 rows and of 1 row are the first two rows and the third. The result has a distribution for
    /// each part.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step; they need not be in a shortlist
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions, a token is outside its vocabulary, or the parts do not have as
    /// many rows together as there are.
    pub fn step_among(
        &self,
        shortlists: &[(usize, &OutputShortlist)],
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
    ) -> Vec<NextTokens> {
        let (x, _) = self.decode_next(tokens, state, ReturnedAttention::None);
        distributions(shortlists, x)
    }

    /// Does what [`step_among`](Self::step_among) does, and also returns the [alignment](Self::alignment) of the next
    /// token, as [`step_aligned`](Self::step_aligned).
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step; they need not be in a shortlist
    /// - alignment: `[rows, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions, a token is outside its vocabulary, or the parts do not have as
    /// many rows together as there are.
    pub fn step_among_aligned(
        &self,
        shortlists: &[(usize, &OutputShortlist)],
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
    ) -> (Vec<NextTokens>, Tensor<2>) {
        let (x, weights) = self.decode_next(tokens, state, ReturnedAttention::Alignment);
        (distributions(shortlists, x), alignment_of(weights).squeeze_dim(1))
    }

    /// Appends one token to each row of `state`. Returns the distribution of the token after it, and the
    /// [alignment](Self::alignment) of that next token: how much the decoder attends to each source token to predict
    /// it.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step
    /// - alignment: `[rows, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a row gets longer than the model's positions or a token is outside its vocabulary.
    pub fn step_aligned(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> (NextTokens, Tensor<2>) {
        let (next, weights) = self.step_returning(tokens, state, ReturnedAttention::Alignment);
        (next, alignment_of(weights).squeeze_dim(1))
    }

    fn step_returning(
        &self,
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
        returned: ReturnedAttention,
    ) -> (NextTokens, Vec<DecoderLayerWeights>) {
        let (x, weights) = self.decode_next(tokens, state, returned);
        (distribution(self.output(), x), weights)
    }

    /// Returns the decoder's output `[rows, 1, d_model]` for the next token of each row, `[rows]`, and the attention
    /// weights that `returned` names.
    fn decode_next(
        &self,
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let ids = tokens.unsqueeze_dim(1);
        let start = state.length();
        let x = embed(&self.target_embedding, &self.target_positions, ids, start);
        self.decoder.step(x, state, returned)
    }

    /// Returns the log-probability, in nats, of each token of whole targets, given the source and the tokens before it.
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - target_output: `[batch, target_seq]`, rows end with `</s>`, padded on the right
    /// - output: `[batch, target_seq]`; the numbers at padding have no meaning
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
        let (x, _) = self.decode(target_input, memory, ReturnedAttention::None);
        let [batch, target_seq, d_model] = x.dims();
        let rows = x.reshape([batch * target_seq, 1, d_model]);
        let tokens = target_output.reshape([batch * target_seq, 1]);
        let parts = rows.split(SCORE_CHUNK, 0).into_iter();
        let log_probabilities = parts.zip(tokens.split(SCORE_CHUNK, 0)).map(|(rows, tokens)| {
            let NextTokens { logits, log_sum_exp } = distribution(self.output(), rows);
            logits.gather(1, tokens).squeeze_dim(1) - log_sum_exp
        });
        Tensor::cat(log_probabilities.collect(), 0).reshape([batch, target_seq])
    }

    /// Returns how much the decoder attends to each source token to predict the token after each token of
    /// `target_input`. This is the mean over the heads of the weights that [`ReturnedAttention::Alignment`] names.
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
        let (_, weights) = self.decode(target_input, memory, ReturnedAttention::Alignment);
        alignment_of(weights)
    }

    /// Returns the attention weights of every layer for whole targets.
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
        let (_, layers) = self.decode(target_input, &memory, ReturnedAttention::All);
        AttentionWeights::new(encoder, layers)
    }

    /// Returns the decoder's output `[batch, target_seq, d_model]` for whole targets `[batch, target_seq]`, and the
    /// attention weights that `returned` names.
    fn decode(
        &self,
        target_input: Tensor<2, Int>,
        memory: &Memory,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let x = embed(&self.target_embedding, &self.target_positions, target_input, 0);
        self.decoder.forward(x, memory, returned)
    }

    /// Returns the device of the weights. Inputs must be on this device.
    pub fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }
}

/// Returns the distribution of the next token for each row of the decoder's output, `[rows, 1, d_model]`.
fn distribution(output: &PackedLinear, x: Tensor<3>) -> NextTokens {
    let logits = output.forward(x, Activation::Identity).squeeze_dim(1);
    NextTokens {
        log_sum_exp: log_sum_exp(logits.clone()),
        logits,
    }
}

/// Returns the distribution of the next token for each part of the rows of the decoder's output, `[rows, 1, d_model]`.
/// Each part has a number of rows and a shortlist.
fn distributions(shortlists: &[(usize, &OutputShortlist)], x: Tensor<3>) -> Vec<NextTokens> {
    if let [(_, shortlist)] = shortlists {
        return vec![distribution(&shortlist.0, x)];
    }
    let rows = shortlists.iter().map(|(rows, _)| *rows).collect();
    let parts = x.split_with_sizes(rows, 0).into_iter().zip(shortlists);
    let of_part = |(x, (_, shortlist)): (_, &(usize, &OutputShortlist))| distribution(&shortlist.0, x);
    parts.map(of_part).collect()
}

/// Returns the mean over the heads, `[batch, target_seq, source_seq]`, of the weights that the decoder returns for
/// [`ReturnedAttention::Alignment`].
fn alignment_of(layers: Vec<DecoderLayerWeights>) -> Tensor<3> {
    let weights = layers.into_iter().find_map(|layer| layer.cross_attention);
    let weights = weights.expect("one layer returns the alignment");
    weights.mean_dim(1).squeeze_dim(1)
}
