//! The options of the search in a model of Hugging Face.

use std::path::Path;

use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{CONFIG, Config};
use crate::error::FormatError;
use crate::files::Files;

const GENERATION: &str = "generation_config.json";

/// The options of the search, which are in `generation_config.json`, and in `config.json` of older models. Lengths
/// count the first token of the decoder and `</s>`.
#[derive(Default, Deserialize)]
struct Generation {
    num_beams: Option<usize>,
    length_penalty: Option<f32>,
    no_repeat_ngram_size: Option<usize>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    /// A minimum and a maximum that leave out the first token of the decoder, and go before the other ones.
    min_new_tokens: Option<usize>,
    max_new_tokens: Option<usize>,
    /// Whether a beam search stops as soon as the beam is full of complete hypotheses.
    early_stopping: Option<bool>,
}

/// Returns the search defaults. The options that Hugging Face leaves out have its defaults, not Attend's, except for
/// the maximum length, which is then Attend's.
pub(super) fn generation(files: &Files, theirs: &Config) -> Result<SearchOptions, FormatError> {
    let name = if files.names()?.iter().any(|name| name == GENERATION) {
        GENERATION
    } else {
        CONFIG
    };
    let purpose = "the options of the search";
    refuse_other_searches(&files.json(name, purpose)?, theirs, &files.path(name))?;
    let theirs: Generation = files.json(name, purpose)?;
    let min_length = match (theirs.min_new_tokens, theirs.min_length) {
        (Some(tokens), _) => tokens,
        (None, length) => length.unwrap_or(0).saturating_sub(1),
    };
    let max_length = match (theirs.max_new_tokens, theirs.max_length) {
        (Some(tokens), _) => Some(tokens.saturating_sub(1)),
        (None, length) => length.map(|length| length.saturating_sub(2)),
    };
    Ok(SearchOptions {
        beam_size: theirs.num_beams.unwrap_or(1),
        length_penalty: theirs.length_penalty.unwrap_or(1.0),
        length_normalization: LengthNormalization::Length,
        stopping: match theirs.early_stopping {
            Some(true) => Stopping::TransformersEarly,
            _ => Stopping::Transformers,
        },
        min_length,
        max_length,
        no_repeat_ngram: theirs.no_repeat_ngram_size.unwrap_or(0),
        unknown: Unknown::Keep,
        ..SearchOptions::default()
    })
}

/// Refuses options that change translations in ways that Attend's search does not have.
fn refuse_other_searches(
    options: &Map<String, Value>,
    theirs: &Config,
    path: &Path,
) -> Result<(), FormatError> {
    let start = theirs.decoder_start_token_id.unwrap_or(theirs.pad_token_id);
    // The value by which an option changes nothing. `null` and an empty list do not, either.
    let neutral = [
        ("do_sample", json!(false)),
        ("num_beam_groups", json!(1)),
        ("penalty_alpha", json!(0)),
        ("guidance_scale", json!(1)),
        ("early_stopping", json!(false)),
        ("early_stopping", json!(true)),
        ("repetition_penalty", json!(1)),
        ("encoder_repetition_penalty", json!(1)),
        ("encoder_no_repeat_ngram_size", json!(0)),
        ("bad_words_ids", json!([[theirs.pad_token_id]])),
        ("decoder_start_token_id", json!(start)),
        ("eos_token_id", json!(theirs.eos_token_id)),
        ("forced_eos_token_id", json!(theirs.eos_token_id)),
        ("forced_bos_token_id", Value::Null),
        ("suppress_tokens", Value::Null),
        ("begin_suppress_tokens", Value::Null),
        ("sequence_bias", Value::Null),
        ("force_words_ids", Value::Null),
        ("constraints", Value::Null),
        ("exponential_decay_length_penalty", Value::Null),
    ];
    let changes = |(name, value): (&String, &Value)| {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        // 1 and 1.0 are the same number.
        let is_same = |other: &Value| {
            value == other
                || value
                    .as_f64()
                    .is_some_and(|number| other.as_f64() == Some(number))
        };
        let of_option = neutral.iter().filter(|(key, _)| key == name);
        let of_option: Vec<&Value> = of_option.map(|(_, neutral)| neutral).collect();
        !is_empty && !of_option.is_empty() && !of_option.into_iter().any(is_same)
    };
    match options.iter().find(|option| changes(*option)) {
        Some((name, value)) => Err(FormatError::Unsupported {
            path: path.to_owned(),
            found: format!("{name} is {:.40}", value.to_string()),
            supported: "the model is read without this option",
        }),
        None => Ok(()),
    }
}
