//! The languages, by the codes of DeepL: those of BCP 47 in capital letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use attend_infer::Language;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::error::ApiError;
use crate::languages::{code, name};
use crate::parameters::Parameters;
use crate::service::Service;

/// The variants that DeepL's clients want as targets in place of a language: they refuse `EN` and `PT` by themselves.
const VARIANTS: [(&str, &str, &str); 4] = [
    ("EN", "EN-GB", "English (British)"),
    ("EN", "EN-US", "English (American)"),
    ("PT", "PT-BR", "Portuguese (Brazilian)"),
    ("PT", "PT-PT", "Portuguese (European)"),
];

/// What `/v2/languages` is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    r#type: Option<String>,
}

/// Answers the languages of texts, or of translations.
pub(super) async fn languages(
    State(service): State<Arc<Service>>,
    _: Caller,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Value>, ApiError> {
    match asked.r#type.as_deref() {
        None | Some("source") => Ok(Json(sources(&service))),
        Some("target") => Ok(Json(targets(&service))),
        Some(other) => Err(ApiError::bad_request(format!(
            "type is {other:?}, but it can be source or target"
        ))),
    }
}

fn sources(service: &Service) -> Value {
    let read = service.languages().iter();
    let read = read.filter(|served| !served.targets.is_empty());
    let names: BTreeMap<String, String> = read
        .map(|served| (base_code(&served.language), name(&base(&served.language))))
        .collect();
    let language = |(code, name): (String, String)| json!({"language": code, "name": name});
    names.into_iter().map(language).collect()
}

fn targets(service: &Service) -> Value {
    let mut names = BTreeMap::new();
    for target in service.languages().iter().flat_map(|served| &served.targets) {
        let code = code(target).to_uppercase();
        let is_meant = |(language, variant, _): &&(&str, &str, &str)| *language == code || *variant == code;
        let variants: Vec<_> = VARIANTS.iter().filter(is_meant).collect();
        if variants.is_empty() {
            names.insert(code, name(target));
        } else {
            let variants = variants.into_iter();
            names.extend(variants.map(|(_, code, name)| ((*code).to_owned(), (*name).to_owned())));
        }
    }
    let language =
        |(code, name): (String, String)| json!({"language": code, "name": name, "supports_formality": false});
    names.into_iter().map(language).collect()
}

/// Returns the language that a language is a variant of, or the language itself.
pub(super) fn base(language: &Language) -> Language {
    let code = language.to_string();
    let base = code.split('-').next().unwrap_or_default();
    base.parse().expect("the first subtag of a language is one")
}

/// Returns the code of a language without its variant, as DeepL names the languages of texts.
pub(super) fn base_code(language: &Language) -> String {
    code(&base(language)).to_uppercase()
}
