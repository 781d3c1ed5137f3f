//! Unpacking members of a `.tgz` archive.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::DownloadError;
use crate::error::DataError;
use crate::file::OutputFile;

/// Unpacks members of an archive into the folder `output`. `members` are paths in the archive. The name of each file is
/// the last part of its path. A file is written under a temporary name and then renamed, so that a file with its final
/// name is complete.
///
/// # Errors
/// Returns [`DownloadError::NotInArchive`] if the archive lacks a member, and [`DownloadError::File`] if the archive
/// cannot be read or a file cannot be written.
pub(super) fn unpack(archive: &Path, members: &[String], output: &Path) -> Result<(), DownloadError> {
    let read_error = |error| DataError::read(archive, error);
    let file = BufReader::new(File::open(archive).map_err(read_error)?);
    let mut reader = tar::Archive::new(MultiGzDecoder::new(file));
    let mut missing: Vec<&String> = members.iter().collect();
    for entry in reader.entries().map_err(read_error)? {
        let mut entry = entry.map_err(read_error)?;
        let name = entry.path().map_err(read_error)?;
        let name = name.strip_prefix("./").unwrap_or(&name);
        let Some(index) = missing.iter().position(|member| Path::new(member) == name) else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = output.join(member_name(missing.swap_remove(index)));
        write(&mut entry, archive, &path)?;
        // The rest of the archive holds other languages. Reading it would take minutes.
        if missing.is_empty() {
            break;
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(member) => Err(DownloadError::NotInArchive {
            path: archive.to_owned(),
            member: (*member).clone(),
        }),
    }
}

/// Returns the name of an archive's member on disk.
pub(super) fn member_name(member: &str) -> &str {
    member.rsplit('/').next().unwrap_or(member)
}

fn write(entry: &mut impl Read, archive: &Path, path: &Path) -> Result<(), DataError> {
    let mut output = OutputFile::create(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = entry
            .read(&mut buffer)
            .map_err(|error| DataError::read(archive, error))?;
        if count == 0 {
            return output.finish();
        }
        output
            .write_all(&buffer[..count])
            .map_err(|error| DataError::write(path, error))?;
    }
}
