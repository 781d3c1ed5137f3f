//! Counts of n-grams: sequences of n words or n characters.

use std::hash::Hash;

use hashbrown::HashMap;

/// Returns the number of n-grams of `order` items in `items`. Repeated n-grams count each time.
pub(super) fn ngram_count<T>(items: &[T], order: usize) -> u64 {
    items.windows(order).len() as u64
}

/// Returns the number of n-grams of `order` items of the hypothesis that are also in a reference. An n-gram counts at
/// most as often as it occurs in the reference that has it most often.
pub(super) fn ngram_matches<T: Eq + Hash>(hypothesis: &[T], references: &[Vec<T>], order: usize) -> u64 {
    let mut unmatched = HashMap::new();
    for reference in references {
        let counts = ngram_counts(reference, order);
        if unmatched.is_empty() {
            unmatched = counts;
        } else {
            for (ngram, count) in counts {
                let most: &mut u64 = unmatched.entry(ngram).or_default();
                *most = count.max(*most);
            }
        }
    }
    let mut matches = 0;
    for ngram in hypothesis.windows(order) {
        if let Some(count) = unmatched.get_mut(ngram)
            && *count > 0
        {
            *count -= 1;
            matches += 1;
        }
    }
    matches
}

fn ngram_counts<T: Eq + Hash>(items: &[T], order: usize) -> HashMap<&[T], u64> {
    let mut counts: HashMap<&[T], u64> = HashMap::new();
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
