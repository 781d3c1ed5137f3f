//! `bench serve`, with stand-ins for Python and for the load generator oha.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use attend_data::Tokenizer;
use attend_infer::search::{SearchOptions, Unknown};
use attend_infer::{Languages, ModelFolder};
use tempfile::TempDir;

use crate::program::{model_of, rows};

const LINES: [&str; 3] = ["an old man", "an old dog", "a man and a dog"];

/// Twenty requests that were served in two seconds.
const SERVED: &str = r#"{"summary": {"total": 2.0}, "statusCodeDistribution": {"200": 20}, "errorDistribution": {},
    "latencyPercentilesSuccessful": {"p50": 0.010, "p95": 0.020, "p99": 0.040}}"#;

/// A folder with a model, a text, and the programs that `bench serve` runs.
struct Folder(TempDir);

impl Folder {
    /// Makes a folder whose load generator prints `report`.
    fn new(report: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        let model = ModelFolder {
            languages: Languages {
                source: "en".parse().ok(),
                target: "de".parse().ok(),
            },
            // Greedy search finds the same by the rules of Attend and of CTranslate2.
            generation: SearchOptions {
                min_length: 1,
                unknown: Unknown::Keep,
                ..SearchOptions::default().greedy()
            },
            ..model_of(Tokenizer::train_bpe(LINES.into_iter(), 270).unwrap())
        };
        fs::create_dir(folder.path("model")).unwrap();
        model.save(folder.path("model")).unwrap();
        fs::write(folder.path("input.txt"), LINES.join("\n")).unwrap();
        fs::create_dir(folder.path("programs")).unwrap();
        folder.write_program(
            "programs/oha",
            &format!(
                "echo \"$@\" >> '{0}/loads'\nwhile [ \"$1\" != -Z ]; do shift; done\ncp \"$2\" '{0}/bodies'\n\
                 cat <<'EOF'\n{report}\nEOF",
                folder.path("").display()
            ),
        );
        // The peer is a server of Attend, too.
        folder.write_program(
            "python",
            &format!(
                "echo \"$@\" > '{0}/arguments'\nls \"$2\" > '{0}/files'\n\
                 exec '{1}' attend serve --port 0 --model '{0}/model'",
                folder.path("").display(),
                env!("CARGO_BIN_EXE_bench")
            ),
        );
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write_program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
        command.arg("serve").args(arguments);
        command.arg("--model").arg(self.path("model"));
        command.arg("--input").arg(self.path("input.txt"));
        command.env("ATTEND_DEVICE", "cpu");
        let programs = self.path("programs");
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        command
    }

    fn bench(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

#[test]
fn both_servers_answer_the_same_requests_in_turn() {
    let folder = Folder::new(SERVED);
    let python = folder.path("python");
    let settings =
        "--clients 1 --clients 64 --lines 1 --lines 2 --pairs 1 --seconds 2 --dtype float32 --python";
    let mut arguments: Vec<&str> = settings.split(' ').collect();
    arguments.push(python.to_str().unwrap());
    let output = folder.bench(&arguments);
    // Before the rows are Attend without a server, the peer's settings, and the head.
    let rows = rows(&output).split_off(5);
    let titles: Vec<[&str; 3]> = rows
        .iter()
        .map(|row| [0, 1, 2].map(|column| row[column].as_str()))
        .collect();
    let expected = ["1", "2"].map(|lines| ["1", "64"].map(|clients| ["float32", lines, clients]));
    assert_eq!(titles, expected.concat());
    for row in &rows {
        for side in [4, 11] {
            assert!(row[side].parse::<f64>().unwrap() > 0.0, "{row:?}");
            assert_eq!(
                row[side + 1..side + 5],
                ["10.0", "10.0", "20.0", "40.0"],
                "{row:?}"
            );
        }
        assert_eq!(row[18..], ["1.00", "1.00", "100.0%"], "{row:?}");
    }
    let bodies = folder.read("bodies");
    let bodies: Vec<serde_json::Value> = bodies
        .lines()
        .map(|body| serde_json::from_str(body).unwrap())
        .collect();
    let expected = ["an old man\nan old dog", "a man and a dog"];
    assert_eq!(
        bodies,
        expected.map(|q| serde_json::json!({"q": q, "source": "en", "target": "de"}))
    );

    let loads = folder.read("loads");
    let loads: Vec<&str> = loads.lines().collect();
    // Four settings of the peer are tried, and then each row has two loads.
    assert_eq!(loads.len(), 4 + 8);
    assert!(
        loads[4].contains("-c 1 -z 2s -Z ") && loads[4].ends_with("/translate"),
        "{loads:?}"
    );
    let arguments = folder.read("arguments");
    assert!(
        arguments.contains("ctranslate2_serve.py ") && arguments.contains("--beam 1 "),
        "{arguments}"
    );
    assert!(folder.read("files").contains("model.bin"));
}

#[test]
fn memory_is_printed_while_requests_are_sent() {
    let folder = Folder::new(SERVED);
    let rows = rows(&folder.bench(&["--requests", "25"]));
    let sent: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        sent,
        ["0", "2", "5", "7", "10", "12", "15", "17", "20", "22", "25"]
    );
    assert!(rows.iter().all(|row| row[1].parse::<f64>().unwrap() > 1.0));
    let loads = folder.read("loads");
    assert!(
        loads.lines().next().unwrap().contains("-c 64 -n 2 -Z "),
        "{loads}"
    );
}

#[test]
fn an_overload_is_ten_times_what_is_served() {
    let folder = Folder::new(SERVED);
    let rows = rows(&folder.bench(&["--overload"]));
    assert_eq!([&rows[0][0], &rows[1][0]], ["10.0", "100.0"]);
    assert!(
        rows.iter()
            .all(|row| row[1..6] == ["10.0", "0.0", "10.0", "20.0", "40.0"]),
        "{rows:?}"
    );
    let loads = folder.read("loads");
    assert!(
        loads
            .lines()
            .nth(1)
            .unwrap()
            .contains("--latency-correction -q 100 "),
        "{loads}"
    );
}

#[test]
fn a_measurement_without_answers_says_why() {
    let refused = SERVED.replace("\"200\": 20", "\"200\": 19, \"503\": 1");
    let folder = Folder::new(&refused);
    let settings = ["--clients", "1", "--dtype", "float32"];
    let complaints = |output: Output| {
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let found = complaints(folder.bench(&settings));
    assert_eq!(found, "error: requests were not served: 1 × 503\n");
    let found = complaints(folder.command(&settings).env("PATH", "").output().unwrap());
    assert!(found.starts_with("error: cannot run oha: "), "{found}");
    assert!(
        found.ends_with("\nhint: install it: cargo install --locked oha\n"),
        "{found}"
    );
    folder.write_program("python", "echo 'no module' >&2; exit 3");
    let python = folder.path("python");
    let found = complaints(folder.bench(&[&settings[..], &["--python", python.to_str().unwrap()]].concat()));
    assert!(
        found.starts_with("no module\nerror: ")
            && found.contains("ended with exit status: 3 before it served")
    );
    assert!(
        found.contains("hint: name a Python that has ctranslate2, fastapi, tokenizers and uvicorn: "),
        "{found}"
    );
}
