//! Tokenizers, which turn text into token ids and back.

mod alphabet;
mod bpe_dropout;
mod byte_level;
mod normalization;
mod train;
mod words;

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::decoders::wordpiece::WordPiece;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, Decoder, DecoderWrapper, Model, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, TokenizerImpl,
};

use crate::batch::Example;
use crate::error::DataError;
use crate::file::{read_text, write_file};
use crate::sentence_pair::SentencePair;

use bpe_dropout::Merges;
use byte_level::byte_of;
use words::{byte_level_words, for_each_word, with_space};

pub use normalization::{Normalization, Normalizer};

/// The token that fills the rows of a batch up to their width.
const PAD: &str = "<pad>";
/// The token that starts the input of the decoder.
const BOS: &str = "<s>";
/// The token that ends a source sentence and a translation.
const EOS: &str = "</s>";
/// The token of all words outside the vocabulary of a [`TokenizerKind::Whitespace`].
const UNK: &str = "<unk>";

/// The mark at the end of a piece of a word that the next piece continues, as a regular expression. The program
/// subword-nmt writes such marks.
const MARK: &str = "@@( |$)";

/// The reason why encoding never fails: `Tokenizer::new` has checked that every byte has a token, or that there is
/// `<unk>`.
const TOTAL: &str = "a checked tokenizer handles any text";

type Inner =
    TokenizerImpl<ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

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
}

