//! Lines that are translated as they come.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use attend_infer::search::SearchOptions;
use attend_infer::{InferError, Language, StreamLine, TranslateOptions, Translator};

use crate::common::{MAX_SOURCE_TOKENS, each, model_folder, searching, translator};

static TRANSLATOR: LazyLock<Translator> = LazyLock::new(|| translator(model_folder()));

fn short() -> TranslateOptions {
    searching(SearchOptions {
        beam_size: 2,
        nbest: 2,
        max_length: Some(2),
        ..SearchOptions::default()
    })
}

/// An error of whoever gives lines or takes translations.
#[derive(Debug)]
enum StreamError {
    Infer(InferError),
    Read,
}

impl From<InferError> for StreamError {
    fn from(error: InferError) -> Self {
        Self::Infer(error)
    }
}

/// Returns a stream of `lines` with the same options. The line `unreadable` stands for an error of reading.
fn stream(
    lines: impl IntoIterator<Item = &'static str, IntoIter: Send + 'static>,
    options: TranslateOptions,
) -> impl Iterator<Item = Result<StreamLine, StreamError>> + Send + 'static {
    let options = Arc::new(options);
    lines.into_iter().map(move |text| match text {
        "unreadable" => Err(StreamError::Read),
        text => Ok(StreamLine {
            text: text.to_owned(),
            options: Arc::clone(&options),
        }),
    })
}

/// The lines before the first error are written, each once. The lines after it are never written.
#[test]
fn lines_before_an_error_are_written_and_computed_once() {
    let long: &'static str = "~".repeat(MAX_SOURCE_TOKENS + 1).leak();
    let computed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&computed);
    let translator = TRANSLATOR.clone().on_progress(move |sentences| {
        count.fetch_add(sentences, Ordering::SeqCst);
    });
    let end = || (0..300).map(|_| "yes");
    for eager in [false, true] {
        for (bad, is_named) in [(long, true), ("unreadable", false)] {
            computed.store(0, Ordering::SeqCst);
            let lines = end().chain([bad]).chain(end());
            let mut written = Vec::new();
            let result = translator.translate_stream(stream(lines, short()), eager, |lines| {
                written.extend(lines.iter().map(|(line, _)| line.clone()));
                Ok(ControlFlow::Continue(()))
            });
            assert_eq!(written, ["yes"; 300]);
            match result.unwrap_err() {
                StreamError::Infer(InferError::TooLong { line: 301, .. }) => assert!(is_named),
                StreamError::Read => assert!(!is_named),
                error => panic!("{error:?}"),
            }
            let computed = computed.load(Ordering::SeqCst);
            let most = if is_named { 600 } else { 300 };
            assert!((300..=most).contains(&computed), "{computed} sentences computed");
        }
    }
}

#[test]
fn each_line_of_a_stream_has_its_own_options() {
    let options = [
        short(),
        TranslateOptions {
            prefix: "da".to_owned(),
            ..short()
        },
        TranslateOptions {
            language: Some(Language::default()),
            ..short()
        },
    ];
    let options = options.map(Arc::new);
    let texts = ["yes", "the house", "Yes! No."];
    let lines = texts.into_iter().zip(options.clone()).map(|(text, options)| {
        Ok::<_, InferError>(StreamLine {
            text: text.to_owned(),
            options,
        })
    });
    let mut found = Vec::new();
    TRANSLATOR
        .translate_stream(lines.collect::<Vec<_>>().into_iter(), false, |lines| {
            found.extend(lines.iter().map(|(_, translations)| translations[0].text.clone()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    for ((text, options), found) in texts.iter().zip(&options).zip(&found) {
        assert_eq!(&TRANSLATOR.translate_best(&[text], options).unwrap()[0], found);
    }
    assert!(found[1].starts_with("da"));
}

#[test]
fn a_line_of_a_megabyte_without_a_space_is_translated() {
    let line = "~".repeat(1 << 20);
    let texts = TranslateOptions {
        language: Some(Language::default()),
        ..short()
    };
    let text = each(TRANSLATOR.translate(&[&line], &texts));
    assert!(text[0][0].tokens.len() <= 2 * line.len().div_ceil(MAX_SOURCE_TOKENS));
    let refused = TRANSLATOR.translate_best(&["yes", &line], &short());
    assert!(
        matches!(refused, Err(InferError::TooLong { line: 2, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_panic_of_the_lines_reaches_the_caller() {
    let lines = (0..3).map(|index| match index {
        2 => panic!("the third line is missing"),
        _ => "yes",
    });
    let stream = stream(lines, short());
    let panic = std::panic::catch_unwind(|| {
        TRANSLATOR.translate_stream(stream, false, |_| Ok(ControlFlow::Continue(())))
    });
    let panic = panic.expect_err("the stream is not complete");
    assert_eq!(panic.downcast_ref(), Some(&"the third line is missing"));
}

#[test]
fn a_writer_that_breaks_ends_the_stream() {
    let lines = (0..5_000).map(|_| "yes");
    let options = TranslateOptions {
        language: Some(Language::default()),
        ..short()
    };
    let mut calls = 0;
    TRANSLATOR
        .translate_stream(stream(lines, options), false, |lines| {
            calls += 1;
            assert!(lines.len() <= 1_000, "{} lines at once", lines.len());
            Ok(ControlFlow::Break(()))
        })
        .unwrap();
    assert_eq!(calls, 1);
}
