//! Recipes: the one TOML file that says everything about a training run.

mod counts;
mod data;
mod place;
mod training;

use std::collections::BTreeSet;
use std::path::Path;

use attend_data::{DataError, Tokenizer};
use attend_infer::search::SearchOptions;
use attend_model::{ConfigError, NormPlacement, PositionKind, TransformerConfig};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::TrainError;

use place::{place_in_file, place_of};

pub use data::{CorpusFiles, DataSettings, EmbeddedCorpus};
pub use training::{Dtype, OptimizerKind, ScheduleKind, TrainingSettings};

/// All settings of a run. A key that a recipe leaves out takes the default given here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the initial weights, the order of batches and dropout: the same seed gives the same run. Default 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What to train on.
    pub data: DataSettings,
    /// The network's shape.
    pub model: ModelSettings,
    /// The updates.
    pub training: TrainingSettings,
    /// Search for the final test, and the model folder's defaults.
    #[serde(default)]
    pub search: SearchOptions,
}

/// A preset, and what differs from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// The preset to start from.
    pub preset: Preset,
    /// See [`TransformerConfig::d_model`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_model: Option<usize>,
    /// See [`TransformerConfig::d_ff`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_ff: Option<usize>,
    /// See [`TransformerConfig::n_heads`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_heads: Option<usize>,
    /// See [`TransformerConfig::encoder_layers`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_layers: Option<usize>,
    /// See [`TransformerConfig::decoder_layers`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_layers: Option<usize>,
    /// See [`TransformerConfig::dropout`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// See [`TransformerConfig::norm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormPlacement>,
    /// See [`TransformerConfig::positions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions: Option<PositionKind>,
    /// See [`TransformerConfig::max_length`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// See [`TransformerConfig::tie_embeddings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_embeddings: Option<bool>,
}

/// The named network shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// [`TransformerConfig::tiny`]
    Tiny,
    /// [`TransformerConfig::small`]
    Small,
    /// [`TransformerConfig::base`]
    Base,
    /// [`TransformerConfig::big`]
    Big,
}

fn default_seed() -> u64 {
    1
}

