//! Any bytes as the input of `translate`: they are translated line by line, or refused, and nothing panics. libFuzzer
//! watches over the memory.

#![no_main]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use attend_data::{Lines, Tokenizer};
use attend_infer::search::SearchOptions;
use attend_infer::stream::{StreamOptions, translate_lines};
use attend_infer::{ModelFolder, Translator, Workers, device};
use attend_model::{Transformer, TransformerConfig};
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
        ..TransformerConfig::tiny(tokenizer.vocab_size())
    };
    let device = device::auto().expect("a device is built in").device;
    let search = SearchOptions {
        beam_size: 2,
        max_length: Some(2),
        ..SearchOptions::default()
    };
    let translator = Translator::new(ModelFolder {
        model: Transformer::new(&config, &device).expect("a valid shape"),
        config,
        tokenizer,
        generation: search,
    });
    translator.with_workers(Workers::start(1, 1).expect("a thread"))
});

fuzz_target!(|bytes: &[u8]| {
    for split in [false, true] {
        let options = StreamOptions {
            split,
            ..StreamOptions::default()
        };
        let lines = Lines::new(Cursor::new(bytes.to_owned()), "input");
        // Refused lines are an answer, too.
        let _ = translate_lines(&TRANSLATOR, lines, options, |lines, translations| {
            assert_eq!(lines.len(), translations.len());
            for (line, best_first) in lines.iter().zip(translations) {
                let text = &best_first[0].text;
                assert!(!text.contains('\n'), "{line:?} became {text:?}");
            }
            Ok(ControlFlow::Continue(()))
        });
    }
});
