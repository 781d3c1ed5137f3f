//! The states of a simple recurrent unit.

use attend_ops::gated_states;
use burn::tensor::{Device, Tensor};

use crate::{assert_same, device, relative_error, values};

#[test]
fn gated_states_are_their_formula() {
    for (batch, seq, width) in [(1, 1, 1), (2, 3, 5), (3, 17, 33), (2, 40, 64)] {
        let [gate, candidate] = [1, 2].map(|seed| values([batch, seq, width], seed));
        // σ comes near 0 and near 1.
        let gate = (gate * 6.0).detach().require_grad();
        let initial = values([batch, 1, width], 3);
        assert_same(
            gated_states(gate.clone(), candidate.clone(), initial.clone()),
            gated_states::reference(gate.clone(), candidate.clone(), initial.clone()),
            &[&gate, &candidate, &initial],
            &[],
            &[],
        );
    }
}

#[test]
fn a_state_is_between_the_one_before_and_the_candidate() {
    for of_inputs in [gated_states, gated_states::reference] {
        let three = |numbers: [f32; 3]| Tensor::<3>::from_floats([numbers.map(|number| [number])], &device());
        // σ(ln 3) is 3/4.
        let gate = three([0.0, 3f32.ln(), -1e9]);
        let states = of_inputs(gate, three([4.0, 8.0, 7.0]), Tensor::zeros([1, 1, 1], &device()));
        let expected = three([2.0, 0.75 * 2.0 + 0.25 * 8.0, 7.0]);
        assert!(relative_error(states, expected) < 1e-6);
    }
}

/// A sequence that is read in two parts has the states of one that is read as a whole.
#[test]
fn the_last_state_goes_on() {
    let device = Device::flex();
    let [gate, candidate] = [1, 2].map(|seed| values([2, 7, 5], seed).inner());
    let initial = Tensor::zeros([2, 1, 5], &device);
    for of_inputs in [gated_states, gated_states::reference] {
        let part = |initial, range: std::ops::Range<usize>| {
            let [gate, candidate] = [&gate, &candidate].map(|x| x.clone().slice_dim(1, range.clone()));
            of_inputs(gate, candidate, initial)
        };
        let whole = part(initial.clone(), 0..7);
        let first = part(initial.clone(), 0..3);
        let second = part(first.clone().slice_dim(1, 2..3), 3..7);
        assert!(relative_error(Tensor::cat(vec![first, second], 1), whole) < 1e-6);
    }
}
