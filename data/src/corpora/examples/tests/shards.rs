//! Shards of another size than prepared corpora have.

use std::fs;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use super::super::Examples;
use super::super::format::{Manifest, shard_path};
use super::super::writer::ShardWriter;
use crate::batch::Example;
use crate::corpora::cleaning::CleaningCounts;
use crate::corpora::filter::FilterCounts;

/// Examples of one to twelve tokens a side, with the lowest and the highest id among them.
fn examples(count: usize, vocab_size: u32) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut sentence = || {
        let length = 1 + random.next_u32() % 12;
        let mut ids: Vec<u32> = (0..length).map(|_| random.next_u32() % vocab_size).collect();
        ids[0] = [0, vocab_size - 1, ids[0]][random.next_u32() as usize % 3];
        ids
    };
    let example = |_| Example {
        source: sentence(),
        target: sentence(),
    };
    (0..count).map(example).collect()
}

#[test]
fn examples_come_back_from_many_shards_and_ids_of_any_size() {
    for (vocab_size, token_bytes) in [(65_536, 2), (65_537, 4)] {
        let folder = TempDir::new().unwrap();
        let examples = examples(100, vocab_size);
        let mut writer = ShardWriter::new(folder.path(), vocab_size as usize, 50);
        for example in &examples {
            writer.push(example).unwrap();
        }
        let shards = writer.finish().unwrap();
        assert!(shards.len() > 10, "{shards:?}");
        let tokens: usize = examples
            .iter()
            .map(|example| example.source.len() + example.target.len())
            .sum();
        let bytes: u64 = shards.iter().map(|shard| shard.bytes).sum();
        assert_eq!(bytes as usize, token_bytes * tokens + 4 * (200 + shards.len()));
        let lengths: u64 = (0..shards.len())
            .map(|number| fs::metadata(shard_path(folder.path(), number)).unwrap().len())
            .sum();
        assert_eq!(lengths, bytes);

        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let manifest = Manifest::new(name, CleaningCounts::default(), FilterCounts::default(), shards);
        manifest.write(folder.path()).unwrap();
        let opened = Examples::open(folder.path(), "text".to_owned()).unwrap();
        assert_eq!(opened.len(), examples.len());
        for (index, example) in examples.iter().enumerate() {
            assert_eq!(opened.get(index), *example);
            assert_eq!(opened.lengths(index), example.lengths());
        }
    }
}
