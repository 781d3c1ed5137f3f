//! Lines in, translations out.

mod scoring;

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use attend_data::batch::TokenMatrix;
use attend_data::tokenizer::Tokenizer;
use attend_model::{Ensemble, Precision};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Serialize;

use crate::alignment::{self, Alignment};
use crate::error::InferError;
use crate::model_folder::ModelFolder;
use crate::search::{
    BannedWords, Hypothesis, Request, RequiredWords, Search, SearchError, SearchOptions, SpecialTokens,
    SurfaceForms, Unknown,
};
use crate::text::{self, Language, Sentence};
use crate::transformer_decoder::TransformerDecoder;
use crate::workers::Workers;

pub use scoring::{GivenTranslation, Score, TokenScore};

/// How much longer than its source, in tokens, a translation may grow: section 6.1 of "Attention Is All You Need".
pub const EXTRA_LENGTH: usize = 50;

/// The [`Translator::with_batch_tokens`] of a new translator: some 30 sentences of usual length.
pub const BATCH_TOKENS: usize = 3_000;

/// Most hypotheses that are decoded side by side, where a sentence alone has not more: each takes memory.
const MAX_ROWS: usize = 1_000;

/// Lines that a worker encodes at a time.
const ENCODED_TOGETHER: usize = 64;

/// A line to translate, and what its translations are like.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceLine<'a> {
    /// The line.
    pub text: &'a str,
    /// Its place in the input, from 0: errors name it, and the random numbers of sampling depend on it.
    pub number: usize,
    /// What its translations start with. The last word may go on: `a` may become `an`. White space at its end is left
    /// out.
    pub prefix: &'a str,
    /// Words or phrases that its translations all have; see [`RequiredWords`]. Blank ones require nothing.
    pub required: &'a [String],
}

/// One translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Translation {
    /// The translation.
    pub text: String,
    /// What translations are ranked by: see [`Hypothesis::score`].
    pub score: f32,
    /// Natural logarithm of its probability, `</s>` included.
    pub log_probability: f32,
    /// Its token ids, without `<s>` and `</s>`.
    #[serde(skip)]
    pub tokens: Vec<u32>,
    /// Where its words come from, where that is [asked for](Translator::with_alignments).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

/// A sentence ready to be searched for.
struct EncodedSentence<'a> {
    text: &'a str,
    source: Vec<u32>,
    request: Request,
    /// The place of its line in the input, from 0.
    line: usize,
}

/// What a batch may hold.
#[derive(Clone, Copy, Debug)]
enum BatchLimit {
    Tokens(usize),
    Sentences(usize),
}

/// Translates lines with a model.
///
/// Threads may share it, and each gets its own translations: without [workers](Self::with_workers) each call computes
/// on a thread of its own, which ends with it; workers take a batch of each call in turn.
#[derive(Clone, Debug)]
pub struct Translator {
    model: Ensemble,
    precision: Precision,
    /// Positions that all models have.
    max_length: usize,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    surfaces: Arc<SurfaceForms>,
    search: SearchOptions,
    banned: Option<Arc<BannedWords>>,
    aligns: bool,
    batch_limit: BatchLimit,
    workers: Option<Workers>,
    language: Language,
    sentences_translated: Arc<AtomicU64>,
}

impl Translator {
    /// A translator with the model's own search defaults, batches of 3,000 tokens, and no workers.
    #[must_use]
    pub fn new(model_folder: ModelFolder) -> Self {
        Self::in_precision(model_folder, Precision::Float32)
    }

    /// The same with weights in `precision`: 8 bits take a quarter of the memory and are faster on a CPU, for a small
    /// loss of quality.
    #[must_use]
    pub fn in_precision(model_folder: ModelFolder, precision: Precision) -> Self {
        let ModelFolder {
            config,
            model,
            tokenizer,
            generation,
        } = model_folder;
        let (bos, eos, pad) = (tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id());
        // A translation is one line, so what ends a line is no part of it.
        let line_ends =
            (0..tokenizer.vocab_size() as u32).filter(|&token| tokenizer.token(token).contains(['\n', '\r']));
        let surfaces = (0..tokenizer.vocab_size() as u32).map(|token| tokenizer.surface(token));
        Self {
            special: SpecialTokens {
                bos,
                eos,
                unk: tokenizer.unk_id(),
                forbidden: [pad, bos].into_iter().chain(line_ends).collect(),
            },
            surfaces: Arc::new(SurfaceForms::new(surfaces.collect())),
            banned: None,
            aligns: false,
            model: Ensemble::new(model, precision),
            precision,
            max_length: config.max_length,
            search: generation,
            batch_limit: BatchLimit::Tokens(BATCH_TOKENS),
            workers: None,
            language: Language::default(),
            sentences_translated: Arc::default(),
            tokenizer,
        }
    }

