//! Backward passes of kernels, for every backend that has kernels.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

/// Computes an operation with `N` inputs, and adds it to the autodiff graph.
///
/// `forward` takes the inputs without their graph. It returns the output and the values that the backward pass needs.
/// `backward` takes these values and the gradient with respect to the output. It returns the gradients with respect to
/// the inputs, in the order of `inputs`.
pub(crate) fn record<B: Backend, C: CheckpointStrategy, S, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    forward: impl FnOnce([FloatTensor<B>; N]) -> (FloatTensor<B>, S),
    backward: fn(S, FloatTensor<B>) -> [FloatTensor<B>; N],
) -> FloatTensor<Autodiff<B, C>>
where
    S: Clone + Debug + Send + 'static,
{
    let nodes = inputs.each_ref().map(|input| input.node());
    let (output, kept) = forward(inputs.map(|input| input.into_primitive()));
    match Step(backward).prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish(kept, output),
        OpsKind::UnTracked(operation) => operation.finish(output),
    }
}

/// A step of the graph: the backward pass of one operation.
#[derive(Debug)]
struct Step<B: Backend, S, const N: usize>(fn(S, FloatTensor<B>) -> [FloatTensor<B>; N]);

impl<B: Backend, S, const N: usize> Backward<B, N> for Step<B, S, N>
where
    S: Clone + Debug + Send + 'static,
{
    type State = S;

    fn backward(self, operation: Ops<S, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let of_output = gradients.consume::<B>(&operation.node);
        let of_inputs = self.0(operation.state, of_output);
        for (input, gradient) in operation.parents.into_iter().zip(of_inputs) {
            if let Some(input) = input {
                gradients.register::<B>(input.id, gradient);
            }
        }
    }
}
