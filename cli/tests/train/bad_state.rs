//! Runs that cannot go on: what `attend train` reports, and that no earlier work is lost.

use std::fs;
use std::process::Command;

use super::common::{Workspace, set, small_workspace, stderr};

const RESUME: [&str; 4] = ["small.toml", "--output", "run", "--resume"];

/// Returns a workspace with a run that has ended after the 20 updates of its recipe.
fn workspace_with_run() -> Workspace {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run"]);
    workspace
}

fn assert_contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn a_changed_recipe_is_refused_with_its_keys() {
    let workspace = workspace_with_run();
    let changes = set(&["training.warmup=11", "training.ema=0.9", "data.vocab_size=310"]);
    let message = workspace.failure(&[&RESUME[..], &changes].concat());
    assert_contains(
        &message,
        &[
            "the recipe differs from that of the run in run",
            "data.vocab_size is 310, was 300",
            "training.ema is 0.9, was left out",
            "training.warmup is 11, was 10",
            "hint: resume with the recipe run/recipe.toml and --output run (only these may change: ",
        ],
    );
    assert!(!message.contains("training.updates is"), "{message}");
    let limits = set(&[
        "training.updates=22",
        "training.minutes=60",
        "training.patience=9",
    ]);
    workspace.train_well(&[&RESUME[..], &limits].concat());
    // The run resumes with the recipe and the folder that the hint names.
    workspace.train_well(&["run/recipe.toml", "--output", "run", "--resume"]);
}

#[test]
fn the_end_of_a_cosine_cannot_change() {
    let workspace = small_workspace();
    let cosine = set(&["training.schedule=cosine"]);
    workspace.train_well(&[&["small.toml", "--output", "run"], &cosine[..]].concat());
    let longer = set(&["training.updates=30"]);
    let message = workspace.failure(&[&RESUME[..], &cosine, &longer].concat());
    assert_contains(
        &message,
        &[
            "training.updates is 30, was 20",
            "updates where the schedule is not cosine",
        ],
    );
}

#[test]
fn a_changed_corpus_is_refused() {
    let workspace = workspace_with_run();
    for (file, name) in [
        ("train.tgt", "training pairs (data.train)"),
        ("valid.src", "validation pairs (data.valid)"),
        ("test.src", "test pairs (data.test)"),
    ] {
        let text = fs::read_to_string(workspace.path(file)).unwrap();
        workspace.write(file, text.replacen(" a", " b", 1));
        let message = workspace.failure(&RESUME);
        assert_contains(
            &message,
            &[
                &format!("the text of the {name} changed since the run in run began"),
                "put it back",
            ],
        );
        workspace.write(file, text);
    }
    workspace.train_well(&RESUME);
}

#[test]
fn a_changed_tokenizer_is_refused() {
    let workspace = workspace_with_run();
    workspace.train_well(&["small.toml", "--output", "other", "--set", "data.vocab_size=262"]);
    let tokenizer = fs::read(workspace.path("run/tokenizer.json")).unwrap();
    fs::copy(
        workspace.path("other/tokenizer.json"),
        workspace.path("run/tokenizer.json"),
    )
    .unwrap();
    let prepared = workspace.path("prepared");
    fs::remove_dir_all(&prepared).unwrap();
    let message = workspace.failure(&RESUME);
    assert_contains(
        &message,
        &["the tokenizer run/tokenizer.json changed", "put it back"],
    );
    assert!(!prepared.exists());
    workspace.write("run/tokenizer.json", tokenizer);
    workspace.train_well(&RESUME);
}

#[test]
fn a_folder_without_a_run_is_not_resumed() {
    let workspace = small_workspace();
    assert_contains(
        &workspace.failure(&RESUME),
        &["run holds no checkpoint", "hint: "],
    );
    assert!(!workspace.path("run").exists());
}

#[test]
fn a_run_whose_checkpoints_are_gone_is_not_begun_anew() {
    for every in ["training.checkpoint_every=10", "training.checkpoint_every=1000"] {
        assert_not_begun_anew(&["--set", every]);
    }
}

