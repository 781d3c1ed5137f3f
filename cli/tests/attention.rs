//! The subcommands `attention` and `heads`, run from outside on a small model with random weights.

use std::fs;
use std::process::Output;

use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::{AttentionKind, GivenTranslation, Head, ModelFolder};
use serde_json::Value;

use crate::common::{
    MAX_SOURCE_TOKENS, SENTENCES, Workspace, assert_error, assert_usage_error, attend, each, model_folder,
    model_folder_of_words, run, stdout, text, translator,
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
    assert_eq!(data, all["attention"]);
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
    let widest = narrow.lines().filter(|line| !line.contains("attention"));
    assert!(
        widest.map(|line| line.chars().count()).max().unwrap() <= 20,
        "{narrow}"
    );
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
    command
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
    ] {
        assert_eq!(shown(variables), plain);
    }
    let ascii = shown(&[("TERM", "dumb"), ("LC_ALL", "C")]);
    assert!(ascii.is_ascii() && ascii.contains(". 17 "), "{ascii}");
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
    usage(
        &["yes", "--html", "-"],
        "standard output has the maps; name a file",
    );
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
    let report = json(&heads(
        &workspace,
        &text(),
        &(targets.join("\n") + "\n"),
        &["--json"],
    ));
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

    let table = stdout(&heads(&workspace, &text(), &(text()), &[]));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 10 + 1);
    assert!(lines[1].starts_with("encoder        1     1  "), "{table}");
    assert!(lines[10].starts_with("cross          2     2  "), "{table}");
    assert!(lines[11].starts_with("loss of the whole model: "), "{table}");
}

#[test]
fn heads_are_scored_by_bleu_if_asked() {
    let workspace = workspace();
    let targets = workspace.translated(&crate::common::NOTHING, text().as_bytes());
    let report = json(&heads(&workspace, &text(), &targets, &["--json", "--bleu"]));
    // The references are the model's own translations.
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
        .translate_best(&SENTENCES, &without.model().options())
        .unwrap();
    let references: Vec<&str> = targets.lines().collect();
    let expected = corpus_bleu(&hypotheses, &references, BleuTokenizer::default())
        .unwrap()
        .score;
    assert!((report["heads"][9]["score"].as_f64().unwrap() - expected).abs() < 1e-9);
    let characters = json(&heads(&workspace, &text(), &targets, &["--json", "--bleu=char"]));
    assert!((characters["score"].as_f64().unwrap() - 100.0).abs() < 1e-9);
    let table = stdout(&heads(&workspace, &text(), &targets, &["--bleu"]));
    assert!(table.ends_with("BLEU of the whole model: 100.00\n"), "{table}");
}

#[test]
fn heads_need_pairs_that_fit() {
    let workspace = workspace();
    assert_error(&heads(&workspace, "", "", &[]), &["source.txt is empty"]);
    assert_error(
        &heads(&workspace, "yes\nno\n", "ja\n", &[]),
        &["source.txt", "target.txt"],
    );
    let long = "yes\n".to_owned() + &"house ".repeat(MAX_SOURCE_TOKENS + 1);
    assert_error(
        &heads(&workspace, &long, "ja\nnein\n", &[]),
        &["line 2 of the sources has at least 100 tokens"],
    );
}
