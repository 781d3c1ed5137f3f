//! SentencePiece models (Kudo and Richardson, 2018, "SentencePiece: A simple and language independent subword
//! tokenizer"): files with the ending `.spm` or `.model`, as Marian, Hugging Face's Marian models and Argos have them.
//!
//! A text is normalised (`normalizer.rs`) and cut into pieces, by a unigram model (`unigram.rs`) or by byte-pair
//! encoding (`bpe.rs`), exactly as the library sentencepiece does it since its version 0.2.2. Its earlier versions
//! decide otherwise between cuts that are equally good but for the rounding of their scores.

mod bpe;
mod model_file;
mod normalizer;
mod sorted_pieces;
mod trie;
mod unigram;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use prost::Message;

use crate::error::DataError;
use model_file::{ModelProto, PieceProto, TrainerSpec};
use normalizer::{Normalized, Normalizer, SPACE};
use trie::Trie;
use unigram::Unigram;

/// A SentencePiece model: a vocabulary of pieces, and how text is normalised and cut into them.
#[derive(Clone, Debug)]
pub struct SentencePieceModel {
    /// The content of the file.
    file: Vec<u8>,
    pieces: Vec<VocabularyPiece>,
    ids: HashMap<String, u32>,
    method: Method,
    normalizer: Normalizer,
    /// The id of the piece for what is unknown.
    unknown: u32,
    /// The text that decoding writes for the unknown piece.
    unknown_surface: String,
    /// The ids of the pieces of all bytes, if unknown characters are spelt in bytes.
    bytes: Option<Vec<u32>>,
    /// Whether a space is put before every text.
    adds_space: bool,
    /// Whether spaces at the start and the end are removed, and each run of spaces becomes one.
    removes_extra_spaces: bool,
}

/// How text is cut into pieces.
#[derive(Clone, Debug)]
enum Method {
    Unigram(Unigram),
    Bpe,
}

/// A piece in the vocabulary of a [`SentencePieceModel`].
#[derive(Clone, Debug, PartialEq)]
pub struct VocabularyPiece {
    /// The piece. `▁` stands for a space.
    pub text: String,
    /// In a unigram model, the logarithm of the piece's probability; in a byte-pair encoding, minus its rank.
    pub score: f32,
    /// What the piece is for.
    pub kind: PieceKind,
}

/// What a piece of a vocabulary is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// A piece of text, learnt from text.
    Normal,
    /// The piece for characters that no piece has. Text never matches it.
    Unknown,
    /// A piece with a meaning of its own, such as `</s>`. Text never matches it, and it adds nothing to a text.
    Control,
    /// A piece of text that a user has defined. It is never cut, and not normalised.
    UserDefined,
    /// A piece that is not used.
    Unused,
    /// A byte of a character that no piece has, for example `<0xE4>`. Text never matches it.
    Byte(u8),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The piece as the vocabulary has it. Unknown characters in a row are one piece, and stand here as they are.
    pub text: Cow<'a, str>,
    /// The index of the piece in the vocabulary; that of the unknown piece for unknown characters.
    pub id: u32,
    /// The bytes of the text, before normalisation, of which the piece was made. A piece of a part of a character has
    /// the whole character, and a piece that is only the space before the text has the first character.
    pub source: Range<usize>,
}

