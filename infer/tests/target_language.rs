//! The target language of a model of several: its token is before each sentence that the model reads.

use attend_infer::search::SearchOptions;
use attend_infer::{
    Format, GivenTranslation, InferError, Language, ModelFolder, SpanKind, TranslateOptions, Translation,
    Translator,
};
use tempfile::TempDir;

use crate::common::{
    MAX_SOURCE_TOKENS, each, model_folder, model_folder_of_files, model_folder_of_pieces, pieces, translator,
    write_pieces,
};

/// A model of pieces with the tokens `>>deu<<` and `>>fra<<`.
fn model_folder_of_languages() -> ModelFolder {
    let folder = TempDir::new().unwrap();
    let mut pieces = pieces();
    pieces[1].push(">>fra<<".to_owned());
    write_pieces(folder.path(), &pieces, false);
    model_folder_of_files(folder.path(), false)
}

fn into(language: Option<&str>) -> TranslateOptions {
    TranslateOptions {
        search: SearchOptions {
            beam_size: 1,
            max_length: Some(8),
            ..SearchOptions::default()
        },
        target_language: language.map(str::to_owned),
        ..TranslateOptions::default()
    }
}

fn divided(language: Option<&str>) -> TranslateOptions {
    TranslateOptions {
        language: Some(Language::default()),
        ..into(language)
    }
}

fn best(translator: &Translator, line: &str, options: &TranslateOptions) -> Translation {
    each(translator.translate(&[line], options))
        .swap_remove(0)
        .swap_remove(0)
}

#[test]
fn each_sentence_of_a_text_gets_the_language() {
    let translator = translator(model_folder_of_languages());
    let sentences = ["The house is small.", "Good morning!", "An old man reads a book."];
    let text = sentences.join(" ");
    let one_by_one = |language: &str| {
        let read = |sentence: &&str| best(&translator, &format!("{language}{sentence}"), &into(None));
        let found: Vec<Translation> = sentences.iter().map(read).collect();
        let log_probability = found.iter().map(|found| found.log_probability).sum::<f32>();
        let tokens: Vec<u32> = found.into_iter().flat_map(|found| found.tokens).collect();
        (tokens, log_probability)
    };
    let german = one_by_one(">>deu<< ");
    let french = one_by_one(">>fra<< ");
    let plain = one_by_one("");
    for (one, other) in [(&german, &french), (&german, &plain), (&french, &plain)] {
        assert!((one.1 - other.1).abs() > 1e-3, "{one:?} {other:?}");
    }
    for (line, language, expected) in [
        (text.clone(), None, &plain),
        (text.clone(), Some("deu"), &german),
        (text.clone(), Some("fra"), &french),
        (format!(">>deu<< {text}"), None, &german),
        (format!(" >>deu<<{text}"), None, &german),
        // The line's own language goes before that of the options.
        (format!(">>deu<< {text}"), Some("fra"), &german),
    ] {
        let found = best(&translator, &line, &divided(language));
        assert_eq!(found.tokens, expected.0, "{line}, {language:?}");
        let difference = found.log_probability - expected.1;
        assert!(difference.abs() < 1e-4, "{line}, {language:?}: {difference}");
    }
    // A language alone is no text.
    assert_eq!(best(&translator, ">>deu<<", &divided(None)).text, "");
    assert_eq!(best(&translator, " ", &divided(Some("deu"))).text, "");
}

#[test]
fn each_part_of_a_sentence_that_is_too_long_gets_the_language() {
    let translator = translator(model_folder_of_languages());
    let words = |count: usize| ["the", "house", "is", "small"].into_iter().cycle().take(count);
    let joined = |words: Vec<&str>| words.join(" ");
    let line = joined(words(MAX_SOURCE_TOKENS + 20).collect());
    // Each word is one token, and so is the language.
    let first = joined(words(MAX_SOURCE_TOKENS - 1).collect());
    let rest = joined(
        words(MAX_SOURCE_TOKENS + 20)
            .skip(MAX_SOURCE_TOKENS - 1)
            .collect(),
    );
    let expected =
        [first, rest].map(|part| best(&translator, &format!(">>fra<< {part}"), &into(None)).tokens);
    assert_eq!(
        best(&translator, &line, &divided(Some("fra"))).tokens,
        expected.concat()
    );
    assert_eq!(
        best(&translator, &format!(">>fra<< {line}"), &divided(None)).tokens,
        expected.concat()
    );
    // The language takes a position of the model, too.
    let most = joined(words(MAX_SOURCE_TOKENS).collect());
    best(&translator, &most, &into(None));
    let refused = translator.translate(&[&most], &into(Some("fra"))).swap_remove(0);
    assert!(
        matches!(refused, Err(InferError::TooLong { tokens, .. }) if tokens == MAX_SOURCE_TOKENS + 1),
        "{refused:?}"
    );
}

