//! Recipes: the one TOML file that says everything about a training run.

use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_data::clean::Cleaning;
use attend_data::corpus::{SentencePairs, corpus_name};
use attend_data::tokenizer::{DEFAULT_VOCAB_SIZE, TokenizerKind};
use attend_infer::metric::BleuTokenizer;
use attend_infer::search::SearchOptions;
use attend_model::{NormPlacement, PositionKind, TransformerConfig};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::TrainError;

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

/// What to train on: the embedded corpus, or files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Name of the embedded corpus, `phrasebook`, in place of the three below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedCorpus>,
    /// Training pairs: one table, or a list of tables whose corpora are mixed by their weights.
    #[serde(default, with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<CorpusFiles>,
    /// Validation pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<CorpusFiles>,
    /// Test pairs, translated once at the end. The validation pairs where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CorpusFiles>,
    /// How text is cut into tokens: `bpe`, `unigram`, or `whitespace` for text that is segmented already, whose marks
    /// (`@@ `) translations then lack. Default bpe.
    #[serde(default)]
    pub tokenizer: TokenizerKind,
    /// Size of the joint vocabulary, at most. Default 8000 subwords, or all words of the training text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// BPE-dropout: the probability, in [0, 1], that a merge of a training sentence is left out, drawn anew each epoch.
    /// Default 0, for none.
    #[serde(default)]
    pub bpe_dropout: f64,
    /// Longest sentence of a training pair in tokens, `</s>` included; longer pairs are dropped and counted.
    /// Default 100, and never more than the model's positions.
    #[serde(default = "default_max_length")]
    pub max_length: usize,
    /// How many times longer than the other a side of a training pair may be. Default 4.
    #[serde(default = "default_max_ratio")]
    pub max_ratio: f32,
    /// How BLEU finds words: `13a`, for text as people write it, or `none`, for text whose words and punctuation are
    /// separated already. Default 13a.
    #[serde(default)]
    pub bleu: BleuTokenizer,
    /// Which training pairs are dropped as text, before lengths are judged.
    #[serde(default)]
    pub clean: Cleaning,
}

/// The corpora that come with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddedCorpus {
    /// English to German, from a grammar: [`attend_data::phrasebook`].
    Phrasebook,
}

/// Parallel text: two files, or one of two columns. Paths are relative to the working folder. Files whose names end in
/// .gz, .xz or .zst are decompressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusFiles {
    /// Source sentences, one a line, or a `<seg>` each in a file named .sgm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Their translations, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// Source, tab and target on each line, in place of the two files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsv: Option<PathBuf>,
    /// For training pairs: how often each is drawn in an epoch, on average. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

impl CorpusFiles {
    /// Opens the files.
    ///
    /// # Errors
    ///
    /// If one cannot be opened. A recipe whose corpora lack files is refused when it is loaded.
    pub fn open(&self) -> Result<SentencePairs, DataError> {
        match (&self.tsv, &self.source, &self.target) {
            (Some(tsv), _, _) => SentencePairs::open_tsv(tsv),
            (None, source, target) => {
                let path = |side: &Option<PathBuf>| side.clone().unwrap_or_default();
                SentencePairs::open_files(path(source), path(target))
            }
        }
    }

    /// What a report calls the corpus: its files' name without their endings.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.tsv.as_ref().or(self.source.as_ref());
        path.map_or_else(String::new, |path| corpus_name(path))
    }
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

/// The updates of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Number of updates.
    pub updates: usize,
    /// Budget of a batch: sentences times the longest side's tokens, padding included. Default 4096.
    #[serde(default = "default_batch_tokens")]
    pub batch_tokens: usize,
    /// Highest learning rate, reached at the end of the warm-up.
    pub learning_rate: f64,
    /// Updates over which the learning rate rises, before it falls as the inverse square root. Default 4000.
    #[serde(default = "default_warmup")]
    pub warmup: usize,
    /// Label smoothing ε, in [0, 1). Default 0.1.
    #[serde(default = "default_label_smoothing")]
    pub label_smoothing: f64,
    /// Gradients are scaled down to this global norm; 0 for no clipping. Default 1.
    #[serde(default = "default_clip_norm")]
    pub clip_norm: f64,
    /// Updates between two validations, each of which writes a checkpoint. Default 500.
    #[serde(default = "default_validate_every")]
    pub validate_every: usize,
    /// Updates between two records in `metrics.jsonl`. Default 50.
    #[serde(default = "default_log_every")]
    pub log_every: usize,
}

fn default_seed() -> u64 {
    1
}
fn default_max_length() -> usize {
    100
}
fn default_max_ratio() -> f32 {
    4.0
}
fn default_batch_tokens() -> usize {
    4_096
}
fn default_warmup() -> usize {
    4_000
}
fn default_label_smoothing() -> f64 {
    0.1
}
fn default_clip_norm() -> f64 {
    1.0
}
fn default_validate_every() -> usize {
    500
}
fn default_log_every() -> usize {
    50
}

