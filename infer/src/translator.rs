//! The translator: it takes lines and returns their translations.

mod attention;
pub(crate) mod batches;
mod encoding;
mod groups;
mod in_parts;
mod marked;
mod scoring;
mod searching;
mod target_language;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use attend_data::{TokenMatrix, readable};
use attend_device::Workers;
use burn::tensor::{Int, Tensor};

use crate::error::InferError;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::padding::to_tensor;
use crate::translation::{LinkedTranslation, Translation};
use batches::BatchLimit;
use marked::MarkedLine;
use target_language::TargetLanguage;

pub use encoding::{EncodedLines, EncodedSentence};
pub use in_parts::TranslationInParts;
pub use scoring::{GivenTranslation, Score, TokenScore};

/// A line to translate, and the options of its translations.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The text of the line.
    pub text: &'a str,
    /// The index of the line in the input, from 0. Errors name the line by this index plus 1, and sampling derives its
    /// random numbers from the index.
    pub number: usize,
    /// The options of the translations of this line.
    pub options: &'a TranslateOptions,
}

/// Translates lines with a [`Model`], and scores given translations.
///
/// Clones are cheap, and threads may share a translator: its [`Workers`] take a batch of each thread's call in turn.
/// The calling thread computes nothing itself.
///
/// Every line has a result of its own: if a line cannot be translated, the other lines of the call still are. The
/// translation of a line does not depend on the other lines, on the number of workers or on the limit of batches.
#[derive(Clone, Debug)]
pub struct Translator {
    model: Arc<Model>,
    workers: Workers,
    batch_limit: BatchLimit,
    observer: Option<Observer>,
}

/// A function that is called after each batch with its number of sentences.
#[derive(Clone)]
struct Observer(Arc<dyn Fn(usize) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Translator {
    /// The default limit of a batch in tokens, about 30 sentences of usual length: see
    /// [`with_batch_tokens`](Self::with_batch_tokens).
    pub const BATCH_TOKENS: usize = 3_000;

    /// Makes a translator that computes on `workers`. Each worker computes one batch at a time.
    #[must_use]
    pub fn new(model: impl Into<Arc<Model>>, workers: Workers) -> Self {
        Self {
            model: model.into(),
            workers,
            batch_limit: BatchLimit::Tokens(Self::BATCH_TOKENS),
            observer: None,
        }
    }

    /// Limits a batch to a number of tokens, [`BATCH_TOKENS`](Self::BATCH_TOKENS) = 3,000 by default. Memory grows with
    /// this number and with the beam.
    ///
    /// The tokens of a batch are the number of sentences × (the tokens of the longest source sentence + the maximum
    /// tokens of its translation), with `</s>` on the one side and `<s>` on the other. A translation that may have more
    /// than 50 tokens beyond its source, as in transformers, counts as if it may not. For example, sentences of 9
    /// tokens whose translations may have 59 tokens count 10 + 60 tokens each, so a batch of 3,000 tokens has 42 of
    /// them. A batch has at least one sentence, and at most 1,000 hypotheses: 250 sentences with a beam of 4.
    #[must_use]
    pub fn with_batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_limit = BatchLimit::Tokens(tokens);
        self
    }

    /// Limits a batch to a number of sentences of any length, at least one. A batch still has at most 1,000 hypotheses.
    /// This limit is for comparisons with other programs; [`with_batch_tokens`](Self::with_batch_tokens) bounds memory.
    #[must_use]
    pub fn with_batch_size(mut self, sentences: usize) -> Self {
        self.batch_limit = BatchLimit::Sentences(sentences.max(1));
        self
    }

    /// Calls `observer` after each batch with its number of sentences, on the worker that computed it.
    #[must_use]
    pub fn on_progress(mut self, observer: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Returns the model that the translator computes with.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Translates lines with the same options. The lines are numbered from 0. Returns the result of each line, in
    /// order: its translations, the best first; with sampling, in the order in which they were drawn. A blank line
    /// has one translation, the empty text.
    ///
    /// # Errors
    ///
    /// The result of a line is
    ///
    /// - an error of [`Model::check`] if its options are not valid;
    /// - [`InferError::TooLong`] if the line is one sentence and has more tokens than the model has positions, or if it
    ///   is a text and a single character of it has;
    /// - [`InferError::Refused`] or [`InferError::RequestTooLong`] if its prefix or required words cannot be in a
    ///   translation;
    /// - [`InferError::Unmet`] if the search found no translation with all required words.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn translate<S: AsRef<str>>(
        &self,
        lines: &[S],
        options: &TranslateOptions,
    ) -> Vec<Result<Vec<Translation>, InferError>> {
        self.translate_each(&numbered(lines, options))
    }

    /// Translates lines, each with its own number and options. Returns the result of each line, in order, as
    /// [`translate`](Self::translate) does. Lines whose options have equal `search`, `banned` and `alignment` share
    /// batches, except that lines with tags or spans to keep share them only with each other.
    ///
    /// # Errors
    ///
    /// The result of a line is one of the errors that [`translate`](Self::translate) lists.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn translate_each(&self, lines: &[Line<'_>]) -> Vec<Result<Vec<Translation>, InferError>> {
        let mut encoded = EncodedLines::new(&self.model, lines, Some(&self.workers));
        let found = self.search(&encoded.take_sentences());
        encoded.translations(found)
    }

    /// Encodes lines into tokens on the calling thread. Sentences of several calls can then be searched for in one
    /// [batch](Self::search_batch). Translations, scores and errors are those of
    /// [`translate_each`](Self::translate_each), which is these three steps with batches of its own.
    ///
    /// ```no_run
    /// # fn translations(translator: &attend_infer::Translator, line: attend_infer::Line<'_>) {
    /// let mut encoded = translator.encode(&[line]);
    /// let sentences = encoded.take_sentences();
    /// let found = translator.search_batch(&sentences.iter().collect::<Vec<_>>());
    /// let translations = encoded.translations(found);
    /// # }
    /// ```
    #[must_use]
    pub fn encode<'a>(&self, lines: &[Line<'a>]) -> EncodedLines<'a> {
        EncodedLines::new(&self.model, lines, None)
    }

    /// Returns the text of the best translation of each line, in order.
    ///
    /// # Errors
    ///
    /// Returns the error of the first line that cannot be [translated](Self::translate). All lines are checked before
    /// any line is translated. Only [`InferError::Unmet`] is found later, by the search.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn translate_best<S: AsRef<str>>(
        &self,
        lines: &[S],
        options: &TranslateOptions,
    ) -> Result<Vec<String>, InferError> {
        let lines = numbered(lines, options);
        let mut encoded = EncodedLines::new(&self.model, &lines, Some(&self.workers));
        if let Some(error) = encoded.take_refusal() {
            return Err(error);
        }
        let found = self.search(&encoded.take_sentences());
        let translations = encoded.translations(found).into_iter();
        translations.map(|found| Ok(found?.swap_remove(0).text)).collect()
    }

    fn tensor(&self, matrix: &TokenMatrix) -> Tensor<2, Int> {
        to_tensor(matrix, &self.model.device())
    }
}

