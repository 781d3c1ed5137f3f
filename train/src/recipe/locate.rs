//! Where a setting was given: on the command line, or on a line of the file.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

/// The place of the setting `field`, a dotted key in which a number counts the tables of a list: the last of
/// `overrides` that gave it, or its line in the file, that of its section where the file leaves it out.
pub(super) fn place_of(field: &str, path: &Path, text: &str, overrides: &[String]) -> String {
    let gave_it = |assignment: &&String| overlap(assignment.split('=').next().unwrap_or_default(), field);
    match overrides.iter().rfind(gave_it) {
        Some(assignment) => format!("--set {assignment}"),
        None => place_in_file(path, text, span_of(field, text)),
    }
}

/// The file, and the line where `span` begins.
pub(super) fn place_in_file(path: &Path, text: &str, span: Option<Range<usize>>) -> String {
    let path = path.display();
    match span {
        Some(span) => format!("{path}, line {}", text[..span.start].matches('\n').count() + 1),
        None => path.to_string(),
    }
}

/// Whether one dotted key is the other, or a section that it is in.
fn overlap(one: &str, other: &str) -> bool {
    let mut parts = one.trim().split('.').zip(other.split('.'));
    parts.all(|(one, other)| one == other)
}

fn span_of(field: &str, text: &str) -> Option<Range<usize>> {
    let document = DeValue::Table(DeTable::parse(text).ok()?.into_inner());
    let mut value = &document;
    let mut span = None;
    for part in field.split('.') {
        let (place, inner) = match value {
            DeValue::Table(table) => match table.get_key_value(part) {
                Some((key, inner)) => (key.span(), inner),
                None => break,
            },
            DeValue::Array(list) => match part.parse().ok().and_then(|index: usize| list.get(index)) {
                Some(item) => (item.span(), item),
                None => break,
            },
            _ => break,
        };
        span = Some(place);
        value = inner.get_ref();
    }
    span
}
