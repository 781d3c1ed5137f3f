//! Whether a device finds what the processor finds: a small network with the same weights on both.

use std::path::Path;

use attend_data::DataError;
use attend_data::batch::{Batch, Example};
use attend_data::cli::print;
use attend_data::tokenizer::Tokenizer;
use attend_infer::cli::DeviceOption;
use attend_infer::search::SearchOptions;
use attend_infer::{ModelFolder, Translator, device};
use attend_model::{InferenceTransformer, Precision, Transformer, TransformerConfig};
use attend_train::loss::{batch_loss, to_tensor};
use attend_train::optimizer::optimizer;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Tensor};
use clap::Args;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::error::BenchError;
use crate::size::Size;
use crate::train::recipe;
use crate::workload::pair;

/// The device that all others are compared with.
const REFERENCE: &str = "flex";
/// Words besides the special tokens.
const WORDS: usize = 100;
const PAIRS: usize = 24;
const UPDATES: usize = 10;
const LEARNING_RATE: f64 = 1e-3;
const LABEL_SMOOTHING: f64 = 0.1;
const BEAM: usize = 4;

/// How far the two may be apart, as a part of the largest value. Both compute in 32-bit floats, of which sums in another
/// order differ by some 1e-6; an update of Adam makes more of small gradients.
const OUTPUTS: f64 = 1e-5;
const GRADIENTS: f64 = 1e-4;
const LOSSES: f64 = 1e-4;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    device: DeviceOption,
}

/// What a device computes.
struct Results {
    logits: Vec<f32>,
    /// Log-probabilities of the whole pass, and of one step after the other.
    whole: Vec<f32>,
    steps: Vec<f32>,
    gradients: Vec<f32>,
    losses: Vec<f32>,
    greedy: Vec<String>,
    beam: Vec<String>,
}

/// Compares the device with the processor, prints a table, and fails where they differ.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let reference = device::select(REFERENCE)?.device;
    let device = options.device.select()?;
    let folder =
        tempfile::tempdir().map_err(|error| DataError::write(Path::new("a temporary folder"), error))?;
    let folder = folder.path();
    new_model(&reference)?.save(folder)?;
    let expected = compute(folder, &reference)?;
    let found = compute(folder, &device.device)?;
    let saved = Values::of_weights(&ModelFolder::load(folder, &reference)?.model);
    ModelFolder::load(folder, &device.device)?.save(folder)?;
    let brought_back = Values::of_weights(&ModelFolder::load(folder, &reference)?.model);

    let mut differing = Vec::new();
    let mut row = |check: &'static str, difference: f64, bound: f64| {
        let passes = difference <= bound;
        if !passes {
            differing.push(check);
        }
        let end = if passes { "" } else { "  too much" };
        print(&format!("{check:<36} {difference:>9.1e} {bound:>9.0e}{end}\n"))
    };
    print(&format!(
        "{:<36} {:>9} {:>9}\n",
        format!("{} beside {REFERENCE}", device.name),
        "differs",
        "at most"
    ))?;
    let apart = relative_difference;
    row("logits", apart(&found.logits, &expected.logits), OUTPUTS)?;
    row(
        "steps, beside the whole pass",
        apart(&found.steps, &found.whole),
        OUTPUTS,
    )?;
    row(
        "gradients of a batch",
        apart(&found.gradients, &expected.gradients),
        GRADIENTS,
    )?;
    row(
        "losses of ten updates",
        apart(&found.losses, &expected.losses),
        LOSSES,
    )?;
    row(
        "weights saved by one, read by other",
        apart(&brought_back, &saved),
        0.0,
    )?;
    row(
        "greedy translations",
        share_differing(&found.greedy, &expected.greedy),
        0.0,
    )?;
    row(
        "translations by beam search",
        share_differing(&found.beam, &expected.beam),
        0.01,
    )?;
    match differing.is_empty() {
        true => Ok(()),
        false => Err(BenchError::Differs {
            device: device.name,
            checks: differing.join(", "),
        }),
    }
}

/// A network whose weights leave no part trivial: after some updates, biases are not zeros and norms do something.
fn new_model(device: &Device) -> Result<ModelFolder, BenchError> {
    let words: Vec<String> = (0..WORDS).map(|word| format!("w{word}")).collect();
    let tokenizer = Tokenizer::train_whitespace(words.iter(), None)?;
    let config = TransformerConfig {
        d_model: 32,
        d_ff: 64,
        n_heads: 4,
        dropout: 0.0,
        max_length: 96,
        ..TransformerConfig::tiny(tokenizer.vocab_size())
    };
    device.seed(1);
    let model = Transformer::new(&config, &device.clone().autodiff()).expect("a valid shape");
    let (model, _) = train(model, &batch(&tokenizer));
    Ok(ModelFolder {
        model: model.valid(),
        config,
        tokenizer,
        generation: SearchOptions::default(),
    })
}

fn batch(tokenizer: &Tokenizer) -> Batch {
    let examples: Vec<Example> = examples(tokenizer.vocab_size());
    Batch::new(&examples, tokenizer.pad_id(), tokenizer.bos_id())
}

