use proptest::prelude::*;

use super::*;
use crate::links::{Link, words};

fn pieces(line: &str, format: Format) -> Vec<Piece<'_>> {
    match format {
        Format::Text => Vec::new(),
        Format::Html => html::pieces(line),
        Format::Xml => xml::pieces(line),
    }
}

/// The words of `text`, each linked to the source words whose indices are given.
fn linked(source: &str, text: &str, pairs: &[usize]) -> Vec<Link> {
    let sources = words(source);
    let texts = words(text);
    assert_eq!(texts.len(), pairs.len(), "{text}");
    let linked = texts.into_iter().zip(pairs);
    linked
        .map(|(target, &pair)| Link {
            target,
            sources: sources
                .iter()
                .enumerate()
                .map(|(place, word)| (word.clone(), f32::from(u8::from(place == pair))))
                .collect(),
            span: None,
        })
        .collect()
}

/// `line` without its tags, and its translation with them.
fn written(format: Format, line: &str, text: &str, pairs: &[usize]) -> (String, String) {
    let markup = Markup::new(line, format, &TagNames::default());
    let links = linked(&markup.text, text, pairs);
    let output = write(&markup, text, &links, |_| None);
    (markup.text, output)
}

#[test]
fn tags_stand_around_the_words_that_align() {
    let case = |line: &str| written(Format::Html, line, "the car red.", &[0, 2, 1, 3]).1;
    for (line, expected) in [
        ("the <b>red</b> car.", "the car <b>red</b>."),
        ("the <b>red</b> <i>car</i>.", "the <i>car</i> <b>red</b>."),
        ("the <b>red <i>car</i></b>.", "the <b><i>car</i> red</b>."),
        (
            "<p>the <b id='x' >red</b> car.</p>",
            "<p>the car <b id='x' >red</b>.</p>",
        ),
        ("the <b> red </b> car.", "the car <b>red</b>."),
        ("the <b>red car.</b>", "the <b>car red.</b>"),
        (
            "<b>the</b> <!-- <i> --> red <br>car.",
            "<b>the</b> <!-- <i> --> <br>car red.",
        ),
        // Not balanced: each tag is kept by itself, in the order of the source.
        ("the <b>red car.", "the <b>car red."),
        ("</i>the red car.<b>", "</i>the car red.<b>"),
        ("<b>the <i>red</b> car.</i>", "<b>the<i></b> car red.</i>"),
        // Nothing is enclosed.
        ("the red car<a name=x></a>.", "the car red<a name=x></a>."),
        ("<wbr>the red car.<hr/>", "<wbr>the car red.<hr/>"),
        ("the red car.", "the car red."),
    ] {
        assert_eq!(case(line), expected, "{line}");
    }
}

/// The translation of `one two three.` word by word, with the tags of a line of these words.
fn word_by_word(line: &str, text: &str) -> String {
    written(Format::Html, line, text, &[0, 1, 2, 3]).1
}

#[test]
fn blanks_beside_a_tag_are_those_of_the_translation() {
    for (line, expected) in [
        ("one <x/> two three.", "eins <x/> zwei drei."),
        ("one<x/> two three.", "eins<x/> zwei drei."),
        ("one <x/>two three.", "eins <x/>zwei drei."),
        ("one <x/><y/> two three.", "eins <x/><y/> zwei drei."),
        ("one <x/> <y/> two three.", "eins <x/> <y/> zwei drei."),
        ("one two three <x/> .", "eins zwei drei<x/>."),
        ("one two three <x/> <y/> .", "eins zwei drei<x/><y/>."),
        ("one two three. <x/>", "eins zwei drei. <x/>"),
        ("one two three. <x/> <y/> ", "eins zwei drei. <x/> <y/>"),
        ("<p>one two three. <x/></p>", "<p>eins zwei drei. <x/></p>"),
        (
            "one <b>two <x></b> three. <x/>",
            "eins <b>zwei <x></b> drei. <x/>",
        ),
        ("one <b>two <x>three</b>.", "eins <b>zwei <x>drei</b>."),
        ("<x/> one two three.", "<x/> eins zwei drei."),
        ("<x/>one two three.", "<x/>eins zwei drei."),
        ("<p><x/> one two three.</p>", "<p><x/> eins zwei drei.</p>"),
        ("one <b><x/> two</b> three.", "eins <b><x/> zwei</b> drei."),
        ("one <b>two <x/></b> three.", "eins <b>zwei <x/></b> drei."),
        (
            "one <b>two <x/></b> <y/> three.",
            "eins <b>zwei <x/></b> <y/> drei.",
        ),
        (
            "one <b><x/> <y/></b> two three.",
            "eins <b><x/><y/></b> zwei drei.",
        ),
        ("one two <b>three <x/></b> .", "eins zwei <b>drei<x/></b>."),
    ] {
        assert_eq!(word_by_word(line, "eins zwei drei."), expected, "{line}");
    }
    for (line, expected) in [
        ("one <x/> two three. <y/>", "一<x/>二三。<y/>"),
        ("<x/> one two <b>three</b> <y/> .", "<x/>一二<b>三</b><y/>。"),
    ] {
        assert_eq!(word_by_word(line, "一二三。"), expected, "{line}");
    }
}

