//! Runs of the tasks `classify` and `tag`, on files and on the phrasebook.

use std::fs;

use attend_train::Record;

use crate::common::{attend, run, stdout};

use super::common::{Workspace, copy_and_reverse, records, set, stderr};

const TRAINING: &str = r#"
[model]
preset = "tiny"
d_model = 32
d_ff = 64
encoder_layers = 1
max_length = 64

[training]
updates = 60
batch_tokens = 256
learning_rate = 0.01
warmup = 10
validate_every = 30
log_every = 10
"#;

/// A workspace with labelled texts, whose label is their first word, and tagged sentences, in which each vowel is a span
/// whose type the first word decides; and a recipe for each of them, `classify.toml` and `tag.toml`.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let texts: Vec<String> = copy_and_reverse(360).into_iter().map(|(text, _)| text).collect();
    for (name, texts) in [
        ("train", &texts[..300]),
        ("valid", &texts[300..330]),
        ("test", &texts[330..]),
    ] {
        let labelled = texts.iter().map(|text| {
            let label = text.split(' ').next().unwrap();
            format!("{label}\t{text}\n")
        });
        workspace.write(&format!("{name}.tsv"), labelled.collect::<String>());
        let tagged = texts.iter().map(|text| {
            let span = if text.starts_with("copy") { "B-C" } else { "B-R" };
            let lines = text.split(' ').map(|word| {
                let is_vowel = ["a", "e", "i"].contains(&word);
                format!("{word}\t{}\n", if is_vowel { span } else { "O" })
            });
            lines.collect::<String>() + "\n"
        });
        workspace.write(&format!("{name}.conll"), tagged.collect::<String>());
    }
    for (task, format) in [("classify", "tsv"), ("tag", "conll")] {
        let files =
            ["train", "valid", "test"].map(|name| format!("{name} = {{ {format} = \"{name}.{format}\" }}"));
        let recipe = format!(
            "task = \"{task}\"\nseed = 7\n[data]\nvocab_size = 300\n{}\n{TRAINING}",
            files.join("\n")
        );
        workspace.write(&format!("{task}.toml"), recipe);
    }
    workspace
}

