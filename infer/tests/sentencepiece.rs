//! Models whose tokenizers are SentencePiece models, one for each side.

use std::fs;
use std::path::Path;

use attend_data::{Normalization, Normalizer, TokenizerKind};
use attend_infer::search::{Sampling, SearchOptions, Unknown};
use attend_infer::{
    GivenTranslation, InferError, Model, ModelFolder, Precision, TranslateOptions, Translation, Translator,
};
use attend_model::{AttentionKind, TransformerConfig};

use tempfile::TempDir;

use crate::common::{
    SENTENCES, cpu, model_folder, model_folder_of_files, model_folder_of_pieces, model_folder_of_words,
    pieces, searching, sentencepiece_model, translator, write_pieces,
};
use crate::toy::has_word;

const FILES: [&str; 4] = ["source.spm", "target.spm", "vocab.json", "target_vocab.json"];

fn options(search: SearchOptions) -> TranslateOptions {
    searching(SearchOptions {
        beam_size: 3,
        min_length: 4,
        max_length: Some(12),
        ..search
    })
}

fn best(translator: &Translator, lines: &[&str], options: &TranslateOptions) -> Vec<Translation> {
    let found = translator.translate(lines, options).into_iter();
    found
        .map(|best_first| best_first.unwrap().swap_remove(0))
        .collect()
}

fn content(folder: &Path, name: &str) -> Option<Vec<u8>> {
    fs::read(folder.join(name)).ok()
}

#[test]
fn a_model_folder_keeps_the_files_of_its_tokenizers_to_the_bit() {
    for has_two in [false, true] {
        let given = TempDir::new().unwrap();
        write_pieces(given.path(), &pieces(), has_two);
        let saved = TempDir::new().unwrap();
        // The files of another kind of tokenizer are removed.
        model_folder().save(saved.path()).unwrap();
        let folder = model_folder_of_pieces(has_two);
        folder.save(saved.path()).unwrap();
        for name in FILES {
            assert_eq!(content(saved.path(), name), content(given.path(), name), "{name}");
        }
        assert!(content(saved.path(), "tokenizer.json").is_none());

        let loaded = ModelFolder::load(saved.path(), &cpu()).unwrap();
        assert_eq!(loaded.source_tokenizer, folder.source_tokenizer);
        assert_eq!(loaded.target_tokenizer, folder.target_tokenizer);
        assert_eq!(loaded.source_tokenizer.kind(), TokenizerKind::SentencePiece);
        let translate = |folder| {
            best(
                &translator(folder),
                &SENTENCES,
                &options(SearchOptions::default()),
            )
        };
        assert_eq!(translate(loaded), translate(folder));

        model_folder().save(saved.path()).unwrap();
        assert!(FILES.iter().all(|name| content(saved.path(), name).is_none()));
        ModelFolder::load(saved.path(), &cpu()).unwrap();
    }
}

#[test]
fn one_file_may_serve_both_sides() {
    let folder = TempDir::new().unwrap();
    model_folder_of_pieces(false).save(folder.path()).unwrap();
    fs::copy(folder.path().join("target.spm"), folder.path().join("source.spm")).unwrap();
    let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
    assert_eq!(loaded.source_tokenizer, loaded.target_tokenizer);
    assert_eq!(
        loaded.target_tokenizer,
        model_folder_of_pieces(false).target_tokenizer
    );
    loaded.save(folder.path()).unwrap();
    assert_eq!(
        content(folder.path(), "source.spm"),
        content(folder.path(), "target.spm")
    );
}

