//! Lines in, translations out.

use std::sync::Arc;

use attend_data::batch::TokenMatrix;
use attend_data::tokenizer::Tokenizer;
use attend_model::{InferenceTransformer, TransformerConfig};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Serialize;

use crate::bundle::ModelFolder;
use crate::error::InferError;
use crate::search::{
    BannedWords, Hypothesis, Request, RequiredWords, Search, SearchError, SearchOptions, SpecialTokens,
    SurfaceForms, Unknown,
};
use crate::transformer_decoder::TransformerDecoder;
use crate::workers::Workers;

/// How much longer than its source, in tokens, a translation may grow: section 6.1 of "Attention Is All You Need".
const EXTRA_LENGTH: usize = 50;

/// Most hypotheses that are decoded side by side, where a sentence alone has not more: each takes memory.
const MAX_ROWS: usize = 1_000;

/// A line to translate, and what its translations are like.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceLine<'a> {
    /// The line.
    pub text: &'a str,
    /// Its place in the input, from 0: errors name it, and the random numbers of sampling depend on it.
    pub number: usize,
    /// What its translations start with. The last word may go on: `a` may become `an`. White space at its end is left
    /// out.
    pub prefix: &'a str,
    /// Words or phrases that its translations all have; see [`RequiredWords`]. Blank ones require nothing.
    pub required: &'a [String],
}

/// One translation of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    /// The translation.
    pub text: String,
    /// What translations are ranked by: see [`Hypothesis::score`].
    pub score: f32,
    /// Natural logarithm of its probability, `</s>` included.
    pub log_probability: f32,
    /// Its token ids, without `<s>` and `</s>`.
    #[serde(skip)]
    pub tokens: Vec<u32>,
}

/// Translates lines with a model.
#[derive(Clone, Debug)]
pub struct Translator {
    model: InferenceTransformer,
    config: TransformerConfig,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    surfaces: Arc<SurfaceForms>,
    search: SearchOptions,
    banned: Option<Arc<BannedWords>>,
    batch_size: usize,
    workers: Workers,
}

impl Translator {
    /// A translator with the model's own search defaults, 32 sentences a batch, and one worker of one thread.
    #[must_use]
    pub fn new(bundle: ModelFolder) -> Self {
        let ModelFolder {
            config,
            model,
            tokenizer,
            generation,
        } = bundle;
        let (bos, eos, pad) = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
        // A translation is one line, so what ends a line is no part of it.
        let line_ends =
            (0..tokenizer.vocab_size() as u32).filter(|&token| tokenizer.token(token).contains(['\n', '\r']));
        let surfaces = (0..tokenizer.vocab_size() as u32).map(|token| tokenizer.surface(token));
        Self {
            special: SpecialTokens {
                bos,
                eos,
                unk: tokenizer.unk_id(),
                forbidden: [pad, bos].into_iter().chain(line_ends).collect(),
            },
            surfaces: Arc::new(SurfaceForms::new(surfaces.collect())),
            banned: None,
            model: InferenceTransformer::new(model),
            config,
            search: generation,
            batch_size: 32,
            workers: Workers::start(1, 1).expect("the system has a thread"),
            tokenizer,
        }
    }

    /// Searches as `options` say in place of the model's defaults.
    ///
    /// # Errors
    ///
    /// If they describe no search, or ask for longer translations than the model has positions for.
    pub fn with_search(mut self, options: SearchOptions) -> Result<Self, InferError> {
        options.validate_for(self.max_target_tokens())?;
        self.search = options;
        Ok(self)
    }

    /// Lets no translation have these words or phrases, as [`BannedWords`] understands them.
    #[must_use]
    pub fn with_banned_words<S: AsRef<str>>(mut self, words: &[S]) -> Self {
        let banned = || Arc::new(BannedWords::new(words, self.surfaces.clone()));
        self.banned = (!words.is_empty()).then(banned);
        self
    }

    /// Decodes `sentences` side by side, at least one. The number changes no translation, only speed and memory.
    #[must_use]
    pub fn with_batch_size(mut self, sentences: usize) -> Self {
        self.batch_size = sentences.max(1);
        self
    }

    /// Decodes batches on `workers`, each its own.
    #[must_use]
    pub fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// The search options in use.
    #[must_use]
    pub fn search(&self) -> &SearchOptions {
        &self.search
    }

    /// Most tokens in a source sentence, `</s>` not counted.
    #[must_use]
    pub fn max_source_tokens(&self) -> usize {
        self.config.max_length - 1
    }

    /// Most tokens in a translation, `</s>` not counted. The decoder reads `<s>` before them.
    #[must_use]
    pub fn max_target_tokens(&self) -> usize {
        self.config.max_length - 1
    }

