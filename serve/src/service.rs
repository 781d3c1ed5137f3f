//! What a server translates with, whatever interface its clients call.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attend_infer::search::SearchOptions;
use attend_infer::{
    Format, Glossary, InferError, Language, Line, SentenceAttention, TagNames, TranslateOptions, Translation,
    Translator,
};
use metrics::{counter, gauge, histogram};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::block_in_place;
use tokio::time::timeout_at;
use tracing::info;

use crate::detection::LanguageDetector;
use crate::error::ApiError;
use crate::glossaries::Glossaries;
use crate::languages::code;
use crate::metrics::{LOADED_MODELS, TARGET_TOKENS, TEXT_LOG, TRANSLATION_SECONDS, WAITING_TOKENS};
use crate::models::{Models, ServedFolder};
use crate::passages::Passages;
use crate::routes::{Route, languages, route, targets};
use crate::scheduler::{PartsError, ScheduleError, Scheduler};

/// The time within which a request is translated, or else refused.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The most characters of a text whose attention is computed.
const MOST_ATTENDED: usize = 500;

/// The most documents that are in memory at a time, each of which may have 64 MiB of text and formatting.
const MOST_DOCUMENTS: usize = 8;

/// The models of a server, and the scheduler that all requests share.
#[derive(Debug)]
pub struct Service {
    pub(crate) models: Models,
    pub(crate) glossaries: Glossaries,
    scheduler: Scheduler,
    languages: Vec<ServedLanguage>,
    /// Locked while attention is computed, which takes memory in proportion to the square of a line's length.
    attending: Mutex<()>,
    /// The places of documents that are in memory.
    pub(crate) documents: Arc<Semaphore>,
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
#[derive(Clone)]
pub(crate) struct TextOptions<'a> {
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
    /// Sets further options, over those of the model that translates.
    pub(crate) change: &'a (dyn Fn(&mut TranslateOptions) + Sync),
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

impl TextOptions<'_> {
    /// Returns the options of texts that are to be translated before the [`DEADLINE`] is over.
    pub(crate) fn soon(format: Format, alternatives: usize) -> Self {
        Self {
            format,
            alternatives,
            deadline: Instant::now() + DEADLINE,
            division: Division::default(),
            tags: TagNames::default(),
            glossary: Arc::default(),
            change: &|_| (),
        }
    }
}

/// A part of a text's translation, which is told before the rest is found.
#[derive(Debug)]
pub(crate) struct TextPart {
    /// The line of the text, from 0.
    pub(crate) line: usize,
    /// The translation of a sentence, and the white space before it; or what stands behind the last sentence. The text
    /// of all parts, in order, is the translation of the text.
    pub(crate) translation: Translation,
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
            documents: Arc::new(Semaphore::new(MOST_DOCUMENTS)),
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

