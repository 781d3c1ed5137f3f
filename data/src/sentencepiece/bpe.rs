//! Cutting a text by byte-pair encoding (Sennrich et al., 2016): of all pairs of neighbours that form a piece, the pair
//! whose piece has the highest score is merged, until there is no such pair.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

/// A symbol of a text: first a character, or a piece that a user has defined, and then what it was merged to.
struct Symbol {
    /// The bytes of the text; none if the symbol was merged into the one before it.
    bytes: Range<usize>,
    previous: Option<usize>,
    next: Option<usize>,
    is_fixed: bool,
}

/// Two neighbouring symbols that form a piece. The greatest pair is merged first.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Eq for Pair {}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns the bytes of the symbols of `text` after all merges, in order. `score` returns the score of a piece, if
/// there is such a piece. `fixed` returns the length of the piece that a user has defined at the start of a text; it is
/// never merged.
pub(super) fn merge(
    text: &str,
    score: impl Fn(&str) -> Option<f32>,
    fixed: impl Fn(&str) -> Option<usize>,
) -> Vec<Range<usize>> {
    let mut symbols = symbols(text, fixed);
    let pair = |symbols: &[Symbol], left: Option<usize>, right: Option<usize>| {
        let (left, right) = (left?, right?);
        let (first, second) = (&symbols[left], &symbols[right]);
        if first.is_fixed || second.is_fixed {
            return None;
        }
        let bytes = first.bytes.start..second.bytes.end;
        let length = bytes.len();
        // Minus zero is zero.
        let score = score(&text[bytes])? + 0.0;
        Some(Pair {
            score,
            left,
            right,
            length,
        })
    };
    let neighbours = (1..symbols.len()).map(|right| pair(&symbols, Some(right - 1), Some(right)));
    let mut pairs: BinaryHeap<Pair> = neighbours.flatten().collect();
    while let Some(Pair {
        left, right, length, ..
    }) = pairs.pop()
    {
        let (first, second) = (&symbols[left].bytes, &symbols[right].bytes);
        let is_outdated = first.is_empty() || second.is_empty() || first.len() + second.len() != length;
        if is_outdated {
            continue;
        }
        symbols[left].bytes.end = second.end;
        symbols[left].next = symbols[right].next;
        symbols[right].bytes = 0..0;
        if let Some(next) = symbols[left].next {
            symbols[next].previous = Some(left);
        }
        pairs.extend(pair(&symbols, symbols[left].previous, Some(left)));
        pairs.extend(pair(&symbols, Some(left), symbols[left].next));
    }
    let merged = symbols.into_iter().map(|symbol| symbol.bytes);
    merged.filter(|bytes| !bytes.is_empty()).collect()
}

fn symbols(text: &str, fixed: impl Fn(&str) -> Option<usize>) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut start = 0;
    while let Some(character) = text[start..].chars().next() {
        let fixed = fixed(&text[start..]);
        let end = start + fixed.unwrap_or(character.len_utf8());
        let place = symbols.len();
        symbols.push(Symbol {
            bytes: start..end,
            previous: place.checked_sub(1),
            next: (end < text.len()).then_some(place + 1),
            is_fixed: fixed.is_some(),
        });
        start = end;
    }
    symbols
}
