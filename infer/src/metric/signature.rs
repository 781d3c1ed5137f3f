//! Signatures: the settings of a score in sacreBLEU's notation.

use std::fmt;

use super::bootstrap::SEED;

/// The name of this program in signatures.
const VERSION: &str = concat!("attend-", env!("CARGO_PKG_VERSION"));

/// The settings of a score in sacreBLEU's notation, so that others can compute the score again. `Display` writes it:
/// `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:attend-0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    references: usize,
    resamples: Option<usize>,
    /// The settings of the metric, such as `case:mixed|eff:no|tok:13a|smooth:exp`.
    settings: String,
}

impl Signature {
    pub(super) fn new(references: usize, settings: String) -> Self {
        Self {
            references,
            resamples: None,
            settings,
        }
    }

    /// Returns the signature of a score whose confidence was estimated from this number of resamples.
    #[must_use]
    pub fn resampled(self, resamples: usize) -> Self {
        Self {
            resamples: Some(resamples),
            ..self
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nrefs:{}|", self.references)?;
        if let Some(resamples) = self.resamples {
            write!(f, "bs:{resamples}|seed:{SEED}|")?;
        }
        write!(f, "{}|version:{VERSION}", self.settings)
    }
}

/// Returns `yes` or `no`.
pub(super) fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

/// Returns the setting that says whether upper and lower case differ.
pub(super) fn case(lowercase: bool) -> &'static str {
    if lowercase { "case:lc" } else { "case:mixed" }
}
