//! Files that a server translates.

use std::fs;
use std::io::{Cursor, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Server, answer, workspace};
use crate::common::{Workspace, attend, run, text};

/// Sends a file as a browser does. Returns the status and the answer.
fn send(server: &Server, name: &str, content: &[u8], source: &str) -> (u16, Value) {
    let head =
        |disposition: &str| format!("--boundary\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    let body = [
        head("name=\"source\"").as_bytes(),
        source.as_bytes(),
        format!("\r\n{}de\r\n", head("name=\"target\"")).as_bytes(),
        head(&format!("name=\"file\"; filename=\"{name}\"")).as_bytes(),
        content,
        b"\r\n--boundary--\r\n",
    ]
    .concat();
    let request = server.agent.post(format!("{}/translate_file", server.address));
    answer(
        request
            .content_type("multipart/form-data; boundary=boundary")
            .send(&body)
            .unwrap(),
    )
}

/// Returns what `attend translate --document` makes of a file.
fn translated(workspace: &Workspace, file: &Path) -> Vec<u8> {
    let output = workspace
        .path("translated")
        .with_extension(file.extension().unwrap());
    let mut command = attend("translate");
    command
        .arg("--model")
        .arg(workspace.model())
        .arg("--document")
        .arg(file);
    command.arg("--output").arg(&output);
    assert!(run(command, b"").status.success());
    fs::read(output).unwrap()
}

#[test]
fn a_file_is_translated_as_by_attend_translate() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../documents/tests/fixtures")
            .join(name);
        (path.clone(), fs::read(path).unwrap())
    };
    let plain = workspace.write("straße 1.txt", text());
    for (path, content) in [
        (plain.clone(), fs::read(&plain).unwrap()),
        fixture("made.docx"),
        fixture("made.odt"),
    ] {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (status, answer) = send(&server, name, &content, "en");
        assert_eq!(status, 200, "{answer}");
        let url = answer["translatedFileUrl"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("{}/download_file/", server.address)),
            "{url}"
        );
        let mut download = server.agent.get(url).call().unwrap();
        assert_eq!(download.status(), 200);
        let header = |name: &str| download.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/octet-stream");
        if path == plain {
            let saved = "attachment; filename*=UTF-8''stra%C3%9Fe%201%2Ede%2Etxt";
            assert_eq!(header("content-disposition"), saved);
        }
        assert_eq!(
            download.body_mut().read_to_vec().unwrap(),
            translated(&workspace, &path),
            "{name}"
        );
    }
    // Without its language, the text is taken for one that is translated into the target.
    let english = b"The old jetty is rotten, and nobody walks on it any more.";
    assert_eq!(send(&server, "a.txt", english, "auto").0, 200);
}

#[test]
fn a_file_that_cannot_be_translated_is_refused() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let refused = |name: &str, content: &[u8], expected: &str| {
        let (status, answer) = send(&server, name, content, "en");
        assert_eq!(status, 400, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    };
    for id in ["0", "..%2f..%2fetc%2fpasswd"] {
        let (status, answer) = server.get(&format!("/download_file/{id}"));
        assert_eq!(status, 404);
        assert_eq!(
            answer["error"],
            "there is no such file; files are kept for ten minutes"
        );
    }
    refused(
        "a.pdf",
        b"a",
        "the name of the file is \"a.pdf\", but it can end in .txt, .srt, .html, .docx, .odt",
    );
    refused("a.docx", b"no archive", "is damaged or not of the kind docx");
    refused("a.txt", b"\xff\xfe\xfd", "UTF-8");
    let large = vec![b'a'; 20 << 20];
    assert_eq!(send(&server, "a.txt", &large, "en").0, 413);
    // No form of fields.
    assert_eq!(server.ask("/translate_file", &json!({})).0, 400);
}

#[test]
fn a_document_that_is_a_trap_is_refused() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let types = "<Types><Override PartName=\"/word/document.xml\" ContentType=\"application/\
                 vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let bomb = " ".repeat(200 << 20);
    let entities = "<!DOCTYPE x [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;\">]><x>&b;</x>";
    let file = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><x>&a;</x>";
    for (document, expected) in [
        (bomb.as_str(), "would take more than"),
        (entities, "declares a document type"),
        (file, "declares a document type"),
    ] {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in [("[Content_Types].xml", types), ("word/document.xml", document)] {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        let content = archive.finish().unwrap().into_inner();
        let (status, answer) = send(&server, "a.docx", &content, "en");
        assert_eq!(status, 400, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn clients_that_read_nothing_take_no_more_than_their_memory_and_their_time() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    // What has no letters stays as it is.
    let content = vec![b'-'; 15 << 20];
    let (status, answer) = send(&server, "a.txt", &content, "en");
    assert_eq!(status, 200, "{answer}");
    let url = answer["translatedFileUrl"].as_str().unwrap();
    let download = || server.agent.get(url).call().unwrap();
    let mut whole = download();
    let whole = whole.body_mut().with_config().limit(20 << 20).read_to_vec();
    assert_eq!(whole.unwrap(), content);
    let host = server.address.trim_start_matches("http://");
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: here\r\n\r\n",
        url.trim_start_matches(&server.address)
    );
    let reading_nothing: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut connection = TcpStream::connect(host).unwrap();
            connection.write_all(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let refusal = download();
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    // What is short needs no share of the memory.
    assert_eq!(send(&server, "a.txt", b"yes", "en").0, 200);
    let limit = Instant::now() + Duration::from_secs(45);
    while download().status() != 200 {
        assert!(Instant::now() < limit, "they still have the memory");
        thread::sleep(Duration::from_millis(500));
    }
    drop(reading_nothing);
}
