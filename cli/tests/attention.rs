//! The subcommands `attention` and `heads`, run from outside on a small model with random weights.

use std::fs;
use std::process::Output;

use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::{AttentionKind, GivenTranslation, Head, LabelModelFolder, ModelFolder};
use attend_model::{LayerKind, PoolingKind, TransformerConfig};
use serde_json::Value;

use crate::common::{
    MAX_SOURCE_TOKENS, SENTENCES, Workspace, argument, assert_error, assert_usage_error, attend, bundle_of,
    config, each, label_model_folder, model_folder, model_folder_of_words, run, stdout, text, tokenizer,
    translator,
};

const SOURCE: &str = "the house is small";
const TARGET: &str = "das Haus ist klein";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    model_folder_of_words(SENTENCES).save(workspace.model()).unwrap();
    workspace
}

/// Runs `attend attention` on 80 columns without colours, as in a pipe.
fn attention(workspace: &Workspace, arguments: &[&str]) -> Output {
    attention_on(workspace, arguments, &[])
}

fn attention_on(workspace: &Workspace, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = attend("attention");
    for variable in [
        "COLUMNS",
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR_FORCE",
        "COLORTERM",
    ] {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied());
    command.arg(workspace.model()).args(arguments);
    run(command, b"")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

/// The weights `[queries][keys]` of a head, counted from 0, in the output of `--json`.
fn weights(output: &Value, kind: usize, layer: usize, head: usize) -> Vec<Vec<f64>> {
    let rows = &output["attention"][kind]["layers"][layer][head];
    serde_json::from_value(rows.clone()).unwrap()
}

/// The percentages of the map with this title.
fn percents(shown: &str, title: &str) -> Vec<Vec<f64>> {
    let (_, map) = shown
        .split_once(&format!("\n{title}\n"))
        .unwrap_or_else(|| panic!("no {title:?} in: {shown}"));
    let rows = map.lines().skip(1).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let cells = row.replace(['░', '▒', '▓', '█'], " ");
        let cells = cells.split_whitespace().skip(1);
        cells.map(|cell| cell.parse().unwrap()).collect()
    })
    .collect()
}

#[track_caller]
fn assert_same(percents: &[Vec<f64>], weights: &[Vec<f64>]) {
    assert_eq!(percents.len(), weights.len());
    for (percents, weights) in percents.iter().zip(weights) {
        assert_eq!(percents.len(), weights.len());
        for (percent, weight) in percents.iter().zip(weights) {
            assert!(
                (percent - 100.0 * weight).abs() < 0.51,
                "{percent} is not {weight}"
            );
        }
    }
}

#[test]
fn a_map_shows_the_weights_that_json_has() {
    let workspace = workspace();
    let all = json(&attention(&workspace, &[SOURCE, TARGET, "--json"]));
    assert_eq!(
        (&all["source"], &all["translation"]),
        (&SOURCE.into(), &TARGET.into())
    );
    let names: Vec<&Value> = (0..3).map(|kind| &all["attention"][kind]["name"]).collect();
    assert_eq!(
        names,
        [
            "encoder self-attention",
            "decoder self-attention",
            "encoder-decoder attention"
        ]
    );
    let kinds: Vec<&Value> = (0..3).map(|kind| &all["attention"][kind]["kind"]).collect();
    assert_eq!(kinds, ["encoder", "decoder", "cross"]);

    let shown = stdout(&attention(&workspace, &[SOURCE, TARGET, "--head", "all"]));
    let mut lines = shown.lines();
    assert_eq!(lines.next(), Some(TARGET));
    assert!(shown.contains("\n      the  house is   small </s>\n"), "{shown}");
    for (layer, head) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let title = format!(
            "encoder-decoder attention, layer {}, head {}",
            layer + 1,
            head + 1
        );
        assert_same(&percents(&shown, &title), &weights(&all, 2, layer, head));
    }
    assert_eq!(shown.matches("attention, layer").count(), 4);

    let shown = stdout(&attention(
        &workspace,
        &[SOURCE, TARGET, "--kind", "encoder,decoder", "--layer", "1"],
    ));
    for (kind, title) in ["encoder self-attention", "decoder self-attention"]
        .iter()
        .enumerate()
    {
        let [one, other] = [0, 1].map(|head| weights(&all, kind, 0, head));
        let mean = |(one, other): (&Vec<f64>, &Vec<f64>)| {
            one.iter()
                .zip(other)
                .map(|(a, b)| (a + b) / 2.0)
                .collect::<Vec<f64>>()
        };
        let mean: Vec<Vec<f64>> = one.iter().zip(&other).map(mean).collect();
        assert_same(
            &percents(&shown, &format!("{title}, layer 1, mean of 2 heads")),
            &mean,
        );
    }
    let shown = stdout(&attention(
        &workspace,
        &[SOURCE, TARGET, "--layer", "2", "--head", "1"],
    ));
    assert_eq!(shown.matches("attention, layer").count(), 1);
    assert_same(
        &percents(&shown, "encoder-decoder attention, layer 2, head 1"),
        &weights(&all, 2, 1, 0),
    );
}

