//! Subwords: text to token ids and back.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{AddedToken, TokenizerImpl};

use crate::batch::Example;
use crate::corpus::SentencePair;
use crate::error::DataError;
use crate::file::write_file;

/// Fills rows up to the width of their batch.
pub const PAD: &str = "<pad>";
/// Starts the decoder's input.
pub const BOS: &str = "<s>";
/// Ends a source sentence and a translation.
pub const EOS: &str = "</s>";

/// Why the library's `Result` is never an error here: `Tokenizer::new` has checked that every byte has a token.
const TOTAL: &str = "a byte-level tokenizer handles any text";

/// The parts are fixed by type, so that reading a file with another model, pre-tokenizer or decoder is an error.
type ByteLevelBpe = TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, PostProcessorWrapper, ByteLevel>;

/// A byte-level BPE tokenizer, one vocabulary for both languages.
///
/// Words are split off with the space before them and spelt in bytes, which byte-pair encoding (Sennrich et al.,
/// 2016) then merges into subwords. All 256 bytes are in the vocabulary, so any text can be encoded and no text
/// is lost: `decode(&encode(text)) == text`. The special tokens `<pad>`, `<s>` and `</s>` are never made from
/// text: a sentence that contains the characters `</s>` is ordinary text.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: ByteLevelBpe,
    pad: u32,
    bos: u32,
    eos: u32,
}

impl Tokenizer {
    /// Learns a vocabulary of at most `vocab_size` tokens from `lines` of both languages: the special tokens
    /// (`<pad>` 0, `<s>` 1, `</s>` 2), the 256 bytes, then merges of pairs that occur at least twice. The same
    /// lines give the same tokenizer.
    ///
    /// # Errors
    /// [`DataError::VocabularyTooSmall`] below 259 tokens; [`DataError::TrainTokenizer`] when the library fails.
    pub fn train_bpe<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        let smallest = ByteLevel::alphabet().len() + special_tokens().len();
        if vocab_size < smallest {
            return Err(DataError::VocabularyTooSmall { vocab_size, smallest });
        }
        let mut trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .special_tokens(special_tokens())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let mut inner = ByteLevelBpe::new(BPE::default());
        let byte_level = ByteLevel::default().add_prefix_space(false);
        inner.with_pre_tokenizer(Some(byte_level));
        inner.with_decoder(Some(byte_level));
        let train_error = |reason: String| DataError::TrainTokenizer { reason };
        inner
            .train(&mut trainer, lines)
            .map_err(|error| train_error(error.to_string()))?;
        Self::new(inner).map_err(train_error)
    }

    /// Reads a `tokenizer.json` in the format of the Hugging Face tokenizers library.
    ///
    /// # Errors
    /// [`DataError::Read`], or [`DataError::InvalidTokenizer`] when the file is damaged, is not a byte-level BPE
    /// tokenizer, or lacks a byte or a special token.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| DataError::Read {
            path: path.to_owned(),
            error,
        })?;
        let tokenizer = match ByteLevelBpe::from_bytes(bytes) {
            Ok(inner) => Self::new(inner),
            Err(error) => Err(error.to_string()),
        };
        tokenizer.map_err(|reason| DataError::InvalidTokenizer {
            path: path.to_owned(),
            reason,
        })
    }

    /// Writes the `tokenizer.json` that [`Tokenizer::load`] reads, through a temporary name.
    ///
    /// # Errors
    /// [`DataError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        write_file(path, self.to_json())
    }

    /// The contents of [`Tokenizer::save`]'s file.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.inner
            .to_string(true)
            .expect("tokens and numbers always serialize")
    }

    /// The ids of `text`, without special tokens.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false).expect(TOTAL);
        encoding.get_ids().to_vec()
    }

    /// [`Tokenizer::encode`] on all cores, in the order of `texts`.
    #[must_use]
    pub fn encode_batch(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        // Text by text: the library's own way over a batch keeps the spelling of every token until it returns, and
        // takes longer.
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// Encodes both sides of `pairs` and ends each with `</s>`, in the order of `pairs`.
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

    /// The text of `ids`; special tokens and ids outside the vocabulary are left out. Bytes that do not form
    /// UTF-8, which a model can produce, become U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, true).expect(TOTAL)
    }

    /// One token as a reader sees it: a subword with the space that starts it, a special token by its name, a part
    /// of a character as U+FFFD. Empty outside the vocabulary.
    #[must_use]
    pub fn token(&self, id: u32) -> String {
        self.inner.decode(&[id], false).expect(TOTAL)
    }

    /// The number of tokens: ids are `0..vocab_size`.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of `<pad>`.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.pad
    }

    /// The id of `<s>`.
    #[must_use]
    pub fn bos_id(&self) -> u32 {
        self.bos
    }

    /// The id of `</s>`.
    #[must_use]
    pub fn eos_id(&self) -> u32 {
        self.eos
    }

    /// Checks what this crate relies on, and sets what the file does not say.
    fn new(mut inner: ByteLevelBpe) -> Result<Self, String> {
        if inner.get_normalizer().is_some() {
            return Err("its normalizer would change the text".to_owned());
        }
        // Splitting letters from punctuation also keeps merges from ever spelling a special token.
        if inner
            .get_pre_tokenizer()
            .is_none_or(|split| split.add_prefix_space || !split.use_regex)
        {
            return Err(
                "its pre_tokenizer must be ByteLevel with use_regex and without add_prefix_space".to_owned(),
            );
        }
        if inner.get_decoder().is_none() {
            return Err("its decoder must be ByteLevel".to_owned());
        }
        if inner.get_model().dropout.is_some() {
            return Err("its model drops merges at random".to_owned());
        }
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .ok_or(format!("the token {token} is missing"))
        };
        let (pad, bos, eos) = (id(PAD)?, id(BOS)?, id(EOS)?);
        for byte in ByteLevel::alphabet() {
            id(&byte.to_string())?;
        }
        let vocab = inner.get_vocab(true);
        if vocab.values().any(|&id| id as usize >= vocab.len()) {
            return Err(format!(
                "the ids of its {size} tokens must be below {size}",
                size = vocab.len()
            ));
        }

        inner
            .add_special_tokens(special_tokens())
            .and_then(|_| inner.with_truncation(None).map(|_| ()))
            .map_err(|error| error.to_string())?;
        inner.with_padding(None);
        inner.set_encode_special_tokens(true);
        Ok(Self { inner, pad, bos, eos })
    }
}

fn special_tokens() -> Vec<AddedToken> {
    [PAD, BOS, EOS].map(|token| AddedToken::from(token, true)).into()
}
