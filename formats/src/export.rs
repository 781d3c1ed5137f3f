//! From a model folder to a model of another program.

mod ctranslate2;
mod hugging_face;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};

use attend_data::{DataError, write_file};
use attend_infer::ModelFolder;
use attend_model::{LayerKind, TransformerConfig};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::error::FormatError;
use crate::files::Files;
use crate::import::notices;
use crate::new_folder::NewFolder;
use crate::tensors::{TensorBytes, WeightType, read_safetensors};

/// The formats in which [`export`] writes a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ExportFormat {
    /// A folder of Hugging Face's transformers: a `MarianMTModel` if the network has post-norm, and a
    /// `PegasusForConditionalGeneration`, which is the same network with pre-norm, if it has pre-norm.
    MarianHf,
    /// A folder of CTranslate2.
    #[serde(rename = "ctranslate2")]
    #[strum(serialize = "ctranslate2")]
    CTranslate2,
}

/// The file of weights that an [`export`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The name of the file.
    pub file: &'static str,
    /// The number of its bytes.
    pub bytes: u64,
}

/// A model folder to be exported.
struct Source {
    path: PathBuf,
    folder: ModelFolder,
    weights: TensorBytes,
}

/// Writes the model folder `folder` in another format as the folder `output`, which must not exist yet or be empty. It
/// gets its files when all are complete. `observe` is called with the number of weights that have been written, and the
/// number of all.
///
/// # Errors
///
/// Returns [`FormatError::OutputExists`] if `output` has files; [`FormatError::NotExportable`] if the format has no
/// place for what the network computes; [`FormatError::Infer`] if `folder` is no folder of a translator; and
/// [`FormatError::Data`] if a file cannot be read or written. Nothing is left at `output` then.
///
/// # Panics
///
/// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
pub fn export(
    folder: impl AsRef<Path>,
    output: impl AsRef<Path>,
    format: ExportFormat,
    weights: WeightType,
    device: &Device,
    mut observe: impl FnMut(u64, u64),
) -> Result<Exported, FormatError> {
    let (path, output) = (folder.as_ref(), output.as_ref());
    NewFolder::require_new(output)?;
    let folder = ModelFolder::load(path, device)?;
    let file = path.join("model.safetensors");
    let bytes = fs::read(&file).map_err(|error| DataError::read(&file, error))?;
    let source = Source {
        path: path.to_owned(),
        folder,
        weights: read_safetensors(&file, bytes)?,
    };
    let found = match format {
        ExportFormat::MarianHf => hugging_face::not_exportable(&source.folder.config, weights),
        ExportFormat::CTranslate2 => ctranslate2::not_exportable(&source.folder.config),
    };
    if let Some(found) = found {
        return Err(FormatError::NotExportable {
            path: source.path,
            format,
            found,
        });
    }
    let new = NewFolder::create(output)?;
    for (name, bytes) in notices(&Files::Folder(source.path.clone()))? {
        write_file(new.path().join(name), bytes)?;
    }
    let file = match format {
        ExportFormat::MarianHf => hugging_face::write(&source, new.path(), weights, &mut observe)?,
        ExportFormat::CTranslate2 => ctranslate2::write(&source, new.path(), weights, &mut observe)?,
    };
    let weights = new.path().join(file);
    let bytes = fs::metadata(&weights)
        .map_err(|error| DataError::read(&weights, error))?
        .len();
    new.finish()?;
    Ok(Exported { file, bytes })
}

/// Returns a kind of layers in a network that neither transformers nor CTranslate2 has; `None` if there is none.
fn other_layers(config: &TransformerConfig) -> Option<String> {
    let mut layers = [
        ("encoder_layer", config.encoder_layer),
        ("decoder_layer", config.decoder_layer),
    ]
    .into_iter();
    let other = layers.find(|(_, kind)| *kind != LayerKind::SelfAttention);
    other.map(|(field, kind)| format!("{field} is \"{kind}\""))
}
