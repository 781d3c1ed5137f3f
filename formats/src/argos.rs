//! Packages of Argos Translate: a translator of CTranslate2, its SentencePiece model and its languages.

use std::cell::RefCell;
use std::rc::Rc;

use attend_infer::search::SearchOptions;
use attend_infer::{Language, Languages};
use serde::Deserialize;

use crate::archive::Archive;
use crate::ctranslate2;
use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::Format;

pub(crate) const FORMAT: &str = "Argos Translate";
const METADATA: &str = "metadata.json";
const PIECES: &str = "sentencepiece.model";

/// The exponent of the length penalty with which Argos Translate searches.
const LENGTH_PENALTY: f32 = 0.2;

/// A `metadata.json`.
#[derive(Deserialize)]
struct Metadata {
    from_code: Option<String>,
    to_code: Option<String>,
}

/// Returns the files of a package, which are in the only folder of its archive or outside of any.
///
/// # Errors
///
/// Returns [`FormatError::Missing`] if the archive has no `metadata.json`, and the errors of [`Archive`].
pub(crate) fn files(archive: Archive) -> Result<Files, FormatError> {
    let names = archive.names()?;
    let folders = names.iter().filter_map(|name| name.strip_suffix(METADATA));
    let folder = folders
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .min_by_key(|folder| folder.len());
    let missing = || FormatError::Missing {
        path: archive.path().to_owned(),
        missing: format!("{METADATA}, which names its languages"),
    };
    let folder = folder.ok_or_else(missing)?.to_owned();
    Ok(Files::Archive {
        archive: Rc::new(RefCell::new(archive)),
        folder,
    })
}

/// Reads the model of a package.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the package cuts text without SentencePiece or its network computes what
/// Attend's do not; and an error that names the file if one is missing, damaged or contradicts another.
pub(crate) fn read(files: &Files) -> Result<ForeignModel, FormatError> {
    let metadata: Metadata = files.json(METADATA, "which names the languages")?;
    if files.read_if_present(PIECES)?.is_none() && files.read_if_present("bpe.model")?.is_some() {
        return Err(FormatError::Unsupported {
            path: files.path("bpe.model"),
            found: "it cuts text by rules of another program".to_owned(),
            supported: "packages with a sentencepiece.model are read",
        });
    }
    let pieces = files.pieces(PIECES, "which cuts text into pieces")?;
    let model = ctranslate2::read_with(&files.folder_in("model"), pieces.clone(), pieces)?;
    let language = |code: Option<String>| code.and_then(|code| code.parse::<Language>().ok());
    Ok(ForeignModel {
        format: Format::Argos,
        languages: Languages {
            source: language(metadata.from_code),
            target: language(metadata.to_code),
        },
        generation: SearchOptions {
            beam_size: 4,
            length_penalty: LENGTH_PENALTY,
            ..model.generation
        },
        ..model
    })
}
