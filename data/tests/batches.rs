//! The order of a run's batches, and BPE-dropout in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use attend_data::{
    Batches, BpeDropout, Cleaning, Example, Examples, Filter, Mixture, ParallelText, Position, SentencePair,
    Tokenizer,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

/// Different sentences such as "copy a b c" and "reverse a b c", with what they ask for as translations.
fn pairs(count: usize) -> Vec<SentencePair> {
    let mut random = ChaCha8Rng::seed_from_u64(12_345);
    let mut draw = |below: u32| random.next_u32() % below;
    let mut sources = HashSet::new();
    let mut pairs = Vec::new();
    while pairs.len() < count {
        let length = 1 + draw(8);
        let mut letters: Vec<String> = (0..length)
            .map(|_| char::from(b'a' + draw(12) as u8).to_string())
            .collect();
        let command = ["copy", "reverse"][draw(2) as usize];
        let source = format!("{command} {}", letters.join(" "));
        if command == "reverse" {
            letters.reverse();
        }
        let target = letters.join(" ");
        if sources.insert(source.clone()) {
            pairs.push(SentencePair { source, target });
        }
    }
    pairs
}

/// Knows the words of [`pairs`], so that it has merges to leave out.
fn tokenizer() -> Tokenizer {
    let pairs = pairs(200);
    let lines = pairs.iter().flat_map(|pair| [&pair.source, &pair.target]);
    Tokenizer::train_bpe(lines, 300).unwrap()
}

/// 200 examples with these weights, in two corpora.
fn mixture(weights: [f64; 2]) -> Arc<Mixture> {
    let folder = TempDir::new().unwrap();
    let pairs = pairs(200);
    let tokenizer = tokenizer();
    let filter = Filter {
        max_length: 100,
        max_ratio: None,
    };
    let prepare = |pairs: &[SentencePair]| {
        let text = ParallelText::Memory {
            name: "letters".to_owned(),
            pairs: pairs.to_vec(),
        };
        Examples::prepare(
            folder.path(),
            &text,
            &Cleaning::default(),
            &tokenizer.clone().into(),
            &filter,
            |_| (),
        )
        .unwrap()
    };
    let corpora = [prepare(&pairs[..120]), prepare(&pairs[120..])];
    Arc::new(Mixture::new(corpora.into_iter().zip(weights)).unwrap())
}

fn sequence(mixture: &Arc<Mixture>, position: Position) -> Batches {
    Batches::starting_at(Arc::clone(mixture), 200, 5, position)
}

/// A batch's sources and targets in a form that can be sorted.
fn ids(batch: &[Example]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let ids = |example: &Example| (example.source.clone(), example.target.clone());
    batch.iter().map(ids).collect()
}

#[test]
fn an_epoch_takes_each_example_once_and_in_another_order_than_the_last() {
    let mixture = mixture([1.0, 1.0]);
    let all: Vec<Example> = (0..200).map(|number| mixture.get(number)).collect();
    let mut batches = sequence(&mixture, Position::default());
    let mut epochs = Vec::new();
    for epoch in 0..3 {
        let mut taken = Vec::new();
        while taken.len() < 200 {
            taken.extend(batches.next_batch());
            assert_eq!(batches.position().epoch, epoch);
        }
        epochs.push(ids(&taken));
        let (mut taken, mut all) = (ids(&taken), ids(&all));
        taken.sort();
        all.sort();
        assert!(taken == all, "epoch {epoch}");
    }
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
}

#[test]
fn from_any_position_the_same_batches_follow() {
    for weights in [[1.0, 1.0], [0.5, 1.5]] {
        let mixture = mixture(weights);
        let mut whole = sequence(&mixture, Position::default());
        let mut positions = Vec::new();
        let mut expected = Vec::new();
        while whole.position().epoch < 3 {
            positions.push(whole.position());
            expected.push(whole.next_batch());
        }
        for (taken, position) in positions.into_iter().enumerate() {
            let mut resumed = sequence(&mixture, position);
            for batch in &expected[taken..expected.len().min(taken + 40)] {
                assert_eq!(resumed.next_batch(), *batch, "from {position:?}");
            }
        }
    }
}

fn with_dropout(sequence: Batches, probability: f64, max_length: usize) -> Batches {
    sequence.with_bpe_dropout(BpeDropout {
        tokenizer: tokenizer(),
        probability,
        max_length,
    })
}

/// The batches of a sequence's first epochs, each with where it stands.
fn epochs(mut batches: Batches, count: u64) -> Vec<(Position, Vec<Example>)> {
    std::iter::from_fn(|| {
        let position = batches.position();
        let batch = batches.next_batch();
        (batches.position().epoch < count).then_some((position, batch))
    })
    .collect()
}

#[test]
fn bpe_dropout_at_0_changes_nothing() {
    let mixture = mixture([1.0, 1.0]);
    let batches = || sequence(&mixture, Position::default());
    assert!(epochs(with_dropout(batches(), 0.0, 64), 2) == epochs(batches(), 2));
}

