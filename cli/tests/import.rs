//! `attend import`: models of other programs become model folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{NOTHING, argument, assert_error, assert_usage_error, attend, run};

/// Returns the path of a foreign model of `formats/tests/make_fixtures.py`.
fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../formats/tests/fixtures")
        .join(name)
}

#[test]
fn an_imported_model_translates() {
    for (name, found) in [
        (
            "marian_mt",
            "Hugging Face MarianMT; from en to de; 2+1 layers, 8 wide; 58 tokens;",
        ),
        ("firefox", "Marian; from en to de; 2+2 layers, 8 wide; 61 tokens;"),
        ("marian/model.npz", "Marian; 2+1 layers, 8 wide; 61 tokens;"),
        ("ctranslate2", "CTranslate2; 2+1 layers, 8 wide; 61 tokens;"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = folder.path().join("models/en-de");
        let mut command = attend("import");
        command.arg(foreign(name)).arg("--output").arg(&model);
        let output = run(command, b"");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(output.stdout.is_empty());
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(lines[0].starts_with(found), "{told}");
        assert!(lines[1].contains("translates \"1, 2, 3\" as "), "{told}");
        let next = format!("`attend translate --model {}`", model.display());
        assert!(lines[2].contains(&next), "{told}");

        let mut command = attend("translate");
        command.args(["--model", argument(&model), "The old boat is green."]);
        let output = run(command, b"");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(output.stdout.len() > 1, "a translation");
    }
}

#[test]
fn a_model_that_is_not_read_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let import = |source: &Path| {
        let mut command = attend("import");
        command
            .arg(source)
            .arg("--output")
            .arg(folder.path().join("model"));
        run(command, b"")
    };
    let told = assert_error(&import(folder.path()), &["no model of a known format"]);
    assert!(told.contains("hint: name a folder of Hugging Face"), "{told}");

    let several = folder.path().join("several");
    fs::create_dir(&several).expect("a new folder");
    for name in ["best.npz", "model.npz"] {
        fs::copy(foreign("marian/model.npz"), several.join(name)).expect("a copy");
    }
    let told = assert_error(&import(&several), &["several models", "best.npz, model.npz"]);
    assert!(told.contains("hint: name the file of weights"), "{told}");
    // An earlier version of the format is not damaged.
    let earlier = folder.path().join("ctranslate2");
    fs::create_dir(&earlier).expect("a new folder");
    for name in [
        "config.json",
        "model.bin",
        "shared_vocabulary.json",
        "sentencepiece.model",
    ] {
        fs::copy(foreign("ctranslate2").join(name), earlier.join(name)).expect("a copy");
    }
    let mut weights = fs::read(earlier.join("model.bin")).expect("a copy");
    weights[0] = 5;
    fs::write(earlier.join("model.bin"), weights).expect("a writable folder");
    let told = assert_error(&import(&earlier), &["its version is 5", "version 6"]);
    assert!(!told.contains("fetch"), "{told}");

    let source = folder.path().join("foreign");
    fs::create_dir(&source).expect("a new folder");
    fs::copy(
        foreign("marian_mt/model.safetensors"),
        source.join("model.safetensors"),
    )
    .expect("a copy");
    fs::write(source.join("config.json"), r#"{"model_type": "t5"}"#).expect("a writable folder");
    assert_error(
        &import(&source),
        &["config.json", "model_type is \"t5\"", "MarianMT"],
    );
    assert!(!folder.path().join("model").exists());

    fs::create_dir(folder.path().join("model")).expect("a new folder");
    fs::write(folder.path().join("model/notes"), "mine").expect("a writable folder");
    let told = assert_error(&import(&foreign("marian_mt")), &["exists already"]);
    assert!(told.contains("--output"), "{told}");
}

#[test]
fn the_present_folder_may_become_the_model_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let import = || {
        let mut command = attend("import");
        command.arg(foreign("marian_mt")).args(["--output", "."]);
        command.current_dir(folder.path());
        run(command, b"")
    };
    // An import that was ended from outside has left a folder, and another one is under way.
    let abandoned = folder.path().join(".attend-abandoned");
    fs::create_dir(&abandoned).expect("a new folder");
    fs::write(abandoned.join("lock"), "").expect("a writable folder");
    let other = folder.path().join(".attend-other");
    fs::create_dir(&other).expect("a new folder");
    let lock = fs::File::create(other.join("lock")).expect("a writable folder");
    lock.lock().expect("a lock");
    assert_error(&import(), &[". exists already"]);
    assert!(!abandoned.exists() && other.exists());

    drop(lock);
    let output = import();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort_unstable();
    let expected = [
        "config.json",
        "generation.json",
        "languages.json",
        "model.safetensors",
        "source.spm",
        "target.spm",
        "vocab.json",
    ];
    assert_eq!(names, expected);

    // What is a model folder already is no foreign model.
    let mut command = attend("import");
    command
        .arg(folder.path())
        .args(["--output", "again"])
        .current_dir(folder.path());
    let told = assert_error(&run(command, b""), &["is a model folder of Attend already"]);
    assert!(told.contains("hint: translate with it by --model"), "{told}");
}

