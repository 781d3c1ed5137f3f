//! Each kernel computes what its operation's reference version does, forward and backward.

mod activation;
mod attention;
mod cross_entropy;
mod gated_states;

use attend_ops::packed_linear::{self, largest_weight};
use attend_ops::{Activation, AdamStep, Moments, PackedLinear, Precision, autocast};
use attend_ops::{adam, dropout, gathered_attention, layer_norm, linear, log_sum_exp, sum_of_squares};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, sigmoid};
use burn::tensor::{DType, Device, Distribution, FloatDType, Tensor, TensorData};

/// All activation functions.
const ACTIVATIONS: [Activation; 4] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Gelu,
    Activation::Swish,
];

fn device() -> Device {
    Device::flex().autodiff()
}

/// Returns values between -1 and 1, the same in every run.
fn values<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    let value = |index: usize| ((index as u32 * 7 + seed * 13) as f32 * 0.37).sin();
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &device()).require_grad()
}

/// Returns the largest difference between two tensors, divided by the largest magnitude in the expected one.
fn relative_error<const D: usize>(actual: Tensor<D>, expected: Tensor<D>) -> f64 {
    assert_eq!(actual.dims(), expected.dims());
    let difference: f32 = (actual - expected.clone()).abs().max().into_scalar();
    let largest: f32 = expected.abs().max().into_scalar();
    f64::from(difference) / f64::from(largest.max(f32::MIN_POSITIVE))
}

/// Asserts that two outputs agree. Asserts the same for their gradients with respect to each input, for a gradient of
/// the output that has no pattern.
fn assert_same<const D: usize>(
    actual: Tensor<D>,
    expected: Tensor<D>,
    matrices: &[&Tensor<3>],
    tables: &[&Tensor<2>],
    vectors: &[&Tensor<1>],
) {
    assert_same_within(2e-6, actual, expected, matrices, tables, vectors);
}

/// Asserts what [`assert_same`] does, with a bound of the relative errors.
fn assert_same_within<const D: usize>(
    tolerance: f64,
    actual: Tensor<D>,
    expected: Tensor<D>,
    matrices: &[&Tensor<3>],
    tables: &[&Tensor<2>],
    vectors: &[&Tensor<1>],
) {
    let output = relative_error(actual.clone(), expected.clone());
    assert!(output < tolerance, "output: {output}");
    let gradient = values(actual.dims(), 99).detach();
    let actual = (actual * gradient.clone()).sum().backward();
    let expected = (expected * gradient).sum().backward();
    macro_rules! compare {
        ($inputs:expr, $kind:literal) => {
            for (index, input) in $inputs.iter().enumerate() {
                let error = relative_error(input.grad(&actual).unwrap(), input.grad(&expected).unwrap());
                assert!(error < tolerance, "gradient of {} {index}: {error}", $kind);
            }
        };
    }
    compare!(matrices, "input");
    compare!(tables, "table");
    compare!(vectors, "vector");
}

#[test]
fn linear_is_a_product_a_bias_and_an_activation() {
    for (batch, seq, d_input, d_output) in [(1, 1, 1, 1), (2, 3, 5, 7), (3, 40, 64, 96)] {
        for activation in ACTIVATIONS {
            let x = values([batch, seq, d_input], 1);
            let weight = values([d_input, d_output], 2);
            let bias = values([d_output], 3);
            assert_same(
                linear(x.clone(), weight.clone(), bias.clone(), activation),
                linear::reference(x.clone(), weight.clone(), bias.clone(), activation),
                &[&x],
                &[&weight],
                &[&bias],
            );
        }
    }
}

#[test]
fn an_activation_keeps_what_is_no_number() {
    let (x, weight) = (values([2, 3, 5], 1), values([5, 7], 2));
    let bias = values([7], 3) * f32::NAN;
    for activation in ACTIVATIONS {
        let output = linear(x.clone(), weight.clone(), bias.clone(), activation);
        assert!(output.is_nan().all().into_scalar::<bool>(), "{activation:?}");
    }
}

#[test]
fn layer_norm_is_its_formula() {
    for (batch, seq, d_model) in [(1, 1, 5), (2, 3, 33), (2, 5, 128)] {
        let x = values([batch, seq, d_model], 1);
        let (gamma, beta) = (values([d_model], 2), values([d_model], 3));
        assert_same(
            layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5),
            layer_norm::reference(x.clone(), gamma.clone(), beta.clone(), 1e-5),
            &[&x],
            &[],
            &[&gamma, &beta],
        );
    }
}

