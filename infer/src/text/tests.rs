//! Texts cut into sentences, and joined again.

use crate::{InvalidLanguage, Translation};
use proptest::prelude::*;

use super::*;

/// As many tokens as characters, and no more than `limit`.
fn characters(limit: usize) -> impl Fn(&str) -> Result<Vec<u32>, usize> {
    move |text| match text.chars().count() {
        count if count > limit => Err(count),
        _ => Ok(text.chars().map(u32::from).collect()),
    }
}

fn texts(sentences: &[Sentence<'_>]) -> Vec<String> {
    let text = |sentence: &Sentence<'_>| {
        let characters = sentence
            .source
            .iter()
            .map(|&token| char::from_u32(token).unwrap());
        characters.collect()
    };
    sentences.iter().map(text).collect()
}

fn parts(text: &str, language: &str, limit: usize) -> Vec<String> {
    texts(&sentences(text, &language.parse().unwrap(), characters(limit)).unwrap())
}

/// Where a sentence ends is marked by `|`. Every case is met.
#[test]
fn sentences_end_where_readers_end_them() {
    for (language, marked) in [
        ("en", "We met Dr. Smith and Mrs. Jones.|They live in St. Louis."),
        ("en", "It costs $3.50.|Version 2.1 is out!|Is it?|Yes."),
        ("en", "He left at 5 p.m. on Monday.|She stayed, i.e. she waited."),
        ("en", "J. R. R. Tolkien wrote it.|See pp. 3 and 4, e.g. Fig. 2."),
        ("en", "\"Really?\" he asked.|\"Yes!\"|She left... and came back."),
        ("en", "Visit www.example.com now.|The U.S. troops left."),
        ("en", "no capital follows.|but it ends!  "),
        ("de", "Er kam z. B. am 3. Oktober um 14.30 Uhr.|Dann ging er."),
        (
            "de",
            "Dr. Müller wohnt in der Hauptstr. 5.|Das kostet ca. 3,50 Euro usw. und mehr.",
        ),
        (
            "de",
            "Am 1. Januar war d. h. nichts los.|Ludwig XIV. war König.|Wirklich?|Ja!",
        ),
        (
            "de",
            "Wir haben 1.000.000 Euro.|Frau Prof. Schulze ist z. Z. nicht da.",
        ),
        ("de", "„Das ist gut. Sehr gut.“|Danach ging er."),
        ("de-DE", "Er kam z. B. am 3. Oktober.|Dann ging er."),
        ("de-at", "Er kam z. B. am 3. Oktober.|Dann ging er."),
        ("fr", "Il a dit : « Bonjour ! »|Puis il est parti."),
        ("ja", "これは文です。|これも文です！|本当？"),
        ("ja", "「もう行くよ。」|父はNode.Jsの本を買った。"),
        ("zh", "你好。|再见！"),
        ("zh", "他问:“你吃了吗？”|我没吃!|我在写report.PDF。"),
        ("zh-Hant", "你好。|再見！"),
        ("en", "Open report.PDF now.|It is in C:/Docs.New/a.B."),
        ("en", "He likes Node.Js!|See https://x.org/a.B?c=D.E for more."),
        ("en", "1. The garden is small.|2. The house is big."),
        ("en", "She came.|Then it rained. 12. 13."),
        ("en", "- First point.|- Second point!"),
        ("en", "«Stop!»|😀 They laughed. 😀"),
        ("en", "We are hungry.🌾|The garden is small!)👩‍🌾❤️|Yes…🇩🇪|no"),
        ("en", "Version 2.😀1 is out.😀"),
        ("zh", "你好。|😀再见！"),
        ("hi", "राम घर गया।|सीता १.५ किलो सेब लाई।|क्या यह ठीक है?|हाँ!"),
        ("th", "เขาชอบแอปเปิล! |เธอไป Node.Js แล้ว? |ใช่"),
        ("ar", "ذهب الولد إلى المدرسة.|هل عاد؟|نعم!|انتهى الدرس 1.5 ساعة."),
        ("tr", "Ali 3. sınıfa gidiyor.|Can geldi mi?|Evet!"),
        ("da", "Den 3. oktober kom han.|Så gik han."),
    ] {
        let text = match &language[..2] {
            "ja" | "zh" | "th" => marked.replace('|', ""),
            _ => marked.replace('|', " "),
        };
        let expected: Vec<&str> = marked.split('|').map(str::trim).collect();
        assert_eq!(parts(&text, language, 1_000), expected);
    }
}

