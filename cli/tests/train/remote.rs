//! Training on devices that other programs serve.
#![cfg(all(feature = "remote", feature = "flex"))]

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use attend_device::select;
use burn::tensor::Tensor;
use burn::tensor::distributed::{ReduceOperation, all_reduce};

use super::common::{set, small_workspace, stderr};
use crate::common::program;

/// The program `attend remote-server` on a free port of this machine, which ends when this value is dropped.
struct Server {
    child: Child,
    /// The name by which clients reach the server's device.
    device: String,
}

impl Server {
    fn start() -> Self {
        let mut child = program()
            .arg("remote-server")
            .args(["--listen", "127.0.0.1:0", "--device", "flex"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        lines.read_line(&mut line).expect("it says where it listens");
        // The test reads on, so that the server never waits for its reader.
        std::thread::spawn(move || lines.lines().for_each(drop));
        let device = line.split(' ').next().expect("a word").to_owned();
        assert!(device.starts_with("remote:ws://127.0.0.1:"), "{line}");
        Self { child, device }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_servers_train_as_one_device_does() {
    let workspace = small_workspace();
    let every_update = set(&["training.log_every=1"]);
    let train = |run: &str, arguments: &[&str]| {
        workspace.train_well(&[&["small.toml", "--output", run], arguments, &every_update].concat());
        workspace.losses(run)
    };
    // Each worker draws its own dropout, whichever device it computes on.
    let expected = train("here", &["--workers", "2"]);
    let servers = [Server::start(), Server::start()];
    let devices = servers.each_ref().map(|server| server.device.as_str()).join(",");
    let found = train("there", &["--device", &devices]);
    assert_eq!(found.len(), 20);
    for ((update, loss), (expected_update, expected)) in found.into_iter().zip(expected) {
        assert_eq!(update, expected_update);
        assert!(
            (loss - expected).abs() < 1e-4,
            "update {update}: {loss}, not {expected}"
        );
    }
}

#[test]
fn a_server_that_dies_ends_a_run_that_can_be_resumed() {
    let workspace = small_workspace();
    let mut servers = [Server::start(), Server::start()];
    let devices = servers.each_ref().map(|server| server.device.as_str()).join(",");
    let long = set(&["training.updates=100000"]);
    let arguments = [&["--output", "run", "--device", &devices], &long[..]].concat();
    let child = workspace.start(&arguments);
    // The report is written at the first validation, after its checkpoint.
    workspace.wait_for("run/report.html");
    servers[1].kill();
    let killed = Instant::now();
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        killed.elapsed() < Duration::from_secs(30),
        "{:?}",
        killed.elapsed()
    );

    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let error = message.lines().find(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("no error in: {message}"));
    assert!(error.contains("lost "), "{message}");
    assert!(error.contains(&servers[1].device), "{message}");
    assert!(!message.contains("panicked"), "{message}");

    let steps: usize = workspace.losses("run").last().expect("losses").0;
    let limit = format!("training.updates={}", steps + 20);
    let resumed = [
        &["small.toml", "--output", "run", "--resume"],
        &set(&[&limit])[..],
    ]
    .concat();
    workspace.train_well(&resumed);
}

/// Burn's collectives do not reach from server to server, which is why gradients are added up without them. If this
/// test fails, they do.
#[test]
#[should_panic(expected = "cross-peer all_reduce is not supported yet")]
fn collectives_do_not_reach_from_server_to_server() {
    let servers = [Server::start(), Server::start()];
    let devices = servers
        .each_ref()
        .map(|server| select(&server.device).unwrap().device);
    let ones = Tensor::<1>::ones([3], &devices[0]);
    let sum = all_reduce(ones, ReduceOperation::Sum, devices.to_vec());
    // With fusion, nothing is computed until a result is read.
    sum.resolve().into_data();
}

#[test]
fn devices_that_cannot_share_a_batch_are_refused() {
    let workspace = small_workspace();
    let server = Server::start();
    let both = format!("flex,{}", server.device);
    let message = workspace.failure(&["small.toml", "--device", &both, "--workers", "1"]);
    assert!(
        message.contains("2 devices need as many workers, but --workers is 1"),
        "{message}"
    );
    let twice = [server.device.as_str(); 2].join(",");
    let message = workspace.failure(&["small.toml", "--device", &twice]);
    assert!(
        message.contains(&format!("{} is named twice", server.device)),
        "{message}"
    );
    let absent = format!("{}#7", server.device);
    let message = workspace.failure(&["small.toml", "--device", &absent]);
    assert!(
        message.contains(&format!("cannot connect to {absent}: ")),
        "{message}"
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let workspace = small_workspace();
    let device = "remote:ws://127.0.0.1:1";
    let message = workspace.failure(&["small.toml", "--device", device]);
    assert!(
        message.contains(&format!("cannot connect to {device}: ")),
        "{message}"
    );
    assert!(message.contains("hint: "), "{message}");
    let message = workspace.failure(&["small.toml", "--device", &format!("{device}#one")]);
    assert!(message.contains("\"one\" is no number of a device"), "{message}");
}

#[test]
fn an_address_in_use_is_an_error() {
    let server = Server::start();
    let address = server.device.trim_start_matches("remote:ws://");
    let output = program()
        .arg("remote-server")
        .args(["--listen", address])
        .output()
        .expect("the program starts");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains(&format!("error: cannot serve on {address}: ")),
        "{message}"
    );
}
