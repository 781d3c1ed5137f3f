//! Downloads of named corpora, and of models on the Hugging Face hub. A download that was cut off is resumed, and a
//! file is kept only if its checksum is right.

mod archive;
mod checksum;
mod error;
mod hub;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::error::DataError;
use crate::file::part_path;
use archive::{member_name, unpack};

pub use checksum::Checksum;
pub use error::DownloadError;

/// The number of bytes that are read at a time.
const BUFFER: usize = 64 * 1024;

/// A public corpus or model: where its files are, and their checksums.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name by which a user asks for it.
    pub name: String,
    /// What it holds, in a line.
    pub description: String,
    /// What it may be used for.
    pub license: String,
    /// The address of the server, `https://host`.
    pub server: String,
    /// The path of the folder that holds the files, on the server and in a [`Mirror`], with `/` between its parts.
    pub folder: String,
    /// The files. A file may name a server and a folder of its own.
    #[serde(rename = "file")]
    pub files: Vec<SourceFile>,
}

/// A file of a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The name of the file, on the server and on disk.
    pub name: String,
    /// The size of the file in bytes.
    pub size: u64,
    /// The sum of the file.
    #[serde(rename = "sha256")]
    pub checksum: Checksum,
    /// The address of the server, if it is not [`Source::server`].
    pub server: Option<String>,
    /// The folder on the server, if it is not [`Source::folder`].
    pub folder: Option<String>,
    /// The paths of the members to unpack, if the file is a `.tgz` archive. The name of a member on disk is the last
    /// part of its path.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Source {
    /// Returns the corpora of `data/sources.toml`, which is compiled in.
    #[must_use]
    pub fn all() -> &'static [Source] {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sources {
            source: Vec<Source>,
        }
        static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
            toml::from_str(include_str!("../../sources.toml")).expect("sources.toml is well formed")
        });
        &SOURCES.source
    }

    fn server_of<'a>(&'a self, file: &'a SourceFile) -> &'a str {
        file.server.as_ref().unwrap_or(&self.server)
    }

    fn folder_of<'a>(&'a self, file: &'a SourceFile) -> &'a str {
        file.folder.as_ref().unwrap_or(&self.folder)
    }
}

/// A copy of the corpora or of models, from which files are fetched instead of from the public servers. It holds the
/// files of each source in the folder [`Source::folder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// A folder on this machine.
    Folder(PathBuf),
    /// The address of a server, `http://…` or `https://…`, which may have a path.
    Server(String),
}

impl FromStr for Mirror {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.starts_with("http://") || text.starts_with("https://") {
            Self::Server(text.trim_end_matches('/').to_owned())
        } else {
            Self::Folder(text.into())
        })
    }
}

/// How far the download of a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The file is already there, with the right checksum.
    Present,
    /// This many bytes of the file are on disk.
    Bytes(u64),
    /// The file is complete, has the right checksum, and has been renamed.
    Done,
    /// The members of the file are about to be unpacked.
    Unpacking,
}

/// Fetches the files of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloader {
    /// The mirror to fetch from; `None` for the public servers.
    pub mirror: Option<Mirror>,
    /// The maximum time to wait for a server: for a connection, for its answer, and for the next piece of a file.
    pub timeout: Duration,
}

impl Default for Downloader {
    fn default() -> Self {
        Self {
            mirror: None,
            timeout: Duration::from_secs(30),
        }
    }
}

impl Downloader {
    /// Brings every file of `source` into the folder `output`, which is created if needed.
    ///
    /// A file that is already there with the right checksum is not fetched again. Any other file is written under a
    /// temporary name that ends in `.part`, and renamed if its checksum is right. If a call is interrupted, the next
    /// call continues the temporary file, provided that the server supports it. The members of an archive are unpacked
    /// into `output` if the archive is new or a member is missing. `progress` is called with each [`Progress`].
    ///
    /// # Errors
    /// Returns a [`DownloadError`] if a file cannot be fetched, written or unpacked, or if its checksum is wrong.
    pub fn fetch(
        &self,
        source: &Source,
        output: impl AsRef<Path>,
        mut progress: impl FnMut(&SourceFile, Progress),
    ) -> Result<(), DownloadError> {
        let output = output.as_ref();
        fs::create_dir_all(output).map_err(|error| DataError::write(output, error))?;
        for file in &source.files {
            let path = output.join(&file.name);
            let is_present = path.is_file() && file.has_content(&path)?;
            if is_present {
                progress(file, Progress::Present);
            } else {
                let transfer = Transfer {
                    file,
                    part: part_path(&path),
                    progress: &mut progress,
                };
                self.transfer(transfer, source)?;
                fs::rename(part_path(&path), &path).map_err(|error| DataError::write(&path, error))?;
                progress(file, Progress::Done);
            }
            let is_unpacked = |member: &String| output.join(member_name(member)).is_file();
            if !is_present && !file.members.is_empty() || !file.members.iter().all(is_unpacked) {
                progress(file, Progress::Unpacking);
                unpack(&path, &file.members, output)?;
            }
        }
        Ok(())
    }

    fn transfer(&self, transfer: Transfer<'_>, source: &Source) -> Result<(), DownloadError> {
        let file = transfer.file;
        let folder = source.folder_of(file);
        match &self.mirror {
            Some(Mirror::Folder(mirror)) => transfer.copy(&mirror.join(folder).join(&file.name)),
            Some(Mirror::Server(server)) => self.download(transfer, server, folder),
            None => self.download(transfer, source.server_of(file), folder),
        }
    }

