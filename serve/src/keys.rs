//! The file of keys, by which clients show who they are.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::files::unguessable;

/// The keys that a server takes, as they are in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    path: PathBuf,
    keys: Vec<Key>,
}

/// A key, without the key itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The name of whoever has the key.
    pub(crate) name: String,
    /// The SHA-256 of the key, as hexadecimal digits.
    pub(crate) sha256: String,
    /// The most characters that are translated for the key.
    pub(crate) characters: Option<u64>,
    /// The most requests in a minute.
    pub(crate) requests_per_minute: Option<NonZeroU32>,
}

/// The content of a file of keys.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    key: Vec<Key>,
}

/// A file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file has something else than keys.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A new key is to have the name of another one.
    #[error("{} has a key of the name {name:?} already", path.display())]
    NameTaken {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl Keys {
    /// Reads the keys of a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not valid.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let text = fs::read_to_string(path).map_err(|error| KeysError::Read {
            path: path.to_owned(),
            error,
        })?;
        Ok(Self {
            path: path.to_owned(),
            keys: parse(path, &text)?,
        })
    }

    /// Returns the keys that the file has now.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not valid.
    pub(crate) fn read_anew(&self) -> Result<Self, KeysError> {
        Self::read(&self.path)
    }

    pub(crate) fn as_slice(&self) -> &[Key] {
        &self.keys
    }

    /// Makes a key at random, and adds it to a file, which is made if it is not there. Returns the key, which the file
    /// does not have: it has the SHA-256 of it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is not valid, or has a key of this name; or if the system gives no random
    /// numbers.
    pub fn add(path: &Path, name: &str) -> Result<String, KeysError> {
        let write = |error| KeysError::Write {
            path: path.to_owned(),
            error,
        };
        let mut text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| KeysError::Read {
                path: path.to_owned(),
                error,
            })?,
        };
        if parse(path, &text)?.iter().any(|key| key.name == name) {
            return Err(KeysError::NameTaken {
                path: path.to_owned(),
                name: name.to_owned(),
            });
        }
        let key = unguessable().map_err(write)?;
        let added = KeysFile {
            key: vec![Key {
                name: name.to_owned(),
                sha256: sha256(&key),
                characters: None,
                requests_per_minute: None,
            }],
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text += &toml::to_string(&added).expect("a key has strings and numbers");
        parse(path, &text)?;
        // Only this user may read the file, and a server that reads it meanwhile finds the old or the new one.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(write)?;
        file.write_all(text.as_bytes()).map_err(write)?;
        file.as_file().sync_all().map_err(write)?;
        file.persist(path).map_err(|error| write(error.error))?;
        Ok(key)
    }
}

/// Reads the keys in the text of a file.
fn parse(path: &Path, text: &str) -> Result<Vec<Key>, KeysError> {
    let invalid = |reason: String| KeysError::Invalid {
        path: path.to_owned(),
        reason,
    };
    let KeysFile { mut key } = toml::from_str(text).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text[..start].matches('\n').count();
        invalid(format!("line {line}: {}", error.message()))
    })?;
    let (mut names, mut sums) = (BTreeSet::new(), BTreeSet::new());
    for Key { name, sha256, .. } in &mut key {
        sha256.make_ascii_lowercase();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the name {name:?} of a key is empty or has control characters"
            )));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(invalid(format!(
                "sha256 of {name:?} is not 64 hexadecimal digits"
            )));
        }
        if !names.insert(name.clone()) {
            return Err(invalid(format!("two keys have the name {name:?}")));
        }
        if !sums.insert(sha256.clone()) {
            return Err(invalid(format!(
                "the key of {name:?} is that of another name, too"
            )));
        }
    }
    Ok(key)
}

/// Returns the SHA-256 of a key as hexadecimal digits.
pub(crate) fn sha256(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_added_to_the_file_as_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(
            &path,
            "# Those of the office.\n[[key]]\nname = \"old\"\nsha256 = \"",
        )
        .unwrap();
        assert!(matches!(Keys::add(&path, "new"), Err(KeysError::Invalid { .. })));
        // The sum of "abc" as FIPS 180-2 gives it.
        let sum = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let old =
            format!("# Those of the office.\n[[key]]\nname = \"old\"\nsha256 = \"{sum}\"\ncharacters = 5");
        fs::write(&path, &old).unwrap();
        let name = "new \"one\"";
        let key = Keys::add(&path, name).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&old) && !text.contains(&key), "{text}");
        let keys = Keys::read(&path).unwrap();
        let keys = keys.as_slice();
        assert_eq!(
            [&keys[0].sha256, &keys[1].sha256],
            [&sha256("abc"), &sha256(&key)]
        );
        assert_eq!((keys[0].characters, keys[1].name.as_str()), (Some(5), name));
        assert!(matches!(Keys::add(&path, name), Err(KeysError::NameTaken { .. })));
    }

    #[test]
    fn a_file_that_is_not_valid_is_refused_with_the_reason() {
        let sum = "0".repeat(64);
        let key = |name: &str, sum: &str| format!("[[key]]\nname = {name:?}\nsha256 = {sum:?}\n");
        for (text, expected) in [
            (key("a", "12"), "sha256 of \"a\" is not 64 hexadecimal digits"),
            (
                key("a", &"ä".repeat(32)),
                "sha256 of \"a\" is not 64 hexadecimal digits",
            ),
            (key("", &sum), "the name \"\" of a key"),
            (
                key("a", &sum) + &key("a", &"1".repeat(64)),
                "two keys have the name \"a\"",
            ),
            (
                key("a", &sum) + &key("b", &sum),
                "the key of \"b\" is that of another name, too",
            ),
            (key("a", &sum) + "limit = 3\n", "line 4: unknown field `limit`"),
            (key("a", &sum) + "requests_per_minute = 0\n", "line 4: "),
            (
                "[[key]]\nname = \"a\"\n".to_owned(),
                "line 1: missing field `sha256`",
            ),
        ] {
            let error = parse(Path::new("keys.toml"), &text).unwrap_err().to_string();
            assert!(
                error.starts_with("keys.toml: ") && error.contains(expected),
                "{error}"
            );
        }
    }
}
