//! Lines with different options that are translated side by side.

use std::sync::Arc;

use super::Part;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::search::BannedWords;

/// What sentences that share a batch have in common: options of search, banned words and alignment, and whether
/// translations get links.
#[derive(Debug)]
pub(super) struct Group {
    /// The options of the first line of the group. Those of its other lines may have another language, prefix and
    /// required words.
    pub(super) options: TranslateOptions,
    pub(super) banned: Option<Arc<BannedWords>>,
    /// Whether translations get links.
    pub(super) has_links: bool,
}

impl Group {
    /// Returns whether sentences of both groups may share a batch.
    pub(super) fn shares_batches_with(&self, other: &Self) -> bool {
        self.has_links == other.has_links && self.options.shares_batches_with(&other.options)
    }

    /// Returns the maximum number of rows of a decoder that the hypotheses of a sentence take.
    pub(super) fn rows_per_sentence(&self) -> usize {
        let search = &self.options.search;
        if search.sampling.is_some() {
            search.nbest
        } else {
            search.beam_size
        }
    }
}

/// Returns the group of each part. Parts whose sentences may share a batch are in one group.
pub(super) fn groups<'a>(model: &Model, parts: &[Part<'a>]) -> Vec<Arc<Group>> {
    let mut found: Vec<(&'a TranslateOptions, Arc<Group>)> = Vec::new();
    let mut group_of = |part: &Part<'a>| {
        let options = part.line.options;
        let joins = |(first, group): &&(&'a TranslateOptions, Arc<Group>)| {
            part.has_links == group.has_links && options.shares_batches_with(first)
        };
        if let Some((_, group)) = found.iter().find(joins) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group {
            options: options.clone(),
            banned: model.banned_words(&options.banned),
            has_links: part.has_links,
        });
        found.push((options, Arc::clone(&group)));
        group
    };
    parts.iter().map(&mut group_of).collect()
}
