//! Tokenizers, which turn text into token ids and back.

mod alphabet;
mod bpe_dropout;
mod byte_level;
mod hugging_face;
mod normalization;
mod pair;
mod sentencepiece;
mod train;
mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::error::DataError;
use crate::file::write_file;

use hugging_face::HuggingFace;
use sentencepiece::SentencePiece;

pub use normalization::{Normalization, Normalizer};
pub use pair::PairTokenizer;

/// The token that fills the rows of a batch up to their width.
const PAD: &str = "<pad>";
/// The token that starts the input of the decoder.
const BOS: &str = "<s>";
/// The token that ends a source sentence and a translation.
const EOS: &str = "</s>";
/// The token of all words outside the vocabulary.
const UNK: &str = "<unk>";

/// How text is cut into tokens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-pair encoding (Sennrich et al., 2016): frequent pairs of neighbouring tokens are merged.
    #[default]
    Bpe,
    /// A unigram model (Kudo, 2018): a word is cut into the pieces whose product of probabilities is the highest.
    Unigram,
    /// The words between white space. This kind is for text that another program has cut into subwords.
    Whitespace,
    /// A [`SentencePieceModel`](crate::SentencePieceModel), which comes with a model that another program has trained.
    /// Attend does not learn such tokenizers.
    SentencePiece,
}

/// A tokenizer. One that Attend learns has one vocabulary for both languages.
///
/// A tokenizer of subwords, [`TokenizerKind::Bpe`] or [`TokenizerKind::Unigram`], splits text into words, each with the
/// space before it, and cuts the bytes of each word into tokens. All 256 bytes are in the vocabulary, so that every
/// text can be encoded without loss: `decode(&encode(text)) == text`. If the tokenizer has steps of normalisation, the
/// tokens are those of the normalised text: `decode(&encode(text)) == normalize(text)`.
///
/// A text is encoded with a space before it, and decoding removes that space, as in sentencepiece. A word therefore has
/// the same tokens at the start of a text and within it. A tokenizer that was learnt by an earlier version, or
/// elsewhere, may do without that space.
///
/// A [`TokenizerKind::Whitespace`] knows the words of its training text. Every other word becomes `<unk>`. Decoding
/// puts a space between words. A piece that ends with the mark `@@` is joined to the next piece, without the mark and
/// the space.
///
/// A [`TokenizerKind::SentencePiece`] cuts text by a SentencePiece model, and finds the ids of the pieces in a
/// `vocab.json`. A piece that is not there becomes `<unk>`, which is decoded to ` ⁇ `. A language in a text's first
/// characters, such as `>>deu<<`, is one token if the vocabulary has it.
///
/// Encoding a text never gives the special tokens `<pad>`, `<s>` and `</s>`. The characters `</s>` in a sentence are
/// encoded as ordinary text, or as an unknown word.
#[derive(Clone, Debug)]
pub struct Tokenizer(Cut);

/// What cuts text into tokens.
#[derive(Clone, Debug)]
enum Cut {
    HuggingFace(Arc<HuggingFace>),
    SentencePiece(Arc<SentencePiece>),
}

/// The token that a decoder reads first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstToken {
    /// `<s>`.
    Bos,
    /// `<pad>`. No decoder reads the tokens of a vocabulary of sources alone, which need not have `<s>`.
    Pad,
    /// The token with this id, as a `config.json` names it.
    Id(u32),
}

/// The ids of the special tokens.
#[derive(Clone, Debug)]
struct SpecialIds {
    pad: u32,
    /// The token that the decoder reads first: `<s>`, or `<pad>` in Marian's models.
    bos: u32,
    eos: u32,
    /// The id of `<unk>`; `None` for a tokenizer of subwords.
    unk: Option<u32>,
}

impl SpecialIds {
    /// Returns whether a token is `<pad>`, `</s>` or the token that the decoder reads first.
    fn contains(&self, id: u32) -> bool {
        [self.pad, self.bos, self.eos].contains(&id)
    }
}

