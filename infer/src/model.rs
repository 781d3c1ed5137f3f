//! The model that threads share to translate.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use attend_data::{Padding, Tokenizer, readable, single_line};
use attend_model::{Ensemble, Precision};
use burn::module::Module;
use burn::tensor::Device;

use crate::error::InferError;
use crate::language::{self, Languages};
use crate::lexical_shortlist::LexicalShortlist;
use crate::model_folder::ModelFolder;
use crate::options::TranslateOptions;
use crate::padding::padding;
use crate::search::{BannedWords, SearchOptions, SpecialTokens, SurfaceForms};

/// The most target languages that an error lists.
const LISTED_LANGUAGES: usize = 20;

/// A trained model on a device: the weights of one network, or of several that form an ensemble, and their
/// tokenizers.
///
/// A model never changes, so threads share it as an `Arc<Model>`. A [`Translator`](crate::Translator) translates with
/// it, under the [`TranslateOptions`] of each call.
#[derive(Debug)]
pub struct Model {
    pub(crate) networks: Ensemble,
    pub(crate) source_tokenizer: Tokenizer,
    pub(crate) target_tokenizer: Tokenizer,
    pub(crate) special: SpecialTokens,
    pub(crate) shortlist: Option<LexicalShortlist>,
    /// Whether source and target have one vocabulary.
    pub(crate) is_joint: bool,
    search: SearchOptions,
    languages: Languages,
    /// The smallest number of positions of the networks. No sequence of tokens is longer.
    max_length: usize,
    /// What the tokens spell, once it was asked for: few searches do.
    surfaces: OnceLock<Arc<SurfaceForms>>,
    /// Whether the networks read `</s>` after the tokens of a source.
    source_eos: bool,
    /// The phrases and the banned words of the last call. Banned words remember which tokens they forbid after a
    /// text, so that a later call need not search the vocabulary again.
    banned: Mutex<Option<(Vec<String>, Arc<BannedWords>)>>,
}

impl Model {
    /// Reads a model folder onto `device`, and keeps its weights in `precision`.
    ///
    /// Weights of 8 bits take a quarter of the memory of float32 and are faster on a processor, for a small loss of
    /// quality. Weights of 16 bits are for GPUs; a processor emulates them.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ModelFolder::load`] and [`Model::new`].
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn load(folder: impl AsRef<Path>, device: &Device, precision: Precision) -> Result<Self, InferError> {
        Self::new(ModelFolder::load(folder, device)?, precision)
    }

