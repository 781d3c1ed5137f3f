//! The logits of the token that follows a hypothesis.

use std::cmp::Ordering;

/// The number of logits that [`best_of`] compares with its threshold at a time.
const CHUNK: usize = 64;

/// A token and its log-probability.
pub(super) type Candidate = (u32, f32);

/// The logits of the tokens that may follow one hypothesis. A token that may not follow has the logit -inf.
pub(super) struct Row<'a> {
    pub(super) logits: RowLogits<'a>,
    /// The natural logarithm of the sum of the exponentials of all logits that the decoder returned, before any was
    /// changed.
    pub(super) total: f32,
    /// The attention of the hypothesis to each source token in this step, `[source_seq]`. It is empty without a
    /// coverage penalty.
    pub(super) attention: &'a [f32],
}

/// The logits of a row.
pub(super) enum RowLogits<'a> {
    /// The logits of all tokens, in the order of their ids, `[vocab_size]`.
    All(&'a mut [f32]),
    /// Some tokens with their logits, in the order of their ids. Other tokens may not follow.
    Some(&'a mut [Candidate]),
}

impl Row<'_> {
    /// Returns the log-probability of a token. It is -inf if the token's logit is NaN or if the token may
    /// not follow.
    pub(super) fn log_probability(&self, token: u32) -> f32 {
        let logit = match &self.logits {
            RowLogits::All(logits) => logits[token as usize],
            RowLogits::Some(candidates) => {
                place_of(token, candidates).map_or(f32::NEG_INFINITY, |place| candidates[place].1)
            }
        };
        // `max` returns its other argument for a NaN.
        (logit - self.total).max(f32::NEG_INFINITY)
    }

    /// Forbids a token.
    pub(super) fn forbid(&mut self, token: u32) {
        self.change(token, |_| f32::NEG_INFINITY);
    }

    /// Forbids all tokens.
    pub(super) fn forbid_all(&mut self) {
        match &mut self.logits {
            RowLogits::All(logits) => logits.fill(f32::NEG_INFINITY),
            RowLogits::Some(candidates) => {
                candidates
                    .iter_mut()
                    .for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
            }
        }
    }

    /// Multiplies the log-probability of a token by `factor`.
    pub(super) fn scale(&mut self, token: u32, factor: f32) {
        let total = self.total;
        self.change(token, |logit| total + factor * (logit - total));
    }

    fn change(&mut self, token: u32, new: impl Fn(f32) -> f32) {
        let logit = match &mut self.logits {
            RowLogits::All(logits) => Some(&mut logits[token as usize]),
            RowLogits::Some(candidates) => place_of(token, candidates).map(|place| &mut candidates[place].1),
        };
        if let Some(logit) = logit {
            *logit = new(*logit);
        }
    }

    /// Returns the tokens that may follow, with their logits, in no particular order.
    pub(super) fn possible(&self) -> Vec<Candidate> {
        let is_possible = |&(_, logit): &Candidate| logit > f32::NEG_INFINITY;
        match &self.logits {
            RowLogits::All(logits) => (0..).zip(logits.iter().copied()).filter(is_possible).collect(),
            RowLogits::Some(candidates) => candidates.iter().copied().filter(is_possible).collect(),
        }
    }

    /// Returns the `count` most probable tokens that may follow, with their log-probabilities, the best first. Of
    /// equally probable tokens, the one with the smaller id comes first. A token whose logit is NaN may not follow.
    pub(super) fn best(&self, count: usize) -> Vec<Candidate> {
        let mut best = match &self.logits {
            RowLogits::All(logits) => best_of(logits, count),
            RowLogits::Some(_) => {
                let mut possible = self.possible();
                if count < possible.len() {
                    possible.select_nth_unstable_by(count, better_first);
                    possible.truncate(count);
                }
                possible.sort_unstable_by(better_first);
                possible
            }
        };
        for (token, value) in &mut best {
            *value = self.log_probability(*token);
        }
        best
    }
}

/// Returns the place of a token among tokens in the order of their ids.
fn place_of(token: u32, candidates: &[Candidate]) -> Option<usize> {
    candidates.binary_search_by_key(&token, |(token, _)| *token).ok()
}

/// Orders tokens by their logits, the greatest first. Of equal logits, the one with the smaller id comes first.
pub(super) fn better_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Returns the tokens with the `count` greatest logits, and these logits, the greatest first. `logits` has the logits
/// of all tokens, `[vocab_size]`.
fn best_of(logits: &[f32], count: usize) -> Vec<Candidate> {
    let mut best: Vec<Candidate> = Vec::new();
    // The number that a logit must exceed to be among the best.
    let mut threshold = f32::NEG_INFINITY;
    for (chunk, first_token) in logits.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        // Most chunks have no better logit. Without an early exit, the compiler vectorizes the comparison of a chunk.
        if !chunk.iter().fold(false, |any, &logit| any | (logit > threshold)) {
            continue;
        }
        for (token, &logit) in (first_token..).zip(chunk.iter()) {
            if logit > threshold {
                if best.len() == count {
                    best.pop();
                }
                let place = best.partition_point(|&(_, better)| better >= logit);
                best.insert(place, (token, logit));
                if best.len() == count {
                    threshold = best[count - 1].1;
                }
            }
        }
    }
    best
}
