//! Prepared corpora: equal to what is encoded directly, made once, and never read when damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;
use unicode_script::Script;

use super::super::fingerprint::fingerprint;
use super::super::{Examples, Progress};
use crate::batch::Example;
use crate::corpora::cleaning::{Cleaning, CleaningCounts};
use crate::corpora::filter::{Filter, FilterCounts};
use crate::corpora::parallel_text::ParallelText;
use crate::error::DataError;
use crate::sentence_pair::SentencePair;
use crate::tokenizer::{PairTokenizer, Tokenizer};

const FILTER: Filter = Filter {
    max_length: 60,
    max_ratio: Some(3.0),
};

const CLEANING: Cleaning = Cleaning {
    duplicates: true,
    copies: true,
    max_repeats: 100,
    source_scripts: Vec::new(),
    target_scripts: Vec::new(),
};

/// Text of random words, marks and characters of several alphabets; some sides are empty, some long.
fn random_pairs(count: usize, seed: u64) -> Vec<SentencePair> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let parts = [
        "the", "house", "Straße", "schön", " ", ",", "  ", "…", "日本", "𝄞", "</s>", "\u{2028}", "1987", "é",
    ];
    let mut sentence = || -> String {
        let length = random.next_u32() % 30;
        (0..length)
            .flat_map(|_| [parts[random.next_u32() as usize % parts.len()], " "])
            .collect()
    };
    let pair = |_| SentencePair {
        source: sentence(),
        target: sentence(),
    };
    (0..count).map(pair).collect()
}

fn tokenizer(vocab_size: usize) -> PairTokenizer {
    let pairs = random_pairs(100, 99);
    let tokenizer = Tokenizer::train_bpe(pairs.iter().map(|pair| &pair.source), vocab_size);
    tokenizer.unwrap().into()
}

/// Text in memory.
fn memory(pairs: Vec<SentencePair>) -> ParallelText {
    ParallelText::Memory {
        name: "text".to_owned(),
        pairs,
    }
}

/// Writes `pairs` as two files.
fn write_files(folder: &Path, name: &str, pairs: &[SentencePair]) -> ParallelText {
    let write = |side: &str, text: fn(&SentencePair) -> &str| {
        let path = folder.join(format!("{name}.{side}"));
        let lines = pairs.iter().flat_map(|pair| [text(pair), "\n"]);
        fs::write(&path, lines.collect::<String>()).unwrap();
        path
    };
    ParallelText::Files {
        source: write("en", |pair| &pair.source),
        target: write("de", |pair| &pair.target),
    }
}

/// What cleaning of [`CLEANING`] and [`FILTER`] leave of `pairs`, encoded, and their counts. A line end within a
/// sentence is a space.
fn encode_directly(
    pairs: &[SentencePair],
    tokenizer: &PairTokenizer,
) -> (Vec<Example>, CleaningCounts, FilterCounts) {
    let on_one_line = |text: &str| text.replace('\u{2028}', " ");
    let lines = pairs.iter().map(|pair| {
        Ok(SentencePair {
            source: on_one_line(&pair.source),
            target: on_one_line(&pair.target),
        })
    });
    let mut cleaned = CLEANING.clean(lines);
    let pairs: Vec<SentencePair> = cleaned.by_ref().map(Result::unwrap).collect();
    let (examples, filtered) = FILTER.apply(tokenizer.encode_pairs(&pairs));
    (examples, cleaned.counts(), filtered)
}

/// Prepares with [`CLEANING`], and tells whether that was new work.
fn prepare(
    folder: &Path,
    text: &ParallelText,
    tokenizer: &PairTokenizer,
    filter: &Filter,
) -> (Examples, bool) {
    let mut worked = false;
    let progress = |progress| worked |= matches!(progress, Progress::Pairs(_));
    let examples = Examples::prepare(folder, text, &CLEANING, tokenizer, filter, progress).unwrap();
    (examples, worked)
}

/// All files of a folder by name, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().into(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn prepared_examples_equal_those_encoded_directly() {
    let folder = TempDir::new().unwrap();
    let tokenizer = tokenizer(300);
    // More pairs than are encoded together.
    for (count, seed) in [(1, 1), (50, 2), (20_000, 3)] {
        let pairs = random_pairs(count, seed);
        let (expected, cleaned, filtered) = encode_directly(&pairs, &tokenizer);
        let text = write_files(folder.path(), "train", &pairs);
        for text in [text, memory(pairs)] {
            let (examples, worked) = prepare(folder.path(), &text, &tokenizer, &FILTER);
            assert!(worked);
            assert_eq!((examples.cleaned, examples.filtered), (cleaned, filtered));
            assert_eq!(
                (examples.len(), examples.is_empty()),
                (expected.len(), expected.is_empty())
            );
            for (index, example) in expected.iter().enumerate() {
                assert_eq!(examples.get(index), *example);
                assert_eq!(examples.lengths(index), example.lengths());
            }
        }
    }
}

