//! Recipes: the one TOML file that has all settings of a training run.

mod data;
mod locate;
mod model;
mod out_of_range;
mod training;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use attend_data::{Normalizer, Tokenizer, TokenizerKind, in_words, read_text};
use attend_infer::search::SearchOptions;
use attend_infer::{ModelFolder, TaskKind};
use attend_model::{PoolingKind, TransformerConfig};
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use crate::error::TrainError;
use crate::metric::Metric;
use crate::place::Place;
use crate::schedule::ScheduleKind;

use locate::{place_in_file, place_of};
use out_of_range::{OutOfRange, check_bounds};

pub use data::{CorpusFiles, DataSettings, EmbeddedCorpus};
pub use model::ModelSettings;
pub use training::TrainingSettings;

/// All settings of a run. A key that a recipe leaves out has the default that the key's field names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the initial weights, of the order of batches and of dropout: the same seed gives the same run. Default
    /// 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What the network is trained for: `translate`, `classify` or `tag`. Default `translate`.
    #[serde(default)]
    pub task: TaskKind,
    /// A model folder that the run starts from, with its weights and its tokenizers. The optimizer and the schedule
    /// start afresh. The settings of the shape, `data.tokenizer`, `data.vocab_size` and `data.normalization` are the
    /// model's: a recipe may leave them out, and must not ask for others. `data.source_language` and
    /// `data.target_language` are the model's where the recipe leaves them out. The path is relative to the working
    /// folder. Default: none, so that the weights are drawn at random and the tokenizer is learnt from the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// The text.
    pub data: DataSettings,
    /// The network's shape.
    #[serde(default)]
    pub model: ModelSettings,
    /// The updates.
    pub training: TrainingSettings,
    /// The search of the final test, and the defaults of the model folder.
    #[serde(default)]
    pub search: SearchOptions,
}

fn default_seed() -> u64 {
    1
}

