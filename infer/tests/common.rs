//! Small models with random weights.

use std::sync::Mutex;

use attend_data::Tokenizer;
use attend_device::{Workers, auto};
use attend_infer::search::SearchOptions;
use attend_infer::{
    InferError, LabelModelFolder, Languages, Model, ModelFolder, Precision, TranslateOptions, Translator,
};
use attend_model::{
    EncoderClassifier, EncoderClassifierConfig, PoolingKind, Preset, TiedEmbeddings, Transformer,
    TransformerConfig,
};
use burn::tensor::{Device, Int, Tensor};

/// Sentences of one to a dozen words, in the tokenizer's training text.
pub(crate) const SENTENCES: [&str; 8] = [
    "yes",
    "good morning",
    "the house is small",
    "an old man reads a book",
    "two children play in the garden behind the house",
    "das Haus ist klein",
    "ein alter Mann liest ein Buch",
    "zwei Kinder spielen im Garten hinter dem Haus und lachen laut",
];

/// The characters that end a line, after which Python's `str.splitlines` divides a string.
pub(crate) const LINE_ENDS: [char; 10] = [
    '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}',
];

/// Most tokens in a source sentence of [`config`]'s models.
pub(crate) const MAX_SOURCE_TOKENS: usize = 99;

/// A tokenizer of [`SENTENCES`].
pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::train_bpe(SENTENCES.into_iter().cycle().take(16), 300).expect("sentences")
}

/// The shape of a small network. Untied, because random tied weights repeat their input.
pub(crate) fn config() -> TransformerConfig {
    TransformerConfig {
        d_model: 16,
        d_ff: 24,
        n_heads: 2,
        encoder_layers: 1,
        decoder_layers: 2,
        max_length: MAX_SOURCE_TOKENS + 1,
        tie_embeddings: TiedEmbeddings::None,
        ..Preset::Tiny.config(tokenizer().vocab_size())
    }
}

/// Locked while weights are drawn: the random numbers of a device are shared by all threads.
static RANDOM: Mutex<()> = Mutex::new(());

/// A model with the random weights of `seed`, and greedy search.
pub(crate) fn bundle_of(config: TransformerConfig, seed: u64) -> ModelFolder {
    let _alone = RANDOM.lock().expect("no test fails while it draws weights");
    let device = cpu();
    device.seed(seed);
    let model = Transformer::new(&config, &device).expect("a valid shape");
    let ids = || Tensor::<2, Int>::from_ints([[2]], &device);
    // Weights are drawn when they are first used.
    model.forward(ids(), ids());
    ModelFolder {
        config,
        model,
        source_tokenizer: tokenizer(),
        target_tokenizer: tokenizer(),
        generation: SearchOptions {
            beam_size: 1,
            ..SearchOptions::default()
        },
        languages: Languages::default(),
    }
}

/// A classifier with random weights if there is pooling, and else a tagger, with the labels `A`, `B-X` and `O`.
pub(crate) fn label_model_folder(tokenizer: Tokenizer, pooling: Option<PoolingKind>) -> LabelModelFolder {
    let labels = ["A", "B-X", "O"].map(str::to_owned).to_vec();
    let encoder = TransformerConfig {
        vocab_size: tokenizer.vocab_size(),
        pad_id: tokenizer.pad_id() as usize,
        ..config()
    };
    let config = EncoderClassifierConfig {
        encoder: encoder.clone(),
        pooling,
        labels: labels.len(),
    };
    let _alone = RANDOM.lock().expect("no test fails while it draws weights");
    let device = cpu();
    device.seed(5);
    let model = EncoderClassifier::new(&config, &device).expect("a valid shape");
    // Weights are drawn when they are first used.
    model.forward(Tensor::from_ints([[2]], &device));
    LabelModelFolder {
        labels,
        pooling,
        encoder,
        model,
        tokenizer,
    }
}

/// [`bundle_of`] the usual shape and weights.
pub(crate) fn model_folder() -> ModelFolder {
    bundle_of(config(), 3)
}

/// A model whose tokens are the words of `lines`.
pub(crate) fn model_folder_of_words<'a>(
    lines: impl IntoIterator<Item = &'a str, IntoIter: Send>,
) -> ModelFolder {
    let words = Tokenizer::train_whitespace(lines.into_iter(), None).expect("words");
    let config = TransformerConfig {
        vocab_size: words.vocab_size(),
        ..config()
    };
    ModelFolder {
        source_tokenizer: words.clone(),
        target_tokenizer: words,
        ..bundle_of(config, 3)
    }
}

/// A translator of one worker, with weights in float32.
pub(crate) fn translator(folder: ModelFolder) -> Translator {
    let model = Model::new(folder, Precision::Float32).expect("every device has float32");
    Translator::new(model, Workers::start(1, 1).expect("a thread"))
}

/// The options of a request that asks for nothing but a search.
pub(crate) fn searching(search: SearchOptions) -> TranslateOptions {
    TranslateOptions {
        search,
        ..TranslateOptions::default()
    }
}

/// What is found for each line, of which none may fail.
pub(crate) fn each<T>(results: Vec<Result<T, InferError>>) -> Vec<T> {
    let results = results.into_iter();
    results.map(|result| result.expect("no line fails")).collect()
}

/// The device that the programs choose without `--device`.
pub(crate) fn cpu() -> Device {
    auto().expect("a device is built in").device
}
