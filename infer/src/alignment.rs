//! The alignment of a translation: which source word each word of the translation comes from.

use std::fmt;
use std::ops::Range;

use attend_data::{Tokenizer, TokenizerKind, readable};
use serde::Serialize;

/// The attention of a translation's tokens to the tokens of its source, and the pairs of words that follow from it.
///
/// [`InferenceTransformer::alignment`](attend_model::InferenceTransformer::alignment) computes the attention. A model
/// is trained to translate, not to align, so the pairs are only hints.
///
/// `Display` writes the pairs of words in Pharaoh's format, for example `0-0 1-2`. A pair is the index of a word of the
/// source, from 0, and the index of a word of the translation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Alignment {
    /// The tokens of the source, `</s>` last if the model reads it.
    pub source: Vec<String>,
    /// The tokens of the translation, `</s>` last.
    pub target: Vec<String>,
    /// The attention weights, `[target_seq][source_seq]`. The weights of each target token sum to 1.
    pub attention: Vec<Vec<f32>>,
    /// A pair `[source, target]` of indices of words, from 0, for each word of the translation, in order. The tokens of
    /// the target word attend to the source word most. ASCII white space separates words.
    pub words: Vec<[usize; 2]>,
}

/// The tokens of a text.
pub(crate) struct EncodedText<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) tokens: &'a [u32],
    /// The text from which the tokens were encoded; `None` if a search found them.
    pub(crate) text: Option<&'a str>,
    /// Whether the first token names a target language that the user's text does not have.
    pub(crate) adds_language: bool,
}

impl EncodedText<'_> {
    /// Returns the index, from 0, of the word of the user's text that each token is a part of, `[seq]`.
    fn words(&self) -> Vec<Option<usize>> {
        let words = words(self.tokenizer, self.tokens, self.text).into_iter();
        words
            .map(|word| word?.checked_sub(usize::from(self.adds_language)))
            .collect()
    }
}

impl Alignment {
    /// Aligns the tokens of two sides by their `attention` `[target_seq][source_seq]`. `</s>` at their ends is not
    /// a word.
    pub(crate) fn new(source: &EncodedText<'_>, target: &EncodedText<'_>, attention: Vec<Vec<f32>>) -> Self {
        let texts = |side: &EncodedText<'_>| {
            let tokens = side.tokens.iter();
            tokens.map(|&token| side.tokenizer.token(token)).collect()
        };
        Self {
            words: pairs(&source.words(), &target.words(), &attention),
            source: texts(source),
            target: texts(target),
            attention,
        }
    }

    /// Pairs the words again, given the bytes that each token of the translation adds to its text.
    pub(crate) fn pair_words(&mut self, source: &EncodedText<'_>, surfaces: &[Vec<u8>]) {
        let target_words = words_of(surfaces.iter().cloned());
        self.words = pairs(&source.words(), &target_words, &self.attention);
    }

    /// Returns the sum of the attention of all target tokens to each source token, `[source_seq]`.
    pub(crate) fn coverage(&self) -> Vec<f32> {
        let sum = |source: usize| self.attention.iter().map(|row| row[source]).sum();
        (0..self.source.len()).map(sum).collect()
    }
}

impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, [source, target]) in self.words.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{source}-{target}")?;
        }
        Ok(())
    }
}

/// Returns the index, from 0, of the word that each token is a part of, `[seq]`. A token without a character other
/// than white space has `None`. `text` is the one from which the tokens were encoded; `None` if a search found them.
pub(crate) fn words(tokenizer: &Tokenizer, tokens: &[u32], text: Option<&str>) -> Vec<Option<usize>> {
    let known_text = readable(text.unwrap_or_default());
    let unknown = |token: u32| Some(token) == tokenizer.unk_id();
    let surface = |token: u32| tokenizer.surface(token);
    if tokenizer.kind() == TokenizerKind::Whitespace {
        // Each token is a piece of the text between white space, and the piece ends in @@ if its word goes on.
        let known_text = tokenizer.normalize(&known_text);
        let mut pieces = known_text.split_whitespace();
        let within_word = |&token: &u32| {
            let goes_on = pieces.next().is_some_and(|piece| piece.ends_with("@@"));
            match surface(token) {
                surface if goes_on && unknown(token) => surface.trim_ascii().to_vec(),
                surface => surface,
            }
        };
        return words_of(tokens.iter().map(within_word));
    }
    // An unknown token of a text stands for characters that may be a whole word or only a part of one.
    let has_unknown = text.is_some() && tokens.iter().any(|&token| unknown(token));
    let offsets = if has_unknown {
        tokenizer.offsets(&known_text)
    } else {
        Vec::new()
    };
    let added = |(place, &token): (usize, &u32)| match offsets.get(place) {
        Some(range) if unknown(token) => spelt(tokenizer, &known_text, range.clone()).into_bytes(),
        _ => surface(token),
    };
    words_of(tokens.iter().enumerate().map(added))
}

