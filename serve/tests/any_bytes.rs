//! Whatever a client sends: the server answers, and never by an error of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use attend_device::Workers;
use attend_serve::{Models, Scheduler, SchedulerOptions, ServedFolder, ServerOptions, Service, serve};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::any_request::request;
use crate::common::translator;

/// Starts a server of the small model, which runs until the tests end. Returns its address.
fn start() -> SocketAddr {
    let folder = ServedFolder {
        folder: "small".into(),
        source: "en".parse().unwrap(),
        target: "de".parse().unwrap(),
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

/// Sends a request, and returns what is answered.
fn answer(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // A server that has refused the head of a request reads no more of it.
    let _ = connection.write_all(request);
    let _ = connection.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_server_answers_whatever_it_is_asked() {
    let address = start();
    let byte = prop_oneof![3 => 0xc0..=u8::MAX, 1 => any::<u8>()];
    let mut runner = TestRunner::new(Config::default());
    let asked = (any::<[u8; 2]>(), vec(byte, 0..40));
    let checked = runner.run(&asked, |(head, body)| {
        let request = request(&[&head[..], &body].concat());
        let answer = answer(address, &request);
        let is_request = request.starts_with(b"POST /") || request.starts_with(b"GET /");
        prop_assert!(!is_request || answer.starts_with("HTTP/1.1 "), "{answer:?}");
        prop_assert!(!answer.starts_with("HTTP/1.1 5"), "{answer:?}");
        Ok(())
    });
    checked.unwrap();
    let body = r#"{"q":"Yes.","source":"en","target":"de"}"#;
    let last = format!(
        "POST /translate HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(answer(address, last.as_bytes()).starts_with("HTTP/1.1 200 "));
}
