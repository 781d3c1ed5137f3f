//! What became of the pairs of the training corpora, as a table.

use std::fmt;

use indicatif::HumanCount;

use crate::cleaning::CleaningReport;
use crate::filter::FilterReport;

/// What became of the pairs of one corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorpusReport {
    /// What to call the corpus.
    pub name: String,
    /// What was dropped as text.
    pub cleaned: CleaningReport,
    /// What was dropped of the rest for its length in tokens.
    pub filtered: FilterReport,
}

/// The reports on all corpora of a run. `Display` writes a table with a row for each reason and a column for each
/// corpus, and one for their sum where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorpusReports(pub Vec<CorpusReport>);

/// A row: its title, and the number for a corpus.
type Row = (&'static str, fn(&CorpusReport) -> usize);

const ROWS: [Row; 9] = [
    ("pairs read", |report| report.cleaned.read()),
    ("- empty", |report| report.cleaned.empty + report.filtered.empty),
    ("- source equals target", |report| report.cleaned.copies),
    ("- wrong script", |report| report.cleaned.wrong_script),
    ("- duplicate in corpus", |report| report.cleaned.duplicates),
    ("- repeated side", |report| report.cleaned.repeats),
    ("- too long", |report| report.filtered.too_long),
    ("- uneven lengths", |report| report.filtered.ratio),
    ("pairs kept", |report| report.filtered.kept),
];

impl CorpusReports {
    /// The number of pairs that were read.
    #[must_use]
    pub fn read(&self) -> usize {
        self.0.iter().map(|report| report.cleaned.read()).sum()
    }
}

impl fmt::Display for CorpusReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = self.0.len() > 1;
        let sum = several.then(|| "all".to_owned());
        let mut table = vec![vec![String::new()]];
        table[0].extend(self.0.iter().map(|report| report.name.clone()).chain(sum));
        for (title, count) in ROWS {
            let counts: Vec<usize> = self.0.iter().map(count).collect();
            let sum = several.then(|| counts.iter().sum());
            let mut row = vec![title.to_owned()];
            row.extend(
                counts
                    .into_iter()
                    .chain(sum)
                    .map(|count| HumanCount(count as u64).to_string()),
            );
            table.push(row);
        }
        let width = |column: usize| {
            table
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        for (index, row) in table.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{:width$}", row[0], width = width(0))?;
            for (column, cell) in row.iter().enumerate().skip(1) {
                write!(f, "  {cell:>width$}", width = width(column))?;
            }
        }
        Ok(())
    }
}
