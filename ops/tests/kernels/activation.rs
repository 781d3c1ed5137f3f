//! The activation functions, by known values and by differences.

use attend_ops::{Activation, linear};
use burn::tensor::{Tensor, TensorData};

use crate::device;

/// Returns the values of an activation function and its derivatives at the arguments, as a layer computes them whose
/// weight is 1 and whose bias is 0.
fn values_and_derivatives(arguments: &[f32], activation: Activation) -> [Vec<f32>; 2] {
    let x = TensorData::new(arguments.to_vec(), [1, arguments.len(), 1]);
    let x = Tensor::<3>::from_data(x, &device()).require_grad();
    let (weight, bias) = (Tensor::ones([1, 1], &device()), Tensor::zeros([1], &device()));
    let output = linear(x.clone(), weight, bias, activation);
    let gradients = output.clone().sum().backward();
    [output, Tensor::from_inner(x.grad(&gradients).unwrap())]
        .map(|tensor| tensor.into_data().try_into_vec().unwrap())
}

/// Known values of the distribution function Φ of the standard normal distribution, and of the logistic function.
#[test]
fn activation_functions_have_their_known_values() {
    let arguments = [-10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0];
    let of_gelu = [
        0.0,
        -3.0 * 0.001_349_898,
        -0.158_655_254,
        0.0,
        0.841_344_746,
        3.0 * 0.998_650_102,
        10.0,
    ];
    let of_swish = [
        -10.0 * 0.000_045_397_87,
        -3.0 * 0.047_425_873,
        -0.268_941_421,
        0.0,
        0.731_058_579,
        3.0 * 0.952_574_127,
        10.0 * 0.999_954_602,
    ];
    for (activation, expected) in [(Activation::Gelu, of_gelu), (Activation::Swish, of_swish)] {
        let [found, _] = values_and_derivatives(&arguments, activation);
        for ((x, found), expected) in arguments.iter().zip(found).zip(expected) {
            let error = (f64::from(found) - expected).abs();
            assert!(
                error < 5e-7 * f64::from(x.abs()).max(1.0),
                "{activation:?} of {x}: {found}"
            );
        }
    }
}

/// More arguments than fill the vectors of a processor.
#[test]
fn derivatives_are_those_of_the_values() {
    let arguments: Vec<f32> = (0..1_000).map(|step| step as f32 * 0.0151 - 7.5).collect();
    let step = 0.01f32;
    for activation in [Activation::Gelu, Activation::Swish] {
        let at = |difference: f32| {
            let moved: Vec<f32> = arguments.iter().map(|x| x + difference).collect();
            let [values, _] = values_and_derivatives(&moved, activation);
            values
        };
        let [_, derivatives] = values_and_derivatives(&arguments, activation);
        for (((x, found), before), after) in arguments.iter().zip(derivatives).zip(at(-step)).zip(at(step)) {
            let expected = (after - before) / (2.0 * step);
            assert!(
                (found - expected).abs() < 2e-4,
                "{activation:?} at {x}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn large_arguments_are_no_trouble() {
    for activation in [Activation::Gelu, Activation::Swish] {
        let [values, derivatives] = values_and_derivatives(&[-1e30, -1e4, 1e4, 1e30], activation);
        assert_eq!(values, [0.0, 0.0, 1e4, 1e30], "{activation:?}");
        assert_eq!(derivatives, [0.0, 0.0, 1.0, 1.0], "{activation:?}");
    }
}
