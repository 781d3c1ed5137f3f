//! Named corpora and their downloads: resumed where they stopped, kept only when their checksums are right.

pub(crate) mod archive;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use crate::download::archive::{member_name, unpack};
use crate::error::DataError;
use crate::file::part_path;

/// How many bytes are read at a time.
const BUFFER: usize = 64 * 1024;

/// A public corpus: where its files are and how to recognise them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What the command line calls it.
    pub name: String,
    /// What it holds, in a line.
    pub description: String,
    /// What it may be used for.
    pub license: String,
    /// The address of the server, `https://host`.
    pub server: String,
    /// The folder on the server, and under a [`Mirror`]: names joined by `/`.
    pub folder: String,
    /// The files in that folder, unless a file says otherwise.
    #[serde(rename = "file")]
    pub files: Vec<SourceFile>,
}

/// One file of a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its name, on the server and on disk.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 sum of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// The address of its server, where that is not [`Source::server`].
    pub server: Option<String>,
    /// Its folder there, where that is not [`Source::folder`].
    pub folder: Option<String>,
    /// Of a `.tgz` archive, the files to unpack, by their paths in it. On disk they have the last part of these.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Source {
    /// The corpora of `sources.toml`, which is compiled in.
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

/// Another place that holds the files of a source, each under the source's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// A folder on this machine.
    Folder(PathBuf),
    /// The address of a server, `http://…` or `https://…`, possibly with a path.
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

/// What a download has to tell about a file while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The file was there already, complete and right.
    Present,
    /// So many bytes of it are on disk.
    Bytes(u64),
    /// It is complete, right and in its place.
    Done,
    /// Its members are about to be unpacked.
    Unpacking,
}

/// Fetches the files of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloader {
    /// Where to fetch from in place of the source's own server.
    pub mirror: Option<Mirror>,
    /// How long a server may stay silent: while connecting, before it answers, and between two pieces of a file.
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
    /// Brings every file of `source` into the folder `output`, which is created where needed.
    ///
    /// A file that is there with the right checksum is left alone. Any other is built under a temporary name
    /// ending in `.part`, which the next call goes on with if this one is cut off and the server can resume, and
    /// takes its final name only when its checksum is right. The members of an archive are unpacked beside it when
    /// it has come anew or one of them is missing. `progress` hears of every step.
    ///
    /// # Errors
    /// The output cannot be written, the place to fetch from cannot be reached or lacks the file, or what it
    /// holds has the wrong checksum, or an archive lacks a member.
    pub fn fetch(
        &self,
        source: &Source,
        output: impl AsRef<Path>,
        mut progress: impl FnMut(&SourceFile, Progress),
    ) -> Result<(), DataError> {
        let output = output.as_ref();
        fs::create_dir_all(output).map_err(|error| DataError::write(output, error))?;
        for file in &source.files {
            let path = output.join(&file.name);
            let is_present = path.is_file() && checksum(&path)? == file.sha256;
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

    fn transfer(&self, transfer: Transfer<'_>, source: &Source) -> Result<(), DataError> {
        let file = transfer.file;
        let folder = source.folder_of(file);
        match &self.mirror {
            Some(Mirror::Folder(mirror)) => transfer.copy(&mirror.join(folder).join(&file.name)),
            Some(Mirror::Server(server)) => self.download(transfer, server, folder),
            None => self.download(transfer, source.server_of(file), folder),
        }
    }

    fn download(&self, transfer: Transfer<'_>, server: &str, folder: &str) -> Result<(), DataError> {
        let url = format!("{server}/{folder}/{}", transfer.file.name);
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.timeout))
            .timeout_connect(Some(self.timeout))
            .timeout_per_read(Some(self.timeout))
            .build()
            .into();
        transfer.download(&agent, &url)
    }
}

/// One file on its way to its temporary name.
struct Transfer<'a> {
    file: &'a SourceFile,
    part: PathBuf,
    progress: &'a mut dyn FnMut(&SourceFile, Progress),
}

impl Transfer<'_> {
    /// Copies the file from `origin`.
    fn copy(mut self, origin: &Path) -> Result<(), DataError> {
        let mut reader = File::open(origin).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DataError::NotInMirror {
                path: origin.to_owned(),
            },
            _ => DataError::read(origin, error),
        })?;
        self.receive(&mut reader, 0, |error| DataError::read(origin, error))?;
        self.verify(&origin.display().to_string())
    }

    /// Downloads the file from `url`, going on with what an earlier call left.
    fn download(mut self, agent: &Agent, url: &str) -> Result<(), DataError> {
        let left = fs::metadata(&self.part).map_or(0, |part| part.len());
        if left > 0 && left <= self.file.size {
            self.download_from(agent, url, left)?;
            if checksum(&self.part)? == self.file.sha256 {
                return Ok(());
            }
            // What was left may be of another version of the file: only a fresh copy can tell.
        }
        self.download_from(agent, url, 0)?;
        self.verify(url)
    }

    /// Downloads the bytes from `start` on; all of them where the server cannot resume.
    fn download_from(&mut self, agent: &Agent, url: &str, start: u64) -> Result<(), DataError> {
        if start == self.file.size {
            return Ok(());
        }
        let download_error = |reason: String| DataError::Download {
            url: url.to_owned(),
            reason,
        };
        let mut request = agent.get(url);
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = request
            .call()
            .map_err(|error| download_error(error.to_string()))?;
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
                return Err(DataError::HttpStatus {
                    url: url.to_owned(),
                    status: status.as_u16(),
                });
            }
        };
        let mut reader = response.into_body().into_reader();
        let received = self.receive(&mut reader, start, |error| download_error(error.to_string()))?;
        if received < self.file.size {
            let reason = format!("the server sent {received} of {} bytes", self.file.size);
            return Err(download_error(reason));
        }
        Ok(())
    }

    /// Writes what `reader` gives behind the first `start` bytes of the temporary file, flushes it to disk and
    /// returns the file's length. Reads no more than one byte beyond the expected size: enough to be wrong.
    fn receive(
        &mut self,
        reader: &mut dyn Read,
        start: u64,
        read_error: impl Fn(io::Error) -> DataError,
    ) -> Result<u64, DataError> {
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
        let mut reader = reader.take(self.file.size + 1 - start);
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

    /// Checks the temporary file, and removes it when it is wrong.
    fn verify(&self, origin: &str) -> Result<(), DataError> {
        let found = checksum(&self.part)?;
        if found == self.file.sha256 {
            return Ok(());
        }
        fs::remove_file(&self.part).map_err(|error| DataError::write(&self.part, error))?;
        Err(DataError::WrongChecksum {
            origin: origin.to_owned(),
            expected: self.file.sha256.clone(),
            found,
        })
    }
}

/// The SHA-256 sum of a file in lower-case hexadecimal.
fn checksum(path: &Path) -> Result<String, DataError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(|error| DataError::read(path, error))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
