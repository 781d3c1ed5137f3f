//! How much a request may have, how long it may take to come, and how many there may be at a time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Server, document, english, workspace};
use crate::common::{Workspace, argument, assert_usage_error, attend, run};

/// The time in which a request is answered by a server that has nothing to do but to wait for slow clients.
const SOON: Duration = Duration::from_secs(2);

/// The head of a request whose body has so many bytes.
fn head(length: usize) -> String {
    format!(
        "POST /translate HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Starts a server of the model of a workspace with further flags.
fn start(workspace: &Workspace, flags: &[&str]) -> Server {
    let model = workspace.model();
    Server::with(workspace, &[&["--model", argument(&model)], flags].concat())
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address.trim_start_matches("http://")).unwrap()
}

/// Returns what a server still sends until it closes the connection.
fn rest(mut connection: TcpStream) -> String {
    connection
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut bytes = Vec::new();
    // A client that was sending may find the connection reset.
    let _ = connection.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks as a usual client does. Returns the status and the time that it took.
fn ask(server: &Server) -> (u16, Duration) {
    let start = Instant::now();
    let (status, _) = server.translate(&english(json!({"q": "yes"})));
    (status, start.elapsed())
}

#[test]
fn a_request_has_no_more_texts_and_characters_than_it_may() {
    let workspace = workspace();
    let server = start(&workspace, &["--characters", "5", "--batch-limit", "2"]);
    let refused = |texts: serde_json::Value| {
        let (status, answer) = server.translate(&english(json!({"q": texts})));
        (status, answer["error"].as_str().map(str::to_owned))
    };
    for (texts, expected) in [
        (json!("grüße"), None),
        (json!(["yes", "no"]), None),
        (
            json!("grüßen"),
            Some("the request has 6 characters, but it may have 5"),
        ),
        (
            json!(["yes", "yes"]),
            Some("the request has 6 characters, but it may have 5"),
        ),
        (
            json!(["", "", ""]),
            Some("the request has 3 texts, but it may have 2"),
        ),
    ] {
        let status = if expected.is_none() { 200 } else { 400 };
        assert_eq!(refused(texts), (status, expected.map(str::to_owned)));
    }
    let asked = english(json!({"text": "grüßen"}));
    assert_eq!(server.ask("/v1/attention", &asked).0, 400);
    assert_eq!(server.ask("/detect", &json!({"q": "grüßen"})).0, 400);
    assert_eq!(server.get("/frontend/settings").1["charLimit"], 5);
}

#[test]
fn only_pages_that_are_named_may_ask_by_a_browser() {
    let workspace = workspace();
    let page = "https://example.org";
    let ask = |server: &Server, origin: &str, method: &str| {
        let address = format!("{}/translate", server.address);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(address)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization,content-type")
            .body(())
            .unwrap();
        let answer = server.agent.run(request).unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        [
            "access-control-allow-origin",
            "access-control-allow-methods",
            "access-control-allow-headers",
        ]
        .map(header)
    };
    for (flags, origin, allowed) in [
        (&[][..], page, None),
        (&["--cors", page], page, Some(page)),
        (
            &["--cors", "http://localhost:8080", "--cors", page],
            page,
            Some(page),
        ),
        (&["--cors", page], "https://example.com", None),
        (&["--cors", "*"], page, Some("*")),
    ] {
        let server = start(&workspace, flags);
        let [found, methods, headers] = ask(&server, origin, "OPTIONS");
        assert_eq!(found.as_deref(), allowed, "{flags:?}");
        if flags.is_empty() {
            assert_eq!([methods, headers], [None, None]);
        } else {
            assert!(methods.unwrap().contains("POST"));
            assert!(headers.unwrap().contains("authorization"));
        }
        // Errors are answers, too.
        assert_eq!(ask(&server, origin, "DELETE")[0].as_deref(), allowed, "{flags:?}");
    }
    for wrong in ["example.org", "https://example.org/", "https://", "https://a b"] {
        let mut command = attend("serve");
        command.args(["--model", argument(&workspace.model()), "--cors", wrong]);
        assert_usage_error(&run(command, b""), "an origin is https://example.org or the like");
    }
}

#[test]
fn browsers_take_each_answer_for_what_it_says() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    for (path, status) in [
        ("/", 200),
        ("/languages", 200),
        ("/metrics", 200),
        ("/translate", 405),
        ("/a", 404),
    ] {
        let answer = server
            .agent
            .get(format!("{}{path}", server.address))
            .call()
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
}

#[test]
fn clients_that_send_a_byte_now_and_then_hold_nobody_up() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    assert_eq!(ask(&server).0, 200);
    let start = Instant::now();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| connect(&server)).collect();
    for (number, connection) in slow.iter_mut().enumerate() {
        let whole = head(1_000);
        // Of three, one sends a head, one a body, and one nothing.
        let sent = [&whole[..20], &whole, ""][number % 3];
        connection.write_all(sent.as_bytes()).unwrap();
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut connections: Vec<&TcpStream> = slow.iter().collect();
            while !is_over.load(Ordering::Relaxed) {
                // Those that the server has closed take no more.
                connections.retain_mut(|connection| connection.write_all(b"a").is_ok());
                thread::sleep(Duration::from_secs(1));
            }
        });
        while start.elapsed() < Duration::from_secs(9) {
            let (status, time) = ask(&server);
            assert!(status == 200 && time < SOON, "{status} after {time:?}");
            thread::sleep(Duration::from_millis(100));
        }
        // More than ten seconds are for nobody.
        thread::sleep(Duration::from_secs(4));
        is_over.store(true, Ordering::Relaxed);
        sending.join().unwrap();
    });
    let closing = Instant::now();
    for (number, connection) in slow.into_iter().enumerate() {
        let answer = rest(connection);
        if number % 3 == 1 {
            assert!(
                answer.starts_with("HTTP/1.1 408 ") && answer.contains("too slowly"),
                "{answer:?}"
            );
        }
    }
    assert!(closing.elapsed() < SOON, "{:?}", closing.elapsed());
    assert_eq!(ask(&server).0, 200);
}

