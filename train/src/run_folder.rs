//! The folder of a run: whose it is, and whether a run to resume is still the one that began there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use attend_data::{DataError, Mixture, SentencePair, Tokenizer, write_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checkpoint::CHECKPOINTS;
use crate::dataset::Corpora;
use crate::error::TrainError;
use crate::recipe::Recipe;

/// Written last when a run begins.
pub(crate) const RECIPE: &str = "recipe.toml";
const TOKENIZER: &str = "tokenizer.json";
const LOCK: &str = "lock";
const INPUTS: &str = "inputs.toml";

/// A run's folder, locked against other trainings while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    // The system takes the lock back when the file is closed, however the program ends.
    _lock: File,
}

/// What a run trains on, as checksums.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Of the prepared training pairs: their text, tokenizer and filters.
    train: String,
    /// Of the validation pairs' text.
    valid: String,
    /// Of the test pairs' text.
    test: String,
    tokenizer: String,
}

impl Inputs {
    /// The sums of a run's inputs: the training pairs as they were prepared, and the text held out.
    #[must_use]
    pub fn new(train: &Mixture, corpora: &Corpora, tokenizer: &Tokenizer) -> Self {
        Self {
            train: train.fingerprint(),
            valid: sum_of_pairs(&corpora.valid),
            test: sum_of_pairs(&corpora.test),
            tokenizer: sum_of_tokenizer(tokenizer),
        }
    }
}

/// What a run is called: the name of its folder, also where that is given as a dot.
#[must_use]
pub fn run_name(folder: &Path) -> String {
    let folder = std::path::absolute(folder).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl RunFolder {
    /// Checks that a new run can have this folder: there is none, or it is empty.
    ///
    /// # Errors
    ///
    /// If it holds something.
    pub fn check_new(path: &Path) -> Result<(), TrainError> {
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        match path.exists() && !is_empty {
            true => Err(TrainError::OutputExists {
                path: path.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Makes the folder for a new run, and locks it.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or another training has come first.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let checkpoints = path.join(CHECKPOINTS);
        fs::create_dir_all(&checkpoints).map_err(|error| DataError::write(&checkpoints, error))?;
        let run_folder = Self::lock(path)?;
        match run_folder.has_begun() {
            true => Err(TrainError::OutputExists {
                path: path.to_owned(),
            }),
            false => Ok(run_folder),
        }
    }

    /// Locks the folder of a run to resume.
    ///
    /// # Errors
    ///
    /// If no run has begun there, or one is under way.
    pub fn reopen(path: &Path) -> Result<Self, TrainError> {
        if !path.join(CHECKPOINTS).is_dir() {
            return Err(TrainError::NoCheckpoint {
                path: path.to_owned(),
            });
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, TrainError> {
        let lock_path = path.join(CHECKPOINTS).join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(|error| DataError::write(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(DataError::write(&lock_path, error).into()),
        }
    }

    /// Whether [`begin`](Self::begin) has come to its end.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.path.join(RECIPE).exists()
    }

    /// Writes down what the run is made of.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn begin(&self, recipe: &Recipe, inputs: &Inputs, tokenizer: &Tokenizer) -> Result<(), TrainError> {
        tokenizer.save(self.path.join(TOKENIZER))?;
        let inputs = toml::to_string_pretty(inputs).expect("strings always serialize");
        write_file(self.path.join(CHECKPOINTS).join(INPUTS), inputs)?;
        self.save_recipe(recipe)
    }

    /// Writes the recipe, whose limits may be new.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_recipe(&self, recipe: &Recipe) -> Result<(), TrainError> {
        Ok(write_file(self.path.join(RECIPE), recipe.to_toml())?)
    }

    /// The run's tokenizer, after a check that it and the recipe are still those which the run began with.
    ///
    /// # Errors
    ///
    /// If one has changed, or a file cannot be read.
    pub fn resume(&self, recipe: &Recipe) -> Result<Tokenizer, TrainError> {
        let changes = recipe.changes_since(&Recipe::load(&self.path.join(RECIPE), &[])?);
        if !changes.is_empty() {
            return Err(TrainError::ChangedRecipe {
                path: self.path.clone(),
                changes: changes.join("; "),
            });
        }
        let path = self.path.join(TOKENIZER);
        let tokenizer = Tokenizer::load(&path)?;
        match sum_of_tokenizer(&tokenizer) == self.inputs()?.tokenizer {
            true => Ok(tokenizer),
            false => Err(self.changed(format!("the tokenizer {}", path.display()))),
        }
    }

    /// Checks that the text is still that which the run began with.
    ///
    /// # Errors
    ///
    /// If it has changed, or what is written down of it cannot be read.
    pub fn check_inputs(&self, now: &Inputs) -> Result<(), TrainError> {
        let before = self.inputs()?;
        let pairs = [
            ("training pairs (data.train)", &before.train, &now.train),
            ("validation pairs (data.valid)", &before.valid, &now.valid),
            ("test pairs (data.test)", &before.test, &now.test),
        ];
        match pairs.into_iter().find(|(_, before, now)| before != now) {
            Some((name, ..)) => Err(self.changed(format!("the text of the {name}"))),
            None => Ok(()),
        }
    }

    fn changed(&self, what: String) -> TrainError {
        TrainError::ChangedInput {
            what,
            path: self.path.clone(),
        }
    }

    fn inputs(&self) -> Result<Inputs, TrainError> {
        let path = self.path.join(CHECKPOINTS).join(INPUTS);
        let text = fs::read_to_string(&path).map_err(|error| DataError::read(&path, error))?;
        toml::from_str(&text).map_err(|error| TrainError::InvalidCheckpoint {
            path,
            reason: error.message().to_owned(),
        })
    }
}

/// The sum of sentence pairs, each as two lines: no sentence holds a line break.
fn sum_of_pairs(pairs: &[SentencePair]) -> String {
    let mut hash = Sha256::new();
    for pair in pairs {
        for sentence in [&pair.source, &pair.target] {
            hash.update(sentence);
            hash.update("\n");
        }
    }
    hexadecimal(&hash.finalize())
}

fn sum_of_tokenizer(tokenizer: &Tokenizer) -> String {
    hexadecimal(&Sha256::digest(tokenizer.to_json()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
