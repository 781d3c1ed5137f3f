//! The flags of metrics.

use attend_infer::metric::{BleuSettings, BleuTokenizer, ChrfSettings, MetricError, TerSettings};
use clap::{Args, value_parser};
use strum::{EnumString, VariantNames};

use crate::name::name_of;

/// The name of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum MetricName {
    Bleu,
    Chrf,
    Ter,
}

/// Which scores are computed, and how. The settings that no flag names are sacreBLEU's defaults.
#[derive(Clone, Debug, Args)]
pub(crate) struct MetricFlags {
    /// The scores to compute, separated by spaces.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 1..,
        default_values = ["bleu", "chrf"],
        value_parser = name_of::<MetricName>()
    )]
    pub(crate) metrics: Vec<MetricName>,
    /// How BLEU finds words: 13a splits punctuation as mteval-v13a does, none takes the text as tokenised, intl also
    /// splits the punctuation and symbols of other scripts, char takes each character for a word, and zh each Chinese
    /// one; ja-mecab finds the words of Japanese by a dictionary, if it is built in.
    #[arg(long, value_name = "NAME", default_value_t, value_parser = name_of::<BleuTokenizer>())]
    tokenize: BleuTokenizer,
    /// Take upper and lower case for the same, in BLEU and chrF; TER does so unless --ter-case-sensitive is given.
    #[arg(long)]
    lowercase: bool,
    /// Have chrF count sequences of up to N words as well; 2 is chrF++.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u8).range(0..=10))]
    chrf_word_order: u8,
    /// Have TER separate punctuation from words.
    #[arg(long)]
    ter_normalized: bool,
    /// Have TER leave out punctuation.
    #[arg(long)]
    ter_no_punct: bool,
    /// Have --ter-normalized take each Chinese character for a word, and --ter-no-punct leave out Asian punctuation.
    #[arg(long)]
    ter_asian_support: bool,
    /// Have TER distinguish upper and lower case.
    #[arg(long)]
    ter_case_sensitive: bool,
}

impl MetricFlags {
    /// Checks that the metrics can be computed, before a test set is translated for them.
    pub(crate) fn check(&self) -> Result<(), MetricError> {
        if self.metrics.contains(&MetricName::Bleu) {
            self.tokenize.check()?;
        }
        Ok(())
    }

    pub(crate) fn bleu(&self) -> BleuSettings {
        BleuSettings {
            tokenizer: self.tokenize,
            lowercase: self.lowercase,
        }
    }

    pub(crate) fn chrf(&self) -> ChrfSettings {
        ChrfSettings {
            word_order: self.chrf_word_order.into(),
            lowercase: self.lowercase,
            ..ChrfSettings::default()
        }
    }

    pub(crate) fn ter(&self) -> TerSettings {
        TerSettings {
            normalized: self.ter_normalized,
            no_punctuation: self.ter_no_punct,
            asian_support: self.ter_asian_support,
            case_sensitive: self.ter_case_sensitive,
        }
    }
}
