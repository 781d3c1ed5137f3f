//! Whatever bytes come in: each line of text is translated, and what is none is named.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use attend_data::{DataError, Lines, is_blank, single_line};
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, Language, StreamLine, TranslateOptions, Translator};
use proptest::prelude::*;

use crate::common::{MAX_SOURCE_TOKENS, model_folder, searching, translator};

static TRANSLATOR: LazyLock<Translator> = LazyLock::new(|| translator(model_folder()));

/// The lines that come out, and how it ends.
fn translated(
    bytes: &[u8],
    language: Option<Language>,
    eager: bool,
) -> (Vec<String>, Result<(), InferError>) {
    let options = Arc::new(TranslateOptions {
        language,
        ..searching(SearchOptions {
            beam_size: 2,
            nbest: 2,
            max_length: Some(2),
            ..SearchOptions::default()
        })
    });
    let mut written = Vec::new();
    let lines = Lines::new(Cursor::new(bytes.to_owned()), "input");
    let lines = lines.map(move |line| {
        let (text, options) = (line?, Arc::clone(&options));
        Ok(StreamLine { text, options })
    });
    let result = TRANSLATOR.translate_stream(lines, eager, |lines| {
        for (line, best_first) in lines {
            assert!((1..=2).contains(&best_first.len()));
            assert!(best_first[0].text.is_empty() || !is_blank(line));
            assert!(best_first.is_sorted_by(|better, worse| better.score >= worse.score));
            assert_eq!(single_line(&best_first[0].text), best_first[0].text);
            written.push(line.clone());
        }
        Ok(ControlFlow::Continue(()))
    });
    (written, result)
}

/// Independently of [`Lines`]: the lines up to the first that is no UTF-8, and the number of that one.
fn expected(bytes: &[u8]) -> (Vec<String>, Option<usize>) {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut lines = Vec::new();
    if bytes.is_empty() {
        return (lines, None);
    }
    for (line, number) in ended.split(|&byte| byte == b'\n').zip(1..) {
        match String::from_utf8(line.strip_suffix(b"\r").unwrap_or(line).to_owned()) {
            Ok(line) => lines.push(line),
            Err(_) => return (lines, Some(number)),
        }
    }
    (lines, None)
}

fn check(bytes: &[u8]) {
    for eager in [false, true] {
        let (expected, invalid) = expected(bytes);
        let (lines, result) = translated(bytes, Some(Language::default()), eager);
        assert_eq!(lines, expected);
        match (&result, invalid) {
            (Ok(()), None) => {}
            (Err(InferError::Data(DataError::InvalidUtf8 { line, .. })), Some(number)) => {
                assert_eq!(*line, number)
            }
            _ => panic!("{result:?} where line {invalid:?} is no text"),
        }

        let too_long = expected
            .iter()
            .position(|line| !line.trim().is_empty() && !TRANSLATOR.model().fits(line));
        let (lines, result) = translated(bytes, None, eager);
        assert_eq!(lines, expected[..too_long.unwrap_or(expected.len())]);
        if let Some(place) = too_long {
            assert!(
                matches!(result, Err(InferError::TooLong { line, .. }) if line == place + 1),
                "{result:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_translated_or_named(
        parts in prop::collection::vec(
            prop_oneof![
                3 => prop::collection::vec(any::<u8>(), 0..6),
                6 => prop::sample::select(vec![
                    "\n", "\n", "\r\n", "\r", ". ", "Yes. No! ", "\0", "\u{2028}", "\u{2029}", "\u{feff}",
                    "\u{85}", "\u{200b}", " ", "\t", "\u{3000}", "é", "😀", "e\u{301}", "\"", "«", "</s>",
                    "<pad>", "\u{fffd}", "。", "z. B. ",
                ])
                .prop_map(|text| text.as_bytes().to_owned()),
                1 => (1..3 * MAX_SOURCE_TOKENS).prop_map(|count| vec![b'~'; count]),
                // The first half of a surrogate pair, and bytes that never stand in UTF-8.
                1 => prop::sample::select(vec![&b"\xed\xa0\x80"[..], b"\xff", b"\xc0\x80"]).prop_map(<[u8]>::to_vec),
            ],
            0..12,
        )
    ) {
        check(&parts.concat());
    }
}
