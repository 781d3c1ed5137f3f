//! Any bytes as the input of `translate`: they are translated line by line, or refused, and nothing panics. libFuzzer
//! watches over the memory.

#![no_main]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use attend_data::{Lines, Tokenizer};
use attend_device::{Workers, auto};
use attend_infer::search::SearchOptions;
use attend_infer::{
    InferError, Language, Languages, Model, ModelFolder, Precision, StreamLine, TranslateOptions, Translator,
};
use attend_model::{Preset, Transformer, TransformerConfig};
use libfuzzer_sys::fuzz_target;

/// A model with random weights and few positions, so that sentences are too long for it soon.
static TRANSLATOR: LazyLock<Translator> = LazyLock::new(|| {
    let tokenizer = Tokenizer::train_bpe(["yes", "das Haus ist klein."].into_iter().cycle().take(9), 280);
    let tokenizer = tokenizer.expect("sentences");
    let config = TransformerConfig {
        d_model: 16,
        d_ff: 16,
        n_heads: 2,
        encoder_layers: 1,
        decoder_layers: 1,
        max_length: 24,
        ..Preset::Tiny.config(tokenizer.vocab_size())
    };
    let device = auto().expect("a device is built in").device;
    let search = SearchOptions {
        beam_size: 2,
        max_length: Some(2),
        ..SearchOptions::default()
    };
    let folder = ModelFolder {
        model: Transformer::new(&config, &device).expect("a valid shape"),
        config,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: search,
        languages: Languages::default(),
    };
    let model = Model::new(folder, Precision::Float32).expect("every device has float32");
    Translator::new(model, Workers::start(1, 1).expect("a thread"))
});

fuzz_target!(|bytes: &[u8]| {
    for language in [None, Some(Language::default())] {
        let options = Arc::new(TranslateOptions {
            language,
            ..TRANSLATOR.model().options()
        });
        let lines = Lines::new(Cursor::new(bytes.to_owned()), "input");
        let lines = lines.map(move |line| {
            let (text, options) = (line?, Arc::clone(&options));
            Ok::<_, InferError>(StreamLine { text, options })
        });
        // Refused lines are an answer, too.
        let _ = TRANSLATOR.translate_stream(lines, false, |lines| {
            for (line, best_first) in lines {
                let text = &best_first[0].text;
                assert!(!text.contains('\n'), "{line:?} became {text:?}");
            }
            Ok(ControlFlow::Continue(()))
        });
    }
});
