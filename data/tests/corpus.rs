//! Reading text: exact small files, and every error they can give.

use std::fs;
use std::io::{BufReader, Read, Write, repeat};
use std::path::{Path, PathBuf};

use attend_data::{DataError, Lines, ParallelText, SentencePair, read_lines, write_file};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, contents).unwrap();
    path
}

fn gzip(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(contents).unwrap();
    encoder.finish().unwrap()
}

fn files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> ParallelText {
    ParallelText::Files {
        source: source.as_ref().to_owned(),
        target: target.as_ref().to_owned(),
    }
}

fn tsv(path: impl AsRef<Path>) -> ParallelText {
    ParallelText::Tsv(path.as_ref().to_owned())
}

fn pair(source: &str, target: &str) -> SentencePair {
    SentencePair {
        source: source.to_owned(),
        target: target.to_owned(),
    }
}

#[test]
fn only_line_feeds_end_lines() {
    let folder = TempDir::new().unwrap();
    let cases: [(&str, &[&str]); 8] = [
        ("", &[]),
        ("\n", &[""]),
        ("one", &["one"]),
        ("one\ntwo\n", &["one", "two"]),
        ("one\r\ntwo\r\n", &["one", "two"]),
        ("one\r\ntwo\r", &["one", "two"]),
        ("\n\nthree\n\n", &["", "", "three", ""]),
        (
            "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\rg\n",
            &["a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\rg"],
        ),
    ];
    for (text, lines) in cases {
        assert_eq!(
            read_lines(file(&folder, "text", text)).unwrap(),
            lines,
            "{text:?}"
        );
        let compressed = file(&folder, "text.gz", gzip(text.as_bytes()));
        assert_eq!(read_lines(compressed).unwrap(), lines, "{text:?} compressed");
    }
}

#[test]
fn spaces_and_inner_marks_stay_but_a_byte_order_mark_goes() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "text", "\u{feff} a \n\u{feff}b\n\u{feff}");
    assert_eq!(read_lines(path).unwrap(), [" a ", "\u{feff}b", "\u{feff}"]);
}

#[test]
fn a_gz_file_may_have_several_members() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "text.gz", [gzip(b"one\ntw"), gzip(b"o\n")].concat());
    assert_eq!(read_lines(path).unwrap(), ["one", "two"]);
}

#[test]
fn a_damaged_gz_file_is_an_error() {
    let folder = TempDir::new().unwrap();
    let whole = gzip("many words of a sentence\n".repeat(100).as_bytes());
    for contents in [&whole[..whole.len() / 2], b"plain text"] {
        let error = read_lines(file(&folder, "cut.gz", contents)).unwrap_err();
        assert!(matches!(error, DataError::Read { .. }), "{error:?}");
        assert!(error.to_string().contains("cut.gz"), "{error}");
    }
}

#[test]
fn invalid_utf8_is_named_by_line() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "latin1.de", b"gut\n\nsch\xf6n\n");
    let error = read_lines(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}, line 3: the text is not valid UTF-8", path.display())
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = read_lines("no/such/file.en").unwrap_err();
    assert!(error.to_string().contains("no/such/file.en"), "{error}");
}

#[test]
fn two_files_make_pairs_in_order() {
    let folder = TempDir::new().unwrap();
    let source = file(&folder, "train.en", "one\n\nthree\n");
    let target = file(&folder, "train.de.gz", gzip(b"eins\nzwei\ndrei"));
    let pairs = files(source, target).read_all().unwrap();
    assert_eq!(
        pairs,
        [pair("one", "eins"), pair("", "zwei"), pair("three", "drei")]
    );
}

#[test]
fn unequal_files_are_an_error_with_both_counts() {
    let folder = TempDir::new().unwrap();
    let source = file(&folder, "train.en", "one\ntwo\nthree\n");
    let target = file(&folder, "train.de", "eins\nzwei\n");
    let message = files(&source, &target).read_all().unwrap_err().to_string();
    assert!(
        message.contains(&format!("{} has 3 sentences", source.display())),
        "{message}"
    );
    assert!(
        message.contains(&format!("{} has 2", target.display())),
        "{message}"
    );
}

#[test]
fn tabs_separate_columns() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "pairs.tsv", "one\teins\r\n two \t\n");
    let expected = [pair("one", "eins"), pair(" two ", "")];
    assert_eq!(tsv(&path).read_all().unwrap(), expected);
    let compressed = file(&folder, "pairs.tsv.gz", gzip(&fs::read(&path).unwrap()));
    assert_eq!(tsv(compressed).read_all().unwrap(), expected);
}

#[test]
fn a_line_with_no_tab_or_two_is_named() {
    let folder = TempDir::new().unwrap();
    for (line, columns) in [("one", 1), ("", 1), ("one\teins\tuno", 3)] {
        let path = file(&folder, "pairs.tsv", format!("a\tb\n{line}\nc\td\n"));
        let expected = format!(
            "{}, line 2: expected two columns separated by one tab, found {columns}",
            path.display()
        );
        assert_eq!(tsv(path).read_all().unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_empty_corpus_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "empty", "");
    for result in [tsv(&path).read_all(), files(&path, &path).read_all()] {
        let error = result.unwrap_err();
        assert!(matches!(error, DataError::EmptyCorpus { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
}

#[test]
fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "text", "a longer old text");
    write_file(&path, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = write_file(folder.path().join("no/such/folder"), "").unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[test]
fn what_is_wrong_at_the_end_is_told_where_it_is() {
    let folder = TempDir::new().unwrap();
    let source = file(&folder, "train.en", "one\ntwo\n");
    let target = file(&folder, "train.de", "eins\nzwei\ndrei\nvier\n");
    let text = files(source, target);
    let mut pairs = text.pairs().unwrap();
    assert_eq!(pairs.next().unwrap().unwrap(), pair("one", "eins"));
    assert_eq!(pairs.next().unwrap().unwrap(), pair("two", "zwei"));
    let message = pairs.next().unwrap().unwrap_err().to_string();
    assert!(message.contains("train.de has 4"), "{message}");
}

#[test]
fn a_line_that_never_ends_is_refused_with_its_number() {
    let mut lines = Lines::new(BufReader::new(b"one\n".chain(repeat(b'a'))), "endless");
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    let error = lines.next().unwrap().unwrap_err();
    assert!(matches!(&error, DataError::LongLine { line: 2, .. }), "{error}");
    let long = "a".repeat(10 << 20);
    let text = format!("{long}\n{long}");
    let lines: Vec<String> = Lines::new(std::io::Cursor::new(text), "long")
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines, [long.as_str(), &long]);
}
