//! Model folders: what they are saved as and loaded from.

use std::fs;

use attend_infer::search::SearchOptions;
use attend_infer::{InferError, ModelFolder};
use tempfile::TempDir;

use crate::common::{cpu, model_folder, model_folder_of_pieces, searching, translator};

#[test]
fn a_folder_that_cannot_be_saved_leaves_the_files_as_they_are() {
    let path = TempDir::new().unwrap();
    model_folder_of_pieces(false).save(path.path()).unwrap();
    let files = || {
        let entries = fs::read_dir(path.path()).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let mut other = ModelFolder {
        target_tokenizer: model_folder().target_tokenizer,
        ..model_folder_of_pieces(true)
    };
    other.generation.beam_size += 1;
    let error = other.save(path.path()).unwrap_err();
    assert!(matches!(error, InferError::TwoTokenizers { .. }), "{error}");
    assert!(files() == before);
}

#[test]
fn a_folder_without_the_model_of_sources_lacks_that_file() {
    let folder = TempDir::new().unwrap();
    model_folder_of_pieces(false).save(folder.path()).unwrap();
    fs::remove_file(folder.path().join("source.spm")).unwrap();
    let error = ModelFolder::load(folder.path(), &cpu()).unwrap_err().to_string();
    let missing = folder.path().join("source.spm");
    assert!(
        error.starts_with(&format!("cannot read {}", missing.display())),
        "{error}"
    );
}

#[test]
fn a_language_is_named_in_sources_alone() {
    let folder = TempDir::new().unwrap();
    model_folder_of_pieces(false).save(folder.path()).unwrap();
    let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
    let named = |tokenizer: &attend_data::Tokenizer| tokenizer.language_token(">>deu<< yes").is_some();
    assert!(named(&loaded.source_tokenizer) && !named(&loaded.target_tokenizer));
}

#[test]
fn a_decoder_that_starts_with_the_end_token_can_end() {
    let path = TempDir::new().unwrap();
    let mut folder = model_folder_of_pieces(false);
    folder.config.decoder_start_id = Some(folder.target_tokenizer.eos_id() as usize);
    folder.save(path.path()).unwrap();
    let folder = ModelFolder::load(path.path(), &cpu()).unwrap();
    let eos = folder.target_tokenizer.eos_id();
    assert_eq!(folder.target_tokenizer.bos_id(), eos);
    // Each hypothesis may end at once.
    let options = searching(SearchOptions {
        max_length: Some(1),
        beam_size: folder.target_tokenizer.vocab_size(),
        nbest: folder.target_tokenizer.vocab_size() - 1,
        ..SearchOptions::default()
    });
    let found = translator(folder)
        .translate(&["yes"], &options)
        .swap_remove(0)
        .unwrap();
    assert!(found.iter().any(|found| found.tokens.is_empty()));
}
