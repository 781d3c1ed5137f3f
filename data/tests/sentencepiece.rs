//! Models of SentencePiece, beside the pieces and texts that the Python package sentencepiece gives.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::LazyLock;

use attend_data::{DataError, PieceKind, SentencePieceModel};
use liblzma::read::XzDecoder;
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Case {
    text: String,
    pieces: Vec<String>,
    ids: Vec<u32>,
    starts: Vec<usize>,
    decoded: String,
    decoded_ids: String,
}

/// The models of the fixture, and what they are expected to give.
pub(crate) struct Fixture {
    pub(crate) models: BTreeMap<String, Vec<u8>>,
    cases: BTreeMap<String, Vec<Case>>,
    /// What MarianTokenizer gives.
    pub(crate) marian: Vec<u8>,
}

pub(crate) static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sentencepiece.tar.xz");
    let mut archive = tar::Archive::new(XzDecoder::new(File::open(path).unwrap()));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    let cases = serde_json::from_slice(&files.remove("cases.json").unwrap()).unwrap();
    let marian = files.remove("marian.json").unwrap();
    let name = |file: String| file.strip_suffix(".model").unwrap().to_owned();
    let models = files
        .into_iter()
        .map(|(file, model)| (name(file), model))
        .collect();
    Fixture {
        models,
        cases,
        marian,
    }
});

fn load(model: &[u8]) -> Result<SentencePieceModel, DataError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("source.spm");
    fs::write(&path, model).unwrap();
    SentencePieceModel::load(path)
}

/// Returns the messages of an error, without the folder that it names.
fn reason(model: &[u8]) -> String {
    let error = load(model).unwrap_err().to_string();
    let (_, reason) = error
        .split_once("source.spm is not a usable SentencePiece model: ")
        .unwrap();
    reason.to_owned()
}

#[test]
fn every_text_has_the_pieces_of_the_reference() {
    for (name, file) in &FIXTURE.models {
        let model = load(file).unwrap();
        assert_eq!(model.file(), file);
        for case in &FIXTURE.cases[name] {
            let text = &case.text;
            let pieces = model.encode(text);
            let texts: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
            assert_eq!(texts, case.pieces, "{name}: {text:?}");
            let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
            assert_eq!(ids, case.ids, "{name}: {text:?}");
            let characters = |end: usize| text[..end].chars().count();
            let starts: Vec<usize> = pieces
                .iter()
                .map(|piece| characters(piece.source.start))
                .collect();
            assert_eq!(starts, case.starts, "{name}: {text:?}");
        }
    }
}

#[test]
fn every_text_is_joined_as_the_reference_joins_it() {
    for (name, file) in &FIXTURE.models {
        let model = load(file).unwrap();
        for case in &FIXTURE.cases[name] {
            let text = &case.text;
            assert_eq!(model.decode(&case.pieces), case.decoded, "{name}: {text:?}");
            let spelt: Vec<&str> = case
                .ids
                .iter()
                .map(|&id| model.pieces()[id as usize].text.as_str())
                .collect();
            assert_eq!(model.decode(&spelt), case.decoded_ids, "{name}: {text:?}");
        }
    }
}

/// Returns some bytes of UTF-8 and some that are not, spelt as pieces of bytes, and the text that sentencepiece 0.2.3
/// decodes them to.
fn spelt_bytes() -> [(&'static [&'static str], &'static str); 5] {
    [
        (&["<0xE4>", "<0xBD>", "<0xA0>"], "你"),
        (&["<0xE4>", "<0xBD>", "a"], "\u{fffd}\u{fffd}a"),
        (&["<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0x80>"], "😀\u{fffd}"),
        (&["<0xED>", "<0xA0>", "<0x80>"], "\u{fffd}\u{fffd}\u{fffd}"),
        (
            &["<0xC3>", "</s>", "<0xA4>", "▁a", "<0xC0>", "<0x80>"],
            "\u{fffd}\u{fffd} a\u{fffd}\u{fffd}",
        ),
    ]
}

#[test]
fn bytes_that_are_no_text_become_replacement_characters() {
    let model = load(&FIXTURE.models["unigram_bytes"]).unwrap();
    for (pieces, text) in spelt_bytes() {
        assert_eq!(model.decode(pieces), text, "{pieces:?}");
    }
}

