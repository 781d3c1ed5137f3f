//! Classifiers and taggers: their model folders, windows, batches, and blank text.

use std::fs;
use std::sync::LazyLock;

use attend_data::{Tokenizer, TokenizerKind, is_blank};
use attend_device::Workers;
use attend_infer::{
    Attention, AttentionKind, Classification, Classifier, Head, HeadStatistics, InferError, LabelModelFolder,
    ModelFolder, Precision, Tagger, TaskKind,
};
use attend_model::PoolingKind;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{MAX_SOURCE_TOKENS, SENTENCES, cpu, label_model_folder, model_folder, tokenizer};

/// Tokens of a window without `<s>` and `</s>`.
const WINDOW: usize = MAX_SOURCE_TOKENS - 1;

const POOLINGS: [PoolingKind; 3] = [PoolingKind::First, PoolingKind::Mean, PoolingKind::Attention];

/// A tokenizer whose tokens are the words of [`SENTENCES`].
fn tokenizer_of_words() -> Tokenizer {
    let lines = SENTENCES.into_iter();
    Tokenizer::train(TokenizerKind::Whitespace, lines, None).unwrap()
}

fn classifier(tokenizer: Tokenizer, pooling: PoolingKind, workers: usize) -> Classifier {
    let folder = label_model_folder(tokenizer, Some(pooling));
    Classifier::new(folder, Precision::Float32, Workers::start(workers, 1).unwrap()).unwrap()
}

fn tagger(tokenizer: Tokenizer, workers: usize) -> Tagger {
    let folder = label_model_folder(tokenizer, None);
    Tagger::new(folder, Precision::Float32, Workers::start(workers, 1).unwrap()).unwrap()
}

/// The words of [`SENTENCES`] over and over.
fn words(count: usize) -> Vec<&'static str> {
    let words = SENTENCES.iter().flat_map(|sentence| sentence.split(' '));
    words.cycle().take(count).collect()
}

fn sentences() -> Vec<Vec<&'static str>> {
    SENTENCES
        .iter()
        .map(|sentence| sentence.split(' ').collect())
        .collect()
}

fn probability(classification: &Classification, label: &str) -> f32 {
    let mut labels = classification.labels.iter();
    labels
        .find(|other| other.label == label)
        .expect("each text has each label")
        .probability
}

#[test]
fn a_saved_model_gives_the_same_labels() {
    let folder = tempfile::tempdir().unwrap();
    for pooling in POOLINGS {
        let expected = classifier(tokenizer(), pooling, 1).classify(&SENTENCES);
        assert_ne!(expected[0], expected[1]);
        label_model_folder(tokenizer(), Some(pooling))
            .save(folder.path())
            .unwrap();
        let workers = Workers::start(1, 1).unwrap();
        let loaded = Classifier::load(folder.path(), &cpu(), Precision::Float32, workers).unwrap();
        assert_eq!(loaded.labels(), ["A", "B-X", "O"]);
        assert_eq!(loaded.classify(&SENTENCES), expected);
    }
    let expected = tagger(tokenizer(), 1).tag(&sentences());
    label_model_folder(tokenizer(), None).save(folder.path()).unwrap();
    let workers = Workers::start(1, 1).unwrap();
    let loaded = Tagger::load(folder.path(), &cpu(), Precision::Float32, workers).unwrap();
    assert_eq!(loaded.tag(&sentences()), expected);
}

#[test]
fn probabilities_and_weights_sum_to_one() {
    for pooling in POOLINGS {
        for found in classifier(tokenizer(), pooling, 1).classify(&SENTENCES) {
            let sum: f32 = found.labels.iter().map(|label| label.probability).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{found:?}");
            assert!(
                found
                    .labels
                    .is_sorted_by(|one, other| one.probability >= other.probability)
            );
            assert_eq!(found.weights.is_some(), pooling == PoolingKind::Attention);
            if let Some(weights) = found.weights {
                let sum: f32 = weights.iter().map(|token| token.weight).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{weights:?}");
                let text: String = weights.iter().map(|token| token.token.as_str()).collect();
                assert!(text.starts_with("<s> ") && text.ends_with("</s>"), "{text}");
            }
        }
    }
}

