//! Tokenizers of a SentencePiece model with a vocabulary of its own, as in Hugging Face's `MarianTokenizer`: the model
//! cuts text into pieces, and a file `vocab.json` gives the ids of the pieces.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::{BOS, EOS, FirstToken, PAD, SpecialIds, UNK};
use crate::error::DataError;
use crate::file::read_text;
use crate::sentencepiece::{Piece, SentencePieceModel};

/// A SentencePiece model and the ids of its pieces. Its methods are those of [`Tokenizer`](super::Tokenizer).
#[derive(Clone, Debug)]
pub(super) struct SentencePiece {
    model: SentencePieceModel,
    /// The content of `vocab.json`.
    vocabulary_file: String,
    /// The tokens. The id of a token is its index.
    entries: Vec<String>,
    ids: HashMap<String, u32>,
    /// The id of each piece of the model; that of `<unk>` for a piece that the vocabulary does not have.
    of_pieces: Vec<u32>,
    pub(super) special: SpecialIds,
    /// The maximum number of bytes in a piece of the model.
    longest_piece: usize,
    /// Whether a language that the start of a text names is one token.
    reads_language: bool,
}

impl SentencePiece {
    /// Reads a SentencePiece model and a `vocab.json`. The decoder starts with the token `start`.
    pub(super) fn load(model: &Path, vocabulary: &Path, start: FirstToken) -> Result<Self, DataError> {
        let model = SentencePieceModel::load(model)?;
        let text = read_text(vocabulary)?;
        Self::new(model, text, start).map_err(|reason| DataError::InvalidTokenizer {
            path: vocabulary.to_owned(),
            reason,
        })
    }

    fn new(model: SentencePieceModel, vocabulary_file: String, start: FirstToken) -> Result<Self, String> {
        let ids: HashMap<String, u32> =
            serde_json::from_str(&vocabulary_file).map_err(|error| error.to_string())?;
        let mut entries = vec![None; ids.len()];
        for (entry, &id) in &ids {
            let place = entries.get_mut(id as usize).filter(|place| place.is_none());
            let size = ids.len();
            *place.ok_or(format!(
                "the ids of its {size} tokens must be those below {size}, each once"
            ))? = Some(entry.clone());
        }
        let id = |token: &str| {
            ids.get(token)
                .copied()
                .ok_or(format!("the token {token} is missing"))
        };
        let (pad, eos, unk) = (id(PAD)?, id(EOS)?, id(UNK)?);
        let bos = match start {
            FirstToken::Id(start) if start as usize >= ids.len() => {
                return Err(format!(
                    "the decoder starts with the token {start}, but there are {}",
                    ids.len()
                ));
            }
            FirstToken::Id(start) => start,
            FirstToken::Bos => id(BOS)?,
            FirstToken::Pad => pad,
        };
        let pieces = model.pieces();
        Ok(Self {
            of_pieces: pieces
                .iter()
                .map(|piece| id(&piece.text).unwrap_or(unk))
                .collect(),
            longest_piece: pieces.iter().map(|piece| piece.text.len()).max().unwrap_or(1),
            special: SpecialIds {
                pad,
                bos,
                eos,
                unk: Some(unk),
            },
            entries: entries.into_iter().flatten().collect(),
            ids,
            model,
            vocabulary_file,
            reads_language: true,
        })
    }

    pub(super) fn model(&self) -> &SentencePieceModel {
        &self.model
    }

