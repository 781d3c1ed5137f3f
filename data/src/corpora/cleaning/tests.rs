//! Cleaning: what each rule drops, that everything dropped is counted, and that a corpus larger than memory passes.

use attend_phrasebook::Phrasebook;

use super::{Cleaning, CleaningCounts};
use crate::error::DataError;
use crate::sentence_pair::SentencePair;

fn pair(source: &str, target: &str) -> SentencePair {
    SentencePair {
        source: source.to_owned(),
        target: target.to_owned(),
    }
}

/// The targets that `cleaning` keeps, and its counts.
fn clean(cleaning: &Cleaning, pairs: &[(&str, &str)]) -> (Vec<String>, CleaningCounts) {
    let pairs = pairs.iter().map(|(source, target)| Ok(pair(source, target)));
    let mut cleaned = cleaning.clean(pairs);
    let kept = cleaned.by_ref().map(|pair| pair.unwrap().target).collect();
    (kept, cleaned.counts())
}

fn from_toml(text: &str) -> Cleaning {
    toml::from_str(text).unwrap()
}

#[test]
fn each_rule_drops_and_counts_what_it_should() {
    let cleaning = from_toml("source_scripts = ['Latin']\ntarget_scripts = ['Cyrillic']\nmax_repeats = 2");
    let (kept, report) = clean(
        &cleaning,
        &[
            ("one", "один"),
            ("", "два"),
            ("two", " \t\u{a0}"),
            ("Tom", " Tom "),  // a copy, whatever the white space around it
            ("three", "drei"), // the target is not Cyrillic
            ("три", "три "),   // a copy, before its script counts
            ("три", "тpи три"),
            (" one ", "один"), // a duplicate
            ("uno", "один"),
            ("ein", "один"),          // "один" for the third time
            ("1984!", "1984."),       // no letters
            ("Windows", "Windows 7"), // more Latin than Cyrillic
            ("In Windows", "в Windows окне но"),
        ],
    );
    assert_eq!(kept, ["один", "один", "1984.", "в Windows окне но"]);
    let expected = CleaningCounts {
        kept: 4,
        empty: 2,
        copies: 2,
        wrong_script: 3,
        duplicates: 1,
        repeats: 1,
    };
    assert_eq!(report, expected);
    assert_eq!(report.read(), 13);
}

#[test]
fn each_rule_can_be_turned_off() {
    let pairs = [("a", "a"), ("b", "c"), ("b", "c"), ("b", "д")];
    let off = "duplicates = false\ncopies = false\nmax_repeats = 0";
    assert_eq!(clean(&from_toml(off), &pairs).1.kept, 4);
    for (rule, kept) in [
        ("duplicates = true", 3),
        ("copies = true", 3),
        ("max_repeats = 1", 2),
    ] {
        let key = rule.split(' ').next().unwrap();
        let others = off.lines().filter(|line| !line.starts_with(key));
        let settings: Vec<&str> = others.chain([rule]).collect();
        assert_eq!(
            clean(&from_toml(&settings.join("\n")), &pairs).1.kept,
            kept,
            "{rule}"
        );
    }
    let cyrillic = format!("{off}\ntarget_scripts = ['Cyrillic']");
    assert_eq!(clean(&from_toml(&cyrillic), &pairs).0, ["д"]);
}

#[test]
fn a_language_may_have_several_scripts() {
    let japanese = from_toml("target_scripts = ['Han', 'Hiragana', 'Katakana']");
    let pairs = [
        ("a", "漢字とひらがな"),
        ("b", "カタカナ"),
        ("c", "한국어"),
        ("d", "漢字 is Chinese"),
    ];
    assert_eq!(clean(&japanese, &pairs).0, ["漢字とひらがな", "カタカナ"]);
    let written = toml::to_string(&japanese).unwrap();
    assert_eq!(from_toml(&written), japanese, "{written}");
    let error = toml::from_str::<Cleaning>("source_scripts = ['Latn']").unwrap_err();
    assert!(
        error.message().contains("no script is called \"Latn\""),
        "{error}"
    );
}

#[test]
fn the_defaults_keep_a_clean_corpus_whole() {
    let train = Phrasebook::generate().train;
    let total = train.len();
    let pairs = train.iter().map(|train| Ok(pair(&train.english, &train.german)));
    let mut cleaned = Cleaning::default().clean(pairs);
    assert_eq!(cleaned.by_ref().count(), total);
    assert_eq!(cleaned.counts().kept, total);
}

#[test]
fn errors_pass_and_pairs_are_taken_one_at_a_time() {
    let endless = (0_u64..).map(|number| match number {
        3 => Err(DataError::EmptyCorpus {
            path: "somewhere".into(),
        }),
        _ => Ok(pair(&format!("source {number}"), &format!("target {number}"))),
    });
    let mut cleaned = Cleaning::default().clean(endless);
    assert!(cleaned.by_ref().take(3).all(|pair| pair.is_ok()));
    assert!(cleaned.next().unwrap().is_err());
    assert_eq!(cleaned.next().unwrap().unwrap().target, "target 4");
    assert_eq!(cleaned.counts().kept, 4);
}
