//! Constraints in several languages: where a word counts as a word of its own, in any spelling.

use std::sync::Arc;

use attend_infer::search::{BannedWords, RequiredWords, SearchOptions, SurfaceForms};
use attend_infer::{InferError, TranslateOptions};

/// A vocabulary of the given tokens, and of all single bytes.
struct Vocabulary(Vec<Vec<u8>>);

impl Vocabulary {
    fn new(tokens: &[&str]) -> Self {
        let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
        Self(
            tokens
                .iter()
                .map(|token| token.as_bytes().to_vec())
                .chain(bytes)
                .collect(),
        )
    }

    fn surfaces(&self) -> Arc<SurfaceForms> {
        Arc::new(SurfaceForms::new(self.0.clone()))
    }

    /// Spells a text by the first token of the vocabulary that fits, again and again.
    fn spell(&self, text: &str) -> Vec<u32> {
        let (mut rest, mut tokens) = (text.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let token = self.0.iter().position(|token| rest.starts_with(token)).unwrap();
            tokens.push(token as u32);
            rest = &rest[self.0[token].len()..];
        }
        tokens
    }

    fn bans(&self, word: &str, text: &str) -> bool {
        BannedWords::new(&[word], self.surfaces()).occur_in(&self.spell(text))
    }

    fn meets(&self, word: &str, text: &str) -> bool {
        let spellings = [format!(" {word}"), word.to_owned()].map(|word| self.spell(&word));
        RequiredWords::new(vec![spellings.to_vec()], self.surfaces()).are_met(&self.spell(text))
    }
}

/// Each row: a language, a word, texts that have it, and texts that do not.
type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const ROWS: [Row; 10] = [
    (
        "Hindi",
        "कर",
        &["वह काम कर रहा है।", "कर", "कर-मुक्त", "“कर”"],
        &["कर्म ही पूजा है।", "करना", "उसका कर\u{200d}म", "मकर"],
    ),
    // The letter QA is one character in NFC's exclusions and two in NFD, both of which Unicode calls equal.
    ("Hindi", "क़लम", &["मेरी \u{958}लम", "मेरी क\u{93c}लम"], &["मेरी कलम"]),
    (
        "Thai",
        "แมว",
        &["ฉันมีแมวดำ", "แมว", "แมว กับหมา"],
        &["ฉันมีหมา", "แม่ว"],
    ),
    (
        "Arabic",
        "كتاب",
        &["هذا كتاب، جديد", "كتاب"],
        &["الكتاب", "كتابي", "كتابٌ"],
    ),
    (
        "Chinese",
        "苹果",
        &["我喜欢苹果。", "苹果手机", "吃苹果!", "苹果"],
        &["苹 果", "蘋果"],
    ),
    (
        "Japanese",
        "りんご",
        &["青いりんごを食べた。", "りんご", "りんこ\u{3099}と"],
        &["りんこ", "りん"],
    ),
    ("Japanese", "ガス", &["ガスが出る", "カ\u{3099}ス"], &["カス"]),
    (
        "German",
        "Fahrrad",
        &["Das Fahrrad.", "Fahrrad-Weg", "Fahr\u{ad}rad"],
        &["Fahrradweg", "das fahrrad"],
    ),
    (
        "German",
        "schön",
        &["sehr scho\u{308}n!", "schön"],
        &["schon", "schöne", "scho\u{308}ner"],
    ),
    (
        "Turkish",
        "dağ",
        &["bu dağ yüksek", "dag\u{306}", "dağ’da"],
        &["dağda", "dag", "Dağ"],
    ),
];

#[test]
fn a_word_is_found_where_a_reader_finds_it_however_it_is_spelt() {
    let spellings: [&[&str]; 3] = [
        &[],
        &[
            " कर",
            "कर",
            "苹",
            "我喜欢苹",
            "Fahr",
            "rad",
            "แมวดำ",
            "เ",
            "dağ",
            " dağ",
            "كتا",
        ],
        &[
            " क",
            "र्म",
            "喜欢苹果。",
            "果",
            " Fahrrad",
            "weg",
            "schön",
            "e",
            "ガ",
            "りんごを",
            " كتاب",
        ],
    ];
    for tokens in spellings {
        let vocabulary = Vocabulary::new(tokens);
        for (language, word, with, without) in ROWS {
            for text in with {
                assert!(vocabulary.bans(word, text), "{language}: {word} in {text:?}");
                assert!(vocabulary.meets(word, text), "{language}: {word} in {text:?}");
            }
            for text in without {
                assert!(!vocabulary.bans(word, text), "{language}: no {word} in {text:?}");
                assert!(!vocabulary.meets(word, text), "{language}: no {word} in {text:?}");
            }
        }
    }
}

#[test]
fn a_mark_alone_is_refused_as_a_word() {
    let mark = "\u{94d}म".to_owned();
    let required = TranslateOptions {
        search: SearchOptions::default(),
        required: vec!["yes".to_owned(), mark.clone()],
        ..TranslateOptions::default()
    };
    let banned = TranslateOptions {
        banned: vec![mark.clone()],
        ..TranslateOptions::default()
    };
    for (options, expected) in [(required, "required"), (banned, "banned")] {
        match options.validate() {
            Err(InferError::NoWord { field, text }) => assert_eq!((field, &text), (expected, &mark)),
            result => panic!("{result:?}"),
        }
    }
}