#[test]
fn spaces_of_typography_are_plain() {
    let text = |line| Markup::new(line, Format::Html, &TagNames::default()).text;
    assert_eq!(
        text("We&nbsp;are&thinsp;<b>not&#8239;</b>hungry."),
        "We are not hungry."
    );
    assert_eq!(text("1&nbsp;250 and 5&nbsp;%"), "1\u{a0}250 and 5 %");
    let in_xml = Markup::new("1&#160;250&#160;men \u{3000}", Format::Xml, &TagNames::default()).text;
    assert_eq!(in_xml, "1\u{a0}250 men \u{3000}");
    assert_eq!(
        Markup::new("a\u{a0}b", Format::Text, &TagNames::default()).text,
        "a\u{a0}b"
    );
}

#[test]
fn a_translation_with_tags_is_one_line() {
    for end in ["\n", "\r\n", "\u{2028}", "\u{85}", "\u{b}"] {
        let line = format!("one{end}<b{end}id=x{end}>two</b{end}><!-- {end} --> three.");
        for format in [Format::Html, Format::Xml] {
            let (read, output) = written(format, &line, "eins zwei drei.", &[0, 1, 2, 3]);
            assert_eq!(attend_data::single_line(&output), output);
            assert_eq!(
                read.split_whitespace().collect::<Vec<_>>(),
                ["one", "two", "three."],
                "{end:?}"
            );
            assert_eq!(output.matches("id=x").count(), 1, "{output:?}");
        }
    }
}

#[test]
fn entities_are_text() {
    let html = written(
        Format::Html,
        "a &lt; b &amp;&eacute; <b>c</b> < d",
        "x < & y",
        &[0, 1, 3, 5],
    );
    assert_eq!(
        html,
        ("a < b &é c < d".to_owned(), "x &lt; &amp; <b>y</b>".to_owned())
    );
    let xml = written(Format::Xml, "a &lt; &#233; &x; <b>c</b>", "x y", &[0, 3]);
    assert_eq!(xml, ("a < é c".to_owned(), "x &x; <b>y</b>".to_owned()));
}

