//! The tokenizer: nothing is lost, text never becomes a special token, files are checked.

use std::fs;

use attend_data::{DataError, Example, PairTokenizer, SentencePair, Tokenizer, TokenizerKind};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

const LINES: [&str; 6] = [
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.",
    "Two young guys with shaggy hair look at their hands while hanging out in the yard.",
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    "A little girl climbing into a wooden playhouse.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
];

const HOSTILE: [&str; 19] = [
    "",
    " ",
    "  two  spaces, and three   ",
    "\ttab\tand\u{a0}no-break\u{3000}space\u{200b}",
    "\0nul\0",
    "\r\n\u{b}\u{c}\u{85}\u{2028}\u{2029}",
    "</s>",
    "<s> a </s></s> b<pad> <pad>",
    "<unk> [CLS] Ġ Ċ ▁",
    "😀👩‍👩‍👧‍👦🏳️‍🌈🇩🇪",
    "e\u{301}\u{327}\u{489} Å Å ﬁ",
    "漢字とひらがな、한국어",
    "שלום \u{202e}مرحبا\u{202c} بالعالم",
    "'s 't 're 've 'm 'll 'd ’s",
    "naïve Straße ǅ İı ß",
    "\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
    "𝒜𝓁𝓅𝒽𝒶 ٠١٢ ½ Ⅷ",
    "...!!!???---___",
    "a\u{7f}\u{1}\u{1b}[31m",
];

fn tokenizer() -> Tokenizer {
    Tokenizer::train_bpe(LINES.into_iter(), 300).unwrap()
}

fn unigram() -> Tokenizer {
    Tokenizer::train_unigram(LINES.into_iter(), 300).unwrap()
}

#[test]
fn special_tokens_come_first() {
    for (tokenizer, kind) in [
        (tokenizer(), TokenizerKind::Bpe),
        (unigram(), TokenizerKind::Unigram),
    ] {
        assert_eq!(tokenizer.kind(), kind);
        assert_eq!(
            (tokenizer.pad_id(), tokenizer.bos_id(), tokenizer.eos_id()),
            (0, 1, 2)
        );
        assert_eq!([0, 1, 2].map(|id| tokenizer.token(id)), ["<pad>", "<s>", "</s>"]);
        assert_eq!(tokenizer.vocab_size(), 300);
    }
}

#[test]
fn any_text_comes_back_unchanged() {
    for trained in [tokenizer(), unigram()] {
        comes_back_unchanged(&trained);
    }
}

fn comes_back_unchanged(trained: &Tokenizer) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    trained.save(&path).unwrap();
    let loaded = Tokenizer::load(&path).unwrap();
    let check = |text: &str| {
        for tokenizer in [trained, &loaded] {
            let ids = tokenizer.encode(text);
            assert_eq!(tokenizer.decode(&ids), text, "{text:?} as {ids:?}");
            // Neither <pad>, <s> and </s>, nor an id without a token.
            assert!(ids.iter().all(|id| (3..300).contains(id)), "{text:?} as {ids:?}");
        }
        assert_eq!(trained.encode(text), loaded.encode(text), "{text:?}");
    };
    HOSTILE.iter().for_each(|text| check(text));

    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..2_000 {
        let length = random.next_u32() % 20;
        let text: String = (0..length)
            .filter_map(|_| match random.next_u32() % 4 {
                0 => char::from_u32(random.next_u32() % 0x80),
                1 => char::from_u32(random.next_u32() % 0x800),
                2 => char::from_u32(random.next_u32() % 0x11_0000),
                _ => Some(' '),
            })
            .collect();
        check(&text);
    }
}

#[test]
fn text_full_of_special_tokens_does_not_teach_them() {
    let lines = ["</s> <s> <pad></s>"; 50];
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let tokenizer = Tokenizer::train(kind, lines.into_iter(), Some(400)).unwrap();
        let ids = tokenizer.encode(lines[0]);
        assert!(ids.iter().all(|&id| id > 2), "{ids:?}");
        assert_eq!(tokenizer.decode(&ids), lines[0]);
    }
}

