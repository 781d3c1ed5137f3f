//! The library's translator on small models with random weights.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use attend_device::Workers;
use attend_infer::search::{LengthNormalization, Sampling, SearchOptions, Stopping};
use attend_infer::{
    Format, InferError, Language, Line, Model, ModelFolder, TranslateOptions, Translation,
    TranslationInParts, Translator,
};
use attend_model::{
    ActivationKind, LayerKind, NormPlacement, PositionKind, Precision, TiedEmbeddings, TransformerConfig,
};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::common::{
    LINE_ENDS, MAX_SOURCE_TOKENS, SENTENCES, bundle_of, config, cpu, each, model_folder, searching,
    translator,
};

/// Sentences of one word up to what the model takes, blank ones among them, the same every time.
fn random_sentences(count: usize) -> Vec<String> {
    let words: Vec<&str> = SENTENCES
        .iter()
        .flat_map(|sentence| sentence.split(' '))
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut random = |limit: usize| random.next_u32() as usize % limit;
    let translator = translator(model_folder());
    let mut sentences = Vec::new();
    while sentences.len() < count {
        let length = random(12);
        let sentence: Vec<&str> = (0..length).map(|_| words[random(words.len())]).collect();
        let sentence = sentence.join(" ");
        if translator.model().fits(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

fn assert_same(actual: &[Translation], expected: &[Translation], what: &str) {
    let texts = |translations: &[Translation]| -> Vec<String> {
        translations
            .iter()
            .map(|translation| translation.text.clone())
            .collect()
    };
    assert_eq!(texts(actual), texts(expected), "{what}");
    for (actual, expected) in actual.iter().zip(expected) {
        for (actual, expected) in [
            (actual.score, expected.score),
            (actual.log_probability, expected.log_probability),
        ] {
            let difference = (actual - expected).abs();
            assert!(
                difference <= 1e-4 * expected.abs(),
                "{what}: {actual} instead of {expected}"
            );
        }
    }
}

/// A model of each kind of network, an ensemble, and weights of 8 bits.
fn models() -> Vec<Arc<Model>> {
    let mut kinds = vec![config()];
    for norm in [NormPlacement::Pre, NormPlacement::Post] {
        for positions in [PositionKind::Learned, PositionKind::Sinusoidal] {
            kinds.push(TransformerConfig {
                norm,
                positions,
                tie_embeddings: if positions == PositionKind::Learned {
                    TiedEmbeddings::All
                } else {
                    TiedEmbeddings::None
                },
                n_heads: 4,
                encoder_layers: 2,
                ..config()
            });
        }
    }
    for encoder_layer in [
        LayerKind::Restricted,
        LayerKind::Recurrent,
        LayerKind::Convolution,
    ] {
        kinds.push(TransformerConfig {
            encoder_layer,
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(2),
            encoder_layers: 2,
            ..config()
        });
    }
    kinds.push(TransformerConfig {
        decoder_layer: LayerKind::Ssru,
        positions: PositionKind::Marian,
        activation: ActivationKind::Swish,
        output_bias: true,
        tie_embeddings: TiedEmbeddings::Decoder,
        ..config()
    });
    let seeds = 11..;
    let model_folders = kinds
        .into_iter()
        .zip(seeds)
        .map(|(config, seed)| bundle_of(config, seed));
    let float32 = |model_folder| Model::new(model_folder, Precision::Float32).unwrap();
    let mut models: Vec<Model> = model_folders.map(float32).collect();
    models.push(float32(model_folder()).join(bundle_of(config(), 9)).unwrap());
    models.push(Model::new(model_folder(), Precision::Int8).unwrap());
    models.into_iter().map(Arc::new).collect()
}

#[test]
fn a_sentence_translates_the_same_with_every_kind_of_network() {
    let sentences = random_sentences(12);
    let shuffled: Vec<&String> = (0..12).map(|place| &sentences[place * 5 % 12]).collect();
    let beam = SearchOptions {
        nbest: 2,
        ..SearchOptions::default()
    };
    for (kind, model) in models().into_iter().enumerate() {
        let one_by_one = Translator::new(model.clone(), Workers::start(1, 1).unwrap());
        for search in [beam.greedy(), beam] {
            let options = searching(search);
            for (batch_size, workers, threads) in [(12, 1, 2), (5, 3, 1)] {
                let workers = Workers::start(workers, threads).unwrap();
                let together = Translator::new(model.clone(), workers).with_batch_size(batch_size);
                let found = each(together.translate(&shuffled, &options));
                for (translations, sentence) in found.iter().zip(&shuffled) {
                    let alone = each(one_by_one.translate(&[sentence], &options)).remove(0);
                    let what = format!("network {kind}, {search:?}, {batch_size} together: {sentence}");
                    assert_same(translations, &alone, &what);
                }
            }
        }
    }
}

#[test]
fn a_sentence_translates_the_same_alone_in_any_batch_and_by_any_workers() {
    let sentences = random_sentences(40);
    let default = SearchOptions::default();
    let one_by_one = translator(model_folder());
    for search in [
        default.greedy(),
        SearchOptions { nbest: 3, ..default },
        SearchOptions {
            beam_size: 5,
            nbest: 2,
            length_penalty: 0.0,
            no_repeat_ngram: 2,
            repetition_penalty: 1.2,
            ..default
        },
        SearchOptions {
            stopping: Stopping::CTranslate2,
            length_normalization: LengthNormalization::Length,
            max_length: Some(30),
            ..default
        },
    ] {
        let options = searching(search);
        let alone: Vec<Vec<Translation>> = sentences
            .iter()
            .map(|sentence| each(one_by_one.translate(&[sentence], &options)).remove(0))
            .collect();
        for batch_tokens in [150, 550, 2_400, 100_000] {
            let workers = Workers::start(1 + batch_tokens % 4, 1).unwrap();
            let model = Arc::clone(one_by_one.model());
            let translator = Translator::new(model, workers).with_batch_tokens(batch_tokens);
            for stride in [1, 7, 39] {
                let order: Vec<usize> = (0..40).map(|place| place * stride % 40).collect();
                let lines: Vec<&String> = order.iter().map(|&line| &sentences[line]).collect();
                let together = each(translator.translate(&lines, &options));
                for (translations, line) in together.iter().zip(order) {
                    let what = format!("{search:?}, {batch_tokens} tokens a batch: {}", sentences[line]);
                    assert_same(translations, &alone[line], &what);
                }
            }
        }
    }
}

/// As a server does it, which puts the sentences of all its callers into the batches that they fill.
#[test]
fn texts_of_several_calls_share_batches() {
    let translator = translator(model_folder());
    let options = TranslateOptions {
        language: Some(Language::default()),
        ..searching(SearchOptions {
            nbest: 2,
            ..SearchOptions::default()
        })
    };
    let of_two_parts = "~".repeat(MAX_SOURCE_TOKENS);
    let texts = [
        "Good morning. The house is small.",
        "",
        "An old man reads a book.",
        &of_two_parts,
    ];
    let lines = texts.map(|text| Line {
        text,
        number: 0,
        options: &options,
    });
    let mut calls = lines.map(|line| translator.encode(&[line]));
    let sentences: Vec<_> = calls.iter_mut().flat_map(|call| call.take_sentences()).collect();
    assert!(
        sentences
            .iter()
            .all(|sentence| sentence.shares_batches_with(&sentences[0]))
    );
    let mut found = translator
        .search_batch(&sentences.iter().collect::<Vec<_>>())
        .into_iter();
    for (mut call, line) in calls.into_iter().zip(lines) {
        let count = translator.encode(&[line]).take_sentences().len();
        assert!(call.take_sentences().is_empty());
        let together = each(call.translations(found.by_ref().take(count).collect()));
        let alone = each(translator.translate_each(&[line]));
        assert_same(&together[0], &alone[0], line.text);
    }
    assert!(found.next().is_none());
}

/// The parts of a translation, whose sentences are found one by one, are the translation.
#[test]
fn a_translation_in_parts_is_the_translation() {
    let translator = translator(model_folder());
    let searching = |search: SearchOptions| TranslateOptions {
        language: Some(Language::default()),
        ..searching(search)
    };
    let beam = searching(SearchOptions {
        beam_size: 3,
        nbest: 2,
        ..SearchOptions::default()
    });
    let sampling = searching(SearchOptions {
        sampling: Some(Sampling::default()),
        ..SearchOptions::default()
    });
    let html = TranslateOptions {
        format: Format::Html,
        ..beam.clone()
    };
    let of_two_parts = "~".repeat(MAX_SOURCE_TOKENS);
    for (text, options, parts) in [
        ("Good morning.  The house is small. Yes.", &beam, 3),
        ("Good morning. \t Das Haus ist klein.", &sampling, 2),
        (&of_two_parts, &beam, 2),
        ("", &beam, 0),
        ("<p>Good <b>morning</b>.</p><p>The house is small.</p>", &html, 0),
    ] {
        let line = Line {
            text,
            number: 3,
            options,
        };
        let expected = each(translator.translate_each(&[line]))
            .swap_remove(0)
            .swap_remove(0);
        let mut encoded = translator.encode(&[line]);
        let sentences = encoded.take_sentences();
        let mut translation = TranslationInParts::new(encoded).unwrap();
        let mut told = Vec::new();
        for sentence in &sentences {
            told.push(
                translation
                    .part(translator.search_batch(&[sentence]).remove(0))
                    .unwrap(),
            );
        }
        told.retain(|part| !part.text.is_empty());
        assert_eq!(told.len(), parts, "{text}");
        told.push(translation.rest().unwrap());
        assert_eq!(
            told.iter().map(|part| part.text.as_str()).collect::<String>(),
            expected.text
        );
        let score: f32 = told.iter().map(|part| part.score).sum();
        assert!((score - expected.score).abs() < 1e-4, "{text}");
    }
    let refused = "~".repeat(MAX_SOURCE_TOKENS);
    let one_sentence = TranslateOptions {
        language: None,
        ..beam
    };
    let line = Line {
        text: &refused,
        number: 0,
        options: &one_sentence,
    };
    let encoded = translator.encode(&[line]);
    assert!(matches!(
        TranslationInParts::new(encoded),
        Err(InferError::TooLong { .. })
    ));
}

/// Samples depend on a line's number: the same line of the same number is drawn the same anywhere.
#[test]
fn a_sentence_is_sampled_the_same_alone_in_any_batch_and_by_any_workers() {
    let sentences = random_sentences(20);
    let options = searching(SearchOptions {
        nbest: 2,
        sampling: Some(Sampling::default()),
        ..SearchOptions::default()
    });
    let one_by_one = translator(model_folder());
    let lines: Vec<Line<'_>> = sentences
        .iter()
        .enumerate()
        .map(|(number, text)| Line {
            text,
            number,
            options: &options,
        })
        .collect();
    let together = each(one_by_one.translate(&sentences, &options));
    for (line, expected) in lines.iter().zip(&together) {
        assert_same(&each(one_by_one.translate_each(&[*line]))[0], expected, line.text);
    }
    let workers = Workers::start(3, 1).unwrap();
    let translator = Translator::new(Arc::clone(one_by_one.model()), workers).with_batch_size(4);
    let backwards: Vec<Line<'_>> = lines.iter().rev().copied().collect();
    let mut found = each(translator.translate_each(&backwards));
    found.reverse();
    for ((found, expected), line) in found.iter().zip(&together).zip(&lines) {
        assert_same(found, expected, line.text);
    }
}

/// Token by token through the whole network, without a cache or a batch.
fn most_probable_tokens(model_folder: &ModelFolder, sentence: &str) -> (Vec<u32>, f32) {
    let tokenizer = &model_folder.source_tokenizer;
    let device = cpu();
    let row = |ids: &[u32]| {
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let shape = [1, ids.len()];
        Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &device)
    };
    let mut source = tokenizer.encode(sentence);
    let limit = (source.len() + 50).min(model_folder.config.max_length - 1);
    source.push(tokenizer.eos_id());
    let mut target = vec![tokenizer.bos_id()];
    let mut log_probability = 0.0;
    loop {
        let logits = model_folder.model.forward(row(&source), row(&target));
        let log_probabilities: Vec<f32> = log_softmax(logits, 2).try_into_vec_as().unwrap();
        let last = &log_probabilities[(target.len() - 1) * model_folder.config.vocab_size..];
        let mut best = tokenizer.eos_id() as usize;
        if target.len() <= limit {
            for (token, &log) in last.iter().enumerate() {
                let text = tokenizer.token(token as u32);
                let may_follow = !["<pad>", "<s>"].contains(&text.as_str()) && !text.contains(LINE_ENDS);
                if may_follow && log > last[best] {
                    best = token;
                }
            }
        }
        log_probability += last[best];
        if best == tokenizer.eos_id() as usize {
            return (target[1..].to_vec(), log_probability);
        }
        target.push(best as u32);
    }
}

#[test]
fn a_beam_of_one_follows_the_most_probable_token() {
    let model_folder = model_folder();
    let alpha = 0.6f32;
    let options = searching(SearchOptions {
        beam_size: 1,
        nbest: 1,
        length_penalty: alpha,
        ..SearchOptions::default()
    });
    let found = each(translator(model_folder.clone()).translate(&SENTENCES, &options));
    for (sentence, translations) in SENTENCES.iter().zip(found) {
        let (tokens, log_probability) = most_probable_tokens(&model_folder, sentence);
        let penalty = ((5.0 + tokens.len() as f32 + 1.0) / 6.0).powf(alpha);
        let expected = Translation {
            // Bytes of several tokens may spell the end of a line.
            text: model_folder
                .target_tokenizer
                .decode(&tokens)
                .replace(LINE_ENDS, " ")
                .trim()
                .to_owned(),
            score: log_probability / penalty,
            log_probability,
            ..Translation::default()
        };
        assert_same(&translations, &[expected], sentence);
    }
}

/// A model may find a line feed probable; the text of its translation would then take two lines of a file.
#[test]
fn a_translation_is_one_line() {
    let options = searching(SearchOptions {
        beam_size: 16,
        nbest: 16,
        length_penalty: 2.0,
        ..SearchOptions::default()
    });
    for seed in 0..8 {
        let translator = translator(bundle_of(config(), seed));
        for translation in each(translator.translate(&SENTENCES, &options)).concat() {
            assert!(!translation.text.contains(LINE_ENDS), "{:?}", translation.text);
        }
    }
}

#[test]
fn a_line_beyond_the_models_positions_is_refused() {
    let translator = translator(model_folder());
    let (model, options) = (translator.model(), translator.model().options());
    assert_eq!(model.max_source_tokens(), MAX_SOURCE_TOKENS);
    // The space before the text is a token, too.
    let (longest, too_long) = ("~".repeat(MAX_SOURCE_TOKENS - 1), "~".repeat(MAX_SOURCE_TOKENS));
    assert!(model.fits(&longest));
    assert!(!model.fits(&too_long));
    assert_eq!(translator.translate_best(&[&longest], &options).unwrap().len(), 1);
    let lines = ["yes", "", &too_long, &too_long];
    let refused = translator.translate_best(&lines, &options);
    assert!(matches!(
        refused,
        Err(InferError::TooLong { line: 3, tokens, limit, text: "the input" })
            if tokens == MAX_SOURCE_TOKENS + 1 && limit == MAX_SOURCE_TOKENS
    ));
    let results = translator.translate(&lines, &options);
    assert!(results[0].is_ok() && results[1].is_ok());
    for (place, result) in results.iter().enumerate().skip(2) {
        assert!(matches!(result, Err(InferError::TooLong { line, .. }) if *line == place + 1));
    }
}

#[test]
fn the_best_translation_is_the_first() {
    let options = searching(SearchOptions {
        beam_size: 4,
        nbest: 3,
        length_penalty: 0.6,
        ..SearchOptions::default()
    });
    let translator = translator(model_folder());
    let all = each(translator.translate(&SENTENCES, &options));
    let best: Vec<String> = all
        .iter()
        .map(|translations| translations[0].text.clone())
        .collect();
    assert_eq!(translator.translate_best(&SENTENCES, &options).unwrap(), best);
    assert!(
        translator
            .translate_best::<&str>(&[], &options)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn translators_work_side_by_side() {
    fn can_be_shared<T: Send + Sync>(_: &T) {}
    let translators = [3, 4].map(|seed| translator(bundle_of(config(), seed)));
    can_be_shared(&translators[0]);
    let options = translators[0].model().options();
    let one_by_one = translators
        .each_ref()
        .map(|t| t.translate_best(&SENTENCES, &options).unwrap());
    assert_ne!(one_by_one[0], one_by_one[1]);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (translator, expected) = (&translators[number % 2], &one_by_one[number % 2]);
                let options = &options;
                scope.spawn(move || {
                    for _ in 0..5 {
                        assert_eq!(&translator.translate_best(&SENTENCES, options).unwrap(), expected);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// A translator, and the number of sentences that it and its clones have translated.
fn counting(translator: Translator) -> (Translator, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let translator = translator.on_progress(move |sentences| {
        counted.fetch_add(sentences, Ordering::SeqCst);
    });
    (translator, count)
}

/// The second caller does not wait for the first one's whole file.
#[test]
fn two_callers_of_the_same_workers_take_turns() {
    let (translator, count) = counting(translator(model_folder()));
    let options = translator.model().options();
    let expected = translator.translate_best(&SENTENCES[..1], &options).unwrap();
    let file = random_sentences(400);
    thread::scope(|scope| {
        let whole = scope.spawn(|| {
            translator
                .clone()
                .with_batch_size(4)
                .translate_best(&file, &options)
                .unwrap()
        });
        let mut answers = 0;
        while count.load(Ordering::SeqCst) < 20 {
            thread::yield_now();
        }
        while !whole.is_finished() {
            assert_eq!(
                translator.translate_best(&SENTENCES[..1], &options).unwrap(),
                expected
            );
            answers += 1;
        }
        assert!(answers > 5, "{answers} answers while a file was translated");
        assert_eq!(whole.join().unwrap().len(), file.len());
    });
}

#[test]
fn sentences_are_counted_as_they_are_translated() {
    let (translator, count) = counting(translator(model_folder()));
    let options = translator.model().options();
    each(translator.translate(&["yes", "", "yes yes"], &options));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let texts = TranslateOptions {
        language: Some(Language::default()),
        ..options
    };
    each(translator.clone().translate(&["Yes. No! Yes?", " "], &texts));
    assert_eq!(count.load(Ordering::SeqCst), 5);
}
