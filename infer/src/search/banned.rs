//! Words that no translation has.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

use super::options::{SearchError, SearchOptions, Unknown};
use super::row::Row;
use super::surface::{SurfaceForms, begins_with_character};
use super::words::{BOUNDARY, LastCharacter, compared, patterns};

/// Words or phrases that no translation has, however its tokens spell them.
///
/// A phrase is found where the text of a translation has exactly its characters, with one space between words, and
/// has a boundary of words (see [`SurfaceForms`]) before and after them. Upper and lower case differ. For example,
/// `art` is found in `the art` and in `art-house`, but not in `party` or `arts`; `(c)` is found in `a(c)b`. In
/// scripts that are written without spaces between words, a phrase is found wherever its characters are: `苹果` in
/// `我喜欢苹果`. Composed and decomposed characters are equal, and characters that are not
/// [visible](attend_data::visible) do not count.
///
/// A token is forbidden if the text with it has a phrase, or would have a phrase if it ended there. This also forbids
/// some spellings of a longer word that begins with a phrase, namely those in which a token ends where the phrase
/// ends. For example, if `art` is banned, `arts` may be one token or `ar` and `ts`, but not `art` and `s`. A search
/// cannot go back: if the token `art` were allowed, the search might have to complete it to a word that does not
/// exist.
#[derive(Debug)]
pub struct BannedWords {
    surfaces: Arc<SurfaceForms>,
    /// Finds the phrases in the bytes of a text in which [`BOUNDARY`] marks the boundaries of words.
    automaton: NFA,
    /// The tokens that may not follow a text, by the state of the reader at the end of the text. There are only a few
    /// different states.
    forbidden: Mutex<HashMap<State, Arc<[u32]>>>,
}

/// The state of the reader after a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    node: StateID,
    last: LastCharacter,
    /// Whether a phrase was found.
    found: bool,
}

impl SearchOptions {
    /// Checks that the options, which must be valid, allow for banned words.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::BannedCopies`] if unknown words are copied, since a copied word could be banned.
    pub(crate) fn validate_with_banned_words(&self) -> Result<(), SearchError> {
        match self.unknown {
            Unknown::Copy => Err(SearchError::BannedCopies),
            Unknown::Forbid | Unknown::Keep => Ok(()),
        }
    }
}

impl BannedWords {
    /// Bans `phrases`, whichever tokens spell them. `surfaces` has the surface form of each token. Blank phrases ban
    /// nothing.
    #[must_use]
    pub fn new<S: AsRef<str>>(phrases: &[S], surfaces: Arc<SurfaceForms>) -> Self {
        let patterns = phrases.iter().flat_map(|phrase| patterns(phrase.as_ref()));
        Self {
            automaton: NFA::new(patterns).expect("phrases are shorter than 2 GiB"),
            surfaces,
            forbidden: Mutex::default(),
        }
    }

    /// Returns whether a text of these tokens has a banned word.
    #[must_use]
    pub fn occur_in(&self, tokens: &[u32]) -> bool {
        let (state, _) = self.read(self.start(), &self.surfaces.text(tokens));
        self.ends_found(state)
    }

    /// Returns whether any sequence of tokens has a banned word.
    pub(crate) fn can_occur(&self) -> bool {
        let mut seen = HashSet::from([self.start()]);
        let mut unread = vec![self.start()];
        while let Some(state) = unread.pop() {
            for (_, form) in self.surfaces.iter() {
                let (next, rest) = self.read(state, form);
                // A vocabulary that has parts of characters spells every text.
                if !rest.is_empty() || self.ends_found(next) {
                    return true;
                }
                if seen.insert(next) {
                    unread.push(next);
                }
            }
        }
        false
    }

    /// Forbids, in the `row` of a hypothesis of these `tokens`, the tokens that would complete a banned word. Forbids
    /// `</s>` if the hypothesis already has a banned word.
    pub(super) fn forbid(&self, tokens: &[u32], eos: u32, row: &mut Row<'_>) {
        let (state, rest) = self.read(self.start(), &self.surfaces.text(tokens));
        if self.ends_found(state) {
            row.forbid(eos);
        }
        for &token in self.completing(state, &rest).iter() {
            row.forbid(token);
        }
    }

    /// Returns the tokens with which a text has a phrase, or would have one if it ended there. `state` is the state
    /// after the whole characters of the text, and `rest` has the bytes of a character at its end that is not
    /// complete.
    fn completing(&self, state: State, rest: &[u8]) -> Arc<[u32]> {
        // A phrase in the forced prefix forbids nothing after it.
        let state = State {
            found: false,
            ..state
        };
        let find = || -> Arc<[u32]> {
            let completes = |form: &[u8]| {
                let (state, _) = self.read(state, &[rest, form].concat());
                self.ends_found(state)
            };
            let tokens = self.surfaces.iter();
            tokens
                .filter(|(_, form)| !form.is_empty() && completes(form))
                .map(|(token, _)| token)
                .collect()
        };
        // Parts of a character are rare, and there are many different ones.
        if !rest.is_empty() {
            return find();
        }
        let mut forbidden = self.forbidden.lock().expect("nobody panics with this lock");
        forbidden.entry(state).or_insert_with(find).clone()
    }

    /// Returns the state of the reader before the first character of a text.
    fn start(&self) -> State {
        State {
            node: self
                .automaton
                .start_state(Anchored::No)
                .expect("searches are not anchored"),
            last: LastCharacter::default(),
            found: false,
        }
    }

    /// Reads `bytes`, starting from `state`. Returns the state after all whole characters, and the bytes
    /// of a character at the end that is not complete.
    fn read(&self, mut state: State, bytes: &[u8]) -> (State, Vec<u8>) {
        let mut left = bytes.len();
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                state = self.read_character(state, character);
            }
            left -= chunk.valid().len() + chunk.invalid().len();
            if left == 0 && begins_with_character(chunk.invalid()) {
                return (state, chunk.invalid().to_vec());
            }
            if !chunk.invalid().is_empty() {
                state = self.read_character(state, char::REPLACEMENT_CHARACTER);
            }
        }
        (state, Vec::new())
    }

    fn read_character(&self, mut state: State, character: char) -> State {
        compared(character, |character| {
            if state.last.has_boundary_before(character) {
                state = self.read_byte(state, BOUNDARY);
            }
            for &byte in character.encode_utf8(&mut [0; 4]).as_bytes() {
                state = self.read_byte(state, byte);
            }
            state.last = state.last.followed_by(character);
        });
        state
    }

    fn read_byte(&self, state: State, byte: u8) -> State {
        let node = self.automaton.next_state(Anchored::No, state.node, byte);
        State {
            node,
            found: state.found || self.automaton.is_match(node),
            ..state
        }
    }

    /// Returns whether a phrase was found, or is found if the text ends here.
    fn ends_found(&self, state: State) -> bool {
        // A part of a character is not a letter, so a text that ends in one has a boundary before it, too.
        self.read_byte(state, BOUNDARY).found
    }
}
