//! Each line has its own result: neither the options nor the failure of a line changes the other lines.

use std::sync::{Arc, Mutex};
use std::thread;

use attend_device::Workers;
use attend_infer::search::{Sampling, SearchOptions, Unknown};
use attend_infer::{
    GivenTranslation, InferError, Language, Line, Model, ModelFolder, Precision, TranslateOptions,
    Translation, Translator,
};
use attend_model::TransformerConfig;

use crate::common::{
    MAX_SOURCE_TOKENS, SENTENCES, bundle_of, config, each, model_folder, model_folder_of_words, searching,
    translator,
};

fn beam() -> TranslateOptions {
    searching(SearchOptions {
        beam_size: 4,
        nbest: 2,
        max_length: Some(12),
        ..SearchOptions::default()
    })
}

/// A translator, and the sizes of the batches that it has computed.
fn watched(translator: Translator) -> (Translator, Arc<Mutex<Vec<usize>>>) {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&batches);
    let translator = translator.on_progress(move |sentences| seen.lock().unwrap().push(sentences));
    (translator, batches)
}

fn take_sum(batches: &Mutex<Vec<usize>>) -> usize {
    std::mem::take(&mut *batches.lock().unwrap()).iter().sum()
}

/// The last bit of a score depends on the sentences that share a batch.
fn assert_same(found: &[Translation], expected: &[Translation]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((&found.tokens, &found.text), (&expected.tokens, &expected.text));
        assert!((found.score - expected.score).abs() < 1e-4);
        let words = |translation: &Translation| translation.alignment.clone().map(|words| words.words);
        assert_eq!(words(found), words(expected));
    }
}