fn examples(vocab_size: usize) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..PAIRS).map(|_| pair(&mut random, vocab_size)).collect()
}

fn compute(folder: &Path, device: &Device) -> Result<Results, BenchError> {
    let bundle = ModelFolder::load(folder, device)?;
    let batch = batch(&bundle.tokenizer);
    let logits = bundle.model.forward(
        to_tensor(&batch.source, device),
        to_tensor(&batch.target_input, device),
    );
    let training = ModelFolder::load(folder, &device.clone().autodiff())?.model;
    let gradients = Values::of_gradients(&training, &loss(&training, &batch).backward());
    let (_, losses) = train(training, &batch);
    let lines = examples(bundle.tokenizer.vocab_size());
    let lines: Vec<String> = lines
        .iter()
        .map(|example| bundle.tokenizer.decode(&example.source))
        .collect();
    let translate = |beam_size| {
        let search = SearchOptions {
            beam_size,
            ..SearchOptions::default()
        };
        let translator = Translator::new(bundle.clone()).with_search(search)?;
        translator.translate_best(&lines)
    };
    Ok(Results {
        whole: values(log_softmax(logits.clone(), 2)),
        logits: values(logits),
        steps: steps(bundle.model.clone(), &batch),
        gradients,
        losses,
        greedy: translate(1)?,
        beam: translate(BEAM)?,
    })
}

/// The log-probabilities after all target tokens, found a step each.
fn steps(model: Transformer, batch: &Batch) -> Vec<f32> {
    let model = InferenceTransformer::new(model, Precision::Float32);
    let device = model.device();
    let mut state = model.start(model.encode(to_tensor(&batch.source, &device)));
    let target = to_tensor(&batch.target_input, &device);
    let steps = (0..batch.target_input.width).map(|position| {
        let tokens = target.clone().slice_dim(1, position..position + 1).squeeze_dim(1);
        let next = model.step(tokens, &mut state);
        (next.logits - next.log_totals.unsqueeze_dim(1)).unsqueeze_dim(1)
    });
    values(Tensor::<3>::cat(steps.collect(), 1))
}

/// The loss of a batch, a token's in the mean.
fn loss(model: &Transformer, batch: &Batch) -> Tensor<1> {
    let device = model.devices().swap_remove(0);
    batch_loss(model, batch, &device, LABEL_SMOOTHING) / batch.target_tokens as f64
}

/// The model after some updates on one batch, and the losses before each.
fn train(mut model: Transformer, batch: &Batch) -> (Transformer, Vec<f32>) {
    let mut optimizer = optimizer(&recipe(Size::Tiny).training);
    let losses = (0..UPDATES).map(|_| {
        let loss = loss(&model, batch);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model.clone(), gradients);
        loss.into_scalar()
    });
    let losses = losses.collect();
    (model, losses)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.try_into_vec_as();
    values.expect("a device that computed them can be read")
}

/// All weights of a model, or their gradients, one parameter after the other.
struct Values<'a> {
    gradients: Option<&'a Gradients>,
    found: Vec<f32>,
}

impl<'a> Values<'a> {
    fn of_weights(model: &Transformer) -> Vec<f32> {
        Self::visiting(model, None)
    }

    fn of_gradients(model: &Transformer, gradients: &'a Gradients) -> Vec<f32> {
        Self::visiting(model, Some(gradients))
    }

    fn visiting(model: &Transformer, gradients: Option<&'a Gradients>) -> Vec<f32> {
        let mut visitor = Self {
            gradients,
            found: Vec::new(),
        };
        model.visit(&mut visitor);
        visitor.found
    }
}

impl ModuleVisitor for Values<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            None => Some(param.val()),
            Some(gradients) => param.val().grad(gradients),
        };
        self.found
            .extend(tensor.map(values).expect("every weight has a gradient"));
    }
}

/// `max |a - b| / max |b|`; infinite where one is no number.
fn relative_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference = largest(a.iter().zip(b).map(|(a, b)| a - b));
    difference / largest(b.iter().copied())
}

fn largest(values: impl Iterator<Item = f32>) -> f64 {
    values.fold(0.0, |largest, value| match value.is_finite() {
        true => largest.max(f64::from(value.abs())),
        false => f64::INFINITY,
    })
}

fn share_differing(ours: &[String], theirs: &[String]) -> f64 {
    let pairs = ours.iter().zip(theirs);
    pairs.filter(|(one, other)| one != other).count() as f64 / ours.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_parts_of_the_largest_value() {
        assert_eq!(relative_difference(&[1.0, -4.0], &[1.5, -4.0]), 0.125);
        assert_eq!(relative_difference(&[1.0, f32::NAN], &[1.0, 2.0]), f64::INFINITY);
        let translations = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
        let share = share_differing(
            &translations(["a", "b", "c", "d"]),
            &translations(["a", "b", "e", "d"]),
        );
        assert_eq!(share, 0.25);
    }
}
