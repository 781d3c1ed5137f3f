//! Greedy and beam search on a toy decoder, against every translation that it can produce.

use std::collections::HashSet;

use attend_infer::search::{
    Hypothesis, SearchError, SearchOptions, SpecialTokens, StepDecoder, beam, greedy, length_penalty,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const BOS: u32 = 0;
const PAD: u32 = 1;
const EOS: u32 = 2;
const VOCAB_SIZE: usize = 6;
/// The most steps of any search here.
const MAX_STEPS: usize = 16;
/// The tokens that translations are made of.
const WORDS: [u32; 3] = [3, 4, 5];
/// Enough for all hypotheses of up to six words.
const WIDE: usize = 3 * 3 * 3 * 3 * 3 * 3 * 3;

fn special() -> SpecialTokens {
    SpecialTokens {
        bos: BOS,
        eos: EOS,
        forbidden: vec![PAD, BOS],
    }
}

fn options(beam_size: usize, nbest: usize, length_penalty: f32) -> SearchOptions {
    SearchOptions {
        beam_size,
        nbest,
        length_penalty,
        ..SearchOptions::default()
    }
}

/// A language: the log-probabilities of a token at each position after each pair of tokens.
#[derive(Clone)]
struct Table(Vec<f32>);

impl Table {
    const SIZE: usize = MAX_STEPS * VOCAB_SIZE * VOCAB_SIZE * VOCAB_SIZE;

    /// Random probabilities; `<s>` and padding get their share, so that forbidding them matters. `</s>` is `ending`
    /// times as probable as it would be.
    fn random(seed: u64, ending: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || f64::from(random.next_u32()) / 2f64.powi(32);
        let mut table = Vec::new();
        while table.len() < Self::SIZE {
            let mut weights: Vec<f64> = (0..VOCAB_SIZE).map(|_| uniform().powi(2) + 0.01).collect();
            weights[EOS as usize] *= ending;
            let total: f64 = weights.iter().sum();
            table.extend(weights.iter().map(|weight| (weight / total).ln() as f32));
        }
        Self(table)
    }

    /// The log-probabilities of what follows `<s>` and `words`.
    fn row(&self, words: &[u32]) -> &[f32] {
        let mut back = words.iter().rev().chain([&BOS, &BOS]);
        let (last, before) = (*back.next().unwrap(), *back.next().unwrap());
        let index = (words.len() * VOCAB_SIZE + before as usize) * VOCAB_SIZE + last as usize;
        &self.0[index * VOCAB_SIZE..(index + 1) * VOCAB_SIZE]
    }

    /// The log-probability of a whole translation, summed from its start as a search does.
    fn total(&self, words: &[u32]) -> f32 {
        let mut total = 0.0;
        for (length, &word) in words.iter().enumerate() {
            total += self.row(&words[..length])[word as usize];
        }
        total + self.row(words)[EOS as usize]
    }
}

/// Decodes each sentence by its own table. A row remembers its own words, so a wrong `select` shows.
struct ToyDecoder {
    rows: Vec<(Table, Vec<u32>)>,
    /// How many rows each step had.
    rows_stepped: Vec<usize>,
    n_selects: usize,
}

impl ToyDecoder {
    fn new(tables: &[Table]) -> Self {
        Self {
            rows: tables.iter().map(|t| (t.clone(), Vec::new())).collect(),
            rows_stepped: Vec::new(),
            n_selects: 0,
        }
    }
}

impl StepDecoder for ToyDecoder {
    fn vocab_size(&self) -> usize {
        VOCAB_SIZE
    }

    fn step(&mut self, tokens: &[u32]) -> Vec<f32> {
        assert_eq!(tokens.len(), self.rows.len(), "one token for each row");
        let mut log_probabilities = Vec::new();
        for ((table, words), &token) in self.rows.iter_mut().zip(tokens) {
            if self.rows_stepped.is_empty() {
                assert_eq!(token, BOS);
            } else {
                words.push(token);
            }
            log_probabilities.extend(table.row(words));
        }
        self.rows_stepped.push(tokens.len());
        log_probabilities
    }

    fn select(&mut self, rows: &[usize]) {
        assert!(!rows.is_empty(), "no step follows");
        assert!(
            !rows.iter().copied().eq(0..self.rows.len()),
            "a select that changes nothing"
        );
        self.n_selects += 1;
        self.rows = rows.iter().map(|&row| self.rows[row].clone()).collect();
    }
}

fn beam_search(tables: &[Table], max_lengths: &[usize], options: SearchOptions) -> Vec<Vec<Hypothesis>> {
    beam(&mut ToyDecoder::new(tables), &special(), max_lengths, &options).expect("valid options")
}

fn greedy_search(tables: &[Table], max_lengths: &[usize], alpha: f32) -> Vec<Hypothesis> {
    greedy(
        &mut ToyDecoder::new(tables),
        &special(),
        max_lengths,
        &options(1, 1, alpha),
    )
}

/// Every translation of up to `max_length` words with its score, best first.
fn all_translations(table: &Table, max_length: usize, alpha: f64) -> Vec<(Vec<u32>, f64)> {
    let mut of_length = vec![Vec::new()];
    let mut all = Vec::new();
    for length in 0..=max_length {
        for tokens in &of_length {
            let penalty = ((5.0 + length as f64 + 1.0) / 6.0).powf(alpha);
            all.push((tokens.clone(), f64::from(table.total(tokens)) / penalty));
        }
        of_length = of_length
            .iter()
            .flat_map(|tokens| WORDS.map(|word| [tokens.as_slice(), &[word]].concat()))
            .collect();
    }
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

            let greedy_options = SearchOptions {
                beam_size: 1,
                nbest: 1,
                ..options
            };
            let tables = [table.clone()];
            let found = greedy(&mut ToyDecoder::new(&tables), &special(), &[4], &greedy_options);
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
fn finished_sentences_leave_the_batch() {
    let table = Table::random(1, 1e-6);
    let tables = [table.clone(), table.clone(), table];
    let max_lengths = [1, 5, 3];

    let mut decoder = ToyDecoder::new(&tables);
    greedy(&mut decoder, &special(), &max_lengths, &options(1, 1, 0.6));
    assert_eq!(decoder.rows_stepped, [3, 3, 2, 2, 1, 1]);
    assert_eq!(decoder.n_selects, 2);

    let mut decoder = ToyDecoder::new(&tables);
    beam(&mut decoder, &special(), &max_lengths, &options(2, 1, 0.6)).unwrap();
    assert_eq!(decoder.rows_stepped, [3, 6, 4, 4, 2, 2]);
}

#[test]
fn a_search_ends_as_soon_as_nothing_can_win() {
    // `</s>` comes at once with a probability near 1.
    let tables = [Table::random(2, 1e6)];
    let mut decoder = ToyDecoder::new(&tables);
    let found = beam(&mut decoder, &special(), &[MAX_STEPS - 1], &options(4, 1, 0.6)).unwrap();
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
        beam(&mut decoder, &special(), &[max_length], &options(4, 1, 1.0)).unwrap();
        assert_eq!(decoder.rows_stepped, rows_stepped);
    }
    // Who can only draw level does not win.
    let mut decoder = ToyDecoder::new(&[Table(vec![-1.0; Table::SIZE])]);
    beam(&mut decoder, &special(), &[5], &options(4, 1, 0.0)).unwrap();
    assert_eq!(decoder.rows_stepped, [1]);
}

#[test]
fn no_sentences_need_no_step() {
    let mut decoder = ToyDecoder::new(&[]);
    assert!(greedy(&mut decoder, &special(), &[], &options(1, 1, 0.6)).is_empty());
    assert!(
        beam(&mut decoder, &special(), &[], &SearchOptions::default())
            .unwrap()
            .is_empty()
    );
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
fn nothing_but_nan_still_ends() {
    let tables = [Table(vec![f32::NAN; Table::SIZE])];
    let found = beam_search(&tables, &[5], options(4, 2, 0.6));
    assert_eq!(found[0].len(), 2);
    assert!(found[0].iter().all(|h| h.log_probability == f32::NEG_INFINITY));
    let best = beam_search(&tables, &[5], options(1, 1, 0.6));
    assert_eq!(best[0], greedy_search(&tables, &[5], 0.6));
}

#[test]
fn the_length_penalty_is_that_of_the_paper() {
    assert_eq!(length_penalty(1, 0.6), 1.0);
    assert_eq!(length_penalty(7, 1.0), 2.0);
    assert_eq!(length_penalty(19, 0.5), 2.0);
    assert_eq!(length_penalty(50, 0.0), 1.0);
}

#[test]
fn options_that_describe_no_search_are_refused() {
    assert_eq!(options(0, 1, 0.6).validate(), Err(SearchError::BeamSize));
    let nbest = |nbest, beam_size| Err(SearchError::Nbest { nbest, beam_size });
    assert_eq!(options(4, 0, 0.6).validate(), nbest(0, 4));
    assert_eq!(options(4, 5, 0.6).validate(), nbest(5, 4));
    for alpha in [-0.1, f32::NAN, f32::INFINITY] {
        let error = options(4, 1, alpha).validate().unwrap_err();
        assert!(matches!(error, SearchError::LengthPenalty { .. }));
    }
    assert_eq!(options(4, 4, 0.0).validate(), Ok(()));
    let lengths = |min_length, max_length| SearchOptions {
        min_length,
        max_length: Some(max_length),
        ..SearchOptions::default()
    };
    assert_eq!(lengths(3, 3).validate(), Ok(()));
    let error = lengths(4, 3).validate().unwrap_err();
    assert!(matches!(error, SearchError::Lengths { .. }));
    let mut decoder = ToyDecoder::new(&[]);
    assert!(beam(&mut decoder, &special(), &[], &options(0, 1, 0.6)).is_err());
}

#[test]
fn options_are_read_with_defaults_and_without_strangers() {
    let read = serde_json::from_str::<SearchOptions>;
    assert_eq!(read("{}").unwrap(), SearchOptions::default());
    assert_eq!(read(r#"{"beam_size": 8}"#).unwrap(), options(8, 1, 0.6));
    let error = read(r#"{"beamsize": 8}"#).unwrap_err().to_string();
    assert!(
        error.contains("beamsize") && error.contains("beam_size"),
        "{error}"
    );
    let written = serde_json::to_string(&options(5, 2, 1.0)).unwrap();
    assert_eq!(read(&written).unwrap(), options(5, 2, 1.0));
}