impl Recipe {
    /// Reads a recipe, and then applies `overrides` in their order. An override replaces one value of the recipe, and
    /// is written `section.key=value`, such as `training.updates=400`. A value that is not TOML, such as a path without
    /// quotes, is taken as a string.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if the file cannot be read. Returns [`TrainError::Recipe`] if the file is not TOML,
    /// or if the file or an override has an unknown key or a value out of range.
    pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let text = read_text(path)?;
        let refused = |OutOfRange { field, reason }, overrides: &[String]| TrainError::Recipe {
            place: place_of(&field, path, &text, overrides),
            reason,
            nearest: None,
        };
        let wrong = |(error, field): (toml::de::Error, Option<String>)| {
            let reason = in_words(error.message());
            TrainError::Recipe {
                place: place_in_file(path, &text, error.span()),
                nearest: nearest_key(&reason),
                reason: match field {
                    Some(field) => format!("{field}: {reason}"),
                    None => reason,
                },
            }
        };
        let settings = toml::Deserializer::parse(&text).map_err(|error| wrong((error, None)))?;
        let recipe = Self::read(settings).map_err(wrong)?;
        // The bounds are checked before the overrides as well: overrides are applied to a TOML table, which cannot hold
        // a number above 2⁶³ - 1.
        recipe.check_bounds().map_err(|error| refused(error, &[]))?;
        let mut recipe = overrides
            .iter()
            .try_fold(recipe, |recipe, assignment| recipe.with(assignment))?;
        recipe.validate().map_err(|error| refused(error, overrides))?;
        recipe.set_defaults();
        Ok(recipe)
    }

    /// Returns this recipe with one setting changed as `assignment` asks for, which is written `section.key=value`.
    fn with(self, assignment: &str) -> Result<Self, TrainError> {
        let error = |reason: &str| TrainError::Recipe {
            place: Place::Override(assignment.to_owned()),
            reason: reason.to_owned(),
            nearest: nearest_key(reason),
        };
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| error("there is no `=`"))?;
        // A value that is not TOML by itself, such as a path, is taken as a string.
        let value: Value = toml::from_str::<Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        let mut settings = Table::try_from(&self).map_err(|failure| error(&failure.to_string()))?;
        let mut parents: Vec<&str> = key.trim().split('.').collect();
        let last = parents.pop().unwrap_or_default();
        let mut section = &mut settings;
        for parent in parents {
            section = section
                .entry(parent)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(|| error(&format!("`{parent}` is no section")))?;
        }
        section.insert(last.to_owned(), value);
        Self::read(settings).map_err(|(failure, _)| error(&in_words(failure.message())))
    }

    /// Reads the settings of a recipe. An error comes with the dotted key of the setting, unless its message names the
    /// key already.
    fn read<'de>(
        settings: impl Deserializer<'de, Error = toml::de::Error>,
    ) -> Result<Self, (toml::de::Error, Option<String>)> {
        serde_path_to_error::deserialize(settings).map_err(|error| {
            let key = error.path().to_string();
            let error = error.into_inner();
            let is_named = key == "." || error.message().starts_with("unknown field");
            (error, (!is_named).then_some(key))
        })
    }

    /// Writes the settings as TOML, which [`load`](Self::load) reads. A run saves them with its results.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("numbers, paths and strings always serialize")
    }

    /// Lists the keys whose values differ from those of `saved`, each with both values. `saved` is the recipe of a run
    /// to resume. Keys that only decide when the run ends are left out, and the languages, which training does not
    /// depend on.
    pub(crate) fn changes_since(&self, saved: &Self) -> Vec<String> {
        let mut keys = Vec::new();
        collect_changes("", &self.table(), &saved.table(), &mut keys);
        // All learning rates of a cosine depend on the update where it ends.
        let is_limit = |key: &str| {
            let limit = key.strip_prefix("training.").unwrap_or_default();
            let shapes_the_rates = limit == "updates" && self.training.schedule == ScheduleKind::Cosine;
            TrainingSettings::LIMITS.contains(&limit) && !shapes_the_rates
        };
        let is_language = |key: &str| ["data.source_language", "data.target_language"].contains(&key);
        keys.retain(|(key, _)| !is_limit(key) && !is_language(key));
        keys.into_iter()
            .map(|(key, change)| format!("{key} {change}"))
            .collect()
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("numbers, paths and strings always serialize")
    }

    /// Sets what the recipe leaves out to defaults that depend on other keys: the metric, and the kind of the tokenizer.
    /// A run that starts from a model takes the model's tokenizer.
    pub(crate) fn set_defaults(&mut self) {
        self.training.metric = Some(self.metric());
        if self.init.is_none() {
            self.data.tokenizer.get_or_insert_default();
        }
    }

    /// Takes from the model folder that the run starts from what the recipe leaves out: the shape, the kind and the
    /// size of the vocabulary, and the languages.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::OtherThanInitial`] if the recipe asks for another value than the model has, and
    /// [`TrainError::Recipe`] if the recipe's own settings do not go with the model's.
    pub(crate) fn complete(&mut self, folder: &Path, initial: &ModelFolder) -> Result<(), TrainError> {
        let other = |(asked, found)| TrainError::OtherThanInitial {
            path: folder.to_owned(),
            asked,
            found,
        };
        self.model.check_shape(&initial.config).map_err(other)?;
        let tokenizer = &initial.source_tokenizer;
        let (kind, vocab_size) = (tokenizer.kind(), tokenizer.vocab_size());
        if let Some(asked) = self.data.tokenizer.filter(|asked| *asked != kind) {
            let asked = format!("data.tokenizer = \"{asked}\"");
            return Err(other((asked, format!("\"{kind}\""))));
        }
        if let Some(asked) = self.data.vocab_size.filter(|asked| *asked != vocab_size) {
            let asked = format!("data.vocab_size = {asked}");
            return Err(other((asked, vocab_size.to_string())));
        }
        let steps = &self.data.normalization;
        // A SentencePiece model has rules of its own, which are no steps.
        let has_steps = || {
            let normalized = tokenizer.clone().with_normalizer(Normalizer::new(steps));
            kind != TokenizerKind::SentencePiece && normalized == *tokenizer
        };
        if !steps.is_empty() && !has_steps() {
            let names: Vec<String> = steps.iter().map(|step| format!("\"{step}\"")).collect();
            let asked = format!("data.normalization = [{}]", names.join(", "));
            let found = if tokenizer.has_normalizer() {
                "another normalizer"
            } else {
                "no normalizer"
            };
            return Err(other((asked, found.to_owned())));
        }
        self.model.complete(&initial.config);
        self.data.tokenizer = Some(kind);
        self.data.vocab_size = Some(vocab_size);
        self.data.complete_languages(&initial.languages);
        self.check()?;
        self.validate_shape().map_err(of_program)
    }

    /// Takes from `saved`, the recipe with which the run to resume began, what this recipe leaves to the model that the
    /// run started from.
    pub(crate) fn complete_as(&mut self, saved: &Self) {
        if self.init.is_some() {
            self.model.complete(saved.model.shape());
            self.data.tokenizer = self.data.tokenizer.or(saved.data.tokenizer);
            self.data.vocab_size = self.data.vocab_size.or(saved.data.vocab_size);
            self.data.complete_languages(&saved.data.languages());
        }
    }

    /// Returns the score by which the best weights are chosen: that which the recipe names, or the default of the task.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.training.metric.unwrap_or(Metric::of(self.task)[0])
    }

    /// Returns the pooling of a classifier: that which the recipe names, or the default. Other tasks have none.
    #[must_use]
    pub fn pooling(&self) -> Option<PoolingKind> {
        let is_classifier = self.task == TaskKind::Classify;
        is_classifier.then(|| self.model.pooling().unwrap_or_default())
    }

    /// Returns the network's shape for a tokenizer of `vocab_size` tokens whose padding is `pad_id`. A recipe that
    /// leaves fields of the shape to the model that its run starts from has the preset `tiny` in their place until the
    /// run has read that model.
    #[must_use]
    pub fn transformer_config(&self, vocab_size: usize, pad_id: usize) -> TransformerConfig {
        self.model.config(vocab_size, pad_id)
    }

    /// Returns the network's shape as far as the recipe knows it. The tokenizer decides the id of padding, and the number
    /// of its tokens unless the run starts from a model.
    pub(crate) fn shape(&self) -> TransformerConfig {
        self.transformer_config(self.data.vocab_size.unwrap_or(Tokenizer::DEFAULT_VOCAB_SIZE), 0)
    }

    /// Checks that each whole number lies within its bounds.
    fn check_bounds(&self) -> Result<(), OutOfRange> {
        // TOML's numbers have a sign.
        check_bounds("seed", Some(self.seed), 0..=i64::MAX as u64)?;
        self.data.check_bounds()?;
        self.model.check_bounds()?;
        self.training.check_bounds()?;
        Ok(self.search.validate_counts()?)
    }

    /// Checks a recipe that a program may have made or changed.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        self.validate().map_err(of_program)
    }

    fn validate(&self) -> Result<(), OutOfRange> {
        self.check_bounds()?;
        self.training.validate()?;
        self.data.validate(self.task, self.init.is_some())?;
        self.validate_task()?;
        if self
            .init
            .as_ref()
            .is_some_and(|folder| folder.to_str().is_none_or(str::is_empty))
        {
            return OutOfRange::of("init", "must be the path of a model folder, in UTF-8");
        }
        for field in model::OF_INITIAL_MODEL {
            if self.init.is_none() && self.model.gives(field) {
                let reason = "is for a run that starts from a model of another toolkit, which init names";
                return OutOfRange::of(&format!("model.{field}"), reason);
            }
        }
        if self.init.is_some() && !self.model.has_preset() {
            // What the recipe leaves out is the model's, so that the shape is checked once that is known.
            return Ok(self.search.validate()?);
        }
        if !self.model.is_complete() {
            return OutOfRange::of(
                "model.preset",
                "is missing: set it, or name by init a model folder to start from",
            );
        }
        self.validate_shape()
    }

    /// Checks the shape of the network, and the search by its number of positions.
    fn validate_shape(&self) -> Result<(), OutOfRange> {
        let config = self.shape();
        config.validate()?;
        Ok(self.search.validate_for(config.max_length - 1)?)
    }
}

