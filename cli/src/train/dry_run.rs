//! What `attend train --dry-run` prints.

use std::fmt::{Display, Write};
use std::time::Duration;

use attend_infer::TaskKind;
use attend_train::DryRun;
use indicatif::HumanDuration;

/// Writes a dry run down as tables, with the beginning of the first batch.
pub(super) fn text(run: &DryRun) -> String {
    // What the network is trained on, and what it predicts.
    let (examples, targets) = match run.task {
        TaskKind::Translate => ("pairs", "target tokens"),
        TaskKind::Classify => ("texts", "texts"),
        TaskKind::Tag => ("texts", "words"),
    };
    let mut text = String::from("weights\n");
    for (part, weights) in &run.weights {
        line(&mut text, part, weights);
    }
    let together: usize = run.weights.iter().map(|(_, weights)| weights).sum();
    line(&mut text, "together", together);

    text += "\nan epoch\n";
    line(&mut text, examples, run.epoch.pairs);
    line(&mut text, "batches", run.epoch.batches);
    line(&mut text, "source tokens", run.epoch.source_tokens);
    if run.task == TaskKind::Translate {
        line(&mut text, targets, run.epoch.target_tokens);
    }
    line(&mut text, "padding", format!("{:.1}%", 100.0 * run.epoch.padding));

    let _ = writeln!(
        text,
        "\nexpected, as the first updates and a few validation {examples} went, without writing checkpoints"
    );
    line(
        &mut text,
        "an update",
        format!("{:.3} seconds", run.update_seconds),
    );
    line(
        &mut text,
        targets,
        format!("{:.0} a second", run.tokens_per_second),
    );
    line(
        &mut text,
        "a validation",
        format!("{:.3} seconds", run.validation_seconds),
    );
    line(&mut text, "an epoch's updates", duration(run.epoch_seconds));
    line(
        &mut text,
        "the run",
        format!("{} at most", duration(run.run_seconds)),
    );
    if let Some(peak) = run.peak_memory {
        line(&mut text, "memory", format!("{} MiB", peak >> 20));
    }

    let _ = writeln!(text, "\nthe first batch, {} {examples}", run.first_batch);
    for (source, target) in &run.first_pairs {
        let _ = writeln!(text, "  {source}\n  {target}\n");
    }
    text
}

fn line(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "  {name:<20} {value}");
}

fn duration(seconds: f64) -> HumanDuration {
    HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
