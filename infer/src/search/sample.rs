//! Sampling: it draws translations at random.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::greedy::follow;
use super::options::Sampling;
use super::row::{Candidate, Row, better_first};
use super::{Hypothesis, Request, Search, StepDecoder, keep_rows};

/// Draws `nbest` translations of each sentence, independently of each other. Returns them in the order in which they
/// are drawn. One translation may be drawn several times.
///
/// Every token is drawn from the tokens that the constraints allow and that [`Sampling`] keeps. A token with the
/// probability `p` is drawn in proportion to `p^(1 / temperature)`. For example, of two tokens with probabilities of
/// 0.6 and 0.3, the first is drawn twice as often at a temperature of 1, and four times as often at 0.5. A hypothesis
/// ends at `</s>` or at the maximum length, by the rule of [`greedy`](super::greedy()) search.
///
/// The random numbers of a translation are derived from the seed, from the sentence's [`number`](Request::number) and
/// from the index of the translation among the translations of the sentence. Neither the batch nor `nbest` changes a
/// translation.
///
/// Without [`SearchOptions::sampling`](super::SearchOptions::sampling), the default [`Sampling`] holds.
///
/// [`Request::required`] must be empty. Sampling does not look for required words, and would only forbid `</s>` until
/// they are there. [`Search::run`] returns an error for such a request; this function does not check it.
///
/// # Panics
///
/// If the decoder breaks the contract of [`StepDecoder`], or if `</s>` is not in its vocabulary.
pub fn sample<D: StepDecoder + ?Sized>(
    search: &Search<'_>,
    decoder: &mut D,
    requests: &[Request],
) -> Vec<Vec<Hypothesis>> {
    let sampling = search.options.sampling.unwrap_or_default();
    let samples = search.options.nbest;
    let rows: Vec<usize> = (0..requests.len() * samples).map(|row| row / samples).collect();
    keep_rows(decoder, &rows, requests.len());
    let repeated: Vec<&Request> = rows.iter().map(|&sentence| &requests[sentence]).collect();
    let mut random: Vec<ChaCha8Rng> = repeated
        .iter()
        .enumerate()
        .map(|(row, request)| random_numbers(sampling.seed, request.number, (row % samples) as u64))
        .collect();
    let drawn = follow(search, decoder, &repeated, |place, row| {
        draw(row, &sampling, &mut random[place])
    });
    drawn.chunks(samples).map(<[_]>::to_vec).collect()
}

/// Returns the random numbers of one sample of a sentence. `sentence` is the number of the request, and `sample` the
/// index of the sample.
fn random_numbers(seed: u64, sentence: u64, sample: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, sentence, sample]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Draws one of the tokens that may follow in the row, and returns it with its log-probability. Returns `None` if no
/// token may follow.
fn draw(row: &Row<'_>, sampling: &Sampling, random: &mut ChaCha8Rng) -> Option<Candidate> {
    let mut kept = row.possible();
    if let Some(top_k) = sampling.top_k
        && top_k < kept.len()
    {
        kept.select_nth_unstable_by(top_k - 1, better_first);
        kept.truncate(top_k);
    }
    if sampling.top_k.is_some() || sampling.top_p < 1.0 {
        kept.sort_unstable_by(better_first);
    }

    let greatest = kept
        .iter()
        .map(|&(_, logit)| logit)
        .fold(f32::NEG_INFINITY, f32::max);
    let temperature = f64::from(sampling.temperature);
    let mut weights: Vec<f64> = kept
        .iter()
        .map(|&(_, logit)| (f64::from(logit - greatest) / temperature).exp())
        .collect();
    if sampling.top_p < 1.0 {
        let nucleus = f64::from(sampling.top_p) * weights.iter().sum::<f64>();
        let mut below = 0.0;
        // A token belongs to the nucleus if the probabilities before it do not add up to enough.
        weights.retain(|weight| {
            let belongs = below < nucleus;
            below += weight;
            belongs
        });
    }
    // 53 random bits, as many as the fraction of a number has.
    let uniform = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut left = uniform * weights.iter().sum::<f64>();
    let place = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // Rounding may leave a remainder after the last token.
    let place = place.or(weights.len().checked_sub(1))?;
    let token = kept[place].0;
    Some((token, row.log_probability(token)))
}
