//! Words that no translation has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

use super::options::{SearchError, SearchOptions, Unknown};
use super::row::Row;
use super::surface::{SurfaceForms, is_letter};

/// Stands between two characters where a word begins or ends; no byte of UTF-8.
const BOUNDARY: u8 = 0xff;

/// Words or phrases that no translation has, however its tokens spell them.
///
/// A phrase is caught where the translation's text has its characters, upper and lower case as they stand and one
/// space between words, from one boundary of words to another: where neither its first nor its last letter or digit
/// touches a further one (see [`SurfaceForms`]). So `art` is caught in `the art` and in `art-house`, and not in
/// `party` or `arts`; `(c)` is caught in `a(c)b`. In scripts that leave no space between words, a word beside
/// others is not caught.
///
/// A token is kept from following where the text would then have a phrase, also if the text ended there. A longer word
/// that begins with a phrase is thus free in all spellings but those with a token that ends where the phrase does:
/// `arts` as one token or as `ar` and `ts`, not as `art` and `s`. To let `art` through would tempt a search, which
/// cannot go back, to spell some word that does not exist.
#[derive(Debug)]
pub struct BannedWords {
    surfaces: Arc<SurfaceForms>,
    /// Finds the phrases in the bytes of a text with its boundaries.
    automaton: NFA,
    /// The tokens that may not follow a text, by how it reads: few texts differ in that.
    forbidden: Mutex<HashMap<Reading, Arc<[u32]>>>,
}

/// How far the reading of a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reading {
    state: StateID,
    behind_letter: bool,
    /// Whether a phrase was complete.
    found: bool,
}

impl SearchOptions {
    /// Checks that the options, valid ones, let banned words be kept out.
    ///
    /// # Errors
    /// Where unknown words are copied: one could be a banned one.
    pub(crate) fn validate_with_banned_words(&self) -> Result<(), SearchError> {
        match self.unknown {
            Unknown::Copy => Err(SearchError::BannedCopies),
            Unknown::Forbid | Unknown::Keep => Ok(()),
        }
    }
}

impl BannedWords {
    /// Bans `phrases`, in whatever tokens of `surfaces` spell them. Phrases without a word ban nothing.
    #[must_use]
    pub fn new<S: AsRef<str>>(phrases: &[S], surfaces: Arc<SurfaceForms>) -> Self {
        let patterns = phrases.iter().filter_map(|phrase| {
            let words: Vec<&str> = phrase.as_ref().split_whitespace().collect();
            (!words.is_empty()).then(|| with_boundaries(&words.join(" ")))
        });
        Self {
            automaton: NFA::new(patterns).expect("command lines are shorter than 2 GiB"),
            surfaces,
            forbidden: Mutex::default(),
        }
    }

    /// Whether a text of these tokens has a banned word.
    #[must_use]
    pub fn occur_in(&self, tokens: &[u32]) -> bool {
        let (reading, _) = self.read(self.start(), &self.surfaces.text(tokens));
        self.ends_found(reading)
    }

    /// Forbids the tokens behind which the hypothesis would have a banned word, and `</s>` where it has one.
    pub(super) fn forbid(&self, tokens: &[u32], eos: u32, row: &mut Row<'_>) {
        let (reading, rest) = self.read(self.start(), &self.surfaces.text(tokens));
        if self.ends_found(reading) {
            row.forbid(eos);
        }
        for &token in self.completing(reading, &rest).iter() {
            row.forbid(token);
        }
    }

    /// The tokens that complete a phrase behind a text, if only together with its end.
    fn completing(&self, reading: Reading, rest: &[u8]) -> Arc<[u32]> {
        // A phrase in the forced prefix is not held against what follows.
        let reading = Reading {
            found: false,
            ..reading
        };
        let find = || -> Arc<[u32]> {
            let completes = |form: &[u8]| {
                let (reading, _) = self.read(reading, &[rest, form].concat());
                self.ends_found(reading)
            };
            let tokens = self.surfaces.iter();
            tokens
                .filter(|(_, form)| !form.is_empty() && completes(form))
                .map(|(token, _)| token)
                .collect()
        };
        // Parts of a character are rare and of many kinds.
        if !rest.is_empty() {
            return find();
        }
        let mut forbidden = self.forbidden.lock().expect("nobody panics with this lock");
        forbidden.entry(reading).or_insert_with(find).clone()
    }

    fn start(&self) -> Reading {
        Reading {
            state: self
                .automaton
                .start_state(Anchored::No)
                .expect("searches are not anchored"),
            behind_letter: false,
            found: false,
        }
    }

    /// Reads on. Returns also the bytes at the end that are only the beginning of a character.
    fn read(&self, mut reading: Reading, bytes: &[u8]) -> (Reading, Vec<u8>) {
        let mut left = bytes.len();
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                reading = self.read_character(reading, character);
            }
            left -= chunk.valid().len() + chunk.invalid().len();
            let may_go_on =
                |bytes| std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
            if left == 0 && may_go_on(chunk.invalid()) {
                return (reading, chunk.invalid().to_vec());
            }
            if !chunk.invalid().is_empty() {
                reading = self.read_character(reading, char::REPLACEMENT_CHARACTER);
            }
        }
        (reading, Vec::new())
    }

    fn read_character(&self, mut reading: Reading, character: char) -> Reading {
        let is_letter = is_letter(character);
        if !(reading.behind_letter && is_letter) {
            reading = self.read_byte(reading, BOUNDARY);
        }
        for &byte in character.encode_utf8(&mut [0; 4]).as_bytes() {
            reading = self.read_byte(reading, byte);
        }
        Reading {
            behind_letter: is_letter,
            ..reading
        }
    }

    fn read_byte(&self, reading: Reading, byte: u8) -> Reading {
        let state = self.automaton.next_state(Anchored::No, reading.state, byte);
        Reading {
            state,
            found: reading.found || self.automaton.is_match(state),
            ..reading
        }
    }

    /// Whether a phrase was found, or is if the text ends here.
    fn ends_found(&self, reading: Reading) -> bool {
        // Where the text ends in a part of a character, that is no letter either.
        self.read_byte(reading, BOUNDARY).found
    }
}

/// The bytes of a text, with a mark wherever a word begins or ends.
fn with_boundaries(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut behind_letter = false;
    for character in text.chars() {
        if !(behind_letter && is_letter(character)) {
            bytes.push(BOUNDARY);
        }
        bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        behind_letter = is_letter(character);
    }
    bytes.push(BOUNDARY);
    bytes
}
