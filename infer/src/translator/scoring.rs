//! What a model finds in translations that are given: how probable they are, and where their words come from.

use attend_data::{Batch, Example};
use attend_model::Memory;
use burn::tensor::{Int, Tensor};
use serde::Serialize;

use super::request::EncodedSentence;
use super::{Translation, Translator, for_each};
use crate::alignment::Alignment;
use crate::device::values;
use crate::error::InferError;

/// A sentence and its translation, to be scored.
#[derive(Clone, Copy, Debug, Default)]
pub struct GivenTranslation<'a> {
    /// The sentence.
    pub source: &'a str,
    /// Its translation.
    pub target: &'a str,
    /// The pair's place in the input, from 0: errors name it.
    pub number: usize,
}

/// How probable a model finds a translation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Natural logarithm of its probability, `</s>` included.
    pub log_probability: f32,
    /// What translations are ranked by: see [`SearchOptions::score`](crate::search::SearchOptions::score).
    pub score: f32,
    /// Its tokens, `</s>` last.
    pub tokens: Vec<TokenScore>,
    /// Where its words come from, where that is [asked for](Translator::with_alignments).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

/// How probable a model finds a token behind those before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenScore {
    /// The token.
    pub token: String,
    /// Natural logarithm of its probability.
    pub log_probability: f32,
}

/// A sentence and its translation in tokens, `</s>` last.
struct EncodedPair<'a> {
    tokens: Example,
    source: &'a str,
    /// The translation's text, if it was given.
    target: Option<&'a str>,
}

impl Translator {
    /// How probable the model finds given translations, whatever the search would have found. Each side is one
    /// sentence.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a sentence has more tokens than the model has positions; nothing is scored then.
    /// [`InferError::Threads`] where the system refuses a thread.
    pub fn score(&self, pairs: &[GivenTranslation<'_>]) -> Result<Vec<Score>, InferError> {
        let workers = self.workers()?;
        let pairs = for_each(&workers, pairs, |&pair| {
            let ended = |sentence, text| {
                let tokens = self.encode(sentence);
                let mut tokens = tokens.map_err(|tokens| self.too_long(pair.number, tokens, text))?;
                tokens.push(self.special.eos);
                Ok::<_, InferError>(tokens)
            };
            Ok(EncodedPair {
                tokens: Example {
                    source: ended(pair.source, "the sources")?,
                    target: ended(pair.target, "the targets")?,
                },
                source: pair.source,
                target: Some(pair.target),
            })
        })?;
        let lengths = |pair: &EncodedPair<'_>| [pair.tokens.longest_side(); 2];
        self.in_batches(&workers, &pairs, 1, lengths, |pairs| Ok(self.score_batch(pairs)))
    }

    fn score_batch(&self, pairs: &[&EncodedPair<'_>]) -> Vec<Score> {
        let batch = self.batch(pairs);
        let width = batch.target_output.width;
        let memories = self.model.encode(self.tensor(batch.source));
        let target_input = self.tensor(batch.target_input);
        let target_output = self.tensor(batch.target_output);
        let log_probabilities = self.model.score(target_input.clone(), target_output, &memories);
        let log_probabilities = values(log_probabilities);
        let rows = log_probabilities.chunks_exact(width).zip(pairs);
        let mut scores: Vec<Score> = rows
            .map(|(row, pair)| self.score_of(&pair.tokens.target, row))
            .collect();
        if self.aligns || self.search.coverage_penalty > 0.0 {
            let alignments = self.alignments(pairs, target_input, &memories);
            for (score, alignment) in scores.iter_mut().zip(alignments) {
                score.score += self.search.coverage_score(&alignment.coverage());
                score.alignment = self.aligns.then_some(alignment);
            }
        }
        scores
    }

    /// The score of a target whose tokens have these log-probabilities; there may be more of them. Without what its
    /// coverage takes.
    fn score_of(&self, target: &[u32], log_probabilities: &[f32]) -> Score {
        let log_probabilities = &log_probabilities[..target.len()];
        let total: f64 = log_probabilities.iter().copied().map(f64::from).sum();
        let tokens = target.iter().zip(log_probabilities);
        Score {
            log_probability: total as f32,
            score: self.search.score(total as f32, target.len() - 1, true),
            tokens: tokens
                .map(|(&token, &log_probability)| TokenScore {
                    token: self.tokenizer.token(token),
                    log_probability,
                })
                .collect(),
            alignment: None,
        }
    }

    /// Aligns the translations of `sentences`: a row of each of `memories` each.
    pub(super) fn align(
        &self,
        translations: &mut [Vec<Translation>],
        sentences: &[&EncodedSentence<'_>],
        memories: &[Memory],
    ) {
        let ended = |tokens: &[u32]| [tokens, &[self.special.eos]].concat();
        let (mut rows, mut pairs) = (Vec::new(), Vec::new());
        for (row, (best_first, sentence)) in translations.iter().zip(sentences).enumerate() {
            for translation in best_first {
                rows.push(row as i32);
                pairs.push(EncodedPair {
                    tokens: Example {
                        source: ended(&sentence.source),
                        target: ended(&translation.tokens),
                    },
                    source: sentence.text,
                    target: None,
                });
            }
        }
        let pairs: Vec<&EncodedPair<'_>> = pairs.iter().collect();
        let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), &self.model.device());
        let memories = memories.iter().map(|memory| Memory {
            states: memory.states.clone().select(0, rows.clone()),
            hidden: memory.hidden.clone().select(0, rows.clone()),
        });
        let target_input = self.tensor(self.batch(&pairs).target_input);
        let alignments = self.alignments(&pairs, target_input, &memories.collect::<Vec<_>>());
        for (translation, alignment) in translations.iter_mut().flatten().zip(alignments) {
            translation.alignment = Some(alignment);
        }
    }

    /// The alignment of each pair, a row of `target_input` and of each of `memories` each.
    fn alignments(
        &self,
        pairs: &[&EncodedPair<'_>],
        target_input: Tensor<2, Int>,
        memories: &[Memory],
    ) -> Vec<Alignment> {
        let attention = self.model.alignment(target_input, memories);
        let [_, target_width, source_width] = attention.dims();
        let attention = values(attention);
        let of_pairs = attention.chunks_exact(target_width * source_width);
        let alignment = |(attention, pair): (&[f32], &&EncodedPair<'_>)| {
            let Example { source, target } = &pair.tokens;
            let rows = attention.chunks_exact(source_width).take(target.len());
            let rows = rows.map(|row| row[..source.len()].to_vec()).collect();
            let (source, target) = (
                (source.as_slice(), Some(pair.source)),
                (target.as_slice(), pair.target),
            );
            Alignment::new(&self.tokenizer, source, target, rows)
        };
        of_pairs.zip(pairs).map(alignment).collect()
    }

    fn batch(&self, pairs: &[&EncodedPair<'_>]) -> Batch {
        let pairs = pairs.iter().map(|pair| &pair.tokens);
        Batch::new(pairs, self.padding(), self.tokenizer.bos_id())
    }
}
