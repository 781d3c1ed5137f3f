//! The weights of a network as a safetensors file, named and laid out as PyTorch does.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use attend_data::{DataError, write_file};
use attend_model::Transformer;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo};

use crate::error::InferError;

/// Writes the file, which is replaced whole or not at all.
pub(crate) fn save(model: &Transformer, path: &Path) -> Result<(), InferError> {
    // One entry of metadata, the one that PyTorch's loaders ask for: the store writes several in random order, and the
    // same weights would not give the same file.
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(BurnToPyTorchAdapter);
    let bytes = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| DataError::write(path, io::Error::other(error)))?;
    Ok(write_file(path, bytes)?)
}

/// The network with the weights of the file in place of its own. The store that writes files copies each weight three
/// times to read it, which takes longer than all else that comes before a first translation.
pub(crate) fn load(model: Transformer, path: &Path) -> Result<Transformer, InferError> {
    let mut reader = WeightReader::open(path)?;
    let model = model.map(&mut reader);
    reader.finish()?;
    Ok(model)
}

/// Gives each weight of a network its numbers in a file, and remembers the first that it cannot give.
struct WeightReader {
    path: PathBuf,
    file: File,
    /// Where the numbers begin in the file.
    start: u64,
    /// The tensors that have not been asked for.
    tensors: HashMap<String, TensorInfo>,
    /// The names of the module that is being visited and of those around it, each with the kind of what holds it.
    modules: Vec<(String, String)>,
    failure: Option<InferError>,
}

impl WeightReader {
    /// Reads the file's head.
    fn open(path: &Path) -> Result<Self, InferError> {
        let unreadable = |error| DataError::read(path, error);
        let invalid = |reason: String| InferError::InvalidWeights {
            path: path.to_owned(),
            reason,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut head_length = [0; 8];
        if length < 8 {
            return Err(invalid(SafeTensorError::HeaderTooSmall.to_string()));
        }
        file.read_exact(&mut head_length).map_err(unreadable)?;
        let head_length = u64::from_le_bytes(head_length);
        if head_length > length - 8 {
            return Err(invalid(SafeTensorError::InvalidHeaderLength.to_string()));
        }
        let mut head = vec![0; head_length as usize];
        file.read_exact(&mut head).map_err(unreadable)?;
        let head: Metadata = serde_json::from_slice(&head).map_err(|error| invalid(error.to_string()))?;
        let start = 8 + head_length;
        if start + head.data_len() as u64 != length {
            return Err(invalid(SafeTensorError::MetadataIncompleteBuffer.to_string()));
        }
        let tensors = head.tensors().into_iter();
        Ok(Self {
            path: path.to_owned(),
            file,
            start,
            tensors: tensors.map(|(name, info)| (name, info.clone())).collect(),
            modules: Vec::new(),
            failure: None,
        })
    }

    /// The weight that is being visited, `shape` as the network has it.
    fn read<const D: usize>(&mut self, shape: &[usize], device: &Device) -> Result<Tensor<D>, InferError> {
        let (names, kinds): (Vec<&str>, Vec<&str>) = self
            .modules
            .iter()
            .map(|(name, kind)| (name_in_file(name), kind.as_str()))
            .unzip();
        let name = names.join(".");
        // A linear layer of PyTorch has a row for each output.
        let is_transposed = kinds.last() == Some(&"Struct:Linear") && shape.len() == 2;
        let mismatch = |reason| InferError::WeightsMismatch {
            path: self.path.clone(),
            reason,
        };
        let Some(TensorInfo {
            dtype,
            shape: found,
            data_offsets: (start, end),
        }) = self.tensors.remove(&name)
        else {
            return Err(mismatch(format!("the tensor {name} is missing")));
        };
        let mut expected = shape.to_vec();
        if is_transposed {
            expected.reverse();
        }
        if found != expected {
            return Err(mismatch(format!(
                "the tensor {name} has the shape {found:?}, not {expected:?}"
            )));
        }
        // A half-precision file is widened: the network computes in 32 bits, and never with two widths at once.
        let dtype = match dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => {
                let reason =
                    format!("the tensor {name} is of type {dtype:?}, which is no floating-point number");
                return Err(mismatch(reason));
            }
        };
        let numbers = numbers(&mut self.file, self.start + start as u64, end - start, dtype)
            .map_err(|error| DataError::read(&self.path, error))?;
        // Without an early end, so that many are looked at together.
        if !numbers.iter().fold(true, |all, number| all & number.is_finite()) {
            return Err(InferError::NotFinite {
                path: self.path.clone(),
                tensor: name,
            });
        }
        let tensor = Tensor::from_data(TensorData::new(numbers, expected), device);
        Ok(match is_transposed {
            // No number is moved.
            true => tensor.swap_dims(0, D - 1),
            false => tensor,
        })
    }

    /// What could not be given, if anything, or is left over.
    fn finish(self) -> Result<(), InferError> {
        match (self.failure, self.tensors.keys().min()) {
            (Some(failure), _) => Err(failure),
            (None, Some(name)) => Err(InferError::WeightsMismatch {
                reason: format!("it has a tensor {name} that the model lacks"),
                path: self.path,
            }),
            (None, None) => Ok(()),
        }
    }
}

impl ModuleMapper for WeightReader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.modules.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.modules.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failure.is_some() {
            return param;
        }
        let (shape, device, id) = (param.lazy_shape(), param.lazy_device(), param.id);
        match self.read(&shape, &device) {
            Ok(tensor) => param.transform_for_load(tensor, id),
            Err(failure) => {
                self.failure = Some(failure);
                param
            }
        }
    }
}

/// What PyTorch, and so the file, calls a part of a module: the norms' have other names in Burn.
fn name_in_file(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        name => name,
    }
}

/// So many bytes of the file from `start` on, as 32-bit numbers.
fn numbers(file: &mut File, start: u64, bytes: usize, dtype: DType) -> io::Result<Vec<f32>> {
    file.seek(SeekFrom::Start(start))?;
    if dtype == DType::F32 && cfg!(target_endian = "little") {
        let mut numbers = vec![0.0_f32; bytes / size_of::<f32>()];
        file.read_exact(bytemuck::cast_slice_mut(&mut numbers))?;
        return Ok(numbers);
    }
    let mut content = vec![0; bytes];
    file.read_exact(&mut content)?;
    let count = bytes / dtype.size();
    let data = TensorData::from_bytes_vec(content, [count], dtype).convert_dtype(DType::F32);
    data.try_into_vec().map_err(io::Error::other)
}
