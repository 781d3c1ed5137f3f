//! Tokenizers of the Hugging Face library: byte-level subwords, and words between white space.

use std::ops::Range;
use std::path::Path;

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

use super::bpe_dropout::Merges;
use super::byte_level::byte_of;
use super::words::{byte_level_words, for_each_word, with_space};
use super::{BOS, EOS, PAD, SpecialIds, TokenizerKind, UNK, normalization};
use crate::error::DataError;
use crate::file::read_text;

/// The mark at the end of a piece of a word that the next piece continues, as a regular expression. The program
/// subword-nmt writes such marks.
const MARK: &str = "@@( |$)";

/// The reason why encoding never fails: `HuggingFace::new` has checked that every byte has a token, or that there is
/// `<unk>`.
pub(super) const TOTAL: &str = "a checked tokenizer handles any text";

pub(super) type Inner =
    TokenizerImpl<ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// A tokenizer of the library. Its methods are those of [`Tokenizer`](super::Tokenizer).
#[derive(Clone, Debug)]
pub(super) struct HuggingFace {
    pub(super) inner: Inner,
    kind: TokenizerKind,
    pub(super) special: SpecialIds,
    /// Whether a text is encoded with a space before it.
    pub(super) prefix_space: bool,
    /// The merges, for BPE-dropout; `None` if the kind is not BPE.
    pub(super) merges: Option<Merges>,
    /// The maximum number of characters in a token of the vocabulary. A tokenizer of subwords writes each byte as a
    /// character.
    longest_token: usize,
}

impl HuggingFace {
    /// Reads a `tokenizer.json`.
    pub(super) fn load(path: &Path) -> Result<Self, DataError> {
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

    pub(super) fn to_json(&self) -> String {
        self.inner
            .to_string(true)
            .expect("tokens and numbers always serialize")
    }

    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false).expect(TOTAL);
        self.without_special(encoding.get_ids())
    }

    pub(super) fn encode_within(&self, phrase: &str, after_space: bool) -> Vec<u32> {
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

    pub(super) fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let encoding = self.inner.encode(text, false).expect(TOTAL);
        let offsets = encoding.get_offsets().iter();
        offsets.map(|&(start, end)| start..end).collect()
    }

    pub(super) fn min_tokens(&self, text: &str) -> usize {
        let text = self.normalize(text);
        match self.kind {
            TokenizerKind::Whitespace => text.split_whitespace().count(),
            _ => text.len().div_ceil(self.longest_token),
        }
    }

    pub(super) fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, true).expect(TOTAL)
    }

    /// Returns the text of tokens that are spelt as in the vocabulary.
    pub(super) fn join(&self, entries: Vec<String>) -> String {
        let decoder = self.inner.get_decoder().expect("every kind joins tokens");
        decoder.decode(entries).expect(TOTAL)
    }

    pub(super) fn vocabulary_entry(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_default()
    }

    pub(super) fn surface(&self, id: u32) -> Vec<u8> {
        let entry = self.vocabulary_entry(id);
        if self.special.contains(id) {
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

    pub(super) fn kind(&self) -> TokenizerKind {
        self.kind
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Replaces special tokens by `<unk>`, so that a word that is spelt like a special token is an unknown word.
    fn without_special(&self, ids: &[u32]) -> Vec<u32> {
        let Some(unk) = self.special.unk else {
            return ids.to_vec();
        };
        ids.iter()
            .map(|&id| if self.special.contains(id) { unk } else { id })
            .collect()
    }

    /// Checks the properties that this crate relies on, and computes the fields that `tokenizer.json` does not hold.
    pub(super) fn new(mut inner: Inner) -> Result<Self, String> {
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
            _ => {
                for byte in ByteLevel::alphabet() {
                    id(&byte.to_string())?;
                }
                None
            }
        };
        let (_, prefix_space) = normalization::steps(inner.get_normalizer());
        match kind {
            TokenizerKind::Whitespace => check_whitespace_parts(&inner)?,
            _ => check_byte_level_parts(&inner, prefix_space)?,
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
            special: SpecialIds { pad, bos, eos, unk },
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
pub(super) fn byte_level_decoder() -> DecoderWrapper {
    let bytes = ByteLevel::default().add_prefix_space(false);
    Sequence::new(vec![bytes.into(), Strip::new(' ', 1, 0).into()]).into()
}

/// Makes the decoder that puts a space between words and removes the marks between the pieces of a word. It consists of
/// decoders of the Hugging Face library, so that other programs that load `tokenizer.json` decode in the same way.
pub(super) fn whitespace_decoder() -> DecoderWrapper {
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
