//! Lines with markup, or with spans to keep: what the model reads of them, and how their translations are put together.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use attend_data::{Tokenizer, is_blank};

use super::target_language::TargetLanguage;
use super::{Line, Part};
use crate::error::InferError;
use crate::language::Language;
use crate::links::{self, Link};
use crate::markup::{self, Format, Markup};
use crate::options::TranslateOptions;
use crate::search::SearchOptions;
use crate::spans::{self, Reading, Role, Span};
use crate::text;
use crate::translation::{LinkedTranslation, Translation};

/// A line whose options let a part of it pass through: what the model reads of it, and how its translation is put
/// together.
pub(super) struct MarkedLine<'a> {
    pub(super) line: Line<'a>,
    /// The options of the searches for its parts.
    part_options: Cow<'a, TranslateOptions>,
    markup: Markup<'a>,
    spans: Vec<Span<'a>>,
    language: TargetLanguage,
    sentences: Vec<MarkedSentence>,
}

/// A sentence of such a line.
struct MarkedSentence {
    /// Its bytes in the text of the line.
    range: Range<usize>,
    /// The places of its spans in those of the line.
    spans: Range<usize>,
    /// The ways in which the model reads it. None if there is nothing to translate in it.
    readings: Vec<Reading>,
}

impl<'a> MarkedLine<'a> {
    /// Takes a line, and the tokenizer of sources.
    pub(super) fn new(tokenizer: &Tokenizer, line: &Line<'a>) -> Self {
        let options = line.options;
        let markup = Markup::new(line.text, options.format, &options.tags);
        let of_markup = markup.kept.iter().map(|(range, source)| Span {
            range: range.clone(),
            role: Role::Name,
            markup: Some(*source),
        });
        let spans = spans::find(&markup.text, &options.keep, of_markup.collect());
        let mut target_language = TargetLanguage::of_line(tokenizer, &markup.text, options);
        // What is kept is no language, even if it looks like one.
        if spans
            .first()
            .is_some_and(|span| span.range.start < target_language.start)
        {
            target_language = TargetLanguage::of_options(options);
        }
        let start = target_language.start;
        let mut ranges = match &options.language {
            // A line without tags and spans is searched for as it is, and divided there.
            Some(language) if !markup.nodes.is_empty() || !spans.is_empty() => {
                sentences(&markup, &spans, language, start)
            }
            _ => Vec::new(),
        };
        if ranges.is_empty() {
            ranges.push(start..markup.text.len());
        }
        let part_options = part_options(options, &markup, &spans);
        let is_asked = |word: &String| !is_blank(word);
        let asks_for_words = is_asked(&options.prefix) || part_options.required.iter().any(is_asked);
        let mut first = 0;
        let sentence = |range: Range<usize>| {
            let count = spans[first..]
                .iter()
                .take_while(|span| span.range.end <= range.end)
                .count();
            let of_line = first..first + count;
            first += count;
            let mut readings = spans::readings(&markup.text, range.clone(), &spans[of_line.clone()]);
            if !of_line.is_empty() && !asks_for_words && readings[0].is_spans_only() {
                readings.clear();
            }
            MarkedSentence {
                range,
                spans: of_line,
                readings,
            }
        };
        let sentences = ranges.into_iter().map(sentence).collect();
        Self {
            line: *line,
            part_options,
            language: target_language,
            sentences,
            markup,
            spans,
        }
    }

