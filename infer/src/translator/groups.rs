//! Lines with different options in one call.

use std::sync::Arc;

use super::{Line, Translator};
use crate::options::TranslateOptions;
use crate::search::BannedWords;

/// The lines of a call in groups. Sentences of lines of one group may share batches.
pub(super) struct Groups<'a> {
    pub(super) all: Vec<Group<'a>>,
    /// The index in `all` of each line's group, `[lines]`.
    pub(super) of_lines: Vec<usize>,
}

/// Lines with equal options of search, banned words and alignment.
pub(super) struct Group<'a> {
    /// The options of the first of the lines. The other lines may have another language, prefix and required words.
    pub(super) options: &'a TranslateOptions,
    pub(super) banned: Option<Arc<BannedWords>>,
}

impl Translator {
    /// Divides lines into groups by their options.
    pub(super) fn groups<'a>(&self, lines: &[Line<'a>]) -> Groups<'a> {
        let mut all: Vec<Group<'a>> = Vec::new();
        let mut group_of = |line: &Line<'a>| {
            let joins = |group: &Group<'_>| line.options.shares_batches_with(group.options);
            all.iter().position(joins).unwrap_or_else(|| {
                all.push(Group {
                    options: line.options,
                    banned: self.model.banned_words(&line.options.banned),
                });
                all.len() - 1
            })
        };
        Groups {
            of_lines: lines.iter().map(&mut group_of).collect(),
            all,
        }
    }
}
