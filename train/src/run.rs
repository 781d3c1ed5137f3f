//! A training run, from a recipe to a model folder.

use std::path::PathBuf;

use attend_data::{DataError, write_file};
use attend_device::{NamedDevice, Workers, is_processor, notice_device_failure};
use attend_infer::{TaskKind, TokenFiles};
use attend_model::Precision;
use burn::tensor::Device;

use crate::dataset::LeftOut;
use crate::dry_run::DryRun;
use crate::environment::Environment;
use crate::error::TrainError;
use crate::event::{Event, Observer};
use crate::model_card::ModelCard;
use crate::recipe::Recipe;
use crate::record::Record;
use crate::run_folder::{Inputs, RunFolder, run_name};
use crate::task::{LabellingTask, Start, Task, TranslationTask};
use crate::test::FinalTest;
use crate::trainer::{Ending, Trainer};

/// The default folder of prepared training pairs.
const PREPARED: &str = "prepared";

/// A training run by a recipe, which writes a model folder with checkpoints and reports in it.
pub struct Run<'a> {
    recipe: Recipe,
    folder: PathBuf,
    prepared: PathBuf,
    devices: Vec<NamedDevice>,
    workers: Option<usize>,
    resumes: bool,
    command: Option<String>,
    stop: Box<dyn Fn() -> bool + 'a>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The run came to its end, and the model folder is complete.
    Finished(Box<FinalTest>),
    /// The run was stopped. It can be resumed.
    Stopped {
        /// Number of updates before the stop.
        update: usize,
    },
}

impl<'a> Run<'a> {
    /// Plans a run that writes into `folder`. Unless the run is [resumed](Self::resume), the folder must be empty or
    /// not exist yet. By default the run computes on the device that [`attend_device::auto`] finds.
    #[must_use]
    pub fn new(recipe: Recipe, folder: impl Into<PathBuf>) -> Self {
        Self {
            recipe,
            folder: folder.into(),
            prepared: PathBuf::from(PREPARED),
            devices: Vec::new(),
            workers: None,
            resumes: false,
            command: None,
            stop: Box::new(|| false),
        }
    }

    /// Computes on these devices, which share each batch. The first one holds the weights and validates.
    #[must_use]
    pub fn on(self, devices: Vec<NamedDevice>) -> Self {
        Self { devices, ..self }
    }

    /// Divides each batch among `count` workers, which use the devices in turn. With fewer workers than devices, some
    /// devices have nothing to do. A run is repeated exactly only with the same number of workers. By default there are
    /// as many workers as keep the devices busy.
    #[must_use]
    pub fn workers(self, count: usize) -> Self {
        Self {
            workers: Some(count),
            ..self
        }
    }

