//! The layers of the paper's table 1, and Attend's side of their measurement.

use std::time::Instant;

use attend_cli::name_of;
use attend_device::{Workers, auto, peak_memory};
use attend_model::{Convolution, LayerKind, Preset, Recurrent, SequenceLayer, TransformerConfig};
use attend_ops::{Window, attention};
use burn::tensor::{Bool, Device, Distribution, Tensor};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::measurement::print_measurement;

/// The size of a head: the base model's.
pub(super) const D_HEAD: usize = 64;
/// The number of positions that the convolution takes together.
pub(super) const CONVOLUTION_WIDTH: usize = 3;
/// Passes are repeated until they have taken this many seconds together.
const SECONDS: f64 = 1.0;

/// A layer of the paper's table 1.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Layer {
    SelfAttention,
    Restricted,
    Recurrent,
    Convolution,
}

impl Layer {
    /// Returns the kind of an encoder's layers.
    pub(crate) fn kind(self) -> LayerKind {
        match self {
            Self::SelfAttention => LayerKind::SelfAttention,
            Self::Restricted => LayerKind::Restricted,
            Self::Recurrent => LayerKind::Recurrent,
            Self::Convolution => LayerKind::Convolution,
        }
    }

    /// Returns table 1's computation per layer, for `n` positions, a width of `d` and a window of `r` positions.
    pub(super) fn computation(self, n: usize, d: usize, r: usize) -> f64 {
        let [n, d, r, k] = [n, d, r, CONVOLUTION_WIDTH].map(|size| size as f64);
        match self {
            Self::SelfAttention => n * n * d,
            Self::Restricted => r * n * d,
            Self::Recurrent => n * d * d,
            Self::Convolution => k * n * d * d,
        }
    }

    /// Returns the exponents of `n` and of `d` in table 1's computation per layer.
    pub(super) fn exponents(self) -> (u32, u32) {
        match self {
            Self::SelfAttention => (2, 1),
            Self::Restricted => (1, 1),
            Self::Recurrent | Self::Convolution => (1, 2),
        }
    }

    /// Returns the number of operations that must run one after another.
    pub(super) fn sequential_operations(self, n: usize) -> usize {
        match self {
            Self::Recurrent => n,
            Self::SelfAttention | Self::Restricted | Self::Convolution => 1,
        }
    }

    /// Returns the length of the longest path between two of `n` positions. In all but the recurrent layer, this is the
    /// number of layers after which each position has reached each other: layers with a window of `r`, or convolutions
    /// with the dilations 1, 2, 4 and so on.
    pub(crate) fn longest_path(self, n: usize, r: usize) -> usize {
        let farthest = n - 1;
        match self {
            Self::SelfAttention => 1,
            Self::Restricted => farthest.div_ceil(r),
            Self::Recurrent => n,
            Self::Convolution => {
                let reach = |layers: u32| (CONVOLUTION_WIDTH / 2) * ((1 << layers) - 1);
                (1..).find(|&layers| reach(layers) >= farthest).unwrap_or(0) as usize
            }
        }
    }
}

/// What one side measures of a layer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Pass {
    /// Seconds of a forward pass.
    pub(super) forward: f64,
    /// Seconds of a backward pass.
    pub(super) backward: f64,
    /// The bytes by which the layer raised the peak memory of the process.
    pub(super) bytes: u64,
}

#[derive(Args)]
pub(crate) struct LayerOptions {
    #[arg(value_parser = name_of::<Layer>())]
    layer: Layer,
    length: usize,
    width: usize,
    window: usize,
    workers: usize,
}

