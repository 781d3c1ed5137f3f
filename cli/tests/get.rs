//! `attend get`: a translator from a mirror that is laid out as the Hugging Face hub is.

use std::fs;
use std::path::Path;
use std::process::Output;

use sha2::{Digest, Sha256};

use crate::common::{Workspace, argument, assert_error, attend, run, stdout};

const MODEL: &str = "Helsinki-NLP/opus-mt-en-de";

/// A workspace whose folder `hub` has a model: the one of Hugging Face of `formats/tests/make_fixtures.py`, and files
/// that are not asked for.
fn hub() -> Workspace {
    hub_with(|_, bytes| Some(bytes))
}

/// A workspace as [`hub`] makes it. `change` gets the name and the content of each file, and returns another content,
/// or `None` if the hub has no such file.
fn hub_with(change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Workspace {
    let workspace = Workspace::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/fixtures/marian_mt");
    let files = workspace.path(&format!("hub/{MODEL}/resolve/main"));
    let lists = workspace.path(&format!("hub/api/models/{MODEL}/tree"));
    for folder in [&files, &lists] {
        fs::create_dir_all(folder).unwrap();
    }
    let mut list = Vec::new();
    for entry in fs::read_dir(fixture).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(bytes) = change(name, fs::read(&path).unwrap()) else {
            continue;
        };
        let sum: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let size = bytes.len();
        list.push(serde_json::json!({
            "type": "file", "path": name, "size": 134, "oid": "0", "lfs": {"oid": sum, "size": size},
        }));
        fs::write(files.join(name), bytes).unwrap();
    }
    // The weights of PyTorch are not fetched beside the others, so they need not be there.
    for name in ["pytorch_model.bin", "tf_model.h5"] {
        if change(name, Vec::new()).is_none() {
            continue;
        }
        list.push(serde_json::json!({"type": "file", "path": name, "size": 9, "oid": "0"}));
    }
    fs::write(lists.join("main"), serde_json::Value::from(list).to_string()).unwrap();
    workspace
}

fn get(workspace: &Workspace, arguments: &[&str]) -> Output {
    let mut command = attend("get");
    command
        .args(arguments)
        .arg("--mirror")
        .arg(workspace.path("hub"))
        .env("ATTEND_HOME", workspace.path("home"));
    run(command, b"")
}

#[test]
fn a_model_is_fetched_and_then_known_by_its_name_and_languages() {
    let workspace = hub();
    let output = get(&workspace, &["opus-mt-en-de"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("model.safetensors: ") && !told.contains("tf_model"),
        "{told}"
    );
    assert!(told.contains("Hugging Face MarianMT; from en to de"), "{told}");
    assert!(
        told.ends_with("translate with it by `attend translate --model opus-mt-en-de`\n"),
        "{told}"
    );
    let models = fs::read_dir(workspace.path("home/models")).unwrap();
    let names: Vec<_> = models.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["opus-mt-en-de"]);

    let at_home = |subcommand: &str, arguments: &[&str]| {
        let mut command = attend(subcommand);
        command.args(arguments).env("ATTEND_HOME", workspace.path("home"));
        stdout(&run(command, b""))
    };
    assert_eq!(at_home("models", &[]), "opus-mt-en-de  en to de\n");
    let by_name = at_home("translate", &["--model", "opus-mt-en-de", "The old boat."]);
    let by_languages = at_home("translate", &["--from", "en", "--to", "de", "The old boat."]);
    assert_eq!(by_name, by_languages);

    let again = assert_error(
        &get(&workspace, &[MODEL]),
        &["opus-mt-en-de exists and is not empty"],
    );
    assert!(again.contains("--output"), "{again}");
    let folder = workspace.path("elsewhere/mine");
    let elsewhere = get(&workspace, &[MODEL, "--output", argument(&folder)]);
    assert_eq!(elsewhere.status.code(), Some(0));
    assert!(folder.join("config.json").exists());
}

