//! Encoding of lines into tokens. Each line and its options are checked here for the model.

use std::borrow::Cow;
use std::sync::Arc;

use attend_data::{Tokenizer, is_blank, readable, spaced_once};
use unicode_normalization::UnicodeNormalization;

use crate::error::InferError;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::search::{BannedWords, EXTRA_LENGTH, Request, RequiredWords, SearchOptions};
use crate::text::{self, Sentence};

use super::groups::Groups;
use super::{Line, Part, Translator};

/// A line whose sentences are ready to be searched for.
pub(super) struct EncodedLine<'a> {
    pub(super) options: &'a TranslateOptions,
    /// The sentences of the line if it is a text, else one sentence. A blank line has none.
    pub(super) sentences: Vec<EncodedSentence<'a>>,
}

/// A sentence ready to be searched for.
pub(super) struct EncodedSentence<'a> {
    /// What is between this sentence and the one before it; `None` if a word goes on from the one to the other.
    pub(super) spacing: Option<&'a str>,
    /// The sentence as the model reads it, perhaps with the token of its target language before it.
    pub(super) text: Cow<'a, str>,
    /// The number of bytes before the sentence in this text, of a target language that the line does not have there.
    pub(super) added: usize,
    /// The byte of the line at which the sentence begins.
    pub(super) start: usize,
    /// The tokens that the model reads, without `</s>`.
    pub(super) source: Vec<u32>,
    pub(super) request: Request,
    /// The index of the sentence's line in the input, from 0.
    pub(super) line: usize,
    /// The index of the group whose sentences may share a batch with this sentence.
    pub(super) group: usize,
}

impl Translator {
    /// Encodes each line, in order. The result of a line is an error if the line or its options are refused.
    pub(super) fn encode<'a>(
        &self,
        parts: &[Part<'a>],
        groups: &Groups<'a>,
    ) -> Vec<Result<EncodedLine<'a>, InferError>> {
        let parts: Vec<(&Part<'a>, usize)> = parts.iter().zip(groups.of_parts.iter().copied()).collect();
        self.for_each(&parts, |&(part, group)| {
            let banned = groups.all[group].banned.as_deref();
            EncodedLine::new(&self.model, part, group, banned)
        })
    }
}

impl EncodedSentence<'_> {
    /// Returns the number of tokens of a translation for which a batch has room. Few translations have more, even if
    /// the search allows ten times as many, as that of transformers does.
    pub(super) fn expected_length(&self, search: &SearchOptions) -> usize {
        let least = self.request.prefix.len().max(search.min_length);
        let most = self.source.len().max(least) + EXTRA_LENGTH;
        self.request.max_length.min(most)
    }
}

impl<'a> EncodedLine<'a> {
    /// Encodes a line, and checks the line and its options for the model.
    fn new(
        model: &Model,
        part: &Part<'a>,
        group: usize,
        banned: Option<&BannedWords>,
    ) -> Result<Self, InferError> {
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
        let sentences = sentences.into_iter().enumerate().map(|(place, sentence)| {
            let mut request = request(model, line, &sentence.source, banned)?;
            // A line has fewer sentences than 2³².
            request.number = (line.number as u64) << 32 | (part.start + place) as u64;
            let text = part.language.before(sentence.text);
            Ok(EncodedSentence {
                spacing: sentence.spacing,
                added: text.len() - sentence.text.len(),
                text,
                start: text::offset(line.text, sentence.text),
                source: sentence.source,
                request,
                line: line.number,
                group,
            })
        });
        Ok(Self {
            options,
            sentences: sentences.collect::<Result<_, InferError>>()?,
        })
    }
}

/// Returns the request of a sentence of the line, given the `source` tokens of the sentence. Its number stays 0.
///
/// # Errors
///
/// Returns [`InferError::Refused`] if the prefix or a required word has an unknown token or a banned word, and
/// [`InferError::RequestTooLong`] if the prefix and the required words have more tokens than a translation may have.
fn request(
    model: &Model,
    line: &Line<'_>,
    source: &[u32],
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
    let words = required.iter().filter(|word| !is_blank(word));
    let words: Vec<String> = words.map(|word| spaced_once(word)).collect();
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
