//! The weights of a network as a safetensors file, with the names and the layout of PyTorch.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use attend_data::{DataError, write_file};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo};

use crate::error::InferError;

/// The name of the numbers that are added to logits, one for each token.
const OUTPUT_BIAS: &str = "output_bias";

/// Writes the weights of a network to a file. The file is replaced as a whole or not at all.
pub(crate) fn save(model: &impl Module, path: &Path) -> Result<(), InferError> {
    // The store writes the entries of its metadata in random order. With only the entry that PyTorch's loaders need,
    // equal weights give equal files.
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

/// Reads the weights of a network from a file, and returns the network with them.
///
/// # Errors
///
/// Returns [`InferError::Data`] if the file cannot be read, [`InferError::InvalidWeights`] if it is not a whole
/// safetensors file, [`InferError::WeightsMismatch`] if its tensors do not fit the network, and
/// [`InferError::NotFinite`] if a weight is infinite or NaN. Only a number of the output's bias may be negative
/// infinity, by which its token is never predicted.
pub(crate) fn load<N: Module>(model: N, path: &Path) -> Result<N, InferError> {
    let mut reader = WeightReader::open(path)?;
    let model = model.map(&mut reader);
    reader.finish()?;
    Ok(model)
}

/// Reads each weight of a network from a file, and remembers the first failure.
///
/// Burn's own reader copies each weight three times, and would take most of the time before a first translation.
struct WeightReader {
    path: PathBuf,
    file: File,
    /// The byte offset in the file at which the numbers begin.
    start: u64,
    /// The tensors of the file that have not been read yet, by name.
    tensors: HashMap<String, TensorInfo>,
    /// The name of each module around the weight that is being visited, the outermost first, and the type of the module
    /// that contains it.
    modules: Vec<(String, String)>,
    failure: Option<InferError>,
}

impl WeightReader {
    /// Opens the file and reads its header.
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

    /// Reads the weight that is being visited. `shape` is its shape in the network.
    fn read<const D: usize>(&mut self, shape: &[usize], device: &Device) -> Result<Tensor<D>, InferError> {
        let (names, kinds): (Vec<&str>, Vec<&str>) = self
            .modules
            .iter()
            .map(|(name, kind)| (name_in_file(name), kind.as_str()))
            .unzip();
        let name = names.join(".");
        // The weight of a linear layer is [out, in] in PyTorch and [in, out] in Burn.
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
        // Numbers of 16 and 64 bits become 32 bits, so that all weights have one width.
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
        let may_exclude = name == OUTPUT_BIAS;
        let is_valid = |number: f32| number.is_finite() | (may_exclude & (number == f32::NEG_INFINITY));
        // Without an early exit, so that the compiler vectorizes it.
        if !numbers.iter().fold(true, |all, &number| all & is_valid(number)) {
            return Err(InferError::NotFinite {
                path: self.path.clone(),
                tensor: name,
            });
        }
        let tensor = Tensor::from_data(TensorData::new(numbers, expected), device);
        // Swapping dimensions moves no number.
        Ok(if is_transposed {
            tensor.swap_dims(0, D - 1)
        } else {
            tensor
        })
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Returns the first failure, or [`InferError::WeightsMismatch`] if the file has a tensor that the network lacks.
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

/// Returns the name that PyTorch, and so the file, has for a part of a module. Burn names the parts of its norms
/// differently.
fn name_in_file(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        name => name,
    }
}

/// Reads numbers of type `dtype` from the `bytes` bytes of the file that begin at the offset `start`. Returns them as
/// 32-bit numbers.
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
