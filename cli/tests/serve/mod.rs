//! `attend serve`, asked over HTTP as its clients ask.

mod access;
#[cfg(target_os = "linux")]
mod container;
mod deepl;
mod deepl_client;
mod files;
mod libre_translate_page;
mod libretranslatepy;
mod limits;
mod load;
mod metrics;
mod models;
mod own;
mod page;
mod requests;
mod specification;
mod start;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use attend_infer::{Languages, ModelFolder};
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

use crate::common::{SENTENCES, Workspace, argument, attend, model_folder, text};

/// A workspace whose model translates from English to German.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let languages = Languages {
        source: "en".parse().ok(),
        target: "de".parse().ok(),
    };
    let folder = ModelFolder {
        languages,
        ..model_folder()
    };
    folder.save(workspace.model()).unwrap();
    workspace
}

/// A server that runs.
struct Server {
    child: Child,
    /// What it has logged so far.
    log: Arc<Mutex<String>>,
    address: String,
    agent: ureq::Agent,
}

impl Server {
    /// Starts a server of the model of a workspace.
    fn start(workspace: &Workspace) -> Self {
        Self::with(workspace, &["--model", argument(&workspace.model())])
    }

    /// Starts a server with flags. The user's models are in the folder `home` of the workspace.
    fn with(workspace: &Workspace, flags: &[&str]) -> Self {
        let mut command = attend("serve");
        command
            .args(["--port", "0"])
            .args(flags)
            .env("ATTEND_HOME", workspace.path("home"))
            .stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let (address, _) = line
            .split_once(" translates ")
            .unwrap_or_else(|| panic!("{line}"));
        // A server that nobody reads would wait until there is room for its log.
        let log = Arc::<Mutex<String>>::default();
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in stderr.lines() {
                *written.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self {
            child,
            log,
            address: address.to_owned(),
            agent,
        }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        answer(self.agent.get(format!("{}{path}", self.address)).call().unwrap())
    }

    /// Returns the value of a metric, given its name and its labels as Prometheus reads them; 0 if it is not there yet.
    fn metric(&self, name: &str) -> f64 {
        let mut response = self
            .agent
            .get(format!("{}/metrics", self.address))
            .call()
            .unwrap();
        let metrics = response.body_mut().read_to_string().unwrap();
        let of_name = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        of_name.map_or(0.0, |value| value.parse().unwrap())
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Response<Body> {
        let request = self.agent.post(format!("{}{path}", self.address));
        request.content_type(kind).send(body).unwrap()
    }

    /// Asks by a body of JSON.
    fn ask(&self, path: &str, asked: &Value) -> (u16, Value) {
        answer(self.post(path, "application/json", &asked.to_string()))
    }

    /// Asks for translations by a body of JSON.
    fn translate(&self, asked: &Value) -> (u16, Value) {
        self.ask("/translate", asked)
    }

    /// Returns what the server has logged so far.
    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn terminate(&self) {
        let kill = Command::new("sh")
            .args(["-c", &format!("kill {}", self.child.id())])
            .status();
        assert!(kill.unwrap().success());
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the status of an answer, and its body.
fn answer(mut response: Response<Body>) -> (u16, Value) {
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&body).unwrap())
}

/// Returns what `attend translate` prints for each of [`SENTENCES`].
fn translated(workspace: &Workspace, flags: &[&str]) -> Vec<String> {
    let found = workspace.translated(flags, text().as_bytes());
    found.lines().map(str::to_owned).collect()
}

/// Asks for a translation from one language into another.
fn between(source: &str, target: &str, mut asked: Value) -> Value {
    asked["source"] = source.into();
    asked["target"] = target.into();
    asked
}

/// Asks for a translation from English to German.
fn english(asked: Value) -> Value {
    between("en", "de", asked)
}

/// A text of so many lines.
fn document(lines: usize) -> String {
    SENTENCES
        .into_iter()
        .cycle()
        .take(lines)
        .collect::<Vec<_>>()
        .join("\n")
}