/// The content of the files of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenizerFiles<'a> {
    /// A `tokenizer.json` in the format of the Hugging Face tokenizers library.
    Json(String),
    /// The files of a [`TokenizerKind::SentencePiece`], as they were read.
    SentencePiece {
        /// The SentencePiece model.
        model: &'a [u8],
        /// The `vocab.json`: the ids of the pieces.
        vocabulary: &'a str,
    },
}

impl Tokenizer {
    /// Reads a `tokenizer.json` in the format of the Hugging Face tokenizers library.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] and its neighbours if the file cannot be read as text. Returns
    /// [`DataError::InvalidTokenizer`] if the file is damaged, its tokenizer is not of a [`TokenizerKind`], or a byte or
    /// a special token is missing.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let library = HuggingFace::load(path.as_ref())?;
        Ok(Self(Cut::HuggingFace(library.into())))
    }

    /// Reads a SentencePiece model, and a `vocab.json` with the ids of its pieces: an object such as
    /// `{"</s>": 0, "<unk>": 1, "▁the": 2, "<pad>": 3}`. The decoder starts with the token `start`.
    ///
    /// # Errors
    /// Returns the errors of [`SentencePieceModel::load`](crate::SentencePieceModel::load), and
    /// [`DataError::InvalidTokenizer`] if the vocabulary is damaged, an id is there twice or left out, or one of `<pad>`,
    /// `</s>`, `<unk>` and the token that the decoder starts with is missing.
    pub fn load_sentencepiece(
        model: impl AsRef<Path>,
        vocabulary: impl AsRef<Path>,
        start: FirstToken,
    ) -> Result<Self, DataError> {
        let sentencepiece = SentencePiece::load(model.as_ref(), vocabulary.as_ref(), start)?;
        Ok(Self(Cut::SentencePiece(sentencepiece.into())))
    }

    /// Returns the tokenizer of texts whose start names no language: translations, where `>>deu<<` is ordinary text.
    #[must_use]
    pub fn without_languages(self) -> Self {
        match &self.0 {
            Cut::SentencePiece(sentencepiece) if sentencepiece.languages().next().is_some() => {
                Self(Cut::SentencePiece(sentencepiece.without_languages().into()))
            }
            _ => self,
        }
    }

    /// Writes a `tokenizer.json`, which [`Tokenizer::load`] reads. A temporary file is renamed once it is complete.
    ///
    /// # Errors
    /// Returns [`DataError::Write`] if the file cannot be written, and [`DataError::NoTokenizerJson`] if the tokenizer
    /// is a [`TokenizerKind::SentencePiece`], which has [other files](Tokenizer::files).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        match self.files() {
            TokenizerFiles::Json(json) => write_file(path, json),
            TokenizerFiles::SentencePiece { .. } => Err(DataError::NoTokenizerJson {
                path: path.to_owned(),
            }),
        }
    }

    /// Returns the content of the tokenizer's files. Two tokenizers cut every text alike if their files are the same.
    #[must_use]
    pub fn files(&self) -> TokenizerFiles<'_> {
        match &self.0 {
            Cut::HuggingFace(library) => TokenizerFiles::Json(library.to_json()),
            Cut::SentencePiece(sentencepiece) => TokenizerFiles::SentencePiece {
                model: sentencepiece.model().file(),
                vocabulary: sentencepiece.vocabulary_file(),
            },
        }
    }

    /// Encodes `text`, without special tokens.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match &self.0 {
            Cut::HuggingFace(library) => library.encode(text),
            Cut::SentencePiece(sentencepiece) => sentencepiece.encode(text),
        }
    }

    /// Returns the language that the first characters of a source name, such as `>>deu<<`, if it is one token of the
    /// vocabulary: its bytes in `text`, and the id of the token. Only a [`TokenizerKind::SentencePiece`] has such
    /// tokens.
    #[must_use]
    pub fn language_token(&self, text: &str) -> Option<(Range<usize>, u32)> {
        match &self.0 {
            Cut::HuggingFace(_) => None,
            Cut::SentencePiece(sentencepiece) => sentencepiece.language_token(text),
        }
    }

    /// Returns the codes of the languages that the first characters of a source can name, such as `deu` if the
    /// vocabulary has the token `>>deu<<`.
    #[must_use]
    pub fn languages(&self) -> Vec<&str> {
        match &self.0 {
            Cut::HuggingFace(_) => Vec::new(),
            Cut::SentencePiece(sentencepiece) => sentencepiece.languages().collect(),
        }
    }

    /// Encodes `phrase` as it stands within a longer text, without special tokens: after a space, or directly after
    /// other characters.
    #[must_use]
    pub fn encode_within(&self, phrase: &str, after_space: bool) -> Vec<u32> {
        match &self.0 {
            Cut::HuggingFace(library) => library.encode_within(phrase, after_space),
            Cut::SentencePiece(sentencepiece) => sentencepiece.encode_within(phrase, after_space),
        }
    }

    /// Returns the bytes of `text`, before normalisation, that each token of [`Tokenizer::encode`] stands for, in
    /// order. A token that is a part of a character stands for the whole character. A token that is only the space
    /// before the text stands for the first character.
    #[must_use]
    pub fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        match &self.0 {
            Cut::HuggingFace(library) => library.offsets(text),
            Cut::SentencePiece(sentencepiece) => sentencepiece.offsets(text),
        }
    }

    /// Encodes each of several texts with [`Tokenizer::encode`], on all cores. Returns the ids in the order of `texts`.
    #[must_use]
    pub fn encode_batch(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        // Each text is encoded by itself: the Hugging Face library's own function for batches is slower, and keeps the
        // spelling of every token in memory.
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// Returns a lower bound of the number of tokens in `text`, without encoding it. Encoding a long text takes a
    /// hundred times its memory.
    #[must_use]
    pub fn min_tokens(&self, text: &str) -> usize {
        match &self.0 {
            Cut::HuggingFace(library) => library.min_tokens(text),
            Cut::SentencePiece(sentencepiece) => sentencepiece.min_tokens(text),
        }
    }

    /// Returns what an encoder reads of a source with these tokens: they and `</s>`, or they alone if the model does
    /// without `</s>`, which `source_eos` says. A source without tokens is `</s>` for every model, so that the encoder
    /// has something to read.
    #[must_use]
    pub fn encoder_input(&self, mut tokens: Vec<u32>, source_eos: bool) -> Vec<u32> {
        if source_eos || tokens.is_empty() {
            tokens.push(self.eos_id());
        }
        tokens
    }

    /// Returns the text of `ids`, without the space that [`Tokenizer::encode`] puts before a text. Special tokens and
    /// ids outside the vocabulary are skipped. Bytes that are not UTF-8, which a model can produce, become U+FFFD.
    ///
    /// The ids must be those of a whole text. The parts of a text join only by their [`surface`](Tokenizer::surface):
    /// the ids of ` ein` and ` Haus` are decoded to `ein Haus` together, and to `ein` and `Haus` alone.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.0 {
            Cut::HuggingFace(library) => library.decode(ids),
            Cut::SentencePiece(sentencepiece) => sentencepiece.decode(ids),
        }
    }

    /// Returns the text of tokens that are spelt as [`Tokenizer::vocabulary_entry`] spells them.
    #[must_use]
    pub fn join(&self, entries: Vec<String>) -> String {
        match &self.0 {
            Cut::HuggingFace(library) => library.join(entries),
            Cut::SentencePiece(sentencepiece) => sentencepiece.join(&entries),
        }
    }

    /// Returns `text` as a reader should see it. A [`TokenizerKind::Whitespace`] removes the marks of text that is cut
    /// into subwords: "a ho@@ use" becomes "a house". Other kinds change nothing.
    #[must_use]
    pub fn plain_text(&self, text: &str) -> String {
        match self.kind() {
            TokenizerKind::Whitespace => self.join(text.split_whitespace().map(str::to_owned).collect()),
            _ => text.to_owned(),
        }
    }

    /// Returns a token as a reader sees it:
    ///
    /// - a subword with the space that it starts with;
    /// - a word, or a piece of a word with its mark;
    /// - a special token, or `<unk>`, by its name;
    /// - a part of a character as U+FFFD;
    /// - an id outside the vocabulary as an empty string.
    #[must_use]
    pub fn token(&self, id: u32) -> String {
        let surface = self.surface(id);
        let has_name = surface.is_empty() || Some(id) == self.unk_id();
        if has_name || self.kind() == TokenizerKind::Whitespace {
            self.vocabulary_entry(id)
        } else {
            String::from_utf8_lossy(&surface).into_owned()
        }
    }

    /// Returns a token as `tokenizer.json` or `vocab.json` spells it; an empty string for an id outside the vocabulary.
    #[must_use]
    pub fn vocabulary_entry(&self, id: u32) -> String {
        match &self.0 {
            Cut::HuggingFace(library) => library.vocabulary_entry(id),
            Cut::SentencePiece(sentencepiece) => sentencepiece.vocabulary_entry(id),
        }
    }

    /// Returns the bytes that a token adds to a text:
    ///
    /// - for a subword, its bytes, with the space that it starts with;
    /// - for a whole word, the word and a space after it;
    /// - for a piece of a word, the piece without its mark;
    /// - for a special token, no bytes.
    ///
    /// The joined bytes of all tokens of a text are the text that [`Tokenizer::decode`] returns, except that they may
    /// have more spaces at the start or at the end.
    #[must_use]
    pub fn surface(&self, id: u32) -> Vec<u8> {
        match &self.0 {
            Cut::HuggingFace(library) => library.surface(id),
            Cut::SentencePiece(sentencepiece) => sentencepiece.surface(id),
        }
    }

    /// Returns the kind of the tokenizer.
    #[must_use]
    pub fn kind(&self) -> TokenizerKind {
        match &self.0 {
            Cut::HuggingFace(library) => library.kind(),
            Cut::SentencePiece(_) => TokenizerKind::SentencePiece,
        }
    }

    /// Returns the number of tokens. The ids are `0..vocab_size`.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match &self.0 {
            Cut::HuggingFace(library) => library.vocab_size(),
            Cut::SentencePiece(sentencepiece) => sentencepiece.vocab_size(),
        }
    }

    /// Returns the id of `<pad>`.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.special().pad
    }

    /// Returns the id of the token that the decoder reads first: `<s>`, or another one that
    /// [`Tokenizer::load_sentencepiece`] was given.
    #[must_use]
    pub fn bos_id(&self) -> u32 {
        self.special().bos
    }

    /// Returns the id of `</s>`.
    #[must_use]
    pub fn eos_id(&self) -> u32 {
        self.special().eos
    }

    /// Returns the id of `<unk>`; `None` if the tokenizer is of subwords that spell every text.
    #[must_use]
    pub fn unk_id(&self) -> Option<u32> {
        self.special().unk
    }

    fn special(&self) -> &SpecialIds {
        match &self.0 {
            Cut::HuggingFace(library) => &library.special,
            Cut::SentencePiece(sentencepiece) => &sentencepiece.special,
        }
    }
}

/// Tokenizers are equal if their files and the first token of the decoder are the same.
impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.0, &other.0) {
            (Cut::HuggingFace(one), Cut::HuggingFace(other)) => Arc::ptr_eq(one, other),
            (Cut::SentencePiece(one), Cut::SentencePiece(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        is_same || (self.bos_id(), self.files()) == (other.bos_id(), other.files())
    }
}

impl TokenizerFiles<'_> {
    /// Returns the content of all files as one sequence of bytes.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Json(json) => json.as_bytes().into(),
            Self::SentencePiece { model, vocabulary } => [*model, vocabulary.as_bytes()].concat().into(),
        }
    }
}