#[test]
fn neither_company_nor_batches_nor_workers_change_a_result() {
    let plain = classifier(tokenizer(), PoolingKind::Attention, 1);
    let together = plain.classify(&SENTENCES);
    let in_small_batches = classifier(tokenizer(), PoolingKind::Attention, 3).with_batch_tokens(20);
    let expected = plain.classify(&[SENTENCES[4]]);
    for found in [together, in_small_batches.classify(&SENTENCES)] {
        assert_eq!(found.len(), SENTENCES.len());
        for label in ["A", "B-X", "O"] {
            let difference = probability(&found[4], label) - probability(&expected[0], label);
            assert!(difference.abs() < 1e-5, "{label}: {difference}");
        }
    }
    let tags = |tagger: &Tagger, sentences: &[Vec<&str>]| -> Vec<Vec<String>> {
        let tags = tagger.tag(sentences).into_iter();
        tags.map(|tags| tags.into_iter().map(|tag| tag.tag).collect())
            .collect()
    };
    let expected = sentences()
        .into_iter()
        .map(|sentence| tags(&tagger(tokenizer(), 1), &[sentence]).remove(0));
    let in_small_batches = tagger(tokenizer(), 3).with_batch_tokens(20);
    assert_eq!(
        tags(&in_small_batches, &sentences()),
        expected.collect::<Vec<_>>()
    );
}

