//! Cleaning of text: pairs that teach a translator nothing, or something wrong, are dropped before they are encoded.
//!
//! Lengths are judged later, in tokens: [`Filter`](crate::filter::Filter).

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use unicode_script::{Script, UnicodeScript};

use crate::parallel_text::pairs::SentencePair;

/// Which pairs of a training corpus to keep. The defaults drop nothing that a clean corpus needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cleaning {
    /// Drop a pair that has occurred before in the same corpus. Default true.
    pub duplicates: bool,
    /// Drop a pair whose two sides are the same text: it is not translated. Default true.
    pub copies: bool,
    /// How many pairs of a corpus may have the same source, or the same target; 0 for no limit. A sentence with more
    /// is a line of a page's frame or a fault of the alignment. Default 100.
    pub max_repeats: usize,
    /// The scripts of the source language, by their names in Unicode, such as `["Latin"]`: at least half of a
    /// sentence's letters must be of them. Default none, for no check.
    #[serde(with = "script_names", skip_serializing_if = "Vec::is_empty")]
    pub source_scripts: Vec<Script>,
    /// Likewise for the target language.
    #[serde(with = "script_names", skip_serializing_if = "Vec::is_empty")]
    pub target_scripts: Vec<Script>,
}

impl Default for Cleaning {
    fn default() -> Self {
        Self {
            duplicates: true,
            copies: true,
            max_repeats: 100,
            source_scripts: Vec::new(),
            target_scripts: Vec::new(),
        }
    }
}

/// How many pairs [`Cleaned`] has kept, and how many it has dropped for which reason. A pair counts once, under the
/// first reason that applies, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleaningReport {
    /// Kept.
    pub kept: usize,
    /// Dropped because a side has nothing but white space.
    pub empty: usize,
    /// Dropped because of [`Cleaning::copies`].
    pub copies: usize,
    /// Dropped because of [`Cleaning::source_scripts`] or [`Cleaning::target_scripts`].
    pub wrong_script: usize,
    /// Dropped because of [`Cleaning::duplicates`].
    pub duplicates: usize,
    /// Dropped because of [`Cleaning::max_repeats`].
    pub repeats: usize,
}

impl CleaningReport {
    /// The number of pairs that were read.
    #[must_use]
    pub fn read(&self) -> usize {
        self.kept + self.empty + self.copies + self.wrong_script + self.duplicates + self.repeats
    }
}

/// The pairs of a corpus that are worth keeping, in their order; errors pass through.
///
/// Pairs come and go one at a time. What stays is a hash of 64 bits for each pair kept, and one with a count for each
/// different sentence: of ten million pairs, two that differ are taken for duplicates once in 400,000 corpora.
pub struct Cleaned<I> {
    pairs: I,
    cleaning: Cleaning,
    report: CleaningReport,
    seen: HashSet<u64>,
    sources: HashMap<u64, usize>,
    targets: HashMap<u64, usize>,
}

impl Cleaning {
    /// Drops from `pairs` what is not worth keeping.
    #[must_use]
    pub fn clean<E, I>(&self, pairs: I) -> Cleaned<I::IntoIter>
    where
        I: IntoIterator<Item = Result<SentencePair, E>>,
    {
        Cleaned {
            pairs: pairs.into_iter(),
            cleaning: self.clone(),
            report: CleaningReport::default(),
            seen: HashSet::new(),
            sources: HashMap::new(),
            targets: HashMap::new(),
        }
    }
}

impl<I> Cleaned<I> {
    /// What has been kept and dropped so far.
    #[must_use]
    pub fn report(&self) -> CleaningReport {
        self.report
    }

    /// Where `pair` is to be counted; [`CleaningReport::kept`] if it is to be kept.
    fn judge(&mut self, pair: &SentencePair) -> &mut usize {
        let (source, target) = (pair.source.trim(), pair.target.trim());
        let Cleaning {
            duplicates,
            copies,
            max_repeats,
            ref source_scripts,
            ref target_scripts,
        } = self.cleaning;
        if source.is_empty() || target.is_empty() {
            return &mut self.report.empty;
        }
        if copies && source == target {
            return &mut self.report.copies;
        }
        if !is_mostly_in(source, source_scripts) || !is_mostly_in(target, target_scripts) {
            return &mut self.report.wrong_script;
        }
        if duplicates && !self.seen.insert(hash(&(source, target))) {
            return &mut self.report.duplicates;
        }
        if max_repeats > 0 {
            let source_count = self.sources.entry(hash(&source)).or_default();
            let target_count = self.targets.entry(hash(&target)).or_default();
            if (*source_count).max(*target_count) >= max_repeats {
                return &mut self.report.repeats;
            }
            *source_count += 1;
            *target_count += 1;
        }
        &mut self.report.kept
    }
}

impl<E, I: Iterator<Item = Result<SentencePair, E>>> Iterator for Cleaned<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let pair = match self.pairs.next()? {
                Ok(pair) => pair,
                Err(error) => return Some(Err(error)),
            };
            let kept = self.report.kept;
            *self.judge(&pair) += 1;
            if self.report.kept > kept {
                return Some(Ok(pair));
            }
        }
    }
}

/// Whether at least half of the letters of `text` are of `scripts`. Digits, punctuation and other signs that many
/// scripts share do not count; a text without letters is in every script, and all are if `scripts` is empty.
fn is_mostly_in(text: &str, scripts: &[Script]) -> bool {
    if scripts.is_empty() {
        return true;
    }
    let (mut inside, mut outside) = (0, 0);
    for script in text.chars().filter(|c| c.is_alphabetic()).map(|c| c.script()) {
        match script {
            Script::Common | Script::Inherited => {}
            script if scripts.contains(&script) => inside += 1,
            _ => outside += 1,
        }
    }
    inside >= outside
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

mod script_names {
    //! Scripts, written by their names in Unicode.

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use unicode_script::Script;

    pub(super) fn serialize<S: Serializer>(scripts: &[Script], serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<&str> = scripts.iter().map(|script| script.full_name()).collect();
        names.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Script>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let scripts = names.into_iter().map(|name| {
            Script::from_full_name(&name).ok_or_else(|| {
                D::Error::custom(format!(
                    "no script is called {name:?}: write its name in Unicode, such as \"Latin\" or \"Cyrillic\""
                ))
            })
        });
        scripts.collect()
    }
}
