//! `attend export`: model folders become models of other programs.

use std::fs;
use std::path::Path;

use crate::common::{argument, assert_error, assert_usage_error, attend, run};

/// Imports a foreign model of `formats/tests/make_fixtures.py` as `model` in a folder.
fn import(folder: &Path, name: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/fixtures");
    let mut command = attend("import");
    command
        .arg(fixtures.join(name))
        .arg("--output")
        .arg(folder.join("model"));
    assert_eq!(run(command, b"").status.code(), Some(0), "{name}");
}

#[test]
fn an_export_tells_its_size_in_each_type_of_numbers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    import(folder.path(), "marian_mt");
    for (format, weights, file) in [
        ("marian-hf", "float32", "model.safetensors"),
        ("marian-hf", "float16", "model.safetensors"),
        ("ctranslate2", "float32", "model.bin"),
        ("ctranslate2", "float16", "model.bin"),
        ("ctranslate2", "int8", "model.bin"),
    ] {
        let output = folder.path().join(format!("{format}-{weights}"));
        let mut command = attend("export");
        command
            .arg(folder.path().join("model"))
            .args(["--format", format, "--weights", weights]);
        command.args(["--output", argument(&output)]);
        let told = run(command, b"");
        assert_eq!(told.status.code(), Some(0));
        assert!(told.stdout.is_empty());
        let told = String::from_utf8(told.stderr).expect("UTF-8");
        assert!(
            told.contains(&format!("{file} with weights in {weights}, ")),
            "{told}"
        );
        assert!(told.trim_end().ends_with("KiB"), "{told}");
        assert!(output.join(file).is_file());
    }
}

#[test]
fn exports_that_cannot_be_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    import(folder.path(), "firefox");
    let export = |model: &Path, output: &Path, format: &str| {
        let mut command = attend("export");
        command
            .arg(model)
            .args(["--format", format, "--output", argument(output)]);
        run(command, b"")
    };
    let (model, output) = (folder.path().join("model"), folder.path().join("output"));
    assert_error(
        &export(&model, &output, "ctranslate2"),
        &["cannot be exported as ctranslate2", "decoder_layer is \"ssru\""],
    );
    let told = assert_error(&export(&model, &model, "ctranslate2"), &["exists already"]);
    assert!(told.contains("hint: name another folder with --output"), "{told}");
    // A classifier is told by its settings.
    let labels = folder.path().join("labels");
    fs::create_dir(&labels).expect("a new folder");
    fs::write(labels.join("config.json"), r#"{"task": "classify"}"#).expect("a writable folder");
    assert_error(&export(&labels, &output, "ctranslate2"), &["labels"]);
    assert_usage_error(&export(&model, &output, "onnx"), "marian-hf");
    // An ensemble is several models, and an export is of one.
    let mut command = attend("export");
    command.args([
        argument(&model),
        argument(&model),
        "--format",
        "ctranslate2",
        "--output",
        argument(&output),
    ]);
    assert_usage_error(&run(command, b""), "unexpected argument");
    assert!(!output.exists());
}
