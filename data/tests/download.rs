//! Downloads, from a server on this machine that can break in every way that matters.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use attend_data::DataError;
use attend_data::download::{Checksum, DownloadError, Downloader, Mirror, Progress, Source, SourceFile};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const FOLDER: &str = "someone/corpus/main/text";
const NAME: &str = "train.en.gz";

/// What the server does with one request.
#[derive(Clone)]
enum Answer {
    /// Sends these bytes, or the asked-for range of them.
    Ranges(Vec<u8>),
    /// Sends these bytes whole, whatever is asked for.
    Whole(Vec<u8>),
    /// Announces these bytes and hangs up after so many.
    Cut(Vec<u8>, usize),
    /// Sends so many of these bytes without announcing how many there are, and hangs up.
    CutUnannounced(Vec<u8>, usize),
    /// Announces these bytes and falls silent after so many.
    Stall(Vec<u8>, usize),
    /// Says that no such range exists.
    NotSatisfiable,
    /// Answers a request for a range with another range of these bytes.
    OtherRange(Vec<u8>),
    /// Sends this status and nothing else.
    Status(&'static str),
    /// Sends the browser elsewhere.
    Redirect(String),
    /// Accepts the connection and says nothing.
    Silence,
}

/// What the server reads of a request.
struct Request {
    line: String,
    range: Option<String>,
}

/// A server on the loopback interface that gives one answer after another.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let request = read_request(&stream);
                let range = request.range.clone();
                log.lock().unwrap().push(request);
                // The client may hang up first; what it then reports is what the tests look at.
                let _ = send(&stream, &answer, range.as_deref());
            }
        });
        Self { address, requests }
    }

    fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request.range.clone()).collect()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let line = lines.next().unwrap();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let range = headers
        .iter()
        .find_map(|header| header.to_lowercase().strip_prefix("range: ").map(str::to_owned));
    Request { line, range }
}

fn send(mut stream: &TcpStream, answer: &Answer, range: Option<&str>) -> std::io::Result<()> {
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
    };
    let start = range.map(|range| {
        let start = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
        start.parse::<usize>().unwrap()
    });
    let partial = |bytes: &[u8], start: usize| {
        let more = format!(
            "Content-Range: bytes {start}-{}/{}\r\n",
            bytes.len() - 1,
            bytes.len()
        );
        let head = head("206 Partial Content", bytes.len() - start, &more);
        [head.as_bytes(), &bytes[start..]].concat()
    };
    let whole = |bytes: &[u8]| [head("200 OK", bytes.len(), "").as_bytes(), bytes].concat();
    let response = match (answer, start) {
        (Answer::Ranges(bytes), Some(start)) => partial(bytes, start),
        (Answer::OtherRange(bytes), Some(start)) => partial(bytes, start - 1),
        (Answer::Ranges(bytes) | Answer::OtherRange(bytes) | Answer::Whole(bytes), _) => whole(bytes),
        (Answer::Cut(bytes, after), _) => {
            let head = head("200 OK", bytes.len(), "");
            [head.as_bytes(), &bytes[..*after]].concat()
        }
        (Answer::CutUnannounced(bytes, after), _) => {
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            [head.as_bytes(), &bytes[..*after]].concat()
        }
        (Answer::Stall(bytes, after), _) => {
            let head = head("200 OK", bytes.len(), "");
            stream.write_all(&[head.as_bytes(), &bytes[..*after]].concat())?;
            thread::sleep(Duration::from_secs(5));
            return Ok(());
        }
        (Answer::NotSatisfiable, _) => head("416 Range Not Satisfiable", 0, "").into_bytes(),
        (Answer::Status(status), _) => head(status, 0, "").into_bytes(),
        (Answer::Redirect(to), _) => head("302 Found", 0, &format!("Location: {to}\r\n")).into_bytes(),
        (Answer::Silence, _) => {
            thread::sleep(Duration::from_secs(5));
            return Ok(());
        }
    };
    stream.write_all(&response)
}

