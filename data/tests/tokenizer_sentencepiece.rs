//! Tokenizers of a SentencePiece model and a vocabulary, beside the ids and texts that Hugging Face's MarianTokenizer
//! gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use attend_data::{
    DataError, FirstToken, Normalizer, PairTokenizer, SentencePair, Tokenizer, TokenizerFiles, TokenizerKind,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use tempfile::TempDir;

use crate::sentencepiece::{FIXTURE, unigram_of};

#[derive(Deserialize)]
struct Marian {
    vocabulary: BTreeMap<String, u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    source: Vec<u32>,
    target: Vec<u32>,
    decoded_source: String,
    decoded_target: String,
}

fn marian() -> Marian {
    serde_json::from_slice(&FIXTURE.marian).unwrap()
}

fn write(folder: &Path, model: &[u8], vocabulary: &BTreeMap<String, u32>) {
    fs::write(folder.join("source.spm"), model).unwrap();
    fs::write(
        folder.join("vocab.json"),
        serde_json::to_string(vocabulary).unwrap(),
    )
    .unwrap();
}

/// Returns the tokenizer of a unigram model of pieces, with their scores and the numbers of their kinds.
fn load_pieces(pieces: &[(&str, f32, u8)], vocabulary: &BTreeMap<String, u32>) -> Tokenizer {
    tokenizer_of(&unigram_of(pieces), vocabulary, None).unwrap()
}

fn load(model: &str, vocabulary: &BTreeMap<String, u32>, start: Option<u32>) -> Result<Tokenizer, DataError> {
    tokenizer_of(&FIXTURE.models[model], vocabulary, start)
}

fn tokenizer_of(
    model: &[u8],
    vocabulary: &BTreeMap<String, u32>,
    start: Option<u32>,
) -> Result<Tokenizer, DataError> {
    let folder = TempDir::new().unwrap();
    write(folder.path(), model, vocabulary);
    Tokenizer::load_sentencepiece(
        folder.path().join("source.spm"),
        folder.path().join("vocab.json"),
        start.map_or(FirstToken::Bos, FirstToken::Id),
    )
}

/// Returns the tokenizers of the source and the target. The decoder starts with `<pad>`.
fn tokenizers(vocabulary: &BTreeMap<String, u32>) -> [Tokenizer; 2] {
    ["unigram", "bpe"].map(|model| load(model, vocabulary, Some(vocabulary["<pad>"])).unwrap())
}

/// Returns a vocabulary of the special tokens and `pieces`.
fn vocabulary_of(pieces: &[&str]) -> BTreeMap<String, u32> {
    let tokens = ["<pad>", "<s>", "</s>", "<unk>"].iter().chain(pieces);
    tokens.map(|token| (*token).to_owned()).zip(0..).collect()
}

#[test]
fn ids_and_texts_are_those_of_the_reference() {
    let Marian { vocabulary, cases } = marian();
    let [source, target] = tokenizers(&vocabulary);
    let mut decoded = 0;
    for case in cases {
        for (tokenizer, ids, text) in [
            (&source, &case.source, &case.decoded_source),
            (&target, &case.target, &case.decoded_target),
        ] {
            let (end, ids) = ids.split_last().unwrap();
            assert_eq!(*end, tokenizer.eos_id());
            assert_eq!(tokenizer.encode(&case.text), ids, "{:?}", case.text);
            assert!(tokenizer.min_tokens(&case.text) <= ids.len(), "{:?}", case.text);
            // The reference writes <unk> by its name.
            if !ids.contains(&tokenizer.unk_id().unwrap()) {
                assert_eq!(tokenizer.decode(ids), *text, "{:?}", case.text);
                assert_eq!(tokenizer.normalize(&case.text), *text, "{:?}", case.text);
                decoded += 1;
            }
        }
    }
    assert!(decoded > 20, "{decoded}");
}

#[test]
fn each_side_of_a_pair_is_encoded_by_its_tokenizer() {
    let Marian { vocabulary, cases } = marian();
    let [source, target] = tokenizers(&vocabulary);
    let pair = |case: &Case| SentencePair {
        source: case.text.clone(),
        target: case.text.clone(),
    };
    let pairs: Vec<SentencePair> = cases.iter().map(pair).collect();
    for source_eos in [true, false] {
        let tokenizer = PairTokenizer {
            source: source.clone(),
            target: target.clone(),
            source_eos,
        };
        for (example, case) in tokenizer.encode_pairs(&pairs).iter().zip(&cases) {
            let (_, without_end) = case.source.split_last().unwrap();
            // The encoder always has something to read.
            let has_end = source_eos || without_end.is_empty();
            let expected = if has_end { &case.source } else { without_end };
            assert_eq!(example.source, expected, "{:?}", case.text);
            assert_eq!(example.target, case.target, "{:?}", case.text);
        }
    }
}

