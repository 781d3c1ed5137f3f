//! From text to the tokens that an encoder reads, with `<s>` before them and `</s>` after them.

use attend_data::{Tokenizer, readable};

/// Encodes a text as a classifier reads it: `<s>`, the text's tokens and `</s>`.
#[must_use]
pub fn encode_text(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    enclosed(tokenizer, &tokenizer.encode(&readable(text)))
}

/// Encodes words as a tagger reads them: `<s>`, the tokens of one word after the other, and `</s>`. Also returns the
/// index of the first token of each word, of which the tagger gives the tag. A word is encoded by itself, so that no
/// token spans two words.
#[must_use]
pub fn encode_words<S: AsRef<str>>(tokenizer: &Tokenizer, words: &[S]) -> (Vec<u32>, Vec<usize>) {
    let (mut tokens, mut firsts) = (Vec::new(), Vec::new());
    for word in words {
        firsts.push(tokens.len() + 1);
        tokens.extend(encode_word(tokenizer, word.as_ref()));
    }
    (enclosed(tokenizer, &tokens), firsts)
}

/// Returns the tokens of a word, at least one: a word of which a reader sees nothing is read as `<s>`.
pub(super) fn encode_word(tokenizer: &Tokenizer, word: &str) -> Vec<u32> {
    let tokens = tokenizer.encode_within(&readable(word), true);
    if tokens.is_empty() {
        vec![tokenizer.bos_id()]
    } else {
        tokens
    }
}

/// Returns `<s>`, the tokens and `</s>`.
pub(super) fn enclosed(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<u32> {
    [&[tokenizer.bos_id()], tokens, &[tokenizer.eos_id()]].concat()
}
