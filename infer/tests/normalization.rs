//! Models whose tokenizer normalises text.

use attend_data::{Normalization, Normalizer};
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, ModelFolder, TranslateOptions, Translator};

use crate::common::{model_folder, model_folder_of_words, searching, tokenizer, translator};

fn normalizing(folder: ModelFolder, step: Normalization) -> Translator {
    translator(ModelFolder {
        tokenizer: folder.tokenizer.with_normalizer(Normalizer::new(&[step])),
        ..folder
    })
}

#[test]
fn a_required_word_stands_behind_other_words() {
    let translator = normalizing(model_folder(), Normalization::Whitespace);
    let room = tokenizer().encode("ein Haus Garten").len();
    let options = TranslateOptions {
        prefix: "ein Haus".to_owned(),
        required: vec!["Garten".to_owned()],
        ..searching(SearchOptions {
            max_length: Some(room),
            ..SearchOptions::default()
        })
    };
    let found = translator.translate_best(&["yes"], &options).unwrap();
    assert_eq!(found, ["ein Haus Garten"]);
}

#[test]
fn a_ban_is_of_what_the_normalizer_writes() {
    let options = TranslateOptions {
        prefix: "l'eau".to_owned(),
        banned: vec!["l’eau".to_owned()],
        ..searching(SearchOptions::default())
    };
    let subwords = normalizing(model_folder(), Normalization::Quotes);
    let refused = subwords.translate_best(&["yes"], &options).unwrap_err();
    assert!(matches!(refused, InferError::Refused { .. }), "{refused}");
    let words = normalizing(model_folder_of_words(["l'eau"]), Normalization::Quotes);
    assert_eq!(words.model().never_written(&options.banned), [""; 0]);
    let kept = translator(model_folder_of_words(["l'eau"]));
    assert_eq!(kept.model().never_written(&options.banned), ["l’eau"]);
}
