//! Batches: what they must keep for any examples, and exact small ones.

use attend_data::{Batch, BatchPlan, Example, Padding, TokenMatrix};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const PAD: u32 = 0;
const BOS: u32 = 1;
const EOS: u32 = 2;

fn example(source: &[u32], target: &[u32]) -> Example {
    Example {
        source: source.to_vec(),
        target: target.to_vec(),
    }
}

/// The batches of all `examples` as lists of their indices.
fn plan_batches(examples: &[Example], max_tokens: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let lengths = (0..).zip(examples.iter().map(Example::lengths));
    let plan = BatchPlan::new(lengths, max_tokens, seed, epoch);
    let to_indices = |batch: &[u32]| batch.iter().map(|&number| number as usize).collect();
    let batches: Vec<Vec<usize>> = plan.iter().map(to_indices).collect();
    assert_eq!((batches.len(), batches.is_empty()), (plan.len(), plan.is_empty()));
    assert_eq!(plan.batch(plan.len()), None);
    batches
}

/// Examples whose source lengths are spread as in a corpus of captions, with targets of about the same length.
fn examples(count: usize) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut draw = |below: u64| (random.next_u64() % below) as usize;
    (0..count)
        .map(|_| {
            let source = 5 + draw(10) + draw(10) + draw(10);
            let target = (source + draw(7)).saturating_sub(3).max(1);
            example(&vec![EOS; source], &vec![EOS; target])
        })
        .collect()
}

#[test]
fn a_batch_is_padded_on_the_right_and_shifted_by_one() {
    let examples = [
        example(&[5, 6, EOS], &[7, EOS]),
        example(&[8, EOS], &[9, 10, 11, EOS]),
    ];
    let batch = Batch::new(&examples, PAD, BOS);
    let matrix = |ids: [i32; 8], width| TokenMatrix {
        ids: ids[..2 * width].to_vec(),
        rows: 2,
        width,
    };
    assert_eq!(batch.source, matrix([5, 6, 2, 8, 2, 0, -1, -1], 3));
    assert_eq!(batch.target_input, matrix([1, 7, 0, 0, 1, 9, 10, 11], 4));
    assert_eq!(batch.target_output, matrix([7, 2, 0, 0, 9, 10, 11, 2], 4));
    assert_eq!(batch.target_tokens, 6);
}

#[test]
fn the_pad_id_is_the_one_given() {
    let matrix = TokenMatrix::new(&[vec![4_u32, 5], vec![6]], 58_100);
    assert_eq!(matrix.ids, [4, 5, 6, 58_100]);
}

#[test]
fn rows_are_as_wide_as_padding_asks() {
    let width = |longest: usize, multiple, most| {
        let padding = Padding {
            token: PAD,
            multiple,
            most,
        };
        let matrix = TokenMatrix::new(&[vec![4; longest], vec![5]], padding);
        assert_eq!(matrix.ids.len(), 2 * matrix.width);
        assert!(
            matrix.ids[longest..matrix.width]
                .iter()
                .all(|&id| id == PAD as i32)
        );
        matrix.width
    };
    assert_eq!(
        [1, 8, 9, 16].map(|longest| width(longest, 8, 100)),
        [8, 8, 16, 16]
    );
    assert_eq!([17, 20].map(|longest| width(longest, 8, 20)), [20, 20]);
    assert_eq!(width(21, 8, 20), 21);
}

#[test]
fn no_examples_make_no_batch() {
    assert!(plan_batches(&[], 100, 1, 1).is_empty());
    let nothing = TokenMatrix::new::<Vec<u32>>(&[], PAD);
    assert_eq!((nothing.rows, nothing.width, nothing.ids.len()), (0, 0, 0));
}

#[test]
fn every_example_is_in_one_batch_and_batches_keep_the_budget() {
    let examples = examples(1_000);
    for budget in [1, 30, 100, 2_048, 1_000_000] {
        let batches = plan_batches(&examples, budget, 3, 0);
        for batch in &batches {
            let longest = batch.iter().map(|&i| examples[i].longest_side()).max().unwrap();
            assert!(
                batch.len() == 1 || batch.len() * longest <= budget,
                "budget {budget}"
            );
        }
        let mut indices: Vec<usize> = batches.into_iter().flatten().collect();
        indices.sort_unstable();
        assert!(indices.into_iter().eq(0..examples.len()), "budget {budget}");
    }
}

#[test]
fn a_budget_for_all_makes_one_batch() {
    let examples = examples(1_000);
    let longest = examples.iter().map(Example::longest_side).max().unwrap();
    assert_eq!(plan_batches(&examples, 1_000 * longest, 3, 0).len(), 1);
    assert_eq!(plan_batches(&examples, 1_000 * longest - 1, 3, 0).len(), 2);
}

#[test]
fn seed_and_epoch_decide_the_order() {
    let examples = examples(1_000);
    let plan = |seed, epoch| plan_batches(&examples, 500, seed, epoch);
    assert_eq!(plan(1, 2), plan(1, 2));
    assert_ne!(plan(1, 2), plan(1, 3));
    assert_ne!(plan(1, 2), plan(2, 2));
    assert_ne!(plan(1, 2), plan(2, 1));
}

#[test]
fn batches_of_equal_lengths_differ_between_epochs() {
    let examples = vec![example(&[3, EOS], &[4, EOS]); 100];
    let members = |epoch| {
        let mut batches = plan_batches(&examples, 20, 1, epoch);
        batches.iter_mut().for_each(|batch| batch.sort_unstable());
        batches.sort_unstable();
        batches
    };
    assert_eq!(members(0).len(), 10);
    assert_ne!(members(0), members(1));
}

#[test]
fn batches_do_not_come_in_the_order_of_length() {
    let examples = examples(1_000);
    let lengths: Vec<usize> = plan_batches(&examples, 500, 1, 0)
        .iter()
        .map(|batch| examples[batch[0]].longest_side())
        .collect();
    assert!(!lengths.is_sorted());
    // As many steps up as down, about: no trend.
    let ups = lengths.windows(2).filter(|pair| pair[0] < pair[1]).count();
    let downs = lengths.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(ups.abs_diff(downs) < lengths.len() / 4, "{ups} up, {downs} down");
}

#[test]
fn little_of_a_batch_is_padding() {
    let examples = examples(5_000);
    let (mut cells, mut tokens) = (0, 0);
    for indices in plan_batches(&examples, 2_048, 1, 0) {
        let batch = Batch::new(indices.iter().map(|&i| &examples[i]), PAD, BOS);
        cells += batch.source.ids.len() + batch.target_output.ids.len();
        tokens += batch.target_tokens + indices.iter().map(|&i| examples[i].source.len()).sum::<usize>();
    }
    let waste = 1.0 - tokens as f64 / cells as f64;
    assert!(waste < 0.1, "{:.1} percent padding", 100.0 * waste);
}

/// Pins the order that a seed gives, so that a run resumed on another machine or release sees the same batches.
/// Worked out apart from this crate, with ChaCha8 written after RFC 8439 and the sorting rules of `BatchPlan::new`.
#[test]
fn the_order_of_a_seed_never_changes() {
    let lengths = [(2, 3), (5, 4), (3, 3), (2, 3), (3, 2), (5, 5), (3, 3), (4, 1)];
    let examples: Vec<Example> = lengths
        .iter()
        .map(|&(source, target)| example(&vec![EOS; source], &vec![EOS; target]))
        .collect();
    let expected = [vec![0, 3, 4], vec![7], vec![5], vec![2, 6], vec![1]];
    assert_eq!(plan_batches(&examples, 9, 42, 7), expected);
}