impl SentencePieceModel {
    /// Reads a model file.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if the file cannot be read, and [`DataError::InvalidSentencePiece`] if it is damaged
    /// or its model is of a kind that is not supported: a model of words or of characters, or one that puts spaces
    /// after words, does not escape them, or rewrites the text that it has decoded.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = fs::read(path).map_err(|error| DataError::read(path, error))?;
        Self::from_bytes(path, file)
    }

    /// Reads the content of a model file. `path` is its name in errors.
    ///
    /// # Errors
    /// Returns [`DataError::InvalidSentencePiece`] as [`load`](Self::load) does.
    pub fn from_bytes(path: &Path, file: Vec<u8>) -> Result<Self, DataError> {
        Self::read(file).map_err(|reason| DataError::InvalidSentencePiece {
            path: path.to_owned(),
            reason,
        })
    }

    /// Returns the content of the model file.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Returns the vocabulary. The id of a piece is its index.
    #[must_use]
    pub fn pieces(&self) -> &[VocabularyPiece] {
        &self.pieces
    }

    /// Returns the id of a piece, if the vocabulary has it.
    #[must_use]
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// Returns the id of the unknown piece.
    #[must_use]
    pub fn unknown_id(&self) -> u32 {
        self.unknown
    }

    /// Cuts a text into pieces.
    ///
    /// With the pieces `▁a`, `▁do` and `g`, the text `a dog` becomes these three.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<Piece<'_>> {
        self.encode_within(text, self.adds_space)
    }

    /// Cuts a phrase as it stands within a longer text: after a space, or directly after other characters.
    #[must_use]
    pub fn encode_within(&self, phrase: &str, after_space: bool) -> Vec<Piece<'_>> {
        let normalized = self.normalizer.normalize(phrase, after_space);
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        let mut is_after_unknown = false;
        for (bytes, id) in self.cut(&normalized.text) {
            let source = normalized.source(&bytes);
            let text = &normalized.text[bytes];
            match (id, &self.bytes) {
                (Some(id), _) => pieces.push(self.piece(id, source)),
                (None, Some(ids)) => pieces.extend(
                    text.bytes()
                        .map(|byte| self.piece(ids[usize::from(byte)], source.clone())),
                ),
                (None, None) => match pieces.last_mut() {
                    Some(last) if is_after_unknown => {
                        last.text.to_mut().push_str(text);
                        last.source.end = source.end;
                    }
                    _ => pieces.push(Piece {
                        text: Cow::Owned(text.to_owned()),
                        id: self.unknown,
                        source,
                    }),
                },
            }
            is_after_unknown = id.is_none();
        }
        pieces
    }

    fn piece(&self, id: u32, source: Range<usize>) -> Piece<'_> {
        Piece {
            text: Cow::Borrowed(&self.pieces[id as usize].text),
            id,
            source,
        }
    }

    /// Returns the bytes of the pieces of a normalised text, and their ids; `None` for an unknown character.
    fn cut(&self, text: &str) -> Vec<(Range<usize>, Option<u32>)> {
        let matching = |piece: &str| self.id(piece).filter(|&id| self.kind(id).matches_text());
        match &self.method {
            Method::Unigram(unigram) => unigram.cut(text),
            Method::Bpe => {
                let score = |piece: &str| matching(piece).map(|id| self.pieces[id as usize].score);
                let symbols = bpe::merge(text, score, |rest| self.normalizer.user_defined(rest));
                let with_id = |bytes: Range<usize>| (bytes.clone(), matching(&text[bytes]));
                symbols.into_iter().map(with_id).collect()
            }
        }
    }

    fn kind(&self, id: u32) -> PieceKind {
        self.pieces[id as usize].kind
    }

    /// Returns the text of pieces, without the space that [`encode`](Self::encode) puts before a text. The unknown
    /// piece becomes ` ⁇ `, or what the model has for it. A piece that the vocabulary does not have stands as it is,
    /// with spaces for `▁`. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn decode<S: AsRef<str>>(&self, pieces: &[S]) -> String {
        let mut text = String::new();
        let mut bytes = Vec::new();
        let mut is_at_start = true;
        for piece in pieces.iter().map(S::as_ref) {
            let kind = self.id(piece).map(|id| self.kind(id));
            if let Some(PieceKind::Byte(byte)) = kind {
                bytes.push(byte);
                continue;
            }
            push_bytes(&mut text, &mut bytes);
            is_at_start &= text.is_empty();
            match kind {
                Some(PieceKind::Control) => {}
                Some(PieceKind::Unknown) => text.push_str(&self.unknown_surface),
                _ => {
                    let within = piece
                        .strip_prefix(SPACE)
                        .filter(|_| is_at_start && self.drops_first_space());
                    // If extra spaces are removed, each piece before the first character may begin with one.
                    is_at_start &= within.is_none() || self.removes_extra_spaces;
                    text.push_str(&with_spaces(within.unwrap_or(piece)));
                }
            }
        }
        push_bytes(&mut text, &mut bytes);
        text
    }

    /// Returns whether decoding removes a space at the start of a text.
    fn drops_first_space(&self) -> bool {
        self.adds_space || self.removes_extra_spaces
    }

    /// Returns the bytes that a piece adds to a text, with the space that it begins with. A control piece adds none.
    #[must_use]
    pub fn surface(&self, piece: &str) -> Vec<u8> {
        match self.id(piece).map(|id| self.kind(id)) {
            Some(PieceKind::Byte(byte)) => vec![byte],
            Some(PieceKind::Control) => Vec::new(),
            Some(PieceKind::Unknown) => self.unknown_surface.clone().into_bytes(),
            _ => with_spaces(piece).into_bytes(),
        }
    }

    /// Returns a text as the model normalises it, with spaces for `▁` and without the space that is put before it.
    #[must_use]
    pub fn normalize(&self, text: &str) -> String {
        with_spaces(&self.normalizer.normalize(text, false).text)
    }

    /// Returns whether the model normalises text.
    #[must_use]
    pub fn has_normalizer(&self) -> bool {
        self.normalizer.changes_text()
    }

    /// Returns whether extra spaces are removed: those at the start and the end of a text, and those after another
    /// space.
    #[must_use]
    pub fn removes_extra_spaces(&self) -> bool {
        self.removes_extra_spaces
    }

    /// Returns whether unknown characters are spelt in bytes.
    #[must_use]
    pub fn spells_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// Reads the content of a model file.
    fn read(file: Vec<u8>) -> Result<Self, String> {
        let proto = ModelProto::decode(file.as_slice())
            .map_err(|error| format!("it is damaged, or not a SentencePiece model ({error})"))?;
        let trainer = proto.trainer_spec.unwrap_or_default();
        let spec = proto.normalizer_spec.unwrap_or_default();
        check_supported(
            trainer.treat_whitespace_as_suffix(),
            "it puts spaces after words (`treat_whitespace_as_suffix`)",
        )?;
        check_supported(
            !spec.escape_whitespaces(),
            "it does not escape spaces (`escape_whitespaces`)",
        )?;
        let denormalizer = proto.denormalizer_spec.unwrap_or_default();
        check_supported(
            !denormalizer.precompiled_charsmap().is_empty(),
            "it rewrites decoded text (`denormalizer_spec`)",
        )?;

        let pieces: Vec<VocabularyPiece> = proto
            .pieces
            .into_iter()
            .enumerate()
            .map(|(index, piece)| vocabulary_piece(index, piece))
            .collect::<Result<_, String>>()?;
        let mut ids = HashMap::with_capacity(pieces.len());
        for (id, piece) in (0..).zip(&pieces) {
            if ids.insert(piece.text.clone(), id).is_some() {
                return Err(format!("the piece {:?} is there twice", piece.text));
            }
        }
        let mut unknown = pieces
            .iter()
            .zip(0..)
            .filter(|(piece, _)| piece.kind == PieceKind::Unknown);
        let (Some((_, unknown)), None) = (unknown.next(), unknown.next()) else {
            return Err("it must have exactly one piece for unknown characters".to_owned());
        };
        let user_defined = pieces
            .iter()
            .zip(0..)
            .filter(|(piece, _)| piece.kind == PieceKind::UserDefined);
        let user_defined: Vec<(&str, u32)> = user_defined
            .map(|(piece, id)| (piece.text.as_str(), id))
            .collect();
        let user_defined = match user_defined.as_slice() {
            [] => None,
            pieces => Some(Trie::new(pieces.iter().copied())?),
        };
        Ok(Self {
            method: method(&trainer, &pieces)?,
            bytes: byte_pieces(&trainer, &pieces)?,
            normalizer: Normalizer::new(&spec, user_defined)?,
            unknown_surface: trainer.unk_surface().to_owned(),
            adds_space: spec.add_dummy_prefix(),
            removes_extra_spaces: spec.remove_extra_whitespaces(),
            file,
            pieces,
            ids,
            unknown,
        })
    }
}

