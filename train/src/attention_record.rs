//! The attention of a run's model to a few validation pairs, at each validation: the lines of its `attention.jsonl`.
//!
//! The report shows them, so that one sees the alignment of words arise.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use attend_data::{DataError, Example, SentencePair, write_file};
use attend_infer::{GivenTranslation, TranslateOptions, Translator};
use attend_view::AttentionMap;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::record::Lines;

/// The file in a run's folder that holds the records.
const ATTENTION: &str = "attention.jsonl";
/// The number of pairs that are recorded.
const PAIRS: usize = 3;
/// The maximum number of tokens on either side of a pair, `</s>` included: a longer pair makes a large picture.
const LONGEST: usize = 20;

/// The attention at one validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttentionRecord {
    /// Number of updates before the validation.
    pub(crate) update: usize,
    /// For each pair, how much each token of the reference attends to each token of the source, `</s>` last on both
    /// sides.
    pub(crate) maps: Vec<AttentionMap>,
}

/// Returns the pairs to record: the first that are not long. `examples` are the tokens of `pairs`.
pub(crate) fn recorded<'a>(pairs: &'a [SentencePair], examples: &[Example]) -> Vec<GivenTranslation<'a>> {
    let pairs = pairs.iter().zip(examples).zip(0..);
    pairs
        .filter(|((_, example), _)| example.longest_side() <= LONGEST)
        .map(
            |((SentencePair { source, target }, _), number)| GivenTranslation {
                source,
                target,
                number,
            },
        )
        .take(PAIRS)
        .collect()
}

impl AttentionRecord {
    /// Computes the attention of the translator's model to pairs, as an [alignment](attend_infer::Alignment) has it, with
    /// three decimals.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if the pairs cannot be scored.
    pub(crate) fn new(
        update: usize,
        translator: &Translator,
        pairs: &[GivenTranslation<'_>],
    ) -> Result<Self, TrainError> {
        let options = TranslateOptions {
            alignment: true,
            ..TranslateOptions::default()
        };
        let scores = translator.score(pairs, &options);
        let rounded = |weight: f32| (1000.0 * weight).round() / 1000.0;
        let mut maps = Vec::new();
        for score in scores {
            let alignment = score?.alignment.expect("it was asked for");
            let rows = alignment.attention.into_iter();
            maps.push(AttentionMap {
                queries: alignment.target,
                keys: alignment.source,
                weights: rows.map(|row| row.into_iter().map(rounded).collect()).collect(),
            });
        }
        Ok(Self { update, maps })
    }

    fn to_line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialize") + "\n"
    }

    /// Reads the records in a run's folder up to an update, and drops later ones, which a resumed run takes again, and
    /// damaged lines. There are none if there is no file. Returns the records, and a note for each damaged line.
    ///
    /// # Errors
    ///
    /// Returns a [`DataError`] if the file cannot be read or written.
    pub(crate) fn resume(run_folder: &Path, update: usize) -> Result<(Vec<Self>, Vec<String>), DataError> {
        let path = run_folder.join(ATTENTION);
        let Lines { mut records, notes } = Lines::<Self>::read(&path)?;
        records.retain(|record| record.update <= update);
        if path.exists() {
            write_file(&path, records.iter().map(Self::to_line).collect::<String>())?;
        }
        Ok((records, notes))
    }

    /// Appends the record to the file in a run's folder.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Write`] if the file cannot be written.
    pub(crate) fn append(&self, run_folder: &Path) -> Result<(), DataError> {
        let path = run_folder.join(ATTENTION);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(self.to_line().as_bytes())?;
            // No checkpoint is on disk before the records that lead to it.
            file.sync_data()
        });
        written.map_err(|error| DataError::write(&path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(update: usize) -> AttentionRecord {
        AttentionRecord {
            update,
            maps: vec![AttentionMap {
                queries: vec!["Wir".to_owned()],
                keys: vec!["We".to_owned(), "</s>".to_owned()],
                weights: vec![vec![0.875, 0.125]],
            }],
        }
    }

    #[test]
    fn later_and_damaged_records_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(AttentionRecord::resume(folder, 9).unwrap(), (vec![], vec![]));
        // A task without attention has no such file.
        assert!(!folder.join(ATTENTION).exists());
        for update in [5, 10, 15] {
            record(update).append(folder).unwrap();
        }
        // A killed program may leave a part of a line.
        let path = folder.join(ATTENTION);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{}", &text[..30])).unwrap();
        assert_eq!(
            AttentionRecord::resume(folder, 10).unwrap(),
            (vec![record(5), record(10)], vec![])
        );
        record(15).append(folder).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        // A row with fewer weights than there are keys, and bytes that are no text.
        let lines: Vec<&str> = text.lines().collect();
        let ragged = lines[1].replace("[0.875,0.125]", "[0.875]");
        assert_ne!(ragged, lines[1]);
        let damaged = [lines[0], &ragged, lines[2], ""].join("\n");
        fs::write(&path, [damaged.as_bytes(), b"\xff\n"].concat()).unwrap();
        let (records, notes) = AttentionRecord::resume(folder, 15).unwrap();
        assert_eq!(records, [record(5), record(15)]);
        let note = |line| format!("{}, line {line}: not a record, left out", path.display());
        assert_eq!(notes, [note(2), note(4)]);
    }

    #[test]
    fn long_pairs_are_not_recorded() {
        let pair = |source: &str| SentencePair {
            source: source.to_owned(),
            target: "Ja.".to_owned(),
        };
        let example = |tokens| Example {
            source: vec![0; tokens],
            target: vec![0; 2],
        };
        let pairs = ["long", "a", "b", "c", "d"].map(pair);
        let examples = [21, 20, 2, 2, 2].map(example);
        let sources: Vec<&str> = recorded(&pairs, &examples)
            .iter()
            .map(|pair| pair.source)
            .collect();
        assert_eq!(sources, ["a", "b", "c"]);
    }
}
