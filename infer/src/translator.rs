//! Lines in, translations out.

use attend_data::batch::TokenMatrix;
use attend_data::tokenizer::Tokenizer;
use attend_model::{InferenceTransformer, Precision, TransformerConfig};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Serialize;

use crate::bundle::ModelFolder;
use crate::error::InferError;
use crate::search::{Hypothesis, SearchOptions, SpecialTokens, beam, greedy};
use crate::transformer_decoder::TransformerDecoder;
use crate::workers::Workers;

/// How much longer than its source, in tokens, a translation may grow: section 6.1 of "Attention Is All You Need".
const EXTRA_LENGTH: usize = 50;

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
    search: SearchOptions,
    batch_size: usize,
    workers: Workers,
}

impl Translator {
    /// A translator with the model's own search defaults, 32 sentences a batch, and one worker of one thread.
    #[must_use]
    pub fn new(bundle: ModelFolder) -> Self {
        Self::in_precision(bundle, Precision::Float32)
    }

    /// The same with weights in `precision`: 8 bits take a quarter of the memory and are faster on a CPU, for a small
    /// loss of quality.
    #[must_use]
    pub fn in_precision(bundle: ModelFolder, precision: Precision) -> Self {
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
            batch_size: 32,
            workers: Workers::start(1, 1).expect("the system has a thread"),
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

    /// Whether the model has positions for a sentence.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.tokenizer.encode(sentence).len() <= self.max_source_tokens()
    }

    /// Translates each line, in order: the `nbest` translations, best first. A blank line has one translation, the
    /// empty line.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a line has more tokens than the model has positions; nothing is translated
    /// then.
    pub fn translate<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        let texts: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let sources = self.tokenizer.encode_batch(&texts);
        let mut order: Vec<usize> = (0..lines.len())
            .filter(|&line| !texts[line].trim().is_empty())
            .collect();
        let limit = self.max_source_tokens();
        if let Some(&line) = order.iter().find(|&&line| sources[line].len() > limit) {
            return Err(InferError::TooLong {
                line: line + 1,
                tokens: sources[line].len(),
                limit,
            });
        }

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
        let batches = order.chunks(self.batch_size);
        let found = self.workers.map(batches.clone(), |batch| {
            let batch_sources: Vec<&[u32]> = batch.iter().map(|&line| sources[line].as_slice()).collect();
            self.search_batch(&batch_sources)
        });
        for (batch, hypotheses) in batches.zip(found) {
            for (&line, hypotheses) in batch.iter().zip(hypotheses?) {
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
        // The decoder reads <s> and every token of the translation: one position more than it has tokens.
        let positions = self.config.max_length - 1;
        let max_lengths: Vec<usize> = sources
            .iter()
            .map(|source| source.len() + EXTRA_LENGTH)
            .map(|length| {
                length
                    .min(self.search.max_length.unwrap_or(length))
                    .min(positions)
            })
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
