//! Models of CTranslate2 and packages of Argos Translate: what CTranslate2 computes with them, and what is refused.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use attend_formats::{Format, Progress};
use attend_infer::GivenTranslation;
use attend_model::{ActivationKind, NormPlacement, PositionKind, TiedEmbeddings};
use serde::Deserialize;
use zip::write::SimpleFileOptions;

use crate::common::{Workspace, assert_same_weights, expected, fixture};

/// What CTranslate2 translated.
#[derive(Deserialize)]
struct Case {
    source: String,
    /// The pieces of a greedy translation of at most 30.
    tokens: Vec<String>,
}

/// The two models: one that was converted from Marian; and one with pre-norm, learned positions and no ties.
const MODELS: [&str; 2] = ["ctranslate2", "ctranslate2_pre_norm"];

#[test]
fn greedy_translations_are_those_of_ctranslate2() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        let cases: Vec<Case> = expected(name);
        let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
        for (found, case) in workspace.greedy(&sources, 30).iter().zip(&cases) {
            assert_eq!(workspace.pieces(found), case.tokens, "{name}: {}", case.source);
        }
    }
}

/// The weights of the fixture are drawn from a distribution of width 1, so that few are above 4.
#[test]
fn rounded_weights_are_near_those_that_were_rounded() {
    let whole = Workspace::of("ctranslate2");
    whole.import().expect("a model");
    for (name, step) in [
        ("ctranslate2_float16", 4.0 / 1024.0),
        ("ctranslate2_int16", 4.0 / 1024.0),
        ("ctranslate2_int8", 4.0 / 127.0),
    ] {
        let rounded = Workspace::of(name);
        rounded.import().expect(name);
        // A number is rounded by half a step at most, and not all of them to themselves.
        assert_same_weights(&rounded, &whole, step / 2.0);
        let read = |workspace: &Workspace| fs::read(workspace.model("model.safetensors")).expect("weights");
        assert!(read(&rounded) != read(&whole), "{name}");
    }
}

#[test]
fn settings_become_those_of_a_model_folder() {
    let workspace = Workspace::of("ctranslate2");
    workspace.import().expect("a model");
    let config = workspace.load().config;
    assert_eq!(config.norm, NormPlacement::Post);
    assert_eq!(config.positions, PositionKind::SinusoidalHalves);
    assert_eq!(config.tie_embeddings, TiedEmbeddings::All);
    assert_eq!(
        (config.encoder_layers, config.decoder_layers, config.n_heads),
        (2, 1, 2)
    );
    assert_eq!(config.decoder_start_id, Some(config.pad_id));
    assert_eq!(config.max_length, 64);

    let workspace = Workspace::of("ctranslate2_pre_norm");
    workspace.import().expect("a model");
    let config = workspace.load().config;
    assert_eq!(config.norm, NormPlacement::Pre);
    assert_eq!(config.positions, PositionKind::Learned);
    assert_eq!(config.activation, ActivationKind::Gelu);
    assert_eq!(config.tie_embeddings, TiedEmbeddings::None);
    // <blank> pads, and <s> is read first.
    assert_eq!((config.pad_id, config.decoder_start_id), (1, Some(2)));
}

/// Packs the foreign folder as Argos Translate does, and returns the path.
fn package(workspace: &Workspace, metadata: &str) -> std::path::PathBuf {
    let path = workspace.foreign("translate-en_de.argosmodel");
    let mut archive = zip::ZipWriter::new(File::create(&path).expect("a writable folder"));
    let mut add = |name: &str, content: &[u8]| {
        archive
            .start_file(name, SimpleFileOptions::default())
            .expect("a member");
        archive.write_all(content).expect("a writable folder");
    };
    let read = |name: &str| fs::read(workspace.foreign(name)).expect("a file");
    add("translate-en_de/metadata.json", metadata.as_bytes());
    add("translate-en_de/README.md", b"A test.");
    add(
        "translate-en_de/sentencepiece.model",
        &read("sentencepiece.model"),
    );
    for name in ["config.json", "model.bin", "shared_vocabulary.json"] {
        add(&format!("translate-en_de/model/{name}"), &read(name));
    }
    archive.finish().expect("a writable folder");
    path
}

#[test]
fn packages_of_argos_have_a_model_and_its_languages() {
    let whole = Workspace::of("ctranslate2");
    whole.import().expect("a model");
    let workspace = Workspace::of("ctranslate2");
    let path = package(
        &workspace,
        r#"{"from_code": "en", "to_code": "de", "package_version": "1.9"}"#,
    );
    let steps = workspace.import_from(&path).expect("a package");
    let Some(Progress::Found(found)) = steps.first() else {
        panic!("the model is described first");
    };
    assert_eq!(found.format, Format::Argos);
    assert_eq!(found.notices, ["README.md"]);
    assert_same_weights(&workspace, &whole, 0.0);
    let folder = workspace.load();
    assert_eq!(folder.languages.source, Some("en".parse().expect("a code")));
    assert_eq!(folder.languages.target, Some("de".parse().expect("a code")));
    assert_eq!(folder.generation.length_penalty, 0.2);

    // As OpenNMT-py trains.
    let workspace = Workspace::of("ctranslate2_pre_norm");
    workspace.set("config.json", "add_source_eos", false);
    let path = package(&workspace, "{}");
    workspace.import_from(&path).expect("a package");
    assert!(!workspace.load().config.source_eos);
}

