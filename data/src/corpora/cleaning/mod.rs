//! Cleaning: dropping sentence pairs that would not help training or would harm it, judged by their text before they
//! are encoded. A [`Filter`](crate::corpora::filter::Filter) judges their lengths in tokens afterwards.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use unicode_script::{Script, UnicodeScript};

use crate::error::DataError;
use crate::line::{is_blank, visible};
use crate::sentence_pair::SentencePair;

/// The rules by which pairs of a training corpus are dropped for their text. The defaults drop only pairs that are not
/// worth training on. A pair with a blank side is always dropped, and every pair that is kept loses the characters that
/// no reader sees, such as soft hyphens and byte order marks: see [`visible`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cleaning {
    /// Whether a pair is dropped if the same pair occurred earlier in the corpus. Default true.
    pub duplicates: bool,
    /// Whether a pair is dropped if its two sides are the same text, and so not a translation. Default true.
    pub copies: bool,
    /// The maximum number of pairs of a corpus that may have the same source or the same target; 0 for no limit. A
    /// sentence that occurs more often usually comes from the menus of web pages or from an error in the alignment.
    /// Default 100.
    pub max_repeats: usize,
    /// The scripts of the source language, by their names in Unicode, such as `["Latin"]`. A pair is dropped if fewer
    /// than half of the letters in its source belong to these scripts. An empty list, the default, turns the check off.
    #[serde(with = "script_names", skip_serializing_if = "Vec::is_empty")]
    pub source_scripts: Vec<Script>,
    /// The scripts of the target language, by their names in Unicode. A pair is dropped if fewer than half of the
    /// letters in its target belong to these scripts. An empty list, the default, turns the check off.
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

/// The number of pairs that [`Cleaned`] has kept, and the numbers of pairs that it has dropped for each reason. A pair
/// that could be dropped for several reasons counts for the first one, in the order of the fields. The manifest of a
/// prepared folder holds these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CleaningCounts {
    /// Pairs kept.
    pub(crate) kept: usize,
    /// Pairs dropped because a side is [blank](is_blank).
    pub(crate) empty: usize,
    /// Pairs dropped because of [`Cleaning::copies`].
    pub(crate) copies: usize,
    /// Pairs dropped because of [`Cleaning::source_scripts`] or [`Cleaning::target_scripts`].
    pub(crate) wrong_script: usize,
    /// Pairs dropped because of [`Cleaning::duplicates`].
    pub(crate) duplicates: usize,
    /// Pairs dropped because of [`Cleaning::max_repeats`].
    pub(crate) repeats: usize,
}

impl CleaningCounts {
    /// Returns the number of pairs that were read.
    pub(crate) fn read(&self) -> usize {
        self.kept + self.empty + self.copies + self.wrong_script + self.duplicates + self.repeats
    }
}

/// An iterator over the pairs of a corpus that [`Cleaning`] keeps, in their order and without [invisible](visible)
/// characters. Errors of the inner iterator are passed on.
///
/// The iterator does not hold the pairs in memory. It holds a hash of 64 bits for each pair that it has kept, and a
/// hash and a count for each different sentence. The probability that any two of ten million different pairs have the
/// same hash is about 1 in 400,000.
pub(crate) struct Cleaned<I> {
    pairs: I,
    cleaning: Cleaning,
    counts: CleaningCounts,
    seen: HashSet<u64>,
    sources: HashMap<u64, usize>,
    targets: HashMap<u64, usize>,
}

impl Cleaning {
    /// Returns an iterator over the pairs that these rules keep.
    pub(crate) fn clean<I>(&self, pairs: I) -> Cleaned<I>
    where
        I: Iterator<Item = Result<SentencePair, DataError>>,
    {
        Cleaned {
            pairs,
            cleaning: self.clone(),
            counts: CleaningCounts::default(),
            seen: HashSet::new(),
            sources: HashMap::new(),
            targets: HashMap::new(),
        }
    }
}

impl<I> Cleaned<I> {
    /// Returns the numbers of pairs that have been kept and dropped so far.
    pub(crate) fn counts(&self) -> CleaningCounts {
        self.counts
    }

    /// Returns the counter in which `pair` counts: [`CleaningCounts::kept`] if the pair is kept, or else the counter of
    /// the reason why it is dropped.
    fn judge(&mut self, pair: &SentencePair) -> &mut usize {
        let (source, target) = (pair.source.trim(), pair.target.trim());
        let Cleaning {
            duplicates,
            copies,
            max_repeats,
            ref source_scripts,
            ref target_scripts,
        } = self.cleaning;
        if is_blank(source) || is_blank(target) {
            return &mut self.counts.empty;
        }
        if copies && source == target {
            return &mut self.counts.copies;
        }
        if !is_mostly_in(source, source_scripts) || !is_mostly_in(target, target_scripts) {
            return &mut self.counts.wrong_script;
        }
        if duplicates && !self.seen.insert(hash(&(source, target))) {
            return &mut self.counts.duplicates;
        }
        if max_repeats > 0 {
            let source_count = self.sources.entry(hash(&source)).or_default();
            let target_count = self.targets.entry(hash(&target)).or_default();
            if (*source_count).max(*target_count) >= max_repeats {
                return &mut self.counts.repeats;
            }
            *source_count += 1;
            *target_count += 1;
        }
        &mut self.counts.kept
    }
}

impl<I: Iterator<Item = Result<SentencePair, DataError>>> Iterator for Cleaned<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let pair = match self.pairs.next()? {
                Ok(pair) => SentencePair {
                    source: visible(&pair.source).into_owned(),
                    target: visible(&pair.target).into_owned(),
                },
                Err(error) => return Some(Err(error)),
            };
            let kept = self.counts.kept;
            *self.judge(&pair) += 1;
            if self.counts.kept > kept {
                return Some(Ok(pair));
            }
        }
    }
}

/// Returns whether at least half of the letters of `text` belong to `scripts`. Letters and signs that many scripts
/// share are not counted. Returns true for a text without letters, and if `scripts` is empty.
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
    //! Lists of scripts as lists of their names in Unicode.

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
