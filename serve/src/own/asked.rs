//! What translations are asked for, over the options of a model.

use attend_infer::search::{LengthNormalization, Sampling, SearchOptions, Stopping, Unknown};
use attend_infer::{Format, Language, SpanKind, TranslateOptions};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::detection::Detection;
use crate::error::ApiError;
use crate::parameters::{AUTO, Texts, language, missing};
use crate::service::Service;

/// The most hypotheses of a beam, and the most translations of a text.
const MOST_TRANSLATIONS: usize = 32;

/// The most tokens that a translation is made to have.
const MOST_TOKENS: usize = 1_000;

/// The most phrases of a kind, such as required ones.
const MOST_PHRASES: usize = 100;

/// The most characters of a prefix, and of all phrases of a kind.
const MOST_CHARACTERS: usize = 2_000;

/// What `/v1/translate` and `/v1/stream` are asked for. What is left out is as the model has it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TranslationAsked {
    /// The code of the text's language, or `auto`.
    #[schema(required, example = "en")]
    source: Option<String>,
    /// The code of the language of the translations.
    #[schema(required, example = "de")]
    target: Option<String>,
    /// The text, or an array of texts.
    #[schema(required)]
    text: Option<Texts>,
    /// `text`, the default, `html` or `xml`.
    #[serde(default)]
    #[schema(value_type = String, default = "text")]
    pub(super) format: Format,
    /// The hypotheses of a beam; 1 is greedy search.
    #[schema(minimum = 1, maximum = 32)]
    beam_size: Option<usize>,
    /// The translations of each text, the best first; 1 by default, and at most `beam_size` without sampling.
    #[schema(minimum = 1, maximum = 32)]
    nbest: Option<usize>,
    /// The exponent of the length normalization; 0 ranks by probability.
    #[schema(minimum = 0)]
    length_penalty: Option<f32>,
    /// `gnmt` or `length`.
    #[schema(value_type = Option<String>)]
    length_normalization: Option<LengthNormalization>,
    /// The factor of the penalty for parts of the source that a translation does not look at.
    #[schema(minimum = 0)]
    coverage_penalty: Option<f32>,
    /// `exact`, `ctranslate2`, `transformers` or `transformers-early`.
    #[schema(value_type = Option<String>)]
    stopping: Option<Stopping>,
    /// The fewest tokens in the translation of a sentence.
    #[schema(maximum = 1000)]
    min_length: Option<usize>,
    /// The most tokens in the translation of a sentence.
    #[schema(minimum = 1, maximum = 1000)]
    max_length: Option<usize>,
    /// The length of token sequences that a translation does not have twice; 0 allows all.
    no_repeat_ngram: Option<usize>,
    /// The factor by which the log-probability of a token that a translation already has is multiplied.
    #[schema(minimum = 1)]
    repetition_penalty: Option<f32>,
    /// `forbid`, `keep` or `copy`: what becomes of `<unk>`.
    #[schema(value_type = Option<String>)]
    unknown: Option<Unknown>,
    /// Translations that are drawn at random in place of the best.
    sampling: Option<SamplingAsked>,
    /// The text that all translations start with. It makes a text one sentence.
    #[serde(default)]
    prefix: String,
    /// Words or phrases that all translations have. They make a text one sentence.
    #[serde(default)]
    required: Vec<String>,
    /// Words or phrases that no translation has.
    #[serde(default)]
    banned: Vec<String>,
    /// What translations have as the text has it: `urls`, `emails`, `placeholders`, `emoji`, `numbers`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    keep: Vec<SpanKind>,
    /// Whether translations may have tokens that the model's lexical shortlist leaves out.
    #[serde(default)]
    all_tokens: bool,
    /// Whether to answer which words of a text each word of a translation comes from. It makes a text one sentence.
    #[serde(default)]
    pub(super) alignment: bool,
    /// Whether to answer what the model attends to, as `/v1/attention` does.
    #[serde(default)]
    pub(super) attention: bool,
}

/// How translations are drawn.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SamplingAsked {
    /// The number by which logits are divided; near 0 is greedy.
    temperature: Option<f32>,
    /// The number of most probable tokens from which one is drawn.
    #[schema(minimum = 1)]
    top_k: Option<usize>,
    /// The probability of the most probable tokens from which one is drawn.
    #[schema(maximum = 1)]
    top_p: Option<f32>,
    /// The same seed draws the same translations.
    seed: Option<u64>,
}

impl TranslationAsked {
    /// Returns the texts.
    ///
    /// # Errors
    ///
    /// If there are none, or if something is asked for that is too much, or is not for such texts.
    pub(super) fn texts(&self) -> Result<&[String], ApiError> {
        self.check_bounds()?;
        let texts = self.text.as_ref().ok_or_else(|| missing("text"))?.as_slice();
        if let Some(field) = self.one_line_field()
            && let Some(text) = texts.iter().find(|text| text.trim().contains('\n'))
        {
            let lines = text.trim().lines().count();
            let message = format!("{field} is for texts of one line, but a text has {lines}");
            return Err(ApiError::bad_request(message));
        }
        Ok(texts)
    }

