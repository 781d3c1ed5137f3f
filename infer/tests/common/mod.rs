//! What the tests share: a small model folder with random weights, and the programs run from outside.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use attend_data::Tokenizer;
use attend_infer::search::SearchOptions;
use attend_infer::{ModelFolder, device};
use attend_model::{Transformer, TransformerConfig};
use burn::tensor::{Device, Int, Tensor};
use tempfile::TempDir;

/// Sentences of one to a dozen words, in the tokenizer's training text.
pub(crate) const SENTENCES: [&str; 8] = [
    "yes",
    "good morning",
    "the house is small",
    "an old man reads a book",
    "two children play in the garden behind the house",
    "das Haus ist klein",
    "ein alter Mann liest ein Buch",
    "zwei Kinder spielen im Garten hinter dem Haus und lachen laut",
];

/// No arguments.
pub(crate) const NOTHING: [&str; 0] = [];

/// [`SENTENCES`], one a line.
pub(crate) fn text() -> String {
    SENTENCES.map(|sentence| format!("{sentence}\n")).concat()
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Most tokens in a source sentence of [`config`]'s models.
pub(crate) const MAX_SOURCE_TOKENS: usize = 99;

/// A tokenizer of [`SENTENCES`].
pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::train_bpe(SENTENCES.into_iter().cycle().take(16), 300).expect("sentences")
}

/// The shape of a small network. Untied, because random tied weights repeat their input.
pub(crate) fn config() -> TransformerConfig {
    TransformerConfig {
        d_model: 16,
        d_ff: 24,
        n_heads: 2,
        encoder_layers: 1,
        decoder_layers: 2,
        max_length: MAX_SOURCE_TOKENS + 1,
        tie_embeddings: false,
        ..TransformerConfig::tiny(tokenizer().vocab_size())
    }
}

/// A model with the random weights of `seed`, and greedy search.
pub(crate) fn bundle_of(config: TransformerConfig, seed: u64) -> ModelFolder {
    /// The random numbers of a device are shared by all threads.
    static RANDOM: Mutex<()> = Mutex::new(());
    let _alone = RANDOM.lock().expect("no test fails while it draws weights");
    let device = cpu();
    device.seed(seed);
    let model = Transformer::new(&config, &device).expect("a valid shape");
    let ids = || Tensor::<2, Int>::from_ints([[2]], &device);
    // Weights are drawn when they are first used.
    model.forward(ids(), ids());
    ModelFolder {
        config,
        model,
        tokenizer: tokenizer(),
        generation: SearchOptions {
            beam_size: 1,
            ..SearchOptions::default()
        },
    }
}

/// [`bundle_of`] the usual shape and weights.
pub(crate) fn bundle() -> ModelFolder {
    bundle_of(config(), 3)
}

/// A model whose tokens are the words of `lines`.
pub(crate) fn bundle_of_words<'a>(lines: impl IntoIterator<Item = &'a str, IntoIter: Send>) -> ModelFolder {
    let words = Tokenizer::train_whitespace(lines.into_iter(), None).expect("words");
    let config = TransformerConfig {
        vocab_size: words.vocab_size(),
        ..config()
    };
    ModelFolder {
        tokenizer: words,
        ..bundle_of(config, 3)
    }
}

/// The device that the programs choose without `--device`.
pub(crate) fn cpu() -> Device {
    device::auto().expect("a device is built in").device
}

/// A temporary folder whose sub-folder `model` holds [`bundle`].
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self { folder };
        std::fs::create_dir(workspace.model()).expect("a new folder");
        bundle().save(workspace.model()).expect("a writable folder");
        workspace
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.path("model")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a writable folder");
        path
    }

    /// The program `translate` on this model, with pipes for its input and output.
    pub(crate) fn translate_command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_translate"));
        command.arg("--model").arg(self.model()).args(arguments);
        command
    }

    /// Runs `translate`: exit status and output of both kinds.
    pub(crate) fn translate<A: AsRef<OsStr>>(&self, arguments: &[A], stdin: &[u8]) -> Output {
        run(self.translate_command(arguments), stdin)
    }

    /// What `translate` prints, which must succeed in silence on standard error.
    pub(crate) fn translated<A: AsRef<OsStr>>(&self, arguments: &[A], stdin: &[u8]) -> String {
        stdout(&self.translate(arguments, stdin))
    }

    /// Runs `score` on this model.
    pub(crate) fn score<A: AsRef<OsStr>>(&self, source: &Path, target: &Path, arguments: &[A]) -> Output {
        let mut command = program(env!("CARGO_BIN_EXE_score"));
        command.args([&self.model(), source, target]).args(arguments);
        run(command, b"")
    }

    /// What `score` prints, which must succeed in silence on standard error.
    pub(crate) fn scored<A: AsRef<OsStr>>(&self, source: &Path, target: &Path, arguments: &[A]) -> String {
        stdout(&self.score(source, target, arguments))
    }

    /// Runs `evaluate` on this model.
    pub(crate) fn evaluate<A: AsRef<OsStr>>(
        &self,
        source: &Path,
        reference: &Path,
        arguments: &[A],
    ) -> Output {
        let mut command = program(env!("CARGO_BIN_EXE_evaluate"));
        command.args([&self.model(), source, reference]).args(arguments);
        run(command, b"")
    }
}

pub(crate) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    // The programs say what `auto` took where several backends are built in, and Mesa, which looks for cards, that it has
    // no folder for its sockets.
    command
        .env("ATTEND_DEVICE", "cpu")
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that stops at an error does not read its input.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// The standard output of a program that succeeded and complained of nothing.
pub(crate) fn stdout(output: &Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaints}");
    assert_eq!(complaints, "");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Asserts that a program stopped with exit status 1, printed nothing on standard output, and one `error:` line that
/// contains every one of `parts`. Returns standard error.
pub(crate) fn assert_error(output: &Output, parts: &[&str]) -> String {
    let complaints = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let lines: Vec<&str> = complaints.lines().collect();
    assert!(lines[0].starts_with("error: "), "{complaints}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part:?} in: {complaints}");
    }
    match lines[1..] {
        [] => {}
        [hint] => assert!(hint.starts_with("hint: "), "{complaints}"),
        _ => panic!("more than an error and a hint: {complaints}"),
    }
    complaints
}

/// Asserts that a program stopped with exit status 2 and named `part` on standard error.
pub(crate) fn assert_usage_error(output: &Output, part: &str) {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaints}");
    assert!(output.stdout.is_empty());
    assert!(complaints.starts_with("error: "), "{complaints}");
    assert!(complaints.contains(part), "no {part:?} in: {complaints}");
}
