//! Random combinations of all options. Each is translated as asked, or refused for a reason that the options have.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use attend_device::Workers;
use attend_infer::search::{LengthNormalization, Sampling, SearchOptions, Stopping, Unknown};
use attend_infer::{
    Format, Glossary, InferError, Model, Precision, SpanKind, TagNames, TranslateOptions, Translation,
    Translator,
};
use proptest::prelude::*;

use crate::common::{
    LINE_ENDS, MAX_SOURCE_TOKENS, SENTENCES, model_folder, model_folder_of_pieces, model_folder_of_words,
    translator,
};
use crate::toy::has_word;

/// Models of subwords, of whole words and of SentencePiece's pieces, first with weights in float32, then with weights
/// of 8 bits.
static TRANSLATORS: LazyLock<Vec<Translator>> = LazyLock::new(|| {
    let words = || model_folder_of_words(SENTENCES);
    let small = |model_folder| {
        let model = Model::new(model_folder, Precision::Int8).unwrap();
        Translator::new(model, Workers::start(1, 1).unwrap())
    };
    vec![
        translator(model_folder()),
        translator(words()),
        translator(model_folder_of_pieces(false)),
        small(model_folder()),
        small(words()),
        small(model_folder_of_pieces(true)),
    ]
});

/// A word that is not in the vocabulary of the models of whole words. Those of pieces have no x.
const UNKNOWN_WORD: &str = "xylophone";

#[derive(Clone, Debug)]
struct Asked {
    translator: usize,
    aligns: bool,
    search: SearchOptions,
    prefix: &'static str,
    required: Vec<String>,
    /// The terms of a glossary, and what they are translated as.
    terms: Vec<(&'static str, &'static str)>,
    banned: Vec<&'static str>,
    format: Format,
    keep: Vec<SpanKind>,
}

