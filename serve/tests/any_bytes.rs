//! Whatever a client sends: the server answers, and never by an error of its own.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::thread;

use attend_device::Workers;
use attend_serve::{Models, Scheduler, SchedulerOptions, ServedFolder, ServerOptions, Service, serve};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::any_request::ask;
use crate::common::translator;

/// Starts a server of the small model, which runs until the tests end. Returns its address.
fn start() -> SocketAddr {
    let folder = ServedFolder {
        // It is only looked at: the model is not read.
        folder: env!("CARGO_MANIFEST_DIR").into(),
        source: "en".parse().unwrap(),
        target: "de".parse().unwrap(),
        target_language: None,
    };
    let small = translator();
    let models = Models::new(vec![folder], NonZeroUsize::MIN, move |_| Ok(small.clone()));
    let scheduler = Scheduler::start(Workers::start(1, 1).unwrap(), SchedulerOptions::default()).unwrap();
    let service = Service::new(models, scheduler);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(service, &ServerOptions::default(), listener).unwrap());
    address
}

/// The first two bytes of requests and the pieces around a text, of which servers make something.
const WHOLE: [(&[u8], &[u8], &[u8]); 5] = [
    (&[0, 0], &[0xd4], &[0xd5]),
    (&[0, 0], &[0xd4], &[0xd6]),
    (&[4, 0], &[0xd4], &[0xd5]),
    (&[0, 1], &[0xdc], &[0xde]),
    (&[3, 2], &[0xe1], &[0xe6, 0xe3, 0xe4, 0xe5]),
];

#[test]
fn a_server_answers_whatever_it_is_asked() {
    let address = start();
    let byte = || prop_oneof![3 => 0xc0..=u8::MAX, 1 => any::<u8>()];
    let anything = (vec(any::<u8>(), 2), vec(byte(), 0..40)).prop_map(|(head, body)| [head, body].concat());
    let whole = (prop::sample::select(&WHOLE[..]), vec(byte(), 0..8))
        .prop_map(|((head, before, after), text)| [head, before, &text, after].concat());
    let mut runner = TestRunner::new(Config::default());
    let served = Cell::new(0);
    let checked = runner.run(&prop_oneof![anything, whole], |bytes| {
        let (sent, answer) = ask(address, &bytes);
        served.set(served.get() + u32::from(answer.starts_with("HTTP/1.1 200 ")));
        let is_answered = answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5");
        let may_be_cut = !sent.contains(" HTTP/1.1\r\nHost: a\r\n");
        prop_assert!(
            is_answered || may_be_cut && answer.is_empty(),
            "{answer:?} to {sent:?}"
        );
        Ok(())
    });
    checked.unwrap();
    assert!(served.get() > 20, "{served:?}");
    // POST /translate with a form.
    let (_, answer) = ask(address, b"\0\x01q=Yes.&source=en&target=de");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
