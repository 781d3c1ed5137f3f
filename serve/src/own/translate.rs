//! Translations with their scores, and what they come from.

use std::iter::zip;
use std::sync::Arc;

use attend_infer::{Alignment, Language, Translation};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::TranslationAsked;
use super::attention::{KindAnswer, kinds};
use crate::access::Caller;
use crate::detection::Detection;
use crate::error::ApiError;
use crate::languages::code;
use crate::service::{Service, SourceText, TextOptions};

/// The most translations of a request whose attention is computed.
const MOST_ATTENDED: usize = 16;

/// What `/v1/translate` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TranslateAnswer {
    /// One for each text, in order.
    texts: Vec<TextAnswer>,
}

/// The translations of a text.
#[derive(Debug, Serialize, ToSchema)]
struct TextAnswer {
    /// The code of the text's language.
    source: String,
    /// How sure that is, in percent, if the language was found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<u8>,
    /// The best first.
    translations: Vec<TranslationAnswer>,
}

/// A translation: the fields that `attend translate --json` prints.
#[derive(Debug, Serialize, ToSchema)]
struct TranslationAnswer {
    text: String,
    /// The log-probability divided as the length normalization has it. That of a text is the sum over its sentences.
    score: f32,
    /// The natural logarithm of the probability. That of a text is the sum over its sentences.
    log_probability: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    alignment: Option<AlignmentAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<Vec<KindAnswer>>,
}

/// Which words of a text each word of a translation comes from.
#[derive(Debug, Serialize, ToSchema)]
struct AlignmentAnswer {
    /// The tokens of the text.
    source: Vec<String>,
    /// The tokens of the translation.
    target: Vec<String>,
    /// How much each token of the translation attends to each of the text.
    attention: Vec<Vec<f32>>,
    /// Pairs of a word of the text and one of the translation, counted from 0.
    words: Vec<[usize; 2]>,
}

/// Translate texts.
#[utoipa::path(
    post,
    path = "/v1/translate",
    operation_id = "translate_texts",
    tag = "Attend",
    request_body = TranslationAsked,
    responses((status = 200, description = "The translations of each text.", body = TranslateAnswer), ApiError)
)]
pub(super) async fn translate(
    State(service): State<Arc<Service>>,
    caller: Caller,
    asked: Result<Json<TranslationAsked>, JsonRejection>,
) -> Result<Json<TranslateAnswer>, ApiError> {
    let Json(asked) = asked?;
    let texts = asked.texts()?;
    let characters = caller.check(texts.iter().map(String::as_str))?;
    let (target, detections) = asked.languages(&service, texts)?;
    let sources =
        zip(texts, &detections).map(|(text, Detection { language, .. })| SourceText { text, language });
    let sources: Vec<SourceText<'_>> = sources.collect();
    let options = TextOptions {
        change: &|options| asked.change(options),
        ..TextOptions::soon(asked.format, 0)
    };
    let translating = service.translations(&sources, &target, &options);
    let found = caller.spend_for(characters, translating).await?;
    let count = found.iter().map(Vec::len).sum::<usize>();
    if asked.attention && count > MOST_ATTENDED {
        let message =
            format!("attention is answered for {MOST_ATTENDED} translations, but there are {count}");
        return Err(ApiError::bad_request(message));
    }
    let mut answers = Vec::with_capacity(found.len());
    for ((source, detection), found) in zip(zip(sources, &detections), found) {
        let mut translations = Vec::with_capacity(found.len());
        for translation in found {
            let attention = if asked.attention {
                Some(attention(&service, source, &target, &translation).await?)
            } else {
                None
            };
            translations.push(TranslationAnswer {
                text: translation.text,
                score: translation.score,
                log_probability: translation.log_probability,
                alignment: translation.alignment.map(AlignmentAnswer::from),
                attention,
            });
        }
        answers.push(TextAnswer {
            source: code(&detection.language),
            confidence: asked.is_auto().then_some(detection.confidence),
            translations,
        });
    }
    Ok(Json(TranslateAnswer { texts: answers }))
}

/// Returns what the model attends to in a text of one line and its translation.
async fn attention(
    service: &Service,
    source: SourceText<'_>,
    target: &Language,
    translation: &Translation,
) -> Result<Vec<KindAnswer>, ApiError> {
    let (text, translation) = (source.text.trim(), translation.text.trim());
    let found = service
        .attention(source.language, target, text, Some(translation))
        .await?;
    Ok(kinds(found).map(KindAnswer::from).into())
}

impl From<Alignment> for AlignmentAnswer {
    fn from(alignment: Alignment) -> Self {
        let Alignment {
            source,
            target,
            attention,
            words,
        } = alignment;
        Self {
            source,
            target,
            attention,
            words,
        }
    }
}
