//! Training runs: from a recipe, a TOML file, to a model folder.
//!
//! ```no_run
//! use attend_train::{Event, Outcome, Recipe, Run, TrainError};
//!
//! # fn main() -> Result<(), TrainError> {
//! let recipe = Recipe::load("configs/phrasebook.toml", &["training.updates=400".to_owned()])?;
//! let run = Run::new(recipe, "runs/short").on(vec![attend_device::auto()?]).workers(2);
//! let outcome = run.train(|event| {
//!     if let Event::Validated { update, scores, .. } = event {
//!         println!("after update {update}: {scores}");
//!     }
//! })?;
//! if let Outcome::Finished(test) = outcome {
//!     println!("{}", test.scores);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | write a recipe | [`Recipe`] and its parts |
//! | train on from a model folder | [`Recipe::init`] |
//! | train, resume, stop or try out a run | [`Run`] |
//! | show what happens | [`Event`] |
//! | read the records of a run | [`Record`] |
//! | take training steps on batches of one's own | [`TrainingStep`] |
//!
//! A run prepares its text, and then takes one [`TrainingStep`] after the other. At intervals that the recipe sets, it
//! translates the validation pairs, writes a checkpoint and, if the weights are the best so far, the model folder. It
//! leaves plots in `report.html`, and their numbers in `metrics.jsonl` and for TensorBoard.

mod attention_record;
mod average;
mod checkpoint;
mod dataset;
mod dry_run;
mod environment;
mod error;
mod event;
mod gradients;
mod labelled;
mod loss;
mod loss_scale;
mod metric;
mod model_card;
mod objective;
mod optimizer;
mod place;
mod recipe;
mod record;
mod report;
mod run;
mod run_folder;
mod schedule;
mod state;
mod step;
mod task;
mod test;
mod trainer;
mod validation;

pub use dataset::{Corpora, Dataset, LeftOut};
pub use dry_run::{DryRun, EpochSize};
pub use error::TrainError;
pub use event::{Event, Progress};
pub use labelled::NO_LABEL;
pub use loss::batch_loss;
pub use metric::{Metric, Scores};
pub use objective::{Labelling, Objective, Translation};
pub use optimizer::{Optimizer, OptimizerKind};
pub use place::Place;
pub use recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, ModelSettings, Recipe, TrainingSettings};
pub use record::Record;
pub use run::{Outcome, Run};
pub use schedule::{Schedule, ScheduleKind};
pub use step::{Measurements, TrainingStep};
pub use test::{FinalTest, TestOutput, TestScores};