#[test]
fn lines_with_tags_and_spans_get_the_language() {
    let translator = translator(model_folder_of_languages());
    let without_tags = |text: &str| text.replace("<b>", "").replace("</b>", "");
    let marked = |language| TranslateOptions {
        format: Format::Html,
        keep: vec![SpanKind::Urls, SpanKind::Numbers],
        ..divided(language)
    };
    let line = "The <b>house</b> is small. Good morning!";
    let text = best(&translator, &without_tags(line), &divided(Some("fra"))).text;
    let found = best(&translator, line, &marked(Some("fra")));
    assert!(
        found.text.contains("<b>") && found.text.contains("</b>"),
        "{}",
        found.text
    );
    assert_eq!(
        without_tags(&html_escape::decode_html_entities(&found.text)),
        text
    );
    for named in [">>fra<< ", "&gt;&gt;fra&lt;&lt; "] {
        let found_named = best(&translator, &format!("{named}{line}"), &marked(None));
        assert_eq!(found_named.text, found.text, "{named}");
    }
    // The links are those of the words of the line, whether it names the language itself or not.
    let line = "Good <b>morning</b> 25, <b>the</b> house. See https://example.org/a, it is <b>small</b>.";
    let asked = best(&translator, line, &marked(Some("deu"))).text;
    let named = best(&translator, &format!(">>deu<< {line}"), &marked(None)).text;
    assert_eq!(asked, named);
    assert!(
        asked.contains("25") && asked.contains("https://example.org/a"),
        "{asked}"
    );
    // No tag and no span stands in the language of a line.
    for line in [
        ">>d<b>eu<< yes</b>.",
        ">>deu<br><< Yes. Good morning.",
        ">>25<< yes",
        ">><code>deu</code><< yes",
    ] {
        best(&translator, line, &marked(Some("fra")));
    }
}

/// If no word of a translation gives a tagged word half of its attention, the tag is on the word that gives most.
#[test]
fn a_tag_is_on_the_word_that_attends_most_to_the_tagged_one() {
    let words = ["a", "b", "c", "d", "e", "f"];
    let folder = TempDir::new().unwrap();
    let of = |words: &[&str]| words.iter().map(|word| format!("▁{word}")).collect();
    let translations = ["mo", "ki", "ru", "ta", "ve", "zu", "pal", "sen", "dor", "lin"];
    write_pieces(folder.path(), &[of(&words), of(&translations)], true);
    let translator = translator(model_folder_of_files(folder.path(), true));
    let line = words.join(" ");
    // A translation that repeats no word, so that its words attend to different ones.
    let without_repetition = |options: TranslateOptions| TranslateOptions {
        search: SearchOptions {
            no_repeat_ngram: 1,
            ..options.search
        },
        ..options
    };
    let aligned = TranslateOptions {
        alignment: true,
        ..without_repetition(into(Some("deu")))
    };
    let found = best(&translator, &line, &aligned);
    let alignment = found.alignment.unwrap();
    assert_eq!(
        alignment.source.len(),
        1 + words.len() + 1,
        "the language and </s>"
    );
    let written: Vec<&str> = found.text.split(' ').collect();
    let attention = &alignment.attention[..written.len()];
    assert_eq!(written.len(), found.tokens.len(), "{written:?}");
    // The words share what the language and `</s>` do not get.
    let share = |row: &Vec<f32>, word: usize| row[1 + word] / row[1..=words.len()].iter().sum::<f32>();
    let html = |options| TranslateOptions {
        format: Format::Html,
        ..without_repetition(options)
    };
    let mut tagged = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let shares: Vec<f32> = attention.iter().map(|row| share(row, number)).collect();
        assert!(shares.iter().all(|share| *share < 0.5), "{shares:?}");
        let most = (0..shares.len())
            .max_by(|one, other| shares[*one].total_cmp(&shares[*other]))
            .unwrap();
        let mut expected: Vec<String> = written.iter().map(ToString::to_string).collect();
        expected[most] = format!("<b>{}</b>", expected[most]);
        let line = line.replace(word, &format!("<b>{word}</b>"));
        for (line, options) in [
            (line.clone(), into(Some("deu"))),
            (line.clone(), divided(Some("deu"))),
            (format!("&gt;&gt;deu&lt;&lt; {line}"), divided(None)),
        ] {
            let found = best(&translator, &line, &html(options)).text;
            assert_eq!(found, expected.join(" "), "{line}: {shares:?}");
        }
        tagged.push(most);
    }
    tagged.sort_unstable();
    tagged.dedup();
    assert!(tagged.len() > 1, "the words attend to different ones");
}

