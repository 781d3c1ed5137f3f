//! The description of all interfaces by OpenAPI, and the page that shows it.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Server, workspace};

/// The methods and addresses of a server. Those of its pages are not among them.
const ADDRESSES: [(&str, &str); 12] = [
    ("get", "/download_file/{id}"),
    ("get", "/frontend/settings"),
    ("get", "/health"),
    ("get", "/languages"),
    ("get", "/metrics"),
    ("get", "/spec"),
    ("post", "/detect"),
    ("post", "/translate"),
    ("post", "/translate_file"),
    ("post", "/v1/attention"),
    ("post", "/v1/stream"),
    ("post", "/v1/translate"),
];

#[test]
fn every_address_is_described_and_every_description_has_an_address() {
    let server = Server::start(&workspace());
    let (status, description) = server.get("/spec");
    assert_eq!(status, 200);
    let paths = description["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().keys();
        methods
            .map(|method| (method.clone(), path.clone()))
            .collect::<Vec<_>>()
    };
    let described: BTreeSet<(String, String)> = paths.iter().flat_map(of_path).collect();
    let expected = ADDRESSES.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(described, BTreeSet::from(expected));
    for (method, path) in described {
        let address = format!("{}{path}", server.address);
        let mut response = match method.as_str() {
            "get" => server.agent.get(address).call(),
            _ => server.agent.post(address).send_empty(),
        }
        .unwrap();
        let status = response.status();
        let body = response.body_mut().read_to_string().unwrap();
        assert!(!body.contains("there is nothing at this address"), "{path}");
        assert_ne!(status, 405, "{path}");
        assert!(status.as_u16() < 500, "{path}: {body}");
    }
}

#[test]
fn the_page_of_the_description_loads_nothing_from_elsewhere() {
    let server = Server::start(&workspace());
    let get = |path: &str| {
        server
            .agent
            .get(format!("{}{path}", server.address))
            .call()
            .unwrap()
    };
    // The address without a slash leads there.
    let mut page = get("/docs");
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let html = page.body_mut().read_to_string().unwrap();
    let files: Vec<&str> = html
        .split(['"'])
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
        .collect();
    assert!(files.len() >= 4, "{html}");
    for file in files {
        assert!(!file.contains("//"), "{file}");
        let mut file = get(&format!("/docs/{}", file.trim_start_matches("./")));
        assert_eq!(file.status(), 200);
        assert!(!file.body_mut().read_to_vec().unwrap().is_empty());
    }
    let script = get("/docs/swagger-initializer.js")
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(script.contains("\"/spec\""), "{script}");
    assert_eq!(get("/docs/other.js").status(), 404);
}

/// PYTHON names a Python with openapi-spec-validator.
#[test]
#[ignore = "needs packages of Python; `just test-openapi PYTHON` runs it"]
fn the_description_is_valid_and_answers_are_as_it_has_them() {
    let server = Server::start(&workspace());
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let status = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/check_openapi.py"))
        .arg(&server.address)
        .status();
    assert!(status.unwrap().success());
}
