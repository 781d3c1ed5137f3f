//! Mixing corpora by weight.

use std::sync::Arc;

use attend_data::{
    Batches, Cleaning, DataError, Example, Examples, Filter, Mixture, PairTokenizer, ParallelText, Position,
    SentencePair, Tokenizer,
};
use tempfile::TempDir;

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
    let texts = [
        ("numbers", pairs("one two three four")),
        ("letters", pairs("a b")),
        ("articles", pairs("der die das")),
    ];
    let tokenizer = Tokenizer::train_bpe(["one two"].into_iter(), 300).unwrap();
    let tokenizer = PairTokenizer::from(tokenizer);
    let filter = Filter {
        max_length: 100,
        max_ratio: None,
    };
    // The last pair of each is the same text twice.
    let cleaning = Cleaning {
        copies: false,
        ..Cleaning::default()
    };
    let direct = tokenizer.encode_pairs(&texts.clone().map(|(_, pairs)| pairs).concat());
    let prepare = |(name, pairs): (&str, Vec<SentencePair>)| {
        let text = ParallelText::Memory {
            name: name.to_owned(),
            pairs,
        };
        Examples::prepare(folder.path(), &text, &cleaning, &tokenizer, &filter, |_| ()).unwrap()
    };
    (texts.map(prepare).into(), direct)
}

fn mix(corpora: Vec<Examples>, weights: [f64; 3]) -> Result<Mixture, DataError> {
    Mixture::new(corpora.into_iter().zip(weights))
}

/// The batches of an epoch, of at most 30 tokens a side.
fn plan(mixture: &Arc<Mixture>, epoch: u64) -> Vec<Vec<u32>> {
    let position = Position { epoch, batch: 0 };
    let batches = Batches::starting_at(Arc::clone(mixture), 30, 1, position);
    batches.plan().iter().map(<[u32]>::to_vec).collect()
}

#[test]
fn examples_are_numbered_through_and_planned_by_weight() {
    let folder = TempDir::new().unwrap();
    let (corpora, direct) = corpora(&folder);
    let mixture = Arc::new(mix(corpora, [1.0, 2.0, 1.0]).unwrap());
    assert_eq!((mixture.len(), mixture.is_empty()), (9, false));
    for (number, example) in (0..).zip(&direct) {
        assert_eq!(mixture.get(number), *example);
    }
    for epoch in 0..3 {
        let plan = plan(&mixture, epoch);
        let mut planned: Vec<u32> = plan.iter().flatten().copied().collect();
        planned.sort_unstable();
        assert_eq!(planned, [0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8]);
        for batch in &plan {
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
    let smallest = Arc::new(mix(examples, [0.125, 0.25, 1.0]).unwrap());
    let planned: usize = plan(&smallest, 0).iter().map(Vec::len).sum();
    assert_eq!(planned, 1 + 1 + 3);
    let (examples, _) = corpora(&folder);
    let error = mix(examples, [1.0, 0.24, 1.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an epoch would take none of the 2 pairs of the corpus letters: its weight 0.24 is too small"
    );
}
