//! Text of any length as sentences that a model takes, and their translations as text again.

use std::str::FromStr;

use crate::translator::Translation;

/// Bytes of a text in which sentences are looked for together. The search takes the square of their number for some
/// texts.
const WINDOW: usize = 8 << 10;

/// The language of a text, which decides where its sentences end: what its abbreviations are, and whether spaces
/// stand between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    code: String,
}

impl Default for Language {
    /// English.
    fn default() -> Self {
        Self {
            code: "en".to_owned(),
        }
    }
}

impl FromStr for Language {
    type Err = InvalidLanguage;

    /// The language of an ISO 639 code, such as `de`. Subtags, as in `de-AT` or `zh-hant`, change no rule. A language
    /// that the crate `sentencex` has no rules for is taken for a relative of it, or for English.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let code = code.to_ascii_lowercase();
        let mut tags = code.split('-');
        let is_language =
            |tag: &&str| (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_subtag = |tag: &str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let language = tags.next().filter(is_language).ok_or(InvalidLanguage)?;
        match tags.all(is_subtag) {
            // Of most languages with subtags, `sentencex` knows no relative.
            true => Ok(Self {
                code: language.to_owned(),
            }),
            false => Err(InvalidLanguage),
        }
    }
}

/// What is no code of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code of a language, such as en or de")]
pub struct InvalidLanguage;

/// A sentence of a text, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence<'a> {
    /// What stands between the sentence before and this one.
    pub(crate) spacing: &'a str,
    /// The sentence.
    pub(crate) text: &'a str,
    /// Its tokens.
    pub(crate) source: Vec<u32>,
}

/// The sentences of `text`, without white space around them. `encode` gives the tokens of a sentence, or their number,
/// or a smaller one, where there are more than the model takes: such a sentence is cut at its last punctuation that
/// leaves a part short enough, else at a space, else between two characters.
///
/// # Errors
///
/// The number of tokens of a character that the model does not take.
pub(crate) fn sentences<'a>(
    text: &'a str,
    language: &Language,
    encode: impl Fn(&str) -> Result<Vec<u32>, usize>,
) -> Result<Vec<Sentence<'a>>, usize> {
    let mut found = Vec::new();
    let text = text.trim();
    let mut window_start = 0;
    let mut end = 0;
    while window_start < text.len() {
        let window_end = window_end(text, window_start);
        let mut segments = sentencex::segment(&language.code, &text[window_start..window_end]);
        if window_end < text.len() && segments.len() > 1 {
            // The window may end before this sentence does: it begins the next one.
            segments.pop();
        }
        let mut taken = window_end;
        for segment in segments {
            taken = offset(text, segment) + segment.len();
            let mut rest = segment.trim();
            while !rest.is_empty() {
                let (part, source) = longest_part(rest, &encode)?;
                let start = offset(text, part);
                let spacing = &text[end..start];
                found.push(Sentence {
                    spacing,
                    text: part,
                    source,
                });
                end = start + part.len();
                rest = rest[part.len()..].trim_start();
            }
        }
        window_start = taken;
    }
    Ok(found)
}

/// Where `part` begins in `text`, of which it is a part.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Where a window ends that begins at `start`: at a space, if it has one.
fn window_end(text: &str, start: usize) -> usize {
    if text.len() - start <= WINDOW {
        return text.len();
    }
    let end = text.floor_char_boundary(start + WINDOW);
    match text[start..end].rfind(char::is_whitespace) {
        None | Some(0) => end,
        Some(space) => start + space,
    }
}

/// The longest beginning of `text` that the model takes, and its tokens.
fn longest_part<'a>(
    text: &'a str,
    encode: &impl Fn(&str) -> Result<Vec<u32>, usize>,
) -> Result<(&'a str, Vec<u32>), usize> {
    let too_long = match encode(text) {
        Ok(source) => return Ok((text, source)),
        Err(tokens) => tokens,
    };
    let anywhere = |_, _| true;
    for may_end in [ends_clause as fn(char, char) -> bool, ends_word, anywhere] {
        let mut ends = Vec::new();
        let mut characters = text.char_indices().peekable();
        while let Some((place, character)) = characters.next() {
            if let Some(&(_, next)) = characters.peek()
                && may_end(character, next)
            {
                ends.push(place + character.len_utf8());
            }
        }
        let fitting = count_fitting(&ends, |end| encode(&text[..end]).is_ok());
        if let Some(&end) = ends[..fitting].last() {
            let part = &text[..end];
            return Ok((part, encode(part)?));
        }
    }
    Err(too_long)
}

