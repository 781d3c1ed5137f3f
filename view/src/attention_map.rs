//! The weights of an attention, with the texts of its positions.

use serde::{Deserialize, Serialize};

/// How much each query of an attention attends to each key, for one head or the mean of several.
///
/// For example, in the attention of a decoder to `We are hungry`, the keys are these three words, and the queries are
/// the words of the translation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionMap {
    /// The texts of the positions that attend, `[queries]`.
    pub queries: Vec<String>,
    /// The texts of the positions that are attended to, `[keys]`.
    pub keys: Vec<String>,
    /// The weights, `[queries][keys]`, each from 0 to 1. Those of a query sum to 1.
    pub weights: Vec<Vec<f32>>,
}
