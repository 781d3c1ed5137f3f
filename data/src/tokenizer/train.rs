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

/// The longest word, in bytes, that [`Tokenizer::train_unigram`] learns from. Learning from a word takes time and
/// memory that grow with the square of its length, and longer words are not worth it.
const MAX_WORD_LENGTH: usize = 1_000;

impl Tokenizer {
    /// The default number of tokens in a vocabulary of subwords.
    pub const DEFAULT_VOCAB_SIZE: usize = 8_000;

    /// Learns a vocabulary of at most `vocab_size` tokens from `lines` of both languages. If `vocab_size` is `None`, a
    /// vocabulary of subwords has at most [`Tokenizer::DEFAULT_VOCAB_SIZE`] tokens, and a vocabulary of words has all
    /// words.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below the minimum of the kind, and
    /// [`DataError::TrainTokenizer`] if the tokenizers library fails.
    pub fn train<S: AsRef<str> + Send>(
        kind: TokenizerKind,
        lines: impl Iterator<Item = S> + Send,
        vocab_size: Option<usize>,
    ) -> Result<Self, DataError> {
        let subwords = vocab_size.unwrap_or(Self::DEFAULT_VOCAB_SIZE);
        match kind {
            TokenizerKind::Bpe => Self::train_bpe(lines, subwords),
            TokenizerKind::Unigram => Self::train_unigram(lines, subwords),
            TokenizerKind::Whitespace => Self::train_whitespace(lines, vocab_size),
        }
    }

    /// Learns a byte-pair encoding. The vocabulary has the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2), the 256
    /// bytes, and then merges of pairs that occur at least twice. The same lines always give the same tokenizer.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below 259, and [`DataError::TrainTokenizer`] if the
    /// tokenizers library fails.
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

    /// Learns a unigram model by expectation maximisation (Kudo, 2018). It begins with the substrings of words, and
    /// drops the least useful pieces until `vocab_size` are left. The vocabulary has the special tokens (`<pad>` 0,
    /// `<s>` 1, `</s>` 2), and then the pieces by their probability, the 256 bytes among them. The same lines always
    /// give the same tokenizer.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below 259, and [`DataError::TrainTokenizer`] if the
    /// tokenizers library fails.
    pub fn train_unigram<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        let bytes = ByteLevel::alphabet();
        check_vocab_size(vocab_size, bytes.len() + 3)?;
        let mut words = word_counts(&byte_level_words(), lines)?;
        words.retain(|word, _| word.len() <= MAX_WORD_LENGTH);
        // Training drops pieces that are not used. Each byte is used at least once, as a word of its own.
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
        // The library divides its sums among the threads. One thread is used, because the rounding of the scores would
        // depend on the number of threads.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(train_error)?;
        let mut trained = Unigram::default();
        pool.install(|| trainer.do_train(words, &mut trained))
            .map_err(train_error)?;

        let is_byte = |piece: &str| piece.chars().count() == 1;
        let mut pieces: Vec<(String, f64)> = trained.iter().cloned().collect();
        // Bytes first, to keep them all; then by probability, and by name where probabilities are equal.
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

    /// Collects the words between white space. The vocabulary has the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2,
    /// `<unk>` 3), and then the words, the most frequent first, up to `vocab_size` tokens in all. The same lines always
    /// give the same tokenizer.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below 5, and [`DataError::TrainTokenizer`] if the
    /// tokenizers library fails.
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
    if vocab_size < smallest {
        return Err(DataError::VocabularyTooSmall { vocab_size, smallest });
    }
    Ok(())
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

/// Makes the pre-tokenizer that splits text into words, and writes each byte of a word as the character that stands for
/// the byte.
pub(super) fn byte_level_words() -> PreTokenizerWrapper {
    ByteLevel::default().add_prefix_space(false).into()
}

/// Counts the words that `split` finds in `lines`.
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

/// Calls `visit` with each word that `split` finds in `text`, in order.
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