#[test]
fn a_bad_line_fails_alone_and_each_good_one_is_computed_once() {
    for (batch_size, workers) in [(3, 2), (100, 1)] {
        let model = Model::new(model_folder(), Precision::Float32).unwrap();
        let translator = Translator::new(model, Workers::start(workers, 1).unwrap());
        let (translator, batches) = watched(translator.with_batch_size(batch_size));
        let options = beam();
        let expected = each(translator.translate(&SENTENCES, &options));
        assert_eq!(take_sum(&batches), SENTENCES.len());

        let long = "~".repeat(MAX_SOURCE_TOKENS + 1);
        let mut lines = SENTENCES.to_vec();
        lines.insert(2, &long);
        lines.insert(5, " ");
        lines.push(&long);
        let found = translator.translate(&lines, &options);
        assert_eq!(take_sum(&batches), SENTENCES.len());
        let mut expected = expected.iter();
        for (number, (line, found)) in lines.iter().zip(found).enumerate() {
            match found {
                Ok(found) if *line == " " => assert_eq!(found, [Translation::default()]),
                Ok(found) => assert_same(&found, expected.next().unwrap()),
                Err(InferError::TooLong { line: named, .. }) => {
                    assert_eq!((*line, named), (long.as_str(), number + 1));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(expected.next(), None);

        // All or nothing.
        assert!(translator.translate_best(&lines, &options).is_err());
        assert_eq!(take_sum(&batches), 0);
    }
}

/// A model of three positions for the source, one less than an emoji has bytes.
fn narrow() -> ModelFolder {
    let config = TransformerConfig {
        max_length: 4,
        ..config()
    };
    bundle_of(config, 3)
}

#[test]
fn a_text_fails_alone_before_any_of_its_sentences_is_translated() {
    let (translator, batches) = watched(translator(narrow()));
    let options = TranslateOptions {
        language: Some(Language::default()),
        ..translator.model().options()
    };
    let found = translator.translate(&["a. b.", "a. \u{1f600}. b.", "a"], &options);
    assert_eq!(take_sum(&batches), 3);
    assert!(found[0].is_ok() && found[2].is_ok());
    assert!(
        matches!(found[1], Err(InferError::TooLong { line: 2, .. })),
        "{found:?}"
    );
}

#[test]
fn required_words_that_are_not_found_fail_their_own_sentence() {
    let (translator, batches) = watched(translator(model_folder_of_words(SENTENCES)));
    // Whatever comes twice is impossible.
    let requiring = |words: &[&str]| TranslateOptions {
        required: words.iter().map(|&word| word.to_owned()).collect(),
        alignment: true,
        search: SearchOptions {
            repetition_penalty: f32::MAX,
            ..beam().search
        },
        ..TranslateOptions::default()
    };
    let (none, possible, impossible) = (
        requiring(&[]),
        requiring(&["the house", "Buch"]),
        requiring(&["the the"]),
    );
    let options = [&possible, &impossible, &none, &possible, &impossible];
    let lines = SENTENCES.iter().zip(options).zip(7..);
    let lines: Vec<Line<'_>> = lines
        .map(|((text, options), number)| Line {
            text,
            number,
            options,
        })
        .collect();
    let found = translator.translate_each(&lines);
    assert_eq!(std::mem::take(&mut *batches.lock().unwrap()), [lines.len()]);
    for (line, found) in lines.iter().zip(&found) {
        let alone = translator.translate_each(&[*line]).remove(0);
        match (found, alone) {
            (Ok(found), Ok(alone)) => assert_same(found, &alone),
            (Err(InferError::Unmet { line: named }), Err(InferError::Unmet { .. })) => {
                assert!(std::ptr::eq(line.options, &raw const impossible));
                assert_eq!(*named, line.number + 1);
            }
            (found, alone) => panic!("{found:?}, but alone {alone:?}"),
        }
    }
    assert_eq!(found.iter().filter(|found| found.is_err()).count(), 2);
    let texts = found[0].as_ref().unwrap().iter().map(|best| &best.text);
    assert!(texts.clone().all(|text| text.contains("the house")), "{texts:?}");

    // None has a translation.
    let all = translator.translate(&SENTENCES, &impossible);
    assert!(
        all.iter()
            .all(|found| matches!(found, Err(InferError::Unmet { .. })))
    );
}

#[test]
fn lines_with_different_options_are_translated_in_one_call() {
    let plain = beam();
    let with = |change: fn(&mut TranslateOptions)| {
        let mut options = beam();
        change(&mut options);
        options
    };
    let sharing = [
        plain,
        with(|options| options.prefix = "das alte".to_owned()),
        with(|options| options.required = vec!["Garten".to_owned()]),
        with(|options| options.language = Some(Language::default())),
    ];
    let apart = [
        searching(SearchOptions::default().greedy()),
        searching(SearchOptions {
            sampling: Some(Sampling::default()),
            nbest: 3,
            ..SearchOptions::default()
        }),
        with(|options| options.banned = vec!["house".to_owned(), "the".to_owned()]),
        with(|options| options.alignment = true),
    ];
    let wrong = with(|options| options.search.beam_size = 0);
    let (translator, batches) = watched(translator(model_folder()));
    let options = sharing.iter().chain(&apart).chain([&wrong]);
    let lines = options.flat_map(|options| SENTENCES.iter().map(move |text| (*text, options)));
    let lines: Vec<Line<'_>> = lines
        .zip(0..)
        .map(|((text, options), number)| Line {
            text,
            number,
            options,
        })
        .collect();
    let found = translator.translate_each(&lines);
    let mut sizes = std::mem::take(&mut *batches.lock().unwrap());
    sizes.sort_unstable();
    let mut expected = vec![SENTENCES.len(); apart.len()];
    expected.push(SENTENCES.len() * sharing.len());
    assert_eq!(sizes, expected);
    for (line, found) in lines.iter().zip(found) {
        let alone = translator.translate_each(&[*line]).remove(0);
        match (found, alone) {
            (Ok(found), Ok(alone)) => assert_same(&found, &alone),
            (Err(InferError::Search(error)), Err(_)) => {
                assert_eq!(line.options.search.beam_size, 0);
                assert_eq!(error.field(), "beam_size");
            }
            (found, alone) => panic!("{found:?}, but alone {alone:?}"),
        }
    }
}

#[test]
fn threads_share_a_model_with_options_of_their_own() {
    let model = Arc::new(Model::new(model_folder(), Precision::Float32).unwrap());
    let banning = |word: &str| TranslateOptions {
        banned: vec![word.to_owned()],
        ..beam()
    };
    let options = [
        beam(),
        searching(SearchOptions::default().greedy()),
        banning("a"),
        banning("e"),
    ];
    let translate = |options: &TranslateOptions| {
        let translator = Translator::new(Arc::clone(&model), Workers::start(1, 1).unwrap());
        each(translator.translate(&SENTENCES, options))
    };
    let expected = options.each_ref().map(translate);
    assert_ne!(expected[0], expected[1]);
    thread::scope(|scope| {
        for (options, expected) in options.iter().zip(&expected) {
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(&translate(options), expected);
                }
            });
        }
    });
}

