//! `[model]`: the shape of the network.

use std::collections::BTreeSet;
use std::fmt;

use attend_data::Tokenizer;
use attend_model::{ConfigError, PoolingKind, PositionKind, Preset, TransformerConfig};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

use super::out_of_range::OutOfRange;

/// The key of the preset.
const PRESET: &str = "preset";
/// The key of the pooling of a classifier, which is no part of the encoder's shape.
const POOLING: &str = "pooling";
/// The fields of a [`TransformerConfig`] that the tokenizer decides.
const OF_TOKENIZER: [&str; 2] = ["vocab_size", "pad_id"];

/// The fields that no preset has a value for.
const WITHOUT_DEFAULT: [&str; 3] = ["attention_window", "target_vocab_size", "decoder_start_id"];
/// The fields that describe the tokens of a model from another toolkit, on which a run goes on.
pub(super) const OF_INITIAL_MODEL: [&str; 3] = ["target_vocab_size", "decoder_start_id", "source_eos"];

/// The preset in place of one that a recipe leaves out, until the model that the run starts from is known.
const UNTIL_KNOWN: Preset = Preset::Tiny;

/// The shape of the network: a preset, and settings that differ from it.
///
/// A recipe writes `preset = "tiny"`, and may write any field of a [`TransformerConfig`] except `vocab_size` and
/// `pad_id`, which the tokenizer decides. Three other fields, `target_vocab_size`, `decoder_start_id` and `source_eos`,
/// are those of the model that the run starts from. A recipe of a classifier may also write its
/// `pooling`. A recipe with `init` may leave the preset out: the fields that it does not write are then those of the
/// model that the run starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    preset: Option<Preset>,
    pooling: Option<PoolingKind>,
    /// The names of the fields that the recipe gives.
    given: BTreeSet<String>,
    /// The preset with the given fields, for a vocabulary of the default size.
    config: TransformerConfig,
}

/// No setting is given.
impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            preset: None,
            pooling: None,
            given: BTreeSet::new(),
            config: UNTIL_KNOWN.config(Tokenizer::DEFAULT_VOCAB_SIZE),
        }
    }
}

impl ModelSettings {
    /// Returns the pooling that the recipe gives.
    pub(super) fn pooling(&self) -> Option<PoolingKind> {
        self.pooling
    }

    /// Returns whether the recipe gives this field.
    pub(super) fn gives(&self, field: &str) -> bool {
        self.given.contains(field)
    }

    /// Returns whether the recipe names a preset.
    pub(super) fn has_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// Returns whether the recipe gives the whole shape: a preset, or each field that has no default.
    pub(super) fn is_complete(&self) -> bool {
        let is_given = |name: &String| OF_TOKENIZER.contains(&name.as_str()) || self.given.contains(name);
        let without_default = written(&UNTIL_KNOWN.config(Tokenizer::DEFAULT_VOCAB_SIZE));
        self.preset.is_some() || without_default.keys().all(is_given)
    }

    /// Checks that the settings do not ask for another shape than that of `initial`, the model that the run starts
    /// from. The dropout may differ, and so may the number of sinusoidal positions, which are not trained.
    ///
    /// # Errors
    ///
    /// Returns what the recipe asks for, such as `model.d_ff = 512`, and the value in `initial`.
    pub(super) fn check_shape(&self, initial: &TransformerConfig) -> Result<(), (String, String)> {
        let (found, asked) = (table(initial), table(&self.config));
        let value = |table: &Table, name: &str| table.get(name).map_or("none".to_owned(), Value::to_string);
        for name in names() {
            let is_given = self.given.contains(&name);
            let may_differ = match name.as_str() {
                "dropout" => true,
                "max_length" => initial.positions != PositionKind::Learned,
                _ => self.preset.is_none() && !is_given,
            };
            if may_differ || found.get(&name) == asked.get(&name) {
                continue;
            }
            let value_asked = value(&asked, &name);
            let asked = match self.preset {
                Some(preset) if !is_given => {
                    format!("{name} = {value_asked} by model.{PRESET} = \"{preset}\"")
                }
                _ => format!("model.{name} = {value_asked}"),
            };
            return Err((asked, value(&found, &name)));
        }
        Ok(())
    }