#[test]
fn what_is_not_translated_is_kept_whole() {
    let markup = |line, format| {
        let Markup {
            text, kept, nodes, ..
        } = Markup::new(line, format, &TagNames::default());
        let kept: Vec<(String, &str)> = kept
            .into_iter()
            .map(|(range, source)| (text[range].to_owned(), source))
            .collect();
        (text, kept, nodes.len())
    };
    let line = "type <code class=x>ls <b>-l</b></code>, <i translate=no>x</i><script>a<b</script> <b>now</b>";
    let (text, kept, nodes) = markup(line, Format::Html);
    assert_eq!(text, "type ls -l, x now");
    let expected = [
        ("ls -l", "<code class=x>ls <b>-l</b></code>"),
        ("x", "<i translate=no>x</i>"),
    ];
    assert_eq!(
        kept.iter()
            .map(|(text, source)| (text.as_str(), *source))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(nodes, 2);

    let line = "<?a b>c?><code>x</code> <x its:translate='no'>y</x><![CDATA[<z> &amp; ]]>&q;";
    let (text, kept, nodes) = markup(line, Format::Xml);
    assert_eq!(text, "x y<z> &amp; ");
    assert_eq!(kept, [("y".to_owned(), "<x its:translate='no'>y</x>")]);
    assert_eq!(nodes, 3);
    // A tag that is not closed keeps nothing.
    assert_eq!(markup("<code>x <b>y</b>", Format::Html).1, []);
    assert_eq!(markup("<code></code>x", Format::Html).2, 1);
}

#[test]
fn malformed_xml_is_text() {
    let text = |line| Markup::new(line, Format::Xml, &TagNames::default()).text;
    assert_eq!(text("1 < 2 and <b>3</b> > 2"), "1 < 2 and 3 > 2");
    assert_eq!(text("<b>x</b> <!-- y"), "x <!-- y");
    assert_eq!(text("a <<< b <c"), "a <<< b <c");
    assert_eq!(text("AT&T & &#x110000; <1>"), "AT&T & &#x110000; <1>");
}

#[test]
fn a_byte_order_mark_is_nowhere_in_text() {
    for format in [Format::Html, Format::Xml] {
        for line in [
            "\u{feff}one <b>two</b> three.",
            "\u{feff}\u{feff}one <b>\u{feff}two</b>\u{feff} three.",
        ] {
            let found = written(format, line, "eins zwei drei.", &[0, 1, 2, 3]);
            let expected = ("one two three.", "eins <b>zwei</b> drei.");
            assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{line:?}");
        }
    }
    // The reader begins anew behind what is no tag.
    let text = |line| Markup::new(line, Format::Xml, &TagNames::default()).text;
    assert_eq!(text("\u{feff}a"), "a");
    assert_eq!(text("\u{feff}"), "");
    assert_eq!(text("<1>\u{feff}é<b>x</b>"), "<1>éx");
}

#[test]
fn blocks_end_sentences_and_words() {
    let Markup { text, breaks, .. } = Markup::new(
        "<p>one</p><p>two<br>three <b>four</b>five</p>",
        Format::Html,
        &TagNames::default(),
    );
    assert_eq!(text, "one two three fourfive");
    assert_eq!(breaks, [0, 3, 7, 22]);
    let Markup { text, breaks, .. } = Markup::new("<p>one</p><p>two</p>", Format::Xml, &TagNames::default());
    assert_eq!((text.as_str(), breaks.as_slice()), ("onetwo", [].as_slice()));
}

#[test]
fn elements_are_kept_and_sentences_end_as_asked() {
    let names = |kept: &str, breaks: &str, inline: &str| TagNames {
        kept: vec![kept.to_owned()],
        breaks: vec![breaks.to_owned()],
        inline: vec![inline.to_owned()],
    };
    let line = "one<x id='7'></x> two<X>three</X>four<s/>five";
    let markup = Markup::new(line, Format::Xml, &names("X", "s", ""));
    assert_eq!(markup.text, "one twothreefour five");
    assert_eq!(markup.kept, [(7..12, "<X>three</X>")]);
    assert_eq!(markup.breaks, [16]);
    assert_eq!(markup.nodes.len(), 2);
    let markup = Markup::new(line, Format::Xml, &names("x", "", ""));
    assert!(markup.kept.is_empty() && markup.breaks.is_empty());
    let text = "one two.";
    let output = write(&markup, text, &linked(&markup.text, text, &[0, 1, 2]), |_| None);
    assert!(output.contains("<x id='7'></x>"), "{output}");
    let markup = Markup::new(
        "<P>one</P><b>two</b><I>three</I>",
        Format::Html,
        &names("i", "B", "p"),
    );
    assert_eq!(markup.text, "one two three");
    assert_eq!(markup.breaks, [3, 7]);
    assert_eq!(markup.kept, [(8..13, "<I>three</I>")]);
}

#[test]
fn deep_and_broken_markup_takes_linear_time() {
    let count = 50_000;
    let lines = [
        "<b>".repeat(count) + "x" + &"</b>".repeat(count),
        "<b>".repeat(count) + "x" + &"</i>".repeat(count),
        "<".repeat(count) + "x>",
        "<code>".repeat(count),
        "<a <".repeat(count) + ">",
        "&".repeat(count),
        "a".to_owned() + &"<x>".repeat(count) + &" ".repeat(20 * count),
    ];
    for format in [Format::Html, Format::Xml] {
        for line in &lines {
            let start = std::time::Instant::now();
            let markup = Markup::new(line, format, &TagNames::default());
            let links = linked(&markup.text, "y", &[0]);
            let output = write(&markup, "y", &links, |_| None);
            assert!(output.len() <= line.len() * 5 + 10);
            assert!(start.elapsed().as_secs() < 60, "{line:.9}: {:?}", start.elapsed());
        }
    }
}

/// The tags of a line, each with those around it, and its text with one space in place of white space.
fn parsed(line: &str, format: Format) -> (Vec<(String, Vec<String>)>, String) {
    let (mut tags, mut text) = (Vec::new(), String::new());
    let mut around: Vec<String> = Vec::new();
    for piece in pieces(line, format) {
        match piece {
            Piece::Text(added) => text += &added,
            Piece::Start(tag) => {
                tags.push((tag.source.to_owned(), around.clone()));
                around.push(tag.source.to_owned());
            }
            Piece::End(_) => {
                around.pop().expect("a start tag");
            }
            Piece::Single(tag) => tags.push((tag.source.to_owned(), around.clone())),
        }
    }
    assert_eq!(around, [""; 0], "{line}");
    tags.sort();
    (tags, text.split_whitespace().collect())
}

/// A line of well-nested tags. Each `#` becomes a number, so that no two tags are equal.
fn well_nested() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "one",
        "two ",
        " three",
        "&amp; four",
        " ",
        ". ",
        "<br id='#'/>",
        "<!-- # -->",
        "<img src=\"#>\"/> ",
        "日本",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 30, 5, |inner| {
        let element = prop::sample::select(vec!["b", "i", "x:y", "p", "a"]);
        (element, prop::collection::vec(inner, 0..5))
            .prop_map(|(name, inner)| format!("<{name} id=\"#\" title='&lt;>'>{}</{name}>", inner.concat()))
    })
}

