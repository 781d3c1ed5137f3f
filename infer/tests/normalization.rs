//! Models whose tokenizer normalises text.

use attend_data::{Normalization, Normalizer, Tokenizer};
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, ModelFolder, TranslateOptions, Translator};
use attend_model::TransformerConfig;

use crate::common::{
    bundle_of, config, model_folder, model_folder_of_words, searching, tokenizer, translator,
};

fn normalizing(folder: ModelFolder, step: Normalization) -> Translator {
    let normalizer = || Normalizer::new(&[step]);
    translator(ModelFolder {
        source_tokenizer: folder.source_tokenizer.with_normalizer(normalizer()),
        target_tokenizer: folder.target_tokenizer.with_normalizer(normalizer()),
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
fn a_required_word_is_written_in_the_form_of_the_training_text() {
    let (composed, decomposed) = ("Äpfel", "A\u{308}pfel");
    let typed = [
        composed,
        decomposed,
        "Ä\u{ad}pfel",
        "\u{200b}A\u{308}pfel\u{200b}",
    ];
    for form in [composed, decomposed] {
        let text = format!("1 {form}");
        let lines = || std::iter::repeat_n(text.as_str(), 20);
        let subwords = Tokenizer::train_bpe(lines(), 300).unwrap();
        let config = TransformerConfig {
            vocab_size: subwords.vocab_size(),
            ..config()
        };
        let subwords = ModelFolder {
            source_tokenizer: subwords.clone(),
            target_tokenizer: subwords,
            ..bundle_of(config, 3)
        };
        for folder in [subwords, model_folder_of_words(lines())] {
            // There is room for the prefix and this form.
            let room = folder.target_tokenizer.encode(&text).len();
            let translator = translator(folder);
            for word in typed {
                let options = TranslateOptions {
                    prefix: "1".to_owned(),
                    required: vec![word.to_owned()],
                    ..searching(SearchOptions {
                        max_length: Some(room),
                        ..SearchOptions::default()
                    })
                };
                let found = translator.translate_best(&["1"], &options).unwrap();
                assert_eq!(found, [text.as_str()], "{word:?}");
            }
        }
    }
}

#[test]
fn a_prefix_is_one_visible_line() {
    let translator = translator(model_folder());
    let begun = |prefix: &str| {
        let options = TranslateOptions {
            prefix: prefix.to_owned(),
            ..searching(SearchOptions::default())
        };
        translator.translate_best(&["yes"], &options).unwrap()
    };
    let expected = begun("the house");
    assert!(expected[0].starts_with("the house"));
    for prefix in ["the\u{2028}house\r\n", " the house", "\u{200b}the\rho\u{ad}use"] {
        assert_eq!(begun(prefix), expected, "{prefix:?}");
    }
    assert_eq!(begun("\u{ad} \u{200b}"), begun(""));
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
