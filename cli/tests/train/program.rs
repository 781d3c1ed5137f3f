//! What `attend train` reports if its input is wrong.

use std::fs;
use std::thread;

use attend_device::{auto, is_processor};
use attend_train::Record;

use super::common::{self, SMALL_RECIPE, Workspace, counts, records, set, small_workspace, stderr};

/// Asserts that `attend train small.toml` fails with a message that contains `parts`, and writes no output folder.
fn assert_refused(workspace: &Workspace, arguments: &[&str], parts: &[&str]) {
    let message = workspace.failure(&[&["small.toml"], arguments].concat());
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
    let next = "\n  attend translate --model runs/small ";
    assert!(stdout.contains(next), "{stdout}");
    let mut files: Vec<String> = fs::read_dir(workspace.path("runs/small"))
        .expect("the run made its folder")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "README.md",
        "attention.jsonl",
        "checkpoints",
        "config.json",
        "generation.json",
        "metrics.jsonl",
        "model.safetensors",
        "recipe.toml",
        "report.html",
        "tensorboard",
        "tokenizer.json",
    ];
    assert_eq!(files, expected);
    let mut checkpoints: Vec<_> = fs::read_dir(workspace.path("runs/small/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    checkpoints.sort();
    assert_eq!(
        checkpoints,
        ["00000010", "00000020", "inputs.toml", "lock"],
        "the last two checkpoints stay"
    );
    let model_card = workspace.model_card("runs/small");
    assert!(
        model_card.starts_with("# small\n")
            && model_card.contains("BLEU|nrefs:1|")
            && model_card.contains("attend train small.toml"),
        "{model_card}"
    );
}

#[test]
fn a_missing_recipe_or_corpus_is_named() {
    let workspace = small_workspace();
    assert!(workspace.failure(&["absent.toml"]).contains("absent.toml"));
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
        &["train.src", "300 sentences", "train.tgt has 2", "hint: "],
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

    for (split, name) in [("valid", "validation"), ("test", "test")] {
        let files = [format!("{split}.src"), format!("{split}.tgt")];
        let before = files
            .each_ref()
            .map(|file| fs::read(workspace.path(file)).unwrap());
        for file in &files {
            workspace.write(file, long("a"));
        }
        let message = workspace.failure(&["small.toml", "--output", "none-to-score"]);
        let expected = format!("none of the 1 {name} pairs can be scored: the model has 64 positions");
        assert!(message.contains(&expected), "{message}");
        assert!(!workspace.path("none-to-score").exists());
        for (file, bytes) in files.iter().zip(before) {
            workspace.write(file, bytes);
        }
    }

    workspace.write("train.src", long("a") + &long("b"));
    workspace.write("train.tgt", long("b") + &long("a"));
    let message = workspace.failure(&["small.toml", "--output", "none-left"]);
    assert!(message.contains("dropped all 2 training pairs"), "{message}");
}

#[test]
fn pairs_of_uneven_lengths_are_dropped_and_counted() {
    let workspace = small_workspace();
    // With `</s>`, the pair has 8 and 2 tokens.
    for (file, words) in [("train.src", "a b c d e f g\n"), ("train.tgt", "a\n")] {
        let text = fs::read_to_string(workspace.path(file)).unwrap();
        workspace.write(file, text + words);
    }
    for (max_ratio, dropped) in [("3.9", 1), ("4", 0)] {
        let max_ratio = format!("data.max_ratio={max_ratio}");
        let settings = set(&["data.tokenizer=whitespace", &max_ratio]);
        let output = workspace.train(&[&["small.toml", "--dry-run"], &settings[..]].concat());
        let message = stderr(&output);
        assert!(output.status.success(), "{message}");
        assert_eq!(counts(&message, "- uneven lengths"), [dropped], "{max_ratio}");
        assert_eq!(counts(&message, "pairs kept"), [301 - dropped], "{max_ratio}");
    }
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
        ("model.attention_window=0", "attention_window is 0"),
        ("model.attention_window=-1", "`-1`"),
        (
            "model.attention_window=4",
            "neither encoder_layer nor decoder_layer is \"restricted\"",
        ),
        ("model.decoder_layer=restricted", "needs attention_window"),
        ("model.decoder_layer=recurrent", "which do not look ahead"),
        ("model.encoder_layer=attention", "`attention`"),
        ("model.convolution_width=4", "convolution_width = 4 is even"),
        ("training.updates=0", "training.updates is 0"),
        ("training.epochs=0", "training.epochs is 0"),
        ("training.minutes=0", "training.minutes must be"),
        ("training.accumulate=0", "training.accumulate is 0"),
        ("training.patience=0", "training.patience is 0"),
        ("training.metric=ter", "`ter`"),
        ("training.schedule=linear", "`linear`"),
        ("training.optimizer=sgd", "`sgd`"),
        ("training.weight_decay=-1", "training.weight_decay must be"),
        (
            "training.weight_decay=0.1",
            "needs training.optimizer = \"adamw\"",
        ),
        ("training.checkpoint_every=0", "training.checkpoint_every is 0"),
        ("training.average_last=0", "training.average_last is 0"),
        ("training.average_best=0", "training.average_best is 0"),
        ("training.ema=1", "training.ema must lie between 0 and 1"),
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
        ("search.min_length=64", "have at most 63 tokens"),
        ("search.repetition_penalty=0.5", "`repetition_penalty` is 0.5"),
        ("search.sampling.top_p=2", "`sampling.top_p` is 2"),
    ];
    for (assignment, part) in cases {
        assert_refused(&workspace, &["--set", assignment], &[part]);
    }
}

