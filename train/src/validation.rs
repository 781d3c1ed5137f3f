//! Translations and losses of held-out pairs.

use std::path::Path;
use std::time::Instant;

use attend_data::{Batch, BatchPlan, Example, SentencePair};
use attend_device::Workers;
use attend_infer::metric::{BleuSettings, BleuTokenizer, corpus_bleu, corpus_chrf};
use attend_infer::{Model, ModelFolder, TranslateOptions, Translator, padding, to_tensor};
use attend_model::{InferenceTransformer, Precision};
use burn::tensor::Device;
use unicode_script::{Script, UnicodeScript};

use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::metric::{Metric, Scores};
use crate::objective::{Objective, Translation};
use crate::recipe::{Recipe, TrainingSettings};

/// The number of examples on which a dry run measures how long a validation takes.
pub(crate) const SAMPLE: usize = 32;

/// The maximum of [`Scores::perplexity`].
const DIVERGED: f64 = 1e12;

/// Returns the score that chooses the best weights of a run: that of the recipe, if it can tell the weights apart on
/// the validation pairs.
///
/// BLEU cannot where fewer than one in ten targets has a sequence of four words, the longest that it counts: where
/// targets are shorter, as in `die rote Katze`, or where the tokenizer takes a whole line of Chinese for a word. BLEU
/// then is 0 for perfect translations too, or depends on a few targets alone. In its place comes chrF.
///
/// # Errors
///
/// Returns [`TrainError::Infer`] if the recipe's tokenizer of BLEU cannot be used.
pub(crate) fn metric_that_counts(
    recipe: &Recipe,
    valid_pairs: &[SentencePair],
) -> Result<Metric, TrainError> {
    let bleu = BleuSettings {
        tokenizer: recipe.data.bleu,
        ..BleuSettings::default()
    };
    let mut counted = 0;
    for pair in valid_pairs {
        counted += usize::from(bleu.longest_ngrams(&pair.target)? > 0);
    }
    let bleu_counts = 10 * counted >= valid_pairs.len();
    Ok(match recipe.metric() {
        Metric::Bleu if !bleu_counts => Metric::Chrf,
        metric => metric,
    })
}

/// Returns a sentence for the user of a run whose best weights are not chosen by the score that its recipe names, but
/// by `metric`. If the targets are written in a script without spaces, the sentence names a tokenizer of BLEU for it.
pub(crate) fn note_on_metric(recipe: &Recipe, metric: Metric, valid_pairs: &[SentencePair]) -> String {
    let asked = recipe.metric().title();
    let cause = format!(
        "with data.bleu = \"{}\", fewer than one in ten validation targets has four words in a row, as BLEU counts them",
        recipe.data.bleu
    );
    let advice = match tokenizer_for_script(valid_pairs) {
        Some(tokenizer) if tokenizer != recipe.data.bleu => {
            format!("; data.bleu = \"{tokenizer}\" would fit their script")
        }
        _ => String::new(),
    };
    format!(
        "{cause}, so {} chooses the best weights in place of {asked}{advice}",
        metric.title()
    )
}

/// Returns the tokenizer of BLEU for targets most of whose letters are of a script without spaces between words: `zh`
/// for Chinese, `ja-mecab` for Japanese if it is built in, and else `char`.
fn tokenizer_for_script(valid_pairs: &[SentencePair]) -> Option<BleuTokenizer> {
    let (mut letters, mut han, mut kana, mut others) = (0, 0, 0, 0);
    for c in valid_pairs.iter().flat_map(|pair| pair.target.chars()) {
        if !c.is_alphabetic() {
            continue;
        }
        letters += 1;
        match c.script() {
            Script::Han => han += 1,
            Script::Hiragana | Script::Katakana => kana += 1,
            Script::Thai | Script::Lao | Script::Khmer | Script::Myanmar | Script::Tibetan => others += 1,
            _ => {}
        }
    }
    if 2 * (han + kana + others) <= letters {
        None
    } else if 10 * (kana + others) <= letters {
        Some(BleuTokenizer::Chinese)
    } else if kana > others && BleuTokenizer::JapaneseMecab.is_built_in() {
        Some(BleuTokenizer::JapaneseMecab)
    } else {
        Some(BleuTokenizer::Character)
    }
}

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
    let (objective, model) = (objective(model_folder), &model_folder.model);
    let (loss, cross_entropy) = losses(
        &objective,
        model,
        &dataset.valid,
        &recipe.training,
        device,
        workers,
    );
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
        perplexity: Some(perplexity(cross_entropy)),
        bleu: Some(corpus_bleu(&hypotheses, &references, recipe.data.bleu)?.score),
        chrf: Some(corpus_chrf(&hypotheses, &references)?.score),
        ..Scores::default()
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

