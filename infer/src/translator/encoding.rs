//! Encoding of lines into tokens. Each line and its options are checked here for the model.

use std::sync::Arc;

use attend_data::{Tokenizer, is_blank, readable, spaced_once};
use attend_device::Workers;
use unicode_normalization::UnicodeNormalization;

use crate::alignment::Alignment;
use crate::error::InferError;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::search::{BannedWords, EXTRA_LENGTH, Request, RequiredWords, SearchOptions};
use crate::text::{self, Sentence};
use crate::translation::{LinkedTranslation, Translation};

use super::batches::{Item, for_each};
use super::groups::{Group, groups};
use super::{Line, Part, RequestedLine};

/// Lines that a [`Translator`](crate::Translator) has [encoded](crate::Translator::encode) into tokens: first their
/// sentences are taken to be searched for, and then the translations of the lines are joined of what was found.
pub struct EncodedLines<'a> {
    model: Arc<Model>,
    pub(super) lines: Vec<RequestedLine<'a>>,
    /// The parts of all lines, in order. A part that the model does not take has an error.
    pub(super) parts: Vec<Result<EncodedLine, InferError>>,
}

/// A line, or a part of one, whose sentences are ready to be searched for.
pub(super) struct EncodedLine {
    search: SearchOptions,
    alignment: bool,
    /// Whether the line is a text of several sentences, or else one sentence. A blank line has none.
    is_text: bool,
    /// What is between each sentence and the one before it; `None` if a word goes on from the one to the other.
    pub(super) spacings: Vec<Option<String>>,
    /// The sentences, until they are taken.
    sentences: Vec<EncodedSentence>,
}

/// A sentence ready to be searched for, together with sentences of other lines and of other calls.
#[derive(Debug)]
pub struct EncodedSentence {
    /// The sentence as the model reads it, perhaps with the token of its target language before it.
    pub(super) text: String,
    /// The number of bytes before the sentence in this text, of a target language that the line does not have there.
    pub(super) added: usize,
    /// The byte of the line at which the sentence begins.
    pub(super) start: usize,
    /// The tokens that the model reads, without `</s>`.
    pub(super) source: Vec<u32>,
    pub(super) request: Request,
    /// The index of the sentence's line in the input, from 0.
    pub(super) line: usize,
    /// The group whose sentences may share a batch with this sentence.
    pub(super) group: Arc<Group>,
}

impl<'a> EncodedLines<'a> {
    /// Encodes lines on the `workers`, or without them on the calling thread.
    pub(super) fn new(model: &Arc<Model>, lines: &[Line<'a>], workers: Option<&Workers>) -> Self {
        let lines: Vec<RequestedLine<'a>> =
            lines.iter().map(|line| RequestedLine::new(model, line)).collect();
        let parts: Vec<Part<'_>> = lines.iter().flat_map(RequestedLine::parts).collect();
        let groups = groups(model, &parts);
        let parts: Vec<(Part<'_>, Arc<Group>)> = parts.into_iter().zip(groups).collect();
        let encode = |(part, group): &(Part<'_>, Arc<Group>)| EncodedLine::new(model, part, group);
        let parts = match workers {
            Some(workers) => for_each(workers, &parts, encode),
            None => parts.iter().map(encode).collect(),
        };
        Self {
            model: Arc::clone(model),
            parts,
            lines,
        }
    }

    /// Takes the sentences of all lines, in order. Lines that the model does not take have none.
    #[must_use]
    pub fn take_sentences(&mut self) -> Vec<EncodedSentence> {
        let lines = self.parts.iter_mut().flatten();
        lines
            .flat_map(|line| std::mem::take(&mut line.sentences))
            .collect()
    }

    /// Takes the error of the first line that has no translations, whatever is found for its sentences.
    pub(super) fn take_refusal(&mut self) -> Option<InferError> {
        let mut start = 0;
        for line in &self.lines {
            if let Err(error) = self.model.check(line.options()) {
                return Some(error);
            }
            let (refusal, count) = line.refusal(&self.parts[start..]);
            if let Some(place) = refusal {
                return self.parts.swap_remove(start + place).err();
            }
            start += count;
        }
        None
    }

    /// Returns the result of each line, in order, as [`Translator::translate`](crate::Translator::translate) does.
    /// `found` has the result of each of the [sentences](Self::take_sentences), in order, as
    /// [`Translator::search_batch`](crate::Translator::search_batch) returns them.
    ///
    /// # Errors
    ///
    /// The result of a line is the error for which the model does not take it, or the first of the errors that were
    /// found for its sentences.
    ///
    /// # Panics
    ///
    /// If there are fewer results than sentences.
    #[must_use]
    pub fn translations(
        self,
        found: Vec<Result<Vec<LinkedTranslation>, InferError>>,
    ) -> Vec<Result<Vec<Translation>, InferError>> {
        let mut found = found.into_iter();
        let of_part = |part: Result<EncodedLine, InferError>| {
            let part = part?;
            let of_sentences: Vec<_> = found.by_ref().take(part.spacings.len()).collect();
            assert_eq!(
                of_sentences.len(),
                part.spacings.len(),
                "each sentence has a result"
            );
            Ok(part.join(of_sentences.into_iter().collect::<Result<_, InferError>>()?))
        };
        let of_parts: Vec<_> = self.parts.into_iter().map(of_part).collect();
        let mut of_parts = of_parts.into_iter();
        let of_line = |line: &RequestedLine<'_>| {
            let translations = line.translations(&mut of_parts);
            // The options of a line without a part have not been checked yet.
            self.model.check(line.options()).and(translations)
        };
        self.lines.iter().map(of_line).collect()
    }
}

impl EncodedSentence {
    /// Returns the number of tokens of the sentence, `</s>` not counted.
    #[must_use]
    pub fn source_tokens(&self) -> usize {
        self.source.len()
    }

    /// Returns the number of tokens of a translation for which a batch has room, `</s>` not counted. Few translations
    /// have more, even if the search allows ten times as many, as that of transformers does.
    #[must_use]
    pub fn target_tokens(&self) -> usize {
        let least = self
            .request
            .prefix
            .len()
            .max(self.group.options.search.min_length);
        let most = self.source.len().max(least) + EXTRA_LENGTH;
        self.request.max_length.min(most)
    }

    /// Returns whether both sentences may be in one batch of the model for which they were encoded: if their options
    /// have equal `search`, `banned`, `all_tokens` and `alignment`, and tags or spans are to be put into both
    /// translations or into neither.
    #[must_use]
    pub fn shares_batches_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.group, &other.group) || self.group.shares_batches_with(&other.group)
    }

