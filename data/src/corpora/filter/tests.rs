//! The filter: what each rule drops, and that everything dropped is counted.

use super::{Filter, FilterCounts};
use crate::batch::Example;

const EOS: u32 = 2;

/// An example with so many tokens on each side, `</s>` included.
fn example(source: usize, target: usize) -> Example {
    Example {
        source: vec![EOS; source],
        target: vec![EOS; target],
    }
}

#[test]
fn each_rule_drops_and_counts_what_it_should() {
    let filter = Filter {
        max_length: 10,
        max_ratio: Some(2.0),
    };
    let examples = vec![
        example(2, 2),   // kept
        example(1, 5),   // empty source
        example(5, 1),   // empty target
        example(11, 9),  // source too long
        example(9, 11),  // target too long
        example(3, 7),   // ratio above 2
        example(10, 5),  // kept: both limits reached, neither passed
        example(1, 100), // counted once, as empty
    ];
    let (kept, counts) = filter.apply(examples);
    assert_eq!(kept, [example(2, 2), example(10, 5)]);
    let expected = FilterCounts {
        kept: 2,
        empty: 3,
        too_long: 2,
        ratio: 1,
    };
    assert_eq!(counts, expected);
}

#[test]
fn without_a_ratio_only_length_counts() {
    let filter = Filter {
        max_length: 100,
        max_ratio: None,
    };
    let (kept, counts) = filter.apply(vec![example(2, 100), example(1, 1)]);
    assert_eq!(kept, [example(2, 100)]);
    assert_eq!((counts.kept, counts.read(), counts.empty), (1, 2, 1));
}
