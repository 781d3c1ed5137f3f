//! Pictures in SVG, read as XML.

use ::svg::node::element::tag::Type;
use ::svg::parser::Event;
use attend_view::{AttentionMap, svg};

use crate::{map, three};

/// The cells of a picture: place, colour, and the text that the pointer shows.
fn cells(picture: &str) -> Vec<(String, String, String)> {
    let mut cells: Vec<(String, String, String)> = Vec::new();
    let mut in_title = false;
    for event in ::svg::read(picture).unwrap() {
        match event {
            Event::Tag("rect", Type::Start, attributes) => {
                let value = |name: &str| attributes[name].to_string();
                let place = format!("{} {}", value("x"), value("y"));
                cells.push((place, value("fill"), String::new()));
            }
            Event::Tag("title", kind, _) => in_title = kind == Type::Start,
            Event::Text(text) if in_title => cells.last_mut().unwrap().2 = text.trim().to_owned(),
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    cells
}

/// The width and the height of a picture.
fn size(picture: &str) -> Vec<f64> {
    let Some(Event::Tag("svg", Type::Start, attributes)) = ::svg::read(picture)
        .unwrap()
        .find(|event| matches!(event, Event::Tag("svg", ..)))
    else {
        panic!("{picture}");
    };
    ["width", "height"]
        .map(|name| attributes[name].parse().unwrap())
        .into()
}

#[test]
fn a_cell_has_the_place_and_the_colour_of_its_weight() {
    let picture = svg(&[vec![("layer 1, head 1".to_owned(), three())]]);
    let cells = cells(&picture);
    assert_eq!(cells.len(), 9);
    let distinct: std::collections::BTreeSet<&String> = cells.iter().map(|(place, ..)| place).collect();
    assert_eq!(distinct.len(), 9);
    assert_eq!(cells[0].2, "Wir → We: 0.900");
    assert_eq!(cells[8].2, "hungrig → hungry: 1.000");
    assert_eq!((cells[6].1.as_str(), cells[8].1.as_str()), ("#ffffff", "#08306b"));
    for word in ["Wir", "hungrig", "are", "layer 1, head 1"] {
        assert!(picture.contains(&format!("\n{word}\n")), "{picture}");
    }
}

#[test]
fn maps_stand_in_rows_within_the_picture() {
    let named = |name: &str| (name.to_owned(), three());
    let one = svg(&[vec![named("a")]]);
    let four = svg(&[vec![named("a"), named("b")], vec![named("c"), named("d")]]);
    assert_eq!(cells(&four).len(), 36);
    let (one, four) = (size(&one), size(&four));
    assert!(
        four[0] > 1.8 * one[0] && four[1] > 1.8 * one[1],
        "{one:?} {four:?}"
    );
}

#[test]
fn a_long_title_is_within_the_picture() {
    let title = "encoder self-attention, layer 1, mean of 8 heads";
    let [width, _] = size(&svg(&[vec![(title.to_owned(), three())]]))[..] else {
        panic!("a width and a height");
    };
    // Letters of 12 units are wider than 6 units on average.
    assert!(width > 6.0 * title.len() as f64, "{width}");
}

#[test]
fn any_text_is_text() {
    let hostile = map(&["<b>&amp;"], &["]]>\"'"], &[&[0.5]]);
    let picture = svg(&[vec![("a < b".to_owned(), hostile)]]);
    assert!(
        !picture.contains("<b>") && picture.contains("&lt;b&gt;&amp;amp;"),
        "{picture}"
    );
    assert_eq!(cells(&picture).len(), 1);
    // XML has no such characters.
    let foreign = map(&["a\u{1b}\u{fffe}"], &["b\u{0}"], &[&[0.5]]);
    let picture = svg(&[vec![("c\u{ffff}\u{1f33e}".to_owned(), foreign)]]);
    for text in ["a\u{fffd}\u{fffd} → b\u{fffd}: 0.500", "c\u{fffd}\u{1f33e}"] {
        assert!(picture.contains(text), "no {text:?} in: {picture:?}");
    }
    let is_foreign = |c: char| (c.is_control() && c != '\n') || ['\u{fffe}', '\u{ffff}'].contains(&c);
    assert!(!picture.contains(is_foreign), "{picture:?}");
    assert_eq!(
        cells(&svg(&[vec![(String::new(), AttentionMap::default())]])).len(),
        0
    );
}
