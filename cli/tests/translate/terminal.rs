//! `attend translate` on a terminal: a prompt, and a bar that shows progress.
#![cfg(unix)]

use rexpect::session::{PtySession, spawn_command};

use crate::common::{SENTENCES, Workspace, program};

const TIMEOUT_MS: u64 = 60_000;

fn spawn(workspace: &Workspace, arguments: &[&str]) -> PtySession {
    let mut command = program();
    command
        .arg("translate")
        .env("TERM", "xterm")
        .arg("--model")
        .arg(workspace.model())
        .args(arguments);
    spawn_command(command, Some(TIMEOUT_MS)).unwrap()
}

#[test]
fn a_prompt_translates_lines_until_it_ends() {
    let workspace = Workspace::new();
    // The test looks for the source in JSON, since a random model's translations look like anything that a terminal
    // shows.
    let mut terminal = spawn(&workspace, &["--json", "--no-split"]);
    terminal.exp_string("> ").unwrap();
    terminal.send_line("good morning").unwrap();
    terminal.exp_string("{\"source\":\"good morning\"").unwrap();

    terminal.exp_string("> ").unwrap();
    terminal.send("not wanted").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("not wanted").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("> ").unwrap();
    terminal.send_line("yes").unwrap();
    terminal.exp_string("{\"source\":\"yes\"").unwrap();

    terminal.exp_string("> ").unwrap();
    terminal.send_line(&"~".repeat(200)).unwrap();
    terminal
        .exp_string("error: line 3 of the input has at least")
        .unwrap();
    terminal.exp_string("> ").unwrap();
    // Two times arrow up gives the line before the last.
    terminal.send("\x1b[A\x1b[A").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("{\"source\":\"yes\"").unwrap();

    terminal.exp_string("> ").unwrap();
    terminal.send_control('d').unwrap();
    let rest = terminal.exp_eof().unwrap();
    assert!(!rest.contains("error"), "{rest}");
    let status = terminal.process().wait().unwrap();
    assert_eq!(format!("{status:?}").matches(", 0)").count(), 1, "{status:?}");
}

#[test]
fn a_file_shows_its_progress() {
    let workspace = Workspace::new();
    let input = workspace.write("input.txt", (SENTENCES.join("\n") + "\n").repeat(50));
    let output = workspace.path("output.txt");
    let [from, to] = [&input, &output].map(|path| path.to_str().unwrap());
    let mut terminal = spawn(&workspace, &["--input", from, "--output", to]);
    terminal.exp_string("sentences, ").unwrap();
    terminal.exp_string(" a second").unwrap();
    terminal.exp_eof().unwrap();
    let lines = std::fs::read_to_string(output).unwrap();
    assert_eq!(lines.lines().count(), 50 * SENTENCES.len());
}
