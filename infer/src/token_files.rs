//! The files of a model folder by which text becomes tokens: its tokenizers, and its shortlist.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use attend_data::{
    DataError, FirstToken, PairTokenizer, Tokenizer, TokenizerFiles, TokenizerKind, write_file,
};
use attend_model::TransformerConfig;
use serde::de::IgnoredAny;

use crate::error::InferError;
use crate::lexical_shortlist::LexicalShortlist;
use crate::model_folder::{CONFIG, read_json, remove};

pub(crate) const TOKENIZER: &str = "tokenizer.json";
const SOURCE_MODEL: &str = "source.spm";
const TARGET_MODEL: &str = "target.spm";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";
const SHORTLIST: &str = "shortlist.bin";

/// The name and the content of a file.
type NamedFile<'a> = (&'static str, Cow<'a, [u8]>);

/// The tokenizers of a translator and its shortlist, which its model folder has in files of their own.
#[derive(Clone, Debug)]
pub struct TokenFiles {
    /// The tokenizers of sources and of translations: `tokenizer.json`; or `source.spm`, `target.spm` and `vocab.json`,
    /// and perhaps `target_vocab.json`.
    pub tokenizer: PairTokenizer,
    /// The tokens that may translate each token: `shortlist.bin`. Models of other toolkits may have it.
    pub shortlist: Option<LexicalShortlist>,
}

/// One tokenizer for both sides, without a shortlist.
impl From<Tokenizer> for TokenFiles {
    fn from(tokenizer: Tokenizer) -> Self {
        Self {
            tokenizer: tokenizer.into(),
            shortlist: None,
        }
    }
}

impl TokenFiles {
    /// Reads the files in a folder. `config` says whether the target has a vocabulary of its own, which token the decoder
    /// reads first, and whether sources end with `</s>`. The sizes of the vocabularies and the id of padding are not
    /// compared with it.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Data`] if a file cannot be read or a tokenizer is not valid,
    /// [`InferError::VocabularyMismatch`] if a vocabulary is too small for the first token of the decoder, and
    /// [`InferError::InvalidShortlist`] if `shortlist.bin` is damaged or does not fit the vocabulary.
    pub fn load(folder: impl AsRef<Path>, config: &TransformerConfig) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        Ok(Self {
            tokenizer: load_tokenizers(folder, config)?,
            shortlist: load_shortlist(folder, config)?,
        })
    }

    /// Reads the files in a folder, and checks that the tokenizers fit the shape of the network.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`load`](Self::load); and [`InferError::VocabularyMismatch`] or
    /// [`InferError::InvalidSettings`] if a tokenizer does not fit `config`.
    pub(crate) fn load_for(folder: &Path, config: &TransformerConfig) -> Result<Self, InferError> {
        let tokenizer = load_tokenizers(folder, config)?;
        check(&tokenizer, folder, config)?;
        Ok(Self {
            tokenizer,
            shortlist: load_shortlist(folder, config)?,
        })
    }

    /// Writes the files into a folder, which must exist, and removes those that the folder of an older model had
    /// instead. `config` says whether the target has a vocabulary of its own.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::TwoTokenizers`], before anything is written, if source and target have tokenizers that no
    /// files hold together, and [`InferError::Data`] if a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>, config: &TransformerConfig) -> Result<(), InferError> {
        let folder = folder.as_ref();
        let mut files = self.tokenizer_files(folder, config.target_vocab_size.is_some())?;
        if let Some(shortlist) = &self.shortlist {
            files.push((SHORTLIST, shortlist.file().into()));
        }
        for (name, content) in &files {
            write_file(folder.join(name), content)?;
        }
        let all = [
            TOKENIZER,
            SOURCE_MODEL,
            TARGET_MODEL,
            VOCABULARY,
            TARGET_VOCABULARY,
            SHORTLIST,
        ];
        let is_written = |name: &str| files.iter().any(|(other, _)| *other == name);
        for name in all.into_iter().filter(|name| !is_written(name)) {
            remove(&folder.join(name))?;
        }
        Ok(())
    }

    /// Returns the names and the content of the files of the tokenizers. `folder` is their place in an error.
    fn tokenizer_files(&self, folder: &Path, has_two: bool) -> Result<Vec<NamedFile<'_>>, InferError> {
        match (self.tokenizer.source.files(), self.tokenizer.target.files()) {
            (TokenizerFiles::Json(json), TokenizerFiles::Json(other)) if json == other && !has_two => {
                Ok(vec![(TOKENIZER, json.into_bytes().into())])
            }
            (
                TokenizerFiles::SentencePiece { model, vocabulary },
                TokenizerFiles::SentencePiece {
                    model: target_model,
                    vocabulary: target_vocabulary,
                },
            ) if has_two || vocabulary == target_vocabulary => {
                let mut files = vec![
                    (SOURCE_MODEL, model.into()),
                    (TARGET_MODEL, target_model.into()),
                    (VOCABULARY, vocabulary.as_bytes().into()),
                ];
                if has_two {
                    files.push((TARGET_VOCABULARY, target_vocabulary.as_bytes().into()));
                }
                Ok(files)
            }
            _ => Err(InferError::TwoTokenizers {
                path: folder.to_owned(),
            }),
        }
    }
}

