//! What a server translates with, whatever interface its clients call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attend_infer::{Format, Glossary, Language, Line, SentenceAttention, TagNames, TranslateOptions};
use metrics::{counter, gauge, histogram};
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::timeout_at;

use crate::detection::LanguageDetector;
use crate::error::ApiError;
use crate::glossaries::Glossaries;
use crate::languages::code;
use crate::metrics::{LOADED_MODELS, TARGET_TOKENS, TRANSLATION_SECONDS, WAITING_TOKENS};
use crate::models::{Models, ServedFolder};
use crate::passages::Passages;
use crate::routes::{Route, languages, route, targets};
use crate::scheduler::{ScheduleError, Scheduler};

/// The time within which a request is translated, or else refused.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The most characters of a text whose attention is computed.
const MOST_ATTENDED: usize = 500;

/// The models of a server, and the scheduler that all requests share.
#[derive(Debug)]
pub struct Service {
    pub(crate) models: Models,
    pub(crate) glossaries: Glossaries,
    scheduler: Scheduler,
    languages: Vec<ServedLanguage>,
    /// Locked while attention is computed, which takes memory in proportion to the square of a line's length.
    attending: Mutex<()>,
}

/// A language that a model reads or writes.
#[derive(Debug)]
pub(crate) struct ServedLanguage {
    pub(crate) language: Language,
    /// The languages that it is translated into, in the order of their codes.
    pub(crate) targets: Vec<Language>,
}

/// A text, and its language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText<'a> {
    pub(crate) text: &'a str,
    pub(crate) language: &'a Language,
}

/// How the texts of a request are translated.
#[derive(Clone, Debug)]
pub(crate) struct TextOptions {
    pub(crate) format: Format,
    /// The number of translations that each text gets beside the best.
    pub(crate) alternatives: usize,
    /// When the texts are to be translated.
    pub(crate) deadline: Instant,
    /// Where texts are divided. HTML is divided at its blocks, wherever its lines end.
    pub(crate) division: Division,
    /// The elements of markup that are treated otherwise than the format does by itself.
    pub(crate) tags: TagNames,
    /// The terms of which translations have the term that the glossary has for them.
    pub(crate) glossary: Arc<Glossary>,
}

/// Where a text is divided before it is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Division {
    /// At line ends, which stay, and between the sentences of a line.
    #[default]
    Lines,
    /// Between sentences. A line end is white space like other.
    Sentences,
    /// Nowhere, as far as the model takes the text as one sentence.
    Nowhere,
}

impl TextOptions {
    /// Returns the options of texts that are to be translated before the [`DEADLINE`] is over.
    pub(crate) fn soon(format: Format, alternatives: usize) -> Self {
        Self {
            format,
            alternatives,
            deadline: Instant::now() + DEADLINE,
            division: Division::default(),
            tags: TagNames::default(),
            glossary: Arc::default(),
        }
    }
}

impl Service {
    /// Makes a service of models, whose sentences `scheduler` translates. Of several models between the same languages,
    /// the first is taken. Without a direct model, text is translated by way of English.
    #[must_use]
    pub fn new(models: Models, scheduler: Scheduler) -> Self {
        let all: BTreeMap<String, &Language> = languages(models.folders())
            .map(|language| (code(language), language))
            .collect();
        let served = |language: &Language| ServedLanguage {
            language: language.clone(),
            targets: targets(models.folders(), language)
                .into_values()
                .cloned()
                .collect(),
        };
        Self {
            languages: all.into_values().map(served).collect(),
            models,
            glossaries: Glossaries::default(),
            scheduler,
            attending: Mutex::default(),
        }
    }

    /// Has the service keep glossaries where `glossaries` has them.
    #[must_use]
    pub fn with_glossaries(self, glossaries: Glossaries) -> Self {
        Self { glossaries, ..self }
    }

    /// Returns the languages in the order of their codes.
    pub(crate) fn languages(&self) -> &[ServedLanguage] {
        &self.languages
    }

