//! The flags of a search.

use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use super::number::{seed, whole_number};
use crate::name::name_of;

/// How translations are searched for. Options that are not given are those of the model's `generation.json`.
///
/// A field has the name of its field in [`SearchOptions`], and nothing more is needed for a new option.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct SearchFlags {
    /// Hypotheses kept at each step; 1 is greedy search. [default: the model's]
    #[arg(long = "beam", value_name = "N", value_parser = whole_number::<u32>, conflicts_with = "sampling")]
    beam_size: Option<u32>,
    /// Exponent alpha of the length normalization: 0 ranks by probability, larger values favour longer translations.
    /// [default: the model's]
    #[arg(long, value_name = "ALPHA")]
    length_penalty: Option<f32>,
    /// Score log P / ((5 + length) / 6)^alpha (gnmt: Wu et al., 2016) or log P / length^alpha (length). [default: the
    /// model's]
    #[arg(long, value_name = "NAME", value_parser = name_of::<LengthNormalization>())]
    length_normalization: Option<LengthNormalization>,
    /// Lower the score of a translation that attends to only a part of its source, by this factor (Wu et al., 2016); 0
    /// turns this off. [default: the model's, or 0 without a beam]
    #[arg(long, value_name = "BETA", conflicts_with = "sampling")]
    coverage_penalty: Option<f32>,
    /// End a beam when nothing better can come (exact), or by the rule of CTranslate2. [default: the model's]
    #[arg(long, value_name = "NAME", value_parser = name_of::<Stopping>())]
    stopping: Option<Stopping>,
    /// Fewest tokens in a sentence's translation. [default: the model's]
    #[arg(long, value_name = "N", value_parser = whole_number::<u32>)]
    min_length: Option<u32>,
    /// Most tokens in a sentence's translation. In any case it has at most 50 more than its source, than --min-length,
    /// or than its prefix and required words, whichever is longest, unless --stopping is a rule of transformers.
    /// [default: the model's]
    #[arg(long, value_name = "N", value_parser = whole_number::<u32>)]
    max_length: Option<u32>,
    /// Have no sequence of N tokens twice in a translation; 0 allows all. [default: the model's]
    #[arg(long, value_name = "N", value_parser = whole_number::<u32>)]
    no_repeat_ngram: Option<u32>,
    /// Make tokens that the translation already has less probable: their probability is raised to this power, at least
    /// 1. [default: the model's]
    #[arg(long, value_name = "X")]
    repetition_penalty: Option<f32>,
    /// Forbid `<unk>`, keep it as a token like others, or copy the source's word that it looks at most to its place.
    /// [default: the model's]
    #[arg(long, value_name = "NAME", value_parser = name_of::<Unknown>())]
    unknown: Option<Unknown>,
    /// Choose among all tokens, not only among those of the model's lexical shortlist, if it has one: slower.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) all_tokens: bool,
    /// Draw translations at random in place of searching for the best.
    #[arg(id = "sampling", long = "sample")]
    #[serde(skip)]
    sample: bool,
    #[command(flatten)]
    #[serde(skip)]
    sampling: SamplingFlags,
}

/// How translations are drawn. A field has the name of its field in [`Sampling`](attend_infer::search::Sampling).
#[derive(Clone, Debug, Args, Serialize)]
struct SamplingFlags {
    /// Divide log-probabilities by this before drawing; near 0 is greedy. [default: the model's, or 1]
    #[arg(long, value_name = "T", requires = "sampling")]
    temperature: Option<f32>,
    /// Draw from the N most probable tokens only. [default: the model's, or all]
    #[arg(long, value_name = "N", requires = "sampling", value_parser = whole_number::<u32>)]
    top_k: Option<u32>,
    /// Draw from the fewest most probable tokens whose probabilities add up to P. [default: the model's, or 1]
    #[arg(long, value_name = "P", requires = "sampling")]
    top_p: Option<f32>,
    /// Seed of the random numbers: the same one draws the same translations. [default: the model's, or 1]
    #[arg(long, value_name = "N", requires = "sampling", value_parser = seed)]
    seed: Option<u64>,
}

impl SearchFlags {
    /// Returns whether any of the flags is given.
    pub(crate) fn are_given(&self) -> bool {
        self.sample || self.all_tokens || !given(self).is_empty()
    }

    /// Returns the model's options with what the flags change, for `nbest` translations of each line.
    ///
    /// `--beam` also turns off the sampling that a model may ask for. The coverage penalty of a model holds only where
    /// a beam ranks translations.
    #[must_use]
    pub(crate) fn over(&self, model: SearchOptions, nbest: usize) -> SearchOptions {
        let sampling = if self.sample {
            Some(overlay(model.sampling.unwrap_or_default(), &self.sampling))
        } else {
            model.sampling.filter(|_| self.beam_size.is_none())
        };
        let mut options = overlay(model, self);
        (options.nbest, options.sampling) = (nbest, sampling);
        let ranks = options.beam_size > 1 && sampling.is_none();
        if self.coverage_penalty.is_none() && !ranks {
            options.coverage_penalty = 0.0;
        }
        options
    }
}

/// Returns `options` with the fields that are given in `flags`.
///
/// TOML, since it leaves out what is not given, and has a NaN, which JSON lacks.
fn overlay<T: Serialize + DeserializeOwned>(options: T, flags: &impl Serialize) -> T {
    let mut fields = Table::try_from(options).expect("valid options are within TOML's numbers");
    fields.extend(given(flags));
    fields
        .try_into()
        .expect("a flag has the name and the type of its option")
}

/// Returns the fields of the flags that are given.
fn given(flags: &impl Serialize) -> Table {
    Table::try_from(flags).expect("flags are within TOML's numbers")
}
