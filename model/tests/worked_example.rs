//! The worked example against the same calculation on paper.

#[path = "../examples/attention.rs"]
mod attention;

use attention::{Matrix, attend};

use crate::common::bound;

/// `e^(1/√3)`: what one more point of score multiplies a weight by.
const A: f32 = 1.781_313;

#[track_caller]
fn assert_close(ours: Matrix, paper: Matrix) {
    for (ours, paper) in ours.as_flattened().iter().zip(paper.as_flattened()) {
        let difference = f64::from((ours - paper).abs());
        assert!(difference < bound(2e-6, 4e-3), "{ours} is not {paper}");
    }
}

#[test]
fn projections_and_scores_are_exact() {
    let stages = attend(false);
    // The embeddings are pairs of ones, so each row is the sum of two rows of the matrix: "I" = 1 0 1 adds the
    // first and the third, "like" = 0 1 1 the second and the third, "tea" = 1 1 0 the first and the second.
    assert_eq!(
        stages.queries,
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0, 1.0]]
    );
    assert_eq!(stages.keys, [[0.0, 2.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]);
    assert_eq!(stages.values, [[2.0, 1.0, 2.0], [1.0, 4.0, 0.0], [1.0, 3.0, 2.0]]);
    // "tea" asks with 2 0 1. To "I": 2·0 + 0·2 + 1·1 = 1. To "like": 2·1 + 0·1 + 1·1 = 3. To "tea": 2·1 = 2.
    assert_eq!(stages.scores, [[2.0, 2.0, 2.0], [3.0, 3.0, 2.0], [1.0, 3.0, 2.0]]);
    // 1/√3 = 0.577350, 2/√3 = 1.154701, 3/√3 = √3 = 1.732051.
    let (one, two, three) = (0.577_350, 1.154_701, 1.732_051);
    assert_close(
        stages.scaled,
        [[two, two, two], [three, three, two], [one, three, two]],
    );
}

#[test]
fn weights_and_output() {
    let stages = attend(false);
    // Only differences of scores matter, so the rows compare as 1 : 1 : 1, A : A : 1 and 1 : A² : A.
    let like = 2.0 * A + 1.0; // 4.562626
    let tea = 1.0 + A * A + A; // 5.954389
    assert_close(
        stages.weights,
        [
            [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
            [A / like, A / like, 1.0 / like],
            [1.0 / tea, A * A / tea, A / tea],
        ],
    );
    assert_close(
        stages.weights,
        [
            [0.333_333, 0.333_333, 0.333_333],
            [0.390_414, 0.390_414, 0.219_172],
            [0.167_943, 0.532_897, 0.299_160],
        ],
    );
    // "I" takes the mean of the values. "tea", first dimension: 0.167943·2 + 0.532897·1 + 0.299160·1 = 1.167943.
    assert_close(
        stages.output,
        [
            [4.0 / 3.0, 8.0 / 3.0, 4.0 / 3.0],
            [1.390_414, 2.609_586, 1.219_172],
            [1.167_943, 3.197_01, 0.934_206],
        ],
    );
}

#[test]
fn causal_weights_and_output() {
    let stages = attend(true);
    // "I" sees itself alone. "like" divides its attention equally, as both scores are 3. "tea" sees all, as before.
    assert_close(
        stages.weights,
        [
            [1.0, 0.0, 0.0],
            [0.5, 0.5, 0.0],
            [0.167_943, 0.532_897, 0.299_160],
        ],
    );
    assert_close(
        stages.output,
        [[2.0, 1.0, 2.0], [1.5, 2.5, 1.0], [1.167_943, 3.197_01, 0.934_206]],
    );
}

#[test]
fn the_program_prints_labelled_tables_and_pictures() {
    let report = attention::report();
    let weights = "each row sums to 1
             I    like     tea
     I   0.333   0.333   0.333
  like   0.390   0.390   0.219
   tea   0.168   0.533   0.299
";
    assert!(report.contains(weights), "{report}");
    let causal_picture = "
     I    like tea
I    █100    0    0
like ▒ 50 ▒ 50    0
tea  ░ 17 ▒ 53 ░ 30
";
    assert!(report.contains(causal_picture), "{report}");
    attention::main();
}
