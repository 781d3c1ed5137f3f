//! Reading sentence pairs from files and from memory.

use std::path::Path;
use std::slice;

use super::sentences::{Sentences, Side};
use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::single_line;
use crate::sentence_pair::SentencePair;

/// The pairs of a [`ParallelText`](super::ParallelText), one after the other. An error ends them.
pub(crate) struct Pairs<'a> {
    reader: Reader<'a>,
    /// The number of pairs read so far.
    read: usize,
    failed: bool,
}

enum Reader<'a> {
    Files {
        source: Sentences,
        target: Sentences,
    },
    Tsv(Lines),
    Memory(slice::Iter<'a, SentencePair>),
    Capitals {
        pairs: Box<Pairs<'a>>,
        share: f64,
        /// The number of pairs read so far from `pairs`.
        read: u64,
    },
}

impl<'a> Pairs<'a> {
    pub(super) fn of_files(source: &Path, target: &Path) -> Result<Self, DataError> {
        Ok(Self::new(Reader::Files {
            source: Sentences::open(source, Side::Source)?,
            target: Sentences::open(target, Side::Reference(0))?,
        }))
    }

    pub(super) fn of_tsv(path: &Path) -> Result<Self, DataError> {
        Ok(Self::new(Reader::Tsv(Lines::open(path)?)))
    }

    pub(super) fn of_memory(pairs: &'a [SentencePair]) -> Self {
        Self::new(Reader::Memory(pairs.iter()))
    }

    pub(super) fn in_capitals(pairs: Self, share: f64) -> Self {
        Self::new(Reader::Capitals {
            pairs: pairs.into(),
            share,
            read: 0,
        })
    }

    fn new(reader: Reader<'a>) -> Self {
        Self {
            reader,
            read: 0,
            failed: false,
        }
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<SentencePair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let (pair, path) = match &mut self.reader {
            Reader::Files { source, target } => (next_of_two(source, target), source.path()),
            Reader::Tsv(lines) => (next_of_tsv(lines), lines.path()),
            Reader::Memory(pairs) => return pairs.next().map(|pair| Ok(on_single_lines(pair))),
            Reader::Capitals { pairs, share, read } => return next_in_capitals(pairs, *share, read),
        };
        let pair = match pair {
            Ok(None) if self.read == 0 => Err(DataError::EmptyCorpus {
                path: path.to_owned(),
            }),
            pair => pair,
        };
        self.failed = pair.is_err();
        self.read += 1;
        Some(pair.transpose()?.map(|pair| on_single_lines(&pair)))
    }
}

/// Returns a pair whose sides have spaces in place of line ends.
fn on_single_lines(pair: &SentencePair) -> SentencePair {
    SentencePair {
        source: single_line(&pair.source).into_owned(),
        target: single_line(&pair.target).into_owned(),
    }
}

fn next_in_capitals(
    pairs: &mut Pairs,
    share: f64,
    read: &mut u64,
) -> Option<Result<SentencePair, DataError>> {
    loop {
        let pair = match pairs.next()? {
            Ok(pair) => pair,
            Err(error) => return Some(Err(error)),
        };
        // The number of the first n pairs that are taken.
        let taken = |n: u64| (n as f64 * share) as u64;
        *read += 1;
        if taken(*read) == taken(*read - 1) {
            continue;
        }
        let capitals = SentencePair {
            source: pair.source.to_uppercase(),
            target: pair.target.to_uppercase(),
        };
        if capitals != pair {
            return Some(Ok(capitals));
        }
    }
}

fn next_of_two(source: &mut Sentences, target: &mut Sentences) -> Result<Option<SentencePair>, DataError> {
    let (from, to) = match (source.next()?, target.next()?) {
        (None, None) => return Ok(None),
        (Some(from), Some(to)) => (from, to),
        _ => {
            return Err(DataError::UnequalLengths {
                source_sentences: source.count_all()?,
                source_path: source.path().to_owned(),
                target_sentences: target.count_all()?,
                target_path: target.path().to_owned(),
            });
        }
    };
    match (from.id, to.id) {
        (Some(source_id), Some(target_id)) if source_id != target_id => Err(DataError::UnequalSegments {
            source_path: source.path().to_owned(),
            source_line: from.line,
            source_id,
            target_path: target.path().to_owned(),
            target_line: to.line,
            target_id,
        }),
        _ => Ok(Some(SentencePair {
            source: from.text,
            target: to.text,
        })),
    }
}

fn next_of_tsv(lines: &mut Lines) -> Result<Option<SentencePair>, DataError> {
    let Some(line) = lines.next().transpose()? else {
        return Ok(None);
    };
    match line.split_once('\t') {
        Some((source, target)) if !target.contains('\t') => Ok(Some(SentencePair {
            source: source.to_owned(),
            target: target.to_owned(),
        })),
        _ => Err(DataError::Columns {
            path: lines.path().to_owned(),
            line: lines.line(),
            columns: line.split('\t').count(),
        }),
    }
}
