//! Labelled texts and tagged sentences: what their files may hold, and every error that they can give.

use std::fs;
use std::io::Cursor;

use attend_data::{DataError, LabelledText, Lines, TaggedText, is_blank, write_file};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::formats::{compress, file};

fn lines(contents: &[u8]) -> Lines {
    Lines::new(Cursor::new(contents.to_owned()), "in.txt")
}

fn labelled(contents: &str) -> Result<Vec<(String, String)>, DataError> {
    let texts = LabelledText::read(lines(contents.as_bytes()));
    texts
        .map(|text| text.map(|(_, text)| (text.label, text.text)))
        .collect()
}

/// The sentences, each with its words and tags joined as in `Ada/B-PER sleeps/O`.
fn tagged(contents: &str) -> Result<Vec<String>, DataError> {
    let joined = |sentence: TaggedText| {
        assert_eq!(sentence.words.len(), sentence.tags.len());
        let pairs = sentence.words.iter().zip(&sentence.tags);
        let pairs: Vec<String> = pairs.map(|(word, tag)| format!("{word}/{tag}")).collect();
        pairs.join(" ")
    };
    let sentences = TaggedText::read(lines(contents.as_bytes()));
    sentences
        .map(|sentence| sentence.map(|(_, sentence)| joined(sentence)))
        .collect()
}

#[test]
fn a_line_is_a_label_and_a_text() {
    let owned = |(label, text): (&str, &str)| (label.to_owned(), text.to_owned());
    let text = "\u{feff}yes\t\"Come\" in, \"Ada\r\n no \tIt's  late.\u{2028}Go. \n\u{200b}not\u{ad} sure\té";
    let expected = [
        ("yes", "\"Come\" in, \"Ada"),
        ("no", "It's  late. Go. "),
        ("not sure", "é"),
    ];
    assert_eq!(labelled(text).unwrap(), expected.map(owned));
}

#[test]
fn a_column_that_is_missing_is_named() {
    for (text, message) in [
        (
            "a\tb\nno tab\n",
            "in.txt, line 2: expected a label, one tab and a text, found 0 tabs",
        ),
        (
            "a\tb\tc\n",
            "in.txt, line 1: expected a label, one tab and a text, found 2 tabs",
        ),
        ("a\tb\n\n \nc\td\n", "in.txt, line 2 is blank"),
        (
            "\n \t\n",
            "in.txt is empty: a corpus needs at least one text with its labels",
        ),
        ("\tb\n", "in.txt, line 1 has no label"),
        (" \u{200b}\tb\n", "in.txt, line 1 has no label"),
        ("a\t\n", "in.txt, line 1 has no text"),
        ("a\t \u{2028}\n", "in.txt, line 1 has no text"),
        (
            "",
            "in.txt is empty: a corpus needs at least one text with its labels",
        ),
    ] {
        assert_eq!(labelled(text).unwrap_err().to_string(), message, "{text:?}");
    }
    for (text, message) in [
        ("Ada B-PER\nsleeps\n", "in.txt, line 2 has no tag"),
        ("Ada\tB-PER\nsleeps\t\n", "in.txt, line 2 has no tag"),
        ("Ada\t\u{200e}\n", "in.txt, line 1 has no tag"),
        ("\tO\n", "in.txt, line 1 has no word"),
        ("Ada O\n\n\u{200e}\tO\n", "in.txt, line 3 has no word"),
        (
            "Ada\tO\nsleeps\ttwo\u{a0}words\n",
            "in.txt, line 2: the tag \"two words\" contains a space",
        ),
        (
            "# sent_id = 1\n1\tAda\tAda\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n",
            "in.txt, line 2: the first of the ten columns is a number, as in CoNLL-U, but must be the word",
        ),
        (
            "1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_\n",
            "in.txt, line 1: the first of the ten columns is a number, as in CoNLL-U, but must be the word",
        ),
        (
            "\n# nothing\n-DOCSTART- O\n\n",
            "in.txt is empty: a corpus needs at least one text with its labels",
        ),
    ] {
        assert_eq!(tagged(text).unwrap_err().to_string(), message, "{text:?}");
    }
}

