//! Computes what is compared: the passes, updates and translations of a small network, and how the memory that a device
//! holds grows.

use std::path::Path;

use attend_data::{Batch, Example, Tokenizer};
use attend_device::{Workers, values};
use attend_infer::search::SearchOptions;
use attend_infer::{
    InferError, Languages, Model, ModelFolder, TranslateOptions, Translation, Translator, to_tensor,
};
use attend_model::{
    InferenceTransformer, Precision, Preset, Transformer, TransformerConfig, autocast, seed_dropout,
};
use attend_train::{Optimizer, batch_loss};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::error::BenchError;
use crate::measurement::device_memory;
use crate::workload::pair;

/// The precisions of matrix products that are compared, each if the device has it.
pub(super) const PRECISIONS: [Precision; 3] = [Precision::Float32, Precision::BFloat16, Precision::Float16];
/// The number of words in the vocabulary, besides the special tokens.
const WORDS: usize = 100;
const PAIRS: usize = 24;
const UPDATES: usize = 10;
const LEARNING_RATE: f64 = 1e-3;
const LABEL_SMOOTHING: f64 = 0.1;
const BEAM: usize = 4;
/// How many sentences are translated together while the memory is watched.
const WINDOW: usize = 20;

/// What a device computes.
#[derive(Clone)]
pub(super) struct Results {
    pub(super) logits: Vec<f32>,
    /// The log-probabilities that one forward pass over whole targets gives.
    pub(super) whole: Vec<f32>,
    pub(super) gradients: Vec<f32>,
    /// The passes in float32 and in those 16-bit types that the device multiplies in.
    pub(super) passes: Vec<Passes>,
    /// The best translation of each sentence.
    pub(super) greedy: Vec<Translation>,
    pub(super) beam: Vec<Translation>,
    /// By how much the memory that the device holds has grown since the first tenth of many sentences, relative to what
    /// it held then; `None` if Burn does not report it.
    pub(super) growth: Option<f64>,
}

impl Results {
    /// Returns the passes in `precision`; `None` if the device lacks it.
    pub(super) fn passes_in(&self, precision: Precision) -> Option<&Passes> {
        self.passes.iter().find(|passes| passes.precision == precision)
    }
}

/// What is computed with matrix products in one precision.
#[derive(Clone)]
pub(super) struct Passes {
    pub(super) precision: Precision,
    /// The log-probabilities that decoding steps give, one token after the other.
    pub(super) steps: Vec<f32>,
    /// The loss before each of the first updates.
    pub(super) losses: Vec<f32>,
}

/// Returns a network of which no part is trivial: it is trained for some updates, after which biases are not 0 and the
/// scales of norms are not 1.
pub(super) fn new_model(device: &Device) -> Result<ModelFolder, BenchError> {
    let words: Vec<String> = (0..WORDS).map(|word| format!("w{word}")).collect();
    let tokenizer = Tokenizer::train_whitespace(words.iter(), None)?;
    let config = TransformerConfig {
        d_model: 32,
        d_ff: 64,
        n_heads: 4,
        dropout: 0.1,
        max_length: 96,
        ..Preset::Tiny.config(tokenizer.vocab_size())
    };
    device.seed(1);
    let model = Transformer::new(&config, &device.clone().autodiff()).expect("a valid shape");
    let (model, _) = train(model, &batch(&tokenizer), Precision::Float32);
    Ok(ModelFolder {
        model: model.valid(),
        config,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: SearchOptions::default(),
        languages: Languages::default(),
    })
}

/// Returns the batch that the network is trained on and decodes.
fn batch(tokenizer: &Tokenizer) -> Batch {
    let examples = examples(tokenizer, PAIRS);
    Batch::new(&examples, tokenizer.pad_id(), tokenizer.bos_id())
}

/// Returns sentences to translate.
fn lines(tokenizer: &Tokenizer, count: usize) -> Vec<String> {
    let examples = examples(tokenizer, count);
    let sources = examples.iter().map(|example| tokenizer.decode(&example.source));
    sources.collect()
}

fn examples(tokenizer: &Tokenizer, count: usize) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let pairs = (0..count).map(|_| pair(&mut random, tokenizer.vocab_size()));
    pairs.collect()
}

