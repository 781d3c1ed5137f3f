//! Lines in, translations out.

mod batches;
mod request;
mod scoring;
mod searching;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use attend_data::{Padding, Tokenizer};
use attend_model::{Ensemble, Precision};
use burn::module::Module;
use serde::Serialize;

use crate::alignment::Alignment;
use crate::device;
use crate::error::InferError;
use crate::model_folder::ModelFolder;
use crate::search::{BannedWords, SearchOptions, SpecialTokens, SurfaceForms};
use crate::text::{self, Language, Sentence};
use crate::transformer_decoder::shares_memory;
use crate::workers::Workers;
use batches::{BatchLimit, for_each};
use request::EncodedSentence;

pub use request::EXTRA_LENGTH;
pub use scoring::{GivenTranslation, Score, TokenScore};

/// The [`Translator::with_batch_tokens`] of a new translator: some 30 sentences of usual length.
pub const BATCH_TOKENS: usize = 3_000;

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
    /// Words or phrases that its translations all have; see [`RequiredWords`](crate::search::RequiredWords). Blank
    /// ones require nothing.
    pub required: &'a [String],
}

/// One translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Translation {
    /// The translation.
    pub text: String,
    /// What translations are ranked by: see [`Hypothesis::score`](crate::search::Hypothesis::score).
    pub score: f32,
    /// Natural logarithm of its probability, `</s>` included, where it ends in one: see
    /// [`Hypothesis::log_probability`](crate::search::Hypothesis::log_probability).
    pub log_probability: f32,
    /// Its token ids, without `<s>` and `</s>`.
    #[serde(skip)]
    pub tokens: Vec<u32>,
    /// Where its words come from, where that is [asked for](Translator::with_alignments).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

/// Translates lines with a model.
///
/// Threads may share it, and each gets its own translations. [Workers](Self::with_workers) take a batch of each call in
/// turn. Without them, each call computes on a thread of its own, which ends with it; on another device than the
/// processor's `flex`, calls take turns at one thread, since Burn keeps a device's memory for each thread anew.
#[derive(Clone, Debug)]
pub struct Translator {
    model: Ensemble,
    /// Positions that all models have.
    max_length: usize,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    surfaces: Arc<SurfaceForms>,
    search: SearchOptions,
    banned: Option<Arc<BannedWords>>,
    aligns: bool,
    batch_limit: BatchLimit,
    workers: Option<Workers>,
    /// The one of all calls where there are no others, once it is started.
    own_worker: Arc<OnceLock<Workers>>,
    language: Language,
    sentences_translated: Arc<AtomicU64>,
}

impl Translator {
    /// A translator with the model's own search defaults, batches of 3,000 tokens, and no workers.
    #[must_use]
    pub fn new(model_folder: ModelFolder) -> Self {
        Self::in_precision(model_folder, Precision::Float32).expect("every device computes in float32")
    }

    /// The same with weights in `precision`: 8 bits take a quarter of the memory and are faster on a CPU, for a small
    /// loss of quality; 16 bits are for cards, and emulated on a CPU.
    ///
    /// # Errors
    ///
    /// [`InferError::Precision`] where the model's device lacks it.
    pub fn in_precision(model_folder: ModelFolder, precision: Precision) -> Result<Self, InferError> {
        let ModelFolder {
            config,
            model,
            tokenizer,
            generation,
        } = model_folder;
        if !model.devices()[0].supports_dtype(precision.of_products()) {
            return Err(InferError::Precision { precision });
        }
        let (bos, eos, pad) = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
        // A translation is one line, so what ends a line is no part of it.
        let line_ends =
            (0..tokenizer.vocab_size() as u32).filter(|&token| tokenizer.token(token).contains(['\n', '\r']));
        let surfaces = (0..tokenizer.vocab_size() as u32).map(|token| tokenizer.surface(token));
        Ok(Self {
            special: SpecialTokens {
                bos,
                eos,
                unk: tokenizer.unk_id(),
                forbidden: [pad, bos].into_iter().chain(line_ends).collect(),
            },
            surfaces: Arc::new(SurfaceForms::new(surfaces.collect())),
            banned: None,
            aligns: false,
            model: Ensemble::new(model, precision),
            max_length: config.max_length,
            search: generation,
            batch_limit: BatchLimit::Tokens(BATCH_TOKENS),
            workers: None,
            own_worker: Arc::default(),
            language: Language::default(),
            sentences_translated: Arc::default(),
            tokenizer,
        })
    }

    /// Lets another model of the same tokenizer, and on the same device, have its say: what follows is as probable as
    /// the models find it in the mean. Its search defaults do not count.
    ///
    /// # Errors
    ///
    /// If it has another tokenizer, or no positions for translations as long as the search options ask for.
    pub fn with_model(mut self, model_folder: ModelFolder) -> Result<Self, InferError> {
        if model_folder.tokenizer.to_json() != self.tokenizer.to_json() {
            let model = format!("model {}", self.model.len() + 1);
            return Err(InferError::EnsembleTokenizers { model });
        }
        self.max_length = self.max_length.min(model_folder.config.max_length);
        self.search.validate_for(self.max_target_tokens())?;
        self.model = self.model.with(model_folder.model);
        Ok(self)
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

    /// Also finds where the words of translations come from, of lines that are one sentence; a
    /// [text](Self::translate_text)'s translations have no alignment. A pass over the translations more.
    #[must_use]
    pub fn with_alignments(mut self) -> Self {
        self.aligns = true;
        self
    }

    /// Decodes as many sentences side by side as `tokens` allow, at least one: their tokens and those of the longest
    /// translations they may have, padding included. Memory grows with this number and with the beam, whatever the
    /// lengths of the sentences. The number changes no translation.
    #[must_use]
    pub fn with_batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_limit = BatchLimit::Tokens(tokens);
        self
    }