#[test]
fn the_joined_surfaces_are_the_decoded_text() {
    for (name, file) in &FIXTURE.models {
        let model = load(file).unwrap();
        for case in &FIXTURE.cases[name] {
            let bytes: Vec<u8> = case
                .pieces
                .iter()
                .flat_map(|piece| model.surface(piece))
                .collect();
            let joined = String::from_utf8(bytes).unwrap();
            let joined = match joined.strip_prefix(' ') {
                Some(within) if *joined != case.decoded => within,
                _ => &joined,
            };
            assert_eq!(
                joined.trim_start_matches(' '),
                case.decoded.trim_start_matches(' '),
                "{name}"
            );
        }
    }
}

#[test]
fn a_phrase_is_cut_as_it_stands_within_a_text() {
    let model = load(&FIXTURE.models["unigram"]).unwrap();
    let spelt = |phrase: &str, after_space| {
        let pieces = model.encode_within(phrase, after_space);
        pieces
            .iter()
            .map(|piece| piece.text.to_string())
            .collect::<String>()
    };
    assert_eq!(spelt("mend", true), "▁mend");
    assert_eq!(spelt("mend", false), "mend");
    assert_eq!(spelt(" the  old ", false), "the▁old");
    assert_eq!(spelt(" ", true), "");
}

#[test]
fn each_piece_knows_the_characters_that_it_was_made_of() {
    let model = load(&FIXTURE.models["unigram"]).unwrap();
    let text = "  ½ die  Mu\u{308}ller ﬁ";
    let pieces = model.encode(text);
    let sources: Vec<(&str, &str)> = pieces
        .iter()
        .map(|piece| (&*piece.text, &text[piece.source.clone()]))
        .collect();
    let expected = [
        ("▁1", "½"),
        ("⁄", "½"),
        ("2", "½"),
        ("▁d", " d"),
        ("ie", "ie"),
        ("▁", " "),
        ("M", "M"),
        ("ü", "u\u{308}"),
        ("lle", "lle"),
        ("r", "r"),
        ("▁f", " ﬁ"),
        ("i", "ﬁ"),
    ];
    assert_eq!(sources, expected);
    // The space before the text has the first character.
    let pieces = model.encode("ω");
    let sources: Vec<_> = pieces
        .iter()
        .map(|piece| (&*piece.text, piece.source.clone()))
        .collect();
    assert_eq!(sources, [("▁", 0..2), ("ω", 0..2)]);
}

#[test]
fn kinds_of_pieces_are_those_of_the_reference() {
    let model = load(&FIXTURE.models["unigram_bytes"]).unwrap();
    let kind = |piece: &str| model.id(piece).map(|id| model.pieces()[id as usize].kind);
    assert_eq!(kind("<unk>"), Some(PieceKind::Unknown));
    assert_eq!(model.id("<unk>"), Some(model.unknown_id()));
    assert_eq!(kind("</s>"), Some(PieceKind::Control));
    assert_eq!(kind("<ctrl>"), Some(PieceKind::Control));
    assert_eq!(kind("<sep>"), Some(PieceKind::UserDefined));
    assert_eq!(kind("<0xE4>"), Some(PieceKind::Byte(0xe4)));
    assert_eq!(kind("▁"), Some(PieceKind::Normal));
    assert_eq!(kind("nowhere"), None);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let supported = FIXTURE.models["bpe_identity"].as_slice();
    // A field that is appended to a protocol buffer replaces the field before it.
    let with = |fields: &[u8]| reason(&[supported, fields].concat());
    for (fields, expected) in [
        (
            &[0x12, 2, 0x18, 3][..],
            "it is a model of words; unigram models and byte-pair encodings are supported",
        ),
        (
            &[0x12, 2, 0x18, 4],
            "it is a model of characters; unigram models and byte-pair encodings are supported",
        ),
        (&[0x12, 2, 0x18, 9], "its model type, 9, is unknown"),
        (
            &[0x12, 3, 0xc0, 1, 1],
            "it puts spaces after words (`treat_whitespace_as_suffix`), which is not supported",
        ),
        (
            &[0x1a, 2, 0x28, 0],
            "it does not escape spaces (`escape_whitespaces`), which is not supported",
        ),
        (
            &[0x2a, 3, 0x12, 1, b'x'],
            "it rewrites decoded text (`denormalizer_spec`), which is not supported",
        ),
        (
            &[0x0a, 5, 0x0a, 1, b'\x07', 0x18, 5],
            "it is a byte-pair encoding with unused pieces, which is not supported",
        ),
        (&[0x0a, 2, 0x18, 1], "its piece 220 is empty"),
        (
            &[0x0a, 5, 0x0a, 1, b'\x07', 0x18, 9],
            "the piece \"\\u{7}\" is of an unknown type, 9",
        ),
        (
            &[0x0a, 5, 0x0a, 1, b'\x07', 0x18, 6],
            "the piece \"\\u{7}\" does not name a byte",
        ),
        (&[0x0a, 8, 0x0a, 6, b'<', b'0', b'x', b'4', b'1', b'>'], ""),
        (
            &[0x0a, 8, 0x0a, 1, b'\x07', 0x15, 0, 0, 0xc0, 0x7f],
            "the piece \"\\u{7}\" has the score NaN",
        ),
        (&[0x0a, 6, 0x0a, 4, b'<', b's', b'>', b'\0'], ""),
        (
            &[0x0a, 5, 0x0a, 3, b'<', b's', b'>'],
            "the piece \"<s>\" is there twice",
        ),
        (
            &[0x0a, 5, 0x0a, 1, b'\x07', 0x18, 2],
            "it must have exactly one piece for unknown characters",
        ),
        (
            &[0x12, 3, 0x98, 2, 1],
            "it does not have the pieces of all 256 bytes",
        ),
        (
            &[0x1a, 3, 0x12, 1, b'x'],
            "its normalisation rules are damaged: they are truncated",
        ),
    ] {
        match load(&[supported, fields].concat()) {
            Ok(_) => assert_eq!(expected, "", "{fields:?}"),
            Err(_) => assert_eq!(with(fields), expected),
        }
    }
    let bytes = &FIXTURE.models["bpe_bytes"];
    assert_eq!(
        reason(&[bytes.as_slice(), &[0x12, 3, 0x98, 2, 0]].concat()),
        "it has pieces of bytes, but says that it has none (`byte_fallback`)"
    );
    assert_eq!(
        reason(b""),
        "it must have exactly one piece for unknown characters"
    );
    assert!(reason(b"vocabulary").starts_with("it is damaged, or not a SentencePiece model"));
    assert!(reason(&supported[..1_000]).starts_with("it is damaged, or not a SentencePiece model"));
    let missing = SentencePieceModel::load("nowhere/source.spm").unwrap_err();
    assert!(missing.to_string().starts_with("cannot read nowhere/source.spm"));
}

