//! The model folder that a command computes with. A translator of another program is imported for this one call.

use std::env;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_formats::{Format, TemporaryFolder};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::CliError;
use crate::import::import_with_bar;
use crate::typed_command;

/// A model folder that is there, or the import of a translator of another program.
pub(crate) struct OpenModel {
    folder: PathBuf,
    /// The folder of the import. It is removed when this is dropped, or by the next import if the program is ended.
    _temporary: Option<TemporaryFolder>,
}

impl OpenModel {
    /// Takes the model folder at `path`. If a translator of another program is there, imports it into a temporary
    /// folder, and tells how to import it once and for all.
    ///
    /// # Errors
    ///
    /// If the translator cannot be imported. Whether a model folder is valid is found when it is loaded.
    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        if !is_foreign(path) {
            return Ok(Self {
                folder: path.to_owned(),
                _temporary: None,
            });
        }
        let source = path.display().to_string();
        eprintln!(
            "{source} is imported for this call; `{}` does so once and for all",
            typed_command(&["import", &source, "--output", "FOLDER"])
        );
        let place = env::temp_dir();
        let temporary =
            TemporaryFolder::create_in(&place).map_err(|error| DataError::write(&place, error))?;
        let folder = temporary.path().join("model");
        import_with_bar(&folder, path, &attend_device::auto()?, |_| ())?;
        Ok(Self {
            folder,
            _temporary: Some(temporary),
        })
    }
}

impl Deref for OpenModel {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.folder
    }
}

/// Returns whether a translator of another program is at a path.
fn is_foreign(path: &Path) -> bool {
    /// What the `config.json` of a model of Hugging Face has, and that of a model folder lacks.
    #[derive(Deserialize)]
    struct HuggingFace {
        #[serde(rename = "model_type")]
        _model_type: IgnoredAny,
    }
    match Format::of(path) {
        // A model folder has weights in a file of the same name.
        Ok(Format::HuggingFace) => {
            let config = fs::read(path.join("config.json")).unwrap_or_default();
            serde_json::from_slice::<HuggingFace>(&config).is_ok()
        }
        format => format.is_ok(),
    }
}
