//! Attention of whole sequences under padding and windows.

use attend_ops::attention::reference;
use attend_ops::{Window, attention};
use burn::tensor::{Bool, Tensor, TensorData};

use crate::{assert_same_within, device, values};

/// Returns a mask that hides the keys after the first ones of each sentence, whose numbers are `lengths`.
fn padding(lengths: &[usize], keys: usize) -> Tensor<4, Bool> {
    mask(lengths.len(), keys, |sentence, key| key >= lengths[sentence])
}

/// Returns a mask that hides the keys for which `is_hidden(sentence, key)`.
fn mask(sentences: usize, keys: usize, is_hidden: impl Fn(usize, usize) -> bool) -> Tensor<4, Bool> {
    let is_hidden = &is_hidden;
    let hidden: Vec<bool> = (0..sentences)
        .flat_map(|sentence| (0..keys).map(move |key| is_hidden(sentence, key)))
        .collect();
    Tensor::from_data(TensorData::new(hidden, [sentences, 1, 1, keys]), &device())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Windows with and without a limit on either side.
const WINDOWS: [Window; 9] = [
    Window::ALL,
    Window::CAUSAL,
    restricted(1, 1),
    restricted(20, 20),
    restricted(1, 0),
    restricted(40, 0),
    restricted(0, 0),
    restricted(2, 7),
    restricted(0, usize::MAX),
];

const fn restricted(before: usize, after: usize) -> Window {
    Window { before, after }
}

/// The sizes include several blocks of queries, the last of which is not full, and queries after the last key. The masks
/// are padding, and holes at the start and in the middle, each for one sentence, which all share, and for two.
#[test]
fn it_is_its_formula_under_every_mask_and_window() {
    for (queries, keys, d_model, n_heads) in [
        (1usize, 1usize, 2, 1),
        (3, 5, 12, 3),
        (7, 17, 64, 2),
        (33, 33, 128, 4),
        (81, 50, 24, 2),
        (100, 100, 32, 2),
    ] {
        let third = keys.div_ceil(3);
        let masks = [
            padding(&[keys], keys),
            padding(&[keys, keys.div_ceil(2)], keys),
            mask(1, keys, |_, key| key < third),
            mask(2, keys, |sentence, key| sentence == 0 && key < third),
            mask(1, keys, |_, key| key > 0 && key / third == 1),
            mask(2, keys, |sentence, key| key > 0 && key / third == sentence + 1),
        ];
        for (hidden, window) in masks
            .iter()
            .flat_map(|hidden| WINDOWS.map(|window| (hidden.clone(), window)))
        {
            let query = values([2, queries, d_model], 1);
            let (key, value) = (values([2, keys, d_model], 2), values([2, keys, d_model], 3));
            let inputs = || (query.clone(), key.clone(), value.clone(), hidden.clone());
            let (q, k, v, mask) = inputs();
            let of_kernel = attention(q, k, v, mask, window, n_heads);
            let (q, k, v, mask) = inputs();
            // With a limit that no key is beyond, the reference expects queries that see no key.
            let limited = Window {
                before: window.before.min(queries),
                ..window
            };
            let first_is_hidden: bool = mask.clone().slice_dim(3, 0..1).any().into_scalar();
            let of_window = if first_is_hidden { limited } else { window };
            let of_reference = reference(q, k, v, mask, of_window, n_heads);
            // Of few weights, the gradient is a difference of nearly equal numbers. Where no query sees more than three
            // keys, the errors are up to 7.5e-6; under a window without a position before the query, up to 1.9e-6;
            // in all other cases, below 1.4e-6.
            let most_in_sight = window.before.min(queries - 1) + 1 + window.after.min(keys - 1);
            let tolerance = match (most_in_sight, window.before) {
                (..=3, _) => 1e-5,
                (_, 0) => 4e-6,
                _ => 2e-6,
            };
            assert_same_within(
                tolerance,
                of_kernel,
                of_reference,
                &[&query, &key, &value],
                &[],
                &[],
            );
        }
    }
}

/// Queries of 0 attend equally to all keys that they see, so that an output is the mean of the values in sight.
#[test]
fn equal_weights_give_the_mean_of_the_window() {
    let column = |column: [f32; 4]| Tensor::<1>::from_floats(column, &device()).reshape([1, 4, 1]);
    for attention in [attention, reference] {
        let value = column([1.0, 2.0, 4.0, 8.0]).require_grad();
        let output = attention(
            column([0.0; 4]),
            column([1.0, 2.0, 3.0, 4.0]),
            value.clone(),
            padding(&[4], 4),
            Window::CAUSAL.restricted_to(1),
            1,
        );
        assert_eq!(numbers(output.clone()), [1.0, 1.5, 3.0, 6.0]);
        // Each value has a half of two outputs, but the first has the whole first output, and the last no later one.
        let gradients = output.sum().backward();
        assert_eq!(numbers(value.grad(&gradients).unwrap()), [1.5, 1.0, 1.0, 0.5]);
    }
}

/// Of eight positions, the last five are padding. With a radius of 1, the last four queries see padding alone.
#[test]
fn a_query_that_sees_no_key_has_no_output_and_no_gradient() {
    for attention in [attention, reference] {
        let [query, key, value] = [1, 2, 3].map(|seed| values([1, 8, 4], seed));
        let window = Window::ALL.restricted_to(1);
        let (q, k, v) = (query.clone(), key.clone(), value.clone());
        let output = attention(q, k, v, padding(&[3], 8), window, 2);
        let gradients = output.clone().sum().backward();
        let rows = numbers(output);
        assert!(rows[..4 * 4].iter().all(|number| *number != 0.0), "{rows:?}");
        assert_eq!(rows[4 * 4..], [0.0; 4 * 4]);
        let of_query = numbers(query.grad(&gradients).unwrap());
        assert!(
            of_query[..3 * 4].iter().all(|number| *number != 0.0),
            "{of_query:?}"
        );
        assert_eq!(of_query[4 * 4..], [0.0; 4 * 4]);
        for input in [key, value] {
            let gradient = numbers(input.grad(&gradients).unwrap());
            assert!(gradient[..3 * 4].iter().all(|number| number.is_finite()));
            assert_eq!(gradient[3 * 4..], [0.0; 5 * 4]);
        }
    }
}

/// A query of NaN has an output of NaN, and reaches no other query.
#[test]
fn a_query_that_is_no_number_has_no_numbers_in_its_output() {
    let (queries, keys, d_model) = (7, 7, 8);
    let [query, key, value] = [1, 2, 3].map(|seed| values([2, queries, d_model], seed));
    let second = values([2, 1, d_model], 4) * f32::NAN;
    let broken = query.slice_assign([0..2, 2..3, 0..d_model], second);
    let hidden = padding(&[keys, 4], keys);
    for window in WINDOWS {
        let [of_kernel, of_reference] = [attention, reference].map(|attention| {
            let query = broken.clone().detach().require_grad();
            let output = attention(
                query.clone(),
                key.clone(),
                value.clone(),
                hidden.clone(),
                window,
                2,
            );
            let gradients = output.clone().sum().backward();
            let of_query = query.grad(&gradients).unwrap();
            [output, of_query].map(|rows| numbers(rows).into_iter().map(f32::is_nan).collect::<Vec<_>>())
        });
        assert_eq!(of_kernel, of_reference, "{window:?}");
        let third = |index: usize| index / d_model % queries == 2;
        let expected: Vec<bool> = (0..2 * queries * d_model).map(third).collect();
        assert_eq!(of_kernel[0], expected, "{window:?}");
    }
}
