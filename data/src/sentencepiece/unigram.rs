//! Cutting a text by a unigram model (Kudo, 2018, "Subword Regularization"): the pieces whose sum of scores is the
//! highest, found by the algorithm of Viterbi.

use std::ops::Range;

use super::sorted_pieces::SortedPieces;
use super::{PieceKind, VocabularyPiece};

/// How far the score of an unknown character lies below that of the least probable piece.
const UNKNOWN: f32 = 10.0;

#[derive(Clone, Debug)]
pub(super) struct Unigram {
    /// The pieces that match text.
    pieces: SortedPieces,
    /// What each piece of the vocabulary adds to the score of a text.
    scores: Vec<f32>,
    /// What an unknown character adds.
    unknown: f32,
}

/// The best way to cut the text before a place.
#[derive(Clone, Copy)]
struct Best {
    score: f32,
    /// Where the last piece begins.
    start: usize,
    /// The last piece; `None` if it is an unknown character.
    piece: Option<u32>,
}

impl Unigram {
    pub(super) fn new(pieces: &[VocabularyPiece]) -> Self {
        let normal = pieces.iter().filter(|piece| piece.kind == PieceKind::Normal);
        let lowest = normal.map(|piece| piece.score).fold(f32::MAX, f32::min);
        let score = |piece: &VocabularyPiece| match piece.kind {
            // A piece that a user has defined has no probability. The library gives it this score.
            PieceKind::UserDefined => (0.1 * (piece.text.len() as f64 - 1.0)) as f32,
            _ => piece.score,
        };
        let matching = (0..).zip(pieces).filter(|(_, piece)| piece.kind.matches_text());
        Self {
            pieces: SortedPieces::new(matching.map(|(index, piece)| (piece.text.as_str(), index))),
            scores: pieces.iter().map(score).collect(),
            unknown: lowest - UNKNOWN,
        }
    }

    /// Returns the bytes of the pieces of `text`, in order, and their indices in the vocabulary; `None` for an unknown
    /// character.
    pub(super) fn cut(&self, text: &str) -> Vec<(Range<usize>, Option<u32>)> {
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        for (start, character) in text.char_indices() {
            let before = best[start].map_or(0.0, |best| best.score);
            let mut is_known = false;
            for (piece, length) in self.pieces.prefixes(&text[start..]) {
                is_known |= length == character.len_utf8();
                let end = &mut best[start + length];
                Best::improve(end, before + self.scores[piece as usize], start, Some(piece));
            }
            if !is_known {
                let end = &mut best[start + character.len_utf8()];
                Best::improve(end, before + self.unknown, start, None);
            }
        }
        let mut pieces = Vec::new();
        let mut end = text.len();
        while let Some(last) = best[end] {
            pieces.push((last.start..end, last.piece));
            end = last.start;
        }
        pieces.reverse();
        pieces
    }
}

impl Best {
    /// Replaces `best` if `score` is higher. The first of equal scores stays.
    fn improve(best: &mut Option<Self>, score: f32, start: usize, piece: Option<u32>) {
        if best.is_none_or(|best| score > best.score) {
            *best = Some(Self { score, start, piece });
        }
    }
}
