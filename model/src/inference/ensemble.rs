//! Several networks that translate together.

use attend_ops::Precision;
use burn::tensor::{Device, Int, Tensor};

use super::{DecoderState, InferenceTransformer, NextTokens};
use crate::transformer::{Memory, Transformer};

/// Networks with one vocabulary, at least one: what follows is as probable as the networks find it in the mean. What
/// one network has of a batch, an ensemble has of each, in the networks' order.
#[derive(Clone, Debug)]
pub struct Ensemble {
    models: Vec<InferenceTransformer>,
    precision: Precision,
}

impl Ensemble {
    /// An ensemble of one; see [`InferenceTransformer::new`].
    #[must_use]
    pub fn new(network: Transformer, precision: Precision) -> Self {
        Self {
            models: vec![InferenceTransformer::new(network, precision)],
            precision,
        }
    }

    /// Takes another network in, in the others' precision. It must have their vocabulary and be on their device.
    #[must_use]
    pub fn with(mut self, network: Transformer) -> Self {
        self.models
            .push(InferenceTransformer::new(network, self.precision));
        self
    }

    /// The number of networks.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// See [`InferenceTransformer::encode`].
    pub fn encode(&self, source: Tensor<2, Int>) -> Vec<Memory> {
        let encode = |model: &InferenceTransformer| model.encode(source.clone());
        self.models.iter().map(encode).collect()
    }

    /// See [`InferenceTransformer::start`].
    pub fn start(&self, memories: Vec<Memory>) -> Vec<DecoderState> {
        let models = self.models.iter().zip(memories);
        models.map(|(model, memory)| model.start(memory)).collect()
    }

    /// See [`InferenceTransformer::step`].
    pub fn step(&self, tokens: Tensor<1, Int>, states: &mut [DecoderState]) -> NextTokens {
        let models = self.models.iter().zip(states);
        together(
            models
                .map(|(model, state)| model.step(tokens.clone(), state))
                .collect(),
        )
    }

    /// See [`InferenceTransformer::step_aligned`]; the alignment is the networks' mean.
    pub fn step_aligned(
        &self,
        tokens: Tensor<1, Int>,
        states: &mut [DecoderState],
    ) -> (NextTokens, Tensor<2>) {
        let models = self.models.iter().zip(states);
        let (next, alignments) = models
            .map(|(model, state)| model.step_aligned(tokens.clone(), state))
            .unzip();
        (together(next), mean(alignments))
    }

    /// See [`InferenceTransformer::score`].
    pub fn score(
        &self,
        target_input: Tensor<2, Int>,
        target_output: Tensor<2, Int>,
        memories: &[Memory],
    ) -> Tensor<2> {
        let models = self.models.iter().zip(memories);
        let score = |(model, memory): (&InferenceTransformer, &Memory)| {
            model.score(target_input.clone(), target_output.clone(), memory)
        };
        mean_probability(models.map(score).collect())
    }

    /// See [`InferenceTransformer::alignment`]; this is the networks' mean.
    pub fn alignment(&self, target_input: Tensor<2, Int>, memories: &[Memory]) -> Tensor<3> {
        let models = self.models.iter().zip(memories);
        mean(
            models
                .map(|(model, memory)| model.alignment(target_input.clone(), memory))
                .collect(),
        )
    }

    /// Where the weights are, and where input must be.
    pub fn device(&self) -> Device {
        self.models[0].device()
    }
}

fn together(mut next: Vec<NextTokens>) -> NextTokens {
    if next.len() == 1 {
        return next.swap_remove(0);
    }
    let log_probabilities = next
        .into_iter()
        .map(|next| next.logits - next.log_totals.unsqueeze_dim(1));
    let logits = mean_probability(log_probabilities.collect());
    let [rows, _] = logits.dims();
    NextTokens {
        log_totals: Tensor::zeros([rows], &logits.device()),
        logits,
    }
}

/// The logarithm of the mean of the probabilities with these logarithms.
fn mean_probability(mut log_probabilities: Vec<Tensor<2>>) -> Tensor<2> {
    let count = log_probabilities.len() as f64;
    if log_probabilities.len() == 1 {
        return log_probabilities.swap_remove(0);
    }
    let others = log_probabilities[1..].iter().cloned();
    let greatest = others.fold(log_probabilities[0].clone(), Tensor::max_pair);
    let shares = log_probabilities
        .into_iter()
        .map(|log_probability| (log_probability - greatest.clone()).exp());
    let sum = shares.reduce(|sum, share| sum + share).expect("a network");
    greatest + sum.log() - count.ln()
}

fn mean<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<D> {
    let count = tensors.len() as f64;
    let sum = tensors.into_iter().reduce(|sum, tensor| sum + tensor);
    sum.expect("a network") / count
}
