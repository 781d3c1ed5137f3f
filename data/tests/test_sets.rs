//! Test sets in WMT's formats, `.sgm` and `.xml`: what is read of them, and every error they can give.

use attend_data::{DataError, References, SentencePair, open_sources};
use tempfile::TempDir;

use crate::formats::{compress, file, files, pair};

pub(crate) const SOURCE_SGM: &str = r#"<srcset setid="newstest2014" srclang="any">
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
