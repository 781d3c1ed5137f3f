//! Foreign models as model folders.
//!
//! Thousands of trained translators are in the formats of other programs. [`import`] writes one of them as a model
//! folder, which [`attend_infer::ModelFolder`] loads as it loads one that Attend has trained. [`export`] goes the other
//! way.
//!
//! ```no_run
//! use attend_formats::{Progress, import};
//! use attend_infer::{Model, Precision};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = attend_device::auto()?.device;
//! import("opus-mt-en-de", "models/en-de", &device, |progress| {
//!     if let Progress::Found(found) = progress {
//!         println!("{} with {} layers", found.format, found.config.encoder_layers);
//!     }
//! })?;
//! let model = Model::load("models/en-de", &device, Precision::Float32)?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! |---|---|
//! | `tensors` | files of named tensors, one format a file |
//! | `hugging_face`, `marian`, `ctranslate2`, `argos` | the settings of a format, and its names for the weights |
//! | `weights` | from tensors under foreign names to a `model.safetensors` |
//! | `vocabulary`, `files`, `archive` | the numbers of pieces, and where files come from |
//! | `format` | which format a model has |
//! | `import` | the import as a whole |
//! | `export` | the way back: from a model folder to a model of Hugging Face or CTranslate2 |
//! | `new_folder` | a folder that gets its files when all are complete, and temporary folders |
//!
//! No reader trusts its file: lengths are checked before memory is taken for them, archives are read in memory and
//! never unpacked, and the programs in a pickle are not run.

mod archive;
mod argos;
mod ctranslate2;
mod error;
mod export;
mod files;
mod foreign_model;
mod format;
mod hugging_face;
mod import;
mod marian;
mod new_folder;
pub mod tensors;
mod vocabulary;
mod weights;

pub use error::FormatError;
pub use export::{ExportFormat, Exported, export};
pub use format::Format;
pub use hugging_face::check_hugging_face_config;
pub use import::{Found, Progress, Trial, import};
pub use new_folder::TemporaryFolder;
pub use tensors::WeightType;
