//! Terms of glossaries, in the translations of a small model with random weights.

use std::sync::Arc;

use attend_infer::search::{SearchError, SearchOptions, Stopping};
use attend_infer::{
    Format, Glossary, InferError, Language, Line, SpanKind, TagNames, TranslateOptions, Translation,
};

use crate::common::{SENTENCES, each, model_folder, searching, translator};

fn glossary(pairs: &[(&str, &str)]) -> Arc<Glossary> {
    let mut glossary = Glossary::default();
    for (source, target) in pairs {
        glossary.add(source, target).unwrap();
    }
    Arc::new(glossary)
}

fn terms() -> Arc<Glossary> {
    glossary(&[
        ("house", "Garten"),
        ("old man", "Kinder"),
        ("man", "laut"),
        ("book", "Buch"),
    ])
}

/// Each row: a sentence, and the words that its terms require.
const ROWS: [(&str, &[&str]); 4] = [
    ("The house is small.", &["Garten"]),
    ("An old man reads a book.", &["Kinder", "Buch"]),
    ("Good morning!", &[]),
    ("A man is behind the house.", &["laut", "Garten"]),
];

fn options(nbest: usize) -> TranslateOptions {
    searching(SearchOptions {
        nbest,
        ..SearchOptions::default()
    })
}

/// Returns the translations of a sentence that have words.
fn requiring(sentence: &str, words: &[&str]) -> Vec<Translation> {
    let options = TranslateOptions {
        required: words.iter().map(|&word| word.to_owned()).collect(),
        ..options(3)
    };
    each(translator(model_folder()).translate(&[sentence], &options)).remove(0)
}

#[test]
fn a_sentence_has_the_words_that_its_terms_require() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        glossary: terms(),
        ..options(3)
    };
    let sentences = ROWS.map(|(sentence, _)| sentence);
    let found = each(translator.translate(&sentences, &options));
    for ((sentence, words), found) in ROWS.iter().zip(found) {
        assert_eq!(found, requiring(sentence, words), "{sentence}");
        for translation in found {
            for word in *words {
                assert!(translation.text.contains(word), "{}", translation.text);
            }
        }
    }
}

#[test]
fn each_sentence_of_a_text_has_the_words_of_its_own_terms() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        glossary: terms(),
        language: Some(Language::default()),
        ..options(3)
    };
    let text = ROWS.map(|(sentence, _)| sentence).join(" ");
    let found = each(translator.translate(&[text], &options)).remove(0);
    let best: Vec<Translation> = ROWS
        .iter()
        .map(|(sentence, words)| requiring(sentence, words).remove(0))
        .collect();
    let texts: Vec<&str> = best.iter().map(|translation| translation.text.as_str()).collect();
    assert_eq!(found[0].text, texts.join(" "));
    let score: f64 = best.iter().map(|translation| f64::from(translation.score)).sum();
    assert!((f64::from(found[0].score) - score).abs() < 1e-3);
    assert_eq!(found.len(), 3);
}

#[test]
fn tags_make_no_difference_and_what_is_kept_has_no_terms() {
    let translator = translator(model_folder());
    let plain = TranslateOptions {
        format: Format::Xml,
        keep: vec![SpanKind::Urls],
        tags: TagNames {
            kept: vec!["x".to_owned()],
            ..TagNames::default()
        },
        ..options(1)
    };
    let options = TranslateOptions {
        glossary: terms(),
        ..plain.clone()
    };
    let best = |line: &str, options: &TranslateOptions| {
        translator.translate_best(&[line], options).unwrap().remove(0)
    };
    let within = best("An <b>old</b> man reads.", &options);
    let text: String = within.replace("<b>", "").replace("</b>", "");
    assert!(text.contains("Kinder") && !text.contains("laut"), "{within}");
    for line in [
        "Two children read https://house.org/book now.",
        "Two children read <x id=\"1\">the house</x> now.",
    ] {
        assert_eq!(best(line, &options), best(line, &plain), "{line}");
    }
    let beside = best("The house is at https://example.org/a now.", &options);
    assert!(
        beside.contains("Garten") && beside.contains("https://example.org/a"),
        "{beside}"
    );
}

/// Lines of several requests, with and without glossaries, are translated as if each were alone.
#[test]
fn requests_with_different_glossaries_share_batches() {
    let translator = translator(model_folder());
    let asked = [
        options(1),
        TranslateOptions {
            glossary: terms(),
            ..options(1)
        },
        TranslateOptions {
            glossary: glossary(&[("children", "Haus")]),
            ..options(1)
        },
    ];
    let lines = |options| {
        let sentences = SENTENCES.iter().enumerate();
        sentences.map(move |(number, text)| Line {
            text,
            number,
            options,
        })
    };
    let mut of_requests: Vec<_> = asked
        .iter()
        .map(|options| translator.encode(&lines(options).collect::<Vec<_>>()))
        .collect();
    let sentences: Vec<_> = of_requests
        .iter_mut()
        .flat_map(attend_infer::EncodedLines::take_sentences)
        .collect();
    assert!(
        sentences
            .iter()
            .all(|sentence| sentence.shares_batches_with(&sentences[0]))
    );
    let mut found = translator
        .search_batch(&sentences.iter().collect::<Vec<_>>())
        .into_iter();
    for (options, encoded) in asked.iter().zip(of_requests) {
        let together = each(encoded.translations(found.by_ref().take(SENTENCES.len()).collect()));
        let alone: Vec<Vec<Translation>> = lines(options)
            .map(|line| each(translator.translate_each(&[line])).remove(0))
            .collect();
        for (together, alone) in together.iter().zip(&alone) {
            assert_eq!(together[0].text, alone[0].text);
            assert!((together[0].score - alone[0].score).abs() < 1e-4);
        }
    }
}

#[test]
fn a_glossary_needs_a_search_for_required_words() {
    let translator = translator(model_folder());
    let of_search = |search: SearchOptions| TranslateOptions {
        glossary: terms(),
        ..searching(search)
    };
    let default = SearchOptions::default();
    for search in [
        default.greedy(),
        SearchOptions {
            stopping: Stopping::CTranslate2,
            ..default
        },
        SearchOptions {
            no_repeat_ngram: 3,
            ..default
        },
        SearchOptions {
            sampling: Some(attend_infer::search::Sampling::default()),
            ..default
        },
    ] {
        let refused = of_search(search).validate();
        assert!(
            matches!(refused, Err(InferError::Search(SearchError::Required { .. }))),
            "{refused:?}"
        );
        let options = of_search(search.for_required_words());
        let found = translator
            .translate_best(&["the house is small"], &options)
            .unwrap();
        assert!(found[0].contains("Garten"), "{found:?}");
    }
    // A glossary without terms asks for nothing.
    let none = TranslateOptions {
        glossary: Arc::default(),
        ..searching(default.greedy())
    };
    none.validate().unwrap();
}