#[test]
fn a_model_that_cannot_be_fetched_leaves_no_model() {
    let workspace = hub();
    assert_error(
        &get(&workspace, &["opus-mt-de-en"]),
        &["the mirror has no file", "opus-mt-de-en"],
    );
    assert_error(&get(&workspace, &["a/b/c"]), &["\"a/b/c\" is no name of a model"]);
    // A damaged file is fetched anew by the next call; what came before it stays.
    let weights = workspace.path(&format!("hub/{MODEL}/resolve/main/model.safetensors"));
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[1..]).unwrap();
    let damaged = get(&workspace, &[MODEL]);
    let told = String::from_utf8(damaged.stderr).unwrap();
    assert_eq!(damaged.status.code(), Some(1), "{told}");
    assert!(told.contains("model.safetensors has the wrong content"), "{told}");
    let model = workspace.path("home/models/opus-mt-en-de");
    assert!(!model.exists());
    let mut command = attend("models");
    command.env("ATTEND_HOME", workspace.path("home"));
    assert_eq!(run(command, b"").stdout, b"");
    // An earlier version of the model had a vocabulary of the target's own.
    let downloads = workspace.path("home/downloads/Helsinki-NLP--opus-mt-en-de");
    fs::write(downloads.join("target_vocab.json"), "{}").unwrap();
    fs::write(&weights, whole).unwrap();
    let output = get(&workspace, &[MODEL]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("config.json: already there"), "{told}");
    assert!(model.join("config.json").exists());
    assert!(!downloads.exists());
}

#[test]
fn a_model_that_is_not_read_is_refused_before_its_weights_are_fetched() {
    for (missing, change) in [
        ("source.spm", ["source.spm"].as_slice()),
        ("model.safetensors", &["model.safetensors", "pytorch_model.bin"]),
    ] {
        let workspace = hub_with(|name, bytes| (!change.contains(&name)).then_some(bytes));
        let told = assert_error(
            &get(&workspace, &[MODEL]),
            &[MODEL, &format!("it has no {missing}")],
        );
        assert!(told.contains("MarianMT"), "{told}");
        assert!(!workspace.path("home").exists());
    }

    let with_config = |old: &'static str, new: &'static str| {
        hub_with(move |name, bytes| {
            Some(if name == "config.json" {
                String::from_utf8(bytes).unwrap().replace(old, new).into_bytes()
            } else {
                bytes
            })
        })
    };
    for (old, new, part) in [
        ("\"marian\"", "\"t5\"", "model_type is \"t5\""),
        (
            "\"scale_embedding\": true",
            "\"scale_embedding\": false",
            "scale_embedding is false",
        ),
        // Only all files together show this.
        (
            "\"vocab_size\": 58",
            "\"vocab_size\": 59",
            "but the network has 59",
        ),
    ] {
        let workspace = with_config(old, new);
        let output = get(&workspace, &[MODEL]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("config.json") && told.contains(part), "{told}");
        assert_eq!(
            told.contains("model.safetensors"),
            part.contains("network"),
            "{told}"
        );
        // What is refused need not be kept.
        assert_eq!(fs::read_dir(workspace.path("home/downloads")).unwrap().count(), 0);
        assert!(!workspace.path("home/models/opus-mt-en-de").exists());
    }
}

#[test]
fn a_model_is_fetched_by_one_run_at_a_time() {
    let workspace = hub();
    let downloads = workspace.path("home/downloads/Helsinki-NLP--opus-mt-en-de");
    fs::create_dir_all(&downloads).unwrap();
    let lock = fs::File::create(downloads.join("lock")).unwrap();
    lock.lock().unwrap();
    let told = assert_error(
        &get(&workspace, &[MODEL]),
        &["another run is fetching Helsinki-NLP/opus-mt-en-de"],
    );
    assert!(told.contains("hint: wait"), "{told}");
    drop(lock);
    assert_eq!(get(&workspace, &[MODEL]).status.code(), Some(0));
    assert!(!downloads.exists());
}
