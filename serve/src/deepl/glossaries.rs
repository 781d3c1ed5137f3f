//! Glossaries. Those of version 2 have one pair of languages, and those of version 3 a dictionary for each of several.

use std::collections::{BTreeSet, HashSet};
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
use utoipa::ToSchema;

use super::Refusal;
use super::languages::base;
use crate::access::Caller;
use crate::error::ApiError;
use crate::glossaries::{Dictionary, KeptGlossary};
use crate::languages::code;
use crate::parameters::{Parameters, language, missing};
use crate::service::Service;

/// The most bytes of a glossary's name, as DeepL has it.
const MOST_NAME_BYTES: usize = 1_024;

/// What a glossary of one pair is made of.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct OnePairAsked {
    name: Option<String>,
    #[serde(flatten)]
    dictionary: DictionaryAsked,
}

/// What a glossary is made of, or is changed to.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct GlossaryAsked {
    name: Option<String>,
    #[serde(default)]
    dictionaries: Vec<DictionaryAsked>,
}

/// A dictionary as clients send it.
#[derive(Debug, Deserialize, ToSchema)]
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
#[utoipa::path(
    get,
    path = "/v2/glossary-language-pairs",
    operation_id = "deepl_glossary_pairs",
    tag = "DeepL",
    responses((status = 200, description = "The pairs."), Refusal)
)]
pub(super) async fn pairs(State(service): State<Arc<Service>>, _: Caller) -> Json<Value> {
    let folders = service.models.folders().iter();
    let pairs = folders.map(|folder| [&folder.source, &folder.target].map(shown));
    let pairs: BTreeSet<[String; 2]> = pairs.collect();
    let pair = |[source, target]: [String; 2]| json!({"source_lang": source, "target_lang": target});
    let pairs: Vec<Value> = pairs.into_iter().map(pair).collect();
    Json(json!({ "supported_languages": pairs }))
}

/// Makes a glossary of one pair of languages.
#[utoipa::path(
    post,
    path = "/v2/glossaries",
    operation_id = "deepl_create_glossary_of_one_pair",
    tag = "DeepL",
    request_body(content((OnePairAsked = "application/json"), (OnePairAsked = "application/x-www-form-urlencoded"))),
    responses((status = 201, description = "The new glossary."), Refusal)
)]
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

/// Lists the glossaries of one pair of languages.
#[utoipa::path(
    get,
    path = "/v2/glossaries",
    operation_id = "deepl_list_glossaries_of_one_pair",
    tag = "DeepL",
    responses((status = 200, description = "The glossaries."), Refusal)
)]
pub(super) async fn list_of_one_pair(State(service): State<Arc<Service>>, caller: Caller) -> Json<Value> {
    let glossaries = service.glossaries.list(caller.name()).into_iter();
    let shown = glossaries.filter_map(|(id, glossary)| of_one_pair(&id, &glossary).ok());
    Json(json!({ "glossaries": shown.collect::<Vec<_>>() }))
}

/// Answers a glossary of one pair of languages, without its entries.
#[utoipa::path(
    get,
    path = "/v2/glossaries/{id}",
    operation_id = "deepl_glossary_of_one_pair",
    tag = "DeepL",
    params(("id" = String, Path)),
    responses((status = 200, description = "The glossary."), Refusal)
)]
pub(super) async fn show_of_one_pair(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let glossary = service.glossaries.get(caller.name(), &id)?;
    Ok(Json(of_one_pair(&id, &glossary)?))
}

/// Answers the entries of a glossary, one a line, with a tab between a term and its translation.
#[utoipa::path(
    get,
    path = "/v2/glossaries/{id}/entries",
    operation_id = "deepl_entries_of_one_pair",
    tag = "DeepL",
    params(("id" = String, Path)),
    responses((status = 200, description = "The entries."), Refusal)
)]
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

/// Removes a glossary.
#[utoipa::path(
    delete,
    path = "/v3/glossaries/{id}",
    operation_id = "deepl_delete_glossary",
    tag = "DeepL",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is removed."), Refusal)
)]
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    service.glossaries.delete(caller.name(), &id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a glossary.
#[utoipa::path(
    delete,
    path = "/v2/glossaries/{id}",
    operation_id = "deepl_delete_glossary_of_one_pair",
    tag = "DeepL",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is removed."), Refusal)
)]
pub(super) async fn delete_of_one_pair(
    service: State<Arc<Service>>,
    caller: Caller,
    id: Path<String>,
) -> Result<StatusCode, ApiError> {
    delete(service, caller, id).await
}

/// Makes a glossary.
#[utoipa::path(
    post,
    path = "/v3/glossaries",
    operation_id = "deepl_create_glossary",
    tag = "DeepL",
    request_body(content((GlossaryAsked = "application/json"), (GlossaryAsked = "application/x-www-form-urlencoded"))),
    responses((status = 201, description = "The new glossary."), Refusal)
)]
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

/// Lists the glossaries.
#[utoipa::path(
    get,
    path = "/v3/glossaries",
    operation_id = "deepl_list_glossaries",
    tag = "DeepL",
    responses((status = 200, description = "The glossaries."), Refusal)
)]
pub(super) async fn list(State(service): State<Arc<Service>>, caller: Caller) -> Json<Value> {
    let glossaries = service.glossaries.list(caller.name()).into_iter();
    let shown = glossaries.map(|(id, glossary)| of_several_pairs(&id, &glossary));
    Json(json!({ "glossaries": shown.collect::<Vec<_>>() }))
}

/// Answers a glossary, without its entries.
#[utoipa::path(
    get,
    path = "/v3/glossaries/{id}",
    operation_id = "deepl_glossary",
    tag = "DeepL",
    params(("id" = String, Path)),
    responses((status = 200, description = "The glossary."), Refusal)
)]
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
#[utoipa::path(
    patch,
    path = "/v3/glossaries/{id}",
    operation_id = "deepl_change_glossary",
    tag = "DeepL",
    params(("id" = String, Path)),
    request_body(content((GlossaryAsked = "application/json"), (GlossaryAsked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The glossary."), Refusal)
)]
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
#[utoipa::path(
    get,
    path = "/v3/glossaries/{id}/entries",
    operation_id = "deepl_entries",
    tag = "DeepL",
    params(("id" = String, Path), ("source_lang" = String, Query), ("target_lang" = String, Query)),
    responses((status = 200, description = "The dictionary with its entries."), Refusal)
)]
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
#[utoipa::path(
    put,
    path = "/v3/glossaries/{id}/dictionaries",
    operation_id = "deepl_replace_dictionary",
    tag = "DeepL",
    params(("id" = String, Path)),
    request_body(content((DictionaryAsked = "application/json"), (DictionaryAsked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The dictionary."), Refusal)
)]
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

/// Removes a dictionary.
#[utoipa::path(
    delete,
    path = "/v3/glossaries/{id}/dictionaries",
    operation_id = "deepl_delete_dictionary",
    tag = "DeepL",
    params(("id" = String, Path), ("source_lang" = String, Query), ("target_lang" = String, Query)),
    responses((status = 204, description = "It is removed."), Refusal)
)]
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
    let replaced: HashSet<&String> = added.entries().iter().map(|(term, _)| term).collect();
    let kept = old.entries().iter().filter(|(term, _)| !replaced.contains(term));
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
    let name = name
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| missing("name"))?;
    if name.len() > MOST_NAME_BYTES {
        let length = name.len();
        let message = format!("the name has {length} bytes, but it can have {MOST_NAME_BYTES}");
        return Err(ApiError::bad_request(message));
    }
    Ok(name)
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
