//! Sources that are archives: what is unpacked, when, and what an archive can lack.

use std::fs;
use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_data::download::{Checksum, DownloadError, Downloader, Mirror, Progress, Source, SourceFile};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A `.tgz` archive of these paths and contents.
fn archive(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, contents) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        if contents.is_empty() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        // To the letter: the library's own way of naming a member would take away a leading "./".
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, contents.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A mirror with one archive, and a folder to fetch it to.
struct Workspace {
    folder: TempDir,
    source: Source,
}

impl Workspace {
    fn new(archive: &[u8], members: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mirror = folder.path().join("mirror/elsewhere/v7");
        fs::create_dir_all(&mirror).unwrap();
        fs::write(mirror.join("text.tgz"), archive).unwrap();
        let sum = Sha256::digest(archive);
        let file = SourceFile {
            name: "text.tgz".to_owned(),
            size: archive.len() as u64,
            checksum: Checksum::Sha256(sum.iter().map(|byte| format!("{byte:02x}")).collect()),
            server: Some("http://127.0.0.1:9".to_owned()),
            folder: Some("elsewhere/v7".to_owned()),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
        };
        let source = Source {
            name: "test".to_owned(),
            description: "a test".to_owned(),
            license: "none".to_owned(),
            server: "https://nowhere.invalid".to_owned(),
            folder: "not/here".to_owned(),
            files: vec![file],
        };
        Self { folder, source }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("output").join(name)
    }

    fn fetch(&self) -> Result<Vec<Progress>, DownloadError> {
        let mut steps = Vec::new();
        let downloader = Downloader {
            mirror: Some(Mirror::Folder(self.folder.path().join("mirror"))),
            ..Downloader::default()
        };
        let report = |_: &SourceFile, step| {
            if !matches!(step, Progress::Bytes(_)) {
                steps.push(step);
            }
        };
        downloader.fetch(&self.source, self.path(""), report)?;
        Ok(steps)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const MEMBERS: [(&str, &str); 5] = [
    ("training/", ""),
    ("training/text.fr-en.en", "not wanted\n"),
    ("training/text.de-en.en", "one\n"),
    ("./training/text.de-en.de", "eins\n"),
    ("README", "not wanted\n"),
];

#[test]
fn wanted_members_are_unpacked_beside_the_archive() {
    let workspace = Workspace::new(
        &archive(&MEMBERS),
        &["training/text.de-en.de", "training/text.de-en.en"],
    );
    assert_eq!(workspace.fetch().unwrap(), [Progress::Done, Progress::Unpacking]);
    assert_eq!(workspace.files(), ["text.de-en.de", "text.de-en.en", "text.tgz"]);
    assert_eq!(
        fs::read_to_string(workspace.path("text.de-en.en")).unwrap(),
        "one\n"
    );
    assert_eq!(
        fs::read_to_string(workspace.path("text.de-en.de")).unwrap(),
        "eins\n"
    );

    assert_eq!(workspace.fetch().unwrap(), [Progress::Present]);
    // Unpacking that was cut off leaves no file, or one with a temporary name.
    fs::remove_file(workspace.path("text.de-en.de")).unwrap();
    fs::write(workspace.path("text.de-en.de.part"), "ei").unwrap();
    assert_eq!(
        workspace.fetch().unwrap(),
        [Progress::Present, Progress::Unpacking]
    );
    assert_eq!(workspace.files(), ["text.de-en.de", "text.de-en.en", "text.tgz"]);
    assert_eq!(
        fs::read_to_string(workspace.path("text.de-en.de")).unwrap(),
        "eins\n"
    );
    // An archive of another version is replaced, and so is what was unpacked from it.
    fs::write(workspace.path("text.tgz"), "old").unwrap();
    fs::write(workspace.path("text.de-en.en"), "old").unwrap();
    assert_eq!(workspace.fetch().unwrap(), [Progress::Done, Progress::Unpacking]);
    assert_eq!(
        fs::read_to_string(workspace.path("text.de-en.en")).unwrap(),
        "one\n"
    );
}

#[test]
fn a_member_that_the_archive_lacks_is_named() {
    for missing in ["training/text.de-en.es", "training", "text.de-en.en"] {
        let workspace = Workspace::new(&archive(&MEMBERS), &["training/text.de-en.en", missing]);
        let error = workspace.fetch().unwrap_err();
        assert!(matches!(error, DownloadError::NotInArchive { .. }), "{error:?}");
        let message = error.to_string();
        assert!(
            message.contains("text.tgz") && message.ends_with(&format!("has no file {missing}")),
            "{message}"
        );
    }
}

#[test]
fn an_archive_that_is_none_or_ends_early_is_named() {
    let whole = archive(&MEMBERS);
    for bytes in [&b"no archive at all"[..], &whole[..whole.len() - 40]] {
        let workspace = Workspace::new(bytes, &["training/text.de-en.en", "README"]);
        let error = workspace.fetch().unwrap_err();
        assert!(
            matches!(&error, DownloadError::File(DataError::Read { path, .. }) if path.ends_with("text.tgz")),
            "{error:?}"
        );
    }
}

#[test]
fn a_file_may_have_a_server_and_a_folder_of_its_own() {
    let workspace = Workspace::new(&archive(&MEMBERS), &[]);
    let downloader = Downloader::default();
    let error = downloader
        .fetch(&workspace.source, workspace.path(""), |_, _| {})
        .unwrap_err();
    // Nothing listens there; the address is what counts.
    assert!(
        error
            .to_string()
            .contains("http://127.0.0.1:9/elsewhere/v7/text.tgz"),
        "{error}"
    );
    assert!(!Path::new("text.tgz").exists());
}
