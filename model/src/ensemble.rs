//! Several networks that predict tokens together.

use attend_ops::Precision;
use burn::tensor::{Device, Int, Tensor};

use crate::attention_weights::AttentionWeights;
use crate::cache::DecoderState;
use crate::inference::{InferenceTransformer, NextTokens, OutputShortlist};
use crate::memory::Memory;
use crate::transformer::Transformer;

/// One or more networks with the same vocabulary, which predict tokens together: the probability of a token is the mean
/// of the probabilities that the networks give it. A batch has one memory and one decoder state per network, in the
/// order of the networks.
#[derive(Clone, Debug)]
pub struct Ensemble {
    models: Vec<InferenceTransformer>,
    precision: Precision,
}

impl Ensemble {
    /// Returns an ensemble of one network, and packs its weights for inference in the given precision.
    #[must_use]
    pub fn new(network: Transformer, precision: Precision) -> Self {
        Self {
            models: vec![InferenceTransformer::new(network, precision)],
            precision,
        }
    }

    /// Adds a network in the ensemble's precision. It must have the ensemble's vocabulary and be on its device.
    #[must_use]
    pub fn with(mut self, network: Transformer) -> Self {
        self.models
            .push(InferenceTransformer::new(network, self.precision));
        self
    }

    /// Returns the number of networks.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Encodes a batch of source sentences with each network.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    ///
    /// # Panics
    ///
    /// If a sequence is longer than a model's positions or a token is outside the vocabulary.
    pub fn encode(&self, source: Tensor<2, Int>) -> Vec<Memory> {
        let encode = |model: &InferenceTransformer| model.encode(source.clone());
        self.models.iter().map(encode).collect()
    }

    /// Returns the [attention weights](InferenceTransformer::attention_weights) of each network.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, source_seq]`, rows end with `</s>`, padded on the right
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    ///
    /// # Panics
    ///
    /// If a sequence is longer than a model's positions or a token is outside the vocabulary.
    pub fn attention_weights(
        &self,
        source: Tensor<2, Int>,
        target_input: Tensor<2, Int>,
    ) -> Vec<AttentionWeights> {
        let weights =
            |model: &InferenceTransformer| model.attention_weights(source.clone(), target_input.clone());
        self.models.iter().map(weights).collect()
    }

    /// Returns the state of each network's decoder before the first target token, with one row per sentence.
    pub fn start(&self, memories: Vec<Memory>) -> Vec<DecoderState> {
        let models = self.models.iter().zip(memories);
        models.map(|(model, memory)| model.start(memory)).collect()
    }

    /// Appends one token to each row of the states, and returns the distribution of the token after it.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step
    ///
    /// # Panics
    ///
    /// If a row gets longer than a model's positions or a token is outside the vocabulary.
    pub fn step(&self, tokens: Tensor<1, Int>, states: &mut [DecoderState]) -> NextTokens {
        let models = self.models.iter().zip(states);
        let next = models.map(|(model, state)| model.step(tokens.clone(), state));
        mean_distribution(next.collect())
    }

    /// Returns each network's [output layer](InferenceTransformer::shortlist) of the given tokens alone, in the order
    /// of the networks.
    ///
    /// # Shapes
    ///
    /// - tokens: `[tokens]`, each once
    ///
    /// # Panics
    ///
    /// If a token is outside the vocabulary.
    #[must_use]
    pub fn shortlist(&self, tokens: Tensor<1, Int>) -> Vec<OutputShortlist> {
        let models = self.models.iter();
        models.map(|model| model.shortlist(tokens.clone())).collect()
    }

    /// Appends one token to each row of the states, and returns the distribution of the token after it among the tokens
    /// of a shortlist, in their order. No other token has a probability.
    ///
    /// `shortlists` divides the rows into parts, as [`InferenceTransformer::step_among`] does. A part has the number of
    /// its rows, and what [`shortlist`](Self::shortlist) returned.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step; they need not be in a shortlist
    ///
    /// # Panics
    ///
    /// If a row gets longer than a model's positions, a token is outside the vocabulary, or the parts do not have as
    /// many rows together as there are.
    pub fn step_among(
        &self,
        shortlists: &[(usize, &[OutputShortlist])],
        tokens: Tensor<1, Int>,
        states: &mut [DecoderState],
    ) -> Vec<NextTokens> {
        let models = self.models.iter().zip(states).enumerate();
        let next = models.map(|(network, (model, state))| {
            model.step_among(&of_network(shortlists, network), tokens.clone(), state)
        });
        mean_distributions(next.collect())
    }

    /// Does what [`step_among`](Self::step_among) does, and also returns the mean of the networks'
    /// [alignments](InferenceTransformer::alignment) of the next token.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step; they need not be in a shortlist
    /// - alignment: `[rows, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a row gets longer than a model's positions, a token is outside the vocabulary, or the parts do not have as
    /// many rows together as there are.
    pub fn step_among_aligned(
        &self,
        shortlists: &[(usize, &[OutputShortlist])],
        tokens: Tensor<1, Int>,
        states: &mut [DecoderState],
    ) -> (Vec<NextTokens>, Tensor<2>) {
        let models = self.models.iter().zip(states).enumerate();
        let (next, alignments) = models
            .map(|(network, (model, state))| {
                model.step_among_aligned(&of_network(shortlists, network), tokens.clone(), state)
            })
            .unzip();
        (mean_distributions(next), mean(alignments))
    }

