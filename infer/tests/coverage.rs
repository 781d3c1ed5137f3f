//! The coverage penalty: against every translation of a toy language, and against the alignments of a model.

use attend_infer::TranslateOptions;
use attend_infer::search::{Request, Sampling, Search, SearchError, SearchOptions, Stopping, beam};

use crate::common::{SENTENCES, each, model_folder_of_words, translator};
use crate::toy::{Table, ToyDecoder, WIDE, all_words, requests, special};

const SOURCE_LENGTH: usize = 3;

fn options(coverage_penalty: f32, stopping: Stopping) -> SearchOptions {
    SearchOptions {
        beam_size: WIDE,
        nbest: 5,
        coverage_penalty,
        stopping,
        ..SearchOptions::default()
    }
}

/// Each word looks mostly at one of three source tokens; behind them is padding.
fn attention(words: &[u32]) -> Vec<f32> {
    match words.last() {
        None => vec![0.2, 0.2, 0.6, 0.0],
        Some(3) => vec![0.9, 0.05, 0.05, 0.0],
        Some(4) => vec![0.1, 0.8, 0.1, 0.0],
        Some(_) => vec![0.5, 0.5, 0.0, 0.0],
    }
}

/// cp(X; Y) of Wu et al. (2016), equation 14: the end looks, too.
fn coverage(words: &[u32]) -> f64 {
    let sum = |source: usize| -> f64 {
        let steps = (0..=words.len()).map(|length| attention(&words[..length])[source]);
        steps.map(f64::from).sum()
    };
    (0..SOURCE_LENGTH).map(|source| sum(source).min(1.0).ln()).sum()
}

fn found(tables: &[Table], options: &SearchOptions) -> Vec<Vec<(Vec<u32>, f32)>> {
    let requests: Vec<Request> = requests(&vec![4; tables.len()])
        .into_iter()
        .map(|request| Request {
            source_length: SOURCE_LENGTH,
            ..request
        })
        .collect();
    let mut decoder = ToyDecoder::new(tables);
    decoder.attention = attention;
    let special = special();
    let search = Search::new(&special, options, None).unwrap();
    let found = beam(&search, &mut decoder, &requests).into_iter();
    found
        .map(|best| best.into_iter().map(|best| (best.tokens, best.score)).collect())
        .collect()
}

#[test]
fn a_wide_beam_finds_exactly_the_best_of_all_translations() {
    let mut orders = 0;
    for seed in 0..20 {
        let table = Table::random(seed, 1.0);
        let best_of = |beta: f64| {
            let score = |words: Vec<u32>| {
                let penalty = ((5.0 + words.len() as f64 + 1.0) / 6.0).powf(0.6);
                let score = f64::from(table.total(&words)) / penalty + beta * coverage(&words);
                (words, score)
            };
            let mut all: Vec<(Vec<u32>, f64)> = all_words(4).into_iter().map(score).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            all.truncate(5);
            all
        };
        for beta in [0.2, 1.5] {
            let expected = best_of(beta);
            let found = found(
                std::slice::from_ref(&table),
                &options(beta as f32, Stopping::Exact),
            );
            assert_eq!(found[0].len(), expected.len());
            for ((tokens, score), (expected_tokens, expected)) in found[0].iter().zip(&expected) {
                assert_eq!(tokens, expected_tokens);
                assert!(
                    (f64::from(*score) - expected).abs() < 1e-5,
                    "{score}, not {expected}"
                );
            }
            orders += usize::from(expected[0].0 != best_of(0.0)[0].0);
        }
    }
    assert!(orders > 5, "the penalty changes what is best: {orders} times");
}

#[test]
fn company_in_a_batch_changes_nothing() {
    let tables: Vec<Table> = (0..6).map(|seed| Table::random(seed, 2.0)).collect();
    for stopping in [Stopping::Exact, Stopping::CTranslate2, Stopping::Transformers] {
        let options = SearchOptions {
            beam_size: 3,
            nbest: 2,
            ..options(0.7, stopping)
        };
        let alone: Vec<_> = tables
            .iter()
            .flat_map(|table| found(std::slice::from_ref(table), &options))
            .collect();
        assert_eq!(found(&tables, &options), alone);
    }
}

/// What the search sums up step by step is in the alignment of the whole.
#[test]
fn scores_are_lowered_by_what_alignments_lack() {
    let options = SearchOptions {
        beam_size: 3,
        nbest: 3,
        max_length: Some(6),
        ..SearchOptions::default()
    };
    let penalised = TranslateOptions {
        search: SearchOptions {
            coverage_penalty: 0.3,
            ..options
        },
        alignment: true,
        ..TranslateOptions::default()
    };
    let translator = translator(model_folder_of_words(SENTENCES));
    let mut lowered = 0;
    for best_first in each(translator.translate(&SENTENCES, &penalised)) {
        for translation in best_first {
            let attention = translation.alignment.unwrap().attention;
            let sum = |source: usize| attention.iter().map(|row| f64::from(row[source])).sum::<f64>();
            let coverage: f64 = (0..attention[0].len())
                .map(|source| sum(source).min(1.0).ln())
                .sum();
            let alone = options.score(translation.log_probability, translation.tokens.len(), true);
            let expected = f64::from(alone) + 0.3 * coverage;
            assert!(
                (f64::from(translation.score) - expected).abs() < 1e-4,
                "{} not {expected}",
                translation.score
            );
            lowered += usize::from(coverage < -0.1);
        }
    }
    assert!(lowered > 0, "some source is not wholly looked at");
}

#[test]
fn a_penalty_needs_a_ranking() {
    let refused = |options: SearchOptions| {
        assert_eq!(options.validate(), Err(SearchError::Coverage));
        assert_eq!(options.greedy().validate(), Ok(()));
    };
    let wide = options(0.2, Stopping::Exact);
    assert_eq!(wide.validate(), Ok(()));
    refused(SearchOptions {
        beam_size: 1,
        nbest: 1,
        ..wide
    });
    refused(SearchOptions {
        sampling: Some(Sampling::default()),
        ..wide
    });
    for coverage_penalty in [-0.1, f32::NAN, f32::INFINITY] {
        let options = SearchOptions {
            coverage_penalty,
            ..wide
        };
        assert_eq!(options.validate().unwrap_err().field(), "coverage_penalty");
    }
}
