//! What the tests of `attend train` share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use attend_train::Record;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::common::program;

/// A temporary folder for one test, in which the program is run.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// Returns a workspace without files.
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder can be made"),
        }
    }

    /// Returns the path of a file or folder in the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the workspace.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).expect("the folder is writable");
    }

    /// Writes the sources of pairs to `name.src` and the targets to `name.tgt`, one a line.
    pub(crate) fn write_pairs(&self, name: &str, pairs: &[(String, String)]) {
        let side = |side: fn(&(String, String)) -> &String| -> String {
            pairs.iter().flat_map(|pair| [side(pair), "\n"]).collect()
        };
        self.write(&format!("{name}.src"), side(|pair| &pair.0));
        self.write(&format!("{name}.tgt"), side(|pair| &pair.1));
    }

    /// Returns the command `attend train` with these arguments, to be run in the workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .arg("train")
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    /// Runs `attend train` with these arguments.
    pub(crate) fn train(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Starts `attend train small.toml` with these arguments in the background; the test must end it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(&[&["small.toml"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Runs `attend train`, which must fail with exit status 1 and without a panic. Returns its standard error.
    pub(crate) fn failure(&self, arguments: &[&str]) -> String {
        let output = self.train(arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("error: "), "{message}");
        assert!(!message.contains("panicked"), "{message}");
        message
    }

    /// Waits until a file or folder is there.
    pub(crate) fn wait_for(&self, name: &str) {
        let start = Instant::now();
        while !self.path(name).exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "no {name} in a minute");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the weights of a run's model in one list, tensor after tensor.
    pub(crate) fn weights(&self, run: &str) -> Vec<f32> {
        let bytes = fs::read(self.path(run).join("model.safetensors")).expect("the model was saved");
        let tensors = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
        let mut tensors = tensors.tensors();
        tensors.sort_by(|one, other| one.0.cmp(&other.0));
        let bytes = tensors
            .iter()
            .flat_map(|(_, tensor)| tensor.data().chunks_exact(4));
        bytes
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("a number has four bytes")))
            .collect()
    }

    /// Runs `attend train`, which must succeed. Returns its standard output.
    pub(crate) fn train_well(&self, arguments: &[&str]) -> String {
        let output = self.train(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).expect("the program writes UTF-8")
    }

    /// Returns the model card, the `README.md` that a run wrote into its folder.
    pub(crate) fn model_card(&self, run: &str) -> String {
        fs::read_to_string(self.path(run).join("README.md")).expect("the run wrote its model card")
    }

    /// Returns the numbers of the updates and their losses from a run's `metrics.jsonl`.
    pub(crate) fn losses(&self, run: &str) -> Vec<(usize, f64)> {
        records(&self.path(run))
            .into_iter()
            .filter_map(|record| match record {
                Record::Update { update, loss, .. } => Some((update, loss)),
                Record::Validation { .. } => None,
            })
            .collect()
    }
}

/// Returns the records of the run in the folder `run`.
pub(crate) fn records(run: &Path) -> Vec<Record> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the run wrote its metrics");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("every line is a record"))
        .collect()
}

/// Returns what a program printed to standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the numbers in the row that begins with `title`, from the table that counts the training pairs.
pub(crate) fn counts(message: &str, title: &str) -> Vec<usize> {
    let row = message.lines().find_map(|line| line.strip_prefix(title));
    let row = row.unwrap_or_else(|| panic!("no row {title} in:\n{message}"));
    let numbers = row
        .split_whitespace()
        .map(|number| number.replace(',', "").parse());
    numbers.collect::<Result<_, _>>().expect("numbers alone follow")
}

/// Returns `count` different pairs. A source is "copy" or "reverse" and one to eight letters, and its target has these
/// letters in the order that is asked for.
pub(crate) fn copy_and_reverse(count: usize) -> Vec<(String, String)> {
    let mut random = ChaCha8Rng::seed_from_u64(12_345);
    let mut draw = move |below: u32| random.next_u32() % below;
    let mut seen = std::collections::HashSet::new();
    let mut order = Vec::new();
    while order.len() < count {
        let length = 1 + draw(8);
        let letters: Vec<String> = (0..length)
            .map(|_| char::from(b'a' + draw(12) as u8).to_string())
            .collect();
        let reversed: Vec<String> = letters.iter().rev().cloned().collect();
        let (source, target) = match draw(2) {
            0 => (format!("copy {}", letters.join(" ")), letters.join(" ")),
            _ => (format!("reverse {}", letters.join(" ")), reversed.join(" ")),
        };
        if seen.insert(source.clone()) {
            order.push((source, target));
        }
    }
    order
}

/// A recipe for the files `train`, `valid` and `test`, which trains within seconds.
pub(crate) const SMALL_RECIPE: &str = r#"
seed = 7

[data]
train = { source = "train.src", target = "train.tgt" }
valid = { source = "valid.src", target = "valid.tgt" }
test = { source = "test.src", target = "test.tgt" }
vocab_size = 300

[model]
preset = "tiny"
d_model = 32
d_ff = 64
n_heads = 4
encoder_layers = 1
decoder_layers = 1
dropout = 0.1
max_length = 64

[training]
updates = 20
batch_tokens = 256
learning_rate = 0.003
warmup = 10
validate_every = 10
log_every = 5
"#;

/// Returns a workspace with [`SMALL_RECIPE`] as `small.toml`, and with the files that it names.
pub(crate) fn small_workspace() -> Workspace {
    let workspace = Workspace::new();
    let pairs = copy_and_reverse(360);
    workspace.write_pairs("train", &pairs[..300]);
    workspace.write_pairs("valid", &pairs[300..330]);
    workspace.write_pairs("test", &pairs[330..]);
    workspace.write("small.toml", SMALL_RECIPE);
    workspace
}

/// Returns the arguments that change settings of the recipe.
pub(crate) fn set<'a>(assignments: &[&'a str]) -> Vec<&'a str> {
    assignments
        .iter()
        .flat_map(|assignment| ["--set", assignment])
        .collect()
}
