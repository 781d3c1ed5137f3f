//! `[search]`: the bounds of its whole numbers.

use attend_infer::search::{MAX_BEAM_SIZE, SearchOptions};

use super::out_of_range::{MOST, OutOfRange, check_bounds};

/// Checks that each whole number lies within its bounds.
///
/// # Errors
///
/// The first number that does not.
pub(super) fn check(search: &SearchOptions) -> Result<(), OutOfRange> {
    let most_hypotheses = MAX_BEAM_SIZE as u64;
    check_bounds("search.beam_size", Some(search.beam_size), 1..=most_hypotheses)?;
    check_bounds("search.nbest", Some(search.nbest), 1..=most_hypotheses)?;
    check_bounds("search.min_length", Some(search.min_length), 0..=MOST)?;
    check_bounds("search.max_length", search.max_length, 0..=MOST)?;
    check_bounds("search.no_repeat_ngram", Some(search.no_repeat_ngram), 0..=MOST)?;
    let sampling = search.sampling.unwrap_or_default();
    check_bounds("search.sampling.top_k", sampling.top_k, 1..=MOST)?;
    check_bounds("search.sampling.seed", Some(sampling.seed), 0..=i64::MAX as u64)
}
