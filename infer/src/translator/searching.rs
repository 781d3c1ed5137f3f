//! Search for the translations of encoded lines.

use std::cell::LazyCell;
use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use attend_data::{TokenMatrix, Tokenizer, TokenizerKind, readable, single_line};

use super::Translator;
use super::batches::Item;
use super::encoding::EncodedSentence;
use super::groups::Group;
use crate::alignment::{self, EncodedText};
use crate::error::InferError;
use crate::lexical_shortlist::LexicalShortlist;
use crate::links::{self, Link, Side};
use crate::model::Model;
use crate::search::{Hypothesis, Request, Search, Unknown};
use crate::transformer_decoder::TransformerDecoder;
use crate::translation::{LinkedTranslation, Translation};

/// The reason why a search does not refuse the options of a group: encoding a line validates its options.
const VALID: &str = "the options were validated";

impl Translator {
    /// Finds the translations of each sentence, in order, in batches on the workers.
    pub(super) fn search(
        &self,
        sentences: &[EncodedSentence],
    ) -> Vec<Result<Vec<LinkedTranslation>, InferError>> {
        let mut groups: Vec<(&Arc<Group>, Vec<Item>)> = Vec::new();
        for (place, sentence) in sentences.iter().enumerate() {
            let item = sentence.item(place);
            let group = groups
                .iter_mut()
                .find(|(group, _)| Arc::ptr_eq(group, &sentence.group));
            match group {
                Some((_, items)) => items.push(item),
                None => groups.push((&sentence.group, vec![item])),
            }
        }
        let batches_of = |(group, items): (&Arc<Group>, Vec<Item>)| {
            let workers = self.workers.count();
            self.batch_limit.plan(items, group.rows_per_sentence(), workers)
        };
        let batches: Vec<Vec<usize>> = groups.into_iter().flat_map(batches_of).collect();
        self.in_batches(&batches, |batch| {
            let batch: Vec<&EncodedSentence> = batch.iter().map(|&place| &sentences[place]).collect();
            self.search_batch(&batch)
        })
    }

    /// Returns the maximum number of sentences in a batch of which `longest` is the sentence with the most tokens, at
    /// least 1: see [`with_batch_tokens`](Self::with_batch_tokens).
    #[must_use]
    pub fn batch_size(&self, longest: &EncodedSentence) -> usize {
        let rows = longest.group.rows_per_sentence();
        self.batch_limit.most(&longest.item(0), rows).max(1)
    }

    /// Finds the translations of each sentence of a batch, in order, on the calling thread. All sentences were encoded
    /// for this translator's model, and all [share batches](EncodedSentence::shares_batches_with).
    ///
    /// # Errors
    ///
    /// The result of a sentence is [`InferError::Unmet`] if the search found no translation with all required words.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    #[must_use]
    pub fn search_batch(
        &self,
        batch: &[&EncodedSentence],
    ) -> Vec<Result<Vec<LinkedTranslation>, InferError>> {
        let Some(first) = batch.first() else {
            return Vec::new();
        };
        let group = &*first.group;
        let Model {
            networks,
            target_tokenizer,
            special,
            ..
        } = &*self.model;
        let options = &group.options.search;
        let sources: Vec<Vec<u32>> = batch
            .iter()
            .map(|sentence| self.model.encoder_input(sentence.source.clone()))
            .collect();
        let requests: Vec<Request> = batch.iter().map(|sentence| sentence.request.clone()).collect();
        let memories = networks.encode(self.tensor(&TokenMatrix::new(&sources, self.model.padding())));
        let search = Search::new(special, options, group.banned.as_deref()).expect(VALID);
        let shortlist = search.shortlist(&requests);
        let mut decoder = TransformerDecoder::new(
            networks,
            memories.clone(),
            target_tokenizer.vocab_size(),
            shortlist.as_ref(),
            options.coverage_penalty > 0.0,
        );
        if !group.options.all_tokens
            && let Some(shortlist) = &self.model.shortlist
        {
            let sentences = batch.iter().map(|sentence| self.candidates(shortlist, sentence));
            decoder = decoder.among(sentences.collect());
        }
        let hypotheses = search.run(&mut decoder, &requests).expect(VALID);
        let of_sentence = |best_first: Vec<Hypothesis>| {
            let translations = best_first.into_iter().map(|best| self.translation(best));
            translations.collect::<Vec<_>>()
        };
        let mut translations: Vec<_> = hypotheses.into_iter().map(of_sentence).collect();

        let unk = special.unk.filter(|_| options.unknown == Unknown::Copy);
        let has_copies = |translation: &Translation| unk.is_some_and(|unk| translation.tokens.contains(&unk));
        if group.options.alignment || group.has_links || translations.iter().flatten().any(has_copies) {
            self.align(&mut translations, batch, &memories);
        }
        let translations = translations.into_iter().zip(batch);
        translations
            .map(|(best_first, sentence)| {
                if best_first.is_empty() {
                    return Err(InferError::Unmet {
                        line: sentence.line + 1,
                    });
                }
                Ok(self.linked(group, sentence, best_first, unk))
            })
            .collect()
    }

