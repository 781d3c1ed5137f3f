//! Parallel text.

use std::path::{Path, PathBuf};

use super::sgm::{Segment, Segments};
use crate::error::DataError;
use crate::lines::{Lines, compression};

/// A sentence and its translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentencePair {
    /// The sentence to translate.
    pub source: String,
    /// Its translation.
    pub target: String,
}

/// Sentence pairs in the order of their files; never empty when read from files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelCorpus {
    /// The pairs. A side may be an empty sentence: [`Cleaning`](crate::cleaning::Cleaning) drops and counts those.
    pub pairs: Vec<SentencePair>,
}

impl ParallelCorpus {
    /// Reads the pairs that [`SentencePairs::open_files`] reads.
    ///
    /// # Errors
    /// A file cannot be read or is not UTF-8, the numbers of sentences differ, or there are none.
    pub fn read_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            pairs: SentencePairs::open_files(source, target)?.collect::<Result<_, _>>()?,
        })
    }

    /// Reads the pairs that [`SentencePairs::open_tsv`] reads.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8 or is empty, or a line does not have exactly one tab.
    pub fn read_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            pairs: SentencePairs::open_tsv(path)?.collect::<Result<_, _>>()?,
        })
    }
}

/// Sentence pairs read one at a time, so that a corpus may be larger than memory. An error ends them: a file that
/// cannot be read or is not UTF-8, sentences without a partner, or no pair at all.
pub struct SentencePairs {
    files: Files,
    /// Pairs read so far.
    pairs: usize,
    failed: bool,
}

enum Files {
    Two { source: Sentences, target: Sentences },
    Tsv(Lines),
}

impl SentencePairs {
    /// Opens two files in which sentence n of `target` translates sentence n of `source`. A file whose name ends in
    /// `.sgm` has its sentences in `<seg id="…">` tags, any other one a line; see [`Lines`]. Between two `.sgm` files
    /// the ids must agree.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn open_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self::new(Files::Two {
            source: Sentences::open(source.as_ref())?,
            target: Sentences::open(target.as_ref())?,
        }))
    }

    /// Opens one file of two columns, source and target, separated by a tab; see [`Lines`].
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self::new(Files::Tsv(Lines::open(path)?)))
    }

    fn new(files: Files) -> Self {
        Self {
            files,
            pairs: 0,
            failed: false,
        }
    }
}

impl Iterator for SentencePairs {
    type Item = Result<SentencePair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let pair = match &mut self.files {
            Files::Two { source, target } => next_of_two(source, target),
            Files::Tsv(lines) => next_of_tsv(lines),
        };
        let pair = match pair {
            Ok(None) if self.pairs == 0 => Err(DataError::EmptyCorpus {
                path: match &self.files {
                    Files::Two { source, .. } => source.path().to_owned(),
                    Files::Tsv(lines) => lines.path().to_owned(),
                },
            }),
            pair => pair,
        };
        self.failed = pair.is_err();
        self.pairs += 1;
        pair.transpose()
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
            source_line: source.line(),
            source_id,
            target_path: target.path().to_owned(),
            target_line: target.line(),
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

/// One side of a corpus.
struct Sentences {
    format: Format,
    /// Sentences read so far.
    count: usize,
}

enum Format {
    Lines(Lines),
    Sgm(Segments),
}

struct Sentence {
    text: String,
    /// Its `id` in an `.sgm` file.
    id: Option<String>,
}

impl Sentences {
    fn open(path: &Path) -> Result<Self, DataError> {
        let lines = Lines::open(path)?;
        let name = match compression(path) {
            Some(_) => path.with_extension(""),
            None => path.to_owned(),
        };
        let is_sgm = name
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("sgm"));
        Ok(Self {
            format: match is_sgm {
                true => Format::Sgm(Segments { lines }),
                false => Format::Lines(lines),
            },
            count: 0,
        })
    }

    fn next(&mut self) -> Result<Option<Sentence>, DataError> {
        let sentence = match &mut self.format {
            Format::Lines(lines) => {
                let line = lines.next().transpose()?;
                line.map(|text| Sentence { text, id: None })
            }
            Format::Sgm(segments) => {
                let segment = segments.next().transpose()?;
                segment.map(|Segment { id, text }| Sentence { text, id: Some(id) })
            }
        };
        self.count += usize::from(sentence.is_some());
        Ok(sentence)
    }

    /// Reads the rest, and returns the number of sentences in the whole file.
    fn count_all(&mut self) -> Result<usize, DataError> {
        while self.next()?.is_some() {}
        Ok(self.count)
    }

    fn lines(&self) -> &Lines {
        match &self.format {
            Format::Lines(lines) => lines,
            Format::Sgm(segments) => &segments.lines,
        }
    }

    fn path(&self) -> &Path {
        self.lines().path()
    }

    fn line(&self) -> usize {
        self.lines().line()
    }
}

/// What to call the corpus of a file: its name without the endings for language, format and compression, such as
/// `europarl-v7.de-en` for `corpora/europarl-v7.de-en.en.gz`.
#[must_use]
pub fn corpus_name(path: &Path) -> String {
    let mut name = PathBuf::from(path.file_name().unwrap_or_default());
    if compression(&name).is_some() {
        name.set_extension("");
    }
    name.set_extension("");
    name.to_string_lossy().into_owned()
}