#[test]
fn source_and_output_must_be_named() {
    for (arguments, expected) in [
        (&NOTHING[..], "attend import"),
        (&["--output", "x"], "<SOURCE>"),
        (&["x"], "--output <FOLDER>"),
        (&["x", "--output", "-"], "cannot be standard output"),
    ] {
        let mut command = attend("import");
        command.args(arguments);
        assert_usage_error(&run(command, b""), expected);
    }
}

/// Writes the folder of a package of Argos Translate.
fn argos_folder(workspace: &Path) -> PathBuf {
    let package = workspace.join("en_de");
    fs::create_dir_all(package.join("model")).expect("a new folder");
    let metadata = r#"{"from_code": "en", "to_code": "de", "package_version": "1.0"}"#;
    fs::write(package.join("metadata.json"), metadata).expect("a writable folder");
    for entry in fs::read_dir(foreign("ctranslate2")).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        let copy = if name == "sentencepiece.model" {
            package.join(name)
        } else {
            package.join("model").join(name)
        };
        fs::copy(&path, copy).expect("a copy");
    }
    package
}

/// Runs a subcommand whose temporary files are in `temporary`.
fn run_with(subcommand: &str, arguments: &[&str], temporary: &Path) -> Output {
    let mut command = attend(subcommand);
    command.args(arguments).env("TMPDIR", temporary);
    run(command, b"")
}

/// Asserts that a folder has nothing in it.
fn assert_empty(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_foreign_model_is_imported_for_one_call() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).expect("a new folder");
    let line = "The old boat is green.";
    for source in [
        foreign("marian_mt"),
        foreign("firefox"),
        foreign("marian/model.npz"),
        foreign("ctranslate2"),
        argos_folder(folder.path()),
    ] {
        let source = argument(&source);
        let model = folder.path().join("model");
        let imported = run_with("import", &[source, "--output", argument(&model)], &temporary);
        assert_eq!(imported.status.code(), Some(0), "{source}");
        let expected = run_with("translate", &["--model", argument(&model), line], &temporary);
        let output = run_with("translate", &["--model", source, line], &temporary);
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(output.stdout, expected.stdout, "{source}");
        assert_eq!(
            told,
            format!(
                "{source} is imported for this call; `attend import {source} --output FOLDER` does so once and for all\n"
            )
        );
        assert_empty(&temporary);
        fs::remove_dir_all(&model).expect("a model folder");
    }
}

#[test]
fn every_command_that_translates_takes_a_foreign_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [model, lines, temporary] = ["model", "lines", "temporary"].map(|name| folder.path().join(name));
    fs::create_dir(&temporary).expect("a new folder");
    fs::write(&lines, "The old boat is green.\n").expect("a writable folder");
    let (source, lines) = (foreign("marian_mt"), argument(&lines));
    let imported = run_with(
        "import",
        &[argument(&source), "--output", argument(&model)],
        &temporary,
    );
    assert_eq!(imported.status.code(), Some(0));
    let own = argument(&model);
    for (subcommand, arguments) in [
        ("eval", &["MODEL", lines, lines][..]),
        ("score", &["MODEL", lines, lines]),
        ("attention", &["MODEL", "The old boat."]),
        ("heads", &["MODEL", lines, lines, "--json"]),
        (
            "translate",
            &["--model", own, "--ensemble", "MODEL", "The old boat."],
        ),
    ] {
        let run_on = |model: &Path| {
            let named = arguments.iter().map(|word| match *word {
                "MODEL" => argument(model),
                word => word,
            });
            let arguments: Vec<&str> = named.collect();
            run_with(subcommand, &arguments, &temporary)
        };
        let (own, foreign) = (run_on(&model), run_on(&source));
        let told = String::from_utf8(foreign.stderr).expect("UTF-8");
        assert_eq!(foreign.status.code(), Some(0), "{subcommand}: {told}");
        assert!(told.contains("is imported for this call"), "{subcommand}: {told}");
        assert!(
            own.stdout == foreign.stdout && !own.stdout.is_empty(),
            "{subcommand}"
        );
        assert_empty(&temporary);
    }
}

