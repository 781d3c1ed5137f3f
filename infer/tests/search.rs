//! Greedy and beam search on a toy decoder, against every translation that it can produce.

use std::collections::HashSet;

use attend_infer::search::{
    Hypothesis, LengthNormalization, Sampling, Search, SearchOptions, Stopping, beam, greedy, length_divisor,
};

use crate::toy::{
    EOS, MAX_STEPS, Table, ToyDecoder, VOCAB_SIZE, WIDE, WORDS, all_words, options, requests, special,
};

fn beam_search(tables: &[Table], max_lengths: &[usize], options: SearchOptions) -> Vec<Vec<Hypothesis>> {
    beam_of(&mut ToyDecoder::new(tables), max_lengths, options)
}

fn beam_of(decoder: &mut ToyDecoder, max_lengths: &[usize], options: SearchOptions) -> Vec<Vec<Hypothesis>> {
    let special = special();
    let search = Search::new(&special, &options, None).expect("valid options");
    beam(&search, decoder, &requests(max_lengths))
}

fn greedy_search(tables: &[Table], max_lengths: &[usize], alpha: f32) -> Vec<Hypothesis> {
    greedy_of(&mut ToyDecoder::new(tables), max_lengths, options(1, 1, alpha))
}

fn greedy_of(decoder: &mut ToyDecoder, max_lengths: &[usize], options: SearchOptions) -> Vec<Hypothesis> {
    let special = special();
    let search = Search::new(&special, &options, None).expect("valid options");
    greedy(&search, decoder, &requests(max_lengths))
}

