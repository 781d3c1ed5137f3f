//! Test sets with several references.

use std::path::Path;

use super::sentences::{Sentence, Sentences, Side, count_references};
use crate::error::DataError;

/// Sentences, and one or several reference translations of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// The sentences that the references belong to: the sources, or the translations of a system.
    pub sentences: Vec<String>,
    /// For each translator, a reference for each sentence.
    pub references: Vec<Vec<String>>,
}

impl References {
    /// Reads the sources of a test set and their references. Each file has a sentence on each line, or is in WMT's
    /// format `.sgm` or `.xml`. An `.xml` file gives the references of all its translators. Each file is read once,
    /// except for `.xml` files.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`](crate::ParallelText::pairs), and [`DataError::NoReferences`] if an
    /// `.xml` file has no references.
    pub fn of_sources(sources: impl AsRef<Path>, references: &[impl AsRef<Path>]) -> Result<Self, DataError> {
        Self::read(sources.as_ref(), Side::Source, references)
    }

    /// Reads the translations of a system and their references. An `.xml` file gives the translations of its first
    /// system.
    ///
    /// # Errors
    /// Returns the errors of [`References::of_sources`].
    pub fn of_translations(
        translations: impl AsRef<Path>,
        references: &[impl AsRef<Path>],
    ) -> Result<Self, DataError> {
        Self::read(translations.as_ref(), Side::Hypothesis, references)
    }

    fn read(path: &Path, side: Side, references: &[impl AsRef<Path>]) -> Result<Self, DataError> {
        let sentences = read_all(path, side)?;
        let mut all = Vec::new();
        for reference in references.iter().map(AsRef::as_ref) {
            let translators = count_references(reference)?;
            if translators == 0 {
                return Err(DataError::NoReferences {
                    path: reference.to_owned(),
                });
            }
            for translator in 0..translators {
                let of_translator = read_all(reference, Side::Reference(translator))?;
                check_pairs((path, &sentences), (reference, &of_translator))?;
                all.push(texts(of_translator));
            }
        }
        if sentences.is_empty() {
            return Err(DataError::EmptyCorpus {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            sentences: texts(sentences),
            references: all,
        })
    }
}

fn read_all(path: &Path, side: Side) -> Result<Vec<Sentence>, DataError> {
    let mut sentences = Sentences::open(path, side)?;
    let mut all = Vec::new();
    while let Some(sentence) = sentences.next()? {
        all.push(sentence);
    }
    Ok(all)
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