/// Estimates the seconds that [`scores`] will take for a trained model of the shape of `model_folder`. Measures the
/// loss and a greedy search on a sample of pairs of middle length. The search takes as many steps as the longest
/// reference has tokens, because translations of an untrained model would not end.
pub(crate) fn expected_seconds(
    model_folder: &ModelFolder,
    dataset: &Dataset,
    recipe: &Recipe,
    device: &Device,
    workers: &Workers,
) -> f64 {
    let mut examples = dataset.valid.clone();
    examples.sort_by_key(|example| example.source.len());
    let start = examples.len().saturating_sub(SAMPLE) / 2;
    let sample: Vec<Example> = examples.iter().skip(start).take(SAMPLE).cloned().collect();
    let tokenizer = &model_folder.target_tokenizer;
    let padding = padding(device, tokenizer.pad_id(), model_folder.config.max_length);
    let batch = Batch::new(&sample, padding, tokenizer.bos_id());

    let clock = Instant::now();
    let (objective, network) = (objective(model_folder), &model_folder.model);
    losses(&objective, network, &sample, &recipe.training, device, workers);
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

/// Returns the objective of the model in a folder.
fn objective(model_folder: &ModelFolder) -> Translation {
    Translation {
        config: model_folder.config.clone(),
        bos_id: model_folder.target_tokenizer.bos_id(),
    }
}

/// Returns the label-smoothed cross-entropy of `examples`, and their cross-entropy without smoothing, both in nats a
/// target. The workers share the batches. `device` must be the device of the network.
pub(crate) fn losses<O: Objective>(
    objective: &O,
    network: &O::Network,
    examples: &[Example],
    settings: &TrainingSettings,
    device: &Device,
    workers: &Workers,
) -> (f64, f64) {
    let lengths = (0..).zip(examples.iter().map(Example::lengths));
    let plan = BatchPlan::new(lengths, settings.batch_tokens, 0, 0);
    let sums = workers.map(plan.iter(), |indices| {
        let batch = indices.iter().map(|&index| examples[index as usize].clone());
        let batch: Vec<Example> = batch.collect();
        let loss = |smoothing| {
            let sum = objective.loss(network, &batch, device, smoothing);
            f64::from(sum.into_scalar::<f32>())
        };
        let targets: usize = batch.iter().map(|example| objective.targets(example)).sum();
        (loss(settings.label_smoothing), loss(0.0), targets as f64)
    });
    let add = |left: (f64, f64, f64), right: (f64, f64, f64)| {
        (left.0 + right.0, left.1 + right.1, left.2 + right.2)
    };
    let (smoothed, plain, targets) = sums.into_iter().fold((0.0, 0.0, 0.0), add);
    (smoothed / targets, plain / targets)
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

    fn recipe(metric: Metric, bleu: BleuTokenizer) -> Recipe {
        let text = format!(
            "data.embedded = \"phrasebook\"\ndata.bleu = \"{bleu}\"\nmodel.preset = \"tiny\"\ntraining.updates = 1\n\
             training.learning_rate = 0.1\ntraining.metric = \"{metric}\""
        );
        toml::from_str(&text).unwrap()
    }

    fn pairs(targets: &[&str]) -> Vec<SentencePair> {
        let pair = |target: &&str| SentencePair {
            source: "source".to_owned(),
            target: (*target).to_owned(),
        };
        targets.iter().map(pair).collect()
    }

    #[test]
    fn a_score_that_cannot_move_does_not_choose() {
        use BleuTokenizer::{Character, Chinese, Mteval13a, None};
        let long = pairs(&["die rote Katze schläft", "Hund", "Maus"]);
        let short = pairs(&["die rote Katze", "der Hund", "Ja!"]);
        let chinese = pairs(&["我们今天喜欢苹果。", "他们不买书。"]);
        let cut_chinese = pairs(&["我们 今天 喜欢 苹果 。", "他们 不 买 书 。"]);
        let japanese = pairs(&["今日はりんごを買います。", "本を読みません。"]);
        let thai = pairs(&["วันนี้เราชอบแอปเปิ้ล", "พวกเขาไม่ซื้อหนังสือ"]);
        // A long target has many sequences of four words, but is one of twenty.
        let sentence = "wort ".repeat(100);
        let mut one_long = vec!["Hund"; 19];
        one_long.push(&sentence);
        let one_long = pairs(&one_long);
        for (pairs, asked, tokenizer, chosen) in [
            (&long, Metric::Bleu, Mteval13a, Metric::Bleu),
            (&short, Metric::Bleu, Mteval13a, Metric::Chrf),
            (&one_long, Metric::Bleu, Mteval13a, Metric::Chrf),
            (&short, Metric::Loss, Mteval13a, Metric::Loss),
            (&short, Metric::Bleu, Character, Metric::Bleu),
            (&chinese, Metric::Bleu, Mteval13a, Metric::Chrf),
            (&chinese, Metric::Chrf, Mteval13a, Metric::Chrf),
            (&chinese, Metric::Bleu, Chinese, Metric::Bleu),
            (&cut_chinese, Metric::Bleu, None, Metric::Bleu),
            (&japanese, Metric::Bleu, Mteval13a, Metric::Chrf),
            (&thai, Metric::Bleu, Mteval13a, Metric::Chrf),
            (&short, Metric::Perplexity, Mteval13a, Metric::Perplexity),
        ] {
            let metric = metric_that_counts(&recipe(asked, tokenizer), pairs).unwrap();
            assert_eq!(metric, chosen, "{asked}, {tokenizer}, {pairs:?}");
        }
        let note =
            |pairs: &[SentencePair], metric| note_on_metric(&recipe(Metric::Bleu, Mteval13a), metric, pairs);
        let of_chinese = note(&chinese, Metric::Chrf);
        assert!(
            of_chinese.contains("chrF chooses the best weights in place of BLEU"),
            "{of_chinese}"
        );
        assert!(
            of_chinese.ends_with("; data.bleu = \"zh\" would fit their script"),
            "{of_chinese}"
        );
        let for_japanese = if cfg!(feature = "ja-mecab") {
            "ja-mecab"
        } else {
            "char"
        };
        for (pairs, tokenizer) in [(&japanese, for_japanese), (&thai, "char")] {
            let note = note(pairs, Metric::Chrf);
            assert!(note.contains(&format!("data.bleu = \"{tokenizer}\"")), "{note}");
        }
        assert!(note(&short, Metric::Chrf).ends_with("in place of BLEU"));
    }
}
