//! The classifier: it takes texts and returns their labels.

use std::path::Path;

use attend_data::is_blank;
use attend_device::Workers;
use attend_model::Precision;
use burn::tensor::Device;
use serde::Serialize;

use super::encoding::{enclosed, encode_text};
use super::folder::LabelModelFolder;
use super::model::{Found, LabelModel};
use crate::error::InferError;
use crate::task::TaskKind;

/// Classifies texts: gives each of them the probabilities of all labels.
///
/// A text that has more tokens than the model has positions is read in windows. Its probabilities are the mean of those
/// of the windows, each weighted by its number of tokens.
///
/// ```no_run
/// use attend_device::Workers;
/// use attend_infer::{Classifier, Precision};
///
/// let device = attend_device::auto()?.device;
/// let workers = Workers::start(1, 1)?;
/// let classifier = Classifier::load("runs/phrasebook-classify", &device, Precision::Float32, workers)?;
/// for classification in classifier.classify(&["Does the teacher buy the bicycle?"]) {
///     println!("{}", classification.labels[0].label);
/// }
/// # Ok::<(), attend_infer::InferError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Classifier(pub(super) LabelModel);

/// The labels of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// All labels with their probabilities, which sum to 1, the most probable first. A blank text has none.
    pub labels: Vec<LabelProbability>,
    /// The tokens of the text with the weights of pooling by attention, which sum to 1. They include `<s>` and `</s>`
    /// of each window. `None` if the model pools in another way, or the text is blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<TokenWeight>>,
}

/// A label and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelProbability {
    /// The label.
    pub label: String,
    /// The probability, from 0 to 1.
    pub probability: f32,
}

/// A token and its weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenWeight {
    /// The token as a reader sees it.
    pub token: String,
    /// The weight, from 0 to 1.
    pub weight: f32,
}

impl Classifier {
    /// The default limit of a batch, in tokens with padding. It is that of a [`Tagger`](crate::Tagger) too.
    pub const BATCH_TOKENS: usize = 8_192;

    /// Reads the model folder of a classifier onto `device`, and keeps its weights in `precision`. The workers share the
    /// batches of each call.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LabelModelFolder::load`] and [`Classifier::new`].
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
        let folder = LabelModelFolder::load(folder, TaskKind::Classify, device)?;
        Self::new(folder, precision, workers)
    }

    /// Makes a classifier of the content of a model folder.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Precision`] if the device does not compute in `precision`. Every device computes in
    /// float32.
    ///
    /// # Panics
    ///
    /// If the model is a tagger or has fewer than three positions, or the device fails.
    pub fn new(folder: LabelModelFolder, precision: Precision, workers: Workers) -> Result<Self, InferError> {
        assert_eq!(folder.task(), TaskKind::Classify, "a classifier pools");
        Ok(Self(LabelModel::new(folder, precision, workers)?))
    }

    /// Limits a batch to this number of tokens, padding included. The limit changes speed and memory, and no result.
    #[must_use]
    pub fn with_batch_tokens(self, tokens: usize) -> Self {
        Self(self.0.with_batch_tokens(tokens))
    }

    /// Returns the labels, in the order of the network's outputs.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.0.labels
    }

    /// Classifies texts. Returns the results in the order of the texts. A result does not depend on the other texts.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    #[must_use]
    pub fn classify<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<Classification> {
        let windows = self.0.on_workers(texts, |text| self.windows(text.as_ref()));
        let counts: Vec<usize> = windows.iter().map(Vec::len).collect();
        let windows: Vec<Vec<u32>> = windows.into_iter().flatten().collect();
        let found = self.0.label(&windows);
        let mut rest = windows.iter().zip(found);
        counts
            .into_iter()
            .map(|count| self.classification(&rest.by_ref().take(count).collect::<Vec<_>>()))
            .collect()
    }

    /// Encodes a text as windows. A blank text has none.
    pub(super) fn windows(&self, text: &str) -> Vec<Vec<u32>> {
        if is_blank(text) {
            return Vec::new();
        }
        let tokenizer = &self.0.tokenizer;
        let ids = encode_text(tokenizer, text);
        let tokens = &ids[1..ids.len() - 1];
        let windows = tokens.chunks(self.0.window());
        windows.map(|tokens| enclosed(tokenizer, tokens)).collect()
    }

    /// Joins what was found in the windows of a text.
    fn classification(&self, windows: &[(&Vec<u32>, Found)]) -> Classification {
        let tokens: usize = windows.iter().map(|(ids, _)| ids.len()).sum();
        let mut labels: Vec<LabelProbability> = Vec::new();
        let mut weights: Option<Vec<TokenWeight>> = None;
        if !windows.is_empty() {
            let no_probability = |label: &String| LabelProbability {
                label: label.clone(),
                probability: 0.0,
            };
            labels.extend(self.0.labels.iter().map(no_probability));
        }
        for (ids, found) in windows {
            let share = ids.len() as f32 / tokens as f32;
            for (label, probability) in labels.iter_mut().zip(&found.probabilities[0]) {
                label.probability += share * probability;
            }
            if let Some(of_window) = &found.weights {
                let token = |(&id, weight): (&u32, &f32)| TokenWeight {
                    token: self.0.tokenizer.token(id),
                    weight: share * weight,
                };
                let of_window = ids.iter().zip(of_window).map(token);
                weights.get_or_insert_default().extend(of_window);
            }
        }
        labels.sort_by(|one, other| other.probability.total_cmp(&one.probability));
        Classification { labels, weights }
    }
}
