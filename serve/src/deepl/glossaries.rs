//! Glossaries. Those of version 2 have one pair of languages, and those of version 3 a dictionary for each of several.

use std::collections::BTreeSet;
use std::sync::Arc;

use attend_infer::Language;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use csv::{ReaderBuilder, Trim};
use serde::Deserialize;
use serde_json::{Value, json};

use super::languages::base;
use crate::access::Caller;
use crate::error::ApiError;
use crate::glossaries::{Dictionary, KeptGlossary};
use crate::languages::code;
use crate::parameters::{Parameters, language, missing};
use crate::service::Service;

/// What a glossary of one pair is made of.
#[derive(Debug, Deserialize)]
pub(super) struct OnePairAsked {
    name: Option<String>,
    #[serde(flatten)]
    dictionary: DictionaryAsked,
}

/// What a glossary is made of, or is changed to.
#[derive(Debug, Deserialize)]
pub(super) struct GlossaryAsked {
    name: Option<String>,
    #[serde(default)]
    dictionaries: Vec<DictionaryAsked>,
}

/// A dictionary as clients send it.
#[derive(Debug, Deserialize)]
pub(super) struct DictionaryAsked {
    source_lang: Option<String>,
    target_lang: Option<String>,
    entries: Option<String>,
    entries_format: Option<String>,
}

/// Which dictionary of a glossary is meant.
#[derive(Debug, Deserialize)]
pub(super) struct PairAsked {
    source_lang: Option<String>,
    target_lang: Option<String>,
}

/// Answers the pairs of languages that glossaries may have: those of the models, which translate without another
/// language in between.
pub(super) async fn pairs(State(service): State<Arc<Service>>, _: Caller) -> Json<Value> {
    let folders = service.models.folders().iter();
    let pairs = folders.map(|folder| [&folder.source, &folder.target].map(shown));
    let pairs: BTreeSet<[String; 2]> = pairs.collect();
    let pair = |[source, target]: [String; 2]| json!({"source_lang": source, "target_lang": target});
    let pairs: Vec<Value> = pairs.into_iter().map(pair).collect();
    Json(json!({ "supported_languages": pairs }))
}

pub(super) async fn create_of_one_pair(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Parameters(asked): Parameters<OnePairAsked>,
) -> Result<impl IntoResponse, ApiError> {
    let name = checked_name(asked.name)?;
    let dictionary = asked.dictionary.read()?;
    let (id, glossary) = service.glossaries.create(caller.name(), name, vec![dictionary])?;
    Ok((StatusCode::CREATED, Json(of_one_pair(&id, &glossary)?)))
}

pub(super) async fn list_of_one_pair(State(service): State<Arc<Service>>, caller: Caller) -> Json<Value> {
    let glossaries = service.glossaries.list(caller.name()).into_iter();
    let shown = glossaries.filter_map(|(id, glossary)| of_one_pair(&id, &glossary).ok());
    Json(json!({ "glossaries": shown.collect::<Vec<_>>() }))
}

pub(super) async fn show_of_one_pair(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let glossary = service.glossaries.get(caller.name(), &id)?;
    Ok(Json(of_one_pair(&id, &glossary)?))
}

/// Answers the entries of a glossary, one a line, with a tab between a term and its translation.
pub(super) async fn entries_of_one_pair(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let glossary = service.glossaries.get(caller.name(), &id)?;
    let entries = lines(only_dictionary(&glossary)?);
    let kind = "text/tab-separated-values; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], entries))
}

pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    service.glossaries.delete(caller.name(), &id)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Parameters(asked): Parameters<GlossaryAsked>,
) -> Result<impl IntoResponse, ApiError> {
    let name = checked_name(asked.name)?;
    if asked.dictionaries.is_empty() {
        return Err(missing("dictionaries"));
    }
    let dictionaries = asked.dictionaries.iter().map(DictionaryAsked::read);
    let dictionaries: Vec<Dictionary> = dictionaries.collect::<Result<_, _>>()?;
    for (place, dictionary) in dictionaries.iter().enumerate() {
        let (source, target) = (dictionary.source(), dictionary.target());
        if dictionaries[..place]
            .iter()
            .any(|other| other.is_between(source, target))
        {
            let message = format!("two dictionaries are from {} to {}", shown(source), shown(target));
            return Err(ApiError::bad_request(message));
        }
    }
    let (id, glossary) = service.glossaries.create(caller.name(), name, dictionaries)?;
    Ok((StatusCode::CREATED, Json(of_several_pairs(&id, &glossary))))
}

