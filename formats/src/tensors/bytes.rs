//! Tensors in the bytes of a file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};

use super::{TensorFile, elements, missing};
use crate::error::FormatError;

/// The tensors of a file that is in memory as it is on disk. A tensor becomes 32-bit floats when it is read.
pub struct TensorBytes {
    path: PathBuf,
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Stored>,
}

/// A tensor in the bytes of a file.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) shape: Vec<usize>,
    /// Where the numbers are.
    pub(super) range: Range<usize>,
    pub(super) dtype: DType,
    /// What the numbers are divided by.
    pub(super) divisor: Divisor,
    /// Whether the numbers of a matrix stand column by column.
    pub(super) by_columns: bool,
}

/// What the numbers of a quantized tensor are divided by.
#[derive(Clone)]
pub(super) enum Divisor {
    /// The numbers are not quantized.
    None,
    /// One divisor for the whole tensor.
    All(f32),
    /// The place of a 32-bit divisor for each row.
    Rows(Range<usize>),
}

impl Stored {
    /// Checks that a tensor of this shape has its numbers in `range`, which may be longer.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, as the end of a sentence whose subject is the tensor.
    pub(super) fn new(shape: Vec<usize>, range: Range<usize>, dtype: DType) -> Result<Self, String> {
        let length = elements(&shape).and_then(|count| count.checked_mul(dtype.size()));
        match length {
            Some(length) if length <= range.len() => Ok(Self {
                shape,
                range: range.start..range.start + length,
                dtype,
                divisor: Divisor::None,
                by_columns: false,
            }),
            _ => Err(format!(
                "has the shape {shape:?} of {dtype:?}, but only {} bytes",
                range.len()
            )),
        }
    }
}

impl TensorBytes {
    /// Returns tensors at places that have been checked to lie within `bytes`.
    pub(super) fn new(path: &Path, bytes: Vec<u8>, tensors: BTreeMap<String, Stored>) -> Self {
        Self {
            path: path.to_owned(),
            bytes,
            tensors,
        }
    }

    /// Returns the integer in a tensor of one 8-, 16- or 32-bit integer; `None` if the file has no such tensor.
    pub(crate) fn integer(&self, name: &str) -> Option<i32> {
        let stored = self.tensors.get(name)?;
        let bytes = &self.bytes[stored.range.clone()];
        match stored.dtype {
            DType::I8 => bytes.try_into().ok().map(i8::from_le_bytes).map(i32::from),
            DType::I16 => bytes.try_into().ok().map(i16::from_le_bytes).map(i32::from),
            DType::I32 => bytes.try_into().ok().map(i32::from_le_bytes),
            _ => None,
        }
    }

    /// Returns whether two names stand for the same tensor.
    pub(crate) fn are_same(&self, name: &str, other: &str) -> bool {
        match (self.tensors.get(name), self.tensors.get(other)) {
            (Some(stored), Some(other)) => stored.range == other.range,
            _ => false,
        }
    }

    /// Returns the bytes of a tensor.
    pub(crate) fn raw(&self, name: &str) -> Option<&[u8]> {
        let stored = self.tensors.get(name)?;
        Some(&self.bytes[stored.range.clone()])
    }
}

impl TensorFile for TensorBytes {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, FormatError> {
        let stored = self.tensors.get(name).ok_or_else(|| missing(&self.path, name))?;
        let mut numbers = floats(self.bytes[stored.range.clone()].to_vec(), stored.dtype)
            .map_err(|reason| FormatError::tensor(&self.path, name, reason))?;
        match &stored.divisor {
            Divisor::None => {}
            Divisor::All(divisor) => numbers.iter_mut().for_each(|number| *number /= divisor),
            Divisor::Rows(range) => {
                let divisors = floats(self.bytes[range.clone()].to_vec(), DType::F32)
                    .map_err(|reason| FormatError::tensor(&self.path, name, reason))?;
                let width = (numbers.len() / divisors.len().max(1)).max(1);
                for (row, divisor) in numbers.chunks_mut(width).zip(divisors) {
                    row.iter_mut().for_each(|number| *number /= divisor);
                }
            }
        }
        Ok(match stored.shape[..] {
            [rows, columns] if stored.by_columns => transposed(&numbers, columns, rows),
            _ => numbers,
        })
    }
}

/// Returns little-endian numbers of type `dtype` as 32-bit floats.
///
/// # Errors
///
/// Returns what is wrong, as the end of a sentence whose subject is the tensor.
pub(super) fn floats(bytes: Vec<u8>, dtype: DType) -> Result<Vec<f32>, String> {
    let count = bytes.len() / dtype.size();
    let data = TensorData::from_bytes_vec(bytes, [count], dtype).convert_dtype(DType::F32);
    data.try_into_vec()
        .map_err(|error| format!("cannot be read as floating-point numbers: {error}"))
}

/// Returns the matrix `[columns, rows]` whose columns are the rows of the matrix `[rows, columns]`.
pub(crate) fn transposed(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(numbers.len());
    for column in 0..columns {
        result.extend((0..rows).map(|row| numbers[row * columns + column]));
    }
    result
}
