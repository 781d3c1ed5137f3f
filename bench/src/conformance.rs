//! Compares a device with the processor: both compute with a small network of the same weights.

mod results;

use std::slice;

use attend_cli::{DeviceOption, print};
use attend_device::{NamedDevice, notice_device_failure};
use attend_infer::{ModelFolder, Translation};
use attend_model::Precision;
use clap::Args;

use crate::error::BenchError;
use crate::measurement::temporary_folder;
use results::{PRECISIONS, Results, compute, new_model, weights};

/// The device that all others are compared with.
const REFERENCE: &str = "flex";

/// The largest differences that pass. Those of numbers are relative to the largest value, those of translations are the
/// share of translations that differ.
#[derive(Clone, Copy)]
struct Bounds {
    outputs: f64,
    gradients: f64,
    losses: f64,
    /// A translation's log-probability is a sum over its tokens, which may add up what each step is off by.
    log_probabilities: f64,
    greedy: f64,
    beam: f64,
}

/// The bounds for a device that computes in 32-bit floats as the processor does. Sums in another order differ by some
/// 1e-6, and an update of Adam enlarges the difference where gradients are small. Hypotheses of equal scores may change
/// places in beam search.
const FULL: Bounds = Bounds {
    outputs: 1e-5,
    gradients: 1e-4,
    losses: 1e-4,
    log_probabilities: 1e-4,
    greedy: 0.0,
    beam: 0.01,
};

/// The bounds for NVIDIA GPUs, on which Burn rounds the factors of 32-bit matrix products to TF32. Its fraction has 10
/// bits, as that of float16. On an H200, TF32 changes the gradients of this batch by 3.6e-2, where a unit of a
/// feed-forward layer has a value of about 0. On the processor, matrix products in float16 change them by 1.9e-2, in
/// bfloat16 by 5.5e-2. One of the 24 translations may differ.
const TF32: Bounds = Bounds {
    outputs: 2e-3,
    gradients: 5e-2,
    losses: 2e-3,
    log_probabilities: 2e-3,
    greedy: 0.05,
    beam: 0.05,
};

impl Bounds {
    /// Returns the bounds for the device of this name.
    fn of(device: &str) -> Self {
        if device.split(':').next() == Some("cuda") {
            TF32
        } else {
            FULL
        }
    }
}

/// How much the memory that a device holds may grow, relative to what it holds after the first tenth of the sentences.
const GROWTH: f64 = 0.05;

/// Returns the bound for computing in `precision`, given the bound in 32 bits. A matrix product in 16 bits is rounded
/// to one of the two nearest numbers, and the last bit of a sum may decide which.
fn bound(precision: Precision, of_32_bits: f64) -> f64 {
    match precision {
        Precision::BFloat16 => 2e-2,
        Precision::Float16 => 2e-3,
        _ => of_32_bits,
    }
}

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    device: DeviceOption,
    /// How many sentences to translate, to see whether the memory that the device holds grows.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sentences: usize,
}

/// A row of the table: what is compared, and with what outcome.
struct Check {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    /// The device and the processor differ by this much, and may by `bound`.
    Compared { difference: f64, bound: f64 },
    /// The check is left out for this reason.
    NotRun(&'static str),
}

/// Compares the device with the processor, prints a table, and fails where they differ.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || {
        compare_on(&device, options.sentences)
    })
}

fn compare_on(device: &NamedDevice, sentences: usize) -> Result<(), BenchError> {
    let reference = attend_device::select(REFERENCE)?.device;
    let folder = temporary_folder()?;
    let folder = folder.path();
    new_model(&reference)?.save(folder)?;
    let expected = compute(folder, &reference, 0)?;
    let found = compute(folder, &device.device, sentences)?;
    let saved = weights(&ModelFolder::load(folder, &reference)?.model);
    ModelFolder::load(folder, &device.device)?.save(folder)?;
    let brought_back = weights(&ModelFolder::load(folder, &reference)?.model);

    let mut checks = checks(&found, &expected, Bounds::of(&device.name));
    checks.push(Check::new(
        "weights saved by one, read by other",
        relative_difference(&brought_back, &saved),
        0.0,
    ));
    print(&table(&device.name, &checks))?;
    let differing: Vec<&str> = checks
        .iter()
        .filter(|check| !check.passes())
        .map(|check| check.name.as_str())
        .collect();
    if differing.is_empty() {
        Ok(())
    } else {
        Err(BenchError::Differs {
            device: device.name.clone(),
            checks: differing.join(", "),
        })
    }
}

impl Check {
    fn new(name: impl Into<String>, difference: f64, bound: f64) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Compared { difference, bound },
        }
    }

    fn not_run(name: impl Into<String>, reason: &'static str) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::NotRun(reason),
        }
    }

    /// Returns whether the difference is within its bound. A check that is left out passes.
    fn passes(&self) -> bool {
        match self.outcome {
            Outcome::Compared { difference, bound } => difference <= bound,
            Outcome::NotRun(_) => true,
        }
    }
}

