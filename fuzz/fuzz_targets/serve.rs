//! Any bytes as requests to a server: they are answered or refused, and nothing panics. libFuzzer watches over the memory.

#![no_main]

#[path = "../../serve/tests/any_request.rs"]
mod any_request;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::thread;

use attend_data::Tokenizer;
use attend_device::{Workers, auto};
use attend_infer::search::SearchOptions;
use attend_infer::{Languages, Model, ModelFolder, Precision, Translator};
use attend_model::{Preset, Transformer, TransformerConfig};
use attend_serve::{Models, Scheduler, SchedulerOptions, ServedFolder, ServerOptions, Service, serve};
use libfuzzer_sys::fuzz_target;

/// The address of a server whose model has random weights and few positions. A panic of its threads ends the program.
static ADDRESS: LazyLock<SocketAddr> = LazyLock::new(|| {
    let workers = || Workers::start(1, 1).expect("a thread");
    let small = Translator::new(model(), workers());
    let folder = ServedFolder {
        // It is only looked at: the model is not read.
        folder: env!("CARGO_MANIFEST_DIR").into(),
        source: "en".parse().expect("a language"),
        target: "de".parse().expect("a language"),
        target_language: None,
    };
    let models = Models::new(vec![folder], NonZeroUsize::MIN, move |_| Ok(small.clone()));
    let scheduler = Scheduler::start(workers(), SchedulerOptions::default()).expect("a thread");
    let service = Service::new(models, scheduler);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || serve(service, &ServerOptions::default(), listener));
    address
});

fn model() -> Model {
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
    let folder = ModelFolder {
        model: Transformer::new(&config, &device).expect("a valid shape"),
        config,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: SearchOptions {
            beam_size: 2,
            max_length: Some(2),
            ..SearchOptions::default()
        },
        languages: Languages::default(),
    };
    Model::new(folder, Precision::Float32).expect("every device has float32")
}

fuzz_target!(|bytes: &[u8]| {
    let (sent, answer) = any_request::ask(*ADDRESS, bytes);
    assert!(!answer.starts_with("HTTP/1.1 5"), "{answer:?} to {sent:?}");
});