#[test]
fn bpe_dropout_cuts_the_same_text_anew_each_epoch() {
    let mixture = mixture([1.0, 1.0]);
    let tokenizer = tokenizer();
    let plain = epochs(sequence(&mixture, Position::default()), 3);
    let cut = epochs(with_dropout(sequence(&mixture, Position::default()), 0.3, 64), 3);
    assert_eq!(plain.len(), cut.len());
    let mut cuts_of = HashMap::<String, HashSet<Vec<u32>>>::new();
    for ((position, plain), (same_position, cut)) in plain.iter().zip(&cut) {
        assert_eq!(position, same_position);
        assert_eq!(plain.len(), cut.len());
        for (plain, cut) in plain.iter().zip(cut) {
            for (plain, cut) in [(&plain.source, &cut.source), (&plain.target, &cut.target)] {
                assert_eq!(tokenizer.decode(cut), tokenizer.decode(plain));
                assert_eq!(cut.last(), Some(&tokenizer.eos_id()));
            }
            let cuts = cuts_of.entry(tokenizer.decode(&cut.source)).or_default();
            cuts.insert(cut.source.clone());
        }
    }
    // A source has the merges of "copy" or "reverse" at least: three epochs seldom cut it alike.
    let cut_anew = cuts_of.values().filter(|cuts| cuts.len() > 1).count();
    assert!(cuts_of.len() == 200 && cut_anew > 150, "{cut_anew}");
}

#[test]
fn an_epoch_cuts_a_sentence_twice_that_it_takes_twice() {
    let mixture = mixture([2.0, 2.0]);
    let tokenizer = tokenizer();
    let mut cuts_of = HashMap::<(String, String), Vec<Vec<u32>>>::new();
    let batches = epochs(with_dropout(sequence(&mixture, Position::default()), 0.3, 64), 1);
    for Example { source, target } in batches.into_iter().flat_map(|(_, batch)| batch) {
        let text = [&source, &target].map(|ids| tokenizer.decode(ids));
        cuts_of.entry(text.into()).or_default().push(source);
    }
    assert!(cuts_of.len() == 200 && cuts_of.values().all(|cuts| cuts.len() == 2));
    // A source has the merges of "copy" or "reverse" at least: few are cut alike by chance.
    let cut_anew = cuts_of.values().filter(|cuts| cuts[0] != cuts[1]).count();
    assert!(cut_anew > 120, "{cut_anew}");
}

#[test]
fn with_bpe_dropout_too_the_same_batches_follow_a_position() {
    let mixture = mixture([0.5, 1.5]);
    let from = |position| with_dropout(sequence(&mixture, position), 0.3, 64);
    let whole = epochs(from(Position::default()), 2);
    for (taken, (position, _)) in whole.iter().enumerate() {
        assert!(epochs(from(*position), 2) == whole[taken..], "from {position:?}");
    }
}

#[test]
fn a_sentence_that_dropout_makes_too_long_keeps_its_encoding() {
    let mixture = mixture([1.0, 1.0]);
    let plain = epochs(sequence(&mixture, Position::default()), 1);
    let max_length = 10;
    let cut = epochs(
        with_dropout(sequence(&mixture, Position::default()), 1.0, max_length),
        1,
    );
    let (mut kept, mut changed) = (0, 0);
    for ((_, plain), (_, cut)) in plain.iter().zip(&cut) {
        for (plain, cut) in plain.iter().zip(cut) {
            for (plain, cut) in [(&plain.source, &cut.source), (&plain.target, &cut.target)] {
                // Every byte is a token where all merges are left out, and so are the space before the text and </s>.
                let bytes = 1 + tokenizer().decode(plain).len() + 1;
                if bytes <= max_length {
                    assert_eq!(cut.len(), bytes);
                } else {
                    assert_eq!(cut, plain);
                }
                kept += usize::from(bytes > max_length);
                changed += usize::from(cut != plain);
            }
        }
    }
    assert!(kept > 100 && changed > 10, "{kept} {changed}");
}

/// Labelled texts are short lists of tokens with a label, and stay in memory.
#[test]
fn examples_in_memory_are_batched_as_those_in_files() {
    let example = |number: u32| Example {
        source: (0..=number % 5).collect(),
        target: vec![number],
    };
    let examples: Vec<Example> = (0..50).map(example).collect();
    let corpus = |count| Examples::in_memory("texts".to_owned(), 60, examples[..count].to_vec());
    assert_eq!(corpus(50).fingerprint(), corpus(50).fingerprint());
    assert_ne!(corpus(50).fingerprint(), corpus(49).fingerprint());
    let mixture = Mixture::new([(corpus(50), 1.0)]).unwrap();
    assert_eq!((mixture.len(), mixture.get(7)), (50, example(7)));
    assert_eq!(mixture.lengths(7), example(7).lengths());
    assert_eq!(mixture.report().dropped().collect::<Vec<_>>(), [("too long", 10)]);
    let mut batches = Batches::starting_at(Arc::new(mixture), 20, 1, Position::default());
    let mut seen = Vec::new();
    while seen.len() < 50 {
        let batch = batches.next_batch();
        assert!(batch.len() * batch.iter().map(Example::longest_side).max().unwrap() <= 20);
        seen.extend(batch.into_iter().map(|example| example.target[0]));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}
