//! `report.html`: a run as one page to look at, which loads no other file.

use std::time::Duration;

use attend_infer::TaskKind;
use html_escape::encode_text;
use humantime::format_duration;
use num_format::{Locale, ToFormattedString};
use plotters::style::RGBColor;

use super::attention;
use super::plot::{Axis, Line, Plot};
use crate::attention_record::AttentionRecord;
use crate::event::Progress;
use crate::metric::Metric;
use crate::record::Record;
use crate::state::TrainingState;
use crate::task::target;

const STYLE: &str = include_str!("page.css");
const TRAINING: RGBColor = RGBColor(37, 99, 235);
const VALIDATION: RGBColor = RGBColor(217, 94, 15);
const SECOND_SCORE: RGBColor = RGBColor(13, 148, 136);

/// The facts on the page that do not change during a run.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Name of the run.
    pub(crate) name: String,
    /// Number of trained weights.
    pub(crate) num_params: usize,
    /// Score by which the best weights are chosen.
    pub(crate) metric: Metric,
    /// What the network is trained for.
    pub(crate) task: TaskKind,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Status<'a> {
    /// The run goes on.
    Running(Progress),
    /// The run was stopped before its end.
    Stopped(Progress),
    /// The run has ended. The text is a sentence about the weights in the model folder.
    Finished(&'a str),
}

impl Status<'_> {
    fn progress(&self) -> Option<Progress> {
        match *self {
            Self::Running(progress) | Self::Stopped(progress) => Some(progress),
            Self::Finished(_) => None,
        }
    }
}

/// A plot on the page.
struct Figure {
    title: &'static str,
    unit: String,
    /// The names of the lines, if there are several.
    legend: Vec<&'static str>,
    plot: Plot,
}

/// Writes the page.
pub(super) fn page(
    subject: &Subject,
    state: &TrainingState,
    status: Status<'_>,
    records: &[Record],
    attention: &[AttentionRecord],
) -> String {
    let name = encode_text(&subject.name);
    let sentence = match status {
        Status::Running(_) => format!("Training; as of update {}.", count(state.update)),
        Status::Stopped(_) => "Stopped by a signal; the run can be resumed.".to_owned(),
        Status::Finished(weights) => format!("Finished. {weights}"),
    };
    let rows: String = rows(subject, state, status, records)
        .into_iter()
        .map(|(title, value)| format!("<tr><th>{title}</th><td>{}</td></tr>\n", encode_text(&value)))
        .collect();
    let figures: String = figures(subject.task, records)
        .iter()
        .map(|figure| figure.to_html(state.update))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name} – Attend</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n<p>{sentence}</p>\n\
         <div class=\"run\">\n<table>\n{rows}</table>\n<div class=\"plots\">\n{figures}</div>\n</div>\n\
         {attention}</main>\n</body>\n</html>\n",
        sentence = encode_text(&sentence),
        attention = attention::figure(attention),
    )
}

fn count(count: usize) -> String {
    count.to_formatted_string(&Locale::en)
}

/// Returns the rows of the table, titles and values.
fn rows(
    subject: &Subject,
    state: &TrainingState,
    status: Status<'_>,
    records: &[Record],
) -> Vec<(&'static str, String)> {
    let duration = |duration: Duration| format_duration(Duration::from_secs(duration.as_secs())).to_string();
    let mut rows = vec![
        ("Updates", count(state.update)),
        ("Epochs begun", count(state.position.epoch as usize + 1)),
    ];
    let progress = status.progress();
    if let Some(Progress { done, .. }) = progress {
        rows.push(("Done", format!("{:.0}%", 100.0 * done.min(1.0))));
    }
    let spent = Duration::try_from_secs_f64(state.seconds).unwrap_or_default();
    rows.push(("Time spent", duration(spent)));
    if let Some(Progress { time_left, .. }) = progress {
        rows.push(("Time left", format!("about {}", duration(time_left))));
    }
    if let Some(best) = &state.best {
        let (metric, score) = (subject.metric.title(), best.score);
        let update = count(best.update);
        rows.push((
            "Best validation",
            format!("{metric}\u{a0}{score:.2}, update\u{a0}{update}"),
        ));
    }
    let mut last_first = records.iter().rev();
    if let Some(scores) = last_first.find_map(Record::scores) {
        let shown = scores.all().filter(|(metric, _)| *metric != Metric::Loss);
        let shown = shown.map(|(metric, score)| metric.show(score).replace(' ', "\u{a0}"));
        rows.push(("Last validation", shown.collect::<Vec<_>>().join(", ")));
    }
    if let Some(speed) = Record::typical_speed(records) {
        rows.push((
            "Typical speed",
            format!("{} {}s a second", count(speed as usize), target(subject.task)),
        ));
    }
    rows.push(("Workers", state.workers.to_string()));
    rows.push(("Weights", count(subject.num_params)));
    if state.skipped > 0 {
        rows.push(("Skipped updates", count(state.skipped)));
    }
    rows
}

fn figures(task: TaskKind, records: &[Record]) -> Vec<Figure> {
    let line = |color, tag: &str| Line {
        color,
        has_marks: tag.starts_with("valid/"),
        points: records
            .iter()
            .filter_map(|record| Some((record.update(), record.scalar(tag)?)))
            .collect(),
    };
    let figure = |title, unit: &str, legend: &[&'static str], axis, lines| Figure {
        title,
        unit: unit.to_owned(),
        legend: legend.to_vec(),
        plot: Plot { axis, lines },
    };
    // Validations may lack a score of their task: tags that mark no spans have no span F1.
    let last = records.iter().rev().find_map(Record::scores);
    let is_scored = |metric: &Metric| last.is_none_or(|scores| scores.get(*metric).is_some());
    let rising = Metric::of(task).iter().filter(|metric| metric.rises());
    let scored: Vec<Metric> = rising.copied().filter(is_scored).collect();
    let titles: Vec<&str> = scored.iter().map(|metric| metric.title()).collect();
    let scores = scored.iter().zip([VALIDATION, SECOND_SCORE]);
    let scores = scores.map(|(metric, color)| line(color, metric.tag()));
    let (unit_of_scores, axis_of_scores) = match task {
        TaskKind::Translate => ("of greedy translations", Axis::FromZero),
        TaskKind::Classify | TaskKind::Tag => ("percent", Axis::Linear),
    };
    let perplexity = Metric::of(task).contains(&Metric::Perplexity).then(|| {
        figure(
            "Validation perplexity",
            "logarithmic",
            &[],
            Axis::Logarithmic,
            vec![line(VALIDATION, Metric::Perplexity.tag())],
        )
    });
    let of_validation = [
        figure(
            "Loss",
            &format!("nats a {}", target(task)),
            &["training", "validation"],
            Axis::Linear,
            vec![line(TRAINING, "train/loss"), line(VALIDATION, Metric::Loss.tag())],
        ),
        figure(
            "Validation scores",
            unit_of_scores,
            &titles,
            axis_of_scores,
            scores.collect(),
        ),
    ];
    let of_training = [
        figure(
            "Learning rate",
            "",
            &[],
            Axis::FromZero,
            vec![line(TRAINING, "train/learning_rate")],
        ),
        figure(
            "Speed",
            &format!("{}s a second", target(task)),
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
    ];
    of_validation
        .into_iter()
        .chain(perplexity)
        .chain(of_training)
        .collect()
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
