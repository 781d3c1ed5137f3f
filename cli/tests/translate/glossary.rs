//! Glossaries, of which the program reads a file.

use crate::common::{Workspace, argument, assert_error, assert_usage_error};

/// The test model searches greedily, which required words do not go with.
const BEAM: [&str; 2] = ["--beam", "4"];

#[test]
fn terms_are_translated_as_the_file_says() {
    let workspace = Workspace::new();
    let glossary = workspace.write("terms.tsv", "house\tGarten\r\n\nold man\tein Buch\n");
    let with_glossary = |flags: &[&str], input: &str| {
        let flags = [&BEAM[..], &["--glossary", argument(&glossary)], flags].concat();
        workspace.translated(&flags, input.as_bytes())
    };
    let requiring = |word: &str, sentence: &str| {
        let flags = [&BEAM[..], &["--require", word]].concat();
        workspace
            .translated(&flags, sentence.as_bytes())
            .trim_end()
            .to_owned()
    };
    let house = requiring("Garten", "The house is small.");
    let man = requiring("ein Buch", "An old man reads.");
    let plain = workspace.translated(&BEAM, b"good morning");
    assert!(house.contains("Garten") && man.contains("ein Buch"));
    // Each sentence of a line has the words of its own terms.
    let found = with_glossary(&[], "The house is small. An old man reads.\ngood morning\n");
    assert_eq!(found, format!("{house} {man}\n{plain}"));
    let found = with_glossary(&["--format", "html"], "The <b>house</b> is small.");
    assert_eq!(found.replace("<b>", "").replace("</b>", "").trim_end(), house);
}

#[test]
fn a_glossary_that_is_not_valid_is_refused() {
    let workspace = Workspace::new();
    let refused = |content: &str, parts: &[&str]| {
        let glossary = workspace.write("terms.tsv", content);
        let flags = [&BEAM[..], &["--glossary", argument(&glossary), "yes"]].concat();
        assert_error(&workspace.translate(&flags, b""), parts);
    };
    refused("house\tHaus\n\nman", &["terms.tsv, line 3: ", "one tab"]);
    refused("house\t", &["terms.tsv, line 1: a term is empty"]);
    refused("a\tb\na\tc\n", &["terms.tsv, line 2: \"a\" is there twice"]);
    let missing = workspace.path("missing.tsv");
    let flags = ["--glossary", argument(&missing), "yes"];
    assert_error(&workspace.translate(&flags, b""), &["missing.tsv"]);
    let glossary = workspace.write("terms.tsv", "house\tHaus\n");
    let with_glossary = |flags: &[&str]| {
        let flags = [&["--glossary", argument(&glossary), "yes"], flags].concat();
        workspace.translate(&flags, b"")
    };
    assert_usage_error(
        &with_glossary(&["--beam", "1"]),
        "required words need beam search",
    );
    assert_usage_error(
        &workspace.translate(&["--glossary", "-"], b"a\tb\n"),
        "cannot have both",
    );
}
