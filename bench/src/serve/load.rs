//! The requests of many clients, which the program oha sends.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::server::Server;
use crate::error::BenchError;

const PROGRAM: &str = "oha";
/// The status of a request that is served.
const SERVED: &str = "200";

/// Requests that are sent to a server.
pub(crate) struct Load<'a> {
    /// The file of the requests' bodies, one a line. Each request has one of them at random.
    bodies: &'a Path,
    clients: usize,
    amount: [String; 2],
    /// The number of requests that are sent each second; `None` if each client waits for its answer.
    rate: Option<f64>,
}

impl<'a> Load<'a> {
    /// Requests for so many seconds.
    pub(crate) fn of_seconds(bodies: &'a Path, clients: usize, seconds: usize) -> Self {
        Self {
            bodies,
            clients,
            amount: ["-z".to_owned(), format!("{seconds}s")],
            rate: None,
        }
    }

    /// So many requests.
    pub(crate) fn of_requests(bodies: &'a Path, clients: usize, requests: usize) -> Self {
        Self {
            bodies,
            clients,
            amount: ["-n".to_owned(), requests.to_string()],
            rate: None,
        }
    }

    /// Sends so many requests each second, whether or not others are answered. The time of a request begins when it is
    /// due, even if all clients wait then.
    pub(crate) fn at_rate(self, rate: f64) -> Self {
        Self {
            rate: Some(rate),
            ..self
        }
    }

    /// Sends the requests.
    ///
    /// # Errors
    ///
    /// [`BenchError::NoLoadGenerator`] if there is no oha, and [`BenchError::NoMeasurement`] if it fails.
    pub(crate) fn send(&self, server: &Server) -> Result<Answers, BenchError> {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--no-tui", "--output-format", "json", "--stats-success-breakdown"])
            .args(["-m", "POST", "-T", "application/json", "-w"])
            .args(["-c", &self.clients.to_string()])
            .args(&self.amount);
        if let Some(rate) = self.rate {
            command.args(["--latency-correction", "-q", &format!("{rate:.0}")]);
        }
        command.arg("-Z").arg(self.bodies).arg(server.translate_address());
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| BenchError::NoLoadGenerator { error })?;
        let report: Report =
            serde_json::from_slice(&output.stdout).map_err(|_| BenchError::NoMeasurement {
                program: PROGRAM.into(),
                status: output.status,
                output: String::from_utf8_lossy(&output.stdout).into_owned(),
                packages: None,
            })?;
        Ok(report.answers())
    }
}

/// What a load measures.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) served_per_second: f64,
    /// The requests that were answered with another status than 200 each second.
    pub(crate) refused_per_second: f64,
    /// The 50th, 95th and 99th percentiles of the milliseconds of requests that were served.
    pub(crate) milliseconds: [f64; 3],
    /// The requests that were not served, by status or error.
    unserved: BTreeMap<String, u64>,
}

impl Answers {
    /// # Errors
    ///
    /// [`BenchError::Unserved`] if a request was not served.
    pub(crate) fn all_served(&self) -> Result<(), BenchError> {
        if self.unserved.is_empty() {
            return Ok(());
        }
        let counts = self
            .unserved
            .iter()
            .map(|(what, count)| format!("{count} × {what}"));
        Err(BenchError::Unserved {
            answers: counts.collect::<Vec<_>>().join(", "),
        })
    }
}

/// The part of oha's output that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    summary: Summary,
    latency_percentiles_successful: Percentiles,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    /// The seconds from the first request to the last answer.
    total: f64,
}

/// Seconds; none if no request was served.
#[derive(Deserialize)]
struct Percentiles {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl Report {
    fn answers(self) -> Answers {
        let Percentiles { p50, p95, p99 } = self.latency_percentiles_successful;
        let mut unserved = self.status_code_distribution;
        let served = unserved.remove(SERVED).unwrap_or(0);
        let refused: u64 = unserved.values().sum();
        unserved.extend(self.error_distribution);
        let per_second = |count: u64| count as f64 / self.summary.total;
        Answers {
            served_per_second: per_second(served),
            refused_per_second: per_second(refused),
            milliseconds: [p50, p95, p99].map(|seconds| 1e3 * seconds.unwrap_or(f64::NAN)),
            unserved,
        }
    }
}
