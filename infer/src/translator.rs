//! Lines in, translations out.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use attend_data::batch::TokenMatrix;
use attend_data::tokenizer::Tokenizer;
use attend_model::{InferenceTransformer, Precision, TransformerConfig};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Serialize;

use crate::error::InferError;
use crate::model_folder::ModelFolder;
use crate::search::{Hypothesis, SearchOptions, SpecialTokens, beam, greedy};
use crate::text::{self, Language, Sentence};
use crate::transformer_decoder::TransformerDecoder;
use crate::workers::Workers;

/// How much longer than its source, in tokens, a translation may grow: section 6.1 of "Attention Is All You Need".
const EXTRA_LENGTH: usize = 50;

/// The [`Translator::with_batch_tokens`] of a new translator: some 30 sentences of usual length.
pub const BATCH_TOKENS: usize = 3_000;

/// Lines that a worker encodes at a time.
const ENCODED_TOGETHER: usize = 64;

/// One translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

/// What a batch may hold.
#[derive(Clone, Copy, Debug)]
enum BatchLimit {
    Tokens(usize),
    Sentences(usize),
}

/// Translates lines with a model.
///
/// Threads may share it, and each gets its own translations: without [workers](Self::with_workers) each call computes
/// on a thread of its own, which ends with it; workers take a batch of each call in turn.
#[derive(Clone, Debug)]
pub struct Translator {
    model: InferenceTransformer,
    config: TransformerConfig,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    search: SearchOptions,
    batch_limit: BatchLimit,
    workers: Option<Workers>,
    language: Language,
    sentences_translated: Arc<AtomicU64>,
}

impl Translator {
    /// A translator with the model's own search defaults, batches of 3,000 tokens, and no workers.
    #[must_use]
    pub fn new(model_folder: ModelFolder) -> Self {
        Self::in_precision(model_folder, Precision::Float32)
    }

    /// The same with weights in `precision`: 8 bits take a quarter of the memory and are faster on a CPU, for a small
    /// loss of quality.
    #[must_use]
    pub fn in_precision(model_folder: ModelFolder, precision: Precision) -> Self {
        let ModelFolder {
            config,
            model,
            tokenizer,
            generation,
        } = model_folder;
        let (bos, eos, pad) = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
        // A translation is one line, so what ends a line is no part of it.
        let line_ends =
            (0..tokenizer.vocab_size() as u32).filter(|&token| tokenizer.token(token).contains(['\n', '\r']));
        Self {
            special: SpecialTokens {
                bos,
                eos,
                forbidden: [pad, bos]
                    .into_iter()
                    .chain(tokenizer.unk_id())
                    .chain(line_ends)
                    .collect(),
            },
            model: InferenceTransformer::new(model, precision),
            config,
            search: generation,
            batch_limit: BatchLimit::Tokens(BATCH_TOKENS),
            workers: None,
            language: Language::default(),
            sentences_translated: Arc::default(),
            tokenizer,
        }
    }

    /// Searches as `options` say in place of the model's defaults.
    ///
    /// # Errors
    ///
    /// If they describe no search.
    pub fn with_search(mut self, options: SearchOptions) -> Result<Self, InferError> {
        options.validate()?;
        self.search = options;
        Ok(self)
    }