fn numbered(line: &str) -> String {
    let parts = line.split('#').enumerate();
    parts
        .map(|(number, part)| {
            if number == 0 {
                part.to_owned()
            } else {
                format!("{number}{part}")
            }
        })
        .collect()
}

fn any_links(source: &str, text: &str, shares: &[f32]) -> Vec<Link> {
    let sources = words(source);
    let mut shares = shares.iter().cycle();
    let links = words(text).into_iter();
    links
        .map(|target| Link {
            target,
            sources: sources
                .iter()
                .map(|word| (word.clone(), *shares.next().unwrap()))
                .collect(),
            span: None,
        })
        .collect()
}

proptest! {
    /// Whatever a model writes, and whatever it attends to, each tag is in the translation once and byte for byte, with
    /// the same tags around it, and the text is the translation.
    #[test]
    fn tags_stay_well_nested(
        lines in prop::collection::vec(well_nested(), 1..5),
        target in prop::collection::vec(
            prop::sample::select(vec!["eins", "zwei,", "<", "&amp;", "日本", "]]>", "x>"]),
            0..9,
        ),
        shares in prop::collection::vec(0.0f32..1.0, 400),
        is_xml in any::<bool>(),
    ) {
        let format = if is_xml { Format::Xml } else { Format::Html };
        let line = numbered(&lines.concat());
        let text = target.join(" ");
        let markup = Markup::new(&line, format, &TagNames::default());
        let links = any_links(&markup.text, &text, &shares);
        let output = write(&markup, &text, &links, |_| None);
        let (tags, _) = parsed(&line, format);
        let (written_tags, written_text) = parsed(&output, format);
        prop_assert_eq!(written_tags, tags, "{} of {}", output, line);
        prop_assert_eq!(written_text, text.split_whitespace().collect::<String>());
    }

    /// In any line, each tag is kept once, and the text is the translation.
    #[test]
    fn no_tag_is_lost_in_any_line(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<b>", "</b>", "<i x='1'>", "</i>", "<br>", "<p>", "</p>", " ", "one", "two. ", "&amp;", "&",
                "<!-- x -->", "<x/>", "é", "</", "<>", "a<b", "]]>", "?>", "<code>", "</code>", "\u{feff}", "<1>",
            ]),
            0..14,
        ),
        shares in prop::collection::vec(0.0f32..1.0, 400),
        is_xml in any::<bool>(),
    ) {
        let format = if is_xml { Format::Xml } else { Format::Html };
        let line = parts.concat();
        let markup = Markup::new(&line, format, &TagNames::default());
        let text = "eins zwei, drei";
        let links = any_links(&markup.text, text, &shares);
        let output = write(&markup, text, &links, |_| None);
        let of = |line: &str| -> (Vec<String>, String) {
            let (mut tags, mut text) = (Vec::new(), String::new());
            for piece in pieces(line, format) {
                match piece {
                    Piece::Text(added) => text += &added,
                    Piece::Start(tag) | Piece::End(tag) | Piece::Single(tag) => tags.push(tag.source.to_owned()),
                }
            }
            tags.sort();
            // An element that is kept as it is may have invisible characters.
            (tags, readable(&text).split_whitespace().collect())
        };
        // What is kept with its tags is a span of the text, which is no part of this test.
        let mut expected = of(&line).0;
        for (_, source) in &markup.kept {
            for tag in of(source).0 {
                let place = expected.iter().position(|other| *other == tag).expect("a tag of the line");
                expected.remove(place);
            }
        }
        let (tags, written) = of(&output);
        prop_assert_eq!(tags, expected, "{} of {}", output, line);
        prop_assert_eq!(written, text.split_whitespace().collect::<String>());
    }
}
