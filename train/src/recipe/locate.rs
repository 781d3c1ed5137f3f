//! The place of a setting in a recipe's file or among its overrides.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::place::Place;

/// Returns the place where the setting `field` was given: the last of `overrides` that gave it, or else its line in the
/// file. If the file leaves the setting out, that is the line of the innermost section around it. `field` is a dotted
/// key, in which a number is an index in a list of tables.
pub(super) fn place_of(field: &str, path: &Path, text: &str, overrides: &[String]) -> Place {
    let gave_it = |assignment: &&String| overlap(assignment.split('=').next().unwrap_or_default(), field);
    match overrides.iter().rfind(gave_it) {
        Some(assignment) => Place::Override(assignment.clone()),
        None => place_in_file(path, text, span_of(field, text)),
    }
}

/// Returns the line of the file where `span` begins.
pub(super) fn place_in_file(path: &Path, text: &str, span: Option<Range<usize>>) -> Place {
    Place::File {
        path: path.to_owned(),
        line: span.map(|span| text[..span.start].matches('\n').count() + 1),
    }
}

/// Returns whether two dotted keys are equal, or one of them is a section that holds the other.
fn overlap(one: &str, other: &str) -> bool {
    let mut parts = one.trim().split('.').zip(other.split('.'));
    parts.all(|(one, other)| one == other)
}

/// Returns where the setting `field`, or the innermost section around it, stands in the file's text.
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