    /// Translates texts, each of its own language. Returns the texts of the translations of each, the best first, at
    /// least one. Line ends stay, unless the texts are markup.
    ///
    /// # Errors
    ///
    /// The errors of [`translations`](Self::translations).
    pub(crate) async fn translate(
        &self,
        texts: &[SourceText<'_>],
        target: &Language,
        options: &TextOptions<'_>,
    ) -> Result<Vec<Vec<String>>, ApiError> {
        let found = self.translations(texts, target, options).await?.into_iter();
        let texts =
            |translations: Vec<Translation>| translations.into_iter().map(|found| found.text).collect();
        Ok(found.map(texts).collect())
    }

    /// Translates texts, each of its own language. Returns the translations of each text, the best first, at least one.
    /// Line ends stay, unless the texts are markup. The score and the log-probability of a text are the sums over its
    /// lines. A text of several lines has no alignment.
    ///
    /// # Errors
    ///
    /// If no models translate between the languages of a text, or not a single one if there is a glossary; if a model
    /// cannot be loaded or refuses a text; if the scheduler does not take the texts; or if they are not translated
    /// before the deadline.
    pub(crate) async fn translations(
        &self,
        texts: &[SourceText<'_>],
        target: &Language,
        options: &TextOptions<'_>,
    ) -> Result<Vec<Vec<Translation>>, ApiError> {
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
            let route = self.route(source, target)?;
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
        // The strings are written as in code, so that none begins a line of its own.
        info!(
            target: TEXT_LOG,
            texts = ?texts.iter().map(|source| source.text).collect::<Vec<_>>(),
            translations = ?found,
            "translated"
        );
        Ok(found)
    }

    /// Translates a text, and calls `tell` with the parts of its best translation, in order, as soon as each is found.
    /// By way of English, that is when the whole text has been translated into English.
    ///
    /// # Errors
    ///
    /// The errors of [`translations`](Self::translations).
    pub(crate) async fn translate_in_parts(
        &self,
        text: SourceText<'_>,
        target: &Language,
        options: &TextOptions<'_>,
        mut tell: impl FnMut(TextPart),
    ) -> Result<(), ApiError> {
        let route = self.route(text.language, target)?;
        let passages = passages(text.text, options);
        let lines: Vec<&str> = passages.to_translate().collect();
        let mut kept = passages.kept();
        let mut line = 0;
        let mut tell = |number: usize, mut translation: Translation| {
            // What stands before a line comes with its first part.
            let before = mem::take(&mut kept[number]);
            line += before.matches('\n').count();
            translation.text.insert_str(0, &before);
            if !translation.text.is_empty() {
                tell(TextPart { line, translation });
            }
        };
        match route {
            Route::Same => {
                let same = lines.iter().map(|text| unchanged(text));
                same.enumerate().for_each(|(number, same)| tell(number, same));
            }
            Route::Direct(model) => self.tell_lines(model, &lines, options, &mut tell).await?,
            Route::ByEnglish([first, last]) => {
                let english = self.english(first, &lines, options).await?;
                let english: Vec<&str> = english.iter().map(String::as_str).collect();
                self.tell_lines(last, &english, options, &mut tell).await?;
            }
        }
        tell(lines.len(), Translation::default());
        Ok(())
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
        // A model of several target languages reads the one that is wanted as the first word.
        let named = self.folders()[model].target_language.as_ref();
        let read = named.map_or_else(|| text.to_owned(), |code| format!(">>{code}<< {text}"));
        let found = block_in_place(|| translator.attention(&read, translation));
        found.map_err(|error| ApiError::bad_request(error.to_string()))
    }

    /// Returns how text gets from one language into another.
    ///
    /// # Errors
    ///
    /// If no models translate between the languages.
    pub(crate) fn route(&self, source: &Language, target: &Language) -> Result<Route, ApiError> {
        route(self.folders(), source, target).ok_or_else(|| {
            let [source, target] = [source, target].map(code);
            ApiError::bad_request(format!("no model translates from {source} to {target}"))
        })
    }

    /// Translates texts of one language.
    async fn translate_texts(
        &self,
        route: Route,
        texts: &[&str],
        options: &TextOptions<'_>,
    ) -> Result<Vec<Vec<Translation>>, ApiError> {
        let passages: Vec<Passages<'_>> = texts.iter().map(|text| passages(text, options)).collect();
        let lines: Vec<&str> = passages.iter().flat_map(Passages::to_translate).collect();
        let found = match route {
            Route::Same => lines.iter().map(|line| vec![unchanged(line)]).collect(),
            Route::Direct(model) => self.translate_lines(model, &lines, options).await?,
            Route::ByEnglish([first, last]) => {
                let english = self.english(first, &lines, options).await?;
                let english: Vec<&str> = english.iter().map(String::as_str).collect();
                self.translate_lines(last, &english, options).await?
            }
        };
        let mut found = found.into_iter();
        let of_text = |passages: &Passages<'_>| {
            let of_lines: Vec<_> = found.by_ref().take(passages.to_translate().count()).collect();
            ranked(passages, of_lines)
        };
        Ok(passages.iter().map(of_text).collect())
    }

    /// Translates lines into English with the model at a place, for another model that reads the translations.
    /// Sampling, the words of translations and further translations concern that model alone.
    async fn english(
        &self,
        model: usize,
        lines: &[&str],
        options: &TextOptions<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let change = |line: &mut TranslateOptions| {
            (options.change)(line);
            *line = TranslateOptions {
                search: SearchOptions {
                    nbest: 1,
                    sampling: None,
                    ..line.search
                },
                language: line.language.take(),
                format: line.format,
                tags: mem::take(&mut line.tags),
                keep: mem::take(&mut line.keep),
                all_tokens: line.all_tokens,
                ..TranslateOptions::default()
            };
        };
        let best = TextOptions {
            alternatives: 0,
            change: &change,
            ..options.clone()
        };
        let found = self.translate_lines(model, lines, &best).await?.into_iter();
        Ok(found
            .map(|mut best_first| best_first.swap_remove(0).text)
            .collect())
    }

    /// Translates lines with the model at a place. Returns the translations of each line, the best first, at least one.
    async fn translate_lines(
        &self,
        model: usize,
        lines: &[&str],
        options: &TextOptions<'_>,
    ) -> Result<Vec<Vec<Translation>>, ApiError> {
        let translator = self.models.translator(model, options.deadline).await?;
        let of_lines = self.line_options(model, &translator, options);
        let whole = TranslateOptions {
            language: None,
            ..of_lines.clone()
        };
        let is_whole = |text: &str| options.division == Division::Nowhere && translator.model().fits(text);
        let lines = numbered(lines, |text| if is_whole(text) { &whole } else { &of_lines });
        let start = Instant::now();
        let found = self
            .scheduler
            .translate(&translator, &lines, options.deadline)
            .await?;
        let best = found.iter().filter_map(|found| found.as_ref().ok()?.first());
        self.measure_lines(
            model,
            start,
            best.map(|translation| translation.tokens.len()).sum(),
        );
        found.into_iter().map(|found| found.map_err(refused)).collect()
    }

    /// Translates lines with the model at a place, and calls `tell` with the index of a line and the next part of its
    /// best translation.
    async fn tell_lines(
        &self,
        model: usize,
        lines: &[&str],
        options: &TextOptions<'_>,
        mut tell: impl FnMut(usize, Translation),
    ) -> Result<(), ApiError> {
        let translator = self.models.translator(model, options.deadline).await?;
        let of_lines = self.line_options(model, &translator, options);
        let lines = numbered(lines, |_| &of_lines);
        let start = Instant::now();
        let mut tokens = 0;
        let tell = |number, part: Translation| {
            tokens += part.tokens.len();
            tell(number, part);
        };
        let told = self
            .scheduler
            .translate_in_parts(&translator, &lines, options.deadline, tell);
        told.await.map_err(|error| match error {
            PartsError::Schedule(error) => error.into(),
            PartsError::Line(error) => refused(error),
        })?;
        self.measure_lines(model, start, tokens);
        Ok(())
    }

    /// Returns the options of lines for the model at a place.
    fn line_options(
        &self,
        model: usize,
        translator: &Translator,
        options: &TextOptions<'_>,
    ) -> TranslateOptions {
        let mut of_lines = TranslateOptions {
            language: Some(self.folders()[model].source.clone()),
            target_language: self.folders()[model].target_language.clone(),
            format: options.format,
            tags: options.tags.clone(),
            glossary: Arc::clone(&options.glossary),
            ..translator.model().options()
        };
        if !options.glossary.is_empty() {
            of_lines.search = of_lines.search.for_required_words();
        }
        let search = &mut of_lines.search;
        search.nbest = 1 + options.alternatives;
        search.beam_size = search.beam_size.max(search.nbest);
        (options.change)(&mut of_lines);
        of_lines
    }

    /// Records how long the model at a place took for lines, and the tokens of their translations.
    fn measure_lines(&self, model: usize, start: Instant, tokens: usize) {
        let ServedFolder { source, target, .. } = &self.folders()[model];
        let languages = [("source", code(source)), ("target", code(target))];
        histogram!(TRANSLATION_SECONDS, &languages).record(start.elapsed().as_secs_f64());
        counter!(TARGET_TOKENS, &languages).increment(tokens as u64);
    }
}

/// Returns a text as the parts that are translated and those that stay.
fn passages<'a>(text: &'a str, options: &TextOptions<'_>) -> Passages<'a> {
    match (options.format, options.division) {
        (Format::Text, Division::Lines) => Passages::of_lines(text),
        (Format::Text, _) => Passages::one(text),
        (Format::Xml, Division::Lines) => Passages::of_xml(text),
        _ => Passages::whole(text),
    }
}

/// Returns lines with their options, numbered from 0.
fn numbered<'a>(lines: &[&'a str], options: impl Fn(&str) -> &'a TranslateOptions) -> Vec<Line<'a>> {
    let lines = lines.iter().enumerate().map(|(number, text)| Line {
        text,
        number,
        options: options(text),
    });
    lines.collect()
}

