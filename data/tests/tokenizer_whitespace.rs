//! The tokenizer for segmented text: a dictionary of words, and the marks between the pieces of a word.

use std::fs;

use attend_data::{DataError, Tokenizer, TokenizerKind};
use tempfile::TempDir;

const LINES: [&str; 4] = [
    "ein mann mit hut , der etwas anst@@ arr@@ t .",
    "a man in a hat star@@ ing at something .",
    "ein hund läuft über sa@@ f@@ ti@@ g-@@ grünes gras .",
    "a dog runs on lush grass .",
];

fn tokenizer() -> Tokenizer {
    Tokenizer::train_whitespace(LINES.into_iter(), None).unwrap()
}

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text);
    ids.into_iter().map(|id| tokenizer.token(id)).collect()
}

#[test]
fn every_word_of_the_text_is_a_token_the_most_frequent_first() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.kind(), TokenizerKind::Whitespace);
    assert_eq!(tokenizer.unk_id(), Some(3));
    let first = [0, 1, 2, 3, 4, 5, 6].map(|id| tokenizer.token(id));
    // "." four times, "a" three times, "ein" twice; equally frequent words by their names.
    assert_eq!(first, ["<pad>", "<s>", "</s>", "<unk>", ".", "a", "ein"]);
    let mut words: Vec<&str> = LINES.iter().flat_map(|line| line.split(' ')).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(tokenizer.vocab_size(), words.len() + 4);
    for line in LINES {
        assert_eq!(tokens(&tokenizer, line).join(" "), line);
    }
}

#[test]
fn a_limited_dictionary_keeps_the_most_frequent_words() {
    let tokenizer = Tokenizer::train_whitespace(LINES.into_iter(), Some(6)).unwrap();
    assert_eq!(tokenizer.vocab_size(), 6);
    assert_eq!(tokens(&tokenizer, "a dog ."), ["a", "<unk>", "."]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("a dog .")), "a <unk> .");
    let error = Tokenizer::train_whitespace(LINES.into_iter(), Some(4)).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::VocabularyTooSmall {
                vocab_size: 4,
                smallest: 5
            }
        ),
        "{error:?}"
    );
}

#[test]
fn decoding_joins_words_and_their_pieces() {
    let tokenizer = tokenizer();
    let cases = [
        (LINES[0], "ein mann mit hut , der etwas anstarrt ."),
        (LINES[2], "ein hund läuft über saftig-grünes gras ."),
        ("  a \t dog\u{3000}runs ", "a dog runs"),
        ("", ""),
        // What a model may end with, though no text does.
        ("a dog sa@@", "a dog sa"),
    ];
    for (text, expected) in cases {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text)), expected);
        assert_eq!(tokenizer.plain_text(text), expected);
    }
    // Words that the dictionary lacks stay in plain text, and so do marks that join nothing.
    let unknown = "die ka@@ tze schl@@ äft @@ x@@y";
    assert_eq!(tokenizer.plain_text(unknown), "die katze schläft x@@y");
    assert!(tokenizer.decode(&tokenizer.encode(unknown)).contains("<unk>"));
    let bpe = Tokenizer::train_bpe(LINES.into_iter(), 300).unwrap();
    assert_eq!(bpe.plain_text(unknown), unknown);
}

#[test]
fn words_spelt_like_special_tokens_are_unknown() {
    let lines = ["<pad> a </s>", "<s> a <unk> </s>"];
    let tokenizer = Tokenizer::train_whitespace(lines.into_iter(), None).unwrap();
    assert_eq!(tokenizer.vocab_size(), 5);
    assert_eq!(
        tokenizer.encode("a <s> </s> <pad> <unk> a</s>"),
        [4, 3, 3, 3, 3, 3]
    );
    assert_eq!(tokenizer.encode_batch(&["</s> a"]), [[3, 4]]);
    assert_eq!(tokenizer.decode(&[1, 4, 2, 0, 99]), "a");
}

#[test]
fn the_file_means_the_same_to_the_library() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    let ours = tokenizer();
    ours.save(&path).unwrap();
    let library = tokenizers::Tokenizer::from_file(&path).unwrap();
    let loaded = Tokenizer::load(&path).unwrap();
    for text in LINES.into_iter().chain(["unbekannt , a sa@@ f@@ ti@@"]) {
        let ids = ours.encode(text);
        assert_eq!(library.encode(text, false).unwrap().get_ids(), ids);
        assert_eq!(loaded.encode(text), ids);
        assert_eq!(library.decode(&ids, true).unwrap(), ours.decode(&ids));
        assert_eq!(loaded.decode(&ids), ours.decode(&ids));
    }
}

#[test]
fn a_changed_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    tokenizer().save(&path).unwrap();
    let json = fs::read_to_string(&path).unwrap();
    for (from, to, reason) in [
        ("\"unk_token\": \"<unk>\"", "\"unk_token\": \"a\"", "unk_token"),
        ("\"<unk>\": 3", "\"oov\": 3", "<unk>"),
        (
            "\"type\": \"WhitespaceSplit\"",
            "\"type\": \"Whitespace\"",
            "pre_tokenizer",
        ),
        ("@@( |$)", "##( |$)", "decoder"),
        ("\".\": 4", "\".\": 99", "ids"),
    ] {
        assert!(json.contains(from), "{from}");
        fs::write(&path, json.replace(from, to)).unwrap();
        let message = Tokenizer::load(&path).unwrap_err().to_string();
        assert!(
            message.contains(reason) && message.contains("tokenizer.json"),
            "{message}"
        );
    }
    // Cut short anywhere, it is an error and no panic.
    for length in (0..json.len())
        .step_by(7)
        .filter(|&length| json.is_char_boundary(length))
    {
        fs::write(&path, &json[..length]).unwrap();
        assert!(Tokenizer::load(&path).is_err(), "{length} bytes");
    }
}