pub(super) async fn list(State(service): State<Arc<Service>>, caller: Caller) -> Json<Value> {
    let glossaries = service.glossaries.list(caller.name()).into_iter();
    let shown = glossaries.map(|(id, glossary)| of_several_pairs(&id, &glossary));
    Json(json!({ "glossaries": shown.collect::<Vec<_>>() }))
}

pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let glossary = service.glossaries.get(caller.name(), &id)?;
    Ok(Json(of_several_pairs(&id, &glossary)))
}

/// Gives a glossary another name, and adds entries to its dictionaries. An entry takes the place of that with the same
/// term.
pub(super) async fn change(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<GlossaryAsked>,
) -> Result<Json<Value>, ApiError> {
    let name = asked.name.map(|name| checked_name(Some(name))).transpose()?;
    let added = asked.dictionaries.iter().map(DictionaryAsked::read);
    let added: Vec<Dictionary> = added.collect::<Result<_, _>>()?;
    let glossary = service.glossaries.change(caller.name(), &id, |glossary| {
        if let Some(name) = name {
            glossary.name = name;
        }
        for dictionary in added {
            let merged = match glossary.dictionary(dictionary.source(), dictionary.target()) {
                Some(old) => merged(old, &dictionary)?,
                None => dictionary,
            };
            glossary.put(merged);
        }
        Ok(())
    })?;
    Ok(Json(of_several_pairs(&id, &glossary)))
}

/// Answers the entries of a dictionary.
pub(super) async fn entries(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<PairAsked>,
) -> Result<Json<Value>, ApiError> {
    let (source, target) = asked.pair()?;
    let glossary = service.glossaries.get(caller.name(), &id)?;
    let dictionary = glossary.dictionary(&source, &target);
    let dictionary = dictionary.ok_or_else(|| no_dictionary(&source, &target))?;
    let mut shown = counted(dictionary);
    shown["entries"] = lines(dictionary).into();
    shown["entries_format"] = "tsv".into();
    Ok(Json(json!({ "dictionaries": [shown] })))
}

/// Puts a dictionary in place of that between the same languages, if there is one.
pub(super) async fn replace_dictionary(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<DictionaryAsked>,
) -> Result<Json<Value>, ApiError> {
    let dictionary = asked.read()?;
    let shown = counted(&dictionary);
    service.glossaries.change(caller.name(), &id, |glossary| {
        glossary.put(dictionary);
        Ok(())
    })?;
    Ok(Json(shown))
}

