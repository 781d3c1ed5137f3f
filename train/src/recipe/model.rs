//! `[model]`: the shape of the network.

use std::collections::BTreeSet;
use std::fmt;

use attend_data::Tokenizer;
use attend_model::{ConfigError, Preset, TransformerConfig};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use toml::Table;

use super::out_of_range::OutOfRange;

/// The key of the preset.
const PRESET: &str = "preset";
/// The fields of a [`TransformerConfig`] that the tokenizer decides.
const OF_TOKENIZER: [&str; 2] = ["vocab_size", "pad_id"];

/// The shape of the network: a preset, and settings that differ from it.
///
/// A recipe writes `preset = "tiny"`, and may write any field of a [`TransformerConfig`] except `vocab_size` and
/// `pad_id`, which the tokenizer decides.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    preset: Preset,
    /// The names of the fields that the recipe gives.
    given: BTreeSet<String>,
    /// The preset with the given fields, for a vocabulary of the default size.
    config: TransformerConfig,
}

impl ModelSettings {
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
            preset: Preset,
            #[serde(flatten)]
            given: Table,
        }
        let mut given = Table::try_from(&self.config).map_err(ser::Error::custom)?;
        given.retain(|name, _| self.given.contains(name));
        let preset = self.preset;
        Settings { preset, given }.serialize(serializer)
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
                    given: BTreeSet::new(),
                    others: None,
                };
                let config = TransformerConfig::deserialize(MapAccessDeserializer::new(&mut overlay))?;
                Ok(ModelSettings {
                    preset: overlay.preset.ok_or_else(|| Error::missing_field(PRESET))?,
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
                Some(key) => {
                    self.given.insert(key.clone());
                    return seed.deserialize(key.into_deserializer()).map(Some);
                }
                None => {
                    let preset = self.preset.ok_or_else(|| Error::missing_field(PRESET))?;
                    let mut others = fields(preset);
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
        known.extend(fields(Preset::Tiny).into_iter().map(|(name, _)| name));
        known.retain(|name| !OF_TOKENIZER.contains(&name.as_str()));
        if known.contains(&key) {
            return Ok(key);
        }
        let known = known.join("`, `");
        Err(Error::custom(format!(
            "unknown field `{key}`, expected one of `{known}`"
        )))
    }
}

/// Returns the fields of a preset's shape.
fn fields(preset: Preset) -> Table {
    Table::try_from(preset.config(Tokenizer::DEFAULT_VOCAB_SIZE)).expect("numbers and names always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use attend_model::NormPlacement;

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
    fn a_wrong_key_or_value_has_its_line() {
        for (text, line, reason) in [
            (
                "preset = \"tiny\"\nd_modle = 3\nd_ff = 3",
                "d_modle",
                "unknown field `d_modle`, expected one of `preset`, `d_ff`, `d_model`",
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
                "preset = \"tiny\"\nd_model = \"wide\"",
                "\"wide\"",
                "invalid type: string \"wide\"",
            ),
            ("preset = \"huge\"", "\"huge\"", "unknown variant `huge`"),
            ("d_model = 64", "d_model = 64", "missing field `preset`"),
        ] {
            let error = toml::from_str::<ModelSettings>(text).unwrap_err();
            assert!(error.message().starts_with(reason), "{error}");
            let start = error.span().expect("a place").start;
            assert!(text[start..].starts_with(line), "{error}");
        }
    }
}