    /// Lets another model of the same tokenizer, and on the same device, have its say: what follows is as probable as
    /// the models find it in the mean. Its search defaults do not count.
    ///
    /// # Errors
    ///
    /// If it has another tokenizer.
    pub fn with_model(mut self, model_folder: ModelFolder) -> Result<Self, InferError> {
        if model_folder.tokenizer.to_json() != self.tokenizer.to_json() {
            let model = format!("model {}", self.model.len() + 1);
            return Err(InferError::EnsembleTokenizers { model });
        }
        self.max_length = self.max_length.min(model_folder.config.max_length);
        self.model = self.model.with(model_folder.model, self.precision);
        Ok(self)
    }

    /// Searches as `options` say in place of the model's defaults.
    ///
    /// # Errors
    ///
    /// If they describe no search, or ask for longer translations than the model has positions for.
    pub fn with_search(mut self, options: SearchOptions) -> Result<Self, InferError> {
        options.validate_for(self.max_target_tokens())?;
        self.search = options;
        Ok(self)
    }

    /// Lets no translation have these words or phrases, as [`BannedWords`] understands them.
    #[must_use]
    pub fn with_banned_words<S: AsRef<str>>(mut self, words: &[S]) -> Self {
        let banned = || Arc::new(BannedWords::new(words, self.surfaces.clone()));
        self.banned = (!words.is_empty()).then(banned);
        self
    }

    /// Also finds where the words of translations come from, of lines that are one sentence; a
    /// [text](Self::translate_text)'s translations have no alignment. A pass over the translations more.
    #[must_use]
    pub fn with_alignments(mut self) -> Self {
        self.aligns = true;
        self
    }

