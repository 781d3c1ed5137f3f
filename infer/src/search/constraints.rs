//! The constraints of every search: which tokens may follow a hypothesis.

use super::options::{Stopping, Unknown};
use super::row::{Candidate, Row};
use super::{Request, Search};

impl Search<'_> {
    /// Returns whether a hypothesis of `length` tokens is complete without `</s>`, by the rule of
    /// [`Stopping::CTranslate2`].
    pub(super) fn is_cut(&self, length: usize, request: &Request) -> bool {
        self.options.stopping == Stopping::CTranslate2 && length == request.max_length
    }

    /// [Constrains](Self::constrain) the row of a hypothesis, and returns the `count` most probable tokens that may
    /// follow it, the best first. There are fewer if the constraints allow fewer, but at least one.
    pub(super) fn choices(
        &self,
        tokens: &[u32],
        request: &Request,
        row: &mut Row<'_>,
        count: usize,
    ) -> Vec<Candidate> {
        let last_resort = self.constrain(tokens, request, row);
        let mut best = row.best(count);
        if best.is_empty() {
            best.push(last_resort);
        }
        best
    }

    /// Forbids, in the row of a hypothesis, the tokens that may not follow it. Returns the token that follows if no
    /// token is left, with its log-probability.
    ///
    /// - Within the prefix only the next token of the prefix follows.
    /// - At the maximum length only `</s>` follows, which costs nothing by the rules of Hugging Face's transformers.
    /// - Elsewhere these tokens are forbidden: the special tokens; `<unk>` unless it is kept or copied; `</s>` before
    ///   the minimum length and before all required words are there; tokens that would repeat an n-gram; with required
    ///   words, tokens that would leave a character incomplete; and tokens that would complete a banned word. If no
    ///   token is left, `</s>` follows, even if the translation is then shorter than the minimum length or lacks a
    ///   required word.
    ///
    /// The other tokens keep the log-probabilities of the decoder, which the repetition penalty may have changed.
    pub(super) fn constrain(&self, tokens: &[u32], request: &Request, row: &mut Row<'_>) -> Candidate {
        let Self { special, options, .. } = *self;
        let forced = request.prefix.get(tokens.len()).copied();
        let forced = forced.or((tokens.len() >= request.max_length).then_some(special.eos));
        if options.repetition_penalty != 1.0 {
            self.penalise_repetition(tokens, row);
        }
        let last_resort = forced.unwrap_or(special.eos);
        let is_free = options.stopping.is_of_transformers() && tokens.len() >= request.max_length;
        let log_probability = if is_free {
            0.0
        } else {
            row.log_probability(last_resort)
        };
        let last_resort = (last_resort, log_probability);
        if forced.is_some() {
            row.forbid_all();
            return last_resort;
        }

        special.forbidden.iter().for_each(|&token| row.forbid(token));
        if let (Some(unk), Unknown::Forbid) = (special.unk, options.unknown) {
            row.forbid(unk);
        }
        if tokens.len() < options.min_length || !request.required.are_met(tokens) {
            row.forbid(special.eos);
        }
        if options.no_repeat_ngram > 0 {
            forbid_repeated_ngrams(options.no_repeat_ngram, tokens, row);
        }
        request.required.keep_characters_whole(tokens, row);
        if let Some(banned) = self.banned {
            banned.forbid(tokens, special.eos, row);
        }
        last_resort
    }

    fn penalise_repetition(&self, tokens: &[u32], row: &mut Row<'_>) {
        for (place, &token) in tokens.iter().enumerate() {
            if !tokens[..place].contains(&token) {
                row.scale(token, self.options.repetition_penalty);
            }
        }
    }
}

/// Forbids the tokens that would repeat a sequence of `n` tokens of the hypothesis.
fn forbid_repeated_ngrams(n: usize, tokens: &[u32], row: &mut Row<'_>) {
    let Some(beginning) = tokens.len().checked_sub(n - 1) else {
        return;
    };
    for ngram in tokens.windows(n) {
        let (last, others) = ngram.split_last().expect("an n-gram has a token");
        if others == &tokens[beginning..] {
            row.forbid(*last);
        }
    }
}
