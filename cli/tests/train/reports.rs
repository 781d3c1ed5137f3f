//! The reports of a run: TensorBoard's event file, `report.html` and the model card.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use attend_infer::{GivenTranslation, ModelFolder, TranslateOptions};
use attend_train::{Metric, Record};
use serde_json::Value;

use crate::common::translator;

use super::common::{Workspace, records, small_workspace, stderr};
use super::events::scalars;

/// Returns what TensorBoard must show of a run: tag, update and value of each scalar.
fn expected(workspace: &Workspace, run: &str) -> Vec<(&'static str, usize, f64)> {
    let mut scalars = Vec::new();
    for record in records(&workspace.path(run)) {
        let values: &[(&'static str, f64)] = match record {
            Record::Update {
                loss,
                learning_rate,
                gradient_norm,
                skipped,
                tokens_per_second,
                ..
            } => &[
                ("train/loss", loss),
                ("train/learning_rate", learning_rate),
                ("train/gradient_norm", gradient_norm),
                ("train/tokens_per_second", tokens_per_second),
                ("train/skipped", skipped as f64),
            ],
            Record::Validation { scores, .. } => &[
                ("valid/loss", scores.loss),
                ("valid/perplexity", scores.perplexity.expect("of translations")),
                ("valid/bleu", scores.bleu.expect("of translations")),
                ("valid/chrf", scores.chrf.expect("of translations")),
            ],
        };
        scalars.extend(values.iter().map(|&(tag, value)| (tag, record.update(), value)));
    }
    scalars
}

fn assert_tensorboard_shows_the_records(workspace: &Workspace, run: &str) {
    let scalars = scalars(&workspace.path(run));
    let shown: Vec<_> = scalars
        .iter()
        .map(|scalar| (scalar.tag.as_str(), scalar.step as usize, scalar.value))
        .collect();
    let expected: Vec<_> = expected(workspace, run)
        .into_iter()
        .map(|(tag, update, value)| (tag, update, value as f32))
        .collect();
    assert_eq!(shown, expected);

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(scalars.is_sorted_by_key(|scalar| scalar.wall_time));
    let times = [&scalars[0], &scalars[scalars.len() - 1]].map(|scalar| scalar.wall_time);
    assert!(now - 120.0 < times[0] && times[1] <= now, "{times:?} at {now}");
}

#[test]
fn a_line_on_standard_error_tells_of_each_record_and_the_time_left() {
    let workspace = small_workspace();
    let output = workspace.train(&["small.toml", "--output", "run"]);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    let lines: Vec<&str> = message.lines().filter(|line| line.contains("tokens/s")).collect();
    let mut expected = Vec::new();
    for record in records(&workspace.path("run")) {
        if let Record::Update {
            update,
            epoch,
            loss,
            learning_rate,
            tokens_per_second,
            ..
        } = record
        {
            // The run has 20 updates, so that each is 5 % of it.
            expected.push(format!(
                "{:3}%  update {update}  epoch {epoch}  loss {loss:.3}  lr {learning_rate:.1e}  \
                 {tokens_per_second:.0} tokens/s  ",
                5 * update
            ));
        }
    }
    assert_eq!((lines.len(), expected.len()), (4, 4), "{message}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(&expected) && line.ends_with(" left"),
            "{line:?}, not {expected:?}"
        );
    }
}

#[test]
fn tensorboard_shows_every_record() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run"]);
    assert_tensorboard_shows_the_records(&workspace, "run");
    // There are four records of updates with five values each, and two validations with four.
    assert_eq!(expected(&workspace, "run").len(), 4 * 5 + 2 * 4);
}