/// Returns the characters of a source text that a token of subwords stands for, at the bytes `range`. They are after a
/// space if a word begins with them.
pub(crate) fn spelt(tokenizer: &Tokenizer, text: &str, range: Range<usize>) -> String {
    let start = tokenizer
        .language_token(text)
        .map_or(0, |(language, _)| language.end);
    let characters = &text[range.clone()];
    let before = &text[..range.start];
    let begins_word = range.start <= start
        || characters.starts_with(char::is_whitespace)
        || before.ends_with(char::is_whitespace);
    let space = if begins_word { " " } else { "" };
    space.to_owned() + &characters.trim_start().replace(char::is_whitespace, " ")
}

/// Returns the index, from 0, of the word that each token is a part of, given the bytes that each adds to a text.
fn words_of(surfaces: impl Iterator<Item = Vec<u8>>) -> Vec<Option<usize>> {
    let (mut started, mut is_within) = (0, false);
    let word_of = |surface: Vec<u8>| {
        let mut word = None;
        for byte in surface {
            if byte.is_ascii_whitespace() {
                is_within = false;
                continue;
            }
            started += usize::from(!is_within);
            is_within = true;
            word = word.or(Some(started - 1));
        }
        word
    };
    surfaces.map(word_of).collect()
}

/// Returns a pair `[source, target]` of indices for each target word: the source word has the greatest sum of weights
/// of their tokens. If several are equal, the first counts.
fn pairs(
    source_words: &[Option<usize>],
    target_words: &[Option<usize>],
    attention: &[Vec<f32>],
) -> Vec<[usize; 2]> {
    let count = |words: &[Option<usize>]| words.iter().flatten().max().map_or(0, |last| last + 1);
    let mut weights = vec![vec![0.0; count(source_words)]; count(target_words)];
    for (target, row) in target_words.iter().zip(attention) {
        let Some(target) = target else { continue };
        for (source, weight) in source_words.iter().zip(row) {
            if let Some(source) = source {
                weights[*target][*source] += weight;
            }
        }
    }
    let pairs = weights.iter().enumerate();
    pairs
        .filter_map(|(target, row)| Some([greatest(row)?, target]))
        .collect()
}

/// Returns the index of the greatest weight, or `None` if there are no weights. If several are equal, the first counts.
pub(crate) fn greatest<'a>(weights: impl IntoIterator<Item = &'a f32>) -> Option<usize> {
    let better = |best: (usize, &'a f32), next: (usize, &'a f32)| if next.1 > best.1 { next } else { best };
    let (place, _) = weights.into_iter().enumerate().reduce(better)?;
    Some(place)
}

#[cfg(test)]
mod tests {
    use attend_data::{Normalization, Normalizer};

    use super::*;