/// Reads the tokenizers of source and target.
fn load_tokenizers(folder: &Path, config: &TransformerConfig) -> Result<PairTokenizer, InferError> {
    let has = |name: &str| folder.join(name).exists();
    let of_sentencepiece = [SOURCE_MODEL, TARGET_MODEL, VOCABULARY];
    if has(TOKENIZER) || !of_sentencepiece.into_iter().any(has) {
        return Ok(Tokenizer::load(folder.join(TOKENIZER))?.into());
    }
    let start = match config.decoder_start_id {
        Some(id) => FirstToken::Id(id as u32),
        None => FirstToken::Bos,
    };
    let load = |model, first| {
        let (name, field, size) = vocabulary_of(model, config);
        let vocabulary = folder.join(name);
        let loaded = Tokenizer::load_sentencepiece(folder.join(model), &vocabulary, first);
        // A vocabulary that is too small for the first token of the decoder is above all of another size.
        if loaded.is_err()
            && let FirstToken::Id(id) = first
            && let Ok(tokens) = read_json::<HashMap<String, IgnoredAny>>(&vocabulary)
            && id as usize >= tokens.len()
        {
            check_vocabulary(tokens.len(), &vocabulary, (field, size))?;
        }
        loaded.map_err(InferError::from)
    };
    let is_joint = config.target_vocab_size.is_none();
    let source = load(SOURCE_MODEL, if is_joint { start } else { FirstToken::Pad })?;
    // Firefox's models have one SentencePiece model for both sides.
    let target = if is_joint && has_content(&folder.join(TARGET_MODEL), &source) {
        source.clone()
    } else {
        load(TARGET_MODEL, start)?
    };
    Ok(PairTokenizer {
        source,
        target: target.without_languages(),
        source_eos: config.source_eos,
    })
}

/// Returns the vocabulary of a SentencePiece model: the name of its file, and the field of the shape that has its size,
/// with the size.
fn vocabulary_of(model: &str, config: &TransformerConfig) -> (&'static str, &'static str, usize) {
    match config.target_vocab_size {
        Some(size) if model == TARGET_MODEL => (TARGET_VOCABULARY, "target_vocab_size", size),
        _ => (VOCABULARY, "vocab_size", config.vocab_size),
    }
}

/// Checks that the tokenizers in a folder fit the shape of the network.
fn check(tokenizer: &PairTokenizer, folder: &Path, config: &TransformerConfig) -> Result<(), InferError> {
    if tokenizer.source.kind() != TokenizerKind::SentencePiece {
        return check_own(&tokenizer.source, folder, config);
    }
    for (model, tokenizer) in [
        (SOURCE_MODEL, &tokenizer.source),
        (TARGET_MODEL, &tokenizer.target),
    ] {
        let (name, field, size) = vocabulary_of(model, config);
        check_vocabulary(tokenizer.vocab_size(), &folder.join(name), (field, size))?;
        check_padding(tokenizer, folder, config)?;
    }
    Ok(())
}

