//! The form of translations in the output.

use attend_infer::Translation;
use serde::Serialize;

/// The JSON object of a line.
#[derive(Serialize)]
struct TranslatedLine<'a> {
    source: &'a str,
    translations: &'a [Translation],
}

/// Returns the lines of the output, as text or as JSON objects.
pub(super) fn lines(lines: &[(String, Vec<Translation>)], json: bool) -> String {
    let line = |(source, translations): &(String, Vec<Translation>)| {
        if json {
            json_line(source, translations)
        } else {
            plain_line(&translations[0])
        }
    };
    lines.iter().map(line).collect()
}

fn plain_line(translation: &Translation) -> String {
    let text = &translation.text;
    match &translation.alignment {
        None => format!("{text}\n"),
        Some(alignment) => format!("{text} ||| {alignment}\n"),
    }
}

fn json_line(source: &str, translations: &[Translation]) -> String {
    let line = TranslatedLine { source, translations };
    serde_json::to_string(&line).expect("strings and numbers always serialize") + "\n"
}
