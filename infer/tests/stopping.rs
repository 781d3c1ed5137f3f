//! CTranslate2's rule of when a beam stops, on cases small enough to follow by hand.

use attend_infer::search::{Hypothesis, LengthNormalization, SearchOptions, Stopping};

use crate::toy::{EOS, MAX_STEPS, Table, VOCAB_SIZE, requests, search};

const A: u32 = 3;
const B: u32 = 4;

fn options(beam_size: usize, nbest: usize, alpha: f32) -> SearchOptions {
    SearchOptions {
        beam_size,
        nbest,
        length_penalty: alpha,
        length_normalization: LengthNormalization::Length,
        stopping: Stopping::CTranslate2,
        ..SearchOptions::default()
    }
}

/// A language whose probabilities depend on the number of words so far alone: of `</s>`, A and B; nothing else.
fn language(steps: &[[f32; 3]]) -> Table {
    let mut table = vec![f32::NEG_INFINITY; Table::SIZE];
    for length in 0..MAX_STEPS {
        let [end, a, b] = steps[length.min(steps.len() - 1)];
        for context in 0..VOCAB_SIZE * VOCAB_SIZE {
            let row = (length * VOCAB_SIZE * VOCAB_SIZE + context) * VOCAB_SIZE;
            for (token, probability) in [(EOS, end), (A, a), (B, b)] {
                table[row + token as usize] = probability.ln();
            }
        }
    }
    Table(table)
}

fn found(steps: &[[f32; 3]], max_length: usize, options: SearchOptions) -> Vec<Hypothesis> {
    let found = search(&[language(steps)], &requests(&[max_length]), &options, None);
    found.concat()
}

/// Asserts that the hypotheses have these tokens and probabilities, and the scores that follow at this alpha. Those of
/// `max_length` words have no end, the others' counts.
fn assert_found(found: &[Hypothesis], max_length: usize, expected: &[(&[u32], f32)], alpha: f32) {
    let tokens: Vec<&[u32]> = found.iter().map(|best| best.tokens.as_slice()).collect();
    let expected_tokens: Vec<&[u32]> = expected.iter().map(|(tokens, _)| *tokens).collect();
    assert_eq!(tokens, expected_tokens);
    for (hypothesis, (tokens, expected)) in found.iter().zip(expected) {
        let probability = hypothesis.log_probability.exp();
        assert!(
            (probability - expected).abs() < 1e-6,
            "{probability}, not {expected}"
        );
        let length = tokens.len() + usize::from(tokens.len() < max_length);
        let (score, expected) = (hypothesis.score, expected.ln() / (length as f32).powf(alpha));
        assert!((score - expected).abs() < 1e-5, "{score}, not {expected}");
    }
}

/// Beam 2, alpha 1. Step 1 has A .5, </s> .3, B .2: the empty translation is complete, B takes its place. Step 2 has
/// A A .25, A </s> .15, A B .1 and more: A is complete, and as two are, the search stops before A A may end.
#[test]
fn a_beam_stops_when_as_many_are_complete() {
    let steps = [[0.3, 0.5, 0.2]];
    let expected: [(&[u32], f32); 2] = [(&[A], 0.15), (&[], 0.3)];
    assert_found(&found(&steps, 9, options(2, 2, 1.0)), 9, &expected, 1.0);
    assert_found(&found(&steps, 9, options(2, 1, 1.0)), 9, &expected[..1], 1.0);
    // The exact rule goes on, and finds that longer ones have better means: .3 × .5^9 over 10 beats .15 over 2.
    let exact = SearchOptions {
        stopping: Stopping::Exact,
        ..options(2, 1, 1.0)
    };
    assert_eq!(found(&steps, 9, exact)[0].tokens.len(), 9);
}

/// Beam 2, alpha 0. Step 1 has A .5, B .4, </s> .1: of the first two none ends. Step 2 has A </s> .3, B </s> .24, A A
/// .15: the top ends, and enough are complete.
#[test]
fn without_a_length_penalty_a_beam_stops_with_its_top() {
    let steps = [[0.1, 0.5, 0.4], [0.6, 0.3, 0.1]];
    assert_found(&found(&steps, 9, options(2, 1, 0.0)), 9, &[(&[A], 0.3)], 0.0);
    assert_found(
        &found(&steps, 9, options(2, 2, 0.0)),
        9,
        &[(&[A], 0.3), (&[B], 0.24)],
        0.0,
    );
}