#[test]
fn a_language_has_a_code() {
    for (written, code) in [
        ("en", "en"),
        ("DE", "de"),
        ("zh-Hant", "zh-hant"),
        ("de_DE", "de-de"),
        ("de_DE.UTF-8", "de-de"),
        ("sr_RS@latin", "sr-rs"),
        ("deu", "de"),
        ("ger-AT", "de-at"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("yue", "yue"),
        ("nds", "nds"),
        ("ber", "ber"),
        ("und", "und"),
        ("iw", "he"),
        ("qtx", "qtx"),
    ] {
        assert_eq!(
            written.parse::<Language>().unwrap().to_string(),
            code,
            "{written}"
        );
    }
    for code in [
        "", "english", "x", "xx", "e n", "de-", "de--at", "de-ä", "d2", "q\u{e4}", "qzz", "C", "_DE", "xyz",
    ] {
        assert_eq!(code.parse::<Language>(), Err(InvalidLanguage), "{code}");
    }
}

#[test]
fn a_long_sentence_is_cut_at_punctuation_then_spaces_then_anywhere() {
    for (text, expected) in [
        ("one, two, three four", vec!["one, two,", "three four"]),
        ("one two three four", vec!["one two", "three four"]),
        ("one  two   three four", vec!["one  two", "three four"]),
        ("onetwothreefour", vec!["onetwothre", "efour"]),
        ("x onetwothreefour", vec!["x", "onetwothre", "efour"]),
        ("1,234,567,890,123", vec!["1,234,567,", "890,123"]),
        (
            "一二三四五、六七八九十百千",
            vec!["一二三四五、", "六七八九十百千"],
        ),
        ("0123456789", vec!["0123456789"]),
    ] {
        assert_eq!(parts(text, "en", 10), expected);
    }
    // A letter and its marks, and an emoji, are cut only if they are too long by themselves.
    for (text, limit, expected) in [
        ("e\u{301}e\u{301}", 3, vec!["e\u{301}", "e\u{301}"]),
        ("a👩‍👩‍👧👩‍👩‍👧", 8, vec!["a👩‍👩‍👧", "👩‍👩‍👧"]),
        ("🇩🇪🇫🇷", 3, vec!["🇩🇪", "🇫🇷"]),
        ("क्षिक्षि", 5, vec!["क्षि", "क्षि"]),
        ("一、\u{301}二三四", 4, vec!["一、\u{301}二", "三四"]),
        (
            "ae\u{301}\u{302}\u{303}b",
            3,
            vec!["a", "e\u{301}\u{302}", "\u{303}b"],
        ),
    ] {
        assert_eq!(parts(text, "en", limit), expected);
    }
    let refuse = |_: &str| Err(7);
    assert_eq!(sentences("a b", &Language::default(), refuse), Err(7));
    assert_eq!(sentences(" \u{3000}\n", &Language::default(), refuse), Ok(vec![]));
}

/// A text longer than a window has the same sentences as its parts.
#[test]
fn a_long_text_is_cut_between_sentences() {
    let sentence = "This is Dr. Smith, who has 2.5 dogs.";
    for count in [100, 1_000] {
        let text = vec![sentence; count].join(" ");
        assert_eq!(parts(&text, "en", 100), vec![sentence; count]);
    }
    let endless = "word ".repeat(5_000);
    assert_eq!(parts(&endless, "en", 14).len(), 1_667);
    // Each of the four full windows ends in a part of 96 characters.
    assert_eq!(parts(&"é".repeat(20_000), "en", 100).len(), 201);
    // A window without white space ends between letters with their marks, unless one of these fills it.
    for letter in [
        "e\u{301}".to_owned(),
        "👩‍👩‍👧".to_owned(),
        "x".to_owned() + &"\u{301}".repeat(WINDOW),
    ] {
        let text = letter.repeat(2 + 3 * WINDOW / letter.len());
        let found = parts(&text, "en", usize::MAX);
        assert!(found.len() > 2 && found.concat() == text);
        if letter.len() < WINDOW {
            assert!(found.iter().all(|part| part.starts_with(&letter)), "{letter}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_everything_fits(
        text in r#"([a-zA-Z]{0,9}|[.,!?;:"'()«„“ ]{1,3}|\PC{0,4}|[\s\x00\u{2028}]{0,2}|z\. B\. |[。、])*"#,
        limit in 1usize..40,
        language in prop::sample::select(vec!["en", "de", "ja", "ar"]),
    ) {
        let found = sentences(&text, &language.parse().unwrap(), characters(limit)).unwrap();
        let mut whole = String::new();
        for (sentence, part) in found.iter().zip(texts(&found)) {
            let spacing = sentence.spacing.unwrap_or_default();
            prop_assert!(is_blank(spacing));
            prop_assert!(!is_blank(&part) && part.trim() == part);
            prop_assert!(sentence.source.len() <= limit);
            whole += spacing;
            whole += &part;
        }
        let rest = text.trim().strip_prefix(&whole);
        prop_assert!(rest.is_some_and(is_blank), "{whole:?} of {text:?}");
    }

    /// A cut that the length alone asks for is between two graphemes, if these fit.
    #[test]
    fn no_grapheme_is_cut(
        graphemes in prop::collection::vec(
            prop::sample::select(vec!["a", "e\u{301}\u{302}", "क्षि", "👩‍👩‍👧", "🇩🇪", "가", "각", "👍🏽"]),
            1..30,
        ),
        limit in 5usize..20,
    ) {
        let text = graphemes.concat();
        let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(place, _)| place).collect();
        for sentence in sentences(&text, &Language::default(), characters(limit)).unwrap() {
            prop_assert!(boundaries.contains(&offset(&text, sentence.text)), "{}", sentence.text);
        }
    }

    /// All ways to choose a translation of each sentence, ranked by their sums.
    #[test]
    fn the_best_of_a_text_are_the_best_sums(
        scores in prop::collection::vec(prop::collection::vec(0u8..50, 1..4), 1..4),
        nbest in 1usize..6,
    ) {
        let sentences: Vec<Vec<LinkedTranslation>> = scores
            .iter()
            .enumerate()
            .map(|(place, scores)| {
                let mut scores = scores.clone();
                scores.sort();
                let translation = |(rank, score): (usize, u8)| Translation {
                    text: format!("{place}{rank}"),
                    score: -f32::from(score),
                    log_probability: -2.0 * f32::from(score),
                    tokens: vec![(10 * place + rank) as u32],
                    alignment: None,
                };
                let translations = scores.into_iter().enumerate().map(translation);
                translations.map(LinkedTranslation::from).collect()
            })
            .collect();
        let mut all = vec![(0.0, String::new())];
        for (place, translations) in sentences.iter().enumerate() {
            let spacing = if place == 0 { "" } else { " " };
            let extended = all.iter().flat_map(|(score, text): &(f32, String)| {
                let extend = move |LinkedTranslation { translation: t, .. }: &LinkedTranslation| (score + t.score, format!("{text}{spacing}{}", t.text));
                translations.iter().map(extend)
            });
            all = extended.collect();
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.truncate(nbest);

        let spacings = ["", " ", " ", " "].map(Some);
        let joined = join(&spacings[..sentences.len()], &sentences, nbest);
        let joined: Vec<Translation> = joined.into_iter().map(|joined| joined.translation).collect();
        let found: Vec<f32> = joined.iter().map(|translation| translation.score).collect();
        let expected: Vec<f32> = all.iter().map(|(score, _)| *score).collect();
        prop_assert_eq!(found, expected);
        for translation in &joined {
            prop_assert_eq!(translation.log_probability, 2.0 * translation.score);
            let tokens: Vec<String> = translation.tokens.iter().map(|token| format!("{token:02}")).collect();
            prop_assert_eq!(tokens.join(" "), translation.text.as_str());
        }
        let mut different: Vec<&str> = joined.iter().map(|translation| translation.text.as_str()).collect();
        different.sort_unstable();
        different.dedup();
        prop_assert_eq!(different.len(), joined.len());
    }
}

#[test]
fn samples_of_a_text_come_in_the_order_drawn() {
    let sample = |text: &str, score| {
        LinkedTranslation::from(Translation {
            text: text.to_owned(),
            score,
            log_probability: 2.0 * score,
            tokens: vec![text.len() as u32],
            alignment: None,
        })
    };
    let sentences = [
        vec![sample("a", -3.0), sample("bb", -1.0)],
        vec![sample("ccc", -4.0), sample("dddd", -2.0)],
    ];
    let joined = join_samples(&[Some(""), Some("  ")], &sentences);
    let expected = [("a  ccc", -7.0, [1, 3]), ("bb  dddd", -3.0, [2, 4])];
    assert_eq!(joined.len(), 2);
    for (
        LinkedTranslation {
            translation: joined, ..
        },
        (text, score, tokens),
    ) in joined.iter().zip(expected)
    {
        assert_eq!((joined.text.as_str(), joined.score), (text, score));
        assert_eq!(
            (joined.log_probability, &joined.tokens[..]),
            (2.0 * score, &tokens[..])
        );
    }
    assert_eq!(join_samples(&[], &[]), [LinkedTranslation::default()]);
}

/// What stands between two sentences, where the source has `spacing` between them.
#[test]
fn sentences_are_joined_as_the_script_of_the_translation_has_it() {
    let sentence = |text: &str| {
        vec![LinkedTranslation::from(Translation {
            text: text.to_owned(),
            ..Translation::default()
        })]
    };
    for (spacing, first, second, expected) in [
        (
            "",
            "They like apples.",
            "I buy no book.",
            "They like apples. I buy no book.",
        ),
        ("  \t", "Sie gehen.", "Ich nicht.", "Sie gehen.  \tIch nicht."),
        ("\u{3000}", "Ali geldi.", "Ben gittim.", "Ali geldi. Ben gittim."),
        ("\r", "Ali geldi.", "Ben gittim.", "Ali geldi. Ben gittim."),
        ("", "राम गया।", "सीता आई।", "राम गया। सीता आई।"),
        ("", "ذهب.", "هل عاد؟", "ذهب. هل عاد؟"),
        ("", "เขาไปแล้ว", "เธอยังอยู่", "เขาไปแล้ว เธอยังอยู่"),
        (" ", "他们喜欢苹果。", "我不买书。", "他们喜欢苹果。我不买书。"),
        (
            "  ",
            "彼はiPadを買った。",
            "私は行かない。",
            "彼はiPadを買った。私は行かない。",
        ),
        ("\t", "你好。", "再见！", "你好。\t再见！"),
        ("\u{3000}\t\u{a0}", "你好。", "再见！", "你好。\t再见！"),
        (" ", "1.", "2.", "1. 2."),
        // Of a part that no reader sees, only the white space around it stays.
        (" \u{200c}", "Sie gehen.", "Ich nicht.", "Sie gehen. Ich nicht."),
        ("\u{200b}\u{200c}", "你好。", "再见！", "你好。再见！"),
    ] {
        let sentences = [sentence(first), sentence(second)];
        for joined in [
            join(&[Some(""), Some(spacing)], &sentences, 1),
            join_samples(&[Some(""), Some(spacing)], &sentences),
        ] {
            assert_eq!(joined[0].translation.text, expected);
        }
    }
    // A word of the source goes on.
    let sentences = [sentence("Donaudampf"), sentence("schiff")];
    let joined = join(&[Some(""), None], &sentences, 1);
    assert_eq!(joined[0].translation.text, "Donaudampfschiff");
}

/// What has been joined does not change when another sentence comes.
#[test]
fn the_translations_of_the_first_sentences_begin_that_of_the_text() {
    let spacings = vec![Some(" "); 5];
    for sentences in [
        ["Ali geldi.", "你好。", "再见，再见，再见！", "再见！", "OK."],
        ["你好。", "再见！", "Ben de gittim.", "Ali geldi.", "再见！"],
        ["1.", "你好。", "2.", "Ali geldi.", "3."],
    ] {
        let of_sentence = |text: &str| {
            vec![LinkedTranslation::from(Translation {
                text: text.to_owned(),
                ..Translation::default()
            })]
        };
        let sentences = sentences.map(of_sentence);
        let whole = join(&spacings, &sentences, 1).swap_remove(0).translation.text;
        for count in 1..sentences.len() {
            let first = join(&spacings[..count], &sentences[..count], 1);
            assert!(whole.starts_with(&first[0].translation.text), "{whole}");
        }
    }
}

#[test]
fn only_a_word_that_was_cut_goes_on() {
    let spacings = |text: &str, language: &str| -> Vec<Option<String>> {
        let found = sentences(text, &language.parse().unwrap(), characters(6)).unwrap();
        found
            .iter()
            .map(|sentence| sentence.spacing.map(str::to_owned))
            .collect()
    };
    let some = |spacing: &str| Some(spacing.to_owned());
    assert_eq!(spacings("onetwothree  four", "en"), [some(""), None, some("  ")]);
    assert_eq!(
        spacings("我喜欢苹果和香蕉，你呢？好。", "zh"),
        [some(""), some(""), some("")]
    );
}

#[test]
fn a_part_that_no_reader_sees_is_no_sentence() {
    let invisible = "\u{200b}".repeat(WINDOW + 1);
    for text in [
        invisible.clone(),
        format!("{invisible} Yes."),
        format!("Yes.{invisible}"),
    ] {
        let found = sentences(&text, &Language::default(), characters(usize::MAX)).unwrap();
        assert!(found.len() <= 1 && found.iter().all(|sentence| !is_blank(sentence.text)));
    }
}

/// Text that has an end of a sentence at each second character takes time that grows with its length, not with the
/// square of it.
#[test]
fn junk_is_divided_in_one_pass() {
    for unit in [
        "1. ",
        "a.B",
        "。",
        "! ",
        ")?",
        "…",
        "1.)",
        "!😀 ",
        "!)",
        "e\u{301}",
        "x👩‍👩‍👧",
    ] {
        let text = unit.repeat(100_000 / unit.len());
        let found = sentences(&text, &Language::default(), characters(100)).unwrap();
        assert!(!found.is_empty());
    }
}