impl Recipe {
    /// Checks that no key is set that has no meaning for the task.
    fn validate_task(&self) -> Result<(), OutOfRange> {
        let task = self.task;
        let metric = self.metric();
        if !Metric::of(task).contains(&metric) {
            let names = Metric::of(task).iter().map(|metric| format!("\"{metric}\""));
            let names: Vec<String> = names.collect();
            let reason = format!("is \"{metric}\", but task = \"{task}\" has {}", names.join(", "));
            return OutOfRange::of("training.metric", &reason);
        }
        let translates = task == TaskKind::Translate;
        let only_of_translation = [
            ("init", self.init.is_some()),
            ("search", self.search != SearchOptions::default()),
            ("model.decoder_layers", self.model.gives("decoder_layers")),
            ("model.decoder_layer", self.model.gives("decoder_layer")),
            ("model.tie_embeddings", self.model.gives("tie_embeddings")),
            ("model.output_bias", self.model.gives("output_bias")),
            ("model.target_vocab_size", self.model.gives("target_vocab_size")),
            ("model.decoder_start_id", self.model.gives("decoder_start_id")),
            ("model.source_eos", self.model.gives("source_eos")),
        ];
        let only_of_translation = only_of_translation
            .into_iter()
            .chain(self.data.only_of_translation());
        for (field, is_set) in only_of_translation {
            if is_set && !translates {
                return OutOfRange::of(field, &format!("has no meaning for task = \"{task}\""));
            }
        }
        if self.model.pooling().is_some() && task != TaskKind::Classify {
            return OutOfRange::of("model.pooling", &format!("has no meaning for task = \"{task}\""));
        }
        Ok(())
    }
}

/// Returns the error of a setting in a recipe that a program may have made or changed.
fn of_program(OutOfRange { reason, .. }: OutOfRange) -> TrainError {
    TrainError::Recipe {
        place: Place::Program,
        reason,
        nearest: None,
    }
}

/// Collects the dotted keys that differ between two tables, each with both values.
fn collect_changes(prefix: &str, new: &Table, old: &Table, changes: &mut Vec<(String, String)>) {
    let keys: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    for key in keys {
        let path = format!("{prefix}{key}");
        match (new.get(key), old.get(key)) {
            (Some(Value::Table(new)), Some(Value::Table(old))) => {
                collect_changes(&format!("{path}."), new, old, changes);
            }
            (new, old) if new != old => {
                let shown = |value: Option<&Value>| value.map_or("left out".to_owned(), Value::to_string);
                changes.push((path, format!("is {}, was {}", shown(new), shown(old))));
            }
            _ => {}
        }
    }
}

/// Returns the known key that is most like the unknown key of an error message. The message names the unknown key and
/// then all known keys, each in backquotes.
fn nearest_key(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(unknown, known))?;
    Some(nearest.to_owned())
}
