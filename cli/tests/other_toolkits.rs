//! Exports in the toolkits that they are for: transformers and CTranslate2 translate with them as Attend does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::common::{argument, attend, run};

/// Sentences of the words of the phrasebook, on which two of the models are trained.
const SENTENCES: [&str; 20] = [
    "The teacher buys a bicycle.",
    "Who feeds the pigs?",
    "The fork lies in the box.",
    "We are hungry.",
    "Does the woman lose her bag?",
    "The truck costs nine euros.",
    "The men clean the white window.",
    "My uncle does not like fish.",
    "Where is the old lawyer?",
    "The children sleep every day.",
    "I must clean the bathroom.",
    "Anna believes the musician.",
    "The dark kitchen is new.",
    "He puts the glasses into the basket.",
    "You do not buy a red car.",
    "The grandfather reads three books.",
    "She hears that the dog sleeps.",
    "Thomas wants to sell the house.",
    "The aunt listens to the farmer.",
    "Do they see the garden?",
];

/// A model, the class that transformers has for it, if it has any, and the types of numbers that are tried.
struct Case {
    name: &'static str,
    class: Option<&'static str>,
    weights: &'static [&'static str],
}

const fn case(name: &'static str, class: Option<&'static str>, weights: &'static [&'static str]) -> Case {
    Case { name, class, weights }
}

/// The first two are trained here, the others are imported from `formats/tests/fixtures`. Exports of models that are
/// trained here cannot be imported, so that there is no model folder with the same integers. The weights of `marian`
/// are random, and so large that translations depend on the last bits of the positions, which 16-bit floats round.
const CASES: [Case; 6] = [
    case(
        "pre",
        Some("PegasusForConditionalGeneration"),
        &["float32", "float16"],
    ),
    case("post", Some("MarianMTModel"), &["float32", "float16"]),
    case(
        "marian_mt_phrasebook",
        Some("MarianMTModel"),
        &["float32", "float16", "int8"],
    ),
    case(
        "marian_mt_two_vocabularies",
        Some("MarianMTModel"),
        &["float32", "float16", "int8"],
    ),
    case("ctranslate2_pre_norm", None, &["float32", "float16", "int8"]),
    case("marian", None, &["float32", "int8"]),
];

/// What a toolkit finds with an export.
#[derive(Deserialize)]
struct Found {
    class: String,
    /// The translations of the sentences, for each size of the beam.
    beams: BTreeMap<usize, Vec<Translation>>,
}

#[derive(Deserialize)]
struct Translation {
    text: String,
    /// The score of a beam search.
    score: Option<f32>,
}

/// The JSON object that Attend prints for a line.
#[derive(Deserialize)]
struct Line {
    translations: Vec<Translation>,
}

