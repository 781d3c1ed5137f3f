//! From encoded sentences to translations.

use std::sync::atomic::Ordering;

use attend_data::TokenMatrix;
use burn::tensor::{Int, Tensor, TensorData};

use super::request::EncodedSentence;
use super::{Translation, Translator};
use crate::alignment::{self, Alignment};
use crate::error::InferError;
use crate::search::{Hypothesis, Request, Search, SearchError, Unknown};
use crate::transformer_decoder::TransformerDecoder;
use crate::workers::Workers;

impl Translator {
    /// The translations of each encoded sentence, in order.
    pub(super) fn search_all(
        &self,
        workers: &Workers,
        sentences: &[&EncodedSentence<'_>],
    ) -> Result<Vec<Vec<Translation>>, InferError> {
        let lengths = |sentence: &&EncodedSentence<'_>| [sentence.source.len(), sentence.request.max_length];
        self.in_batches(workers, sentences, self.rows_per_sentence(), lengths, |batch| {
            let batch: Vec<&EncodedSentence<'_>> = batch.iter().map(|&&sentence| sentence).collect();
            let translations = self.search_batch(&batch).map_err(|error| match error {
                SearchError::Unmet { sentence } => InferError::Unmet {
                    line: batch[sentence].line + 1,
                },
                error => error.into(),
            })?;
            self.sentences_translated
                .fetch_add(batch.len() as u64, Ordering::Relaxed);
            Ok(translations)
        })
    }

    /// The rows of a decoder that a sentence's hypotheses take.
    fn rows_per_sentence(&self) -> usize {
        match self.search.sampling {
            Some(_) => self.search.nbest,
            None => self.search.beam_size,
        }
    }

    fn search_batch(&self, batch: &[&EncodedSentence<'_>]) -> Result<Vec<Vec<Translation>>, SearchError> {
        let sources: Vec<Vec<u32>> = batch
            .iter()
            .map(|sentence| [sentence.source.as_slice(), &[self.special.eos]].concat())
            .collect();
        let requests: Vec<Request> = batch.iter().map(|sentence| sentence.request.clone()).collect();
        let ids = self.tensor(TokenMatrix::new(&sources, self.padding()));
        let memories = self.model.encode(ids);
        let covers = self.search.coverage_penalty > 0.0;
        let vocab_size = self.tokenizer.vocab_size();
        let search = Search::new(&self.special, &self.search, self.banned.as_deref())?;
        let shortlist = search.shortlist(&requests);
        let (memory, shortlist) = (memories.clone(), shortlist.as_ref());
        let mut decoder = TransformerDecoder::new(&self.model, memory, vocab_size, shortlist, covers);
        let hypotheses = search.run(&mut decoder, &requests)?;
        let of_sentence = |best_first: Vec<Hypothesis>| {
            let translations = best_first.into_iter().map(|best| self.translation(best));
            translations.collect::<Vec<_>>()
        };
        let mut translations: Vec<_> = hypotheses.into_iter().map(of_sentence).collect();
        let unk = self.special.unk.filter(|_| self.search.unknown == Unknown::Copy);
        let copies = |translation: &Translation| unk.is_some_and(|unk| translation.tokens.contains(&unk));
        if self.aligns || translations.iter().flatten().any(copies) {
            self.align(&mut translations, batch, &memories);
        }
        for (translations, sentence) in translations.iter_mut().zip(batch) {
            for translation in translations {
                if copies(translation) {
                    translation.text = self.text_with_copies(translation, sentence.text);
                }
                if !self.aligns {
                    translation.alignment = None;
                }
            }
        }
        Ok(translations)
    }

    /// The text of an aligned translation, with the word of `source` that it looks at most in the place of each
    /// `<unk>`.
    fn text_with_copies(&self, translation: &Translation, source: &str) -> String {
        // Only words between white space, or their marked pieces, are ever unknown.
        let pieces: Vec<&str> = source.split_whitespace().collect();
        let Alignment { attention, .. } = translation.alignment.as_ref().expect("it is aligned");
        let words = translation.tokens.iter().zip(attention);
        let words = words.map(|(&token, attention)| match Some(token) == self.special.unk {
            false => self.tokenizer.vocabulary_entry(token),
            true => match alignment::greatest(attention.iter().take(pieces.len())) {
                Some(place) => self.tokenizer.plain_text(&whole_word(&pieces, place).join(" ")),
                None => String::new(),
            },
        });
        self.tokenizer.plain_text(&words.collect::<Vec<_>>().join(" "))
    }

    fn translation(&self, hypothesis: Hypothesis) -> Translation {
        Translation {
            text: self.tokenizer.decode(&hypothesis.tokens),
            score: hypothesis.score,
            log_probability: hypothesis.log_probability,
            tokens: hypothesis.tokens,
            alignment: None,
        }
    }

    pub(super) fn tensor(&self, matrix: TokenMatrix) -> Tensor<2, Int> {
        let shape = [matrix.rows, matrix.width];
        Tensor::from_data(TensorData::new(matrix.ids, shape), &self.model.device())
    }
}

/// The pieces of the word that the one at `place` is a part of: all but its last have a mark.
fn whole_word<'a, 'b>(pieces: &'a [&'b str], place: usize) -> &'a [&'b str] {
    let goes_on = |piece: &&str| piece.ends_with("@@");
    let before = pieces[..place]
        .iter()
        .rev()
        .take_while(|piece| goes_on(piece))
        .count();
    let behind = pieces[place..].iter().take_while(|piece| goes_on(piece)).count();
    &pieces[place - before..(place + behind + 1).min(pieces.len())]
}
