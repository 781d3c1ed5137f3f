//! Several models in one server, and models whose folders change.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Server, between, english, translated, workspace};
use crate::common::{
    SENTENCES, Workspace, attend, bundle_of, config, home, model_folder_of_files, pieces, run, stdout, text,
    write_pieces,
};

/// Returns what `attend translate` prints for [`SENTENCES`], between two languages of the user's models.
fn translated_between(workspace: &Workspace, from: &str, to: &str) -> Vec<String> {
    let mut command = attend("translate");
    command
        .args(["--from", from, "--to", to])
        .env("ATTEND_HOME", workspace.path("home"));
    // It tells if the text passes through English.
    let mut output = run(command, text().as_bytes());
    output.stderr.clear();
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn a_server_has_all_models_of_its_user() {
    let workspace = home(&["fr-en", "en-de", "en-pt", "fr-it"]);
    let pairs = [
        ("fr", "en"),
        ("en", "de"),
        ("fr", "it"),
        ("fr", "de"),
        ("fr", "pt"),
    ];
    let expected = pairs.map(|(from, to)| translated_between(&workspace, from, to));
    // With fewer models in memory than a translation by way of English needs, and with all.
    for memory in ["1", "2", "4"] {
        let server = Server::with(&workspace, &["--memory", memory]);
        let targets = |code: &str| {
            let (_, languages) = server.get("/languages");
            let languages = languages.as_array().unwrap();
            let language = languages
                .iter()
                .find(|language| language["code"] == code)
                .unwrap();
            language["targets"].clone()
        };
        assert_eq!(targets("fr"), json!(["de", "en", "it", "pt"]));
        assert_eq!(targets("en"), json!(["de", "pt"]));
        assert_eq!(targets("de"), json!([]));
        // All at the same time.
        thread::scope(|scope| {
            for ((from, to), expected) in pairs.into_iter().zip(&expected) {
                let asked = between(from, to, json!({"q": SENTENCES}));
                let answered = (200, json!({"translatedText": expected}));
                let server = &server;
                scope.spawn(move || assert_eq!(server.translate(&asked), answered, "{from} to {to}"));
            }
        });
        // The code that other clients write for Brazilian Portuguese.
        let (status, found) = server.translate(&between("en", "pb", json!({"q": "yes"})));
        assert_eq!(status, 200);
        assert_eq!(
            found,
            server.translate(&between("en", "pt-BR", json!({"q": "yes"}))).1
        );
        let refused = server.translate(&between("de", "en", json!({"q": "yes"})));
        let reason = json!({"error": "no model translates from de to en"});
        assert_eq!(refused, (400, reason));
    }
}

#[test]
fn a_model_of_several_target_languages_translates_into_each() {
    let workspace = Workspace::new();
    let files = workspace.path("files");
    fs::create_dir(&files).unwrap();
    let mut pieces = pieces();
    pieces[1].push(">>fra<<".to_owned());
    write_pieces(&files, &pieces, false);
    model_folder_of_files(&files, false)
        .save(workspace.model())
        .unwrap();
    let languages = workspace.model().join("languages.json");
    fs::write(&languages, r#"{"source": "en"}"#).unwrap();
    let server = Server::start(&workspace);
    let (_, languages) = server.get("/languages");
    let targets = json!([
        {"code": "de", "name": "German", "targets": []},
        {"code": "en", "name": "English", "targets": ["de", "fr"]},
        {"code": "fr", "name": "French", "targets": []},
    ]);
    assert_eq!(languages, targets);
    for (code, target) in [("deu", "de"), ("fra", "fr")] {
        let expected = translated(&workspace, &["--target-language", code]);
        let found = server.translate(&between("en", target, json!({"q": SENTENCES})));
        assert_eq!(found, (200, json!({"translatedText": expected})));
        let asked = between("en", target, json!({"text": SENTENCES[1]}));
        let (status, attention) = server.ask("/v1/attention", &asked);
        assert_eq!(status, 200);
        assert_eq!(attention["translation"], expected[1]);
    }
    assert_eq!(server.metric("attend_loaded_models"), 1.0);
}

#[test]
fn no_request_fails_while_a_folder_is_replaced() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let old = translated(&workspace, &[]);
    let languages = fs::read(workspace.model().join("languages.json")).unwrap();
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = || {
            let mut found = BTreeSet::new();
            while !has_ended.load(Ordering::Relaxed) {
                let (status, answered) = server.translate(&english(json!({"q": SENTENCES})));
                assert_eq!(status, 200, "{answered}");
                found.insert(answered["translatedText"].to_string());
            }
            found
        };
        let clients = [(); 4].map(|()| scope.spawn(client));
        let translates = |expected: &[String]| {
            let limit = Instant::now() + Duration::from_secs(60);
            let asked = english(json!({"q": SENTENCES}));
            let answered = (200, json!({"translatedText": expected}));
            while server.translate(&asked) != answered {
                assert!(Instant::now() < limit, "the folder is not loaded anew");
                thread::sleep(Duration::from_millis(50));
            }
        };
        translates(&old);
        // File by file.
        bundle_of(config(), 20).save(workspace.model()).unwrap();
        fs::write(workspace.model().join("languages.json"), &languages).unwrap();
        let second = translated(&workspace, &[]);
        translates(&second);
        // A damaged folder changes nothing.
        let weights = workspace.model().join("model.safetensors");
        fs::write(&weights, "damaged").unwrap();
        while !server.log().contains("a model stays as it was: ") {
            thread::sleep(Duration::from_millis(50));
        }
        translates(&second);
        // By another folder of the same name.
        let other = workspace.path("other");
        fs::create_dir(&other).unwrap();
        bundle_of(config(), 21).save(&other).unwrap();
        fs::remove_dir_all(workspace.model()).unwrap();
        fs::rename(&other, workspace.model()).unwrap();
        let third = translated(&workspace, &[]);
        translates(&third);
        has_ended.store(true, Ordering::Relaxed);
        let expected = [&old, &second, &third].map(|texts| json!(texts).to_string());
        assert_eq!(BTreeSet::from(expected.clone()).len(), 3);
        for client in clients {
            let found = client.join().unwrap();
            assert!(found.iter().all(|texts| expected.contains(texts)), "{found:?}");
        }
    });
}
