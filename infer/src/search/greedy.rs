//! Greedy search: the most probable token at every step.

use super::options::Stopping;
use super::row::{Candidate, Row};
use super::{Hypothesis, Request, Search, StepDecoder, keep_rows, step};

/// Follows the most probable token of each sentence until `</s>`, and returns one translation a sentence: the one
/// that [`beam`](super::beam()) finds with a beam of 1.
///
/// At the maximum length `</s>` is the only choice left, at the log-probability that the decoder gives it; with
/// [`Stopping::CTranslate2`] the hypothesis is complete without it. Of equally probable tokens the smallest id is
/// taken; a NaN counts as impossible.
///
/// The length penalty changes no choice, only the score. Required words are not looked for.
///
/// # Panics
/// If the decoder breaks its contract, or `</s>` is not in its vocabulary.
pub fn greedy<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[Request],
) -> Vec<Hypothesis> {
    let requests: Vec<&Request> = requests.iter().collect();
    follow(search, decoder, &requests, |_, row| row.best(1).pop())
}

/// Follows for each request, a row of the decoder each, what `choose` takes of its row, until `</s>`. `choose` is told
/// the request's place; where it finds nothing, the row offers nothing.
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
    let is_cut = |tokens: &[u32], request: &Request| {
        options.stopping == Stopping::CTranslate2 && tokens.len() == request.max_length
    };
    // The place of each row's request, and the token that the row is fed next.
    let mut places: Vec<usize> = (0..requests.len())
        .filter(|&place| !is_cut(&[], requests[place]))
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
            if ended || is_cut(&hypothesis.tokens, request) {
                let length = hypothesis.tokens.len();
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
