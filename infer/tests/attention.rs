//! The attention of a small model with random weights.

use attend_device::Workers;
use attend_infer::{
    Attention, AttentionKind, GivenTranslation, Head, InferError, Model, Precision, TranslateOptions,
    Translator,
};

use crate::common::{SENTENCES, bundle_of, config, each, model_folder, model_folder_of_words, translator};

const SOURCE: &str = "the house is small";
const TARGET: &str = "das Haus ist klein";

fn assert_rows_sum_to_1(attention: &Attention) {
    for row in attention.layers.iter().flatten().flatten() {
        assert_eq!(row.len(), attention.keys.len());
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
}

#[test]
fn every_layer_and_head_has_its_weights() {
    let translator = translator(model_folder_of_words(SENTENCES));
    let found = translator.attention(SOURCE, Some(TARGET)).unwrap();
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let (source, target) = (words("the house is small </s>"), words("das Haus ist klein </s>"));
    let read = words("<s> das Haus ist klein");
    for (attention, kind, queries, keys, layers) in [
        (&found.encoder, AttentionKind::Encoder, &source, &source, 1),
        (&found.decoder, AttentionKind::Decoder, &read, &read, 2),
        (&found.cross, AttentionKind::Cross, &target, &source, 2),
    ] {
        assert_eq!(
            (attention.kind, &attention.queries, &attention.keys),
            (kind, queries, keys)
        );
        assert_eq!(attention.layers.len(), layers);
        for heads in &attention.layers {
            assert_eq!((heads.len(), heads[0].len()), (2, queries.len()));
        }
        assert_rows_sum_to_1(attention);
    }
    for rows in found.decoder.layers.iter().flatten() {
        for (query, row) in rows.iter().enumerate() {
            assert!(row[query + 1..].iter().all(|&weight| weight == 0.0), "{row:?}");
        }
    }
}

/// The alignment of a scored pair is the mean of the heads of the second-to-last layer.
#[test]
fn the_mean_of_heads_is_the_alignment() {
    for folder in [model_folder(), model_folder_of_words(SENTENCES)] {
        let translator = translator(folder);
        let options = TranslateOptions {
            alignment: true,
            ..translator.model().options()
        };
        let given = GivenTranslation {
            source: SOURCE,
            target: TARGET,
            number: 0,
        };
        let score = each(translator.score(&[given], &options)).remove(0);
        let alignment = score.alignment.unwrap();
        let cross = translator.attention(SOURCE, Some(TARGET)).unwrap().cross;
        assert_eq!(
            (&cross.queries, &cross.keys),
            (&alignment.target, &alignment.source)
        );
        let heads = &cross.layers[0];
        for (query, row) in alignment.attention.iter().enumerate() {
            for (key, &expected) in row.iter().enumerate() {
                let sum: f32 = heads.iter().map(|head| head[query][key]).sum();
                assert!((sum / heads.len() as f32 - expected).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn subwords_are_merged_into_the_words_of_the_text() {
    let translator = translator(model_folder());
    let source = "an old house, behind the garden";
    let found = translator.attention(source, Some("das  alte Haus")).unwrap();
    let words = |attention: &Attention| {
        let words = attention.of_words();
        assert_rows_sum_to_1(&words);
        [words.queries.join(" "), words.keys.join(" ")]
    };
    assert!(found.encoder.keys.len() > source.split(' ').count() + 1);
    let ended = format!("{source} </s>");
    assert_eq!(words(&found.encoder), [ended.clone(), ended.clone()]);
    // Of two spaces in a row, one is a token of its own.
    assert!(
        found.cross.queries.contains(&" ".to_owned()),
        "{:?}",
        found.cross.queries
    );
    assert_rows_sum_to_1(&found.cross.of_words());
    assert_eq!(found.cross.of_words().queries, ["das", "alte", "Haus", "</s>"]);
    assert_eq!(found.decoder.of_words().queries, ["<s>", "das", "alte", "Haus"]);
}

#[test]
fn without_a_translation_the_model_finds_one() {
    let translator = translator(model_folder_of_words(SENTENCES));
    let options = translator.model().options();
    for source in SENTENCES {
        let best = translator.translate_best(&[source], &options).unwrap().remove(0);
        let found = translator.attention(source, None).unwrap();
        assert_eq!(found.translation, best);
        if !best.is_empty() {
            assert_eq!(found, translator.attention(source, Some(&best)).unwrap());
        }
    }
}

#[test]
fn a_text_that_is_empty_or_too_long_is_refused() {
    let translator = translator(model_folder_of_words(SENTENCES));
    let long = "house ".repeat(100);
    let error = |source: &str, target| translator.attention(source, target).unwrap_err().to_string();
    assert_eq!(
        error(" ", None),
        "the source is empty, so there are no words that attend"
    );
    assert_eq!(
        error("yes", Some("")),
        "the translation is empty, so there are no words that attend"
    );
    assert_eq!(
        error(&long, None),
        "line 1 of the source has at least 100 tokens, but the model takes at most 99 in a sentence"
    );
    assert_eq!(
        error("yes", Some(&long)),
        "line 1 of the translation has at least 100 tokens, but the model takes at most 99 in a sentence"
    );
}

#[test]
fn the_layers_of_an_ensemble_follow_each_other() {
    let first = translator(model_folder());
    let other = || bundle_of(config(), 4);
    let joined = Model::new(model_folder(), Precision::Float32)
        .unwrap()
        .join(other())
        .unwrap();
    let joined = Translator::new(joined, Workers::start(1, 1).unwrap());
    let cross = |translator: &Translator| translator.attention(SOURCE, Some(TARGET)).unwrap().cross.layers;
    assert_eq!(
        cross(&joined),
        [cross(&first), cross(&translator(other()))].concat()
    );
}

/// Statistics of several pairs are the means over all of their tokens.
#[test]
fn statistics_of_pairs_are_means_over_all_tokens() {
    let translator = translator(model_folder_of_words(SENTENCES));
    let pairs = [
        (SOURCE, TARGET),
        ("yes", "good morning"),
        ("two children", "Kinder"),
    ];
    let pairs: Vec<GivenTranslation<'_>> = (0..)
        .zip(pairs)
        .map(|(number, (source, target))| GivenTranslation {
            source,
            target,
            number,
        })
        .collect();
    let all = translator.head_statistics(&pairs).unwrap();
    let heads: Vec<Head> = all.iter().map(|(head, _)| *head).collect();
    let head = |kind, layer, head| Head { kind, layer, head };
    use AttentionKind::{Cross, Decoder, Encoder};
    assert_eq!(heads.len(), 2 + 4 + 4);
    assert_eq!(
        heads[..3],
        [head(Encoder, 0, 0), head(Encoder, 0, 1), head(Decoder, 0, 0)]
    );
    assert_eq!(heads[9], head(Cross, 1, 1));

    // The share on </s>, from the weights themselves.
    let (mut share, mut queries) = (0.0, 0);
    for pair in &pairs {
        let cross = translator
            .attention(pair.source, Some(pair.target))
            .unwrap()
            .cross;
        for row in &cross.layers[1][1] {
            share += f64::from(*row.last().unwrap());
            queries += 1;
        }
    }
    assert!((all[9].1.special - share / f64::from(queries)).abs() < 1e-6);
    assert_eq!(translator.head_statistics(&[]).unwrap(), []);

    let long = "house ".repeat(200);
    let too_long = GivenTranslation {
        target: &long,
        number: 4,
        ..pairs[0]
    };
    let error = translator.head_statistics(&[pairs[0], too_long]).unwrap_err();
    assert!(
        matches!(
            error,
            InferError::TooLong {
                line: 5,
                text: "the targets",
                ..
            }
        ),
        "{error}"
    );
}