/// Autocast rounds the factors and the result of a matrix product, forward and backward, and nothing else.
#[test]
fn half_precision_rounds_factors_and_products() {
    let (x, weight, bias) = (values([2, 30, 64], 1), values([64, 48], 2), values([48], 3));
    let output = || linear(x.clone(), weight.clone(), bias.clone(), Activation::Identity);
    let full = output();
    for (dtype, rounding) in [
        (FloatDType::F16, 2f64.powi(-11)),
        (FloatDType::BF16, 2f64.powi(-8)),
    ] {
        let rounded = |factor: &Tensor<3>| factor.clone().cast(dtype).cast(FloatDType::F32);
        let [x_rounded, weight_rounded] = [&x, &weight.clone().unsqueeze()].map(rounded);
        let expected = linear::reference(
            x_rounded,
            weight_rounded.squeeze_dim(0),
            bias.clone(),
            Activation::Identity,
        );
        let half = autocast(dtype, output);
        assert_eq!(half.dtype(), DType::F32);
        let error = relative_error(half.clone(), expected);
        assert!(error <= rounding, "{dtype:?}: {error}");
        assert!(
            relative_error(half.clone(), full.clone()) > 0.0,
            "{dtype:?} has an effect"
        );

        let gradient = |output: Tensor<3>| {
            let gradients = output.square().sum().backward();
            [
                x.grad(&gradients).unwrap(),
                weight.grad(&gradients).unwrap().unsqueeze(),
            ]
        };
        for (found, expected) in gradient(half).into_iter().zip(gradient(output())) {
            assert_eq!(found.dtype(), DType::F32);
            let error = relative_error(found, expected);
            // The terms of a gradient mostly cancel, but their rounding errors do not. The largest error measured is 6
            // times the error of one rounding.
            assert!(error > 0.0 && error < 10.0 * rounding, "{dtype:?}: {error}");
        }
    }
    assert_eq!(output().into_data(), full.into_data());
}

#[test]
fn dropout_drops_the_same_elements_on_every_path() {
    let x = values([3, 50, 40], 1);
    for seed in [0, 1, u64::MAX] {
        assert_same(
            dropout(x.clone(), 0.3, seed),
            dropout::reference(x.clone(), 0.3, seed),
            &[&x],
            &[],
            &[],
        );
    }
}

/// On devices that compile kernels by shape, sequences are padded to a multiple of eight.
#[test]
fn dropout_drops_the_same_elements_of_padded_sequences() {
    let x = values([3, 13, 40], 1);
    let padded = x.clone().pad([(0, 3), (0, 0)], 1.0);
    for dropout in [dropout, dropout::reference] {
        let expected = dropout(x.clone(), 0.3, 7).into_data();
        let found = dropout(padded.clone(), 0.3, 7).slice_dim(1, 0..13).into_data();
        assert_eq!(found, expected);
    }
}

/// The shares of dropped elements, and of pairs of neighbours that are both dropped, lie within five standard
/// deviations of what independent draws give. Seeds that differ in one bit are unrelated.
#[test]
fn dropout_draws_independently() {
    let draws = 1_000_000;
    let probability = 0.3;
    let near = |share: f64, expected: f64| {
        let deviation = (expected * (1.0 - expected) / f64::from(draws)).sqrt();
        assert!(
            (share - expected).abs() < 5.0 * deviation,
            "{share} instead of {expected}"
        );
    };
    let dropped = |seed: u64| -> Vec<bool> {
        let ones = Tensor::<1>::ones([draws as usize], &Device::flex());
        let output: Vec<f32> = dropout(ones, probability, seed).try_into_vec_as().unwrap();
        for value in &output {
            assert!(*value == 0.0 || (f64::from(*value) - 1.0 / (1.0 - probability)).abs() < 1e-6);
        }
        output.iter().map(|value| *value == 0.0).collect()
    };
    let share =
        |both: &mut dyn Iterator<Item = bool>| both.filter(|both| *both).count() as f64 / f64::from(draws);
    for seed in [0, 5, 1 << 40] {
        let first = dropped(seed);
        near(share(&mut first.iter().copied()), probability);
        for distance in [1, 2, 64, 128, 4096] {
            let pairs = first.iter().zip(first.iter().cycle().skip(distance));
            near(
                share(&mut pairs.map(|(one, other)| *one && *other)),
                probability * probability,
            );
        }
        for bit in [0, 1, 31, 32, 63] {
            let second = dropped(seed ^ (1 << bit));
            let pairs = first.iter().zip(&second);
            near(
                share(&mut pairs.map(|(one, other)| *one && *other)),
                probability * probability,
            );
        }
    }
}

