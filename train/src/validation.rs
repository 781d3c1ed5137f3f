//! Translations and losses of held-out pairs.

use std::path::Path;
use std::time::Instant;

use attend_data::{Batch, BatchPlan, Example, SentencePair};
use attend_device::Workers;
use attend_infer::metric::{corpus_bleu, corpus_chrf};
use attend_infer::{Model, ModelFolder, TranslateOptions, Translator, padding};
use attend_model::{InferenceTransformer, Precision};
use burn::tensor::Device;

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::loss::{batch_loss, to_tensor};
use crate::metric::Scores;
use crate::recipe::{Recipe, TrainingSettings};

/// The maximum of [`Scores::perplexity`].
const DIVERGED: f64 = 1e12;

/// Scores a model on the validation pairs. The recipe sets the size of the batches and the tokenization of BLEU. The
/// workers share the batches. `device` must be the device of the model.
///
/// # Errors
///
/// Returns [`TrainError::Infer`] if the pairs cannot be translated.
pub(crate) fn scores(
    model_folder: &ModelFolder,
    dataset: &Dataset,
    recipe: &Recipe,
    device: &Device,
    workers: &Workers,
) -> Result<Scores, TrainError> {
    let (loss, perplexity) = losses(model_folder, &dataset.valid, &recipe.training, device, workers);
    let greedy = TranslateOptions {
        search: model_folder.generation.greedy(),
        ..TranslateOptions::default()
    };
    let model = Model::new(model_folder.clone(), Precision::Float32)?;
    let translator = Translator::new(model, workers.clone());
    let pairs = &dataset.valid_pairs;
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let references: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
    let hypotheses = translator.translate_best(&sources, &greedy)?;
    Ok(Scores {
        loss,
        perplexity,
        bleu: corpus_bleu(&hypotheses, &references, recipe.data.bleu)?.score,
        chrf: corpus_chrf(&hypotheses, &references)?.score,
    })
}

/// Translates the sources of `pairs` with the model in `folder` and the search options stored there. The workers share
/// the batches.
///
/// # Errors
///
/// Returns [`TrainError::Infer`] if the folder cannot be read, or a source cannot be translated.
pub(crate) fn translate(
    pairs: &[SentencePair],
    folder: &Path,
    device: &Device,
    workers: &Workers,
) -> Result<Vec<String>, TrainError> {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let translator = Translator::new(Model::load(folder, device, Precision::Float32)?, workers.clone());
    let options = translator.model().options();
    Ok(translator.translate_best(&sources, &options)?)
}

/// Estimates the seconds that [`scores`] will take for a trained model of the shape of `model_folder`. Measures the loss and
/// a greedy search on a sample of pairs of middle length. The search takes as many steps as the longest reference has
/// tokens, because translations of an untrained model would not end.
pub(crate) fn expected_seconds(
    model_folder: &ModelFolder,
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
    let tokenizer = &model_folder.tokenizer;
    let padding = padding(device, tokenizer.pad_id(), model_folder.config.max_length);
    let batch = Batch::new(&sample, padding, tokenizer.bos_id());

    let clock = Instant::now();
    losses(model_folder, &sample, &recipe.training, device, workers);
    let model = InferenceTransformer::new(model_folder.model.clone(), Precision::Float32);
    let mut state = model.start(model.encode(to_tensor(&batch.source, device)));
    let target_input = to_tensor(&batch.target_input, device);
    for step in 0..batch.target_input.width {
        let tokens = target_input.clone().slice_dim(1, step..step + 1).squeeze_dim(1);
        model.step(tokens, &mut state).logits.into_data();
    }
    let of_sample = clock.elapsed().as_secs_f64();
    // The workers share the batches.
    of_sample * examples.len() as f64 / sample.len() as f64 / workers.count() as f64
}

/// Returns the label-smoothed cross-entropy of `examples`, in nats a target token, and their perplexity.
fn losses(
    model_folder: &ModelFolder,
    examples: &[Example],
    settings: &TrainingSettings,
    device: &Device,
    workers: &Workers,
) -> (f64, f64) {
    let tokenizer = &model_folder.tokenizer;
    let lengths = (0..).zip(examples.iter().map(Example::lengths));
    let plan = BatchPlan::new(lengths, settings.batch_tokens, 0, 0);
    let sums = workers.map(plan.iter(), |indices| {
        let batch = indices.iter().map(|&index| &examples[index as usize]);
        let padding = padding(device, tokenizer.pad_id(), model_folder.config.max_length);
        let batch = Batch::new(batch, padding, tokenizer.bos_id());
        let loss = |smoothing| {
            let sum = batch_loss(&model_folder.model, &batch, device, smoothing);
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

/// Returns the perplexity of a cross-entropy in nats a token: 2 for ln 2. The perplexity is limited to [`DIVERGED`],
/// which is larger than any vocabulary, because infinity could be neither written to a file nor plotted.
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
