//! `.npz`, numpy's zip archive of arrays, in which Marian keeps the weights of a model that is not quantized.
//!
//! A member `NAME.npy` is the array NAME: the bytes `\x93NUMPY`, two numbers of the version, the length of the header,
//! the header, and the numbers. The header is the text of a Python dictionary, such as `{'descr': '<f4',
//! 'fortran_order': False, 'shape': (2, 3), }`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::DType;

use super::bytes::{floats, transposed};
use super::marian_bin::SETTINGS;
use super::{TensorFile, elements, missing};
use crate::archive::Archive;
use crate::error::FormatError;

const FORMAT: &str = "npz";
const MAGIC: &[u8] = b"\x93NUMPY";
/// The most bytes of a member in which its header is looked for. A header of numpy has fewer than 200.
const HEADER: u64 = 4_096;

/// The arrays of a `.npz` file, which are read one by one.
pub struct Npz {
    path: PathBuf,
    archive: RefCell<Archive>,
    arrays: BTreeMap<String, Header>,
}

/// The header of an array.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    shape: Vec<usize>,
    dtype: DType,
    /// Whether the first dimension runs fastest.
    by_columns: bool,
    /// The number of bytes before the numbers.
    length: usize,
}

impl Npz {
    /// Opens a file, and reads the headers of its arrays.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the file cannot be read, and [`FormatError::Damaged`] if it is no `.npz` whose
    /// arrays have numbers of a type that is read: floating-point numbers of 16, 32 and 64 bits, and bytes for Marian's
    /// settings.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let mut archive = Archive::open(path, FORMAT)?;
        let mut arrays = BTreeMap::new();
        for member in archive.names()? {
            let Some(name) = member.strip_suffix(".npy") else {
                let reason = format!("its member {member} is no array");
                return Err(FormatError::damaged(path, FORMAT, reason));
            };
            let header = Header::parse(&archive.begin(&member, HEADER)?)
                .map_err(|reason| FormatError::tensor(path, name, reason))?;
            arrays.insert(name.to_owned(), header);
        }
        Ok(Self {
            path: path.to_owned(),
            archive: RefCell::new(archive),
            arrays,
        })
    }

    /// Reads the settings that Marian has put beside the weights, in YAML; `None` if there are none.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Damaged`] if the archive cannot give them.
    pub(crate) fn settings(&self) -> Result<Option<Vec<u8>>, FormatError> {
        match self.arrays.get(SETTINGS) {
            Some(header) => self.numbers(SETTINGS, header).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the bytes of the numbers of an array, of which there are as many as its shape asks for.
    fn numbers(&self, name: &str, header: &Header) -> Result<Vec<u8>, FormatError> {
        let mut bytes = self.archive.borrow_mut().read(&format!("{name}.npy"))?;
        bytes.drain(..header.length.min(bytes.len()));
        let length = elements(&header.shape).and_then(|count| count.checked_mul(header.dtype.size()));
        if length != Some(bytes.len()) {
            let reason = format!(
                "has the shape {:?} of {:?}, but {} bytes",
                header.shape,
                header.dtype,
                bytes.len()
            );
            return Err(FormatError::tensor(&self.path, name, reason));
        }
        Ok(bytes)
    }
}

impl TensorFile for Npz {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.arrays.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.arrays.get(name).map(|header| header.shape.as_slice())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, FormatError> {
        let header = self.arrays.get(name).ok_or_else(|| missing(&self.path, name))?;
        let bytes = self.numbers(name, header)?;
        let numbers = floats(bytes, header.dtype);
        let numbers = numbers.map_err(|reason| FormatError::tensor(&self.path, name, reason))?;
        Ok(match header.shape[..] {
            [rows, columns] if header.by_columns => transposed(&numbers, columns, rows),
            _ => numbers,
        })
    }
}

impl Header {
    /// Reads the header at the beginning of an array.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, as the end of a sentence whose subject is the array.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (length, text) = header_text(bytes).ok_or("has no header of a numpy array")?;
        let value = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
        let dtype = value("descr").and_then(|value| value.strip_prefix('\'')?.split('\'').next());
        let dtype = match dtype.ok_or("has no 'descr' in its header")? {
            "<f2" => DType::F16,
            "<f4" => DType::F32,
            "<f8" => DType::F64,
            "|i1" | "|u1" => DType::U8,
            other => return Err(format!("is of type {other:?}, which is no floating-point number")),
        };
        let by_columns = match value("fortran_order") {
            Some(value) if value.starts_with("False") => false,
            Some(value) if value.starts_with("True") => true,
            _ => return Err("has no 'fortran_order' in its header".to_owned()),
        };
        let shape = value("shape").and_then(|value| value.strip_prefix('(')?.split_once(')'));
        let sizes = shape.ok_or("has no 'shape' in its header")?.0;
        let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes
            .map(|size| {
                size.parse()
                    .map_err(|_| format!("has the size {size:?} in its shape"))
            })
            .collect::<Result<Vec<usize>, String>>()?;
        if by_columns && shape.len() > 2 {
            return Err(format!(
                "has the shape {shape:?} in Fortran's order, which is read for matrices"
            ));
        }
        Ok(Self {
            shape,
            dtype,
            by_columns,
            length,
        })
    }
}

/// Returns the length of all that is before the numbers, and the text of the header.
fn header_text(bytes: &[u8]) -> Option<(usize, &str)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (length, rest) = if version[0] == 1 {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk()?;
        (u32::from_le_bytes(*length) as usize, rest)
    };
    let text = std::str::from_utf8(rest.get(..length)?).ok()?;
    Some((bytes.len() - rest.len() + length, text))
}
