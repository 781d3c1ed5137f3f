//! Words: the parts of a text that are cut into tokens one by one. No token spans two words.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::iter::{ParallelBridge, ParallelIterator};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    SplitDelimiterBehavior,
};

/// The regular expression of a word: letters, digits or other signs, each with the space before them, or one character
/// of white space.
///
/// Combining marks (`\p{M}`), the zero width joiner (U+200D) and the zero width non-joiner (U+200C) belong to the
/// letter before them, as in Unicode's rules for words (UAX #29). An apostrophe between two letters is a part of their
/// word: `o'simlik` and `l'eau` are words. The characters stand in the expression as themselves, since programs write
/// escapes in different ways.
const WORD: &str = concat!(
    " ?\\p{L}(?:['\u{2019}]?[\\p{L}\\p{M}\u{200c}\u{200d}])*",
    "| ?\\p{N}[\\p{N}\\p{M}]*",
    "| ?[^\\s\\p{L}\\p{N}]+",
    "|\\s",
);

/// The regular expression by which a long word is divided: at most 64 characters, with up to 30 marks after them. The
/// time to cut a word into tokens grows with the square of its length, and a line without a space may be a word of a
/// million letters. Text in a natural language never has more than 30 marks in a row (UAX #15, "Stream-Safe Text
/// Format"), so no letter is parted from its mark.
const PART: &str = "[\\s\\S]{1,64}[\\p{M}\u{200c}\u{200d}]{0,30}";

/// Makes the pre-tokenizer that splits text into words, and does not change a character.
pub(super) fn words() -> PreTokenizerWrapper {
    Sequence::new(splits().into()).into()
}

/// Makes the pre-tokenizer that splits text into words, and writes each byte of a word as the character that stands for
/// the byte.
pub(super) fn byte_level_words() -> PreTokenizerWrapper {
    let [word, part] = splits();
    let bytes = ByteLevel::default().add_prefix_space(false).use_regex(false);
    Sequence::new(vec![word, part, bytes.into()]).into()
}

fn splits() -> [PreTokenizerWrapper; 2] {
    [WORD, PART].map(|pattern| {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        split.expect("the pattern is valid").into()
    })
}

/// Returns `text` with a space before it. An empty text stays empty, as in the library's normalizer `Prepend`.
pub(super) fn with_space(text: &str) -> Cow<'static, str> {
    if text.is_empty() {
        Cow::Borrowed("")
    } else {
        Cow::Owned(format!(" {text}"))
    }
}

/// Counts the words that `split` finds in `lines`.
pub(super) fn word_counts<S: AsRef<str> + Send>(
    split: &PreTokenizerWrapper,
    lines: impl Iterator<Item = S> + Send,
) -> tokenizers::Result<HashMap<String, u64>> {
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
