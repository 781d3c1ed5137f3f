//! Greedy search: the most probable token at every step.

use super::{Hypothesis, SearchOptions, SpecialTokens, StepDecoder, choices, keep_rows, penalised, step};

/// Follows the most probable token of each sentence until `</s>`, and returns one translation a sentence: the one
/// that [`beam`](super::beam()) finds with a beam of 1.
///
/// `max_lengths` holds, for each sentence in the decoder, how many tokens its translation may have, `</s>` not
/// counted. At that length `</s>` is the only choice left, at the log-probability that the decoder gives it. Of
/// equally probable tokens the smallest id is taken; a NaN counts as impossible.
///
/// The length penalty changes no choice, only the score.
///
/// # Panics
/// If the decoder breaks its contract, or `</s>` is not in its vocabulary.
pub fn greedy<D: StepDecoder + ?Sized>(
    decoder: &mut D,
    special: &SpecialTokens,
    max_lengths: &[usize],
    options: &SearchOptions,
) -> Vec<Hypothesis> {
    let vocab_size = decoder.vocab_size();
    let nothing_yet = Hypothesis {
        tokens: Vec::new(),
        log_probability: 0.0,
        score: 0.0,
    };
    let mut hypotheses = vec![nothing_yet; max_lengths.len()];
    // The sentence of each row, and the token that the row is fed next.
    let mut sentences: Vec<usize> = (0..max_lengths.len()).collect();
    let mut tokens = vec![special.bos; max_lengths.len()];
    while !sentences.is_empty() {
        let log_probabilities = step(decoder, &tokens);
        let mut unfinished_rows = Vec::with_capacity(sentences.len());
        tokens.clear();
        for (row, row_scores) in log_probabilities.chunks_exact(vocab_size).enumerate() {
            let sentence = sentences[row];
            let hypothesis = &mut hypotheses[sentence];
            let (length, max_length) = (hypothesis.tokens.len(), max_lengths[sentence]);
            let (token, log_probability) = choices(row_scores, special, options, length, max_length, 1)[0];
            hypothesis.log_probability += log_probability;
            if token == special.eos {
                hypothesis.score = penalised(hypothesis.log_probability, length + 1, options.length_penalty);
            } else {
                hypothesis.tokens.push(token);
                tokens.push(token);
                unfinished_rows.push(row);
            }
        }
        keep_rows(decoder, &unfinished_rows, sentences.len());
        sentences = unfinished_rows.iter().map(|&row| sentences[row]).collect();
    }
    hypotheses
}
