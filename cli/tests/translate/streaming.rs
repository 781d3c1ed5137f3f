//! `attend translate` while its input is still coming: when it prints, and what threads and memory it takes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{SENTENCES, Workspace, assert_error, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, with the lines that it prints as they come.
struct Running {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = stdout.lines().map(Result::unwrap);
            lines.try_for_each(|line| sender.send(line))
        });
        Self { child, stdin, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line in good time")
    }

    /// Returns a number from the program's `/proc/PID/status`.
    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_line_is_translated_before_the_next_one_comes() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&SENTENCES, b"");
    let by_its_path: &[&str] = &["--input", "/dev/stdin"];
    for arguments in [&[], by_its_path] {
        let mut running = Running::start(workspace.translate_command(arguments));
        for (sentence, expected) in SENTENCES.iter().zip(expected.lines()) {
            writeln!(running.stdin, "{sentence}\n").unwrap();
            assert_eq!(running.line(), expected);
            assert_eq!(running.line(), "");
        }
        running.end();
        if !cfg!(target_os = "linux") {
            break;
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_an_endless_input() {
    let workspace = Workspace::new();
    let mut child = workspace
        .translate_command(&["--max-length", "5"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let endless = thread::spawn(move || while stdin.write_all(b"yes\n").is_ok() {});
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    endless.join().unwrap();
}

/// The program has its main thread, one that reads lines, and the threads that were asked for.
#[cfg(target_os = "linux")]
#[test]
fn no_more_threads_run_than_were_asked_for() {
    let workspace = Workspace::new();
    for (workers, threads, expected) in [("1", "1", 3), ("2", "1", 4), ("1", "3", 5)] {
        let arguments = ["--workers", workers, "--threads", threads];
        let mut running = Running::start(workspace.translate_command(&arguments));
        for _ in 0..3 {
            running
                .stdin
                .write_all((SENTENCES.join("\n") + "\n").as_bytes())
                .unwrap();
            SENTENCES.iter().for_each(|_| drop(running.line()));
        }
        assert_eq!(running.status("Threads"), expected, "{arguments:?}");
        running.end();
    }
}

/// The variable asks for a stack of 64 TiB, for which the system has no memory.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_is_refused_is_an_error() {
    let workspace = Workspace::new();
    let mut command = workspace.translate_command(&["yes"]);
    command.env("RUST_MIN_STACK", (64u64 << 40).to_string());
    let complaints = assert_error(&run(command, b""), &["cannot start a thread"]);
    assert!(complaints.contains("--workers"), "{complaints}");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_input() {
    let workspace = Workspace::new();
    let words: Vec<&str> = SENTENCES
        .iter()
        .flat_map(|sentence| sentence.split(' '))
        .collect();
    let mut command = workspace.translate_command(&["--max-length", "20"]);
    // Freed memory goes back to the system at once, so that the peak counts memory in use alone.
    command.env("MIMALLOC_PURGE_DELAY", "0");
    let mut running = Running::start(command);
    let mut random = 1u64;
    let mut draw = |limit: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let mut peaks = Vec::new();
    for number in 1..=20_000 {
        let length = draw(60);
        let line: Vec<&str> = (0..length).map(|_| words[draw(words.len())]).collect();
        writeln!(running.stdin, "{}.", line.join(" ")).unwrap();
        // The test never writes so far ahead that both pipes are full.
        if number % 100 == 0 {
            (0..100).for_each(|_| drop(running.line()));
        }
        if number == 2_000 || number == 20_000 {
            peaks.push(running.status("VmHWM"));
        }
    }
    running.end();
    let [early, late] = peaks[..] else {
        panic!("two peaks")
    };
    println!("peak memory: {early} KiB after 2,000 lines, {late} KiB after 20,000");
    // Memory for all lines in between and their translations would be 5 MiB.
    assert!(late <= early + 2048, "{early} KiB, then {late} KiB");
}
