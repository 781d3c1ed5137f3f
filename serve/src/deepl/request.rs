//! What clients ask of texts and of documents alike.

use std::sync::Arc;

use attend_infer::{Glossary, Language};
use serde::Deserialize;
use serde_json::Value;

use super::languages::{base, base_code};
use super::values::List;
use crate::access::Caller;
use crate::error::ApiError;
use crate::parameters::language;
use crate::service::Service;

/// The most glossaries of a request.
const MOST_GLOSSARIES: usize = 5;

/// What texts and documents are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct CommonAsked {
    source_lang: Option<String>,
    target_lang: Option<String>,
    formality: Option<String>,
    glossary_id: Option<String>,
    glossary_ids: Option<List>,
    style_id: Option<Value>,
    translation_memory_id: Option<Value>,
    custom_instructions: Option<Value>,
}

/// How texts and documents are translated.
#[derive(Debug)]
pub(super) struct Common {
    /// The language of the text, if the client knows it.
    pub(super) source: Option<Language>,
    pub(super) target: Language,
    pub(super) glossary: Arc<Glossary>,
}

impl CommonAsked {
    /// Returns what is asked for, with the glossaries of `caller`.
    ///
    /// # Errors
    ///
    /// If a value is not valid, if the server does not have what is asked for, or if a glossary is not for the
    /// languages.
    pub(super) fn checked(&self, service: &Service, caller: &Caller) -> Result<Common, ApiError> {
        let target = language("target_lang", self.target_lang.as_deref())?;
        // Clients may send an empty one for a language that they do not know.
        let source = self.source_lang.as_deref().filter(|code| !code.is_empty());
        let source = source
            .map(|code| language("source_lang", Some(code)))
            .transpose()?;
        self.check_formality(&target)?;
        for (parameter, value) in [
            ("style_id", &self.style_id),
            ("translation_memory_id", &self.translation_memory_id),
            ("custom_instructions", &self.custom_instructions),
        ] {
            if value.is_some() {
                return Err(ApiError::bad_request(format!(
                    "the server does not have {parameter}; leave it out"
                )));
            }
        }
        let glossary = self.glossary(service, caller, source.as_ref(), &target)?;
        Ok(Common {
            source,
            target,
            glossary,
        })
    }

    /// Checks the formality. No model here has several, which the values that begin with `prefer` allow for.
    fn check_formality(&self, target: &Language) -> Result<(), ApiError> {
        match self.formality.as_deref() {
            None | Some("default" | "prefer_more" | "prefer_less") => Ok(()),
            Some(formality @ ("more" | "less")) => Err(ApiError::bad_request(format!(
                "formality is {formality}, which translations into {} do not have; prefer_{formality} takes what \
                 there is",
                base_code(target)
            ))),
            Some(other) => Err(ApiError::bad_request(format!(
                "formality is {other:?}, but it can be default, more, less, prefer_more or prefer_less"
            ))),
        }
    }

    /// Returns the terms of the glossaries that are asked for. Where several have a term, the first one holds.
    fn glossary(
        &self,
        service: &Service,
        caller: &Caller,
        source: Option<&Language>,
        target: &Language,
    ) -> Result<Arc<Glossary>, ApiError> {
        let ids = List::names(self.glossary_ids.as_ref());
        let ids: Vec<&String> = self.glossary_id.iter().chain(&ids).collect();
        if ids.is_empty() {
            return Ok(Arc::default());
        }
        if ids.len() > MOST_GLOSSARIES {
            let message = format!(
                "glossary_ids has {}, but it can have {MOST_GLOSSARIES}",
                ids.len()
            );
            return Err(ApiError::bad_request(message));
        }
        let Some(source) = source else {
            return Err(ApiError::bad_request(
                "source_lang is missing, which a glossary needs",
            ));
        };
        let glossaries = ids.iter().map(|id| service.glossaries.get(caller.name(), id));
        let glossaries = glossaries.collect::<Result<Vec<_>, _>>()?;
        let dictionaries = glossaries.iter().zip(ids).map(|(glossary, id)| {
            let dictionary = glossary.dictionary(&base(source), &base(target));
            dictionary.ok_or_else(|| {
                let [source, target] = [source, target].map(base_code);
                let message = format!("the glossary {id} has no dictionary from {source} to {target}");
                ApiError::bad_request(message)
            })
        });
        let dictionaries = dictionaries.collect::<Result<Vec<_>, _>>()?;
        if let [dictionary] = dictionaries[..] {
            return Ok(Arc::clone(dictionary.terms()));
        }
        let mut all = Glossary::default();
        for (source, target) in dictionaries.iter().flat_map(|dictionary| dictionary.entries()) {
            // A later glossary may have a term of an earlier one.
            let _ = all.add(source, target);
        }
        Ok(Arc::new(all))
    }
}
