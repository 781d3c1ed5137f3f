//! From words to a line of text.

/// Joins the parts that are not empty by a space. No space stands before a part that begins with a comma.
pub(crate) fn join<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for part in parts {
        let part = part.as_ref();
        if !text.is_empty() && !part.is_empty() && !part.starts_with(',') {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// Returns the text with a capital first letter and a final mark in place of commas at the end.
pub(crate) fn capitalized(text: &str, mark: &str) -> String {
    let text = text.trim_end_matches(',');
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}{mark}", characters.as_str())
}
