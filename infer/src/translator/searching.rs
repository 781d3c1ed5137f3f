//! Search for the translations of encoded lines.

use std::iter::repeat_n;
use std::ops::Range;

use attend_data::{TokenMatrix, TokenizerKind, readable, single_line};

use super::Translator;
use super::batches::Item;
use super::encoding::{EncodedLine, EncodedSentence};
use super::groups::{Group, Groups};
use crate::alignment::{self, Alignment};
use crate::error::InferError;
use crate::lexical_shortlist::LexicalShortlist;
use crate::links::{self, Link, Side};
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::search::{Hypothesis, Request, Search, SearchOptions, Unknown};
use crate::text;
use crate::transformer_decoder::TransformerDecoder;
use crate::translation::{LinkedTranslation, Translation};

/// The reason why a search does not refuse the options of a group: encoding a line validates its options.
const VALID: &str = "the options were validated";

impl Translator {
    /// Finds the translations of each line, in order. A line that could not be encoded keeps its error.
    pub(super) fn search(
        &self,
        groups: &Groups<'_>,
        lines: Vec<Result<EncodedLine<'_>, InferError>>,
    ) -> Vec<Result<Vec<LinkedTranslation>, InferError>> {
        let sentences: Vec<&EncodedSentence<'_>> =
            lines.iter().flatten().flat_map(|line| &line.sentences).collect();
        let batches_of = |(place, group): (usize, &Group<'_>)| {
            let items = sentences.iter().enumerate();
            let items = items.filter(|(_, sentence)| sentence.group == place);
            let items = items.map(|(place, sentence)| Item {
                place,
                source: sentence.source.len(),
                target: sentence.expected_length(&group.options.search),
            });
            let rows = rows_per_sentence(&group.options.search);
            self.batch_limit.plan(items.collect(), rows, self.workers.count())
        };
        let batches: Vec<Vec<usize>> = groups.all.iter().enumerate().flat_map(batches_of).collect();
        let found = self.in_batches(&batches, |batch| {
            let batch: Vec<&EncodedSentence<'_>> = batch.iter().map(|&place| sentences[place]).collect();
            self.search_batch(&groups.all[batch[0].group], &batch)
        });
        let mut found = found.into_iter();
        let of_line = |line: Result<EncodedLine<'_>, InferError>| {
            let line = line?;
            let of_sentences: Vec<_> = found.by_ref().take(line.sentences.len()).collect();
            Ok(line.join(of_sentences.into_iter().collect::<Result<_, InferError>>()?))
        };
        lines.into_iter().map(of_line).collect()
    }

    /// Finds the translations of each sentence of a batch. All sentences are of one group.
    fn search_batch(
        &self,
        group: &Group<'_>,
        batch: &[&EncodedSentence<'_>],
    ) -> Vec<Result<Vec<LinkedTranslation>, InferError>> {
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

        let aligns = group.options.alignment;
        let unk = special.unk.filter(|_| options.unknown == Unknown::Copy);
        let copies = |translation: &Translation| unk.is_some_and(|unk| translation.tokens.contains(&unk));
        if aligns || group.has_links || translations.iter().flatten().any(copies) {
            self.align(&mut translations, batch, &memories);
        }
        let linked = |mut translation: Translation, sentence: &EncodedSentence<'_>| {
            let has_copies = copies(&translation);
            if has_copies {
                let tokens = translation.tokens.len();
                translation.text = self.text_with_copies(&translation, sentence.text, tokens);
            }
            let links = if group.has_links {
                self.links(&translation, sentence, has_copies)
            } else {
                Vec::new()
            };
            if !aligns {
                translation.alignment = None;
            }
            LinkedTranslation { translation, links }
        };
        let translations = translations.into_iter().zip(batch);
        translations
            .map(|(best_first, sentence)| {
                if best_first.is_empty() {
                    return Err(InferError::Unmet {
                        line: sentence.line + 1,
                    });
                }
                let best_first = best_first.into_iter();
                Ok(best_first
                    .map(|translation| linked(translation, sentence))
                    .collect())
            })
            .collect()
    }

    /// Returns the tokens among which the translations of a sentence are chosen, in the order of their ids.
    fn candidates(&self, shortlist: &LexicalShortlist, sentence: &EncodedSentence<'_>) -> Vec<u32> {
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

    /// Returns the text of the first `tokens` of an aligned translation. Each `<unk>` is replaced by a part of `source`:
    /// that to which the `<unk>` attends most.
    fn text_with_copies(&self, translation: &Translation, source: &str, tokens: usize) -> String {
        let tokenizer = &self.model.target_tokenizer;
        let copies = self.copies(source);
        let Alignment { attention, .. } = translation.alignment.as_ref().expect("it is aligned");
        let words = translation.tokens[..tokens].iter().zip(attention);
        let words = words.map(|(&token, attention)| {
            if Some(token) != self.model.special.unk {
                return tokenizer.vocabulary_entry(token);
            }
            let place = alignment::greatest(attention.iter().take(copies.len()));
            place.map_or_else(String::new, |place| copies[place].clone())
        });
        tokenizer.join(words.filter(|word| !word.is_empty()).collect())
    }

    /// Returns what is copied in place of an `<unk>` that attends to a token of `source`, for each token: the whole word
    /// if the tokenizer is of words, or else the characters that the token stands for.
    fn copies(&self, source: &str) -> Vec<String> {
        let tokenizer = &self.model.source_tokenizer;
        let source = readable(source);
        if tokenizer.kind() != TokenizerKind::Whitespace {
            let offsets = tokenizer.offsets(&source).into_iter();
            return offsets.map(|range| source[range].trim().to_owned()).collect();
        }
        let source = tokenizer.normalize(&source);
        let pieces: Vec<&str> = source.split_whitespace().collect();
        let copy = |place| tokenizer.plain_text(&whole_word(&pieces, place).join(" "));
        (0..pieces.len()).map(copy).collect()
    }

    /// Returns the links of an aligned translation to its line. `copies` says whether its text has words of the source
    /// in place of `<unk>`.
    fn links(&self, translation: &Translation, sentence: &EncodedSentence<'_>, copies: bool) -> Vec<Link> {
        let Translation { text, tokens, .. } = translation;
        let Alignment { attention, .. } = translation.alignment.as_ref().expect("it is aligned");
        let tokens = if copies {
            let mut end = 0;
            let ranges = (1..=tokens.len()).map(|count| {
                let so_far = self.text_with_copies(translation, sentence.text, count);
                let start = end;
                end = text.floor_char_boundary(so_far.len().clamp(start, text.len().max(start)));
                start..end
            });
            ranges.collect()
        } else {
            let surfaces = tokens
                .iter()
                .map(|&token| self.model.target_tokenizer.surface(token));
            ranges(text, &surfaces.collect::<Vec<_>>())
        };
        let target = Side { text, tokens };
        let source = Side {
            text: sentence.text,
            tokens: self.model.source_tokenizer.offsets(sentence.text),
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

impl EncodedLine<'_> {
    /// Returns the translations of the line, given the translations of each of its sentences.
    fn join(&self, mut of_sentences: Vec<Vec<LinkedTranslation>>) -> Vec<LinkedTranslation> {
        let TranslateOptions {
            search,
            language,
            alignment,
            ..
        } = self.options;
        if language.is_none() {
            let blank = || Translation {
                alignment: alignment.then(Alignment::default),
                ..Translation::default()
            };
            return of_sentences.pop().unwrap_or_else(|| vec![blank().into()]);
        }
        let spacings: Vec<Option<&str>> = self.sentences.iter().map(|sentence| sentence.spacing).collect();
        if search.sampling.is_some() {
            text::join_samples(&spacings, &of_sentences)
        } else {
            text::join(&spacings, &of_sentences, search.nbest)
        }
    }
}

/// Returns the maximum number of rows of a decoder that the hypotheses of a sentence take.
fn rows_per_sentence(search: &SearchOptions) -> usize {
    if search.sampling.is_some() {
        search.nbest
    } else {
        search.beam_size
    }
}

/// Returns the bytes of `text` that each token stands for, given the bytes of each token. The text has a character for
/// each of theirs, but perhaps another one: a space in place of a line end, U+FFFD in place of bytes that are not
/// UTF-8, and no white space at its start and end.
fn ranges(text: &str, surfaces: &[Vec<u8>]) -> Vec<Range<usize>> {
    let bytes = surfaces.concat();
    let decoded = String::from_utf8_lossy(&bytes);
    let space = decoded.len() - decoded.trim_start().len();
    let lengths = bytes[space..].utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(char::len_utf8);
        valid.chain([chunk.invalid().len()])
    });
    // The place in the text of the character that each byte is a part of.
    let characters = text.char_indices().zip(lengths.filter(|&length| length > 0));
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
    use attend_data::Tokenizer;

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
        let found = ranges(text, &surfaces.map(<[u8]>::to_vec));
        assert_eq!(found, [0..1, 1..1, 1..2, 2..8, 8..9, 9..9]);

        let surfaces = [b"\xe2\x80\xa8 ".as_slice(), b" ", b" a\xcc", b"\x81 ", b" "].map(<[u8]>::to_vec);
        assert_eq!(ranges("a\u{301}", &surfaces), [0..0, 0..0, 0..1, 1..3, 3..3]);

        let tokenizer = Tokenizer::train_whitespace(["ho@@ use big"].into_iter(), None).unwrap();
        let tokens = tokenizer.encode("ho@@ use big");
        let surfaces: Vec<Vec<u8>> = tokens.iter().map(|&token| tokenizer.surface(token)).collect();
        let text = tokenizer.decode(&tokens);
        let found = ranges(&text, &surfaces);
        assert_eq!(found, [0..2, 2..6, 6..9]);
    }
}