    /// Returns the tokens among which the translations of a sentence are chosen, in the order of their ids.
    fn candidates(&self, shortlist: &LexicalShortlist, sentence: &EncodedSentence) -> Vec<u32> {
        let Model {
            special, is_joint, ..
        } = &*self.model;
        let mut tokens = shortlist.tokens(&sentence.source);
        if *is_joint {
            tokens.extend(&sentence.source);
        }
        tokens.push(special.eos);
        tokens.extend(&sentence.request.prefix);
        tokens.extend(sentence.request.required.spelling_tokens());
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// Links the translations of a sentence to it, and replaces each token `copied` by a part of the sentence: that to
    /// which the token attends most. Translations with such a token are aligned, or all of them if the group has links.
    fn linked(
        &self,
        group: &Group,
        sentence: &EncodedSentence,
        best_first: Vec<Translation>,
        copied: Option<u32>,
    ) -> Vec<LinkedTranslation> {
        let copies = LazyCell::new(|| copies(&self.model.source_tokenizer, &sentence.text));
        let linked = |mut translation: Translation| {
            let mut links = Vec::new();
            let has_copies = copied.is_some_and(|token| translation.tokens.contains(&token));
            if let Some(mut alignment) = translation.alignment.take() {
                let surfaces = if has_copies {
                    self.surfaces_with_copies(&translation.tokens, &alignment.attention, &copies)
                } else {
                    self.surfaces(&translation.tokens)
                };
                if has_copies {
                    translation.text = text_of(&surfaces, self.model.target_tokenizer.kind());
                    let source = EncodedText {
                        tokenizer: &self.model.source_tokenizer,
                        tokens: &sentence.source,
                        text: Some(&sentence.text),
                        adds_language: sentence.added > 0,
                    };
                    alignment.pair_words(&source, &surfaces);
                }
                if group.has_links {
                    links = self.links(&translation.text, &surfaces, &alignment.attention, sentence);
                }
                translation.alignment = group.options.alignment.then_some(alignment);
            }
            LinkedTranslation { translation, links }
        };
        best_first.into_iter().map(linked).collect()
    }

    /// Returns the bytes that each token of a translation adds to its text.
    fn surfaces(&self, tokens: &[u32]) -> Vec<Vec<u8>> {
        let surface = |&token: &u32| self.model.target_tokenizer.surface(token);
        tokens.iter().map(surface).collect()
    }

    /// Returns the bytes that each token of a translation adds to its text. An `<unk>` adds the one of the [`copies`]
    /// to whose token it attends most.
    fn surfaces_with_copies(
        &self,
        tokens: &[u32],
        attention: &[Vec<f32>],
        copies: &[Option<String>],
    ) -> Vec<Vec<u8>> {
        let mut surfaces = self.surfaces(tokens);
        let mut is_after_space = true;
        for ((surface, &token), attention) in surfaces.iter_mut().zip(tokens).zip(attention) {
            if Some(token) == self.model.special.unk {
                let weights = attention.iter().zip(copies);
                let weights = weights.map(|(weight, copy)| {
                    if copy.is_some() {
                        weight
                    } else {
                        &f32::NEG_INFINITY
                    }
                });
                let copy = alignment::greatest(weights).and_then(|place| copies[place].as_deref());
                let copy = copy.unwrap_or_default();
                let copy = if is_after_space { copy.trim_start() } else { copy };
                *surface = copy.as_bytes().to_vec();
            }
            is_after_space = surface.last().map_or(is_after_space, u8::is_ascii_whitespace);
        }
        surfaces
    }

    /// Returns the links of a translation to its line, given its `text`, the bytes that each of its tokens adds to the
    /// text, and their `attention` `[target_seq][source_seq]` to the tokens of the sentence.
    fn links(
        &self,
        text: &str,
        surfaces: &[Vec<u8>],
        attention: &[Vec<f32>],
        sentence: &EncodedSentence,
    ) -> Vec<Link> {
        let tokens = ranges(text, surfaces, self.model.target_tokenizer.kind());
        let target = Side { text, tokens };
        let added = sentence.added;
        let offsets = self.model.source_tokenizer.offsets(&sentence.text).into_iter();
        let source = Side {
            text: &sentence.text[added..],
            tokens: offsets
                .map(|range| range.start.saturating_sub(added)..range.end.saturating_sub(added))
                .collect(),
        };
        let mut links = links::link(&source, &target, attention);
        for (word, _) in links.iter_mut().flat_map(|link| &mut link.sources) {
            *word = word.start + sentence.start..word.end + sentence.start;
        }
        links
    }

    fn translation(&self, hypothesis: Hypothesis) -> Translation {
        Translation {
            // No token ends a line, but the bytes of several may spell a character that does.
            text: single_line(&self.model.target_tokenizer.decode(&hypothesis.tokens))
                .trim()
                .to_owned(),
            score: hypothesis.score,
            log_probability: hypothesis.log_probability,
            tokens: hypothesis.tokens,
            alignment: None,
        }
    }
}

/// Returns what is copied in place of an `<unk>` that attends to a token of a source text, for each token: the whole
/// word if the tokenizer is of words, or else the characters that the token stands for. A word has the space that its
/// token stands for. A token that names the language has `None`.
fn copies(tokenizer: &Tokenizer, text: &str) -> Vec<Option<String>> {
    let text = readable(text);
    if tokenizer.kind() == TokenizerKind::Whitespace {
        let text = tokenizer.normalize(&text);
        let pieces: Vec<&str> = text.split_whitespace().collect();
        let copy = |place| tokenizer.plain_text(&whole_word(&pieces, place).join(" "));
        let words = (0..pieces.len()).map(copy);
        return words.map(|word| Some(word + " ")).collect();
    }
    let language = tokenizer.language_token(&text).is_some();
    let offsets = tokenizer.offsets(&text).into_iter().enumerate();
    offsets
        .map(|(place, range)| {
            let is_text = place > 0 || !language;
            is_text.then(|| alignment::spelt(tokenizer, &text, range).trim_end().to_owned())
        })
        .collect()
}

/// Returns the text that tokens spell, given the bytes of each: one line without white space at its start and end.
fn text_of(surfaces: &[Vec<u8>], kind: TokenizerKind) -> String {
    let characters = characters(&surfaces.concat(), kind).into_iter();
    let text: String = characters.map(|(character, _)| character).collect();
    single_line(&text).trim().to_owned()
}

/// Returns the characters that bytes spell, and of how many bytes each is made. For bytes that are not UTF-8, a
/// SentencePiece model writes U+FFFD for each byte, and other tokenizers write it for each part of a character.
fn characters(bytes: &[u8], kind: TokenizerKind) -> Vec<(char, usize)> {
    let mut found = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars();
        found.extend(valid.map(|character| (character, character.len_utf8())));
        let invalid = chunk.invalid().len();
        let (count, length) = match kind {
            TokenizerKind::SentencePiece => (invalid, 1),
            _ => (usize::from(invalid > 0), invalid),
        };
        found.extend(repeat_n((char::REPLACEMENT_CHARACTER, length), count));
    }
    found
}

