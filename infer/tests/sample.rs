//! Sampling from a toy language, against its exact probabilities.

use std::collections::HashMap;

use attend_infer::search::{Hypothesis, Request, Sampling, SearchOptions};

use crate::toy::{EOS, Table, WORDS, all_words, search};

fn drawn(sampling: Sampling, nbest: usize) -> SearchOptions {
    SearchOptions {
        nbest,
        sampling: Some(sampling),
        ..SearchOptions::default()
    }
}

fn request(max_length: usize, number: u64) -> Request {
    Request {
        max_length,
        number,
        ..Request::default()
    }
}

/// The probabilities with which a token follows: temperature, then the k best, then the nucleus.
fn distribution(row: &[f32], sampling: &Sampling) -> HashMap<u32, f64> {
    let mut tokens: Vec<(u32, f64)> = [EOS]
        .into_iter()
        .chain(WORDS)
        .map(|token| {
            let probability = f64::from(row[token as usize]).exp();
            (token, probability.powf(1.0 / f64::from(sampling.temperature)))
        })
        .collect();
    tokens.sort_by(|a, b| b.1.total_cmp(&a.1));
    tokens.truncate(sampling.top_k.unwrap_or(tokens.len()));
    let all: f64 = tokens.iter().map(|(_, weight)| weight).sum();
    let mut reached = 0.0;
    let mut kept = Vec::new();
    for (token, weight) in tokens {
        kept.push((token, weight));
        reached += weight / all;
        if reached >= f64::from(sampling.top_p) {
            break;
        }
    }
    let all: f64 = kept.iter().map(|(_, weight)| weight).sum();
    kept.into_iter()
        .map(|(token, weight)| (token, weight / all))
        .collect()
}

/// Of 20,000 translations each comes as often as its probability says, by Pearson's chi-square test: the statistic of
/// 12 degrees of freedom exceeds 32.9 once in 1,000 times, and that of fewer more rarely still.
#[test]
fn translations_come_as_often_as_they_are_probable() {
    const DRAWS: usize = 20_000;
    const BOUND: f64 = 32.9;
    let one = Sampling::default();
    for (seed, sampling) in [
        one,
        Sampling {
            temperature: 0.5,
            ..one
        },
        Sampling {
            temperature: 2.0,
            ..one
        },
        Sampling {
            top_k: Some(2),
            ..one
        },
        Sampling { top_p: 0.6, ..one },
        Sampling {
            top_p: 0.8,
            top_k: Some(3),
            temperature: 1.4,
            seed: 9,
        },
    ]
    .into_iter()
    .enumerate()
    {
        let tables = [Table::random(seed as u64, 1.0)];
        let mut counts: HashMap<Vec<u32>, usize> = HashMap::new();
        for number in 0..DRAWS as u64 / 1_000 {
            for hypothesis in &search(&tables, &[request(2, number)], &drawn(sampling, 1_000), None)[0] {
                *counts.entry(hypothesis.tokens.clone()).or_default() += 1;
            }
        }
        let mut statistic = 0.0;
        let mut total = 0.0;
        for tokens in all_words(2) {
            let mut probability = 1.0;
            for (length, token) in tokens.iter().enumerate() {
                let next = distribution(tables[0].row(&tokens[..length]), &sampling);
                probability *= next.get(token).unwrap_or(&0.0);
            }
            if tokens.len() < 2 {
                let next = distribution(tables[0].row(&tokens), &sampling);
                probability *= next.get(&EOS).unwrap_or(&0.0);
            }
            total += probability;
            let count = counts.remove(&tokens).unwrap_or(0) as f64;
            let expected = probability * DRAWS as f64;
            if expected == 0.0 {
                assert_eq!(count, 0.0, "{tokens:?}");
            } else {
                statistic += (count - expected).powi(2) / expected;
            }
        }
        assert!((total - 1.0).abs() < 1e-9 && counts.is_empty());
        assert!(statistic < BOUND, "{statistic} for {sampling:?}");
    }
}

#[test]
fn near_zero_temperature_or_the_best_token_alone_is_greedy_search() {
    let tables: Vec<Table> = (0..50).map(|seed| Table::random(seed, 0.3)).collect();
    let requests: Vec<Request> = (0..50)
        .map(|number| request(3 + number as usize % 9, number))
        .collect();
    let greedy = search(&tables, &requests, &SearchOptions::default().greedy(), None);
    for sampling in [
        Sampling {
            temperature: 1e-30,
            ..Sampling::default()
        },
        Sampling {
            top_k: Some(1),
            temperature: 3.0,
            ..Sampling::default()
        },
        Sampling {
            top_p: 1e-6,
            ..Sampling::default()
        },
    ] {
        for samples in search(&tables, &requests, &drawn(sampling, 2), None)
            .iter()
            .zip(&greedy)
        {
            let (samples, best) = samples;
            assert_eq!(samples, &[best[0].clone(), best[0].clone()]);
        }
    }
}

#[test]
fn a_sample_depends_on_the_seed_the_place_and_its_turn_alone() {
    let table = Table::random(1, 0.01);
    let tables = vec![table; 6];
    let requests: Vec<Request> = (0..6).map(|number| request(8, number)).collect();
    let find = |seed, nbest| -> Vec<Vec<Hypothesis>> {
        let sampling = Sampling {
            seed,
            ..Sampling::default()
        };
        search(&tables, &requests, &drawn(sampling, nbest), None)
    };
    let five = find(1, 5);
    assert_eq!(five, find(1, 5));
    let two: Vec<Vec<Hypothesis>> = five.iter().map(|samples| samples[..2].to_vec()).collect();
    assert_eq!(find(1, 2), two);
    assert_ne!(find(2, 2), two);
    // The same sentence in other places, and drawn for again, is translated otherwise.
    assert_ne!(five[0], five[1]);
    assert_ne!(five[0][0], five[0][1]);
    for hypothesis in &five[0] {
        assert_eq!(hypothesis.log_probability, tables[0].total(&hypothesis.tokens));
    }
}
