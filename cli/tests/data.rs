//! The subcommand `attend data`, run from outside.

use std::fs;
use std::process::Output;

use attend_data::ParallelText;
use attend_data::download::Source;
use attend_phrasebook::Phrasebook;
use tempfile::TempDir;

use crate::common::program;

fn data(arguments: &[&str]) -> Output {
    program().arg("data").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts that the program failed, and printed one `error:` line and one `hint:` line alone. Returns the `error:`
/// line.
fn assert_error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = stderr(output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{text}"
    );
    lines[0].to_owned()
}

#[test]
fn list_names_every_corpus_with_its_license() {
    let output = data(&["list"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for source in Source::all() {
        assert!(
            text.contains(&source.name) && text.contains(&source.license),
            "{text}"
        );
    }
}

#[test]
fn a_mirror_with_wrong_bytes_is_an_error_with_both_sums() {
    let folder = TempDir::new().unwrap();
    let source = &Source::all()[0];
    let file = &source.files[0];
    let mirror = folder.path().join("mirror");
    let place = mirror.join(&source.folder);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(&file.name), "abc").unwrap();

    let output_folder = folder.path().join("output");
    let output = data(&[
        &source.name,
        "--mirror",
        mirror.to_str().unwrap(),
        "--output",
        output_folder.to_str().unwrap(),
    ]);
    let error = assert_error(&output);
    // The checksum of "abc" is the first example of the standard FIPS 180.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for part in [file.name.as_str(), file.sha256.as_str(), abc] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(fs::read_dir(output_folder).unwrap().count(), 0);
}

#[test]
fn a_mirror_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let mirror = folder.path().join("nowhere");
    let output_folder = folder.path().join("output");
    let output = data(&[
        "multi30k",
        "--mirror",
        mirror.to_str().unwrap(),
        "--output",
        output_folder.to_str().unwrap(),
    ]);
    let error = assert_error(&output);
    assert!(error.contains(mirror.to_str().unwrap()), "{error}");
}

#[test]
fn phrasebook_writes_the_embedded_corpus() {
    let folder = TempDir::new().unwrap();
    let output_folder = folder.path().join("a/b");
    let output = data(&["phrasebook", "--output", output_folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let phrasebook = Phrasebook::generate();
    for (split, pairs) in [
        ("train", phrasebook.train),
        ("valid", phrasebook.valid),
        ("test", phrasebook.test),
    ] {
        let path = |language: &str| output_folder.join(format!("{split}.{language}"));
        let text = ParallelText::Files {
            source: path("en"),
            target: path("de"),
        };
        let read = text.read_all().unwrap();
        let read = read.iter().map(|pair| (&pair.source, &pair.target));
        assert!(
            read.eq(pairs.iter().map(|pair| (&pair.english, &pair.german))),
            "{split}"
        );
    }
    assert_eq!(fs::read_dir(output_folder).unwrap().count(), 6);
}

#[test]
fn an_unknown_corpus_is_a_usage_error_that_names_the_known_ones() {
    let output = data(&["wmt99"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for name in ["wmt99", "multi30k", "phrasebook", "list"] {
        assert!(text.contains(name), "{text}");
    }
}
