//! What can go wrong with a download.

use std::path::PathBuf;

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
    /// A fetched file has another checksum than the expected one.
    #[error("{origin} has the wrong content: expected SHA-256 {expected}, found {found}")]
    WrongChecksum {
        /// Where the file came from: an address or a path.
        origin: String,
        /// The sum that the entry of the corpus gives, in hexadecimal.
        expected: String,
        /// The sum of the file that came, in hexadecimal.
        found: String,
    },
}
