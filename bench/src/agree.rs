//! Whether Attend and CTranslate2 find the same: numbers and hypotheses, of the same weights and text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;

use attend_data::cli::print;
use attend_data::{DataError, Tokenizer};
use attend_infer::cli::DeviceOption;
use attend_infer::device::values;
use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_infer::translator::EXTRA_LENGTH;
use attend_infer::{ModelFolder, Translation, Translator, Workers, notice_device_failure};
use attend_model::{InferenceTransformer, Precision};
use burn::tensor::{Device, Int, Tensor};
use clap::Args;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use crate::decode::read_text;
use crate::error::BenchError;
use crate::measurement::run_script;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ctranslate2_agreement.py");
/// What the peer needs of Python.
const PACKAGES: &str = "ctranslate2, numpy and safetensors";
/// Greedy search, and a beam.
const BEAMS: [usize; 2] = [1, 4];
/// Sentences whose encoder outputs and logits are compared: those of a vocabulary of 10,000 then take 60 MB.
const SENTENCES_WITH_NUMBERS: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    /// A Python with ctranslate2, numpy and safetensors.
    #[arg(long, value_name = "PATH")]
    python: PathBuf,
    /// The model's folder.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The text to translate, a sentence a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
}

/// What is found for a sentence, a line of JSON each. Tokens are as the vocabulary spells them, without `<s>` and
/// `</s>`.
#[derive(Serialize)]
struct Found {
    /// Its place in the input, from 1.
    line: usize,
    source: Vec<String>,
    /// Most tokens of a hypothesis.
    max_length: usize,
    /// By the beam's size, best first.
    hypotheses: BTreeMap<usize, Vec<Scored>>,
}

#[derive(Serialize)]
struct Scored {
    tokens: Vec<String>,
    score: f32,
}

/// Finds everything by Attend, and has the peer find and compare it.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || compare_on(&device.device, options))
}

fn compare_on(device: &Device, options: &Options) -> Result<(), BenchError> {
    let numbered = (1..).zip(read_text(&options.input)?);
    let model_folder = ModelFolder::load(&options.model, device)?;
    // What is blank is not translated.
    let numbered: Vec<(usize, String)> = numbered.filter(|(_, line)| !line.trim().is_empty()).collect();
    let length_penalty = model_folder.generation.length_penalty;
    let translator = Translator::new(model_folder.clone()).with_workers(Workers::start(1, 1)?);
    let mut found: Vec<Found> = numbered
        .iter()
        .map(|(number, line)| Found::nothing(*number, line, &translator))
        .collect();
    let lines: Vec<String> = numbered.into_iter().map(|(_, line)| line).collect();
    let mut greedy = Vec::new();
    for beam in BEAMS {
        let translator = translator.clone().with_search(SearchOptions {
            beam_size: beam,
            nbest: beam,
            length_penalty,
            length_normalization: LengthNormalization::Length,
            stopping: Stopping::CTranslate2,
            // The peer takes it for a token like others, too.
            unknown: Unknown::Keep,
            min_length: 1,
            ..SearchOptions::default()
        })?;
        let translations = translator.translate(&lines)?;
        for (found, best_first) in found.iter_mut().zip(&translations) {
            let scored = best_first
                .iter()
                .map(|best| Scored::of(best, translator.tokenizer()));
            found.hypotheses.insert(beam, scored.collect());
        }
        if beam == 1 {
            greedy = translations;
        }
    }

    let folder =
        tempfile::tempdir().map_err(|error| DataError::write(Path::new("a temporary folder"), error))?;
    let write = |name: &str, content: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, content).map_err(|error| DataError::write(&path, error))?;
        Ok::<PathBuf, BenchError>(path)
    };
    let json =
        |found: &Found| serde_json::to_string(found).expect("strings and numbers always serialize") + "\n";
    let hypotheses = write(
        "hypotheses.jsonl",
        found.iter().map(json).collect::<String>().into(),
    )?;
    let first = lines.iter().zip(&greedy).take(SENTENCES_WITH_NUMBERS);
    let first: Vec<(&String, &Translation)> =
        first.map(|(line, best_first)| (line, &best_first[0])).collect();
    let numbers = write("numbers.safetensors", numbers(model_folder, &first))?;

    let mut command = Command::new(&options.python);
    command.arg(PEER).arg(&options.model).args([hypotheses, numbers]);
    command.args(["--length-penalty", &length_penalty.to_string()]);
    Ok(print(&run_script(command, PACKAGES)?)?)
}

impl Found {
    fn nothing(number: usize, line: &str, translator: &Translator) -> Self {
        let tokenizer = translator.tokenizer();
        let source = tokenizer.encode(line);
        Self {
            line: number,
            max_length: translator.max_target_tokens().min(source.len() + EXTRA_LENGTH),
            source: spelt(&source, tokenizer),
            hypotheses: BTreeMap::new(),
        }
    }
}

impl Scored {
    fn of(translation: &Translation, tokenizer: &Tokenizer) -> Self {
        Self {
            tokens: spelt(&translation.tokens, tokenizer),
            score: translation.score,
        }
    }
}

fn spelt(tokens: &[u32], tokenizer: &Tokenizer) -> Vec<String> {
    let tokens = tokens.iter();
    tokens.map(|&token| tokenizer.vocabulary_entry(token)).collect()
}

/// The encoder's output `encoder.N` `[source, d_model]` for each sentence, and the logits `logits.N`
/// `[target, vocab_size]` of each token of its greedy translation, `</s>` included, in the format of safetensors.
fn numbers(model_folder: ModelFolder, sentences: &[(&String, &Translation)]) -> Vec<u8> {
    let tokenizer = model_folder.tokenizer;
    let model = InferenceTransformer::new(model_folder.model, Precision::Float32);
    let mut tensors: Vec<(String, [usize; 2], Vec<u8>)> = Vec::new();
    for (number, (line, translation)) in sentences.iter().enumerate() {
        let mut add = |name: &str, tensor: Tensor<2>| {
            let shape = tensor.dims();
            let bytes = values(tensor).into_iter().flat_map(f32::to_le_bytes);
            tensors.push((format!("{name}.{number}"), shape, bytes.collect()));
        };
        let ids = |tokens: Vec<u32>| {
            let tokens: Vec<i32> = tokens.into_iter().map(|token| token as i32).collect();
            Tensor::<1, Int>::from_ints(tokens.as_slice(), &model.device())
        };
        let source = [tokenizer.encode(line), vec![tokenizer.eos_id()]].concat();
        let memory = model.encode(ids(source).unsqueeze());
        add("encoder", memory.states.clone().squeeze_dim(0));
        let mut state = model.start(memory);
        let logits = [&[tokenizer.bos_id()], translation.tokens.as_slice()].concat();
        let logits = logits
            .into_iter()
            .map(|token| model.step(ids(vec![token]), &mut state).logits);
        add("logits", Tensor::cat(logits.collect(), 0));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        (name, view.expect("as many numbers as the shape has"))
    });
    safetensors::serialize(views, None).expect("the tensors have different names")
}