#[test]
fn damaged_packages_are_refused() {
    let workspace = Workspace::of("ctranslate2");
    let path = package(&workspace, "{");
    workspace.assert_refused_from(&path, &["translate-en_de.argosmodel", "metadata.json"]);
    let bytes = fs::read(&path).expect("a package");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("a writable folder");
    workspace.assert_refused_from(&path, &["translate-en_de.argosmodel", "Argos Translate"]);
    fs::write(&path, "no archive").expect("a writable folder");
    workspace.assert_refused_from(&path, &["translate-en_de.argosmodel", "Argos Translate"]);
    workspace.assert_refused_from(
        Path::new("no/such.argosmodel"),
        &["cannot read no/such.argosmodel"],
    );
}

/// What CTranslate2 computes with sources that do not end with `</s>`.
#[derive(Deserialize)]
struct CaseWithoutEnd {
    source: String,
    /// The pieces of a greedy translation of at most 30.
    tokens: Vec<String>,
    /// A given translation.
    target: String,
    /// The log-probability of each token of the given translation, that of `</s>` last.
    log_probabilities: Vec<f32>,
}

#[test]
fn sources_may_have_no_end() {
    let workspace = Workspace::of("ctranslate2_pre_norm");
    workspace.set("config.json", "add_source_eos", false);
    workspace.import().expect("a model");
    assert!(!workspace.load().config.source_eos);
    let file = fs::read(fixture("ctranslate2_pre_norm/without_source_eos.json")).expect("a fixture");
    let cases: Vec<CaseWithoutEnd> = serde_json::from_slice(&file).expect("cases");
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    for (found, case) in workspace.greedy(&sources, 30).iter().zip(&cases) {
        assert_eq!(workspace.pieces(found), case.tokens, "{}", case.source);
    }
    let pairs: Vec<GivenTranslation<'_>> = cases
        .iter()
        .map(|case| GivenTranslation {
            source: &case.source,
            target: &case.target,
            number: 0,
        })
        .collect();
    for (score, case) in workspace.score(&pairs).iter().zip(&cases) {
        assert_eq!(score.tokens.len(), case.log_probabilities.len());
        for (token, wanted) in score.tokens.iter().zip(&case.log_probabilities) {
            let difference = (token.log_probability - wanted).abs();
            assert!(difference < 1e-3, "{}: {difference}", case.target);
        }
    }

    let workspace = Workspace::of("ctranslate2");
    workspace.set("config.json", "add_source_bos", true);
    workspace.assert_refused(&["config.json", "add_source_bos is true", "<s>"]);
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let workspace = Workspace::of("ctranslate2");
    fs::remove_file(workspace.foreign("shared_vocabulary.json")).expect("a file");
    workspace.assert_refused(&["no shared_vocabulary.json"]);

    let workspace = Workspace::of("ctranslate2");
    fs::write(
        workspace.foreign("shared_vocabulary.json"),
        r#"["</s>", "<unk>", "a"]"#,
    )
    .expect("a file");
    workspace.assert_refused(&["model.bin", "encoder/embeddings_0/weight", "[60, 8], not [3, 8]"]);

    let workspace = Workspace::of("ctranslate2");
    fs::write(workspace.foreign("shared_vocabulary.json"), r#"["<unk>", "a"]"#).expect("a file");
    workspace.assert_refused(&["shared_vocabulary.json", "</s> is missing"]);

    let workspace = Workspace::of("ctranslate2");
    fs::write(
        workspace.foreign("shared_vocabulary.json"),
        r#"["</s>", "<unk>", "<blank>", "a", "<pad>"]"#,
    )
    .expect("a file");
    workspace.assert_refused(&["shared_vocabulary.json", "the piece \"<pad>\" occurs twice"]);

    let workspace = Workspace::of("ctranslate2");
    fs::remove_file(workspace.foreign("sentencepiece.model")).expect("a file");
    workspace.assert_refused(&["no source.spm"]);

    let workspace = Workspace::of("ctranslate2");
    let bytes = fs::read(workspace.foreign("model.bin")).expect("a file");
    fs::write(workspace.foreign("model.bin"), &bytes[..bytes.len() / 2]).expect("a file");
    workspace.assert_refused(&["model.bin", "cut short"]);
}
