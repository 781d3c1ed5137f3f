//! Compressed files and WMT's .sgm files, and every error they can give.

use std::fs;
use std::io::{BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use attend_data::{
    Cleaning, DataError, Lines, ParallelText, References, SentencePair, is_compressed, open_sources,
    read_lines, read_text,
};
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, contents).unwrap();
    path
}

fn compress(ending: &str, contents: &[u8]) -> Vec<u8> {
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

fn files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> ParallelText {
    ParallelText::Files {
        source: source.as_ref().to_owned(),
        target: target.as_ref().to_owned(),
    }
}

fn pair(source: &str, target: &str) -> SentencePair {
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

const SOURCE_SGM: &str = r#"<srcset setid="newstest2014" srclang="any">
<doc sysid="ref" docid="cnn.com.1" genre="news" origlang="en">
<p>
<seg id="1">Gutach: Increased safety for "pedestrians" &amp; cars</seg>
<seg id="2"> 3 &lt; 4 &gt; 2, it&apos;s &quot;true&quot; at AT&T &#228; &nosuch; </seg>
</p>
</doc>
<DOC docid="cnn.com.2">
<hl>
<SEG id='1'></SEG>
</hl>
</DOC>
</srcset>
"#;

const REFERENCE_SGM: &str = r#"<refset setid="newstest2014" trglang="de">
<doc docid="cnn.com.1">
<p><seg id="1">eins</seg></p>
  <seg id = "2" >zwei</seg>
</doc>
<seg id="1">drei</seg>
</refset>
"#;

#[test]
fn sgm_files_hold_a_sentence_in_each_segment() {
    let folder = TempDir::new().unwrap();
    let source = file(&folder, "src.en.sgm", SOURCE_SGM);
    let expected = [
        pair("Gutach: Increased safety for \"pedestrians\" & cars", "eins"),
        pair("3 < 4 > 2, it's \"true\" at AT&T ä &nosuch;", "zwei"),
        pair("", "drei"),
    ];
    let reference = file(&folder, "ref.de.sgm", REFERENCE_SGM);
    assert_eq!(files(&source, reference).read_all().unwrap(), expected);
    // Compressed, and beside a file with a sentence a line.
    let compressed = file(&folder, "ref.de.SGM.gz", compress("gz", REFERENCE_SGM.as_bytes()));
    assert_eq!(files(&source, compressed).read_all().unwrap(), expected);
    let plain = file(&folder, "ref.de", "eins\nzwei\ndrei\n");
    assert_eq!(files(&source, plain).read_all().unwrap(), expected);
}

const TEST_SET_XML: &str = r#"<?xml version='1.0' encoding='utf-8'?>
<dataset id="newstest2021.en-de">
  <doc id="letters" origlang="en">
    <src lang="en"><p>
      <seg id="1">Dear Anna &amp; Ben,</seg>
      <seg id="2">3 &lt; 4, it&apos;s
        true &#228;.</seg></p>
      <p><seg id="3">Nobody translates this.</seg></p>
    </src>
    <ref lang="de" translator="A">
      <p><seg id="1">Liebe Anna, lieber Ben,</seg><seg id="2">3 &lt; 4, das stimmt.</seg></p>
    </ref>
    <ref lang="de" translator="B">
      <p><seg id="2"><![CDATA[3 < 4 ist wahr.]]></seg><seg id="1"></seg></p>
    </ref>
    <hyp lang="de" system="one">
      <p><seg id="1">Teure Anna,</seg><seg id="2">3 &lt; 4</seg><seg id="3">Niemand.</seg></p>
    </hyp>
  </doc>
  <doc id="puns" origlang="en" testsuite="puns">
    <src lang="en"><seg id="1">Not scored.</seg></src>
    <ref lang="de" translator="A"><seg id="1">Nicht gewertet.</seg></ref>
  </doc>
  <doc id="news" origlang="de">
    <src lang="en"><p><seg id="1">Rain.</seg></p></src>
    <ref lang="de" translator="A"><p><seg id="1">Regen.</seg></p></ref>
    <hyp lang="de" system="one"><p><seg id="1">Es regnet.</seg></p></hyp>
  </doc>
</dataset>
"#;

/// The sentences are those that sacreBLEU 2.6.0 takes from the file.
#[test]
fn xml_files_hold_the_sides_of_a_test_set() {
    let folder = TempDir::new().unwrap();
    let xml = file(&folder, "newstest2021.en-de.xml", TEST_SET_XML);
    let sources = ["Dear Anna & Ben,", "3 < 4, it's true ä.", "Rain."];
    let of_a = ["Liebe Anna, lieber Ben,", "3 < 4, das stimmt.", "Regen."];
    let of_b = ["", "3 < 4 ist wahr.", ""];
    let pairs: Vec<SentencePair> = sources
        .iter()
        .zip(of_a)
        .map(|(source, target)| pair(source, target))
        .collect();
    assert_eq!(files(&xml, &xml).read_all().unwrap(), pairs);

    let compressed = file(&folder, "test.XML.gz", compress("gz", TEST_SET_XML.as_bytes()));
    let references = References::read(&[&xml]).unwrap();
    assert_eq!(references.texts(), [of_a, of_b]);
    for path in [&compressed, &xml] {
        assert_eq!(references.sources(path).unwrap().texts, sources);
    }
    assert_eq!(
        references.translations(&xml).unwrap(),
        ["Teure Anna,", "3 < 4", "Es regnet."]
    );

    // Beside files with a sentence a line, of which there may be several.
    let lines = file(&folder, "more.de", "eins\nzwei\ndrei\n");
    let references = References::read(&[&lines, &xml]).unwrap();
    assert_eq!(
        references.sources(&lines).unwrap().texts,
        ["eins", "zwei", "drei"]
    );
    assert_eq!(references.texts()[0], ["eins", "zwei", "drei"]);
    assert_eq!(references.texts()[1..], [of_a, of_b]);
}

/// Two documents without an id, two of the same id, and segments without ids.
#[test]
fn ids_that_do_not_tell_segments_apart_mix_up_no_text() {
    let folder = TempDir::new().unwrap();
    let document = |attributes: &str, number: usize| {
        format!(
            "<doc{attributes}><src><seg id=\"1\">source {number}</seg><seg>more {number}</seg><seg>last {number}\
             </seg></src><ref><seg id=\"1\">target {number}</seg><seg>mehr {number}</seg><seg>Ende {number}</seg></ref>\
             </doc>"
        )
    };
    let documents = ["", "", " id=\"a\"", " id=\"a\""];
    let documents = documents.iter().zip(1..);
    let xml: String = documents
        .map(|(attributes, number)| document(attributes, number))
        .collect();
    let xml = file(&folder, "test.xml", format!("<dataset>{xml}</dataset>"));
    let expected = (1..=4).flat_map(|number| {
        let sides = [("source", "target"), ("more", "mehr"), ("last", "Ende")];
        sides.map(|(source, target)| pair(&format!("{source} {number}"), &format!("{target} {number}")))
    });
    assert_eq!(
        files(&xml, &xml).read_all().unwrap(),
        expected.collect::<Vec<_>>()
    );
}

#[test]
fn an_xml_file_that_is_cut_short_is_an_error() {
    let folder = TempDir::new().unwrap();
    for (missing, line) in [
        // Between elements, where all texts have the same number of segments.
        ("  <doc id=\"puns\"", 19),
        ("  </doc>\n</dataset>", 27),
        ("</dataset>", 28),
        // Within the text of a segment.
        ("egen.", 26),
        ("s regnet.", 27),
    ] {
        let (start, _) = TEST_SET_XML.split_once(missing).unwrap();
        let cut = file(&folder, "cut.xml", start);
        let message = files(&cut, &cut).read_all().unwrap_err().to_string();
        let expected =
            format!("cut.xml, line {line} is not well-formed XML: the file ends within an element");
        assert!(message.contains(&expected), "{message}");
        assert!(References::read(&[&cut]).is_err());
    }
}

#[test]
fn a_test_set_is_known_by_its_beginning() {
    let folder = TempDir::new().unwrap();
    let pairs = |source: &str| {
        let source = file(&folder, "source", source);
        files(&source, &source).read_all().unwrap()
    };
    let xml = pairs(
        "\u{feff}<?xml version='1.0'?>\n<!-- WMT -->\n<!DOCTYPE dataset>\n<dataset>\n<collection id=\"c\">\
                     <doc id=\"d\">\n<src><seg>One.</seg></src><ref><seg>Eins.</seg></ref></doc></collection></dataset>",
    );
    assert_eq!(xml, [pair("One.", "Eins.")]);
    let named = file(&folder, "named.xml", TEST_SET_XML);
    assert_eq!(pairs(TEST_SET_XML), files(&named, &named).read_all().unwrap());
    let compressed = file(&folder, "compressed", compress("zst", TEST_SET_XML.as_bytes()));
    let references = References::read(&[&compressed]).unwrap();
    assert_eq!(references.texts().len(), 2);
    assert_eq!(references.sources(&compressed).unwrap().lines, [5, 6, 25]);
    let opened: Vec<String> = open_sources(&compressed).unwrap().map(Result::unwrap).collect();
    assert_eq!(opened, references.sources(&compressed).unwrap().texts);

    let sgm = file(&folder, "named.sgm", SOURCE_SGM);
    let of_sgm = files(&sgm, &sgm).read_all().unwrap();
    assert_eq!(pairs(SOURCE_SGM), of_sgm);
    assert_eq!(
        pairs(&format!("<!DOCTYPE mteval>\n<mteval>\n{SOURCE_SGM}</mteval>\n")),
        of_sgm
    );

    // Lines of text that begin with a tag.
    for text in [
        "<dataset> is the first tag of the file.",
        "<dataset id=\"a\">",
        "<?xml version=\"1.0\"?>\n<html><body>One.</body></html>",
        "<!-- no test set -->\n<doc id=\"1\">",
        "<srcset setid=\"a\"> begins a set of sources.",
        "<3 <dataset><doc>",
        "<seg id=\"1\">One.</seg>",
    ] {
        let lines: Vec<SentencePair> = text.lines().map(|line| pair(line, line)).collect();
        assert_eq!(pairs(text), lines);
    }
}

#[test]
fn a_document_has_one_text_by_each_translator() {
    let folder = TempDir::new().unwrap();
    for (text, tag) in [
        ("<src>", "<src>"),
        ("<ref translator=\"A\">", "<ref translator=\"A\">"),
        ("<ref>", "<ref>"),
        ("<hyp system=\"one\">", "<hyp system=\"one\">"),
    ] {
        let element = &tag[1..4];
        let seg = "<seg id=\"1\">a</seg>";
        let source = if element == "src" {
            ""
        } else {
            "<src><seg id=\"1\">a</seg></src>"
        };
        let twice = format!(
            "<dataset>\n<doc id=\"letters\">{source}\n{text}{seg}</{element}>\n{text}{seg}</{element}>\n</doc>\n</dataset>\n"
        );
        let twice = file(&folder, "twice.xml", twice);
        let message = References::read(&[&twice]).err().expect(tag).to_string();
        let expected = format!("twice.xml, line 4: letters has a second {tag}, but a document has only one");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn an_xml_file_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let xml = file(&folder, "good.xml", TEST_SET_XML);
    let broken = file(&folder, "broken.xml", "<dataset>\n<doc id=\"1\">\n</dataset>\n");
    let message = files(&xml, broken).read_all().unwrap_err().to_string();
    assert!(
        message.contains("broken.xml, line 3 is not well-formed XML"),
        "{message}"
    );
    let without = file(
        &folder,
        "source.xml",
        "<doc id=\"1\"><src><seg id=\"1\">a</seg></src></doc>",
    );
    let references = References::read(&[&xml]).unwrap();
    for (error, expected) in [
        (
            References::read(&[&without]).err(),
            "source.xml has no <seg> in a <ref> of a <doc>",
        ),
        (
            files(&without, &without).read_all().err(),
            "source.xml has no <seg> in a <ref> of a <doc>",
        ),
        (
            references.translations(&without).err(),
            "source.xml has no <seg> in a <hyp> of a <doc>",
        ),
    ] {
        let message = error.expect(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
    let other = file(
        &folder,
        "other.xml",
        TEST_SET_XML.replace("\"letters\"", "\"letter\""),
    );
    let references = References::read(&[&other]).unwrap();
    let message = references.sources(&xml).unwrap_err().to_string();
    assert!(
        message.contains("good.xml, line 5 is segment 1 of letters"),
        "{message}"
    );
    assert!(
        message.contains("other.xml, line 5 is segment 1 of letter"),
        "{message}"
    );
    let short = file(&folder, "short.de", "eins\n");
    let references = References::read(&[&short]).unwrap();
    let message = references.sources(&xml).unwrap_err().to_string();
    assert!(
        message.contains("good.xml has 3 sentences") && message.contains("short.de has 1"),
        "{message}"
    );
    let none: [&str; 0] = [];
    let references = References::read(&none).unwrap();
    let empty = file(&folder, "empty.xml", "<dataset/>");
    let message = references.sources(&empty).unwrap_err().to_string();
    assert!(
        message.contains("empty.xml has no <seg> in a <src> of a <doc>"),
        "{message}"
    );
    let empty = file(&folder, "empty.de", "");
    let message = references.sources(&empty).unwrap_err().to_string();
    assert!(message.contains("empty.de is empty"), "{message}");
}

#[test]
fn a_line_feed_in_a_segment_is_a_space() {
    let folder = TempDir::new().unwrap();
    let source = file(
        &folder,
        "a.sgm",
        "<seg id=\"1\">one&#10;sentence&#13;only</seg>\n",
    );
    let target = file(&folder, "b.sgm", "<seg id=\"1\">x</seg>\n");
    let pairs = files(source, target).read_all().unwrap();
    assert_eq!(pairs, [pair("one sentence only", "x")]);
}

#[test]
fn a_broken_segment_is_named_with_its_line() {
    let folder = TempDir::new().unwrap();
    let target = file(&folder, "ref.de.sgm", REFERENCE_SGM);
    for broken in [
        "<seg id=\"2\">goes on\nhere</seg>",
        "<seg>no id</seg>",
        "<seg id=\"2\">two</seg><seg id=\"3\">on a line</seg>",
    ] {
        let source = file(
            &folder,
            "src.en.sgm",
            format!("<doc>\n<seg id=\"1\">a</seg>\n{broken}\n</doc>\n"),
        );
        let message = files(source, &target).read_all().unwrap_err().to_string();
        assert!(
            message.contains("src.en.sgm, line 3: expected one whole segment"),
            "{message}"
        );
    }
}

#[test]
fn segments_that_do_not_pair_are_named_on_both_sides() {
    let folder = TempDir::new().unwrap();
    let source = file(&folder, "src.en.sgm", SOURCE_SGM);
    let target = file(
        &folder,
        "ref.de.sgm",
        REFERENCE_SGM.replace("id = \"2\"", "id=\"3\""),
    );
    let message = files(&source, target).read_all().unwrap_err().to_string();
    for part in [
        "src.en.sgm, line 5 is segment 2",
        "ref.de.sgm, line 4 is segment 3",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let shorter = file(&folder, "short.de.sgm", "<seg id=\"1\">eins</seg>\n");
    let message = files(&source, shorter).read_all().unwrap_err().to_string();
    assert!(
        message.contains("src.en.sgm has 3 sentences") && message.contains("short.de.sgm has 1"),
        "{message}"
    );
    let none = file(&folder, "none.sgm", "<doc>\n</doc>\n");
    let error = files(&none, &none).read_all().unwrap_err();
    assert!(matches!(error, DataError::EmptyCorpus { .. }), "{error:?}");
    let latin1 = file(&folder, "latin1.sgm", b"<doc>\n<seg id=\"1\">sch\xf6n</seg>\n");
    let message = files(latin1, &source).read_all().unwrap_err().to_string();
    assert!(message.contains("latin1.sgm, line 2"), "{message}");
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