    /// Decodes as many sentences side by side as `tokens` allow, at least one: their tokens and those of the longest
    /// translations they may have, padding included. Memory grows with this number and with the beam, whatever the
    /// lengths of the sentences. The number changes no translation.
    #[must_use]
    pub fn with_batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_limit = BatchLimit::Tokens(tokens);
        self
    }

    /// Decodes `sentences` side by side, at least one, however long they are: for measurements beside other programs.
    #[must_use]
    pub fn with_batch_size(mut self, sentences: usize) -> Self {
        self.batch_limit = BatchLimit::Sentences(sentences.max(1));
        self
    }

    /// Encodes and decodes on `workers`, each a batch of its own.
    #[must_use]
    pub fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Finds the sentences of a [text](Self::translate_text) as its language has them; English unless it is said.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.language = language;
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

    /// Whether the model has positions for a sentence.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.encode(sentence).is_ok()
    }

    /// How many sentences this translator and its clones have translated so far.
    #[must_use]
    pub fn sentences_translated(&self) -> u64 {
        self.sentences_translated.load(Ordering::Relaxed)
    }

    /// Translates each line as one sentence, in order: the `nbest` translations, best first. A blank line has one
    /// translation, the empty line.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a line has more tokens than the model has positions; nothing is translated
    /// then. [`InferError::Threads`] where the system refuses a thread.
    pub fn translate<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let sources = self.for_each_line(&workers, lines, |line| match line.trim().is_empty() {
            true => Ok(None),
            false => self.encode(line).map(Some),
        })?;
        let encoded: Vec<&[u32]> = sources.iter().flatten().map(Vec::as_slice).collect();
        let mut translations = self.search_all(&workers, &encoded)?.into_iter();
        let of_line = |source: &Option<Vec<u32>>| match source {
            None => vec![Translation::default()],
            Some(_) => translations.next().expect("translations of each sentence"),
        };
        Ok(sources.iter().map(of_line).collect())
    }

    /// Translates texts of any length, in order: each sentence of a text by itself, and joins their translations by the
    /// spacing that stood between the sentences. A sentence that is longer than the model's positions is divided at
    /// punctuation, else at a space, else between characters. White space around a text is left out.
    ///
    /// The translations of a text are its `nbest` best, as far as those of its sentences go: scores, log-probabilities
    /// and tokens are those of the sentences together.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where not even a character fits the model; nothing is translated then.
    /// [`InferError::Threads`] where the system refuses a thread.
    pub fn translate_text<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let texts = self.for_each_line(&workers, texts, |text| {
            text::sentences(text, &self.language, |sentence| self.encode(sentence))
        })?;
        let encoded: Vec<&[u32]> = texts
            .iter()
            .flatten()
            .map(|sentence| sentence.source.as_slice())
            .collect();
        let translations = self.search_all(&workers, &encoded)?;
        let mut translations = translations.as_slice();
        let join = |sentences: &Vec<Sentence<'_>>| {
            let spacings: Vec<&str> = sentences.iter().map(|sentence| sentence.spacing).collect();
            let (of_text, rest) = translations.split_at(sentences.len());
            translations = rest;
            text::join(&spacings, of_text, self.search.nbest)
        };
        Ok(texts.iter().map(join).collect())
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

    /// The workers, or one for this call. The calling thread computes nothing: products of matrices would start
    /// rayon's threads on all cores.
    fn workers(&self) -> Result<Workers, InferError> {
        match &self.workers {
            Some(workers) => Ok(workers.clone()),
            None => Workers::start(1, 1),
        }
    }

    /// Does `work` on each line, in order. An error is the number of tokens of a line that has too many.
    fn for_each_line<'a, S: AsRef<str>, R: Send>(
        &self,
        workers: &Workers,
        lines: &'a [S],
        work: impl Fn(&'a str) -> Result<R, usize> + Sync,
    ) -> Result<Vec<R>, InferError> {
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let chunks = workers.map(lines.chunks(ENCODED_TOGETHER), |lines| {
            lines.iter().map(|line| work(line)).collect::<Vec<_>>()
        });
        let results = chunks.into_iter().flatten().zip(1..);
        results
            .map(|(result, line)| {
                result.map_err(|tokens| InferError::TooLong {
                    line,
                    tokens,
                    limit: self.max_source_tokens(),
                })
            })
            .collect()
    }

    /// The tokens of a sentence, or their number, or a smaller one, where the model has no positions for them.
    fn encode(&self, sentence: &str) -> Result<Vec<u32>, usize> {
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

    /// The translations of each encoded sentence, in order.
    fn search_all(&self, workers: &Workers, sources: &[&[u32]]) -> Result<Vec<Vec<Translation>>, InferError> {
        // Sentences of similar lengths share a batch, so that little of it is padding; the longest first, so that
        // workers end at about the same time.
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|&sentence| Reverse(sources[sentence].len()));
        let lengths: Vec<usize> = order.iter().map(|&sentence| sources[sentence].len()).collect();
        let sizes = self.batch_sizes(&lengths, workers.count());
        let mut rest = order.as_slice();
        let batches: Vec<&[usize]> = sizes
            .iter()
            .map(|&size| rest.split_off(..size).expect("as many"))
            .collect();
        let found = workers.map(&batches, |batch| -> Result<_, InferError> {
            let batch_sources: Vec<&[u32]> = batch.iter().map(|&sentence| sources[sentence]).collect();
            let hypotheses = self.search_batch(&batch_sources)?;
            self.sentences_translated
                .fetch_add(batch.len() as u64, Ordering::Relaxed);
            let translations = hypotheses
                .iter()
                .map(|best_first| best_first.iter().map(|best| self.translation(best)).collect());
            Ok(translations.collect::<Vec<Vec<Translation>>>())
        });
        let mut translations = vec![Vec::new(); sources.len()];
        for (batch, found) in batches.iter().zip(found) {
            for (&sentence, best_first) in batch.iter().zip(found?) {
                translations[sentence] = best_first;
            }
        }
        Ok(translations)
    }

    /// How many sentences each batch takes of some that have `lengths` in tokens, the longest first. Where they are few,
    /// all workers get some.
    fn batch_sizes(&self, lengths: &[usize], workers: usize) -> Vec<usize> {
        let share = lengths.len().div_ceil(workers);
        let mut sizes = Vec::new();
        let mut start = 0;
        while let Some(&longest) = lengths.get(start) {
            let most = match self.batch_limit {
                BatchLimit::Sentences(sentences) => sentences,
                // With the </s> of the one and the <s> of the other.
                BatchLimit::Tokens(tokens) => tokens / (longest + 1 + self.max_target_tokens(longest) + 1),
            };
            let size = most.min(share).clamp(1, lengths.len() - start);
            sizes.push(size);
            start += size;
        }
        sizes
    }

    /// Most tokens in a translation of a sentence of `source_tokens`, `</s>` not counted.
    fn max_target_tokens(&self, source_tokens: usize) -> usize {
        let length = source_tokens + EXTRA_LENGTH;
        // The decoder reads <s> and every token of the translation: one position more than it has tokens.
        let positions = self.config.max_length - 1;
        length
            .min(self.search.max_length.unwrap_or(length))
            .min(positions)
    }

    fn search_batch(&self, sources: &[&[u32]]) -> Result<Vec<Vec<Hypothesis>>, InferError> {
        let rows: Vec<Vec<u32>> = sources
            .iter()
            .map(|source| [source, [self.special.eos].as_slice()].concat())
            .collect();
        let matrix = TokenMatrix::new(&rows, self.tokenizer.pad_id());
        let shape = [matrix.rows, matrix.width];
        let model = &self.model;
        let ids = Tensor::<2, Int>::from_data(TensorData::new(matrix.ids, shape), &model.device());
        let mut decoder = TransformerDecoder::new(model, model.encode(ids), self.config.vocab_size);
        let max_lengths: Vec<usize> = sources
            .iter()
            .map(|source| self.max_target_tokens(source.len()))
            .collect();
        if self.search.beam_size == 1 {
            let best = greedy(&mut decoder, &self.special, &max_lengths, &self.search);
            return Ok(best.into_iter().map(|hypothesis| vec![hypothesis]).collect());
        }
        Ok(beam(&mut decoder, &self.special, &max_lengths, &self.search)?)
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

#[cfg(test)]
mod tests {
    use attend_model::Transformer;

    use super::*;

    #[test]
    fn batches_hold_tokens_and_leave_no_worker_idle() {
        let tokenizer = Tokenizer::train_whitespace(["a b c"].iter(), None).unwrap();
        let config = TransformerConfig::tiny(tokenizer.vocab_size());
        let translator = Translator::new(ModelFolder {
            model: Transformer::new(&config, &crate::device::select(None).unwrap()).unwrap(),
            config,
            tokenizer,
            generation: SearchOptions::default(),
        });
        // A sentence of 9 tokens takes 10, and its translation 60; one of 200 takes 201 and 256.
        let tokens = |tokens| translator.clone().with_batch_tokens(tokens);
        assert_eq!(tokens(140).batch_sizes(&[9; 5], 1), [2, 2, 1]);
        assert_eq!(tokens(139).batch_sizes(&[9; 3], 1), [1, 1, 1]);
        assert_eq!(tokens(457).batch_sizes(&[200, 9, 9, 9, 9, 9, 9, 9], 1), [1, 6, 1]);
        assert_eq!(tokens(1).batch_sizes(&[9, 9], 1), [1, 1]);
        assert_eq!(tokens(10_000).batch_sizes(&[9; 7], 1), [7]);
        assert_eq!(tokens(10_000).batch_sizes(&[9; 7], 2), [4, 3]);
        assert_eq!(tokens(10_000).batch_sizes(&[9; 2], 4), [1, 1]);
        assert!(tokens(10_000).batch_sizes(&[], 2).is_empty());
        let sentences = |sentences| translator.clone().with_batch_size(sentences);
        assert_eq!(sentences(3).batch_sizes(&[200, 200, 9, 9], 1), [3, 1]);
        assert_eq!(sentences(0).batch_sizes(&[9, 9], 1), [1, 1]);
    }
}