/// Trains a run, removes its checkpoints, which are written at every validation at least, and asserts that the run is
/// neither resumed nor begun anew.
fn assert_not_begun_anew(settings: &[&str]) {
    let workspace = small_workspace();
    workspace.train_well(&[&["small.toml", "--output", "run"], settings].concat());
    let files =
        || ["model.safetensors", "metrics.jsonl"].map(|file| fs::read(workspace.path("run").join(file)));
    let before = files().map(Result::unwrap);
    for update in ["00000010", "00000020"] {
        fs::remove_dir_all(workspace.path("run/checkpoints").join(update)).unwrap();
    }
    let longer = [&RESUME[..], settings, &["--set", "training.updates=30"]].concat();
    let message = workspace.failure(&longer);
    assert_contains(&message, &["run holds no checkpoint to resume from", "hint: "]);
    assert!(files().map(Result::unwrap) == before);
}

/// The folders are left as by a program that was killed after it had put the old checkpoint aside.
#[test]
fn a_checkpoint_about_to_be_replaced_is_not_lost() {
    let workspace = workspace_with_run();
    let checkpoints = workspace.path("run/checkpoints");
    fs::rename(checkpoints.join("00000020"), checkpoints.join("replaced")).unwrap();
    let output = workspace.train(&RESUME);
    assert!(output.status.success());
    assert_contains(&stderr(&output), &["going on after update 20\n"]);
    assert!(checkpoints.join("00000020/state.toml").exists());
    assert!(!checkpoints.join("replaced").exists());
}

#[test]
fn a_damaged_record_is_left_out_and_the_others_stay() {
    let workspace = workspace_with_run();
    let path = workspace.path("run/metrics.jsonl");
    let mut lines: Vec<Vec<u8>> = fs::read(&path)
        .unwrap()
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines[1][3] = 0xff;
    fs::write(&path, lines.concat()).unwrap();
    // A line whose weights do not fit its tokens.
    let attention = workspace.path("run/attention.jsonl");
    let text = fs::read_to_string(&attention).unwrap();
    let (first, others) = text.split_once('\n').unwrap();
    let ragged = first.replacen("\"weights\":[[", "\"weights\":[[0.5,", 1);
    fs::write(&attention, format!("{ragged}\n{others}")).unwrap();
    let output = workspace.train(&RESUME);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert_contains(
        &message,
        &[
            "run/metrics.jsonl, line 2: not a record, left out",
            "run/attention.jsonl, line 1: not a record, left out",
        ],
    );
    assert_eq!(fs::read_to_string(&attention).unwrap(), others);
    lines.remove(1);
    assert!(fs::read(&path).unwrap() == lines.concat());
}

#[test]
fn a_checkpoint_cut_short_gives_way_to_the_one_before() {
    let workspace = workspace_with_run();
    workspace.train_well(&["small.toml", "--output", "whole", "--set", "training.updates=30"]);
    let longer = [&RESUME[..], &["--set", "training.updates=30"]].concat();
    let file = |update: usize, name: &str| workspace.path(&format!("run/checkpoints/{update:08}/{name}"));

    for name in ["model.bpk", "optimizer.bpk", "state.toml"] {
        let bytes = fs::read(file(20, name)).unwrap();
        let earlier = fs::read(file(10, name)).unwrap();
        // Each file is cut by its own length, since a number in it may have more digits than in the other checkpoint.
        let cuts: [fn(usize) -> usize; 4] = [|_| 0, |_| 10, |length| length / 2, |length| length - 2];
        for cut in cuts {
            fs::write(file(20, name), &bytes[..cut(bytes.len())]).unwrap();
            fs::write(file(10, name), &earlier[..cut(earlier.len())]).unwrap();
            let message = workspace.failure(&RESUME);
            assert_contains(&message, &[&format!("00000020/{name} is damaged"), "hint: "]);
            fs::write(file(10, name), &earlier).unwrap();
        }
        fs::write(file(20, name), bytes).unwrap();
    }

    let bytes = fs::read(file(20, "optimizer.bpk")).unwrap();
    fs::write(file(20, "optimizer.bpk"), &bytes[..bytes.len() / 2]).unwrap();
    let output = workspace.train(&longer);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert_contains(
        &message,
        &[
            "00000020/optimizer.bpk is damaged",
            "going on from the one before",
            "going on after update 10",
        ],
    );
    assert_eq!(workspace.losses("run"), workspace.losses("whole"));
    assert_eq!(workspace.weights("run"), workspace.weights("whole"));
}

