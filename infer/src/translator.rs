//! Lines in, translations out.

mod batches;
mod encoding;
mod groups;
mod scoring;
mod searching;

use std::fmt;
use std::sync::Arc;

use attend_data::TokenMatrix;
use attend_device::Workers;
use burn::tensor::{Int, Tensor, TensorData};

use crate::error::InferError;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::translation::Translation;
use batches::BatchLimit;

pub use scoring::{GivenTranslation, Score, TokenScore};

/// A line to translate, and what is asked of its translations.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The text of the line.
    pub text: &'a str,
    /// The place of the line in the input, from 0. Errors name it, counted from 1, and the random numbers of sampling
    /// depend on it.
    pub number: usize,
    /// What is asked of the translations of this line.
    pub options: &'a TranslateOptions,
}

/// Translates lines with a [`Model`], and scores given translations.
///
/// Clones are cheap, and threads may share a translator: its [`Workers`] take a batch of each thread's call in turn. The
/// calling thread computes nothing itself.
///
/// Every line has a result of its own: a line that cannot be translated fails alone, and the other lines of the call are
/// translated. Neither the lines of a call nor the workers nor the limit of batches change a translation.
#[derive(Clone, Debug)]
pub struct Translator {
    model: Arc<Model>,
    workers: Workers,
    batch_limit: BatchLimit,
    observer: Option<Observer>,
}

/// A function that is called with the number of sentences of each batch that is done.
#[derive(Clone)]
struct Observer(Arc<dyn Fn(usize) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Translator {
    /// The [`with_batch_tokens`](Self::with_batch_tokens) of a new translator: some 30 sentences of usual length.
    pub const BATCH_TOKENS: usize = 3_000;

    /// Makes a translator that computes on `workers`, each of which takes a batch at a time.
    #[must_use]
    pub fn new(model: impl Into<Arc<Model>>, workers: Workers) -> Self {
        Self {
            model: model.into(),
            workers,
            batch_limit: BatchLimit::Tokens(Self::BATCH_TOKENS),
            observer: None,
        }
    }

    /// Limits a batch to as many sentences as `tokens` allow, at least one. Counted are the tokens of the sentences and
    /// of the longest translations that they may have, padding included. Memory grows with this number and with the
    /// beam.
    #[must_use]
    pub fn with_batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_limit = BatchLimit::Tokens(tokens);
        self
    }

    /// Limits a batch to `sentences`, at least one, of any length, and to 1,000 hypotheses, for comparisons with other
    /// programs.
    #[must_use]
    pub fn with_batch_size(mut self, sentences: usize) -> Self {
        self.batch_limit = BatchLimit::Sentences(sentences.max(1));
        self
    }

    /// Calls `observer` whenever a batch is done, with the number of its sentences, on the worker that computed it.
    #[must_use]
    pub fn on_progress(mut self, observer: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Translates lines that are numbered from 0 and ask for the same. Returns the result of each line, in order: its
    /// translations, the best first, or in the order in which they were drawn. A blank line has one translation, the
    /// empty text.
    ///
    /// # Errors
    ///
    /// A line fails with [`InferError::TooLong`] if it has more tokens than the model has positions (in a text, if not
    /// even a character fits), with the errors of [`Model::check`], with [`InferError::Refused`] or
    /// [`InferError::RequestTooLong`] if its prefix or required words cannot be in a translation, and with
    /// [`InferError::Unmet`] if no translation has all required words.
    pub fn translate<S: AsRef<str>>(
        &self,
        lines: &[S],
        options: &TranslateOptions,
    ) -> Vec<Result<Vec<Translation>, InferError>> {
        self.translate_each(&numbered(lines, options))
    }

    /// [Translates](Self::translate) lines of which each has its own number and options. Lines whose options have equal
    /// `search`, `banned` and `alignment` share batches.
    pub fn translate_each(&self, lines: &[Line<'_>]) -> Vec<Result<Vec<Translation>, InferError>> {
        let groups = self.groups(lines);
        let encoded = self.encode(lines, &groups);
        self.search(&groups, encoded)
    }

    /// Returns the text of the best translation of each line, in order.
    ///
    /// # Errors
    ///
    /// The error of the first line that cannot be [translated](Self::translate). No line is translated then, unless the
    /// error is [`InferError::Unmet`].
    pub fn translate_best<S: AsRef<str>>(
        &self,
        lines: &[S],
        options: &TranslateOptions,
    ) -> Result<Vec<String>, InferError> {
        let lines = numbered(lines, options);
        let groups = self.groups(&lines);
        let encoded: Vec<_> = self
            .encode(&lines, &groups)
            .into_iter()
            .collect::<Result<_, _>>()?;
        let found = self.search(&groups, encoded.into_iter().map(Ok).collect());
        let best = found
            .into_iter()
            .map(|translations| Ok(translations?.swap_remove(0).text));
        best.collect()
    }

    fn tensor(&self, matrix: TokenMatrix) -> Tensor<2, Int> {
        let shape = [matrix.rows, matrix.width];
        Tensor::from_data(TensorData::new(matrix.ids, shape), &self.model.device())
    }
}

/// Returns lines numbered from 0 with the same options.
fn numbered<'a, S: AsRef<str>>(lines: &'a [S], options: &'a TranslateOptions) -> Vec<Line<'a>> {
    let lines = lines.iter().enumerate();
    lines
        .map(|(number, text)| Line {
            text: text.as_ref(),
            number,
            options,
        })
        .collect()
}
