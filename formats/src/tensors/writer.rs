//! Writing files of named tensors, one tensor at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use attend_data::{DataError, OutputFile};
use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use super::ctranslate2;
use crate::error::FormatError;

/// The type of numbers in which weights are written.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum WeightType {
    /// 32-bit floats, as a model folder has them.
    #[default]
    Float32,
    /// 16-bit floats with 5 bits of exponent.
    Float16,
    /// Matrices in 8-bit integers, of which each row has a scale of its own; other weights in 32-bit floats.
    Int8,
}

/// The name, the shape and the numbers of a tensor to be written.
pub(crate) struct NamedTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// The numbers in row-major order.
    pub(crate) numbers: Vec<f32>,
}

/// Returns the head of a file of safetensors whose tensors follow in this order: the names, the shapes and the types.
///
/// # Errors
///
/// Returns [`FormatError::Data`] if the head cannot be written.
pub(crate) fn safetensors_head(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Vec<usize>)>,
    dtype: Dtype,
) -> Result<Vec<u8>, FormatError> {
    let mut end = 0;
    let infos = tensors.into_iter().map(|(name, shape)| {
        let start = end;
        end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let info = TensorInfo {
            dtype,
            shape,
            data_offsets: (start, end),
        };
        (name, info)
    });
    let infos = infos.collect();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let head = Metadata::new(Some(metadata), infos).and_then(|head| Ok(serde_json::to_vec(&head)?));
    let mut head = head.map_err(|error| DataError::write(path, std::io::Error::other(error)))?;
    // The numbers begin at a multiple of eight bytes.
    head.resize(head.len().next_multiple_of(8), b' ');
    Ok([&(head.len() as u64).to_le_bytes(), head.as_slice()].concat())
}

/// Writes tensors as a file of safetensors, in 16-bit floats or in 32-bit ones.
///
/// # Errors
///
/// Returns [`FormatError::Data`] if the file cannot be written, and the errors of the tensors.
pub(crate) fn write_safetensors(
    path: &Path,
    shapes: Vec<(String, Vec<usize>)>,
    tensors: impl Iterator<Item = Result<NamedTensor, FormatError>>,
    half: bool,
) -> Result<(), FormatError> {
    let mut file = OutputFile::create(path)?;
    let mut write = |bytes: &[u8]| {
        file.write_all(bytes)
            .map_err(|error| DataError::write(path, error))
    };
    let dtype = if half { Dtype::F16 } else { Dtype::F32 };
    write(&safetensors_head(path, shapes, dtype)?)?;
    for tensor in tensors {
        let tensor = tensor?;
        write(&floats(&tensor.numbers, half))?;
    }
    Ok(file.finish()?)
}

/// What a `model.bin` of CTranslate2 holds beside its tensors.
pub(crate) struct CTranslate2Parts {
    /// Numbers that describe the network, each with the bytes of its type: 1 or 2.
    pub(crate) scalars: Vec<(String, Scalar)>,
    /// Further names of tensors, each with the name that the tensor is written under.
    pub(crate) aliases: Vec<(String, String)>,
}

/// A number that describes a network of CTranslate2. The type is part of the format.
#[derive(Clone, Copy)]
pub(crate) enum Scalar {
    Int8(i8),
    Int16(i16),
}