    /// Decodes `sentences` side by side, at least one, however long they are, as far as 1,000 hypotheses go: for
    /// measurements beside other programs.
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

    /// How text becomes tokens.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The search options in use.
    #[must_use]
    pub fn search(&self) -> &SearchOptions {
        &self.search
    }

    /// Most tokens in a source sentence, `</s>` not counted.
    #[must_use]
    pub fn max_source_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Most tokens in a translation, `</s>` not counted. The decoder reads `<s>` before them.
    #[must_use]
    pub fn max_target_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// How rows of tokens are padded.
    fn padding(&self) -> Padding {
        device::padding(&self.model.device(), self.tokenizer.pad_id(), self.max_length)
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

    /// Translates each line as one sentence, in order: the `nbest` translations, best first, or as they were drawn. A
    /// blank line has one translation, the empty line.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a line has more tokens than the model has positions; nothing is translated
    /// then. [`InferError::Threads`] where the system refuses a thread.
    pub fn translate<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        self.translate_lines(&source_lines(0, lines))
    }

    /// [`translate`](Self::translate)s lines of which each asks for its own translations. A blank line's stays empty.
    ///
    /// # Errors
    ///
    /// Also where a line's prefix or required words are too long, contradict what is banned or the vocabulary lacks
    /// them, or where the search has no place for required words.
    pub fn translate_lines(&self, lines: &[SourceLine<'_>]) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let sentences = for_each(&workers, lines, |line| match line.text.trim().is_empty() {
            true => Ok(None),
            false => {
                let source = self
                    .encode(line.text)
                    .map_err(|tokens| self.too_long(line.number, tokens, "the input"))?;
                self.encoded_sentence(line, line.text, source, 0).map(Some)
            }
        })?;
        let present: Vec<&EncodedSentence<'_>> = sentences.iter().flatten().collect();
        let mut translations = self.search_all(&workers, &present)?.into_iter();
        let of_line = |sentence: &Option<EncodedSentence<'_>>| match sentence {
            None => vec![Translation {
                alignment: self.aligns.then(Alignment::default),
                ..Translation::default()
            }],
            Some(_) => translations.next().expect("translations of each sentence"),
        };
        Ok(sentences.iter().map(of_line).collect())
    }

    /// Translates texts of any length, in order: each sentence of a text by itself, and joins their translations by the
    /// spacing that stood between the sentences. A sentence that is longer than the model's positions is divided at
    /// punctuation, else at a space, else between characters. White space around a text is left out.
    ///
    /// The translations of a text are its `nbest` best, as far as those of its sentences go, or, of samples, the first
    /// of each sentence, the second of each, and so on. Scores, log-probabilities and tokens are those of the sentences
    /// together.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where not even a character fits the model; nothing is translated then.
    /// [`InferError::Threads`] where the system refuses a thread.
    pub fn translate_text<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        self.translate_text_from(0, texts)
    }

    /// [`translate_text`](Self::translate_text) of texts whose first has this place in the input, from 0.
    pub(crate) fn translate_text_from<S: AsRef<str>>(
        &self,
        first: usize,
        texts: &[S],
    ) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let texts = for_each(&workers, &source_lines(first, texts), |line| {
            let found = text::sentences(line.text, &self.language, |sentence| self.encode(sentence))
                .map_err(|tokens| self.too_long(line.number, tokens, "the input"))?;
            let sentences = found.into_iter().zip(0..).map(|(sentence, place)| {
                let Sentence {
                    spacing,
                    text,
                    source,
                } = sentence;
                Ok((spacing, self.encoded_sentence(line, text, source, place)?))
            });
            sentences.collect::<Result<Vec<_>, InferError>>()
        })?;
        let sentences: Vec<&EncodedSentence<'_>> =
            texts.iter().flatten().map(|(_, sentence)| sentence).collect();
        let translations = self.search_all(&workers, &sentences)?;
        let mut translations = translations.as_slice();
        let join = |sentences: &Vec<(&str, EncodedSentence<'_>)>| {
            let spacings: Vec<&str> = sentences.iter().map(|(spacing, _)| *spacing).collect();
            let (of_text, rest) = translations.split_at(sentences.len());
            translations = rest;
            match self.search.sampling {
                Some(_) => text::join_samples(&spacings, of_text),
                None => text::join(&spacings, of_text, self.search.nbest),
            }
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

    /// The workers, the translator's own, or one for this call. The calling thread computes nothing: products of
    /// matrices would start rayon's threads on all cores.
    fn workers(&self) -> Result<Workers, InferError> {
        if let Some(workers) = self.workers.as_ref().or(self.own_worker.get()) {
            return Ok(workers.clone());
        }
        let worker = Workers::start(1, 1)?;
        Ok(match shares_memory(&self.model.device()) {
            true => worker,
            false => self.own_worker.get_or_init(|| worker).clone(),
        })
    }
}

/// Lines of which none asks for anything; the first has this place in the input, from 0.
fn source_lines<S: AsRef<str>>(first: usize, lines: &[S]) -> Vec<SourceLine<'_>> {
    let lines = lines.iter().zip(first..);
    lines
        .map(|(text, number)| SourceLine {
            text: text.as_ref(),
            number,
            ..SourceLine::default()
        })
        .collect()
}
