//! Beam search: the few most probable hypotheses at every step.

use super::{
    Hypothesis, SearchError, SearchOptions, SpecialTokens, StepDecoder, choices, keep_rows, penalised, step,
};

/// Returns up to `nbest` different translations of each sentence, best score first.
///
/// Every step extends a sentence's live hypotheses by one token and keeps the `beam_size` most probable extensions.
/// Those that end in `</s>` are complete and compete by score, the others live on. Of equally probable extensions
/// that of the better hypothesis is kept, then the more probable token, then the smaller id; of equal scores the
/// translation found first wins; a NaN counts as impossible.
///
/// A hypothesis lives as long as it can still become one of the `nbest`: log-probabilities only fall, so no
/// ending brings it above its log-probability divided by the largest penalty, that of the maximum length. A search
/// ends when nothing lives, and a beam wide enough for all hypotheses finds exactly the best ones.
///
/// `max_lengths` holds, for each sentence in the decoder, how many tokens its translations may have, `</s>` not
/// counted. At that length `</s>` is the only choice left, at the log-probability that the decoder gives it, so every
/// translation is a complete one. There are fewer than `nbest` only where so few can be formed.
///
/// # Errors
/// If the options are not valid.
///
/// # Panics
/// If the decoder breaks its contract, or `</s>` is not in its vocabulary.
pub fn beam<D: StepDecoder + ?Sized>(
    decoder: &mut D,
    special: &SpecialTokens,
    max_lengths: &[usize],
    options: &SearchOptions,
) -> Result<Vec<Vec<Hypothesis>>, SearchError> {
    options.validate()?;
    let vocab_size = decoder.vocab_size();
    let mut sentences: Vec<Sentence> = max_lengths.iter().copied().map(Sentence::new).collect();
    let mut tokens = vec![special.bos; sentences.len()];
    while !tokens.is_empty() {
        let log_probabilities = step(decoder, &tokens);
        let n_rows = tokens.len();
        let mut rows = log_probabilities.chunks_exact(vocab_size);
        let mut first_row = 0;
        let mut parent_rows = Vec::new();
        tokens.clear();
        for sentence in &mut sentences {
            let n_live = sentence.live.len();
            sentence.extend(rows.by_ref().take(n_live), special, options);
            for hypothesis in &sentence.live {
                parent_rows.push(first_row + hypothesis.parent);
                tokens.extend(hypothesis.tokens.last());
            }
            first_row += n_live;
        }
        keep_rows(decoder, &parent_rows, n_rows);
    }
    Ok(sentences.into_iter().map(|s| s.finished).collect())
}

/// A hypothesis without its `</s>`.
struct LiveHypothesis {
    tokens: Vec<u32>,
    log_probability: f32,
    /// Place among the sentence's live hypotheses of the one that this extends.
    parent: usize,
}

/// The search for one sentence's translations.
struct Sentence {
    max_length: usize,
    /// Most probable first; all of the same length. The sentence's rows in the decoder, in order.
    live: Vec<LiveHypothesis>,
    /// Best score first; at most `nbest`.
    finished: Vec<Hypothesis>,
}

impl Sentence {
    fn new(max_length: usize) -> Self {
        let start = LiveHypothesis {
            tokens: Vec::new(),
            log_probability: 0.0,
            parent: 0,
        };
        Self {
            max_length,
            live: vec![start],
            finished: Vec::new(),
        }
    }

    /// Extends the live hypotheses by one token. `rows` holds, for each, the log-probabilities of that token.
    fn extend<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [f32]>,
        special: &SpecialTokens,
        options: &SearchOptions,
    ) {
        // (parent, token, log-probability of the whole)
        let mut extensions: Vec<(usize, u32, f32)> = Vec::new();
        for (parent, (hypothesis, row)) in self.live.iter().zip(rows).enumerate() {
            let length = hypothesis.tokens.len();
            let choices = choices(row, special, options, length, self.max_length, options.beam_size);
            extensions.extend(choices.into_iter().map(|(token, log_probability)| {
                (parent, token, hypothesis.log_probability + log_probability)
            }));
        }
        // The sort is stable: equal ones stay in the order of their parents, then of their tokens.
        extensions.sort_by(|a, b| b.2.total_cmp(&a.2));
        extensions.truncate(options.beam_size);

        let parents = std::mem::take(&mut self.live);
        for (parent, token, log_probability) in extensions {
            let mut tokens = parents[parent].tokens.clone();
            if token == special.eos {
                let score = penalised(log_probability, tokens.len() + 1, options.length_penalty);
                let hypothesis = Hypothesis {
                    tokens,
                    log_probability,
                    score,
                };
                self.finish(hypothesis, options.nbest);
            } else {
                tokens.push(token);
                self.live.push(LiveHypothesis {
                    tokens,
                    log_probability,
                    parent,
                });
            }
        }
        self.drop_hopeless(options);
    }

    fn finish(&mut self, hypothesis: Hypothesis, nbest: usize) {
        let place = self
            .finished
            .partition_point(|better| better.score.total_cmp(&hypothesis.score).is_ge());
        self.finished.insert(place, hypothesis);
        self.finished.truncate(nbest);
    }

    /// Drops live hypotheses that cannot beat the worst of `nbest` finished ones. They would only crowd out others
    /// that are less probable still, so the result is the same as if they had stayed.
    fn drop_hopeless(&mut self, options: &SearchOptions) {
        if let Some(worst) = self.finished.get(options.nbest - 1) {
            let longest = self.max_length + 1;
            self.live.retain(|hypothesis| {
                penalised(hypothesis.log_probability, longest, options.length_penalty) > worst.score
            });
        }
    }
}
