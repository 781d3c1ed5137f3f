//! Models on the Hugging Face hub, or on a server or in a folder that is laid out as the hub is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::checksum::Checksum;
use super::{DownloadError, Downloader, Mirror, Source, SourceFile, get};
use crate::error::DataError;

/// The address of the public hub.
const SERVER: &str = "https://huggingface.co";
/// The version of a model that is fetched.
const REVISION: &str = "main";
/// The size of the longest list of files that is read. That of a model with a thousand files has 300 KB.
const MOST_BYTES: u64 = 16 << 20;

/// A file in the list of a model's files.
#[derive(Deserialize)]
struct Entry {
    path: String,
    size: u64,
    /// The name of the content in git.
    oid: String,
    /// What a large file has beside it.
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    /// The SHA-256 sum.
    oid: String,
    size: u64,
}

impl Downloader {
    /// Asks the hub for the files of a model, such as `Helsinki-NLP/opus-mt-en-de`. Returns a source of those for whose
    /// names `is_wanted` holds, which [`fetch`](Self::fetch) fetches. Files in folders of the model are left out.
    ///
    /// A mirror is laid out as the hub is: it has the list at `api/models/MODEL/tree/main`, and the files in
    /// `MODEL/resolve/main`.
    ///
    /// # Errors
    /// Returns [`DownloadError::ModelName`] if `model` is not an owner and a name, [`DownloadError::NoModel`] if a
    /// server has no such model, [`DownloadError::List`] if the list is not one that a hub gives, and the other errors
    /// of a [`DownloadError`] if it cannot be fetched.
    pub fn model(&self, model: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Source, DownloadError> {
        check_name(model)?;
        let path = format!("api/models/{model}/tree/{REVISION}");
        let (origin, list) = match &self.mirror {
            Some(Mirror::Folder(folder)) => {
                let path = folder.join(&path);
                (path.display().to_string(), read(&path)?)
            }
            mirror => {
                let server = match mirror {
                    Some(Mirror::Server(server)) => server,
                    _ => SERVER,
                };
                let url = format!("{server}/{path}");
                let list = self.download_list(&url).map_err(|error| match error {
                    // The hub answers 401, so that nobody learns the names of models that are not public.
                    DownloadError::HttpStatus {
                        status: 401 | 404, ..
                    } => DownloadError::NoModel {
                        model: model.to_owned(),
                        server: server.to_owned(),
                    },
                    error => error,
                })?;
                (url, list)
            }
        };
        let entries: Vec<Entry> = serde_json::from_slice(&list).map_err(|error| DownloadError::List {
            origin: origin.clone(),
            reason: error.to_string(),
        })?;
        let files = entries.into_iter().filter(|entry| is_wanted(&entry.path));
        Ok(Source {
            name: model.to_owned(),
            description: format!("the model {model}"),
            license: "see its README.md".to_owned(),
            server: SERVER.to_owned(),
            folder: format!("{model}/resolve/{REVISION}"),
            files: files.filter_map(Entry::file).collect(),
        })
    }

    fn download_list(&self, url: &str) -> Result<Vec<u8>, DownloadError> {
        let response = get(&self.agent(), url, 0)?;
        if !response.status().is_success() {
            return Err(DownloadError::HttpStatus {
                url: url.to_owned(),
                status: response.status().as_u16(),
            });
        }
        let mut list = Vec::new();
        let reader = response.into_body().into_reader();
        reader
            .take(MOST_BYTES)
            .read_to_end(&mut list)
            .map_err(|error| DownloadError::Connection {
                url: url.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(list)
    }
}

impl Entry {
    /// Returns `None` for a file in a folder.
    fn file(self) -> Option<SourceFile> {
        let is_plain = !self.path.is_empty()
            && !self.path.starts_with('.')
            && !self.path.contains(['/', '\\', ':', '?', '#', '%']);
        let (size, checksum) = match self.lfs {
            Some(LargeFile { oid, size }) => (size, Checksum::Sha256(oid)),
            None => (self.size, Checksum::GitBlob(self.oid)),
        };
        is_plain.then(|| SourceFile {
            name: self.path,
            size,
            checksum,
            server: None,
            folder: None,
            members: Vec::new(),
        })
    }
}

/// Checks that a model is named by its owner and its name, of which neither leads to another place of a server.
fn check_name(model: &str) -> Result<(), DownloadError> {
    let is_part = |part: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && part.chars().all(is_allowed) && !part.starts_with('.')
    };
    match model.split_once('/') {
        Some((owner, name)) if is_part(owner) && is_part(name) => Ok(()),
        _ => Err(DownloadError::ModelName {
            model: model.to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DownloadError> {
    let mut list = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut list))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => DownloadError::NotInMirror {
                path: path.to_owned(),
            },
            _ => DataError::read(path, error).into(),
        })?;
    Ok(list)
}