#[test]
fn progress_counts_the_pairs() {
    let folder = TempDir::new().unwrap();
    let mut counts = Vec::new();
    let text = memory(random_pairs(20_000, 1));
    let count = |progress| counts.push(progress);
    let examples =
        Examples::prepare(folder.path(), &text, &CLEANING, &tokenizer(300), &FILTER, count).unwrap();
    let (cleaned, filtered) = (examples.cleaned, examples.filtered);
    assert!(counts.len() > 1);
    assert_eq!(counts.last(), Some(&Progress::Pairs(cleaned.kept)));
    assert_eq!(filtered.read(), cleaned.kept);
    assert!(cleaned.kept < 20_000);
    assert_eq!(cleaned.read(), 20_000);
}

#[test]
fn any_number_of_threads_writes_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let tokenizer = tokenizer(300);
    let text = memory(random_pairs(20_000, 4));
    let prepared_by = |threads: usize| {
        let output = folder.path().join(threads.to_string());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let (examples, _) = pool.install(|| prepare(&output, &text, &tokenizer, &FILTER));
        files(&output.join(examples.fingerprint()))
    };
    let alone = prepared_by(1);
    let names: Vec<&str> = alone.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["00000.shard", "lock", "manifest.json"]);
    assert!(alone == prepared_by(4), "the bytes differ");
}

#[test]
fn what_is_prepared_is_reused_until_something_changes() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("prepared");
    let pairs = random_pairs(100, 5);
    let text = write_files(folder.path(), "train", &pairs);
    let tokenizer_of_300 = tokenizer(300);
    let prepare = |text: &ParallelText, tokenizer: &PairTokenizer, filter: &Filter| {
        let (examples, worked) = prepare(&output, text, tokenizer, filter);
        let expected = fingerprint(text, &CLEANING, tokenizer, filter).unwrap();
        assert_eq!(examples.fingerprint(), expected);
        assert!(output.join(expected).is_dir());
        worked
    };
    assert!(prepare(&text, &tokenizer_of_300, &FILTER));
    assert!(!prepare(&text, &tokenizer_of_300, &FILTER));
    let renamed = write_files(folder.path(), "renamed", &pairs);
    assert!(!prepare(&renamed, &tokenizer_of_300, &FILTER));

    assert!(prepare(&text, &tokenizer(301), &FILTER));
    // Each side has its tokenizer, and sources may do without their end.
    let [source, target] = [300, 301].map(|vocab_size| tokenizer(vocab_size).source);
    let two = |source: &Tokenizer, target: &Tokenizer, source_eos| PairTokenizer {
        source: source.clone(),
        target: target.clone(),
        source_eos,
    };
    for tokenizer in [
        two(&source, &target, true),
        two(&target, &source, true),
        two(&source, &target, false),
        two(&source, &source, false),
    ] {
        assert!(prepare(&text, &tokenizer, &FILTER));
    }
    for filter in [
        Filter {
            max_length: 59,
            ..FILTER
        },
        Filter {
            max_ratio: None,
            ..FILTER
        },
    ] {
        assert!(prepare(&text, &tokenizer_of_300, &filter));
    }
    let ParallelText::Files { source, target } = text.clone() else {
        unreachable!()
    };
    let swapped = ParallelText::Files {
        source: target.clone(),
        target: source,
    };
    assert!(prepare(&swapped, &tokenizer_of_300, &FILTER));
    for cleaning in [
        Cleaning {
            duplicates: false,
            ..CLEANING
        },
        Cleaning {
            max_repeats: 99,
            ..CLEANING
        },
        Cleaning {
            target_scripts: vec![Script::Latin],
            ..CLEANING
        },
    ] {
        let other = fingerprint(&text, &cleaning, &tokenizer_of_300, &FILTER).unwrap();
        assert!(!output.join(other).exists(), "{cleaning:?}");
    }
    for share in [0.5, 0.6] {
        let text = text.clone().into();
        let capitals = ParallelText::Capitals { text, share };
        assert!(prepare(&capitals, &tokenizer_of_300, &FILTER));
        assert!(!prepare(&capitals, &tokenizer_of_300, &FILTER));
    }
    let line = fs::read_to_string(&target).unwrap();
    fs::write(&target, line.replacen(' ', "x", 1)).unwrap();
    assert!(prepare(&text, &tokenizer_of_300, &FILTER));
    assert_eq!(fs::read_dir(&output).unwrap().count(), 12);
}