    /// Decodes as many sentences side by side as `tokens` allow, at least one: their tokens and those of the longest
    /// translations they may have, padding included. Memory grows with this number and with the beam, whatever the
    /// lengths of the sentences. The number changes no translation.
    #[must_use]
    pub fn with_batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_limit = BatchLimit::Tokens(tokens);
        self
    }

    /// Decodes `sentences` side by side, at least one, however long they are: for measurements beside other programs.
    #[must_use]
    pub fn with_batch_size(mut self, sentences: usize) -> Self {
        self.batch_limit = BatchLimit::Sentences(sentences.max(1));
        self
    }

    /// Encodes and decodes on `workers`, each a batch of its own.
    #[must_use]
    pub fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Finds the sentences of a [text](Self::translate_text) as its language has them; English unless it is said.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// How text becomes tokens.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The search options in use.
    #[must_use]
    pub fn search(&self) -> &SearchOptions {
        &self.search
    }

    /// Most tokens in a source sentence, `</s>` not counted.
    #[must_use]
    pub fn max_source_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Most tokens in a translation, `</s>` not counted. The decoder reads `<s>` before them.
    #[must_use]
    pub fn max_target_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Whether the model has positions for a sentence.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.encode(sentence).is_ok()
    }

    /// How many sentences this translator and its clones have translated so far.
    #[must_use]
    pub fn sentences_translated(&self) -> u64 {
        self.sentences_translated.load(Ordering::Relaxed)
    }

    /// Translates each line as one sentence, in order: the `nbest` translations, best first, or as they were drawn. A
    /// blank line has one translation, the empty line.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where a line has more tokens than the model has positions; nothing is translated
    /// then. [`InferError::Threads`] where the system refuses a thread.
    pub fn translate<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        self.translate_lines(&source_lines(0, lines))
    }

    /// [`translate`](Self::translate)s lines of which each asks for its own translations. A blank line's stays empty.
    ///
    /// # Errors
    ///
    /// Also where a line's prefix or required words are too long, contradict what is banned or the vocabulary lacks
    /// them, or where the search has no place for required words.
    pub fn translate_lines(&self, lines: &[SourceLine<'_>]) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let sentences = for_each(&workers, lines, |line| match line.text.trim().is_empty() {
            true => Ok(None),
            false => {
                let source = self
                    .encode(line.text)
                    .map_err(|tokens| self.too_long(line.number, tokens, "the input"))?;
                self.encoded_sentence(line, line.text, source, 0).map(Some)
            }
        })?;
        let present: Vec<&EncodedSentence<'_>> = sentences.iter().flatten().collect();
        let mut translations = self.search_all(&workers, &present)?.into_iter();
        let of_line = |sentence: &Option<EncodedSentence<'_>>| match sentence {
            None => vec![Translation {
                alignment: self.aligns.then(Alignment::default),
                ..Translation::default()
            }],
            Some(_) => translations.next().expect("translations of each sentence"),
        };
        Ok(sentences.iter().map(of_line).collect())
    }

    /// Translates texts of any length, in order: each sentence of a text by itself, and joins their translations by the
    /// spacing that stood between the sentences. A sentence that is longer than the model's positions is divided at
    /// punctuation, else at a space, else between characters. White space around a text is left out.
    ///
    /// The translations of a text are its `nbest` best, as far as those of its sentences go, or, of samples, the first
    /// of each sentence, the second of each, and so on. Scores, log-probabilities and tokens are those of the sentences
    /// together.
    ///
    /// # Errors
    ///
    /// [`InferError::TooLong`] where not even a character fits the model; nothing is translated then.
    /// [`InferError::Threads`] where the system refuses a thread.
    pub fn translate_text<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<Translation>>, InferError> {
        self.translate_text_from(0, texts)
    }

    /// [`translate_text`](Self::translate_text) of texts whose first has this place in the input, from 0.
    pub(crate) fn translate_text_from<S: AsRef<str>>(
        &self,
        first: usize,
        texts: &[S],
    ) -> Result<Vec<Vec<Translation>>, InferError> {
        let workers = self.workers()?;
        let texts = for_each(&workers, &source_lines(first, texts), |line| {
            let found = text::sentences(line.text, &self.language, |sentence| self.encode(sentence))
                .map_err(|tokens| self.too_long(line.number, tokens, "the input"))?;
            let sentences = found.into_iter().zip(0..).map(|(sentence, place)| {
                let Sentence {
                    spacing,
                    text,
                    source,
                } = sentence;
                Ok((spacing, self.encoded_sentence(line, text, source, place)?))
            });
            sentences.collect::<Result<Vec<_>, InferError>>()
        })?;
        let sentences: Vec<&EncodedSentence<'_>> =
            texts.iter().flatten().map(|(_, sentence)| sentence).collect();
        let translations = self.search_all(&workers, &sentences)?;
        let mut translations = translations.as_slice();
        let join = |sentences: &Vec<(&str, EncodedSentence<'_>)>| {
            let spacings: Vec<&str> = sentences.iter().map(|(spacing, _)| *spacing).collect();
            let (of_text, rest) = translations.split_at(sentences.len());
            translations = rest;
            match self.search.sampling {
                Some(_) => text::join_samples(&spacings, of_text),
                None => text::join(&spacings, of_text, self.search.nbest),
            }
        };
        Ok(texts.iter().map(join).collect())
    }

    /// The best translation of each line, in order.
    ///
    /// # Errors
    ///
    /// As [`translate`](Self::translate).
    pub fn translate_best<S: AsRef<str>>(&self, lines: &[S]) -> Result<Vec<String>, InferError> {
        let translations = self.translate(lines)?;
        Ok(translations
            .into_iter()
            .map(|mut best_first| best_first.swap_remove(0).text)
            .collect())
    }

    /// The workers, or one for this call. The calling thread computes nothing: products of matrices would start
    /// rayon's threads on all cores.
    fn workers(&self) -> Result<Workers, InferError> {
        match &self.workers {
            Some(workers) => Ok(workers.clone()),
            None => Workers::start(1, 1),
        }
    }

    fn too_long(&self, line: usize, tokens: usize, text: &'static str) -> InferError {
        InferError::TooLong {
            text,
            line: line + 1,
            tokens,
            limit: self.max_source_tokens(),
        }
    }

    /// The tokens of a sentence, or their number, or a smaller one, where the model has no positions for them.
    fn encode(&self, sentence: &str) -> Result<Vec<u32>, usize> {
        let limit = self.max_source_tokens();
        let at_least = self.tokenizer.min_tokens(sentence);
        if at_least > limit {
            return Err(at_least);
        }
        let source = self.tokenizer.encode(sentence);
        match source.len() > limit {
            true => Err(source.len()),
            false => Ok(source),
        }
    }

    /// The translations of each encoded sentence, in order.
    fn search_all(
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

    /// Does `work` on batches of `items`, and returns what it finds for each, in order. An item takes so many rows of a
    /// decoder; `lengths` are its numbers of source and target tokens. Where it has more source tokens than another, it
    /// must have as many target tokens at least.
    fn in_batches<T: Sync, R: Send>(
        &self,
        workers: &Workers,
        items: &[T],
        rows_per_item: usize,
        lengths: impl Fn(&T) -> [usize; 2],
        work: impl Fn(&[&T]) -> Result<Vec<R>, InferError> + Sync,
    ) -> Result<Vec<R>, InferError> {
        // Sentences of similar lengths share a batch, so that little of it is padding; the longest first, so that
        // workers end at about the same time.
        let mut order: Vec<(usize, [usize; 2])> = items.iter().map(lengths).enumerate().collect();
        order.sort_by_key(|&(_, [source, _])| Reverse(source));
        let (order, lengths): (Vec<usize>, Vec<[usize; 2]>) = order.into_iter().unzip();
        let sizes = self.batch_sizes(&lengths, rows_per_item, workers.count());
        let mut rest = order.as_slice();
        let batches: Vec<&[usize]> = sizes
            .iter()
            .map(|&size| rest.split_off(..size).expect("as many"))
            .collect();
        let found = workers.map(&batches, |batch| {
            let batch: Vec<&T> = batch.iter().map(|&item| &items[item]).collect();
            work(&batch)
        });
        let mut results = Vec::with_capacity(items.len());
        for (batch, found) in batches.iter().zip(found) {
            results.extend(batch.iter().zip(found?));
        }
        results.sort_unstable_by_key(|(item, _)| **item);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// How many items each batch takes of some that have so many source and, at most, target tokens, the longest first.
    /// Where they are few, all workers get some.
    fn batch_sizes(&self, lengths: &[[usize; 2]], rows_per_item: usize, workers: usize) -> Vec<usize> {
        let share = lengths.len().div_ceil(workers);
        let mut sizes = Vec::new();
        let mut start = 0;
        while let Some([source, target]) = lengths.get(start) {
            let most = match self.batch_limit {
                BatchLimit::Sentences(sentences) => sentences,
                // With the </s> of the one and the <s> of the other.
                BatchLimit::Tokens(tokens) => tokens / (source + 1 + target + 1),
            };
            let most = most.min(MAX_ROWS / rows_per_item);
            let size = most.min(share).clamp(1, lengths.len() - start);
            sizes.push(size);
            start += size;
        }
        sizes
    }

    /// The rows of a decoder that a sentence's hypotheses take.
    fn rows_per_sentence(&self) -> usize {
        match self.search.sampling {
            Some(_) => self.search.nbest,
            None => self.search.beam_size,
        }
    }

    /// What a line asks for of a sentence of it that has this text and these tokens, the one at `place`.
    fn encoded_sentence<'a>(
        &self,
        line: &SourceLine<'_>,
        text: &'a str,
        source: Vec<u32>,
        place: u64,
    ) -> Result<EncodedSentence<'a>, InferError> {
        let prefix = self.tokenizer.encode(line.prefix.trim_end());
        let words = line.required.iter().map(|word| word.trim());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let spellings = |word: &&str| {
            let within_a_sentence = format!(" {word}");
            let mut spellings = [within_a_sentence.as_str(), word]
                .map(|text| self.tokenizer.encode(text))
                .to_vec();
            spellings.dedup();
            spellings
        };
        let required: Vec<Vec<Vec<u32>>> = words.iter().map(spellings).collect();
        let refused = |text: &str, reason| InferError::Refused {
            line: line.number + 1,
            text: text.to_owned(),
            reason,
        };
        let spelt = words.into_iter().zip(&required);
        let spelt = spelt.map(|(word, spellings)| (word, &spellings[0]));
        for (text, tokens) in spelt.chain([(line.prefix, &prefix)]) {
            let is_unknown = |&token: &u32| Some(token) == self.special.unk;
            if self.search.unknown != Unknown::Keep && tokens.iter().any(is_unknown) {
                return Err(refused(text, "the vocabulary has no such word"));
            }
            if tokens.iter().any(|token| self.special.forbidden.contains(token)) {
                return Err(refused(text, "a translation is one line"));
            }
            let banned = |end: usize| {
                self.banned
                    .as_ref()
                    .is_some_and(|words| words.occur_in(&tokens[..end]))
            };
            if (1..=tokens.len()).any(banned) {
                return Err(refused(text, "it has a banned word, or a token that ends in one"));
            }
        }

        let required = RequiredWords::new(required, self.surfaces.clone());
        let least = self.search.min_length.max(prefix.len() + required.tokens());
        let limit = self.max_target_tokens();
        let limit = self.search.max_length.unwrap_or(limit).min(limit);
        if prefix.len() + required.tokens() > limit {
            return Err(InferError::RequestTooLong {
                line: line.number + 1,
                tokens: prefix.len() + required.tokens(),
                limit,
            });
        }
        let request = Request {
            // With its </s>.
            source_length: source.len() + 1,
            max_length: limit.min(source.len().max(least) + EXTRA_LENGTH),
            prefix,
            required,
            // A line has fewer sentences than that.
            number: (line.number as u64) << 32 | place,
        };
        Ok(EncodedSentence {
            text,
            source,
            request,
            line: line.number,
        })
    }

    fn search_batch(&self, batch: &[&EncodedSentence<'_>]) -> Result<Vec<Vec<Translation>>, SearchError> {
        let sources: Vec<Vec<u32>> = batch
            .iter()
            .map(|sentence| [sentence.source.as_slice(), &[self.special.eos]].concat())
            .collect();
        let requests: Vec<Request> = batch.iter().map(|sentence| sentence.request.clone()).collect();
        let ids = self.tensor(TokenMatrix::new(&sources, self.tokenizer.pad_id()));
        let memories = self.model.encode(ids);
        let covers = self.search.coverage_penalty > 0.0;
        let vocab_size = self.tokenizer.vocab_size();
        let mut decoder = TransformerDecoder::new(&self.model, memories.clone(), vocab_size, covers);
        let search = Search::new(&self.special, &self.search, self.banned.as_deref())?;
        let hypotheses = search.run(&mut decoder, &requests)?;
        let of_sentence = |best_first: Vec<Hypothesis>| {
            let translations = best_first.into_iter().map(|best| self.translation(best));
            translations.collect::<Vec<_>>()
        };
        let mut translations: Vec<_> = hypotheses.into_iter().map(of_sentence).collect();
        let unk = self.special.unk.filter(|_| self.search.unknown == Unknown::Copy);
        let copies = |translation: &Translation| unk.is_some_and(|unk| translation.tokens.contains(&unk));
        if self.aligns || translations.iter().flatten().any(copies) {
            self.align(&mut translations, &sources, &memories);
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

    fn tensor(&self, matrix: TokenMatrix) -> Tensor<2, Int> {
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

/// Does `work` on each line, in order.
fn for_each<L: Sync, R: Send>(
    workers: &Workers,
    lines: &[L],
    work: impl Fn(&L) -> Result<R, InferError> + Sync,
) -> Result<Vec<R>, InferError> {
    let chunks = workers.map(lines.chunks(ENCODED_TOGETHER), |lines| {
        lines.iter().map(&work).collect::<Vec<_>>()
    });
    chunks.into_iter().flatten().collect()
}

/// Lines of which none asks for anything; the first has this place in the input, from 0.
fn source_lines<S: AsRef<str>>(first: usize, lines: &[S]) -> Vec<SourceLine<'_>> {
    let lines = lines.iter().zip(first..);
    lines
        .map(|(text, number)| SourceLine {
            text: text.as_ref(),
            number,
            ..SourceLine::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use attend_model::{Transformer, TransformerConfig};

    use super::*;

    #[test]
    fn batches_hold_tokens_and_leave_no_worker_idle() {
        let tokenizer = Tokenizer::train_whitespace(["a b c"].iter(), None).unwrap();
        let config = TransformerConfig::tiny(tokenizer.vocab_size());
        let translator = Translator::new(ModelFolder {
            model: Transformer::new(&config, &crate::device::select(None).unwrap()).unwrap(),
            config,
            tokenizer,
            generation: SearchOptions::default(),
        });
        // A sentence of 9 tokens takes 10, and its translation 60; one of 200 takes 201 and 256.
        let mixed = [[200, 255]].into_iter().chain([[9, 59]; 7]).collect::<Vec<_>>();
        let tokens = |tokens| translator.clone().with_batch_tokens(tokens);
        assert_eq!(tokens(140).batch_sizes(&[[9, 59]; 5], 1, 1), [2, 2, 1]);
        assert_eq!(tokens(139).batch_sizes(&[[9, 59]; 3], 1, 1), [1, 1, 1]);
        assert_eq!(tokens(457).batch_sizes(&mixed, 1, 1), [1, 6, 1]);
        assert_eq!(tokens(1).batch_sizes(&[[9, 59]; 2], 1, 1), [1, 1]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 7], 1, 1), [7]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 7], 1, 2), [4, 3]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 2], 1, 4), [1, 1]);
        assert!(tokens(10_000).batch_sizes(&[], 1, 2).is_empty());
        let sentences = |sentences| translator.clone().with_batch_size(sentences);
        assert_eq!(sentences(3).batch_sizes(&[[200, 255]; 4], 1, 1), [3, 1]);
        assert_eq!(sentences(0).batch_sizes(&[[9, 59]; 2], 1, 1), [1, 1]);
    }
}