/// Measures forward and backward passes of a layer, in which each worker has a sequence of its own. Prints the medians.
pub(crate) fn measure(options: &LayerOptions) -> Result<(), BenchError> {
    let device = auto()?.device.autodiff();
    let workers = Workers::start(options.workers, 1)?;
    // Threads that go back through the same weights share a graph of Burn's autodiff, and may wait for ever: a backward
    // pass holds the graph's lock and waits for that of all graphs, which a forward pass holds while it merges graphs.
    let layers: Vec<Built> = (0..options.workers)
        .map(|_| Built::new(options, &device))
        .collect();
    let before = peak_memory().unwrap_or(0);
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let start = Instant::now();
    // The first pass warms up, unless it takes so long that it need not.
    while forward.is_empty() || start.elapsed().as_secs_f64() < SECONDS {
        let passes = workers.map(&layers, |layer| layer.pass(options, &device));
        let slowest = |side: fn(&(f64, f64)) -> f64| passes.iter().map(side).fold(0.0, f64::max);
        forward.push(slowest(|pass| pass.0));
        backward.push(slowest(|pass| pass.1));
    }
    let median = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    print_measurement(&Pass {
        forward: median(forward),
        backward: median(backward),
        bytes: peak_memory().unwrap_or(0).saturating_sub(before),
    })
}

/// A layer with its weights. Attention is measured without its projections, as table 1 counts it.
enum Built {
    Attention(Window),
    Sequence(Box<dyn SequenceLayer + Sync>),
}

impl Built {
    fn new(options: &LayerOptions, device: &Device) -> Self {
        let config = TransformerConfig {
            d_model: options.width,
            convolution_width: CONVOLUTION_WIDTH,
            ..Preset::Base.config(1)
        };
        let layer: Box<dyn SequenceLayer + Sync> = match options.layer {
            Layer::SelfAttention => return Self::Attention(Window::ALL),
            Layer::Restricted => return Self::Attention(Window::ALL.restricted_to(options.window)),
            Layer::Recurrent => Box::new(Recurrent::new(&config, device)),
            Layer::Convolution => Box::new(Convolution::new(&config, 0, device)),
        };
        // Weights are drawn when they are first used.
        let x = Tensor::zeros([1, 1, options.width], device);
        layer.forward(x, Tensor::zeros([1, 1, 1, 1], device), false);
        Self::Sequence(layer)
    }

    /// Returns the seconds of a forward pass and of a backward pass on a sequence.
    fn pass(&self, options: &LayerOptions, device: &Device) -> (f64, f64) {
        let shape = [1, options.length, options.width];
        let sequence = || Tensor::<3>::random(shape, Distribution::Default, device).require_grad();
        let none_hidden = Tensor::<4, Bool>::zeros([1, 1, 1, options.length], device);
        let [x, key, value] = [(); 3].map(|()| sequence());
        let start = Instant::now();
        let output = match self {
            Self::Attention(window) => attention(x, key, value, none_hidden, *window, options.width / D_HEAD),
            Self::Sequence(layer) => layer.forward(x, none_hidden, false).0,
        };
        let forward = start.elapsed().as_secs_f64();
        let start = Instant::now();
        drop(output.sum().backward());
        (forward, start.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a window of 2, position 0 sees position 2, which has seen position 4. Convolutions of width 3 reach 1, then
    /// 1 + 2 and then 1 + 2 + 4 positions.
    #[test]
    fn paths_are_as_long_as_the_layers_that_they_need() {
        for (layer, lengths) in [
            (Layer::SelfAttention, [(2, 1), (9, 1)]),
            (Layer::Restricted, [(5, 2), (6, 3)]),
            (Layer::Recurrent, [(2, 2), (9, 9)]),
            (Layer::Convolution, [(4, 2), (8, 3)]),
        ] {
            for (n, expected) in lengths {
                assert_eq!(layer.longest_path(n, 2), expected, "{layer} {n}");
            }
        }
    }

    #[test]
    fn exponents_are_those_of_the_computation() {
        for layer in [
            Layer::SelfAttention,
            Layer::Restricted,
            Layer::Recurrent,
            Layer::Convolution,
        ] {
            let once = layer.computation(100, 10, 4);
            let (of_n, of_d) = layer.exponents();
            assert_eq!(layer.computation(200, 10, 4), once * 2f64.powi(of_n as i32));
            assert_eq!(layer.computation(100, 20, 4), once * 2f64.powi(of_d as i32));
        }
    }
}