    /// Returns the parts that are searched for: each reading of each sentence.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let has_links = !self.markup.nodes.is_empty() || !self.spans.is_empty();
        self.sentences.iter().flat_map(move |sentence| {
            sentence.readings.iter().map(move |reading| Part {
                line: Line {
                    text: &reading.text,
                    options: &self.part_options,
                    ..self.line
                },
                start: sentence.range.start,
                has_links,
                language: &self.language,
                terms: reading.without_stand_ins().into(),
            })
        })
    }

    /// Returns the place in `results` of an error without which a sentence has no result at all, if there is one.
    /// `results` begins with those of the line's [parts](Self::parts). Returns the number of these, too.
    pub(super) fn refusal<T>(&self, results: &[Result<T, InferError>]) -> (Option<usize>, usize) {
        let (mut refusal, mut end) = (None, 0);
        for MarkedSentence { readings, .. } in &self.sentences {
            let start = end;
            end += readings.len();
            if refusal.is_none() && start < end && results[start..end].iter().all(Result::is_err) {
                refusal = Some(start);
            }
        }
        (refusal, end)
    }

    /// Returns the translations of the line. `found` begins with those of its [parts](Self::parts).
    ///
    /// # Errors
    ///
    /// Returns the error of the first sentence that has no translation in any reading.
    pub(super) fn translations(
        &self,
        found: &mut impl Iterator<Item = Result<Vec<LinkedTranslation>, InferError>>,
    ) -> Result<Vec<Translation>, InferError> {
        let of_sentences: Vec<_> = self
            .sentences
            .iter()
            .map(|sentence| self.of_sentence(sentence, found.by_ref().take(sentence.readings.len())))
            .collect();
        let of_sentences = of_sentences.into_iter().collect::<Result<Vec<_>, _>>()?;
        let translations = self.join(of_sentences).into_iter();
        let with_tags = |LinkedTranslation {
                             mut translation,
                             links,
                         }| {
            if self.line.options.format != Format::Text {
                let of_span = |span: usize| self.spans[span].markup;
                translation.text = markup::write(&self.markup, &translation.text, &links, of_span);
            }
            translation
        };
        Ok(translations.map(with_tags).collect())
    }

    /// Returns the translations of a sentence with its spans: those of the reading of which the model copied all
    /// stand-ins, or the most. Of several such readings, it is the one whose best translation has the best score.
    fn of_sentence(
        &self,
        sentence: &MarkedSentence,
        found: impl Iterator<Item = Result<Vec<LinkedTranslation>, InferError>>,
    ) -> Result<Vec<LinkedTranslation>, InferError> {
        if sentence.readings.is_empty() {
            let search = &self.line.options.search;
            let samples = if search.sampling.is_some() {
                search.nbest
            } else {
                1
            };
            return Ok(vec![self.unchanged(sentence); samples]);
        }
        let mut best: Option<(usize, Vec<LinkedTranslation>)> = None;
        let mut error = None;
        for (reading, translations) in sentence.readings.iter().zip(found) {
            let translations = match translations {
                Ok(translations) => translations,
                Err(failure) => {
                    error.get_or_insert(failure);
                    continue;
                }
            };
            let (translations, missing) = self.restored(sentence, reading, translations);
            let is_better = |(least, other): &(usize, Vec<LinkedTranslation>)| {
                let score = |translations: &[LinkedTranslation]| {
                    let best = translations.first();
                    best.map_or(f32::MIN, |best| best.translation.score)
                };
                missing < *least || missing == *least && score(&translations) > score(other)
            };
            if best.as_ref().is_none_or(is_better) {
                best = Some((missing, translations));
            }
        }
        best.map(|(_, translations)| translations)
            .ok_or_else(|| error.expect("each reading has translations or an error"))
    }

    /// Returns the translations of a reading with spans in place of stand-ins, and the number of stand-ins that the
    /// best of them lacks, or has too often. If there are spans, translations that a search found are different texts.
    fn restored(
        &self,
        sentence: &MarkedSentence,
        reading: &Reading,
        mut translations: Vec<LinkedTranslation>,
    ) -> (Vec<LinkedTranslation>, usize) {
        let mut missing = None;
        for LinkedTranslation { translation, links } in &mut translations {
            let restored = spans::restore(
                &self.markup.text,
                &self.spans[sentence.spans.clone()],
                sentence.spans.start,
                reading,
                &translation.text,
                links,
            );
            missing.get_or_insert(restored.missing);
            (translation.text, *links) = (restored.text, restored.links);
        }
        let search = &self.line.options.search;
        if search.sampling.is_none() && !sentence.spans.is_empty() {
            let mut texts = HashSet::new();
            translations.retain(|found| texts.insert(found.translation.text.clone()));
            translations.truncate(search.nbest);
        }
        (translations, missing.unwrap_or_default())
    }

    /// Returns a sentence that consists of spans only as its own translation.
    fn unchanged(&self, sentence: &MarkedSentence) -> LinkedTranslation {
        let MarkedSentence { range, spans, .. } = sentence;
        let text = &self.markup.text[range.clone()];
        let link = |source: Range<usize>, span| Link {
            target: source.start - range.start..source.end - range.start,
            sources: vec![(source, 1.0)],
            span,
        };
        let of_spans = spans
            .clone()
            .map(|span| link(self.spans[span].range.clone(), Some(span)));
        let mut links: Vec<Link> = of_spans.collect();
        let is_in_span = |word: &Range<usize>| {
            let next = links.partition_point(|span| span.target.end <= word.start);
            links.get(next).is_some_and(|span| span.target.start < word.end)
        };
        let words = links::words(text).into_iter().filter(|word| !is_in_span(word));
        let words = words.map(|word| link(word.start + range.start..word.end + range.start, None));
        let words: Vec<Link> = words.collect();
        links.extend(words);
        links.sort_by_key(|link| link.target.start);
        let translation = Translation {
            text: text.to_owned(),
            ..Translation::default()
        };
        LinkedTranslation { translation, links }
    }

    /// Returns the translations of the line, given those of its sentences.
    fn join(&self, mut of_sentences: Vec<Vec<LinkedTranslation>>) -> Vec<LinkedTranslation> {
        if of_sentences.len() == 1 {
            return of_sentences.swap_remove(0);
        }
        let mut end = 0;
        let spacings: Vec<Option<&str>> = self
            .sentences
            .iter()
            .map(|MarkedSentence { range, .. }| {
                let spacing = &self.markup.text[end..range.start];
                end = range.end;
                Some(spacing)
            })
            .collect();
        let search = &self.line.options.search;
        if search.sampling.is_some() {
            text::join_samples(&spacings, &of_sentences)
        } else {
            text::join(&spacings, &of_sentences, search.nbest)
        }
    }
}

