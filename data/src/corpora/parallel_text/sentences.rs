//! The sentences of a file: its lines, or the segments of a test set in one of WMT's formats.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::vec;

use super::format::TestSetFormat;
use super::sgm::Segments;
use super::wmt_xml::TestSet;
use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::single_line;

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

impl Side {
    /// Returns the element of an `.xml` file that holds the side.
    fn element(self) -> &'static str {
        match self {
            Self::Source => "src",
            Self::Reference(_) => "ref",
            Self::Hypothesis => "hyp",
        }
    }
}

/// The sentences of a file, read one at a time from all formats but `.xml`.
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

#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) text: String,
    /// The id of the sentence in an `.sgm` or an `.xml` file.
    pub(super) id: Option<String>,
    /// The line of the file, counted from one.
    pub(super) line: usize,
}

impl Sentences {
    pub(super) fn open(path: &Path, side: Side) -> Result<Self, DataError> {
        let mut lines = Lines::open(path)?;
        let format = TestSetFormat::of(&mut lines)?;
        Contents::of(lines, format)?.into_sentences(side, path)
    }

    fn new(format: Format) -> Self {
        Self { format, count: 0 }
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
            Format::Sgm(segments) => segments.next().transpose()?,
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

/// What a file has.
enum Contents {
    /// The sentences of a single side.
    Sentences(Sentences),
    /// The sides of an `.xml` file.
    TestSet(TestSet),
}

impl Contents {
    fn of(lines: Lines, format: Option<TestSetFormat>) -> Result<Self, DataError> {
        Ok(match format {
            None => Self::Sentences(Sentences::new(Format::Lines(lines))),
            Some(TestSetFormat::Sgml) => Self::Sentences(Sentences::new(Format::Sgm(Segments { lines }))),
            Some(TestSetFormat::Xml) => Self::TestSet(TestSet::read(lines)?),
        })
    }

    /// Returns the sentences of a side of the file at `path`.
    fn into_sentences(self, side: Side, path: &Path) -> Result<Sentences, DataError> {
        match self {
            Self::Sentences(sentences) => Ok(sentences),
            Self::TestSet(test_set) => Ok(Sentences::new(Format::Xml {
                path: path.to_owned(),
                sentences: sentences_of(&test_set, side, path)?.into_iter(),
            })),
        }
    }
}

/// A whole file of a test set, read once.
pub(super) enum WholeFile {
    /// The sentences of a file with a single side.
    Sentences(Vec<Sentence>),
    /// The sides in an `.xml` file.
    TestSet(TestSet),
}

impl WholeFile {
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let mut lines = Lines::open(path)?;
        let format = TestSetFormat::of(&mut lines)?;
        let mut sentences = match Contents::of(lines, format)? {
            Contents::Sentences(sentences) => sentences,
            Contents::TestSet(test_set) => return Ok(Self::TestSet(test_set)),
        };
        let mut all = Vec::new();
        while let Some(sentence) = sentences.next()? {
            all.push(sentence);
        }
        Ok(Self::Sentences(all))
    }

    /// Returns the sentences of a side of the file at `path`. A file with a single side has the same for each.
    ///
    /// # Errors
    /// Returns [`DataError::NoSegments`] if the file lacks the side.
    pub(super) fn sentences(&self, side: Side, path: &Path) -> Result<Vec<Sentence>, DataError> {
        match self {
            Self::Sentences(sentences) => Ok(sentences.clone()),
            Self::TestSet(test_set) => sentences_of(test_set, side, path),
        }
    }

    /// Returns the references of each translator in the file at `path`.
    ///
    /// # Errors
    /// Returns [`DataError::NoSegments`] if there are none.
    pub(super) fn references(&self, path: &Path) -> Result<Vec<Vec<Sentence>>, DataError> {
        let translators = match self {
            Self::Sentences(_) => 1,
            Self::TestSet(test_set) => test_set.references().max(1),
        };
        (0..translators)
            .map(|translator| self.sentences(Side::Reference(translator), path))
            .collect()
    }
}

fn sentences_of(test_set: &TestSet, side: Side, path: &Path) -> Result<Vec<Sentence>, DataError> {
    test_set.sentences(side).ok_or_else(|| DataError::NoSegments {
        path: path.to_owned(),
        element: side.element(),
    })
}

/// Opens the sentences to translate in a file: the sources of a test set in one of WMT's formats if the file begins as
/// one does, whatever its name is, and else its lines. Errors about a source name its number in the test set.
///
/// # Errors
/// Returns the errors of [`ParallelText::pairs`](crate::ParallelText::pairs) for a single file.
pub fn open_sources(path: impl AsRef<Path>) -> Result<Lines, DataError> {
    let path = path.as_ref();
    let mut lines = Lines::open(path)?;
    let format = TestSetFormat::of_content(lines.beginning()?);
    let mut sentences = Contents::of(lines, format)?.into_sentences(Side::Source, path)?;
    if let Format::Lines(lines) = sentences.format {
        return Ok(lines);
    }
    let mut sources = String::new();
    while let Some(Sentence { text, .. }) = sentences.next()? {
        sources.extend([&single_line(&text), "\n"]);
    }
    Ok(Lines::new(Cursor::new(sources), path))
}