/// Checks that a tokenizer that Attend has learnt fits the shape of the network beside it.
fn check_own(tokenizer: &Tokenizer, folder: &Path, config: &TransformerConfig) -> Result<(), InferError> {
    check_tokenizer(tokenizer, folder, config)?;
    if let Some(size) = config.target_vocab_size {
        return Err(unlike_tokenizer(
            folder,
            format!("target_vocab_size = {size}"),
            "has one vocabulary",
        ));
    }
    let start = config.decoder_start_id.map(|id| id as u32);
    if let Some(start) = start.filter(|start| *start != tokenizer.bos_id()) {
        let found = format!("starts with {}", tokenizer.bos_id());
        return Err(unlike_tokenizer(
            folder,
            format!("decoder_start_id = {start}"),
            &found,
        ));
    }
    if !config.source_eos {
        return Err(unlike_tokenizer(
            folder,
            "source_eos = false".to_owned(),
            "is one of Attend's, whose sources end with </s>",
        ));
    }
    Ok(())
}

/// Reads the shortlist of a model folder, if there is one.
fn load_shortlist(folder: &Path, config: &TransformerConfig) -> Result<Option<LexicalShortlist>, InferError> {
    let path = folder.join(SHORTLIST);
    match fs::read(&path) {
        Ok(file) => LexicalShortlist::parse(file, &path, config.target_vocabulary()).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::read(&path, error).into()),
    }
}

/// Returns whether a file has the SentencePiece model of a tokenizer.
fn has_content(path: &Path, tokenizer: &Tokenizer) -> bool {
    match tokenizer.files() {
        TokenizerFiles::SentencePiece { model, .. } => fs::read(path).is_ok_and(|file| file == model),
        TokenizerFiles::Json(_) => false,
    }
}

/// Reads the `tokenizer.json` of a model folder, and checks that it fits the shape of the network.
pub(crate) fn load_tokenizer(folder: &Path, config: &TransformerConfig) -> Result<Tokenizer, InferError> {
    let tokenizer = Tokenizer::load(folder.join(TOKENIZER))?;
    check_tokenizer(&tokenizer, folder, config)?;
    Ok(tokenizer)
}

/// Checks that the tokens of a `tokenizer.json` are those of the shape.
fn check_tokenizer(
    tokenizer: &Tokenizer,
    folder: &Path,
    config: &TransformerConfig,
) -> Result<(), InferError> {
    let path = folder.join(TOKENIZER);
    check_vocabulary(tokenizer.vocab_size(), &path, ("vocab_size", config.vocab_size))?;
    check_padding(tokenizer, folder, config)
}

/// Checks that a field of the shape gives the number of tokens of the tokenizer, whose file is `path`.
fn check_vocabulary(
    tokens: usize,
    path: &Path,
    (field, vocab_size): (&'static str, usize),
) -> Result<(), InferError> {
    if tokens != vocab_size {
        return Err(InferError::VocabularyMismatch {
            path: path.to_owned(),
            tokens,
            field,
            vocab_size,
        });
    }
    Ok(())
}

fn check_padding(tokenizer: &Tokenizer, folder: &Path, config: &TransformerConfig) -> Result<(), InferError> {
    if tokenizer.pad_id() != config.pad_id as u32 {
        let found = format!("pads with {}", tokenizer.pad_id());
        return Err(unlike_tokenizer(
            folder,
            format!("pad_id = {}", config.pad_id),
            &found,
        ));
    }
    Ok(())
}

/// Returns the error for a setting in `config.json` that its tokenizer does not have.
fn unlike_tokenizer(folder: &Path, setting: String, found: &str) -> InferError {
    InferError::InvalidSettings {
        path: folder.join(CONFIG),
        reason: format!("{setting}, but the tokenizer beside it {found}"),
    }
}
