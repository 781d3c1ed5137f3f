//! The models that the user has: listed, and found by their names and languages.

use std::path::Path;
use std::process::Output;

use attend_infer::{Languages, ModelFolder};

use crate::common::{
    SENTENCES, Workspace, argument, assert_error, assert_usage_error, attend, label_model_folder,
    model_folder, run, stdout, text, tokenizer,
};

/// A workspace whose folder `home` has models of these names and languages.
fn home(models: &[(&str, Option<(&str, &str)>)]) -> Workspace {
    let workspace = Workspace::new();
    for (name, languages) in models {
        let folder = workspace.path(&format!("home/models/{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let code = |code: &str| Some(code.parse().unwrap());
        let languages = languages.map(|(source, target)| Languages {
            source: code(source),
            target: code(target),
        });
        ModelFolder {
            languages: languages.unwrap_or_default(),
            ..model_folder()
        }
        .save(folder)
        .unwrap();
    }
    workspace
}

fn run_at_home(workspace: &Workspace, subcommand: &str, arguments: &[&str]) -> Output {
    let mut command = attend(subcommand);
    command.args(arguments).env("ATTEND_HOME", workspace.path("home"));
    run(command, text().as_bytes())
}

#[test]
fn models_are_listed_with_their_languages() {
    let workspace = home(&[
        ("b-model", Some(("de", "pt-br"))),
        ("a", Some(("en", "de"))),
        ("unknown", None),
    ]);
    // Neither a classifier nor a folder that is being written is a translator.
    let classifier = workspace.path("home/models/classifier");
    std::fs::create_dir(&classifier).unwrap();
    label_model_folder(tokenizer(), None).save(classifier).unwrap();
    std::fs::create_dir(workspace.path("home/models/half")).unwrap();
    let listed = stdout(&run_at_home(&workspace, "models", &[]));
    assert_eq!(
        listed,
        "a        en to de\nb-model  de to pt-br\nunknown  ? to ?\n"
    );

    let empty = Workspace::new();
    let output = run_at_home(&empty, "models", &[]);
    assert!(output.status.success() && output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message,
        format!("no models in {}\n", empty.path("home/models").display())
    );
}

#[test]
fn a_model_is_found_by_its_name_and_by_its_languages() {
    let workspace = home(&[
        ("one", Some(("en", "de"))),
        ("two", Some(("de", "pt-br"))),
        ("three", Some(("de", "en"))),
        ("four", Some(("de", "en"))),
    ]);
    let expected = stdout(&run_at_home(
        &workspace,
        "translate",
        &["--model", argument(&workspace.model())],
    ));
    assert_eq!(expected.lines().count(), SENTENCES.len());
    for arguments in [
        &["--model", "one"][..],
        &["--from", "en", "--to", "deu"],
        &["--from", "de", "--to", "pt"],
        &["--from", "de", "--to", "pt-BR"],
    ] {
        let found = stdout(&run_at_home(&workspace, "translate", arguments));
        assert_eq!(found, expected, "{arguments:?}");
    }
    let references = workspace.write("references.txt", text());
    let sources = workspace.write("sources.txt", text());
    let files = [argument(&sources), argument(&references)];
    for (subcommand, more) in [("eval", &[][..]), ("score", &["--json"]), ("heads", &["--json"])] {
        let by = |model: &str| {
            let arguments = [&[model], &files[..], more].concat();
            let output = run_at_home(&workspace, subcommand, &arguments);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        };
        assert_eq!(by("one"), by(argument(&workspace.model())), "{subcommand}");
    }

    let error = |arguments: &[&str], parts: &[&str]| {
        assert_error(&run_at_home(&workspace, "translate", arguments), parts)
    };
    error(
        &["--from", "fr", "--to", "de"],
        &["no model translates from fr to de"],
    );
    error(
        &["--from", "de", "--to", "pt-pt"],
        &["no model translates from de to pt-pt"],
    );
    let several = error(
        &["--from", "de", "--to", "en"],
        &["several models translate from de to en: four, three"],
    );
    assert!(several.contains("hint: name one of them by --model"), "{several}");
    error(&["--model", "five"], &["five"]);
    // A path is a path.
    error(&["--model", "./one"], &["./one"]);
    let usage = |arguments: &[&str], part: &str| {
        assert_usage_error(&run_at_home(&workspace, "translate", arguments), part);
    };
    usage(&["--from", "en"], "--to");
    usage(
        &["--from", "en", "--to", "de", "--model", "one"],
        "cannot be used with",
    );
    usage(&["--from", "English", "--to", "de"], "no code of a language");
}

#[test]
fn a_damaged_model_does_not_hide_the_others() {
    let workspace = home(&[("damaged", Some(("en", "de"))), ("whole", Some(("en", "de")))]);
    std::fs::write(workspace.path("home/models/damaged/languages.json"), "{").unwrap();
    let output = run_at_home(&workspace, "models", &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "damaged  ? to ?\nwhole    en to de\n"
    );
    assert!(
        told.contains("damaged/languages.json") && told.lines().count() == 1,
        "{told}"
    );
    let output = run_at_home(&workspace, "translate", &["--from", "en", "--to", "de"]);
    assert_eq!(output.status.code(), Some(0));
}

/// A folder of the present folder goes before a model of the same name.
#[test]
fn a_folder_that_is_there_is_no_name() {
    let workspace = home(&[("runs", Some(("en", "de")))]);
    std::fs::create_dir(workspace.path("runs")).unwrap();
    let mut command = attend("translate");
    command
        .args(["--model", "runs", "yes"])
        .env("ATTEND_HOME", workspace.path("home"))
        .current_dir(workspace.path(Path::new("").to_str().unwrap()));
    assert_error(&run(command, b""), &["runs"]);
}
