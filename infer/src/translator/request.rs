//! What a line asks of its translations, in tokens.

use super::{SourceLine, Translator};
use crate::error::InferError;
use crate::search::{Request, RequiredWords};

/// How much longer than its source, in tokens, a translation may grow: section 6.1 of "Attention Is All You Need".
pub const EXTRA_LENGTH: usize = 50;

/// A sentence ready to be searched for.
pub(super) struct EncodedSentence<'a> {
    pub(super) text: &'a str,
    pub(super) source: Vec<u32>,
    pub(super) request: Request,
    /// The place of its line in the input, from 0.
    pub(super) line: usize,
}

impl Translator {
    pub(super) fn too_long(&self, line: usize, tokens: usize, text: &'static str) -> InferError {
        InferError::TooLong {
            text,
            line: line + 1,
            tokens,
            limit: self.max_source_tokens(),
        }
    }

    /// The tokens of a sentence, or their number, or a smaller one, where the model has no positions for them.
    pub(super) fn encode(&self, sentence: &str) -> Result<Vec<u32>, usize> {
        let limit = self.max_source_tokens();
        let at_least = self.tokenizer.min_tokens(sentence);
        if at_least > limit {
            return Err(at_least);
        }
        let source = self.tokenizer.encode(sentence);
        match source.len() > limit {
            true => Err(source.len()),
            false => Ok(source),
        }
    }

    /// What a line asks for of a sentence of it that has this text and these tokens, the one at `place`.
    pub(super) fn encoded_sentence<'a>(
        &self,
        line: &SourceLine<'_>,
        text: &'a str,
        source: Vec<u32>,
        place: u64,
    ) -> Result<EncodedSentence<'a>, InferError> {
        let prefix = self.tokenizer.encode(line.prefix.trim_end());
        let words = line.required.iter().map(|word| word.trim());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let spellings = |word: &&str| {
            let within_a_sentence = format!(" {word}");
            let mut spellings = [within_a_sentence.as_str(), word]
                .map(|text| self.tokenizer.encode(text))
                .to_vec();
            spellings.dedup();
            spellings
        };
        let required: Vec<Vec<Vec<u32>>> = words.iter().map(spellings).collect();
        let refused = |text: &str, reason| InferError::Refused {
            line: line.number + 1,
            text: text.to_owned(),
            reason,
        };
        let spelt = words.into_iter().zip(&required);
        let spelt = spelt.map(|(word, spellings)| (word, &spellings[0]));
        for (text, tokens) in spelt.chain([(line.prefix, &prefix)]) {
            let is_unknown = |&token: &u32| Some(token) == self.special.unk;
            if tokens.iter().any(is_unknown) {
                return Err(refused(text, "the vocabulary has no such word"));
            }
            if tokens.iter().any(|token| self.special.forbidden.contains(token)) {
                return Err(refused(text, "a translation is one line"));
            }
            let banned = |end: usize| {
                self.banned
                    .as_ref()
                    .is_some_and(|words| words.occur_in(&tokens[..end]))
            };
            if (1..=tokens.len()).any(banned) {
                return Err(refused(text, "it has a banned word, or a token that ends in one"));
            }
        }

        let required = RequiredWords::new(required, self.surfaces.clone());
        let least = self.search.min_length.max(prefix.len() + required.tokens());
        let limit = self.max_target_tokens();
        let limit = self.search.max_length.unwrap_or(limit).min(limit);
        if prefix.len() + required.tokens() > limit {
            return Err(InferError::RequestTooLong {
                line: line.number + 1,
                tokens: prefix.len() + required.tokens(),
                limit,
            });
        }
        let request = Request {
            // With its </s>.
            source_length: source.len() + 1,
            max_length: limit.min(source.len().max(least) + EXTRA_LENGTH),
            prefix,
            required,
            // A line has fewer sentences than that.
            number: (line.number as u64) << 32 | place,
        };
        Ok(EncodedSentence {
            text,
            source,
            request,
            line: line.number,
        })
    }
}