impl Asked {
    /// The options that are wrong or do not go together.
    fn contradictions(&self) -> Vec<&'static str> {
        let search = &self.search;
        let sampling = search.sampling.unwrap_or_default();
        let samples = search.sampling.is_some();
        let ranks = search.sampling.is_none() && search.beam_size > 1;
        let most = match search.sampling {
            None => search.beam_size,
            Some(_) => usize::MAX,
        };
        let requires = self.requires();
        let wrong = [
            (
                "beam_size",
                search.beam_size == 0 || requires && !samples && search.beam_size == 1,
            ),
            ("sampling", requires && samples),
            ("stopping", requires && search.stopping != Stopping::Exact),
            ("no_repeat_ngram", requires && search.no_repeat_ngram > 0),
            ("nbest", search.nbest == 0 || search.nbest > most),
            ("length_penalty", search.length_penalty < 0.0),
            ("repetition_penalty", search.repetition_penalty < 1.0),
            ("coverage_penalty", search.coverage_penalty > 0.0 && !ranks),
            (
                "max_length",
                search.max_length.is_some_and(|most| most < search.min_length),
            ),
            ("min_length", search.min_length > MAX_SOURCE_TOKENS),
            (
                "unknown",
                search.unknown == Unknown::Copy && !self.banned.is_empty(),
            ),
            ("sampling.temperature", sampling.temperature == 0.0),
            ("sampling.top_k", sampling.top_k == Some(0)),
            ("sampling.top_p", sampling.top_p == 0.0),
            ("sampling.seed", sampling.seed > i64::MAX as u64),
        ];
        let wrong = wrong.into_iter().filter(|(_, is_wrong)| *is_wrong);
        wrong.map(|(field, _)| field).collect()
    }

    fn requires(&self) -> bool {
        !self.required.is_empty() || !self.terms.is_empty()
    }

    /// Returns whether lines may have markup or spans to keep.
    fn passes_through(&self) -> bool {
        self.format != Format::Text || !self.keep.is_empty()
    }

    /// The texts that translations must have.
    fn wanted(&self) -> impl Iterator<Item = &str> {
        [self.prefix]
            .into_iter()
            .chain(self.required.iter().map(String::as_str))
            .chain(self.terms.iter().map(|(_, target)| *target))
    }

    /// Returns whether there are words that no tokens of the model spell.
    fn has_unknown_words(&self) -> bool {
        !self.translator.is_multiple_of(3)
    }

    /// Tokens of what translations must have.
    fn wanted_tokens(&self) -> usize {
        let tokenizer = TRANSLATORS[self.translator].model().target_tokenizer();
        let spaced = self.wanted().skip(1).map(|word| format!(" {word}"));
        let texts = [self.prefix.to_owned()].into_iter().chain(spaced);
        texts.map(|text| tokenizer.encode(&text).len()).sum()
    }

    fn translate(&self, lines: &[&str]) -> Vec<Result<Vec<Translation>, InferError>> {
        let mut glossary = Glossary::default();
        for (source, target) in &self.terms {
            glossary.add(source, target).unwrap();
        }
        let options = TranslateOptions {
            search: self.search,
            language: None,
            target_language: None,
            prefix: self.prefix.to_owned(),
            required: self.required.clone(),
            glossary: Arc::new(glossary),
            banned: self.banned.iter().map(|&word| word.to_owned()).collect(),
            all_tokens: false,
            alignment: self.aligns,
            format: self.format,
            tags: TagNames::default(),
            keep: self.keep.clone(),
        };
        TRANSLATORS[self.translator].translate(lines, &options)
    }

    /// Asserts that something asked for is the reason of the error.
    fn assert_refused(&self, error: &InferError) {
        let contradictions = self.contradictions();
        if let InferError::Search(error) = error {
            assert!(
                contradictions.contains(&error.field()),
                "{error}, not {contradictions:?}"
            );
            return;
        }
        let limit = self.search.max_length.unwrap_or(MAX_SOURCE_TOKENS);
        let reason = match error {
            InferError::NoAlignment { .. } => self.aligns && self.passes_through(),
            InferError::Refused { text, .. } => {
                let unknown = self.has_unknown_words() && text.contains(UNKNOWN_WORD);
                self.wanted().any(|wanted| wanted == text) && (unknown || !self.banned.is_empty())
            }
            InferError::RequestTooLong { .. } => self.wanted_tokens() > limit,
            InferError::Unmet { .. } => self.requires(),
            _ => false,
        };
        assert!(reason, "{error}");
    }

    /// Asserts that translations of `source` are as asked for.
    fn assert_done(&self, source: &str, found: &[Translation]) {
        let Self { search, prefix, .. } = self;
        match search.sampling {
            Some(_) => assert_eq!(found.len(), search.nbest),
            None => {
                assert!(
                    (1..=search.nbest).contains(&found.len()),
                    "{} translations",
                    found.len()
                );
                assert!(found.is_sorted_by(|better, worse| better.score >= worse.score));
                let of_each = found.iter().map(|translation| &translation.tokens);
                let distinct: HashSet<_> = of_each.collect();
                assert_eq!(distinct.len(), found.len());
            }
        }
        let tokenizer = TRANSLATORS[self.translator].model().target_tokenizer();
        let prefix_tokens = tokenizer.encode(prefix).len();
        let longest = TRANSLATORS[self.translator]
            .model()
            .source_tokenizer()
            .encode(source)
            .len()
            .max(search.min_length)
            .max(self.wanted_tokens())
            + 50;
        let longest = longest
            .min(search.max_length.unwrap_or(MAX_SOURCE_TOKENS))
            .min(MAX_SOURCE_TOKENS);
        for Translation {
            text,
            log_probability,
            tokens,
            alignment,
            ..
        } in found
        {
            assert!(
                log_probability.is_finite() && *log_probability <= 1e-4,
                "{log_probability}"
            );
            assert!(
                (search.min_length..=longest).contains(&tokens.len()),
                "{} tokens",
                tokens.len()
            );
            assert_eq!(alignment.is_some(), self.aligns);
            assert!(!text.contains(LINE_ENDS), "{text:?}");
            assert!(text.starts_with(prefix), "{text:?}");
            for word in &self.required {
                assert!(has_word(text, word), "{text:?} without {word}");
            }
            for (term, word) in &self.terms {
                assert!(
                    !has_word(source, term) || has_word(text, word),
                    "{text:?} without {word}"
                );
            }
            for word in &self.banned {
                assert!(!has_word(text, word), "{text:?} with {word}");
            }
            if search.unknown == Unknown::Forbid {
                assert!(tokens.iter().all(|&token| Some(token) != tokenizer.unk_id()));
            }
            let n = search.no_repeat_ngram;
            if n > 0 {
                for end in prefix_tokens.max(n)..tokens.len() {
                    let last = &tokens[end + 1 - n..=end];
                    assert!(!tokens[..end].windows(n).any(|ngram| ngram == last), "{tokens:?}");
                }
            }
        }
    }
}

fn one_of<T: Clone + Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

/// One value in 31 is wrong, so that many options at once still go together.
fn rarely_wrong<T: Clone + Debug + 'static>(right: &[T], wrong: T) -> impl Strategy<Value = T> + use<T> {
    prop_oneof![30 => one_of(right), 1 => Just(wrong)]
}

