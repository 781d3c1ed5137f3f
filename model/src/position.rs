//! Positional encodings (section 3.5).

use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{PositionKind, TransformerConfig};
use crate::init;

/// Adds to each vector of a sequence the encoding of its position.
#[derive(Module, Debug)]
pub struct PositionalEncoding {
    /// The learned encodings, `[max_length, d_model]`, if positions are learned.
    learned: Option<Embedding>,
    /// The table of fixed encodings, `[max_length, d_model]`, which is empty if positions are learned.
    sinusoids: Vec<f32>,
    max_length: usize,
}

impl PositionalEncoding {
    /// Returns the encoding that `config.positions` names, for the positions `0..max_length`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (max_length, d_model) = (config.max_length, config.d_model);
        let (learned, sinusoids) = match config.positions {
            PositionKind::Learned => (Some(init::embedding(max_length, d_model, device)), Vec::new()),
            PositionKind::Sinusoidal => (None, sinusoids(max_length, d_model)),
            PositionKind::SinusoidalHalves => (None, sinusoid_halves(max_length, d_model)),
            PositionKind::Marian => (None, marian_sinusoids(max_length, d_model)),
        };
        Self {
            learned,
            sinusoids,
            max_length,
        }
    }

    /// Adds the encodings of the positions `start..start + seq`.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    ///
    /// # Panics
    ///
    /// If the sequence ends beyond `max_length`.
    pub fn forward(&self, x: Tensor<3>, start: usize) -> Tensor<3> {
        let [_, seq, d_model] = x.dims();
        let end = start + seq;
        assert!(
            end <= self.max_length,
            "a sequence of {end} tokens is longer than the model's {} positions",
            self.max_length
        );
        let encoding: Tensor<2> = match &self.learned {
            Some(learned) => learned.weight.val().slice_dim(0, start..end),
            None => {
                let rows = self.sinusoids[start * d_model..end * d_model].to_vec();
                Tensor::from_data(TensorData::new(rows, [seq, d_model]), &x.device())
            }
        };
        x + encoding.unsqueeze()
    }
}

/// Returns the sinusoidal encodings of the positions `0..length` (section 3.5), `[length, d_model]` in row-major order:
/// `PE(pos, 2i) = sin(pos / 10000^(2i/d_model))` and `PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))`.
///
/// For example, four dimensions are two pairs of a sine and a cosine. From one position to the next, the angle of the
/// first pair grows by 1 and the angle of the second by `1 / 10000^(2/4) = 0.01`:
///
/// ```
/// let table = attend_model::sinusoids(4, 4);
/// assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
/// let third = [3f64.sin(), 3f64.cos(), 0.03f64.sin(), 0.03f64.cos()];
/// assert_eq!(table[12..], third.map(|number| number as f32));
/// ```
pub fn sinusoids(length: usize, d_model: usize) -> Vec<f32> {
    (0..length)
        .flat_map(|position| {
            (0..d_model).map(move |dimension| {
                let pair = (dimension - dimension % 2) as f64;
                let angle = position as f64 / 10_000f64.powf(pair / d_model as f64);
                if dimension % 2 == 0 {
                    angle.sin() as f32
                } else {
                    angle.cos() as f32
                }
            })
        })
        .collect()
}

/// Returns the encodings of [`sinusoids`] in another order, as in Hugging Face's models of Marian: of each position
/// first all sines and then all cosines. The result is `[length, d_model]` in row-major order.
///
/// ```
/// let table = attend_model::sinusoid_halves(4, 4);
/// assert_eq!(table[..4], [0.0, 0.0, 1.0, 1.0]);
/// let third = [3f64.sin(), 0.03f64.sin(), 3f64.cos(), 0.03f64.cos()];
/// assert_eq!(table[12..], third.map(|number| number as f32));
/// ```
pub fn sinusoid_halves(length: usize, d_model: usize) -> Vec<f32> {
    halves(length, d_model / 2, |pair| {
        10_000f64.powf((2 * pair) as f64 / d_model as f64)
    })
}

/// Returns the encodings of the toolkit Marian for the positions `0..length`, `[length, d_model]` in row-major order:
/// of each position first all sines and then all cosines, `PE(pos, i) = sin(pos / 10000^(i / (d_model/2 - 1)))` and
/// `PE(pos, d_model/2 + i) = cos(pos / 10000^(i / (d_model/2 - 1)))`.
///
/// The angle of the last pair so grows by 1/10000 from one position to the next. With only one pair, it grows by 1.
///
/// ```
/// let table = attend_model::marian_sinusoids(4, 6);
/// assert_eq!(table[..6], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
/// let third = [3f64.sin(), 0.03f64.sin(), 0.0003f64.sin(), 3f64.cos(), 0.03f64.cos(), 0.0003f64.cos()];
/// assert_eq!(table[18..], third.map(|number| number as f32));
/// ```
pub fn marian_sinusoids(length: usize, d_model: usize) -> Vec<f32> {
    let pairs = d_model / 2;
    let last = pairs.saturating_sub(1).max(1) as f64;
    halves(length, pairs, |pair| 10_000f64.powf(pair as f64 / last))
}

/// Returns, for each of `length` positions, the sines and then the cosines of `position / divisor(pair)`.
fn halves(length: usize, pairs: usize, divisor: impl Fn(usize) -> f64) -> Vec<f32> {
    let divisors: Vec<f64> = (0..pairs).map(divisor).collect();
    let row = |position: usize| {
        let angles = divisors.iter().map(move |divisor| position as f64 / divisor);
        let sines = angles.clone().map(f64::sin);
        sines.chain(angles.map(f64::cos)).map(|value| value as f32)
    };
    (0..length).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_alternate() {
        // Position 3 in 4 dimensions: the wavelengths are 2π and 200π.
        let expected = [3f64.sin(), 3f64.cos(), 0.03f64.sin(), 0.03f64.cos()];
        let table = sinusoids(4, 4);
        for (value, expected) in table[12..].iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-7);
        }
        assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn halves_are_the_sinusoids_in_another_order() {
        let (length, d_model) = (50, 12);
        let (table, halves) = (sinusoids(length, d_model), sinusoid_halves(length, d_model));
        for (row, halves) in table.chunks(d_model).zip(halves.chunks(d_model)) {
            let sines = row.iter().step_by(2);
            let expected: Vec<f32> = sines.chain(row.iter().skip(1).step_by(2)).copied().collect();
            assert_eq!(halves, expected);
        }
    }

    #[test]
    fn one_pair_of_dimensions_has_the_shortest_wavelength() {
        let expected = [0.0, 1.0, 1f64.sin() as f32, 1f64.cos() as f32];
        assert_eq!(marian_sinusoids(2, 2), expected);
        assert_eq!(sinusoid_halves(2, 2), expected);
    }
}