#[test]
fn each_side_has_its_own_tokenizer() {
    for has_two in [false, true] {
        let folder = model_folder_of_pieces(has_two);
        let translator = translator(folder.clone());
        let (source, target) = (&folder.source_tokenizer, &folder.target_tokenizer);
        let spelt = |tokens: &[u32]| {
            tokens
                .iter()
                .map(|&token| target.vocabulary_entry(token))
                .collect::<String>()
        };
        let aligned = TranslateOptions {
            alignment: true,
            ..options(SearchOptions::default())
        };
        for (sentence, found) in SENTENCES.iter().zip(best(&translator, &SENTENCES, &aligned)) {
            assert_eq!(spelt(&found.tokens).replace('▁', " ").trim(), found.text);
            assert_eq!(target.decode(&found.tokens).trim(), found.text);
            let alignment = found.alignment.unwrap();
            let texts = |ids: &[u32], of: &attend_data::Tokenizer| -> Vec<String> {
                ids.iter()
                    .map(|&id| of.token(id))
                    .chain(["</s>".to_owned()])
                    .collect()
            };
            assert_eq!(alignment.source, texts(&source.encode(sentence), source));
            assert_eq!(alignment.source.len(), sentence.split(' ').count() + 1);
            assert_eq!(alignment.target, texts(&found.tokens, target));
        }
    }
}

#[test]
fn a_given_translation_is_cut_by_the_tokenizer_of_translations() {
    for has_two in [false, true] {
        let folder = model_folder_of_pieces(has_two);
        let target = folder.target_tokenizer.clone();
        let translator = translator(folder);
        let given = GivenTranslation {
            source: "good morning",
            target: "das Haus",
            number: 0,
        };
        let score = translator.score(
            &[given],
            &TranslateOptions {
                alignment: true,
                ..translator.model().options()
            },
        );
        let score = score.into_iter().next().unwrap().unwrap();
        let tokens: Vec<&str> = score.tokens.iter().map(|token| token.token.as_str()).collect();
        assert_eq!(tokens, [" das", " Hau", "s", "</s>"]);
        let alignment = score.alignment.unwrap();
        assert_eq!(alignment.target, tokens);
        assert_eq!(alignment.source, [" good", " morning", "</s>"]);
        assert!(alignment.words.iter().map(|[_, target]| *target).eq(0..2));

        // The search finds the probability that the score has.
        let search = SearchOptions {
            beam_size: 1,
            max_length: Some(5),
            ..translator.model().options().search
        };
        let forced = TranslateOptions {
            prefix: "das Haus".to_owned(),
            ..searching(search)
        };
        let mut compared = 0;
        for (source, found) in SENTENCES.iter().zip(best(&translator, &SENTENCES, &forced)) {
            assert_eq!(found.tokens[..3], target.encode("das Haus"));
            // Another cut of the same text has another probability.
            if target.encode(&found.text) != found.tokens {
                continue;
            }
            let given = GivenTranslation {
                source,
                target: &found.text,
                number: 0,
            };
            let score = translator.score(&[given], &forced).swap_remove(0).unwrap();
            assert!((score.log_probability - found.log_probability).abs() < 1e-3);
            compared += 1;
        }
        assert!(compared > 0);

        let attention = translator.attention("good morning", Some("das Haus")).unwrap();
        assert_eq!(attention.cross.queries, tokens);
        assert_eq!(attention.cross.keys, [" good", " morning", "</s>"]);
        // The decoder reads <pad> first.
        assert_eq!(attention.decoder.queries[0], "<pad>");
        assert_eq!(attention.cross.of_words().queries, ["das", "Haus", "</s>"]);
    }
}

#[test]
fn required_and_banned_words_are_written_in_pieces_of_the_target() {
    let translator = translator(model_folder_of_pieces(true));
    let asked = TranslateOptions {
        required: vec!["garden".to_owned()],
        banned: vec!["Haus".to_owned()],
        ..options(SearchOptions::default())
    };
    for (source, found) in SENTENCES.iter().zip(best(&translator, &SENTENCES, &asked)) {
        assert!(has_word(&found.text, "garden"), "{source}: {}", found.text);
        assert!(!has_word(&found.text, "Haus"), "{source}: {}", found.text);
    }
}