/// Returns the checks that compare what the device has found with what the processor has found.
fn checks(found: &Results, expected: &Results, bounds: Bounds) -> Vec<Check> {
    let apart = relative_difference;
    let mut checks = vec![
        Check::new("logits", apart(&found.logits, &expected.logits), bounds.outputs),
        Check::new(
            "gradients of a batch",
            apart(&found.gradients, &expected.gradients),
            bounds.gradients,
        ),
    ];
    for precision in PRECISIONS {
        let expected = expected.passes_in(precision);
        let expected = expected.expect("the processor computes in every precision");
        let Some(found) = found.passes_in(precision) else {
            checks.push(Check::not_run(
                precision.to_string(),
                "not computed by this device",
            ));
            continue;
        };
        checks.extend([
            Check::new(
                format!("steps in {precision}"),
                apart(&found.steps, &expected.steps),
                bound(precision, bounds.outputs),
            ),
            Check::new(
                format!("losses of ten updates in {precision}"),
                apart(&found.losses, &expected.losses),
                bound(precision, bounds.losses),
            ),
        ]);
    }
    let steps = &found.passes[0].steps;
    checks.extend([
        Check::new(
            "steps beside the whole pass",
            apart(steps, &found.whole),
            bounds.outputs,
        ),
        Check::new(
            "greedy translations",
            share_differing(&found.greedy, &expected.greedy),
            bounds.greedy,
        ),
        Check::new(
            "translations by beam search",
            share_differing(&found.beam, &expected.beam),
            bounds.beam,
        ),
        Check::new(
            "log P of greedy translations",
            log_probabilities_apart(&found.greedy, &expected.greedy),
            bounds.log_probabilities,
        ),
        Check::new(
            "log P of translations by beam",
            log_probabilities_apart(&found.beam, &expected.beam),
            bounds.log_probabilities,
        ),
    ]);
    let growth = "growth of the memory held";
    checks.push(match found.growth {
        Some(part) => Check::new(growth, part, GROWTH),
        None => Check::not_run(growth, "the backend does not tell"),
    });
    checks
}

/// Returns the checks as the text of a table.
fn table(device: &str, checks: &[Check]) -> String {
    let title = format!("{device} beside {REFERENCE}");
    let title = format!("{title:<36} {:>9} {:>9}\n", "differs", "at most");
    let lines = checks.iter().map(|check| {
        let name = &check.name;
        let end = if check.passes() { "" } else { "  too much" };
        match check.outcome {
            Outcome::Compared { difference, bound } => {
                format!("{name:<36} {difference:>9.1e} {bound:>9.0e}{end}\n")
            }
            Outcome::NotRun(reason) => format!("{name}: {reason}\n"),
        }
    });
    std::iter::once(title).chain(lines).collect()
}

/// Returns `max |a - b| / max |b|`. The result is infinite or NaN, and so within no bound, if a value is not finite.
///
/// For example, `[1, -4]` and `[1.5, -4]` differ by 0.5 at most, and 0.5 / 4 = 0.125.
fn relative_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference = largest(a.iter().zip(b).map(|(a, b)| a - b));
    difference / largest(b.iter().copied())
}

/// Returns the largest magnitude, infinity if a value is not finite, and 0 without values.
fn largest(values: impl Iterator<Item = f32>) -> f64 {
    values.fold(0.0, |largest, value| {
        if value.is_finite() {
            largest.max(f64::from(value.abs()))
        } else {
            f64::INFINITY
        }
    })
}

/// Returns the share of translations whose texts differ, from 0 to 1.
fn share_differing(ours: &[Translation], theirs: &[Translation]) -> f64 {
    let pairs = ours.iter().zip(theirs);
    pairs.filter(|(one, other)| one.text != other.text).count() as f64 / ours.len() as f64
}

/// Returns the [`relative_difference`] of the log-probabilities of those translations whose texts agree; NaN if none
/// do.
fn log_probabilities_apart(ours: &[Translation], theirs: &[Translation]) -> f64 {
    let pairs = ours.iter().zip(theirs);
    let same = pairs.filter(|(one, other)| one.text == other.text);
    let (ours, theirs): (Vec<f32>, Vec<f32>) = same
        .map(|(one, other)| (one.log_probability, other.log_probability))
        .unzip();
    relative_difference(&ours, &theirs)
}

#[cfg(test)]
mod tests {
    use super::results::Passes;
    use super::*;