#[test]
fn tokens_have_the_surfaces_of_the_text() {
    let Marian { vocabulary, cases } = marian();
    for tokenizer in tokenizers(&vocabulary) {
        for case in &cases {
            let ids = tokenizer.encode(&case.text);
            let surfaces: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.surface(id)).collect();
            let joined = String::from_utf8(surfaces).unwrap();
            assert_eq!(
                joined.trim_matches(' '),
                tokenizer.decode(&ids),
                "{:?}",
                case.text
            );
            let offsets = tokenizer.offsets(&case.text);
            assert_eq!(offsets.len(), ids.len(), "{:?}", case.text);
            for (id, range) in ids.iter().zip(offsets) {
                let part = &case.text[range];
                if case.text.is_ascii() && Some(*id) != tokenizer.unk_id() {
                    let token = tokenizer.token(*id);
                    assert!([part.trim(), ""].contains(&token.trim()), "{token:?} {part:?}");
                }
            }
        }
    }
}

#[test]
fn special_tokens_are_those_of_the_vocabulary() {
    let Marian { vocabulary, .. } = marian();
    let [tokenizer, _] = tokenizers(&vocabulary);
    assert_eq!(tokenizer.vocab_size(), vocabulary.len());
    assert_eq!(tokenizer.pad_id(), vocabulary["<pad>"]);
    assert_eq!(tokenizer.bos_id(), vocabulary["<pad>"]);
    assert_eq!(tokenizer.eos_id(), vocabulary["</s>"]);
    assert_eq!(tokenizer.unk_id(), Some(vocabulary["<unk>"]));
    assert_eq!(tokenizer.kind(), TokenizerKind::SentencePiece);
    assert!(tokenizer.has_normalizer());
    for (token, &id) in &vocabulary {
        assert_eq!(tokenizer.vocabulary_entry(id), *token);
    }
    let token = |token: &str| tokenizer.token(vocabulary[token]);
    assert_eq!(
        ["</s>", "<unk>", "▁", "▁d", "ω"].map(token),
        ["</s>", "<unk>", " ", " d", "ω"]
    );
    let surface = |token: &str| String::from_utf8(tokenizer.surface(vocabulary[token])).unwrap();
    assert_eq!(
        ["</s>", "<pad>", "<unk>", "▁d", ">>deu<<"].map(surface),
        ["", "", " ⁇ ", " d", ">>deu<<"]
    );
    let outside = vocabulary.len() as u32;
    assert_eq!(
        (tokenizer.vocabulary_entry(outside), tokenizer.token(outside)),
        (String::new(), String::new())
    );
    assert!(tokenizer.surface(outside).is_empty());
    assert_eq!(
        tokenizer.decode(&[outside, vocabulary["▁d"], vocabulary["</s>"]]),
        "d"
    );
}

#[test]
fn text_that_is_spelt_like_a_special_token_is_unknown() {
    // The model has no piece for this character.
    let vocabulary = vocabulary_of(&["▁", "ЖЖ"]);
    let tokenizer = load("bpe", &vocabulary, Some(vocabulary["ЖЖ"])).unwrap();
    assert_eq!(tokenizer.bos_id(), 5);
    assert_eq!(tokenizer.encode("ЖЖ"), [4, 3]);
    let tokenizer = load("bpe", &vocabulary, None).unwrap();
    assert_eq!(tokenizer.bos_id(), 1);
    assert_eq!(tokenizer.encode("ЖЖ"), [4, 5]);
    // <s> is special where the decoder starts with another token, too.
    let vocabulary = vocabulary_of(&[]);
    let tokenizer = tokenizer_of(&unigram_of(&[]), &vocabulary, Some(0)).unwrap();
    assert_eq!(tokenizer.encode("<s>"), [3]);
}

#[test]
fn characters_that_text_never_matches_may_be_one_token() {
    let (normal, unused) = (1, 5);
    let vocabulary = vocabulary_of(&["ä", "b"]);
    let tokenizer = load_pieces(&[("ä", -1.0, unused), ("b", -1.0, normal)], &vocabulary);
    assert_eq!(tokenizer.encode("ääääääb"), [3, 5]);
    assert!(tokenizer.min_tokens("ääääääb") <= 2);
}