/// Returns a model without its rules of normalisation, in which damage would seldom hit a piece.
fn without_rules(name: &str) -> Vec<u8> {
    let file = &FIXTURE.models[name];
    let model = load(file).unwrap();
    let mut small = Vec::new();
    for piece in model.pieces() {
        let text = piece.text.as_bytes();
        let kind = match piece.kind {
            PieceKind::Normal => 1,
            PieceKind::Unknown => 2,
            PieceKind::Control => 3,
            PieceKind::UserDefined => 4,
            PieceKind::Unused => 5,
            PieceKind::Byte(_) => 6,
        };
        small.extend([0x0a, text.len() as u8 + 9, 0x0a, text.len() as u8]);
        small.extend(text);
        small.push(0x15);
        small.extend(piece.score.to_le_bytes());
        small.extend([0x18, kind]);
    }
    let is_bpe = name.starts_with("bpe");
    small.extend([
        0x12,
        5,
        0x18,
        1 + u8::from(is_bpe),
        0x98,
        2,
        u8::from(model.spells_bytes()),
    ]);
    small
}

/// Returns a unigram model of an unknown piece and these pieces, with their scores and the numbers of their kinds. It
/// neither normalises text nor puts a space before it.
pub(crate) fn unigram_of(pieces: &[(&str, f32, u8)]) -> Vec<u8> {
    let mut model = Vec::new();
    for (text, score, kind) in [("<unk>", 0.0, 2)].iter().chain(pieces) {
        model.extend([0x0a, text.len() as u8 + 9, 0x0a, text.len() as u8]);
        model.extend(text.as_bytes());
        model.push(0x15);
        model.extend(score.to_le_bytes());
        model.extend([0x18, *kind]);
    }
    model.extend([0x12, 2, 0x18, 1, 0x1a, 4, 0x18, 0, 0x20, 0]);
    model
}

/// The pieces are those that sentencepiece 0.2.3 gives.
#[test]
fn a_piece_of_a_user_is_cut_if_others_have_a_higher_score() {
    let user = 4;
    let model = |pieces: &[(&str, f32, u8)]| load(&unigram_of(pieces)).unwrap();
    let cut = |model: &SentencePieceModel, text: &str| {
        let pieces = model.encode(text);
        let texts: Vec<String> = pieces.iter().map(|piece| piece.text.to_string()).collect();
        texts.join(" ")
    };
    let likely = [("xab", -3.0, 1), ("x", -3.05, 1), ("ab", 0.0, user)];
    assert_eq!(cut(&model(&likely), "xab"), "x ab");
    let unlikely = [("xab", -3.0, 1), ("x", -3.15, 1), ("ab", 0.0, user)];
    assert_eq!(cut(&model(&unlikely), "xab"), "xab");
}

