//! A [`Transformer`] that translates: the same network without a backward pass, one target position at a time, its
//! weights laid out once for products with few rows.

mod attention;
mod cache;
mod layers;

use attend_ops::{Activation, PackedLinear, Precision, log_sum_exp};
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor};

use crate::mask::padding_mask;
use crate::position::PositionalEncoding;
use crate::transformer::{Memory, Transformer, UntiedEmbeddings, embed};
use layers::{InferenceDecoder, InferenceEncoder};

pub use cache::DecoderState;

/// What follows each row.
#[derive(Clone, Debug)]
pub struct NextTokens {
    /// `[rows, vocab_size]`
    pub logits: Tensor<2>,
    /// The logarithm of the sum of a row's exponentials, `[rows]`: a token's log-probability is its logit less this.
    pub log_totals: Tensor<1>,
}

/// A [`Transformer`] that translates, one token of each row at a time.
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
        let ids = tokens.unsqueeze_dim(1);
        let x = embed(
            &self.target_embedding,
            &self.target_positions,
            ids,
            state.length(),
        );
        let x = self.decoder.step(x, state);
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
