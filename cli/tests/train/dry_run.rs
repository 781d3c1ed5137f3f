//! What `attend train --dry-run` announces is what the run then does.

use std::fs;

use super::common::{SMALL_RECIPE, set, small_workspace};

/// Returns the number called `name` in a section of what a dry run shows.
fn number(shown: &str, section: &str, name: &str) -> usize {
    let lines = shown.lines().skip_while(|line| *line != section).skip(1);
    let mut values = lines.filter_map(|line| line.trim().strip_prefix(name));
    let value = values.next().unwrap_or_else(|| panic!("no {name} in\n{shown}"));
    value.trim().parse().unwrap()
}

#[test]
fn a_dry_run_tells_of_the_run_and_writes_nothing() {
    let workspace = small_workspace();
    let shown = workspace.train_well(&["small.toml", "--dry-run", "--set", "training.accumulate=2"]);
    assert!(!workspace.path("runs").exists());
    let number = |section: &str, name: &str| number(&shown, section, name);

    // Without accumulation, an epoch has one update for each batch.
    let epoch = set(&["training.updates=1000", "training.epochs=1"]);
    workspace.train_well(&[&["small.toml", "--output", "run"], &epoch[..]].concat());
    let (updates, _) = *workspace.losses("run").last().unwrap();
    assert_eq!(number("an epoch", "batches"), updates);
    assert_eq!(number("an epoch", "pairs"), 300);

    if cfg!(target_os = "linux") {
        // The network is small, but the memory is that of the whole program.
        let memory = shown.lines().find_map(|line| line.trim().strip_prefix("memory"));
        let memory = memory.and_then(|value| value.trim().strip_suffix(" MiB"));
        let memory: usize = memory.expect("it is shown").parse().unwrap();
        assert!((10..2_000).contains(&memory), "{memory} MiB");
    }

    // The file holds the embedding matrix, which source, target and output share, only once.
    let weights = workspace.weights("run").len();
    assert_eq!(number("weights", "together"), weights);
    let parts = ["embedding", "encoder", "decoder"].map(|part| number("weights", part));
    assert_eq!(parts.iter().sum::<usize>(), weights);

    let source = fs::read_to_string(workspace.path("train.src")).unwrap();
    let target = fs::read_to_string(workspace.path("train.tgt")).unwrap();
    let (_, batch) = shown.split_once("the first batch, ").expect("it is shown");
    let mut lines = batch.lines().skip(1).map(str::trim);
    for _ in 0..5 {
        let (first, second) = (lines.next().unwrap(), lines.next().unwrap());
        let at = source
            .lines()
            .position(|line| line == first)
            .expect("it is a source sentence");
        assert_eq!(target.lines().nth(at), Some(second));
        assert_eq!(lines.next(), Some(""));
    }
}

#[test]
fn tokens_and_padding_are_those_counted_by_hand() {
    let workspace = small_workspace();
    let pairs = [("a b c", "x y"), ("d", "z"), ("a d", "y z x w")];
    let pairs = pairs.map(|(source, target)| (source.to_owned(), target.to_owned()));
    for split in ["train", "valid", "test"] {
        workspace.write_pairs(split, &pairs);
    }
    let settings = set(&["data.tokenizer=whitespace", "training.batch_tokens=8"]);
    let shown = workspace.train_well(&[&["small.toml", "--dry-run"], &settings[..]].concat());
    let number = |name: &str| number(&shown, "an epoch", name);
    // With `</s>`, the pairs have 4 and 3, 2 and 2, 3 and 5 tokens, and the first two share a batch.
    assert_eq!((number("pairs"), number("batches")), (3, 2));
    assert_eq!(number("source tokens"), 4 + 2 + 3);
    assert_eq!(number("target tokens"), 3 + 2 + 5);
    // There are 19 tokens in the 22 positions of two rows of 4 and 3, and of one row of 3 and 5.
    let padding = shown.lines().find_map(|line| line.trim().strip_prefix("padding"));
    assert_eq!(padding.map(str::trim), Some("13.6%"));
}

/// Returns the seconds that a dry run expects something to take, which it shows as a number, rounded if it is large,
/// and a unit.
fn seconds(shown: &str, name: &str) -> f64 {
    let value = shown.lines().find_map(|line| line.trim().strip_prefix(name));
    let mut words = value
        .unwrap_or_else(|| panic!("no {name} in\n{shown}"))
        .split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    let unit = match words.next().unwrap().trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 7 * 86_400,
        unit => panic!("{unit} in\n{shown}"),
    };
    number * f64::from(unit)
}

#[test]
fn the_time_expected_is_that_of_updates_and_validations() {
    let workspace = small_workspace();
    // There are more pairs to validate on than a batch holds.
    workspace.write(
        "small.toml",
        SMALL_RECIPE.replace(
            "valid = { source = \"valid.src\", target = \"valid.tgt\" }",
            "valid = { source = \"train.src\", target = \"train.tgt\" }",
        ),
    );
    let expect = |settings: &[&str]| {
        workspace.train_well(&[&["small.toml", "--dry-run"], &set(settings)[..]].concat())
    };
    for (settings, updates, validations) in [
        (
            ["training.updates=20000", "training.validate_every=1"],
            20_000.0,
            20_000.0,
        ),
        (
            ["training.updates=20000", "training.validate_every=15000"],
            20_000.0,
            2.0,
        ),
    ] {
        let shown = expect(&settings);
        let expected = updates * seconds(&shown, "an update") + validations * seconds(&shown, "a validation");
        let ratio = seconds(&shown, "the run") / expected;
        assert!((0.6..1.6).contains(&ratio), "{ratio} in\n{shown}");
    }
    let shown = expect(&["training.updates=100000000", "training.minutes=2"]);
    assert_eq!(seconds(&shown, "the run"), 120.0);
}

#[test]
fn an_epoch_takes_each_corpus_as_often_as_its_weight_says() {
    let workspace = small_workspace();
    let pairs = |arguments: &[&str]| {
        let shown = workspace.train_well(&[arguments, &["--dry-run"]].concat());
        number(&shown, "an epoch", "pairs")
    };
    assert_eq!(pairs(&["small.toml", "--set", "data.train.weight=2"]), 600);
    let train = r#"train = { source = "train.src", target = "train.tgt" }"#;
    let two = r#"train = [
  { source = "train.src", target = "train.tgt", weight = 2 },
  { source = "valid.src", target = "valid.tgt", weight = 0.5 },
]"#;
    workspace.write("mixed.toml", SMALL_RECIPE.replace(train, two));
    assert_eq!(pairs(&["mixed.toml"]), 2 * 300 + 30 / 2);
}
