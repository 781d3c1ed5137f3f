//! Runs that are stopped by a signal or by force, and resume as if they had never stopped.
#![cfg(unix)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::common::{Workspace, copy_and_reverse, set, small_workspace, stderr};
use super::events::scalars;

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .expect("there is a `kill`");
    assert!(sent.success(), "the program had ended before {signal}");
}

/// Returns every line of `metrics.jsonl` without the values that depend on the machine's speed.
fn course(workspace: &Workspace, run: &str) -> Vec<serde_json::Value> {
    let text =
        fs::read_to_string(workspace.path(run).join("metrics.jsonl")).expect("the run wrote its metrics");
    text.lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).expect("every line is a record");
            let fields = record.as_object_mut().expect("a record is an object");
            fields.retain(|field, _| field != "seconds" && field != "tokens_per_second");
            record
        })
        .collect()
}

/// Returns what TensorBoard shows without the values that depend on the machine's speed.
fn shown(workspace: &Workspace, run: &str) -> Vec<(String, u64, f32)> {
    scalars(&workspace.path(run))
        .into_iter()
        .filter(|scalar| scalar.tag != "train/tokens_per_second")
        .map(|scalar| (scalar.tag, scalar.step, scalar.value))
        .collect()
}

fn assert_same_run(workspace: &Workspace, run: &str, whole: &str) {
    assert_eq!(course(workspace, run), course(workspace, whole));
    assert_eq!(shown(workspace, run), shown(workspace, whole));
    for file in ["model.safetensors", "tokenizer.json", "recipe.toml"] {
        let bytes = |run: &str| fs::read(workspace.path(run).join(file)).expect("the run wrote it");
        assert!(bytes(run) == bytes(whole), "{file} differs");
    }
}

#[test]
fn a_signal_saves_and_stops() {
    let workspace = small_workspace();
    // The checkpoint that a signal causes is not part of the average.
    let settings = set(&[
        "training.updates=300",
        "training.validate_every=150",
        "training.checkpoint_every=50",
        "training.average_last=4",
        "training.metric=loss",
        "training.log_every=40",
    ]);
    workspace.train_well(&[&["small.toml", "--output", "whole"], &settings[..]].concat());
    for (signal, run, status) in [("-INT", "ctrl-c", 130), ("-TERM", "terminated", 143)] {
        let child = workspace.start(&[&["--output", run], &settings[..]].concat());
        workspace.wait_for(&format!("{run}/metrics.jsonl"));
        sleep(Duration::from_millis(30));
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{message}");
        assert!(
            message.contains("the same command with --resume goes on"),
            "{message}"
        );
        let stopped = message
            .lines()
            .find_map(|line| line.strip_prefix("stopped after update "));
        let stopped: usize = stopped
            .and_then(|rest| rest.split(';').next()?.parse().ok())
            .unwrap();
        assert!((1..300).contains(&stopped));
        let page = || fs::read_to_string(workspace.path(run).join("report.html")).unwrap();
        assert!(page().contains("<p>Stopped by a signal;"));

        let resume = ["small.toml", "--output", run, "--resume"];
        let resumed = workspace.train(&[&resume[..], &settings].concat());
        let message = stderr(&resumed);
        assert!(resumed.status.success(), "{message}");
        assert!(
            message.contains(&format!("going on after update {stopped}\n")),
            "{message}"
        );
        assert_same_run(&workspace, run, "whole");
        assert!(page().contains("<p>Finished."));
    }
}

/// If the limit is set to the update at which Ctrl-C stopped a run, the resumed run ends with a validation and a model.
#[test]
fn an_interrupted_run_can_be_ended() {
    let workspace = small_workspace();
    let child = workspace.start(&[
        "--output",
        "run",
        "--set",
        "training.updates=1000000",
        "--set",
        "training.validate_every=1000000",
    ]);
    workspace.wait_for("run/metrics.jsonl");
    sleep(Duration::from_millis(100));
    send("-INT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(!workspace.path("run/model.safetensors").exists());
    let end = [
        "--set",
        "training.updates=1",
        "--set",
        "training.validate_every=1000000",
    ];
    workspace.train_well(&[&["small.toml", "--output", "run", "--resume"], &end[..]].concat());
    assert!(workspace.path("run/model.safetensors").exists());
}

#[test]
fn a_signal_in_the_last_validation_stops_before_the_test() {
    let workspace = small_workspace();
    let pairs = copy_and_reverse(360);
    workspace.write_pairs("valid", &vec![&pairs[300..]; 20].concat());
    let mut child = workspace.start(&["--output", "run", "--set", "training.updates=2"]);
    let metrics = workspace.path("run/metrics.jsonl");
    while fs::read(&metrics).is_ok_and(|bytes| bytes.is_empty()) || !metrics.exists() {
        assert!(child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(1));
    }
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("stopped after update 2;"), "{message}");
    assert!(!workspace.path("run/README.md").exists());

    let resume = ["small.toml", "--output", "run", "--resume"];
    workspace.train_well(&[&resume[..], &["--set", "training.updates=2"]].concat());
    assert!(workspace.path("run/README.md").exists());
}

