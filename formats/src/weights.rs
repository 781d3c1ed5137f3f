//! From the tensors of a foreign file to the weights of a model folder.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use attend_data::{DataError, OutputFile};
use safetensors::Dtype;

use crate::error::FormatError;
use crate::tensors::{TensorFile, floats, safetensors_head, transposed};

/// The tensors of a file, each with the name and the place that it has in a model folder.
pub(crate) struct Weights {
    file: Box<dyn TensorFile>,
    weights: Vec<Weight>,
    /// Weights that the file does not have, by name.
    vectors: Vec<(String, Vec<f32>)>,
    /// The tensors of the file that have a use, or are known to need none.
    known: BTreeSet<String>,
}

/// A weight of a model folder.
struct Weight {
    name: String,
    shape: Vec<usize>,
    /// The name of the tensor of the file.
    tensor: String,
    change: Change,
}

/// What becomes of the numbers of a tensor.
enum Change {
    /// They stay as they are.
    None,
    /// Rows become columns.
    Transposed,
    /// Only these rows are taken.
    Rows(Range<usize>),
    /// One more row follows, all of whose numbers are this one.
    RowAdded(f32),
    /// Rows become columns, and then one more row follows.
    TransposedRowAdded(f32),
    /// The number at this place becomes another one.
    Replaced(usize, f32),
}