    /// Returns what finds out which of all languages a text has.
    pub(crate) fn detector(&self) -> LanguageDetector {
        LanguageDetector::new(self.languages.iter().map(|served| &served.language))
    }

    /// Returns what finds out which language a text has of those that are translated into `target`, and of that
    /// language itself.
    pub(crate) fn detector_for(&self, target: &Language) -> LanguageDetector {
        let languages = self.languages.iter().map(|served| &served.language);
        LanguageDetector::new(languages.filter(|source| route(self.folders(), source, target).is_some()))
    }

    /// Sets the metrics that are states and no events.
    pub(crate) fn measure_state(&self) {
        gauge!(WAITING_TOKENS).set(self.scheduler.waiting_tokens() as f64);
        gauge!(LOADED_MODELS).set(self.models.count_loaded() as f64);
    }

    fn folders(&self) -> &[ServedFolder] {
        self.models.folders()
    }

    /// Translates texts, each of its own language. Returns the translations of each text, the best first, at least one.
    /// Line ends stay, unless the texts are markup.
    ///
    /// # Errors
    ///
    /// If no models translate between the languages of a text, or not a single one if there is a glossary; if a model
    /// cannot be loaded or refuses a text; if the scheduler does not take the texts; or if they are not translated
    /// before the deadline.
    pub(crate) async fn translate(
        &self,
        texts: &[SourceText<'_>],
        target: &Language,
        options: &TextOptions,
    ) -> Result<Vec<Vec<String>>, ApiError> {
        let mut by_language: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, text) in texts.iter().enumerate() {
            by_language
                .entry(text.language.to_string())
                .or_default()
                .push(place);
        }
        let mut of_languages = Vec::new();
        for places in by_language.into_values() {
            let source = texts[places[0]].language;
            let route = route(self.folders(), source, target).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "no model translates from {} to {}",
                    code(source),
                    code(target)
                ))
            })?;
            if let Route::ByEnglish(_) = route
                && !options.glossary.is_empty()
            {
                return Err(ApiError::bad_request(format!(
                    "a glossary needs a model that translates from {} to {} directly, and there is none",
                    code(source),
                    code(target)
                )));
            }
            of_languages.push((route, places));
        }
        let mut found = vec![Vec::new(); texts.len()];
        for (route, places) in of_languages {
            let texts: Vec<&str> = places.iter().map(|&place| texts[place].text).collect();
            let translations = self.translate_texts(route, &texts, options).await?;
            for (place, translations) in places.into_iter().zip(translations) {
                found[place] = translations;
            }
        }
        Ok(found)
    }

    /// Returns what a model attends to in a line and its translation, which the model finds if it is not given.
    ///
    /// # Errors
    ///
    /// If no single model translates between the languages, if a text has more than [`MOST_ATTENDED`] characters, if the
    /// model cannot be loaded or refuses a text, or if other requests for attention are computed until the
    /// [`DEADLINE`].
    pub(crate) async fn attention(
        &self,
        source: &Language,
        target: &Language,
        text: &str,
        translation: Option<&str>,
    ) -> Result<SentenceAttention, ApiError> {
        let Some(Route::Direct(model)) = route(self.folders(), source, target) else {
            let [source, target] = [source, target].map(code);
            let message =
                format!("no single model translates from {source} to {target}, so there is no attention");
            return Err(ApiError::bad_request(message));
        };
        for text in [Some(text), translation].into_iter().flatten() {
            let count = text.chars().count();
            if count > MOST_ATTENDED {
                let message =
                    format!("a text has {count} characters, but attention is shown for {MOST_ATTENDED}");
                return Err(ApiError::bad_request(message));
            }
        }
        let deadline = Instant::now() + DEADLINE;
        let translator = self.models.translator(model, deadline).await?;
        let alone = timeout_at(deadline.into(), self.attending.lock()).await;
        let _alone = alone.map_err(|_| ScheduleError::Deadline)?;
        let found = block_in_place(|| translator.attention(text, translation));
        found.map_err(|error| ApiError::bad_request(error.to_string()))
    }

    /// Translates texts of one language.
    async fn translate_texts(
        &self,
        route: Route,
        texts: &[&str],
        options: &TextOptions,
    ) -> Result<Vec<Vec<String>>, ApiError> {
        let passages: Vec<Passages<'_>> = texts
            .iter()
            .map(|text| match (options.format, options.division) {
                (Format::Text, Division::Lines) => Passages::of_lines(text),
                (Format::Text, _) => Passages::one(text),
                (Format::Xml, Division::Lines) => Passages::of_xml(text),
                _ => Passages::whole(text),
            })
            .collect();
        let lines: Vec<&str> = passages.iter().flat_map(Passages::to_translate).collect();
        let found = match route {
            Route::Same => lines.iter().map(|line| vec![(*line).to_owned()]).collect(),
            Route::Direct(model) => self.translate_lines(model, &lines, options).await?,
            Route::ByEnglish([first, last]) => {
                let best = TextOptions {
                    alternatives: 0,
                    ..options.clone()
                };
                let english = self.translate_lines(first, &lines, &best).await?;
                let english: Vec<&str> = english.iter().map(|found| found[0].as_str()).collect();
                self.translate_lines(last, &english, options).await?
            }
        };
        let mut found = found.into_iter();
        let of_text = |passages: &Passages<'_>| {
            let of_lines: Vec<_> = found.by_ref().take(passages.to_translate().count()).collect();
            ranked(passages, &of_lines)
        };
        Ok(passages.iter().map(of_text).collect())
    }

    /// Translates lines with the model at a place. Returns the translations of each line, the best first, at least one.
    async fn translate_lines(
        &self,
        model: usize,
        lines: &[&str],
        options: &TextOptions,
    ) -> Result<Vec<Vec<String>>, ApiError> {
        let &TextOptions {
            format,
            alternatives,
            deadline,
            division,
            ref tags,
            ref glossary,
        } = options;
        let translator = self.models.translator(model, deadline).await?;
        let mut divided = TranslateOptions {
            language: Some(self.folders()[model].source.clone()),
            format,
            tags: tags.clone(),
            glossary: Arc::clone(glossary),
            ..translator.model().options()
        };
        if !glossary.is_empty() {
            divided.search = divided.search.for_required_words();
        }
        divided.search.nbest = 1 + alternatives;
        divided.search.beam_size = divided.search.beam_size.max(divided.search.nbest);
        let undivided = TranslateOptions {
            language: None,
            ..divided.clone()
        };
        let is_undivided = |text| division == Division::Nowhere && translator.model().fits(text);
        let lines = lines.iter().enumerate().map(|(number, text)| Line {
            text,
            number,
            options: if is_undivided(text) { &undivided } else { &divided },
        });
        let lines: Vec<Line<'_>> = lines.collect();
        let start = Instant::now();
        let found = self.scheduler.translate(&translator, &lines, deadline).await?;
        let ServedFolder { source, target, .. } = &self.folders()[model];
        let languages = [("source", code(source)), ("target", code(target))];
        histogram!(TRANSLATION_SECONDS, &languages).record(start.elapsed().as_secs_f64());
        let best = found.iter().filter_map(|found| found.as_ref().ok()?.first());
        let tokens = best.map(|translation| translation.tokens.len()).sum::<usize>();
        counter!(TARGET_TOKENS, &languages).increment(tokens as u64);
        let texts = found.into_iter().map(|translations| {
            let translations = translations.map_err(|error| ApiError::bad_request(error.to_string()))?;
            Ok(translations
                .into_iter()
                .map(|translation| translation.text)
                .collect())
        });
        texts.collect()
    }
}

/// Returns the translations of a text, the best first, given those of each of its lines. A line that has fewer
/// translations than another one keeps its best.
fn ranked(passages: &Passages<'_>, of_lines: &[Vec<String>]) -> Vec<String> {
    let most = of_lines.iter().map(Vec::len).max().unwrap_or(1);
    let text = |rank: usize| {
        let of_lines = of_lines.iter();
        passages.with(of_lines.map(|found| found.get(rank).unwrap_or(&found[0])))
    };
    (0..most).map(text).collect()
}
