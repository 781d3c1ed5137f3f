use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use strum::VariantNames;

use super::*;

#[test]
fn presets_are_valid() {
    for preset in [Preset::Tiny, Preset::Small, Preset::Base, Preset::Big] {
        assert_eq!(preset.config(37_000).validate(), Ok(()));
    }
}

#[test]
fn presets_have_one_name_in_files_and_on_command_lines() {
    assert_eq!(Preset::VARIANTS, ["tiny", "small", "base", "big"]);
    for name in Preset::VARIANTS {
        let preset: Preset = name.parse().unwrap();
        assert_eq!(preset.to_string(), *name);
        let deserializer: StrDeserializer<ValueError> = name.into_deserializer();
        assert_eq!(Preset::deserialize(deserializer), Ok(preset));
    }
}

#[test]
fn a_value_out_of_range_is_named() {
    let valid = Preset::Tiny.config(100);
    let heads = TransformerConfig {
        n_heads: 3,
        ..valid.clone()
    };
    assert_eq!(
        heads.validate().unwrap_err().to_string(),
        "n_heads = 3 does not divide d_model = 128"
    );
    let width = TransformerConfig {
        d_model: 9,
        n_heads: 3,
        ..valid.clone()
    };
    assert_eq!(width.validate(), Err(ConfigError::OddWidth { d_model: 9 }));
    assert_eq!(width.validate().unwrap_err().field(), "d_model");
    let learned = TransformerConfig {
        positions: PositionKind::Learned,
        ..width
    };
    assert_eq!(learned.validate(), Ok(()));
    let dropout = TransformerConfig {
        dropout: f64::NAN,
        ..valid.clone()
    };
    assert_eq!(dropout.validate().unwrap_err().field(), "dropout");
    let layers = TransformerConfig {
        decoder_layers: 0,
        ..valid.clone()
    };
    assert_eq!(
        layers.validate(),
        Err(ConfigError::Zero {
            field: "decoder_layers"
        })
    );
    let length = TransformerConfig {
        max_length: 1_000_000_000_000,
        ..valid.clone()
    };
    assert_eq!(
        length.validate().unwrap_err().to_string(),
        "max_length = 1000000000000, but must be at most 1000000"
    );
    let positions = TransformerConfig {
        d_model: 65_536,
        max_length: 1_000_000,
        ..valid.clone()
    };
    assert!(matches!(
        positions.validate(),
        Err(ConfigError::TooLarge {
            field: "max_length * d_model",
            ..
        })
    ));
    let padding = TransformerConfig { pad_id: 100, ..valid };
    assert_eq!(padding.validate().unwrap_err().field(), "pad_id");
}

#[test]
fn a_window_belongs_to_restricted_layers() {
    let full = Preset::Tiny.config(100);
    let message = |config: &TransformerConfig| config.validate().unwrap_err().to_string();
    let unused = TransformerConfig {
        attention_window: Some(4),
        ..full.clone()
    };
    assert_eq!(
        message(&unused),
        "attention_window = 4, but neither encoder_layer nor decoder_layer is \"restricted\", which alone use it"
    );
    let decoder = TransformerConfig {
        decoder_layer: LayerKind::Restricted,
        ..unused.clone()
    };
    assert_eq!(decoder.validate(), Ok(()));
    assert_eq!(decoder.encoder_window(), Window::ALL);
    assert_eq!(decoder.decoder_window(), Window { before: 4, after: 0 });
    let encoder = TransformerConfig {
        encoder_layer: LayerKind::Restricted,
        ..unused
    };
    assert_eq!(encoder.validate(), Ok(()));
    assert_eq!(encoder.encoder_window(), Window { before: 4, after: 4 });
    assert_eq!(encoder.decoder_window(), Window::CAUSAL);
    let none = TransformerConfig {
        attention_window: None,
        ..encoder.clone()
    };
    assert_eq!(
        message(&none),
        "encoder_layer is \"restricted\", which needs attention_window, the number of positions to see on a side"
    );
    let zero = TransformerConfig {
        attention_window: Some(0),
        ..encoder
    };
    assert_eq!(message(&zero), "attention_window is 0, but must be at least 1");
    for config in [none, zero] {
        assert_eq!(config.validate().unwrap_err().field(), "attention_window");
    }
}

