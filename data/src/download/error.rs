//! What can go wrong with a download.

use std::path::PathBuf;

use super::Checksum;
use crate::error::DataError;
use crate::file::located;

/// An error of a download. The message is one sentence that names the file or the address.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file or folder could not be read or written.
    #[error(transparent)]
    File(#[from] DataError),
    /// The folder that serves as a mirror lacks a file.
    #[error("the mirror has no file {}", located(path))]
    NotInMirror {
        /// The path of the missing file in the mirror.
        path: PathBuf,
    },
    /// An archive lacks a member that is to be unpacked.
    #[error("the archive {} has no file {member}", path.display())]
    NotInArchive {
        /// The archive.
        path: PathBuf,
        /// The path of the member in the archive.
        member: String,
    },
    /// A server could not be reached, or stopped answering.
    #[error("cannot download {url}: {reason}")]
    Connection {
        /// The address of the file.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A server answered a request with an error.
    #[error("cannot download {url}: the server answered with HTTP status {status}")]
    HttpStatus {
        /// The address of the file.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// A server has no model of a name, or does not show it to everybody.
    #[error("there is no public model {model} on {server}")]
    NoModel {
        /// The name of the model.
        model: String,
        /// The address of the server.
        server: String,
    },
    /// A fetched file has another checksum than the expected one.
    #[error("{origin} has the wrong content: expected {} {}, found {}", expected.kind(), expected.sum(), found.sum())]
    WrongChecksum {
        /// Where the file came from: an address or a path.
        origin: String,
        /// The sum that the file must have.
        expected: Checksum,
        /// The sum of the file that came.
        found: Checksum,
    },
    /// A model is not named as those on the hub are.
    #[error(
        "{model:?} is no name of a model: it must be an owner and a name, as in Helsinki-NLP/opus-mt-en-de"
    )]
    ModelName {
        /// The name as it was given.
        model: String,
    },
    /// The list of a model's files is not one that a hub gives.
    #[error("{origin} is no list of a model's files: {reason}")]
    List {
        /// Where the list came from: an address or a path.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
}
