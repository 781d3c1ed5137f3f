//! Lines with markup, and with spans to keep, translated by small models with random weights.

use std::collections::HashSet;

use attend_device::Workers;
use attend_infer::search::{Sampling, SearchOptions, Unknown};
use attend_infer::{Format, InferError, Language, Model, Precision, SpanKind, TranslateOptions, Translator};

use crate::common::{
    MAX_SOURCE_TOKENS, SENTENCES, bundle_of, config, each, model_folder, model_folder_of_words, searching,
    translator,
};

const KEPT: [SpanKind; 5] = [
    SpanKind::Urls,
    SpanKind::Emails,
    SpanKind::Placeholders,
    SpanKind::Emoji,
    SpanKind::Numbers,
];

/// The spans of [`LINES`], none of which is a part of another one.
const SPANS: [&str; 9] = [
    "https://example.org/a.B",
    "anna@example.org",
    "{name}",
    "%s",
    "${x}",
    "😀",
    "🎉",
    "25",
    "<code>a b</code>",
];

const LINES: [&str; 10] = [
    "an <b>old</b> man reads <i class='x'>a book</i>",
    "<p>the house is <b>small</b>.</p> <p>two children <i>play in <b>the garden</b></i></p>",
    "good <br> morning. Yes<!-- no -->! <u></u>",
    "{name} reads a book 😀. <b>https://example.org/a.B</b> is small",
    "<b>{name}</b> and {name} and %s and ${x} write to anna@example.org <i>25</i> books",
    "an old man reads <code>a b</code> behind the house 🎉😀🎉",
    "<b>😀</b>",
    "<b></b>",
    "",
    "25. {name}",
];

fn models() -> Vec<Translator> {
    let float32 = |folder| Model::new(folder, Precision::Float32).unwrap();
    let int8 = Model::new(model_folder(), Precision::Int8).unwrap();
    let ensemble = float32(model_folder()).join(bundle_of(config(), 9)).unwrap();
    let start = |model: Model| Translator::new(model, Workers::start(1, 1).unwrap());
    vec![
        translator(model_folder()),
        translator(model_folder_of_words(SENTENCES)),
        start(int8),
        start(ensemble),
    ]
}

fn searches() -> Vec<SearchOptions> {
    let search = SearchOptions {
        max_length: Some(12),
        ..SearchOptions::default()
    };
    vec![
        search.greedy(),
        SearchOptions { nbest: 3, ..search },
        SearchOptions {
            unknown: Unknown::Copy,
            ..search
        },
        SearchOptions {
            unknown: Unknown::Keep,
            ..search.greedy()
        },
        SearchOptions {
            nbest: 2,
            sampling: Some(Sampling::default()),
            ..search.greedy()
        },
    ]
}

/// The tags of a line, sorted, each with those around it.
fn tags(line: &str) -> Vec<(String, Vec<String>)> {
    let (mut tags, mut around) = (Vec::new(), Vec::new());
    for part in line.split('<').skip(1) {
        let tag = format!("<{}>", part.split_once('>').expect("the end of a tag").0);
        if tag.starts_with("</") {
            around.pop().expect("a start tag");
        } else {
            tags.push((tag.clone(), around.clone()));
            if tag != "<br>" && !tag.starts_with("<!--") {
                around.push(tag);
            }
        }
    }
    assert!(around.is_empty(), "{line}");
    tags.sort();
    tags
}

#[test]
fn tags_and_spans_come_out_once_whatever_the_model_does() {
    for (model, translator) in models().iter().enumerate() {
        for search in searches() {
            for language in [None, Some(Language::default())] {
                let options = TranslateOptions {
                    format: Format::Html,
                    keep: KEPT.to_vec(),
                    language,
                    ..searching(search)
                };
                for (line, found) in LINES.iter().zip(each(translator.translate(&LINES, &options))) {
                    let most = search.nbest.max(1);
                    assert!((1..=most).contains(&found.len()), "{line}");
                    for translation in found {
                        let text = &translation.text;
                        assert_eq!(tags(text), tags(line), "model {model}: {text} of {line}");
                        for span in SPANS {
                            let count = |text: &str| text.matches(span).count();
                            assert_eq!(
                                count(text),
                                count(line),
                                "model {model}: {span} in {text} of {line}"
                            );
                        }
                    }
                }
                let best = translator.translate_best(&LINES, &options).unwrap();
                let all = each(translator.translate(&LINES, &options));
                let expected: Vec<&str> = all.iter().map(|found| found[0].text.as_str()).collect();
                assert_eq!(best, expected);
            }
        }
    }
}

