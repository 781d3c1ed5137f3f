//! Models of Marian, Firefox's among them: what Marian's formulas give, and what is refused.

use std::fs;
use std::path::Path;

use attend_infer::Translation;
use attend_infer::search::LengthNormalization;
use attend_model::{ActivationKind, LayerKind, PositionKind, TiedEmbeddings};
use serde::Deserialize;

use crate::common::{Workspace, assert_same_weights, expected};

/// The two models: 32-bit floats with self-attention in the decoder, and 8-bit integers with an SSRU.
const MODELS: [&str; 2] = ["marian", "firefox"];

/// What the formulas of Marian, in numpy, give for a sentence.
#[derive(Deserialize)]
struct Case {
    source: String,
    /// The pieces of a greedy translation of at most 30, without `</s>`.
    tokens: Vec<String>,
    /// The logarithm of its probability, with `</s>`.
    log_probability: f32,
}

#[test]
fn greedy_translations_are_those_of_marian() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        let cases: Vec<Case> = expected(name);
        let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
        for (found, case) in workspace.greedy(&sources, 30).iter().zip(&cases) {
            assert_eq!(workspace.pieces(found), case.tokens, "{name}: {}", case.source);
            let difference = (found.log_probability - case.log_probability).abs();
            assert!(difference < 1e-3, "{name}, {}: {difference}", case.source);
        }
    }
}

#[test]
fn settings_become_those_of_a_model_folder() {
    let workspace = Workspace::of("firefox");
    workspace.import().expect("a model");
    let folder = workspace.load();
    assert_eq!(folder.config.decoder_layer, LayerKind::Ssru);
    assert_eq!(folder.config.positions, PositionKind::Marian);
    assert_eq!(folder.config.activation, ActivationKind::Relu);
    assert_eq!(folder.config.tie_embeddings, TiedEmbeddings::All);
    assert_eq!(
        (folder.config.encoder_layers, folder.config.decoder_layers),
        (2, 2)
    );
    assert_eq!(folder.config.norm_epsilon, 1e-6);
    // <pad> is the token after those of the file.
    assert_eq!(folder.config.pad_id, folder.config.vocab_size - 1);
    assert_eq!(folder.config.decoder_start_id, Some(folder.config.pad_id));
    // The .yml beside the model.
    assert_eq!(
        (folder.generation.beam_size, folder.generation.length_penalty),
        (1, 1.0)
    );
    assert_eq!(
        folder.generation.length_normalization,
        LengthNormalization::Length
    );
    // The name of the file: model.ende.intgemm.alphas.bin.
    assert_eq!(folder.languages.source, Some("en".parse().expect("a code")));
    assert_eq!(folder.languages.target, Some("de".parse().expect("a code")));

    let workspace = Workspace::of("marian");
    workspace
        .import_from(&workspace.foreign("model.npz"))
        .expect("a model");
    let folder = workspace.load();
    assert_eq!(folder.config.decoder_layer, LayerKind::SelfAttention);
    assert_eq!(folder.generation.beam_size, 4);
    assert_eq!(folder.languages.source, None);
}

/// Replaces a text in the settings of a file of weights. What they grow by, a setting that is not read shrinks by.
fn set(path: &Path, old: &str, new: &str) {
    let mut bytes = fs::read(path).expect("a file");
    let spare = "alignment-layer: last";
    let shorter = &spare[..spare.len() + old.len() - new.len()];
    for (old, new) in [(old, new), (spare, shorter)] {
        let place = bytes
            .windows(old.len())
            .position(|window| window == old.as_bytes());
        let place = place.unwrap_or_else(|| panic!("{old} is in the settings"));
        bytes.splice(place..place + old.len(), new.bytes());
    }
    fs::write(path, bytes).expect("a writable folder");
}