impl Recipe {
    /// Reads a recipe and applies `overrides`, each written `section.key=value`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no TOML, or has an unknown key or a value out of range; likewise for an
    /// override.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|error| DataError::read(path, error))?;
        let refused = |OutOfRange { field, reason }, overrides: &[String]| TrainError::Recipe {
            place: place_of(&field, path, &text, overrides),
            reason,
            hint: None,
        };
        let recipe: Self = toml::from_str(&text).map_err(|error| TrainError::Recipe {
            place: place_in_file(path, &text, error.span()),
            reason: error.message().to_owned(),
            hint: nearest_key(error.message()),
        })?;
        // Before the overrides, too: the tables that they go into hold no number above TOML's.
        recipe.check_counts().map_err(|error| refused(error, &[]))?;
        let recipe = overrides
            .iter()
            .try_fold(recipe, |recipe, assignment| recipe.with(assignment))?;
        recipe.validate().map_err(|error| refused(error, overrides))?;
        Ok(recipe)
    }

    /// This recipe with one setting changed, written `section.key=value`.
    fn with(self, assignment: &str) -> Result<Self, TrainError> {
        let error = |reason: String, hint| TrainError::Recipe {
            place: format!("--set {assignment}"),
            reason,
            hint,
        };
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(error(
                "there is no `=`".to_owned(),
                Some("write section.key=value".to_owned()),
            ));
        };
        // A value that is no TOML by itself, such as a path, is taken as a string.
        let value: Value = toml::from_str::<Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        let mut settings = Table::try_from(&self).map_err(|failure| error(failure.to_string(), None))?;
        let mut parents: Vec<&str> = key.trim().split('.').collect();
        let last = parents.pop().unwrap_or_default();
        let mut section = &mut settings;
        for parent in parents {
            section = section
                .entry(parent)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(|| error(format!("`{parent}` is no section"), None))?;
        }
        section.insert(last.to_owned(), value);
        settings.try_into().map_err(|failure: toml::de::Error| {
            let reason = failure.message();
            error(reason.to_owned(), nearest_key(reason))
        })
    }

    /// The settings as the TOML that [`load`](Self::load) reads: what a run saves with its results.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("numbers, paths and strings always serialize")
    }

    /// The keys whose values are not those of `saved`, the recipe of a run to resume, each with both values. When a run
    /// ends may differ.
    #[must_use]
    pub fn changes_since(&self, saved: &Self) -> Vec<String> {
        let mut keys = Vec::new();
        collect_changes("", &self.table(), &saved.table(), &mut keys);
        // Where the cosine ends, every learning rate before depends on it.
        let is_limit = |key: &str| {
            let limit = key.strip_prefix("training.").unwrap_or_default();
            let shapes_the_rates = limit == "updates" && self.training.schedule == ScheduleKind::Cosine;
            TrainingSettings::LIMITS.contains(&limit) && !shapes_the_rates
        };
        keys.retain(|(key, _)| !is_limit(key));
        keys.into_iter()
            .map(|(key, change)| format!("{key} {change}"))
            .collect()
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("numbers, paths and strings always serialize")
    }

    /// The network's shape for a tokenizer of `vocab_size` tokens whose padding is `pad_id`.
    #[must_use]
    pub fn transformer_config(&self, vocab_size: usize, pad_id: usize) -> TransformerConfig {
        let model = &self.model;
        let preset = match model.preset {
            Preset::Tiny => TransformerConfig::tiny(vocab_size),
            Preset::Small => TransformerConfig::small(vocab_size),
            Preset::Base => TransformerConfig::base(vocab_size),
            Preset::Big => TransformerConfig::big(vocab_size),
        };
        TransformerConfig {
            vocab_size,
            pad_id,
            d_model: model.d_model.unwrap_or(preset.d_model),
            d_ff: model.d_ff.unwrap_or(preset.d_ff),
            n_heads: model.n_heads.unwrap_or(preset.n_heads),
            encoder_layers: model.encoder_layers.unwrap_or(preset.encoder_layers),
            decoder_layers: model.decoder_layers.unwrap_or(preset.decoder_layers),
            dropout: model.dropout.unwrap_or(preset.dropout),
            norm: model.norm.unwrap_or(preset.norm),
            positions: model.positions.unwrap_or(preset.positions),
            max_length: model.max_length.unwrap_or(preset.max_length),
            tie_embeddings: model.tie_embeddings.unwrap_or(preset.tie_embeddings),
        }
    }

    fn validate(&self) -> Result<(), OutOfRange> {
        self.check_counts()?;
        self.training.validate()?;
        self.data.validate()?;
        let transformer =
            self.transformer_config(self.data.vocab_size.unwrap_or(Tokenizer::DEFAULT_VOCAB_SIZE), 0);
        transformer.validate().map_err(|error| OutOfRange {
            field: match error {
                ConfigError::Zero { field } | ConfigError::TooLarge { field, .. } => format!("model.{field}"),
                ConfigError::Heads { .. } => "model.n_heads".to_owned(),
                ConfigError::OddWidth { .. } => "model.d_model".to_owned(),
                ConfigError::Dropout { .. } => "model.dropout".to_owned(),
                ConfigError::Padding { .. } => "data.vocab_size".to_owned(),
            },
            reason: error.to_string(),
        })?;
        let positions = transformer.max_length - 1;
        self.search.validate_for(positions).map_err(|error| OutOfRange {
            field: format!("search.{}", error.field()),
            reason: error.to_string(),
        })
    }
}

/// Lists the dotted keys that differ between two tables, each with what it is and was.
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

/// A setting that no run can use.
struct OutOfRange {
    /// Its dotted key, in which a number counts the tables of a list.
    field: String,
    /// What is wrong, with the key.
    reason: String,
}

impl OutOfRange {
    /// The error that a field is what `reason` says of it.
    fn of(field: &str, reason: &str) -> Result<(), Self> {
        Err(Self {
            field: field.to_owned(),
            reason: format!("{field} {reason}"),
        })
    }
}

/// The known key most like an unknown one, from a message that names the unknown key and then all known ones in
/// backquotes.
fn nearest_key(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(unknown, known))?;
    Some(format!("did you mean `{nearest}`?"))
}