/// How many of `ends` fit, where those that do come first. Looks at the first ones first: most ends are far off.
fn count_fitting(ends: &[usize], fits: impl Fn(usize) -> bool) -> usize {
    let (mut fitting, mut step) = (0, 1);
    while fitting + step <= ends.len() && fits(ends[fitting + step - 1]) {
        fitting += step;
        step *= 2;
    }
    let undecided = &ends[fitting..ends.len().min(fitting + step)];
    fitting + undecided.partition_point(|&end| fits(end))
}

/// Whether a part may end at a mark of punctuation: one of the West with a space behind it, or one that needs none.
fn ends_clause(character: char, next: char) -> bool {
    let western = matches!(
        character,
        ',' | ';' | ':' | '.' | '!' | '?' | '…' | '—' | '–' | ')' | ']' | '"' | '”' | '“' | '»' | '،' | '؛'
    );
    let eastern = matches!(
        character,
        '，' | '、' | '；' | '：' | '。' | '！' | '？' | '」' | '』' | '）' | '।'
    );
    western && next.is_whitespace() || eastern
}

/// Whether a word ends.
fn ends_word(character: char, next: char) -> bool {
    next.is_whitespace() && !character.is_whitespace()
}

/// The `nbest` best translations of a text whose sentences have these, each best first: score, log-probability and
/// tokens are those of the sentences together. `spacings` holds what stands before each.
pub(crate) fn join(spacings: &[&str], sentences: &[Vec<Translation>], nbest: usize) -> Vec<Translation> {
    /// A beginning of the text: which beginning, without the last sentence, and which translation of that.
    struct Choice {
        before: usize,
        translation: usize,
        score: f64,
    }
    let mut choices: Vec<Vec<Choice>> = Vec::with_capacity(sentences.len());
    for translations in sentences {
        let before: Vec<f64> = match choices.last() {
            None => vec![0.0],
            Some(choices) => choices.iter().map(|choice| choice.score).collect(),
        };
        let mut sums = Vec::new();
        for (rank, score) in before.iter().enumerate() {
            // As many sums are at least as good as one of two lists sorted alike as its places multiply to.
            for (translation, last) in translations.iter().enumerate().take(nbest / (rank + 1)) {
                sums.push(Choice {
                    before: rank,
                    translation,
                    score: score + f64::from(last.score),
                });
            }
        }
        sums.sort_by(|a, b| b.score.total_cmp(&a.score));
        sums.truncate(nbest);
        choices.push(sums);
    }

    let Some(best) = choices.last() else {
        return vec![Translation::default()];
    };
    let joined = (0..best.len()).map(|mut rank| {
        let mut path: Vec<usize> = choices
            .iter()
            .rev()
            .map(|choices| {
                let choice = &choices[rank];
                rank = choice.before;
                choice.translation
            })
            .collect();
        path.reverse();
        let chosen = path.iter().zip(sentences).map(|(&choice, found)| &found[choice]);
        together(spacings, chosen)
    });
    joined.collect()
}

/// The samples of a text whose sentences have these, equally many each: the first of each sentence, the second of each,
/// and so on; of no sentence the empty text. `spacings` holds what stands before each.
pub(crate) fn join_samples(spacings: &[&str], sentences: &[Vec<Translation>]) -> Vec<Translation> {
    let samples = sentences.first().map_or(1, Vec::len);
    (0..samples)
        .map(|sample| together(spacings, sentences.iter().map(|samples| &samples[sample])))
        .collect()
}

/// The translations of a text's sentences as one, each behind its spacing.
fn together<'a>(spacings: &[&str], sentences: impl Iterator<Item = &'a Translation>) -> Translation {
    let (mut score, mut log_probability) = (0.0, 0.0);
    let mut whole = Translation::default();
    for (spacing, translation) in spacings.iter().zip(sentences) {
        whole.text += spacing;
        whole.text += &translation.text;
        whole.tokens.extend(&translation.tokens);
        score += f64::from(translation.score);
        log_probability += f64::from(translation.log_probability);
    }
    whole.score = score as f32;
    whole.log_probability = log_probability as f32;
    whole
}

#[cfg(test)]
mod tests;