#[test]
fn blank_lines_part_sentences() {
    for (text, expected) in [
        ("Ada\tB-PER\nsleeps\tO\n", vec!["Ada/B-PER sleeps/O"]),
        (
            "\n\nAda O\r\n\r\n \u{200b} \n\nGo O\n. O\n\n",
            vec!["Ada/O", "Go/O ./O"],
        ),
        // Between the columns may be several spaces, or other columns.
        (
            "  Ada   NNP  B-NP  B-PER \nsleeps\tVBZ\t\t O\u{feff}\n",
            vec!["Ada/B-PER sleeps/O"],
        ),
        // Between tabs, a word may contain a space.
        ("New York \tB-LOC\n", vec!["New York/B-LOC"]),
        // Spaces of other kinds part no columns.
        ("10\u{a0}000 O\n", vec!["10\u{a0}000/O"]),
        (
            "-DOCSTART- -X- O O\n\nAda O\n-DOCSTART-\nGo O\n",
            vec!["Ada/O", "Go/O"],
        ),
        (
            "# sent_id = 1\n# text = Ada\nAda O\n# O\n\n#\tO\n#tag O\n",
            vec!["Ada/O #/O", "#/O #tag/O"],
        ),
        // Tags need not be in order.
        ("a I-X\nb B-Y\nc I-X\n", vec!["a/I-X b/B-Y c/I-X"]),
    ] {
        assert_eq!(tagged(text).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_text_comes_with_its_line_and_a_sentence_with_that_of_its_first_word() {
    let texts = LabelledText::read(lines(b"a\tb\nc\td\n\n \n"));
    let found: Vec<usize> = texts.map(|text| text.unwrap().0).collect();
    assert_eq!(found, [1, 2]);
    let sentences = TaggedText::read(lines(b"\n# a comment\nAda O\nsleeps O\n-DOCSTART- O\n\nGo O\n"));
    let found: Vec<usize> = sentences.map(|sentence| sentence.unwrap().0).collect();
    assert_eq!(found, [3, 7]);
}

#[test]
fn labels_that_look_the_same_are_the_same() {
    let texts = labelled("caf\u{e9}\ta\ncafe\u{301}\tb\n").unwrap();
    assert_eq!(texts[0].0, texts[1].0);
    // The text stays as it is: the tokenizer normalises it as the recipe asks for.
    assert_eq!(labelled("a\tcafe\u{301}\n").unwrap()[0].1, "cafe\u{301}");
    assert_eq!(
        tagged("Ada B-\u{c5}\nsleeps B-A\u{30a}\n").unwrap(),
        ["Ada/B-Å sleeps/B-Å"]
    );
}

/// A word may be a number, and a file may have ten columns.
#[test]
fn not_all_numbers_are_those_of_conll_u() {
    assert_eq!(tagged("1\tNUM\n").unwrap(), ["1/NUM"]);
    let ten = "Ada\t1\t2\t3\t4\t5\t6\t7\t8\tO\n";
    assert_eq!(tagged(ten).unwrap(), ["Ada/O"]);
}

#[test]
fn compressed_files_are_read_and_an_error_ends_them() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "train.tsv.gz", compress("gz", b"a\tb\n\xFF\tc\nd\te\n"));
    let mut texts = LabelledText::read(Lines::open(&path).unwrap());
    assert_eq!(texts.next().unwrap().unwrap().1.label, "a");
    let error = texts.next().unwrap().unwrap_err();
    assert!(
        matches!(error, DataError::InvalidUtf8 { line: 2, .. }),
        "{error:?}"
    );
    assert!(texts.next().is_none());
    let mut sentences = TaggedText::read(lines(b"Ada O\n\nsleeps\nGo O\n"));
    assert_eq!(sentences.next().unwrap().unwrap().1.words, ["Ada"]);
    assert!(sentences.next().unwrap().is_err());
    assert!(sentences.next().is_none());
}

/// The text and the tagged sentence of the same columns, written and read.
fn check_round_trip(columns: &[(String, String)]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("written");
    let texts = columns.iter().map(|(label, text)| LabelledText {
        text: text.clone(),
        label: label.clone(),
    });
    let texts: Vec<_> = texts.collect();
    let written: String = texts.iter().map(|text| format!("{text}\n")).collect();
    write_file(&path, written).unwrap();
    let read: Result<Vec<_>, _> = LabelledText::read(Lines::open(&path).unwrap()).collect();
    let numbered: Vec<_> = (1..).zip(texts).collect();
    assert_eq!(read.unwrap(), numbered);

    // A tag is a label without spaces.
    let tagged = columns
        .iter()
        .map(|(label, word)| (label.replace(char::is_whitespace, "-"), word));
    let (tags, words): (Vec<String>, Vec<String>) = tagged.map(|(tag, word)| (tag, word.clone())).unzip();
    let lines: String = words
        .iter()
        .zip(&tags)
        .map(|(word, tag)| format!("{word}\t{tag}\n"))
        .collect();
    fs::write(&path, format!("{lines}\n{lines}")).unwrap();
    let read: Result<Vec<_>, _> = TaggedText::read(Lines::open(&path).unwrap()).collect();
    let second_line = words.len() + 2;
    let sentence = TaggedText { words, tags };
    assert_eq!(read.unwrap(), [(1, sentence.clone()), (second_line, sentence)]);
}

#[test]
fn a_tab_and_a_line_end_are_written_as_spaces() {
    let text = LabelledText {
        text: "one\ttwo\nthree\u{2028}four".to_owned(),
        label: "a\tb".to_owned(),
    };
    assert_eq!(text.to_string(), "a b\tone two three four");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        columns in prop::collection::vec(("[a-zA-Z0-9\"'É,.😀-]{1,4}( [#\"é]{1,3})?", "[\"'a-z€,]{1,3}( \u{a0}?[ö\"#]{1,2})?"), 1..6)
    ) {
        check_round_trip(&columns);
    }

    #[test]
    fn any_bytes_are_read_or_named(
        parts in prop::collection::vec(
            prop_oneof![
                3 => prop::collection::vec(any::<u8>(), 0..6),
                6 => prop::sample::select(vec![
                    "\n", "\n\n", "\r\n", "\r", "\t", "\ta\n", "a\t", "a O\n", " ", "-DOCSTART-", "# ", "#", "B-X",
                    "\u{2028}", "\u{feff}", "\u{200b}", "\u{a0}", "é", "😀", "\"", "\0",
                ])
                .prop_map(|text| text.as_bytes().to_owned()),
            ],
            0..12,
        )
    ) {
        let bytes = parts.concat();
        for (_, text) in LabelledText::read(lines(&bytes)).flatten() {
            prop_assert!(!is_blank(&text.label) && !is_blank(&text.text) && !text.text.contains('\t'));
        }
        for (_, sentence) in TaggedText::read(lines(&bytes)).flatten() {
            prop_assert!(!sentence.words.is_empty() && sentence.words.len() == sentence.tags.len());
            prop_assert!(!sentence.words.iter().chain(&sentence.tags).any(|column| is_blank(column)));
            prop_assert!(!sentence.tags.iter().any(|tag| tag.contains(char::is_whitespace)));
        }
        // One error at most, at the end.
        let results: Vec<bool> = TaggedText::read(lines(&bytes)).map(|sentence| sentence.is_err()).collect();
        prop_assert!(!results[..results.len() - 1].contains(&true));
    }
}
