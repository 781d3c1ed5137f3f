//! Beam search: it keeps the few most probable hypotheses at every step.

use super::options::Stopping;
use super::required::allocate;
use super::row::Row;
use super::{Hypothesis, Request, Search, StepDecoder, keep_rows, step};

/// Returns up to `nbest` different translations of each sentence, the best score first.
///
/// Every step extends each live hypothesis of a sentence by one token, and keeps the `beam_size` most probable
/// extensions. Extensions that end in `</s>` are complete and are ranked by score; the others stay live. Of two
/// equally probable extensions, the one of the better hypothesis comes first, then the one with the more probable
/// token, then the one with the smaller id. Of two translations with equal scores, the one that was found first comes
/// first. Tokens whose logit is -inf or NaN do not extend a hypothesis.
///
/// With [`Stopping::Exact`], a hypothesis stays live as long as it can still become one of the `nbest`. An extension
/// only lowers its log-probability, so no translation that it becomes has a score above this log-probability divided by
/// the largest length divisor, which is the divisor of the maximum length. For example, with
/// [`LengthNormalization::Gnmt`](super::LengthNormalization::Gnmt), an exponent alpha
/// ([`SearchOptions::length_penalty`](super::SearchOptions::length_penalty)) of 0.6 and a maximum length of 19 tokens
/// plus `</s>`, the divisor is `((5 + 20) / 6)^0.6 = 2.35`. A hypothesis with a log-probability of -4.7 can reach a
/// score of -4.7 / 2.35 = -2 at best. The search ends when no hypothesis is live. If the beam is wide enough for all
/// hypotheses, the search finds exactly the best translations. At the maximum length only `</s>` may follow, at the
/// log-probability that the decoder gives it, so every translation ends in `</s>`. A sentence has fewer than `nbest`
/// translations only if no more can be formed.
///
/// The other variants of [`Stopping`] describe the other rules. With [required words](super::RequiredWords), the beam
/// keeps the most probable extensions of each bank. A sentence has no translation if the search found none with all
/// required words, for example because the decoder finds them impossible.
///
/// # Panics
///
/// If the decoder breaks the contract of [`StepDecoder`], or if `</s>` is not in its vocabulary.
pub fn beam<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[Request],
) -> Vec<Vec<Hypothesis>> {
    let mut sentences: Vec<Sentence<'_>> = requests
        .iter()
        .map(|request| Sentence::new(search, request))
        .collect();
    let with_rows = sentences.iter().enumerate().filter(|(_, s)| !s.live.is_empty());
    let first_rows: Vec<usize> = with_rows.map(|(row, _)| row).collect();
    keep_rows(decoder, &first_rows, sentences.len());
    let mut tokens = vec![search.special.bos; first_rows.len()];
    while !tokens.is_empty() {
        let mut logits = step(decoder, &tokens);
        let n_rows = tokens.len();
        let mut rows = logits.rows();
        let mut first_row = 0;
        let mut parent_rows = Vec::new();
        tokens.clear();
        for sentence in &mut sentences {
            let n_live = sentence.live.len();
            sentence.extend(rows.by_ref().take(n_live));
            for hypothesis in &sentence.live {
                parent_rows.push(first_row + hypothesis.parent);
                tokens.extend(hypothesis.tokens.last());
            }
            first_row += n_live;
        }
        keep_rows(decoder, &parent_rows, n_rows);
    }
    sentences.into_iter().map(Sentence::best).collect()
}

/// A hypothesis without its `</s>`.
struct LiveHypothesis {
    tokens: Vec<u32>,
    log_probability: f32,
    /// The index of the hypothesis that this one extends, among the hypotheses that were live before the last step.
    parent: usize,
    /// The sum of the attention of all tokens of this hypothesis to each source token, `[source_seq]`. It is empty
    /// without a coverage penalty.
    coverage: Vec<f32>,
}

impl LiveHypothesis {
    /// Adds the attention of a step to the coverage. `attention` has a weight for each of the `source_length` source
    /// tokens, perhaps followed by weights of padding.
    fn cover(&mut self, attention: &[f32], source_length: usize) {
        assert!(
            attention.len() >= source_length,
            "a decoder returns its attention if there is a coverage penalty"
        );
        self.coverage.resize(source_length, 0.0);
        let pairs = self.coverage.iter_mut().zip(attention);
        pairs.for_each(|(sum, attention)| *sum += attention);
    }
}