/// Writes tensors as a `model.bin` of CTranslate2, which [`read_ctranslate2`](super::read_ctranslate2) describes.
///
/// # Errors
///
/// Returns [`FormatError::Data`] if the file cannot be written; [`FormatError::Tensor`] if a tensor is larger than the
/// format can say, which is 4 GiB; and the errors of the tensors.
pub(crate) fn write_ctranslate2(
    path: &Path,
    shapes: &[(String, Vec<usize>)],
    tensors: impl Iterator<Item = Result<NamedTensor, FormatError>>,
    parts: &CTranslate2Parts,
    weights: WeightType,
) -> Result<(), FormatError> {
    let is_quantized =
        |name: &str, shape: &[usize]| weights == WeightType::Int8 && is_matrix_of_weights(name, shape);
    let scales = shapes
        .iter()
        .filter(|(name, shape)| is_quantized(name, shape))
        .count();
    let mut file = OutputFile::create(path)?;
    let mut write = |bytes: &[u8]| {
        file.write_all(bytes)
            .map_err(|error| DataError::write(path, error))
    };
    let count = |number: usize| {
        let number = u32::try_from(number);
        number.map_err(|_| {
            FormatError::tensor(path, "weight", "is larger than the 4 GiB that the format allows")
        })
    };
    let mut head = ctranslate2::VERSION.to_le_bytes().to_vec();
    head.extend(string(ctranslate2::KIND));
    head.extend(ctranslate2::REVISION.to_le_bytes());
    head.extend(count(shapes.len() + scales + parts.scalars.len())?.to_le_bytes());
    write(&head)?;
    let mut variable = |name: &str, shape: &[usize], dtype: DType, bytes: &[u8]| {
        let mut head = string(name);
        head.push(shape.len() as u8);
        for size in shape {
            head.extend(count(*size)?.to_le_bytes());
        }
        let number = ctranslate2::TYPES.iter().position(|other| *other == dtype);
        head.push(number.unwrap_or_default() as u8);
        head.extend(count(bytes.len())?.to_le_bytes());
        write(&head)?;
        write(bytes)?;
        Ok::<(), FormatError>(())
    };
    for (name, scalar) in &parts.scalars {
        match scalar {
            Scalar::Int8(number) => variable(name, &[], DType::I8, &number.to_le_bytes())?,
            Scalar::Int16(number) => variable(name, &[], DType::I16, &number.to_le_bytes())?,
        }
    }
    for tensor in tensors {
        let NamedTensor { name, shape, numbers } = tensor?;
        if is_quantized(&name, &shape) {
            let (integers, scales) = quantized(&numbers, shape[1]);
            variable(&name, &shape, DType::I8, bytemuck::cast_slice(&integers))?;
            variable(
                &format!("{name}_scale"),
                &shape[..1],
                DType::F32,
                &floats(&scales, false),
            )?;
        } else if weights == WeightType::Float16 {
            variable(&name, &shape, DType::F16, &floats(&numbers, true))?;
        } else {
            variable(&name, &shape, DType::F32, &floats(&numbers, false))?;
        }
    }
    let mut aliases = count(parts.aliases.len())?.to_le_bytes().to_vec();
    for (alias, name) in &parts.aliases {
        aliases.extend(string(alias));
        aliases.extend(string(name));
    }
    write(&aliases)?;
    Ok(file.finish()?)
}

/// Returns whether a tensor is one of those that CTranslate2 has in integers: embeddings and linear layers, but not the
/// table of positions.
fn is_matrix_of_weights(name: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && name.ends_with("/weight")
}

/// Returns a string as CTranslate2 has it: the length, the bytes, and NUL.
fn string(text: &str) -> Vec<u8> {
    // The names of variables are short.
    let mut bytes = ((text.len() + 1) as u16).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}

/// Returns rows of 8-bit integers, and the number by which each row was multiplied before it was rounded. The largest
/// number of a row becomes 127, as in CTranslate2's own converters.
fn quantized(numbers: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let mut integers = Vec::with_capacity(numbers.len());
    let mut scales = Vec::new();
    for row in numbers.chunks(width) {
        let largest = row
            .iter()
            .fold(0.0_f32, |largest, number| largest.max(number.abs()));
        // A row of zeros has any scale, and that of a row of tiny numbers must not become infinite.
        let largest = if largest == 0.0 {
            127.0
        } else {
            largest.max(127.0 / f32::MAX)
        };
        let scale = 127.0 / largest;
        integers.extend(row.iter().map(|number| (number * scale).round_ties_even() as i8));
        scales.push(scale);
    }
    (integers, scales)
}

/// Returns the little-endian bytes of numbers, in 16 bits or in 32.
pub(crate) fn floats(numbers: &[f32], half: bool) -> Cow<'_, [u8]> {
    if half {
        let data = TensorData::new(numbers.to_vec(), [numbers.len()]).convert_dtype(DType::F16);
        data.as_bytes().to_vec().into()
    } else if cfg!(target_endian = "little") {
        bytemuck::cast_slice(numbers).into()
    } else {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        bytes.collect::<Vec<u8>>().into()
    }
}