#[test]
fn a_changed_byte_anywhere_in_a_checkpoint_is_noticed() {
    let workspace = small_workspace();
    let train = |more: &[&str]| {
        let arguments = [&["small.toml"], more, &["--set", "training.ema=0.9"]].concat();
        workspace.train(&arguments)
    };
    let longer = ["--set", "training.updates=30"];
    assert!(train(&["--output", "run"]).status.success());
    assert!(
        train(&[&["--output", "whole"], &longer[..]].concat())
            .status
            .success()
    );

    let file = |update: usize, name: &str| workspace.path(&format!("run/checkpoints/{update:08}/{name}"));
    // One bit is changed, so that text stays text.
    let flip = |update: usize, name: &str, share: f64| {
        let mut bytes = fs::read(file(update, name)).unwrap();
        let place = (share * (bytes.len() - 1) as f64) as usize;
        bytes[place] ^= 1;
        fs::write(file(update, name), bytes).unwrap();
    };
    for name in [
        "model.bpk",
        "optimizer.bpk",
        "average.bpk",
        "state.toml",
        "checksums.toml",
    ] {
        for share in [0.0, 0.3, 0.5, 0.8, 1.0] {
            let flip_both = || {
                flip(10, name, share);
                flip(20, name, share);
            };
            flip_both();
            let output = train(&["--output", "run", "--resume"]);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{name} at {share}: {message}");
            assert_contains(&message, &["error: the checkpoint", "00000020/", "is damaged"]);
            if name != "checksums.toml" {
                assert_contains(&message, &[&format!("{name} is damaged: its checksum differs")]);
            }
            flip_both();
        }
    }

    flip(20, "average.bpk", 0.6);
    let output = train(&[&["--output", "run", "--resume"], &longer[..]].concat());
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert_contains(
        &message,
        &[
            "00000020/average.bpk is damaged: its checksum differs: going on from the one before",
            "going on after update 10",
        ],
    );
    assert_eq!(workspace.losses("run"), workspace.losses("whole"));
    assert_eq!(workspace.weights("run"), workspace.weights("whole"));
}