    /// Returns what the division into batches needs of the sentence, which is at the index `place`.
    pub(super) fn item(&self, place: usize) -> Item {
        Item {
            place,
            source: self.source_tokens(),
            target: self.target_tokens(),
        }
    }
}

impl EncodedLine {
    /// Encodes a line, and checks the line and its options for the model.
    fn new(model: &Model, part: &Part<'_>, group: &Arc<Group>) -> Result<Self, InferError> {
        let line = &part.line;
        let options = line.options;
        model.check(options)?;
        let encode = |sentence: &str| model.encode(&part.language.before(sentence));
        let sentences = match &options.language {
            _ if is_blank(line.text) => Ok(Vec::new()),
            Some(language) => text::sentences(line.text, language, encode),
            None => encode(line.text).map(|source| {
                vec![Sentence {
                    spacing: None,
                    text: line.text,
                    source,
                }]
            }),
        };
        let sentences = sentences.map_err(|tokens| model.too_long(line.number, tokens, "the input"))?;
        let spacings = sentences
            .iter()
            .map(|sentence| sentence.spacing.map(str::to_owned));
        let spacings = spacings.collect();
        let sentences = sentences.into_iter().enumerate().map(|(place, sentence)| {
            let start = text::offset(line.text, sentence.text);
            let terms = &part.terms[start..start + sentence.text.len()];
            let terms = options.glossary.targets_in(terms);
            let mut request = request(model, line, &sentence.source, &terms, group.banned.as_deref())?;
            // A line has fewer sentences than 2³².
            request.number = (line.number as u64) << 32 | (part.start + place) as u64;
            let text = part.language.before(sentence.text);
            Ok(EncodedSentence {
                added: text.len() - sentence.text.len(),
                text: text.into_owned(),
                start,
                source: sentence.source,
                request,
                line: line.number,
                group: Arc::clone(group),
            })
        });
        Ok(Self {
            search: options.search,
            alignment: options.alignment,
            is_text: options.language.is_some(),
            spacings,
            sentences: sentences.collect::<Result<_, InferError>>()?,
        })
    }