    fn download(&self, transfer: Transfer<'_>, server: &str, folder: &str) -> Result<(), DownloadError> {
        let url = format!("{server}/{folder}/{}", transfer.file.name);
        transfer.download(&self.agent(), &url)
    }

    fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.timeout))
            .timeout_connect(Some(self.timeout))
            .timeout_per_read(Some(self.timeout))
            .build()
            .into()
    }
}

impl SourceFile {
    /// Returns whether the file at `path` has the content of this one.
    fn has_content(&self, path: &Path) -> Result<bool, DataError> {
        Ok(self.checksum.of_file(path)? == self.checksum)
    }
}

/// Asks a server for the bytes of `url` from `start` on.
fn get(agent: &Agent, url: &str, start: u64) -> Result<Response<Body>, DownloadError> {
    let mut request = agent.get(url);
    if start > 0 {
        request = request.header(RANGE, format!("bytes={start}-"));
    }
    request.call().map_err(|error| DownloadError::Connection {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

/// A file that is being written under its temporary name.
struct Transfer<'a> {
    file: &'a SourceFile,
    part: PathBuf,
    progress: &'a mut dyn FnMut(&SourceFile, Progress),
}

impl Transfer<'_> {
    /// Copies the file from `origin`.
    fn copy(mut self, origin: &Path) -> Result<(), DownloadError> {
        let read_error = |error| DownloadError::from(DataError::read(origin, error));
        let mut reader = File::open(origin).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DownloadError::NotInMirror {
                path: origin.to_owned(),
            },
            _ => read_error(error),
        })?;
        self.receive(&mut reader, 0, read_error)?;
        self.verify(&origin.display().to_string())
    }

    /// Downloads the file from `url`, and continues the temporary file of an earlier call if there is one.
    fn download(mut self, agent: &Agent, url: &str) -> Result<(), DownloadError> {
        let left = fs::metadata(&self.part).map_or(0, |part| part.len());
        if left > 0 && left <= self.file.size {
            self.download_from(agent, url, left)?;
            if self.file.has_content(&self.part)? {
                return Ok(());
            }
            // The temporary file may belong to another version of the file, so the whole file is downloaded again.
        }
        self.download_from(agent, url, 0)?;
        self.verify(url)
    }

    /// Downloads the bytes from `start` on, or all of them if the server cannot resume.
    fn download_from(&mut self, agent: &Agent, url: &str, start: u64) -> Result<(), DownloadError> {
        if start == self.file.size {
            return Ok(());
        }
        let connection_error = |reason: String| DownloadError::Connection {
            url: url.to_owned(),
            reason,
        };
        let response = get(agent, url, start)?;
        let resumes = response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|range| range.to_str().ok())
            .is_some_and(|range| range.starts_with(&format!("bytes {start}-")));
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if resumes => start,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
                return self.download_from(agent, url, 0);
            }
            status => {
                return Err(DownloadError::HttpStatus {
                    url: url.to_owned(),
                    status: status.as_u16(),
                });
            }
        };
        let mut reader = response.into_body().into_reader();
        let received = self.receive(&mut reader, start, |error| connection_error(error.to_string()))?;
        if received < self.file.size {
            let reason = format!("the server sent {received} of {} bytes", self.file.size);
            return Err(connection_error(reason));
        }
        Ok(())
    }

    /// Cuts the temporary file to its first `start` bytes, appends what `reader` gives, and flushes the file to disk.
    /// Returns the length of the file. Reads at most one byte more than the expected size: one byte too many is enough
    /// to make the checksum wrong.
    fn receive(
        &mut self,
        reader: &mut dyn Read,
        start: u64,
        read_error: impl Fn(io::Error) -> DownloadError,
    ) -> Result<u64, DownloadError> {
        let part = self.part.clone();
        let write_error = |error| DataError::write(&part, error);
        let mut options = OpenOptions::new();
        let mut writer = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(write_error)?;
        writer.set_len(start).map_err(write_error)?;
        writer.seek(SeekFrom::End(0)).map_err(write_error)?;
        let mut length = start;
        let mut reader = reader.take(self.file.size.saturating_add(1).saturating_sub(start));
        let mut buffer = vec![0; BUFFER];
        loop {
            (self.progress)(self.file, Progress::Bytes(length));
            let count = reader.read(&mut buffer).map_err(&read_error)?;
            if count == 0 {
                break;
            }
            writer.write_all(&buffer[..count]).map_err(write_error)?;
            length += count as u64;
        }
        writer.sync_all().map_err(write_error)?;
        Ok(length)
    }

    /// Checks the sum of the temporary file. Removes the file and returns an error if the sum is wrong.
    fn verify(&self, origin: &str) -> Result<(), DownloadError> {
        let expected = &self.file.checksum;
        let found = expected.of_file(&self.part)?;
        if found == *expected {
            return Ok(());
        }
        fs::remove_file(&self.part).map_err(|error| DataError::write(&self.part, error))?;
        Err(DownloadError::WrongChecksum {
            origin: origin.to_owned(),
            expected: expected.clone(),
            found,
        })
    }
}