/// Trains into the folder of a run, which may be resumed, with an average of the last four checkpoints. Returns the
/// program's messages.
fn train_average(workspace: &Workspace, run: &[&str], updates: usize) -> String {
    let updates = format!("training.updates={updates}");
    let settings = set(&[
        &updates,
        "training.average_last=4",
        "training.validate_every=5",
        "training.metric=loss",
    ]);
    let output = workspace.train(&[&["small.toml", "--output"], run, &settings].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn a_checkpoint_that_is_averaged_is_left_out_once_damaged() {
    let workspace = small_workspace();
    let singles = [15, 20, 25].map(|updates| {
        let (run, updates) = (format!("to-{updates}"), format!("training.updates={updates}"));
        let settings = set(&[&updates, "training.metric=loss", "training.validate_every=5"]);
        workspace.train_well(&[&["small.toml", "--output", &run], &settings[..]].concat());
        workspace.weights(&run)
    });
    train_average(&workspace, &["whole"], 30);
    for (run, reason) in [
        ("changed", "model.bpk is damaged: its checksum differs"),
        ("gone", "model.bpk is damaged: it is missing"),
    ] {
        train_average(&workspace, &[run], 20);
        let folder = workspace.path(&format!("{run}/checkpoints/00000010"));
        let file = folder.join("model.bpk");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        match run {
            "changed" => fs::write(&file, bytes).unwrap(),
            _ => fs::remove_dir_all(&folder).unwrap(),
        }
        // The average at update 25 is that of the weights after updates 10, 15, 20 and 25.
        let message = train_average(&workspace, &[run, "--resume"], 25);
        let [on_resume, on_validation] = ["averages will lack it", "left out of the average"]
            .map(|end| format!("00000010/{reason}: {end}"));
        assert_contains(
            &message,
            &[&on_resume, &on_validation, "going on after update 20"],
        );
        let model_card = workspace.model_card(run);
        assert_contains(
            &model_card,
            &["the average of the weights after updates 15, 20, 25"],
        );
        for (index, weight) in workspace.weights(run).into_iter().enumerate() {
            let mean = singles.iter().map(|weights| weights[index]).sum::<f32>() / 3.0;
            assert!((weight - mean).abs() < 1e-6, "{weight}, not {mean}");
        }
        // The average at update 30 does not need the damaged checkpoint.
        let message = train_average(&workspace, &[run, "--resume"], 30);
        assert!(!message.contains("left out"), "{message}");
        assert_eq!(workspace.losses(run), workspace.losses("whole"));
        assert_eq!(workspace.weights(run), workspace.weights("whole"));
    }
}

#[test]
fn a_run_outlives_the_damage_of_a_checkpoint_that_it_averages() {
    let workspace = small_workspace();
    let settings = set(&["training.updates=1000000", "training.average_last=1000"]);
    let mut child = workspace.start(&[&["--output", "run"], &settings[..]].concat());
    workspace.wait_for("run/checkpoints/00000030/state.toml");
    fs::remove_file(workspace.path("run/checkpoints/00000010/model.bpk")).unwrap();
    workspace.wait_for("run/checkpoints/00000060/state.toml");
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_contains(
        &stderr(&output),
        &["00000010/model.bpk is damaged: it is missing: left out of the average"],
    );
}

#[test]
fn without_any_checkpoint_to_average_the_weights_themselves_are_taken() {
    let workspace = small_workspace();
    let train = |more: &[&str]| {
        let settings = set(&[
            "training.average_last=1",
            "training.checkpoint_every=9",
            "training.metric=loss",
        ]);
        workspace.train_well(&[&["small.toml", "--output", "run"], &settings[..], more].concat());
        workspace.model_card("run")
    };
    assert_contains(&train(&[]), &["the average of the weights after updates 18"]);
    fs::remove_file(workspace.path("run/checkpoints/00000018/model.bpk")).unwrap();
    let model_card = train(&["--resume", "--set", "training.updates=25"]);
    assert_contains(&model_card, &["These are the weights after update 25"]);
}

#[test]
fn the_average_of_the_best_lacks_a_damaged_one() {
    let workspace = small_workspace();
    let train = |run: &str, more: &[&str]| {
        let settings = set(&[
            "training.average_best=3",
            "training.metric=loss",
            "training.validate_every=5",
        ]);
        workspace.train_well(&[&["small.toml", "--output", run], &settings[..], more].concat());
        workspace.model_card(run)
    };
    assert_contains(&train("run", &[]), &["after updates 10, 15, 20, the best"]);
    fs::write(workspace.path("run/checkpoints/00000015/model.bpk"), "").unwrap();
    let model_card = train("run", &["--resume", "--set", "training.updates=25"]);
    assert_contains(&model_card, &["after updates 20, 25, the best"]);
}

#[test]
fn another_number_of_workers_is_said() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run", "--workers", "1"]);
    let output = workspace.train(&[&RESUME[..], &["--workers", "2"]].concat());
    assert!(output.status.success());
    assert_contains(&stderr(&output), &["2 workers in the place of 1"]);
}

#[test]
fn two_trainings_in_one_folder_are_refused() {
    let workspace = small_workspace();
    let mut first = workspace.start(&["--output", "run", "--set", "training.updates=1000000"]);
    workspace.wait_for("run/checkpoints/00000010/state.toml");
    let second = workspace.train(&RESUME);
    let new = workspace.train(&["small.toml", "--output", "run"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_contains(
        &stderr(&second),
        &["error: another training is running in run", "hint: wait"],
    );
    assert_contains(&stderr(&new), &["error: the output folder run exists already"]);

    // The lock of the folder ends with the program that held it.
    workspace.train_well(&RESUME);
}

#[test]
fn losses_that_are_no_numbers_stop_the_run_and_leave_its_checkpoint() {
    let workspace = small_workspace();
    let settings = set(&[
        "training.learning_rate=1e30",
        "training.clip_norm=0",
        "training.checkpoint_every=1",
    ]);
    let message = workspace.failure(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    assert_contains(
        &message,
        &[
            "update 2: loss or gradients are not finite; skipped",
            "not finite in 10 updates in a row, up to update 11",
            "hint: lower",
        ],
    );
    // The first update has ruined the weights, and there is no checkpoint before it.
    assert!(!workspace.path("run/checkpoints/00000001").exists());
    assert_contains(
        &workspace.failure(&[&RESUME[..], &settings].concat()),
        &["holds no checkpoint"],
    );
}

#[test]
fn weights_that_a_step_ruined_are_not_gone_on_from() {
    let workspace = small_workspace();
    // The learning rate rises with each update, until the weights are no longer finite.
    let settings = set(&[
        "training.learning_rate=1e9",
        "training.clip_norm=0",
        "training.checkpoint_every=1",
    ]);
    let number_after = |message: &str, words: &str| -> usize {
        let (_, rest) = message.split_once(words).expect("it is said");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let message = workspace.failure(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    let end = number_after(&message, "10 updates in a row, up to update ");
    let ruinous = end - 10;
    assert!(ruinous > 2, "{message}");
    assert!(!workspace.path(&format!("run/checkpoints/{ruinous:08}")).exists());
    let again = workspace.failure(&[&RESUME[..], &settings].concat());
    let sound = number_after(&again, "going on after update ");
    assert!((1..ruinous).contains(&sound), "{again}");
    assert_eq!(number_after(&again, "10 updates in a row, up to update "), end);
}

#[test]
fn a_run_without_a_finite_validation_has_no_model() {
    let workspace = small_workspace();
    let settings = set(&[
        "training.learning_rate=1e30",
        "training.clip_norm=0",
        "training.updates=3",
    ]);
    let message = workspace.failure(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    assert_contains(&message, &["no validation had a finite loss", "hint: lower"]);
    assert!(!workspace.path("run/model.safetensors").exists());
}

#[test]
fn validations_without_a_finite_loss_use_up_the_patience() {
    let workspace = small_workspace();
    let settings = set(&[
        "training.learning_rate=1e30",
        "training.clip_norm=0",
        "training.validate_every=1",
        "training.patience=3",
    ]);
    let message = workspace.failure(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    assert_contains(
        &message,
        &[
            "update 3: the validation loss is not finite",
            "no validation had a finite loss",
        ],
    );
    assert!(!message.contains("update 4"), "{message}");
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint_to_go_on_from() {
    let workspace = workspace_with_run();
    workspace.train_well(&["small.toml", "--output", "whole", "--set", "training.updates=40"]);
    let size = |name: &str| {
        let path = workspace.path(&format!("run/checkpoints/00000020/{name}"));
        fs::metadata(path).unwrap().len()
    };
    // Files of more than so many blocks of 512 bytes cannot be written, as on a full disk. The optimizer's file is such
    // a file, since it holds two numbers for each weight.
    let blocks = (size("model.bpk") + size("optimizer.bpk")) / 2 / 512;
    assert!(size("optimizer.bpk") / 512 > blocks && blocks > size("model.bpk") / 512);
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} train {} --set training.updates=40",
            env!("CARGO_BIN_EXE_attend"),
            RESUME.join(" ")
        ))
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_contains(&message, &["error: cannot write", "optimizer.bpk", "free space"]);

    workspace.train_well(&[&RESUME[..], &["--set", "training.updates=40"]].concat());
    assert_eq!(workspace.losses("run"), workspace.losses("whole"));
    assert_eq!(workspace.weights("run"), workspace.weights("whole"));
}

#[test]
fn a_folder_removed_meanwhile_is_an_error_and_not_made_anew() {
    let workspace = small_workspace();
    let endless = ["--set", "training.updates=1000000"];
    let child = workspace.start(&[&["--output", "run"], &endless[..]].concat());
    workspace.wait_for("run/checkpoints/00000010/state.toml");
    fs::rename(workspace.path("run"), workspace.path("moved")).unwrap();
    let output = child.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_contains(
        &message,
        &["error: cannot write run/", "hint: check that the folder exists"],
    );
    assert!(!workspace.path("run").exists());

    let moved = [
        "small.toml",
        "--output",
        "moved",
        "--resume",
        "--set",
        "training.updates=1",
    ];
    let stop_at_once = workspace.train(&[&moved[..], &["--set", "training.epochs=1"]].concat());
    let message = stderr(&stop_at_once);
    assert!(stop_at_once.status.success(), "{message}");
    assert_contains(&message, &["going on after update"]);
}