/// Returns the options of the searches for the parts of a line.
///
/// A span has the required words that it consists of, so that the model need not write them. Different translations may
/// be the same text once spans are in place of stand-ins, so that a search for several returns all that its beam has.
fn part_options<'a>(
    options: &'a TranslateOptions,
    markup: &Markup<'_>,
    spans: &[Span<'_>],
) -> Cow<'a, TranslateOptions> {
    let is_kept = |word: &String| {
        let mut texts = spans.iter().map(|span| &markup.text[span.range.clone()]);
        texts.any(|text| spans::has_word(text, word.trim()))
    };
    let SearchOptions {
        nbest,
        beam_size,
        sampling,
        ..
    } = options.search;
    let has_more = nbest > 1 && nbest < beam_size && sampling.is_none() && !spans.is_empty();
    if !has_more && !options.required.iter().any(is_kept) {
        return Cow::Borrowed(options);
    }
    let mut options = options.clone();
    options.required.retain(|word| !is_kept(word));
    if has_more {
        options.search.nbest = beam_size;
    }
    Cow::Owned(options)
}

/// Returns the bytes of the sentences of a text, without white space around them. The first one begins at the byte
/// `start` or behind it. Sentences end at breaks, but each span is in one sentence.
fn sentences(
    markup: &Markup<'_>,
    spans: &[Span<'_>],
    language: &Language,
    start: usize,
) -> Vec<Range<usize>> {
    let text = &markup.text;
    // A URL may have what looks like the end of a sentence. A word of as many bytes has the same place.
    let mut hidden = String::with_capacity(text.len());
    for span in spans.iter().filter(|span| span.role == Role::Name) {
        hidden += &text[hidden.len()..span.range.start];
        hidden.extend(std::iter::repeat_n('X', span.range.len()));
    }
    hidden += &text[hidden.len()..];

    let span_across = |place: usize| {
        let next = spans.partition_point(|span| span.range.end <= place);
        spans.get(next).filter(|span| span.range.start < place)
    };
    let mut sentences: Vec<Range<usize>> = Vec::new();
    let breaks = markup.breaks.iter().copied().filter(|end| *end > start);
    let mut from = start;
    for end in breaks.chain([text.len()]) {
        // No sentence is too long here: one that is too long for the model is divided when it is searched for.
        let found = text::sentences(&hidden[from..end], language, |_| Ok(Vec::new()));
        for sentence in found.unwrap_or_default() {
            let first = text::offset(&hidden, sentence.text);
            let end = first + sentence.text.len();
            let first = span_across(first).map_or(first, |span| span.range.start);
            let end = span_across(end).map_or(end, |span| span.range.end);
            match sentences.last_mut() {
                Some(last) if first < last.end => last.end = last.end.max(end),
                _ => sentences.push(first..end),
            }
        }
        from = end;
    }
    sentences
}
