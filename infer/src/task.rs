//! The tasks that models are trained for.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// What a model is trained for. `Display` writes the name that recipes and `config.json` give it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum TaskKind {
    /// To translate a text.
    #[default]
    Translate,
    /// To give a text a label.
    Classify,
    /// To give each word of a sentence a label, its tag.
    Tag,
}
