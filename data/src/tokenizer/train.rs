//! Learning a vocabulary from text.

use std::cmp::Reverse;
use std::collections::HashMap;

use rayon::iter::{ParallelBridge, ParallelIterator};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{
    AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use super::{BOS, EOS, Inner, PAD, Tokenizer, TokenizerKind, UNK, whitespace_decoder};
use crate::error::DataError;

/// The size of a subword vocabulary where none is asked for.
pub const DEFAULT_VOCAB_SIZE: usize = 8_000;

/// Longer words teach [`Tokenizer::train_unigram`] nothing, and cost it time and memory by their length squared.
const MAX_WORD_LENGTH: usize = 1_000;

impl Tokenizer {
    /// Learns a vocabulary of at most `vocab_size` tokens from `lines` of both languages. Without a size, it is
    /// 8,000 for subwords, and all of them for words.
    ///
    /// # Errors
    /// As [`Tokenizer::train_bpe`], [`Tokenizer::train_unigram`] and [`Tokenizer::train_whitespace`].
    pub fn train<S: AsRef<str> + Send>(
        kind: TokenizerKind,
        lines: impl Iterator<Item = S> + Send,
        vocab_size: Option<usize>,
    ) -> Result<Self, DataError> {
        match kind {
            TokenizerKind::Bpe => Self::train_bpe(lines, vocab_size.unwrap_or(DEFAULT_VOCAB_SIZE)),
            TokenizerKind::Unigram => Self::train_unigram(lines, vocab_size.unwrap_or(DEFAULT_VOCAB_SIZE)),
            TokenizerKind::Whitespace => Self::train_whitespace(lines, vocab_size),
        }
    }

    /// Learns byte-pair encoding: the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2), the 256 bytes, then merges of
    /// pairs that occur at least twice. The same lines give the same tokenizer.
    ///
    /// # Errors
    /// [`DataError::VocabularyTooSmall`] below 259 tokens; [`DataError::TrainTokenizer`] when the library fails.
    pub fn train_bpe<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        check_vocab_size(vocab_size, ByteLevel::alphabet().len() + 3)?;
        let mut trainer: TrainerWrapper = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .special_tokens([PAD, BOS, EOS].map(|token| AddedToken::from(token, true)).into())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build()
            .into();
        let mut inner = byte_level(BPE::default());
        inner.train(&mut trainer, lines).map_err(train_error)?;
        Self::new(inner).map_err(train_error)
    }

    /// Learns the pieces of a unigram model by expectation maximisation, from all substrings of words down to
    /// `vocab_size` (Kudo, 2018): the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2), then pieces by probability, the
    /// 256 bytes among them. The same lines give the same tokenizer.
    ///
    /// # Errors
    /// [`DataError::VocabularyTooSmall`] below 259 tokens; [`DataError::TrainTokenizer`] when the library fails.
    pub fn train_unigram<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        let bytes = ByteLevel::alphabet();
        check_vocab_size(vocab_size, bytes.len() + 3)?;
        let mut words = word_counts(&byte_level_words(), lines)?;
        words.retain(|word, _| word.len() <= MAX_WORD_LENGTH);
        // Training drops what is never used. Here each byte is used at least once, as a word of its own.
        for byte in &bytes {
            *words.entry(byte.to_string()).or_default() += 1;
        }
        let mut words: Vec<(String, u32)> = words
            .into_iter()
            .map(|(word, count)| (word, u32::try_from(count).unwrap_or(u32::MAX)))
            .collect();
        words.sort_unstable();

        let trainer = UnigramTrainer::builder()
            .vocab_size(u32::try_from(vocab_size).unwrap_or(u32::MAX))
            .show_progress(false)
            .build()
            .map_err(train_error)?;
        // One thread: the library divides its sums by the number of threads, and the scores' last digits would
        // depend on it.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(train_error)?;
        let mut trained = Unigram::default();
        pool.install(|| trainer.do_train(words, &mut trained))
            .map_err(train_error)?;

        let is_byte = |piece: &str| piece.chars().count() == 1;
        let mut pieces: Vec<(String, f64)> = trained.iter().cloned().collect();
        // Bytes first, to keep them all; then by probability, and by name where that is equal.
        pieces.sort_by(|(left, left_score), (right, right_score)| {
            let by_score = right_score.total_cmp(left_score).then_with(|| left.cmp(right));
            is_byte(right).cmp(&is_byte(left)).then(by_score)
        });
        pieces.truncate(vocab_size - 3);
        pieces.sort_by(|(left, left_score), (right, right_score)| {
            right_score.total_cmp(left_score).then_with(|| left.cmp(right))
        });
        let special = [PAD, BOS, EOS].map(|token| (token.to_owned(), 0.0));
        let vocab = special.into_iter().chain(pieces).collect();
        let model = Unigram::from(vocab, None, false).map_err(train_error)?;
        Self::new(byte_level(model)).map_err(train_error)
    }

    /// Makes a dictionary of the words between white space: the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2,
    /// `<unk>` 3), then the words, the most frequent first; with `vocab_size`, no more than that in all. The same lines
    /// give the same tokenizer.
    ///
    /// # Errors
    /// [`DataError::VocabularyTooSmall`] below 5 tokens; [`DataError::TrainTokenizer`] when the library fails.
    pub fn train_whitespace<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: Option<usize>,
    ) -> Result<Self, DataError> {
        let special = [PAD, BOS, EOS, UNK];
        let vocab_size = vocab_size.unwrap_or(usize::MAX);
        check_vocab_size(vocab_size, special.len() + 1)?;
        let split = WhitespaceSplit.into();
        let mut words: Vec<(String, u64)> = word_counts(&split, lines)?.into_iter().collect();
        words.sort_unstable_by(|(left, left_count), (right, right_count)| {
            (Reverse(left_count), left).cmp(&(Reverse(right_count), right))
        });
        let words = words.into_iter().map(|(word, _)| word);
        let vocab = special
            .into_iter()
            .map(str::to_owned)
            .chain(words.filter(|word| !special.contains(&word.as_str())))
            .take(vocab_size)
            .zip(0..)
            .collect();
        let model = WordLevel::builder()
            .vocab(vocab)
            .unk_token(UNK.to_owned())
            .build()
            .map_err(train_error)?;
        let mut inner = Inner::new(model.into());
        inner.with_pre_tokenizer(Some(split));
        inner.with_decoder(Some(whitespace_decoder()));
        Self::new(inner).map_err(train_error)
    }
}