/// With a token for each word, it is known where the windows of a text begin.
#[test]
fn a_long_text_is_classified_as_the_weighted_mean_of_its_windows() {
    let classifier = classifier(tokenizer_of_words(), PoolingKind::Attention, 2);
    let words = words(2 * WINDOW + 10);
    let windows: Vec<String> = words.chunks(WINDOW).map(|words| words.join(" ")).collect();
    let found = classifier.classify(&[words.join(" ")]).remove(0);
    let of_windows = classifier.classify(&windows);
    // Of the tokens of a window, two are <s> and </s>.
    let tokens = [WINDOW + 2, WINDOW + 2, 12].map(|tokens| tokens as f32);
    let all: f32 = tokens.iter().sum();
    for label in ["A", "B-X", "O"] {
        let parts = of_windows.iter().zip(tokens);
        let expected: f32 = parts
            .map(|(window, tokens)| tokens / all * probability(window, label))
            .sum();
        let difference = probability(&found, label) - expected;
        assert!(difference.abs() < 1e-5, "{label}: {difference}");
    }
    let weights = found.weights.expect("the pooling is by attention");
    assert_eq!(weights.len(), words.len() + 6);
    assert!((weights.iter().map(|token| token.weight).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn a_long_sentence_is_tagged_in_windows_of_whole_words() {
    let of_words = tagger(tokenizer_of_words(), 2);
    let words = words(2 * WINDOW + 10);
    let windows: Vec<&[&str]> = words.chunks(WINDOW).collect();
    assert_eq!(of_words.tag(&[&words]).concat(), of_words.tag(&windows).concat());

    // A word of many subwords goes into the next window whole, and one that no window holds is cut.
    let of_subwords = tagger(tokenizer(), 1);
    let long = "xyz".repeat(10);
    let longest = "xyz".repeat(1_000);
    let mixed: Vec<&str> = ["yes", &long, &longest].into_iter().cycle().take(100).collect();
    assert_eq!(of_subwords.tag(&[&mixed])[0].len(), 100);
}

#[test]
fn a_text_of_100_000_words_is_labelled_whole() {
    let words = words(100_000);
    let text = [words.join(" ")];
    assert_eq!(
        classifier(tokenizer(), PoolingKind::Mean, 2).classify(&text)[0]
            .labels
            .len(),
        3
    );
    assert_eq!(tagger(tokenizer(), 2).tag(&[words])[0].len(), 100_000);
}

#[test]
fn blank_text_has_no_labels() {
    let texts = ["", " \u{200b}", "yes"];
    let found = classifier(tokenizer(), PoolingKind::Attention, 1).classify(&texts);
    assert!(
        found[..2]
            .iter()
            .all(|found| found.labels.is_empty() && found.weights.is_none())
    );
    assert_eq!(found[2].labels.len(), 3);
    // A word of which a reader sees nothing has a tag, as each word has.
    let sentences: [&[&str]; 3] = [&[], &["yes", "\u{ad}", "yes"], &["yes"]];
    let counts: Vec<usize> = tagger(tokenizer(), 1)
        .tag(&sentences)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(counts, [0, 3, 1]);
}

/// What a single head attends to in texts, by the definitions of its statistics, in the order: itself, previous, next,
/// special.
fn shares(attentions: &[Attention], layer: usize, head: usize) -> [f64; 4] {
    let mut sums = [0.0; 4];
    let mut queries = 0;
    for attention in attentions {
        let rows = &attention.layers[layer][head];
        for (query, row) in rows.iter().enumerate() {
            let weight = |key: Option<usize>| {
                key.and_then(|key| row.get(key))
                    .map_or(0.0, |&weight| f64::from(weight))
            };
            let keys = [
                Some(query),
                query.checked_sub(1),
                Some(query + 1),
                Some(row.len() - 1),
            ];
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum += weight(key);
            }
        }
        queries += rows.len();
    }
    sums.map(|sum| sum / f64::from(queries as u32))
}

#[test]
fn what_heads_attend_to_is_shown_and_summed() {
    let classifier = classifier(tokenizer_of_words(), PoolingKind::Mean, 2);
    let tagger = tagger(tokenizer_of_words(), 2);
    let texts = SENTENCES.iter().map(|text| classifier.attention(text).unwrap());
    let texts: Vec<Attention> = texts.collect();
    let tagged = sentences();
    let tagged = tagged.iter().map(|words| tagger.attention(words).unwrap());
    let tagged: Vec<Attention> = tagged.collect();
    for (sentence, attention) in SENTENCES.iter().zip(texts.iter().chain(&tagged)) {
        let expected: Vec<&str> = ["<s>"]
            .into_iter()
            .chain(sentence.split(' '))
            .chain(["</s>"])
            .collect();
        assert_eq!(
            (&attention.queries, &attention.keys),
            (&attention.keys, &attention.queries)
        );
        assert_eq!(attention.of_words().queries, expected);
        for row in attention.layers.concat().concat() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    let with_blanks: Vec<&str> = SENTENCES.into_iter().chain(["", " "]).collect();
    let of_classifier = classifier.head_statistics(&with_blanks);
    let of_tagger = tagger.head_statistics(&[sentences(), vec![vec![], vec![" "]]].concat());
    for (statistics, attentions) in [(of_classifier, &texts), (of_tagger, &tagged)] {
        assert_eq!(statistics.len(), 2);
        for (Head { kind, layer, head }, found) in statistics {
            assert_eq!(kind, AttentionKind::Encoder);
            let HeadStatistics {
                itself,
                previous,
                next,
                special,
                ..
            } = found;
            let expected = shares(attentions, layer, head);
            for (found, expected) in [itself, previous, next, special].into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
            }
        }
    }
    assert!(classifier.head_statistics(&["", " "]).is_empty());
}

#[test]
fn the_attention_of_no_text_or_of_several_windows_is_an_error() {
    let classifier = classifier(tokenizer_of_words(), PoolingKind::Mean, 1);
    let tagger = tagger(tokenizer_of_words(), 1);
    for blank in ["", " "] {
        let error = classifier.attention(blank).unwrap_err();
        assert!(matches!(error, InferError::NothingToAttend { .. }), "{error}");
        assert!(tagger.attention(&[blank]).is_err());
    }
    assert!(tagger.attention(&[] as &[&str]).is_err());
    for (count, is_window) in [(WINDOW, true), (WINDOW + 1, false)] {
        let words = words(count);
        assert_eq!(tagger.attention(&words).is_ok(), is_window);
        assert_eq!(classifier.attention(&words.join(" ")).is_ok(), is_window);
        // All windows count.
        assert_eq!(tagger.head_statistics(&[words]).len(), 2);
    }
    let error = tagger.attention(&words(2 * WINDOW + 3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "line 1 of the text has at least {} tokens, but the model takes at most {WINDOW} in a sentence",
            2 * WINDOW + 3
        )
    );
}

#[test]
fn a_model_of_another_task_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let load = |task| LabelModelFolder::load(path, task, &cpu()).map(|_| ());
    let refused = |result: Result<(), InferError>| match result {
        Err(InferError::OtherTask { task, found, .. }) => (task, found),
        other => panic!("{other:?}"),
    };
    use TaskKind::{Classify, Tag, Translate};
    label_model_folder(tokenizer(), None).save(path).unwrap();
    assert_eq!(refused(load(Classify)), (Classify, Tag));
    assert_eq!(
        refused(ModelFolder::load(path, &cpu()).map(|_| ())),
        (Translate, Tag)
    );
    assert_eq!(
        refused(ModelFolder::search_defaults(path).map(|_| ())),
        (Translate, Tag)
    );
    model_folder().save(path).unwrap();
    let error = load(Tag).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("was trained for the task \"translate\", not for \"tag\""),
        "{error}"
    );
    assert_eq!(refused(load(Classify)), (Classify, Translate));
}