    fn side<'a>(tokenizer: &'a Tokenizer, tokens: &'a [u32], text: Option<&'a str>) -> EncodedText<'a> {
        EncodedText {
            tokenizer,
            tokens,
            text,
            adds_language: false,
        }
    }

    #[test]
    fn words_take_the_attention_of_their_tokens() {
        let lines = ["the ol@@ d ho@@ use", "das al@@ te Ha@@ us"];
        let tokenizer = Tokenizer::train_whitespace(lines.into_iter(), None).unwrap();
        let ended = |line| [tokenizer.encode(line), vec![tokenizer.eos_id()]].concat();
        let (source, target) = (ended(lines[0]), ended(lines[1]));
        let attention = [
            // The article attends to itself, and more to </s>, which is not a word.
            [0.3, 0.0, 0.0, 0.1, 0.1, 0.5],
            // The greatest weight is that of "the", but the tokens of "old" have more together.
            [0.4, 0.3, 0.3, 0.0, 0.0, 0.0],
            [0.2, 0.2, 0.3, 0.3, 0.0, 0.0],
            [0.1, 0.0, 0.1, 0.2, 0.6, 0.0],
            [0.0, 0.5, 0.0, 0.2, 0.3, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let alignment = Alignment::new(
            &side(&tokenizer, &source, Some(lines[0])),
            &side(&tokenizer, &target, None),
            attention.map(Vec::from).to_vec(),
        );
        assert_eq!(alignment.words, [[0, 0], [1, 1], [2, 2]]);
        assert_eq!(alignment.to_string(), "0-0 1-1 2-2");
        assert_eq!(alignment.source, ["the", "ol@@", "d", "ho@@", "use", "</s>"]);
        assert_eq!(alignment.target, ["das", "al@@", "te", "Ha@@", "us", "</s>"]);
    }

    #[test]
    fn unknown_pieces_are_parts_of_their_words() {
        let tokenizer = Tokenizer::train_whitespace(["the house"].into_iter(), None).unwrap();
        let text = "the ol@@ d@@ est house xa@@";
        let tokens = tokenizer.encode(text);
        assert_eq!(
            tokens
                .iter()
                .filter(|&&token| Some(token) == tokenizer.unk_id())
                .count(),
            4
        );
        let expected = [0, 1, 1, 1, 2, 3].map(Some);
        assert_eq!(words(&tokenizer, &tokens, Some(text)), expected);
        // The normal form of a character may have several words, of which none is known.
        let normalizer = Normalizer::new(&[Normalization::Nfkc]);
        let tokenizer = tokenizer.with_normalizer(normalizer);
        let text = "\u{fdfa} ol@@ d";
        let tokens = tokenizer.encode(text);
        let expected = [0, 1, 2, 3, 4, 4].map(Some);
        assert_eq!(words(&tokenizer, &tokens, Some(text)), expected);
    }

    #[test]
    fn unknown_tokens_without_a_text_are_words() {
        let tokenizer = Tokenizer::train_whitespace(["the house"].into_iter(), None).unwrap();
        let tokens = tokenizer.encode("the ol@@ d@@ est house xa@@");
        // A search finds tokens without a text, and writes each unknown one out.
        assert_eq!(tokenizer.decode(&tokens), "the <unk> <unk> <unk> house <unk>");
        let expected = [0, 1, 2, 3, 4, 5].map(Some);
        assert_eq!(words(&tokenizer, &tokens, None), expected);
    }

    #[test]
    fn subwords_make_the_words_between_spaces() {
        let lines = ["an old man reads a book"; 8];
        for vocabulary in [260, 300] {
            let tokenizer = Tokenizer::train_bpe(lines.into_iter(), vocabulary).unwrap();
            let text = "  an  old, man's book ";
            let tokens = tokenizer.encode(text);
            let mut spelt = vec![String::new(); text.split_whitespace().count()];
            for (token, word) in tokens.iter().zip(words(&tokenizer, &tokens, Some(text))) {
                match word {
                    Some(word) => spelt[word] += tokenizer.token(*token).trim(),
                    None => assert_eq!(tokenizer.token(*token).trim(), ""),
                }
            }
            assert_eq!(spelt, text.split_whitespace().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_aligned_with_nothing() {
        let tokenizer = Tokenizer::train_whitespace(["a b"].into_iter(), None).unwrap();
        let (none, some) = (
            [tokenizer.eos_id()],
            [tokenizer.encode("a"), vec![tokenizer.eos_id()]].concat(),
        );
        let [none, some] = [none.as_slice(), &some].map(|tokens| side(&tokenizer, tokens, None));
        let to_nothing = Alignment::new(&none, &some, vec![vec![1.0]; 2]);
        assert_eq!(to_nothing.to_string(), "");
        let of_nothing = Alignment::new(&some, &none, vec![vec![0.5, 0.5]]);
        assert_eq!(of_nothing.to_string(), "");
    }
}
