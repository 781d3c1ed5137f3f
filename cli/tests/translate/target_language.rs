//! `--target-language`, for models of several target languages.

use std::process::Output;

use crate::common::{
    Workspace, argument, assert_error, attend, model_folder_of_files, pieces, run, stdout, write_pieces,
};

/// A workspace whose folder `several` has a model with the tokens `>>deu<<` and `>>fra<<`.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let folder = workspace.path("several");
    std::fs::create_dir(&folder).unwrap();
    let mut pieces = pieces();
    pieces[1].push(">>fra<<".to_owned());
    write_pieces(&folder, &pieces, false);
    model_folder_of_files(&folder, false).save(&folder).unwrap();
    workspace
}

fn translate(workspace: &Workspace, arguments: &[&str]) -> Output {
    let mut command = attend("translate");
    command
        .args(["--beam", "1", "--max-length", "9", "--model"])
        .arg(workspace.path("several"))
        .args(arguments);
    run(command, b"")
}

#[test]
fn each_sentence_is_translated_into_the_language() {
    let workspace = workspace();
    // The texts of all lines, and the sum of their log-probabilities.
    let translated = |arguments: &[&str]| {
        let json = stdout(&translate(&workspace, &[&["--json"], arguments].concat()));
        let best = json.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let best = &line["translations"][0];
            let log_probability = best["log_probability"].as_f64().unwrap();
            (best["text"].as_str().unwrap().to_owned(), log_probability)
        });
        let (texts, log_probabilities): (Vec<String>, Vec<f64>) = best.unzip();
        (texts.join(" "), log_probabilities.iter().sum::<f64>())
    };
    let (first, second) = ("The house is small.", "An old man reads a book.");
    let text = format!("{first} {second}");
    let french = translated(&["--target-language", "fra", &text]);
    let of_lines = translated(&[
        "--no-split",
        &format!(">>fra<< {first}"),
        &format!(">>fra<< {second}"),
    ]);
    assert_eq!(french.0, of_lines.0);
    assert!((french.1 - of_lines.1).abs() < 1e-4, "{french:?} {of_lines:?}");
    assert_eq!(translated(&[&format!(">>fra<< {text}")]), french);
    for other in [&["--target-language", "deu", &text][..], &[&text]] {
        let other = translated(other);
        assert!((french.1 - other.1).abs() > 1e-3, "{french:?} {other:?}");
    }
}

#[test]
fn test_sets_are_translated_and_scored_in_the_language() {
    let workspace = workspace();
    let lines = workspace.write("lines", "the house\ngood morning\n");
    let named = workspace.write("named", ">>fra<< the house\n>>fra<< good morning\n");
    let target = workspace.write("target", "das Haus\nyes\n");
    let model = workspace.path("several");
    let asked = ["--target-language", "fra"];
    for subcommand in ["score", "eval"] {
        let output = |source, arguments: &[&str]| {
            let mut command = attend(subcommand);
            command.args([&model, source, &target]).args(arguments);
            let hypotheses = workspace.path("hypotheses");
            if subcommand == "eval" {
                command.args([
                    "--beam",
                    "1",
                    "--max-length",
                    "9",
                    "--output",
                    argument(&hypotheses),
                ]);
            }
            let scores = stdout(&run(command, b""));
            (scores, std::fs::read_to_string(hypotheses).ok())
        };
        let found = output(&lines, &asked);
        assert_eq!(found, output(&named, &[]), "{subcommand}");
        assert_ne!(found, output(&lines, &[]), "{subcommand}");
    }
}

#[test]
fn a_language_that_the_model_does_not_have_is_refused() {
    let workspace = workspace();
    assert_error(
        &translate(&workspace, &["--target-language", "fr", "yes"]),
        &["does not translate into \"fr\"; it translates into fra, deu"],
    );
    let told = assert_error(
        &workspace.translate(&["--target-language", "deu", "yes"], b""),
        &["the model translates into one language alone"],
    );
    assert!(told.contains("hint: leave --target-language out"), "{told}");
    let lines = workspace.write("lines", "yes\n");
    let asked = ["--target-language", "deu"];
    let one = ["the model translates into one language alone"];
    assert_error(&workspace.score(&lines, &lines, &asked), &one);
    assert_error(&workspace.evaluate(&lines, &lines, &asked), &one);
}
