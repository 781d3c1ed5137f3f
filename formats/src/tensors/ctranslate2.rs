//! `model.bin` of CTranslate2.
//!
//! The numbers of a file are little-endian. A string is a `u16` with its length, and its bytes, of which the last is
//! NUL.
//!
//! | part | content |
//! |---|---|
//! | `u32` | 6, the version of the format |
//! | string, `u32` | the kind of the model, and the revision of the kind |
//! | `u32` | n, the number of variables |
//! | n variables | name, `u8` rank, `u32` sizes, `u8` type, `u32` bytes, data |
//! | `u32` | m, the number of aliases |
//! | m × 2 strings | a further name of a variable, and its name above |
//!
//! A matrix of integers has a variable `NAME_scale`, by which it is divided: one number, or one for each row.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::DType;

use super::bytes::{Divisor, Stored, TensorBytes};
use super::cursor::Cursor;
use crate::error::FormatError;

const FORMAT: &str = "CTranslate2";
pub(super) const VERSION: u32 = 6;
/// The kind of a translator.
pub(super) const KIND: &str = "TransformerSpec";
/// The revision of a translator that is written.
pub(super) const REVISION: u32 = 7;
/// The types of numbers, by the byte that stands for them.
pub(super) const TYPES: [DType; 6] = [
    DType::F32,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::F16,
    DType::BF16,
];

/// Reads a `model.bin` whose bytes are in memory. `path` is its name in errors.
///
/// # Errors
///
/// Returns [`FormatError::Damaged`] if the bytes are no whole file, [`FormatError::Unsupported`] if it is not of
/// version 6 or the model is no translator, and [`FormatError::Tensor`] for a variable of another type, or whose shape
/// does not fit its data.
pub fn read_ctranslate2(path: &Path, bytes: Vec<u8>) -> Result<TensorBytes, FormatError> {
    let tensors = parse(path, &bytes)?;
    Ok(TensorBytes::new(path, bytes, tensors))
}

/// Returns whether a file begins like a `model.bin` of CTranslate2.
pub(crate) fn is_ctranslate2(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    cursor.u32().is_some_and(|version| version <= VERSION) && cursor.u16().is_some_and(|length| length > 1)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Stored>, FormatError> {
    let damaged = |reason: &str| FormatError::damaged(path, FORMAT, reason);
    let cut = |part: &str| damaged(&format!("it ends within {part}, or {part} is no text"));
    let mut cursor = Cursor::new(bytes);
    match cursor.u32().ok_or_else(|| damaged("it is empty"))? {
        VERSION => {}
        other => {
            return Err(FormatError::Unsupported {
                path: path.to_owned(),
                found: format!("its version is {other}"),
                supported: "files of version 6 are read",
            });
        }
    }
    let kind = string(&mut cursor).ok_or_else(|| cut("its kind of model"))?;
    if kind != KIND {
        return Err(FormatError::Unsupported {
            path: path.to_owned(),
            found: format!("it is a {kind}"),
            supported: "translators, which are a TransformerSpec, are read",
        });
    }
    let counts = cursor.u32().zip(cursor.u32());
    let (_revision, count) = counts.ok_or_else(|| damaged("it ends before its variables"))?;
    let mut tensors = BTreeMap::new();
    for _ in 0..count {
        let name = string(&mut cursor).ok_or_else(|| cut("the name of a variable"))?;
        let stored = variable(&mut cursor).map_err(|reason| FormatError::tensor(path, name, reason))?;
        if tensors.insert(name.to_owned(), stored).is_some() {
            return Err(FormatError::tensor(path, name, "occurs twice"));
        }
    }
    divide_by_scales(path, &mut tensors, bytes)?;
    let aliases = cursor
        .u32()
        .ok_or_else(|| damaged("it ends before its aliases"))?;
    for _ in 0..aliases {
        let names = string(&mut cursor).zip(string(&mut cursor));
        let (alias, name) = names.ok_or_else(|| cut("an alias"))?;
        let Some(stored) = tensors.get(name) else {
            return Err(FormatError::tensor(
                path,
                alias,
                format!("is an alias of {name}, which is missing"),
            ));
        };
        let stored = stored.clone();
        if tensors.insert(alias.to_owned(), stored).is_some() {
            return Err(FormatError::tensor(path, alias, "occurs twice"));
        }
    }
    Ok(tensors)
}

fn string<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let length = cursor.u16()?;
    cursor.text(u64::from(length))
}

/// Reads what follows the name of a variable.
fn variable(cursor: &mut Cursor<'_>) -> Result<Stored, String> {
    const CUT: &str = "is cut short";
    let rank = cursor.u8().ok_or(CUT)?;
    let shape: Option<Vec<usize>> = (0..rank)
        .map(|_| cursor.u32().map(|size| size as usize))
        .collect();
    let shape = shape.ok_or(CUT)?;
    let kind = cursor.u8().ok_or(CUT)?;
    let dtype = TYPES
        .get(usize::from(kind))
        .ok_or_else(|| format!("is of type {kind}, but only the types 0 to 5 are known"))?;
    let length = cursor.u32().ok_or(CUT)?;
    let range = cursor.range(u64::from(length)).ok_or(CUT)?;
    Stored::new(shape, range, *dtype)
}

/// Has the numbers of each quantized matrix divided by the variable that is named after it.
fn divide_by_scales(
    path: &Path,
    tensors: &mut BTreeMap<String, Stored>,
    bytes: &[u8],
) -> Result<(), FormatError> {
    let scales: Vec<String> = tensors
        .keys()
        .filter(|name| name.ends_with("/weight_scale"))
        .cloned()
        .collect();
    for scale in scales {
        let name = scale.trim_end_matches("_scale");
        let refuse = |reason: String| Err(FormatError::tensor(path, &scale, reason));
        let Some(Stored {
            shape, range, dtype, ..
        }) = tensors.remove(&scale)
        else {
            continue;
        };
        let Some(weight) = tensors.get_mut(name) else {
            return refuse(format!("divides {name}, which is missing"));
        };
        if dtype != DType::F32 {
            return refuse(format!("is of type {dtype:?}, not F32"));
        }
        weight.divisor = match (shape.as_slice(), weight.shape.as_slice()) {
            ([], _) => {
                let divisor = bytes[range].first_chunk().copied().unwrap_or_default();
                Divisor::All(f32::from_le_bytes(divisor))
            }
            ([rows], [weight_rows, ..]) if rows == weight_rows => Divisor::Rows(range),
            _ => {
                return refuse(format!(
                    "has the shape {shape:?}, which does not go with {:?}",
                    weight.shape
                ));
            }
        };
    }
    Ok(())
}
