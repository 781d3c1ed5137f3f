//! Texts of any length: division into sentences that a model has positions for, and joining of their translations.

use std::borrow::Cow;
use std::sync::LazyLock;

use attend_data::{is_blank, single_line};
use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;

use crate::language::Language;
use crate::script::{self, Letters};
use crate::spans;
use crate::translation::LinkedTranslation;

/// The number of bytes of a text that are divided into sentences at a time. For some texts, the time that this takes
/// grows with the square of the number.
const WINDOW: usize = 8 << 10;

/// A sentence of a text, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence<'a> {
    /// What is between this sentence and the one before it: white space, and perhaps characters that no reader sees.
    /// `None` if a word goes on from the one to the other, because it was too long for the model.
    pub(crate) spacing: Option<&'a str>,
    /// The text of the sentence.
    pub(crate) text: &'a str,
    /// The tokens of the sentence, without `</s>`.
    pub(crate) source: Vec<u32>,
}

/// Divides `text` into sentences without white space around them. Parts that are [blank](is_blank) are left out.
///
/// `encode` returns the tokens of a sentence. If the model has too few positions for them, `encode` returns their
/// number, or a smaller number, as an error. Such a sentence is divided at the last punctuation that leaves a part
/// short enough, else at a space, else between two characters.
///
/// # Errors
///
/// Returns the error of `encode` for a part of the text of which not even the first character fits.
pub(crate) fn sentences<'a>(
    text: &'a str,
    language: &Language,
    encode: impl Fn(&str) -> Result<Vec<u32>, usize>,
) -> Result<Vec<Sentence<'a>>, usize> {
    let mut found = Vec::new();
    let text = text.trim();
    let mut window_start = 0;
    let mut end = 0;
    let mut previous = "";
    while window_start < text.len() {
        let window_end = window_end(text, window_start);
        let segments = divided_behind_emoji(&text[window_start..window_end])
            .flat_map(|part| language.segments(part))
            .collect();
        let mut segments = whole_sentences(segments, text);
        if window_end < text.len() && segments.len() > 1 {
            // The window may end before this sentence does: it begins the next one.
            segments.pop();
        }
        let mut taken = window_end;
        for segment in segments {
            taken = offset(text, segment) + segment.len();
            let mut rest = segment.trim();
            while !is_blank(rest) {
                let (part, source) = longest_part(rest, &encode)?;
                rest = rest[part.len()..].trim_start();
                if is_blank(part) {
                    continue;
                }
                let start = offset(text, part);
                let goes_on = start == end && !previous.is_empty() && !may_end_between(previous, part);
                let spacing = (!goes_on).then(|| &text[end..start]);
                previous = part;
                found.push(Sentence {
                    spacing,
                    text: part,
                    source,
                });
                end = start + part.len();
            }
        }
        window_start = taken;
    }
    Ok(found)
}

/// Divides a text at the white space behind emoji that follow the mark of a sentence directly: `Yes.😀 No.`.
fn divided_behind_emoji(text: &str) -> impl Iterator<Item = &str> {
    static END: LazyLock<Regex> = LazyLock::new(|| {
        let mark = r"[.…\p{Sentence_Break=STerm}]\p{Sentence_Break=Close}*";
        let pattern = format!(r"{mark}(?:{})+\s+", spans::EMOJI.as_str());
        Regex::new(&pattern).expect("the pattern is valid")
    });
    let ends = END.find_iter(text).map(|end| end.end());
    let mut start = 0;
    ends.chain([text.len()]).map(move |end| {
        let part = &text[start..end];
        start = end;
        part
    })
}

/// Joins the segments that are no sentences. All `segments` are slices of `text`, one after the other.
///
/// - A sentence of a script that is written with spaces ends only before white space: `report.PDF` and `a.B` have no
///   end within.
/// - A part without letters is no sentence. A number, such as the `1.` of a list, belongs to the next sentence. Other
///   parts, such as `...`, belong to the sentence before them.
/// - A number with a period before a small letter is an ordinal, in any language: `3. sınıf`.
fn whole_sentences<'a>(segments: Vec<&'a str>, text: &'a str) -> Vec<&'a str> {
    let has_letters = |part: &str| part.contains(char::is_alphabetic);
    let mut whole: Vec<&'a str> = Vec::with_capacity(segments.len());
    let mut last_has_letters = false;
    let mut previous = "";
    for segment in segments {
        let is_own = has_letters(segment) || segment.contains(char::is_numeric);
        let divides = last_has_letters
            && is_own
            && may_end_between(previous, segment)
            && !is_ordinal(previous, segment);
        match whole.last_mut() {
            Some(last) if !divides => {
                *last = with_next(text, last, segment);
                last_has_letters |= has_letters(segment);
            }
            _ => {
                whole.push(segment);
                last_has_letters = has_letters(segment);
            }
        }
        previous = segment;
    }
    if let [.., last, number] = whole[..]
        && !last_has_letters
    {
        whole.truncate(whole.len() - 2);
        whole.push(with_next(text, last, number));
    }
    whole
}