    /// Takes the fields that the recipe leaves out from `initial`. With a preset, the recipe leaves out none.
    pub(super) fn complete(&mut self, initial: &TransformerConfig) {
        if self.preset.is_some() {
            return;
        }
        let mut fields = table(initial);
        let own = table(&self.config).into_iter();
        fields.extend(
            own.filter(|(name, _)| self.given.contains(name) || OF_TOKENIZER.contains(&name.as_str())),
        );
        self.config = fields.try_into().expect("each field has the type that it had");
        // Other fields with their defaults are not given, so that the recipe of a run that began before a version had
        // them is still the same.
        let names = written(&self.config).into_iter().map(|(name, _)| name);
        self.given
            .extend(names.filter(|name| !OF_TOKENIZER.contains(&name.as_str())));
    }

    /// Returns the shape, for a vocabulary whose size does not matter.
    pub(super) fn shape(&self) -> &TransformerConfig {
        &self.config
    }

    /// Returns the network's shape for a tokenizer of `vocab_size` tokens whose padding is `pad_id`.
    pub(super) fn config(&self, vocab_size: usize, pad_id: usize) -> TransformerConfig {
        TransformerConfig {
            vocab_size,
            pad_id,
            ..self.config.clone()
        }
    }

    /// Checks that each size by itself lies within its bounds.
    pub(super) fn check_bounds(&self) -> Result<(), OutOfRange> {
        match self.config.validate() {
            Err(error @ (ConfigError::Zero { .. } | ConfigError::TooLarge { .. })) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Names the setting of the recipe to change, and gives the reason in terms of the recipe.
impl From<ConfigError> for OutOfRange {
    fn from(error: ConfigError) -> Self {
        let field = match error.field() {
            // A recipe sets the tokenizer's part of the shape by the size of the vocabulary alone.
            field if OF_TOKENIZER.contains(&field) => "data.vocab_size".to_owned(),
            field => format!("model.{field}"),
        };
        let reason = match error {
            ConfigError::TooLarge { size, most, .. } => {
                format!("{field} is {size}, but must lie in [1, {most}]")
            }
            other => other.to_string(),
        };
        Self { field, reason }
    }
}

/// Writes the preset and the fields that the recipe gives.
impl Serialize for ModelSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Settings {
            #[serde(skip_serializing_if = "Option::is_none")]
            preset: Option<Preset>,
            #[serde(skip_serializing_if = "Option::is_none")]
            pooling: Option<PoolingKind>,
            #[serde(flatten)]
            given: Table,
        }
        let mut given = table(&self.config);
        given.retain(|name, _| self.given.contains(name));
        let (preset, pooling) = (self.preset, self.pooling);
        let settings = Settings {
            preset,
            pooling,
            given,
        };
        settings.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ModelSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Settings;

        impl<'de> Visitor<'de> for Settings {
            type Value = ModelSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with a preset")
            }

            fn visit_map<A: MapAccess<'de>>(self, recipe: A) -> Result<Self::Value, A::Error> {
                let mut overlay = Overlay {
                    recipe,
                    preset: None,
                    pooling: None,
                    given: BTreeSet::new(),
                    others: None,
                };
                let config = TransformerConfig::deserialize(MapAccessDeserializer::new(&mut overlay))?;
                Ok(ModelSettings {
                    preset: overlay.preset,
                    pooling: overlay.pooling,
                    given: overlay.given,
                    config,
                })
            }
        }

        deserializer.deserialize_map(Settings)
    }
}

/// The fields of a [`TransformerConfig`] as a reader finds them: first those that the recipe gives, and then the others
/// with the preset's values. The given fields come straight from the recipe's reader, so that an error has the line of
/// the wrong key or value.
struct Overlay<'de, A> {
    recipe: A,
    preset: Option<Preset>,
    pooling: Option<PoolingKind>,
    /// The names of the fields that the recipe gives, as far as it has been read.
    given: BTreeSet<String>,
    /// The other fields, once the recipe has been read.
    others: Option<MapDeserializer<'de, <Table as IntoIterator>::IntoIter, toml::de::Error>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Overlay<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            if let Some(others) = &mut self.others {
                return others.next_key_seed(seed).map_err(Error::custom);
            }
            match self.recipe.next_key_seed(KnownKey)? {
                Some(key) if key == PRESET => self.preset = Some(self.recipe.next_value()?),
                Some(key) if key == POOLING => self.pooling = Some(self.recipe.next_value()?),
                Some(key) => {
                    self.given.insert(key.clone());
                    return seed.deserialize(key.into_deserializer()).map(Some);
                }
                None => {
                    let mut others = fields(self.preset.unwrap_or(UNTIL_KNOWN));
                    others.retain(|name, _| !self.given.contains(name));
                    self.others = Some(MapDeserializer::new(others.into_iter()));
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match &mut self.others {
            None => self.recipe.next_value_seed(seed),
            Some(others) => others.next_value_seed(seed).map_err(Error::custom),
        }
    }
}

