//! Files are written whole or not at all, through links, and to what is no file.

use std::fs;
use std::io::Write;
use std::path::Path;

use attend_data::{DataError, OutputFile, write_file};
use tempfile::TempDir;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_older_file_stays_until_the_new_one_is_finished() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "old").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    assert_eq!(
        file.part(),
        Some(folder.path().canonicalize().unwrap().join("text.part")).as_deref()
    );
    file.write_all(b"new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    file.finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(names(folder.path()), ["text"]);
}

#[test]
fn what_was_written_of_an_unfinished_file_stays_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "old").unwrap();
    drop(OutputFile::create(&path).unwrap());
    assert_eq!(names(folder.path()), ["text"]);
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(names(folder.path()), ["text", "text.part"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(
        fs::read_to_string(folder.path().join("text.part")).unwrap(),
        "half"
    );
}

#[test]
fn a_path_that_cannot_be_written_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    for path in [folder.path().join("missing/text"), folder.path().to_owned()] {
        let error = OutputFile::create(&path).unwrap_err();
        assert!(
            matches!(&error, DataError::Write { path: named, .. } if *named == path),
            "{error}"
        );
    }
    assert!(names(folder.path()).is_empty());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_link_is_followed() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/text"), "old").unwrap();
        symlink("elsewhere/text", at("near")).unwrap();
        symlink(at("near"), at("far")).unwrap();
        symlink("elsewhere/new", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        for (link, file) in [
            ("far", "elsewhere/text"),
            ("near", "elsewhere/text"),
            ("dangling", "elsewhere/new"),
        ] {
            write_file(at(link), link).unwrap();
            assert!(at(link).is_symlink());
            assert!(!at(file).is_symlink());
            assert_eq!(fs::read_to_string(at(file)).unwrap(), link);
        }
        assert!(write_file(at("circle"), "").is_err());
        assert_eq!(names(&at("elsewhere")), ["new", "text"]);
        assert_eq!(
            names(folder.path()),
            ["circle", "dangling", "elsewhere", "far", "near"]
        );
    }

    #[test]
    fn what_is_no_file_is_written_to_straight() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let reader = thread::spawn({
            let path = path.clone();
            move || fs::read_to_string(path).unwrap()
        });
        write_file(&path, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(names(folder.path()), ["fifo"]);
    }

    /// As `/dev/stdout` does, a link leads to a file that this process has open.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_open_file_is_written_to_behind_what_it_holds() {
        use std::os::fd::AsRawFd;

        let folder = TempDir::new().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "first ").unwrap();
        let open = fs::File::open(&path).unwrap();
        let link = folder.path().join("link");
        symlink(format!("/proc/self/fd/{}", open.as_raw_fd()), &link).unwrap();
        write_file(&link, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first second");
        assert_eq!(names(folder.path()), ["link", "text"]);
    }
}
