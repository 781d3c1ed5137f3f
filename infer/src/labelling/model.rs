//! What classifiers and taggers share: the network, and the batches of windows that it reads.

use attend_data::{TokenMatrix, Tokenizer};
use attend_device::Workers;
use attend_model::{EncoderClassifier, Precision};
use attend_ops::PackedLinear;
use burn::module::Module;
use burn::tensor::activation::softmax;

use super::classifier::Classifier;
use super::folder::{LEAST_LENGTH, LabelModelFolder};
use crate::error::InferError;
use crate::padding::{padding, to_tensor};
use crate::translator::batches::{BatchLimit, Item, for_each, in_order};

/// A network that labels windows, with its tokenizer and its labels.
#[derive(Clone, Debug)]
pub(super) struct LabelModel {
    pub(super) network: EncoderClassifier<PackedLinear>,
    pub(super) tokenizer: Tokenizer,
    pub(super) labels: Vec<String>,
    /// The number of positions. No window is longer.
    pub(super) max_length: usize,
    workers: Workers,
    batch_limit: BatchLimit,
}

/// What the network finds in a window.
pub(super) struct Found {
    /// The probability of each label, in the order of [`LabelModel::labels`]: one list for the window of a classifier,
    /// and one for each token of the window of a tagger.
    pub(super) probabilities: Vec<Vec<f32>>,
    /// The weight of each token, if the network pools by attention.
    pub(super) weights: Option<Vec<f32>>,
}

impl LabelModel {
    /// Packs the weights of a model in `precision`.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Precision`] if the device does not compute in `precision`.
    ///
    /// # Panics
    ///
    /// If the model has fewer than three positions.
    pub(super) fn new(
        folder: LabelModelFolder,
        precision: Precision,
        workers: Workers,
    ) -> Result<Self, InferError> {
        assert!(
            folder.encoder.max_length >= LEAST_LENGTH,
            "a window holds a token"
        );
        if !folder.model.devices()[0].supports_dtype(precision.dtype()) {
            return Err(InferError::Precision { precision });
        }
        Ok(Self {
            max_length: folder.encoder.max_length,
            network: folder.model.pack(precision),
            tokenizer: folder.tokenizer,
            labels: folder.labels,
            workers,
            batch_limit: BatchLimit::Tokens(Classifier::BATCH_TOKENS),
        })
    }

    pub(super) fn with_batch_tokens(self, tokens: usize) -> Self {
        Self {
            batch_limit: BatchLimit::Tokens(tokens),
            ..self
        }
    }

    /// Returns the number of tokens in a window, `<s>` and `</s>` not counted.
    pub(super) fn window(&self) -> usize {
        self.max_length - 2
    }

    /// Computes on the workers. Returns the results in the order of the items.
    pub(super) fn on_workers<I: Sync, R: Send>(&self, items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
        for_each(&self.workers, items, work)
    }

    /// Labels windows, each `<s>`, tokens and `</s>`. The workers share the batches. Returns the results in the order of
    /// the windows.
    pub(super) fn label(&self, windows: &[Vec<u32>]) -> Vec<Found> {
        let items = windows.iter().enumerate().map(|(place, window)| Item {
            place,
            // `<s>` and `</s>` are counted by the plan.
            source: window.len() - 2,
            target: 0,
        });
        let batches = self.batch_limit.plan(items.collect(), 1, self.workers.count());
        let found = self.workers.map(&batches, |batch| {
            let rows: Vec<&[u32]> = batch.iter().map(|&place| windows[place].as_slice()).collect();
            self.label_batch(&rows)
        });
        in_order(&batches, found)
    }

    fn label_batch(&self, rows: &[&[u32]]) -> Vec<Found> {
        let device = self.network.device();
        let padding = padding(&device, self.tokenizer.pad_id(), self.max_length);
        let ids = to_tensor(&TokenMatrix::new(rows, padding), &device);
        let (logits, weights) = self.network.forward_with_weights(ids);
        let [_, outputs, labels] = logits.dims();
        let probabilities = softmax(logits, 2).into_data().iter::<f32>().collect::<Vec<_>>();
        let weights = weights.map(|weights| {
            let [_, width] = weights.dims();
            (width, weights.into_data().iter::<f32>().collect::<Vec<_>>())
        });
        let probabilities = probabilities.chunks(outputs * labels);
        let found = rows.iter().zip(probabilities).enumerate();
        found
            .map(|(row, (ids, probabilities))| Found {
                probabilities: probabilities
                    .chunks(labels)
                    .take(ids.len())
                    .map(<[f32]>::to_vec)
                    .collect(),
                weights: weights.as_ref().map(|(width, weights)| {
                    let start = row * width;
                    weights[start..start + ids.len()].to_vec()
                }),
            })
            .collect()
    }
}