/// Reads a key of `[model]`, and refuses an unknown one.
struct KnownKey;

impl<'de> DeserializeSeed<'de> for KnownKey {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = String::deserialize(deserializer)?;
        let mut known = vec![PRESET.to_owned()];
        known.extend(names());
        known.push(POOLING.to_owned());
        if known.contains(&key) {
            return Ok(key);
        }
        let known = known.join("`, `");
        Err(Error::custom(format!(
            "unknown field `{key}`, expected one of `{known}`"
        )))
    }
}

/// Returns the names of the fields that a recipe may write.
fn names() -> impl Iterator<Item = String> {
    let names = fields(UNTIL_KNOWN).into_iter().map(|(name, _)| name);
    let names = names.filter(|name| !OF_TOKENIZER.contains(&name.as_str()));
    names.chain(WITHOUT_DEFAULT.map(str::to_owned))
}

/// Returns the fields of a preset's shape.
fn fields(preset: Preset) -> Table {
    table(&preset.config(Tokenizer::DEFAULT_VOCAB_SIZE))
}

/// Returns the fields of a shape that its file has, which leaves out some that have their defaults.
fn written(config: &TransformerConfig) -> Table {
    Table::try_from(config).expect("numbers and names always serialize")
}

/// Returns the fields of a shape, those included that its file leaves out because they have their defaults.
fn table(config: &TransformerConfig) -> Table {
    let mut table = written(config);
    for (name, kind) in [
        ("encoder_layer", config.encoder_layer),
        ("decoder_layer", config.decoder_layer),
    ] {
        table.insert(name.to_owned(), Value::String(kind.to_string()));
    }
    let width = i64::try_from(config.convolution_width).expect("a size within bounds");
    for (name, value) in [
        ("convolution_width", Value::Integer(width)),
        ("activation", Value::String(config.activation.to_string())),
        ("norm_epsilon", Value::Float(config.norm_epsilon)),
        ("output_bias", Value::Boolean(config.output_bias)),
        ("source_eos", Value::Boolean(config.source_eos)),
    ] {
        table.insert(name.to_owned(), value);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use attend_model::{ActivationKind, LayerKind, NormPlacement, TiedEmbeddings};

    #[test]
    fn what_is_not_given_is_the_presets() {
        let settings: ModelSettings =
            toml::from_str("dropout = 0\npreset = \"small\"\nnorm = \"pre\"").unwrap();
        let expected = TransformerConfig {
            dropout: 0.0,
            norm: NormPlacement::Pre,
            pad_id: 3,
            ..Preset::Small.config(123)
        };
        assert_eq!(settings.config(123, 3), expected);
    }

    #[test]
    fn what_is_given_is_written_in_its_type_and_read_again() {
        let settings: ModelSettings = toml::from_str("d_model = 64\ndropout = 0\npreset = \"big\"").unwrap();
        let written = toml::to_string(&settings).unwrap();
        assert_eq!(written, "preset = \"big\"\nd_model = 64\ndropout = 0.0\n");
        assert_eq!(toml::from_str::<ModelSettings>(&written).unwrap(), settings);
    }

    #[test]
    fn what_is_left_out_without_a_preset_is_the_initial_models() {
        let initial = TransformerConfig {
            n_heads: 8,
            dropout: 0.3,
            ..Preset::Base.config(500)
        };
        let mut settings: ModelSettings = toml::from_str("dropout = 0.2\nn_heads = 8").unwrap();
        assert!(!settings.is_complete());
        assert_eq!(settings.check_shape(&initial), Ok(()));
        settings.complete(&initial);
        assert!(settings.is_complete());
        let expected = TransformerConfig {
            dropout: 0.2,
            ..initial
        };
        assert_eq!(settings.config(500, 0), expected);
        let written = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<ModelSettings>(&written).unwrap(), settings);
    }

    #[test]
    fn the_window_of_the_initial_model_is_kept() {
        let initial = TransformerConfig {
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(16),
            ..Preset::Tiny.config(500)
        };
        let mut settings: ModelSettings = toml::from_str("dropout = 0.2").unwrap();
        assert_eq!(settings.check_shape(&initial), Ok(()));
        settings.complete(&initial);
        let expected = TransformerConfig {
            dropout: 0.2,
            ..initial.clone()
        };
        assert_eq!(settings.config(500, 0), expected);
        let written = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<ModelSettings>(&written).unwrap(), settings);
        for (text, asked, found) in [
            ("attention_window = 8", "model.attention_window = 8", "16"),
            (
                "decoder_layer = \"self-attention\"",
                "model.decoder_layer = \"self-attention\"",
                "\"restricted\"",
            ),
            (
                "preset = \"tiny\"\ndecoder_layer = \"restricted\"",
                "attention_window = none by model.preset = \"tiny\"",
                "16",
            ),
        ] {
            let settings: ModelSettings = toml::from_str(text).unwrap();
            let differs = settings.check_shape(&initial).unwrap_err();
            assert_eq!(differs, (asked.to_owned(), found.to_owned()));
        }
    }

    /// The shape of a model of another toolkit, with each option that no preset has.
    #[test]
    fn the_shape_of_a_model_of_another_toolkit_is_taken_whole() {
        let initial = TransformerConfig {
            positions: PositionKind::Marian,
            tie_embeddings: TiedEmbeddings::Decoder,
            decoder_layer: LayerKind::Ssru,
            activation: ActivationKind::Swish,
            norm_epsilon: 1e-6,
            output_bias: true,
            target_vocab_size: Some(300),
            decoder_start_id: Some(7),
            source_eos: false,
            ..Preset::Tiny.config(500)
        };
        let mut settings: ModelSettings = toml::from_str("dropout = 0.2\nmax_length = 100").unwrap();
        assert_eq!(settings.check_shape(&initial), Ok(()));
        settings.complete(&initial);
        let expected = TransformerConfig {
            dropout: 0.2,
            max_length: 100,
            ..initial.clone()
        };
        assert_eq!(settings.config(500, 0), expected);
        // A run goes on by its saved recipe alone.
        let written = toml::to_string(&settings).unwrap();
        let saved: ModelSettings = toml::from_str(&written).unwrap();
        assert_eq!(saved.config(500, 0), expected);
        for (text, asked, found) in [
            (
                "activation = \"relu\"",
                "model.activation = \"relu\"",
                "\"swish\"",
            ),
            ("norm_epsilon = 1e-5", "model.norm_epsilon = 0.00001", "0.000001"),
            ("output_bias = false", "model.output_bias = false", "true"),
            (
                "tie_embeddings = true",
                "model.tie_embeddings = true",
                "\"decoder\"",
            ),
            ("target_vocab_size = 500", "model.target_vocab_size = 500", "300"),
            ("source_eos = true", "model.source_eos = true", "false"),
        ] {
            let settings: ModelSettings = toml::from_str(text).unwrap();
            let differs = settings.check_shape(&initial).unwrap_err();
            assert_eq!(differs, (asked.to_owned(), found.to_owned()));
        }
    }

    #[test]
    fn embeddings_are_tied_by_a_boolean_or_a_name() {
        for (text, tied) in [
            ("true", TiedEmbeddings::All),
            ("false", TiedEmbeddings::None),
            ("\"decoder\"", TiedEmbeddings::Decoder),
        ] {
            let text = format!("preset = \"tiny\"\ntie_embeddings = {text}\n");
            let settings: ModelSettings = toml::from_str(&text).unwrap();
            assert_eq!(settings.config(100, 0).tie_embeddings, tied);
            assert_eq!(toml::to_string(&settings).unwrap(), text);
        }
    }

    /// A saved recipe of a version without kinds of layers.
    const OF_EARLIER_VERSION: &str = "d_ff = 1024\nd_model = 256\ndecoder_layers = 3\ndropout = 0.1\n\
        encoder_layers = 3\nmax_length = 256\nn_heads = 4\nnorm = \"post\"\npositions = \"sinusoidal\"\n\
        tie_embeddings = true\n";

    #[test]
    fn each_field_of_an_earlier_version_is_the_whole_shape() {
        let settings: ModelSettings = toml::from_str(OF_EARLIER_VERSION).unwrap();
        assert!(settings.is_complete());
        assert_eq!(settings.config(500, 0), Preset::Small.config(500));
    }

    #[test]
    fn a_run_of_an_earlier_version_goes_on_by_its_saved_recipe() {
        let saved: ModelSettings = toml::from_str(OF_EARLIER_VERSION).unwrap();
        for text in ["", "d_ff = 1024", OF_EARLIER_VERSION] {
            let mut settings: ModelSettings = toml::from_str(text).unwrap();
            settings.complete(saved.shape());
            assert_eq!(toml::to_string(&settings).unwrap(), OF_EARLIER_VERSION);
        }
        let text = "encoder_layer = \"self-attention\"";
        let mut given: ModelSettings = toml::from_str(text).unwrap();
        given.complete(saved.shape());
        let written = toml::to_string(&given).unwrap();
        assert!(written.contains(text), "{written}");
    }

    #[test]
    fn a_recipe_may_write_each_field_that_the_tokenizer_does_not_decide() {
        let error = toml::from_str::<TransformerConfig>("unknown = 1").unwrap_err();
        let of_config: BTreeSet<&str> = error.message().split('`').skip(3).step_by(2).collect();
        let names: Vec<String> = names().collect();
        let names = names.iter().map(String::as_str).chain(OF_TOKENIZER);
        assert_eq!(names.collect::<BTreeSet<_>>(), of_config);
    }

    #[test]
    fn a_preset_asks_for_its_whole_shape() {
        let initial = Preset::Tiny.config(500);
        for (text, differs) in [
            ("preset = \"tiny\"", None),
            ("preset = \"tiny\"\ndropout = 0.3\nmax_length = 50", None),
            ("encoder_layers = 4", None),
            ("", None),
            ("encoder_layers = 2", Some(("model.encoder_layers = 2", "4"))),
            (
                "preset = \"tiny\"\nnorm = \"pre\"",
                Some(("model.norm = \"pre\"", "\"post\"")),
            ),
            (
                "preset = \"small\"",
                Some(("d_ff = 1024 by model.preset = \"small\"", "256")),
            ),
            (
                "encoder_layer = \"restricted\"\nattention_window = 4",
                Some(("model.encoder_layer = \"restricted\"", "\"self-attention\"")),
            ),
            ("encoder_layer = \"self-attention\"", None),
            (
                "attention_window = 4",
                Some(("model.attention_window = 4", "none")),
            ),
        ] {
            let settings: ModelSettings = toml::from_str(text).unwrap();
            let found = settings.check_shape(&initial);
            let expected = differs.map(|(asked, found)| (asked.to_owned(), found.to_owned()));
            assert_eq!(found.err(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_key_or_value_has_its_line() {
        for (text, line, reason) in [
            (
                "preset = \"tiny\"\nd_modle = 3\nd_ff = 3",
                "d_modle",
                "unknown field `d_modle`, expected one of `preset`, `activation`, `convolution_width`, `d_ff`",
            ),
            (
                "vocab_size = 3\npreset = \"tiny\"",
                "vocab_size",
                "unknown field `vocab_size`",
            ),
            (
                "preset = \"tiny\"\npad_id = 0",
                "pad_id",
                "unknown field `pad_id`",
            ),
            (
                "preset = \"tiny\"\nnorm = \"middle\"",
                "\"middle\"",
                "unknown variant `middle`, expected `post` or `pre`",
            ),
            (
                "preset = \"tiny\"\nencoder_layer = \"attention\"",
                "\"attention\"",
                "unknown variant `attention`, expected",
            ),
            (
                "preset = \"tiny\"\ntie_embeddings = \"encoder\"",
                "\"encoder\"",
                "invalid value: string \"encoder\", expected true, false or \"decoder\"",
            ),
            (
                "preset = \"tiny\"\nattention_window = -1",
                "-1",
                "invalid value: integer `-1`",
            ),
            (
                "preset = \"tiny\"\nd_model = \"wide\"",
                "\"wide\"",
                "invalid type: string \"wide\"",
            ),
            ("preset = \"huge\"", "\"huge\"", "unknown variant `huge`"),
        ] {
            let error = toml::from_str::<ModelSettings>(text).unwrap_err();
            assert!(error.message().starts_with(reason), "{error}");
            let start = error.span().expect("a place").start;
            assert!(text[start..].starts_with(line), "{error}");
        }
    }
}
