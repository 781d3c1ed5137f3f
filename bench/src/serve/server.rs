//! A server that runs as long as it is measured.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use attend_device::Workers;
use serde::Deserialize;

use crate::error::BenchError;

/// How many texts are asked for at the same time when each is asked for once.
const CLIENTS: usize = 8;

/// A server in a process of its own, which ends when the value is dropped.
pub(crate) struct Server {
    child: Child,
    /// The address, such as `http://127.0.0.1:5000`.
    address: String,
}

impl Server {
    /// Starts a server, and waits until it prints a line on standard error that begins with its address. If it is a
    /// Python script, `packages` are those that it imports.
    ///
    /// # Errors
    ///
    /// [`BenchError::Start`] if the program cannot be started, [`BenchError::NoServer`] if it ends before it serves.
    pub(crate) fn start(mut command: Command, packages: Option<&'static str>) -> Result<Self, BenchError> {
        let program = PathBuf::from(command.get_program());
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| BenchError::Start {
            program: program.clone(),
            error,
            packages,
        })?;
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            let word = line.split_whitespace().next().unwrap_or_default();
            if word.starts_with("http://") {
                let address = word.to_owned();
                thread::spawn(move || io::copy(&mut lines, &mut io::stderr()));
                return Ok(Self { child, address });
            }
            eprint!("{line}");
            line.clear();
        }
        let _ = child.kill();
        let status = child.wait();
        Err(BenchError::NoServer {
            program,
            status: status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            packages,
        })
    }

    pub(crate) fn translate_address(&self) -> String {
        format!("{}/translate", self.address)
    }

    /// Returns the bytes of memory that the server holds, or 0 if they are not known.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = held.and_then(|held| held.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kibibytes.unwrap_or(0) * 1024
    }

    /// Asks for each translation once. Returns them in the order of the requests' bodies.
    ///
    /// # Errors
    ///
    /// [`BenchError::Unserved`] if the server does not answer with a translation.
    pub(crate) fn translate(&self, bodies: &[String]) -> Result<Vec<String>, BenchError> {
        let agent = ureq::Agent::new_with_defaults();
        let unserved = |error: &dyn Error| BenchError::Unserved {
            answers: error.to_string(),
        };
        let ask = |body: &String| {
            let request = agent
                .post(self.translate_address())
                .content_type("application/json");
            let answer = request
                .send(body)
                .and_then(|mut response| response.body_mut().read_to_string());
            let answer = answer.map_err(|error| unserved(&error))?;
            let answer: Answer = serde_json::from_str(&answer).map_err(|error| unserved(&error))?;
            Ok(answer.translated_text)
        };
        Workers::start(CLIENTS, 1)?.map(bodies, ask).into_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    translated_text: String,
}