/// Returns the bytes of `text` that each token stands for, given the bytes of each token. The text has a character for
/// each of theirs, but perhaps another one: a space in place of a line end, U+FFFD in place of bytes that are not
/// UTF-8, and no white space at its start and end.
fn ranges(text: &str, surfaces: &[Vec<u8>], kind: TokenizerKind) -> Vec<Range<usize>> {
    let decoded = characters(&surfaces.concat(), kind);
    let is_space = |(character, _): &&(char, usize)| character.is_whitespace();
    let space = decoded
        .iter()
        .take_while(is_space)
        .map(|(_, length)| length)
        .sum::<usize>();
    let lengths = decoded.iter().skip_while(is_space).map(|(_, length)| *length);
    // The place in the text of the character that each byte is a part of.
    let characters = text.char_indices().zip(lengths);
    let places = characters.flat_map(|((place, _), length)| repeat_n(place, length));
    let places: Vec<usize> = repeat_n(0, space).chain(places).collect();
    let mut end = 0;
    let range = |surface: &Vec<u8>| {
        let start = end;
        end += surface.len();
        let place = |byte: usize| places.get(byte).copied().unwrap_or(text.len());
        place(start)..place(end)
    };
    surfaces.iter().map(range).collect()
}

/// Returns the pieces of the word that has the piece at the index `place`. All pieces of a word but its last end in
/// `@@`.
fn whole_word<'a, 'b>(pieces: &'a [&'b str], place: usize) -> &'a [&'b str] {
    let goes_on = |piece: &&str| piece.ends_with("@@");
    let before = pieces[..place]
        .iter()
        .rev()
        .take_while(|piece| goes_on(piece))
        .count();
    let behind = pieces[place..].iter().take_while(|piece| goes_on(piece)).count();
    &pieces[place - before..(place + behind + 1).min(pieces.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_places_of_their_characters() {
        let surfaces = [
            b"a\xe2".as_slice(),
            b"\x80",
            b"\xa8\xc3",
            b"\xa9 \xf0\x9f",
            b"b",
            b"",
        ];
        // U+2028 is written as a space, and the incomplete character as U+FFFD.
        let text = "a \u{e9} \u{fffd}b";
        let found = ranges(text, &surfaces.map(<[u8]>::to_vec), TokenizerKind::Bpe);
        assert_eq!(found, [0..1, 1..1, 1..2, 2..8, 8..9, 9..9]);

        let surfaces = [b"\xe2\x80\xa8 ".as_slice(), b" ", b" a\xcc", b"\x81 ", b" "].map(<[u8]>::to_vec);
        assert_eq!(
            ranges("a\u{301}", &surfaces, TokenizerKind::Bpe),
            [0..0, 0..0, 0..1, 1..3, 3..3]
        );

        let tokenizer = Tokenizer::train_whitespace(["ho@@ use big"].into_iter(), None).unwrap();
        let tokens = tokenizer.encode("ho@@ use big");
        let surfaces: Vec<Vec<u8>> = tokens.iter().map(|&token| tokenizer.surface(token)).collect();
        let text = tokenizer.decode(&tokens);
        let found = ranges(&text, &surfaces, tokenizer.kind());
        assert_eq!(found, [0..2, 2..6, 6..9]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_counted_as_the_decoder_writes_them() {
        let surfaces = [b" a".as_slice(), b"\xe2", b"\x80", b" b"].map(<[u8]>::to_vec);
        let found = ranges("a\u{fffd}\u{fffd} b", &surfaces, TokenizerKind::SentencePiece);
        assert_eq!(found, [0..1, 1..4, 4..7, 7..9]);
        let found = ranges("a\u{fffd} b", &surfaces, TokenizerKind::Bpe);
        assert_eq!(found, [0..1, 1..1, 1..4, 4..6]);
    }
}