impl Normalized {
    /// Returns the bytes of the original text of which these bytes were made. For the `▁` before the text these are
    /// those up to the end of the first character.
    fn source(&self, bytes: &Range<usize>) -> Range<usize> {
        let source = self.sources[bytes.start].start..self.sources[bytes.end - 1].end;
        match self.sources.get(bytes.end) {
            Some(next) if source.is_empty() => source.start..next.end,
            _ => source,
        }
    }
}

impl PieceKind {
    /// Returns whether the piece stands for the text that it spells.
    pub(crate) fn matches_text(self) -> bool {
        matches!(self, Self::Normal | Self::UserDefined)
    }
}

fn check_supported(is_unsupported: bool, what: &str) -> Result<(), String> {
    if is_unsupported {
        return Err(format!("{what}, which is not supported"));
    }
    Ok(())
}

/// Checks a piece of the file. The numbers of the kinds are those of the format.
fn vocabulary_piece(index: usize, proto: PieceProto) -> Result<VocabularyPiece, String> {
    let score = proto.score();
    let text = proto.piece().to_owned();
    let kind = match proto.r#type() {
        1 => PieceKind::Normal,
        2 => PieceKind::Unknown,
        3 => PieceKind::Control,
        4 => PieceKind::UserDefined,
        5 => PieceKind::Unused,
        6 => match byte(&text) {
            Some(byte) => PieceKind::Byte(byte),
            None => return Err(format!("the piece {text:?} does not name a byte")),
        },
        other => return Err(format!("the piece {text:?} is of an unknown type, {other}")),
    };
    if text.is_empty() {
        return Err(format!("its piece {index} is empty"));
    }
    if !score.is_finite() {
        return Err(format!("the piece {text:?} has the score {score}"));
    }
    Ok(VocabularyPiece { text, score, kind })
}