#[test]
fn decoding_skips_special_tokens_and_unknown_ids() {
    let tokenizer = tokenizer();
    let mut ids = vec![tokenizer.bos_id()];
    ids.extend(tokenizer.encode("A man"));
    ids.extend([tokenizer.eos_id(), tokenizer.pad_id(), 1_000_000]);
    assert_eq!(tokenizer.decode(&ids), "A man");
}

#[test]
fn bytes_that_are_no_text_decode_to_the_replacement_character() {
    let tokenizer = tokenizer();
    let mut ids = tokenizer.encode("😀");
    ids.pop();
    assert!(tokenizer.decode(&ids).contains('\u{fffd}'));
}

#[test]
fn surface_forms_join_to_the_text() {
    let join = |tokenizer: &Tokenizer, ids: &[u32]| -> Vec<u8> {
        ids.iter().flat_map(|&id| tokenizer.surface(id)).collect()
    };
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let tokenizer = Tokenizer::train(kind, LINES.into_iter(), Some(300)).unwrap();
        for text in HOSTILE.iter().chain(&LINES) {
            let ids = tokenizer.encode(text);
            let space = if text.is_empty() { "" } else { " " };
            assert_eq!(join(&tokenizer, &ids), format!("{space}{text}").as_bytes());
        }
        for special in [
            tokenizer.pad_id(),
            tokenizer.bos_id(),
            tokenizer.eos_id(),
            1_000_000,
        ] {
            assert!(tokenizer.surface(special).is_empty());
        }
    }
    let line = "ein Spiel@@ haus , un@@ bekannt@@";
    let tokenizer = Tokenizer::train_whitespace([line].into_iter(), None).unwrap();
    let ids = tokenizer.encode("ein Spiel@@ haus , neu un@@ bekannt@@");
    assert_eq!(join(&tokenizer, &ids), b"ein Spielhaus , <unk> unbekannt");
    assert_eq!(tokenizer.decode(&ids), "ein Spielhaus , <unk> unbekannt");
    assert_eq!(join(&tokenizer, &ids[..3]), b"ein Spielhaus ");
}

#[test]
fn tokens_are_shown_as_text() {
    let tokenizer = Tokenizer::train_bpe(["ein Haus, ein Haus"].into_iter(), 300).unwrap();
    let tokens: Vec<String> = tokenizer
        .encode("ein Haus ä")
        .into_iter()
        .map(|id| tokenizer.token(id))
        .collect();
    assert_eq!(tokens, [" ein", " Haus", " ", "\u{fffd}", "\u{fffd}"]);
    assert_eq!(tokenizer.token(1_000_000), "");
}

#[test]
fn a_word_has_the_same_tokens_at_the_start_of_a_text_and_within_it() {
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let tokenizer = Tokenizer::train(kind, LINES.into_iter(), Some(400)).unwrap();
        let word = tokenizer.encode("ladder");
        assert_eq!(tokenizer.encode_within("ladder", true), word);
        let text = tokenizer.encode("ladder ladder");
        assert_eq!(text, [word.clone(), word.clone()].concat());
        let joined = [
            tokenizer.encode("("),
            tokenizer.encode_within("ladder", false),
            word,
        ]
        .concat();
        assert_eq!(tokenizer.encode("(ladder ladder"), joined);
    }
    let words = Tokenizer::train_whitespace(["the old house"].into_iter(), None).unwrap();
    for after_space in [true, false] {
        assert_eq!(
            words.encode_within("old </s>", after_space),
            words.encode("old new")
        );
    }
}

/// "aaabdaaabac", the example of the article on byte-pair encoding (Gage, 1994): aa, then ab, then aaab.
#[test]
fn frequent_pairs_are_merged_first() {
    let tokens = |vocab_size: usize| {
        let tokenizer = Tokenizer::train_bpe(["aaabdaaabac"].into_iter(), vocab_size).unwrap();
        let ids = tokenizer.encode_within("aaabdaaabac", false);
        ids.into_iter().map(|id| tokenizer.token(id)).collect::<Vec<_>>()
    };
    assert_eq!(tokens(259).len(), 11);
    assert_eq!(tokens(260), ["aa", "a", "b", "d", "aa", "a", "b", "a", "c"]);
    assert_eq!(tokens(261), ["aa", "ab", "d", "aa", "ab", "a", "c"]);
    assert_eq!(tokens(262), ["aaab", "d", "aaab", "a", "c"]);
    // No pair is left that occurs twice: a larger vocabulary has nothing to add.
    assert_eq!(tokens(1_000), tokens(262));
}

