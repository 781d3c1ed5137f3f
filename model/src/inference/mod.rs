//! A [`Transformer`] that translates: the same network without a backward pass, one target position at a time, or whole
//! targets that are given, its weights laid out once for products with few rows.

mod attention;
mod cache;
mod ensemble;
mod layers;

use attend_ops::{Activation, PackedLinear, Precision, log_sum_exp};
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};

use crate::mask::padding_mask;
use crate::position::PositionalEncoding;
use crate::transformer::{Memory, Transformer, UntiedEmbeddings, embed};
use layers::{InferenceDecoder, InferenceEncoder};

pub use cache::DecoderState;
pub use ensemble::Ensemble;

/// Positions whose logits are computed together.
const SCORED_TOGETHER: usize = 256;

/// What follows each row.
#[derive(Clone, Debug)]
pub struct NextTokens {
    /// `[rows, vocab_size]`
    pub logits: Tensor<2>,
    /// The logarithm of the sum of a row's exponentials, `[rows]`: a token's log-probability is its logit less this.
    pub log_totals: Tensor<1>,
}

/// A [`Transformer`] that translates, one token of each row at a time, and scores given translations.
#[derive(Clone, Debug)]
pub struct InferenceTransformer {
    source_embedding: Embedding,
    target_embedding: Embedding,
    source_positions: PositionalEncoding,
    target_positions: PositionalEncoding,
    encoder: InferenceEncoder,
    decoder: InferenceDecoder,
    output: PackedLinear,
    pad_id: usize,
}

impl InferenceTransformer {
    /// Lays out the weights of `network` for products in this precision.
    #[must_use]
    pub fn new(network: Transformer, precision: Precision) -> Self {
        let output = network.output_weight().transpose();
        let [_, vocab_size] = output.dims();
        let no_bias = Tensor::zeros([vocab_size], &output.device());
        let (target_embedding, source_embedding) = match network.untied {
            Some(UntiedEmbeddings { target, .. }) => (target, network.embedding),
            None => (network.embedding.clone(), network.embedding),
        };
        Self {
            source_embedding,
            target_embedding,
            source_positions: network.source_positions,
            target_positions: network.target_positions,
            encoder: InferenceEncoder::new(network.encoder, precision),
            decoder: InferenceDecoder::new(network.decoder, precision),
            output: PackedLinear::new(output, no_bias, precision),
            pad_id: network.pad_id,
        }
    }

    /// Encodes a batch of source sentences; see [`Transformer::encode`].
    pub fn encode(&self, source: Tensor<2, Int>) -> Memory {
        let hidden = padding_mask(source.clone(), self.pad_id);
        let x = embed(&self.source_embedding, &self.source_positions, source, 0);
        Memory {
            states: self.encoder.forward(x, hidden.clone()),
            hidden,
        }
    }

    /// The decoder's state before the first target token, a row a sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        self.decoder.start(memory)
    }

    /// What follows the given token in each row, which follows those already in `state`.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`
    ///
    /// # Panics
    ///
    /// As [`Transformer::encode`].
    pub fn step(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> NextTokens {
        self.step_recording(tokens, state, None)
    }

    /// [`step`](Self::step)s, and also returns how much each row looked at each source token to find what follows, as
    /// [`alignment`](Self::alignment) does for whole targets: `[rows, source_seq]`.
    pub fn step_aligned(&self, tokens: Tensor<1, Int>, state: &mut DecoderState) -> (NextTokens, Tensor<2>) {
        let mut weights = Vec::with_capacity(1);
        let next = self.step_recording(tokens, state, Some(&mut weights));
        (next, weights.swap_remove(0).mean_dim(1).squeeze_dim(1))
    }

    fn step_recording(
        &self,
        tokens: Tensor<1, Int>,
        state: &mut DecoderState,
        weights: Option<&mut Vec<Tensor<3>>>,
    ) -> NextTokens {
        let ids = tokens.unsqueeze_dim(1);
        let x = embed(
            &self.target_embedding,
            &self.target_positions,
            ids,
            state.length(),
        );
        self.next_tokens(self.decoder.step(x, state, weights))
    }

    /// The log-probability of each token of whole targets, given those before it.
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - target_output and output: `[batch, target_seq]`, rows end with `</s>`; padding has a number, too
    ///
    /// # Panics
    ///
    /// As [`Transformer::encode`].
    pub fn score(
        &self,
        target_input: Tensor<2, Int>,
        target_output: Tensor<2, Int>,
        memory: &Memory,
    ) -> Tensor<2> {
        let x = self.decode(target_input, memory, None);
        let [batch, target_seq, d_model] = x.dims();
        let rows = x.reshape([batch * target_seq, 1, d_model]);
        let tokens = target_output.reshape([batch * target_seq, 1]);
        // Of all positions at once, logits could take more memory than the model.
        let log_probabilities = rows.split(SCORED_TOGETHER, 0).into_iter();
        let log_probabilities =
            log_probabilities
                .zip(tokens.split(SCORED_TOGETHER, 0))
                .map(|(rows, tokens)| {
                    let NextTokens { logits, log_totals } = self.next_tokens(rows);
                    logits.gather(1, tokens).squeeze_dim(1) - log_totals
                });
        Tensor::cat(log_probabilities.collect(), 0).reshape([batch, target_seq])
    }

    /// How much the decoder looks at each source token to find the token behind each of `target_input`: the weights of
    /// its attention to the encoder's output, the mean of the heads of the last layer but one, which agrees best with
    /// human alignments (Garg et al. 2019, "Jointly Learning to Align and Translate with Transformer Models", section
    /// 4.1).
    ///
    /// # Shapes
    ///
    /// - target_input: as for [`score`](Self::score)
    /// - output: `[batch, target_seq, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// As [`Transformer::encode`].
    pub fn alignment(&self, target_input: Tensor<2, Int>, memory: &Memory) -> Tensor<3> {
        let mut weights = Vec::with_capacity(1);
        self.decode(target_input, memory, Some(&mut weights));
        weights.swap_remove(0).mean_dim(1).squeeze_dim(1)
    }

    /// The decoder's output `[batch, target_seq, d_model]` for whole targets.
    fn decode(
        &self,
        target_input: Tensor<2, Int>,
        memory: &Memory,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let x = embed(&self.target_embedding, &self.target_positions, target_input, 0);
        self.decoder.forward(x, memory, weights)
    }

    /// What follows rows of the decoder's output, `[rows, 1, d_model]`.
    fn next_tokens(&self, x: Tensor<3>) -> NextTokens {
        let logits = self.output.forward(x, Activation::Identity).squeeze_dim(1);
        NextTokens {
            log_totals: log_sum_exp(logits.clone()),
            logits,
        }
    }

    /// Where the weights are, and where input must be.
    pub fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }
}