/// Returns a text as its own translation.
fn unchanged(text: &str) -> Translation {
    Translation {
        text: text.to_owned(),
        ..Translation::default()
    }
}

/// The model does not take a line, or finds no translation with all that is asked for.
fn refused(error: InferError) -> ApiError {
    ApiError::bad_request(error.to_string())
}

/// Returns the translations of a text, the best first, given those of each of its lines. A line that has fewer
/// translations than another one keeps its best.
fn ranked(passages: &Passages<'_>, mut of_lines: Vec<Vec<Translation>>) -> Vec<Translation> {
    let most = of_lines.iter().map(Vec::len).max().unwrap_or(1);
    let translation = |rank: usize| {
        let chosen = of_lines.iter().map(|found| found.get(rank).unwrap_or(&found[0]));
        let sum = |number: fn(&Translation) -> f32| {
            let numbers = chosen.clone().map(|found| f64::from(number(found)));
            numbers.sum::<f64>() as f32
        };
        Translation {
            text: passages.with(chosen.clone().map(|found| &found.text)),
            score: sum(|found| found.score),
            log_probability: sum(|found| found.log_probability),
            ..Translation::default()
        }
    };
    let mut translations: Vec<Translation> = (0..most).map(translation).collect();
    if let [of_line] = &mut of_lines[..] {
        for (translation, found) in translations.iter_mut().zip(of_line) {
            translation.alignment = found.alignment.take();
        }
    }
    translations
}