/// Without autodiff, kernels compute the reference version's output, too.
#[test]
fn inference_computes_the_same() {
    let device = Device::flex();
    let x = Tensor::<3>::random([2, 3, 8], Distribution::Default, &device);
    let weight = Tensor::<2>::random([8, 8], Distribution::Default, &device);
    let bias = Tensor::<1>::random([8], Distribution::Default, &device);
    let actual = linear(x.clone(), weight.clone(), bias.clone(), Activation::Relu);
    assert!(relative_error(actual, linear::reference(x, weight, bias, Activation::Relu)) < 2e-6);
}

/// Returns the [`values`] on a device without autodiff.
fn inference_values<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    values(shape, seed).inner()
}

#[test]
fn gathered_attention_is_that_of_the_gathered_rows() {
    for (rows, table, positions, n_heads, d_head) in [
        (1, 1, 1, 1, 1),
        (3, 7, 5, 2, 3),
        (5, 90, 40, 4, 16),
        (4, 200, 33, 8, 64),
    ] {
        let d_model = n_heads * d_head;
        let query = inference_values([rows, d_model], 1);
        let [key, value] = [2, 3].map(|seed| inference_values([table, d_model], seed));
        // Any order, some rows several times; every third position is missing, but never the first.
        let slots: Vec<i32> = (0..rows * positions)
            .map(|index| match index % positions % 3 {
                2 => -1,
                _ => (index * index + 5) as i32 % table as i32,
            })
            .collect();
        let slots = Tensor::from_data(TensorData::new(slots, [rows, positions]), &Device::flex());
        let actual = gathered_attention(query.clone(), key.clone(), value.clone(), slots.clone(), n_heads);
        let expected = gathered_attention::reference(query, key, value, slots, n_heads);
        let error = relative_error(actual, expected);
        assert!(error < 2e-6, "{rows} rows of {positions}: {error}");
    }
}

#[test]
fn gathered_attention_of_a_query_that_is_no_number_is_none() {
    let [key, value] = [2, 3].map(|seed| inference_values([4, 6], seed));
    let [number, none] = [
        inference_values([1, 6], 1),
        inference_values([1, 6], 1) * f32::NAN,
    ];
    let slots = Tensor::from_ints([[0, 3, 2, -1], [1, 0, -1, -1]], &Device::flex());
    for attention in [gathered_attention, gathered_attention::reference] {
        let query = Tensor::cat(vec![number.clone(), none.clone()], 0);
        let output = attention(query, key.clone(), value.clone(), slots.clone(), 2);
        let is_none: Vec<bool> = output.is_nan().into_data().iter::<bool>().collect();
        assert_eq!(is_none, [[false; 6], [true; 6]].concat());
    }
}

/// Returns what a packed layer should compute, with weights rounded to integers of at most `largest_weight`.
fn packed_linear_formula(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Activation,
    largest_weight: Option<f32>,
) -> Tensor<3> {
    fn rounded<const D: usize>(x: Tensor<D>, dim: usize, largest: f32) -> Tensor<D> {
        let step = x.clone().abs().max_dim(dim) / largest;
        (x / step.clone()).round() * step
    }
    let (x, weight) = match largest_weight {
        None => (x, weight),
        Some(largest) => (rounded(x, 2, 127.0), rounded(weight, 0, largest)),
    };
    let output = x.matmul(weight.unsqueeze()) + bias.unsqueeze();
    match activation {
        Activation::Identity => output,
        Activation::Relu => output.clamp_min(0.0),
        Activation::Gelu => {
            let erf = (output.clone() / 2f64.sqrt()).erf();
            output * (erf + 1.0) / 2.0
        }
        Activation::Swish => output.clone() * sigmoid(output),
    }
}