#[test]
fn options_are_refused_in_the_same_words_wherever_they_come() {
    let translator = translator(model_folder());
    let text = || Some(Language::default());
    let word = || vec!["house".to_owned()];
    let wrong = |change: &dyn Fn(&mut TranslateOptions)| {
        let mut options = beam();
        change(&mut options);
        options
    };
    let cases = [
        (
            wrong(&|options| options.search.length_penalty = f32::NAN),
            "`length_penalty` is NaN",
        ),
        (
            wrong(&|options| options.search.nbest = 5),
            "`nbest` is 5: it must lie between 1 and `beam_size`",
        ),
        (
            wrong(&|options| {
                options.search.max_length = None;
                options.search.min_length = MAX_SOURCE_TOKENS + 1;
            }),
            "the model's translations have at most 99 tokens",
        ),
        (
            wrong(&|options| {
                options.search = options.search.greedy();
                options.required = word();
            }),
            "cannot go with a `beam_size` of 1",
        ),
        (
            wrong(&|options| {
                options.search.unknown = Unknown::Copy;
                options.banned = word();
            }),
            "`unknown` is copy",
        ),
        (
            wrong(&|options| {
                options.language = text();
                options.prefix = "das".to_owned();
            }),
            "`prefix` is for lines that are one sentence",
        ),
        (
            wrong(&|options| {
                options.language = text();
                options.required = word();
            }),
            "`required` is for lines that are one sentence",
        ),
        (
            wrong(&|options| {
                options.language = text();
                options.alignment = true;
            }),
            "`alignment` is for lines that are one sentence",
        ),
    ];
    for (options, message) in cases {
        let refused = translator.model().check(&options).unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
        let of_line = translator.translate(&["yes", " "], &options);
        for result in of_line {
            assert_eq!(result.unwrap_err().to_string(), refused);
        }
        let of_pair = translator
            .score(&[GivenTranslation::default()], &options)
            .remove(0);
        assert_eq!(of_pair.unwrap_err().to_string(), refused);
    }
    let blank = wrong(&|options| {
        options.search = options.search.greedy();
        options.required = vec![" ".to_owned()];
    });
    translator.model().check(&blank).unwrap();
    assert_eq!(translator.translate_best(&["yes"], &blank).unwrap().len(), 1);
}

#[test]
fn white_space_of_a_request_is_read_as_a_reader_sees_it() {
    let translator = translator(model_folder());
    let options = |prefix: &str, word: &str| TranslateOptions {
        prefix: prefix.to_owned(),
        required: vec![word.to_owned()],
        ..searching(SearchOptions::default())
    };
    let best = |options: &TranslateOptions| translator.translate_best(&["yes"], options).unwrap();
    let plain = best(&options("ein Haus", "das alte Buch"));
    assert!(
        plain[0].starts_with("ein Haus") && plain[0].contains("das alte Buch"),
        "{plain:?}"
    );
    assert_eq!(
        best(&options("ein\u{200b} Haus \r\n", "das  alte\t\u{ad}\u{a0}Buch")),
        plain
    );
}

#[test]
fn a_pair_that_is_too_long_fails_alone() {
    let (translator, batches) = watched(translator(model_folder()));
    let options = translator.model().options();
    let long = "~".repeat(MAX_SOURCE_TOKENS + 1);
    let mut pairs: Vec<GivenTranslation<'_>> = SENTENCES
        .iter()
        .zip(SENTENCES.iter().rev())
        .zip(0..)
        .map(|((source, target), number)| GivenTranslation {
            source,
            target,
            number,
        })
        .collect();
    let expected = each(translator.score(&pairs, &options));
    assert_eq!(take_sum(&batches), pairs.len());
    pairs[3].target = &long;
    pairs[6].source = &long;
    let found = translator.score(&pairs, &options);
    assert_eq!(take_sum(&batches), pairs.len() - 2);
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        match (place, found) {
            (
                3,
                Err(InferError::TooLong {
                    line: 4,
                    text: "the targets",
                    ..
                }),
            )
            | (
                6,
                Err(InferError::TooLong {
                    line: 7,
                    text: "the sources",
                    ..
                }),
            ) => {}
            (_, Ok(found)) => assert!((found.log_probability - expected.log_probability).abs() < 1e-4),
            (_, Err(error)) => panic!("{error}"),
        }
    }
}
