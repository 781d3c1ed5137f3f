//! Compressed files, other encodings, and every error they can give.

use std::fs;
use std::io::{BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use attend_data::{
    Cleaning, DataError, Lines, ParallelText, SentencePair, is_compressed, read_lines, read_text,
};
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use tempfile::TempDir;

use crate::test_sets::SOURCE_SGM;

pub(crate) fn file(folder: &TempDir, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, contents).unwrap();
    path
}

pub(crate) fn compress(ending: &str, contents: &[u8]) -> Vec<u8> {
    match ending {
        "gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(contents).unwrap();
            encoder.finish().unwrap()
        }
        "bz2" => {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::default());
            encoder.write_all(contents).unwrap();
            encoder.finish().unwrap()
        }
        "xz" => {
            let mut encoder = XzEncoder::new(Vec::new(), 6);
            encoder.write_all(contents).unwrap();
            encoder.finish().unwrap()
        }
        _ => zstd::encode_all(contents, 3).unwrap(),
    }
}

pub(crate) fn files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> ParallelText {
    ParallelText::Files {
        source: source.as_ref().to_owned(),
        target: target.as_ref().to_owned(),
    }
}

pub(crate) fn pair(source: &str, target: &str) -> SentencePair {
    SentencePair {
        source: source.to_owned(),
        target: target.to_owned(),
    }
}

#[test]
fn compressed_files_are_read_in_all_their_parts() {
    let folder = TempDir::new().unwrap();
    for ending in ["bz2", "gz", "xz", "zst"] {
        let parts = [compress(ending, b"one\ntw"), compress(ending, b"o\n\nfour")];
        let path = file(&folder, &format!("text.{ending}"), parts.concat());
        assert_eq!(read_lines(path).unwrap(), ["one", "two", "", "four"], "{ending}");
        let empty = file(&folder, &format!("empty.{ending}"), compress(ending, b""));
        assert!(read_lines(empty).unwrap().is_empty());
    }
}

