//! The loss with its output layer, with and without a bias.

use attend_ops::cross_entropy::{self, label_smoothed_cross_entropy};
use attend_ops::linear_cross_entropy;
use burn::tensor::{Int, Tensor, TensorData};

use crate::{assert_same, device, relative_error, values};

/// The sizes include more rows than the kernel takes at a time, and a batch that is only padding.
#[test]
fn linear_cross_entropy_is_its_formula() {
    for (batch, seq, d_model, vocab_size) in [(1, 1, 2, 3), (2, 5, 8, 50), (12, 40, 16, 300)] {
        for smoothing in [0.0, 0.1] {
            let x = values([batch, seq, d_model], 1);
            let weight = values([vocab_size, d_model], 2);
            let ids: Vec<i32> = (0..batch * seq).map(|i| (i * 17 % vocab_size) as i32).collect();
            let target = Tensor::<2, Int>::from_data(TensorData::new(ids, [batch, seq]), &device());
            for target in [target.clone(), target.ones_like()] {
                assert_same(
                    linear_cross_entropy(x.clone(), weight.clone(), None, target.clone(), 0, smoothing),
                    cross_entropy::reference(x.clone(), weight.clone(), None, target, 0, smoothing),
                    &[&x],
                    &[&weight],
                    &[],
                );
            }
        }
    }
    let x = values([1, 2, 4], 1);
    let padding = Tensor::<2, Int>::zeros([1, 2], &device());
    let loss = linear_cross_entropy(x, values([5, 4], 2), None, padding, 0, 0.1);
    assert_eq!(loss.into_scalar::<f32>(), 0.0);
}

#[test]
fn linear_cross_entropy_is_that_to_the_smoothed_target() {
    const VOCAB: usize = 11;
    // Logits up to ±80, where a careless exponential overflows.
    let logits: Vec<f32> = (0..2 * 3 * VOCAB)
        .map(|i| 80.0 * ((i * i) as f32).sin())
        .collect();
    let targets = [[4, 0, 2], [9, 2, 0]];
    for smoothing in [0.0, 0.1, 0.7] {
        let mut expected = 0.0;
        for (logits, &target) in logits.chunks(VOCAB).zip(targets.as_flattened()) {
            if target == 0 {
                continue;
            }
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            for (token, &logit) in logits.iter().enumerate() {
                let one_hot = if token == target { 1.0 - smoothing } else { 0.0 };
                expected -= (one_hot + smoothing / VOCAB as f64) * (f64::from(logit) - sum.ln());
            }
        }
        let logits = Tensor::<3>::from_data(TensorData::new(logits.clone(), [2, 3, VOCAB]), &device());
        let identity = Tensor::<2>::eye(VOCAB, &device());
        let ids = targets.map(|row| row.map(|id| id as i32));
        let target = Tensor::<2, Int>::from_ints(ids, &device());
        let by_formula = label_smoothed_cross_entropy(logits.clone(), target.clone(), 0, smoothing);
        for loss in [
            by_formula,
            linear_cross_entropy(logits, identity, None, target, 0, smoothing),
        ] {
            let loss: f32 = loss.into_scalar();
            assert!(
                (f64::from(loss) / expected - 1.0).abs() < 1e-5,
                "{loss} is not {expected}"
            );
        }
    }
}

/// Returns ids from 1 on, without padding, which is 0.
fn targets(batch: usize, seq: usize, vocab_size: usize) -> Tensor<2, Int> {
    let ids = (0..batch * seq).map(|i| (1 + i * 17 % (vocab_size - 1)) as i32);
    Tensor::from_data(TensorData::new(ids.collect(), [batch, seq]), &device())
}

#[test]
fn a_bias_is_added_to_the_logits() {
    for (batch, seq, d_model, vocab_size) in [(1, 1, 2, 3), (2, 5, 8, 50), (12, 40, 16, 300)] {
        for smoothing in [0.0, 0.1] {
            let x = values([batch, seq, d_model], 1);
            let weight = values([vocab_size, d_model], 2);
            let bias = values([vocab_size], 3);
            let target = targets(batch, seq, vocab_size);
            let loss = |loss: fn(_, _, _, _, _, _) -> _| -> Tensor<1> {
                let bias = Some(bias.clone());
                loss(x.clone(), weight.clone(), bias, target.clone(), 0, smoothing)
            };
            assert_same(
                loss(linear_cross_entropy),
                loss(cross_entropy::reference),
                &[&x],
                &[&weight],
                &[&bias],
            );
        }
    }
}

/// Loss and gradients are those of a vocabulary without the token, and its own gradients are 0.
#[test]
fn a_token_with_a_bias_of_negative_infinity_is_as_none() {
    let (d_model, vocab_size) = (6, 9);
    let x = values([2, 4, d_model], 1);
    let weight = values([vocab_size, d_model], 2);
    let bias = values([vocab_size], 3);
    let target = targets(2, 4, vocab_size - 1);
    // The token is the last one, so that the others keep their ids.
    let without = |tensor: Tensor<1>| tensor.slice_dim(0, 0..vocab_size - 1);
    let infinite = Tensor::from_floats([f32::NEG_INFINITY], &device());
    let with_infinite = Tensor::cat(vec![without(bias.clone()).detach(), infinite], 0).require_grad();
    for smoothing in [0.0, 0.1] {
        for of_layer in [linear_cross_entropy, cross_entropy::reference] {
            let few = of_layer(
                x.clone(),
                weight.clone().slice_dim(0, 0..vocab_size - 1),
                Some(without(bias.clone())),
                target.clone(),
                0,
                smoothing,
            );
            let all = of_layer(
                x.clone(),
                weight.clone(),
                Some(with_infinite.clone()),
                target.clone(),
                0,
                smoothing,
            );
            assert!(relative_error(all.clone(), few.clone()) < 1e-6);
            let (few, all) = (few.backward(), all.backward());
            let error = relative_error(x.grad(&all).unwrap(), x.grad(&few).unwrap());
            assert!(error < 2e-6, "x: {error}");
            // What is sliced off has the gradient 0.
            let error = relative_error(weight.grad(&all).unwrap(), weight.grad(&few).unwrap());
            assert!(error < 2e-6, "weight: {error}");
            let error = relative_error(with_infinite.grad(&all).unwrap(), bias.grad(&few).unwrap());
            assert!(error < 2e-6, "bias: {error}");
        }
    }
}

#[test]
fn a_target_that_cannot_be_predicted_costs_infinitely_much() {
    let bias = Tensor::<1>::from_floats([0.0, 0.5, f32::NEG_INFINITY], &device());
    let target = Tensor::<2, Int>::from_ints([[1, 2]], &device());
    for of_layer in [linear_cross_entropy, cross_entropy::reference] {
        let (x, weight) = (values([1, 2, 4], 1), values([3, 4], 2));
        let loss = of_layer(x, weight, Some(bias.clone()), target.clone(), 0, 0.1);
        assert_eq!(loss.into_scalar::<f32>(), f32::INFINITY);
    }
}