/// Runs a subcommand, which must succeed. Returns its standard output.
fn succeed(subcommand: &str, arguments: &[&str]) -> String {
    let mut command = attend(subcommand);
    command.args(arguments);
    let output = run(command, b"");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{subcommand} {arguments:?}: {told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Trains a translator for so long that its translations differ, with pre-norm or post-norm.
fn train(norm: &str, folder: &Path) {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/phrasebook.toml");
    let norm = format!("model.norm={norm}");
    let prepared = folder.with_extension("prepared");
    let mut arguments = vec![argument(&recipe), "--output", argument(folder)];
    arguments.extend(["--prepared", argument(&prepared)]);
    for setting in [
        norm.as_str(),
        "training.updates=200",
        "training.learning_rate=0.002",
        "training.warmup=80",
        "training.validate_every=200",
    ] {
        arguments.extend(["--set", setting]);
    }
    succeed("train", &arguments);
}

/// Rounds the weights of a model folder so that 16-bit floats hold them.
fn round_to_halves(folder: &Path) {
    let path = folder.join("model.safetensors");
    let mut file = fs::read(&path).expect("weights");
    let (length, rest) = file.split_first_chunk_mut().expect("the length of the head");
    let head = u64::from_le_bytes(*length) as usize;
    for number in rest[head..].as_chunks_mut().0 {
        let weight = f32::from_le_bytes(*number);
        // The smallest ones have fewer bits there.
        let half = if weight.abs() < 1e-4 {
            0.0
        } else {
            f32::from_bits(weight.to_bits() & 0xffff_e000)
        };
        *number = half.to_le_bytes();
    }
    fs::write(path, file).expect("a writable folder");
}

/// An export, and the model folder that computes with the same numbers.
struct Export {
    description: String,
    folder: PathBuf,
    own: PathBuf,
    class: &'static str,
    /// How much the scores may differ.
    tolerance: f32,
}

/// Exports a model folder in all formats and types of numbers that the toolkits have for it.
fn exports(model: &Path, case: &Case, workspace: &Path) -> Vec<Export> {
    let is_trained = matches!(case.name, "pre" | "post");
    let mut exports = Vec::new();
    for (format, class) in [("marian-hf", case.class), ("ctranslate2", Some("Translator"))] {
        let Some(class) = class else { continue };
        for weights in case.weights {
            if format == "marian-hf" && *weights == "int8" {
                continue;
            }
            let description = format!("{}-{format}-{weights}", case.name);
            let folder = workspace.join(&description);
            let flags = ["--format", format, "--weights", weights, "--output"];
            succeed(
                "export",
                &[&[argument(model)], &flags[..], &[argument(&folder)]].concat(),
            );
            let own = if is_trained || *weights == "float32" {
                model.to_owned()
            } else {
                // The import of an export has the same rounded numbers.
                let own = workspace.join(format!("{description}-again"));
                succeed("import", &[argument(&folder), "--output", argument(&own)]);
                own
            };
            // A file that has the table of positions rounds it too.
            let rounds_positions = *weights == "float16" && class != "MarianMTModel";
            exports.push(Export {
                tolerance: if rounds_positions { 1e-2 } else { 1e-4 },
                description,
                folder,
                own,
                class,
            });
        }
    }
    exports
}

/// Translates the sentences with Attend, by the rules of the toolkit that an export is for.
fn translate(export: &Export, beam: usize, text: &Path) -> Vec<Translation> {
    let beam = beam.to_string();
    let rules = if export.class == "Translator" {
        ["--stopping", "ctranslate2", "--unknown", "keep"].as_slice()
    } else {
        &["--stopping", "transformers"]
    };
    let flags = [
        "--no-split",
        "--json",
        "--beam",
        &beam,
        "--length-penalty",
        "1",
        "--length-normalization",
        "length",
        "--coverage-penalty",
        "0",
        "--min-length",
        "0",
        "--max-length",
        "40",
    ];
    let files = ["--model", argument(&export.own), "--input", argument(text)];
    let lines = succeed("translate", &[&files, &flags[..], rules].concat());
    let line = |line: &str| {
        let mut line: Line = serde_json::from_str(line).expect("a line of JSON");
        line.translations.remove(0)
    };
    lines.lines().map(line).collect()
}

/// Translates the sentences with each export in its toolkit.
fn reference(python: &str, text: &Path, exports: &[Export]) -> Vec<Found> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate_exports.py");
    let output = Command::new(python)
        .arg(script)
        .arg(text)
        .args(exports.iter().map(|export| &export.folder))
        .output()
        .expect("Python starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// The variable PYTHON names a Python with torch, transformers, sentencepiece, tokenizers and ctranslate2.
#[test]
#[ignore = "needs Python with transformers and ctranslate2; `just test-export PYTHON` runs it"]
fn exports_translate_in_other_toolkits_as_here() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = TempDir::new().expect("a temporary folder");
    let text = folder.path().join("text");
    fs::write(&text, SENTENCES.join("\n") + "\n").expect("a writable folder");
    let mut all = Vec::new();
    for case in &CASES {
        let model = folder.path().join(case.name);
        if let "pre" | "post" = case.name {
            train(case.name, &model);
            round_to_halves(&model);
        } else {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/fixtures");
            let source = fixtures.join(case.name);
            succeed("import", &[argument(&source), "--output", argument(&model)]);
        }
        all.extend(exports(&model, case, folder.path()));
    }
    let found = reference(&python, &text, &all);
    assert_eq!(found.len(), all.len());
    let mut different = Vec::new();
    for (export, found) in all.iter().zip(&found) {
        assert_eq!(found.class, export.class, "{}", export.description);
        assert_eq!(found.beams.keys().copied().collect::<Vec<_>>(), [1, 4]);
        let mut largest = 0.0_f32;
        let mut same = 0;
        for (beam, theirs) in &found.beams {
            let ours = translate(export, *beam, &text);
            assert_eq!(ours.len(), theirs.len());
            for ((ours, theirs), sentence) in ours.iter().zip(theirs).zip(SENTENCES) {
                if ours.text.trim() == theirs.text.trim() {
                    same += 1;
                } else {
                    different.push(format!(
                        "{}, beam {beam}: {sentence}\n    {}\n    {}",
                        export.description, ours.text, theirs.text
                    ));
                }
                if let (Some(ours), Some(theirs)) = (ours.score, theirs.score) {
                    largest = largest.max((ours - theirs).abs());
                }
            }
        }
        println!(
            "{} as {}: {same} of {} translations alike, scores differ by {largest:.1e} at most",
            export.description,
            found.class,
            2 * SENTENCES.len()
        );
        assert!(largest < export.tolerance, "{}: {largest}", export.description);
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
