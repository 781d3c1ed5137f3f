//! A picture of attention in SVG.

use svg::Document;
use svg::node::element::{Group, Rectangle, Text, Title};
use unicode_width::UnicodeWidthStr;

use crate::attention_map::AttentionMap;
use crate::colour;

/// The width and the height of a cell, in units of the picture.
const CELL: f64 = 22.0;
/// The height of letters.
const LETTER: f64 = 12.0;
/// The width of a column of a terminal in letters of this height, roughly: fonts differ.
const LETTER_WIDTH: f64 = 7.5;
/// The space around maps.
const MARGIN: f64 = 12.0;

/// Draws maps in SVG, in rows: for example a row for each layer, with a map for each head. Each map has its title above
/// it, the queries on its left and the keys above. A cell shows its weight when the pointer rests on it.
///
/// The letters are those of the reader's own sans-serif font, so texts of any script are shown. Characters that XML does
/// not have become U+FFFD.
///
/// # Panics
///
/// If a map has more rows than queries, or a row more weights than there are keys.
#[must_use]
pub fn svg(rows: &[Vec<(String, AttentionMap)>]) -> String {
    let mut document = Document::new()
        .set("font-family", "sans-serif")
        .set("font-size", LETTER);
    let (mut width, mut top): (f64, f64) = (0.0, MARGIN);
    for row in rows {
        let (mut left, mut height): (f64, f64) = (MARGIN, 0.0);
        for (title, map) in row {
            let picture = Picture::new(title, map);
            let group = picture
                .draw(title, map)
                .set("transform", format!("translate({left},{top})"));
            document = document.add(group);
            left += picture.width() + MARGIN;
            height = height.max(picture.height());
        }
        width = width.max(left);
        top += height + MARGIN;
    }
    let size = |length: f64| length.ceil();
    document
        .set("viewBox", (0, 0, size(width), size(top)))
        .set("width", size(width))
        .set("height", size(top))
        .to_string()
}

/// The measures of a map's picture.
struct Picture {
    /// The width of the texts of queries.
    left: f64,
    /// The height of the title and of the texts of keys, which are turned by 90 degrees.
    top: f64,
    /// The width of the title, which begins above the first key.
    title: f64,
    queries: usize,
    keys: usize,
}

impl Picture {
    fn new(title: &str, map: &AttentionMap) -> Self {
        let width = |text: &str| text.width() as f64 * LETTER_WIDTH;
        let widest = |texts: &[String]| {
            let widths = texts.iter().map(|text| width(text));
            widths.fold(0.0, f64::max) + LETTER / 2.0
        };
        Self {
            title: width(title),
            left: widest(&map.queries),
            top: 1.5 * LETTER + widest(&map.keys),
            queries: map.queries.len(),
            keys: map.keys.len(),
        }
    }

    fn width(&self) -> f64 {
        self.left + self.title.max(self.keys as f64 * CELL)
    }

    fn height(&self) -> f64 {
        self.top + self.queries as f64 * CELL
    }

    fn draw(&self, title: &str, map: &AttentionMap) -> Group {
        let middle = |index: usize| (index as f64 + 0.5) * CELL;
        let baseline = LETTER / 3.0;
        let mut group = Group::new().add(text(title, self.left, LETTER).set("font-weight", "bold"));
        for (index, key) in map.keys.iter().enumerate() {
            let (x, y) = (self.left + middle(index) + baseline, self.top - LETTER / 3.0);
            group = group.add(text(key, x, y).set("transform", format!("rotate(-90 {x} {y})")));
        }
        for (index, query) in map.queries.iter().enumerate() {
            let (x, y) = (self.left - LETTER / 3.0, self.top + middle(index) + baseline);
            group = group.add(text(query, x, y).set("text-anchor", "end"));
        }
        for (row, weights) in map.weights.iter().enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                let (query, key) = (&map.queries[row], &map.keys[column]);
                let note = format!("{query} → {key}: {weight:.3}");
                let colour = colour::of_weight(weight);
                let cell = Rectangle::new()
                    .set("x", self.left + column as f64 * CELL)
                    .set("y", self.top + row as f64 * CELL)
                    .set("width", CELL)
                    .set("height", CELL)
                    .set("stroke", "#ccc")
                    .set(
                        "fill",
                        format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2),
                    );
                group = group.add(cell.add(Title::new(xml(&note))));
            }
        }
        group
    }
}

fn text(content: &str, x: f64, y: f64) -> Text {
    Text::new(xml(content)).set("x", x).set("y", y)
}

/// Returns a text in which U+FFFD stands for each character that is no `Char` of XML 1.0 (section 2.2).
fn xml(text: &str) -> String {
    let is_char = |character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let replaced = text.chars().map(|character| {
        if is_char(character) {
            character
        } else {
            char::REPLACEMENT_CHARACTER
        }
    });
    replaced.collect()
}