pub(super) async fn delete_dictionary(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<PairAsked>,
) -> Result<StatusCode, ApiError> {
    let (source, target) = asked.pair()?;
    service.glossaries.change(caller.name(), &id, |glossary| {
        glossary
            .dictionary(&source, &target)
            .ok_or_else(|| no_dictionary(&source, &target))?;
        glossary
            .dictionaries
            .retain(|dictionary| !dictionary.is_between(&source, &target));
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

impl DictionaryAsked {
    /// Reads the entries.
    fn read(&self) -> Result<Dictionary, ApiError> {
        let source = base(&language("source_lang", self.source_lang.as_deref())?);
        let target = base(&language("target_lang", self.target_lang.as_deref())?);
        let entries = self.entries.as_deref().ok_or_else(|| missing("entries"))?;
        let entries = match self.entries_format.as_deref() {
            None | Some("tsv") => read_entries(entries, b'\t'),
            Some("csv") => read_entries(entries, b','),
            Some(other) => Err(format!("entries_format is {other:?}, but it can be tsv or csv")),
        };
        let dictionary = entries.and_then(|entries| Dictionary::new(source, target, entries));
        dictionary.map_err(ApiError::bad_request)
    }
}

impl PairAsked {
    fn pair(&self) -> Result<(Language, Language), ApiError> {
        let source = language("source_lang", self.source_lang.as_deref())?;
        let target = language("target_lang", self.target_lang.as_deref())?;
        Ok((base(&source), base(&target)))
    }
}

/// Reads entries, one a line: a term, a separator, and what the term is translated as. A line with commas may also have
/// both languages, as DeepL writes it. Only there, quotation marks may stand around a term.
fn read_entries(text: &str, separator: u8) -> Result<Vec<(String, String)>, String> {
    let is_csv = separator == b',';
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(separator)
        .quoting(is_csv)
        .from_reader(text.as_bytes());
    let mut entries = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("entries are not valid: {error}"))?;
        let fields: Vec<&str> = record.iter().collect();
        match fields[..] {
            [source, target] => entries.push((source.to_owned(), target.to_owned())),
            [source, target, _, _] if is_csv => entries.push((source.to_owned(), target.to_owned())),
            _ => {
                let line = record.position().map_or(0, |position| position.line());
                return Err(format!(
                    "line {line} of the entries is not a term and its translation, with a {} in between",
                    if is_csv { "comma" } else { "tab" }
                ));
            }
        }
    }
    Ok(entries)
}

/// Returns a dictionary with the entries of another one, which take the place of those with the same terms.
fn merged(old: &Dictionary, added: &Dictionary) -> Result<Dictionary, ApiError> {
    let is_replaced = |term: &String| added.entries().iter().any(|(other, _)| other == term);
    let kept = old.entries().iter().filter(|(term, _)| !is_replaced(term));
    let entries = kept.chain(added.entries()).cloned().collect();
    let merged = Dictionary::new(old.source().clone(), old.target().clone(), entries);
    merged.map_err(ApiError::bad_request)
}

/// Returns the entries, one a line, with a tab in between.
fn lines(dictionary: &Dictionary) -> String {
    let entries = dictionary.entries().iter();
    let lines: Vec<String> = entries
        .map(|(source, target)| format!("{source}\t{target}"))
        .collect();
    lines.join("\n")
}

fn checked_name(name: Option<String>) -> Result<String, ApiError> {
    name.filter(|name| !name.trim().is_empty())
        .ok_or_else(|| missing("name"))
}

fn no_dictionary(source: &Language, target: &Language) -> ApiError {
    let message = format!(
        "the glossary has no dictionary from {} to {}",
        shown(source),
        shown(target)
    );
    ApiError::new(StatusCode::NOT_FOUND, message)
}

/// Returns the dictionary of a glossary of one pair.
fn only_dictionary(glossary: &KeptGlossary) -> Result<&Dictionary, ApiError> {
    match &glossary.dictionaries[..] {
        [dictionary] => Ok(dictionary),
        dictionaries => Err(ApiError::bad_request(format!(
            "the glossary has {} dictionaries, which version 3 of the interface shows",
            dictionaries.len()
        ))),
    }
}

/// Returns a glossary of one pair as version 2 shows it.
fn of_one_pair(id: &str, glossary: &KeptGlossary) -> Result<Value, ApiError> {
    let mut shown = counted(only_dictionary(glossary)?);
    shown["glossary_id"] = id.into();
    shown["name"] = glossary.name.as_str().into();
    shown["ready"] = true.into();
    shown["creation_time"] = glossary.created.as_str().into();
    Ok(shown)
}

/// Returns a glossary as version 3 shows it.
fn of_several_pairs(id: &str, glossary: &KeptGlossary) -> Value {
    json!({
        "glossary_id": id,
        "name": glossary.name,
        "creation_time": glossary.created,
        "dictionaries": glossary.dictionaries.iter().map(counted).collect::<Vec<_>>(),
    })
}

/// Returns the languages of a dictionary, and the number of its entries.
fn counted(dictionary: &Dictionary) -> Value {
    json!({
        "source_lang": shown(dictionary.source()),
        "target_lang": shown(dictionary.target()),
        "entry_count": dictionary.entries().len(),
    })
}

/// Returns the code of a language without its variant, as DeepL names the languages of glossaries.
fn shown(language: &Language) -> String {
    code(&base(language))
}
