//! The rules of CTranslate2 and of Hugging Face's transformers of when a beam stops: on cases small enough to follow by
//! hand, and on what transformers itself finds.

use attend_infer::search::{Hypothesis, LengthNormalization, SearchOptions, Stopping};
use serde::Deserialize;

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

/// Beam 2, alpha 1. Step 1 has A .5, </s> .3, B .2: the empty translation is complete. Step 2: A A .25, A </s> .15: two
/// are complete, at ln .3 / 1 = -1.204 and ln .15 / 2 = -0.949. A A at its length, ln .25 / 2 = -0.693, is better than
/// the worst, so the search goes on, unless it may stop early. Step 3: A A </s>, ln .075 / 3 = -0.863, takes the place
/// of the empty one, and so on: each is better than the one before.
#[test]
fn transformers_go_on_while_the_best_at_its_length_is_better() {
    let steps = [[0.3, 0.5, 0.2]];
    let by = |stopping| {
        let options = SearchOptions {
            stopping,
            ..options(2, 2, 1.0)
        };
        found(&steps, 3, options)
    };
    let early: [(&[u32], f32); 2] = [(&[A], 0.15), (&[], 0.3)];
    assert_found(&by(Stopping::TransformersEarly), 3, &early, 1.0);
    let going_on = by(Stopping::Transformers);
    // At the maximum length, </s> costs nothing: .5^3 over 4.
    assert_eq!(going_on[0].tokens, [A, A, A]);
    assert!((going_on[0].score - 0.125f32.ln() / 4.0).abs() < 1e-6);
}

/// What transformers found in a language that both sides draw in the same way.
#[derive(Deserialize)]
struct Fixture {
    seed: u64,
    ending: f64,
    beam_size: usize,
    nbest: usize,
    length_penalty: f32,
    early_stopping: bool,
    max_length: usize,
    tokens: Vec<Vec<u32>>,
    scores: Vec<f32>,
}

/// The language of `make_stopping_fixtures.py`.
fn drawn_language(seed: u64, ending: f64) -> Table {
    let mut state = seed;
    let mut table = Vec::new();
    while table.len() < Table::SIZE {
        let mut weights = [0.0; VOCAB_SIZE];
        for weight in &mut weights {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            *weight = (state as f64 / 2f64.powi(31)).powi(2) + 0.01;
        }
        weights[EOS as usize] *= ending;
        let total: f64 = weights.iter().sum();
        table.extend(weights.map(|weight| (weight / total).ln() as f32));
    }
    Table(table)
}

#[test]
fn transformers_itself_finds_the_same() {
    let fixtures: Vec<Fixture> =
        serde_json::from_str(include_str!("fixtures/transformers_stopping.json")).unwrap();
    assert_eq!(fixtures.len(), 200);
    for fixture in fixtures {
        let Fixture {
            seed,
            ending,
            beam_size,
            nbest,
            length_penalty,
            early_stopping,
            max_length,
            ..
        } = fixture;
        let options = SearchOptions {
            stopping: if early_stopping {
                Stopping::TransformersEarly
            } else {
                Stopping::Transformers
            },
            ..options(beam_size, nbest, length_penalty)
        };
        let table = drawn_language(seed, ending);
        let found = search(&[table], &requests(&[max_length]), &options, None).concat();
        let tokens: Vec<&Vec<u32>> = found.iter().map(|hypothesis| &hypothesis.tokens).collect();
        assert_eq!(tokens, fixture.tokens.iter().collect::<Vec<_>>(), "seed {seed}");
        for (hypothesis, expected) in found.iter().zip(fixture.scores) {
            let score = hypothesis.score;
            assert!(
                (score - expected).abs() < 1e-5,
                "seed {seed}: {score} is not {expected}"
            );
        }
    }
}
