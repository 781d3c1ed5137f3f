//! What `train` says to what is wrong with its input.

mod common;

use std::fs;

use common::{SMALL_RECIPE, Workspace, counts, small_workspace, stderr};

/// Runs `train`, which must fail as a program and not as a bug, and returns what it said.
fn failure(workspace: &Workspace, arguments: &[&str]) -> String {
    let output = workspace.train(arguments);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// Checks that `train small.toml` fails with a message of these parts and writes no output folder.
fn assert_refused(workspace: &Workspace, arguments: &[&str], parts: &[&str]) {
    let message = failure(workspace, &[&["small.toml"], arguments].concat());
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
    assert!(!workspace.path("runs").exists(), "a folder was left behind");
}

#[test]
fn a_whole_run_leaves_a_model_folder() {
    let workspace = small_workspace();
    let stdout = workspace.train_well(&["small.toml"]);
    assert!(stdout.contains("BLEU|nrefs:1|"), "{stdout}");
    assert!(stdout.contains("chrF2|nrefs:1|"), "{stdout}");
    assert!(stdout.contains("just translate --model runs/small "), "{stdout}");
    let mut files: Vec<String> = fs::read_dir(workspace.path("runs/small"))
        .expect("the run made its folder")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "README.md",
        "checkpoints",
        "config.json",
        "generation.json",
        "metrics.jsonl",
        "model.safetensors",
        "recipe.toml",
        "tokenizer.json",
    ];
    assert_eq!(files, expected);
    let checkpoints: Vec<_> = fs::read_dir(workspace.path("runs/small/checkpoints"))
        .unwrap()
        .collect();
    assert_eq!(checkpoints.len(), 1, "only the last checkpoint stays");
    let card = fs::read_to_string(workspace.path("runs/small/README.md")).unwrap();
    assert!(
        card.contains("BLEU|nrefs:1|") && card.contains("just train small.toml"),
        "{card}"
    );
}

#[test]
fn a_missing_recipe_or_corpus_is_named() {
    let workspace = small_workspace();
    assert!(failure(&workspace, &["absent.toml"]).contains("absent.toml"));
    fs::remove_file(workspace.path("valid.tgt")).unwrap();
    assert_refused(&workspace, &[], &["valid.tgt"]);
}

#[test]
fn unequal_line_counts_are_named_with_their_files() {
    let workspace = small_workspace();
    workspace.write("train.tgt", "a\nb\n");
    assert_refused(
        &workspace,
        &[],
        &["train.src", "300 lines", "train.tgt has 2", "hint: "],
    );
}

#[test]
fn invalid_utf8_is_named_with_its_line() {
    let workspace = small_workspace();
    workspace.write("train.src", b"a\nb\xff\n");
    assert_refused(&workspace, &[], &["train.src, line 2", "UTF-8"]);
}

#[test]
fn an_empty_corpus_is_refused() {
    let workspace = small_workspace();
    workspace.write("train.src", "");
    workspace.write("train.tgt", "");
    assert_refused(&workspace, &[], &["train.src", "empty"]);
}

#[test]
fn a_two_column_corpus_is_read_and_checked() {
    let workspace = small_workspace();
    let lines: String = common::copy_and_reverse(300)
        .iter()
        .map(|(source, target)| format!("{source}\t{target}\n"))
        .collect();
    workspace.write("pairs.tsv", &lines);
    let recipe = SMALL_RECIPE.replace(
        r#"train = { source = "train.src", target = "train.tgt" }"#,
        r#"train = { tsv = "pairs.tsv" }"#,
    );
    workspace.write("small.toml", recipe);
    workspace.train_well(&["small.toml", "--output", "from-tsv"]);
    workspace.write("small-files.toml", SMALL_RECIPE);
    workspace.train_well(&["small-files.toml", "--output", "from-files"]);
    assert_eq!(workspace.losses("from-tsv"), workspace.losses("from-files"));

    workspace.write("pairs.tsv", lines + "no tab\n");
    assert_refused(&workspace, &[], &["pairs.tsv, line 301"]);
}

#[test]
fn sentences_beyond_the_models_positions_are_dropped_and_counted() {
    let workspace = small_workspace();
    let long = |letter: &str| [letter; 100].join(" ") + "\n";
    for split in ["train", "valid", "test"] {
        for (side, letter) in [("src", "a"), ("tgt", "b")] {
            let file = format!("{split}.{side}");
            let text = fs::read_to_string(workspace.path(&file)).unwrap();
            workspace.write(&file, text + &long(letter));
        }
    }
    let output = workspace.train(&["small.toml"]);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert_eq!(counts(&message, "pairs read"), [301]);
    assert_eq!(counts(&message, "- too long"), [1]);
    assert_eq!(counts(&message, "pairs kept"), [300]);
    assert!(
        message.contains("validation pairs: left out 1 longer"),
        "{message}"
    );
    assert!(message.contains("test pairs: left out 1 longer"), "{message}");

    workspace.write("train.src", long("a") + &long("b"));
    workspace.write("train.tgt", long("b") + &long("a"));
    let message = failure(&workspace, &["small.toml", "--output", "none-left"]);
    assert!(message.contains("dropped all 2 training pairs"), "{message}");
}

