//! Which weights of a model folder become which tensors of a file.

use crate::error::FormatError;
use crate::tensors::{NamedTensor, TensorBytes, TensorFile};

/// The tensors of a file, in the order in which they are written.
pub(super) struct Plan {
    tensors: Vec<Planned>,
    /// The place in the model folder of each of the network's dimensions in the file; `None` if they stay in place.
    order: Option<Vec<usize>>,
}

struct Planned {
    name: String,
    shape: Vec<usize>,
    content: Content,
}

enum Content {
    /// Weights of the model folder, whose rows follow each other, and which of their sides are `d_model` wide.
    Weights(Vec<String>, Side),
    /// Numbers that the model folder does not have.
    Numbers(Vec<f32>),
}

/// Which side of a weight belongs to the `d_model` dimensions of the network, which an export may reorder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// None: the weight is within a sub-layer.
    None,
    /// The rows of a matrix, which give an output, or the numbers of a vector.
    Rows,
    /// The columns of a matrix, which read an input.
    Columns,
}

impl Plan {
    pub(super) fn new(order: Option<Vec<usize>>) -> Self {
        Self {
            tensors: Vec::new(),
            order,
        }
    }

    /// Adds the tensor `name` of this shape, which has the rows of `weights` one after the other. Rows that the shape
    /// has no place for are left out.
    pub(super) fn add(&mut self, name: &str, shape: &[usize], weights: &[String], side: Side) {
        self.tensors.push(Planned {
            name: name.to_owned(),
            shape: shape.to_vec(),
            content: Content::Weights(weights.to_vec(), side),
        });
    }

    /// Adds a tensor of numbers that the model folder does not have.
    pub(super) fn add_numbers(&mut self, name: &str, shape: &[usize], numbers: Vec<f32>) {
        self.tensors.push(Planned {
            name: name.to_owned(),
            shape: shape.to_vec(),
            content: Content::Numbers(numbers),
        });
    }

    /// Returns the names and the shapes of all tensors.
    pub(super) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let tensors = self.tensors.iter();
        tensors
            .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
            .collect()
    }

    /// Returns the tensors, each of which is read from `file` when it is its turn. `observe` is called before that with
    /// the number of weights that came before, and the number of all.
    pub(super) fn tensors(
        &self,
        file: &TensorBytes,
        observe: &mut impl FnMut(u64, u64),
    ) -> impl Iterator<Item = Result<NamedTensor, FormatError>> {
        let count = |tensor: &Planned| tensor.shape.iter().product::<usize>() as u64;
        let all = self.tensors.iter().map(count).sum();
        let mut written = 0;
        self.tensors.iter().map(move |tensor| {
            observe(written, all);
            written += count(tensor);
            Ok(NamedTensor {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                numbers: self.numbers(tensor, file)?,
            })
        })
    }

    fn numbers(&self, tensor: &Planned, file: &TensorBytes) -> Result<Vec<f32>, FormatError> {
        let (weights, side) = match &tensor.content {
            Content::Numbers(numbers) => return Ok(numbers.clone()),
            Content::Weights(weights, side) => (weights, *side),
        };
        let mut numbers = Vec::new();
        for weight in weights {
            let read = file.read(weight)?;
            numbers.extend(match &self.order {
                Some(order) => reordered(&read, order, side),
                None => read,
            });
        }
        numbers.truncate(tensor.shape.iter().product());
        Ok(numbers)
    }
}

/// Returns the numbers of a weight with its rows or columns in another order.
fn reordered(numbers: &[f32], order: &[usize], side: Side) -> Vec<f32> {
    let width = order.len();
    match side {
        Side::None => numbers.to_vec(),
        Side::Rows => {
            let row = numbers.len() / width;
            let rows = order
                .iter()
                .flat_map(|place| &numbers[place * row..(place + 1) * row]);
            rows.copied().collect()
        }
        Side::Columns => {
            let rows = numbers.chunks(width);
            rows.flat_map(|row| order.iter().map(|place| row[*place]))
                .collect()
        }
    }
}
