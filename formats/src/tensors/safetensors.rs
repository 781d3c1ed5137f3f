//! `.safetensors`, in which Hugging Face keeps the weights of a model.

use std::path::Path;

use burn::tensor::DType;
use safetensors::{Dtype, SafeTensors};

use super::bytes::{Stored, TensorBytes};
use crate::error::FormatError;

const FORMAT: &str = "safetensors";

/// Reads a `.safetensors` file whose bytes are in memory. `path` is its name in errors.
///
/// # Errors
///
/// Returns [`FormatError::Damaged`] if the bytes are no whole file, and [`FormatError::Tensor`] for a tensor that does
/// not have floating-point numbers.
pub fn read_safetensors(path: &Path, bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    let damaged = |error| FormatError::damaged(path, FORMAT, error);
    let (head_length, head) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    // Eight bytes with the length of the head are before it.
    let start = 8 + head_length;
    let mut tensors = std::collections::BTreeMap::new();
    for (name, info) in head.tensors() {
        let refuse = |reason: String| FormatError::tensor(path, &name, reason);
        let dtype = match info.dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                return Err(refuse(format!(
                    "is of type {other:?}, which is no floating-point number"
                )));
            }
        };
        let (from, to) = info.data_offsets;
        let stored = Stored::new(info.shape.clone(), start + from..start + to, dtype).map_err(refuse)?;
        tensors.insert(name, stored);
    }
    Ok(TensorBytes::new(path, bytes, tensors))
}
