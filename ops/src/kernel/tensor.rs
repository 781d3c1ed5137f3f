//! From tensors to slices and back.

#[cfg(feature = "autodiff")]
use burn::backend::autodiff::{grads::Gradients, ops::Ops};
#[cfg(feature = "autodiff")]
use burn::backend::flex::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Shape, TensorData};

/// The tensor's values in row-major order, without a copy where they lie so already.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The values of a contiguous tensor.
pub(crate) fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32")
}

/// The values of a contiguous tensor, to be changed: in place where no other tensor shares them.
pub(crate) fn floats_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("a contiguous tensor");
    &mut tensor.storage_mut()[start..end]
}

/// The values of an integer tensor.
pub(crate) fn integers(tensor: &FlexTensor) -> Vec<i64> {
    let tensor = tensor.to_contiguous();
    match tensor.dtype() {
        DType::I64 => tensor.storage::<i64>().to_vec(),
        _ => tensor
            .storage::<i32>()
            .iter()
            .map(|&value| value.into())
            .collect(),
    }
}

/// A tensor of `values` in row-major order.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Number of columns of a tensor that is seen as a matrix: its last dimension.
pub(crate) fn columns(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

/// Takes the gradient of an operation's output to its inputs, of which `backward` computes all from the operation's
/// state.
#[cfg(feature = "autodiff")]
pub(crate) fn propagate<S, const N: usize>(
    operation: Ops<S, N>,
    gradients: &mut Gradients,
    backward: impl FnOnce(S, FlexTensor) -> [FlexTensor; N],
) {
    let of_output = gradients.consume::<Flex>(&operation.node);
    let of_inputs = backward(operation.state, of_output);
    for (input, gradient) in operation.parents.into_iter().zip(of_inputs) {
        if let Some(input) = input {
            gradients.register::<Flex>(input.id, gradient);
        }
    }
}