#[test]
fn a_kind_of_layer_has_its_place_and_its_options() {
    let full = Preset::Tiny.config(100);
    for (config, field, message) in [
        (
            TransformerConfig {
                decoder_layer: LayerKind::Recurrent,
                ..full.clone()
            },
            "decoder_layer",
            "decoder_layer = \"recurrent\", but a decoder has only \"self-attention\", \"restricted\" and \"ssru\", \
             which do not look ahead",
        ),
        (
            TransformerConfig {
                encoder_layer: LayerKind::Ssru,
                ..full.clone()
            },
            "encoder_layer",
            "encoder_layer = \"ssru\", but a decoder alone has this kind, since a position would not see those after \
             it",
        ),
        (
            TransformerConfig {
                encoder_layer: LayerKind::Convolution,
                convolution_width: 4,
                ..full.clone()
            },
            "convolution_width",
            "convolution_width = 4 is even, but must be odd, so that each position is the middle of what it sees",
        ),
        (
            TransformerConfig {
                convolution_width: 5,
                ..full.clone()
            },
            "convolution_width",
            "convolution_width = 5, but encoder_layer is not \"convolution\", which alone uses it",
        ),
        (
            TransformerConfig {
                encoder_layer: LayerKind::Recurrent,
                d_model: 9,
                n_heads: 3,
                positions: PositionKind::Learned,
                ..full.clone()
            },
            "d_model",
            "d_model = 9 is odd, but a recurrent layer divides it between its two directions",
        ),
    ] {
        let error = config.validate().unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, message));
    }
    let wide = TransformerConfig {
        encoder_layer: LayerKind::Convolution,
        convolution_width: 5,
        ..full
    };
    assert_eq!(wide.validate(), Ok(()));
}

#[test]
fn the_vocabularies_and_the_ids_of_tokens_agree() {
    let joint = TransformerConfig {
        pad_id: 20,
        decoder_start_id: Some(99),
        ..Preset::Tiny.config(100)
    };
    assert_eq!((joint.validate(), joint.target_vocabulary()), (Ok(()), 100));
    let apart = TransformerConfig {
        target_vocab_size: Some(50),
        tie_embeddings: TiedEmbeddings::Decoder,
        decoder_start_id: None,
        ..joint.clone()
    };
    assert_eq!((apart.validate(), apart.target_vocabulary()), (Ok(()), 50));
    let untied = TransformerConfig {
        tie_embeddings: TiedEmbeddings::None,
        ..apart.clone()
    };
    assert_eq!(untied.validate(), Ok(()));
    for (config, field, message) in [
        (
            TransformerConfig {
                tie_embeddings: TiedEmbeddings::All,
                ..apart.clone()
            },
            "target_vocab_size",
            "target_vocab_size = 50, but tie_embeddings = true, by which source and target share one vocabulary",
        ),
        (
            TransformerConfig {
                decoder_start_id: Some(50),
                ..apart.clone()
            },
            "decoder_start_id",
            "decoder_start_id = 50 is outside the vocabulary of 50",
        ),
        (
            TransformerConfig {
                target_vocab_size: Some(20),
                ..apart.clone()
            },
            "pad_id",
            "pad_id = 20 is outside the vocabulary of 20",
        ),
        (
            TransformerConfig {
                target_vocab_size: Some(0),
                ..apart.clone()
            },
            "target_vocab_size",
            "target_vocab_size is 0, but must be at least 1",
        ),
        (
            TransformerConfig {
                target_vocab_size: Some(10_000_001),
                ..apart
            },
            "target_vocab_size",
            "target_vocab_size = 10000001, but must be at most 10000000",
        ),
    ] {
        let error = config.validate().unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, message));
    }
}