#[test]
fn a_line_may_begin_with_white_space_and_byte_order_marks() {
    for translator in models() {
        for start in [
            "\u{feff}",
            "\u{feff}\u{feff}",
            "\u{2003}",
            "\u{3000}\u{feff}",
            "\u{feff} \u{a0}",
        ] {
            let lines = [
                format!("{start}an <b>old</b> man"),
                format!("{start}a@b.de reads <b>a book</b>"),
                format!("{start}<i>😀</i> {start}🎉 yes {start}a@b.de"),
            ];
            for format in [Format::Html, Format::Xml] {
                let options = TranslateOptions {
                    format,
                    keep: KEPT.to_vec(),
                    ..searching(SearchOptions::default())
                };
                let found = translator.translate_best(&lines, &options).unwrap();
                for (text, line) in found.iter().zip(&lines) {
                    assert_eq!(tags(text), tags(line), "{text} of {line:?}");
                    for span in ["a@b.de", "😀", "🎉"] {
                        assert_eq!(text.matches(span).count(), line.matches(span).count(), "{text}");
                    }
                    assert_eq!(text.trim(), text, "{line:?}");
                }
            }
        }
    }
}

#[test]
fn a_line_without_tags_and_spans_is_translated_as_before() {
    for translator in models() {
        for search in searches() {
            for language in [None, Some(Language::default())] {
                let options = TranslateOptions {
                    language,
                    ..searching(search)
                };
                let expected = translator.translate(&SENTENCES, &options);
                for format in [Format::Text, Format::Html, Format::Xml] {
                    let options = TranslateOptions {
                        format,
                        keep: KEPT.to_vec(),
                        ..options.clone()
                    };
                    let found = each(translator.translate(&SENTENCES, &options));
                    for (found, expected) in found.into_iter().zip(&expected) {
                        let mut expected = expected.as_ref().unwrap().clone();
                        if format != Format::Text {
                            for translation in &mut expected {
                                // Random models write what begins a tag.
                                let text = translation.text.replace('&', "&amp;").replace('<', "&lt;");
                                translation.text = text.replace('>', "&gt;");
                            }
                        }
                        assert_eq!(found, expected);
                    }
                }
            }
        }
    }
}

#[test]
fn a_long_span_takes_no_positions_of_the_model() {
    let translator = translator(model_folder());
    let url = format!("https://example.org/{}", "a".repeat(3 * MAX_SOURCE_TOKENS));
    let options = TranslateOptions {
        keep: vec![SpanKind::Urls],
        ..searching(SearchOptions::default())
    };
    let line = format!("an old man reads {url}");
    assert!(!translator.model().fits(&line));
    assert!(translator.translate_best(&[&line], &options).unwrap()[0].contains(&url));
    // If nothing fits, the error is that of the line as it is.
    let long = format!("{line} {}", "~".repeat(2 * MAX_SOURCE_TOKENS));
    let error = translator.translate_best(&["yes", &long], &options).unwrap_err();
    assert!(matches!(error, InferError::TooLong { line: 2, .. }), "{error}");
    let results = translator.translate(&["yes", &long, "yes"], &options);
    assert_eq!(
        results.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn a_span_is_in_one_sentence_however_long_it_is() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        format: Format::Html,
        keep: KEPT.to_vec(),
        language: Some(Language::default()),
        ..searching(SearchOptions {
            max_length: Some(3),
            ..SearchOptions::default().greedy()
        })
    };
    let long = "1a.B".repeat(3_000);
    let tagged = "\u{e0061}".repeat(3_000);
    for span in [
        format!("<code>{long}</code>"),
        format!("<div class=\"notranslate\">{long}</div>"),
        "{{a<br>b}}".to_owned(),
        format!("https://example.org/{long}"),
        "7".repeat(9_000),
        format!("🏴{tagged}\u{e007f}"),
    ] {
        let line = format!("Yes. {span} No.");
        let text = translator.translate_best(&[&line], &options).unwrap().remove(0);
        // A tag ends a word.
        assert!(
            text.contains(&span.replace("<br>", " ")),
            "{span:.60} in {text:.60}"
        );
    }
}

#[test]
fn what_no_reader_sees_is_no_sentence() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        format: Format::Html,
        keep: KEPT.to_vec(),
        language: Some(Language::default()),
        ..searching(SearchOptions {
            nbest: 2,
            sampling: Some(Sampling::default()),
            max_length: Some(3),
            ..SearchOptions::default().greedy()
        })
    };
    let lines = [
        "<p>Yes.</p><p>&zwnj;</p>",
        "<p>&zwnj;</p><p>Yes.</p>",
        "<p>Yes.</p><p>😀\u{3164}</p>",
        &format!("Yes.<br>{}yes", "&zwnj;".repeat(3 * MAX_SOURCE_TOKENS)),
    ];
    for (found, line) in each(translator.translate(&lines, &options)).iter().zip(lines) {
        assert_eq!(found.len(), 2, "{line}");
    }
}

