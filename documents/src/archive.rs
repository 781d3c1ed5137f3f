//! Zip archives whose makers are not trusted.

use std::collections::HashMap;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use zip::result::ZipError;
use zip::{ZipArchive, ZipWriter};

use crate::{DocumentError, DocumentKind};

/// The maximum number of bytes of all members that are unpacked.
const MOST_BYTES: u64 = 64 << 20;

/// The number of times that a document may grow when it is unpacked. XML shrinks by compression to a tenth, and that of
/// long tables to a hundredth.
const MOST_GROWTH: u64 = 200;

/// The number of bytes up to which a document may grow by any factor.
const FEW_BYTES: u64 = 1 << 20;

/// A zip archive in memory. Nothing is unpacked but the members that are read.
#[derive(Debug)]
pub(crate) struct Archive {
    archive: ZipArchive<Cursor<Arc<[u8]>>>,
    kind: DocumentKind,
    /// The maximum number of bytes of all members that are unpacked.
    limit: u64,
    /// The number of bytes that have been unpacked.
    unpacked: u64,
}

impl Archive {
    /// Opens an archive and checks the names and places of its members.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Damaged`] if the bytes are no zip archive, or have two members of the same name; and
    /// [`DocumentError::Trap`] if members overlap or have names that lead out of a folder.
    pub(crate) fn open(bytes: &[u8], kind: DocumentKind) -> Result<Self, DocumentError> {
        let damaged = |reason: &str| DocumentError::Damaged {
            kind,
            reason: reason.to_owned(),
        };
        let of_zip = |error: ZipError| damaged(&error.to_string());
        if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
            return Err(damaged(
                "it is an OLE file, as encrypted documents and those of Word 97 are",
            ));
        }
        if !bytes.starts_with(b"PK") {
            return Err(damaged("it is no zip archive"));
        }
        let mut archive = ZipArchive::new(Cursor::new(Arc::from(bytes))).map_err(of_zip)?;
        if archive.has_duplicate_names() {
            return Err(damaged("it has two members of the same name"));
        }
        if archive.has_overlapping_entries().map_err(of_zip)? {
            return Err(DocumentError::Trap {
                reason: "its members share bytes, so that it would grow when it is copied".to_owned(),
            });
        }
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).map_err(of_zip)?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            if member.enclosed_name().is_none() || name.split(['/', '\\']).any(|part| part == "..") {
                return Err(DocumentError::Trap {
                    reason: format!("its member {name:?} would be outside of a folder"),
                });
            }
        }
        let limit = MOST_BYTES.min(FEW_BYTES.max((bytes.len() as u64).saturating_mul(MOST_GROWTH)));
        Ok(Self {
            archive,
            kind,
            limit,
            unpacked: 0,
        })
    }

    /// Returns the number of the member of this name, or `None` if there is none.
    pub(crate) fn member(&self, name: &str) -> Option<usize> {
        self.archive.index_for_name(name)
    }

    /// Unpacks a member that is text.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Damaged`] if the member cannot be unpacked, [`DocumentError::Encoding`] if it is not
    /// UTF-8, and [`DocumentError::Trap`] if the members that were unpacked are too long together.
    pub(crate) fn read(&mut self, member: usize) -> Result<String, DocumentError> {
        let name = self.name(member);
        let rest = self.limit - self.unpacked;
        let mut bytes = Vec::new();
        let read = self.archive.by_index(member).map_err(|error| error.to_string());
        let read = read.and_then(|member| {
            // A byte more than is allowed shows that there is more. What the archive claims about the length is not asked.
            let mut member = member.take(rest + 1);
            member.read_to_end(&mut bytes).map_err(|error| error.to_string())
        });
        read.map_err(|reason| self.damaged(&format!("its member {name}: {reason}")))?;
        if bytes.len() as u64 > rest {
            return Err(DocumentError::Trap {
                reason: format!(
                    "its text would take more than {} bytes, {} times those of the file, or more than {} MiB",
                    self.limit,
                    MOST_GROWTH,
                    MOST_BYTES >> 20
                ),
            });
        }
        self.unpacked += bytes.len() as u64;
        String::from_utf8(bytes).map_err(|_| DocumentError::Encoding {
            reason: format!("its member {name} has other bytes"),
        })
    }

    /// Returns the name of a member.
    pub(crate) fn name(&self, member: usize) -> String {
        let name = self.archive.name_for_index(member).and_then(Result::ok);
        name.map_or_else(|| format!("number {member}"), |name| name.into_owned())
    }

    /// Returns an error about this document.
    pub(crate) fn damaged(&self, reason: &str) -> DocumentError {
        DocumentError::Damaged {
            kind: self.kind,
            reason: reason.to_owned(),
        }
    }

    /// Returns an archive with new text in place of that of some members, which are given by their numbers. All others
    /// are copied as they are packed.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Pack`] if a member cannot be copied or packed.
    pub(crate) fn write(&self, changed: &HashMap<usize, String>) -> Result<Vec<u8>, DocumentError> {
        // The copy shares the bytes, and has its own place in them.
        let mut archive = self.archive.clone();
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let mut pack = || {
            writer.set_raw_comment(archive.comment().into())?;
            for member in 0..archive.len() {
                let old = archive.by_index_raw(member)?;
                match changed.get(&member) {
                    None => writer.raw_copy_file(old)?,
                    Some(text) => {
                        let (name, options) = (old.name()?.into_owned(), old.options());
                        writer.start_file(name, options)?;
                        writer.write_all(text.as_bytes())?;
                    }
                }
            }
            Ok::<_, ZipError>(())
        };
        pack().map_err(|error| DocumentError::Pack {
            reason: error.to_string(),
        })?;
        let packed = writer.finish().map_err(|error| DocumentError::Pack {
            reason: error.to_string(),
        })?;
        Ok(packed.into_inner())
    }
}
