//! A program that is killed while it prepares its training pairs: afterwards, the same command succeeds as if nothing
//! had happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::common::{Workspace, copy_and_reverse, small_workspace};

/// The number of training pairs; to prepare them takes more than a second.
const PAIRS: usize = 120_000;

/// The arguments that train into the folder `run` for a moment.
const TRAIN: [&str; 6] = [
    "--output",
    "run",
    "--set",
    "data.vocab_pairs=300",
    "--set",
    "training.updates=10",
];

/// Returns the files in the folders of prepared corpora.
fn prepared(workspace: &Workspace) -> Vec<PathBuf> {
    let files = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.expect("the folder can be read").path())
    };
    files(workspace.path("prepared")).flat_map(files).collect()
}

fn contents(workspace: &Workspace) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = prepared(workspace).into_iter();
    files
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect()
}

/// Returns whether a prepared corpus has a file that was written after `since` and whose name ends with `end`.
fn has_written(workspace: &Workspace, end: &str, since: SystemTime) -> bool {
    prepared(workspace).iter().any(|file| {
        let modified = fs::metadata(file).and_then(|metadata| metadata.modified());
        file.to_string_lossy().ends_with(end) && modified.is_ok_and(|modified| modified > since)
    })
}

/// Waits until a prepared corpus has a file that was written after `since` and whose name ends with `end`, or is
/// complete.
fn wait_for_file(workspace: &Workspace, end: &str, since: SystemTime) {
    let start = Instant::now();
    while !has_written(workspace, end, since) && !has_written(workspace, "manifest.json", since) {
        assert!(start.elapsed() < Duration::from_secs(60), "no {end} in a minute");
        sleep(Duration::from_micros(200));
    }
}

#[test]
fn ten_kills_while_preparing_change_no_shard() {
    let workspace = small_workspace();
    workspace.write_pairs("train", &copy_and_reverse(PAIRS));
    let mut whole = workspace.start(&TRAIN);
    wait_for_file(&workspace, "lock", SystemTime::UNIX_EPOCH);
    let start = Instant::now();
    wait_for_file(&workspace, "manifest.json", SystemTime::UNIX_EPOCH);
    let duration = start.elapsed();
    assert!(whole.wait().unwrap().success());
    let (expected, weights) = (contents(&workspace), workspace.weights("run"));
    let start_anew = || {
        for folder in ["prepared", "run"] {
            fs::remove_dir_all(workspace.path(folder)).ok();
        }
    };
    start_anew();

    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut kills_before_the_end = 0;
    for kill in 0..10 {
        let since = SystemTime::now();
        let mut child = workspace.start(&TRAIN);
        // The program is killed at a random instant after it has begun, while it writes the shard, or after that.
        wait_for_file(&workspace, ["lock", ".part", "lock", ".shard"][kill % 4], since);
        if kill % 2 == 0 {
            sleep(duration.mul_f64(f64::from(random.next_u32()) / 2f64.powi(32)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if has_written(&workspace, "manifest.json", SystemTime::UNIX_EPOCH) {
            assert!(contents(&workspace) == expected);
            start_anew();
        } else {
            kills_before_the_end += 1;
        }
    }
    assert!(kills_before_the_end >= 4, "{kills_before_the_end}");
    workspace.train_well(&[&["small.toml"], &TRAIN[..]].concat());
    assert!(contents(&workspace) == expected);
    assert_eq!(workspace.weights("run"), weights);
}
