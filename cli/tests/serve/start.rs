//! Servers that do not start.

use std::fs;

use super::{Server, workspace};
use crate::common::{argument, assert_error, assert_usage_error, attend, run, stdout};

#[test]
fn what_cannot_be_served_is_refused() {
    let workspace = workspace();
    let serve = |flags: &[&str]| {
        let mut command = attend("serve");
        command
            .args(["--model", argument(&workspace.model())])
            .args(flags);
        run(command, b"")
    };
    assert_usage_error(&serve(&["--host", "0.0.0.0"]), "needs --keys or --open");
    let server = Server::start(&workspace);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    assert_error(&serve(&["--port", port]), &["cannot serve at 127.0.0.1:", port]);
    fs::remove_file(workspace.model().join("languages.json")).unwrap();
    assert_error(
        &serve(&["--port", "0"]),
        &["does not say between which languages it translates"],
    );
    // Without --model, a server has the user's models.
    let mut command = attend("serve");
    command
        .args(["--port", "0"])
        .env("ATTEND_HOME", workspace.path("home"));
    assert_error(&run(command, b""), &["there is nothing to serve", "home"]);
}

#[test]
fn a_program_asks_a_server_whether_it_is_well() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let port = port.to_owned();
    let health = |host: &str| {
        let mut command = attend("serve");
        command.args(["--health", "--port", &port, "--host", host]);
        run(command, b"")
    };
    for host in ["127.0.0.1", "0.0.0.0"] {
        assert_eq!(stdout(&health(host)), "");
    }
    server.terminate();
    assert!(server.wait().success());
    assert_error(&health("127.0.0.1"), &["the server at 127.0.0.1:", "is not well"]);
}
