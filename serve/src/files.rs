//! Translated files, which are kept until their clients have fetched them.

use std::collections::HashMap;
use std::fs;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The time for which a file is kept.
const LIFETIME: Duration = Duration::from_mins(10);

/// The most bytes of all files together. A file for which there is no room removes the oldest.
const MOST_BYTES: usize = 256 << 20;

/// Files in a folder that only this user may read, and that is removed with the server. A file is known by a name that
/// nobody guesses.
#[derive(Debug)]
pub(crate) struct Files {
    folder: TempDir,
    /// The files, by the names that clients have for them.
    kept: Mutex<HashMap<String, Kept>>,
}

/// A file that is kept.
#[derive(Debug)]
struct Kept {
    /// The name under which a client saves it.
    name: String,
    length: usize,
    since: Instant,
}

impl Files {
    /// Makes a new folder without files.
    ///
    /// # Errors
    ///
    /// If the system makes no folder for temporary files.
    pub(crate) fn new() -> io::Result<Self> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("attend-serve-");
        #[cfg(unix)]
        folder.permissions(PermissionsExt::from_mode(0o700));
        Ok(Self {
            folder: folder.tempdir()?,
            kept: Mutex::default(),
        })
    }

    /// Keeps a file that a client is to save as `name`. Returns the name by which it is fetched.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or if the system gives no random numbers.
    pub(crate) fn keep(&self, name: String, bytes: &[u8]) -> io::Result<String> {
        let id = unguessable()?;
        fs::write(self.path(&id), bytes)?;
        let kept = Kept {
            name,
            length: bytes.len(),
            since: Instant::now(),
        };
        self.kept().insert(id.clone(), kept);
        self.remove_old();
        Ok(id)
    }

    /// Returns the name under which a client saves a file, and the file; `None` if there is none of this name.
    pub(crate) fn fetch(&self, id: &str) -> Option<(String, Vec<u8>)> {
        let name = self.kept().get(id)?.name.clone();
        Some((name, fs::read(self.path(id)).ok()?))
    }

    /// Removes the files whose time is over, and the oldest of those that are too many.
    pub(crate) fn remove_old(&self) {
        let mut kept = self.kept();
        loop {
            let bytes: usize = kept.values().map(|file| file.length).sum();
            let oldest = kept.iter().min_by_key(|(_, file)| file.since);
            let is_old =
                |file: &Kept| file.since.elapsed() > LIFETIME || (bytes > MOST_BYTES && kept.len() > 1);
            let Some((id, _)) = oldest.filter(|(_, file)| is_old(file)) else {
                return;
            };
            let id = id.clone();
            // A file that is already away needs no removal.
            let _ = fs::remove_file(self.path(&id));
            kept.remove(&id);
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.path().join(id)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept
            .lock()
            .expect("no thread panics while it holds the files")
    }
}

/// Returns 32 hexadecimal digits that nobody guesses.
///
/// # Errors
///
/// If the system gives no random numbers.
pub(crate) fn unguessable() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_by_names_of_their_own() {
        let files = Files::new().unwrap();
        let [one, other] = [b"one", b"two"].map(|bytes| files.keep("a.txt".to_owned(), bytes).unwrap());
        assert_ne!(one, other);
        assert_eq!(files.fetch(&one), Some(("a.txt".to_owned(), b"one".to_vec())));
        assert_eq!(files.fetch(&other), Some(("a.txt".to_owned(), b"two".to_vec())));
        fs::write(files.path("secret"), "secret").unwrap();
        for id in ["", "secret", "../secret", &one[1..]] {
            assert_eq!(files.fetch(id), None, "{id}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_may_read_the_folder() {
        let files = Files::new().unwrap();
        let mode = fs::metadata(files.folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn old_files_are_removed() {
        let files = Files::new().unwrap();
        let [old, new] = ["old", "new"].map(|name| files.keep(name.to_owned(), b"").unwrap());
        let long_ago = Instant::now()
            .checked_sub(LIFETIME + Duration::from_secs(1))
            .unwrap();
        files.kept().get_mut(&old).unwrap().since = long_ago;
        files.remove_old();
        assert_eq!(files.fetch(&old), None);
        assert!(!files.path(&old).exists());
        assert!(files.fetch(&new).is_some());
    }

    #[test]
    fn the_oldest_file_makes_room() {
        let files = Files::new().unwrap();
        let [first, second] = ["first", "second"].map(|name| files.keep(name.to_owned(), b"").unwrap());
        files.kept().get_mut(&second).unwrap().length = MOST_BYTES;
        files.remove_old();
        assert!(files.fetch(&first).is_some());
        let third = files.keep("third".to_owned(), b"third").unwrap();
        assert_eq!([&first, &second].map(|id| files.fetch(id)), [None, None]);
        assert!(files.fetch(&third).is_some());
    }
}
