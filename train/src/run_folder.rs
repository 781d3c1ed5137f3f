//! The folder of a run: a lock against other runs, and what the run began with.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use attend_data::{DataError, Mixture, PairTokenizer, SentencePair, TokenizerKind, read_text, write_file};
use attend_infer::{TaskKind, TokenFiles};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checkpoint::CHECKPOINTS;
use crate::dataset::Corpora;
use crate::error::TrainError;
use crate::labelled::{LabelledCorpora, LabelledDataset, Sample};
use crate::recipe::Recipe;
use crate::task::examples;

/// The recipe, which is written last when a run begins.
const RECIPE: &str = "recipe.toml";
const TOKENIZER: &str = "tokenizer.json";
const LOCK: &str = "lock";
const INPUTS: &str = "inputs.toml";

/// A run's folder, locked against other runs while this value lives.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    // The system releases the lock when the file is closed, however the program ends.
    _lock: File,
}

/// Checksums of what a run trains on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// Fingerprint of the encoded training pairs, which depends on their text, cleaning, tokenizer and filter. That of
    /// labelled texts depends on their labels too.
    train: String,
    /// SHA-256 sum of the text of the validation pairs, or of the validation texts and their labels.
    valid: String,
    /// SHA-256 sum of the text of the test pairs, or of the test texts and their labels.
    test: String,
    /// SHA-256 sum of the tokenizer's JSON, or of the files of two tokenizers.
    tokenizer: String,
}

impl Inputs {
    /// Computes the checksums of labelled text.
    pub(crate) fn of_labelled(
        dataset: &LabelledDataset,
        corpora: &LabelledCorpora,
        tokenizer: &PairTokenizer,
    ) -> Self {
        let labels = sum_of_lines(&dataset.labels);
        // A text is two lines, with tabs between its parts and between their labels: neither has a tab in it.
        let sum_of_samples = |samples: &[Sample]| {
            let sides = samples.iter().flat_map(|sample| [&sample.parts, &sample.labels]);
            sum_of_lines(sides.map(|side| side.join("\t")))
        };
        Self {
            // The examples hold the numbers of the labels.
            train: format!("{} {labels}", dataset.train.fingerprint()),
            valid: sum_of_samples(&corpora.valid.samples),
            test: sum_of_samples(&corpora.test.samples),
            tokenizer: sum_of_tokenizer(tokenizer),
        }
    }

    /// Computes the checksums.
    pub(crate) fn new(train: &Mixture, corpora: &Corpora, tokenizer: &PairTokenizer) -> Self {
        Self {
            train: train.fingerprint(),
            valid: sum_of_pairs(&corpora.valid),
            test: sum_of_pairs(&corpora.test),
            tokenizer: sum_of_tokenizer(tokenizer),
        }
    }
}

