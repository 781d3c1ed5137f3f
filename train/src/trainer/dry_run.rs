//! `train --dry-run`: what a run would do.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attend_data::{Example, Position};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use indicatif::HumanDuration;

use super::Trainer;
use crate::memory::peak_memory;
use crate::validation::expected_seconds;

/// Updates whose time is measured, after one to warm up.
const MEASURED: u32 = 2;
/// Pairs of the first batch that are shown.
const SHOWN: usize = 5;

impl Trainer {
    /// The network's weights by part, an epoch's batches and tokens, time and memory as its first updates and
    /// validation pairs need them, and the beginning of the first batch. Nothing is written.
    #[must_use]
    pub fn dry_run(mut self) -> String {
        let train = Arc::clone(&self.dataset.train);
        let mut text = String::from("weights\n");
        for (part, weights) in self.parts() {
            line(&mut text, &part, weights);
        }
        line(&mut text, "together", self.num_params());

        let settings = self.recipe.training.clone();
        let first_epoch = self.dataset.batches(&self.recipe, Position::default());
        let batches = first_epoch.plan();
        let (mut pairs, mut source_tokens, mut target_tokens, mut padded) = (0, 0_u64, 0_u64, 0_u64);
        for batch in batches.iter() {
            let lengths = || batch.iter().map(|&number| train.lengths(number));
            let source = lengths().map(|lengths| u64::from(lengths.source));
            let target = lengths().map(|lengths| u64::from(lengths.target));
            let longest = source.clone().max().unwrap_or(0) + target.clone().max().unwrap_or(0);
            pairs += batch.len();
            source_tokens += source.sum::<u64>();
            target_tokens += target.sum::<u64>();
            padded += batch.len() as u64 * longest;
        }
        text += "\nan epoch\n";
        line(&mut text, "pairs", pairs);
        line(&mut text, "batches", batches.len());
        line(&mut text, "source tokens", source_tokens);
        line(&mut text, "target tokens", target_tokens);
        let padding = 100.0 - 100.0 * (source_tokens + target_tokens) as f64 / padded as f64;
        line(&mut text, "padding", format!("{padding:.1}%"));

        let (update_seconds, tokens_per_second) = self.measure();
        let bundle = self.bundle(self.now.model.valid());
        let device = self.devices[0].clone().without_autodiff();
        let validation_seconds =
            expected_seconds(&bundle, &self.dataset, &self.recipe, &device, &self.workers);
        let seconds_of = |updates: f64| {
            let validations = (updates / settings.validate_every as f64).ceil();
            update_seconds * updates + validation_seconds * validations
        };
        let epoch_updates = batches.len() as f64 / settings.accumulate as f64;
        let limits = [
            settings.updates.map(|updates| seconds_of(updates as f64)),
            settings
                .epochs
                .map(|epochs| seconds_of((epoch_updates * epochs as f64).ceil())),
            settings.minutes.map(|minutes| 60.0 * minutes),
        ];
        let run_seconds = limits.into_iter().flatten().fold(f64::INFINITY, f64::min);
        text +=
            "\nexpected, as the first updates and a few validation pairs went, without writing checkpoints\n";
        line(&mut text, "an update", format!("{update_seconds:.3} seconds"));
        line(
            &mut text,
            "target tokens",
            format!("{tokens_per_second:.0} a second"),
        );
        line(
            &mut text,
            "a validation",
            format!("{validation_seconds:.3} seconds"),
        );
        line(
            &mut text,
            "an epoch's updates",
            duration(update_seconds * epoch_updates),
        );
        line(&mut text, "the run", format!("{} at most", duration(run_seconds)));
        if let Some(peak) = peak_memory() {
            line(&mut text, "memory", format!("{} MiB", peak >> 20));
        }

        let first = batches.batch(0).unwrap_or_default();
        let _ = writeln!(text, "\nthe first batch, {} pairs", first.len());
        for &number in first.iter().take(SHOWN) {
            let Example { source, target } = train.get(number);
            for ids in [source, target] {
                let _ = writeln!(text, "  {}", self.tokenizer.decode(&ids));
            }
            text.push('\n');
        }
        text
    }

    /// The number of weights in each part of the network.
    fn parts(&self) -> Vec<(String, usize)> {
        #[derive(Default)]
        struct Parts {
            path: Vec<String>,
            weights: Vec<(String, usize)>,
        }
        impl ModuleVisitor for Parts {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let part = self.path.first().cloned().unwrap_or_default();
                let weights: usize = param.val().dims().iter().product();
                match self.weights.last_mut() {
                    Some((last, sum)) if *last == part => *sum += weights,
                    _ => self.weights.push((part, weights)),
                }
            }
        }
        let mut parts = Parts::default();
        self.now.model.visit(&mut parts);
        parts.weights
    }

    /// Seconds an update, and target tokens a second.
    fn measure(&mut self) -> (f64, f64) {
        let mut batches = self.dataset.batches(&self.recipe, Position::default());
        self.update(&mut batches);
        let start = Instant::now();
        let updates = (0..MEASURED).filter_map(|_| self.update(&mut batches));
        let target_tokens: usize = updates.map(|measure| measure.target_tokens).sum();
        let seconds = start.elapsed().as_secs_f64();
        (seconds / f64::from(MEASURED), target_tokens as f64 / seconds)
    }
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "  {name:<20} {value}");
}

fn duration(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    HumanDuration(duration).to_string()
}
