//! The options of a search: what is refused, and how they are read and written.

use attend_infer::metric::BleuTokenizer;
use attend_infer::search::{
    LengthNormalization, MAX_BEAM_SIZE, Sampling, Search, SearchError, SearchOptions, Stopping, Unknown,
};
use strum::VariantNames;

use crate::toy::{options, special};

#[test]
fn options_that_describe_no_search_are_refused() {
    let refused = |options: SearchOptions| options.validate().unwrap_err();
    let default = SearchOptions::default();
    let drawn = |sampling: Sampling| SearchOptions {
        sampling: Some(sampling),
        ..default
    };
    let one = Sampling::default();
    let mut wrong = vec![
        (options(0, 1, 0.6), "beam_size"),
        (options(MAX_BEAM_SIZE + 1, 1, 0.6), "beam_size"),
        (options(4, 0, 0.6), "nbest"),
        (options(4, 5, 0.6), "nbest"),
        (
            drawn(Sampling {
                top_k: Some(0),
                ..one
            }),
            "sampling.top_k",
        ),
        (
            SearchOptions {
                min_length: 4,
                max_length: Some(3),
                ..default
            },
            "max_length",
        ),
        (
            SearchOptions {
                nbest: MAX_BEAM_SIZE + 1,
                ..drawn(one)
            },
            "nbest",
        ),
        (
            SearchOptions {
                min_length: usize::MAX,
                ..default
            },
            "min_length",
        ),
        (
            SearchOptions {
                max_length: Some(usize::MAX),
                ..default
            },
            "max_length",
        ),
        (
            SearchOptions {
                no_repeat_ngram: usize::MAX,
                ..default
            },
            "no_repeat_ngram",
        ),
        (
            drawn(Sampling {
                top_k: Some(usize::MAX),
                ..one
            }),
            "sampling.top_k",
        ),
        (
            drawn(Sampling {
                seed: i64::MAX as u64 + 1,
                ..one
            }),
            "sampling.seed",
        ),
    ];
    for bad in [-0.1, f32::NAN, f32::INFINITY] {
        let options = SearchOptions {
            repetition_penalty: bad,
            ..default
        };
        wrong.push((options, "repetition_penalty"));
        wrong.push((self::options(4, 1, bad), "length_penalty"));
        wrong.push((
            drawn(Sampling {
                temperature: bad,
                ..one
            }),
            "sampling.temperature",
        ));
        wrong.push((drawn(Sampling { top_p: bad, ..one }), "sampling.top_p"));
    }
    for (options, field) in wrong {
        let error = refused(options);
        assert_eq!(error.field(), field, "{error}");
        assert!(
            error.to_string().starts_with(&format!("`{field}` is ")),
            "{error}"
        );
    }
    for right in [
        options(4, 4, 0.0),
        options(MAX_BEAM_SIZE, MAX_BEAM_SIZE, 0.0),
        SearchOptions {
            min_length: 3,
            max_length: Some(3),
            ..default
        },
        SearchOptions {
            nbest: 9,
            ..drawn(Sampling {
                temperature: 1e-40,
                top_k: Some(1),
                top_p: 1e-40,
                seed: i64::MAX as u64,
            })
        },
    ] {
        assert_eq!(right.validate(), Ok(()));
    }
    assert!(Search::new(&special(), &options(0, 1, 0.6), None).is_err());
    let long = SearchOptions {
        min_length: 9,
        ..default
    };
    assert_eq!(long.validate_for(9), Ok(()));
    let error = SearchError::MinLength {
        min_length: 9,
        max_tokens: 8,
    };
    assert_eq!(long.validate_for(8), Err(error));
}

#[test]
fn options_are_written_as_they_are_read() {
    let all = r#"{"beam_size":5,"nbest":2,"length_penalty":1.0,"length_normalization":"length",
        "coverage_penalty":0.5,"stopping":"ctranslate2","min_length":1,"max_length":9,"no_repeat_ngram":3,
        "repetition_penalty":1.5,"unknown":"keep","sampling":{"temperature":0.5,"top_k":7,"top_p":0.25,"seed":3}}"#;
    let options: SearchOptions = serde_json::from_str(all).unwrap();
    assert_eq!(options.sampling.unwrap().top_k, Some(7));
    let written = serde_json::to_string(&options).unwrap();
    assert_eq!(written, all.split_whitespace().collect::<String>());
    for stranger in [r#"{"sampling": {"topk": 3}}"#, r#"{"stopping": "never"}"#] {
        assert!(serde_json::from_str::<SearchOptions>(stranger).is_err());
    }
}

#[test]
fn options_are_read_with_defaults_and_without_strangers() {
    let read = serde_json::from_str::<SearchOptions>;
    assert_eq!(read("{}").unwrap(), SearchOptions::default());
    assert_eq!(read(r#"{"beam_size": 8}"#).unwrap(), options(8, 1, 0.6));
    let error = read(r#"{"beamsize": 8}"#).unwrap_err().to_string();
    assert!(
        error.contains("beamsize") && error.contains("beam_size"),
        "{error}"
    );
    let written = serde_json::to_string(&options(5, 2, 1.0)).unwrap();
    assert_eq!(read(&written).unwrap(), options(5, 2, 1.0));
}

/// A name is written once, and read, printed and listed everywhere.
#[test]
fn names_of_options_are_those_of_their_files() {
    fn check<T>(variants: &[(T, &str)])
    where
        T: Copy
            + std::fmt::Debug
            + PartialEq
            + ToString
            + serde::Serialize
            + std::str::FromStr
            + VariantNames,
    {
        let names: Vec<&str> = variants.iter().map(|(_, name)| *name).collect();
        assert_eq!(T::VARIANTS, names);
        for (variant, name) in variants {
            assert_eq!(variant.to_string(), *name);
            assert_eq!(name.parse().ok(), Some(*variant));
            assert_eq!(serde_json::to_string(variant).unwrap(), format!("\"{name}\""));
        }
    }
    check(&[
        (Stopping::Exact, "exact"),
        (Stopping::CTranslate2, "ctranslate2"),
        (Stopping::Transformers, "transformers"),
        (Stopping::TransformersEarly, "transformers-early"),
    ]);
    check(&[
        (LengthNormalization::Gnmt, "gnmt"),
        (LengthNormalization::Length, "length"),
    ]);
    check(&[
        (Unknown::Forbid, "forbid"),
        (Unknown::Keep, "keep"),
        (Unknown::Copy, "copy"),
    ]);
    check(&[
        (BleuTokenizer::Mteval13a, "13a"),
        (BleuTokenizer::None, "none"),
        (BleuTokenizer::International, "intl"),
        (BleuTokenizer::Character, "char"),
        (BleuTokenizer::Chinese, "zh"),
        (BleuTokenizer::JapaneseMecab, "ja-mecab"),
    ]);
}