/// Returns the name of a run: the name of its folder, even if the folder is given as `.`.
pub(crate) fn run_name(folder: &Path) -> String {
    let folder = std::path::absolute(folder).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl RunFolder {
    /// Checks that a new run can have this folder: that it does not exist or is empty.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::OutputExists`] if the folder is not empty.
    pub(crate) fn check_new(path: &Path) -> Result<(), TrainError> {
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !is_empty {
            return Err(TrainError::OutputExists {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    /// Makes the folder for a new run, and locks it.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if the folder cannot be written. Returns [`TrainError::OutputExists`] or
    /// [`TrainError::Busy`] if another run has begun there since the folder was checked.
    pub(crate) fn create(path: &Path) -> Result<Self, TrainError> {
        let checkpoints = path.join(CHECKPOINTS);
        fs::create_dir_all(&checkpoints).map_err(|error| DataError::write(&checkpoints, error))?;
        let run_folder = Self::lock(path)?;
        if run_folder.has_begun() {
            return Err(TrainError::OutputExists {
                path: path.to_owned(),
            });
        }
        Ok(run_folder)
    }

    /// Locks the folder of a run to resume.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::NoCheckpoint`] if no run has begun there, and [`TrainError::Busy`] if one is under way.
    pub(crate) fn reopen(path: &Path) -> Result<Self, TrainError> {
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

    /// Returns whether [`begin`](Self::begin) has written all its files.
    pub(crate) fn has_begun(&self) -> bool {
        self.path.join(RECIPE).exists()
    }

    /// Writes the tokenizers, the checksums and the recipe that the run begins with.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if a file cannot be written.
    pub(crate) fn begin(
        &self,
        recipe: &Recipe,
        inputs: &Inputs,
        tokens: &TokenFiles,
    ) -> Result<(), TrainError> {
        tokens.save(&self.path, &recipe.shape())?;
        let inputs = toml::to_string_pretty(inputs).expect("strings always serialize");
        write_file(self.path.join(CHECKPOINTS).join(INPUTS), inputs)?;
        self.save_recipe(recipe)
    }

    /// Writes the recipe. A resumed run may have a recipe with new limits.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if it cannot be written.
    pub(crate) fn save_recipe(&self, recipe: &Recipe) -> Result<(), TrainError> {
        Ok(write_file(self.path.join(RECIPE), recipe.to_toml())?)
    }

    /// Reads the recipe with which the run began.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Recipe::load`].
    pub(crate) fn recipe(&self) -> Result<Recipe, TrainError> {
        Recipe::load(self.path.join(RECIPE), &[])
    }

    /// Reads the run's tokenizers, and checks that they and the recipe are those with which the run began.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::ChangedRecipe`] or [`TrainError::ChangedInput`] if one of them has changed, and another
    /// error if a file cannot be read.
    pub(crate) fn resume(&self, recipe: &Recipe) -> Result<TokenFiles, TrainError> {
        let changes = recipe.changes_since(&self.recipe()?);
        if !changes.is_empty() {
            return Err(TrainError::ChangedRecipe {
                path: self.path.clone(),
                changes: changes.join("; "),
            });
        }
        let tokens = TokenFiles::load(&self.path, &recipe.shape())?;
        if sum_of_tokenizer(&tokens.tokenizer) == self.inputs()?.tokenizer {
            return Ok(tokens);
        }
        Err(self.changed(match tokens.tokenizer.source.kind() {
            TokenizerKind::SentencePiece => format!("a tokenizer in {}", self.path.display()),
            _ => format!("the tokenizer {}", self.path.join(TOKENIZER).display()),
        }))
    }

    /// Checks that the text has not changed since the run began.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::ChangedInput`] if it has changed, and [`TrainError::Data`] or
    /// [`TrainError::InvalidCheckpoint`] if the checksums cannot be read.
    pub(crate) fn check_inputs(&self, now: &Inputs, task: TaskKind) -> Result<(), TrainError> {
        let before = self.inputs()?;
        let parts = [
            ("training", "data.train", &before.train, &now.train),
            ("validation", "data.valid", &before.valid, &now.valid),
            ("test", "data.test", &before.test, &now.test),
        ];
        let examples = examples(task);
        match parts.into_iter().find(|(_, _, before, now)| before != now) {
            Some((name, key, ..)) => Err(self.changed(format!("the text of the {name} {examples} ({key})"))),
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
        let text = read_text(&path)?;
        toml::from_str(&text).map_err(|error| TrainError::InvalidCheckpoint {
            path,
            reason: error.message().to_owned(),
        })
    }
}

/// Returns the SHA-256 sum of sentence pairs, each written as two lines. Two lists of pairs never give the same lines,
/// since no sentence holds a line break.
fn sum_of_pairs(pairs: &[SentencePair]) -> String {
    sum_of_lines(pairs.iter().flat_map(|pair| [&pair.source, &pair.target]))
}

/// Returns the SHA-256 sum of lines.
fn sum_of_lines(lines: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
        hash.update("\n");
    }
    hexadecimal(&hash.finalize())
}

fn sum_of_tokenizer(tokenizer: &PairTokenizer) -> String {
    hexadecimal(&Sha256::digest(tokenizer.content()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