/// Computes everything with the model in `folder` on the device. Translates so many `sentences` to measure how the
/// memory that the device holds grows.
pub(super) fn compute(folder: &Path, device: &Device, sentences: usize) -> Result<Results, BenchError> {
    let model_folder = ModelFolder::load(folder, device)?;
    let batch = batch(&model_folder.source_tokenizer);
    let logits = model_folder.model.forward(
        to_tensor(&batch.source, device),
        to_tensor(&batch.target_input, device),
    );
    let training = ModelFolder::load(folder, &device.clone().autodiff())?.model;
    let gradients = Values::of_gradients(&training, &loss(&training, &batch).backward());
    let passes = PRECISIONS
        .into_iter()
        .filter(|precision| device.supports_dtype(precision.dtype()))
        .map(|precision| Passes {
            precision,
            steps: steps(model_folder.model.clone(), &batch, precision),
            losses: train(training.clone(), &batch, precision).1,
        });
    let lines = lines(&model_folder.source_tokenizer, PAIRS);
    let translator = translator(&model_folder)?;
    let translate = |beam_size| {
        let translations = translator.translate(&lines, &searching(beam_size)).into_iter();
        let best = translations.map(|best_first| Ok(best_first?.swap_remove(0)));
        best.collect::<Result<_, InferError>>()
    };
    Ok(Results {
        whole: values(log_softmax(logits.clone(), 2)),
        logits: values(logits),
        gradients,
        passes: passes.collect(),
        greedy: translate(1)?,
        beam: translate(BEAM)?,
        growth: growth(&translator, device, sentences)?,
    })
}

fn translator(model_folder: &ModelFolder) -> Result<Translator, InferError> {
    let model = Model::new(model_folder.clone(), Precision::Float32)?;
    Ok(Translator::new(model, Workers::start(1, 1)?))
}

fn searching(beam_size: usize) -> TranslateOptions {
    TranslateOptions {
        search: SearchOptions {
            beam_size,
            ..SearchOptions::default()
        },
        ..TranslateOptions::default()
    }
}

/// Translates sentences, and returns by how much the memory that the device holds has grown since the first tenth of
/// them, relative to what it held then; `None` if Burn does not report it.
fn growth(translator: &Translator, device: &Device, sentences: usize) -> Result<Option<f64>, BenchError> {
    let held = || device_memory(device).map(|bytes| bytes as f64);
    if held().is_none() {
        return Ok(None);
    }
    let lines = lines(translator.model().source_tokenizer(), sentences);
    let options = searching(BEAM);
    let (first, others) = lines.split_at((sentences / 10).max(2 * WINDOW).min(sentences));
    let translate = |lines: &[String]| {
        let mut windows = lines.chunks(WINDOW);
        windows.try_for_each(|lines| translator.translate_best(lines, &options).map(drop))
    };
    translate(first)?;
    let at_first = held();
    translate(others)?;
    let growth = held().zip(at_first);
    Ok(growth.map(|(in_the_end, at_first)| in_the_end / at_first - 1.0))
}

/// Returns the log-probabilities `[batch, target, vocab_size]` of the token behind each target token, in row-major
/// order. Each position takes a decoding step of its own.
fn steps(model: Transformer, batch: &Batch, precision: Precision) -> Vec<f32> {
    let model = InferenceTransformer::new(model, precision);
    let device = model.device();
    let mut state = model.start(model.encode(to_tensor(&batch.source, &device)));
    let target = to_tensor(&batch.target_input, &device);
    let steps = (0..batch.target_input.width).map(|position| {
        let tokens = target.clone().slice_dim(1, position..position + 1).squeeze_dim(1);
        let next = model.step(tokens, &mut state);
        next.log_probabilities().unsqueeze_dim(1)
    });
    values(Tensor::<3>::cat(steps.collect(), 1))
}

/// Returns the loss of a batch, the mean over its target tokens.
fn loss(model: &Transformer, batch: &Batch) -> Tensor<1> {
    // Dropout drops the same elements on every device.
    seed_dropout(1);
    let device = model.devices().swap_remove(0);
    batch_loss(model, batch, &device, LABEL_SMOOTHING) / batch.target_tokens as f64
}

/// Makes some updates on one batch, with matrix products in `precision`. Returns the model, and the loss before each
/// update.
fn train(mut model: Transformer, batch: &Batch, precision: Precision) -> (Transformer, Vec<f32>) {
    let mut optimizer = Optimizer::new(0.0);
    let losses = (0..UPDATES).map(|_| {
        let loss = autocast(precision.dtype(), || loss(&model, batch));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model.clone(), gradients, 1.0);
        loss.into_scalar()
    });
    let losses = losses.collect();
    (model, losses)
}

/// Returns all weights of a model, one parameter after the other.
pub(super) fn weights(model: &Transformer) -> Vec<f32> {
    Values::visiting(model, None)
}

/// Collects all weights of a model, or their gradients, one parameter after the other.
struct Values<'a> {
    gradients: Option<&'a Gradients>,
    found: Vec<f32>,
}

impl<'a> Values<'a> {
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