    /// Returns the target language, and the language of each text, which is found out if the source is `auto`.
    ///
    /// # Errors
    ///
    /// If a language is missing, or has no such code.
    pub(super) fn languages(
        &self,
        service: &Service,
        texts: &[String],
    ) -> Result<(Language, Vec<Detection>), ApiError> {
        let target = language("target", self.target.as_deref())?;
        let detections = if self.is_auto() {
            let detector = service.detector_for(&target);
            texts.iter().map(|text| detector.detect(text)).collect()
        } else {
            let source = language("source", self.source.as_deref())?;
            vec![Detection::certain(source); texts.len()]
        };
        Ok((target, detections))
    }

    /// Returns whether the languages of the texts are to be found out.
    pub(super) fn is_auto(&self) -> bool {
        self.source.as_deref() == Some(AUTO)
    }

    /// Returns whether one translation of one text is asked for, and nothing beside its text and its score.
    pub(super) fn is_for_stream(&self) -> bool {
        let is_one = !matches!(self.text, Some(Texts::Several(_)));
        is_one && self.nbest.is_none_or(|nbest| nbest == 1) && !self.alignment && !self.attention
    }

    /// Sets what is asked for in the options of a model.
    pub(super) fn change(&self, options: &mut TranslateOptions) {
        let SearchOptions {
            beam_size,
            nbest,
            length_penalty,
            length_normalization,
            coverage_penalty,
            stopping,
            min_length,
            max_length,
            no_repeat_ngram,
            repetition_penalty,
            unknown,
            sampling,
        } = &mut options.search;
        set(beam_size, self.beam_size);
        set(nbest, self.nbest);
        set(length_penalty, self.length_penalty);
        set(length_normalization, self.length_normalization);
        set(stopping, self.stopping);
        set(min_length, self.min_length);
        *max_length = self.max_length.or(*max_length);
        set(no_repeat_ngram, self.no_repeat_ngram);
        set(repetition_penalty, self.repetition_penalty);
        set(unknown, self.unknown);
        if let Some(asked) = self.sampling {
            *sampling = Some(asked.over(sampling.unwrap_or_default()));
        } else if self.beam_size.is_some() {
            *sampling = None;
        }
        // The coverage penalty of a model holds only where a beam ranks translations.
        if *beam_size == 1 || sampling.is_some() {
            *coverage_penalty = 0.0;
        }
        set(coverage_penalty, self.coverage_penalty);
        options.prefix = self.prefix.clone();
        options.required = self.required.clone();
        options.banned = self.banned.clone();
        options.keep = self.keep.clone();
        options.all_tokens = self.all_tokens;
        options.alignment = self.alignment;
        if self.one_sentence_field().is_some() {
            options.language = None;
        }
    }

    /// Returns the name of a field that is asked for and makes each text one sentence.
    fn one_sentence_field(&self) -> Option<&'static str> {
        let fields = [
            ("prefix", !self.prefix.is_empty()),
            ("required", !self.required.is_empty()),
            ("alignment", self.alignment),
        ];
        fields
            .into_iter()
            .find_map(|(field, is_asked)| is_asked.then_some(field))
    }

    /// Returns the name of a field that is asked for and takes texts of one line.
    fn one_line_field(&self) -> Option<&'static str> {
        self.one_sentence_field()
            .or(self.attention.then_some("attention"))
    }

    /// Checks that no request takes much more time or memory than others.
    fn check_bounds(&self) -> Result<(), ApiError> {
        let characters = |phrases: &[String]| phrases.iter().map(|phrase| phrase.chars().count()).sum();
        for (field, number, most) in [
            ("beam_size is", self.beam_size, MOST_TRANSLATIONS),
            ("nbest is", self.nbest, MOST_TRANSLATIONS),
            ("min_length is", self.min_length, MOST_TOKENS),
            ("max_length is", self.max_length, MOST_TOKENS),
            (
                "the phrases of required are",
                Some(self.required.len()),
                MOST_PHRASES,
            ),
            ("the phrases of banned are", Some(self.banned.len()), MOST_PHRASES),
            (
                "the characters of prefix are",
                Some(self.prefix.chars().count()),
                MOST_CHARACTERS,
            ),
            (
                "the characters of required are",
                Some(characters(&self.required)),
                MOST_CHARACTERS,
            ),
            (
                "the characters of banned are",
                Some(characters(&self.banned)),
                MOST_CHARACTERS,
            ),
        ] {
            if let Some(number) = number.filter(|&number| number > most) {
                let message = format!("{field} {number}, but can be at most {most}");
                return Err(ApiError::bad_request(message));
            }
        }
        Ok(())
    }
}

impl SamplingAsked {
    /// Returns the sampling of a model with what is asked for.
    fn over(self, mut sampling: Sampling) -> Sampling {
        set(&mut sampling.temperature, self.temperature);
        sampling.top_k = self.top_k.or(sampling.top_k);
        set(&mut sampling.top_p, self.top_p);
        set(&mut sampling.seed, self.seed);
        sampling
    }
}

/// Sets an option if it is asked for.
fn set<T>(option: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *option = asked;
    }
}
