//! The tasks that runs train for: all that differs from one task to another, beside the loop that they share.

mod labelling;
mod translation;

use std::path::Path;

use attend_data::{Batches, Example, Mixture, Position};
use attend_device::Workers;
use attend_infer::{InferError, TaskKind, TokenFiles};
use burn::tensor::Device;

use crate::attention_record::AttentionRecord;
use crate::dataset::LeftOut;
use crate::error::TrainError;
use crate::event::Observer;
use crate::metric::{Metric, Scores};
use crate::objective::Objective;
use crate::recipe::Recipe;
use crate::run_folder::Inputs;
use crate::test::FinalTest;

pub(crate) use labelling::LabellingTask;
pub(crate) use translation::TranslationTask;

/// The network of a task.
pub(crate) type Network<T> = <<T as Task>::Objective as Objective>::Network;

/// A task with the text of a run: what the run trains on, how it scores weights, and what its model folder holds.
pub(crate) trait Task: Sized {
    /// The network and its loss.
    type Objective: Objective;
    /// The content of a model folder.
    type ModelFolder;

    /// Reads the model folder that the run starts from, if the recipe names one, and takes from it what the recipe
    /// leaves out.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if the folder cannot be read, and [`TrainError::OtherThanInitial`] or
    /// [`TrainError::Recipe`] if the recipe does not go with it.
    fn start(recipe: &mut Recipe, device: &Device) -> Result<Start<Self>, TrainError>;

    /// Reads and encodes the text of a run, and returns it with its checksums. Learns a tokenizer from the training
    /// text if there are no `tokens`. Training examples may be kept in the folder `prepared`.
    ///
    /// # Errors
    ///
    /// Returns the error of the first text that cannot be used, and [`TrainError::NothingToTrain`] or
    /// [`TrainError::NothingToScore`] if no text is left.
    fn prepare(
        recipe: &Recipe,
        tokens: Option<TokenFiles>,
        prepared: &Path,
        observer: &mut Observer<'_>,
    ) -> Result<(Self, Inputs), TrainError>;

    /// Returns the network and its loss.
    fn objective(&self, recipe: &Recipe) -> Self::Objective;

    /// Returns the tokenizers of the model, and what belongs to them.
    fn tokens(&self) -> &TokenFiles;

    /// Returns the training examples.
    fn train(&self) -> &Mixture;

    /// Returns the batches of the run, beginning at `position`.
    fn batches(&self, recipe: &Recipe, position: Position) -> Batches;

    /// Returns the source and the target of a training example as text.
    fn text(&self, example: &Example) -> (String, String);

    /// Returns the number of validation examples.
    fn valid_len(&self) -> usize;

    /// Returns the numbers of validation and of test examples that are left out, each with the name of its set.
    fn left_out(&self) -> [(&'static str, LeftOut); 2];

    /// Returns the score that chooses the best weights, and a note for the user if it is not the one that the recipe
    /// names.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if a score cannot be computed.
    fn metric(&self, recipe: &Recipe) -> Result<(Metric, Option<String>), TrainError>;

    /// Returns the content of a model folder with these weights.
    fn model_folder(&self, recipe: &Recipe, network: Network<Self>) -> Self::ModelFolder;

    /// Writes the files of a model folder.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Data`] if a file cannot be written.
    fn save(model_folder: &Self::ModelFolder, folder: &Path) -> Result<(), InferError>;

    /// Scores a model on the validation examples, which the workers share. `device` must be the device of the model.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if an example cannot be scored.
    fn scores(
        &self,
        model_folder: &Self::ModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<Scores, TrainError>;

    /// Estimates the seconds that [`scores`](Self::scores) will take for a trained model of the shape of
    /// `model_folder`.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if an example cannot be scored.
    fn expected_seconds(
        &self,
        model_folder: &Self::ModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<f64, TrainError>;

    /// Returns the attention of a model to a few validation examples after an update; `None` if the task has none to
    /// show.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if an example cannot be scored.
    fn attention(
        &self,
        update: usize,
        model_folder: Self::ModelFolder,
        workers: &Workers,
    ) -> Result<Option<AttentionRecord>, TrainError>;

    /// Tests the model in `folder` on the test examples, which the workers share.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if the folder cannot be read, or an example cannot be scored.
    fn test(
        &self,
        folder: &Path,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<FinalTest, TrainError>;
}

/// Returns the name of a target, of which the network predicts one after the other.
pub(crate) fn target(task: TaskKind) -> &'static str {
    match task {
        TaskKind::Translate => "target token",
        TaskKind::Classify => "text",
        TaskKind::Tag => "word",
    }
}

/// Returns the name of what a network is trained and tested on, in the plural.
pub(crate) fn examples(task: TaskKind) -> &'static str {
    match task {
        TaskKind::Translate => "pairs",
        TaskKind::Classify | TaskKind::Tag => "texts",
    }
}

/// What a new run starts with: of a model folder, or nothing.
pub(crate) struct Start<T: Task> {
    pub(crate) tokens: Option<TokenFiles>,
    pub(crate) weights: Option<Network<T>>,
}

impl<T: Task> Default for Start<T> {
    fn default() -> Self {
        Self {
            tokens: None,
            weights: None,
        }
    }
}