/// The same bytes are other sentences in a file of another format, which the ending before that of the compression
/// tells.
#[test]
fn the_ending_that_tells_the_format_is_part_of_the_fingerprint() {
    let folder = TempDir::new().unwrap();
    let of_name = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "<seg id=\"1\">a</seg>\n").unwrap();
        let text = ParallelText::Files {
            source: path.clone(),
            target: path,
        };
        fingerprint(&text, &CLEANING, &tokenizer(300), &FILTER).unwrap()
    };
    let same = [
        of_name("test.sgm"),
        of_name("test.sgm.gz"),
        of_name("other.SGM.ZST"),
    ];
    assert!(same.iter().all(|fingerprint| *fingerprint == same[0]));
    let others = [of_name("test"), of_name("test.gz"), of_name("test.xml.gz")];
    assert!(others.iter().all(|fingerprint| *fingerprint != same[0]));
    assert_eq!(others[0], others[1]);
}

#[test]
fn only_one_of_several_at_once_does_the_work() {
    let folder = TempDir::new().unwrap();
    let tokenizer = tokenizer(300);
    let pairs = random_pairs(20_000, 6);
    let (expected, ..) = encode_directly(&pairs, &tokenizer);
    let text = memory(pairs);
    let run = || prepare(folder.path(), &text, &tokenizer, &FILTER);
    let results: Vec<(Examples, bool)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|(_, worked)| *worked).count(), 1);
    for (examples, _) in &results {
        assert!(
            (0..examples.len())
                .map(|index| examples.get(index))
                .eq(expected.iter().cloned())
        );
    }
}

#[test]
fn what_a_killed_process_left_is_written_over() {
    let folder = TempDir::new().unwrap();
    let tokenizer = tokenizer(300);
    let text = memory(random_pairs(50, 7));
    let left = folder
        .path()
        .join(fingerprint(&text, &CLEANING, &tokenizer, &FILTER).unwrap());
    fs::create_dir(&left).unwrap();
    for name in ["lock", "00000.shard", "00001.shard.part", "manifest.json.part"] {
        fs::write(left.join(name), "half a fi").unwrap();
    }
    let (examples, worked) = prepare(folder.path(), &text, &tokenizer, &FILTER);
    assert!(worked && !examples.is_empty());
}

#[test]
fn what_killed_processes_left_of_other_corpora_is_removed() {
    let folder = TempDir::new().unwrap();
    let tokenizer = tokenizer(300);
    let text = |seed| memory(random_pairs(50, seed));
    let left = ["lock", "00000.shard", "00001.shard.part", "manifest.json.part"];
    let fill = |name: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        for name in left {
            fs::write(folder.join(name), "half a fi").unwrap();
        }
        folder
    };
    let [killed, under_way, foreign] = ["killed", "under-way", "foreign"].map(fill);
    let lock = fs::File::open(under_way.join("lock")).unwrap();
    lock.lock().unwrap();
    fs::remove_file(foreign.join("lock")).unwrap();
    let (whole, _) = prepare(folder.path(), &text(7), &tokenizer, &FILTER);
    assert_eq!(files(&killed).len(), 1, "only the lock stays");
    assert_eq!(files(&under_way).len(), left.len());
    assert_eq!(files(&foreign).len(), left.len() - 1);
    // Whole ones stay.
    prepare(folder.path(), &text(8), &tokenizer, &FILTER);
    let (again, worked) = prepare(folder.path(), &text(7), &tokenizer, &FILTER);
    assert!(!worked && again.len() == whole.len());
}

#[test]
fn an_error_in_the_text_leaves_no_shards() {
    let folder = TempDir::new().unwrap();
    let text = write_files(folder.path(), "train", &random_pairs(10_000, 8));
    let ParallelText::Files { target, .. } = &text else {
        unreachable!()
    };
    let lines = fs::read_to_string(target).unwrap();
    fs::write(target, lines + "one more\n").unwrap();
    let output = folder.path().join("prepared");
    let error = Examples::prepare(&output, &text, &CLEANING, &tokenizer(300), &FILTER, |_| ()).unwrap_err();
    assert!(matches!(error, DataError::UnequalLengths { .. }), "{error}");
    let folders: Vec<_> = fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(folders.len(), 1);
    assert_eq!(files(&folders[0]).len(), 1, "only the lock stays");
}

/// A prepared corpus of a few pairs, its folder, and what it should hold.
fn small() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let text = memory(random_pairs(8, 9));
    let (examples, _) = prepare(folder.path(), &text, &tokenizer(300), &FILTER);
    assert!(!examples.is_empty());
    let path = folder.path().join(examples.fingerprint());
    (folder, path)
}

