//! The program `attend` as a whole: its subcommands, and how it tells text from commands.

use std::process::Output;

use crate::common::{Workspace, program};

fn attend(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The subcommands, in the order in which a user meets them.
const SUBCOMMANDS: [&str; 11] = [
    "train",
    "translate",
    "eval",
    "score",
    "get",
    "import",
    "export",
    "serve",
    "data",
    "models",
    "devices",
];

#[test]
fn help_lists_every_subcommand_with_a_sentence() {
    let help = attend(&["--help"]);
    assert!(help.status.success());
    let help = stdout(&help);
    let mut rest = help.as_str();
    for subcommand in SUBCOMMANDS {
        let start = rest
            .find(&format!("\n  {subcommand} "))
            .unwrap_or_else(|| panic!("no {subcommand} in its place in:\n{help}"));
        rest = &rest[start + 1..];
        let line = rest.lines().next().expect("a line");
        let sentence = line.trim_start().trim_start_matches(subcommand).trim();
        assert!(sentence.split(' ').count() >= 3, "{line}");
    }
    assert_eq!(help.contains("\n  remote-server "), cfg!(feature = "remote"));
}

#[test]
fn each_subcommand_explains_itself() {
    for subcommand in SUBCOMMANDS {
        let help = attend(&[subcommand, "--help"]);
        assert!(help.status.success(), "{subcommand}");
        assert!(
            stdout(&help).contains(&format!("Usage: attend {subcommand}")),
            "{}",
            stdout(&help)
        );
    }
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    for arguments in [&[][..], &["devise"], &["translate", "--sampel"], &["eval", "one"]] {
        let output = attend(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let misspelt = attend(&["devise"]);
    let message = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(message.contains("'devices'"), "{message}");
}

/// A sentence that is the name of a subcommand is translated as text.
#[test]
fn names_of_subcommands_are_text_to_translate() {
    let workspace = Workspace::new();
    for word in SUBCOMMANDS {
        let as_argument = workspace.translated(&[word], b"");
        let as_input = workspace.translated(&[""; 0], format!("{word}\n").as_bytes());
        assert_eq!(as_argument, as_input, "{word}");
        assert_eq!(as_argument.lines().count(), 1, "{as_argument}");
    }
}

#[test]
fn commands_to_be_typed_next_begin_as_the_user_began() {
    let workspace = Workspace::new();
    let missing = workspace.path("missing");
    let hint_of = |begin: Option<&str>| {
        let mut command = program();
        command.args(["translate", "yes", "--model"]).arg(&missing);
        command.envs(begin.map(|begin| ("ATTEND_COMMAND", begin)));
        let output = command.output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let hint = hint_of(None);
    assert!(hint.contains("`attend train`"), "{hint}");
    let hint = hint_of(Some("just backend=cuda"));
    assert!(hint.contains("`just backend=cuda train`"), "{hint}");
}
