//! The grammar against sentences written by hand, and the corpus against what it promises.

use std::sync::LazyLock;

use crate::lexicon::Lexicon;

mod corpus;
mod grammar;
mod labels;

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::embedded);
