//! A small model with random weights.

use std::sync::Arc;

use attend_data::Tokenizer;
use attend_device::{Workers, auto};
use attend_infer::search::SearchOptions;
use attend_infer::{Languages, Model, ModelFolder, Precision, Translator};
use attend_model::{Preset, TiedEmbeddings, Transformer, TransformerConfig};
use burn::tensor::{Int, Tensor};

/// Sentences in the tokenizer's training text.
pub(crate) const SENTENCES: [&str; 6] = [
    "Yes.",
    "Good evening.",
    "The old bridge is narrow.",
    "Two boats wait at the quay.",
    "Der alte Steg ist schmal.",
    "Am Ufer warten zwei Boote und ein Hund.",
];

/// The most tokens in a source sentence.
pub(crate) const MAX_SOURCE_TOKENS: usize = 59;

/// A translator with a worker of its own, and greedy search by default.
pub(crate) fn translator() -> Translator {
    let tokenizer = Tokenizer::train_bpe(SENTENCES.into_iter().cycle().take(12), 300).expect("sentences");
    let config = TransformerConfig {
        d_model: 16,
        d_ff: 24,
        n_heads: 2,
        encoder_layers: 1,
        decoder_layers: 1,
        max_length: MAX_SOURCE_TOKENS + 1,
        tie_embeddings: TiedEmbeddings::None,
        ..Preset::Tiny.config(tokenizer.vocab_size())
    };
    let device = auto().expect("a device is built in").device;
    let model = Transformer::new(&config, &device).expect("a valid shape");
    let ids = || Tensor::<2, Int>::from_ints([[2]], &device);
    // Weights are drawn when they are first used.
    model.forward(ids(), ids());
    let folder = ModelFolder {
        config,
        model,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: SearchOptions {
            beam_size: 1,
            ..SearchOptions::default()
        },
        languages: Languages::default(),
    };
    let model = Model::new(folder, Precision::Float32).expect("every device has float32");
    Translator::new(Arc::new(model), Workers::start(1, 1).expect("a thread"))
}
