//! Tokenizers that the Python package tokenizers has made are read, and give the tokens that it gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use attend_data::{Normalization, Normalizer, Tokenizer};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Reference {
    tokenizer: serde_json::Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn references() -> BTreeMap<String, Reference> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizers.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn load(json: &serde_json::Value) -> Tokenizer {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    Tokenizer::load(path).unwrap()
}

#[test]
fn every_text_has_the_tokens_of_the_reference() {
    for (name, Reference { tokenizer, cases }) in references() {
        let tokenizer = load(&tokenizer);
        for Case { text, ids, decoded } in cases {
            assert_eq!(tokenizer.encode(&text), ids, "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&ids), decoded, "{name}: {text:?}");
            assert_eq!(tokenizer.normalize(&text), decoded, "{name}: {text:?}");
            assert!(tokenizer.min_tokens(&text) <= ids.len(), "{name}: {text:?}");
            // BPE-dropout sees the same words and the same normalised text.
            let random = &mut ChaCha8Rng::seed_from_u64(1);
            assert_eq!(
                tokenizer.encode_with_dropout(&text, 0.0, random),
                ids,
                "{name}: {text:?}"
            );
            let cut = tokenizer.encode_with_dropout(&text, 0.5, random);
            assert_eq!(tokenizer.decode(&cut), decoded, "{name}: {text:?}");
        }
    }
}

#[test]
fn the_steps_of_a_recipe_are_written_as_the_reference_writes_them() {
    let references = references();
    let names = ["nfc", "nfkc", "whitespace", "quotes", "nfkc whitespace quotes"];
    let without_space = names.map(|steps| ("words", steps, steps));
    let with_space = (
        "prefix_space",
        "nfkc whitespace quotes",
        "prefix_space nfkc whitespace quotes",
    );
    for (plain, steps, name) in without_space.into_iter().chain([with_space]) {
        let plain = load(&references[plain].tokenizer);
        let parsed: Vec<Normalization> = steps.split(' ').map(|step| step.parse().unwrap()).collect();
        let normalizer = Normalizer::new(&parsed);
        for case in &references[name].cases {
            assert_eq!(
                normalizer.apply(&case.text),
                case.decoded,
                "{steps}: {:?}",
                case.text
            );
        }
        let written: serde_json::Value =
            serde_json::from_slice(&plain.clone().with_normalizer(normalizer).files().bytes()).unwrap();
        let expected = &references[name].tokenizer;
        assert_eq!(written["normalizer"], expected["normalizer"], "{steps}");
        assert_eq!(written["pre_tokenizer"], expected["pre_tokenizer"], "{steps}");
        assert_eq!(written["decoder"], expected["decoder"], "{steps}");

        let unchanged = plain.clone().with_normalizer(Normalizer::new(&[]));
        assert_eq!(unchanged, plain);
        assert!(!plain.has_normalizer());
    }
    let trained = Tokenizer::train_bpe(["one"].into_iter(), 300).unwrap();
    let trained: serde_json::Value = serde_json::from_slice(&trained.files().bytes()).unwrap();
    let expected = &references["prefix_space"].tokenizer;
    for part in ["normalizer", "pre_tokenizer"] {
        assert_eq!(trained[part], expected[part], "{part}");
    }
    let decoders = |tokenizer: &serde_json::Value| tokenizer["decoder"]["decoders"].clone();
    let (trained, expected) = (decoders(&trained), decoders(expected));
    // The fields of ByteLevel mean nothing to its decoder.
    assert_eq!(trained[0]["type"], expected[0]["type"]);
    assert_eq!(trained[1], expected[1]);
    assert_eq!(trained.as_array().map(Vec::len), Some(2));
}