/// Returns rules that replace `a`: a double array in which the units 97 and 96 spell it, and the replacement.
fn rules_for_a(replacement: &str) -> Vec<u8> {
    let mut units = [0_u32; 256];
    units[97] = 97 | 1 << 8 | 1 << 10;
    units[96] = 1 << 31;
    let mut rules = 1_024_u32.to_le_bytes().to_vec();
    rules.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    rules.extend(replacement.as_bytes());
    rules.push(0);
    rules
}

#[test]
fn a_replacement_of_many_bytes_is_refused() {
    let with_rules = |replacement: &str| {
        let rules = rules_for_a(replacement);
        let length = |length: usize| [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        let mut model = unigram_of(&[]);
        model.push(0x1a);
        model.extend(length(rules.len() + 3));
        model.push(0x12);
        model.extend(length(rules.len()));
        model.extend(rules);
        model
    };
    let longest = "b".repeat(1_024);
    assert_eq!(
        load(&with_rules(&longest)).unwrap().normalize("aca"),
        format!("{longest}c{longest}")
    );
    assert_eq!(
        reason(&with_rules(&(longest + "b"))),
        "its normalisation rules are damaged: a rule has no replacement, or one of more than 1024 bytes"
    );
}

/// Checks that damaged bytes are a model that can be used, or give an error.
fn try_model(bytes: &[u8]) {
    let Ok(model) = load(bytes) else { return };
    for text in [
        "",
        "The miller <sep> Müller",
        "ﬁ e\u{301}한\u{1112}👩\u{200d}👧 \0 ▁ </s>",
    ] {
        let pieces = model.encode(text);
        let spelt: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
        let _ = model.decode(&spelt);
        assert!(
            pieces
                .iter()
                .all(|piece| text.get(piece.source.clone()).is_some())
        );
        assert!(
            pieces
                .iter()
                .all(|piece| (piece.id as usize) < model.pieces().len())
        );
    }
}

proptest! {
    #[test]
    fn damaged_models_never_panic(
        name in prop::sample::select(vec!["unigram", "unigram_bytes", "bpe", "bpe_bytes", "bpe_identity"]),
        has_rules: bool,
        length in 0.0..1.2,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..6),
    ) {
        let mut bytes = if has_rules { FIXTURE.models[name].clone() } else { without_rules(name) };
        bytes.truncate((bytes.len() as f64 * length) as usize);
        if !bytes.is_empty() {
            for (index, bit) in flips {
                let index = index.index(bytes.len());
                bytes[index] ^= 1 << bit;
            }
        }
        try_model(&bytes);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes: Vec<u8>) {
        try_model(&bytes);
    }
}

/// Reads the models and cases that `make_sentencepiece_cases.py` has written into the folder SENTENCEPIECE_CASES.
#[test]
#[ignore = "needs Python's sentencepiece and text; `just test-sentencepiece` runs it"]
fn much_text_has_the_pieces_of_the_reference() {
    let folder = env::var("SENTENCEPIECE_CASES").expect("SENTENCEPIECE_CASES names a folder");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "model") {
            continue;
        }
        let model = SentencePieceModel::load(&path).unwrap();
        let cases = BufReader::new(File::open(path.with_extension("jsonl")).unwrap());
        for line in cases.lines() {
            let (text, pieces, ids, decoded, decoded_ids): (String, Vec<String>, Vec<u32>, String, String) =
                serde_json::from_str(&line.unwrap()).unwrap();
            let found = model.encode(&text);
            let texts: Vec<&str> = found.iter().map(|piece| &*piece.text).collect();
            assert_eq!(texts, pieces, "{}: {text:?}", path.display());
            assert_eq!(
                found.iter().map(|piece| piece.id).collect::<Vec<_>>(),
                ids,
                "{text:?}"
            );
            assert_eq!(model.decode(&pieces), decoded, "{}: {text:?}", path.display());
            let spelt: Vec<&str> = ids
                .iter()
                .map(|&id| model.pieces()[id as usize].text.as_str())
                .collect();
            assert_eq!(model.decode(&spelt), decoded_ids, "{}: {text:?}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 100_000, "{compared} cases");
    println!("{compared} texts have the same pieces, and the same text again");
}
