//! Compares Attend with CTranslate2: encoder outputs, logits and hypotheses, from the same weights and text.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::slice;

use attend_cli::{DeviceOption, print};
use attend_data::{DataError, Tokenizer};
use attend_device::{Workers, notice_device_failure, values};
use attend_infer::search::{EXTRA_LENGTH, LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_infer::{InferError, Model, ModelFolder, TranslateOptions, Translation, Translator};
use attend_model::{InferenceTransformer, Precision};
use burn::tensor::{Device, Int, Tensor};
use clap::Args;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use crate::decode::{export_for_peer, read_text};
use crate::error::BenchError;
use crate::measurement::{run_script, temporary_folder};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ctranslate2_agreement.py");
/// The Python packages that the peer imports.
const PACKAGES: &str = "ctranslate2, numpy and safetensors";
/// The beam sizes of the searches that are compared: greedy search and beam search.
const BEAMS: [usize; 2] = [1, 4];
/// How many sentences have their encoder outputs and logits compared. With a vocabulary of 10,000, the numbers of 100
/// sentences take 60 MB.
const SENTENCES_WITH_NUMBERS: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    /// The Python that runs the peer, with ctranslate2, numpy and safetensors.
    #[arg(long, value_name = "PYTHON")]
    python: PathBuf,
    /// The folder of the model.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The text to translate, one sentence a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
}

/// What Attend finds for one sentence. The peer reads a line of JSON for each. Tokens are as the vocabulary spells
/// them, without `<s>` and `</s>`.
#[derive(Serialize)]
struct Found {
    /// The number of the sentence's line in the input, from 1.
    line: usize,
    source: Vec<String>,
    /// The most tokens that a hypothesis may have.
    max_length: usize,
    /// The hypotheses of each search, the best first, by the size of its beam.
    hypotheses: BTreeMap<usize, Vec<Scored>>,
}

/// A hypothesis and its score.
#[derive(Serialize)]
struct Scored {
    tokens: Vec<String>,
    score: f32,
}

/// Translates the text with Attend, and runs the peer, which translates it with CTranslate2 and prints how the two
/// differ.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || compare_on(&device.device, options))
}

fn compare_on(device: &Device, options: &Options) -> Result<(), BenchError> {
    let numbered = (1..).zip(read_text(&options.input)?);
    let model_folder = ModelFolder::load(&options.model, device)?;
    // Blank lines are not translated.
    let numbered: Vec<(usize, String)> = numbered.filter(|(_, line)| !line.trim().is_empty()).collect();
    let length_penalty = model_folder.generation.length_penalty;
    let model = Model::new(model_folder.clone(), Precision::Float32)?;
    let translator = Translator::new(model, Workers::start(1, 1)?);
    let mut found: Vec<Found> = numbered
        .iter()
        .map(|(number, line)| Found::nothing(*number, line, translator.model()))
        .collect();
    let lines: Vec<String> = numbered.into_iter().map(|(_, line)| line).collect();
    let mut greedy = Vec::new();
    for beam in BEAMS {
        let search = SearchOptions {
            beam_size: beam,
            nbest: beam,
            length_penalty,
            length_normalization: LengthNormalization::Length,
            stopping: Stopping::CTranslate2,
            // CTranslate2 keeps `<unk>` as a token like others, too.
            unknown: Unknown::Keep,
            min_length: 1,
            ..SearchOptions::default()
        };
        let options = TranslateOptions {
            search,
            ..TranslateOptions::default()
        };
        let translations = translator.translate(&lines, &options);
        let translations = translations.into_iter().collect::<Result<Vec<_>, InferError>>()?;
        for (found, best_first) in found.iter_mut().zip(&translations) {
            let scored = best_first
                .iter()
                .map(|best| Scored::of(best, translator.model().target_tokenizer()));
            found.hypotheses.insert(beam, scored.collect());
        }
        if beam == 1 {
            greedy = translations;
        }
    }

    let folder = temporary_folder()?;
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

    let exported = folder.path().join("exported");
    export_for_peer(&options.model, &exported, device)?;
    let mut command = Command::new(&options.python);
    command.arg(PEER).arg(&options.model);
    command.args([hypotheses, numbers, exported]);
    command.args(["--length-penalty", &length_penalty.to_string()]);
    Ok(print(&run_script(command, PACKAGES)?)?)
}

impl Found {
    /// Returns the entry of a sentence that has no hypotheses yet.
    fn nothing(number: usize, line: &str, model: &Model) -> Self {
        let tokenizer = model.source_tokenizer();
        let source = tokenizer.encode(line);
        Self {
            line: number,
            max_length: model.max_target_tokens().min(source.len() + EXTRA_LENGTH),
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

/// Returns the tokens as the vocabulary spells them.
fn spelt(tokens: &[u32], tokenizer: &Tokenizer) -> Vec<String> {
    let tokens = tokens.iter();
    tokens.map(|&token| tokenizer.vocabulary_entry(token)).collect()
}

/// Returns two tensors for each sentence, in the format of safetensors. `encoder.N` is the encoder's output, of shape
/// `[source, d_model]`, and `logits.N` `[target, vocab_size]` holds the logits of each token of the greedy translation,
/// `</s>` included. `N` counts the sentences from 0.
fn numbers(model_folder: ModelFolder, sentences: &[(&String, &Translation)]) -> Vec<u8> {
    let (tokenizer, bos) = (
        model_folder.source_tokenizer,
        model_folder.target_tokenizer.bos_id(),
    );
    let source_eos = model_folder.config.source_eos;
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
        let mut source = tokenizer.encode(line);
        if source_eos {
            source.push(tokenizer.eos_id());
        }
        let memory = model.encode(ids(source).unsqueeze());
        add("encoder", memory.states.clone().squeeze_dim(0));
        let mut state = model.start(memory);
        let logits = [&[bos], translation.tokens.as_slice()].concat();
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
