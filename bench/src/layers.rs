//! The layers of the paper's table 1, measured beside its formulas and beside PyTorch's layers.

mod fit;
mod layer;
mod plot;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use attend_cli::print;
use attend_data::DataError;
use attend_device::cores;
use clap::{Args, value_parser};
use strum::VariantArray;

use crate::error::BenchError;
use crate::measurement::{run, this_program};
use fit::exponent;
use layer::{CONVOLUTION_WIDTH, D_HEAD, Pass};
use plot::Line;

pub(crate) use layer::{Layer, LayerOptions, measure};

/// The shortest sequence.
const SHORTEST: usize = 16;
/// The longest sequence that may be asked for.
const LONGEST: i64 = 1 << 16;
/// The widths that are measured unless some are named.
const WIDTHS: [usize; 2] = [256, 512];
/// A side that takes more seconds than this at one length is not measured at greater ones.
const LIMIT_SECONDS: f64 = 20.0;
/// Exponents are fitted to sequences of at least this length. At lesser lengths, much of the time is that of each call.
const FITTED_FROM: usize = 1_024;
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/torch_layers.py");
/// The Python packages that the peer needs.
const PACKAGES: &str = "torch";

#[derive(Args)]
pub(crate) struct Options {
    /// A Python with torch, to run the peer. [default: measure Attend alone]
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// The length of the longest sequence; the lengths are 16 and its doubles.
    #[arg(long, value_name = "N", default_value = "8192", value_parser = value_parser!(u32).range(16..=LONGEST))]
    longest: u32,
    /// The layers' width, a multiple of 64; may be given several times. [default: 256, 512]
    #[arg(long = "width", value_name = "D", value_parser = width)]
    widths: Vec<usize>,
    /// The positions that restricted self-attention sees on either side.
    #[arg(long, value_name = "R", default_value = "32")]
    window: NonZeroUsize,
    /// Attend's workers, and the peer's threads. Each has a sequence. [default: the number of cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Draw the times with logarithmic axes, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn width(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(width) if (D_HEAD..=16_384).contains(&width) && width % D_HEAD == 0 => Ok(width),
        _ => Err(format!(
            "a width is a multiple of {D_HEAD} from {D_HEAD} to 16384"
        )),
    }
}

/// Runs both sides for each layer, width and length. Prints a row for each, and the exponents that fit the times best.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let widths = match options.widths.as_slice() {
        [] => &WIDTHS,
        widths => widths,
    };
    let workers = options.workers.map_or_else(cores, NonZeroUsize::get);
    let mut lines = Vec::new();
    print(
        "layer           width length  forward ms backward ms      MiB   PyTorch: forward ms backward ms      MiB  \
         ratio   computation sequential path\n",
    )?;
    for &layer in Layer::VARIANTS {
        for &width in widths {
            let mut sides = [Side::ours(), Side::peer(options.python.as_deref())];
            let lengths = (SHORTEST..=options.longest as usize).filter(|length| length.is_power_of_two());
            for length in lengths {
                let cell = Cell {
                    layer,
                    width,
                    length,
                    window: options.window.get(),
                    workers,
                };
                let [ours, peer] = &mut sides;
                let passes = (ours.measure(&cell)?, peer.measure(&cell)?);
                if passes.0.is_none() && passes.1.is_none() {
                    break;
                }
                print(&row(&cell, passes))?;
            }
            for (side, is_peer) in sides.into_iter().zip([false, true]) {
                lines.push(Line {
                    layer,
                    width,
                    is_peer,
                    points: side.times,
                });
            }
        }
    }
    lines.retain(|line| !line.points.is_empty());
    print(&exponents(&lines))?;
    if let Some(path) = &options.svg {
        fs::write(path, plot::to_svg(&lines, widths)).map_err(|error| DataError::write(path, error))?;
    }
    Ok(())
}

/// What is measured by one run.
struct Cell {
    layer: Layer,
    width: usize,
    length: usize,
    window: usize,
    workers: usize,
}

/// Attend or its peer, and the times that it has taken for one layer of one width.
struct Side<'a> {
    /// The program: Python for the peer, and this program if it is `None`.
    python: Option<&'a Path>,
    is_measured: bool,
    /// Lengths, and the seconds of a forward and a backward pass.
    times: Vec<(f64, f64)>,
}

