//! Greedy search: the most probable token at every step.

use super::options::Stopping;
use super::row::{Candidate, Row};
use super::{Hypothesis, Request, Search, StepDecoder, keep_rows, step};

/// Chooses the most probable token of each sentence at every step until `</s>`, and returns one translation for each
/// sentence: the one that [`beam`](super::beam()) finds with a beam of 1.
///
/// At the maximum length `</s>` is the only choice left, at the log-probability that the decoder gives it; with
/// [`Stopping::CTranslate2`] the hypothesis is complete without `</s>`. If several tokens are equally probable, the one
/// with the smallest id is chosen. A NaN counts as impossible.
///
/// The length penalty changes the score, but no choice. Required words are not looked for.
///
/// # Panics
///
/// If the decoder breaks its contract, or `</s>` is not in its vocabulary.
pub fn greedy<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[Request],
) -> Vec<Hypothesis> {
    let requests: Vec<&Request> = requests.iter().collect();
    follow(search, decoder, &requests, |_, row| row.best(1).pop())
}

/// Extends one hypothesis for each request until `</s>`, by the tokens that `choose` returns. The decoder has a row for
/// each request. `choose` gets the place of the request and its row, and returns `None` if the row has no token left.
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
    // The place of the request that each row belongs to, and the token that the row is fed next.
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