    /// Makes a model of the content of a model folder, and converts its weights to `precision`. They stay on their
    /// device.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Precision`] if the device does not compute in `precision`. Every device computes in
    /// float32.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn new(folder: ModelFolder, precision: Precision) -> Result<Self, InferError> {
        let ModelFolder {
            config,
            model,
            source_tokenizer,
            target_tokenizer,
            shortlist,
            generation,
            languages,
        } = folder;
        let tokenizer = &target_tokenizer;
        if !model.devices()[0].supports_dtype(precision.dtype()) {
            return Err(InferError::Precision { precision });
        }
        let tokens = || 0..tokenizer.vocab_size() as u32;
        // A translation is one line, so a character that ends a line is never a part of it.
        let ends_line = |token: &str| single_line(token) != token;
        let line_ends = tokens().filter(|&token| ends_line(&tokenizer.token(token)));
        Ok(Self {
            special: SpecialTokens {
                bos: tokenizer.bos_id(),
                eos: tokenizer.eos_id(),
                unk: tokenizer.unk_id(),
                // A decoder that starts with `</s>`, as fairseq's do, ends with it, too.
                forbidden: [tokenizer.pad_id(), tokenizer.bos_id()]
                    .into_iter()
                    .filter(|token| *token != tokenizer.eos_id())
                    .chain(line_ends)
                    .collect(),
            },
            surfaces: OnceLock::new(),
            networks: Ensemble::new(model, precision),
            max_length: config.max_length,
            shortlist,
            is_joint: config.target_vocab_size.is_none(),
            source_eos: config.source_eos,
            search: generation,
            languages,
            banned: Mutex::default(),
            source_tokenizer,
            target_tokenizer,
        })
    }

    /// Joins the network of another model folder to the ensemble. The probability of a token is then the mean of the
    /// probabilities that the networks give it. The other network must be on the same device. The search defaults, the
    /// languages and the shortlist of the other folder are left out.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::EnsembleTokenizers`] if the other folder has another tokenizer or other ends of sources,
    /// and [`InferError::Search`] if the other network has too few positions for the `min_length` of this model's
    /// search defaults.
    pub fn join(mut self, other: ModelFolder) -> Result<Self, InferError> {
        let own = (&self.source_tokenizer, &self.target_tokenizer, self.source_eos);
        let others = (
            &other.source_tokenizer,
            &other.target_tokenizer,
            other.config.source_eos,
        );
        if others != own {
            let model = format!("model {}", self.networks.len() + 1);
            return Err(InferError::EnsembleTokenizers { model });
        }
        self.max_length = self.max_length.min(other.config.max_length);
        self.search.validate_for(self.max_target_tokens())?;
        self.networks = self.networks.with(other.model);
        Ok(self)
    }

    /// Reads a further model folder onto this model's device and [joins](Self::join) it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ModelFolder::load`] and [`Model::join`]. [`InferError::EnsembleTokenizers`] names the
    /// folder.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn join_folder(self, folder: impl AsRef<Path>) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        let other = ModelFolder::load(folder, &self.device())?;
        self.join(other).map_err(|error| match error {
            InferError::EnsembleTokenizers { .. } => InferError::EnsembleTokenizers {
                model: folder.display().to_string(),
            },
            error => error,
        })
    }

    /// Returns options with the model's search defaults. All other options have their defaults, so each line is one
    /// sentence.
    #[must_use]
    pub fn options(&self) -> TranslateOptions {
        TranslateOptions {
            search: self.search,
            ..TranslateOptions::default()
        }
    }

    /// Checks the options, and that the model has enough positions for them. A [`Translator`](crate::Translator) does
    /// so for each line.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TranslateOptions::validate`]; [`InferError::Search`] if the model has too few positions
    /// for `min_length`; and [`InferError::OneTargetLanguage`] or [`InferError::UnknownTargetLanguage`] if it does not
    /// have the target language.
    pub fn check(&self, options: &TranslateOptions) -> Result<(), InferError> {
        options.validate()?;
        if let Some(language) = &options.target_language {
            self.check_target_language(language)?;
        }
        Ok(options.search.validate_for(self.max_target_tokens())?)
    }

    fn check_target_language(&self, language: &str) -> Result<(), InferError> {
        let token = language::token(language);
        let found = self.source_tokenizer.language_token(&token);
        if found.is_some_and(|(bytes, _)| bytes.end == token.len()) {
            return Ok(());
        }
        let mut languages = self.source_tokenizer.languages();
        let count = languages.len();
        if count == 0 {
            return Err(InferError::OneTargetLanguage {
                language: language.to_owned(),
            });
        }
        languages.sort_by_cached_key(|other| (strsim::damerau_levenshtein(language, other), *other));
        languages.truncate(LISTED_LANGUAGES);
        Err(InferError::UnknownTargetLanguage {
            language: language.to_owned(),
            nearest: languages.into_iter().map(str::to_owned).collect(),
            count,
        })
    }

    /// Returns the phrases that no translation has, banned or not, because no tokens of the vocabulary spell them.
    /// Subwords spell every phrase.
    #[must_use]
    pub fn never_written<'a>(&self, phrases: &'a [String]) -> Vec<&'a str> {
        let can_occur = |phrase: &&String| self.new_banned_words(std::slice::from_ref(*phrase)).can_occur();
        let never = phrases.iter().filter(|phrase| !can_occur(phrase));
        never.map(String::as_str).collect()
    }

    /// Returns the surface form of each token.
    pub(crate) fn surfaces(&self) -> &Arc<SurfaceForms> {
        self.surfaces.get_or_init(|| {
            let tokenizer = &self.target_tokenizer;
            let tokens = 0..tokenizer.vocab_size() as u32;
            Arc::new(SurfaceForms::new(
                tokens.map(|token| tokenizer.surface(token)).collect(),
            ))
        })
    }

    /// Bans phrases as they are, and as the tokenizer's normalizer has written them in the text that the model was
    /// trained on.
    fn new_banned_words(&self, phrases: &[String]) -> BannedWords {
        let normalized = phrases
            .iter()
            .map(|phrase| self.target_tokenizer.normalize(phrase));
        let given = phrases.iter().map(|phrase| phrase.as_str().into());
        BannedWords::new(
            &given.chain(normalized).collect::<Vec<_>>(),
            Arc::clone(self.surfaces()),
        )
    }

    /// Returns the tokenizer of sources, which all networks share.
    #[must_use]
    pub fn source_tokenizer(&self) -> &Tokenizer {
        &self.source_tokenizer
    }

    /// Returns the tokenizer of translations, which all networks share. It is the tokenizer of sources, too, unless the
    /// model comes from another toolkit.
    #[must_use]
    pub fn target_tokenizer(&self) -> &Tokenizer {
        &self.target_tokenizer
    }

    /// Returns the languages that the model translates between, as far as its folder names them.
    #[must_use]
    pub fn languages(&self) -> &Languages {
        &self.languages
    }

    /// Returns the device that holds the weights.
    #[must_use]
    pub fn device(&self) -> Device {
        self.networks.device()
    }

    /// Returns the maximum number of tokens in a source sentence, `</s>` not counted.
    #[must_use]
    pub fn max_source_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Returns the maximum number of tokens in a translation, `</s>` not counted. One position of the decoder is
    /// taken by `<s>`, which it reads first.
    #[must_use]
    pub fn max_target_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Returns whether the model has enough positions for the tokens of a sentence and its `</s>`.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.encode(sentence).is_ok()
    }

    /// Returns the tokens of a source without `</s>`, as [`Model::encode_by`] does.
    pub(crate) fn encode(&self, sentence: &str) -> Result<Vec<u32>, usize> {
        self.encode_by(&self.source_tokenizer, sentence)
    }

    /// Returns the tokens of a sentence without `</s>`, as far as it is [readable]. The tokenizer is that of sources or
    /// that of translations.
    ///
    /// # Errors
    ///
    /// Returns the number of tokens if the model has too few positions for them. It may be a smaller number, still too
    /// large for the model, if counting all tokens would take long.
    pub(crate) fn encode_by(&self, tokenizer: &Tokenizer, sentence: &str) -> Result<Vec<u32>, usize> {
        let limit = self.max_source_tokens();
        let sentence = &readable(sentence);
        let at_least = tokenizer.min_tokens(sentence);
        if at_least > limit {
            return Err(at_least);
        }
        let tokens = tokenizer.encode(sentence);
        if tokens.len() > limit {
            return Err(tokens.len());
        }
        Ok(tokens)
    }

    /// Returns what the encoder reads of a source with these tokens: they and `</s>`, or they alone if the model does
    /// without `</s>`.
    pub(crate) fn encoder_input(&self, tokens: Vec<u32>) -> Vec<u32> {
        self.source_tokenizer.encoder_input(tokens, self.source_eos)
    }

    /// Returns what the decoder writes of a translation with these tokens: they and `</s>`.
    pub(crate) fn decoder_output(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        tokens.push(self.target_tokenizer.eos_id());
        tokens
    }

    /// Returns whether the encoder reads `</s>` after the tokens of a source.
    pub(crate) fn source_eos(&self) -> bool {
        self.source_eos
    }

    /// Returns the error for a sentence that [`encode`](Self::encode) refuses. The sentence is the line with the index
    /// `number`, from 0, of `text`, and has `tokens` tokens or more.
    pub(crate) fn too_long(&self, number: usize, tokens: usize, text: &'static str) -> InferError {
        InferError::TooLong {
            text,
            line: number + 1,
            tokens,
            limit: self.max_source_tokens(),
        }
    }

    /// Returns the padding of rows of tokens on the model's device.
    pub(crate) fn padding(&self) -> Padding {
        padding(&self.device(), self.target_tokenizer.pad_id(), self.max_length)
    }

    /// Returns `phrases` as banned words, or `None` if there are none.
    pub(crate) fn banned_words(&self, phrases: &[String]) -> Option<Arc<BannedWords>> {
        if phrases.is_empty() {
            return None;
        }
        let mut last = self.banned.lock().expect("no thread panics with this lock");
        if let Some((last_phrases, words)) = &*last
            && last_phrases == phrases
        {
            return Some(Arc::clone(words));
        }
        let words = Arc::new(self.new_banned_words(phrases));
        *last = Some((phrases.to_vec(), Arc::clone(&words)));
        Some(words)
    }
}