#[test]
fn a_flood_is_refused_and_the_server_goes_on() {
    let workspace = workspace();
    let server = start(&workspace, &["--queue", "4"]);
    let asked = english(json!({"q": document(20)})).to_string();
    let is_over = AtomicBool::new(false);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let flood = || {
            let mut statuses = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let answer = server.post("/translate", "application/json", &asked);
                statuses.push(answer.status().as_u16());
                if answer.status() == 503 {
                    assert_eq!(answer.headers()["retry-after"], "1");
                }
            }
            statuses
        };
        let clients: Vec<_> = (0..32).map(|_| scope.spawn(flood)).collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            let before = Instant::now();
            assert_eq!(server.get("/health").0, 200);
            assert!(before.elapsed() < SOON, "{:?}", before.elapsed());
        }
        is_over.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let count = |status: u16| statuses.iter().filter(|&&found| found == status).count();
    let [served, refused] = [200, 503].map(count);
    assert_eq!(served + refused, statuses.len(), "{statuses:?}");
    assert!(served > 10 && refused > 10, "{served} served, {refused} refused");
    assert_eq!(ask(&server).0, 200);
}

#[test]
fn long_bodies_share_a_memory_that_is_bounded() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let part = vec![b' '; 15 << 20];
    let mut waiting: Vec<TcpStream> = Vec::new();
    let refused = thread::scope(|scope| {
        // Each sends all of a body but its end, until there is no memory for one.
        let sending: Vec<_> = (0..6)
            .map(|_| {
                let mut connection = connect(&server);
                connection.write_all(head(16 << 20).as_bytes()).unwrap();
                let (mut sender, part) = (connection.try_clone().unwrap(), &part);
                scope.spawn(move || {
                    let _ = sender.write_all(part);
                });
                connection
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        assert_eq!(ask(&server).0, 200);
        let mut refused = 0;
        for connection in sending {
            connection
                .set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            let mut start = [0; 12];
            match (&connection).read(&mut start) {
                Ok(read) if read > 0 => {
                    assert_eq!(String::from_utf8_lossy(&start[..read]), "HTTP/1.1 503");
                    refused += 1;
                }
                // The answer may be lost when the server closes a connection whose client still sends.
                Ok(_) => refused += 1,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => refused += 1,
                Err(_) => waiting.push(connection),
            }
        }
        refused
    });
    assert_eq!((waiting.len(), refused), (4, 2));
    drop(waiting);
}

#[test]
fn a_server_that_is_asked_to_stop_does_not_wait_for_slow_clients() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    // The agent keeps its connection.
    assert_eq!(ask(&server).0, 200);
    let mut slow = connect(&server);
    slow.write_all(head(1_000).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    server.terminate();
    let start = Instant::now();
    assert!(server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(rest(slow).starts_with("HTTP/1.1 408 "));
}

#[test]
fn the_log_has_texts_only_if_it_is_asked_for_them() {
    let workspace = workspace();
    let text = "good morning\u{1b}[31m\nyes";
    for flags in [&[][..], &["--log-text"]] {
        let server = start(&workspace, flags);
        assert_eq!(server.translate(&english(json!({"q": text}))).0, 200);
        while !server.log().contains("status=200") {
            thread::sleep(Duration::from_millis(10));
        }
        let log = server.log();
        assert_eq!(log.contains("good morning"), !flags.is_empty(), "{log}");
        if !flags.is_empty() {
            // Each text stays in its line.
            assert!(log.contains(r#"texts=["good morning\u{1b}[31m\nyes"]"#), "{log}");
        }
    }
}
