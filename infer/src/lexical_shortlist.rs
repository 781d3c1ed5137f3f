//! Lexical shortlists: the few tokens that may translate a sentence.

use std::path::Path;
use std::sync::Arc;

use crate::error::InferError;

/// The number with which the file of a shortlist begins.
const MAGIC: u64 = 0xf11a_48d5_0134_17f5;
/// The numbers at the beginning of the file.
const HEADER: usize = 6;

/// For each token of a source, the tokens of the target that may translate it. A search that chooses among these alone
/// is faster, since it computes no other logits.
///
/// It is read from a shortlist in Marian's binary format, as Firefox's translation models have it
/// (`lex.50.50.ende.s2t.bin`). All numbers of such a file are little-endian. Six numbers of 64 bits come first: a magic
/// number, a checksum, how many tokens may translate any other (those with the smallest ids), how many translations a
/// token has at most, and the lengths of the two parts that follow. The first part has, in 64 bits, the place at which
/// the list of each source token begins, and the place after the last list. The second part has the lists: tokens of
/// the target, in 32 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LexicalShortlist(Arc<Lists>);

#[derive(Debug, PartialEq, Eq)]
struct Lists {
    file: Vec<u8>,
    /// Tokens with smaller ids may translate any token.
    frequent: u32,
    /// The place in `translations` at which the list of each source token begins, and the place after the last list.
    starts: Vec<usize>,
    translations: Vec<u32>,
}

impl LexicalShortlist {
    /// Reads a shortlist from the content of the file `path`, which is named in errors.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::InvalidShortlist`] if the content is no shortlist, is cut short or contradicts itself, or
    /// if a list has a token that a target vocabulary of `target_vocabulary` tokens lacks.
    pub fn parse(file: Vec<u8>, path: &Path, target_vocabulary: usize) -> Result<Self, InferError> {
        let invalid = |reason: String| InferError::InvalidShortlist {
            path: path.to_owned(),
            reason,
        };
        let numbers = |bytes: &[u8]| -> Vec<u64> {
            let (numbers, _) = bytes.as_chunks();
            numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
        };
        let Some((header, rest)) = file.split_at_checked(HEADER * size_of::<u64>()) else {
            return Err(invalid(format!("it has only {} bytes", file.len())));
        };
        let header = numbers(header);
        let [magic, _, frequent, _, n_starts, n_translations] = header[..] else {
            unreachable!("the header has six numbers");
        };
        if magic != MAGIC {
            return Err(invalid("it does not begin as one".to_owned()));
        }
        let length = |count: u64, width: usize| usize::try_from(count).ok()?.checked_mul(width);
        let parts = length(n_starts, size_of::<u64>()).zip(length(n_translations, size_of::<u32>()));
        let Some((starts, translations)) = parts
            .filter(|(starts, translations)| starts.checked_add(*translations) == Some(rest.len()))
            .map(|(starts, _)| rest.split_at(starts))
        else {
            return Err(invalid(format!(
                "it says that it has {n_starts} lists with {n_translations} tokens, which are not {} bytes",
                rest.len()
            )));
        };
        let starts = numbers(starts);
        let covers_all = starts.first() == Some(&0) && starts.last() == Some(&n_translations);
        if !covers_all || !starts.is_sorted() {
            return Err(invalid("its lists overlap or have gaps".to_owned()));
        }
        let (translations, _) = translations.as_chunks();
        let translations: Vec<u32> = translations
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        let greatest = translations.iter().max().map(|token| u64::from(*token) + 1);
        let tokens = frequent.max(greatest.unwrap_or(0));
        if tokens > target_vocabulary as u64 {
            return Err(invalid(format!(
                "it has the token {}, but the target vocabulary has {target_vocabulary} tokens",
                tokens - 1
            )));
        }
        Ok(Self(Arc::new(Lists {
            frequent: frequent as u32,
            starts: starts.into_iter().map(|start| start as usize).collect(),
            translations,
            file,
        })))
    }

    /// Returns the content of the file that the shortlist was read from.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.0.file
    }

    /// Returns the tokens that may translate a source, each once, in the order of their ids: the frequent ones and those
    /// of the lists of its tokens. A token without a list has no translations of its own.
    #[must_use]
    pub fn tokens(&self, source: &[u32]) -> Vec<u32> {
        let Lists {
            frequent,
            starts,
            translations,
            ..
        } = &*self.0;
        let list = |token: &u32| {
            let token = *token as usize;
            let bounds = starts.get(token).zip(starts.get(token + 1));
            bounds.map_or(&[][..], |(start, end)| &translations[*start..*end])
        };
        let of_source = source.iter().flat_map(list).copied();
        let mut tokens: Vec<u32> = (0..*frequent).chain(of_source).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}
