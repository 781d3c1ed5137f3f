//! A heat map of letters and colours, for a terminal.

use std::fmt::Write as _;

use anstyle::{Color, Style};
use anstyle_lossy::rgb_to_xterm;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::attention_map::AttentionMap;
use crate::colour;

/// The fewest columns of a terminal on which a cell stands.
const CELL: usize = 4;
/// The most columns of a terminal that the text above a cell takes.
const WIDEST_CELL: usize = 12;
/// The characters that stand for weights in a terminal without colours, from the smallest to the greatest.
const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];
/// [`SHADES`] in ASCII.
const ASCII_SHADES: [&str; 5] = [" ", ".", ":", "*", "#"];

/// The colours that a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// None: weights are shown by characters.
    None,
    /// The 256 colours of xterm.
    Palette,
    /// Any colour of 24 bits.
    True,
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// The number of columns. A map that is wider is drawn in parts, one below the other.
    pub columns: usize,
    /// The colours.
    pub colours: Colours,
    /// Whether it has characters other than those of ASCII.
    pub unicode: bool,
}

impl Terminal {
    /// Draws a map: a line for each query, and a column for each key, with the weight of each in percent. Every line
    /// ends in a line feed. A text that is too long is cut; wide and combining characters are counted as the terminal
    /// shows them.
    ///
    /// # Panics
    ///
    /// If a row of the map has fewer weights than there are keys.
    ///
    /// ```
    /// use attend_view::{AttentionMap, Colours, Terminal};
    ///
    /// let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    /// let map = AttentionMap {
    ///     queries: words("Wir sind"),
    ///     keys: words("We are"),
    ///     weights: vec![vec![0.9, 0.1], vec![0.25, 0.75]],
    /// };
    /// let terminal = Terminal { columns: 80, colours: Colours::None, unicode: true };
    /// assert_eq!(terminal.heat_map(&map), "\
    /// \x20    We   are\n\
    /// Wir  █ 90   10\n\
    /// sind ░ 25 ▓ 75\n");
    /// ```
    #[must_use]
    pub fn heat_map(&self, map: &AttentionMap) -> String {
        let label_room = (self.columns / 3).max(1);
        let labels: Vec<String> = map
            .queries
            .iter()
            .map(|text| self.cut(text, label_room))
            .collect();
        let label_width = widest(&labels);
        let room = self.columns.saturating_sub(label_width + 1).max(CELL);
        let headings: Vec<String> = map
            .keys
            .iter()
            .map(|text| self.cut(text, WIDEST_CELL.min(room)))
            .collect();
        let widths: Vec<usize> = headings.iter().map(|heading| heading.width().max(CELL)).collect();

        let mut drawn = String::new();
        let mut start = 0;
        while start < headings.len() {
            let end = start + fitting(&widths[start..], room);
            if start > 0 {
                drawn.push('\n');
            }
            let texts = headings[start..end].iter().zip(&widths[start..end]);
            let heading: Vec<String> = texts.map(|(text, width)| padded(text, *width)).collect();
            let heading = format!("{} {}", " ".repeat(label_width), heading.join(" "));
            let _ = writeln!(drawn, "{}", heading.trim_end());
            for (label, weights) in labels.iter().zip(&map.weights) {
                let cells = weights[start..end].iter().zip(&widths[start..end]);
                let cells: Vec<String> = cells.map(|(weight, width)| self.cell(*weight, *width)).collect();
                let line = format!("{} {}", padded(label, label_width), cells.join(" "));
                let _ = writeln!(drawn, "{}", line.trim_end());
            }
            start = end;
        }
        drawn
    }

    /// Returns the cell of a weight, which takes `width` columns.
    fn cell(&self, weight: f32, width: usize) -> String {
        let percent = format!("{:.0}", 100.0 * weight);
        let style = match self.colours {
            Colours::None => {
                let shades = if self.unicode { SHADES } else { ASCII_SHADES };
                let shade = shades[(weight.clamp(0.0, 1.0) * (shades.len() - 1) as f32).round() as usize];
                return padded(&format!("{shade}{percent:>3}"), width);
            }
            Colours::True => Style::new()
                .fg_color(Some(colour::of_text_on(weight).into()))
                .bg_color(Some(colour::of_weight(weight).into())),
            Colours::Palette => {
                let nearest = |colour| Some(Color::from(rgb_to_xterm(colour)));
                Style::new()
                    .fg_color(nearest(colour::of_text_on(weight)))
                    .bg_color(nearest(colour::of_weight(weight)))
            }
        };
        format!("{style}{percent:^width$}{style:#}")
    }

    /// Returns a text in at most `columns` columns. Characters that move the cursor are left out.
    fn cut(&self, text: &str, columns: usize) -> String {
        let text: String = text.chars().filter(|character| !character.is_control()).collect();
        if text.width() <= columns {
            return text;
        }
        let dots = if self.unicode { "…" } else { "~" };
        let mut kept = String::new();
        for grapheme in text.graphemes(true) {
            if kept.width() + grapheme.width() + dots.width() > columns {
                break;
            }
            kept.push_str(grapheme);
        }
        kept + dots
    }
}

/// Returns how many of the columns, at least one, fit into a room, with a space between them.
fn fitting(widths: &[usize], room: usize) -> usize {
    let mut taken = 0;
    let fits = |width: &&usize| {
        taken += *width + 1;
        taken <= room + 1
    };
    widths.iter().take_while(fits).count().max(1)
}

fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.width()).max().unwrap_or(0)
}

/// Returns a text with spaces behind it, so that it takes `columns` columns.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}
