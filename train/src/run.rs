//! A training run, from a recipe to a model folder.

use std::path::PathBuf;

use attend_data::{DataError, Progress, Tokenizer, write_file};
use attend_device::{NamedDevice, Workers, is_processor, notice_device_failure};
use attend_infer::ModelFolder;
use attend_infer::metric::{Bleu, Chrf, corpus_bleu, corpus_chrf};
use attend_model::{Precision, Transformer};
use burn::tensor::Device;

use crate::dataset::{Corpora, Dataset, LeftOut};
use crate::dry_run::DryRun;
use crate::environment::Environment;
use crate::error::TrainError;
use crate::event::{Event, Observer};
use crate::model_card::ModelCard;
use crate::recipe::Recipe;
use crate::record::Record;
use crate::run_folder::{Inputs, RunFolder, run_name};
use crate::trainer::{Ending, Trainer};
use crate::validation::{note_on_metric, translate};

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

/// The result of a finished run on its test pairs, translated with the search of the recipe.
#[derive(Clone, Debug)]
pub struct FinalTest {
    /// BLEU.
    pub bleu: Bleu,
    /// chrF2.
    pub chrf: Chrf,
    /// The translations, in the order of the pairs.
    pub translations: Vec<TestTranslation>,
}

/// The translation of a test pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestTranslation {
    /// The source sentence.
    pub source: String,
    /// The target sentence of the pair.
    pub reference: String,
    /// The model's translation.
    pub translation: String,
}

/// The text of a run, read and encoded.
struct Text {
    tokenizer: Tokenizer,
    dataset: Dataset,
    inputs: Inputs,
}

/// What a new run starts with: of a model folder, or nothing.
#[derive(Default)]
struct Start {
    tokenizer: Option<Tokenizer>,
    weights: Option<Transformer>,
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

    /// Keeps prepared training pairs in `folder`, which runs can share. By default it is `prepared` in the working
    /// folder.
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

