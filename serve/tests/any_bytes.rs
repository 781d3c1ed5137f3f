//! Whatever a client sends: the server answers, and never by an error of its own.

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
        folder: "small".into(),
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

#[test]
fn a_server_answers_whatever_it_is_asked() {
    let address = start();
    let byte = prop_oneof![3 => 0xc0..=u8::MAX, 1 => any::<u8>()];
    let mut runner = TestRunner::new(Config::default());
    let asked = (any::<[u8; 2]>(), vec(byte, 0..40));
    let checked = runner.run(&asked, |(head, body)| {
        let (sent, answer) = ask(address, &[&head[..], &body].concat());
        let is_answered = answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5");
        let may_be_cut = !sent.contains(" HTTP/1.1\r\nHost: a\r\n");
        prop_assert!(
            is_answered || may_be_cut && answer.is_empty(),
            "{answer:?} to {sent:?}"
        );
        Ok(())
    });
    checked.unwrap();
    // POST /translate with a form.
    let (_, answer) = ask(address, b"\0\x01q=Yes.&source=en&target=de");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