#[test]
fn numbers_beyond_their_bounds_are_named_with_their_place() {
    let workspace = small_workspace();
    let huge = "1000000000000000000";
    let keys = [
        "data.vocab_size",
        "data.vocab_pairs",
        "data.max_length",
        "data.clean.max_repeats",
        "model.d_model",
        "model.d_ff",
        "model.n_heads",
        "model.encoder_layers",
        "model.decoder_layers",
        "model.max_length",
        "training.updates",
        "training.epochs",
        "training.batch_tokens",
        "training.accumulate",
        "training.warmup",
        "training.validate_every",
        "training.checkpoint_every",
        "training.log_every",
        "training.patience",
        "training.average_last",
        "training.average_best",
        "search.beam_size",
        "search.nbest",
        "search.min_length",
        "search.max_length",
        "search.no_repeat_ngram",
        "search.sampling.top_k",
    ];
    for key in keys {
        let assignment = format!("{key}={huge}");
        // The search names its options by themselves.
        let named = match key.strip_prefix("search.") {
            Some(option) => format!("`{option}`"),
            None => key.to_owned(),
        };
        let expected = format!("--set {assignment}: {named} is {huge}, but must lie in [");
        assert_refused(&workspace, &["--set", &assignment], &[&expected]);
    }
    // The TOML standard has no number above 2⁶³ - 1, but a file may hold one that the parser reads.
    let above = "18446744073709551615";
    let in_file = [
        ("seed = 7", "seed = ", "line 2: seed is "),
        ("updates = 20", "updates = ", "line 21: training.updates is "),
        (
            "vocab_size = 300",
            "clean.max_repeats = ",
            "line 8: data.clean.max_repeats is ",
        ),
        ("d_ff = 64", "d_ff = ", "line 13: model.d_ff is "),
    ];
    for (line, key, expected) in in_file {
        workspace.write("small.toml", SMALL_RECIPE.replace(line, &format!("{key}{above}")));
        let expected = format!("small.toml, {expected}{above}, but must lie in [");
        assert_refused(&workspace, &[], &[&expected]);
        // Overrides of other keys change neither the error nor the line that it names.
        assert_refused(&workspace, &["--set", "training.log_every=1"], &[&expected]);
    }
}

#[test]
fn the_largest_numbers_train_and_resume() {
    let workspace = small_workspace();
    let recipe = SMALL_RECIPE.replace("seed = 7", "seed = 9223372036854775807");
    workspace.write(
        "small.toml",
        recipe.replace("vocab_size = 300", "vocab_size = 10000000"),
    );
    let settings = set(&[
        "training.batch_tokens=10000000",
        "training.warmup=1000000000000",
        "training.average_last=1000000000000",
        "search.beam_size=1000",
        "search.min_length=0",
        "search.max_length=1",
        "training.updates=2",
        "training.validate_every=1",
    ]);
    workspace.train_well(&[&["small.toml"], &settings[..]].concat());
    workspace.train_well(&[&["small.toml", "--resume"], &settings[..]].concat());
}

/// Asserts that the recipe is refused with the number of the line that ends with `# here`, both without and with
/// overrides of other keys.
fn assert_refused_here(recipe: &str, overrides: &[&str]) {
    let workspace = small_workspace();
    workspace.write("small.toml", recipe);
    let line = recipe.lines().position(|line| line.ends_with("# here"));
    let place = format!(
        "error: small.toml, line {}: ",
        1 + line.expect("a line is marked")
    );
    assert_refused(&workspace, &set(overrides), &[&place]);
}