    /// Trains until the run ends, translates the test pairs with the best weights, and writes the model card. Calls
    /// `observe` with each [`Event`] meanwhile. A run ends at the first of `training.updates`, `epochs` and `minutes`,
    /// or when `training.patience` validations in a row have brought no improvement. A recipe must set at least one of
    /// `updates`, `epochs` and `minutes`.
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
        notice_device_failure(&devices, || self.train_on(&devices, &mut observe))
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
        notice_device_failure(&devices, || {
            let Start { tokenizer, weights } = self.start(&devices[0].device, &mut observe)?;
            let Text {
                tokenizer, dataset, ..
            } = self.prepare(None, tokenizer, &mut observe)?;
            let mut trainer = self.trainer(tokenizer, dataset, &devices, &mut observe)?;
            if let Some(weights) = weights {
                trainer.step.start_from(weights);
            }
            Ok(DryRun::of(trainer))
        })
    }

    fn take_devices(&mut self) -> Result<Vec<NamedDevice>, TrainError> {
        if self.devices.is_empty() {
            self.devices.push(attend_device::auto()?);
        }
        Ok(std::mem::take(&mut self.devices))
    }

    fn train_on(
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
        let Start { tokenizer, weights } = match begun {
            Some(run_folder) => {
                self.recipe.complete_as(&run_folder.recipe()?);
                Start::default()
            }
            None => self.start(&devices[0].device, observer)?,
        };
        let Text {
            tokenizer,
            dataset,
            inputs,
        } = self.prepare(begun, tokenizer, observer)?;
        let mut trainer = self.trainer(tokenizer, dataset, devices, observer)?;

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
            run_folder.begin(&self.recipe, &inputs, &trainer.tokenizer)?;
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
                let test = self.test(&trainer, &devices[0].device)?;
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
    fn start(&mut self, device: &Device, observer: &mut Observer<'_>) -> Result<Start, TrainError> {
        let Some(folder) = self.recipe.init.clone() else {
            return Ok(Start::default());
        };
        let initial = ModelFolder::load(&folder, device)?;
        self.recipe.complete(&folder, &initial)?;
        observer(Event::Note(format!(
            "starting from the weights and the tokenizer of {}",
            folder.display()
        )));
        Ok(Start {
            tokenizer: Some(initial.tokenizer),
            weights: Some(initial.model),
        })
    }

    /// Reads and encodes the text. The recipe, tokenizer and text of a run that has begun must not have changed since.
    /// A new run learns its tokenizer from the text, unless it starts with the one of a model.
    fn prepare(
        &self,
        begun: Option<&RunFolder>,
        initial: Option<Tokenizer>,
        observer: &mut Observer<'_>,
    ) -> Result<Text, TrainError> {
        let recipe = &self.recipe;
        let tokenizer = match begun {
            Some(run_folder) => Some(run_folder.resume(recipe)?),
            None => initial,
        };
        let corpora = Corpora::load(&recipe.data)?;
        let tokenizer = match tokenizer {
            Some(tokenizer) => tokenizer,
            None => corpora.train_tokenizer(&recipe.data)?,
        };
        let dataset = Dataset::encode(&corpora, &tokenizer, recipe, &self.prepared, |progress| {
            observer(match progress {
                Progress::Waiting => Event::Waiting,
                Progress::Pairs(pairs) => Event::Preparing { pairs },
            });
        })?;
        let inputs = Inputs::new(&dataset.train, &corpora, &tokenizer);
        if let Some(run_folder) = begun {
            run_folder.check_inputs(&inputs)?;
        }
        observer(Event::Prepared {
            corpora: &dataset.train.report(),
        });
        for (name, left_out) in [
            ("validation", dataset.valid_left_out),
            ("test", dataset.test_left_out),
        ] {
            if left_out != LeftOut::default() {
                observer(Event::Note(format!("{name} pairs: left out {left_out}")));
            }
        }
        Ok(Text {
            tokenizer,
            dataset,
            inputs,
        })
    }

    fn trainer(
        &self,
        tokenizer: Tokenizer,
        dataset: Dataset,
        devices: &[NamedDevice],
        observer: &mut Observer<'_>,
    ) -> Result<Trainer, TrainError> {
        let keep_busy = || devices.iter().map(NamedDevice::workers).sum();
        let workers = Workers::start(self.workers.unwrap_or_else(keep_busy), 1)?;
        let handles: Vec<Device> = devices.iter().map(|device| device.device.clone()).collect();
        let (recipe, folder) = (self.recipe.clone(), self.folder.clone());
        let trainer = Trainer::new(recipe, tokenizer, dataset, folder, &handles, workers)?;
        if trainer.metric != self.recipe.training.metric {
            let pairs = &trainer.dataset.valid_pairs;
            observer(Event::Note(note_on_metric(&self.recipe, trainer.metric, pairs)));
        }
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

    /// Translates the test pairs with the weights in the model folder, and scores the translations.
    fn test(&self, trainer: &Trainer, device: &Device) -> Result<FinalTest, TrainError> {
        let pairs = &trainer.dataset.test_pairs;
        let translations = translate(pairs, &self.folder, device, trainer.step.workers())?;
        let references: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        Ok(FinalTest {
            bleu: corpus_bleu(&translations, &references, self.recipe.data.bleu)?,
            chrf: corpus_chrf(&translations, &references)?,
            translations: pairs
                .iter()
                .zip(translations)
                .map(|(pair, translation)| TestTranslation {
                    source: pair.source.clone(),
                    reference: pair.target.clone(),
                    translation,
                })
                .collect(),
        })
    }

    fn write_model_card(
        &self,
        trainer: &Trainer,
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
            train_pairs: trainer.dataset.train.len(),
            corpora: &trainer.dataset.train.report(),
            valid_pairs: trainer.dataset.valid_pairs.len(),
            test_pairs: test.translations.len(),
            bleu: &test.bleu,
            chrf: &test.chrf,
            environment: &Environment::of_this_process(&names.join(","), trainer.state.workers),
        };
        write_file(self.folder.join("README.md"), model_card.to_markdown())
    }
}