/// The kernels compute on a device without autodiff. The reference version computes on a device with autodiff, or if it
/// is asked for.
#[test]
fn a_packed_linear_layer_multiplies_as_its_precision_says() {
    for (batch, seq, d_input, d_output) in [
        (1, 1, 1, 1),
        (3, 1, 5, 7),
        (2, 2, 33, 48),
        (9, 1, 64, 101),
        (37, 1, 600, 96),
        (13, 10, 48, 1_000),
    ] {
        for (precision, of_reference, of_kernel, tolerance) in [
            (Precision::Float32, None, None, 2e-6),
            (Precision::Int8, Some(127.0), Some(largest_weight()), 5e-6),
        ] {
            for activation in ACTIVATIONS {
                let x = inference_values([batch, seq, d_input], 1) * 3.0;
                let weight = inference_values([d_input, d_output], 2);
                let bias = inference_values([d_output], 3);
                let formula = |largest_weight| {
                    let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
                    packed_linear_formula(x, weight, bias, activation, largest_weight)
                };
                let packed = |x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>| {
                    PackedLinear::new(weight, bias, precision).forward(x, activation)
                };
                let with_autodiff = packed(
                    Tensor::from_inner(x.clone()),
                    Tensor::from_inner(weight.clone()),
                    Tensor::from_inner(bias.clone()),
                );
                let kernel = packed(x.clone(), weight.clone(), bias.clone());
                let reference = packed_linear::reference(weight.clone(), bias.clone(), precision);
                let reference = reference.forward(x.clone(), activation);
                for (name, found, expected) in [
                    ("with autodiff", with_autodiff.inner(), formula(of_reference)),
                    ("reference", reference, formula(of_reference)),
                    ("kernel", kernel, formula(of_kernel)),
                ] {
                    let error = relative_error(found, expected);
                    assert!(
                        error < tolerance,
                        "{name}, {batch}x{seq} rows, {d_input} to {d_output}, {precision:?}: {error}"
                    );
                }
            }
        }
    }
}

/// Returns the most by which rounding to integers moves a value of a row or column: half of its scale, which is its
/// largest magnitude divided by `largest`.
fn half_step(magnitudes: Tensor<2>, dim: usize, largest: f32) -> Tensor<2> {
    magnitudes.max_dim(dim) / largest / 2.0
}

#[test]
fn eight_bits_are_as_close_as_rounding_allows() {
    let (rows, d_input, d_output) = (40, 512, 256);
    let x = inference_values([rows, d_input], 1);
    let weight = inference_values([d_input, d_output], 2);
    let product = |precision| {
        let layer = PackedLinear::new(weight.clone(), inference_values([d_output], 3), precision);
        let output = layer.forward(x.clone().unsqueeze_dim(1), Activation::Identity);
        output.squeeze_dim::<2>(1)
    };
    let error = (product(Precision::Int8) - product(Precision::Float32)).abs();
    let (x, weight) = (x.abs(), weight.abs());
    let of_x = half_step(x.clone(), 1, 127.0);
    let of_weight = half_step(weight.clone(), 0, largest_weight());
    let bound = of_x.clone() * weight.sum_dim(0)
        + of_weight.clone() * x.sum_dim(1)
        + of_x * of_weight * d_input as f64;
    let largest_share: f32 = (error / bound).max().into_scalar();
    assert!(largest_share > 0.001 && largest_share < 1.0, "{largest_share}");
}

#[test]
fn sixteen_bits_are_as_close_as_rounding_allows() {
    let (rows, d_input, d_output) = (40, 512, 256);
    let x = inference_values([rows, 1, d_input], 1);
    let weight = inference_values([d_input, d_output], 2);
    let product = |precision| {
        let layer = PackedLinear::new(weight.clone(), inference_values([d_output], 3), precision);
        layer.forward(x.clone(), Activation::Identity)
    };
    let exact = product(Precision::Float32);
    let magnitudes = x.clone().abs().matmul(weight.clone().abs().unsqueeze());
    // Both factors and the product are rounded to this many significant bits.
    for (precision, bits) in [(Precision::BFloat16, 8), (Precision::Float16, 11)] {
        let rounding = 0.5f64.powi(bits);
        let bound = magnitudes.clone() * (3.0 * rounding + rounding * rounding);
        let largest_share: f32 = ((product(precision) - exact.clone()).abs() / bound)
            .max()
            .into_scalar();
        assert!(
            largest_share > 0.01 && largest_share < 1.0,
            "{precision}: {largest_share}"
        );
    }
}

#[test]
fn rows_and_columns_of_zeros_are_no_trouble_in_eight_bits() {
    let zeros = |shape| Tensor::<2>::zeros(shape, &Device::flex());
    let bias = inference_values([3], 1);
    for (x, weight) in [
        (zeros([2, 4]), inference_values([4, 3], 2)),
        (inference_values([2, 4], 2), zeros([4, 3])),
    ] {
        let layer = PackedLinear::new(weight, bias.clone(), Precision::Int8);
        let rows = layer.forward(x.unsqueeze_dim(1), Activation::Identity);
        let expected: Tensor<3> = bias.clone().unsqueeze();
        assert_eq!(rows.into_data(), expected.expand([2, 1, 3]).into_data());
    }
}