fn check_vocab_size(vocab_size: usize, smallest: usize) -> Result<(), DataError> {
    match vocab_size < smallest {
        true => Err(DataError::VocabularyTooSmall { vocab_size, smallest }),
        false => Ok(()),
    }
}

fn train_error(error: impl ToString) -> DataError {
    DataError::TrainTokenizer {
        reason: error.to_string(),
    }
}

fn byte_level(model: impl Into<tokenizers::ModelWrapper>) -> Inner {
    let mut inner = Inner::new(model.into());
    inner.with_pre_tokenizer(Some(byte_level_words()));
    inner.with_decoder(Some(ByteLevel::default().add_prefix_space(false)));
    inner
}

/// Splits text into words and spells them in bytes, each byte as the character that stands for it.
pub(super) fn byte_level_words() -> PreTokenizerWrapper {
    ByteLevel::default().add_prefix_space(false).into()
}

/// How often each word occurs that `split` finds.
fn word_counts<S: AsRef<str> + Send>(
    split: &PreTokenizerWrapper,
    lines: impl Iterator<Item = S> + Send,
) -> Result<HashMap<String, u64>, DataError> {
    lines
        .par_bridge()
        .try_fold(HashMap::new, |mut counts, line| {
            for_each_word(split, line.as_ref(), |word| {
                *counts.entry(word.to_owned()).or_default() += 1
            })?;
            Ok(counts)
        })
        .try_reduce(HashMap::new, |mut counts, more| {
            for (word, count) in more {
                *counts.entry(word).or_default() += count;
            }
            Ok(counts)
        })
        .map_err(|error: tokenizers::Error| train_error(error))
}

/// Calls `visit` with each word of `text` that `split` finds, in order.
pub(super) fn for_each_word(
    split: &PreTokenizerWrapper,
    text: &str,
    visit: impl FnMut(&str),
) -> tokenizers::Result<()> {
    let mut words = PreTokenizedString::from(text);
    split.pre_tokenize(&mut words)?;
    let splits = words.get_splits(OffsetReferential::Original, OffsetType::None);
    splits.into_iter().map(|(word, _, _)| word).for_each(visit);
    Ok(())
}