#[test]
fn the_same_lines_give_the_same_file() {
    let folder = TempDir::new().unwrap();
    for kind in [
        TokenizerKind::Bpe,
        TokenizerKind::Unigram,
        TokenizerKind::Whitespace,
    ] {
        let bytes: Vec<Vec<u8>> = (0..5)
            .map(|run| {
                let path = folder.path().join(run.to_string());
                let tokenizer = Tokenizer::train(kind, LINES.into_iter(), None).unwrap();
                tokenizer.save(&path).unwrap();
                fs::read(path).unwrap()
            })
            .collect();
        assert!(bytes.iter().all(|run| *run == bytes[0]), "{kind}");
    }
}

#[test]
fn a_vocabulary_holds_at_least_the_bytes_and_special_tokens() {
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let error = Tokenizer::train(kind, LINES.into_iter(), Some(258)).unwrap_err();
        let smallest = match error {
            DataError::VocabularyTooSmall {
                vocab_size: 258,
                smallest,
            } => smallest,
            other => panic!("{other:?}"),
        };
        assert_eq!(smallest, 259);
        let bytes_only = Tokenizer::train(kind, LINES.into_iter(), Some(smallest)).unwrap();
        assert_eq!(bytes_only.vocab_size(), 259);
        assert_eq!(bytes_only.encode_within("Nähe", false).len(), 5);
    }
}

#[test]
fn a_batch_is_encoded_in_order() {
    let tokenizer = tokenizer();
    let texts: Vec<&str> = LINES.iter().copied().cycle().take(25_000).collect();
    let encoded = tokenizer.encode_batch(&texts);
    assert_eq!(encoded.len(), texts.len());
    for (text, ids) in texts.iter().zip(&encoded) {
        assert_eq!(tokenizer.decode(ids), *text);
    }
    assert_eq!(encoded[3], tokenizer.encode(LINES[3]));
}

#[test]
fn pairs_end_with_the_end_token() {
    let tokenizer = tokenizer();
    let pairs = [SentencePair {
        source: "A man".to_owned(),
        target: String::new(),
    }];
    let expected = Example {
        source: [tokenizer.encode("A man"), vec![2]].concat(),
        target: vec![2],
    };
    assert_eq!(PairTokenizer::from(tokenizer).encode_pairs(&pairs), [expected]);
}

