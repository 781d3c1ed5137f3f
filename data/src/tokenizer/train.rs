//! Learning a vocabulary from text.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer, Vocab};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;

use super::alphabet::{CharacterMerges, END, count_characters, frequent_characters, without_others};
use super::bpe_dropout::written_merges;
use super::byte_level::spell;
use super::hugging_face::{HuggingFace, Inner, byte_level_decoder, whitespace_decoder};
use super::normalization::Normalizer;
use super::words::{byte_level_words, with_space, word_counts, words};
use super::{BOS, Cut, EOS, PAD, Tokenizer, TokenizerKind, UNK};
use crate::error::DataError;

/// The number of tokens in the smallest vocabulary of subwords: the special tokens and the bytes.
const SMALLEST: usize = 3 + 256;

/// How far the logarithm of the probability of a byte that never occurs in the training text lies below that of the
/// least probable piece. sentencepiece takes the same number for unknown characters.
const UNSEEN_BYTE: f64 = 10.0;

/// The tokenizers library gives the characters that occur only within other pieces the lowest score, and adds this step
/// from one to the next. The order of these characters changes from run to run.
const STEP: f64 = 0.000_1;

/// How many pieces beyond the characters the tokenizers library learns at least. It never ends if it has to learn fewer
/// pieces than there are characters.
const SPARE: usize = 16;

/// The maximum number of characters in a piece of a unigram model, as in sentencepiece.
const LONGEST_PIECE: usize = 16;

impl Tokenizer {
    /// The default number of tokens in a vocabulary of subwords.
    pub const DEFAULT_VOCAB_SIZE: usize = 8_000;

    /// The maximum number of bytes of a subword that [`Tokenizer::train`] learns: 64 characters and 30 marks, of 4
    /// bytes each. A tokenizer from elsewhere may have longer ones.
    pub const LONGEST_SUBWORD: usize = (64 + 30) * 4;

    /// Learns a vocabulary of at most `vocab_size` tokens from `lines` of both languages. If `vocab_size` is `None`, a
    /// vocabulary of subwords has at most [`Tokenizer::DEFAULT_VOCAB_SIZE`] tokens, and a vocabulary of words has all
    /// words.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below the minimum of the kind, and
    /// [`DataError::TrainTokenizer`] if the tokenizers library fails or the kind is
    /// [`TokenizerKind::SentencePiece`], which is not learnt here.
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
            TokenizerKind::SentencePiece => Err(train_error(
                "a SentencePiece tokenizer is not learnt, it comes with the model that was trained with it",
            )),
        }
    }

    /// Learns a byte-pair encoding. The vocabulary has the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2), the 256
    /// bytes, then the merges of bytes that spell frequent characters, in at most half of the room that is left, and
    /// then merges of pairs of tokens that occur at least twice. The same lines always give the same tokenizer.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below 259, and [`DataError::TrainTokenizer`] if the
    /// tokenizers library fails.
    pub fn train_bpe<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        check_vocab_size(vocab_size, SMALLEST)?;
        let words = learnt_words(lines)?;
        let characters = frequent_characters(&words);
        let CharacterMerges {
            characters,
            mut merges,
        } = CharacterMerges::new(&characters, (vocab_size - SMALLEST) / 2);
        let words = without_others(words, &characters);

        let trainer = BpeTrainer::builder()
            .vocab_size(count_characters(&words) + vocab_size - SMALLEST - merges.len())
            .min_frequency(2)
            .show_progress(false)
            .build();
        let words = words.into_iter().map(|(word, count)| (word.into(), count));
        let mut trained = BPE::default();
        trainer
            .do_train(&words.collect(), &mut trained)
            .map_err(train_error)?;
        let learnt = written_merges(&trained).map_err(train_error)?;
        merges.extend(learnt.iter().map(|(left, right)| (spell(left), spell(right))));

        let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        bytes.sort_unstable();
        let special = [PAD, BOS, EOS].into_iter().map(str::to_owned);
        let tokens = special
            .chain(bytes.iter().map(char::to_string))
            .chain(merges.iter().map(|(left, right)| format!("{left}{right}")));
        // Two merges may give the same token.
        let mut vocab = HashMap::new();
        for token in tokens {
            let id = vocab.len() as u32;
            vocab.entry(token).or_insert(id);
        }
        let model = BPE::builder()
            .vocab_and_merges(vocab.into_iter().collect::<Vocab>(), merges)
            .build()
            .map_err(train_error)?;
        of_library(byte_level(model))
    }

    /// Learns a unigram model by expectation maximisation (Kudo, 2018). It begins with the substrings of words, and
    /// drops the least useful pieces until `vocab_size` are left. Rare characters have no piece, and are spelt in
    /// bytes. The vocabulary has the special tokens (`<pad>` 0, `<s>` 1, `</s>` 2), and then the pieces by their
    /// probability, the 256 bytes among them. The same lines always give the same tokenizer.
    ///
    /// # Errors
    /// Returns [`DataError::VocabularyTooSmall`] if `vocab_size` is below 259, and [`DataError::TrainTokenizer`] if the
    /// tokenizers library fails.
    pub fn train_unigram<S: AsRef<str> + Send>(
        lines: impl Iterator<Item = S> + Send,
        vocab_size: usize,
    ) -> Result<Self, DataError> {
        check_vocab_size(vocab_size, SMALLEST)?;
        let words = learnt_words(lines)?;
        let characters = frequent_characters(&words);
        let characters = characters.into_iter().take((vocab_size - SMALLEST) / 2).collect();
        let words = without_others(words, &characters);

        let mut pieces = HashMap::new();
        if !words.is_empty() {
            let ascii = count_characters(&words) - characters.len();
            pieces = learn_pieces(words, vocab_size - SMALLEST + ascii)?;
        }
        let lowest = pieces.values().copied().fold(0.0, f64::min);
        for byte in ByteLevel::alphabet() {
            pieces.entry(byte.to_string()).or_insert(lowest - UNSEEN_BYTE);
        }
        let mut pieces: Vec<(String, f64)> = pieces.into_iter().collect();
        pieces.sort_by(|(left, left_score), (right, right_score)| {
            right_score.total_cmp(left_score).then_with(|| left.cmp(right))
        });
        let special = [PAD, BOS, EOS].map(|token| (token.to_owned(), 0.0));
        let vocab = special.into_iter().chain(pieces).collect();
        let model = Unigram::from(vocab, None, false).map_err(train_error)?;
        of_library(byte_level(model))
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
        let mut words: Vec<(String, u64)> = word_counts(&split, lines)
            .map_err(train_error)?
            .into_iter()
            .collect();
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
        of_library(inner)
    }
}

