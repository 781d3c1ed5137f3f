//! The states of a simple recurrent unit in tensor operations.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// Computes [`gated_states`](super::gated_states()) in tensor operations.
///
/// A state depends on the one before it as `c' = kept · c + new`. Two such steps are again one: its factor is the
/// product of the two, and its sum is `kept_2 · new_1 + new_2`. Each pass of the loop joins each step with the one that
/// ends where it begins, so that after k passes a step reaches 2^k positions back (Hillis and Steele, 1986, "Data
/// Parallel Algorithms").
#[must_use]
pub fn reference(gate: Tensor<3>, candidate: Tensor<3>, initial: Tensor<3>) -> Tensor<3> {
    let [_, seq, _] = gate.dims();
    let kept = sigmoid(gate);
    let new = (kept.clone().neg() + 1.0) * candidate;
    // The initial state is the first position, to which nothing leads.
    let mut kept = Tensor::cat(vec![initial.ones_like(), kept], 1);
    let mut new = Tensor::cat(vec![initial, new], 1);
    let length = seq + 1;
    let mut reach = 1;
    while reach < length {
        let first = |x: &Tensor<3>| x.clone().slice_dim(1, 0..reach);
        let before = |x: &Tensor<3>| x.clone().slice_dim(1, 0..length - reach);
        let later = |x: &Tensor<3>| x.clone().slice_dim(1, reach..length);
        let joined = later(&kept) * before(&new) + later(&new);
        let factors = later(&kept) * before(&kept);
        new = Tensor::cat(vec![first(&new), joined], 1);
        kept = Tensor::cat(vec![first(&kept), factors], 1);
        reach *= 2;
    }
    new.slice_dim(1, 1..length)
}