/// While the text is prepared there is nothing to save: the signal does what it does to any program.
#[test]
fn a_signal_before_the_first_update_ends_the_program() {
    let workspace = small_workspace();
    workspace.write_pairs("train", &copy_and_reverse(60_000));
    let mut child = workspace.start(&["--output", "run"]);
    workspace.wait_for("prepared");
    send("-INT", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert!(!workspace.path("run").exists());
}

#[test]
fn a_second_signal_stops_at_once() {
    let workspace = small_workspace();
    // Each update takes minutes.
    let mut child = workspace.start(&["--output", "run", "--set", "training.accumulate=20000"]);
    workspace.wait_for("run/metrics.jsonl");
    sleep(Duration::from_millis(100));
    send("-INT", &child);
    sleep(Duration::from_millis(300));
    assert!(
        child.try_wait().unwrap().is_none(),
        "it stopped before the update had ended"
    );
    send("-INT", &child);
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(!workspace.path("run/checkpoints/00000001").exists());
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_anew() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "whole"]);
    // Without --resume, the folder is refused, even if it holds no run yet.
    fs::create_dir_all(workspace.path("run/checkpoints")).unwrap();
    let new = workspace.failure(&["small.toml", "--output", "run"]);
    assert!(new.contains("run exists already"), "{new}");
    let output = workspace.train(&["small.toml", "--output", "run", "--resume"]);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert!(message.contains("going on after update 0"), "{message}");
    assert_same_run(&workspace, "run", "whole");
}

/// Kills the program at ten random instants and resumes it each time, and asserts that its results are those of a run
/// that was never killed.
fn assert_survives_kills(settings: &[&str], seed: u64) {
    let workspace = small_workspace();
    let settings = [
        settings,
        // The program spends much of its time on writing.
        &[
            "training.updates=60",
            "training.validate_every=6",
            "training.checkpoint_every=2",
            "training.log_every=5",
        ],
    ]
    .concat();
    let settings = set(&settings);
    let start = Instant::now();
    workspace.train_well(&[&["small.toml", "--output", "whole"], &settings[..]].concat());
    let whole = start.elapsed();

    let has_begun = || fs::read_dir(workspace.path("run")).is_ok_and(|mut files| files.next().is_some());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut kills = 0;
    while kills < 10 {
        let resume: &[&str] = if has_begun() { &["--resume"] } else { &[] };
        let mut child = workspace.start(&[&["--output", "run"], resume, &settings[..]].concat());
        // The instants are so early that a run rarely ends before it was killed ten times.
        sleep(whole.mul_f64(f64::from(random.next_u32()) / 2f64.powi(32) * 0.2));
        // Every other time, the program is killed in the middle of a checkpoint.
        let partial = workspace.path("run/checkpoints/partial");
        while kills % 2 == 1 && !partial.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_micros(200));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        } else {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            assert_same_run(&workspace, "run", "whole");
            fs::remove_dir_all(workspace.path("run")).unwrap();
        }
    }
    let resume: &[&str] = if workspace.path("run").exists() {
        &["--resume"]
    } else {
        &[]
    };
    workspace.train_well(&[&["small.toml", "--output", "run"], resume, &settings[..]].concat());
    assert_same_run(&workspace, "run", "whole");
}

#[test]
fn ten_kills_change_nothing() {
    assert_survives_kills(&[], 1);
}

#[test]
fn ten_kills_change_no_average_of_the_last() {
    assert_survives_kills(&["training.average_last=5", "training.metric=loss"], 2);
}

#[test]
fn ten_kills_change_no_subwords_nor_the_mixture() {
    assert_survives_kills(&["data.bpe_dropout=0.1", "data.train.weight=1.5"], 5);
}

#[test]
fn ten_kills_change_no_average_of_the_best() {
    assert_survives_kills(&["training.average_best=3", "training.metric=chrf"], 3);
}

#[test]
fn ten_kills_change_no_moving_average_nor_patience() {
    let settings = [
        "training.ema=0.9",
        "training.optimizer=adamw",
        "training.weight_decay=0.01",
    ];
    assert_survives_kills(
        &[&settings[..], &["training.patience=100", "training.accumulate=2"]].concat(),
        4,
    );
}
