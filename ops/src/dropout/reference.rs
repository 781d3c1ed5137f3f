//! Dropout in tensor operations.

use burn::tensor::{DType, Int, Tensor, TensorData};

use super::draw::{Draw, ROUNDS, SPREAD, Sequences};

/// Computes [`dropout`](super::dropout()) in tensor operations.
#[must_use]
pub fn reference<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    let draw = Draw::new(probability, seed);
    let dropped = hashes(draw.keys, numbers(&x)).lower_elem(draw.threshold);
    let dropped = dropped.reshape(x.shape());
    x.mask_fill(dropped, 0.0) * draw.kept
}

/// Returns the number of each element, `[rows, d]`. On the device of `x`, it adds the index of the column to the number
/// of the row's first element. The numbers are unsigned, so that multiplication wraps around and a shift to the right
/// fills up with zeros.
fn numbers<const D: usize>(x: &Tensor<D>) -> Tensor<2, Int> {
    let sequences = Sequences::of(&x.shape());
    let Sequences { seq, d, .. } = sequences;
    // Burn's `arange` is not used: with fusion, it adds -1 to unsigned numbers to subtract 1, and panics.
    let on_device = |numbers: Vec<u32>, shape: [usize; 2]| {
        Tensor::<2, Int>::from_data(TensorData::new(numbers, shape), (&x.device(), DType::U32))
    };
    let of_sequence = |start: u32| (0..seq).map(move |row| start.wrapping_add((row * d) as u32));
    let first_of_rows: Vec<u32> = sequences.starts().flat_map(of_sequence).collect();
    let rows = first_of_rows.len();
    on_device(first_of_rows, [rows, 1]) + on_device((0..d as u32).collect(), [1, d])
}

/// Returns the hash of each number.
fn hashes(keys: [u32; 2], numbers: Tensor<2, Int>) -> Tensor<2, Int> {
    let shifted = |hash: &Tensor<2, Int>, bits: u32| hash.clone().bitwise_right_shift_scalar(bits);
    let hash = numbers.mul_scalar(SPREAD).bitwise_xor_scalar(keys[0]);
    let hash = shifted(&hash, 16).bitwise_xor(hash).mul_scalar(ROUNDS[0]);
    let mixed = shifted(&hash, 13).bitwise_xor(hash).bitwise_xor_scalar(keys[1]);
    let hash = mixed.mul_scalar(ROUNDS[1]);
    shifted(&hash, 16).bitwise_xor(hash)
}