/// Counts the words that subwords are learnt from, each with the space before it.
fn learnt_words<S: AsRef<str> + Send>(
    lines: impl Iterator<Item = S> + Send,
) -> Result<HashMap<String, u64>, DataError> {
    let lines = lines.map(|line| with_space(line.as_ref()));
    word_counts(&words(), lines).map_err(train_error)
}

/// Learns at most `size` pieces, spelt in bytes, with the logarithms of their probabilities. All characters of `words`
/// are among them; there must be at most `size`.
fn learn_pieces(words: HashMap<String, u64>, size: usize) -> Result<HashMap<String, f64>, DataError> {
    let characters = count_characters(&words);
    // The library begins with the strings that are repeated in the list of words and are followed by different
    // characters. At the end of a word, NUL follows, which belongs to no piece. A word that is listed twice, once with
    // another character after it, is therefore among the first pieces as a whole.
    let listed = words.into_iter().flat_map(|(word, count)| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let ended = (count > 1).then(|| (format!("{word}{END}"), 1));
        let others = count - u32::from(ended.is_some());
        ended.into_iter().chain([(word, others)])
    });
    let mut words: Vec<(String, u32)> = listed.collect();
    words.sort_unstable();
    // One piece more, since END is one.
    let trainer = UnigramTrainer::builder()
        .vocab_size(u32::try_from(size.max(characters + SPARE) + 1).unwrap_or(u32::MAX))
        .max_piece_length(LONGEST_PIECE)
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
    let lowest = trained.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    let is_rare = |score: f64| score <= lowest + characters as f64 * STEP;
    let is_character = |piece: &str| piece.chars().count() == 1;
    let pieces = trained.iter().filter(|(piece, _)| !piece.contains(END));
    let pieces = pieces.map(|(piece, score)| {
        let is_lowest = is_character(piece) && is_rare(*score);
        (piece.as_str(), if is_lowest { lowest } else { *score })
    });
    let mut pieces: Vec<(&str, f64)> = pieces.collect();
    pieces.sort_by(|(left, left_score), (right, right_score)| {
        let by_score = right_score.total_cmp(left_score).then_with(|| left.cmp(right));
        is_character(right).cmp(&is_character(left)).then(by_score)
    });
    let pieces = pieces.into_iter().take(size);
    Ok(pieces.map(|(piece, score)| (spell(piece), score)).collect())
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

fn of_library(inner: Inner) -> Result<Tokenizer, DataError> {
    let library = HuggingFace::new(inner).map_err(train_error)?;
    Ok(Tokenizer(Cut::HuggingFace(library.into())))
}

fn byte_level(model: impl Into<ModelWrapper>) -> Inner {
    let mut inner = Inner::new(model.into());
    let normalizer = Normalizer::new(&[]).for_tokenizer(true);
    let set = inner.with_normalizer(normalizer).map(|_| ());
    set.expect("it has no special tokens yet");
    inner.with_pre_tokenizer(Some(byte_level_words()));
    inner.with_decoder(Some(byte_level_decoder()));
    inner
}