impl Recipe {
    /// Reads a recipe and applies `overrides`, each written `section.key=value`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no TOML, or has an unknown key or a value out of range; likewise for an
    /// override.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|error| DataError::Read {
            path: path.to_owned(),
            error,
        })?;
        let recipe: Self = toml::from_str(&text).map_err(|error| file_error(path, &text, &error))?;
        let recipe = overrides
            .iter()
            .try_fold(recipe, |recipe, assignment| recipe.with(assignment))?;
        recipe.validate().map_err(|OutOfRange { field, reason }| {
            let key = field.rsplit('.').next().unwrap_or(field);
            let overridden = overrides.iter().find(|assignment| assignment.starts_with(field));
            let line = text.lines().position(|line| line.trim_start().starts_with(key));
            let place = match (overridden, line) {
                (Some(assignment), _) => format!("--set {assignment}"),
                (None, Some(line)) => format!("{}, line {}", path.display(), line + 1),
                (None, None) => path.display().to_string(),
            };
            TrainError::Recipe {
                place,
                reason,
                hint: None,
            }
        })?;
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
        let out_of_range = |field, reason: &str| {
            Err(OutOfRange {
                field,
                reason: format!("{field} {reason}"),
            })
        };
        let training = &self.training;
        let counts = [
            ("training.updates", training.updates),
            ("training.batch_tokens", training.batch_tokens),
            ("training.warmup", training.warmup),
            ("training.validate_every", training.validate_every),
            ("training.log_every", training.log_every),
            ("data.max_length", self.data.max_length),
        ];
        if let Some((field, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return out_of_range(field, "is 0, but must be at least 1");
        }
        if !(training.learning_rate > 0.0 && training.learning_rate.is_finite()) {
            return out_of_range("training.learning_rate", "must be a number above 0");
        }
        if !(0.0..1.0).contains(&training.label_smoothing) {
            return out_of_range("training.label_smoothing", "must lie in [0, 1)");
        }
        if !(training.clip_norm >= 0.0 && training.clip_norm.is_finite()) {
            return out_of_range("training.clip_norm", "must be a number of at least 0");
        }
        if self.data.max_ratio.is_nan() || self.data.max_ratio < 1.0 {
            return out_of_range("data.max_ratio", "must be at least 1");
        }
        self.validate_corpora()?;
        self.validate_tokenizer()?;
        self.transformer_config(self.data.vocab_size.unwrap_or(DEFAULT_VOCAB_SIZE), 0)
            .validate()
            .map_err(|error| {
                let reason = error.to_string();
                let fields = [
                    "model.d_ff",
                    "model.n_heads",
                    "model.encoder_layers",
                    "model.decoder_layers",
                ];
                let others = ["model.dropout", "model.max_length", "data.vocab_size"];
                let is_named =
                    |field: &&str| reason.starts_with(field.split_once('.').map_or("", |(_, key)| key));
                let field = fields
                    .into_iter()
                    .chain(others)
                    .find(is_named)
                    .unwrap_or("model.d_model");
                OutOfRange { field, reason }
            })?;
        self.search.validate().map_err(|error| OutOfRange {
            field: "search",
            reason: error.to_string(),
        })
    }

    fn validate_tokenizer(&self) -> Result<(), OutOfRange> {
        let data = &self.data;
        let reason = if !(0.0..=1.0).contains(&data.bpe_dropout) {
            "must lie in [0, 1]".to_owned()
        } else if data.bpe_dropout > 0.0 && data.tokenizer != TokenizerKind::Bpe {
            format!("needs data.tokenizer = \"bpe\", not \"{}\"", data.tokenizer)
        } else {
            return Ok(());
        };
        Err(OutOfRange {
            field: "data.bpe_dropout",
            reason: format!("data.bpe_dropout {reason}"),
        })
    }

    fn validate_corpora(&self) -> Result<(), OutOfRange> {
        let data = &self.data;
        let reason = match (data.embedded, data.train.as_slice(), &data.valid, &data.test) {
            (Some(_), [], None, None) | (None, [_, ..], Some(_), _) => None,
            (Some(_), ..) => Some("names an embedded corpus, so it can have no train, valid or test files"),
            (None, ..) => Some("needs train and valid files, or an embedded corpus"),
        };
        if let Some(reason) = reason {
            return Err(OutOfRange {
                field: "data",
                reason: format!("[data] {reason}"),
            });
        }
        let splits = data.train.iter().map(|files| ("data.train", files));
        let held_out = [("data.valid", &data.valid), ("data.test", &data.test)];
        let held_out = held_out
            .into_iter()
            .filter_map(|(field, files)| Some((field, files.as_ref()?)));
        for (field, files) in splits.chain(held_out) {
            let is_complete = matches!(
                (&files.source, &files.target, &files.tsv),
                (Some(_), Some(_), None) | (None, None, Some(_))
            );
            let problem = match files.weight {
                _ if !is_complete => "needs source and target, or tsv",
                Some(_) if field != "data.train" => "has a weight, which only training corpora have",
                Some(weight) if !(weight > 0.0 && weight.is_finite()) => {
                    "has a weight that is no number above 0"
                }
                _ => continue,
            };
            let reason = format!("{field} {problem}");
            return Err(OutOfRange { field, reason });
        }
        Ok(())
    }
}

mod one_or_many {
    //! A list that is written as its only item where it has one: `train = { … }`, or `[[data.train]]` several times.

    use std::fmt;

    use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::CorpusFiles;

    pub(super) fn serialize<S: Serializer>(
        corpora: &[CorpusFiles],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match corpora {
            [corpus] => corpus.serialize(serializer),
            corpora => corpora.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<CorpusFiles>, D::Error> {
        // Not an untagged enum, whose errors do not say which key is wrong.
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Vec<CorpusFiles>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of corpus files, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                CorpusFiles::deserialize(MapAccessDeserializer::new(map)).map(|corpus| vec![corpus])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// A setting that no run can use.
struct OutOfRange {
    field: &'static str,
    reason: String,
}

fn file_error(path: &Path, text: &str, error: &toml::de::Error) -> TrainError {
    let place = match error.span() {
        Some(span) => {
            let line = text[..span.start].matches('\n').count() + 1;
            format!("{}, line {line}", path.display())
        }
        None => path.display().to_string(),
    };
    TrainError::Recipe {
        place,
        reason: error.message().to_owned(),
        hint: nearest_key(error.message()),
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