#[test]
fn a_file_that_is_no_usable_tokenizer_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    let error = Tokenizer::load(&path).unwrap_err();
    assert!(matches!(error, DataError::Read { .. }), "{error:?}");

    tokenizer().save(&path).unwrap();
    let json = fs::read_to_string(&path).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        json.replace(from, to)
    };
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let with = |field: &str, part: serde_json::Value| {
        let mut changed = value.clone();
        assert_ne!(changed[field], part);
        changed[field] = part;
        changed.to_string()
    };
    let byte_level = |add_prefix_space: bool, use_regex: bool| {
        serde_json::json!({
            "type": "ByteLevel",
            "add_prefix_space": add_prefix_space,
            "trim_offsets": true,
            "use_regex": use_regex,
        })
    };
    let null = serde_json::Value::Null;
    let mut other_words = value["pre_tokenizer"].clone();
    other_words["pretokenizers"][0]["pattern"]["Regex"] = "[a-z]+".into();
    let mut other_strip = value["decoder"].clone();
    other_strip["decoders"][1]["start"] = 2.into();
    let cases = [
        (String::new(), "EOF"),
        (json[..json.len() / 2].to_owned(), "EOF"),
        ("{}".to_owned(), ""),
        (changed("</s>", "<end>"), "</s>"),
        (changed("<pad>", "[PAD]"), "<pad>"),
        (changed("\"!\": 3", "\"!!!\": 3"), "the token ! is missing"),
        (changed("\"type\": \"BPE\"", "\"type\": \"WordLevel\""), ""),
        (with("normalizer", serde_json::json!({"type": "Unknown"})), ""),
        (with("pre_tokenizer", null.clone()), "pre_tokenizer"),
        (
            with("pre_tokenizer", serde_json::json!({"type": "Whitespace"})),
            "pre_tokenizer",
        ),
        (with("pre_tokenizer", byte_level(true, true)), "pre_tokenizer"),
        (with("pre_tokenizer", byte_level(false, false)), "pre_tokenizer"),
        (with("pre_tokenizer", other_words), "pre_tokenizer"),
        (with("decoder", null.clone()), "Strip"),
        (with("decoder", byte_level(false, true)), "Strip"),
        (with("decoder", other_strip), "Strip"),
        (with("normalizer", null), "its decoder must be ByteLevel"),
        (changed("\"dropout\": null", "\"dropout\": 0.1"), "random"),
    ];
    for (contents, reason) in cases {
        fs::write(&path, &contents).unwrap();
        let error = Tokenizer::load(&path).expect_err(&contents);
        assert!(matches!(error, DataError::InvalidTokenizer { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("tokenizer.json"), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn truncation_and_padding_of_a_file_do_not_apply() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    tokenizer().save(&path).unwrap();
    let json = fs::read_to_string(&path).unwrap();
    let truncation =
        r#""truncation": {"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0}"#;
    let padding = r#""padding": {"strategy":{"Fixed":50},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,
        "pad_type_id":0,"pad_token":"<pad>"}"#;
    let changed = json
        .replace("\"truncation\": null", truncation)
        .replace("\"padding\": null", padding);
    assert!(changed.contains(truncation) && changed.contains(padding));
    fs::write(&path, changed).unwrap();
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert_eq!(tokenizer.encode(LINES[0]), self::tokenizer().encode(LINES[0]));
    assert_eq!(
        tokenizer.encode_batch(&LINES)[1],
        self::tokenizer().encode(LINES[1])
    );
}

#[test]
fn no_text_has_fewer_tokens_than_its_bound() {
    let words = Tokenizer::train_whitespace(LINES.iter(), None).unwrap();
    for trained in [tokenizer(), unigram(), words] {
        let mut equal = 0;
        for text in LINES.iter().chain(&HOSTILE) {
            let (bound, tokens) = (trained.min_tokens(text), trained.encode(text).len());
            assert!(
                bound <= tokens,
                "{:?}: {bound} for {tokens} of {text:?}",
                trained.kind()
            );
            equal += usize::from(bound == tokens);
        }
        let is_exact = trained.kind() == TokenizerKind::Whitespace;
        assert_eq!(
            equal == LINES.len() + HOSTILE.len(),
            is_exact,
            "{:?}",
            trained.kind()
        );
        assert!(trained.min_tokens(&LINES.join(" ")) > 5);
    }
}

/// What a token spells is within the characters that it is said to stand for.
#[test]
fn offsets_are_the_characters_of_each_token() {
    let lines = || LINES.into_iter().cycle().take(60);
    for tokenizer in [
        Tokenizer::train_bpe(lines(), 400).unwrap(),
        Tokenizer::train_unigram(lines(), 400).unwrap(),
    ] {
        for text in LINES.iter().chain(&HOSTILE) {
            let (tokens, offsets) = (tokenizer.encode(text), tokenizer.offsets(text));
            assert_eq!(offsets.len(), tokens.len(), "{text:?}");
            // The first token begins with the space before the text.
            let mut end = 0_usize;
            for (token, range) in tokens.into_iter().zip(offsets) {
                let start = end;
                end += tokenizer.surface(token).len();
                let (first, last) = (start.saturating_sub(1), (end - 1).max(1));
                assert_eq!(range.start, text.floor_char_boundary(first), "{text:?}");
                assert_eq!(range.end, text.ceil_char_boundary(last), "{text:?}");
            }
            assert_eq!(end.saturating_sub(1), text.len());
        }
    }
    let words = Tokenizer::train_whitespace(["the old house"].into_iter(), None).unwrap();
    assert_eq!(words.offsets(" the  new house"), [1..4, 6..9, 10..15]);
}
