//! Dropout.

use burn::tensor::{DType, Int, Shape, Tensor, TensorData};

use crate::width::MULTIPLE;

/// Zeroes each element with `probability`, in [0, 1), and multiplies the others by `1 / (1 - probability)`, so that the
/// expectation stays (Srivastava et al., 2014).
///
/// `seed` decides which: the same elements in every call with it, on every backend. Sequences, `[..., seq, d]`, lose the
/// same elements when they are padded to a multiple of eight. Nothing is kept for the backward pass, which draws them
/// again.
#[must_use]
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&x) {
        use burn::backend::Dispatch;
        use flex::Dropout;
        return Tensor::from_dispatch(Dispatch::dropout(x.into_dispatch(), probability, seed));
    }
    plain(x, probability, seed)
}

/// [`dropout`] as a chain of tensor operations.
#[must_use]
pub fn plain<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    let draw = Draw::new(probability, seed);
    let dropped = draw.hashes(numbers(&x)).lower_elem(draw.threshold);
    let dropped = dropped.reshape(x.shape());
    x.mask_fill(dropped, 0.0) * draw.kept
}

/// The sequences of a tensor `[..., seq, d]`. Their elements have numbers, those of a sequence one after the other. The
/// next one's begin behind what padding to a [`MULTIPLE`] would add.
#[derive(Clone, Copy)]
struct Sequences {
    count: usize,
    seq: usize,
    d: usize,
}

impl Sequences {
    fn of(shape: &Shape) -> Self {
        let from_behind = |place: usize| shape.iter().rev().nth(place).copied().unwrap_or(1);
        let [d, seq] = [0, 1].map(from_behind);
        Self {
            count: shape.iter().rev().skip(2).product(),
            seq,
            d,
        }
    }

    /// The number of each sequence's first element. Past 2^32 they begin again.
    fn starts(self) -> impl Iterator<Item = u32> {
        let size = self.seq.next_multiple_of(MULTIPLE) * self.d;
        (0..self.count).map(move |sequence| (sequence * size) as u32)
    }
}

/// The number of each element: `[rows, d]`. What goes to the device are the rows' and the columns' alone. They are
/// unsigned: products wrap around, and shifts bring in zeros.
fn numbers<const D: usize>(x: &Tensor<D>) -> Tensor<2, Int> {
    let sequences = Sequences::of(&x.shape());
    let Sequences { seq, d, .. } = sequences;
    // Not by `arange`: with fusion, Burn's subtracts from unsigned numbers by adding -1, and panics.
    let on_device = |numbers: Vec<u32>, shape: [usize; 2]| {
        Tensor::<2, Int>::from_data(TensorData::new(numbers, shape), (&x.device(), DType::U32))
    };
    let of_sequence = |start: u32| (0..seq).map(move |row| start.wrapping_add((row * d) as u32));
    let first_of_rows: Vec<u32> = sequences.starts().flat_map(of_sequence).collect();
    let rows = first_of_rows.len();
    on_device(first_of_rows, [rows, 1]) + on_device((0..d as u32).collect(), [1, d])
}

/// 2^32 divided by the golden ratio: spreads neighbouring numbers far apart.
const SPREAD: u32 = 0x9E37_79B9;
/// The factors of MurmurHash3's finalizer.
const ROUNDS: [u32; 2] = [0x85EB_CA6B, 0xC2B2_AE35];

/// The random numbers of one call: a hash of the seed and an element's number, which needs no state and thus no order.
#[derive(Clone, Copy)]
struct Draw {
    keys: [u32; 2],
    threshold: u32,
    kept: f32,
}

impl Draw {
    fn new(probability: f64, seed: u64) -> Self {
        // SplitMix64 (Steele et al., 2014): seeds that differ in one bit get unrelated keys.
        let mut key = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        key ^= key >> 31;
        Self {
            keys: [key as u32, (key >> 32) as u32],
            threshold: (probability * 2f64.powi(32)) as u32,
            kept: (1.0 / (1.0 - probability)) as f32,
        }
    }

    /// What the element of this number is multiplied by. The hash is the finalizer of MurmurHash3 with a key before each
    /// round.
    #[cfg(feature = "flex")]
    #[inline(always)]
    fn factor(self, number: u32) -> f32 {
        let mut hash = number.wrapping_mul(SPREAD) ^ self.keys[0];
        hash = (hash ^ (hash >> 16)).wrapping_mul(ROUNDS[0]);
        hash = (hash ^ self.keys[1] ^ (hash >> 13)).wrapping_mul(ROUNDS[1]);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.kept }
    }

    /// The same hash of many numbers, which their device computes.
    fn hashes(self, numbers: Tensor<2, Int>) -> Tensor<2, Int> {
        let shifted = |hash: &Tensor<2, Int>, bits: u32| hash.clone().bitwise_right_shift_scalar(bits);
        let hash = numbers.mul_scalar(SPREAD).bitwise_xor_scalar(self.keys[0]);
        let hash = shifted(&hash, 16).bitwise_xor(hash).mul_scalar(ROUNDS[0]);
        let mixed = shifted(&hash, 13)
            .bitwise_xor(hash)
            .bitwise_xor_scalar(self.keys[1]);
        let hash = mixed.mul_scalar(ROUNDS[1]);
        shifted(&hash, 16).bitwise_xor(hash)
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};

    use super::{Draw, Sequences};
    use crate::kernel::tensor::{contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait Dropout: Backend {
        fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self>;
    }

    impl Dropout for Flex {
        fn dropout(x: FlexTensor, probability: f64, seed: u64) -> FlexTensor {
            let x = contiguous(x);
            let draw = Draw::new(probability, seed);
            let sequences = Sequences::of(x.layout().shape());
            let output = vectorized(
                #[inline(always)]
                || {
                    let values = floats(&x);
                    let mut output = Vec::with_capacity(values.len());
                    let size = (sequences.seq * sequences.d).max(1);
                    for (values, start) in values.chunks_exact(size).zip(sequences.starts()) {
                        let numbered = values.iter().zip(start..);
                        output.extend(numbered.map(|(&value, number)| value * draw.factor(number)));
                    }
                    output
                },
            );
            tensor(output, x.layout().shape().clone())
        }
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};

        use super::{Dropout, Flex, FloatTensor};

        impl<C: CheckpointStrategy> Dropout for Autodiff<Flex, C> {
            fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self> {
                let (x, node) = x.into_parts();
                let output = Flex::dropout(x, probability, seed);
                match DropoutBackward.prepare::<C>([node]).compute_bound().stateful() {
                    OpsKind::Tracked(operation) => operation.finish((probability, seed), output),
                    OpsKind::UnTracked(operation) => operation.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct DropoutBackward;

        impl Backward<Flex, 1> for DropoutBackward {
            type State = (f64, u64);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (probability, seed) = ops.state;
                unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| {
                    Flex::dropout(gradient, probability, seed)
                });
            }
        }
    }
}
