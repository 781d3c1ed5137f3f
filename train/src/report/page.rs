//! `report.html`: a run as one page to look at, which needs nothing else.

use std::time::Duration;

use html_escape::encode_text;
use indicatif::HumanDuration;
use num_format::{Locale, ToFormattedString};
use plotters::style::RGBColor;

use super::plot::{Axis, Line, Plot};
use super::record::Record;
use super::time_left;
use crate::checkpoint::TrainingState;
use crate::validation::Metric;

const STYLE: &str = include_str!("page.css");
const TRAINING: RGBColor = RGBColor(37, 99, 235);
const VALIDATION: RGBColor = RGBColor(217, 94, 15);
const CHRF: RGBColor = RGBColor(13, 148, 136);

/// What stays the same in a run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Number of trained weights.
    pub num_params: usize,
    /// What the best weights are chosen by.
    pub metric: Metric,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// It goes on; the share that is behind it.
    Running(f64),
    /// A signal stopped it; the share that is behind it.
    Interrupted(f64),
    /// It has ended, with a sentence on the model's weights.
    Finished(&'a str),
}

/// A plot on the page.
struct Figure {
    title: &'static str,
    unit: &'static str,
    /// The lines' names, where there are several.
    legend: &'static [&'static str],
    plot: Plot,
}

/// The page of the run of this name.
pub(super) fn page(
    name: &str,
    subject: &Subject,
    state: &TrainingState,
    progress: Progress<'_>,
    records: &[Record],
) -> String {
    let name = encode_text(name);
    let status = match progress {
        Progress::Running(_) => format!("Training; as of update {}.", count(state.update)),
        Progress::Interrupted(_) => "Stopped by a signal; the same command with --resume goes on.".to_owned(),
        Progress::Finished(weights) => format!("Finished. {weights}"),
    };
    let rows: String = rows(subject, state, progress, records)
        .into_iter()
        .map(|(title, value)| format!("<tr><th>{title}</th><td>{}</td></tr>\n", encode_text(&value)))
        .collect();
    let figures: String = figures(records)
        .iter()
        .map(|figure| figure.to_html(state.update))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name} – Attend</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n<p>{status}</p>\n\
         <div class=\"run\">\n<table>\n{rows}</table>\n<div class=\"plots\">\n{figures}</div>\n</div>\n\
         </main>\n</body>\n</html>\n",
        status = encode_text(&status),
    )
}

fn count(count: usize) -> String {
    count.to_formatted_string(&Locale::en)
}

/// The table: titles and values.
fn rows(
    subject: &Subject,
    state: &TrainingState,
    progress: Progress<'_>,
    records: &[Record],
) -> Vec<(&'static str, String)> {
    let duration = |duration: Duration| HumanDuration(duration).to_string();
    let mut rows = vec![
        ("Updates", count(state.update)),
        ("Epochs begun", count(state.position.epoch as usize + 1)),
    ];
    if let Progress::Running(done) | Progress::Interrupted(done) = progress {
        rows.push(("Done", format!("{:.0}%", 100.0 * done.min(1.0))));
    }
    let spent = Duration::try_from_secs_f64(state.seconds).unwrap_or_default();
    rows.push(("Time spent", duration(spent)));
    if let Progress::Running(done) | Progress::Interrupted(done) = progress {
        rows.push(("Time left", format!("about {}", duration(time_left(state, done)))));
    }
    if let Some(best) = &state.best {
        let (metric, score) = (subject.metric, best.score);
        let update = count(best.update);
        rows.push((
            "Best validation",
            format!("{metric}\u{a0}{score:.2}, update\u{a0}{update}"),
        ));
    }
    let last = records.iter().rev();
    if let Some((bleu, chrf, perplexity)) = last.into_iter().find_map(|record| match record {
        Record::Validation {
            bleu,
            chrf,
            perplexity,
            ..
        } => Some((bleu, chrf, perplexity)),
        Record::Update { .. } => None,
    }) {
        rows.push((
            "Last validation",
            format!("BLEU\u{a0}{bleu:.2}, chrF\u{a0}{chrf:.2}, perplexity\u{a0}{perplexity:.2}"),
        ));
    }
    if let Some(speed) = Record::typical_speed(records) {
        rows.push((
            "Typical speed",
            format!("{} target tokens a second", count(speed as usize)),
        ));
    }
    rows.push(("Workers", state.workers.to_string()));
    rows.push(("Weights", count(subject.num_params)));
    if state.skipped > 0 {
        rows.push(("Skipped updates", count(state.skipped)));
    }
    rows
}

fn figures(records: &[Record]) -> Vec<Figure> {
    let line = |color, tag: &str| Line {
        color,
        has_marks: tag.starts_with("valid/"),
        points: records
            .iter()
            .filter_map(|record| Some((record.update(), record.scalar(tag)?)))
            .collect(),
    };
    let figure = |title, unit, legend, axis, lines| Figure {
        title,
        unit,
        legend,
        plot: Plot { axis, lines },
    };
    vec![
        figure(
            "Loss",
            "nats a target token",
            &["training", "validation"],
            Axis::Linear,
            vec![line(TRAINING, "train/loss"), line(VALIDATION, "valid/loss")],
        ),
        figure(
            "Validation scores",
            "of greedy translations",
            &["BLEU", "chrF"],
            Axis::FromZero,
            vec![line(VALIDATION, "valid/bleu"), line(CHRF, "valid/chrf")],
        ),
        figure(
            "Validation perplexity",
            "logarithmic",
            &[],
            Axis::Logarithmic,
            vec![line(VALIDATION, "valid/perplexity")],
        ),
        figure(
            "Learning rate",
            "",
            &[],
            Axis::FromZero,
            vec![line(TRAINING, "train/learning_rate")],
        ),
        figure(
            "Speed",
            "target tokens a second",
            &[],
            Axis::FromZero,
            vec![line(TRAINING, "train/tokens_per_second")],
        ),
        figure(
            "Gradient norm",
            "before clipping",
            &[],
            Axis::FromZero,
            vec![line(TRAINING, "train/gradient_norm")],
        ),
    ]
}

impl Figure {
    fn to_html(&self, last_update: usize) -> String {
        let Self {
            title,
            unit,
            legend,
            plot,
        } = self;
        let legend: String = legend
            .iter()
            .zip(&plot.lines)
            .map(|(name, line)| {
                let RGBColor(red, green, blue) = line.color;
                format!("<i style=\"--color: rgb({red} {green} {blue})\">{name}</i>")
            })
            .collect();
        let svg = plot.to_svg(last_update);
        format!(
            "<figure>\n<figcaption><b>{title}</b><span>{unit}</span>{legend}</figcaption>\n{svg}</figure>\n"
        )
    }
}
