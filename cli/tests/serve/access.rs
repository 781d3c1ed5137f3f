//! Who may ask a server, and how much.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Server, english, workspace};
use crate::common::{Workspace, argument, assert_error, assert_usage_error, attend, run, stdout};

/// Has a key made by the program. Returns it.
fn new_key(keys: &Path, name: &str) -> String {
    let mut command = attend("serve");
    command.args(["--keys", argument(keys), "--new-key", name]);
    let output = run(command, b"");
    stdout(&output).trim_end().to_owned()
}

/// Starts a server that takes the keys of a file.
fn start(workspace: &Workspace, keys: &Path, flags: &[&str]) -> Server {
    let model = workspace.model();
    let given = ["--model", argument(&model), "--keys", argument(keys)];
    Server::with(workspace, &[&given, flags].concat())
}

/// The file of the keys of a workspace.
fn keys(workspace: &Workspace) -> PathBuf {
    workspace.path("keys.toml")
}

/// Asks for a translation with a key. Returns the status and the answer.
fn ask(server: &Server, key: &str, text: &str) -> (u16, Value) {
    server.translate(&english(json!({"q": text, "api_key": key})))
}

#[test]
fn who_has_no_key_is_refused_in_each_way_in_which_a_key_is_sent() {
    let workspace = workspace();
    let keys = keys(&workspace);
    let key = new_key(&keys, "alice");
    let server = start(&workspace, &keys, &[]);
    let header = |scheme: &str, key: &str| {
        let request = server.agent.post(format!("{}/translate", server.address));
        let request = request.header("Authorization", format!("{scheme} {key}"));
        let asked = english(json!({"q": "yes"})).to_string();
        let answer = request.content_type("application/json").send(asked).unwrap();
        answer.status().as_u16()
    };
    let field = |name: &str, value: &str| {
        format!("--boundary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = |key: &str| format!("q=yes&source=en&target=de&api_key={key}");
    let post = |path: &str, kind: &str, body: &str| server.post(path, kind, body).status().as_u16();
    for (key, expected) in [(key.as_str(), 200), ("wrong", 403), ("", 403), (&key[1..], 403)] {
        let fields = ["q=yes", "source=en", "target=de", &format!("api_key={key}")]
            .map(|parameter| parameter.split_once('=').unwrap())
            .map(|(name, value)| field(name, value));
        let fields = fields.concat() + "--boundary--\r\n";
        let statuses = [
            header("DeepL-Auth-Key", key),
            header("Bearer", key),
            ask(&server, key, "yes").0,
            post("/translate", "application/x-www-form-urlencoded", &form(key)),
            post("/translate", "multipart/form-data; boundary=boundary", &fields),
            post(&format!("/translate?{}", form(key)), "text/plain", ""),
        ];
        assert_eq!(statuses, [expected; 6], "{key:?}");
    }

    for path in ["/translate", "/detect", "/v1/attention"] {
        let asked = english(json!({"q": "yes", "text": "yes"}));
        let (status, answer) = server.ask(path, &asked);
        assert_eq!(status, 403, "{path}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with("this server needs a key; "), "{error}");
    }
    let file = "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nyes\r\n\
                --boundary--\r\n";
    assert_eq!(
        post("/translate_file", "multipart/form-data; boundary=boundary", file),
        403
    );
    for path in ["/health", "/languages"] {
        assert_eq!(server.get(path).0, 200, "{path}");
    }
    assert_eq!(server.get("/frontend/settings").1["keyRequired"], true);
    let page = server.agent.get(&server.address).call().unwrap();
    assert_eq!(page.status(), 200);
    assert!(!server.log().contains(&key));
}

#[test]
fn a_key_is_made_and_kept_as_its_sum() {
    let workspace = workspace();
    let keys = keys(&workspace);
    let key = new_key(&keys, "alice");
    // 128 bits.
    assert!(
        key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{key}"
    );
    assert_ne!(new_key(&keys, "bob"), key);
    let text = fs::read_to_string(&keys).unwrap();
    assert!(text.contains("name = \"alice\"") && text.contains("name = \"bob\"") && !text.contains(&key));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let refused = |flags: &[&str]| {
        let mut command = attend("serve");
        command
            .args(["--model", argument(&workspace.model()), "--port", "0"])
            .args(flags);
        run(command, b"")
    };
    let complaints = assert_error(
        &refused(&["--keys", argument(&keys), "--new-key", "alice"]),
        &["has a key of the name \"alice\" already"],
    );
    assert!(complaints.contains("take another name"), "{complaints}");
    let complaints = assert_error(
        &refused(&["--keys", argument(&workspace.path("none"))]),
        &["cannot read"],
    );
    assert!(complaints.contains("--new-key NAME"), "{complaints}");
    assert_usage_error(&refused(&["--new-key", "carol"]), "--keys <FILE>");
    assert_usage_error(
        &refused(&["--keys", argument(&keys), "--open"]),
        "cannot be used with",
    );
    fs::write(&keys, text + "characters = \"many\"\n").unwrap();
    assert_error(&refused(&["--keys", argument(&keys)]), &["line 8: invalid type"]);
}

#[test]
fn a_key_has_its_own_limits() {
    let workspace = workspace();
    let keys = keys(&workspace);
    let [alice, bob] = ["alice", "bob"].map(|name| new_key(&keys, name));
    let text = fs::read_to_string(&keys).unwrap();
    fs::write(&keys, text + "characters = 10\nrequests_per_minute = 4\n").unwrap();
    let server = start(&workspace, &keys, &["--requests-per-minute", "5"]);
    assert_eq!(ask(&server, &bob, "yes yes").0, 200);
    let (status, answer) = ask(&server, &bob, "yes yes");
    assert_eq!(status, 456);
    assert_eq!(
        answer["error"],
        "the text has 7 characters, but the key \"bob\" has 3 of 10 left"
    );
    assert_eq!(ask(&server, &bob, "yes").0, 200);
    assert_eq!(ask(&server, &bob, "").0, 200);
    let asked = english(json!({"q": "", "api_key": bob})).to_string();
    let mut refusal = server.post("/translate", "application/json", &asked);
    assert_eq!(refusal.status(), 429);
    let wait: u64 = refusal.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    let error = refusal.body_mut().read_to_string().unwrap();
    assert!(
        error.contains("\"Slowdown: at most 4 requests a minute are taken\""),
        "{error}"
    );

    let statuses: Vec<u16> = (0..6).map(|_| ask(&server, &alice, "yes yes yes").0).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    // Without a key, the address is counted; what is open is not.
    let statuses: Vec<u16> = (0..6).map(|_| ask(&server, "wrong", "yes").0).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn without_keys_requests_are_counted_by_address() {
    let workspace = workspace();
    let model = workspace.model();
    let server = Server::with(
        &workspace,
        &["--model", argument(&model), "--requests-per-minute", "3"],
    );
    let statuses: Vec<u16> = (0..4).map(|_| ask(&server, "", "yes").0).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(server.get("/frontend/settings").1["keyRequired"], false);
}

#[test]
fn a_server_follows_the_file_of_its_keys() {
    let workspace = workspace();
    let keys = keys(&workspace);
    let alice = new_key(&keys, "alice");
    let old = fs::read_to_string(&keys).unwrap() + "characters = 10\n";
    fs::write(&keys, &old).unwrap();
    let server = start(&workspace, &keys, &[]);
    assert_eq!(ask(&server, &alice, "yes yes").0, 200);
    let wait_until = |reached: &dyn Fn() -> bool| {
        let limit = Instant::now() + Duration::from_secs(20);
        while !reached() {
            assert!(Instant::now() < limit, "{}", server.log());
            thread::sleep(Duration::from_millis(50));
        }
    };
    let bob = new_key(&keys, "bob");
    wait_until(&|| ask(&server, &bob, "yes").0 == 200);
    // What was used stays used.
    assert_eq!(ask(&server, &alice, "yes yes").0, 456);
    fs::write(&keys, "[[key]]\n").unwrap();
    wait_until(&|| server.log().contains("the keys stay as they were: "));
    assert_eq!(ask(&server, &bob, "yes").0, 200);
    fs::write(&keys, old).unwrap();
    wait_until(&|| ask(&server, &bob, "yes").0 == 403);
    // The limit is as it was before bob.
    assert_eq!(ask(&server, &alice, "yes").0, 200);
}