/// Bytes that no part of another such file repeats.
fn contents(salt: u8) -> Vec<u8> {
    (0..200_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ salt)
        .collect()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A corpus of one file, with these contents.
fn source(server: &str, bytes: &[u8]) -> Source {
    Source {
        name: "tiny".to_owned(),
        description: "a test".to_owned(),
        license: "none".to_owned(),
        server: server.to_owned(),
        folder: FOLDER.to_owned(),
        files: vec![SourceFile {
            name: NAME.to_owned(),
            size: bytes.len() as u64,
            checksum: Checksum::Sha256(sum(bytes)),
            server: None,
            folder: None,
            members: Vec::new(),
        }],
    }
}

/// A downloader that does not wait long for a silent server.
fn impatient() -> Downloader {
    Downloader {
        timeout: Duration::from_millis(500),
        ..Downloader::default()
    }
}

/// A folder to download to, and what happened there.
struct Output {
    folder: TempDir,
    progress: Vec<Progress>,
}

impl Output {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            progress: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves behind what a download that was cut off would.
    fn with_part(self, bytes: &[u8]) -> Self {
        fs::write(self.path(&format!("{NAME}.part")), bytes).unwrap();
        self
    }

    fn fetch(&mut self, downloader: &Downloader, source: &Source) -> Result<(), DownloadError> {
        let Self { folder, progress } = self;
        progress.clear();
        downloader.fetch(source, folder.path(), |_, step| progress.push(step))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The file is there, whole and right, and nothing else is.
    fn assert_holds(&self, bytes: &[u8]) {
        assert_eq!(self.names(), [NAME]);
        assert!(fs::read(self.path(NAME)).unwrap() == bytes);
    }
}

#[test]
fn a_file_is_downloaded_once() {
    let bytes = contents(1);
    let server = Server::new(vec![Answer::Ranges(bytes.clone())]);
    let source = source(&server.address, &bytes);
    let mut output = Output::new();
    output.fetch(&Downloader::default(), &source).unwrap();
    output.assert_holds(&bytes);
    let line = server.requests.lock().unwrap()[0].line.clone();
    assert_eq!(line, format!("GET /{FOLDER}/{NAME} HTTP/1.1"));
    let size = bytes.len() as u64;
    assert_eq!(output.progress[0], Progress::Bytes(0));
    assert_eq!(
        output.progress[output.progress.len() - 2..],
        [Progress::Bytes(size), Progress::Done]
    );

    // The server would not answer a second time.
    output.fetch(&Downloader::default(), &source).unwrap();
    assert_eq!(output.progress, [Progress::Present]);
}

#[test]
fn a_file_with_the_wrong_content_is_replaced() {
    let bytes = contents(1);
    let server = Server::new(vec![Answer::Ranges(bytes.clone())]);
    let mut output = Output::new();
    fs::write(output.path(NAME), &bytes[1..]).unwrap();
    output
        .fetch(&Downloader::default(), &source(&server.address, &bytes))
        .unwrap();
    output.assert_holds(&bytes);
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    let bytes = contents(2);
    for cut in [
        Answer::Cut(bytes.clone(), 70_000),
        Answer::CutUnannounced(bytes.clone(), 70_000),
        Answer::Stall(bytes.clone(), 70_000),
    ] {
        let server = Server::new(vec![cut]);
        let mut output = Output::new();
        let error = output
            .fetch(&impatient(), &source(&server.address, &bytes))
            .unwrap_err();
        assert!(matches!(error, DownloadError::Connection { .. }), "{error:?}");
        let url = format!("{}/{FOLDER}/{NAME}", server.address);
        assert!(error.to_string().contains(&url), "{error}");
        let part = format!("{NAME}.part");
        assert_eq!(output.names(), [part.as_str()]);
        assert!(fs::read(output.path(&part)).unwrap() == bytes[..70_000]);

        let server = Server::new(vec![Answer::Ranges(bytes.clone())]);
        output
            .fetch(&impatient(), &source(&server.address, &bytes))
            .unwrap();
        output.assert_holds(&bytes);
        assert_eq!(server.ranges(), [Some("bytes=70000-".to_owned())]);
        assert_eq!(output.progress[0], Progress::Bytes(70_000));
    }
}

#[test]
fn a_download_that_cannot_go_on_starts_again() {
    let bytes = contents(3);
    for answers in [
        vec![Answer::Whole(bytes.clone())],
        vec![Answer::NotSatisfiable, Answer::Whole(bytes.clone())],
        vec![Answer::OtherRange(bytes.clone()), Answer::Whole(bytes.clone())],
    ] {
        let requests = answers.len();
        let server = Server::new(answers);
        let mut output = Output::new().with_part(&bytes[..1_000]);
        output
            .fetch(&Downloader::default(), &source(&server.address, &bytes))
            .unwrap();
        output.assert_holds(&bytes);
        assert_eq!(server.ranges().len(), requests);
        assert_eq!(server.ranges()[0].as_deref(), Some("bytes=1000-"));
    }
}

#[test]
fn what_is_left_of_another_version_is_not_kept() {
    let bytes = contents(4);
    for (left, requests) in [
        (contents(5)[..1_000].to_vec(), 2), // fits in: the sum shows it after going on
        (contents(5), 1),                   // as long as the file
        ([contents(4), vec![0]].concat(), 1), // longer than the file
    ] {
        let server = Server::new(vec![Answer::Ranges(bytes.clone()); 2]);
        let mut output = Output::new().with_part(&left);
        output
            .fetch(&Downloader::default(), &source(&server.address, &bytes))
            .unwrap();
        output.assert_holds(&bytes);
        assert_eq!(server.ranges().len(), requests, "{} bytes left", left.len());
        assert_eq!(server.ranges()[requests - 1], None);
    }
}

#[test]
fn a_complete_part_needs_no_server() {
    let bytes = contents(6);
    let mut output = Output::new().with_part(&bytes);
    output
        .fetch(&Downloader::default(), &source("http://127.0.0.1:9", &bytes))
        .unwrap();
    output.assert_holds(&bytes);
}

#[test]
fn wrong_bytes_are_an_error_with_both_sums_and_are_not_kept() {
    let (right, wrong) = (contents(7), contents(8));
    let longer = [right.clone(), vec![1; 100_000]].concat();
    for (sent, found) in [(&wrong, sum(&wrong)), (&longer, sum(&longer[..right.len() + 1]))] {
        let server = Server::new(vec![Answer::Whole(sent.clone())]);
        let mut output = Output::new();
        let error = output
            .fetch(&Downloader::default(), &source(&server.address, &right))
            .unwrap_err();
        let expected = format!(
            "{}/{FOLDER}/{NAME} has the wrong content: expected SHA-256 {}, found {found}",
            server.address,
            sum(&right)
        );
        assert_eq!(error.to_string(), expected);
        assert!(output.names().is_empty());
    }
}

#[test]
fn an_error_of_the_server_is_named() {
    let bytes = contents(9);
    for (answer, expected) in [
        (Answer::Status("404 Not Found"), 404),
        (Answer::Status("500 Internal Server Error"), 500),
        (Answer::NotSatisfiable, 416),
    ] {
        let server = Server::new(vec![answer]);
        let error = Output::new()
            .fetch(&Downloader::default(), &source(&server.address, &bytes))
            .unwrap_err();
        assert!(
            matches!(error, DownloadError::HttpStatus { status, .. } if status == expected),
            "{error:?}"
        );
        assert!(error.to_string().contains(&format!("{FOLDER}/{NAME}")), "{error}");
    }
}

#[test]
fn redirects_are_followed() {
    let bytes = contents(10);
    let target = Server::new(vec![Answer::Ranges(bytes.clone())]);
    let server = Server::new(vec![Answer::Redirect(format!("{}/elsewhere", target.address))]);
    let mut output = Output::new();
    output
        .fetch(&Downloader::default(), &source(&server.address, &bytes))
        .unwrap();
    output.assert_holds(&bytes);
    assert_eq!(target.requests.lock().unwrap()[0].line, "GET /elsewhere HTTP/1.1");
}

#[test]
fn a_silent_server_does_not_hang_the_download() {
    let bytes = contents(11);
    let server = Server::new(vec![Answer::Silence]);
    let start = Instant::now();
    let error = Output::new()
        .fetch(&impatient(), &source(&server.address, &bytes))
        .unwrap_err();
    assert!(matches!(error, DownloadError::Connection { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Output::new()
        .fetch(&Downloader::default(), &source(&address, &contents(12)))
        .unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
}

#[test]
fn a_mirror_takes_the_place_of_the_server() {
    let bytes = contents(13);
    let source = source("http://127.0.0.1:9", &bytes);
    let server = Server::new(vec![Answer::Ranges(bytes.clone())]);
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
    fs::write(folder.path().join(FOLDER).join(NAME), &bytes).unwrap();
    for mirror in [
        format!("{}/", server.address),
        folder.path().display().to_string(),
    ] {
        let downloader = Downloader {
            mirror: Some(mirror.parse::<Mirror>().unwrap()),
            ..Downloader::default()
        };
        let mut output = Output::new();
        output.fetch(&downloader, &source).unwrap();
        output.assert_holds(&bytes);
    }
    assert_eq!(
        server.requests.lock().unwrap()[0].line,
        format!("GET /{FOLDER}/{NAME} HTTP/1.1")
    );
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let mut output = Output::new();
    fs::write(output.path("file"), "").unwrap();
    let folder = output.path("file/folder");
    let error = Downloader::default()
        .fetch(&source("http://127.0.0.1:9", b"x"), &folder, |_, _| {})
        .unwrap_err();
    assert!(
        matches!(&error, DownloadError::File(DataError::Write { path, .. }) if *path == folder),
        "{error:?}"
    );
    // Here the name of the temporary file is taken by a folder.
    fs::create_dir(output.path(&format!("{NAME}.part"))).unwrap();
    let server = Server::new(vec![Answer::Whole(b"x".to_vec()); 3]);
    let error = output
        .fetch(&Downloader::default(), &source(&server.address, b"x"))
        .unwrap_err();
    assert!(error.to_string().contains(".part"), "{error}");
}

#[test]
fn the_sources_are_complete() {
    let sources = Source::all();
    assert!(sources.iter().any(|source| source.name == "multi30k"));
    for source in sources {
        assert!(source.server.starts_with("https://") && !source.server.ends_with('/'));
        assert!(!source.description.is_empty() && !source.license.is_empty() && !source.files.is_empty());
        for file in &source.files {
            assert!(file.size > 0 && !file.name.contains('/'), "{}", file.name);
            let sum = file.checksum.sum();
            let digits = sum.bytes();
            assert!(
                matches!(file.checksum, Checksum::Sha256(_))
                    && sum.len() == 64
                    && digits
                        .into_iter()
                        .all(|digit| b"0123456789abcdef".contains(&digit))
            );
            let is_archive = file.name.ends_with(".tgz");
            assert_eq!(is_archive, !file.members.is_empty(), "{}", file.name);
        }
    }
}

const MODEL: &str = "someone/a-model.2";

/// The list of a model's files as the hub gives it: a large file, a small one, and what is not asked for.
fn list(large: &[u8], small: &[u8]) -> Vec<u8> {
    let blob = Sha1::digest([format!("blob {}\0", small.len()).as_bytes(), small].concat());
    let blob: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!([
        {"type": "directory", "oid": "0", "size": 0, "path": "onnx"},
        {"type": "file", "oid": "0", "size": 9, "path": "../evil.json"},
        {"type": "file", "oid": "0", "size": 9, "path": "rust_model.ot"},
        {"type": "file", "oid": blob, "size": small.len(), "path": "config.json"},
        {
            "type": "file", "oid": "1", "size": large.len(), "path": "weights.bin",
            "lfs": {"oid": sum(large), "size": large.len(), "pointerSize": 134},
        },
    ])
    .to_string()
    .into_bytes()
}

fn is_wanted(name: &str) -> bool {
    name.ends_with(".json") || name == "weights.bin"
}

/// Git itself calls the content "hello" and a line feed ce01362….
#[test]
fn small_files_are_checked_by_their_names_in_git() {
    let hello = b"hello\n";
    assert!(
        String::from_utf8(list(b"", hello))
            .unwrap()
            .contains("ce013625030ba8dba906f756967f9e9ca394464a")
    );
}

#[test]
fn a_model_comes_from_a_server_laid_out_as_the_hub() {
    let (large, small) = (contents(14), b"{}\n".to_vec());
    let folder = TempDir::new().unwrap();
    let files = folder.path().join(MODEL).join("resolve/main");
    let lists = folder.path().join(format!("api/models/{MODEL}/tree"));
    for path in [&files, &lists] {
        fs::create_dir_all(path).unwrap();
    }
    fs::write(lists.join("main"), list(&large, &small)).unwrap();
    fs::write(files.join("weights.bin"), &large).unwrap();
    fs::write(files.join("config.json"), &small).unwrap();
    // The hub sends large files from elsewhere.
    let elsewhere = Server::new(vec![Answer::Ranges(large.clone())]);
    let server = Server::new(vec![
        Answer::Whole(list(&large, &small)),
        Answer::Whole(small.clone()),
        Answer::Redirect(format!("{}/stored", elsewhere.address)),
    ]);
    for mirror in [server.address.clone(), folder.path().display().to_string()] {
        let downloader = Downloader {
            mirror: Some(mirror.parse::<Mirror>().unwrap()),
            ..Downloader::default()
        };
        let source = downloader.model(MODEL, is_wanted).unwrap();
        let names: Vec<&str> = source.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["config.json", "weights.bin"]);
        let mut output = Output::new();
        // A download of the large file has been cut off before.
        fs::write(output.path("weights.bin.part"), &large[..5_000]).unwrap();
        output.fetch(&downloader, &source).unwrap();
        assert_eq!(output.names(), names);
        assert!(fs::read(output.path("weights.bin")).unwrap() == large);
        assert_eq!(fs::read(output.path("config.json")).unwrap(), small);
    }
    let requests = server.requests.lock().unwrap();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            format!("GET /api/models/{MODEL}/tree/main HTTP/1.1"),
            format!("GET /{MODEL}/resolve/main/config.json HTTP/1.1"),
            format!("GET /{MODEL}/resolve/main/weights.bin HTTP/1.1"),
        ]
    );
    assert_eq!(elsewhere.ranges(), [Some("bytes=5000-".to_owned())]);
}

#[test]
fn a_small_file_with_the_wrong_content_is_not_kept() {
    let server = Server::new(vec![
        Answer::Whole(list(b"", b"{}\n")),
        Answer::Whole(b"[]\n".to_vec()),
    ]);
    let downloader = Downloader {
        mirror: Some(Mirror::Server(server.address)),
        ..Downloader::default()
    };
    let source = downloader.model(MODEL, is_wanted).unwrap();
    let mut output = Output::new();
    let error = output.fetch(&downloader, &source).unwrap_err();
    assert!(matches!(error, DownloadError::WrongChecksum { .. }), "{error:?}");
    assert!(error.to_string().contains("git's SHA-1"), "{error}");
    assert!(output.names().is_empty());
}

/// The sum of a file counts, whatever size a list claims for it.
#[test]
fn the_largest_size_of_a_file_is_no_size() {
    let (large, small) = (contents(15), b"{}\n".to_vec());
    let folder = TempDir::new().unwrap();
    let files = folder.path().join(MODEL).join("resolve/main");
    let lists = folder.path().join(format!("api/models/{MODEL}/tree"));
    for path in [&files, &lists] {
        fs::create_dir_all(path).unwrap();
    }
    let list = String::from_utf8(list(&large, &small)).unwrap();
    let size = format!("\"size\":{}", large.len());
    assert!(list.contains(&size));
    let list = list.replace(&size, &format!("\"size\":{}", u64::MAX));
    fs::write(lists.join("main"), list).unwrap();
    fs::write(files.join("weights.bin"), &large).unwrap();
    fs::write(files.join("config.json"), &small).unwrap();
    let downloader = Downloader {
        mirror: Some(Mirror::Folder(folder.path().to_owned())),
        ..Downloader::default()
    };
    let source = downloader.model(MODEL, is_wanted).unwrap();
    let mut output = Output::new();
    output.fetch(&downloader, &source).unwrap();
    assert!(fs::read(output.path("weights.bin")).unwrap() == large);
}

#[test]
fn what_is_no_model_is_named() {
    let of_server = |answer| {
        let server = Server::new(vec![answer]);
        let downloader = Downloader {
            mirror: Some(Mirror::Server(server.address)),
            ..impatient()
        };
        downloader.model(MODEL, is_wanted).unwrap_err()
    };
    for status in ["404 Not Found", "401 Unauthorized"] {
        let missing = of_server(Answer::Status(status));
        assert!(matches!(missing, DownloadError::NoModel { .. }), "{missing:?}");
        let message = missing.to_string();
        let expected = format!("there is no public model {MODEL} on http://127.0.0.1:");
        assert!(message.starts_with(&expected), "{message}");
    }
    let broken = of_server(Answer::Status("500 Internal Server Error"));
    assert!(
        matches!(broken, DownloadError::HttpStatus { status: 500, .. }),
        "{broken:?}"
    );
    for page in ["<html>", "{}", "[{\"path\": \"config.json\"}]"] {
        let error = of_server(Answer::Whole(page.as_bytes().to_vec()));
        assert!(matches!(error, DownloadError::List { .. }), "{error:?}");
    }
    let silent = of_server(Answer::Silence);
    assert!(matches!(silent, DownloadError::Connection { .. }), "{silent:?}");

    for name in [
        "",
        "opus-mt-en-de",
        "a/b/c",
        "a/../b",
        "../b",
        "a/.b",
        "a/b?c",
        "a/b c",
        "/b",
        "a/",
    ] {
        let error = Downloader::default().model(name, is_wanted).unwrap_err();
        assert!(
            matches!(error, DownloadError::ModelName { .. }),
            "{name}: {error:?}"
        );
    }
    let folder = TempDir::new().unwrap();
    let downloader = Downloader {
        mirror: Some(Mirror::Folder(folder.path().to_owned())),
        ..Downloader::default()
    };
    let error = downloader.model(MODEL, is_wanted).unwrap_err();
    assert!(matches!(error, DownloadError::NotInMirror { .. }), "{error:?}");
}