#[test]
fn an_unknown_key_gets_the_nearest_one_suggested() {
    let workspace = small_workspace();
    workspace.write("small.toml", SMALL_RECIPE.replace("warmup = ", "warmpu = "));
    assert_refused(
        &workspace,
        &[],
        &["small.toml, line 24", "warmpu", "did you mean `warmup`?"],
    );
    workspace.write("small.toml", SMALL_RECIPE);
    let overridden = ["--set", "model.n_head=2"];
    assert_refused(
        &workspace,
        &overridden,
        &["--set model.n_head=2", "did you mean `n_heads`?"],
    );
    assert_refused(
        &workspace,
        &["--set", "seed"],
        &["--set seed", "write section.key=value"],
    );
    assert_refused(
        &workspace,
        &["--set", "model.preset=huge"],
        &["--set model.preset=huge", "`huge`"],
    );
    assert_refused(
        &workspace,
        &["--set", "seed.x=1"],
        &["--set seed.x=1", "no section"],
    );
}

#[test]
fn a_value_out_of_range_is_named_with_its_place() {
    let workspace = small_workspace();
    workspace.write("small.toml", SMALL_RECIPE.replace("n_heads = 4", "n_heads = 5"));
    assert_refused(
        &workspace,
        &[],
        &["small.toml, line 14", "n_heads = 5 does not divide d_model = 32"],
    );
    workspace.write("small.toml", SMALL_RECIPE);
    let cases = [
        ("model.dropout=1.0", "dropout"),
        ("training.updates=0", "training.updates is 0"),
        ("training.learning_rate=-1", "training.learning_rate"),
        ("training.label_smoothing=1", "training.label_smoothing"),
        ("training.clip_norm=-1", "training.clip_norm"),
        ("data.max_ratio=0.5", "data.max_ratio"),
        ("data.vocab_size=10", "vocabulary of 10 tokens"),
        ("data.embedded=phrasebook", "embedded corpus"),
        (
            "data.valid.tsv=x.tsv",
            "data.valid needs source and target, or tsv",
        ),
        ("search.beam_size=0", "beam_size"),
    ];
    for (assignment, part) in cases {
        assert_refused(&workspace, &["--set", assignment], &[part]);
    }
}

#[test]
fn an_output_folder_that_exists_is_left_alone() {
    let workspace = small_workspace();
    fs::create_dir(workspace.path("mine")).unwrap();
    workspace.write("mine/notes.txt", "keep");
    let message = failure(&workspace, &["small.toml", "--output", "mine"]);
    assert!(
        message.contains("mine exists already") && message.contains("--resume"),
        "{message}"
    );
    assert_eq!(
        fs::read_to_string(workspace.path("mine/notes.txt")).unwrap(),
        "keep"
    );
    assert_eq!(fs::read_dir(workspace.path("mine")).unwrap().count(), 1);
}

#[test]
fn resuming_needs_a_whole_checkpoint_of_the_same_recipe() {
    let workspace = small_workspace();
    assert_refused(&workspace, &["--resume"], &["no checkpoint"]);
    workspace.train_well(&["small.toml", "--output", "run"]);
    let resume = ["small.toml", "--output", "run", "--resume"];
    let message = failure(
        &workspace,
        &[&resume[..], &["--set", "training.warmup=11"]].concat(),
    );
    assert!(message.contains("the recipe differs"), "{message}");

    let model = workspace.path("run/checkpoints/00000020/model.bpk");
    let bytes = fs::read(&model).unwrap();
    for length in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&model, &bytes[..length]).unwrap();
        let message = failure(&workspace, &resume);
        assert!(message.contains("model.bpk is damaged"), "{message}");
    }
    fs::write(&model, &bytes).unwrap();
    workspace.train_well(&resume);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let workspace = small_workspace();
    let rate = [
        "--set",
        "training.learning_rate=1e30",
        "--set",
        "training.clip_norm=0",
    ];
    let message = failure(
        &workspace,
        &[&["small.toml", "--output", "run"][..], &rate].concat(),
    );
    assert!(
        message.contains("the loss became") && message.contains("hint: lower"),
        "{message}"
    );
}

#[test]
fn an_unknown_device_is_refused() {
    let workspace = small_workspace();
    assert_refused(&workspace, &["--device", "abacus"], &["\"abacus\"", "flex"]);
}