    /// Whether the model has positions for a sentence.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.tokenizer.encode(sentence).len() <= self.max_source_tokens()
    }

    /// Translates each line, in order: the `nbest` translations, best first, or as they were drawn. A blank line has one
    /// translation, the empty line.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a line has more tokens than the model has positions; nothing is translated
    /// then.
    pub fn translate<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        let lines: Vec<SourceLine<'_>> = lines
            .iter()
            .enumerate()
            .map(|(number, line)| SourceLine {
                text: line.as_ref(),
                number,
                ..SourceLine::default()
            })
            .collect();
        self.translate_lines(&lines)
    }

    /// [`translate`](Self::translate)s lines of which each asks for its own translations. A blank line's stays empty.
    ///
    /// # Errors
    ///
    /// Also where a line's prefix or required words are too long, contradict what is banned or the vocabulary lacks
    /// them, or where the search has no place for required words.
    pub fn translate_lines(&self, lines: &[SourceLine<'_>]) -> Result<Vec<Vec<Translation>>, InferError> {
        let texts: Vec<&str> = lines.iter().map(|line| line.text).collect();
        let sources = self.tokenizer.encode_batch(&texts);
        let mut order: Vec<usize> = (0..lines.len())
            .filter(|&line| !texts[line].trim().is_empty())
            .collect();
        let limit = self.max_source_tokens();
        if let Some(&line) = order.iter().find(|&&line| sources[line].len() > limit) {
            return Err(InferError::TooLong {
                line: lines[line].number + 1,
                tokens: sources[line].len(),
                limit,
            });
        }
        let requests = lines.iter().zip(&sources);
        let requests: Vec<Request> = requests
            .map(|(line, source)| self.request(line, source.len()))
            .collect::<Result<_, _>>()?;

        let empty = Translation {
            text: String::new(),
            score: 0.0,
            log_probability: 0.0,
            tokens: Vec::new(),
        };
        let mut translations = vec![vec![empty]; lines.len()];
        // Sentences of similar lengths share a batch, so that little of it is padding; the longest first, so that
        // workers end at about the same time.
        order.sort_by_key(|&line| std::cmp::Reverse(sources[line].len()));
        let batches = order.chunks(self.batch_size.min(MAX_ROWS / self.rows_per_sentence()));
        let found = self.workers.map(batches.clone(), |batch| {
            let batch_sources: Vec<&[u32]> = batch.iter().map(|&line| sources[line].as_slice()).collect();
            let batch_requests: Vec<Request> = batch.iter().map(|&line| requests[line].clone()).collect();
            self.search_batch(&batch_sources, &batch_requests)
        });
        for (batch, hypotheses) in batches.zip(found) {
            let hypotheses = hypotheses.map_err(|error| match error {
                SearchError::Unmet { sentence } => InferError::Unmet {
                    line: lines[batch[sentence]].number + 1,
                },
                error => error.into(),
            })?;
            for (&line, hypotheses) in batch.iter().zip(hypotheses) {
                translations[line] = hypotheses.iter().map(|best| self.translation(best)).collect();
            }
        }
        Ok(translations)
    }

    /// The best translation of each line, in order.
    ///
    /// # Errors
    ///
    /// As [`translate`](Self::translate).
    pub fn translate_best<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<String>, InferError> {
        let translations = self.translate(lines)?;
        Ok(translations
            .into_iter()
            .map(|mut best_first| best_first.swap_remove(0).text)
            .collect())
    }

    /// The rows of a decoder that a sentence's hypotheses take.
    fn rows_per_sentence(&self) -> usize {
        match self.search.sampling {
            Some(_) => self.search.nbest,
            None => self.search.beam_size,
        }
    }

    /// What a line asks for, whose source has so many tokens.
    fn request(&self, line: &SourceLine<'_>, source_tokens: usize) -> Result<Request, InferError> {
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
            if self.search.unknown == Unknown::Forbid && tokens.iter().any(is_unknown) {
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
        Ok(Request {
            max_length: limit.min(source_tokens.max(least) + EXTRA_LENGTH),
            prefix,
            required,
            number: line.number as u64,
        })
    }

    fn search_batch(
        &self,
        sources: &[&[u32]],
        requests: &[Request],
    ) -> Result<Vec<Vec<Hypothesis>>, SearchError> {
        let rows: Vec<Vec<u32>> = sources
            .iter()
            .map(|source| [source, [self.special.eos].as_slice()].concat())
            .collect();
        let matrix = TokenMatrix::new(&rows, self.tokenizer.pad_id());
        let shape = [matrix.rows, matrix.width];
        let model = &self.model;
        let ids = Tensor::<2, Int>::from_data(TensorData::new(matrix.ids, shape), &model.device());
        let mut decoder = TransformerDecoder::new(model, model.encode(ids), self.config.vocab_size);
        Search::new(&self.special, &self.search, self.banned.as_deref())?.run(&mut decoder, requests)
    }

    fn translation(&self, hypothesis: &Hypothesis) -> Translation {
        Translation {
            text: self.tokenizer.decode(&hypothesis.tokens),
            score: hypothesis.score,
            log_probability: hypothesis.log_probability,
            tokens: hypothesis.tokens.clone(),
        }
    }
}