    /// Appends one token to each row of the states. Returns the distribution of the token after it, and the mean of the
    /// networks' [alignments](InferenceTransformer::alignment) of that next token.
    ///
    /// # Shapes
    ///
    /// - tokens: `[rows]`, which are `<s>` in the first step
    /// - alignment: `[rows, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a row gets longer than a model's positions or a token is outside the vocabulary.
    pub fn step_aligned(
        &self,
        tokens: Tensor<1, Int>,
        states: &mut [DecoderState],
    ) -> (NextTokens, Tensor<2>) {
        let models = self.models.iter().zip(states);
        let (next, alignments) = models
            .map(|(model, state)| model.step_aligned(tokens.clone(), state))
            .unzip();
        (mean_distribution(next), mean(alignments))
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
    /// If a sequence is longer than a model's positions or a token is outside the vocabulary.
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
        log_mean_probability(models.map(score).collect())
    }

    /// Returns the mean of the networks' [alignments](InferenceTransformer::alignment).
    ///
    /// # Shapes
    ///
    /// - target_input: `[batch, target_seq]`, rows start with `<s>`, padded on the right
    /// - output: `[batch, target_seq, source_seq]`, each row sums to 1
    ///
    /// # Panics
    ///
    /// If a sequence is longer than a model's positions or a token is outside the vocabulary.
    pub fn alignment(&self, target_input: Tensor<2, Int>, memories: &[Memory]) -> Tensor<3> {
        let models = self.models.iter().zip(memories);
        let alignments = models.map(|(model, memory)| model.alignment(target_input.clone(), memory));
        mean(alignments.collect())
    }

    /// Returns the device of the weights. Inputs must be on this device.
    pub fn device(&self) -> Device {
        self.models[0].device()
    }
}

/// Returns the shortlists of the network with the index `network`, with the numbers of their rows.
fn of_network<'a>(
    shortlists: &[(usize, &'a [OutputShortlist])],
    network: usize,
) -> Vec<(usize, &'a OutputShortlist)> {
    let shortlists = shortlists.iter();
    shortlists
        .map(|(rows, of_networks)| (*rows, &of_networks[network]))
        .collect()
}

/// Returns the [mean distribution](mean_distribution) of each part. `next` has the distributions of all parts for each
/// network.
fn mean_distributions(mut next: Vec<Vec<NextTokens>>) -> Vec<NextTokens> {
    if next.len() == 1 {
        return next.swap_remove(0);
    }
    let parts = next[0].len();
    let mut networks: Vec<_> = next.into_iter().map(Vec::into_iter).collect();
    let of_part = |_| mean_distribution(networks.iter_mut().filter_map(Iterator::next).collect());
    (0..parts).map(of_part).collect()
}

/// Returns the distribution whose probabilities are the means of the given ones. A single distribution is returned
/// unchanged.
fn mean_distribution(mut next: Vec<NextTokens>) -> NextTokens {
    if next.len() == 1 {
        return next.swap_remove(0);
    }
    let log_probabilities = next.into_iter().map(NextTokens::log_probabilities);
    let logits = log_mean_probability(log_probabilities.collect());
    let [rows, _] = logits.dims();
    NextTokens {
        log_sum_exp: Tensor::zeros([rows], &logits.device()),
        logits,
    }
}

/// Returns, element by element, the logarithm of the mean of probabilities that are given as logarithms. For example,
/// ln 0.2 and ln 0.4 give ln 0.3. The largest logarithm is subtracted before the exponential, so that the sum of the
/// exponentials cannot underflow to 0. The logarithm of probabilities that are all 0 is negative infinity.
fn log_mean_probability(mut log_probabilities: Vec<Tensor<2>>) -> Tensor<2> {
    let count = log_probabilities.len() as f64;
    if log_probabilities.len() == 1 {
        return log_probabilities.swap_remove(0);
    }
    let others = log_probabilities[1..].iter().cloned();
    let greatest = others.fold(log_probabilities[0].clone(), Tensor::max_pair);
    // Negative infinity minus itself would be NaN.
    let greatest = greatest.clamp_min(f32::MIN);
    let shares = log_probabilities
        .into_iter()
        .map(|log_probability| (log_probability - greatest.clone()).exp());
    let sum = shares.reduce(|sum, share| sum + share).expect("a network");
    greatest + sum.log() - count.ln()
}

/// Returns the mean of tensors, element by element.
fn mean<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<D> {
    let count = tensors.len() as f64;
    let sum = tensors.into_iter().reduce(|sum, tensor| sum + tensor);
    sum.expect("a network") / count
}
