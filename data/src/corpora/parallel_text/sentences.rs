//! The sentences of a file: its lines, or the segments of a test set in one of WMT's formats.

use std::path::{Path, PathBuf};
use std::vec;

use super::sgm::{Segment, Segments};
use super::wmt_xml::TestSet;
use crate::corpora::compression::without_compression;
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The side of a test set that is read from a file which may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The sentences to translate.
    Source,
    /// The references of a translator, by the index of the translator in the file.
    Reference(usize),
    /// The translations of the first system in the file.
    Hypothesis,
}

/// The sentences of a file.
pub(super) struct Sentences {
    format: Format,
    /// The number of sentences read so far.
    count: usize,
}

enum Format {
    Lines(Lines),
    Sgm(Segments),
    Xml {
        path: PathBuf,
        sentences: vec::IntoIter<Sentence>,
    },
}

pub(super) struct Sentence {
    pub(super) text: String,
    /// The id of the sentence in an `.sgm` or an `.xml` file.
    pub(super) id: Option<String>,
    /// The line of the file, counted from one.
    pub(super) line: usize,
}

impl Sentences {
    pub(super) fn open(path: &Path, side: Side) -> Result<Self, DataError> {
        let format = if has_ending(path, "xml") {
            Format::Xml {
                path: path.to_owned(),
                sentences: TestSet::read(path)?.sentences(side).into_iter(),
            }
        } else {
            let lines = Lines::open(path)?;
            if has_ending(path, "sgm") {
                Format::Sgm(Segments { lines })
            } else {
                Format::Lines(lines)
            }
        };
        Ok(Self { format, count: 0 })
    }

    pub(super) fn next(&mut self) -> Result<Option<Sentence>, DataError> {
        let sentence = match &mut self.format {
            Format::Lines(lines) => {
                let text = lines.next().transpose()?;
                text.map(|text| Sentence {
                    text,
                    id: None,
                    line: lines.line(),
                })
            }
            Format::Sgm(segments) => {
                let segment = segments.next().transpose()?;
                segment.map(|Segment { id, text }| Sentence {
                    text,
                    id: Some(id),
                    line: segments.lines.line(),
                })
            }
            Format::Xml { sentences, .. } => sentences.next(),
        };
        self.count += usize::from(sentence.is_some());
        Ok(sentence)
    }

    /// Reads the rest of the file, and returns the number of sentences in the whole file.
    pub(super) fn count_all(&mut self) -> Result<usize, DataError> {
        while self.next()?.is_some() {}
        Ok(self.count)
    }

    pub(super) fn path(&self) -> &Path {
        match &self.format {
            Format::Lines(lines) => lines.path(),
            Format::Sgm(segments) => segments.lines.path(),
            Format::Xml { path, .. } => path,
        }
    }
}

/// Returns the number of references that a file has of each sentence: those of an `.xml` file's translators, otherwise
/// one.
pub(super) fn count_references(path: &Path) -> Result<usize, DataError> {
    if has_ending(path, "xml") {
        Ok(TestSet::read(path)?.references())
    } else {
        Ok(1)
    }
}

/// Returns whether the name of a file has an ending, before that of its compression.
fn has_ending(path: &Path, ending: &str) -> bool {
    let name = without_compression(path);
    name.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(ending))
}
