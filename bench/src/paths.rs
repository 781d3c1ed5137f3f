//! The copy task "the first token decides the last", which shows how far a signal comes in each type of layer.
//!
//! A sequence begins with one of eight signs, and noise follows. At its last position, the network must predict the
//! first sign. The signal passes through the whole sequence: in one layer of self-attention, in as many steps of a
//! recurrent layer as there are tokens, and in restricted self-attention and convolutions only if there are enough
//! layers (the paper's Table 1, "maximum path length").

use std::num::NonZeroUsize;
use std::slice;

use attend_cli::{DeviceOption, name_of, print};
use attend_data::{Example, TokenMatrix};
use attend_device::{NamedDevice, Workers, notice_device_failure};
use attend_infer::to_tensor;
use attend_model::{EncoderClassifierConfig, Preset, TransformerConfig};
use attend_train::{Labelling, NO_LABEL, TrainingSettings, TrainingStep};
use burn::tensor::{Device, Int, Tensor};
use clap::{Args, value_parser};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use strum::VariantArray;

use crate::error::BenchError;
use crate::layers::Layer;

/// The number of signs, one of which comes first, and of the tokens of noise.
const SIGNS: u32 = 8;
/// The token at the last position.
const QUESTION: u32 = 1;
/// The first of the signs. The tokens of noise come after the signs.
const FIRST_SIGN: u32 = 2;
const VOCAB_SIZE: usize = (FIRST_SIGN + 2 * SIGNS) as usize;
/// The number of sequences in a batch.
const BATCH: usize = 32;
/// The number of sequences by which a trained network is tested.
const TESTS: usize = 512;
/// The lengths that are measured unless some are named.
const LENGTHS: [u32; 6] = [8, 16, 32, 64, 128, 256];
/// The longest sequence that may be asked for.
const MAX_LENGTH: i64 = 1 << 13;
/// The settings of an update. The number of updates does not matter.
const SETTINGS: &str =
    "updates = 1\nlearning_rate = 1e-3\nwarmup = 50\nschedule = \"constant\"\nlabel_smoothing = 0.0";

#[derive(Args)]
pub(crate) struct Options {
    /// The layer type; may be given several times. [default: all]
    #[arg(long = "layer", value_name = "TYPE", value_parser = name_of::<Layer>())]
    kinds: Vec<Layer>,
    /// The length of the sequences; may be given several times. [default: 8, 16, 32, … 256]
    #[arg(long = "length", value_name = "N", value_parser = value_parser!(u32).range(2..=MAX_LENGTH))]
    lengths: Vec<u32>,
    /// The number of layers.
    #[arg(long, value_name = "N", default_value = "4")]
    layers: NonZeroUsize,
    /// The number of updates.
    #[arg(long, value_name = "N", default_value = "400")]
    updates: NonZeroUsize,
    /// The neighbours on either side that restricted self-attention sees.
    #[arg(long, value_name = "R", default_value = "8")]
    window: NonZeroUsize,
    #[command(flatten)]
    device: DeviceOption,
}

/// Trains a network of each layer type on sequences of each length, and prints how often it finds the first token.
pub(crate) fn measure(options: &Options) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || measure_on(&device, options))
}

fn measure_on(device: &NamedDevice, options: &Options) -> Result<(), BenchError> {
    let kinds = match options.kinds.as_slice() {
        [] => Layer::VARIANTS,
        kinds => kinds,
    };
    let lengths = match options.lengths.as_slice() {
        [] => &LENGTHS,
        lengths => lengths,
    };
    print(&format!(
        "{} layers, {} updates; by chance, {:.1}% of the first tokens are found\n\
         layer          length  path  within reach   found\n",
        options.layers,
        options.updates,
        100.0 / f64::from(SIGNS)
    ))?;
    for &layer in kinds {
        for &length in lengths {
            let length = length as usize;
            let path = layer.longest_path(length, options.window.get());
            // A recurrent layer takes all steps of its path itself.
            let is_within = layer == Layer::Recurrent || path <= options.layers.get();
            let found = found(
                options.config(layer, length),
                length,
                options.updates.get(),
                device,
            )?;
            print(&format!(
                "{:<14} {length:>6} {path:>5}  {:<12} {:>6.1}%\n",
                layer.to_string(),
                if is_within { "yes" } else { "no" },
                100.0 * found,
            ))?;
        }
    }
    Ok(())
}

