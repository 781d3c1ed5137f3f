//! Measures preparing a corpus of the size of WMT14 and drawing batches from it, by the functions by which a training
//! run does so before its first update and between updates.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use attend_cli::print;
use attend_data::{DataError, Position, SentencePair};
use attend_device::peak_memory;
use attend_train::{Corpora, CorpusFiles, Dataset, Recipe};
use clap::Args;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::error::BenchError;
use crate::measurement::temporary_folder;
use crate::workload::pair_lengths;

/// The recipe that sets the vocabulary, the cleaning and the batches.
const RECIPE: &str = include_str!("../../configs/wmt14-en-de-base.toml");
/// The number of distinct words in the generated text.
const WORDS: usize = 100_000;
/// The number of sides of the dice that sentence lengths are thrown with: sentences have 25 words on average.
const SIDES: u32 = 21;

#[derive(Args)]
pub(crate) struct Options {
    /// The number of sentence pairs to generate; the default is about that of WMT14.
    #[arg(long, value_name = "N", default_value = "4500000")]
    pairs: NonZeroU32,
}

/// Generates text in a temporary folder, prepares it and draws the batches of an epoch. Prints a line for each step.
pub(crate) fn measure(options: &Options) -> Result<(), BenchError> {
    let pairs = options.pairs.get();
    let folder = temporary_folder()?;
    let [source, target, prepared] =
        ["text.source", "text.target", "prepared"].map(|name| folder.path().join(name));
    generate(&source, &target, pairs).map_err(|error| DataError::write(&source, error))?;
    let text_bytes = size_of_folder(folder.path()).map_err(|error| DataError::read(folder.path(), error))?;
    print(&format!("text       {pairs} pairs, {}\n", mebibytes(text_bytes)))?;

    let recipe = recipe(&source, &target);
    let mut corpora = Corpora::load(&recipe.data)?;
    // A run needs pairs to validate and to test on.
    let held_out = SentencePair {
        source: "one".to_owned(),
        target: "eins".to_owned(),
    };
    corpora.valid.push(held_out.clone());
    corpora.test.push(held_out);
    let start = Instant::now();
    let tokenizer = corpora.train_tokenizer(&recipe.data)?;
    let learnt = format!("{} tokens", tokenizer.vocab_size());
    print_step("tokenizer", &learnt, start, Some(pairs))?;

    let start = Instant::now();
    let dataset = Dataset::encode(&corpora, &tokenizer.into(), &recipe, &prepared, |_| {})?;
    let shards = prepared.join(dataset.train.fingerprint());
    let bytes = size_of_folder(&shards).map_err(|error| DataError::read(&shards, error))?;
    let written = format!("{} pairs, {}", dataset.train.len(), mebibytes(bytes));
    print_step("prepare", &written, start, Some(pairs))?;

    let start = Instant::now();
    let mut batches = dataset.batches(&recipe, Position::default());
    let (mut drawn, mut tokens) = (0, 0);
    while batches.epochs() < 1.0 {
        let examples = batches.next_batch();
        tokens += examples
            .iter()
            .map(|example| example.source.len() + example.target.len())
            .sum::<usize>();
        drawn += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    let rates = format!(
        "{drawn} batches, {:.0} batches/s, {:.0} tokens/s",
        f64::from(drawn) / seconds,
        tokens as f64 / seconds
    );
    print_step("draw", &rates, start, None)
}

/// Prints what a step did, how long it took, its speed if it read all `pairs`, and the peak memory so far.
fn print_step(step: &str, result: &str, start: Instant, pairs: Option<u32>) -> Result<(), BenchError> {
    let seconds = start.elapsed().as_secs_f64();
    let speed = pairs.map_or_else(String::new, |pairs| {
        format!("{:.0} pairs/min, ", f64::from(pairs) / seconds * 60.0)
    });
    let peak = mebibytes(peak_memory().unwrap_or(0));
    let line = format!("{step:<9}  {result}, {seconds:.1} s, {speed}peak memory {peak}\n");
    Ok(print(&line)?)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Returns the recipe for WMT14, which trains on the given files and names no others.
fn recipe(source: &Path, target: &Path) -> Recipe {
    let mut recipe: Recipe = toml::from_str(RECIPE).expect("the recipe is well formed");
    recipe.data.train = vec![CorpusFiles {
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        tsv: None,
        conll: None,
        weight: None,
    }];
    (recipe.data.valid, recipe.data.test) = (None, None);
    recipe
}

/// Writes sentence pairs of random words, always the same pairs. They are distinct by chance: that two of some millions
/// are alike is less probable than one in a million.
fn generate(source: &Path, target: &Path, pairs: u32) -> io::Result<()> {
    let mut files = [
        BufWriter::new(File::create(source)?),
        BufWriter::new(File::create(target)?),
    ];
    let words = words();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..pairs {
        let lengths = pair_lengths(&mut random, SIDES);
        for (file, length) in files.iter_mut().zip(lengths) {
            for position in 0..length {
                let space = if position == 0 { "" } else { " " };
                write!(file, "{space}{}", words[zipf(&mut random)])?;
            }
            file.write_all(b".\n")?;
        }
    }
    files.iter_mut().try_for_each(Write::flush)
}

/// Returns made-up words, the short ones first, as the frequent words of a language are short.
fn words() -> Vec<String> {
    let letters = |letters: &'static str| letters.chars();
    let syllables: Vec<String> = letters("bdfghklmnprstvwz")
        .flat_map(|first| letters("aeiou").map(move |vowel| format!("{first}{vowel}")))
        .flat_map(|open| letters("lnrs").map(move |last| format!("{open}{last}")))
        .collect();
    let two = syllables
        .iter()
        .flat_map(|first| syllables.iter().map(move |second| format!("{first}{second}")));
    syllables.iter().cloned().chain(two).take(WORDS).collect()
}

/// Draws the number of a word, from 0, by Zipf's law: the frequency of the n-th word is about proportional to 1 / n.
fn zipf(random: &mut ChaCha8Rng) -> usize {
    let uniform = f64::from(random.next_u32()) / 2f64.powi(32);
    (WORDS as f64 + 1.0).powf(uniform) as usize - 1
}

fn size_of_folder(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.metadata()?.len()))
        .sum()
}