#[test]
fn the_import_of_one_call_is_removed_after_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).expect("a new folder");
    let source = foreign("marian_mt");
    let translate = |arguments: &[&str]| {
        let output = run_with(
            "translate",
            &[&["--model", argument(&source)], arguments].concat(),
            &temporary,
        );
        assert_empty(&temporary);
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    for (arguments, status, part) in [
        (&["--min-length", "9000", "yes"][..], 2, "--min-length"),
        (&["--beam", "0", "yes"], 2, "--beam"),
        (&["--target-language", "xxx", "yes"], 1, "xxx"),
        (&["--input", "no/such/file"], 1, "no/such/file"),
    ] {
        let (code, told) = translate(arguments);
        assert_eq!(code, Some(status), "{told}");
        assert!(told.contains(part), "{told}");
    }

    // What cannot be imported is refused by the sentence of the import.
    let damaged = folder.path().join("damaged");
    fs::create_dir(&damaged).expect("a new folder");
    fs::write(damaged.join("config.json"), r#"{"model_type": "t5"}"#).expect("a writable folder");
    let output = run_with("translate", &["--model", argument(&damaged), "yes"], &temporary);
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("config.json") && told.contains("\"t5\""), "{told}");
    assert_empty(&temporary);
    // A folder without a model is none of a foreign one.
    let output = run_with("translate", &["--model", argument(&temporary), "yes"], &temporary);
    let told = assert_error(&output, &["config.json"]);
    assert!(!told.contains("imported"), "{told}");
}

/// A program that is ended cannot remove its folder, and the next one does.
#[cfg(unix)]
#[test]
fn the_import_of_a_call_that_ctrl_c_ended_is_removed_by_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [temporary, waiting] = ["temporary", "waiting"].map(|name| folder.path().join(name));
    fs::create_dir(&temporary).expect("a new folder");
    let entries = || fs::read_dir(&temporary).expect("a folder").count();
    // An import waits for the pipe in place of a file for ever.
    fs::create_dir(&waiting).expect("a new folder");
    for name in ["config.json", "model.safetensors", "source.spm", "target.spm"] {
        fs::copy(foreign("marian_mt").join(name), waiting.join(name)).expect("a copy");
    }
    let made = Command::new("mkfifo").arg(waiting.join("vocab.json")).status();
    assert!(made.expect("there is a `mkfifo`").success());
    let translate = |model: &Path| {
        let mut command = attend("translate");
        command
            .args(["--model", argument(model), "yes"])
            .env("TMPDIR", &temporary);
        command
    };
    let mut ended = translate(&waiting).spawn().expect("the program starts");
    let is_locked = |entry: fs::DirEntry| entry.path().join("lock").exists();
    while !fs::read_dir(&temporary)
        .expect("a folder")
        .any(|entry| is_locked(entry.expect("an entry")))
    {
        assert_eq!(ended.try_wait().expect("a child"), None);
        sleep(Duration::from_millis(10));
    }
    // A call beside it leaves the folder alone.
    assert!(run(translate(&foreign("marian_mt")), b"").status.success());
    assert_eq!(entries(), 1);
    let sent = Command::new("kill")
        .args(["-INT", &ended.id().to_string()])
        .status();
    assert!(sent.expect("there is a `kill`").success());
    assert_eq!(ended.wait().expect("the program ends").code(), None);
    assert_eq!(entries(), 1);
    assert!(run(translate(&foreign("marian_mt")), b"").status.success());
    assert_empty(&temporary);
}