/// Beam 2, alpha 0. The empty one .4 is complete at once, but second to A .45; one translation is asked for, and the
/// search goes on, as the top has not ended: A A .45 × .9. The top ends in the next step only, and what is best is
/// the empty one still.
#[test]
fn completing_below_the_top_does_not_stop() {
    let steps = [[0.4, 0.45, 0.15], [0.05, 0.9, 0.05], [0.9, 0.05, 0.05]];
    let expected: [(&[u32], f32); 1] = [(&[A, A], 0.3645)];
    let best = found(&steps, 9, options(2, 1, 0.0));
    assert_found(&best, 9, &[(&[], 0.4)], 0.0);
    let two = found(&steps, 9, options(2, 2, 0.0));
    assert_found(&two, 9, &[(&[], 0.4), expected[0]], 0.0);
}

/// Beam 2, alpha 1, at most two words. Step 1: A .5, B .3, </s> .2 is third, so nothing completes. Step 2, the last: A
/// A .3, A </s> .15, B A .18: the first two are A A and B A, complete without an end that would cost .3.
#[test]
fn at_the_maximum_length_all_are_complete_as_they_are() {
    let steps = [[0.2, 0.5, 0.3], [0.3, 0.6, 0.1]];
    let expected: [(&[u32], f32); 2] = [(&[A, A], 0.3), (&[B, A], 0.18)];
    assert_found(&found(&steps, 2, options(2, 2, 1.0)), 2, &expected, 1.0);
    // Greedy search, too, and a beam without room.
    assert_found(&found(&steps, 2, options(1, 1, 1.0)), 2, &expected[..1], 1.0);
    for beam_size in [1, 2] {
        assert_found(
            &found(&steps, 0, options(beam_size, 1, 0.0)),
            0,
            &[(&[], 1.0)],
            0.0,
        );
    }
}

/// The definition written down anew, from what its documentation says, on random languages.
#[test]
fn random_languages_agree_with_the_definition() {
    for seed in 0..200 {
        for ending in [0.1, 1.0] {
            let table = Table::random(seed, ending);
            for (beam_size, nbest, alpha) in [(2, 1, 0.0), (3, 2, 0.0), (4, 4, 1.0), (3, 1, 0.6)] {
                let options = options(beam_size, nbest, alpha);
                let found = &search(std::slice::from_ref(&table), &requests(&[7]), &options, None)[0];
                let expected = by_definition(&table, 7, beam_size, nbest, alpha);
                let found: Vec<&[u32]> = found.iter().map(|h| h.tokens.as_slice()).collect();
                assert_eq!(found, expected, "seed {seed}");
            }
        }
    }
}

fn by_definition(
    table: &Table,
    max_length: usize,
    beam_size: usize,
    nbest: usize,
    alpha: f32,
) -> Vec<Vec<u32>> {
    // Whole sequences, an end included, with their log-probabilities.
    let mut beam: Vec<(Vec<u32>, f32)> = vec![(Vec::new(), 0.0)];
    let mut complete: Vec<(Vec<u32>, f32)> = Vec::new();
    let mut top_ended = false;
    for step in 1..=max_length {
        let mut candidates = Vec::new();
        for (sequence, total) in &beam {
            for token in [EOS, A, B, 5] {
                let total = total + table.row(sequence)[token as usize];
                candidates.push(([sequence.as_slice(), &[token]].concat(), total));
            }
        }
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
        candidates.truncate(2 * beam_size);
        let ends = |candidate: &(Vec<u32>, f32)| candidate.0.ends_with(&[EOS]);
        top_ended |= ends(&candidates[0]);
        let (first, rest) = candidates.split_at(beam_size.min(candidates.len()));
        complete.extend(first.iter().filter(|c| ends(c) || step == max_length).cloned());
        let n_ended = first.iter().filter(|c| ends(c)).count();
        let moved_up = rest.iter().filter(|c| !ends(c)).take(n_ended);
        beam = first
            .iter()
            .filter(|c| !ends(c))
            .chain(moved_up)
            .cloned()
            .collect();
        if complete.len() >= beam_size && alpha > 0.0 || alpha == 0.0 && top_ended && complete.len() >= nbest
        {
            break;
        }
    }
    let mut scored: Vec<(Vec<u32>, f64)> = complete
        .into_iter()
        .map(|(mut sequence, total)| {
            let length = (sequence.len() as f64).powf(f64::from(alpha));
            sequence.retain(|&token| token != EOS);
            (sequence, f64::from(total) / length)
        })
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.truncate(nbest);
    scored.into_iter().map(|(sequence, _)| sequence).collect()
}
