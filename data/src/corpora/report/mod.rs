//! A table of the numbers of sentence pairs, or of labelled texts, that were read, dropped and kept.

#[cfg(test)]
mod tests;

use std::fmt;

use num_format::{Locale, ToFormattedString};

use crate::corpora::cleaning::CleaningCounts;
use crate::corpora::filter::FilterCounts;

/// The numbers of sentence pairs that were read, dropped for each reason, and kept when corpora were prepared. Corpora of
/// labelled texts have the numbers of texts in place of pairs.
///
/// `Display` writes a table with a row for each reason and a column for each corpus. If there are several corpora, the
/// last column is their sum:
///
/// ```text
///                         europarl   news    all
/// pairs read                 1,900    200  2,100
/// - empty                        3      0      3
/// …
/// pairs kept                 1,850    180  2,030
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreparationReport(Vec<Column>);

/// The numbers of pairs of one corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The name of the corpus.
    pub(crate) name: String,
    /// What is counted.
    pub(crate) unit: Unit,
    /// The numbers of pairs that cleaning kept and dropped.
    pub(crate) cleaned: CleaningCounts,
    /// The numbers of pairs that the filter kept and dropped, out of the pairs that cleaning kept.
    pub(crate) filtered: FilterCounts,
}

/// What a corpus consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Sentence pairs.
    Pairs,
    /// Texts with their labels.
    Texts,
}

/// The title of a row, and its number for a corpus.
type Row = (&'static str, fn(&Column) -> usize);

/// The rows for labelled texts, which are dropped for their length alone.
const ROWS_OF_TEXTS: [Row; 3] = [
    ("texts read", |corpus| corpus.cleaned.read()),
    ("- too long", |corpus| corpus.filtered.too_long),
    ("texts kept", |corpus| corpus.filtered.kept),
];

const ROWS: [Row; 9] = [
    ("pairs read", |corpus| corpus.cleaned.read()),
    ("- empty", |corpus| corpus.cleaned.empty + corpus.filtered.empty),
    ("- source equals target", |corpus| corpus.cleaned.copies),
    ("- wrong script", |corpus| corpus.cleaned.wrong_script),
    ("- duplicate in corpus", |corpus| corpus.cleaned.duplicates),
    ("- repeated side", |corpus| corpus.cleaned.repeats),
    ("- too long", |corpus| corpus.filtered.too_long),
    ("- uneven lengths", |corpus| corpus.filtered.ratio),
    ("pairs kept", |corpus| corpus.filtered.kept),
];

impl PreparationReport {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self(columns.into_iter().collect())
    }

    /// Returns the number of pairs that were read of all corpora.
    #[must_use]
    pub fn pairs_read(&self) -> usize {
        self.0.iter().map(|corpus| corpus.cleaned.read()).sum()
    }

    /// Returns the reasons for which pairs were dropped, as the table names them, each with the number of pairs of all
    /// corpora.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let rows = self
            .rows()
            .iter()
            .filter_map(|(title, count)| Some((title.strip_prefix("- ")?, count)));
        rows.map(|(reason, count)| (reason, self.0.iter().map(count).sum()))
            .filter(|(_, pairs)| *pairs > 0)
    }

    /// Returns the rows of the table below the names of the corpora.
    fn rows(&self) -> &'static [Row] {
        if self.0.iter().any(|corpus| corpus.unit == Unit::Texts) {
            &ROWS_OF_TEXTS
        } else {
            &ROWS
        }
    }

    /// Returns the cells of the table, row by row. The first row holds the names of the corpora.
    fn cells(&self) -> Vec<Vec<String>> {
        let has_sum = self.0.len() > 1;
        let names = self.0.iter().map(|corpus| corpus.name.clone());
        let sum = has_sum.then(|| "all".to_owned());
        let header = [String::new()].into_iter().chain(names).chain(sum).collect();
        let rows = self.rows().iter().map(|(title, count)| {
            let counts: Vec<usize> = self.0.iter().map(count).collect();
            let sum = has_sum.then(|| counts.iter().sum());
            let counts = counts.into_iter().chain(sum);
            let numbers = counts.map(|count: usize| count.to_formatted_string(&Locale::en));
            [(*title).to_owned()].into_iter().chain(numbers).collect()
        });
        [header].into_iter().chain(rows).collect()
    }
}

impl fmt::Display for PreparationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let width = |column: usize| {
            cells
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        for (index, row) in cells.iter().enumerate() {
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
