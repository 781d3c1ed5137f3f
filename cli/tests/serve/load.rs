//! More requests than a server can take, clients that go away, and a server that ends.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Server, document, english, workspace};

#[test]
fn a_full_server_refuses_requests_for_a_second() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let ask = |text: &str| {
        let asked = english(json!({"q": text})).to_string();
        server.post("/translate", "application/json", &asked)
    };
    let text = document(30_000);
    thread::scope(|scope| {
        // A document of more tokens than may wait is refused while anything else waits.
        let document = scope.spawn(|| {
            loop {
                let status = ask(&text).status();
                if status != 503 {
                    break status;
                }
            }
        });
        let refusal = loop {
            assert!(!document.is_finished());
            let response = ask("yes");
            if response.status() != 200 {
                break response;
            }
        };
        assert_eq!(refusal.status(), 503);
        assert_eq!(refusal.headers()["retry-after"], "1");
        assert_eq!(document.join().unwrap(), 200);
    });
    assert_eq!(ask("yes").status(), 200);
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let ask = || {
        let asked = english(json!({"q": "yes"})).to_string();
        server.post("/translate", "application/json", &asked).status()
    };
    // More translations take more time.
    let body = english(json!({"q": document(30_000), "alternatives": 10})).to_string();
    let head = format!(
        "POST /translate HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = TcpStream::connect(server.address.trim_start_matches("http://")).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(body.as_bytes()).unwrap();
    let limit = Instant::now() + Duration::from_secs(30);
    while server.metric("attend_waiting_tokens") == 0.0 {
        assert!(Instant::now() < limit, "the document never waits");
    }
    assert_eq!(ask(), 503);
    drop(client);
    let limit = Instant::now() + Duration::from_secs(2);
    while ask() != 200 {
        assert!(Instant::now() < limit, "the document still waits");
    }
}

#[test]
fn a_server_that_is_asked_to_stop_answers_what_it_has_begun() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let text = document(4_000);
    thread::scope(|scope| {
        let document = scope.spawn(|| server.translate(&english(json!({"q": text}))));
        thread::sleep(Duration::from_millis(300));
        server.terminate();
        let limit = Instant::now() + Duration::from_secs(30);
        let address = server.address.trim_start_matches("http://");
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < limit, "it still takes connections");
            thread::sleep(Duration::from_millis(10));
        }
        let (status, found) = document.join().unwrap();
        assert_eq!(status, 200);
        let lines = found["translatedText"].as_str().unwrap().split('\n').count();
        assert_eq!(lines, 4_000);
    });
    assert!(server.wait().success());
}