#[test]
fn a_language_before_the_source_is_one_token() {
    let folder = model_folder_of_pieces(false);
    let source = folder.source_tokenizer.clone();
    let id = source.encode(">>deu<<")[0];
    assert_eq!(source.vocabulary_entry(id), ">>deu<<");
    assert_eq!(
        source.encode(">>deu<< yes"),
        [&[id], source.encode("yes").as_slice()].concat()
    );
    let aligned = TranslateOptions {
        alignment: true,
        ..options(SearchOptions::default())
    };
    let found = best(&translator(folder), &[">>deu<< yes"], &aligned).swap_remove(0);
    assert_eq!(found.alignment.unwrap().source, [">>deu<<", " yes", "</s>"]);
}

#[test]
fn an_unknown_token_becomes_the_characters_that_it_attends_to() {
    let folder = model_folder_of_pieces(false);
    let unk = folder.target_tokenizer.unk_id().unwrap();
    let source_tokenizer = folder.source_tokenizer.clone();
    let translator = translator(folder);
    let sources = ["yes Ω", "Ωß good morning", "the qqq house is small"];
    let treating = |unknown| TranslateOptions {
        alignment: unknown == Unknown::Keep,
        ..options(SearchOptions {
            unknown,
            // At such a temperature, any token may be drawn.
            sampling: Some(Sampling {
                temperature: 5.0,
                ..Sampling::default()
            }),
            nbest: 40,
            ..SearchOptions::default()
        })
    };
    let all = |unknown| {
        let found = translator.translate(&sources, &treating(unknown));
        found.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let (kept, copied) = (all(Unknown::Keep), all(Unknown::Copy));
    let mut copies = 0;
    for ((source, kept), copied) in sources.iter().zip(kept).zip(copied) {
        let offsets = source_tokenizer.offsets(source);
        for (kept, copied) in kept.iter().zip(copied) {
            assert_eq!(kept.tokens, copied.tokens);
            let rows = &kept.alignment.as_ref().unwrap().attention;
            let mut expected = String::new();
            for (token, weights) in kept.tokens.iter().zip(rows) {
                if *token == unk {
                    let weights = &weights[..offsets.len()];
                    let greatest = weights.iter().copied().fold(0.0, f32::max);
                    let place = weights.iter().position(|&weight| weight == greatest).unwrap();
                    let range = offsets[place].clone();
                    let (before, behind) = source.split_at(range.start);
                    let begins_word = before.is_empty() || before.ends_with(' ') || behind.starts_with(' ');
                    let copy = source[range].trim();
                    if begins_word && !copy.is_empty() && !expected.ends_with(' ') {
                        expected += " ";
                    }
                    expected += copy;
                    copies += 1;
                } else {
                    let surface = translator.model().target_tokenizer().surface(*token);
                    expected += std::str::from_utf8(&surface).unwrap();
                }
            }
            assert_eq!(copied.text, expected.trim());
        }
    }
    assert!(copies > 0);
    for found in all(Unknown::Forbid).iter().flatten() {
        assert!(!found.tokens.contains(&unk));
    }
}

#[test]
fn unknown_characters_are_parts_of_the_words_of_their_text() {
    let translator = translator(model_folder_of_pieces(false));
    let given = GivenTranslation {
        source: "Ωyes goodΩ",
        target: "yes",
        number: 0,
    };
    let aligned = TranslateOptions {
        alignment: true,
        ..translator.model().options()
    };
    let score = translator
        .score(&[given], &aligned)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    let alignment = score.alignment.unwrap();
    assert_eq!(
        alignment.source.iter().filter(|token| *token == "<unk>").count(),
        2
    );
    assert!(
        alignment.words.iter().all(|[source, _]| *source < 2),
        "{:?}",
        alignment.words
    );
    let attention = translator.attention("Ωyes goodΩ", Some("yes")).unwrap();
    assert_eq!(attention.encoder.of_words().keys, ["⁇ yes", "good ⁇", "</s>"]);
}

/// A model of pieces, of which the source has the words `Obama` and `</s>`, and the vocabulary does not.
fn model_folder_without_words() -> ModelFolder {
    let folder = TempDir::new().unwrap();
    let pieces = pieces();
    write_pieces(folder.path(), &pieces, false);
    let source: Vec<&str> = pieces[0].iter().map(String::as_str).collect();
    let file = sentencepiece_model(&[source.as_slice(), &["▁Obama", "▁</s>"]].concat());
    fs::write(folder.path().join("source.spm"), file).unwrap();
    model_folder_of_files(folder.path(), false)
}

#[test]
fn an_unknown_word_is_a_word_of_its_text() {
    let translator = translator(model_folder_without_words());
    for (source, words) in [
        ("the Obama house", ["the", "⁇", "house"].as_slice()),
        ("Obama Obama", &["⁇", "⁇"]),
        (">>deu<< Obama yes", &[">>deu<<", "⁇", "yes"]),
    ] {
        let attention = translator.attention(source, Some("yes")).unwrap();
        assert_eq!(attention.encoder.of_words().keys, [words, &["</s>"]].concat());
    }
}

#[test]
fn an_unknown_word_is_copied_as_it_stands_in_the_source() {
    let folder = model_folder_without_words();
    let unk = folder.target_tokenizer.unk_id().unwrap();
    let target_tokenizer = folder.target_tokenizer.clone();
    let translator = translator(folder);
    let copying = TranslateOptions {
        alignment: true,
        ..options(SearchOptions {
            unknown: Unknown::Copy,
            sampling: Some(Sampling {
                temperature: 5.0,
                ..Sampling::default()
            }),
            nbest: 100,
            ..SearchOptions::default()
        })
    };
    // A language is not copied.
    let cases = [
        (
            "the Obama house",
            [Some(" the"), Some(" Obama"), Some(" house")].as_slice(),
        ),
        ("Obama yes", &[Some(" Obama"), Some(" yes")]),
        (">>deu<< Obama </s>", &[None, Some(" Obama"), Some(" </s>")]),
    ];
    let (mut spaced, mut of_language) = (0, 0);
    for (source, copies) in cases {
        for found in translator.translate(&[source], &copying).swap_remove(0).unwrap() {
            let alignment = found.alignment.unwrap();
            let mut expected = String::new();
            for (token, weights) in found.tokens.iter().zip(&alignment.attention) {
                if *token != unk {
                    let surface = target_tokenizer.surface(*token);
                    expected += std::str::from_utf8(&surface).unwrap();
                    continue;
                }
                let order = |one: &usize, other: &usize| weights[*one].total_cmp(&weights[*other]);
                let places = || 0..copies.len();
                of_language += usize::from(copies[places().max_by(order).unwrap()].is_none());
                let place = places().filter(|&place| copies[place].is_some()).max_by(order);
                let copy = copies[place.unwrap()].unwrap();
                if expected.ends_with(' ') {
                    expected += copy.trim_start();
                } else {
                    spaced += usize::from(!expected.is_empty());
                    expected += copy;
                }
            }
            assert_eq!(found.text, expected.trim(), "{source}");
            let words = found.text.split_ascii_whitespace().count();
            assert!(
                alignment.words.iter().map(|[_, target]| *target).eq(0..words),
                "{}: {:?}",
                found.text,
                alignment.words
            );
        }
    }
    assert!(spaced > 0 && of_language > 0, "{spaced}, {of_language}");
}

#[test]
fn an_ensemble_has_the_same_two_tokenizers() {
    let model = || Model::new(model_folder_of_pieces(false), Precision::Float32).unwrap();
    model().join(model_folder_of_pieces(false)).unwrap();
    let mut swapped = model_folder_of_pieces(false);
    std::mem::swap(&mut swapped.source_tokenizer, &mut swapped.target_tokenizer);
    for other in [swapped, model_folder_of_words(SENTENCES)] {
        let refused = model().join(other).unwrap_err();
        assert!(
            matches!(refused, InferError::EnsembleTokenizers { .. }),
            "{refused}"
        );
    }
}

/// Saves a model of pieces, changes its folder, and returns the message of the error to load it.
fn refused(has_two: bool, change: impl Fn(&Path)) -> String {
    let folder = TempDir::new().unwrap();
    model_folder_of_pieces(has_two).save(folder.path()).unwrap();
    change(folder.path());
    let error = ModelFolder::load(folder.path(), &cpu()).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

fn replace(folder: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.contains(from), "{name} without {from}");
    fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn files_that_are_missing_or_do_not_fit_are_named() {
    for name in ["target.spm", "vocab.json"] {
        let message = refused(false, |folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(message.starts_with(&format!("cannot read {name}")), "{message}");
    }
    let message = refused(true, |folder| {
        fs::remove_file(folder.join("target_vocab.json")).unwrap()
    });
    assert!(message.starts_with("cannot read target_vocab.json"), "{message}");
    let message = refused(false, |folder| {
        fs::write(folder.join("source.spm"), "text").unwrap()
    });
    assert!(
        message.starts_with("source.spm is not a usable SentencePiece model"),
        "{message}"
    );

    let sizes = model_folder_of_pieces(true);
    let (source, target) = (
        sizes.source_tokenizer.vocab_size(),
        sizes.target_tokenizer.vocab_size(),
    );
    let more = |name| move |folder: &Path| replace(folder, name, "{", "{\"more\":9,");
    let message = refused(true, more("target_vocab.json"));
    assert!(message.contains("the ids of its"), "{message}");
    let message = refused(true, |folder| {
        replace(folder, "vocab.json", "{", &format!("{{\"more\":{source},"));
    });
    assert_eq!(
        message,
        format!(
            "vocab.json has {} tokens, but config.json says vocab_size = {source}",
            source + 1
        )
    );
    let message = refused(true, |folder| {
        replace(folder, "target_vocab.json", "{", &format!("{{\"more\":{target},"));
    });
    assert_eq!(
        message,
        format!(
            "target_vocab.json has {} tokens, but config.json says target_vocab_size = {target}",
            target + 1
        )
    );
    // A vocabulary without the token that the decoder starts with is too small.
    for (has_two, name, field, setting) in [
        (false, "vocab.json", "vocab_size", "decoder_start_id"),
        (true, "vocab.json", "vocab_size", "pad_id"),
        (true, "target_vocab.json", "target_vocab_size", "decoder_start_id"),
    ] {
        let message = refused(has_two, |folder| {
            fs::write(folder.join(name), r#"{"<pad>": 0, "</s>": 1, "<unk>": 2}"#).unwrap();
            replace(
                folder,
                "config.json",
                &format!("\"{setting}\": 0"),
                &format!("\"{setting}\": 5"),
            );
        });
        let expected = format!("{name} has 3 tokens, but config.json says {field} = ");
        assert!(message.starts_with(&expected), "{message}");
    }
    let message = refused(false, |folder| {
        replace(folder, "config.json", "\"pad_id\": 0", "\"pad_id\": 1")
    });
    assert!(
        message.ends_with("pad_id = 1, but the tokenizer beside it pads with 0"),
        "{message}"
    );
    let message = refused(false, |folder| {
        replace(folder, "config.json", ",\n  \"decoder_start_id\": 0", "")
    });
    assert_eq!(
        message,
        "vocab.json is not a usable tokenizer: the token <s> is missing"
    );
}

#[test]
fn one_tokenizer_is_not_for_a_shape_with_two_vocabularies() {
    let refused = |setting: &str| {
        let folder = TempDir::new().unwrap();
        model_folder().save(folder.path()).unwrap();
        replace(folder.path(), "config.json", "{", &format!("{{{setting},"));
        let error = ModelFolder::load(folder.path(), &cpu()).unwrap_err().to_string();
        error.split_once("config.json").unwrap().1.to_owned()
    };
    let message = refused("\"target_vocab_size\": 20");
    assert!(
        message.ends_with("target_vocab_size = 20, but the tokenizer beside it has one vocabulary"),
        "{message}"
    );
    let message = refused("\"decoder_start_id\": 5");
    assert!(
        message.ends_with("decoder_start_id = 5, but the tokenizer beside it starts with 1"),
        "{message}"
    );
    let message = refused("\"source_eos\": false");
    assert!(
        message.ends_with(
            "source_eos = false, but the tokenizer beside it is one of Attend's, whose sources end with </s>"
        ),
        "{message}"
    );
}

#[test]
fn tokenizers_that_no_files_hold_together_are_not_saved() {
    let two = model_folder_of_pieces(true);
    let one = model_folder_of_pieces(false);
    let other = model_folder()
        .source_tokenizer
        .with_normalizer(Normalizer::new(&[Normalization::Nfc]));
    let folders = [
        ModelFolder {
            target_tokenizer: model_folder().target_tokenizer,
            ..one.clone()
        },
        ModelFolder {
            source_tokenizer: two.source_tokenizer.clone(),
            ..one.clone()
        },
        ModelFolder {
            target_tokenizer: other,
            ..model_folder()
        },
        ModelFolder {
            source_tokenizer: model_folder().source_tokenizer,
            target_tokenizer: model_folder().target_tokenizer,
            ..two
        },
    ];
    for folder in folders {
        let path = TempDir::new().unwrap();
        let error = folder.save(path.path()).unwrap_err();
        assert!(matches!(error, InferError::TwoTokenizers { .. }), "{error}");
        assert!(ModelFolder::load(path.path(), &cpu()).is_err());
    }
}

#[test]
fn a_source_may_have_no_end() {
    let with_end = model_folder_of_pieces(true);
    let folder = ModelFolder {
        config: TransformerConfig {
            source_eos: false,
            ..with_end.config.clone()
        },
        ..with_end.clone()
    };
    let saved = TempDir::new().unwrap();
    folder.save(saved.path()).unwrap();
    let tokenizer = folder.source_tokenizer.clone();
    let translator = translator(ModelFolder::load(saved.path(), &cpu()).unwrap());
    let aligned = TranslateOptions {
        alignment: true,
        ..options(SearchOptions {
            coverage_penalty: 0.2,
            ..SearchOptions::default()
        })
    };
    let texts = |text: &str| -> Vec<String> {
        let tokens = tokenizer.encode(text).into_iter();
        tokens.map(|token| tokenizer.token(token)).collect()
    };
    for (sentence, found) in SENTENCES.iter().zip(best(&translator, &SENTENCES, &aligned)) {
        // A search and a score of what it finds read the same source.
        let pair = GivenTranslation {
            source: sentence,
            target: &found.text,
            number: 0,
        };
        let score = translator.score(&[pair], &aligned).swap_remove(0).unwrap();
        assert!(
            (score.log_probability - found.log_probability).abs() < 1e-4,
            "{sentence}"
        );
        assert!((score.score - found.score).abs() < 1e-4, "{sentence}");
        assert_eq!(found.alignment.unwrap().source, texts(sentence));
        assert_eq!(score.alignment.unwrap().source, texts(sentence));

        let attention = translator.attention(sentence, Some(&found.text)).unwrap();
        assert_eq!(attention.encoder.keys, texts(sentence));
        assert_eq!(attention.cross.keys, texts(sentence));
        for (head, statistics) in translator.head_statistics(&[pair]).unwrap() {
            let is_of_source = head.kind != AttentionKind::Decoder;
            assert_eq!(statistics.special == 0.0, is_of_source, "{head:?}");
        }
    }
    // A source without tokens has an end, so that there is something to read.
    let pair = GivenTranslation {
        target: SENTENCES[0],
        ..GivenTranslation::default()
    };
    let score = translator.score(&[pair], &aligned).swap_remove(0).unwrap();
    assert_eq!(score.alignment.unwrap().source, ["</s>"]);

    let other = Model::new(with_end, Precision::Float32).unwrap();
    assert!(matches!(
        other.join(folder),
        Err(InferError::EnsembleTokenizers { .. })
    ));
}
