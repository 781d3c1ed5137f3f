//! Links between the words of a translation and those of its source, from which follows where in a translation a part
//! of the source is.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// A word of a translation, and the words of the source that its tokens attend to. Words are those of UAX #29; a
/// punctuation mark is a word, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    /// The bytes of the word in the translation.
    pub(crate) target: Range<usize>,
    /// The bytes of each word of the source sentence, with its share of the attention. The shares sum to 1.
    pub(crate) sources: Vec<(Range<usize>, f32)>,
    /// The index of the kept span that the word is, among those of the line.
    pub(crate) span: Option<usize>,
}

/// One side of an alignment.
pub(crate) struct Side<'a> {
    pub(crate) text: &'a str,
    /// The bytes of the text that each token stands for.
    pub(crate) tokens: Vec<Range<usize>>,
}

/// Returns the bytes of each word of a text. White space is in no word.
pub(crate) fn words(text: &str) -> Vec<Range<usize>> {
    text.split_word_bound_indices()
        .filter(|(_, word)| !word.trim().is_empty())
        .map(|(start, word)| start..start + word.len())
        .collect()
}

/// Links the words of a translation to those of its source by the `attention` of their tokens
/// `[target_seq][source_seq]`.
///
/// Words with letters or digits share their attention among such words. Punctuation marks share it among equal marks,
/// else among all marks. A word that attends to none of these belongs to all words of the source alike.
pub(crate) fn link(source: &Side<'_>, target: &Side<'_>, attention: &[Vec<f32>]) -> Vec<Link> {
    let source_words = words(source.text);
    let has_letters = |word: &str| word.chars().any(char::is_alphanumeric);
    let of_target = |range: Range<usize>| {
        let word = &target.text[range.clone()];
        let rows = target.tokens.iter().zip(attention);
        let rows: Vec<&Vec<f32>> = rows
            .filter(|(token, _)| overlap(token, &range))
            .map(|(_, row)| row)
            .collect();
        let attention_to = |source_word: &Range<usize>| {
            let tokens = source.tokens.iter().enumerate();
            let tokens = tokens.filter(|(_, token)| overlap(token, source_word));
            tokens
                .map(|(token, _)| rows.iter().filter_map(|row| row.get(token)).sum::<f32>())
                .sum::<f32>()
        };
        let alike = |other: &str| has_letters(other) == has_letters(word);
        let candidates = |is_one: &dyn Fn(&str) -> bool| {
            let ones = source_words
                .iter()
                .filter(|word| is_one(&source.text[(*word).clone()]));
            let ones: Vec<_> = ones.map(|word| (word.clone(), attention_to(word))).collect();
            let is_attended = ones.iter().any(|(_, weight)| *weight > 0.0);
            is_attended.then_some(ones)
        };
        let equal = if has_letters(word) {
            None
        } else {
            candidates(&|other| other == word)
        };
        let mut sources = equal
            .or_else(|| candidates(&alike))
            .unwrap_or_else(|| source_words.iter().map(|word| (word.clone(), 1.0)).collect());
        let total: f32 = sources.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut sources {
            *weight /= total;
        }
        Link {
            target: range,
            sources,
            span: None,
        }
    };
    words(target.text).into_iter().map(of_target).collect()
}

impl Link {
    /// Returns the share of the attention that goes to a part of the source.
    fn share(&self, source: &Range<usize>) -> f32 {
        // The words are in order, and a text of many sentences has many links that are far away.
        let (Some((first, _)), Some((last, _))) = (self.sources.first(), self.sources.last()) else {
            return 0.0;
        };
        if last.end <= source.start || source.end <= first.start {
            return 0.0;
        }
        let within = self.sources.iter().filter(|(word, _)| overlap(word, source));
        within.map(|(_, share)| share).sum()
    }

    /// Returns the share of the attention that goes to words before a byte of the source.
    fn share_before(&self, at: usize) -> f32 {
        match (self.sources.first(), self.sources.last()) {
            (Some((first, _)), _) if at < first.end => 0.0,
            (_, Some((last, _))) if last.end <= at => 1.0,
            _ => {
                let before = self.sources.iter().filter(|(word, _)| word.end <= at);
                before.map(|(_, share)| share).sum()
            }
        }
    }

    /// Returns whether no word of the source has a greater share of the attention than a part of the source.
    pub(crate) fn is_mostly(&self, source: &Range<usize>) -> bool {
        let greatest = self.sources.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        greatest.is_some_and(|(word, _)| overlap(word, source))
    }

    /// Returns the link with its word moved by a number of bytes.
    pub(crate) fn moved(&self, bytes: usize) -> Self {
        Self {
            target: self.target.start + bytes..self.target.end + bytes,
            ..self.clone()
        }
    }
}

/// Returns whether two ranges share a byte.
pub(crate) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Returns the neighbouring words of a translation that a part of the source became, and how well they fit.
///
/// `within` are the words to choose from, of which only those that are `free` may be taken. A word whose attention goes
/// to the part by more than half belongs to it. The words are those with the greatest sum of shares, each less one
/// half, so that one word in their midst may attend elsewhere. For example, of words with the shares 0.1, 0.9, 0.4, 0.8
/// and 0.3 they are the three in the middle: 0.4 - 0.1 + 0.3 is more than 0.4. If no word belongs to the part, they are
/// the one word with the greatest share. They are `None` if no word is free.
pub(crate) fn region(
    links: &[Link],
    within: Range<usize>,
    free: impl Fn(usize) -> bool,
    source: &Range<usize>,
) -> Option<(Range<usize>, f32)> {
    let mut best: Option<(Range<usize>, f32)> = None;
    // The words before this one, up to it, that are worth taking together with what follows.
    let (mut start, mut sum) = (within.start, 0.0);
    for place in within {
        if !free(place) {
            (start, sum) = (place + 1, 0.0);
            continue;
        }
        let gain = links[place].share(source) - 0.5;
        if sum <= 0.0 {
            (start, sum) = (place, gain);
        } else {
            sum += gain;
        }
        if best.as_ref().is_none_or(|(_, most)| sum > *most) {
            best = Some((start..place + 1, sum));
        }
    }
    best
}

/// Returns the word of a translation before which something stands that stood at a byte of the source: the number of
/// words of `within` before it, counted from the first link. `open` says where it may stand.
///
/// As many words as possible whose attention goes to what is before that byte are then before it, and those whose
/// attention goes to what is behind it are behind it.
pub(crate) fn gap(links: &[Link], within: Range<usize>, open: impl Fn(usize) -> bool, at: usize) -> usize {
    let mut sum = 0.0;
    let mut best: Option<(usize, f32)> = None;
    let mut try_place = |place: usize, sum: f32| {
        if open(place) && best.is_none_or(|(_, most)| sum > most) {
            best = Some((place, sum));
        }
    };
    for (place, link) in within.clone().zip(&links[within.clone()]) {
        try_place(place, sum);
        sum += link.share_before(at) - 0.5;
    }
    try_place(within.end, sum);
    best.map_or(within.end, |(place, _)| place)
}

#[cfg(test)]
mod tests;
