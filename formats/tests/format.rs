//! Paths that hold no model that is read.

use std::fs;
use std::path::Path;

use attend_formats::Format;

use crate::common::{Workspace, fixture};

#[test]
fn formats_are_told_by_the_files() {
    for (name, format) in [
        ("marian_mt", Format::HuggingFace),
        ("marian", Format::Marian),
        ("marian/model.npz", Format::Marian),
        ("firefox", Format::Marian),
        ("firefox/model.ende.intgemm.alphas.bin", Format::Marian),
        ("ctranslate2", Format::CTranslate2),
    ] {
        assert_eq!(Format::of(fixture(name)).expect(name), format);
    }
}

#[test]
fn other_files_are_refused() {
    let workspace = Workspace::of("marian");
    fs::remove_file(workspace.foreign("model.npz")).expect("a file");
    workspace.assert_refused(&["foreign", "no model of a known format"]);
    workspace.assert_refused_from(
        &workspace.foreign("vocab.spm"),
        &["vocab.spm", "no model of a known format"],
    );
    workspace.assert_refused_from(Path::new("no/such/model"), &["cannot read no/such/model"]);
}