#[test]
fn a_damaged_compressed_file_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    for ending in ["bz2", "gz", "xz", "zst"] {
        let text: String = (0..20_000)
            .map(|line| format!("line {}\n", line * 7_919 % 10_007))
            .collect();
        let whole = compress(ending, text.as_bytes());
        let name = format!("cut.{ending}");
        let damaged = [
            whole[..whole.len() / 2].to_vec(),
            whole[..whole.len() - 1].to_vec(),
            b"plain text, and no compressed file at all".to_vec(),
        ];
        for contents in damaged {
            let error = read_lines(file(&folder, &name, contents)).unwrap_err();
            assert!(matches!(error, DataError::Read { .. }), "{error:?}");
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
}

#[test]
fn the_content_of_a_file_shows_its_compression_whatever_its_name_is() {
    let folder = TempDir::new().unwrap();
    for ending in ["bz2", "gz", "xz", "zst"] {
        for name in [
            "text",
            "text.txt",
            "text.GZ",
            "text.zst",
            &format!("text.{}", ending.to_uppercase()),
        ] {
            let path = file(&folder, name, compress(ending, b"one\ntwo\n"));
            assert_eq!(read_lines(&path).unwrap(), ["one", "two"], "{ending} as {name}");
            assert!(is_compressed(&path));
            let reader = BufReader::new(fs::File::open(&path).unwrap());
            let lines: Result<Vec<String>, _> = Lines::new(reader, "standard input").collect();
            assert_eq!(lines.unwrap(), ["one", "two"], "{ending} as a stream");
        }
        let sgm = file(
            &folder,
            &format!("test.SGM.{}", ending.to_uppercase()),
            compress(ending, SOURCE_SGM.as_bytes()),
        );
        assert_eq!(files(&sgm, &sgm).read_all().unwrap().len(), 3);
    }
    // Text that begins with the letters of a signature is text.
    let path = file(&folder, "text", "BZh is no word\n");
    assert_eq!(read_lines(&path).unwrap(), ["BZh is no word"]);
    assert!(!is_compressed(&path));
}

#[test]
fn other_encodings_and_archives_are_named() {
    let folder = TempDir::new().unwrap();
    let units: Vec<u16> = "ein Haus\nzwei Häuser\n".encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let points: Vec<u8> = "Haus"
        .chars()
        .flat_map(|letter| u32::from(letter).to_le_bytes())
        .collect();
    for (contents, encoding) in [
        ([b"\xFF\xFE", &little[..]].concat(), "UTF-16"),
        ([b"\xFE\xFF", &big[..]].concat(), "UTF-16"),
        (little.clone(), "UTF-16LE"),
        (big, "UTF-16BE"),
        ([b"\xFF\xFE\0\0", &points[..]].concat(), "UTF-32"),
    ] {
        let path = file(&folder, "text.de", &contents);
        let expected = format!("{} is text in {encoding}, not in UTF-8", path.display());
        assert_eq!(read_lines(&path).unwrap_err().to_string(), expected);
        assert_eq!(read_text(&path).unwrap_err().to_string(), expected);
        let path = file(&folder, "text.de.gz", compress("gz", &contents));
        assert!(matches!(
            read_lines(path).unwrap_err(),
            DataError::Encoding { .. }
        ));
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    tar.append_data(&mut header, "text.de", &b"Haus\n"[..]).unwrap();
    // The shortest archive: the record that ends it, after the signature of a file.
    let zip = b"PK\x03\x04\x14\0\0\0\0\0".to_vec();
    for (contents, format) in [(tar.into_inner().unwrap(), "tar"), (zip, "zip")] {
        let path = file(&folder, "texts", contents);
        let expected = format!("{} is a {format} archive, not text", path.display());
        assert_eq!(read_lines(&path).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_file_of_settings_is_read_without_its_byte_order_mark() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "settings", "\u{FEFF}{\"häuser\": 2}\n");
    assert_eq!(read_text(path).unwrap(), "{\"häuser\": 2}\n");
    let path = file(&folder, "settings", b"one\ntwo\nH\xE4user\n");
    let expected = format!("{}, line 3: the text is not valid UTF-8", path.display());
    assert_eq!(read_text(path).unwrap_err().to_string(), expected);
}

#[cfg(unix)]
#[test]
fn what_can_be_read_only_once_is_no_corpus() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let path = file(&folder, "text", "one\n");
    let expected = format!("{} is a pipe, which can be read only once", fifo.display());
    for text in [
        files(&fifo, &path),
        files(&path, &fifo),
        ParallelText::Tsv(fifo.clone()),
    ] {
        let error = text.check_rereadable().unwrap_err();
        assert!(error.to_string().starts_with(&expected), "{error}");
        let error = ParallelText::sample(&[&text], &Cleaning::default(), 10)
            .err()
            .unwrap();
        assert!(matches!(error, DataError::ReadOnce { .. }), "{error}");
    }
    // One pipe cannot be both sides, even if each is read only once.
    let error = files(&fifo, &fifo).pairs().err().unwrap();
    assert!(matches!(error, DataError::ReadOnce { .. }), "{error}");
    let device = ParallelText::Tsv("/dev/zero".into())
        .check_rereadable()
        .unwrap_err();
    assert!(
        device.to_string().starts_with("/dev/zero is a device"),
        "{device}"
    );
    // The null device is empty however often it is read.
    let null = ParallelText::Tsv("/dev/null".into());
    let empty = ParallelText::sample(&[&null], &Cleaning::default(), 10)
        .err()
        .unwrap();
    assert!(empty.to_string().starts_with("/dev/null is empty"), "{empty}");
    files(&path, &path).check_rereadable().unwrap();
    ParallelText::Tsv(folder.path().join("nowhere"))
        .check_rereadable()
        .unwrap();
}

#[test]
fn a_relative_path_is_shown_with_its_folder() {
    let error = read_lines("no/such/text").err().unwrap().to_string();
    let folder = std::env::current_dir().unwrap();
    let expected = format!("cannot read no/such/text (in {}): ", folder.display());
    assert!(error.starts_with(&expected), "{error}");
    let absolute = folder.join("no/such/text");
    let error = read_text(&absolute).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot read {}: ", absolute.display())),
        "{error}"
    );
    // Standard input is no file of that name.
    let error = DataError::read(Path::new("standard input"), ErrorKind::InvalidData.into());
    assert!(
        error.to_string().starts_with("cannot read standard input: "),
        "{error}"
    );
}

#[test]
fn pairs_come_one_at_a_time_and_end_at_an_error() {
    let folder = TempDir::new().unwrap();
    let path = file(
        &folder,
        "pairs.tsv.zst",
        compress("zst", b"a\tb\nc\td\nno tab\ne\tf\n"),
    );
    let text = ParallelText::Tsv(path);
    let mut pairs = text.pairs().unwrap();
    assert_eq!(pairs.next().unwrap().unwrap(), pair("a", "b"));
    assert_eq!(pairs.next().unwrap().unwrap(), pair("c", "d"));
    let error = pairs.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("pairs.tsv.zst, line 3"), "{error}");
    assert!(pairs.next().is_none());
}

#[test]
fn corpora_are_called_by_what_their_files_share() {
    for (path, name) in [
        ("corpora/wmt14-en-de/europarl-v7.de-en.en", "europarl-v7.de-en"),
        ("corpora/multi30k/train.en.gz", "train"),
        ("pairs.tsv.zst", "pairs"),
        ("plain", "plain"),
    ] {
        let path = PathBuf::from(path);
        assert_eq!(ParallelText::Tsv(path.clone()).name(), name);
        let source = ParallelText::Files {
            source: path,
            target: PathBuf::from("other/target"),
        };
        assert_eq!(source.name(), name);
    }
}