/// Every translation of up to `max_length` words with its score, best first.
fn all_translations(table: &Table, max_length: usize, alpha: f64) -> Vec<(Vec<u32>, f64)> {
    let score = |tokens: Vec<u32>| {
        let penalty = ((5.0 + tokens.len() as f64 + 1.0) / 6.0).powf(alpha);
        let score = f64::from(table.total(&tokens)) / penalty;
        (tokens, score)
    };
    let mut all: Vec<_> = all_words(max_length).into_iter().map(score).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// Beam search as the textbook has it, without dropping or stopping before the maximum length.
fn textbook_beam(table: &Table, max_length: usize, beam_size: usize, alpha: f64) -> Vec<(Vec<u32>, f64)> {
    let mut live: Vec<(Vec<u32>, f32)> = vec![(Vec::new(), 0.0)];
    let mut finished = Vec::new();
    for length in 0..=max_length {
        let mut extensions = Vec::new();
        for (tokens, log_probability) in &live {
            for token in [EOS].into_iter().chain(WORDS) {
                if length < max_length || token == EOS {
                    let total = log_probability + table.row(tokens)[token as usize];
                    extensions.push((tokens, token, total));
                }
            }
        }
        extensions.sort_by(|a, b| b.2.total_cmp(&a.2));
        extensions.truncate(beam_size);
        let mut next = Vec::new();
        for (tokens, token, total) in extensions {
            if token == EOS {
                let penalty = ((5.0 + length as f64 + 1.0) / 6.0).powf(alpha);
                finished.push((tokens.clone(), f64::from(total) / penalty));
            } else {
                next.push(([tokens.as_slice(), &[token]].concat(), total));
            }
        }
        live = next;
    }
    finished.sort_by(|a, b| b.1.total_cmp(&a.1));
    finished
}

fn assert_best(found: &[Hypothesis], expected: &[(Vec<u32>, f64)], table: &Table) {
    assert_eq!(found.len(), expected.len());
    for (hypothesis, (tokens, score)) in found.iter().zip(expected) {
        assert_eq!(&hypothesis.tokens, tokens);
        assert!((f64::from(hypothesis.score) - score).abs() < 1e-6);
        assert_eq!(hypothesis.log_probability, table.total(tokens));
    }
}

#[test]
fn a_wide_beam_finds_exactly_the_best_translations() {
    for seed in 0..20 {
        let table = Table::random(seed, 1.0);
        for alpha in [0.0, 0.6, 1.0, 2.0] {
            for (max_length, nbest) in [(6, 1), (6, 10), (4, 3), (1, 2)] {
                let found = beam_search(
                    std::slice::from_ref(&table),
                    &[max_length],
                    options(WIDE, nbest, alpha),
                );
                let mut expected = all_translations(&table, max_length, f64::from(alpha));
                expected.truncate(nbest);
                assert_best(&found[0], &expected, &table);
            }
        }
    }
}

#[test]
fn a_wide_beam_finds_the_best_translations_of_the_lengths_allowed() {
    for seed in 0..20 {
        // `</s>` is what such a model would say at once.
        let table = Table::random(seed, 5.0);
        for min_length in [1, 2, 4] {
            let options = SearchOptions {
                min_length,
                ..options(WIDE, 10, 0.6)
            };
            let mut expected = all_translations(&table, 4, 0.6);
            expected.retain(|(tokens, _)| tokens.len() >= min_length);
            let found = &beam_search(std::slice::from_ref(&table), &[4], options)[0];
            assert_best(found, &expected[..10], &table);

            let greedy_options = options.greedy();
            let tables = [table.clone()];
            let found = greedy_of(&mut ToyDecoder::new(&tables), &[4], greedy_options);
            assert!(found[0].tokens.len() >= min_length);
            assert_eq!(found, beam_search(&tables, &[4], greedy_options)[0]);
        }
    }
}

#[test]
fn a_wide_beam_lists_every_translation_once() {
    let table = Table::random(3, 1.0);
    let found = &beam_search(std::slice::from_ref(&table), &[3], options(WIDE, WIDE, 0.6))[0];
    assert_best(found, &all_translations(&table, 3, f64::from(0.6f32)), &table);
    assert_eq!(found.len(), 1 + 3 + 9 + 27);
}

#[test]
fn dropping_the_hopeless_changes_no_result() {
    for seed in 0..200 {
        // With a rare `</s>` translations grow long, and many finished ones compete.
        for ending in [0.01, 0.1, 1.0] {
            let table = Table::random(seed, ending);
            for (beam_size, nbest, alpha) in [(2, 1, 0.6), (3, 3, 2.0), (4, 2, 0.0), (5, 5, 1.0)] {
                let found = beam_search(
                    std::slice::from_ref(&table),
                    &[15],
                    options(beam_size, nbest, alpha),
                );
                let mut expected = textbook_beam(&table, 15, beam_size, f64::from(alpha));
                expected.truncate(nbest);
                assert_best(&found[0], &expected, &table);
            }
        }
    }
}

#[test]
fn greedy_takes_the_most_probable_token_of_each_step() {
    for seed in 0..50 {
        let table = Table::random(seed, 0.5);
        let found = &greedy_search(std::slice::from_ref(&table), &[10], 0.6)[0];
        for length in 0..=found.tokens.len().min(9) {
            let row = table.row(&found.tokens[..length]);
            let chosen = found.tokens.get(length).copied().unwrap_or(EOS);
            for other in [EOS].into_iter().chain(WORDS) {
                assert!(row[other as usize] <= row[chosen as usize]);
            }
        }
        assert_eq!(found.log_probability, table.total(&found.tokens));
    }
}

#[test]
fn a_beam_of_one_is_greedy_search() {
    let tables: Vec<Table> = (0..50).map(|seed| Table::random(seed, 0.3)).collect();
    let max_lengths: Vec<usize> = (0..50).map(|i| i % 13).collect();
    for alpha in [0.0, 0.6, 1.0] {
        let best = beam_search(&tables, &max_lengths, options(1, 1, alpha));
        assert_eq!(best.concat(), greedy_search(&tables, &max_lengths, alpha));
    }
}

#[test]
fn company_in_a_batch_changes_nothing() {
    let tables: Vec<Table> = (0..12).map(|seed| Table::random(seed, 0.4)).collect();
    let max_lengths: Vec<usize> = (0..12).map(|i| (i * 7) % 12).collect();
    let options = options(3, 2, 0.6);
    let together = beam_search(&tables, &max_lengths, options);
    let greedily = greedy_search(&tables, &max_lengths, 0.6);
    for i in 0..tables.len() {
        assert_eq!(
            together[i],
            beam_search(&tables[i..=i], &max_lengths[i..=i], options)[0]
        );
        assert_eq!(
            greedily[i],
            greedy_search(&tables[i..=i], &max_lengths[i..=i], 0.6)[0]
        );
    }
    let reversed_tables: Vec<Table> = tables.iter().rev().cloned().collect();
    let reversed_lengths: Vec<usize> = max_lengths.iter().rev().copied().collect();
    let mut reversed = beam_search(&reversed_tables, &reversed_lengths, options);
    reversed.reverse();
    assert_eq!(together, reversed);
    let mut reversed = greedy_search(&reversed_tables, &reversed_lengths, 0.6);
    reversed.reverse();
    assert_eq!(greedily, reversed);
}

#[test]
fn nbest_lists_are_full_sorted_distinct_and_short_enough() {
    let tables: Vec<Table> = (0..30).map(|seed| Table::random(seed, 0.2)).collect();
    let max_lengths: Vec<usize> = (0..30).map(|i| 3 + i % 9).collect();
    let found = beam_search(&tables, &max_lengths, options(5, 4, 0.6));
    for (hypotheses, max_length) in found.iter().zip(&max_lengths) {
        assert_eq!(hypotheses.len(), 4);
        assert!(hypotheses.is_sorted_by(|a, b| a.score >= b.score));
        let distinct: HashSet<_> = hypotheses.iter().map(|h| &h.tokens).collect();
        assert_eq!(distinct.len(), 4);
        for hypothesis in hypotheses {
            assert!(hypothesis.tokens.len() <= *max_length);
            assert!(hypothesis.tokens.iter().all(|token| WORDS.contains(token)));
        }
    }
}

#[test]
fn at_the_maximum_length_the_end_is_forced_and_paid_for() {
    // Two words are always more probable than the end.
    let table = Table::random(1, 1e-6);
    for max_length in [0, 1, 5] {
        let greedily = &greedy_search(std::slice::from_ref(&table), &[max_length], 0.6)[0];
        let beamed = &beam_search(std::slice::from_ref(&table), &[max_length], options(2, 1, 0.6))[0];
        for hypothesis in [greedily, &beamed[0]] {
            assert_eq!(hypothesis.tokens.len(), max_length);
            assert_eq!(hypothesis.log_probability, table.total(&hypothesis.tokens));
        }
    }
}

#[test]
fn a_shortlist_is_all_that_a_search_needs() {
    let tables: Vec<Table> = (0..30).map(|seed| Table::random(seed, 0.3)).collect();
    let max_lengths: Vec<usize> = (0..30).map(|i| i % 9).collect();
    let (special, requests) = (special(), requests(&max_lengths));
    for (beam_size, stopping, min_length) in [
        (1, Stopping::Exact, 0),
        (1, Stopping::CTranslate2, 2),
        (2, Stopping::Exact, 3),
        (2, Stopping::CTranslate2, 0),
        (3, Stopping::CTranslate2, 4),
        (3, Stopping::Transformers, 0),
        (2, Stopping::TransformersEarly, 2),
    ] {
        let options = SearchOptions {
            stopping,
            min_length,
            ..options(beam_size, 1, 0.6)
        };
        let search = Search::new(&special, &options, None).expect("valid options");
        let shortlist = search
            .shortlist(&requests)
            .expect("nothing depends on the tokens");
        assert_eq!(
            shortlist.best,
            if stopping == Stopping::Exact {
                beam_size
            } else {
                2 * beam_size
            }
        );
        let found = [None, Some(shortlist)].map(|shortlist| {
            let mut decoder = ToyDecoder::new(&tables);
            decoder.shortlist = shortlist;
            search.run(&mut decoder, &requests).expect("translations")
        });
        assert_eq!(found[0], found[1], "{options:?}");
    }
}

#[test]
fn what_depends_on_the_tokens_before_needs_all_logits() {
    let special = special();
    let plain = options(2, 1, 0.6);
    let has_shortlist = |options: &SearchOptions, prefix: Vec<u32>| {
        let search = Search::new(&special, options, None).expect("valid options");
        let mut requests = requests(&[5, 5]);
        requests[1].prefix = prefix;
        search.shortlist(&requests).is_some()
    };
    assert!(has_shortlist(&plain, Vec::new()));
    assert!(!has_shortlist(&plain, vec![WORDS[0]]));
    let (mut repetition, mut ngrams, mut sampled) = (plain, plain, plain);
    repetition.repetition_penalty = 1.5;
    ngrams.no_repeat_ngram = 2;
    sampled.sampling = Some(Sampling::default());
    for options in [repetition, ngrams, sampled] {
        assert!(!has_shortlist(&options, Vec::new()), "{options:?}");
    }
}

#[test]
fn finished_sentences_leave_the_batch() {
    let table = Table::random(1, 1e-6);
    let tables = [table.clone(), table.clone(), table];
    let max_lengths = [1, 5, 3];

    let mut decoder = ToyDecoder::new(&tables);
    greedy_of(&mut decoder, &max_lengths, options(1, 1, 0.6));
    assert_eq!(decoder.rows_stepped, [3, 3, 2, 2, 1, 1]);
    assert_eq!(decoder.n_selects, 2);

    let mut decoder = ToyDecoder::new(&tables);
    beam_of(&mut decoder, &max_lengths, options(2, 1, 0.6));
    assert_eq!(decoder.rows_stepped, [3, 6, 4, 4, 2, 2]);
}

#[test]
fn a_search_ends_as_soon_as_nothing_can_win() {
    // `</s>` comes at once with a probability near 1.
    let tables = [Table::random(2, 1e6)];
    let mut decoder = ToyDecoder::new(&tables);
    let found = beam_of(&mut decoder, &[MAX_STEPS - 1], options(4, 1, 0.6));
    assert_eq!(found[0][0].tokens, Vec::<u32>::new());
    assert_eq!(decoder.rows_stepped, [1]);
}

#[test]
fn a_hypothesis_lives_exactly_as_long_as_it_can_win() {
    // `</s>` at -1 scores -1 at once. A word at -1.2 may reach -1.2 * 6 / 7 with one word, -1.2 * 6 / 8 with two.
    let mut table = Table(vec![-1.2; Table::SIZE]);
    table
        .0
        .iter_mut()
        .skip(EOS as usize)
        .step_by(VOCAB_SIZE)
        .for_each(|value| *value = -1.0);
    for (max_length, rows_stepped) in [(1, &[1][..]), (2, &[1, 3])] {
        let mut decoder = ToyDecoder::new(std::slice::from_ref(&table));
        beam_of(&mut decoder, &[max_length], options(4, 1, 1.0));
        assert_eq!(decoder.rows_stepped, rows_stepped);
    }
    // Who can only draw level does not win.
    let mut decoder = ToyDecoder::new(&[Table(vec![-1.0; Table::SIZE])]);
    beam_of(&mut decoder, &[5], options(4, 1, 0.0));
    assert_eq!(decoder.rows_stepped, [1]);
}

#[test]
fn no_sentences_need_no_step() {
    let mut decoder = ToyDecoder::new(&[]);
    assert!(greedy_of(&mut decoder, &[], options(1, 1, 0.6)).is_empty());
    assert!(beam_of(&mut decoder, &[], SearchOptions::default()).is_empty());
    assert!(decoder.rows_stepped.is_empty());
}

#[test]
fn equally_probable_tokens_are_taken_by_their_ids() {
    let table = Table(vec![-1.0; Table::SIZE]);
    let tables = [table.clone(), table];
    for found in beam_search(&tables, &[3, 3], options(4, 4, 0.0)) {
        let tokens: Vec<&[u32]> = found.iter().map(|h| h.tokens.as_slice()).collect();
        assert_eq!(tokens, [&[] as &[u32], &[3], &[3, 3], &[3, 3, 3]][..]);
    }
    let greedily = greedy_search(&tables[..1], &[3], 0.0);
    assert!(greedily[0].tokens.is_empty());
}

#[test]
fn a_nan_counts_as_impossible() {
    for seed in 0..20 {
        let mut with_nan = Table::random(seed, 0.5);
        for value in with_nan.0.iter_mut().skip(4).step_by(VOCAB_SIZE) {
            *value = f32::NAN;
        }
        let impossible = Table(with_nan.0.iter().map(|v| v.max(f32::NEG_INFINITY)).collect());
        let (with_nan, impossible) = ([with_nan], [impossible]);
        let found = beam_search(&with_nan, &[6], options(2, 2, 0.6));
        assert_eq!(found, beam_search(&impossible, &[6], options(2, 2, 0.6)));
        assert!(found[0].iter().all(|h| !h.tokens.contains(&4)));
        assert_eq!(
            greedy_search(&with_nan, &[6], 0.6),
            greedy_search(&impossible, &[6], 0.6)
        );
    }
}

#[test]
fn where_nothing_may_follow_the_end_does() {
    // Nothing but NaN, and nothing but tokens that are never chosen.
    let nan = Table(vec![f32::NAN; Table::SIZE]);
    let mut special_only = Table::random(1, 1.0);
    for word in WORDS {
        let values = special_only.0.iter_mut().skip(word as usize);
        values
            .step_by(VOCAB_SIZE)
            .for_each(|value| *value = f32::NEG_INFINITY);
    }
    for table in [nan, special_only] {
        let tables = [table];
        for min_length in [0, 2] {
            let options = SearchOptions {
                min_length,
                ..options(4, 2, 0.6)
            };
            let found = beam_search(&tables, &[5], options);
            assert_eq!(found[0].len(), 1);
            assert!(found[0][0].tokens.is_empty());
            let log_probability = found[0][0].log_probability;
            assert_eq!(log_probability, tables[0].total(&[]).max(f32::NEG_INFINITY));
            assert_eq!(
                found[0],
                greedy_of(&mut ToyDecoder::new(&tables), &[5], options.greedy())
            );
        }
    }
}

#[test]
fn a_vocabulary_may_be_smaller_than_the_beam() {
    let table = Table::random(5, 1.0);
    let found = beam_search(std::slice::from_ref(&table), &[1], options(50, 50, 0.6));
    assert_eq!(found[0].len(), 4);
}

#[test]
fn logits_count_less_their_total() {
    let tables = [Table::random(1, 0.3), Table::random(2, 0.3)];
    let expected = beam_search(&tables, &[8, 8], options(3, 3, 0.6));
    let mut decoder = ToyDecoder::new(&tables);
    decoder.total = 7.0;
    let found = beam_of(&mut decoder, &[8, 8], options(3, 3, 0.6));
    for (found, expected) in found.concat().iter().zip(expected.concat()) {
        assert_eq!(found.tokens, expected.tokens);
        assert!((found.log_probability - expected.log_probability).abs() < 1e-4);
    }
}

#[test]
fn a_wide_beam_finds_the_best_by_mean_log_probability() {
    for seed in 0..20 {
        let table = Table::random(seed, 1.0);
        for alpha in [0.0f32, 0.5, 1.0, 1.5] {
            let options = SearchOptions {
                length_normalization: LengthNormalization::Length,
                ..options(WIDE, 8, alpha)
            };
            let mut expected: Vec<(Vec<u32>, f64)> = all_words(5)
                .into_iter()
                .map(|tokens| {
                    let total = f64::from(table.total(&tokens));
                    let score = total / (tokens.len() as f64 + 1.0).powf(f64::from(alpha));
                    (tokens, score)
                })
                .collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            let found = beam_search(std::slice::from_ref(&table), &[5], options);
            assert_best(&found[0], &expected[..8], &table);
        }
    }
}

#[test]
fn the_length_divisor_is_that_of_the_paper() {
    assert_eq!(length_divisor(1, 0.6), 1.0);
    assert_eq!(length_divisor(7, 1.0), 2.0);
    assert_eq!(length_divisor(19, 0.5), 2.0);
    assert_eq!(length_divisor(50, 0.0), 1.0);
}
