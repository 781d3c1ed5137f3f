//! What the tests of the program share: a small model folder with random weights, and runs of the program from outside.

#[path = "../../../infer/tests/common.rs"]
mod models;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use attend_infer::{Languages, ModelFolder};
use tempfile::TempDir;

pub(crate) use models::*;

/// An empty list of arguments.
pub(crate) const NOTHING: [&str; 0] = [];

/// Returns [`SENTENCES`] as text, one a line.
pub(crate) fn text() -> String {
    SENTENCES.map(|sentence| format!("{sentence}\n")).concat()
}

/// Returns a path as an argument of a command line.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A temporary folder whose sub-folder `model` holds [`model_folder`].
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self { folder };
        std::fs::create_dir(workspace.model()).expect("a new folder");
        model_folder().save(workspace.model()).expect("a writable folder");
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

    /// Returns the command `attend translate` with this workspace's model, and with pipes for input and output.
    pub(crate) fn translate_command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = attend("translate");
        command.arg("--model").arg(self.model()).args(arguments);
        command
    }

    /// Runs `attend translate` on this workspace's model. Returns its exit status, standard output and standard error.
    pub(crate) fn translate<A: AsRef<OsStr>>(&self, arguments: &[A], stdin: &[u8]) -> Output {
        run(self.translate_command(arguments), stdin)
    }

    /// Runs `attend translate`, which must succeed and print nothing to standard error. Returns its standard output.
    pub(crate) fn translated<A: AsRef<OsStr>>(&self, arguments: &[A], stdin: &[u8]) -> String {
        stdout(&self.translate(arguments, stdin))
    }

    /// Runs `attend score` on this workspace's model.
    pub(crate) fn score<A: AsRef<OsStr>>(&self, source: &Path, target: &Path, arguments: &[A]) -> Output {
        let mut command = attend("score");
        command.args([&self.model(), source, target]).args(arguments);
        run(command, b"")
    }

    /// Runs `attend score`, which must succeed and print nothing to standard error. Returns its standard output.
    pub(crate) fn scored<A: AsRef<OsStr>>(&self, source: &Path, target: &Path, arguments: &[A]) -> String {
        stdout(&self.score(source, target, arguments))
    }

    /// Runs `attend eval` on this workspace's model.
    pub(crate) fn evaluate<A: AsRef<OsStr>>(
        &self,
        source: &Path,
        reference: &Path,
        arguments: &[A],
    ) -> Output {
        let mut command = attend("eval");
        command.args([&self.model(), source, reference]).args(arguments);
        run(command, b"")
    }
}

/// A workspace whose folder `home` has a model between the languages of each name, such as `fr-en`.
pub(crate) fn home(names: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    for (seed, name) in (10..).zip(names) {
        let folder = workspace.path(&format!("home/models/{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let (source, target) = name.split_once('-').unwrap();
        let languages = Languages {
            source: source.parse().ok(),
            target: target.split('-').next().unwrap().parse().ok(),
        };
        ModelFolder {
            languages,
            ..bundle_of(config(), seed)
        }
        .save(folder)
        .unwrap();
    }
    workspace
}

/// Returns the command `attend`. The variables of the environment that change what the program does are left out, such
/// as the one by which `just test` says how suggested commands begin.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attend"));
    command
        .env_remove("ATTEND_COMMAND")
        .env_remove("ATTEND_DEVICE")
        .env_remove("ATTEND_HOME")
        .env_remove("ATTEND_PREPARED")
        .env_remove("ATTEND_MECAB_DICTIONARY")
        // Mesa, which looks for GPUs if the backend wgpu is built in, complains if it has no folder for its sockets.
        .env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

/// Returns the command `attend` with a subcommand, with pipes for input and output.
pub(crate) fn attend(subcommand: &str) -> Command {
    let mut command = program();
    command
        .arg(subcommand)
        // With several backends, the program would report which device `auto` has taken.
        .env("ATTEND_DEVICE", "cpu")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a program to its end, with `input` as its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Writing fails if the program has stopped at an error, before it has read its input.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Asserts that a program succeeded and printed nothing to standard error. Returns its standard output.
pub(crate) fn stdout(output: &Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaints}");
    assert_eq!(complaints, "");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Asserts that a program stopped with exit status 1 and printed nothing but an `error:` line that contains every one
/// of `parts`, and perhaps a `hint:` line. Returns its standard error.
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

/// Asserts that a program stopped with exit status 2 and that its standard error contains `part`.
pub(crate) fn assert_usage_error(output: &Output, part: &str) {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaints}");
    assert!(output.stdout.is_empty());
    assert!(complaints.starts_with("error: "), "{complaints}");
    assert!(complaints.contains(part), "no {part:?} in: {complaints}");
}