#[test]
fn tensorboard_shows_no_update_twice_after_a_resume() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run"]);
    // The files are left as by a run that was killed after its checkpoint at update 10, while it wrote an event, and
    // that had been killed once before, while it made the event file anew.
    let folder = workspace.path("run/tensorboard");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    fs::write(folder.join("events.out.tfevents.0000000001.attend"), &bytes[..50]).unwrap();
    fs::remove_dir_all(workspace.path("run/checkpoints/00000020")).unwrap();

    workspace.train_well(&["small.toml", "--output", "run", "--resume"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    assert_tensorboard_shows_the_records(&workspace, "run");

    // The resumed run writes the folder again if it is missing.
    fs::remove_dir_all(&folder).unwrap();
    workspace.train_well(&["small.toml", "--output", "run", "--resume"]);
    assert_tensorboard_shows_the_records(&workspace, "run");
}

/// Returns the points of each line in the plot with this title, as `x,y` in pixels.
fn lines(page: &str, title: &str) -> Vec<Vec<String>> {
    let (_, plot) = page
        .split_once(&format!("<b>{title}</b>"))
        .expect("there is such a plot");
    let (plot, _) = plot.split_once("</svg>").expect("it ends");
    // Lines of data are two pixels wide, and those of the axes one pixel.
    let lines = plot
        .split("<polyline ")
        .filter(|line| line.contains("stroke-width=\"2\""));
    lines
        .filter_map(|line| line.split("points=\"").nth(1)?.split('"').next())
        .map(|points| points.split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_page_shows_the_run() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "a<b"]);
    let page = fs::read_to_string(workspace.path("a<b/report.html")).unwrap();
    assert!(page.contains("<h1>a&lt;b</h1>"), "{page}");
    for part in [
        "Finished. These are the weights after update ",
        "<tr><th>Updates</th><td>20</td></tr>",
        "<tr><th>Best validation</th><td>BLEU\u{a0}",
    ] {
        assert!(page.contains(part), "{part} is not in:\n{page}");
    }
    for (title, points) in [
        ("Loss", &[4, 2][..]),
        ("Validation scores", &[2, 2]),
        ("Validation perplexity", &[2]),
        ("Learning rate", &[4]),
        ("Speed", &[4]),
        ("Gradient norm", &[4]),
    ] {
        let counts: Vec<usize> = lines(&page, title).iter().map(Vec::len).collect();
        assert_eq!(counts, points, "{title}");
    }
    // The page loads nothing from elsewhere: its only address is the name of SVG.
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains("<img"));
    let addresses = page.matches("://").count();
    assert_eq!(
        addresses,
        page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
}

#[test]
fn a_page_of_a_run_that_diverged_is_drawn() {
    let workspace = small_workspace();
    let settings = [
        "--set",
        "training.learning_rate=1e4",
        "--set",
        "training.clip_norm=0",
    ];
    workspace.train_well(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    let page = fs::read_to_string(workspace.path("run/report.html")).unwrap();
    assert_eq!(lines(&page, "Validation perplexity")[0].len(), 2);
    let perplexities = records(&workspace.path("run"))
        .into_iter()
        .filter_map(|record| match record {
            Record::Validation { scores, .. } => scores.perplexity,
            Record::Update { .. } => None,
        });
    assert_eq!(perplexities.collect::<Vec<_>>(), [1e12; 2]);
}

#[test]
fn a_page_goes_on_after_a_resume() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run", "--set", "training.updates=10"]);
    let page = || fs::read_to_string(workspace.path("run/report.html")).unwrap();
    assert_eq!(lines(&page(), "Loss")[0].len(), 2);
    workspace.train_well(&["small.toml", "--output", "run", "--resume"]);
    assert_eq!(lines(&page(), "Loss")[0].len(), 4);
}