#[test]
fn without_a_translation_the_found_one_is_shown() {
    let workspace = workspace();
    for source in ["yes", SOURCE] {
        let found = workspace.translated(&[source], b"");
        let shown = stdout(&attention(&workspace, &[source]));
        assert_eq!(shown.lines().next(), Some(found.trim_end_matches('\n')));
    }
}

#[test]
fn files_have_the_same_numbers() {
    let workspace = Workspace::new();
    let (picture, page) = (workspace.path("a.svg"), workspace.path("a.html"));
    let [svg, html] = [&picture, &page].map(|path| path.to_str().unwrap());
    let arguments = [SOURCE, TARGET, "--words"];
    stdout(&attention(
        &workspace,
        &[&arguments[..], &["--svg", svg, "--html", html]].concat(),
    ));
    let all = json(&attention(&workspace, &[&arguments[..], &["--json"]].concat()));
    let page = fs::read_to_string(page).unwrap();
    let (_, data) = page
        .split_once("<script id=\"attention\" type=\"application/json\">")
        .unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    for kind in 0..3 {
        let (ours, all) = (&data[kind], &all["attention"][kind]);
        for field in ["name", "queries", "keys"] {
            assert_eq!(ours[field], all[field]);
        }
        let layers = |kind: &Value| -> Vec<Vec<Vec<Vec<f64>>>> {
            serde_json::from_value(kind["layers"].clone()).unwrap()
        };
        // The page has four decimals.
        let rounded = |weight: f64| format!("{weight:.4}");
        let rounded = |kind: &Value| {
            let rows = layers(kind).concat().concat();
            rows.into_iter()
                .map(|row| row.into_iter().map(rounded).collect())
                .collect::<Vec<Vec<String>>>()
        };
        assert_eq!(rounded(ours), rounded(all));
        assert!(
            layers(ours)
                .concat()
                .concat()
                .concat()
                .iter()
                .all(|weight| weight.to_string().len() <= 6)
        );
    }
    assert!(page.contains("<h1>the house is small → das Haus ist klein</h1>"));

    let cross = &all["attention"][2];
    assert_eq!(
        cross["queries"],
        serde_json::json!(["das", "Haus", "ist", "klein", "</s>"])
    );
    assert_eq!(
        cross["keys"],
        serde_json::json!(["the", "house", "is", "small", "</s>"])
    );
    let picture = fs::read_to_string(picture).unwrap();
    for layer in 0..2 {
        let [one, other] = [0, 1].map(|head| weights(&all, 2, layer, head)[1][2]);
        let note = format!("Haus → is: {:.3}", (one + other) / 2.0);
        assert!(picture.contains(&note), "no {note:?} in: {picture}");
    }
    // Words are rows that sum to 1.
    for row in weights(&all, 0, 0, 1) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_narrow_terminal_has_maps_in_parts() {
    let workspace = workspace();
    let shown = |variables: &[(&str, &str)]| stdout(&attention_on(&workspace, &[SOURCE, TARGET], variables));
    let plain = shown(&[]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let narrow = shown(&[("COLUMNS", "20")]);
    let widths = narrow.lines().map(|line| line.chars().count());
    assert!(widths.max().unwrap() <= 20, "{narrow}");
    let title = "\nencoder-decoder\nattention, layer 1,\nmean of 2 heads\n";
    assert!(narrow.contains(title), "{narrow}");
    assert_eq!(
        narrow.matches("</s>").count(),
        plain.matches("</s>").count() + 2 * 2
    );
}

/// What the program prints on a terminal with these variables.
#[cfg(unix)]
fn on_terminal(workspace: &Workspace, variables: &[(&str, &str)]) -> String {
    let mut command = crate::common::program();
    for variable in [
        "COLUMNS",
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR_FORCE",
        "COLORTERM",
        "TERM_PROGRAM",
    ] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8").envs(variables.iter().copied());
    // The device is named, so that the program does not report which device `auto` has taken.
    command
        .env("ATTEND_DEVICE", "cpu")
        .arg("attention")
        .arg(workspace.model())
        .args([SOURCE, TARGET]);
    let mut terminal = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
    // A character of what `rexpect` has read is a byte.
    let bytes = terminal
        .exp_eof()
        .unwrap()
        .chars()
        .map(|byte| byte as u8)
        .collect();
    String::from_utf8(bytes).unwrap().replace('\r', "")
}

#[cfg(unix)]
#[test]
fn the_terminal_decides_on_colours() {
    let workspace = workspace();
    let true_colour = ("COLORTERM", "truecolor");
    let shown = |variables: &[(&str, &str)]| on_terminal(&workspace, variables);
    assert!(shown(&[("TERM", "xterm"), true_colour]).contains("\u{1b}[48;2;"));
    assert!(shown(&[("TERM", "xterm-256color")]).contains("\u{1b}[48;5;"));
    let plain = stdout(&attention(&workspace, &[SOURCE, TARGET]));
    for variables in [
        &[("TERM", "dumb")][..],
        &[("TERM", "xterm"), true_colour, ("NO_COLOR", "1")],
        &[("TERM", "xterm"), true_colour, ("NO_COLOR", "0")],
    ] {
        assert_eq!(shown(variables), plain);
    }
    let ascii = shown(&[("TERM", "dumb"), ("LC_ALL", "C")]);
    assert!(ascii.is_ascii() && ascii.contains(". 17 "), "{ascii}");
    assert_eq!(shown(&[("TERM", "linux")]), ascii);
    // A pipe has UTF-8 in any locale, and colours if they are forced.
    let piped = |variables: &[(&str, &str)]| stdout(&attention_on(&workspace, &[SOURCE, TARGET], variables));
    assert_eq!(piped(&[("LC_ALL", "C")]), plain);
    let forced = ("FORCE_COLOR", "3");
    assert!(piped(&[forced]).contains("\u{1b}[48;2;"));
    assert_eq!(piped(&[forced, ("NO_COLOR", "0")]), plain);
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let workspace = workspace();
    let error = |arguments: &[&str], part: &str| {
        assert_error(&attention(&workspace, arguments), &[part]);
    };
    error(&[""], "the source is empty, so there are no words that attend");
    error(&[" "], "the source is empty");
    error(&["yes", ""], "the translation is empty");
    error(
        &["yes", "--layer", "3"],
        "encoder-decoder attention has 2 layers, but --layer is 3",
    );
    error(
        &["yes", "--kind", "encoder", "--head", "3"],
        "encoder self-attention has 2 heads in a layer, but --head is 3",
    );
    let long = "house ".repeat(MAX_SOURCE_TOKENS + 1);
    error(
        &[&long],
        "line 1 of the source has at least 100 tokens, but the model takes at most 99",
    );
    // A command line cannot be longer than 128 KiB an argument.
    let longer = "a ".repeat(60_000);
    error(
        &["yes", &longer],
        "line 1 of the translation has at least 60000 tokens",
    );
    error(&["yes", "--svg", "no/such/folder/a.svg"], "no/such/folder");

    let usage = |arguments: &[&str], part: &str| assert_usage_error(&attention(&workspace, arguments), part);
    usage(&["yes", "--layer", "0"], "the number must be at least 1");
    usage(
        &["yes", "--head", "some"],
        "neither a number from 1 nor mean nor all",
    );
    usage(
        &["yes", "--kind", "self"],
        "[possible values: encoder, decoder, cross]",
    );
    usage(&["yes", "--json", "--layer", "1"], "--layer");
    // A flag that does not exist is no translation.
    usage(&["yes", "--word"], "unexpected argument '--word' found");
    usage(&["-yes"], "unexpected argument '-y' found");
    usage(
        &["yes", "--html", "-"],
        "standard output has the maps; name a file",
    );
}

#[test]
fn a_sentence_that_begins_with_a_hyphen_stands_after_two() {
    let workspace = workspace();
    let shown = json(&attention(&workspace, &["--json", "--", "-yes", "--words"]));
    assert_eq!(
        (&shown["source"], &shown["translation"]),
        (&"-yes".into(), &"--words".into())
    );
}

#[test]
fn an_encoder_without_attention_has_no_map() {
    let workspace = Workspace::new();
    let recurrent = TransformerConfig {
        encoder_layer: LayerKind::Recurrent,
        ..config()
    };
    bundle_of(recurrent, 3).save(workspace.model()).unwrap();
    let error = assert_error(
        &attention(&workspace, &[SOURCE, TARGET, "--kind", "cross,encoder"]),
        &["the model has no encoder self-attention"],
    );
    assert!(error.contains("ask for --kind cross"), "{error}");
    let shown = stdout(&attention(
        &workspace,
        &[SOURCE, TARGET, "--kind", "cross,decoder"],
    ));
    assert_eq!(shown.matches("attention, layer").count(), 4);
    let all = json(&attention(&workspace, &[SOURCE, TARGET, "--json"]));
    assert_eq!(all["attention"][0]["layers"], serde_json::json!([]));
    let report = json(&heads(&workspace, &text(), &text(), &["--json"]));
    let kinds: Vec<&Value> = report["heads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|head| &head["kind"])
        .collect();
    assert_eq!(
        kinds,
        [
            "decoder", "decoder", "decoder", "decoder", "cross", "cross", "cross", "cross"
        ]
    );
}

#[test]
fn a_decoder_of_recurrent_units_has_no_map() {
    let workspace = Workspace::new();
    let recurrent = TransformerConfig {
        decoder_layer: LayerKind::Ssru,
        ..config()
    };
    bundle_of(recurrent, 3).save(workspace.model()).unwrap();
    let shown = |kinds: &str| attention(&workspace, &[SOURCE, TARGET, "--kind", kinds]);
    assert_error(&shown("decoder"), &["the model has no decoder self-attention"]);
    assert!(stdout(&shown("cross,encoder")).contains("attention, layer 1"));
    let report = json(&heads(&workspace, &text(), &text(), &["--json"]));
    let kinds = report["heads"].as_array().unwrap().iter();
    let kinds: Vec<&Value> = kinds.map(|head| &head["kind"]).collect();
    assert_eq!(kinds, ["encoder", "encoder", "cross", "cross", "cross", "cross"]);
}

fn heads(workspace: &Workspace, source: &str, target: &str, arguments: &[&str]) -> Output {
    let mut command = attend("heads");
    let files = [
        workspace.write("source.txt", source),
        workspace.write("target.txt", target),
    ];
    command.arg(workspace.model()).args(files).args(arguments);
    run(command, b"")
}

/// The loss without a head, from the scores of a model whose folder lacks the head.
#[test]
fn heads_are_scored_without_each_in_turn() {
    let workspace = Workspace::new();
    let targets: Vec<&str> = SENTENCES.into_iter().rev().collect();
    let references = targets.join("\n") + "\n";
    let report = json(&heads(&workspace, &text(), &references, &["--json"]));
    assert_eq!(report["measure"], "loss");
    let all = report["heads"].as_array().unwrap();
    assert_eq!(all.len(), 2 + 4 + 4);

    let pairs: Vec<GivenTranslation<'_>> = (0..)
        .zip(SENTENCES.into_iter().zip(targets))
        .map(|(number, (source, target))| GivenTranslation {
            source,
            target,
            number,
        })
        .collect();
    let loss = |folder: ModelFolder| {
        let translator = translator(folder);
        let scores = each(translator.score(&pairs, &translator.model().options()));
        let total: f64 = scores.iter().map(|score| f64::from(score.log_probability)).sum();
        -total / scores.iter().map(|score| score.tokens.len()).sum::<usize>() as f64
    };
    let whole = loss(model_folder());
    assert!((report["score"].as_f64().unwrap() - whole).abs() < 1e-5);
    let statistics = translator(model_folder()).head_statistics(&pairs).unwrap();
    for (reported, (head, of_head)) in all.iter().zip(statistics) {
        let Head { kind, layer, head } = head;
        assert_eq!(reported["kind"], kind.to_string());
        assert_eq!(
            (&reported["layer"], &reported["head"]),
            (&(layer + 1).into(), &(head + 1).into())
        );
        assert!((reported["entropy"].as_f64().unwrap() - of_head.entropy).abs() < 1e-5);
        let folder = model_folder();
        let model = folder.model.clone().without_head(Head { kind, layer, head }, 2);
        let without = loss(ModelFolder { model, ..folder });
        assert!((reported["score"].as_f64().unwrap() - without).abs() < 1e-5);
        assert!((without - whole).abs() > 1e-5, "{reported}");
    }

    let table = stdout(&heads(&workspace, &text(), &references, &[]));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 10 + 2);
    assert!(lines[1].starts_with("encoder        1     1  "), "{table}");
    let (last, whole) = (&all[9], report["score"].as_f64().unwrap());
    let number = |field: &str| last[field].as_f64().unwrap();
    let percent = |field: &str| format!("{:.1}%", 100.0 * number(field));
    let row: Vec<&str> = lines[10].split_whitespace().collect();
    let expected = [
        "cross".to_owned(),
        "2".to_owned(),
        "2".to_owned(),
        format!("{:.2}", number("distance")),
        format!("{:.2}", number("entropy")),
        percent("itself"),
        percent("previous"),
        percent("next"),
        percent("special"),
        format!("{:.4}", number("score")),
        format!("({:+.4})", number("score") - whole),
    ];
    assert_eq!(row, expected);
    assert_eq!(
        lines[11],
        format!("loss of the whole model: {whole:.4} nats a token")
    );
    let dispensable: Vec<String> = all
        .iter()
        .filter(|head| head["score"].as_f64().unwrap() <= whole)
        .map(|head| {
            format!(
                "{} {}.{}",
                head["kind"].as_str().unwrap(),
                head["layer"],
                head["head"]
            )
        })
        .collect();
    assert!(!dispensable.is_empty() && dispensable.len() < 10, "{table}");
    assert_eq!(
        lines[12],
        format!("loss is no worse without: {}", dispensable.join(", "))
    );
}

/// A folder with the model of a classifier, or of a tagger if it does not pool.
fn label_model(pooling: Option<PoolingKind>) -> Workspace {
    let workspace = Workspace::new();
    label_model_folder(tokenizer(), pooling)
        .save(workspace.model())
        .unwrap();
    workspace
}

#[test]
fn the_encoder_of_a_classifier_or_a_tagger_has_a_map() {
    for (subcommand, pooling) in [("classify", Some(PoolingKind::Mean)), ("tag", None)] {
        let workspace = label_model(pooling);
        let mut command = attend(subcommand);
        command.arg("--model").arg(workspace.model()).arg(SOURCE);
        let labels = stdout(&run(command, b""));
        let shown = stdout(&attention(&workspace, &[SOURCE]));
        assert!(shown.starts_with(&labels), "{shown}");
        assert_eq!(
            shown,
            stdout(&attention(&workspace, &[SOURCE, "--kind", "encoder"]))
        );
        let page = workspace.path("a.html");
        let arguments = [SOURCE, "--json", "--words", "--html", page.to_str().unwrap()];
        let all = json(&attention(&workspace, &arguments));
        assert_eq!(
            (&all["source"], &all["translation"]),
            (&SOURCE.into(), &Value::Null)
        );
        assert_eq!(all["attention"].as_array().unwrap().len(), 1);
        let words = serde_json::json!(["<s>", "the", "house", "is", "small", "</s>"]);
        assert_eq!(
            (&all["attention"][0]["kind"], &all["attention"][0]["queries"]),
            (&"encoder".into(), &words)
        );
        let shown = stdout(&attention(&workspace, &[SOURCE, "--words", "--head", "2"]));
        assert_same(
            &percents(&shown, "encoder self-attention, layer 1, head 2"),
            &weights(&all, 0, 0, 1),
        );
        assert!(
            fs::read_to_string(page)
                .unwrap()
                .contains("<h1>the house is small</h1>")
        );

        let error = |arguments: &[&str], asked: &str| {
            let error = assert_error(&attention(&workspace, arguments), &[asked, "is for translators"]);
            assert!(error.contains("hint: leave it out"), "{error}");
        };
        error(&[SOURCE, TARGET], "a translation");
        error(&[SOURCE, "--kind", "cross,encoder"], "--kind decoder or cross");
        let model = workspace.model();
        error(&[SOURCE, "--ensemble", argument(&model)], "--ensemble");
        assert_error(&attention(&workspace, &[" "]), &["the text is empty"]);
    }
}

/// The accuracy without a head, from the labels that `attend classify` and `attend tag` find by a model whose folder
/// lacks the head.
#[test]
fn heads_of_a_classifier_and_a_tagger_are_scored_by_accuracy() {
    for (subcommand, pooling) in [("classify", Some(PoolingKind::Mean)), ("tag", None)] {
        let workspace = label_model(pooling);
        let found = |workspace: &Workspace| -> Vec<String> {
            let mut command = attend(subcommand);
            command.arg("--model").arg(workspace.model());
            let lines = stdout(&run(command, text().as_bytes()));
            let labels = lines
                .lines()
                .map(|line| line.split('\t').next().unwrap().to_owned());
            labels.collect()
        };
        // The whole model labels the first half of the sentences rightly.
        let half = SENTENCES.len() / 2;
        let gold: Vec<String> = found(&workspace)
            .into_iter()
            .enumerate()
            .map(|(number, labels)| {
                if number < half {
                    labels
                } else {
                    labels.split(' ').map(|_| "other").collect::<Vec<_>>().join(" ")
                }
            })
            .collect();
        let labelled: String = gold
            .iter()
            .zip(SENTENCES)
            .map(|(labels, sentence)| match pooling {
                Some(_) => format!("{labels}\t{sentence}\n"),
                None => {
                    let words = sentence.split(' ').zip(labels.split(' '));
                    words
                        .map(|(word, tag)| format!("{word}\t{tag}\n"))
                        .collect::<String>()
                        + "\n"
                }
            })
            .collect();
        let path = workspace.write("labelled.txt", labelled);
        let scored = |arguments: &[&str]| {
            let mut command = attend("heads");
            command.arg(workspace.model()).arg(&path).args(arguments);
            run(command, b"")
        };
        let accuracy = |labels: &[String]| {
            let pairs = labels.iter().zip(&gold);
            let pairs = pairs.flat_map(|(labels, gold)| labels.split(' ').zip(gold.split(' ')));
            let (right, all) = pairs.fold((0, 0), |(right, all), (label, gold)| {
                (right + u32::from(label == gold), all + 1)
            });
            100.0 * f64::from(right) / f64::from(all)
        };
        let report = json(&scored(&["--json"]));
        assert_eq!(report["measure"], "accuracy");
        let whole = report["score"].as_f64().unwrap();
        assert!((whole - accuracy(&found(&workspace))).abs() < 1e-9);
        assert!(whole > 0.0 && whole < 100.0);
        assert_eq!(report["heads"].as_array().unwrap().len(), 2);
        for (head, reported) in report["heads"].as_array().unwrap().iter().enumerate() {
            let folder = label_model_folder(tokenizer(), pooling);
            let kind = AttentionKind::Encoder;
            let without = Workspace::new();
            LabelModelFolder {
                model: folder.model.without_head(Head { kind, layer: 0, head }, 2),
                ..folder
            }
            .save(without.model())
            .unwrap();
            let expected = accuracy(&found(&without));
            assert!((reported["score"].as_f64().unwrap() - expected).abs() < 1e-9);
        }
        let table = stdout(&scored(&[]));
        let end = format!("\naccuracy of the whole model: {whole:.2}%\n");
        assert!(table.contains(&end), "{table}");

        let error = |arguments: &[&str], asked: &str| {
            assert_error(&scored(arguments), &[asked, "is for translators"]);
        };
        error(&[argument(&path)], "REFERENCE");
        error(&["--bleu"], "--bleu");
    }
    let workspace = workspace();
    let mut command = attend("heads");
    let path = workspace.write("source.txt", text());
    command.arg(workspace.model()).arg(path);
    assert_error(&run(command, b""), &["REFERENCE is missing"]);
}

#[test]
fn heads_are_scored_by_bleu_if_asked() {
    let workspace = workspace();
    // The references are the model's own translations, without those that are blank.
    let translations = workspace.translated(&crate::common::NOTHING, text().as_bytes());
    let pairs = SENTENCES.into_iter().zip(translations.lines());
    let (sources, references): (Vec<&str>, Vec<&str>) =
        pairs.filter(|(_, target)| !target.trim().is_empty()).unzip();
    let [source, target] = [&sources, &references].map(|lines| lines.join("\n") + "\n");
    let report = json(&heads(&workspace, &source, &target, &["--json", "--bleu"]));
    assert_eq!(report["measure"], "bleu");
    assert!((report["score"].as_f64().unwrap() - 100.0).abs() < 1e-9);
    let folder = model_folder_of_words(SENTENCES);
    let head = Head {
        kind: AttentionKind::Cross,
        layer: 1,
        head: 1,
    };
    let without = translator(ModelFolder {
        model: folder.model.clone().without_head(head, 2),
        ..folder
    });
    let hypotheses = without
        .translate_best(&sources, &without.model().options())
        .unwrap();
    let expected = corpus_bleu(&hypotheses, &references, BleuTokenizer::default())
        .unwrap()
        .score;
    assert!((report["heads"][9]["score"].as_f64().unwrap() - expected).abs() < 1e-9);
    let characters = json(&heads(&workspace, &source, &target, &["--json", "--bleu=char"]));
    assert!((characters["score"].as_f64().unwrap() - 100.0).abs() < 1e-9);
    let table = stdout(&heads(&workspace, &source, &target, &["--bleu"]));
    let (_, end) = table.split_once("\nBLEU of the whole model: 100.00\n").unwrap();
    let equal = report["heads"].as_array().unwrap().iter();
    let equal: Vec<String> = equal
        .filter(|head| head["score"].as_f64().unwrap() >= 100.0 - 1e-9)
        .map(|head| {
            format!(
                "{} {}.{}",
                head["kind"].as_str().unwrap(),
                head["layer"],
                head["head"]
            )
        })
        .collect();
    let equal = if equal.is_empty() {
        "none".to_owned()
    } else {
        equal.join(", ")
    };
    assert_eq!(end, format!("BLEU is no worse without: {equal}\n"));
}

#[test]
fn heads_need_pairs_that_fit() {
    let workspace = workspace();
    assert_error(&heads(&workspace, "", "", &[]), &["source.txt is empty"]);
    assert_error(
        &heads(&workspace, "yes\nno\n", "ja\n", &[]),
        &["source.txt", "target.txt"],
    );
    assert_error(
        &heads(&workspace, "yes\n \n", "\nnein\n", &[]),
        &["no line has text both in ", "source.txt and in ", "target.txt"],
    );
    let report = |source: &str, target: &str| heads(&workspace, source, target, &["--json"]);
    let some = report("yes\n\ngood morning\n \n", "ja\nnein\nguten Morgen\n\n");
    let note = "left out 2 of 4 pairs, of which a side is blank\n";
    assert_eq!(String::from_utf8_lossy(&some.stderr), note);
    let whole = report("yes\ngood morning\n", "ja\nguten Morgen\n");
    assert_eq!(String::from_utf8_lossy(&some.stdout), stdout(&whole));
    let blank_first = heads(
        &workspace,
        &("\nyes\n".to_owned() + &"house ".repeat(MAX_SOURCE_TOKENS + 1)),
        "ja\nja\nnein\n",
        &[],
    );
    let error = String::from_utf8_lossy(&blank_first.stderr);
    assert!(
        error.contains("line 3 of the sources has at least 100 tokens"),
        "{error}"
    );
    let long = "yes\n".to_owned() + &"house ".repeat(MAX_SOURCE_TOKENS + 1);
    assert_error(
        &heads(&workspace, &long, "ja\nnein\n", &[]),
        &["line 2 of the sources has at least 100 tokens"],
    );
}