/// A part of a requested line that is searched for: the line itself, or a reading of one of its sentences.
struct Part<'a> {
    line: Line<'a>,
    /// The byte of the requested line's text at which the sentence begins, 0 for the line itself. Sampling draws other
    /// random numbers for each sentence of a line.
    start: usize,
    /// Whether its translations get links.
    has_links: bool,
    /// The target language of its sentences, in which the text of the line does not begin.
    language: &'a TargetLanguage,
    /// The text in which the terms of a glossary are looked for. Each byte of it has its place in the text of the line.
    terms: Cow<'a, str>,
}

/// A line whose translations a caller requests.
enum RequestedLine<'a> {
    /// It is searched for as the model [reads](readable) it.
    Plain {
        line: Line<'a>,
        text: Cow<'a, str>,
        language: TargetLanguage,
    },
    /// It may have markup, or spans to keep.
    Marked(Box<MarkedLine<'a>>),
}

impl<'a> RequestedLine<'a> {
    fn new(model: &Model, line: &Line<'a>) -> Self {
        let tokenizer = &model.source_tokenizer;
        if line.options.passes_through() {
            return Self::Marked(Box::new(MarkedLine::new(tokenizer, line)));
        }
        let text = readable(line.text);
        Self::Plain {
            line: *line,
            language: TargetLanguage::of_line(tokenizer, &text, line.options),
            text,
        }
    }

    fn options(&self) -> &TranslateOptions {
        match self {
            Self::Plain { line, .. } => line.options,
            Self::Marked(line) => line.line.options,
        }
    }

    /// Returns the parts that are searched for to translate the line.
    fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Plain { line, text, language } => vec![Part {
                line: Line {
                    text: &text[language.start..],
                    ..*line
                },
                start: 0,
                has_links: false,
                language,
                terms: Cow::Borrowed(&text[language.start..]),
            }],
            Self::Marked(line) => line.parts().collect(),
        }
    }

    /// Returns the place in `results` of the error for which the line has no translations, if there is one, and the
    /// number of results of the line, with which `results` begins.
    fn refusal<T>(&self, results: &[Result<T, InferError>]) -> (Option<usize>, usize) {
        match self {
            Self::Plain { .. } => (results[0].is_err().then_some(0), 1),
            Self::Marked(line) => line.refusal(results),
        }
    }

    /// Returns the translations of the line. `found` begins with those of its [parts](Self::parts).
    fn translations(
        &self,
        found: &mut impl Iterator<Item = Result<Vec<LinkedTranslation>, InferError>>,
    ) -> Result<Vec<Translation>, InferError> {
        match self {
            Self::Plain { .. } => {
                let linked = found.next().expect("each line has a result")?;
                Ok(linked.into_iter().map(|linked| linked.translation).collect())
            }
            Self::Marked(line) => line.translations(found),
        }
    }
}

/// Returns `lines` with the same options, numbered from 0.
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