impl Weights {
    pub(crate) fn of(file: Box<dyn TensorFile>) -> Self {
        Self {
            file,
            weights: Vec::new(),
            vectors: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    /// Returns the file that the tensors are in.
    pub(crate) fn file(&self) -> &dyn TensorFile {
        &*self.file
    }

    /// Returns whether the file has a tensor.
    pub(crate) fn has(&self, tensor: &str) -> bool {
        self.file.shape(tensor).is_some()
    }

    /// Takes a tensor of this shape as the weight `name`. In the file, the shape may begin with sizes of 1.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Tensor`] if the file lacks the tensor or has it in another shape.
    pub(crate) fn take(&mut self, tensor: &str, name: &str, shape: &[usize]) -> Result<(), FormatError> {
        self.add(tensor, shape, name, shape.to_vec(), Change::None)
    }

    /// Takes a matrix `[columns, rows]` as the weight `name`, `[rows, columns]`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`take`](Self::take).
    pub(crate) fn take_transposed(
        &mut self,
        tensor: &str,
        name: &str,
        [rows, columns]: [usize; 2],
    ) -> Result<(), FormatError> {
        let shape = vec![rows, columns];
        self.add(tensor, &[columns, rows], name, shape, Change::Transposed)
    }

    /// Takes rows of a tensor of this shape as the weight `name`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`take`](Self::take).
    pub(crate) fn take_rows(
        &mut self,
        tensor: &str,
        name: &str,
        shape: &[usize],
        rows: Range<usize>,
    ) -> Result<(), FormatError> {
        let mut taken = shape.to_vec();
        taken[0] = rows.len();
        self.add(tensor, shape, name, taken, Change::Rows(rows))
    }

    /// Takes a tensor of this shape as the weight `name`, which has one more row, of `number`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`take`](Self::take).
    pub(crate) fn take_with_row(
        &mut self,
        tensor: &str,
        name: &str,
        shape: &[usize],
        number: f32,
    ) -> Result<(), FormatError> {
        let mut longer = shape.to_vec();
        longer[0] += 1;
        self.add(tensor, shape, name, longer, Change::RowAdded(number))
    }

    /// Takes a vector as the weight `name`, with `number` at `place`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`take`](Self::take).
    pub(crate) fn take_replacing(
        &mut self,
        tensor: &str,
        name: &str,
        length: usize,
        (place, number): (usize, f32),
    ) -> Result<(), FormatError> {
        self.add(
            tensor,
            &[length],
            name,
            vec![length],
            Change::Replaced(place, number),
        )
    }

    /// Takes a matrix `[columns, rows]` as the weight `name`, `[rows + 1, columns]`, whose last row is of `number`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`take`](Self::take).
    pub(crate) fn take_transposed_with_row(
        &mut self,
        tensor: &str,
        name: &str,
        [rows, columns]: [usize; 2],
        number: f32,
    ) -> Result<(), FormatError> {
        let shape = vec![rows + 1, columns];
        self.add(
            tensor,
            &[columns, rows],
            name,
            shape,
            Change::TransposedRowAdded(number),
        )
    }

    /// Adds a vector that the file does not have as the weight `name`.
    pub(crate) fn add_vector(&mut self, name: &str, numbers: Vec<f32>) {
        self.vectors.push((name.to_owned(), numbers));
    }

    /// Notes a tensor that a model folder does without.
    pub(crate) fn leave(&mut self, tensor: &str) {
        self.known.insert(tensor.to_owned());
    }

    /// Checks that each tensor of the file has been taken or left.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Tensor`] for the first tensor that has not been.
    pub(crate) fn require_all_known(&self) -> Result<(), FormatError> {
        let names = self.file.names();
        match names.iter().find(|name| !self.known.contains(**name)) {
            Some(name) => Err(self.refuse(name, "has no place in a network of this shape")),
            None => Ok(()),
        }
    }

    fn add(
        &mut self,
        tensor: &str,
        in_file: &[usize],
        name: &str,
        shape: Vec<usize>,
        change: Change,
    ) -> Result<(), FormatError> {
        let found = self.file.shape(tensor);
        let found = found.ok_or_else(|| self.refuse(tensor, "is missing"))?;
        let leading = found.len().saturating_sub(in_file.len());
        let (ones, rest) = found.split_at(leading);
        if rest != in_file || ones.iter().any(|size| *size != 1) {
            return Err(self.refuse(tensor, format!("has the shape {found:?}, not {in_file:?}")));
        }
        self.known.insert(tensor.to_owned());
        self.weights.push(Weight {
            name: name.to_owned(),
            shape,
            tensor: tensor.to_owned(),
            change,
        });
        Ok(())
    }

    fn refuse(&self, tensor: &str, reason: impl ToString) -> FormatError {
        FormatError::tensor(self.file.path(), tensor, reason)
    }

    /// Writes all weights that have been taken to a `model.safetensors`, one at a time. `observe` is called before each
    /// with the number of bytes that have been written, and the number of all.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the file cannot be written, and [`FormatError::Tensor`] if a tensor cannot be
    /// read or has a number that is not finite.
    pub(crate) fn write(&self, path: &Path, mut observe: impl FnMut(u64, u64)) -> Result<(), FormatError> {
        let unwritable = |error| DataError::write(path, error);
        let taken = self
            .weights
            .iter()
            .map(|weight| (weight.name.clone(), weight.shape.clone()));
        let added = self
            .vectors
            .iter()
            .map(|(name, numbers)| (name.clone(), vec![numbers.len()]));
        let shapes: Vec<(String, Vec<usize>)> = taken.chain(added).collect();
        let counts = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>());
        let all = counts.sum::<usize>() * size_of::<f32>();
        let mut output = OutputFile::create(path)?;
        let mut write = |bytes: &[u8]| output.write_all(bytes).map_err(unwritable);
        write(&safetensors_head(path, shapes, Dtype::F32)?)?;
        let mut written = 0;
        for weight in &self.weights {
            observe(written, all as u64);
            let numbers = self.numbers(weight)?;
            write(&floats(&numbers, false))?;
            written += size_of_val(numbers.as_slice()) as u64;
        }
        for (_, numbers) in &self.vectors {
            write(&floats(numbers, false))?;
        }
        Ok(output.finish()?)
    }

    /// Reads the numbers of a weight.
    fn numbers(&self, weight: &Weight) -> Result<Vec<f32>, FormatError> {
        let mut numbers = self.file.read(&weight.tensor)?;
        // Without an early exit, so that the compiler vectorizes it.
        if !numbers.iter().fold(true, |all, number| all & number.is_finite()) {
            return Err(self.refuse(&weight.tensor, "has a number that is not finite"));
        }
        match (&weight.change, weight.shape.as_slice()) {
            (Change::Transposed, [rows, columns]) => Ok(transposed(&numbers, *columns, *rows)),
            (Change::Rows(rows), [_, rest @ ..]) => {
                let width: usize = rest.iter().product();
                numbers.truncate(rows.end * width);
                numbers.drain(..rows.start * width);
                Ok(numbers)
            }
            (Change::RowAdded(number), shape) => {
                numbers.resize(shape.iter().product(), *number);
                Ok(numbers)
            }
            (Change::TransposedRowAdded(number), [rows, columns]) => {
                let mut numbers = transposed(&numbers, *columns, *rows - 1);
                numbers.resize(rows * columns, *number);
                Ok(numbers)
            }
            (Change::Replaced(place, number), _) => {
                if let Some(replaced) = numbers.get_mut(*place) {
                    *replaced = *number;
                }
                Ok(numbers)
            }
            _ => Ok(numbers),
        }
    }
}
