//! Classification and tagging: labels for texts and for their words.
//!
//! A text that has more tokens than the model has positions is read in windows: parts of at most that many tokens, one
//! behind the other. Each window is read by itself.

mod attention;
mod classifier;
mod encoding;
mod folder;
mod model;
mod tagger;

pub use classifier::{Classification, Classifier, LabelProbability, TokenWeight};
pub use encoding::{encode_text, encode_words};
pub use folder::LabelModelFolder;
pub use tagger::{Tag, Tagger};