#[test]
fn an_alignment_counts_the_words_of_the_line() {
    let translator = translator(model_folder_of_languages());
    let aligned = |language| TranslateOptions {
        alignment: true,
        ..into(language)
    };
    let source = "an old man reads a book";
    let named = best(&translator, &format!(">>deu<< {source}"), &aligned(None));
    let asked = best(&translator, source, &aligned(Some("deu")));
    assert_eq!(asked.tokens, named.tokens);
    let (named, asked) = (named.alignment.unwrap(), asked.alignment.unwrap());
    assert_eq!(
        (&asked.source, &asked.attention),
        (&named.source, &named.attention)
    );
    assert_eq!(asked.source[0], ">>deu<<");
    assert_eq!(asked.words.len(), named.words.len());
    let mut compared = 0;
    for ([source, target], [with_language, same]) in asked.words.into_iter().zip(named.words) {
        assert!(source < 6 && target == same);
        if let Some(word) = with_language.checked_sub(1) {
            assert_eq!(source, word);
            compared += 1;
        }
    }
    assert!(compared > 0);
}

#[test]
fn a_given_translation_is_scored_after_the_language() {
    let translator = translator(model_folder_of_languages());
    let score = |source: &str, language| {
        let options = TranslateOptions {
            alignment: true,
            ..into(language)
        };
        let given = GivenTranslation {
            source,
            target: "das Haus",
            number: 0,
        };
        translator.score(&[given], &options).swap_remove(0).unwrap()
    };
    let asked = score("the house", Some("deu"));
    assert_eq!(
        asked.log_probability,
        score(">>deu<< the house", None).log_probability
    );
    assert_eq!(
        asked.log_probability,
        score(">>deu<< the house", Some("fra")).log_probability
    );
    assert_ne!(asked.log_probability, score("the house", None).log_probability);
    let words = asked.alignment.unwrap().words;
    assert_eq!(words.len(), 2);
    assert!(words.iter().all(|[source, _]| *source < 2), "{words:?}");
}

#[test]
fn a_language_that_the_model_does_not_have_is_refused() {
    let refused = |folder: ModelFolder, language: &str| {
        let translator = translator(folder);
        let found = translator.translate(&["yes", ""], &into(Some(language)));
        let messages: Vec<String> = found
            .into_iter()
            .map(|found| found.unwrap_err().to_string())
            .collect();
        assert_eq!(messages[0], messages[1]);
        messages[0].clone()
    };
    assert_eq!(
        refused(model_folder_of_languages(), "fr"),
        "the model does not translate into \"fr\"; it translates into fra, deu"
    );
    for other in [">>deu<<", "deu<<", "", "deu<< >>fra"] {
        let message = refused(model_folder_of_languages(), other);
        assert!(message.contains("deu") && message.contains("fra"), "{message}");
    }
    for folder in [model_folder(), without_languages()] {
        assert_eq!(
            refused(folder, "deu"),
            "the model translates into one language alone: its vocabulary has no token such as >>deu<<"
        );
    }

    let folder = TempDir::new().unwrap();
    let mut pieces = pieces();
    pieces[1].extend(('a'..='z').map(|letter| format!(">>x{letter}<<")));
    write_pieces(folder.path(), &pieces, false);
    let message = refused(model_folder_of_files(folder.path(), false), "yz");
    let listed = message.strip_prefix(
        "the model does not translate into \"yz\"; it translates into 27 languages, such as xz, ",
    );
    assert_eq!(listed.expect(&message).split(", ").count(), 19);
}

/// A model of pieces whose source tokenizer reads no language.
fn without_languages() -> ModelFolder {
    let folder = model_folder_of_pieces(false);
    ModelFolder {
        source_tokenizer: folder.source_tokenizer.clone().without_languages(),
        ..folder
    }
}
