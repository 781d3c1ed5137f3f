//! `attend import`: models of other programs become model folders.

use std::fs;
use std::path::{Path, PathBuf};

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
