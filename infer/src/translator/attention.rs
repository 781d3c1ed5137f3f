//! The attention of the model to sentences and their translations.

use attend_data::{Example, Tokenizer, is_blank};
use attend_model::{AttentionKind, Head};

use super::scoring::EncodedPair;
use super::{GivenTranslation, Translator};
use crate::attention::{Attention, HeadStatistics, SentenceAttention, Side, StatisticsSum, heads};
use crate::error::InferError;
use crate::model::Model;

impl Translator {
    /// Returns all attention weights of the model for a sentence and its translation. If no `target` is given, the
    /// translation is the one that [`translate`](Self::translate) finds with the model's search defaults.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NothingToAttend`] if the sentence or the given translation has no text, and
    /// [`InferError::TooLong`] if one of them has more tokens than the model has positions.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn attention(&self, source: &str, target: Option<&str>) -> Result<SentenceAttention, InferError> {
        let texts = [("the source", Some(source)), ("the translation", target)];
        let is_empty = |(_, text): &(&str, Option<&str>)| text.is_some_and(is_blank);
        if let Some((text, _)) = texts.into_iter().find(is_empty) {
            return Err(InferError::NothingToAttend { text });
        }
        let Model {
            source_tokenizer,
            target_tokenizer,
            ..
        } = &*self.model;
        let encode = |tokenizer: &Tokenizer, text, name| {
            let tokens = self.model.encode_by(tokenizer, text);
            tokens.map_err(|tokens| self.model.too_long(0, tokens, name))
        };
        let source_tokens = encode(source_tokenizer, source, "the source")?;
        let (translation, target_tokens) = match target {
            Some(target) => (
                target.to_owned(),
                encode(target_tokenizer, target, "the translation")?,
            ),
            None => {
                let options = self.model.options();
                let best = self.translate(&[source], &options).swap_remove(0)?.swap_remove(0);
                (best.text, best.tokens)
            }
        };
        let pair = EncodedPair {
            tokens: Example {
                source: self.model.encoder_input(source_tokens),
                target: self.model.decoder_output(target_tokens),
            },
            source: source.into(),
            adds_language: false,
            target,
        };
        let [encoder, decoder, cross] = self
            .workers
            .map([&pair], |pair| self.attention_of(pair))
            .remove(0);
        Ok(SentenceAttention {
            translation,
            encoder,
            decoder,
            cross,
        })
    }

    /// Returns what each head of the model attends to in these sentences and their translations: the heads of the
    /// encoder, then those of the decoder's self-attention, then those of its attention to the encoder, in the order of
    /// layers. There are none if there are no pairs.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::TooLong`] if a sentence or a translation has more tokens than the model has positions.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn head_statistics(
        &self,
        pairs: &[GivenTranslation<'_>],
    ) -> Result<Vec<(Head, HeadStatistics)>, InferError> {
        let options = self.model.options();
        let sums = self.for_each(pairs, |pair| {
            let pair = EncodedPair::new(&self.model, pair, &options)?;
            let attentions = self.attention_of(&pair);
            let ends = self.model.source_eos();
            let sums = attentions.each_ref();
            Ok::<_, InferError>(sums.map(|attention| StatisticsSum::of(attention, ends)))
        });
        let mut total = [const { None }; 3];
        for sums in sums {
            for (total, sum) in total.iter_mut().zip(sums?) {
                *total = Some(match total.take() {
                    Some(before) => StatisticsSum::add(before, sum),
                    None => sum,
                });
            }
        }
        let means = total.into_iter().flatten();
        Ok(means.flat_map(StatisticsSum::mean).collect())
    }

    /// Returns the three kinds of attention for a pair, in the order of [`AttentionKind`].
    fn attention_of(&self, pair: &EncodedPair<'_>) -> [Attention; 3] {
        let batch = self.batch(&[pair]);
        let (source, target_input) = (self.tensor(&batch.source), self.tensor(&batch.target_input));
        let Example { source: read, target } = &pair.tokens;
        let written = &target[..target.len() - 1];

        let (source_tokenizer, tokenizer) = (&self.model.source_tokenizer, &self.model.target_tokenizer);
        let source_side = || Side::new(source_tokenizer, read, Some(&pair.source));
        let start = tokenizer.token(self.model.special.bos);
        let started_side = || Side::new(tokenizer, written, pair.target).after(start.clone());
        let sides = [
            (AttentionKind::Encoder, source_side(), source_side()),
            (AttentionKind::Decoder, started_side(), started_side()),
            (
                AttentionKind::Cross,
                Side::new(tokenizer, target, pair.target),
                source_side(),
            ),
        ];
        let mut layers = [const { Vec::new() }; 3];
        for weights in self.model.networks.attention_weights(source, target_input) {
            let tensors = [weights.encoder, weights.decoder, weights.cross];
            for ((layers, tensors), (_, queries, keys)) in layers.iter_mut().zip(tensors).zip(&sides) {
                let tensors = tensors.into_iter();
                layers.extend(tensors.map(|tensor| heads(tensor, queries.len(), keys.len())));
            }
        }
        let mut layers = layers.into_iter();
        sides.map(|(kind, queries, keys)| {
            Attention::new(kind, queries, keys, layers.next().expect("three kinds"))
        })
    }
}
