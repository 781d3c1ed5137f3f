//! The Python client of LibreTranslate, against the server. It is fetched for this test, and is no part of Attend.

use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{Server, translated, workspace};
use crate::common::SENTENCES;

/// The package, with the sum of the file that is fetched.
const PACKAGE: &str = "libretranslatepy==2.1.4 \
                       --hash=sha256:84fd16181e021e87c2d34351d928c01d66dba36e01814500aee8731dd138b822";

/// The variable PYTHON names a Python. Without the network the test does nothing.
#[test]
#[ignore = "fetches a client by pip; `just test-libretranslate PYTHON` runs it"]
fn the_python_client_gets_what_it_asks_for() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let workspace = workspace();
    let packages = workspace.path("packages");
    let list = workspace.write("requirements.txt", PACKAGE);
    let status = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"])
        .arg("--requirement")
        .arg(list)
        .arg("--target")
        .arg(&packages)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {python} -m pip cannot fetch the client");
        return;
    }
    let server = Server::start(&workspace);
    let expected: Vec<_> = SENTENCES.iter().zip(translated(&workspace, &[])).collect();
    let expected = workspace.write("expected.json", json!(expected).to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/check_libretranslatepy.py");
    let status = Command::new(python)
        .arg(script)
        .args([server.address.as_str(), expected.to_str().unwrap()])
        .env("PYTHONPATH", packages)
        .status();
    assert!(status.unwrap().success());
}