#[test]
fn a_wrong_value_in_the_file_is_named_with_its_line() {
    let with = |text: &str, replacement: &str| {
        assert!(SMALL_RECIPE.contains(text));
        SMALL_RECIPE.replace(text, replacement)
    };
    // Another section, or a comment, has a key of the same name.
    let data = with("vocab_size = 300", "max_length = 0 # here");
    assert_refused_here(&data, &["model.max_length=64", "data.max_ratio=5"]);
    let model =
        with("max_length = 64", "max_length = 0 # here").replace("[model]", "max_length = 9\n[model]");
    assert_refused_here(&model, &["data.max_length=50", "model.dropout=0.2"]);
    assert_refused_here(&with("warmup = 10", "# warmup = 1\nwarmup = 0 # here"), &[]);
    // TOML has other ways to write a key.
    assert_refused_here(&with("vocab_size = 300", "\"vocab_size\" = 0 # here"), &[]);
    let clean = "[data.clean]\nmax_repeats = 1000000000000000 # here";
    assert_refused_here(&with("log_every = 5", clean), &[]);
    let search = "[search]\nmin_length = 3\nmax_length = 2 # here";
    assert_refused_here(&with("log_every = 5", search), &[]);
    // The key is that of one of several corpora.
    let train = r#"train = { source = "train.src", target = "train.tgt" }"#;
    let list = "train = [\n{ tsv = \"a\" },\n{ tsv = \"b\", weight = 0 }, # here\n]";
    assert_refused_here(&with(train, list), &[]);
    let tables = "\n[[data.train]]\ntsv = \"a\"\n[[data.train]] # here\nsource = \"b\"";
    assert_refused_here(&(with(train, "") + tables), &[]);
    // If the file leaves a key out, the error names the line of its section.
    let data = with(train, "").replace("[data]", "[data] # here");
    assert_refused_here(&data, &["data.max_length=50"]);
    let training = with("updates = 20", "").replace("[training]", "[training] # here");
    assert_refused_here(&training, &[]);
}

#[test]
fn a_wrong_override_is_named() {
    let workspace = small_workspace();
    let cases: [(&[&str], &str); 5] = [
        (&["seed=1", "training.updates=0", "seed=2"], "training.updates=0"),
        // Of several overrides of a key, the last one counts.
        (
            &["search.nbest=1", "search.nbest=9", "search.nbest=7"],
            "search.nbest=7",
        ),
        (
            &["training.ema=0.5", "training.average_last = 2"],
            "training.average_last = 2",
        ),
        (&["data.bleu=none", "data.valid.weight=2"], "data.valid.weight=2"),
        (&["search={ beam_size = 0 }"], "search={ beam_size = 0 }"),
    ];
    for (overrides, wrong) in cases {
        assert_refused(&workspace, &set(overrides), &[&format!("error: --set {wrong}: ")]);
    }
}

#[test]
fn settings_that_need_or_exclude_others_say_so() {
    let workspace = small_workspace();
    let two = ["--set", "training.ema=0.9", "--set", "training.average_last=2"];
    assert_refused(
        &workspace,
        &two,
        &["training.average_last and training.ema exclude each other"],
    );
    let cosine = ["--set", "training.schedule=cosine", "--set", "training.warmup=20"];
    assert_refused(
        &workspace,
        &cosine,
        &["\"cosine\" needs training.updates above training.warmup"],
    );
    workspace.write("small.toml", SMALL_RECIPE.replace("updates = 20", ""));
    assert_refused(
        &workspace,
        &[],
        &[
            "training.updates is missing",
            "training.epochs or training.minutes",
        ],
    );
}

#[test]
fn each_schedule_gives_its_learning_rates() {
    let workspace = small_workspace();
    let cosine_at_15 = 0.003 * 0.5;
    for (schedule, at_5, at_15) in [
        ("inverse-square-root", 0.0015, 0.003 * (10.0f64 / 15.0).sqrt()),
        ("cosine", 0.0015, cosine_at_15),
        ("constant", 0.0015, 0.003),
        // The schedule's factor is 0.003, and d_model is 32.
        (
            "noam",
            0.003 / 32f64.sqrt() * 5.0 / 10f64.powf(1.5),
            0.003 / (32.0f64 * 15.0).sqrt(),
        ),
    ] {
        let schedule_is = format!("training.schedule={schedule}");
        workspace.train_well(&["small.toml", "--output", schedule, "--set", &schedule_is]);
        for record in records(&workspace.path(schedule)) {
            if let Record::Update {
                update,
                learning_rate,
                ..
            } = record
                && let Some(expected) = [(5, at_5), (15, at_15)].iter().find(|(at, _)| *at == update)
            {
                assert!(
                    (learning_rate / expected.1 - 1.0).abs() < 1e-12,
                    "{schedule} {update}"
                );
            }
        }
    }
}

#[test]
fn an_output_folder_that_exists_is_left_alone() {
    let workspace = small_workspace();
    fs::create_dir(workspace.path("mine")).unwrap();
    workspace.write("mine/notes.txt", "keep");
    let message = workspace.failure(&["small.toml", "--output", "mine"]);
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
fn the_number_of_workers_is_one_from_1_or_auto_for_one_a_core() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run", "--workers", "auto"]);
    let state = fs::read_to_string(workspace.path("run/checkpoints/00000020/state.toml")).unwrap();
    let state: toml::Table = toml::from_str(&state).unwrap();
    let expected = if is_processor(&auto().unwrap().device) {
        thread::available_parallelism().unwrap().get()
    } else {
        1
    };
    assert_eq!(state["workers"].as_integer(), Some(expected as i64));
    for wrong in ["0", "many"] {
        let output = workspace.train(&["small.toml", "--output", "other", "--workers", wrong]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("neither a number from 1 nor auto"), "{message}");
    }
}

#[test]
fn an_unknown_device_is_refused() {
    let workspace = small_workspace();
    assert_refused(
        &workspace,
        &["--device", "abacus"],
        &["\"abacus\"", "did you mean "],
    );
}