#[test]
fn a_classifier_learns_and_is_reported_by_its_own_scores() {
    let workspace = workspace();
    let output = workspace.train(&["classify.toml", "--output", "run"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert!(messages.contains("texts read"), "{messages}");
    assert!(
        messages.contains("accuracy 100.00, macro F1 100.00"),
        "{messages}"
    );
    assert!(messages.contains(" texts/s"), "{messages}");
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(
        summary.starts_with("accuracy = 100.00%\nmacro F1 = 100.00%\n"),
        "{summary}"
    );
    assert!(
        summary.contains("  attend classify --model run 'copy")
            || summary.contains("attend classify --model run 'reverse"),
        "{summary}"
    );

    let validations = records(&workspace.path("run"))
        .into_iter()
        .filter_map(|record| match record {
            Record::Validation { scores, .. } => Some(scores),
            Record::Update { .. } => None,
        });
    for scores in validations {
        assert!(
            scores.accuracy.is_some() && scores.macro_f1.is_some(),
            "{scores:?}"
        );
        assert!(scores.bleu.is_none() && scores.perplexity.is_none() && scores.span_f1.is_none());
    }
    let page = fs::read_to_string(workspace.path("run/report.html")).unwrap();
    for part in [">accuracy</i>", ">macro F1</i>", "nats a text", "texts a second"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("BLEU") && !page.contains("perplexity"));
    let model_card = workspace.model_card("run");
    for part in [
        "A Transformer encoder that classifies texts, of ",
        "trained with Attend on 300 texts",
        "the best on the validation texts: accuracy 100.00",
        "| `copy` | 100.00 | 100.00 | 100.00 | ",
        "- training: `train.tsv`\n",
        "task = \"classify\"",
    ] {
        assert!(model_card.contains(part), "{part:?} is not in:\n{model_card}");
    }

    let mut classify = attend("classify");
    classify.arg("--model").arg(workspace.path("run"));
    let labels = stdout(&run(classify, b"reverse a b c\n\ncopy h\n"));
    let labels: Vec<&str> = labels
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(labels, ["reverse", "", "copy"]);
}

#[test]
fn a_tagger_learns_and_is_reported_by_its_own_scores() {
    let workspace = workspace();
    let settings = set(&["training.updates=150", "training.metric=span-f1"]);
    let output = workspace.train(&[&["tag.toml", "--output", "run"], &settings[..]].concat());
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(
        summary.starts_with("accuracy = 100.00%\nspan F1 = 100.00%\n"),
        "{summary}"
    );
    let model_card = workspace.model_card("run");
    for part in [
        "the best on the validation texts: span F1 100.00",
        "| `C` | 100.00 | 100.00 | 100.00 | ",
        "words a second",
    ] {
        assert!(model_card.contains(part), "{part:?} is not in:\n{model_card}");
    }
    let mut tag = attend("tag");
    tag.arg("--model").arg(workspace.path("run"));
    let tags = stdout(&run(tag, b"copy a h i\nreverse a\n"));
    assert_eq!(tags, "O B-C O B-C\nO B-R\n");
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let workspace = workspace();
    for (task, average) in [
        ("classify", "training.ema=0.8"),
        ("classify", "training.average_best=2"),
        ("tag", "training.average_last=2"),
    ] {
        let recipe = format!("{task}.toml");
        let of = |name: &str| format!("{task}-{average}-{name}");
        let (whole, parts) = (of("whole"), of("parts"));
        let pooling: &[&str] = if task == "classify" {
            &["model.pooling=attention"]
        } else {
            &[]
        };
        let settings = set(&[&[average, "training.validate_every=10"], pooling].concat());
        let train = |arguments: &[&str]| workspace.train_well(&[&[&*recipe], arguments, &settings].concat());
        train(&["--output", &whole]);
        train(&["--output", &parts, "--set", "training.updates=20"]);
        train(&["--output", &parts, "--resume"]);
        let read = |run: &str, file: &str| fs::read(workspace.path(run).join(file)).unwrap();
        assert_eq!(workspace.losses(&whole).len(), 6);
        assert_eq!(workspace.losses(&whole), workspace.losses(&parts));
        for file in ["model.safetensors", "config.json"] {
            assert!(
                read(&whole, file) == read(&parts, file),
                "{task} {average} {file}"
            );
        }
    }
}

#[test]
fn a_run_does_not_go_on_with_other_labels() {
    let workspace = workspace();
    workspace.train_well(&["classify.toml", "--output", "run", "--set", "training.updates=10"]);
    for name in ["train.tsv", "valid.tsv", "test.tsv"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        workspace.write(name, text.replace("copy\t", "clone\t"));
    }
    let message = workspace.failure(&["classify.toml", "--output", "run", "--resume"]);
    assert!(
        message.contains("the text of the training texts (data.train) changed since the run in run began"),
        "{message}"
    );
}

#[test]
fn bad_text_is_refused_with_its_line() {
    let workspace = workspace();
    let one_label = "copy\tcopy a\ncopy\tcopy b\n";
    for (task, file, text, part) in [
        (
            "classify",
            "valid.tsv",
            "copy\tcopy a\nmirror\tmirror b\n",
            "valid.tsv, line 2: no training text has the label \"mirror\"",
        ),
        (
            "classify",
            "test.tsv",
            "mirror\tmirror b\n",
            "test.tsv, line 1: no training text has the label \"mirror\"",
        ),
        (
            "classify",
            "train.tsv",
            one_label,
            "all training texts have the label \"copy\"",
        ),
        (
            "classify",
            "train.tsv",
            "copy\tcopy a\ncopy\t \n",
            "train.tsv, line 2 has no text",
        ),
        (
            "classify",
            "train.tsv",
            "\tcopy a\n",
            "train.tsv, line 1 has no label",
        ),
        ("classify", "train.tsv", "copy copy a\n", "train.tsv, line 1"),
        ("classify", "train.tsv", "", "train.tsv is empty"),
        (
            "tag",
            "valid.conll",
            "a\tB-C\n\nb\tO\nc\tB-V\n",
            "valid.conll, line 4: no training text has the label \"B-V\"",
        ),
        // The label may also stand in a text, a comment or a word before it, and may contain a space.
        (
            "classify",
            "valid.tsv",
            "copy\tMy sports question\nsports\tcopy a\n",
            "valid.tsv, line 2: no training text has the label \"sports\"",
        ),
        (
            "classify",
            "test.tsv",
            "copy\tvery good\ncopy\ta\nvery good\tcopy a\n",
            "test.tsv, line 3: no training text has the label \"very good\"",
        ),
        (
            "tag",
            "test.conll",
            "# B-V\nB-V\tO\na\tB-C\n\n# B-V\na\tO\na\tB-V\n",
            "test.conll, line 7: no training text has the label \"B-V\"",
        ),
        // A blank line between texts.
        (
            "classify",
            "train.tsv",
            "copy\tcopy a\n\nreverse\treverse b\n",
            "train.tsv, line 2 is blank",
        ),
        // CoNLL-U, where the first column counts the words.
        (
            "tag",
            "train.conll",
            "# text = Ada\n1\tAda\tAda\tPROPN\tNNP\t_\t0\troot\t_\t_\n",
            "train.conll, line 2: the first of the ten columns is a number",
        ),
        (
            "tag",
            "train.conll",
            "a\tB C\nb\tO\n",
            "train.conll, line 1: the tag \"B C\" contains a space",
        ),
        (
            "tag",
            "train.conll",
            "a\tO\nb\tO\n",
            "all training texts have the label \"O\"",
        ),
        // A sentence with fewer tags than words.
        (
            "tag",
            "train.conll",
            "a\tB-C\nb\n",
            "train.conll, line 2 has no tag",
        ),
    ] {
        let before = fs::read(workspace.path(file)).unwrap();
        workspace.write(file, text);
        let message = workspace.failure(&[&format!("{task}.toml"), "--output", "run"]);
        assert!(message.contains(part), "{part:?} is not in: {message}");
        assert!(message.contains("hint: "), "{message}");
        assert!(!workspace.path("run").exists());
        workspace.write(file, before);
    }
}

#[test]
fn texts_that_are_too_long_are_dropped_and_counted() {
    let workspace = workspace();
    let long = format!("copy\tcopy{}\n", " a".repeat(100));
    for name in ["train.tsv", "valid.tsv"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        workspace.write(name, text + &long);
    }
    let output = workspace.train(&["classify.toml", "--output", "run", "--set", "training.updates=10"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert_eq!(super::common::counts(&messages, "- too long"), [1]);
    assert!(
        messages.contains("validation texts: left out 1 longer than the model's positions"),
        "{messages}"
    );
    let message = workspace.failure(&["classify.toml", "--output", "none", "--set", "data.max_length=2"]);
    assert!(
        message.contains("the filters dropped all 301 training texts: 301 as too long"),
        "{message}"
    );
    assert!(message.contains("say which texts are too long"), "{message}");
}

#[test]
fn keys_that_do_not_go_with_the_task_are_refused_by_name() {
    let workspace = workspace();
    for (recipe, setting, part) in [
        (
            "classify.toml",
            "training.metric=bleu",
            "training.metric is \"bleu\", but task = \"classify\" has \"accuracy\", \"macro-f1\", \"loss\"",
        ),
        (
            "classify.toml",
            "training.metric=span-f1",
            "training.metric is \"span-f1\"",
        ),
        (
            "tag.toml",
            "training.metric=macro-f1",
            "\"accuracy\", \"span-f1\", \"loss\"",
        ),
        (
            "tag.toml",
            "model.pooling=mean",
            "model.pooling has no meaning for task = \"tag\"",
        ),
        (
            "tag.toml",
            "model.decoder_layers=2",
            "model.decoder_layers has no meaning for task = \"tag\"",
        ),
        (
            "tag.toml",
            "model.decoder_layer=restricted",
            "model.decoder_layer has no meaning for task = \"tag\"",
        ),
        (
            "tag.toml",
            "model.tie_embeddings=true",
            "model.tie_embeddings has no meaning",
        ),
        (
            "tag.toml",
            "model.output_bias=true",
            "model.output_bias has no meaning",
        ),
        (
            "tag.toml",
            "search.beam_size=8",
            "search has no meaning for task = \"tag\"",
        ),
        ("tag.toml", "init=run", "init has no meaning for task = \"tag\""),
        (
            "classify.toml",
            "data.source_language=en",
            "data.source_language has no meaning for task = \"classify\"",
        ),
        (
            "classify.toml",
            "data.target_language=en",
            "data.target_language has no meaning",
        ),
        (
            "classify.toml",
            "data.bpe_dropout=0.1",
            "data.bpe_dropout has no meaning",
        ),
        (
            "classify.toml",
            "data.capitals=0.1",
            "data.capitals has no meaning",
        ),
        (
            "classify.toml",
            "data.max_ratio=2",
            "data.max_ratio has no meaning",
        ),
        (
            "classify.toml",
            "data.vocab_pairs=2",
            "data.vocab_pairs has no meaning",
        ),
        ("classify.toml", "data.bleu=char", "data.bleu has no meaning"),
        (
            "classify.toml",
            "data.clean.copies=false",
            "data.clean has no meaning",
        ),
        (
            "classify.toml",
            "data.train.conll=train.conll",
            "data.train needs tsv, and no other file, since task = \"classify\"",
        ),
        (
            "tag.toml",
            "data.valid.tsv=valid.tsv",
            "data.valid needs conll, and no other file, since task = \"tag\"",
        ),
        (
            "tag.toml",
            "task=translate",
            "data.train needs source and target, or tsv",
        ),
        ("classify.toml", "model.pooling=max", "unknown variant `max`"),
        ("classify.toml", "task=parse", "unknown variant `parse`"),
    ] {
        let message = workspace.failure(&[recipe, "--output", "run", "--set", setting]);
        assert!(message.contains(part), "{setting}: {part:?} is not in: {message}");
    }
}

#[test]
fn tags_without_spans_are_scored_by_accuracy_alone() {
    let workspace = workspace();
    for name in ["train.conll", "valid.conll", "test.conll"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        workspace.write(name, text.replace("\tO\n", "\tNOUN\n"));
    }
    let output = workspace.train(&["tag.toml", "--output", "run", "--set", "training.metric=span-f1"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert!(
        messages.contains(
            "the tag \"NOUN\" marks no span, so accuracy chooses the best weights in place of span F1"
        ),
        "{messages}"
    );
    assert!(!messages.contains("span F1 "), "{messages}");
    assert!(!workspace.model_card("run").contains("span F1"));
    let page = fs::read_to_string(workspace.path("run/report.html")).unwrap();
    assert!(page.contains(">accuracy</i>") && !page.contains("span F1"));
}

/// What a run shows of its test can be typed after `attend tag`.
#[test]
fn words_with_spaces_are_tagged_as_they_were_trained_on() {
    let workspace = workspace();
    for name in ["train.conll", "valid.conll", "test.conll"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        workspace.write(
            name,
            text.replace("copy\t", "New York\t")
                .replace("reverse\t", "New York\t"),
        );
    }
    let output = workspace.train(&["tag.toml", "--output", "run", "--set", "training.updates=2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = String::from_utf8(output.stdout).unwrap();
    let shown = summary.lines().find(|line| line.contains("New York")).unwrap();
    let shown = shown.strip_prefix("  ").unwrap();
    let words = shown.split_terminator('\t').count();
    assert!(words > 1 && shown.starts_with("New York\t"), "{shown:?}");
    let tag = |line: &str| {
        let mut tag = attend("tag");
        tag.arg("--model").arg(workspace.path("run")).arg(line);
        stdout(&run(tag, b"")).trim_end().split(' ').count()
    };
    assert_eq!(tag(shown), words);
    assert_eq!(tag("New York\t"), 1);
    assert_eq!(tag(" New  York "), 2);
    // Between spaces, a word may contain a space that does not break.
    assert_eq!(tag("10\u{a0}000 a"), 2);
}

#[test]
fn columns_in_the_wrong_order_are_noticed() {
    let workspace = workspace();
    let swapped: String = (0..40)
        .map(|number| format!("copy text {number}\tcopy\n"))
        .collect();
    for name in ["train.tsv", "valid.tsv", "test.tsv"] {
        workspace.write(name, &swapped);
    }
    let output = workspace.train(&["classify.toml", "--output", "run", "--set", "training.updates=2"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    let note = "the training texts have 40 labels, of which 40 are different: are the columns";
    assert!(messages.contains(note), "{messages}");
    let output = workspace.train(&["tag.toml", "--output", "other", "--set", "training.updates=2"]);
    assert!(
        !stderr(&output).contains("are the columns"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_label_run_starts_from_no_model() {
    let workspace = workspace();
    let message = workspace.failure(&["classify.toml", "--output", "run", "--from", "other"]);
    assert!(
        message.contains("--from or --set init=\"other\": init has no meaning for task = \"classify\""),
        "{message}"
    );
}

#[test]
fn labels_stay_in_their_cells_of_the_card() {
    let workspace = workspace();
    for name in ["train.tsv", "valid.tsv", "test.tsv"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        workspace.write(
            name,
            text.replace("copy\t", "copy|all\t")
                .replace("reverse\t", "`reverse`\t"),
        );
    }
    workspace.train_well(&["classify.toml", "--output", "run", "--set", "training.updates=2"]);
    let model_card = workspace.model_card("run");
    for cell in [r"| `copy\|all` | ", "| `` `reverse` `` | "] {
        assert!(model_card.contains(cell), "{cell} is not in:\n{model_card}");
    }
}

#[test]
fn a_dry_run_shows_texts_and_their_labels() {
    let workspace = workspace();
    let shown = workspace.train_well(&["tag.toml", "--dry-run"]);
    for part in [
        "  texts                300\n",
        "  words ",
        "the first batch, ",
        " O\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
    assert!(
        !shown.contains("pairs") && !shown.contains("target tokens"),
        "{shown}"
    );
}

#[test]
fn the_phrasebook_has_labels_for_both_tasks() {
    let workspace = Workspace::new();
    for (task, labels) in [("classify", "statement-present-negative"), ("tag", "B-NOM")] {
        let recipe = format!(
            "task = \"{task}\"\n[data]\nembedded = \"phrasebook\"\nvocab_size = 1000\n{}",
            TRAINING.replace("updates = 60", "updates = 2")
        );
        workspace.write("recipe.toml", recipe);
        let output = workspace.train(&["recipe.toml", "--output", task]);
        let messages = stderr(&output);
        assert!(output.status.success(), "{messages}");
        assert_eq!(super::common::counts(&messages, "texts kept"), [20_000]);
        let config = fs::read_to_string(workspace.path(task).join("config.json")).unwrap();
        assert!(config.contains(labels), "{config}");
        let model_card = workspace.model_card(task);
        assert!(model_card.contains("500 test texts"), "{model_card}");
        assert!(
            model_card.contains("cut into texts to train, validate and test on"),
            "{model_card}"
        );
    }
}
