//! Files of named tensors, one format a file, whose numbers are read as 32-bit floats.

mod bytes;
mod ctranslate2;
mod cursor;
mod marian_bin;
mod npz;
mod pytorch;
mod safetensors;
mod writer;

use std::path::Path;

use crate::error::FormatError;

pub use bytes::TensorBytes;
pub(crate) use bytes::transposed;
pub(crate) use ctranslate2::is_ctranslate2;
pub use ctranslate2::read_ctranslate2;
pub use marian_bin::read_marian_bin;
pub(crate) use marian_bin::{SETTINGS, is_marian_bin};
pub use npz::Npz;
pub use pytorch::PyTorchFile;
pub use safetensors::read_safetensors;
pub use writer::WeightType;
pub(crate) use writer::{
    CTranslate2Parts, NamedTensor, Scalar, floats, safetensors_head, write_ctranslate2, write_safetensors,
};

/// A file of named tensors.
pub trait TensorFile {
    /// Returns the path of the file, for error messages.
    fn path(&self) -> &Path;

    /// Returns the names of all tensors, in alphabetical order.
    fn names(&self) -> Vec<&str>;

    /// Returns the shape of a tensor; `None` if the file does not have it.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// Reads the numbers of a tensor, the last dimension running fastest. Numbers of 8 and 16 bits become 32 bits;
    /// those of 8-bit integers are divided by the multiplier that the file has for them.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Tensor`] if the file does not have the tensor or cannot give its numbers.
    fn read(&self, name: &str) -> Result<Vec<f32>, FormatError>;
}

/// Returns the number of elements of a tensor; `None` if it is more than a `usize` holds.
fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

/// Returns the error for a tensor that a file does not have.
fn missing(path: &Path, name: &str) -> FormatError {
    FormatError::tensor(path, name, "is missing")
}
