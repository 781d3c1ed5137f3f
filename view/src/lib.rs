//! Attention to look at: a heat map in a terminal, a picture in SVG, and a page of HTML.
//!
//! The crate draws numbers that it is given. It knows no network and no tokenizer.

mod attention_map;
mod colour;
mod page;
mod svg;
mod terminal;

pub use attention_map::{AttentionLayers, AttentionMap};
pub use page::page;
pub use svg::svg;
pub use terminal::{Colours, Terminal};
