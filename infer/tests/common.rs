//! Small models with random weights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use attend_data::{FirstToken, Tokenizer};
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
        shortlist: None,
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

/// Returns the file of a SentencePiece model without rules of normalisation: the pieces `<unk>`, `<s>` and `</s>`, and
/// then those of `pieces`, of which a unigram model finds the longer ones more probable.
pub(crate) fn sentencepiece_model(pieces: &[&str]) -> Vec<u8> {
    let special = [("<unk>", 2), ("<s>", 3), ("</s>", 3)];
    let mut file = Vec::new();
    for (piece, kind) in special.into_iter().chain(pieces.iter().map(|piece| (*piece, 1))) {
        let length = u8::try_from(piece.len()).expect("a short piece");
        file.extend([0x0a, length + 9, 0x0a, length]);
        file.extend(piece.as_bytes());
        file.push(0x15);
        file.extend((-5.0 + 0.5 * piece.chars().count() as f32).to_le_bytes());
        file.extend([0x18, kind]);
    }
    file
}

/// The pieces of the source and of the target of [`model_folder_of_pieces`]: the words of [`SENTENCES`], or the first
/// three letters of each, and all letters.
pub(crate) fn pieces() -> [Vec<String>; 2] {
    let letters: BTreeSet<char> = SENTENCES.iter().flat_map(|sentence| sentence.chars()).collect();
    let letters = letters.into_iter().filter(|letter| *letter != ' ').chain(['▁']);
    let letters: BTreeSet<String> = letters.map(String::from).collect();
    let words = || SENTENCES.iter().flat_map(|sentence| sentence.split(' '));
    let source = words().map(|word| format!("▁{word}"));
    let target = words().map(|word| format!("▁{}", word.chars().take(3).collect::<String>()));
    let with_letters = |pieces: BTreeSet<String>| pieces.union(&letters).cloned().collect();
    [with_letters(source.collect()), with_letters(target.collect())]
}

/// Writes the files of tokenizers, as models of other toolkits have them: one vocabulary of `pieces`, or with
/// `has_two` one for each side, in which the tokens of the target have other ids.
pub(crate) fn write_pieces(folder: &Path, pieces: &[Vec<String>; 2], has_two: bool) {
    for (name, pieces) in ["source.spm", "target.spm"].into_iter().zip(pieces) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        fs::write(folder.join(name), sentencepiece_model(&pieces)).expect("a folder");
    }
    let [source, target] = pieces;
    let write = |name: &str, pieces: &mut dyn Iterator<Item = &String>| {
        let pieces: BTreeSet<&str> = pieces.map(String::as_str).collect();
        let tokens = ["<pad>", "</s>", "<unk>", ">>deu<<"].into_iter().chain(pieces);
        let vocabulary: BTreeMap<&str, u32> = tokens.zip(0..).collect();
        let json = serde_json::to_string(&vocabulary).expect("strings and numbers");
        fs::write(folder.join(name), json).expect("a folder");
    };
    if has_two {
        write("vocab.json", &mut source.iter());
        write("target_vocab.json", &mut target.iter());
    } else {
        write("vocab.json", &mut source.iter().chain(target));
    }
}

/// A model whose tokenizers are SentencePiece models, and whose decoder starts with `<pad>`, as Marian's do.
pub(crate) fn model_folder_of_pieces(has_two: bool) -> ModelFolder {
    let folder = tempfile::tempdir().expect("a folder");
    write_pieces(folder.path(), &pieces(), has_two);
    model_folder_of_files(folder.path(), has_two)
}

/// [`model_folder_of_pieces`] with the files that [`write_pieces`] has written, and that a test may have changed.
pub(crate) fn model_folder_of_files(folder: &Path, has_two: bool) -> ModelFolder {
    let load = |model, vocabulary| {
        Tokenizer::load_sentencepiece(folder.join(model), folder.join(vocabulary), FirstToken::Id(0))
            .expect("a tokenizer")
    };
    let source_tokenizer = load("source.spm", "vocab.json");
    let target_tokenizer = load(
        "target.spm",
        if has_two {
            "target_vocab.json"
        } else {
            "vocab.json"
        },
    );
    let config = TransformerConfig {
        vocab_size: source_tokenizer.vocab_size(),
        target_vocab_size: has_two.then(|| target_tokenizer.vocab_size()),
        decoder_start_id: Some(0),
        ..config()
    };
    ModelFolder {
        source_tokenizer,
        target_tokenizer,
        ..bundle_of(config, 4)
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
