//! Greedy search: it chooses the most probable token at every step.

use super::row::{Candidate, Row};
use super::{Hypothesis, Request, Search, StepDecoder, keep_rows, step};

/// Chooses the most probable token of each sentence at every step until `</s>`. Returns one translation for each
/// sentence, the one that [`beam`](super::beam()) finds with a `beam_size` of 1 unless it stops by the rule of
/// [`Stopping::Transformers`](super::Stopping::Transformers), which may go on after a complete hypothesis.
///
/// At the maximum length only `</s>` may follow, at the log-probability that the decoder gives it. With
/// [`Stopping::CTranslate2`](super::Stopping::CTranslate2), the hypothesis is complete there without `</s>`; by the
/// rules of transformers, `</s>` costs nothing there. If several tokens are equally probable, the one with the smallest
/// id is chosen. A token whose logit is NaN is never chosen.
///
/// The exponent [`SearchOptions::length_penalty`](super::SearchOptions::length_penalty) changes the score of a
/// translation, but not the choice of a token.
///
/// [`Request::required`] must be empty. Greedy search does not look for required words, and would only forbid `</s>`
/// until they are there. [`Search::run`] returns an error for such a request; this function does not check it.
///
/// # Panics
///
/// If the decoder breaks the contract of [`StepDecoder`], or if `</s>` is not in its vocabulary.
pub fn greedy<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[Request],
) -> Vec<Hypothesis> {
    let requests: Vec<&Request> = requests.iter().collect();
    follow(search, decoder, &requests, |_, row| row.best(1).pop())
}

/// Extends one hypothesis for each request until `</s>`, by the tokens that `choose` returns. The decoder has a row
/// for each request. `choose` gets the index of the request and its row of logits. It returns `None` if no token is
/// left in the row.
pub(super) fn follow<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[&Request],
    mut choose: impl FnMut(usize, &Row<'_>) -> Option<Candidate>,
) -> Vec<Hypothesis> {
    let Search { special, options, .. } = *search;
    let nothing_yet = Hypothesis {
        tokens: Vec::new(),
        log_probability: 0.0,
        score: 0.0,
    };
    let mut hypotheses = vec![nothing_yet; requests.len()];
    // The index of the request of each row, and the token that the row is fed next.
    let mut places: Vec<usize> = (0..requests.len())
        .filter(|&place| !search.is_cut(0, requests[place]))
        .collect();
    keep_rows(decoder, &places, requests.len());
    let mut tokens = vec![special.bos; places.len()];
    while !places.is_empty() {
        let mut logits = step(decoder, &tokens);
        let mut unfinished_rows = Vec::with_capacity(places.len());
        tokens.clear();
        for (row_number, mut row) in logits.rows().enumerate() {
            let place = places[row_number];
            let (request, hypothesis) = (requests[place], &mut hypotheses[place]);
            let last_resort = search.constrain(&hypothesis.tokens, request, &mut row);
            let (token, log_probability) = choose(place, &row).unwrap_or(last_resort);
            hypothesis.log_probability += log_probability;
            let ended = token == special.eos;
            if !ended {
                hypothesis.tokens.push(token);
            }
            let length = hypothesis.tokens.len();
            if ended || search.is_cut(length, request) {
                hypothesis.score = options.score(hypothesis.log_probability, length, ended);
            } else {
                tokens.push(token);
                unfinished_rows.push(row_number);
            }
        }
        keep_rows(decoder, &unfinished_rows, places.len());
        places = unfinished_rows.iter().map(|&row| places[row]).collect();
    }
    hypotheses
}