/// A network generic over its projections holds packed layers as a Burn module holds its fields.
#[test]
fn a_packed_linear_layer_is_a_module_without_parameters() {
    #[derive(Module, Debug)]
    struct Stack<P: Module> {
        projections: Vec<P>,
        gamma: Param<Tensor<1>>,
    }
    let layer = PackedLinear::new(
        inference_values([4, 3], 1),
        inference_values([3], 2),
        Precision::Float32,
    );
    let stack = Stack {
        projections: vec![layer; 2],
        gamma: Param::from_tensor(inference_values([4], 3)),
    };
    assert_eq!(stack.num_params(), 4);
    assert_eq!(stack.devices(), [Device::flex()]);
    let x = inference_values([2, 1, 4], 4);
    let [first, second] =
        [&stack, &stack.clone()].map(|stack| stack.projections[1].forward(x.clone(), Activation::Identity));
    assert_eq!(first.into_data(), second.into_data());
}

#[test]
fn log_sum_exp_is_what_log_softmax_subtracts() {
    for (rows, vocab_size) in [(1, 1), (3, 7), (9, 101), (130, 1_000)] {
        let logits = inference_values([rows, vocab_size], 1) * 30.0;
        for totals in [
            log_sum_exp(logits.clone()),
            log_sum_exp::reference(logits.clone()),
        ] {
            let found = logits.clone() - totals.unsqueeze_dim(1);
            let error = relative_error(found, log_softmax(logits.clone(), 1));
            assert!(error < 2e-6, "{rows} rows, {vocab_size} tokens: {error}");
        }
    }
}

#[test]
fn squares_are_added_up_over_all_vectors() {
    for lengths in [vec![1], vec![3, 5], vec![1, 4_095, 4_097, 100_003]] {
        let vectors = || -> Vec<Tensor<1>> {
            let vectors = lengths.iter().zip(1..);
            vectors
                .map(|(&length, seed)| inference_values([length], seed))
                .collect()
        };
        let numbers = vectors()
            .into_iter()
            .flat_map(|vector| vector.into_data().iter::<f64>().collect::<Vec<_>>());
        let expected: f64 = numbers.map(|number| number * number).sum();
        for sum in [sum_of_squares(vectors()), sum_of_squares::reference(vectors())] {
            let sum: f64 = sum.into_scalar();
            assert!(
                (sum / expected - 1.0).abs() < 1e-6,
                "{lengths:?}: {sum}, not {expected}"
            );
        }
    }
}

/// Steps on the same gradients, one of which is 0 in every step.
#[test]
fn adam_is_its_formula() {
    let shapes = [[1, 1], [3, 5], [7, 64]];
    for (shape, weight_decay) in shapes.into_iter().flat_map(|shape| [(shape, 0.0), (shape, 0.1)]) {
        let before: Tensor<2> = inference_values(shape, 1);
        let zeros = Moments {
            mean: before.zeros_like(),
            mean_square: before.zeros_like(),
        };
        let (mut kernel, mut reference) = ((before.clone(), zeros.clone()), (before.clone(), zeros));
        for number in 1..=3 {
            let gradient = inference_values(shape, number as u32 + 1).slice_fill([0..1, 0..1], 0.0);
            let step = |gradient_factor| AdamStep {
                number,
                learning_rate: 0.01,
                gradient_factor,
                beta_1: 0.9,
                beta_2: 0.98,
                epsilon: 1e-9,
                weight_decay,
            };
            kernel = adam(kernel.0, gradient.clone() * 0.25, kernel.1, &step(2.0));
            reference = adam::reference(reference.0, gradient, reference.1, &step(0.5));
        }
        for (kernel, reference) in [
            (kernel.0.clone() - before.clone(), reference.0 - before.clone()),
            (kernel.1.mean, reference.1.mean),
            (kernel.1.mean_square, reference.1.mean_square),
        ] {
            let error = relative_error(kernel, reference);
            assert!(error < 1e-5, "{shape:?}: {error}");
        }
        let kept = (1.0 - 0.01 * weight_decay).powi(3);
        let first = |tensor: Tensor<2>| tensor.slice([0..1, 0..1]).into_scalar::<f32>();
        assert!((first(kernel.0) - first(before) * kept as f32).abs() < 1e-6);
    }
}
