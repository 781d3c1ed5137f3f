//! Lines with different options in one call.

use std::sync::Arc;

use super::{Part, Translator};
use crate::options::TranslateOptions;
use crate::search::BannedWords;

/// The parts of a call's lines in groups. Sentences of parts of one group may share batches.
pub(super) struct Groups<'a> {
    pub(super) all: Vec<Group<'a>>,
    /// The index in `all` of each part's group, `[parts]`.
    pub(super) of_parts: Vec<usize>,
}

/// Parts of lines with equal options of search, banned words and alignment, all or none of which get links.
pub(super) struct Group<'a> {
    /// The options of the first of the lines. The other lines may have another language, prefix and required words.
    pub(super) options: &'a TranslateOptions,
    pub(super) banned: Option<Arc<BannedWords>>,
    /// Whether translations get links.
    pub(super) has_links: bool,
}

impl Translator {
    /// Divides parts of lines into groups by their options.
    pub(super) fn groups<'a>(&self, parts: &[Part<'a>]) -> Groups<'a> {
        let mut all: Vec<Group<'a>> = Vec::new();
        let mut group_of = |part: &Part<'a>| {
            let Part { line, has_links, .. } = part;
            let joins = |group: &Group<'_>| {
                *has_links == group.has_links && line.options.shares_batches_with(group.options)
            };
            all.iter().position(joins).unwrap_or_else(|| {
                all.push(Group {
                    options: line.options,
                    banned: self.model.banned_words(&line.options.banned),
                    has_links: *has_links,
                });
                all.len() - 1
            })
        };
        Groups {
            of_parts: parts.iter().map(&mut group_of).collect(),
            all,
        }
    }
}
