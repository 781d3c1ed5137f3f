//! Several models that translate together.

use attend_device::Workers;
use attend_infer::search::SearchOptions;
use attend_infer::{
    GivenTranslation, InferError, Model, ModelFolder, Precision, TranslateOptions, Translator,
};
use attend_model::TransformerConfig;

use crate::common::{
    self, SENTENCES, Workspace, argument, assert_error, bundle_of, config, each, model_folder,
    model_folder_of_words, searching, text, translator,
};

/// Returns a model of another shape than [`model_folder`], with fewer positions.
fn second() -> ModelFolder {
    let config = TransformerConfig {
        d_model: 24,
        decoder_layers: 1,
        max_length: 40,
        ..config()
    };
    bundle_of(config, 8)
}

fn model(folder: ModelFolder) -> Model {
    Model::new(folder, Precision::Float32).unwrap()
}

/// [`model_folder`] and another model.
fn ensemble(other: ModelFolder) -> Translator {
    let model = model(model_folder()).join(other).unwrap();
    Translator::new(model, Workers::start(1, 1).unwrap())
}

fn beam() -> TranslateOptions {
    searching(SearchOptions {
        beam_size: 3,
        ..SearchOptions::default()
    })
}

#[test]
fn probabilities_are_the_mean_of_the_models() {
    let alone = [model_folder(), second()].map(translator);
    let ensemble = ensemble(second());
    let given = GivenTranslation {
        source: SENTENCES[4],
        target: SENTENCES[7],
        number: 0,
    };
    let tokens = |translator: &Translator| each(translator.score(&[given], &beam())).remove(0).tokens;
    let of_models = alone.each_ref().map(tokens);
    for (place, token) in tokens(&ensemble).iter().enumerate() {
        let mean = of_models
            .iter()
            .map(|tokens| tokens[place].log_probability.exp())
            .sum::<f32>()
            / 2.0;
        assert!((token.log_probability.exp() - mean).abs() < 1e-6);
    }
}

#[test]
fn twice_the_same_model_translates_as_once() {
    let [once, twice] = [translator(model_folder()), ensemble(model_folder())]
        .map(|translator| each(translator.translate(&SENTENCES, &beam())));
    for (once, twice) in once.iter().flatten().zip(twice.iter().flatten()) {
        assert_eq!(once.tokens, twice.tokens);
        assert!((once.score - twice.score).abs() < 1e-4);
    }
}

#[test]
fn the_search_adds_up_what_the_models_find_together() {
    let first = model(model_folder_of_words(SENTENCES));
    let config = TransformerConfig {
        vocab_size: model_folder_of_words(SENTENCES).target_tokenizer.vocab_size(),
        ..second().config
    };
    let other = ModelFolder {
        source_tokenizer: model_folder_of_words(SENTENCES).source_tokenizer,
        target_tokenizer: model_folder_of_words(SENTENCES).target_tokenizer,
        ..bundle_of(config, 8)
    };
    let both = first.join(other).unwrap();
    assert_eq!(both.max_source_tokens(), 39);
    let ensemble = Translator::new(both, Workers::start(1, 1).unwrap());
    let translations = each(ensemble.translate(&SENTENCES, &beam()));
    let mut several = false;
    for (source, best_first) in SENTENCES.iter().zip(&translations) {
        let given = GivenTranslation {
            source,
            target: &best_first[0].text,
            number: 0,
        };
        let score = each(ensemble.score(&[given], &beam()))[0].log_probability;
        assert!((score - best_first[0].log_probability).abs() < 1e-4);
        several |= best_first[0].tokens.len() > 1;
    }
    assert!(several);
}

#[test]
fn the_programs_take_further_models() {
    let workspace = Workspace::new();
    let second_folder = workspace.path("second");
    std::fs::create_dir(&second_folder).unwrap();
    second().save(&second_folder).unwrap();
    let flags = ["--ensemble", argument(&second_folder)];
    let translated = workspace.translated(&flags, text().as_bytes());
    let ensemble = ensemble(second());
    let options = ensemble.model().options();
    let expected = ensemble.translate_best(&SENTENCES, &options).unwrap().join("\n") + "\n";
    assert_eq!(translated, expected);
    assert_ne!(translated, workspace.translated(&SENTENCES, b""));

    let source = workspace.write("source.txt", text());
    let scored = workspace.scored(&source, &source, &flags);
    assert_ne!(scored, workspace.scored(&source, &source, &common::NOTHING));
    let reference = workspace.write("reference.txt", &translated);
    let evaluated = common::stdout(&workspace.evaluate(&source, &reference, &flags));
    assert!(evaluated.contains("= 100.00"), "{evaluated}");
}

#[test]
fn a_model_with_too_few_positions_is_refused() {
    let mut long = model_folder();
    long.generation.min_length = 70;
    let error = model(long).join(second()).unwrap_err();
    let expected = "`min_length` is 70, but the model's translations have at most 39 tokens";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn models_of_another_tokenizer_are_refused() {
    let error = model(model_folder())
        .join(model_folder_of_words(SENTENCES))
        .unwrap_err();
    assert!(
        matches!(&error, InferError::EnsembleTokenizers { model } if model == "model 2"),
        "{error}"
    );
    let workspace = Workspace::new();
    let (first, words) = (workspace.model(), workspace.path("words"));
    std::fs::create_dir(&words).unwrap();
    model_folder_of_words(SENTENCES).save(&words).unwrap();
    let flags = [
        "yes",
        "--ensemble",
        argument(&first),
        "--ensemble",
        argument(&words),
    ];
    assert_error(
        &workspace.translate(&flags, b""),
        &[argument(&words), "tokenizer"],
    );
    let missing = ["yes", "--ensemble", "missing"];
    assert_error(&workspace.translate(&missing, b""), &["missing"]);
}
