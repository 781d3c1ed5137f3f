//! Mixing corpora by weight.

use attend_data::batch::Example;
use attend_data::clean::Cleaning;
use attend_data::corpus::SentencePair;
use attend_data::error::DataError;
use attend_data::filter::Filter;
use attend_data::mixture::{Mixture, WeightedCorpus, epoch_numbers};
use attend_data::parallel_text::ParallelText;
use attend_data::shard::{self, Examples};
use attend_data::tokenizer::Tokenizer;
use tempfile::TempDir;

fn numbers(sizes: &[usize], weights: &[f64], seed: u64, epoch: u64) -> Vec<u32> {
    epoch_numbers(sizes, weights, seed, epoch).collect()
}

#[test]
fn whole_weights_repeat_every_example() {
    assert_eq!(numbers(&[4], &[1.0], 1, 0), [0, 1, 2, 3]);
    assert_eq!(numbers(&[2, 3], &[2.0, 1.0], 1, 0), [0, 0, 1, 1, 2, 3, 4]);
    assert_eq!(numbers(&[0, 2, 0], &[1.0, 3.0, 0.5], 1, 0), [0, 0, 0, 1, 1, 1]);
}

#[test]
fn fractions_draw_a_part_anew_each_epoch() {
    let draw = |seed, epoch| numbers(&[10, 101], &[1.0, 0.5], seed, epoch);
    let drawn = draw(1, 0);
    assert!(
        drawn.is_sorted_by(|a, b| a < b),
        "no example comes twice: {drawn:?}"
    );
    assert_eq!(drawn[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(drawn.len(), 10 + 51);
    assert_eq!(drawn, draw(1, 0));
    assert_ne!(drawn, draw(1, 1));
    assert_ne!(drawn, draw(2, 0));
    // Corpora of the same size do not draw alike.
    let both = numbers(&[100, 100], &[0.5, 0.5], 1, 0);
    let second: Vec<u32> = both[50..].iter().map(|number| number - 100).collect();
    assert_ne!(both[..50], second);

    let more = numbers(&[100], &[2.25], 1, 0);
    let times = |number| more.iter().filter(|other| **other == number).count();
    assert_eq!((0..100).filter(|number| times(*number) == 3).count(), 25);
    assert_eq!((0..100).filter(|number| times(*number) == 2).count(), 75);
}

/// In 1,000 epochs, each example is drawn 300 times on average, with a standard deviation of √(1000 × 0.3 × 0.7) =
/// 14.5.
#[test]
fn every_example_has_the_same_chance() {
    let mut times = [0_u32; 50];
    for epoch in 0..1_000 {
        for number in epoch_numbers(&[50], &[0.3], 7, epoch) {
            times[number as usize] += 1;
        }
    }
    assert_eq!(times.iter().sum::<u32>(), 15_000);
    assert!(
        times.iter().all(|count| count.abs_diff(300) < 5 * 15),
        "{times:?}"
    );
}

/// Three small prepared corpora, and their examples encoded directly.
fn corpora(folder: &TempDir) -> (Vec<Examples>, Vec<Example>) {
    let pairs = |text: &str| -> Vec<SentencePair> {
        let words: Vec<&str> = text.split(' ').collect();
        let pair = |count| SentencePair {
            source: words[..count].join(" "),
            target: words[words.len() - count..].join(" "),
        };
        (1..=words.len()).map(pair).collect()
    };
    let texts = [pairs("one two three four"), pairs("a b"), pairs("der die das")];
    let tokenizer = Tokenizer::train_bpe(["one two"].into_iter(), 300).unwrap();
    let filter = Filter {
        max_length: 100,
        max_ratio: None,
    };
    // The last pair of each is the same text twice.
    let cleaning = Cleaning {
        copies: false,
        ..Cleaning::default()
    };
    let direct = tokenizer.encode_pairs(&texts.concat());
    let prepare = |pairs| {
        let text = ParallelText::Pairs(pairs);
        shard::prepare(folder.path(), &text, &cleaning, &tokenizer, &filter, |_| ()).unwrap()
    };
    (texts.map(prepare).into(), direct)
}

fn mix(corpora: Vec<Examples>, weights: [f64; 3]) -> Result<Mixture, DataError> {
    let names = ["numbers", "letters", "articles"].map(str::to_owned);
    let corpora = names.into_iter().zip(corpora).zip(weights);
    let corpora = corpora.map(|((name, examples), weight)| WeightedCorpus {
        name,
        examples,
        weight,
    });
    Mixture::new(corpora.collect())
}

#[test]
fn examples_are_numbered_through_and_planned_by_weight() {
    let folder = TempDir::new().unwrap();
    let (corpora, direct) = corpora(&folder);
    let mixture = mix(corpora, [1.0, 2.0, 1.0]).unwrap();
    assert_eq!((mixture.len(), mixture.is_empty()), (9, false));
    for (number, example) in (0..).zip(&direct) {
        assert_eq!(mixture.get(number), *example);
    }
    for epoch in 0..3 {
        let plan = mixture.plan(30, 1, epoch);
        let mut planned: Vec<u32> = plan.iter().flatten().copied().collect();
        planned.sort_unstable();
        assert_eq!(planned, [0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8]);
        for batch in plan.iter() {
            let longest = batch
                .iter()
                .map(|number| direct[*number as usize].longest_side())
                .max();
            assert!(
                batch.len() == 1 || batch.len() * longest.unwrap() <= 30,
                "{batch:?}"
            );
        }
    }
}

#[test]
fn impossible_weights_are_refused() {
    let folder = TempDir::new().unwrap();
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let (corpora, _) = corpora(&folder);
        let error = mix(corpora, [weight; 3]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("the weight {weight} is no number above 0")),
            "{error}"
        );
    }
    let (corpora, _) = corpora(&folder);
    let error = mix(corpora, [1e9; 3]).unwrap_err();
    assert!(error.to_string().contains("9000000000 pairs"), "{error}");
}

#[test]
fn a_corpus_that_no_epoch_would_draw_from_is_refused() {
    let folder = TempDir::new().unwrap();
    // Of 4, 2 and 3 examples: half an example is rounded up.
    let (examples, _) = corpora(&folder);
    let smallest = mix(examples, [0.125, 0.25, 1.0]).unwrap();
    let planned: usize = smallest.plan(30, 1, 0).iter().map(<[u32]>::len).sum();
    assert_eq!(planned, 1 + 1 + 3);
    let (examples, _) = corpora(&folder);
    let error = mix(examples, [1.0, 0.24, 1.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an epoch would take none of the 2 pairs of the corpus letters: its weight 0.24 is too small"
    );
}