#[test]
fn the_unknown_piece_of_a_model_may_have_another_name() {
    let mut model = unigram_of(&[("a", -1.0, 1)]);
    let name = model.windows(5).position(|bytes| bytes == b"<unk>").unwrap();
    model[name..name + 5].copy_from_slice(b"[UNK]");
    let tokenizer = tokenizer_of(&model, &vocabulary_of(&["a"]), None).unwrap();
    let ids = tokenizer.encode("aЖa");
    assert_eq!(ids, [4, 3, 4]);
    assert_eq!(tokenizer.decode(&ids), "a ⁇ a");
    assert_eq!(tokenizer.surface(3), " ⁇ ".as_bytes());
}

#[test]
fn only_a_source_begins_with_the_token_of_a_language() {
    let tokenizer = |pieces: &[&str]| load_pieces(&[(">", -1.0, 1), ("a", -1.0, 1)], &vocabulary_of(pieces));
    let source = tokenizer(&[">>deu<<", "a", ">"]);
    assert_eq!(source.encode(">>deu<<a"), [4, 5]);
    assert_eq!(source.language_token(">>deu<<a"), Some((0..7, 4)));
    assert_eq!(source.language_token("a>>deu<<"), None);
    assert_eq!(source.language_token(">>fra<<"), None);
    let target = source.without_languages();
    assert_eq!(target.language_token(">>deu<<a"), None);
    assert_eq!(target.encode(">>deu<<a"), [6, 6, 3, 5]);
    // Two brackets on each side name no language.
    let nameless = tokenizer(&[">><<", "a", ">"]);
    assert_eq!(nameless.language_token(">><<a"), None);
    assert_eq!(nameless.encode(">><<a"), [6, 6, 3, 5]);
}

#[test]
fn pieces_of_bytes_have_their_bytes() {
    let bytes: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let pieces: Vec<&str> = bytes.iter().map(String::as_str).chain(["▁"]).collect();
    let vocabulary = vocabulary_of(&pieces);
    let tokenizer = load("unigram_bytes", &vocabulary, None).unwrap();
    let ids = tokenizer.encode("你");
    assert_eq!(
        ids,
        ["▁", "<0xE4>", "<0xBD>", "<0xA0>"].map(|piece| vocabulary[piece])
    );
    assert_eq!(tokenizer.surface(vocabulary["<0xE4>"]), [0xe4]);
    assert_eq!(tokenizer.token(vocabulary["<0xE4>"]), "\u{fffd}");
    assert_eq!(tokenizer.vocabulary_entry(vocabulary["<0xE4>"]), "<0xE4>");
    assert_eq!(tokenizer.decode(&ids), "你");
    assert_eq!(tokenizer.offsets("你"), [0..3, 0..3, 0..3, 0..3]);
    assert!(tokenizer.min_tokens(&"你".repeat(100)) > 1);
}

#[test]
fn a_phrase_within_a_text_has_a_space_or_none_before_it() {
    let Marian { vocabulary, .. } = marian();
    let [tokenizer, _] = tokenizers(&vocabulary);
    let spelt = |after_space| {
        let ids = tokenizer.encode_within("old office", after_space);
        ids.iter()
            .map(|&id| tokenizer.vocabulary_entry(id))
            .collect::<String>()
    };
    assert_eq!(spelt(true), "▁old▁office");
    assert_eq!(spelt(false), "old▁office");
    // A language is named at the start of a text alone.
    let within = tokenizer.encode_within(">>deu<<", false);
    assert_ne!(within, [vocabulary[">>deu<<"]]);
}

#[test]
fn a_tokenizer_keeps_its_files_and_equals_one_with_the_same() {
    let Marian { vocabulary, .. } = marian();
    let [source, target] = tokenizers(&vocabulary);
    let TokenizerFiles::SentencePiece {
        model,
        vocabulary: json,
    } = source.files()
    else {
        panic!("it is of SentencePiece");
    };
    assert_eq!(model, FIXTURE.models["unigram"]);
    assert_eq!(json, serde_json::to_string(&vocabulary).unwrap());
    assert_eq!(source, source.clone());
    assert_eq!(source, tokenizers(&vocabulary)[0]);
    assert_ne!(source, target);
    assert_ne!(source, load("unigram", &vocabulary, Some(0)).unwrap());
    let mut other = vocabulary;
    other.insert("more".to_owned(), other.len() as u32);
    assert_ne!(source, tokenizers(&other)[0]);
    let words = Tokenizer::train_whitespace(["a b"].into_iter(), None).unwrap();
    assert_ne!(source, words);
    assert_eq!(
        words,
        Tokenizer::train_whitespace(["a b"].into_iter(), None).unwrap()
    );
    assert_ne!(
        words,
        Tokenizer::train_whitespace(["a c"].into_iter(), None).unwrap()
    );

    let error = source.save("tokenizer.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "tokenizer.json cannot be written: a SentencePiece tokenizer is not a tokenizer.json"
    );
    assert!(!Path::new("tokenizer.json").exists());
}

