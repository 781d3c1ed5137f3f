//! The root folder of the server's container, which is made as the container file has it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::json;

use super::{english, workspace};

/// The most bytes of the image without models, if the program computes by `flex` alone.
const MOST_BYTES: u64 = 60_000_000;

/// Whether the program computes in other ways, too, which makes it larger.
const HAS_OTHER_BACKENDS: bool = cfg!(any(feature = "ndarray", feature = "remote", feature = "wgpu"));

fn assembled(root: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../container/assemble.sh");
    let mut assemble = Command::new(script);
    assemble.arg(env!("CARGO_BIN_EXE_attend")).arg(root);
    assert!(assemble.status().unwrap().success());
}

/// Returns the number of bytes of all files in a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let of_entry = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        folder if folder.is_dir() => bytes(&entry.path()),
        file => file.len(),
    };
    entries.map(of_entry).sum()
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// It runs as a container does: by itself in its root folder, which it cannot write to, as a user whom nobody knows.
#[test]
#[ignore = "needs Linux and bubblewrap; `just test-container` runs it"]
fn a_server_runs_in_its_container() {
    let workspace = workspace();
    let root = workspace.path("root");
    assembled(&root);
    let found = bytes(&root);
    println!("the root folder has {found} bytes");
    assert!(found < MOST_BYTES || HAS_OTHER_BACKENDS, "{found} bytes");

    let models = workspace.path("models");
    fs::create_dir(&models).unwrap();
    fs::rename(workspace.model(), models.join("en-de")).unwrap();
    let contained = || {
        let mut command = Command::new("bwrap");
        command.arg("--ro-bind").arg(&root).arg("/");
        command.arg("--ro-bind").arg(&models).arg("/models");
        command.args(
            "--dev /dev --proc /proc --tmpfs /tmp --unshare-user --unshare-pid --die-with-parent".split(' '),
        );
        command.args("--uid 12345 --gid 54321 --clearenv --setenv ATTEND_HOME / /attend serve".split(' '));
        command
    };
    // It listens on this machine alone, since no container's network is around it.
    let mut serve = contained();
    // The container has no library of a GPU.
    serve
        .args(["--port", "0", "--device", "cpu"])
        .stderr(Stdio::piped());
    let mut server = Running(serve.spawn().unwrap());
    let mut stderr = BufReader::new(server.0.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let (address, _) = line
        .split_once(" translates en to de")
        .unwrap_or_else(|| panic!("{line}"));
    thread::spawn(move || stderr.lines().for_each(|line| println!("{}", line.unwrap())));

    let (_, port) = address.rsplit_once(':').unwrap();
    let health = |port: &str| contained().args(["--health", "--port", port]).status().unwrap();
    assert!(health(port).success());
    assert!(!health("1").success());
    let agent = ureq::Agent::new_with_defaults();
    let asked = english(json!({"q": "yes"})).to_string();
    let request = agent.post(format!("{address}/translate"));
    assert_eq!(
        request
            .content_type("application/json")
            .send(asked)
            .unwrap()
            .status(),
        200
    );
    // A file is kept where the container can write.
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{value}\r\n")
    };
    let form = [
        field("file", "; filename=\"a.txt\"\r\n\r\nyes"),
        field("source", "\r\n\r\nen"),
        field("target", "\r\n\r\nde"),
        "--b--\r\n".to_owned(),
    ]
    .concat();
    let request = agent.post(format!("{address}/translate_file"));
    let sent = request.content_type("multipart/form-data; boundary=b").send(form);
    assert_eq!(sent.unwrap().status(), 200);
}
