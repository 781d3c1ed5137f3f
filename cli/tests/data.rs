//! The subcommand `attend data`, run from outside.

use std::fs;
use std::process::Output;

use attend_data::download::Source;
use attend_data::{LabelledText, Lines, ParallelText, TaggedText};
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
    for part in [file.name.as_str(), file.checksum.sum(), abc] {
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
    let (pairs, clauses, words) = (Phrasebook::generate(), Phrasebook::clauses(), Phrasebook::words());
    for (split, pairs, clauses, words) in [
        ("train", pairs.train, clauses.train, words.train),
        ("valid", pairs.valid, clauses.valid, words.valid),
        ("test", pairs.test, clauses.test, words.test),
    ] {
        let path = |ending: &str| output_folder.join(format!("{split}.{ending}"));
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

        let texts = LabelledText::read(Lines::open(path("tsv")).unwrap());
        let expected = clauses.into_iter().map(|sentence| LabelledText {
            text: sentence.text,
            label: sentence.label.to_owned(),
        });
        assert!(texts.map(|text| text.unwrap().1).eq(expected), "{split}");

        let sentences = TaggedText::read(Lines::open(path("conll")).unwrap());
        let expected = words.into_iter().map(|sentence| {
            let columns = sentence.words.into_iter();
            let (words, tags) = columns.map(|word| (word.text, word.case_tag.to_owned())).unzip();
            TaggedText { words, tags }
        });
        assert!(sentences.map(|text| text.unwrap().1).eq(expected), "{split}");
    }
    let test = fs::read_to_string(output_folder.join("test.conll")).unwrap();
    assert!(test.starts_with("The\tDET\tB-NOM\nold\tADJ\tI-NOM\nteacher\tNOUN\tI-NOM\ndoes\tAUX\tO\n"));
    assert_eq!(fs::read_dir(output_folder).unwrap().count(), 12);
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