    pub(super) fn vocabulary_file(&self) -> &str {
        &self.vocabulary_file
    }

    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let (language, text) = self.language(text);
        let pieces = self.model.encode(text);
        language.into_iter().chain(self.ids_of(&pieces)).collect()
    }

    pub(super) fn encode_within(&self, phrase: &str, after_space: bool) -> Vec<u32> {
        self.ids_of(&self.model.encode_within(phrase, after_space))
            .collect()
    }

    fn ids_of(&self, pieces: &[Piece<'_>]) -> impl Iterator<Item = u32> {
        let unk = self.unk();
        pieces.iter().map(move |piece| {
            let id = if piece.id == self.model.unknown_id() {
                // The vocabulary may have a piece that the model does not have.
                let id = self.ids.get(&*piece.text).filter(|_| piece.text != BOS);
                id.copied().unwrap_or(unk)
            } else {
                self.of_pieces[piece.id as usize]
            };
            // Text that is spelt like a special token is unknown text.
            if self.special.contains(id) { unk } else { id }
        })
    }

    /// Returns the language that the start of a text names, for example `>>deu<<`: its bytes, and the id of its token.
    pub(super) fn language_token(&self, text: &str) -> Option<(Range<usize>, u32)> {
        let (name, _) = text.strip_prefix(">>")?.split_once("<<")?;
        if !self.reads_language || name.is_empty() {
            return None;
        }
        let token = &text[..name.len() + 4];
        Some((0..token.len(), *self.ids.get(token)?))
    }

    /// Returns the token of the language that the start of `text` names, and the text after it.
    fn language<'a>(&self, text: &'a str) -> (Option<u32>, &'a str) {
        match self.language_token(text) {
            Some((bytes, id)) => (Some(id), &text[bytes.end..]),
            None => (None, text),
        }
    }

    /// Returns the codes of the languages that the vocabulary has tokens of.
    pub(super) fn languages(&self) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter().filter(|_| self.reads_language);
        let codes = entries.filter_map(|entry| entry.strip_prefix(">>")?.strip_suffix("<<"));
        codes.filter(|code| !code.is_empty() && !code.contains("<<"))
    }

    /// Returns the tokenizer of texts whose start names no language.
    pub(super) fn without_languages(&self) -> Self {
        Self {
            reads_language: false,
            ..self.clone()
        }
    }

    pub(super) fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let (language, rest) = self.language(text);
        let start = text.len() - rest.len();
        let pieces = self.model.encode(rest).into_iter();
        let sources = pieces.map(|piece| piece.source.start + start..piece.source.end + start);
        language.map(|_| 0..start).into_iter().chain(sources).collect()
    }

    pub(super) fn min_tokens(&self, text: &str) -> usize {
        let (_, text) = self.language(text);
        let text = self.model.normalize(text);
        // Any number of unknown characters in a row are one token.
        let known = |character: &char| {
            let piece = self.model.id(character.encode_utf8(&mut [0; 4]));
            let matches_text = |id: u32| self.model.pieces()[id as usize].kind.matches_text();
            self.model.spells_bytes() || piece.is_some_and(matches_text)
        };
        let bytes: usize = text.chars().filter(known).map(char::len_utf8).sum();
        bytes.div_ceil(self.longest_piece)
    }

    pub(super) fn decode(&self, ids: &[u32]) -> String {
        let entries = ids.iter().filter(|&&id| !self.special.contains(id));
        let entries = entries.filter_map(|&id| self.entries.get(id as usize));
        self.join(&entries.collect::<Vec<_>>())
    }

    /// Returns the text of tokens that are spelt as in the vocabulary.
    pub(super) fn join<S: AsRef<str>>(&self, entries: &[S]) -> String {
        let pieces: Vec<&str> = entries.iter().map(|entry| self.piece(entry.as_ref())).collect();
        let text = self.model.decode(&pieces);
        if self.model.removes_extra_spaces() {
            text.trim_matches(' ').to_owned()
        } else {
            text
        }
    }

    /// Returns the piece of the model for an entry of the vocabulary. The model may have another name for `<unk>`.
    fn piece<'a>(&'a self, entry: &'a str) -> &'a str {
        if entry == UNK {
            &self.model.pieces()[self.model.unknown_id() as usize].text
        } else {
            entry
        }
    }

    pub(super) fn vocabulary_entry(&self, id: u32) -> String {
        self.entries.get(id as usize).cloned().unwrap_or_default()
    }

    pub(super) fn surface(&self, id: u32) -> Vec<u8> {
        match self.entries.get(id as usize) {
            Some(entry) if !self.special.contains(id) => self.model.surface(self.piece(entry)),
            _ => Vec::new(),
        }
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_normalizer(&self) -> bool {
        self.model.has_normalizer()
    }

    pub(super) fn normalize(&self, text: &str) -> String {
        let (language, rest) = self.language(text);
        let normalized = self.model.normalize(rest);
        match language {
            Some(id) if normalized.is_empty() => self.vocabulary_entry(id),
            Some(id) => self.vocabulary_entry(id) + " " + &normalized,
            None => normalized,
        }
    }

    fn unk(&self) -> u32 {
        self.special.unk.expect("its vocabulary has <unk>")
    }
}
