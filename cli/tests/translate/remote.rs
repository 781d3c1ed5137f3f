//! Devices that another program serves: how often the client waits for them, by the server's account, and when a panic
//! means that a device is gone.
#![cfg(all(feature = "remote", feature = "flex"))]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use attend_device::{notice_device_failure, select};
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, ModelFolder};
use burn::server::telemetry::{DrainStatus, TelemetryEvent, TelemetryProbe, TelemetrySubscription};
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Device;

use crate::common::{SENTENCES, Workspace, each, searching, translator};

/// Serves flex from this process. Returns the device's name, and the events that the server reports.
fn serve() -> (String, TelemetrySubscription) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let name = format!(
        "remote:ws://{}",
        listener.local_addr().expect("it has an address")
    );
    let (probe, events) = TelemetryProbe::channel(1 << 20);
    let server = RemoteServer::new([Device::flex()]).with_telemetry(probe);
    thread::spawn(move || server.serve(WebSocketTransport::from_listener(listener)));
    (name, events)
}

/// Returns how often clients have waited for the server since the last call: for numbers that they read, or until it
/// was done.
fn round_trips(events: &mut TelemetrySubscription) -> usize {
    let mut sink: Vec<Arc<TelemetryEvent>> = Vec::new();
    let status = events.drain_into(&mut sink);
    assert!(
        matches!(status, DrainStatus::Open { lagged: 0 }),
        "events are missing"
    );
    let waits = |event: &&Arc<TelemetryEvent>| {
        matches!(
            ***event,
            TelemetryEvent::Read { .. } | TelemetryEvent::Sync { .. }
        )
    };
    sink.iter().filter(waits).count()
}

#[test]
fn a_step_of_decoding_reads_once() {
    const LENGTH: usize = 10;
    let workspace = Workspace::new();
    let (name, mut events) = serve();
    let remote = select(&name).expect("the server runs").device;
    let plain = |beam_size| SearchOptions {
        beam_size,
        min_length: LENGTH,
        max_length: Some(LENGTH),
        ..SearchOptions::default()
    };
    let without_repetition = SearchOptions {
        no_repeat_ngram: 2,
        ..plain(2)
    };
    let of_all_the_source = SearchOptions {
        coverage_penalty: 0.2,
        ..plain(2)
    };
    for search in [plain(1), plain(4), without_repetition, of_all_the_source] {
        let translations = [Device::flex(), remote.clone()].map(|device| {
            let model = ModelFolder::load(workspace.model(), &device).expect("a model folder");
            let (translator, options) = (translator(model), searching(search));
            // The first translation also does what is done only once.
            each(translator.translate(&SENTENCES[..1], &options));
            round_trips(&mut events);
            each(translator.translate(&SENTENCES, &options))
        });
        // The client waits once for each token, and once for the end.
        assert_eq!(round_trips(&mut events), LENGTH + 1, "{search:?}");
        let texts = translations.map(|translations| {
            let best = translations
                .into_iter()
                .map(|mut nbest| nbest.swap_remove(0).text);
            best.collect::<Vec<_>>()
        });
        assert_eq!(texts[0], texts[1]);
    }
}

/// A connection between a server and its clients that the test can cut.
#[derive(Clone, Default)]
struct Wire {
    streams: Arc<Mutex<Vec<TcpStream>>>,
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    /// Returns a connection to `device`, and the name by which clients reach the device through it.
    fn to(device: &str) -> (Self, String) {
        let server = device
            .strip_prefix("remote:ws://")
            .expect("a remote device")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let name = format!(
            "remote:ws://{}",
            listener.local_addr().expect("it has an address")
        );
        let wire = Self::default();
        let passing = wire.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if passing.is_cut.load(Ordering::SeqCst) {
                    return;
                }
                let ends = [client, TcpStream::connect(&server).expect("the server runs")];
                for (from, to) in [(0, 1), (1, 0)] {
                    let clone = |end: usize| ends[end].try_clone().expect("an open stream");
                    let (mut from, mut to) = (clone(from), clone(to));
                    thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                passing.streams.lock().expect("no panic").extend(ends);
            }
        });
        (wire, name)
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.streams.lock().expect("no panic").iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_device_that_is_lost_while_translating_is_an_error() {
    let workspace = Workspace::new();
    let (device, _events) = serve();
    let (wire, name) = Wire::to(&device);
    let expected = workspace.translated(&["yes"], b"");
    let mut child = workspace
        .translate_command(&["--device", &name])
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"yes\n").expect("it reads");
    let mut translated = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut translated).expect("it writes");
    assert_eq!(translated, expected);
    wire.cut();
    stdin.write_all(b"yes\n").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&format!("error: lost {name}: ")), "{message}");
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn a_panic_while_every_device_answers_is_a_bug() {
    let (name, _events) = serve();
    let devices = [select(&name).expect("the server runs")];
    let done: Result<_, InferError> = notice_device_failure(&devices, || Ok(1));
    assert_eq!(done.expect("nothing happens"), 1);
    let result = catch_unwind(|| notice_device_failure::<(), InferError>(&devices, || panic!("a bug")));
    let panic = result.expect_err("it goes on");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug"));
}
