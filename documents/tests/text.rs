//! Documents that are text: lines, subtitles, pages of HTML.

use attend_documents::{Document, DocumentKind, PassageFormat};

use crate::common::{passages, same, translated, upper};

/// Translates text by upper-casing, and compares all of it.
fn check(kind: DocumentKind, source: &str, expected_passages: &[&str], expected: &str) {
    assert_eq!(passages(source.as_bytes(), kind), expected_passages);
    let unchanged = translated(source.as_bytes(), kind, same).unwrap();
    assert_eq!(String::from_utf8(unchanged).unwrap(), source);
    let written = translated(source.as_bytes(), kind, upper).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn lines_keep_their_ends_blanks_and_byte_order_mark() {
    check(
        DocumentKind::Txt,
        "\u{feff}one & two\r\n\r\n\t three <b> \n12.5\n---\rfour",
        &["one & two", "three <b>", "four"],
        "\u{feff}ONE & TWO\r\n\r\n\t THREE <B> \n12.5\n---\rFOUR",
    );
    check(DocumentKind::Txt, "", &[], "");
    check(DocumentKind::Txt, "one\n", &["one"], "ONE\n");
}

#[test]
fn a_translation_is_one_line() {
    let write = |kind, source: &str, text: &str| {
        let written = translated(source.as_bytes(), kind, |_| text.to_owned()).unwrap();
        String::from_utf8(written).unwrap()
    };
    assert_eq!(
        write(DocumentKind::Txt, "one\ntwo\n", "a\r\nb\u{0}"),
        "a  b\na  b\n"
    );
    let subtitles = "1\n00:00:01,000 --> 00:00:02,500\none two\n";
    assert_eq!(
        write(DocumentKind::Srt, subtitles, "a\n\nb"),
        subtitles.replace("one two", "a  b")
    );
}

#[test]
fn subtitles_keep_numbers_and_times() {
    let source = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}the house is small\r\nand old\r\n\r\n\
         2\r\n00:00:03.000 --> 00:00:04.000 X1:1 X2:2 Y1:3 Y2:4\r\n- <i>Yes</i> & no?\r\n- No.\r\n\r\n\r\n\
         3\r\n00:00:05,000 --> 00:00:06,000\r\n♪ ♪\r\n\r\n\
         4\r\n00:00:07,000 --> 00:00:08,000\r\n\r\n\
         5\r\n00:00:09,000 --> 00:00:10,000\r\n2 < 3";
    check(
        DocumentKind::Srt,
        source,
        &["the house is small and old", "- <i>Yes</i> &amp; no?", "- No."],
        &source
            .replace("the house is small\r\nand old", "THE HOUSE IS\r\nSMALL AND OLD")
            .replace("Yes", "YES")
            .replace("no?", "NO?")
            .replace("No.", "NO."),
    );
    let document = Document::read(source.as_bytes(), DocumentKind::Srt).unwrap();
    let formats: Vec<_> = document.passages().iter().map(|passage| passage.format).collect();
    assert_eq!(
        formats,
        [PassageFormat::Text, PassageFormat::Html, PassageFormat::Text]
    );
    let written = document
        .write(&["eins", "- <i>Ja</i> &lt;3 &amp; nein", "- Nein."])
        .unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("500\r\n{\\an8}eins\r\n\r\n2\r\n"), "{written}");
    assert!(
        written.contains("- <i>Ja</i> <3 & nein\r\n- Nein.\r\n"),
        "{written}"
    );
}

#[test]
fn a_wrong_line_of_subtitles_is_named() {
    for (source, expected) in [
        (
            "1\n00:00:01,000 -> 00:00:02,500\nyes\n",
            "line 2: expected times such as 00:00:01,000 --> 00:00:02,500, found \"00:00:01,000 -> 00:00:02,500\"",
        ),
        (
            "1\n00:00:01,000 --> 00:00:02,500\nyes\n\nno\n",
            "line 5: expected the number of a subtitle, found \"no\"",
        ),
        (
            "1\n00:00:01,000 --> 00:00:02,500\nyes\n\n2",
            "line 5: expected a number and, in the next line, times, found \"2\"",
        ),
        (
            "WEBVTT\n\n00:01.000 --> 00:02.500\nyes\n",
            "line 1: expected the number of a subtitle, found \"WEBVTT\"",
        ),
    ] {
        let error = Document::read(source.as_bytes(), DocumentKind::Srt).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn blocks_of_html_are_passages() {
    check(
        DocumentKind::Html,
        "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>A page</title>\n\
         <style>p { color: red }</style></head>\n<body class='x'>\n  <h1>The red\n bicycle</h1>\n\
         <p>one <b>two</b> &amp; <code>three</code><br>four<!-- five -->.</p>\n\
         <ul><li>12.5<li><a href=\"/six\">six</a></ul>\n\
         <pre>seven\n  <b>eight</b></pre><div translate=no>nine<div>ten</div>nine</div>\
         <p>eleven <svg/> <span class='notranslate'>twelve</span> <script>thirteen</script>\n</p>&nbsp;fourteen",
        &[
            "A page",
            "The red\n bicycle",
            "one <b>two</b> &amp; <code>three</code>",
            "four<!-- five -->.",
            "<a href=\"/six\">six</a>",
            "eleven <svg/> <span class='notranslate'>twelve</span>",
            "&nbsp;fourteen",
        ],
        // Upper-casing knows no element that is kept. A passage is one line.
        "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>A PAGE</title>\n\
         <style>p { color: red }</style></head>\n<body class='x'>\n  <h1>THE RED  BICYCLE</h1>\n\
         <p>ONE <b>TWO</b> &amp; <code>THREE</code><br>FOUR<!-- five -->.</p>\n\
         <ul><li>12.5<li><a href=\"/six\">SIX</a></ul>\n\
         <pre>seven\n  <b>eight</b></pre><div translate=no>nine<div>ten</div>nine</div>\
         <p>ELEVEN <svg/> <span class='notranslate'>TWELVE</span> <script>thirteen</script>\n</p>&nbsp;FOURTEEN",
    );
}

#[test]
fn what_is_no_text_is_refused() {
    for (bytes, kind, expected) in [
        (&b"one\n\xe9\n"[..], DocumentKind::Txt, "line 2 has other bytes"),
        (b"\xff\xfeo\0n\0e\0", DocumentKind::Srt, "UTF-16"),
        (b"PK\x03\x04...", DocumentKind::Txt, "a zip archive"),
        (b"%PDF-1.7", DocumentKind::Html, "a PDF file"),
        (b"one\0two", DocumentKind::Txt, "value zero"),
        (
            b"<meta charset=iso-8859-1><p>one",
            DocumentKind::Html,
            "it is in iso-8859-1",
        ),
        (
            b"<META http-equiv=x content='text/html; charset=Windows-1252'>",
            DocumentKind::Html,
            "it is in windows-1252",
        ),
    ] {
        let error = Document::read(bytes, kind).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}