/// Returns whether a part of a text ends in an ordinal, such as the German and Turkish `3.`, and not in a sentence.
fn is_ordinal(part: &str, next: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d\.\s*$").expect("the pattern is valid"));
    next.trim_start().starts_with(char::is_lowercase) && NUMBER.is_match(part)
}

/// Returns two slices of `text`, of which one follows the other, as one slice.
fn with_next<'a>(text: &'a str, slice: &str, next: &str) -> &'a str {
    let start = offset(text, slice);
    &text[start..start + slice.len() + next.len()]
}

/// Returns whether a sentence may end between two parts of a text: at white space; after a mark that has no other use,
/// such as `。`, `।` or `؟`; or beside a letter of a script that is written without spaces.
fn may_end_between(before: &str, after: &str) -> bool {
    static SPACE_OR_MARK: LazyLock<Regex> = LazyLock::new(|| {
        // The marks are those of UAX #29, without those that also stand within words and addresses. A quotation or a
        // parenthesis may be closed after a mark.
        let pattern = r"(\s|[\p{Sentence_Break=STerm}．--\p{ASCII}]\p{Sentence_Break=Close}*)$";
        Regex::new(pattern).expect("the pattern is valid")
    });
    let last_letter = before.chars().rev().find(|character| character.is_alphanumeric());
    let first = after.chars().next();
    first.is_some_and(char::is_whitespace)
        || SPACE_OR_MARK.is_match(before)
        || [last_letter, first]
            .into_iter()
            .flatten()
            .any(script::is_written_without_spaces)
}

/// Returns the byte index in `text` at which `part`, a slice of `text`, begins.
pub(crate) fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Returns the end of the window that begins at `start`: at white space, if the window has some, else between two
/// characters as readers see them, such as a letter with its marks.
fn window_end(text: &str, start: usize) -> usize {
    if text.len() - start <= WINDOW {
        return text.len();
    }
    let end = text.floor_char_boundary(start + WINDOW);
    let window = &text[start..end];
    // The last grapheme of the window may go on behind it.
    let last_grapheme = || window.grapheme_indices(true).next_back().map(|(place, _)| place);
    let place = window
        .rfind(char::is_whitespace)
        .filter(|&space| space > 0)
        .or_else(last_grapheme);
    match place {
        None | Some(0) => end,
        Some(place) => start + place,
    }
}

/// Returns the longest beginning of `text` for which the model has enough positions, with its tokens. It ends after
/// punctuation if possible, else after a word, else after any character as readers see them, such as a letter with its
/// marks. If not even the first of these fits, it ends after any character of Unicode.
///
/// # Errors
///
/// Returns the error of `encode` for the whole text if not even its first character fits.
fn longest_part<'a>(
    text: &'a str,
    encode: &impl Fn(&str) -> Result<Vec<u32>, usize>,
) -> Result<(&'a str, Vec<u32>), usize> {
    let too_long = match encode(text) {
        Ok(source) => return Ok((text, source)),
        Err(tokens) => tokens,
    };
    let graphemes: Vec<(usize, &str)> = text.grapheme_indices(true).collect();
    let between_graphemes = |may_end: fn(char, char) -> bool| -> Vec<usize> {
        let is_end = |pair: &[(usize, &str)]| {
            let (before, behind) = (pair[0].1.chars().next_back(), pair[1].1.chars().next());
            before
                .zip(behind)
                .is_some_and(|(before, behind)| may_end(before, behind))
        };
        let pairs = graphemes.windows(2).filter(|pair| is_end(pair));
        pairs.map(|pair| pair[1].0).collect()
    };
    let choices: [&dyn Fn() -> Vec<usize>; 4] = [
        &|| between_graphemes(ends_clause),
        &|| between_graphemes(ends_word),
        &|| between_graphemes(|_, _| true),
        &|| text.char_indices().skip(1).map(|(place, _)| place).collect(),
    ];
    for ends in choices {
        let ends = ends();
        let fitting = count_fitting(&ends, |end| encode(&text[..end]).is_ok());
        if let Some(&end) = ends[..fitting].last() {
            let part = &text[..end];
            return Ok((part, encode(part)?));
        }
    }
    Err(too_long)
}

/// Returns the number of `ends` that fit. They come before the ends that do not fit. The search starts at the first
/// ends, since most ends of a long text lie far beyond the last one that fits.
fn count_fitting(ends: &[usize], fits: impl Fn(usize) -> bool) -> usize {
    let (mut fitting, mut step) = (0, 1);
    while fitting + step <= ends.len() && fits(ends[fitting + step - 1]) {
        fitting += step;
        step *= 2;
    }
    let undecided = &ends[fitting..ends.len().min(fitting + step)];
    fitting + undecided.partition_point(|&end| fits(end))
}

/// Returns whether a part of a sentence may end between `character` and `next`: after a Western punctuation mark with
/// white space after it, or after an Eastern punctuation mark, which needs no white space.
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

