//! Whether a device finds what the processor finds: a small network with the same weights on both.

mod results;

use std::path::Path;

use attend_data::DataError;
use attend_data::cli::print;
use attend_infer::cli::DeviceOption;
use attend_infer::{ModelFolder, device};
use attend_model::Precision;
use clap::Args;

use crate::error::BenchError;
use results::{Results, compute, new_model, weights};

/// The device that all others are compared with.
const REFERENCE: &str = "flex";

/// How far the two may be apart, as a part of the largest value. Both compute in 32-bit floats, of which sums in another
/// order differ by some 1e-6; an update of Adam makes more of small gradients.
const OUTPUTS: f64 = 1e-5;
const GRADIENTS: f64 = 1e-4;
const LOSSES: f64 = 1e-4;
/// Of all translations by beam search, so many may differ, by ties.
const TRANSLATIONS: f64 = 0.01;
/// The part by which the memory that a device holds may grow after a tenth of the sentences.
const GROWTH: f64 = 0.05;

/// In 16 bits a product is rounded to one of its two neighbours, which the last bit of a sum decides.
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
    /// So many sentences are translated to see whether the device's memory grows.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sentences: usize,
}

/// What is compared.
struct Check {
    name: String,
    difference: f64,
    bound: f64,
}

/// Compares the device with the processor, prints a table, and fails where they differ.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let reference = device::select(REFERENCE)?.device;
    let device = options.device.select()?;
    let folder =
        tempfile::tempdir().map_err(|error| DataError::write(Path::new("a temporary folder"), error))?;
    let folder = folder.path();
    new_model(&reference)?.save(folder)?;
    let expected = compute(folder, &reference, 0)?;
    let found = compute(folder, &device.device, options.sentences)?;
    let saved = weights(&ModelFolder::load(folder, &reference)?.model);
    ModelFolder::load(folder, &device.device)?.save(folder)?;
    let brought_back = weights(&ModelFolder::load(folder, &reference)?.model);

    let mut checks = checks(&found, &expected);
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
    match differing.is_empty() {
        true => Ok(()),
        false => Err(BenchError::Differs {
            device: device.name,
            checks: differing.join(", "),
        }),
    }
}

impl Check {
    fn new(name: impl Into<String>, difference: f64, bound: f64) -> Self {
        Self {
            name: name.into(),
            difference,
            bound,
        }
    }

    fn passes(&self) -> bool {
        self.difference <= self.bound
    }
}

fn checks(found: &Results, expected: &Results) -> Vec<Check> {
    let apart = relative_difference;
    let mut checks = vec![
        Check::new("logits", apart(&found.logits, &expected.logits), OUTPUTS),
        Check::new(
            "gradients of a batch",
            apart(&found.gradients, &expected.gradients),
            GRADIENTS,
        ),
    ];
    for found in &found.passes {
        let precision = found.precision;
        let expected = expected
            .passes
            .iter()
            .find(|expected| expected.precision == precision);
        let expected = expected.expect("the processor computes in every precision");
        checks.extend([
            Check::new(
                format!("steps in {precision}"),
                apart(&found.steps, &expected.steps),
                bound(precision, OUTPUTS),
            ),
            Check::new(
                format!("losses of ten updates in {precision}"),
                apart(&found.losses, &expected.losses),
                bound(precision, LOSSES),
            ),
        ]);
    }
    let steps = &found.passes[0].steps;
    checks.extend([
        Check::new("steps beside the whole pass", apart(steps, &found.whole), OUTPUTS),
        Check::new(
            "greedy translations",
            share_differing(&found.greedy, &expected.greedy),
            0.0,
        ),
        Check::new(
            "translations by beam search",
            share_differing(&found.beam, &expected.beam),
            TRANSLATIONS,
        ),
    ]);
    checks.extend(
        found
            .growth
            .map(|growth| Check::new("growth of the memory held", growth, GROWTH)),
    );
    checks
}

fn table(device: &str, checks: &[Check]) -> String {
    let title = format!("{device} beside {REFERENCE}");
    let title = format!("{title:<36} {:>9} {:>9}\n", "differs", "at most");
    let lines = checks.iter().map(|check| {
        let Check {
            name,
            difference,
            bound,
        } = check;
        let end = if check.passes() { "" } else { "  too much" };
        format!("{name:<36} {difference:>9.1e} {bound:>9.0e}{end}\n")
    });
    std::iter::once(title).chain(lines).collect()
}

/// `max |a - b| / max |b|`; infinite where one is no number.
fn relative_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference = largest(a.iter().zip(b).map(|(a, b)| a - b));
    difference / largest(b.iter().copied())
}

fn largest(values: impl Iterator<Item = f32>) -> f64 {
    values.fold(0.0, |largest, value| match value.is_finite() {
        true => largest.max(f64::from(value.abs())),
        false => f64::INFINITY,
    })
}

fn share_differing(ours: &[String], theirs: &[String]) -> f64 {
    let pairs = ours.iter().zip(theirs);
    pairs.filter(|(one, other)| one != other).count() as f64 / ours.len() as f64
}

#[cfg(test)]
mod tests {
    use super::results::Passes;
    use super::*;

    #[test]
    fn differences_are_parts_of_the_largest_value() {
        assert_eq!(relative_difference(&[1.0, -4.0], &[1.5, -4.0]), 0.125);
        assert_eq!(relative_difference(&[1.0, f32::NAN], &[1.0, 2.0]), f64::INFINITY);
        let translations = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
        let share = share_differing(
            &translations(["a", "b", "c", "d"]),
            &translations(["a", "b", "e", "d"]),
        );
        assert_eq!(share, 0.25);
    }
    fn results() -> Results {
        let passes = [Precision::Float32, Precision::BFloat16, Precision::Float16].map(|precision| Passes {
            precision,
            steps: vec![1.0, -2.0],
            losses: vec![4.0, 3.0],
        });
        Results {
            logits: vec![1.0, 8.0],
            whole: vec![1.0, -2.0],
            gradients: vec![0.5, 0.1],
            passes: passes.to_vec(),
            greedy: vec!["a".to_owned(), "b".to_owned()],
            beam: vec!["a".to_owned(), "c".to_owned()],
            growth: Some(0.0),
        }
    }

    #[test]
    fn what_differs_is_named() {
        let failing = |change: fn(&mut Results)| {
            let mut found = results();
            change(&mut found);
            let checks = checks(&found, &results());
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
            failing(|found| found.growth = Some(0.5)),
            ["growth of the memory held"]
        );
    }
}