#[test]
fn sentences_of_a_line_are_sampled_independently() {
    let options = TranslateOptions {
        format: Format::Html,
        language: Some(Language::default()),
        ..searching(SearchOptions {
            nbest: 8,
            sampling: Some(Sampling::default()),
            min_length: 3,
            max_length: Some(3),
            ..SearchOptions::default().greedy()
        })
    };
    let line = "<p>the house is small</p><p>the house is small</p>";
    let samples = each(translator(model_folder()).translate(&[line], &options)).remove(0);
    let differ = |tokens: &[u32]| tokens[..3] != tokens[3..];
    assert!(samples.iter().any(|sample| differ(&sample.tokens)));
}

#[test]
fn a_line_of_spans_only_is_checked_and_kept() {
    let translator = translator(model_folder());
    let lines = ["https://example.org/a.B"];
    let options = TranslateOptions {
        keep: vec![SpanKind::Urls],
        required: vec![" ".to_owned()],
        ..searching(SearchOptions::default())
    };
    assert_eq!(translator.translate_best(&lines, &options).unwrap(), lines);
    let aligned = TranslateOptions {
        alignment: true,
        ..options.clone()
    };
    let without_beam = TranslateOptions {
        search: SearchOptions {
            beam_size: 0,
            ..options.search
        },
        ..options
    };
    for options in [aligned, without_beam] {
        let expected = options.validate().unwrap_err().to_string();
        let best = translator.translate_best(&lines, &options).unwrap_err();
        assert_eq!(best.to_string(), expected);
        let all = translator.translate(&lines, &options).remove(0).unwrap_err();
        assert_eq!(all.to_string(), expected);
    }
}

#[test]
fn alignments_are_of_lines_that_are_read_as_they_are() {
    let aligned = TranslateOptions {
        alignment: true,
        ..searching(SearchOptions::default())
    };
    let with_format = TranslateOptions {
        format: Format::Xml,
        ..aligned.clone()
    };
    let with_spans = TranslateOptions {
        keep: vec![SpanKind::Emoji],
        ..aligned
    };
    for (options, expected) in [(with_format, "format"), (with_spans, "keep")] {
        let error = options.validate().unwrap_err();
        assert!(
            matches!(error, InferError::NoAlignment { field } if field == expected),
            "{error}"
        );
    }
}

#[test]
fn the_best_translations_with_spans_are_different_texts() {
    let search = |nbest, beam_size| SearchOptions {
        max_length: Some(2),
        nbest,
        beam_size,
        ..SearchOptions::default()
    };
    let mut some_were_equal = false;
    for translator in models() {
        let found = |nbest, beam_size| {
            let options = TranslateOptions {
                format: Format::Html,
                keep: KEPT.to_vec(),
                ..searching(search(nbest, beam_size))
            };
            let found = each(translator.translate(&LINES, &options)).into_iter();
            found
                .map(|found| found.into_iter().map(|found| found.text).collect())
                .collect::<Vec<Vec<String>>>()
        };
        let (few, all) = (found(3, 30), found(30, 30));
        for ((few, all), line) in few.iter().zip(&all).zip(LINES) {
            if !SPANS.iter().any(|span| line.contains(span)) {
                continue;
            }
            let different: HashSet<&String> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{all:?} of {line}");
            some_were_equal |= (2..30).contains(&all.len());
            assert_eq!(few.len(), all.len().min(3), "{few:?} of {line}");
        }
    }
    assert!(some_were_equal);
}

#[test]
fn a_span_is_a_required_word() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        format: Format::Html,
        keep: KEPT.to_vec(),
        ..searching(SearchOptions::default())
    };
    for (line, word) in [
        (
            "an old man reads https://example.org/a.B",
            "https://example.org/a.B",
        ),
        ("an old man reads https://example.org/a.B", " example.org "),
        ("an old man reads <code>a b</code>", "b"),
        ("25", "25"),
    ] {
        let requiring = TranslateOptions {
            required: vec![word.to_owned()],
            ..options.clone()
        };
        let expected = translator.translate(&[line], &options);
        assert_eq!(
            translator.translate(&[line], &requiring)[0].as_ref().unwrap(),
            expected[0].as_ref().unwrap(),
            "{word}"
        );
    }
    // What is a part of another word is none.
    let requiring = TranslateOptions {
        required: vec!["ode".to_owned()],
        ..options
    };
    let line = "an old man reads <code>mode</code>";
    let text = &translator.translate_best(&[line], &requiring).unwrap()[0];
    assert!(text.replace("<code>mode</code>", "").contains("ode"), "{text}");
}

#[test]
fn a_prefix_and_required_words_are_text() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        format: Format::Html,
        prefix: "ein Haus".to_owned(),
        required: vec!["Garten".to_owned()],
        ..searching(SearchOptions::default())
    };
    let text = translator
        .translate_best(&["an <b>old</b> man"], &options)
        .unwrap()
        .remove(0);
    let plain: String = text
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .collect();
    assert!(
        plain.starts_with("ein Haus") && plain.contains("Garten"),
        "{text}"
    );
}