impl Options {
    /// Returns a small encoder with layers of this type, for sequences of this length.
    fn config(&self, layer: Layer, length: usize) -> TransformerConfig {
        TransformerConfig {
            d_model: 64,
            d_ff: 128,
            n_heads: 4,
            encoder_layers: self.layers.get(),
            max_length: length,
            dropout: 0.0,
            encoder_layer: layer.kind(),
            attention_window: (layer == Layer::Restricted).then_some(self.window.get()),
            ..Preset::Tiny.config(VOCAB_SIZE)
        }
    }
}

/// Trains a network, and returns the share of other sequences whose first sign it then finds.
fn found(
    config: TransformerConfig,
    length: usize,
    updates: usize,
    device: &NamedDevice,
) -> Result<f64, BenchError> {
    let settings: TrainingSettings = toml::from_str(SETTINGS).expect("the settings are well formed");
    let objective = Labelling {
        config: EncoderClassifierConfig {
            encoder: config,
            pooling: None,
            labels: SIGNS as usize,
        },
    };
    let workers = Workers::start(device.workers(), 1)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut step = TrainingStep::new(&settings, objective, 1, slice::from_ref(&device.device), workers)?;
    for update in 1..=updates {
        let batch = (0..BATCH).map(|_| example(&mut random, length)).collect();
        step.take(update, &[batch]);
    }
    let network = step.network();
    let mut correct = 0;
    for _ in 0..TESTS / BATCH {
        let batch: Vec<Example> = (0..BATCH).map(|_| example(&mut random, length)).collect();
        let sources: Vec<&[u32]> = batch.iter().map(|example| example.source.as_slice()).collect();
        let logits = network.forward(to_tensor(&TokenMatrix::new(&sources, 0), &device.device));
        let last = logits.slice_dim(1, length - 1..length);
        correct += matches(last.argmax(2).reshape([BATCH]), &batch, &device.device);
    }
    Ok(f64::from(correct) / TESTS as f64)
}

/// Returns how many of the signs `[batch]` are those that the examples ask for.
fn matches(signs: Tensor<1, Int>, batch: &[Example], device: &Device) -> i32 {
    let asked = batch.iter().filter_map(|example| example.target.last());
    let asked: Vec<i32> = asked.map(|&sign| sign as i32).collect();
    let asked = Tensor::<1, Int>::from_ints(asked.as_slice(), device);
    signs.equal(asked).int().sum().into_scalar::<i32>()
}

/// Draws a sequence: a sign, noise, and the question. Only the question has a label, the number of the sign.
fn example(random: &mut ChaCha8Rng, length: usize) -> Example {
    let mut below = |limit: u32| random.next_u32() % limit;
    let sign = below(SIGNS);
    let mut source = vec![FIRST_SIGN + sign];
    while source.len() + 1 < length {
        source.push(FIRST_SIGN + SIGNS + below(SIGNS));
    }
    source.push(QUESTION);
    let mut target = vec![NO_LABEL; source.len()];
    if let Some(last) = target.last_mut() {
        *last = sign;
    }
    Example { source, target }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_token_asks_for_the_first() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for length in [2, 3, 20] {
            let Example { source, target } = example(&mut random, length);
            assert_eq!((source.len(), target.len()), (length, length));
            assert_eq!(source[length - 1], QUESTION);
            assert_eq!(target[length - 1] + FIRST_SIGN, source[0]);
            assert!(target[..length - 1].iter().all(|&label| label == NO_LABEL));
            let noise = &source[1..length - 1];
            assert!(noise.iter().all(|&token| token >= FIRST_SIGN + SIGNS));
        }
    }
}