/// Returns whether a word ends between `character` and `next`.
fn ends_word(character: char, next: char) -> bool {
    next.is_whitespace() && !character.is_whitespace()
}

/// Returns the `nbest` best translations of a text, the best first. Each combines one translation of each sentence. The
/// score and the log-probability of the text are the sums over these translations. `sentences` has the translations of
/// each sentence, the best first, and `spacings` has the white space before each sentence.
///
/// For example, if the translations of one sentence have the scores -1 and -3, and those of the next -1 and -2, the
/// translations of both together have the scores -2, -3, -4 and -5.
pub(crate) fn join(
    spacings: &[Option<&str>],
    sentences: &[Vec<LinkedTranslation>],
    nbest: usize,
) -> Vec<LinkedTranslation> {
    /// A translation of the first sentences of the text.
    struct Choice {
        /// The index of the choice for all of these sentences but the last.
        before: usize,
        /// The index of the translation of the last of these sentences.
        translation: usize,
        /// The sum of the scores.
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
            // Both lists are sorted, so at least r * t sums are as good as that of the entries r and t, counted from 1.
            for (translation, last) in translations.iter().enumerate().take(nbest / (rank + 1)) {
                sums.push(Choice {
                    before: rank,
                    translation,
                    score: score + f64::from(last.translation.score),
                });
            }
        }
        sums.sort_by(|a, b| b.score.total_cmp(&a.score));
        sums.truncate(nbest);
        choices.push(sums);
    }

    let Some(best) = choices.last() else {
        return vec![LinkedTranslation::default()];
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

/// Returns the samples of a text. The first combines the first samples of all sentences, the second combines their
/// second samples, and so on. All sentences have equally many samples. A text without sentences has one sample, the
/// empty text. `spacings` has the white space before each sentence.
pub(crate) fn join_samples(
    spacings: &[Option<&str>],
    sentences: &[Vec<LinkedTranslation>],
) -> Vec<LinkedTranslation> {
    let samples = sentences.first().map_or(1, Vec::len);
    (0..samples)
        .map(|sample| together(spacings, sentences.iter().map(|samples| &samples[sample])))
        .collect()
}

/// Joins one translation of each sentence to a translation of the text. Between them stands what the script of the
/// translation has between sentences, given the white space of `spacings` in the source.
fn together<'a>(
    spacings: &[Option<&str>],
    sentences: impl Iterator<Item = &'a LinkedTranslation>,
) -> LinkedTranslation {
    let (mut score, mut log_probability) = (0.0, 0.0);
    let mut whole = LinkedTranslation::default();
    let mut separators = Separators::default();
    let LinkedTranslation { translation, links } = &mut whole;
    for (&spacing, sentence) in spacings.iter().zip(sentences) {
        translation.text += &separators.before(spacing, &sentence.translation.text);
        let start = translation.text.len();
        links.extend(sentence.links.iter().map(|link| link.moved(start)));
        translation.text += &sentence.translation.text;
        translation.tokens.extend(&sentence.translation.tokens);
        score += f64::from(sentence.translation.score);
        log_probability += f64::from(sentence.translation.log_probability);
    }
    translation.score = score as f32;
    translation.log_probability = log_probability as f32;
    whole
}

/// What stands between the sentences of a translation, which come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Separators {
    has_begun: bool,
    /// The letters of the translation so far.
    letters: Letters,
}

impl Separators {
    /// Returns what stands before the next sentence of a translation, given the white space before its source. It
    /// depends on the script of the letters up to this sentence, and on nothing that comes later. There is nothing
    /// before the first sentence.
    pub(crate) fn before<'a>(&mut self, spacing: Option<&'a str>, translation: &str) -> Cow<'a, str> {
        self.letters.count(translation.chars());
        if std::mem::replace(&mut self.has_begun, true) {
            separator(spacing, self.letters.have_no_spaces_between_sentences())
        } else {
            Cow::Borrowed("")
        }
    }
}

/// Returns what stands between two sentences of a translation, given the white space between the sentences of the
/// source. If the translation is of a script without spaces between sentences, only tabs stay. Otherwise there is one
/// blank where the source has none, and a blank for each ideographic space. `has_no_spaces` is `None` if the
/// translation has no letters; the white space then stays.
fn separator(spacing: Option<&str>, has_no_spaces: Option<bool>) -> Cow<'_, str> {
    let Some(spacing) = spacing else {
        return Cow::Borrowed("");
    };
    let mut spacing = single_line(spacing).into_owned();
    spacing.retain(char::is_whitespace);
    match has_no_spaces {
        Some(true) => spacing.replace(|c| c != '\t', "").into(),
        Some(false) if spacing.is_empty() => " ".into(),
        Some(false) => spacing.replace('\u{3000}', " ").into(),
        None => spacing.into(),
    }
}

#[cfg(all(test, feature = "sentences"))]
mod tests;