#[test]
fn a_damaged_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    label_model_folder(tokenizer(), Some(PoolingKind::Mean))
        .save(folder.path())
        .unwrap();
    let path = folder.path().join("config.json");
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut short = written["encoder"].clone();
    short["max_length"] = json!(2);
    for (field, value, reason) in [
        ("labels", json!([]), "there are no labels"),
        ("labels", json!(["A", "A"]), "a label is named twice"),
        ("labels", json!(["A", "B"]), "output.weight"),
        ("pooling", Value::Null, "needs `pooling`"),
        ("pooling", json!("last"), "unknown variant `last`"),
        ("heads", json!(4), "unknown field `heads`"),
        ("encoder", short, "`max_length` is below 3"),
    ] {
        let mut config = written.clone();
        config[field] = value;
        fs::write(&path, config.to_string()).unwrap();
        let error = LabelModelFolder::load(folder.path(), TaskKind::Classify, &cpu()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_has_all_labels_and_any_word_a_tag(texts in proptest::collection::vec(any::<String>(), 0..4)) {
        static CLASSIFIER: LazyLock<Classifier> =
            LazyLock::new(|| classifier(tokenizer(), PoolingKind::Attention, 1));
        static TAGGER: LazyLock<Tagger> = LazyLock::new(|| tagger(tokenizer(), 1));
        let found = CLASSIFIER.classify(&texts);
        prop_assert_eq!(found.len(), texts.len());
        for (text, found) in texts.iter().zip(&found) {
            prop_assert_eq!(found.labels.len(), if is_blank(text) { 0 } else { 3 });
        }
        prop_assert_eq!(TAGGER.tag(&[&texts])[0].len(), texts.len());
    }
}

/// Sets each weight to 0, so that all labels are equally probable.
struct Zeros;

impl ModuleMapper for Zeros {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}

#[test]
fn the_first_of_equally_probable_labels_is_taken() {
    let equal = |pooling| {
        let folder = label_model_folder(tokenizer(), pooling);
        LabelModelFolder {
            model: folder.model.map(&mut Zeros),
            ..folder
        }
    };
    let workers = || Workers::start(1, 1).unwrap();
    let classifier = Classifier::new(equal(Some(PoolingKind::Mean)), Precision::Float32, workers());
    assert_eq!(classifier.unwrap().classify(&["yes"])[0].labels[0].label, "A");
    let tagger = Tagger::new(equal(None), Precision::Float32, workers());
    assert_eq!(tagger.unwrap().tag(&[["yes"]])[0][0].tag, "A");
}