/// The records of `attention.jsonl` in a run's folder.
fn attention(workspace: &Workspace, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(workspace.path(run).join("attention.jsonl")).unwrap();
    let lines = text.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_validation_records_the_attention_to_three_pairs() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run"]);
    let recorded = attention(&workspace, "run");
    let updates: Vec<&Value> = recorded.iter().map(|record| &record["update"]).collect();
    assert_eq!(updates, [10, 20]);

    // The best validation is that of the weights in the model folder, whose alignments are its record.
    let scores = records(&workspace.path("run"))
        .into_iter()
        .filter_map(|record| match record {
            Record::Validation { update, scores, .. } => Some((scores.get(Metric::Bleu)?, update)),
            Record::Update { .. } => None,
        });
    // Of equal scores, the later one counts.
    let (_, best) = scores.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
    let device = attend_device::auto().unwrap().device;
    let translator = translator(ModelFolder::load(workspace.path("run"), &device).unwrap());
    let valid =
        ["src", "tgt"].map(|side| fs::read_to_string(workspace.path(&format!("valid.{side}"))).unwrap());
    let [sources, targets] = valid.each_ref().map(|text| text.lines());
    let aligned = TranslateOptions {
        alignment: true,
        ..TranslateOptions::default()
    };
    let pairs = sources.zip(targets).filter_map(|(source, target)| {
        let pair = GivenTranslation {
            source,
            target,
            number: 0,
        };
        let alignment = translator
            .score(&[pair], &aligned)
            .remove(0)
            .unwrap()
            .alignment
            .unwrap();
        (alignment.source.len() <= 20 && alignment.target.len() <= 20).then_some(alignment)
    });
    let expected: Vec<_> = pairs.take(3).collect();
    let maps = recorded[best / 10 - 1]["maps"].as_array().unwrap();
    assert_eq!((maps.len(), expected.len()), (3, 3));
    for (map, expected) in maps.iter().zip(&expected) {
        assert_eq!(map["queries"], serde_json::json!(expected.target));
        assert_eq!(map["keys"], serde_json::json!(expected.source));
        let weights: Vec<Vec<f32>> = serde_json::from_value(map["weights"].clone()).unwrap();
        for (ours, expected) in weights.iter().flatten().zip(expected.attention.iter().flatten()) {
            assert!((ours - expected).abs() < 6e-4, "{ours} is not {expected}");
        }
    }
    let page = fs::read_to_string(workspace.path("run/report.html")).unwrap();
    let (_, figure) = page.split_once("<b>Attention to the source</b>").unwrap();
    for update in [10, 20] {
        assert_eq!(
            figure.matches(&format!("\nupdate {update}\n")).count(),
            3,
            "{figure}"
        );
    }
}

#[test]
fn a_resumed_run_has_the_attention_of_an_uninterrupted_one() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "whole"]);
    workspace.train_well(&["small.toml", "--output", "parts", "--set", "training.updates=10"]);
    // A later validation, as of a run that was killed before its checkpoint.
    let path = workspace.path("parts/attention.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let later = text.replace("\"update\":10", "\"update\":20");
    fs::write(&path, format!("{text}{later}")).unwrap();
    workspace.train_well(&["small.toml", "--output", "parts", "--resume"]);
    let bytes = |run: &str| fs::read(workspace.path(run).join("attention.jsonl")).unwrap();
    assert_eq!(bytes("parts"), bytes("whole"));
}

#[test]
fn the_model_card_has_the_command_as_a_shell_takes_it() {
    let workspace = small_workspace();
    fs::rename(workspace.path("train.src"), workspace.path("my $train.src")).unwrap();
    let source = ["--set", "data.train.source=my $train.src"];
    workspace.train_well(&[&["small.toml", "--output", "run", "--workers", "2"], &source[..]].concat());
    let model_card = workspace.model_card("run");
    let arguments = "train small.toml --set 'data.train.source=my $train.src' --workers 2";
    assert!(
        model_card.contains(&format!("```sh\nattend {arguments}\n```")),
        "{model_card}"
    );
}

#[test]
fn the_model_card_tells_of_data_scores_and_environment() {
    let workspace = small_workspace();
    let device = attend_device::auto().expect("one is built in").name;
    workspace.train_well(&["small.toml", "--output", "run", "--workers", "1"]);
    let model_card = workspace.model_card("run");
    let validations = records(&workspace.path("run"));
    let best = validations.into_iter().filter_map(|record| match record {
        Record::Validation { update, scores, .. } => Some((scores.bleu?, update, scores.perplexity?)),
        Record::Update { .. } => None,
    });
    // Of equal scores, the later one counts.
    let (bleu, update, perplexity) = best.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
    for part in [
        "trained with Attend on 300 sentence pairs: 20 updates in ",
        &format!("after update {update}, on 30 pairs by greedy search: BLEU {bleu:.2}, chrF "),
        &format!("perplexity {perplexity:.2}"),
        "- training: `train.src`, `train.tgt`\n- validation: `valid.src`, `valid.tgt`\n- test: `test.src`, `test.tgt`\n",
        "pairs read ",
        "pairs kept ",
        &format!("- Attend {} with Burn ", env!("CARGO_PKG_VERSION")),
        &format!("for {} on {}\n", std::env::consts::OS, std::env::consts::ARCH),
        &format!("- device `{device}`, 1 worker\n"),
        "target tokens a second",
        "```sh\nattend train small.toml --workers 1\n```",
    ] {
        assert!(model_card.contains(part), "{part:?} is not in:\n{model_card}");
    }
    if cfg!(target_os = "linux") {
        assert!(
            model_card.contains(" GiB of memory at the peak\n"),
            "{model_card}"
        );
    }
}