#[test]
fn what_is_added_to_a_variance_is_small_and_not_nothing() {
    let config = |norm_epsilon| TransformerConfig {
        norm_epsilon,
        ..Preset::Tiny.config(100)
    };
    for valid in [1e-12, 1e-6, 1e-5, 0.5] {
        assert_eq!(config(valid).validate(), Ok(()));
    }
    for invalid in [0.0, -1e-5, 1e-13, 1.0, f64::NAN] {
        assert_eq!(config(invalid).validate().unwrap_err().field(), "norm_epsilon");
    }
    assert_eq!(
        config(1e-13).validate().unwrap_err().to_string(),
        "norm_epsilon = 1e-13 is outside [1e-12, 1)"
    );
}

#[test]
fn new_positions_need_pairs_of_dimensions() {
    for positions in [PositionKind::SinusoidalHalves, PositionKind::Marian] {
        let config = TransformerConfig {
            d_model: 9,
            n_heads: 3,
            positions,
            ..Preset::Tiny.config(100)
        };
        assert_eq!(config.validate(), Err(ConfigError::OddWidth { d_model: 9 }));
    }
}

/// The file of a version that had none of the options with defaults.
const EARLIER: &str = r#"{
  "vocab_size": 100,
  "d_model": 128,
  "d_ff": 256,
  "n_heads": 4,
  "encoder_layers": 4,
  "decoder_layers": 4,
  "dropout": 0.1,
  "norm": "post",
  "positions": "sinusoidal",
  "max_length": 256,
  "tie_embeddings": true,
  "pad_id": 0
}"#;

#[test]
fn a_shape_of_an_earlier_version_is_read_and_written_as_it_was() {
    let config: TransformerConfig = serde_json::from_str(EARLIER).unwrap();
    assert_eq!(config, Preset::Tiny.config(100));
    assert_eq!(serde_json::to_string_pretty(&config).unwrap(), EARLIER);
}

#[test]
fn each_option_of_other_toolkits_has_its_name() {
    let config = TransformerConfig {
        positions: PositionKind::SinusoidalHalves,
        tie_embeddings: TiedEmbeddings::Decoder,
        decoder_layer: LayerKind::Ssru,
        activation: ActivationKind::Swish,
        norm_epsilon: 1e-6,
        output_bias: true,
        target_vocab_size: Some(90),
        decoder_start_id: Some(0),
        ..Preset::Tiny.config(100)
    };
    assert_eq!(config.validate(), Ok(()));
    let written = serde_json::to_value(&config).unwrap();
    for (field, value) in [
        ("positions", serde_json::json!("sinusoidal-halves")),
        ("tie_embeddings", "decoder".into()),
        ("decoder_layer", "ssru".into()),
        ("activation", "swish".into()),
        ("norm_epsilon", 1e-6.into()),
        ("output_bias", true.into()),
        ("target_vocab_size", 90.into()),
        ("decoder_start_id", 0.into()),
    ] {
        assert_eq!(written[field], value, "{field}");
    }
    assert_eq!(
        serde_json::from_value::<TransformerConfig>(written.clone()).unwrap(),
        config
    );
    for (field, value, reason) in [
        (
            "tie_embeddings",
            "encoder",
            "invalid value: string \"encoder\", expected true, false or \"decoder\"",
        ),
        (
            "activation",
            "tanh",
            "unknown variant `tanh`, expected one of `relu`, `gelu`, `swish`",
        ),
        (
            "positions",
            "halves",
            "unknown variant `halves`, expected one of `sinusoidal`, `learned`, `sinusoidal-halves`, `marian`",
        ),
    ] {
        let mut wrong = written.clone();
        wrong[field] = value.into();
        let error = serde_json::from_value::<TransformerConfig>(wrong).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
    let untied = serde_json::from_str("false").map(|tied: TiedEmbeddings| tied);
    assert_eq!(untied.unwrap(), TiedEmbeddings::None);
}
