//! The weights of an attention, with the texts of its positions.

use serde::{Deserialize, Serialize};

/// How much each query of an attention attends to each key, for one head or the mean of several.
///
/// For example, in the attention of a decoder to `We are hungry`, the keys are these three words, and the queries are
/// the words of the translation.
///
/// A map that is read by serde has as many rows as queries, and in each row as many weights as keys, or is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct AttentionMap {
    /// The texts of the positions that attend, `[queries]`.
    pub queries: Vec<String>,
    /// The texts of the positions that are attended to, `[keys]`.
    pub keys: Vec<String>,
    /// The weights, `[queries][keys]`, each from 0 to 1. Those of a query sum to 1.
    pub weights: Vec<Vec<f32>>,
}

/// The fields of an [`AttentionMap`] as a file has them, which may contradict each other.
#[derive(Deserialize)]
struct Unchecked {
    queries: Vec<String>,
    keys: Vec<String>,
    weights: Vec<Vec<f32>>,
}

impl TryFrom<Unchecked> for AttentionMap {
    type Error = String;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked {
            queries,
            keys,
            weights,
        } = unchecked;
        if weights.len() != queries.len() {
            return Err(format!(
                "{} queries have {} rows of weights",
                queries.len(),
                weights.len()
            ));
        }
        if let Some(row) = weights.iter().find(|row| row.len() != keys.len()) {
            return Err(format!("{} keys have {} weights in a row", keys.len(), row.len()));
        }
        Ok(Self {
            queries,
            keys,
            weights,
        })
    }
}

/// All attentions of one kind in a network, for one sentence: of the encoder, of the decoder, or from the decoder to the
/// encoder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttentionLayers {
    /// What the kind is called, such as `encoder self-attention`.
    pub name: String,
    /// The texts of the positions that attend, `[queries]`.
    pub queries: Vec<String>,
    /// The texts of the positions that are attended to, `[keys]`.
    pub keys: Vec<String>,
    /// The weights, `[layers][heads][queries][keys]`. Those of a query sum to 1.
    pub layers: Vec<Vec<Vec<Vec<f32>>>>,
}

impl AttentionLayers {
    /// Returns the map of one head, both counted from 0; `None` if there is no such layer or head.
    #[must_use]
    pub fn head(&self, layer: usize, head: usize) -> Option<AttentionMap> {
        Some(self.with_weights(self.layers.get(layer)?.get(head)?.clone()))
    }

    /// Returns the mean of the heads of a layer, counted from 0; `None` if there is no such layer, or if it has no head.
    ///
    /// # Panics
    ///
    /// If a head has fewer rows than there are queries, or a row fewer weights than there are keys.
    #[must_use]
    pub fn mean(&self, layer: usize) -> Option<AttentionMap> {
        let heads = self.layers.get(layer).filter(|heads| !heads.is_empty())?;
        let of_cell = |query: usize, key: usize| {
            let sum: f32 = heads.iter().map(|head| head[query][key]).sum();
            sum / heads.len() as f32
        };
        let of_query = |query| (0..self.keys.len()).map(|key| of_cell(query, key)).collect();
        Some(self.with_weights((0..self.queries.len()).map(of_query).collect()))
    }

    fn with_weights(&self, weights: Vec<Vec<f32>>) -> AttentionMap {
        AttentionMap {
            queries: self.queries.clone(),
            keys: self.keys.clone(),
            weights,
        }
    }
}