/// Opening is refused, with one sentence that names `file`.
fn assert_refused(folder: &Path, file: &str, reason: &str) {
    let error = Examples::open(folder, "text".to_owned()).unwrap_err();
    let message = error.to_string();
    let path = folder.join(file).display().to_string();
    assert!(message.contains(&path) && message.contains(reason), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_flipped_byte_anywhere_is_noticed() {
    let (_keep, folder) = small();
    for file in ["00000.shard", "manifest.json"] {
        let path = folder.join(file);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            for flip in [1, 0x80] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                // Behind the manifest's brace, one white space is as good as another.
                if place + 1 < whole.len() || file != "manifest.json" {
                    fs::write(&path, damaged).unwrap();
                    assert_refused(&folder, file, "");
                }
            }
        }
        fs::write(&path, whole).unwrap();
        Examples::open(&folder, "text".to_owned()).unwrap();
    }
}

#[test]
fn a_file_cut_short_missing_or_of_another_version_is_named() {
    let (_keep, folder) = small();
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let (shard, manifest) = (read("00000.shard"), read("manifest.json"));
    for length in [0, 1, shard.len() / 2, shard.len() - 1] {
        fs::write(folder.join("00000.shard"), &shard[..length]).unwrap();
        assert_refused(
            &folder,
            "00000.shard",
            &format!("it has {length} bytes in place of"),
        );
    }
    fs::remove_file(folder.join("00000.shard")).unwrap();
    assert_refused(&folder, "00000.shard", "it is missing");
    fs::write(folder.join("00000.shard"), shard).unwrap();

    for length in [0, 1, manifest.len() / 2] {
        fs::write(folder.join("manifest.json"), &manifest[..length]).unwrap();
        assert_refused(&folder, "manifest.json", "it is damaged");
    }
    let text = String::from_utf8(manifest.clone()).unwrap();
    fs::write(
        folder.join("manifest.json"),
        text.replace("\"format\": 2", "\"format\": 1"),
    )
    .unwrap();
    assert_refused(
        &folder,
        "manifest.json",
        "version 1 of the format, but this program reads version 2",
    );
    fs::write(folder.join("manifest.json"), "{}").unwrap();
    assert_refused(&folder, "manifest.json", "it names no version");
    fs::write(folder.join("manifest.json"), manifest).unwrap();

    let other = folder.with_file_name("another");
    fs::rename(&folder, &other).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert_refused(
        &other,
        "manifest.json",
        &format!("it belongs to the folder {name}"),
    );
}

#[test]
fn a_corpus_of_which_nothing_is_kept_is_empty() {
    let folder = TempDir::new().unwrap();
    let text = memory(vec![SentencePair {
        source: String::new(),
        target: String::new(),
    }]);
    let (examples, _) = prepare(folder.path(), &text, &tokenizer(300), &FILTER);
    assert!(examples.is_empty());
    let expected = CleaningCounts {
        empty: 1,
        ..CleaningCounts::default()
    };
    assert_eq!(examples.cleaned, expected);
    assert_eq!(examples.filtered, FilterCounts::default());
}

/// Encoded, these 64 lines would take more than 6 GB of memory at once.
#[test]
fn lines_that_are_surely_too_long_are_counted_and_not_encoded() {
    let folder = TempDir::new().unwrap();
    let long = |number: usize| SentencePair {
        source: format!("{number}").repeat(1_000_000),
        target: "short".to_owned(),
    };
    let pairs = (100..164).map(long).chain([SentencePair {
        source: "house".to_owned(),
        target: "Straße".to_owned(),
    }]);
    let text = memory(pairs.collect());
    let (examples, _) = prepare(folder.path(), &text, &tokenizer(300), &FILTER);
    assert_eq!(examples.len(), 1);
    assert_eq!(examples.report().filtered.too_long, 64);
}

/// The bound that decides which lines are encoded, at its edges: no line that may have at most as many tokens as the
/// limit is refused.
#[test]
fn lines_are_too_long_once_their_shortest_encoding_is() {
    let tokenizer = tokenizer(300);
    for text in ["house", "Straße", "the house", &"100".repeat(50)] {
        let (bound, tokens) = (
            tokenizer.source.min_tokens(text),
            tokenizer.source.encode(text).len(),
        );
        assert!(bound > 0 && bound <= tokens, "{text}");
        for [source, target] in [[text, ""], ["", text]] {
            let pair = SentencePair {
                source: source.to_owned(),
                target: target.to_owned(),
            };
            assert!(!tokenizer.has_more_tokens(&pair, tokens), "{text}");
            assert!(!tokenizer.has_more_tokens(&pair, bound), "{text}");
            assert!(tokenizer.has_more_tokens(&pair, bound - 1), "{text}");
        }
    }
}
