//! The order of a run's batches, and what prepared corpora do for it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use attend_data::batch::Example;
use attend_data::clean::Cleaning;
use attend_data::corpus::SentencePair;
use attend_data::filter::Filter;
use attend_data::mixture::{Mixture, WeightedCorpus};
use attend_data::parallel_text::ParallelText;
use attend_data::phrasebook::Phrasebook;
use attend_data::shard;
use attend_data::tokenizer::{Tokenizer, TokenizerKind};
use attend_train::{BatchSequence, BpeDropout, Corpora, Position, Recipe};
use tempfile::TempDir;

use super::common::{SMALL_RECIPE, Workspace, copy_and_reverse, set, small_workspace, stderr};

fn pairs(count: usize) -> Vec<SentencePair> {
    let pair = |(source, target)| SentencePair { source, target };
    copy_and_reverse(count).into_iter().map(pair).collect()
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
        let text = ParallelText::Pairs(pairs.to_vec());
        shard::prepare(
            folder.path(),
            &text,
            &Cleaning::default(),
            &tokenizer,
            &filter,
            |_| (),
        )
        .unwrap()
    };
    let corpora = [prepare(&pairs[..120]), prepare(&pairs[120..])];
    let corpora = corpora.into_iter().zip(weights);
    let corpora = corpora.map(|(examples, weight)| WeightedCorpus {
        name: "letters".to_owned(),
        examples,
        weight,
    });
    Arc::new(Mixture::new(corpora.collect()).unwrap())
}

fn sequence(mixture: &Arc<Mixture>, position: Position) -> BatchSequence {
    BatchSequence::starting_at(Arc::clone(mixture), 200, 5, position)
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

fn with_dropout(sequence: BatchSequence, probability: f64, max_length: usize) -> BatchSequence {
    sequence.with_bpe_dropout(BpeDropout {
        tokenizer: tokenizer(),
        probability,
        max_length,
    })
}

/// The batches of a sequence's first epochs, each with where it stands.
fn epochs(mut batches: BatchSequence, count: u64) -> Vec<(Position, Vec<Example>)> {
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
                // Every byte is a token where all merges are left out.
                let bytes = tokenizer().decode(plain).len() + 1;
                match bytes <= max_length {
                    true => assert_eq!(cut.len(), bytes),
                    false => assert_eq!(cut, plain),
                }
                kept += usize::from(bytes > max_length);
                changed += usize::from(cut != plain);
            }
        }
    }
    assert!(kept > 100 && changed > 10, "{kept} {changed}");
}

#[test]
fn a_run_with_bpe_dropout_resumes_as_if_it_had_not_stopped() {
    let workspace = small_workspace();
    let train = |run: &str, more: &[&str]| {
        let settings = set(&["data.bpe_dropout=0.3", "training.log_every=1"]);
        workspace.train_well(&[&["small.toml", "--output", run], &settings[..], more].concat());
        workspace.losses(run)
    };
    let whole = train("whole", &[]);
    train("parts", &["--set", "training.updates=10"]);
    assert_eq!(train("parts", &["--resume"]), whole);
    assert_eq!(workspace.weights("parts"), workspace.weights("whole"));
    // Without it, the first batch already is another one.
    workspace.train_well(&["small.toml", "--output", "plain", "--set", "training.log_every=1"]);
    assert_ne!(workspace.losses("plain")[0], whole[0]);
}

/// The folders of prepared corpora in a workspace.
fn prepared(workspace: &Workspace) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace.path("prepared")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn runs_share_a_prepared_corpus() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "one"]);
    let folders = prepared(&workspace);
    assert_eq!(folders.len(), 1);
    let written = |folder: &Path| {
        fs::metadata(folder.join("00000.shard"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = written(&folders[0]);
    workspace.train_well(&["small.toml", "--output", "two", "--set", "training.updates=5"]);
    assert_eq!(prepared(&workspace), folders);
    assert_eq!(written(&folders[0]), before);
    workspace.train_well(&["small.toml", "--output", "three", "--set", "data.max_length=20"]);
    assert_eq!(prepared(&workspace).len(), 2);
}

#[test]
fn two_runs_at_once_share_it_too() {
    let workspace = small_workspace();
    let runs = ["one", "two"];
    thread::scope(|scope| {
        for run in runs {
            let workspace = &workspace;
            scope.spawn(move || workspace.train_well(&["small.toml", "--output", run]));
        }
    });
    assert_eq!(workspace.losses("one"), workspace.losses("two"));
    assert_eq!(prepared(&workspace).len(), 1);
}

#[test]
fn a_damaged_shard_stops_the_run_and_names_the_way_on() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "one"]);
    let folder = prepared(&workspace).remove(0);
    let shard = folder.join("00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[100] ^= 1;
    fs::write(&shard, bytes).unwrap();
    for arguments in [["--output", "two"].as_slice(), &["--output", "one", "--resume"]] {
        // Named, so that no line tells what `auto` took.
        let output = workspace.train(&[&["small.toml", "--device", "cpu"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 2, "{message}");
        assert!(
            lines[0].starts_with("error: ") && lines[0].contains("00000.shard"),
            "{message}"
        );
        assert!(
            lines[1].starts_with("hint: remove the folder prepared/"),
            "{message}"
        );
    }
    assert!(!workspace.path("two").exists());

    fs::remove_dir_all(folder).unwrap();
    workspace.train_well(&["small.toml", "--output", "two"]);
    assert_eq!(workspace.losses("one"), workspace.losses("two"));
}

#[test]
fn subwords_are_learnt_from_no_more_pairs_than_the_recipe_says() {
    let workspace = small_workspace();
    workspace.write(
        "embedded.toml",
        "data = { embedded = \"phrasebook\" }\nmodel = { preset = \"tiny\" }\n\
         training = { updates = 1, learning_rate = 0.001 }\n",
    );
    let learn = |pairs: &str, kind: &str| {
        let overrides = [pairs, kind, "data.vocab_size=500"].map(str::to_owned);
        let recipe = Recipe::load(workspace.path("embedded.toml"), &overrides);
        let settings = recipe.unwrap().data;
        let corpora = Corpora::load(&settings).unwrap();
        corpora.train_tokenizer(&settings).unwrap().to_json()
    };
    let expected = |pairs: &[&SentencePair], kind: TokenizerKind| {
        let lines = pairs.iter().flat_map(|pair| [&pair.source, &pair.target]);
        Tokenizer::train(kind, lines, Some(500)).unwrap().to_json()
    };
    let train = Phrasebook::generate().train;
    let all: Vec<&SentencePair> = train.iter().collect();
    assert_eq!(
        learn("data.vocab_pairs=500000", "data.tokenizer=bpe"),
        expected(&all, TokenizerKind::Bpe)
    );
    // Of two parts of the same size, the last pair stands for each.
    let two = [all[all.len().div_ceil(2) - 1], all[all.len() - 1]];
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let learnt = learn("data.vocab_pairs=2", &format!("data.tokenizer={kind}"));
        assert_eq!(learnt, expected(&two, kind), "{kind}");
    }
    // A word that is not in the sample would be lost, so words come from all pairs.
    assert_eq!(
        learn("data.vocab_pairs=2", "data.tokenizer=whitespace"),
        expected(&all, TokenizerKind::Whitespace)
    );

    workspace.write("small.toml", SMALL_RECIPE);
    let output = workspace.train(&["small.toml", "--set", "data.vocab_pairs=0"]);
    assert!(
        stderr(&output).contains("data.vocab_pairs is 0"),
        "{}",
        stderr(&output)
    );
}
