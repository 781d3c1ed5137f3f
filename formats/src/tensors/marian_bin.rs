//! `.bin` of Marian, which Firefox's translation models have as well.
//!
//! The numbers of a file are little-endian:
//!
//! | part | content |
//! |---|---|
//! | `u64` | 1, the version of the format |
//! | `u64` | n, the number of tensors |
//! | n × 4 `u64` | the length of the name, the type, the number of dimensions, the length of the data |
//! | n names | each ends with NUL |
//! | n shapes | an `i32` for each dimension |
//! | `u64`, padding | the length of the padding, and the padding |
//! | n × data | |
//!
//! In type 0x4101, "intgemm8", a float32 follows the 8-bit integers, by which they are divided. The integers of a
//! matrix stand column by column, except for those of the embedding `Wemb`. The tensor [`SETTINGS`] is YAML.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::DType;

use super::bytes::{Divisor, Stored, TensorBytes};
use super::cursor::Cursor;
use super::elements;
use crate::error::FormatError;

const FORMAT: &str = "Marian";
/// The tensor whose bytes are the YAML of the model's settings.
pub(crate) const SETTINGS: &str = "special:model.yml";
/// A part of the names of embeddings, whose rows are looked up and therefore stand one after the other in every type.
const EMBEDDING: &str = "Wemb";

const INT8: u64 = 0x101;
const FLOAT16: u64 = 0x402;
const FLOAT32: u64 = 0x404;
const INTGEMM8: u64 = 0x4101;

/// What the file says of a tensor before all names.
struct Head {
    name_length: u64,
    kind: u64,
    dimensions: u64,
    data_length: u64,
}

/// Reads a Marian `.bin` whose bytes are in memory. `path` is its name in errors.
///
/// # Errors
///
/// Returns [`FormatError::Damaged`] if the bytes are no whole file, and [`FormatError::Tensor`] for a tensor of another
/// type than float32, float16 and intgemm8, or whose shape does not fit its data.
pub fn read_marian_bin(path: &Path, bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    let tensors = parse(path, &bytes)?;
    Ok(TensorBytes::new(path, bytes, tensors))
}

/// Returns whether a file begins like a Marian `.bin`.
pub(crate) fn is_marian_bin(bytes: &[u8]) -> bool {
    Cursor::new(bytes).u64() == Some(1)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Stored>, FormatError> {
    let damaged = |reason: &str| FormatError::damaged(path, FORMAT, reason);
    let cut = |part: &str| damaged(&format!("it ends within {part}"));
    let mut cursor = Cursor::new(bytes);
    match cursor.u64().ok_or_else(|| cut("its version"))? {
        1 => {}
        other => {
            return Err(FormatError::Unsupported {
                path: path.to_owned(),
                found: format!("its version is {other}"),
                supported: "files of version 1 are read",
            });
        }
    }
    let count = cursor.u64().ok_or_else(|| cut("the number of its tensors"))?;
    let heads: Option<Vec<Head>> = (0..count).map(|_| Head::read(&mut cursor)).collect();
    let heads = heads.ok_or_else(|| cut("the list of its tensors"))?;
    let names = heads.iter().map(|head| cursor.text(head.name_length));
    let names = names.collect::<Option<Vec<&str>>>();
    let names = names.ok_or_else(|| damaged("a name of a tensor is cut short or no text"))?;
    let shapes = heads.iter().map(|head| shape(&mut cursor, head.dimensions));
    let shapes = shapes.collect::<Option<Vec<_>>>();
    let shapes = shapes.ok_or_else(|| damaged("a shape is cut short or has a negative size"))?;
    let padding = cursor.u64().and_then(|length| cursor.range(length));
    padding.ok_or_else(|| cut("the padding"))?;

    let mut tensors = BTreeMap::new();
    for ((head, name), shape) in heads.iter().zip(names).zip(shapes) {
        let range = cursor
            .range(head.data_length)
            .ok_or_else(|| cut(&format!("the tensor {name}")))?;
        let refuse = |reason| FormatError::tensor(path, name, reason);
        let dtype = match head.kind {
            FLOAT32 => DType::F32,
            FLOAT16 => DType::F16,
            INTGEMM8 => DType::I8,
            INT8 if name == SETTINGS => DType::I8,
            kind => {
                return Err(refuse(format!(
                    "is of type 0x{kind:x}, but only float32, float16 and intgemm8 are read"
                )));
            }
        };
        let quantized = head.kind == INTGEMM8;
        let data = &bytes[range.clone()];
        let mut stored = Stored::new(shape, range, dtype).map_err(refuse)?;
        if quantized {
            let count = elements(&stored.shape).unwrap_or(usize::MAX);
            let multiplier = data.get(count..).and_then(|rest| rest.first_chunk());
            let Some(multiplier) = multiplier.copied().map(f32::from_le_bytes) else {
                return Err(refuse("has no multiplier behind its integers".to_owned()));
            };
            stored.divisor = Divisor::All(multiplier);
            stored.by_columns = !name.contains(EMBEDDING);
        }
        if tensors.insert(name.to_owned(), stored).is_some() {
            return Err(refuse("occurs twice".to_owned()));
        }
    }
    Ok(tensors)
}

impl Head {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            name_length: cursor.u64()?,
            kind: cursor.u64()?,
            dimensions: cursor.u64()?,
            data_length: cursor.u64()?,
        })
    }
}

fn shape(cursor: &mut Cursor<'_>, dimensions: u64) -> Option<Vec<usize>> {
    // A shape of more sizes than the file has bytes ends the loop.
    (0..dimensions)
        .map(|_| usize::try_from(cursor.i32()?).ok())
        .collect()
}
