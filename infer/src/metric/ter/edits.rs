//! The number of edits between a hypothesis and a reference, shifts among them.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::edit_distance::{Matrix, Operation};

/// The maximum number of words that are shifted together.
const MAX_SHIFT_SIZE: usize = 10;

/// The maximum distance between a sequence of words in the hypothesis and the same sequence in the reference.
const MAX_SHIFT_DISTANCE: usize = 50;

/// The number of shifts of a hypothesis after which no more are tried.
const MAX_SHIFTS_TRIED: usize = 1000;

/// Returns the number of edits that turn the hypothesis into the reference. Shifts are taken one after the other, each
/// time the one that lowers the edit distance most, until none lowers it.
pub(super) fn edits(hypothesis: &[&str], reference: &[&str]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let mut numbers = HashMap::new();
    let mut number = |word| {
        let next = numbers.len() as u32;
        *numbers.entry(word).or_insert(next)
    };
    let mut words: Vec<u32> = hypothesis.iter().map(|&word| number(word)).collect();
    let reference: Vec<u32> = reference.iter().map(|&word| number(word)).collect();
    let (mut shifts, mut tried) = (0, 0);
    loop {
        let matrix = Matrix::new(&words, &reference);
        let best = best_shift(&words, &reference, &matrix, &mut tried);
        match best {
            Some(shift) if shift.gain > 0 && tried < MAX_SHIFTS_TRIED => words = shift.of(&words),
            _ => return shifts + matrix.distance() as usize,
        }
        shifts += 1;
    }
}

/// A sequence of words of the hypothesis that moves to another place.
#[derive(Clone, Copy)]
struct Shift {
    /// By how much the edit distance falls.
    gain: i64,
    /// The first of the words.
    start: usize,
    /// The number of words.
    length: usize,
    /// The index of the word in front of which they move.
    target: usize,
}

impl Shift {
    /// Returns the hypothesis after the shift.
    fn of(&self, words: &[u32]) -> Vec<u32> {
        let &Self {
            start,
            length,
            target,
            ..
        } = self;
        let mut shifted = words.to_vec();
        if target < start {
            shifted[target..start + length].rotate_right(length);
        } else if target > start + length {
            shifted[start..target].rotate_left(length);
        } else {
            // A target within the shifted words counts from behind them.
            let end = (target + length).min(words.len());
            shifted[start..end].rotate_left(length);
        }
        shifted
    }

    /// Returns the key by which the best shift is chosen: the largest gain, then the longest sequence, then the
    /// earliest one, then the earliest target.
    fn rank(&self) -> (i64, usize, Reverse<usize>, Reverse<usize>) {
        (self.gain, self.length, Reverse(self.start), Reverse(self.target))
    }
}

/// Returns the shift that lowers the edit distance most, or the least bad one, or `None` if no shift can be tried.
/// `tried` counts the shifts that were tried for a hypothesis.
fn best_shift(words: &[u32], reference: &[u32], matrix: &Matrix<'_>, tried: &mut usize) -> Option<Shift> {
    let alignment = Alignment::new(&matrix.operations());
    let mut best: Option<Shift> = None;
    for start in 0..words.len() {
        let first = start.saturating_sub(MAX_SHIFT_DISTANCE);
        let last = (start + MAX_SHIFT_DISTANCE + 1).min(reference.len());
        for in_reference in first..last {
            let pairs = words[start..].iter().zip(&reference[in_reference..]);
            let equal = pairs.take_while(|(word, other)| word == other);
            for length in 1..=equal.take(MAX_SHIFT_SIZE).count() {
                for target in alignment.targets(start, in_reference, length) {
                    let mut shift = Shift {
                        gain: 0,
                        start,
                        length,
                        target,
                    };
                    let distance = matrix.distance_of(&shift.of(words), start.min(target));
                    shift.gain = i64::from(matrix.distance()) - i64::from(distance);
                    *tried += 1;
                    if best.is_none_or(|best| shift.rank() > best.rank()) {
                        best = Some(shift);
                    }
                }
                if *tried >= MAX_SHIFTS_TRIED {
                    return best;
                }
            }
        }
    }
    best
}

/// Which words of the hypothesis stand for which words of the reference.
struct Alignment {
    /// For each word of the reference, the number of words of the hypothesis up to the one that stands for it.
    after: Vec<usize>,
    /// Whether each word of the reference is wrong or missing in the hypothesis.
    reference_errors: Vec<bool>,
    /// Whether each word of the hypothesis is wrong or too much.
    hypothesis_errors: Vec<bool>,
}

impl Alignment {
    fn new(operations: &[Operation]) -> Self {
        let mut alignment = Self {
            after: Vec::new(),
            reference_errors: Vec::new(),
            hypothesis_errors: Vec::new(),
        };
        for operation in operations {
            let is_error = *operation != Operation::Keep;
            if *operation != Operation::Insert {
                alignment.hypothesis_errors.push(is_error);
            }
            if *operation != Operation::Delete {
                alignment.reference_errors.push(is_error);
                alignment.after.push(alignment.hypothesis_errors.len());
            }
        }
        alignment
    }

    /// Returns where a sequence of the hypothesis may be shifted that equals a sequence of the reference: in front of
    /// each word that follows one which stands for a word of the reference's sequence, or for the word before it. There
    /// is none if the sequence is right where it is, or right where it would move, or would move into itself.
    fn targets(&self, start: usize, in_reference: usize, length: usize) -> Vec<usize> {
        let is_wrong = |errors: &[bool], start: usize| errors[start..start + length].contains(&true);
        // The words that stand before the word of the hypothesis, which is counted from 0.
        let own_place = start + 1..start + 1 + length;
        if !is_wrong(&self.hypothesis_errors, start)
            || !is_wrong(&self.reference_errors, in_reference)
            || own_place.contains(&self.after[in_reference])
        {
            return Vec::new();
        }
        let before = match in_reference.checked_sub(1) {
            Some(before) => self.after[before],
            None => 0,
        };
        let within = &self.after[in_reference..in_reference + length];
        let mut targets: Vec<usize> = [&[before], within].concat();
        targets.dedup();
        targets
    }
}