/// A live hypothesis and a token to follow it.
#[derive(Clone, Copy)]
struct Extension {
    /// The index of the extended hypothesis among the live ones.
    parent: usize,
    token: u32,
    /// The log-probability of the hypothesis and the token together.
    log_probability: f32,
}

/// The search for one sentence's translations.
struct Sentence<'a> {
    search: &'a Search<'a>,
    request: &'a Request,
    /// The hypotheses that are not complete. They have equal lengths, and are the sentence's rows in the decoder, in
    /// order.
    live: Vec<LiveHypothesis>,
    /// The complete hypotheses, the best score first.
    finished: Vec<Hypothesis>,
    /// Whether the most probable extension of any step so far ended in `</s>`.
    top_has_ended: bool,
}

impl<'a> Sentence<'a> {
    fn new(search: &'a Search<'a>, request: &'a Request) -> Self {
        let start = LiveHypothesis {
            tokens: Vec::new(),
            log_probability: 0.0,
            parent: 0,
            coverage: Vec::new(),
        };
        let mut sentence = Self {
            search,
            request,
            live: Vec::new(),
            finished: Vec::new(),
            top_has_ended: false,
        };
        if search.is_cut(0, request) {
            sentence.finish(start.tokens, 0.0, false, &start.coverage);
        } else {
            sentence.live.push(start);
        }
        sentence
    }

