//! `pytorch_model.bin`, which PyTorch's `torch.save` writes: a zip archive since PyTorch 1.6, and before that a
//! sequence of pickles. The crate `pytorch-reader` reads both, and never runs what a pickle asks to be run.

use std::path::{Path, PathBuf};

use attend_data::DataError;
use burn::tensor::DType;
use pytorch_reader::{PytorchError, PytorchReader};

use super::bytes::floats;
use super::{TensorFile, missing};
use crate::error::FormatError;

const FORMAT: &str = "PyTorch";

/// A file of `torch.save`, whose tensors are read one by one.
pub struct PyTorchFile {
    path: PathBuf,
    reader: PytorchReader,
}

impl PyTorchFile {
    /// Opens a file, and reads the names and shapes of its tensors.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the file cannot be read, and [`FormatError::Damaged`] if it is no whole file of
    /// PyTorch with a dictionary of tensors.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let reader = PytorchReader::new(path).map_err(|error| match error {
            PytorchError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                DataError::read(path, error).into()
            }
            error => FormatError::damaged(path, FORMAT, error),
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader,
        })
    }
}

impl TensorFile for PyTorchFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.reader.tensors().keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.reader.get(name).map(pytorch_reader::Tensor::shape)
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, FormatError> {
        use pytorch_reader::DType as Kind;

        let tensor = self.reader.get(name).ok_or_else(|| missing(&self.path, name))?;
        let refuse = |reason: String| FormatError::tensor(&self.path, name, reason);
        let dtype = match tensor.dtype() {
            Kind::F64 => DType::F64,
            Kind::F32 => DType::F32,
            Kind::F16 => DType::F16,
            Kind::BF16 => DType::BF16,
            other => {
                return Err(refuse(format!(
                    "is of type {other:?}, which is no floating-point number"
                )));
            }
        };
        let bytes = tensor
            .read()
            .map_err(|error| FormatError::damaged(&self.path, FORMAT, error))?;
        floats(bytes, dtype).map_err(refuse)
    }
}
