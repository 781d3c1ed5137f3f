//! The table of a report.

use super::{Column, PreparationReport, Unit};
use crate::corpora::cleaning::CleaningCounts;
use crate::corpora::filter::FilterCounts;

#[test]
fn reports_make_a_table_with_a_row_for_each_reason() {
    let report = |name: &str, kept| Column {
        name: name.to_owned(),
        unit: Unit::Pairs,
        cleaned: CleaningCounts {
            kept: kept + 1_110,
            empty: 1,
            copies: 20,
            wrong_script: 3,
            duplicates: 400,
            repeats: 5,
        },
        filtered: FilterCounts {
            kept,
            empty: 10,
            too_long: 100,
            ratio: 1_000,
        },
    };
    let one = PreparationReport(vec![report("train", 7)]);
    let expected = [
        "                        train",
        "pairs read              1,546",
        "- empty                    11",
        "- source equals target     20",
        "- wrong script              3",
        "- duplicate in corpus     400",
        "- repeated side             5",
        "- too long                100",
        "- uneven lengths        1,000",
        "pairs kept                  7",
    ];
    assert_eq!(one.to_string().lines().collect::<Vec<_>>(), expected);
    assert_eq!(one.pairs_read(), 1_546);
    let two = PreparationReport(vec![report("europarl-v7.de-en", 1_900_000), report("nc", 0)]);
    let text = two.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "                        europarl-v7.de-en     nc        all"
    );
    assert_eq!(
        lines[1],
        "pairs read                      1,901,539  1,539  1,903,078"
    );
    assert_eq!(
        lines[9],
        "pairs kept                      1,900,000      0  1,900,000"
    );
}

#[test]
fn labelled_texts_are_dropped_for_their_length_alone() {
    let column = Column {
        name: "reviews".to_owned(),
        unit: Unit::Texts,
        cleaned: CleaningCounts {
            kept: 12,
            ..CleaningCounts::default()
        },
        filtered: FilterCounts {
            kept: 10,
            too_long: 2,
            ..FilterCounts::default()
        },
    };
    let report = PreparationReport(vec![column]);
    let expected = [
        "            reviews",
        "texts read       12",
        "- too long        2",
        "texts kept       10",
    ];
    assert_eq!(report.to_string().lines().collect::<Vec<_>>(), expected);
    assert_eq!(report.dropped().collect::<Vec<_>>(), [("too long", 2)]);
}
