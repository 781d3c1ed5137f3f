//! Attention of whole sequences under padding and windows.

use attend_ops::attention::reference;
use attend_ops::{Window, attention};
use burn::tensor::{Bool, Tensor, TensorData};

use crate::{assert_same_within, device, values};

/// Returns a mask that hides the keys after the first ones of each sentence, whose numbers are `lengths`.
fn padding(lengths: &[usize], keys: usize) -> Tensor<4, Bool> {
    let hidden: Vec<bool> = lengths
        .iter()
        .flat_map(|&length| (0..keys).map(move |key| key >= length))
        .collect();
    Tensor::from_data(TensorData::new(hidden, [lengths.len(), 1, 1, keys]), &device())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The sizes include several blocks of queries, the last of which is not full, and queries after the last key.
#[test]
fn it_is_its_formula_under_every_mask_and_window() {
    let windows = [
        Window::ALL,
        Window::CAUSAL,
        Window::ALL.restricted_to(1),
        Window::ALL.restricted_to(20),
        Window::CAUSAL.restricted_to(1),
        Window::CAUSAL.restricted_to(40),
        Window { before: 0, after: 0 },
        Window { before: 2, after: 7 },
        Window {
            before: 0,
            after: usize::MAX,
        },
    ];
    for (queries, keys, d_model, n_heads) in [
        (1usize, 1usize, 2, 1),
        (3, 5, 12, 3),
        (7, 17, 64, 2),
        (33, 33, 128, 4),
        (81, 50, 24, 2),
        (100, 100, 32, 2),
    ] {
        let masks = [padding(&[keys], keys), padding(&[keys, keys.div_ceil(2)], keys)];
        for (hidden, window) in masks
            .iter()
            .flat_map(|hidden| windows.map(|window| (hidden.clone(), window)))
        {
            let query = values([2, queries, d_model], 1);
            let (key, value) = (values([2, keys, d_model], 2), values([2, keys, d_model], 3));
            let inputs = || (query.clone(), key.clone(), value.clone(), hidden.clone());
            let (q, k, v, mask) = inputs();
            let of_kernel = attention(q, k, v, mask, window, n_heads);
            let (q, k, v, mask) = inputs();
            let of_reference = reference(q, k, v, mask, window, n_heads);
            // Of the few weights in a narrow window, the gradient is a difference of nearly equal numbers.
            let tolerance = if window == Window::ALL { 2e-6 } else { 1e-5 };
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
