//! Requests of any bytes, for a test and for fuzzing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// The first lines of requests, and what is none.
const LINES: [&str; 20] = [
    "POST /translate",
    "POST /translate",
    "POST /translate",
    "POST /translate_file",
    "POST /detect",
    "POST /v1/attention",
    "POST /v1/translate",
    "POST /v1/stream",
    "POST /v2/translate",
    "POST /v2/document",
    "POST /v2/glossaries",
    "POST /v3/glossaries",
    "GET /v2/languages",
    "GET /v2/usage",
    "GET /download_file/",
    "GET /frontend/settings",
    "GET /",
    "PUT /translate",
    "OPTIONS /translate",
    "NONE",
];

/// The kinds of bodies.
const KINDS: [&str; 5] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain",
    "",
];

/// What clients write, for which one byte stands.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"q\":",
    "\"text\":",
    "\"translation\":",
    "\"source\":\"en\"",
    "\"target\":\"de\"",
    "\"source\":\"auto\"",
    "\"source\":\"de\"",
    "\"source_lang\":\"EN\"",
    "\"target_lang\":\"DE\"",
    "\"format\":\"html\"",
    "\"tag_handling\":\"xml\"",
    "\"alternatives\":",
    "\"api_key\":",
    "{\"q\":\"",
    "\",\"source\":\"en\",\"target\":\"de\"}",
    "\",\"source\":\"en\",\"target\":\"de\",\"format\":\"html\"}",
    "[\"Yes.\",\"\"]",
    "Good evening.",
    "The old bridge is narrow.",
    "<p>Two <b>boats</b></p>",
    "<x id=\"1\"/>",
    "&q=",
    "&text=",
    "&source=en&target=de",
    "&source_lang=EN&target_lang=DE",
    "%",
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.docx\"\r\n\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\nen\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"target\"\r\n\r\nde\r\n",
    "--b--\r\n",
    "\r\n",
    "0",
];

/// The first of the bytes that stand for pieces.
const FIRST_PIECE: u8 = 0xc0;

/// Sends what these bytes stand for: the first line of a request, the kind of its body, and the body; or what is no
/// request. Returns what is sent, and what a server answers.
pub(crate) fn ask(server: SocketAddr, bytes: &[u8]) -> (String, String) {
    let mut connection = TcpStream::connect(server).expect("the server runs");
    let (sent, is_request) = request(bytes);
    // A server that refuses the head of a request reads no more of it.
    let _ = connection.write_all(&sent);
    if !is_request {
        // It would wait for the end of the request. For a client that goes away, it would not answer one.
        let _ = connection.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&sent), text(&answer))
}

/// Returns what bytes stand for, and whether it is a request.
fn request(bytes: &[u8]) -> (Vec<u8>, bool) {
    let [line, kind, body @ ..] = bytes else {
        return (bytes.to_vec(), false);
    };
    let pieces = body.iter().flat_map(|&byte| match byte.checked_sub(FIRST_PIECE) {
        Some(piece) => PIECES[usize::from(piece) % PIECES.len()].as_bytes().to_vec(),
        None => vec![byte],
    });
    let body: Vec<u8> = pieces.collect();
    let line = LINES[usize::from(*line) % LINES.len()];
    if line == "NONE" {
        return (body, false);
    }
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    ([head.as_bytes(), &body].concat(), true)
}