#[test]
fn other_architectures_are_refused_by_name() {
    let model = "model.ende.intgemm.alphas.bin";
    for (old, new, expected) in [
        (
            "type: transformer",
            "type: amunanything",
            "type is \"amunanything\"",
        ),
        ("dec-cell: ssru", "dec-cell: lstm", "dec-cell is \"lstm\""),
        (
            "postprocess: dan",
            "postprocess: dac",
            "transformer-postprocess is \"dac\"",
        ),
        (
            "postprocess-emb: d",
            "postprocess-emb: n",
            "transformer-postprocess-emb is \"n\"",
        ),
        (
            "activation: relu",
            "activation: gelu",
            "transformer-ffn-activation is \"gelu\"",
        ),
        (
            "autoreg: rnn",
            "autoreg: aan",
            "transformer-decoder-autoreg is \"aan\"",
        ),
        ("ffn-depth: 2", "ffn-depth: 1", "transformer-ffn-depth is not 2"),
        (
            "position-embeddings: false",
            "position-embeddings:  true",
            "positions are learned",
        ),
        (
            "no-projection: false",
            "no-projection:  true",
            "transformer-no-projection is true",
        ),
        ("tied-layers: []", "tied-layers: [1]", "transformer-tied-layers"),
    ] {
        let workspace = Workspace::of("firefox");
        set(&workspace.foreign(model), old, new);
        workspace.assert_refused(&[model, expected, "Transformers with"]);
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let model = "model.ende.intgemm.alphas.bin";
    for (old, new, parts) in [
        ("dim-emb: 8", "dim-emb: 6", ["Wemb", "[60, 8], not [60, 6]"]),
        (
            "enc-depth: 2",
            "enc-depth: 3",
            ["encoder_l3_self_Wq", "is missing"],
        ),
        ("enc-depth: 2", "enc-depth: 1", ["encoder_l2", "no place"]),
        ("heads: 2", "heads: 3", ["n_heads = 3", "d_model = 8"]),
        ("heads: 2", "heads: x", ["special:model.yml", "invalid"]),
    ] {
        let workspace = Workspace::of("firefox");
        set(&workspace.foreign(model), old, new);
        let parts = [model, parts[0], parts[1]];
        workspace.assert_refused(&parts);
    }
}

#[test]
fn missing_and_damaged_files_are_refused() {
    let workspace = Workspace::of("firefox");
    fs::remove_file(workspace.foreign("vocab.ende.spm")).expect("a file");
    workspace.assert_refused(&["foreign has no vocab.ende.spm"]);

    let workspace = Workspace::of("marian");
    fs::remove_file(workspace.foreign("vocab.spm")).expect("a file");
    workspace.assert_refused(&["foreign has no single .spm"]);

    let workspace = Workspace::of("marian");
    fs::copy(workspace.foreign("vocab.spm"), workspace.foreign("other.spm")).expect("a copy");
    workspace.assert_refused(&["foreign has several .spm files", "other.spm, vocab.spm"]);

    let workspace = Workspace::of("marian");
    fs::copy(workspace.foreign("model.npz"), workspace.foreign("best.npz")).expect("a copy");
    workspace.assert_refused(&["several models", "best.npz, model.npz"]);

    let workspace = Workspace::of("marian");
    fs::write(workspace.foreign("vocab.spm"), "no model").expect("a writable folder");
    workspace.assert_refused(&["vocab.spm"]);

    let workspace = Workspace::of("firefox");
    let text = "vocabs: [vocab.ende.yml, vocab.ende.yml]\n";
    fs::write(workspace.foreign("config.intgemm8bitalpha.yml"), text).expect("a writable folder");
    workspace.assert_refused(&["vocab.ende.yml", "SentencePiece"]);

    for (name, model) in [
        ("marian", "model.npz"),
        ("firefox", "model.ende.intgemm.alphas.bin"),
    ] {
        let workspace = Workspace::of(name);
        let bytes = fs::read(workspace.foreign(model)).expect("a file");
        fs::write(workspace.foreign(model), &bytes[..bytes.len() / 2]).expect("a writable folder");
        workspace.assert_refused(&[model]);
    }
}

#[test]
fn states_of_the_optimizer_are_no_models() {
    let workspace = Workspace::of("marian");
    fs::write(workspace.foreign("model.npz.optimizer.npz"), "not read").expect("a writable folder");
    workspace.import().expect("the model alone");
    let other = Workspace::of("marian");
    other.import().expect("a model");
    assert_same_weights(&workspace, &other, 0.0);
}

#[test]
fn the_settings_are_those_that_name_the_weights() {
    let write = |workspace: &Workspace, name: &str, text: &str| {
        fs::write(workspace.foreign(name), text).expect("a writable folder");
    };
    let own = "models: [some/model.npz]\nvocabs: [some/vocab.spm, some/vocab.spm]\nbeam-size: 5\n";
    let unnamed = "vocabs: [vocab.spm, vocab.spm]\nbeam-size: 6\n";
    let other = "models: [best.npz]\nvocabs: [other.spm, other.spm]\nbeam-size: 7\n";
    let beam_size = |files: &[(&str, &str)]| {
        let workspace = Workspace::of("marian");
        for (name, text) in files {
            write(&workspace, name, text);
        }
        workspace.import().expect("a model");
        workspace.load().generation.beam_size
    };
    assert_eq!(
        beam_size(&[("a.yml", other), ("b.yml", unnamed), ("c.yml", own)]),
        5
    );
    assert_eq!(
        beam_size(&[("a.yml", other), ("b.yml", unnamed), ("c.yml", unnamed)]),
        6
    );
    // Search goes by Attend's defaults without settings of the model.
    assert_eq!(beam_size(&[("a.yml", other)]), 4);

    let workspace = Workspace::of("marian");
    write(&workspace, "a.yml", own);
    write(&workspace, "b.yml", &own.replace('5', "6"));
    write(&workspace, "c.yml", unnamed);
    workspace.assert_refused(&["foreign has several files of settings", "a.yml, b.yml"]);
    let workspace = Workspace::of("marian");
    write(&workspace, "a.yml", "vocabs: [one.spm, two.spm, three.spm]");
    workspace.assert_refused(&["vocabularies of a source", "one.spm, two.spm, three.spm"]);
}

#[test]
fn vocabularies_and_languages_are_those_in_the_name_of_the_weights() {
    let model = "model.ende.intgemm.alphas.bin";
    let workspace = Workspace::of("firefox");
    fs::remove_file(workspace.foreign("config.intgemm8bitalpha.yml")).expect("a file");
    // The vocabulary of the other direction.
    fs::write(workspace.foreign("vocab.deen.spm"), "not read").expect("a writable folder");
    workspace.import().expect("a model");
    assert_eq!(
        workspace.load().languages.source,
        Some("en".parse().expect("a code"))
    );

    // "ba" and "se" are languages, but the model is a base model.
    let workspace = Workspace::of("firefox");
    let base = workspace.foreign("model.base.intgemm.alphas.bin");
    fs::rename(workspace.foreign(model), &base).expect("a writable folder");
    workspace.import().expect("a model");
    assert_eq!(workspace.load().languages, attend_infer::Languages::default());
    let workspace = Workspace::of("firefox");
    fs::rename(
        workspace.foreign(model),
        workspace.foreign("model.base.intgemm.alphas.bin"),
    )
    .expect("a writable folder");
    fs::write(workspace.foreign("lex.50.50.base.s2t.bin"), shortlist(5)).expect("a writable folder");
    workspace
        .import_from(&workspace.foreign("model.base.intgemm.alphas.bin"))
        .expect("a model");
    assert_eq!(
        workspace.load().languages.target,
        Some("se".parse().expect("a code"))
    );
}

/// Each row of the embedding stands for two pieces, one of each side.
#[test]
fn two_vocabularies_may_have_one_embedding() {
    let workspace = Workspace::of("marian");
    let vocabulary = fs::read(workspace.foreign("vocab.spm")).expect("a file");
    fs::rename(workspace.foreign("vocab.spm"), workspace.foreign("srcvocab.spm")).expect("a file");
    // A field that no reader knows: another file of the same pieces.
    let other = [vocabulary.as_slice(), &[0xc0, 0x0c, 1]].concat();
    fs::write(workspace.foreign("trgvocab.spm"), other).expect("a writable folder");
    workspace.import().expect("a model");
    let config = workspace.load().config;
    assert_eq!(config.tie_embeddings, TiedEmbeddings::Decoder);
    assert_eq!(config.target_vocab_size, Some(config.vocab_size));
    let cases: Vec<Case> = expected("marian");
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    for (found, case) in workspace.greedy(&sources, 30).iter().zip(&cases) {
        assert_eq!(workspace.pieces(found), case.tokens, "{}", case.source);
    }

    fs::copy(
        workspace.foreign("trgvocab.spm"),
        workspace.foreign("trgvocab.other.spm"),
    )
    .expect("a copy");
    fs::remove_dir_all(workspace.model("")).expect("a folder");
    workspace.assert_refused(&[
        "several .spm files",
        "srcvocab.spm, trgvocab.other.spm, trgvocab.spm",
    ]);
}

#[test]
fn two_vocabularies_are_read_by_their_names() {
    let workspace = Workspace::of("marian");
    let rename = |name: &str| fs::copy(workspace.foreign("vocab.spm"), workspace.foreign(name));
    rename("srcvocab.ende.spm").expect("a copy");
    rename("trgvocab.ende.spm").expect("a copy");
    fs::remove_file(workspace.foreign("vocab.spm")).expect("a file");
    workspace.import().expect("a model");
    // They are the same, and so is the matrix of the embedding.
    assert_eq!(workspace.load().config.target_vocab_size, None);
}

/// Returns the file of a shortlist in which the first `frequent` tokens may translate any token.
fn shortlist(frequent: u64) -> Vec<u8> {
    let numbers = [0xf11a_48d5_0134_17f5, 0, frequent, 0, 1, 0, 0];
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

#[test]
fn a_lexical_shortlist_is_kept_and_used() {
    let workspace = Workspace::of("firefox");
    fs::write(workspace.foreign("lex.50.50.ende.s2t.bin"), shortlist(5)).expect("a writable folder");
    workspace.import().expect("a model");
    assert_eq!(
        fs::read(workspace.model("shortlist.bin")).expect("a file"),
        shortlist(5)
    );
    let cases: Vec<Case> = expected("firefox");
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    let found = workspace.greedy(&sources, 30);
    let source_tokenizer = workspace.load().source_tokenizer;
    for (found, source) in found.iter().zip(&sources) {
        let source = source_tokenizer.encode(source);
        let is_allowed = |token: &u32| *token < 5 || source.contains(token);
        assert!(found.tokens.iter().all(is_allowed));
    }
    let whole = |found: &[Translation]| found.iter().map(|one| one.tokens.clone()).collect::<Vec<_>>();
    let without = Workspace::of("firefox");
    without.import().expect("a model");
    assert_ne!(whole(&found), whole(&without.greedy(&sources, 30)));
}

#[test]
fn of_several_shortlists_that_of_the_weights_is_taken() {
    let workspace = Workspace::of("firefox");
    fs::write(workspace.foreign("lex.50.50.ende.s2t.bin"), shortlist(5)).expect("a writable folder");
    fs::write(workspace.foreign("lex.50.50.deen.s2t.bin"), shortlist(6)).expect("a writable folder");
    workspace.import().expect("a model");
    assert_eq!(
        fs::read(workspace.model("shortlist.bin")).expect("a file"),
        shortlist(5)
    );

    let workspace = Workspace::of("firefox");
    fs::write(workspace.foreign("lex.50.50.ende.s2t.bin"), &shortlist(5)[..50]).expect("a writable folder");
    workspace.assert_refused(&["lex.50.50.ende.s2t.bin is damaged or no lexical shortlist"]);
}