    #[test]
    fn differences_are_parts_of_the_largest_value() {
        assert_eq!(relative_difference(&[1.0, -4.0], &[1.5, -4.0]), 0.125);
        assert_eq!(relative_difference(&[1.0, f32::NAN], &[1.0, 2.0]), f64::INFINITY);
        let ours = translations([("a", -1.0), ("b", -4.0), ("c", -9.0), ("d", -2.0)]);
        let theirs = translations([("a", -1.5), ("b", -4.0), ("e", -8.0), ("d", -2.0)]);
        assert_eq!(share_differing(&ours, &theirs), 0.25);
        assert_eq!(log_probabilities_apart(&ours, &theirs), 0.125);
        assert!(log_probabilities_apart(&ours[..1], &theirs[1..2]).is_nan());
    }

    fn translations<const N: usize>(found: [(&str, f32); N]) -> Vec<Translation> {
        let translations = found.map(|(text, log_probability)| {
            let mut translation = Translation::default();
            (translation.text, translation.log_probability) = (text.to_owned(), log_probability);
            translation
        });
        translations.to_vec()
    }

    fn results() -> Results {
        let passes = PRECISIONS.map(|precision| Passes {
            precision,
            steps: vec![1.0, -2.0],
            losses: vec![4.0, 3.0],
        });
        Results {
            logits: vec![1.0, 8.0],
            whole: vec![1.0, -2.0],
            gradients: vec![0.5, 0.1],
            passes: passes.to_vec(),
            greedy: translations([("a", -1.0), ("b", -2.0), ("c", -8.0)]),
            beam: translations([("a", -1.0), ("d", -1.5), ("c", -8.0)]),
            growth: Some(0.0),
        }
    }

    /// A difference of 8e-3 is 1e-3 of the largest logit, as much as rounding to a fraction of 10 bits causes. A
    /// difference of 3e-2 is more than rounding explains.
    #[test]
    fn gpus_that_round_factors_may_differ_more() {
        let passes = |device: &str, change: f32| {
            let mut found = results();
            found.logits[1] += change;
            let checks = checks(&found, &results(), Bounds::of(device));
            checks.iter().all(Check::passes)
        };
        assert!(passes("cuda:0", 8e-3) && !passes("vulkan:0", 8e-3));
        assert!(!passes("cuda:0", 3e-2));
    }

    #[test]
    fn what_differs_is_named() {
        let failing = |change: fn(&mut Results)| {
            let mut found = results();
            change(&mut found);
            let checks = checks(&found, &results(), FULL);
            let table = table("abacus:1", &checks);
            assert!(table.starts_with("abacus:1 beside flex "), "{table}");
            assert_eq!(table.lines().count(), checks.len() + 1);
            let failing = table.lines().filter_map(|line| line.strip_suffix("  too much"));
            let names = failing.map(|line| line[..36].trim_end().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(failing(|_| ()), [""; 0]);
        assert_eq!(failing(|found| found.logits[0] += 2e-4), ["logits"]);
        assert_eq!(
            failing(|found| found.gradients[1] = f32::NAN),
            ["gradients of a batch"]
        );
        assert_eq!(
            failing(|found| found.passes[0].steps[0] += 1e-4),
            ["steps in float32", "steps beside the whole pass"]
        );
        assert_eq!(
            failing(|found| found.passes[1].steps[0] += 0.1),
            ["steps in bfloat16"]
        );
        assert_eq!(failing(|found| found.passes[1].steps[0] += 0.02), [""; 0]);
        assert_eq!(
            failing(|found| found.passes[2].losses[1] += 0.02),
            ["losses of ten updates in float16"]
        );
        assert_eq!(
            failing(|found| found.whole[0] += 1e-4),
            ["steps beside the whole pass"]
        );
        assert_eq!(failing(|found| found.greedy.swap(0, 1)), ["greedy translations"]);
        assert_eq!(
            failing(|found| found.beam.swap(0, 1)),
            ["translations by beam search"]
        );
        assert_eq!(
            failing(|found| found.greedy[0].log_probability += 1e-3),
            ["log P of greedy translations"]
        );
        assert_eq!(
            failing(|found| found.beam[1].log_probability = f32::NEG_INFINITY),
            ["log P of translations by beam"]
        );
        assert_eq!(failing(|found| found.beam[1].log_probability += 7e-4), [""; 0]);
        assert_eq!(
            failing(|found| found.growth = Some(0.5)),
            ["growth of the memory held"]
        );
    }

    #[test]
    fn what_a_device_cannot_do_is_a_row_with_the_reason() {
        let mut found = results();
        found.passes.remove(1);
        found.growth = None;
        let checks = checks(&found, &results(), FULL);
        assert!(checks.iter().all(Check::passes));
        let table = table("abacus:1", &checks);
        let rows: Vec<&str> = table.lines().filter(|line| line.contains(": ")).collect();
        assert_eq!(
            rows,
            [
                "bfloat16: not computed by this device",
                "growth of the memory held: the backend does not tell"
            ]
        );
        assert!(
            table.contains("steps in float16") && !table.contains("steps in bfloat16"),
            "{table}"
        );
    }
}
