//! The logits of the token that follows a hypothesis.

/// Tokens that [`Row::best`] looks at together.
const CHUNK: usize = 64;

/// A token and its log-probability.
pub(super) type Candidate = (u32, f32);

/// The logits of the token that follows one hypothesis. A token that may not follow has the logit -inf.
pub(super) struct Row<'a> {
    pub(super) logits: RowLogits<'a>,
    /// The logarithm of the sum of their exponentials, as the decoder gave it.
    pub(super) total: f32,
    /// How much the hypothesis looks at each source token to find what follows, where the decoder tells.
    pub(super) attention: &'a [f32],
}

/// The logits of a row.
pub(super) enum RowLogits<'a> {
    /// Of every token, in the order of their ids.
    All(&'a mut [f32]),
    /// Of a [`Shortlist`](super::Shortlist), with their tokens. The others may not follow.
    Shortlist(&'a mut [Candidate]),
}

impl Row<'_> {
    /// The token's log-probability; that of a NaN is -inf.
    pub(super) fn log_probability(&self, token: u32) -> f32 {
        let logit = match &self.logits {
            RowLogits::All(logits) => logits[token as usize],
            RowLogits::Shortlist(candidates) => {
                let found = candidates.iter().find(|(candidate, _)| *candidate == token);
                found.map_or(f32::NEG_INFINITY, |&(_, logit)| logit)
            }
        };
        // `max` returns its other argument for a NaN.
        (logit - self.total).max(f32::NEG_INFINITY)
    }

    /// Keeps the token from following.
    pub(super) fn forbid(&mut self, token: u32) {
        self.change(token, |_| f32::NEG_INFINITY);
    }

    /// Keeps all tokens from following.
    pub(super) fn forbid_all(&mut self) {
        match &mut self.logits {
            RowLogits::All(logits) => logits.fill(f32::NEG_INFINITY),
            RowLogits::Shortlist(candidates) => {
                candidates
                    .iter_mut()
                    .for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
            }
        }
    }

    /// Multiplies the token's log-probability.
    pub(super) fn scale(&mut self, token: u32, factor: f32) {
        let total = self.total;
        self.change(token, |logit| total + factor * (logit - total));
    }

    fn change(&mut self, token: u32, new: impl Fn(f32) -> f32) {
        let logit = match &mut self.logits {
            RowLogits::All(logits) => Some(&mut logits[token as usize]),
            RowLogits::Shortlist(candidates) => candidates
                .iter_mut()
                .find_map(|(candidate, logit)| (*candidate == token).then_some(logit)),
        };
        if let Some(logit) = logit {
            *logit = new(*logit);
        }
    }

    /// The tokens that may follow, in no order, each with its logit.
    pub(super) fn possible(&self) -> Vec<Candidate> {
        let is_possible = |&(_, logit): &Candidate| logit > f32::NEG_INFINITY;
        match &self.logits {
            RowLogits::All(logits) => (0..).zip(logits.iter().copied()).filter(is_possible).collect(),
            RowLogits::Shortlist(candidates) => candidates.iter().copied().filter(is_possible).collect(),
        }
    }

    /// The `count` most probable tokens that may follow, best first. Of equally probable tokens the smaller id comes
    /// first; a NaN counts as impossible.
    pub(super) fn best(&self, count: usize) -> Vec<Candidate> {
        let mut best = match &self.logits {
            RowLogits::All(logits) => best_of(logits, count),
            RowLogits::Shortlist(_) => {
                let mut possible = self.possible();
                possible.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                possible.truncate(count);
                possible
            }
        };
        for (token, value) in &mut best {
            *value = self.log_probability(*token);
        }
        best
    }
}

/// The places of the `count` greatest numbers, and these.
fn best_of(logits: &[f32], count: usize) -> Vec<Candidate> {
    let mut best: Vec<Candidate> = Vec::new();
    // What a token must exceed to be among them.
    let mut threshold = f32::NEG_INFINITY;
    for (chunk, first_token) in logits.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        // Most chunks have nothing to offer. Without an early end, the compiler looks at a chunk in vectors.
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
