//! Test sets with several references.

use std::path::{Path, PathBuf};

use super::sentences::{Sentence, Side, WholeFile};
use crate::error::DataError;
use crate::file::check_rereadable;

/// The reference translations of a test set, by one or several translators.
pub struct References {
    files: Vec<File>,
}

/// The sources of a test set.
#[derive(Debug)]
pub struct Sources {
    /// The sentences.
    pub texts: Vec<String>,
    /// For each sentence its line in the file, counted from one.
    pub lines: Vec<usize>,
}

struct File {
    path: PathBuf,
    content: WholeFile,
    /// For each translator in the file, a reference for each sentence.
    translators: Vec<Vec<Sentence>>,
}

impl References {
    /// Reads files of references, each once. Each file has a sentence on each line, or is in WMT's format `.sgm` or
    /// `.xml`. An `.xml` file gives the references of all its translators.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`](crate::ParallelText::pairs) for a single file, and
    /// [`DataError::NoSegments`] if an `.xml` file has no references.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self, DataError> {
        let read = |path: &Path| {
            let content = WholeFile::read(path)?;
            Ok(File {
                path: path.to_owned(),
                translators: content.references(path)?,
                content,
            })
        };
        let files = paths.iter().map(AsRef::as_ref).map(read);
        Ok(Self {
            files: files.collect::<Result<_, DataError>>()?,
        })
    }

    /// Returns for each translator a reference for each sentence.
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<String>> {
        let translators = self.files.iter().flat_map(|file| &file.translators);
        translators.cloned().map(texts).collect()
    }

    /// Reads the sources of the references. A file that has the references as well is not read again.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`](crate::ParallelText::pairs) for a single file, and those for two
    /// files that do not match if there are not as many sources as references, or their ids differ. Returns
    /// [`DataError::NoSegments`] if an `.xml` file has no sources.
    pub fn sources(&self, path: impl AsRef<Path>) -> Result<Sources, DataError> {
        let sentences = self.matching(path.as_ref(), Side::Source)?;
        Ok(Sources {
            lines: sentences.iter().map(|sentence| sentence.line).collect(),
            texts: texts(sentences),
        })
    }

    /// Reads the translations of a system, in an `.xml` file those of its first system.
    ///
    /// # Errors
    /// Returns the errors of [`References::sources`].
    pub fn translations(&self, path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
        self.matching(path.as_ref(), Side::Hypothesis).map(texts)
    }

    /// Reads the sentences that the references belong to.
    fn matching(&self, path: &Path, side: Side) -> Result<Vec<Sentence>, DataError> {
        let sentences = match self.files.iter().find(|file| file.path == path) {
            Some(file) => {
                check_rereadable(path)?;
                file.content.sentences(side, path)?
            }
            None => WholeFile::read(path)?.sentences(side, path)?,
        };
        for file in &self.files {
            for references in &file.translators {
                check_pairs((path, &sentences), (&file.path, references))?;
            }
        }
        if sentences.is_empty() {
            return Err(DataError::EmptyCorpus {
                path: path.to_owned(),
            });
        }
        Ok(sentences)
    }
}

fn texts(sentences: Vec<Sentence>) -> Vec<String> {
    sentences.into_iter().map(|sentence| sentence.text).collect()
}

/// Checks that two files have as many sentences, with the same ids if both have ids.
fn check_pairs(
    (source_path, sources): (&Path, &[Sentence]),
    (target_path, targets): (&Path, &[Sentence]),
) -> Result<(), DataError> {
    if sources.len() != targets.len() {
        return Err(DataError::UnequalLengths {
            source_path: source_path.to_owned(),
            source_sentences: sources.len(),
            target_path: target_path.to_owned(),
            target_sentences: targets.len(),
        });
    }
    for (source, target) in sources.iter().zip(targets) {
        if let (Some(source_id), Some(target_id)) = (&source.id, &target.id)
            && source_id != target_id
        {
            return Err(DataError::UnequalSegments {
                source_path: source_path.to_owned(),
                source_line: source.line,
                source_id: source_id.clone(),
                target_path: target_path.to_owned(),
                target_line: target.line,
                target_id: target_id.clone(),
            });
        }
    }
    Ok(())
}
