//! The logits of the token that follows a hypothesis.

/// Tokens that [`Row::best`] looks at together.
const CHUNK: usize = 64;

/// A token and its log-probability.
pub(super) type Candidate = (u32, f32);

/// The logits of the token that follows one hypothesis. A token that may not follow has the logit -inf.
pub(super) struct Row<'a> {
    pub(super) logits: &'a mut [f32],
    /// The logarithm of the sum of their exponentials, as the decoder gave it.
    pub(super) total: f32,
    /// How much the hypothesis looks at each source token to find what follows, where the decoder tells.
    pub(super) attention: &'a [f32],
}

impl Row<'_> {
    /// The token's log-probability; that of a NaN is -inf.
    pub(super) fn log_probability(&self, token: u32) -> f32 {
        // `max` returns its other argument for a NaN.
        (self.logits[token as usize] - self.total).max(f32::NEG_INFINITY)
    }

    /// Keeps the token from following.
    pub(super) fn forbid(&mut self, token: u32) {
        self.logits[token as usize] = f32::NEG_INFINITY;
    }

    /// Keeps all tokens from following.
    pub(super) fn forbid_all(&mut self) {
        self.logits.fill(f32::NEG_INFINITY);
    }

    /// Multiplies the token's log-probability.
    pub(super) fn scale(&mut self, token: u32, factor: f32) {
        let logit = &mut self.logits[token as usize];
        *logit = self.total + factor * (*logit - self.total);
    }

    /// The `count` most probable tokens that may follow, best first. Of equally probable tokens the smaller id comes
    /// first; a NaN counts as impossible.
    pub(super) fn best(&self, count: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::new();
        // What a token must exceed to be among them.
        let mut threshold = f32::NEG_INFINITY;
        for (chunk, first_token) in self.logits.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
            // Most chunks have nothing to offer, which is told faster of all tokens at once.
            if !chunk.iter().any(|&logit| logit > threshold) {
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
        for (token, value) in &mut best {
            *value = self.log_probability(*token);
        }
        best
    }
}
