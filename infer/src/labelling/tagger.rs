//! The tagger: it takes the words of sentences and returns their tags.

use std::path::Path;

use attend_device::Workers;
use attend_model::Precision;
use burn::tensor::Device;
use serde::Serialize;

use super::encoding::{enclosed, encode_word};
use super::folder::LabelModelFolder;
use super::model::LabelModel;
use crate::error::InferError;
use crate::task::TaskKind;

/// Tags words: gives each word of a sentence its most probable tag, which is that of the word's first token.
///
/// Each word is tagged by itself, so that an `I-` tag may follow a tag of another kind. A sentence that has more tokens
/// than the model has positions is read in windows of whole words. A single word that is longer is cut.
///
/// ```no_run
/// use attend_device::Workers;
/// use attend_infer::{Precision, Tagger};
///
/// let device = attend_device::auto()?.device;
/// let workers = Workers::start(1, 1)?;
/// let tagger = Tagger::load("runs/phrasebook-tag", &device, Precision::Float32, workers)?;
/// for tags in tagger.tag(&[["The", "teacher", "buys", "it", "."]]) {
///     println!("{}", tags[1].tag);
/// }
/// # Ok::<(), attend_infer::InferError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tagger(pub(super) LabelModel);

/// The tag of a word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tag {
    /// The tag.
    pub tag: String,
    /// The probability of the tag, from 0 to 1.
    pub probability: f32,
}

/// The tokens of some words of a sentence that are read together.
#[derive(Default)]
pub(super) struct Window {
    pub(super) tokens: Vec<u32>,
    /// The index of each word's first token, counted from `<s>`.
    firsts: Vec<usize>,
}

impl Tagger {
    /// Reads the model folder of a tagger onto `device`, and keeps its weights in `precision`. The workers share the
    /// batches of each call.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LabelModelFolder::load`] and [`Tagger::new`].
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn load(
        folder: impl AsRef<Path>,
        device: &Device,
        precision: Precision,
        workers: Workers,
    ) -> Result<Self, InferError> {
        let folder = LabelModelFolder::load(folder, TaskKind::Tag, device)?;
        Self::new(folder, precision, workers)
    }

    /// Makes a tagger of the content of a model folder.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Precision`] if the device does not compute in `precision`. Every device computes in
    /// float32.
    ///
    /// # Panics
    ///
    /// If the model is a classifier or has fewer than three positions, or the device fails.
    pub fn new(folder: LabelModelFolder, precision: Precision, workers: Workers) -> Result<Self, InferError> {
        assert_eq!(folder.task(), TaskKind::Tag, "a tagger does not pool");
        Ok(Self(LabelModel::new(folder, precision, workers)?))
    }

    /// Limits a batch to this number of tokens, padding included. The limit changes speed and memory, and no result.
    #[must_use]
    pub fn with_batch_tokens(self, tokens: usize) -> Self {
        Self(self.0.with_batch_tokens(tokens))
    }

    /// Returns the tags, in the order of the network's outputs.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.0.labels
    }

    /// Tags sentences, each given as its words. Returns a tag for each word, in the order of the sentences. A result
    /// does not depend on the other sentences.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    #[must_use]
    pub fn tag<S: AsRef<[W]> + Sync, W: AsRef<str> + Sync>(&self, sentences: &[S]) -> Vec<Vec<Tag>> {
        let windows = self.0.on_workers(sentences, |words| self.windows(words.as_ref()));
        let enclosed = windows
            .iter()
            .flatten()
            .map(|window| enclosed(&self.0.tokenizer, &window.tokens));
        let mut found = self.0.label(&enclosed.collect::<Vec<_>>()).into_iter();
        windows
            .iter()
            .map(|windows| {
                let of_windows = windows.iter().zip(&mut found);
                of_windows
                    .flat_map(|(window, found)| {
                        let tags = window.firsts.iter();
                        tags.map(|&first| self.most_probable(&found.probabilities[first]))
                            .collect::<Vec<_>>()
                    })
                    .collect()
            })
            .collect()
    }

    /// Encodes words as windows of whole words.
    pub(super) fn windows<W: AsRef<str>>(&self, words: &[W]) -> Vec<Window> {
        let most = self.0.window();
        let mut windows: Vec<Window> = Vec::new();
        for word in words {
            let mut tokens = encode_word(&self.0.tokenizer, word.as_ref());
            tokens.truncate(most);
            let fits = |window: &Window| window.tokens.len() + tokens.len() <= most;
            if !windows.last().is_some_and(fits) {
                windows.push(Window::default());
            }
            if let Some(window) = windows.last_mut() {
                window.firsts.push(window.tokens.len() + 1);
                window.tokens.extend(tokens);
            }
        }
        windows
    }

    fn most_probable(&self, probabilities: &[f32]) -> Tag {
        let tags = self.0.labels.iter().zip(probabilities);
        // Of tags that are equally probable the first one is taken, as a classifier does.
        let (tag, &probability) = tags
            .rev()
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .expect("a tagger has tags");
        Tag {
            tag: tag.clone(),
            probability,
        }
    }
}