    /// Extends the live hypotheses by one token. `rows` has the logits of this token for each hypothesis, in order.
    fn extend<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) {
        if self.live.is_empty() {
            return;
        }
        match self.search.options.stopping {
            Stopping::Exact => self.extend_exactly(rows),
            Stopping::CTranslate2 => {
                self.extend_keeping_the_beam_full(rows);
                self.stop_if(Self::is_finished_for_ctranslate2);
            }
            Stopping::Transformers => {
                self.extend_keeping_the_beam_full(rows);
                self.stop_if(|sentence| sentence.has_full_beam() && !sentence.can_improve());
            }
            Stopping::TransformersEarly => {
                self.extend_keeping_the_beam_full(rows);
                self.stop_if(Self::has_full_beam);
            }
        }
    }

    fn extend_exactly<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) {
        let beam_size = self.search.options.beam_size;
        let extensions = self.extensions(rows, beam_size);
        let kept = if self.request.required.is_empty() {
            extensions.into_iter().take(beam_size).collect()
        } else {
            self.best_of_banks(extensions)
        };
        let parents = std::mem::take(&mut self.live);
        for extension in kept {
            self.keep(extension, &parents);
        }
        self.finished.truncate(self.search.options.nbest);
        self.drop_hopeless();
    }

    /// Looks at twice as many extensions as the beam has. Of its own ones, those that have ended are complete, and the
    /// next ones that have not ended take their slots.
    fn extend_keeping_the_beam_full<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) {
        let beam_size = self.search.options.beam_size;
        let eos = self.search.special.eos;
        let extensions = self.extensions(rows, 2 * beam_size);
        let (first, others) = extensions.split_at(beam_size.min(extensions.len()));
        let mut others = others.iter().filter(|extension| extension.token != eos);
        self.top_has_ended |= first.first().is_some_and(|extension| extension.token == eos);
        let parents = std::mem::take(&mut self.live);
        for &extension in first {
            self.keep(extension, &parents);
            if extension.token == eos
                && let Some(&other) = others.next()
            {
                self.keep(other, &parents);
            }
        }
    }

    /// Ends the search of the sentence if `is_finished`.
    fn stop_if(&mut self, is_finished: impl FnOnce(&Self) -> bool) {
        if is_finished(self) {
            self.live.clear();
        }
    }

    fn is_finished_for_ctranslate2(&self) -> bool {
        let options = self.search.options;
        if options.length_penalty == 0.0 && options.coverage_penalty == 0.0 {
            self.top_has_ended && self.finished.len() >= options.nbest
        } else {
            self.has_full_beam()
        }
    }

    /// Returns whether as many hypotheses are complete as the beam has slots.
    fn has_full_beam(&self) -> bool {
        self.finished.len() >= self.search.options.beam_size
    }

    /// Returns whether the most probable live hypothesis, scored at its present length, is better than the worst of
    /// the complete ones that fill the beam.
    fn can_improve(&self) -> bool {
        let options = self.search.options;
        let scores = self
            .live
            .iter()
            .map(|live| options.score(live.log_probability, live.tokens.len(), false));
        let best = scores.max_by(f32::total_cmp);
        let worst = self.finished.get(options.beam_size - 1);
        best.zip(worst).is_some_and(|(best, worst)| best > worst.score)
    }

    /// Returns the extensions of each live hypothesis by its `count` most probable tokens, and by the tokens that
    /// begin or continue a required word. The most probable extension comes first.
    fn extensions<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>, count: usize) -> Vec<Extension> {
        let Self { search, request, .. } = *self;
        let mut extensions = Vec::new();
        for (parent, (hypothesis, mut row)) in self.live.iter_mut().zip(rows).enumerate() {
            if search.options.coverage_penalty > 0.0 {
                hypothesis.cover(row.attention, request.source_length);
            }
            let mut choices = search.choices(&hypothesis.tokens, request, &mut row, count);
            if !request.required.is_empty() {
                let is_met = request.required.are_met(&hypothesis.tokens);
                choices.retain(|&(token, _)| token != search.special.eos || is_met);
                for token in request.required.progress(&hypothesis.tokens).next {
                    let log_probability = row.log_probability(token);
                    let is_new = choices.iter().all(|&(chosen, _)| chosen != token);
                    if is_new && log_probability > f32::NEG_INFINITY {
                        choices.push((token, log_probability));
                    }
                }
            }
            extensions.extend(choices.into_iter().map(|(token, log_probability)| Extension {
                parent,
                token,
                log_probability: hypothesis.log_probability + log_probability,
            }));
        }
        // The sort is stable: equal ones stay in the order of their parents, then of their tokens.
        extensions.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
        extensions
    }

    /// Divides the beam among banks, and returns the extensions that it keeps, the most probable first. The bank of an
    /// extension is its number of tokens of required words.
    fn best_of_banks(&self, extensions: Vec<Extension>) -> Vec<Extension> {
        let required = &self.request.required;
        let bank = |extension: &Extension| {
            let parent = &self.live[extension.parent].tokens;
            let progress = if extension.token == self.search.special.eos {
                required.progress(parent)
            } else {
                required.progress(&[parent, [extension.token].as_slice()].concat())
            };
            progress.tokens
        };
        let banks: Vec<usize> = extensions.iter().map(bank).collect();
        let mut sizes = vec![0; required.tokens() + 1];
        banks.iter().for_each(|&bank| sizes[bank] += 1);
        let mut slots = allocate(&sizes, self.search.options.beam_size);
        let mut kept = extensions;
        let mut banks = banks.into_iter();
        kept.retain(|_| {
            let slots = &mut slots[banks.next().expect("each has a bank")];
            let is_kept = *slots > 0;
            *slots -= usize::from(is_kept);
            is_kept
        });
        kept
    }

    /// Adds an extension of one of `parents` to the complete hypotheses if it has ended, else to the live ones.
    fn keep(&mut self, extension: Extension, parents: &[LiveHypothesis]) {
        let Extension {
            parent,
            token,
            log_probability,
        } = extension;
        let LiveHypothesis { tokens, coverage, .. } = &parents[parent];
        let mut tokens = tokens.clone();
        if token == self.search.special.eos {
            self.finish(tokens, log_probability, true, coverage);
            return;
        }
        tokens.push(token);
        if self.search.is_cut(tokens.len(), self.request) {
            self.finish(tokens, log_probability, false, coverage);
        } else {
            self.live.push(LiveHypothesis {
                tokens,
                log_probability,
                parent,
                coverage: coverage.clone(),
            });
        }
    }

    fn finish(&mut self, tokens: Vec<u32>, log_probability: f32, ended: bool, coverage: &[f32]) {
        let options = self.search.options;
        let mut score = options.score(log_probability, tokens.len(), ended);
        if options.coverage_penalty > 0.0 {
            score += options.coverage_score(coverage);
        }
        let place = self
            .finished
            .partition_point(|better| better.score.total_cmp(&score).is_ge());
        let hypothesis = Hypothesis {
            tokens,
            log_probability,
            score,
        };
        self.finished.insert(place, hypothesis);
    }

    /// Drops the live hypotheses that cannot reach a better score than the worst of `nbest` complete ones. This does
    /// not change the result: if these hypotheses stayed, they would only keep less probable ones out of the beam.
    fn drop_hopeless(&mut self) {
        let (options, max_length) = (self.search.options, self.request.max_length);
        if let Some(worst) = self.finished.get(options.nbest - 1) {
            self.live.retain(|hypothesis| {
                options.best_score(hypothesis.log_probability, max_length) > worst.score
            });
        }
    }

    fn best(mut self) -> Vec<Hypothesis> {
        self.finished.truncate(self.search.options.nbest);
        self.finished
    }
}