    /// Returns the translations of the line, given the translations of each of its sentences.
    fn join(&self, mut of_sentences: Vec<Vec<LinkedTranslation>>) -> Vec<LinkedTranslation> {
        if !self.is_text {
            let blank = || Translation {
                alignment: self.alignment.then(Alignment::default),
                ..Translation::default()
            };
            return of_sentences.pop().unwrap_or_else(|| vec![blank().into()]);
        }
        let spacings: Vec<Option<&str>> = self.spacings.iter().map(Option::as_deref).collect();
        if self.search.sampling.is_some() {
            text::join_samples(&spacings, &of_sentences)
        } else {
            text::join(&spacings, &of_sentences, self.search.nbest)
        }
    }
}

/// Returns the request of a sentence of the line, given the `source` tokens of the sentence and the `terms` that its
/// translation must have. Its number stays 0.
///
/// # Errors
///
/// Returns [`InferError::Refused`] if the prefix or a required word has an unknown token or a banned word, and
/// [`InferError::RequestTooLong`] if the prefix and the required words have more tokens than a translation may have.
fn request(
    model: &Model,
    line: &Line<'_>,
    source: &[u32],
    terms: &[&str],
    banned: Option<&BannedWords>,
) -> Result<Request, InferError> {
    let TranslateOptions {
        search,
        prefix: prefix_text,
        required,
        ..
    } = line.options;
    let prefix_text = readable(prefix_text);
    let prefix_text = prefix_text.trim();
    let words = required.iter().map(String::as_str).chain(terms.iter().copied());
    let words: Vec<String> = words.filter(|word| !is_blank(word)).map(spaced_once).collect();
    let refused = |text: &str, reason| InferError::Refused {
        line: line.number + 1,
        text: text.to_owned(),
        reason,
    };
    let limit = model.max_target_tokens();
    let limit = search.max_length.unwrap_or(limit).min(limit);
    let too_long = |tokens| InferError::RequestTooLong {
        line: line.number + 1,
        tokens,
        limit,
    };
    // Encoding a long text takes a hundred times its memory.
    let texts = words.iter().map(String::as_str).chain([prefix_text]);
    let at_least = texts.map(|text| model.target_tokenizer.min_tokens(text)).sum();
    if at_least > limit {
        return Err(too_long(at_least));
    }

    let prefix = model.target_tokenizer.encode(prefix_text);
    let required = words.iter().map(|word| spellings(&model.target_tokenizer, word));
    let required: Vec<Vec<Vec<u32>>> = required.collect();
    let asked = prefix.len() + required.iter().map(|word| word[0].len()).sum::<usize>();
    if asked > limit {
        return Err(too_long(asked));
    }
    let spelt = words.iter().zip(&required);
    let spelt = spelt.map(|(word, spellings)| (word.as_str(), &spellings[0]));
    for (text, tokens) in spelt.chain([(prefix_text, &prefix)]) {
        if tokens.iter().any(|&token| Some(token) == model.special.unk) {
            return Err(refused(text, "the vocabulary has no such word"));
        }
        let is_banned = |end: usize| banned.is_some_and(|words| words.occur_in(&tokens[..end]));
        if (1..=tokens.len()).any(is_banned) {
            return Err(refused(text, "it has a banned word, or a token that ends in one"));
        }
    }

    let required = if required.is_empty() {
        RequiredWords::default()
    } else {
        RequiredWords::new(required, Arc::clone(model.surfaces()))
    };
    let longest = source.len().max(search.min_length).max(asked);
    let max_length = if search.max_length.is_some() && search.stopping.is_of_transformers() {
        limit
    } else {
        limit.min(longest + EXTRA_LENGTH)
    };
    Ok(Request {
        source_length: model.encoder_input(source.to_vec()).len(),
        max_length,
        prefix,
        required,
        ..Request::default()
    })
}

/// Returns the tokens that spell a word within a sentence: those after a space, and then, if they differ, those
/// directly after other characters. Of the word's forms NFC and NFD and the form as it is, the spelling is taken that
/// has no `<unk>` and the fewest tokens, since it is in the form of the model's training text.
fn spellings(tokenizer: &Tokenizer, word: &str) -> Vec<Vec<u32>> {
    let forms = [
        word.nfc().collect(),
        word.to_owned(),
        word.nfd().collect::<String>(),
    ];
    let spelling = |after_space| {
        let spellings = forms
            .iter()
            .map(|form| tokenizer.encode_within(form, after_space));
        let unknown = |tokens: &[u32]| tokens.iter().any(|&token| Some(token) == tokenizer.unk_id());
        let best = spellings.min_by_key(|tokens| (unknown(tokens), tokens.len()));
        best.expect("there are three forms")
    };
    let mut spellings = vec![spelling(true), spelling(false)];
    spellings.dedup();
    spellings
}
