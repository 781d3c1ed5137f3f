//! Conversions between tensors and slices.

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Shape, TensorData};

/// Returns the tensor with its values in row-major order. A tensor that has them so already is not copied.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// Returns the values of a contiguous tensor.
pub(crate) fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32")
}

/// Returns the values of a contiguous tensor for writing. If other tensors share these values, they are copied first.
pub(crate) fn floats_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("a contiguous tensor");
    &mut tensor.storage_mut()[start..end]
}

/// Returns the values of an integer tensor in row-major order.
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

/// Returns a tensor of `values`, which are in row-major order.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Returns the size of the tensor's last dimension. This is the number of columns of the matrix that results if all
/// other dimensions are merged into one.
pub(crate) fn columns(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

/// Returns the tensor's shape with `columns` as its last dimension.
pub(crate) fn shape_with_columns(tensor: &FlexTensor, columns: usize) -> Shape {
    let mut shape = tensor.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = columns;
    shape
}