impl<'a> Side<'a> {
    fn ours() -> Self {
        Self {
            python: None,
            is_measured: true,
            times: Vec::new(),
        }
    }

    fn peer(python: Option<&'a Path>) -> Self {
        Self {
            python,
            is_measured: python.is_some(),
            times: Vec::new(),
        }
    }

    /// Measures a length, unless the length before took too long or there is no peer.
    fn measure(&mut self, cell: &Cell) -> Result<Option<Pass>, BenchError> {
        if !self.is_measured {
            return Ok(None);
        }
        let (mut command, packages) = match self.python {
            Some(python) => {
                let mut command = Command::new(python);
                command.arg(PEER);
                (command, Some(PACKAGES))
            }
            None => (this_program("layer")?, None),
        };
        command.arg(cell.layer.to_string());
        command.args([cell.length, cell.width, cell.window, cell.workers].map(|number| number.to_string()));
        let pass: Pass = run(command, packages)?;
        let seconds = pass.forward + pass.backward;
        self.times.push((cell.length as f64, seconds));
        self.is_measured = seconds <= LIMIT_SECONDS;
        Ok(Some(pass))
    }
}

fn row(cell: &Cell, (ours, peer): (Option<Pass>, Option<Pass>)) -> String {
    let Cell {
        layer,
        width,
        length,
        window,
        ..
    } = *cell;
    let figures = |pass: Option<Pass>| match pass {
        Some(pass) => {
            let [forward, backward] = [pass.forward, pass.backward].map(|seconds| seconds * 1e3);
            let mebibytes = pass.bytes as f64 / f64::from(1 << 20);
            format!("{forward:>11.3} {backward:>11.3} {mebibytes:>8.1}")
        }
        None => format!("{:>11} {:>11} {:>8}", "-", "-", "-"),
    };
    let ratio = match (ours, peer) {
        (Some(ours), Some(peer)) => {
            let [ours, peer] = [ours, peer].map(|pass| pass.forward + pass.backward);
            format!("{:.2}", peer / ours)
        }
        _ => "-".to_owned(),
    };
    format!(
        "{:<15} {width:>5} {length:>6} {} {:>8} {} {ratio:>6} {:>13.2e} {:>10} {:>4}\n",
        layer.to_string(),
        figures(ours),
        "",
        figures(peer),
        layer.computation(length, width, window),
        layer.sequential_operations(length),
        layer.longest_path(length, window),
    )
}

/// Returns a line for each layer of each side: the exponents of the length and of the width that fit its times best.
fn exponents(lines: &[Line]) -> String {
    let mut text = format!(
        "\nexponents of the time, at lengths from {FITTED_FROM} on; convolutions of {CONVOLUTION_WIDTH} positions\n"
    );
    for (&layer, is_peer) in Layer::VARIANTS
        .iter()
        .flat_map(|layer| [(layer, false), (layer, true)])
    {
        let of_side = || {
            lines
                .iter()
                .filter(|line| line.layer == layer && line.is_peer == is_peer)
        };
        let long = |line: &Line| -> Vec<(f64, f64)> {
            let points = line.points.iter().copied();
            points.filter(|point| point.0 >= FITTED_FROM as f64).collect()
        };
        let of_length = mean(of_side().filter_map(|line| exponent(&long(line))));
        let mut lengths: Vec<f64> = of_side().flat_map(long).map(|point| point.0).collect();
        lengths.sort_by(f64::total_cmp);
        lengths.dedup();
        let of_width = mean(lengths.into_iter().filter_map(|length| {
            let at_length = |line: &Line| {
                let point = line.points.iter().find(|point| point.0 == length);
                point.map(|point| (line.width as f64, point.1))
            };
            exponent(&of_side().filter_map(at_length).collect::<Vec<_>>())
        }));
        let (Some(of_length), Some(of_width)) = (of_length, of_width) else {
            continue;
        };
        let side = if is_peer { "PyTorch" } else { "Attend" };
        let formula = layer.exponents();
        text += &format!(
            "{:<15} {side:<8} length {of_length:.2} (table 1: {}), width {of_width:.2} (table 1: {})\n",
            layer.to_string(),
            formula.0,
            formula.1
        );
    }
    text
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
