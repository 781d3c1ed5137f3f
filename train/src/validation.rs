//! How well weights do on the validation pairs.

use std::fmt;
use std::time::Instant;

use attend_data::{Batch, BatchPlan, Example};
use attend_infer::device::padding;
use attend_infer::metric::{corpus_bleu, corpus_chrf};
use attend_infer::{ModelFolder, Translator, Workers};
use attend_model::{InferenceTransformer, Precision};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::loss::{batch_loss, to_tensor};
use crate::recipe::{Recipe, TrainingSettings};

/// What the best weights are chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// [`Scores::bleu`], the higher the better
    #[default]
    Bleu,
    /// [`Scores::chrf`], the higher the better
    Chrf,
    /// [`Scores::perplexity`], the lower the better
    Perplexity,
    /// [`Scores::loss`], the lower the better
    Loss,
}

impl Metric {
    /// Whether one score is better than another. One that is no number is not.
    #[must_use]
    pub fn is_better(self, score: f64, other: f64) -> bool {
        match self {
            Self::Bleu | Self::Chrf => score > other,
            Self::Perplexity | Self::Loss => score < other,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
            Self::Perplexity => "perplexity",
            Self::Loss => "loss",
        })
    }
}

/// The largest [`Scores::perplexity`].
const DIVERGED: f64 = 1e12;

/// A validation's results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Label-smoothed cross-entropy, nats a target token.
    pub loss: f64,
    /// The exponential of the cross-entropy without smoothing, at most 10¹².
    pub perplexity: f64,
    /// BLEU of greedy translations.
    pub bleu: f64,
    /// chrF2 of the same.
    pub chrf: f64,
}

impl Scores {
    /// Scores a model on the validation pairs, in batches of the recipe's size and with its BLEU, translated by
    /// `workers`. `device` is the model's.
    ///
    /// # Errors
    ///
    /// If the pairs cannot be translated.
    pub fn measure(
        bundle: &ModelFolder,
        dataset: &Dataset,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<Self, TrainError> {
        let (loss, perplexity) = losses(bundle, &dataset.valid, &recipe.training, device, workers);
        let greedy = bundle.generation.greedy();
        let translator = Translator::new(bundle.clone())
            .with_search(greedy)?
            .with_workers(workers.clone());
        let pairs = &dataset.valid_pairs;
        let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
        let references: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        let hypotheses = translator.translate_best(&sources)?;
        Ok(Self {
            loss,
            perplexity,
            bleu: corpus_bleu(&hypotheses, &references, recipe.data.bleu)?.score,
            chrf: corpus_chrf(&hypotheses, &references)?.score,
        })
    }

    /// The one that `metric` names.
    #[must_use]
    pub fn get(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Bleu => self.bleu,
            Metric::Chrf => self.chrf,
            Metric::Perplexity => self.perplexity,
            Metric::Loss => self.loss,
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loss,
            perplexity,
            bleu,
            chrf,
        } = self;
        write!(
            f,
            "loss {loss:.3}, perplexity {perplexity:.2}, BLEU {bleu:.2}, chrF {chrf:.2}"
        )
    }
}

/// Seconds that [`Scores::measure`] will take on a trained model of the shape of `bundle`'s, as a batch of pairs of the
/// middle lengths goes: their losses, and greedy search that finds translations as long as the references. An untrained
/// model's own would not end.
pub(crate) fn expected_seconds(
    bundle: &ModelFolder,
    dataset: &Dataset,
    recipe: &Recipe,
    device: &Device,
    workers: &Workers,
) -> f64 {
    const SAMPLE: usize = 32;
    let mut examples = dataset.valid.clone();
    examples.sort_by_key(|example| example.source.len());
    let start = examples.len().saturating_sub(SAMPLE) / 2;
    let sample: Vec<Example> = examples.iter().skip(start).take(SAMPLE).cloned().collect();
    let tokenizer = &bundle.tokenizer;
    let padding = padding(device, tokenizer.pad_id(), bundle.config.max_length);
    let batch = Batch::new(&sample, padding, tokenizer.bos_id());

    let clock = Instant::now();
    losses(bundle, &sample, &recipe.training, device, workers);
    let model = InferenceTransformer::new(bundle.model.clone(), Precision::Float32);
    let mut state = model.start(model.encode(to_tensor(&batch.source, device)));
    let target_input = to_tensor(&batch.target_input, device);
    for step in 0..batch.target_input.width {
        let tokens = target_input.clone().slice_dim(1, step..step + 1).squeeze_dim(1);
        model.step(tokens, &mut state).logits.into_data();
    }
    let of_sample = clock.elapsed().as_secs_f64();
    // Workers share the batches.
    of_sample * examples.len() as f64 / sample.len() as f64 / workers.count() as f64
}

/// Label-smoothed cross-entropy and perplexity of `examples`.
fn losses(
    bundle: &ModelFolder,
    examples: &[Example],
    settings: &TrainingSettings,
    device: &Device,
    workers: &Workers,
) -> (f64, f64) {
    let tokenizer = &bundle.tokenizer;
    let lengths = (0..).zip(examples.iter().map(Example::lengths));
    let plan = BatchPlan::new(lengths, settings.batch_tokens, 0, 0);
    let sums = workers.map(plan.iter(), |indices| {
        let batch = indices.iter().map(|&index| &examples[index as usize]);
        let padding = padding(device, tokenizer.pad_id(), bundle.config.max_length);
        let batch = Batch::new(batch, padding, tokenizer.bos_id());
        let loss = |smoothing| {
            let sum = batch_loss(&bundle.model, &batch, device, smoothing);
            f64::from(sum.into_scalar::<f32>())
        };
        let tokens = batch.target_tokens as f64;
        (loss(settings.label_smoothing), loss(0.0), tokens)
    });
    let add = |left: (f64, f64, f64), right: (f64, f64, f64)| {
        (left.0 + right.0, left.1 + right.1, left.2 + right.2)
    };
    let (smoothed, plain, target_tokens) = sums.into_iter().fold((0.0, 0.0, 0.0), add);
    (smoothed / target_tokens, perplexity(plain / target_tokens))
}

/// The perplexity of a cross-entropy in nats. A larger one than any vocabulary counts as that of a run that has
/// diverged: infinity could be neither written down nor drawn.
fn perplexity(cross_entropy: f64) -> f64 {
    cross_entropy.exp().clamp(1.0, DIVERGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perplexity_is_finite() {
        assert!((perplexity(2.0f64.ln()) - 2.0).abs() < 1e-12);
        assert_eq!(perplexity(1e4), DIVERGED);
        assert!(perplexity(f64::NAN).is_nan());
    }
}