#[test]
fn what_belongs_to_other_kinds_changes_nothing() {
    let Marian { vocabulary, .. } = marian();
    let [tokenizer, _] = tokenizers(&vocabulary);
    let text = "The miller mends";
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    assert_eq!(
        tokenizer.encode_with_dropout(text, 0.5, random),
        tokenizer.encode(text)
    );
    assert_eq!(tokenizer.clone().with_normalizer(Normalizer::new(&[])), tokenizer);
    assert_eq!(tokenizer.plain_text("a@@ b"), "a@@ b");
    let pair = SentencePair {
        source: text.to_owned(),
        target: "fish".to_owned(),
    };
    let examples = PairTokenizer::from(tokenizer.clone()).encode_pairs(std::slice::from_ref(&pair));
    assert_eq!(
        examples[0].source,
        [tokenizer.encode(text), vec![tokenizer.eos_id()]].concat()
    );
    let error = Tokenizer::train(TokenizerKind::SentencePiece, ["a"].into_iter(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot train a tokenizer: a SentencePiece tokenizer is not learnt, it comes with the model that was trained \
         with it"
    );
}

#[test]
fn tokens_that_are_spelt_are_joined() {
    let Marian { vocabulary, .. } = marian();
    let [tokenizer, _] = tokenizers(&vocabulary);
    let entries = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect();
    assert_eq!(
        tokenizer.join(entries(&["▁The", "▁mill", "er", "<unk>", "▁nowhere"])),
        "The miller ⁇  nowhere"
    );
}

#[test]
fn a_vocabulary_that_does_not_fit_is_refused() {
    let valid = vocabulary_of(&["▁", "a"]);
    let reason = |change: fn(&mut BTreeMap<String, u32>), start| {
        let mut vocabulary = valid.clone();
        change(&mut vocabulary);
        let error = load("bpe", &vocabulary, start).unwrap_err().to_string();
        error
            .split_once("vocab.json is not a usable tokenizer: ")
            .unwrap()
            .1
            .to_owned()
    };
    let ids = |count| format!("the ids of its {count} tokens must be those below {count}, each once");
    assert_eq!(
        reason(|vocabulary| *vocabulary.get_mut("a").unwrap() = 4, None),
        ids(6)
    );
    assert_eq!(
        reason(|vocabulary| *vocabulary.get_mut("a").unwrap() = 6, None),
        ids(6)
    );
    assert_eq!(
        reason(|vocabulary| *vocabulary.get_mut("a").unwrap() = u32::MAX, None),
        ids(6)
    );
    let without = |token: &'static str| {
        let mut vocabulary = valid.clone();
        let id = vocabulary.remove(token).unwrap();
        vocabulary.insert("b".to_owned(), id);
        load("bpe", &vocabulary, None).unwrap_err().to_string()
    };
    for token in ["<pad>", "<s>", "</s>", "<unk>"] {
        assert!(without(token).ends_with(&format!("the token {token} is missing")));
    }
    assert_eq!(
        reason(|_| (), Some(6)),
        "the decoder starts with the token 6, but there are 6"
    );
    let folder = TempDir::new().unwrap();
    write(folder.path(), &FIXTURE.models["bpe"], &valid);
    for (text, expected) in [
        ("", "EOF while parsing"),
        ("[1]", "invalid type: sequence"),
        ("{\"a\": -1}", "invalid value: integer `-1`"),
    ] {
        fs::write(folder.path().join("vocab.json"), text).unwrap();
        let error = Tokenizer::load_sentencepiece(
            folder.path().join("source.spm"),
            folder.path().join("vocab.json"),
            FirstToken::Bos,
        );
        assert!(error.unwrap_err().to_string().contains(expected), "{text}");
    }
}