fn sampling() -> impl Strategy<Value = Option<Sampling>> {
    let drawn = (
        rarely_wrong(&[0.3, 1.0, 5.0], 0.0),
        rarely_wrong(&[None, Some(1), Some(5), Some(1_000_000)], Some(0)),
        rarely_wrong(&[0.1, 0.9, 1.0], 0.0),
        prop_oneof![30 => 0..=i64::MAX as u64, 1 => any::<u64>()],
    );
    let drawn = drawn.prop_map(|(temperature, top_k, top_p, seed)| Sampling {
        temperature,
        top_k,
        top_p,
        seed,
    });
    prop::option::weighted(0.4, drawn)
}

fn asked() -> impl Strategy<Value = Asked> {
    let search = (
        rarely_wrong(&[1, 2, 4, 7], 0),
        rarely_wrong(&[1, 1, 1, 2, 3], 0),
        rarely_wrong(&[0.0, 0.6, 1.0], -1.0),
        one_of(&[LengthNormalization::Gnmt, LengthNormalization::Length]),
        one_of(&[0.0, 0.0, 0.0, 0.0, 0.2]),
        one_of(&[
            Stopping::Exact,
            Stopping::Exact,
            Stopping::CTranslate2,
            Stopping::Transformers,
            Stopping::TransformersEarly,
        ]),
        rarely_wrong(&[0, 0, 2, 6], MAX_SOURCE_TOKENS + 1),
        one_of(&[None, None, Some(1), Some(6), Some(30)]),
        one_of(&[0, 0, 1, 2]),
        rarely_wrong(&[1.0, 1.0, 1.5], 0.5),
        one_of(&[
            Unknown::Forbid,
            Unknown::Forbid,
            Unknown::Forbid,
            Unknown::Keep,
            Unknown::Copy,
        ]),
        sampling(),
    );
    let search = search.prop_map(|search| SearchOptions {
        beam_size: search.0,
        nbest: search.1,
        length_penalty: search.2,
        length_normalization: search.3,
        coverage_penalty: search.4,
        stopping: search.5,
        min_length: search.6,
        max_length: search.7,
        no_repeat_ngram: search.8,
        repetition_penalty: search.9,
        unknown: search.10,
        sampling: search.11,
    });
    let required = one_of(&["garden", "the house", "Buch", UNKNOWN_WORD]).prop_map(str::to_owned);
    let words = (
        one_of(&["", "", "the", "two children", UNKNOWN_WORD]),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(required, 1..3)],
        one_of(&[
            vec![],
            vec![],
            vec![("old man", "Haus"), ("garden", UNKNOWN_WORD)],
        ]),
        prop_oneof![
            1 => Just(Vec::new()),
            1 => prop::collection::vec(one_of(&["the", "old man", "a", "yes", "Haus", "garden"]), 1..6),
        ],
    );
    let passing = (
        one_of(&[Format::Text, Format::Text, Format::Html, Format::Xml]),
        one_of(&[vec![], vec![], vec![SpanKind::Numbers, SpanKind::Emoji]]),
    );
    (0..6usize, any::<bool>(), search, words, passing).prop_map(
        |(translator, aligns, search, (prefix, required, terms, banned), (format, keep))| Asked {
            translator,
            aligns,
            search,
            prefix,
            required,
            terms,
            banned,
            format,
            keep,
        },
    )
}

proptest! {
    #[test]
    fn any_options_together_work_or_are_refused_for_a_reason(asked in asked()) {
        let lines = [SENTENCES[3], " ", "a xylophone in the garden"];
        let contradictions = asked.contradictions();
        let limit = asked.search.max_length.unwrap_or(MAX_SOURCE_TOKENS);
        let found = asked.translate(&lines);
        prop_assert_eq!(found.len(), lines.len());
        for (line, found) in lines.iter().zip(found) {
            match found {
                Err(error) => {
                    // A blank line has no sentence, so its prefix and required words are never refused.
                    let of_search = matches!(error, InferError::Search(_));
                    // That the model has too few positions is found after that options do not go together.
                    let of_alignment = matches!(error, InferError::NoAlignment { .. });
                    let of_options = of_search || of_alignment;
                    prop_assert!(of_options || !line.trim().is_empty(), "{error}");
                    prop_assert!(of_alignment || of_search != contradictions.is_empty(), "{error}");
                    asked.assert_refused(&error);
                }
                Ok(found) => {
                    prop_assert!(contradictions.is_empty(), "{contradictions:?}");
                    prop_assert!(!(asked.aligns && asked.passes_through()));
                    if line.trim().is_empty() {
                        prop_assert_eq!(found.len(), 1);
                        prop_assert_eq!(&found[0].text, "");
                    } else {
                        prop_assert!(asked.wanted_tokens() <= limit);
                        asked.assert_done(line, &found);
                    }
                }
            }
        }
    }
}