/// Returns the byte that a piece of the form `<0xE4>` names.
fn byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (piece == format!("<0x{byte:02X}>")).then_some(byte)
}

fn method(trainer: &TrainerSpec, pieces: &[VocabularyPiece]) -> Result<Method, String> {
    match trainer.model_type() {
        1 => Ok(Method::Unigram(Unigram::new(pieces))),
        2 => {
            let has_unused = pieces.iter().any(|piece| piece.kind == PieceKind::Unused);
            check_supported(has_unused, "it is a byte-pair encoding with unused pieces")?;
            Ok(Method::Bpe)
        }
        3 => Err("it is a model of words; unigram models and byte-pair encodings are supported".to_owned()),
        4 => Err(
            "it is a model of characters; unigram models and byte-pair encodings are supported".to_owned(),
        ),
        other => Err(format!("its model type, {other}, is unknown")),
    }
}

/// Returns the ids of the pieces of all bytes, if unknown characters are spelt in bytes.
fn byte_pieces(trainer: &TrainerSpec, pieces: &[VocabularyPiece]) -> Result<Option<Vec<u32>>, String> {
    let mut ids = vec![None; 256];
    for (id, piece) in (0..).zip(pieces) {
        if let PieceKind::Byte(byte) = piece.kind {
            ids[usize::from(byte)] = Some(id);
        }
    }
    if !trainer.byte_fallback() {
        return match ids.iter().flatten().next() {
            Some(_) => Err("it has pieces of bytes, but says that it has none (`byte_fallback`)".to_owned()),
            None => Ok(None),
        };
    }
    let ids: Option<Vec<u32>> = ids.into_iter().collect();
    ids.map(Some)
        .ok_or("it does not have the pieces of all 256 bytes".to_owned())
}

/// Appends `bytes` as text, with U+FFFD for each byte that is not UTF-8, and empties them.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    bytes.clear();
}

/// Returns `piece` with spaces for `▁`.
fn with_spaces(piece: &str) -> String {
    piece.replace(SPACE, " ")
}