/// A tokenizer with one vocabulary for both languages.
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
/// Encoding a text never gives the special tokens `<pad>`, `<s>` and `</s>`. The characters `</s>` in a sentence are
/// encoded as ordinary text, or as an unknown word.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Inner,
    kind: TokenizerKind,
    pad: u32,
    bos: u32,
    eos: u32,
    /// The id of `<unk>`; `None` for a tokenizer of subwords.
    unk: Option<u32>,
    /// Whether a text is encoded with a space before it.
    prefix_space: bool,
    /// The merges, for BPE-dropout; `None` if the kind is not BPE.
    merges: Option<Merges>,
    /// The maximum number of characters in a token of the vocabulary. A tokenizer of subwords writes each byte as a
    /// character.
    longest_token: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` in the format of the Hugging Face tokenizers library.
    ///
    /// # Errors
    /// Returns the errors of [`read_text`] if the file cannot be read. Returns [`DataError::InvalidTokenizer`] if the
    /// file is damaged, its tokenizer is not of a [`TokenizerKind`], or a byte or a special token is missing.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let text = read_text(path)?;
        // The file is first read as a JSON value, because the library panics if it reads a truncated file itself.
        let tokenizer = serde_json::from_str::<serde_json::Value>(&text)
            .and_then(serde_json::from_value::<Inner>)
            .map_err(|error| error.to_string())
            .and_then(Self::new);
        tokenizer.map_err(|reason| DataError::InvalidTokenizer {
            path: path.to_owned(),
            reason,
        })
    }

    /// Writes a `tokenizer.json`, which [`Tokenizer::load`] reads. A temporary file is renamed once it is complete.
    ///
    /// # Errors
    /// Returns [`DataError::Write`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        write_file(path, self.to_json())
    }

    /// Returns the JSON that [`Tokenizer::save`] writes.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.inner
            .to_string(true)
            .expect("tokens and numbers always serialize")
    }

    /// Encodes `text`, without special tokens.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false).expect(TOTAL);
        self.without_special(encoding.get_ids())
    }

    /// Encodes `phrase` as it stands within a longer text, without special tokens: after a space, or directly after
    /// other characters.
    #[must_use]
    pub fn encode_within(&self, phrase: &str, after_space: bool) -> Vec<u32> {
        let text = self.normalize(phrase);
        let text = if after_space { with_space(&text) } else { text };
        let split = self.inner.get_pre_tokenizer().expect("every kind splits words");
        let mut ids = Vec::new();
        for_each_word(split, &text, |word| {
            let tokens = self.inner.get_model().tokenize(word).expect(TOTAL);
            ids.extend(tokens.into_iter().map(|token| token.id));
        })
        .expect(TOTAL);
        self.without_special(&ids)
    }

    /// Returns the bytes of `text`, before normalisation, that each token of [`Tokenizer::encode`] stands for, in
    /// order. A token that is a part of a character stands for the whole character. A token that is only the space
    /// before the text stands for the first character.
    #[must_use]
    pub fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let encoding = self.inner.encode(text, false).expect(TOTAL);
        let offsets = encoding.get_offsets().iter();
        offsets.map(|&(start, end)| start..end).collect()
    }

    /// Encodes each of several texts with [`Tokenizer::encode`], on all cores. Returns the ids in the order of `texts`.
    #[must_use]
    pub fn encode_batch(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        // Each text is encoded by itself: the library's own function for batches is slower, and keeps the spelling of
        // every token in memory.
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// Returns a lower bound of the number of tokens in `text`, without encoding it. Encoding a long text takes a
    /// hundred times its memory.
    #[must_use]
    pub fn min_tokens(&self, text: &str) -> usize {
        let text = self.normalize(text);
        match self.kind {
            TokenizerKind::Bpe | TokenizerKind::Unigram => text.len().div_ceil(self.longest_token),
            TokenizerKind::Whitespace => text.split_whitespace().count(),
        }
    }

    /// Returns whether a side of `pair` surely has more than `limit` tokens, by [`Tokenizer::min_tokens`].
    #[must_use]
    pub fn has_more_tokens(&self, pair: &SentencePair, limit: usize) -> bool {
        // Most sides are so short that they need not be normalised to know it.
        [&pair.source, &pair.target]
            .into_iter()
            .any(|side| side.len() > limit && self.min_tokens(side) > limit)
    }

    /// Encodes both sides of sentence pairs on all cores, and ends each side with `</s>`. Returns the examples in the
    /// order of `pairs`.
    #[must_use]
    pub fn encode_pairs(&self, pairs: &[SentencePair]) -> Vec<Example> {
        let encode_side = |side: fn(&SentencePair) -> &str| {
            let texts: Vec<&str> = pairs.iter().map(side).collect();
            self.encode_batch(&texts).into_iter().map(|mut ids| {
                ids.push(self.eos);
                ids
            })
        };
        encode_side(|pair| &pair.source)
            .zip(encode_side(|pair| &pair.target))
            .map(|(source, target)| Example { source, target })
            .collect()
    }

    /// Returns the text of `ids`, without the space that [`Tokenizer::encode`] puts before a text. Special tokens and
    /// ids outside the vocabulary are skipped. Bytes that are not UTF-8, which a model can produce, become U+FFFD.
    ///
    /// The ids must be those of a whole text. The parts of a text join only by their [`surface`](Tokenizer::surface):
    /// the ids of ` ein` and ` Haus` are decoded to `ein Haus` together, and to `ein` and `Haus` alone.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, true).expect(TOTAL)
    }

    /// Returns `text` as a reader should see it. A [`TokenizerKind::Whitespace`] removes the marks of text that is cut
    /// into subwords: "a ho@@ use" becomes "a house". Other kinds change nothing.
    #[must_use]
    pub fn plain_text(&self, text: &str) -> String {
        match (self.kind, self.inner.get_decoder()) {
            (TokenizerKind::Whitespace, Some(decoder)) => {
                let words = text.split_whitespace().map(str::to_owned).collect();
                decoder.decode(words).expect(TOTAL)
            }
            _ => text.to_owned(),
        }
    }

    /// Returns a token as a reader sees it:
    ///
    /// - a subword with the space that it starts with;
    /// - a word, or a piece of a word with its mark;
    /// - a special token by its name;
    /// - a part of a character as U+FFFD;
    /// - an id outside the vocabulary as an empty string.
    #[must_use]
    pub fn token(&self, id: u32) -> String {
        let is_special = [self.pad, self.bos, self.eos].contains(&id);
        match self.kind {
            TokenizerKind::Bpe | TokenizerKind::Unigram if !is_special => {
                String::from_utf8_lossy(&self.surface(id)).into_owned()
            }
            _ => self.vocabulary_entry(id),
        }
    }

    /// Returns a token as `tokenizer.json` spells it; an empty string for an id outside the vocabulary.
    #[must_use]
    pub fn vocabulary_entry(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_default()
    }

    /// Returns the bytes that a token adds to a text:
    ///
    /// - for a subword, its bytes, with the space that it starts with;
    /// - for a whole word, the word and a space after it;
    /// - for a piece of a word, the piece without its mark;
    /// - for a special token, no bytes.
    ///
    /// The joined bytes of all tokens of a text are the text that [`Tokenizer::decode`] returns, except that they may
    /// have one more space at the start or at the end.
    #[must_use]
    pub fn surface(&self, id: u32) -> Vec<u8> {
        let entry = self.vocabulary_entry(id);
        if [self.pad, self.bos, self.eos].contains(&id) {
            return Vec::new();
        }
        match self.kind {
            TokenizerKind::Whitespace => match entry.strip_suffix("@@") {
                Some(piece) => piece.as_bytes().to_vec(),
                None => (entry + " ").into_bytes(),
            },
            _ => entry.chars().filter_map(byte_of).collect(),
        }
    }

    /// Returns the kind of the tokenizer.
    #[must_use]
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// Returns the number of tokens. The ids are `0..vocab_size`.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Returns the id of `<pad>`.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.pad
    }

    /// Returns the id of `<s>`.
    #[must_use]
    pub fn bos_id(&self) -> u32 {
        self.bos
    }

    /// Returns the id of `</s>`.
    #[must_use]
    pub fn eos_id(&self) -> u32 {
        self.eos
    }

    /// Returns the id of `<unk>`; `None` if the tokenizer is of subwords.
    #[must_use]
    pub fn unk_id(&self) -> Option<u32> {
        self.unk
    }

    /// Replaces special tokens by `<unk>`, so that a word that is spelt like a special token is an unknown word.
    fn without_special(&self, ids: &[u32]) -> Vec<u32> {
        let Some(unk) = self.unk else {
            return ids.to_vec();
        };
        let is_special = |id| [self.pad, self.bos, self.eos].contains(&id);
        ids.iter()
            .map(|&id| if is_special(id) { unk } else { id })
            .collect()
    }

    /// Checks the properties that this crate relies on, and computes the fields that `tokenizer.json` does not hold.
    fn new(mut inner: Inner) -> Result<Self, String> {
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .ok_or(format!("the token {token} is missing"))
        };
        let (pad, bos, eos) = (id(PAD)?, id(BOS)?, id(EOS)?);
        let kind = match inner.get_model() {
            ModelWrapper::BPE(bpe) if bpe.dropout.is_some() => {
                return Err("its model drops merges at random".to_owned());
            }
            ModelWrapper::BPE(_) => TokenizerKind::Bpe,
            ModelWrapper::Unigram(_) => TokenizerKind::Unigram,
            ModelWrapper::WordLevel(words) if words.unk_token != UNK => {
                return Err(format!("its unk_token must be {UNK}"));
            }
            ModelWrapper::WordLevel(_) => TokenizerKind::Whitespace,
            ModelWrapper::WordPiece(_) => {
                return Err("its model must be BPE, Unigram or WordLevel".to_owned());
            }
        };
        let unk = match kind {
            TokenizerKind::Whitespace => Some(id(UNK)?),
            TokenizerKind::Bpe | TokenizerKind::Unigram => {
                for byte in ByteLevel::alphabet() {
                    id(&byte.to_string())?;
                }
                None
            }
        };
        let (_, prefix_space) = normalization::steps(inner.get_normalizer());
        match kind {
            TokenizerKind::Whitespace => check_whitespace_parts(&inner)?,
            TokenizerKind::Bpe | TokenizerKind::Unigram => check_byte_level_parts(&inner, prefix_space)?,
        }
        let vocab = inner.get_vocab(true);
        if vocab.values().any(|&id| id as usize >= vocab.len()) {
            return Err(format!(
                "the ids of its {size} tokens must be below {size}",
                size = vocab.len()
            ));
        }
        let longest_token = vocab.keys().map(|token| token.chars().count()).max();
        let merges = match inner.get_model() {
            ModelWrapper::BPE(bpe) => Some(Merges::of(bpe)?),
            _ => None,
        };

        let special = [PAD, BOS, EOS].map(|token| AddedToken::from(token, true));
        inner
            .add_special_tokens(special)
            .and_then(|_| inner.with_truncation(None).map(|_| ()))
            .map_err(|error| error.to_string())?;
        inner.with_padding(None);
        inner.set_encode_special_tokens(true);
        Ok(Self {
            inner,
            kind,
            pad,
            bos,
            eos,
            unk,
            prefix_space,
            merges,
            longest_token: longest_token.unwrap_or(1).max(1),
        })
    }
}

fn check_byte_level_parts(inner: &Inner, prefix_space: bool) -> Result<(), String> {
    // Since letters are split from other signs, no subword spells a special token.
    let splits_words = match inner.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::ByteLevel(split)) => split.use_regex && !split.add_prefix_space,
        Some(split) => *split == byte_level_words(),
        None => false,
    };
    if !splits_words {
        return Err(
            "its pre_tokenizer must be the one that Attend writes for subwords, or ByteLevel with \
                    use_regex and without add_prefix_space"
                .to_owned(),
        );
    }
    if prefix_space && !removes_prefix_space(inner.get_decoder()) {
        return Err(
            "its decoder must be ByteLevel and then Strip, which removes the space that its normalizer prepends"
                .to_owned(),
        );
    }
    if !prefix_space && !matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
        return Err("its decoder must be ByteLevel".to_owned());
    }
    Ok(())
}

/// Returns whether a decoder reads bytes as text, and then removes one space before the text.
fn removes_prefix_space(decoder: Option<&DecoderWrapper>) -> bool {
    let Some(DecoderWrapper::Sequence(sequence)) = decoder else {
        return false;
    };
    match sequence.get_decoders() {
        [DecoderWrapper::ByteLevel(_), DecoderWrapper::Strip(strip)] => {
            (strip.content, strip.start, strip.stop) == (' ', 1, 0)
        }
        _ => false,
    }
}

fn check_whitespace_parts(inner: &Inner) -> Result<(), String> {
    if !matches!(
        inner.get_pre_tokenizer(),
        Some(PreTokenizerWrapper::WhitespaceSplit(_))
    ) {
        return Err("its pre_tokenizer must be WhitespaceSplit".to_owned());
    }
    let json = |decoder: Option<&DecoderWrapper>| serde_json::to_value(decoder).ok();
    if json(inner.get_decoder()) != json(Some(&whitespace_decoder())) {
        return Err("its decoder must be the one that Attend writes for words".to_owned());
    }
    Ok(())
}

/// Makes the decoder that reads bytes as text, and removes the space before the text.
fn byte_level_decoder() -> DecoderWrapper {
    let bytes = ByteLevel::default().add_prefix_space(false);
    Sequence::new(vec![bytes.into(), Strip::new(' ', 1, 0).into()]).into()
}

/// Makes the decoder that puts a space between words and removes the marks between the pieces of a word. It consists of
/// decoders of the Hugging Face library, so that other programs that load `tokenizer.json` decode in the same way.
fn whitespace_decoder() -> DecoderWrapper {
    let mark = ReplacePattern::Regex(MARK.to_owned());
    Sequence::new(vec![
        // This decoder puts a space in front of each word that does not start with the prefix. The prefix is a space,
        // with which no word starts.
        WordPiece::new(" ".to_owned(), false).into(),
        Fuse::new().into(),
        Replace::new(mark, "").expect("the pattern is valid").into(),
    ])
    .into()
}