    /// Keeps the prepared training pairs of a translator in `folder`, which runs can share. By default it is `prepared`
    /// in the working folder.
    #[must_use]
    pub fn prepared_in(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            prepared: folder.into(),
            ..self
        }
    }

    /// Goes on with the run in the folder from its last checkpoint. In the recipe, only the languages and the limits of
    /// the run may have changed: `training.updates`, `epochs`, `minutes` and `patience`. With the schedule `cosine`,
    /// `training.updates` must not change either, since every learning rate depends on it.
    #[must_use]
    pub fn resume(self) -> Self {
        Self {
            resumes: true,
            ..self
        }
    }

    /// Names the command that started the run, for the model card.
    #[must_use]
    pub fn command(self, command: impl Into<String>) -> Self {
        Self {
            command: Some(command.into()),
            ..self
        }
    }

    /// Stops the run, and writes a checkpoint, once `stop` returns true. The run calls `stop` after each update and the
    /// validation that may follow it.
    #[must_use]
    pub fn stop_when(self, stop: impl Fn() -> bool + 'a) -> Self {
        Self {
            stop: Box::new(stop),
            ..self
        }
    }

    /// Trains until the run ends, has the best weights translate the test pairs or label the test texts, and writes the
    /// model card. Calls `observe` with each [`Event`] meanwhile. A run ends at the first of `training.updates`, `epochs`
    /// and `minutes`, or when `training.patience` validations in a row have brought no improvement. A recipe must set at
    /// least one of `updates`, `epochs` and `minutes`.
    ///
    /// # Errors
    ///
    /// After any error the last checkpoint is whole. The method returns
    ///
    /// - [`TrainError::Recipe`] if a setting is out of range, or the saved recipe of a run to resume cannot be read;
    /// - [`TrainError::Infer`] if the model folder that a new run starts from cannot be read, and
    ///   [`TrainError::OtherThanInitial`] if the recipe asks for another shape or vocabulary than that model has;
    /// - [`TrainError::Data`] if the text cannot be used, or a file cannot be read or written;
    /// - [`TrainError::NothingToTrain`] or [`TrainError::NothingToScore`] if no pair is left to train on, to validate
    ///   or to test;
    /// - [`TrainError::OutputExists`] if a new run's folder is not empty, and [`TrainError::Busy`] if another run is
    ///   under way in it;
    /// - [`TrainError::NoCheckpoint`], [`TrainError::InvalidCheckpoint`], [`TrainError::ChangedRecipe`] or
    ///   [`TrainError::ChangedInput`] if the run cannot be resumed;
    /// - [`TrainError::Config`] or [`TrainError::Precision`] if no network can be trained by the recipe;
    /// - [`TrainError::NotFinite`] if training diverges, and [`TrainError::NoModel`] if no validation had a finite
    ///   loss;
    /// - [`TrainError::Device`] if a device fails, and [`TrainError::Infer`] if a validation or the test cannot be
    ///   translated, or the tokenizer `data.bleu` cannot be used.
    pub fn train(mut self, mut observe: impl FnMut(Event<'_>)) -> Result<Outcome, TrainError> {
        self.recipe.check()?;
        self.recipe.data.bleu.check()?;
        self.recipe.set_defaults();
        let devices = self.take_devices()?;
        notice_device_failure(&devices, || match self.recipe.task {
            TaskKind::Translate => self.train_on::<TranslationTask>(&devices, &mut observe),
            TaskKind::Classify | TaskKind::Tag => self.train_on::<LabellingTask>(&devices, &mut observe),
        })
    }

    /// Takes a few updates, and returns what the run would do. Writes the prepared training pairs, and no other file.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Recipe`] if a setting is out of range, [`TrainError::Infer`] or
    /// [`TrainError::OtherThanInitial`] if the run cannot start from the model folder that the recipe names,
    /// [`TrainError::Infer`] also if the tokenizer `data.bleu` cannot be used, [`TrainError::Data`],
    /// [`TrainError::NothingToTrain`] or [`TrainError::NothingToScore`] if the text cannot be used,
    /// [`TrainError::Config`] or [`TrainError::Precision`] if no network can be trained by the recipe, and
    /// [`TrainError::Device`] if a device fails.
    pub fn dry_run(mut self, mut observe: impl FnMut(Event<'_>)) -> Result<DryRun, TrainError> {
        self.recipe.check()?;
        self.recipe.data.bleu.check()?;
        self.recipe.set_defaults();
        let devices = self.take_devices()?;
        notice_device_failure(&devices, || match self.recipe.task {
            TaskKind::Translate => self.dry_run_on::<TranslationTask>(&devices, &mut observe),
            TaskKind::Classify | TaskKind::Tag => self.dry_run_on::<LabellingTask>(&devices, &mut observe),
        })
    }

    fn dry_run_on<T: Task>(
        &mut self,
        devices: &[NamedDevice],
        observer: &mut Observer<'_>,
    ) -> Result<DryRun, TrainError> {
        let Start { tokens, weights } = self.start::<T>(&devices[0].device, observer)?;
        let (task, _) = self.prepare::<T>(None, tokens, observer)?;
        let mut trainer = self.trainer(task, devices, observer)?;
        if let Some(weights) = weights {
            trainer.step.start_from(weights);
        }
        DryRun::of(trainer)
    }

    fn take_devices(&mut self) -> Result<Vec<NamedDevice>, TrainError> {
        if self.devices.is_empty() {
            self.devices.push(attend_device::auto()?);
        }
        Ok(std::mem::take(&mut self.devices))
    }

    fn train_on<T: Task>(
        &mut self,
        devices: &[NamedDevice],
        observer: &mut Observer<'_>,
    ) -> Result<Outcome, TrainError> {
        let existing = if self.resumes {
            Some(RunFolder::reopen(&self.folder)?)
        } else {
            RunFolder::check_new(&self.folder)?;
            None
        };
        let begun = existing.as_ref().filter(|run_folder| run_folder.has_begun());
        let Start { tokens, weights } = match begun {
            Some(run_folder) => {
                self.recipe.complete_as(&run_folder.recipe()?);
                Start::default()
            }
            None => self.start::<T>(&devices[0].device, observer)?,
        };
        let (task, inputs) = self.prepare::<T>(begun, tokens, observer)?;
        let mut trainer = self.trainer(task, devices, observer)?;

        // Locked until the end of this function.
        let run_folder = match existing {
            Some(run_folder) => run_folder,
            None => RunFolder::create(&self.folder)?,
        };
        if run_folder.has_begun() {
            run_folder.save_recipe(&self.recipe)?;
        } else {
            // A process that was killed at this point may have left the weights of another model.
            trainer.discard_start()?;
            if let Some(weights) = weights {
                // The run goes on from this checkpoint even if the model has changed since, or is gone.
                trainer.step.start_from(weights);
                trainer.save_start()?;
            }
            run_folder.begin(&self.recipe, &inputs, trainer.task.tokens())?;
        }
        if self.resumes {
            trainer
                .resume()?
                .into_iter()
                .map(Event::Note)
                .for_each(&mut *observer);
        }
        observer(Event::Started {
            name: &run_name(&self.folder),
            num_params: trainer.step.num_params(),
            folder: &self.folder,
        });
        match trainer.run(observer, &*self.stop)? {
            Ending::Finished { weights } => {
                let workers = trainer.step.workers();
                let test = trainer
                    .task
                    .test(&self.folder, &self.recipe, &devices[0].device, workers)?;
                self.write_model_card(&trainer, &weights, &test, devices)?;
                Ok(Outcome::Finished(Box::new(test)))
            }
            Ending::Stopped => Ok(Outcome::Stopped {
                update: trainer.state.update,
            }),
        }
    }

    /// Reads the model folder that the run starts from, if the recipe names one, and takes from it what the recipe
    /// leaves out.
    fn start<T: Task>(
        &mut self,
        device: &Device,
        observer: &mut Observer<'_>,
    ) -> Result<Start<T>, TrainError> {
        let start = T::start(&mut self.recipe, device)?;
        if let Some(folder) = &self.recipe.init {
            observer(Event::Note(format!(
                "starting from the weights and the tokenizer of {}",
                folder.display()
            )));
        }
        Ok(start)
    }

    /// Reads and encodes the text. The recipe, tokenizer and text of a run that has begun must not have changed since.
    /// A new run learns its tokenizer from the text, unless it starts with the one of a model.
    fn prepare<T: Task>(
        &self,
        begun: Option<&RunFolder>,
        initial: Option<TokenFiles>,
        observer: &mut Observer<'_>,
    ) -> Result<(T, Inputs), TrainError> {
        let recipe = &self.recipe;
        let tokens = match begun {
            Some(run_folder) => Some(run_folder.resume(recipe)?),
            None => initial,
        };
        let (task, inputs) = T::prepare(recipe, tokens, &self.prepared, observer)?;
        if let Some(run_folder) = begun {
            run_folder.check_inputs(&inputs, recipe.task)?;
        }
        observer(Event::Prepared {
            corpora: &task.train().report(),
        });
        for (name, left_out) in task.left_out() {
            if left_out != LeftOut::default() {
                observer(Event::Note(format!("{name}: left out {left_out}")));
            }
        }
        Ok((task, inputs))
    }

    fn trainer<T: Task>(
        &self,
        task: T,
        devices: &[NamedDevice],
        observer: &mut Observer<'_>,
    ) -> Result<Trainer<T>, TrainError> {
        let keep_busy = || devices.iter().map(NamedDevice::workers).sum();
        let workers = Workers::start(self.workers.unwrap_or_else(keep_busy), 1)?;
        let handles: Vec<Device> = devices.iter().map(|device| device.device.clone()).collect();
        let (recipe, folder) = (self.recipe.clone(), self.folder.clone());
        let (metric, note) = task.metric(&recipe)?;
        let trainer = Trainer::new(recipe, task, metric, folder, &handles, workers)?;
        note.map(Event::Note).into_iter().for_each(&mut *observer);
        let precision = self.recipe.training.dtype;
        for device in devices.iter().filter(|device| is_processor(&device.device)) {
            if precision != Precision::Float32 {
                observer(Event::Note(format!(
                    "{} emulates {precision}: float32 is faster there",
                    device.name
                )));
            }
        }
        Ok(trainer)
    }

    fn write_model_card<T: Task>(
        &self,
        trainer: &Trainer<T>,
        weights: &str,
        test: &FinalTest,
        devices: &[NamedDevice],
    ) -> Result<(), DataError> {
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        let model_card = ModelCard {
            name: &run_name(&self.folder),
            command: self.command.as_deref(),
            recipe: &self.recipe,
            state: &trainer.state,
            records: &Record::read_all(&self.folder)?,
            weights,
            num_params: trainer.step.num_params(),
            train_pairs: trainer.task.train().len(),
            corpora: &trainer.task.train().report(),
            valid_pairs: trainer.task.valid_len(),
            test_pairs: test.outputs.len(),
            scores: &test.scores,
            environment: &Environment::of_this_process(&names.join(","), trainer.state.workers),
        };
        write_file(self.folder.join("README.md"), model_card.to_markdown())
    }
}
