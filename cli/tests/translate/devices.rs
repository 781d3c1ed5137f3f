//! The option `--device`, what a device computes in, and what is kept of it: the program `translate`, run from outside.

use attend_device as device;

use crate::common::{self, Workspace, assert_error};

#[test]
fn a_device_is_chosen_by_name() {
    let workspace = Workspace::new();
    let unknown = workspace.translate(&["--device", "abacus", "yes"], b"");
    assert_error(&unknown, &["\"abacus\""]);
    let misspelt = workspace.translate(&["--device", "vulcan:123456", "yes"], b"");
    let complaints = assert_error(&misspelt, &["\"vulcan:123456\""]);
    assert!(complaints.contains("did you mean vulkan?"), "{complaints}");
    let shouted = workspace.translate(&["--device", "FLEX", "yes"], b"");
    let complaints = assert_error(&shouted, &["\"FLEX\""]);
    assert!(complaints.contains("did you mean flex?"), "{complaints}");
    let mut command = workspace.translate_command(&["yes"]);
    command.env("ATTEND_DEVICE", "abacus");
    assert_error(&common::run(command, b""), &["\"abacus\""]);
    let several = workspace.translate(&["--device", "flex,cuda", "yes"], b"");
    assert_error(&several, &["flex,cuda are several devices"]);
    let served = workspace.translate(&["--device", "remote:ws://127.0.0.1:1", "yes"], b"");
    let complaint = if cfg!(feature = "remote") {
        "cannot connect to remote:ws://127.0.0.1:1: "
    } else {
        "built without remote, but "
    };
    assert_error(&served, &[complaint]);
    let default = workspace.translated(&["yes"], b"");
    let auto = workspace.translate(&["--device", "auto", "yes"], b"");
    assert_eq!(String::from_utf8_lossy(&auto.stdout), default);
    let best = device::auto().unwrap();
    let expected = if device::is_processor(&best.device) && device::compiled_in().len() == 1 {
        String::new()
    } else {
        format!("device: {} ({})\n", best.name, best.description().unwrap())
    };
    assert_eq!(String::from_utf8_lossy(&auto.stderr), expected);
    let built_in = [
        ("flex", cfg!(feature = "flex")),
        ("ndarray", cfg!(feature = "ndarray")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ];
    for (name, built_in) in built_in {
        let output = workspace.translate(&["--device", name, "yes"], b"");
        if built_in {
            assert_eq!(common::stdout(&output), default);
            let absent = format!("{name}:99");
            let output = workspace.translate(&["--device", &absent, "yes"], b"");
            assert_error(&output, &[&format!("this machine has no {absent}, but {name}")]);
        } else {
            let complaints = assert_error(&output, &[&format!("built without {name}, but ")]);
            assert!(
                complaints.contains(&format!("just backend={name} ")),
                "{complaints}"
            );
        }
    }
}

/// The address accepts connections, but nothing ever answers there.
#[cfg(feature = "remote")]
#[test]
fn a_server_that_never_answers_is_an_error() {
    let workspace = Workspace::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("remote:ws://{}", listener.local_addr().unwrap());
    let output = workspace.translate(&["--device", &name, "yes"], b"");
    assert_error(&output, &[&name, "does not answer"]);
}

#[cfg(feature = "flex")]
#[test]
fn sixteen_bits_are_emulated_or_refused() {
    let workspace = Workspace::new();
    for dtype in ["bfloat16", "float16"] {
        let output = workspace.translate(&["--device", "flex", "--dtype", dtype, "yes"], b"");
        let complaints = String::from_utf8_lossy(&output.stderr);
        let note = format!("flex emulates {dtype}: float32 is faster there\n");
        assert_eq!(complaints, note);
        assert!(output.status.success());
        assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
    if cfg!(feature = "ndarray") {
        let arguments = ["--device", "ndarray", "--dtype", "bfloat16", "yes"];
        let refused = workspace.translate(&arguments, b"");
        assert_error(&refused, &["does not compute in bfloat16"]);
    }
}

#[cfg(all(feature = "wgpu", target_os = "linux"))]
#[test]
fn what_is_tuned_for_a_device_is_kept() {
    let workspace = Workspace::new();
    let cache = tempfile::tempdir().unwrap();
    let mut command = workspace.translate_command(&["--device", "wgpu", "yes"]);
    command.current_dir(&cache).env("XDG_CACHE_HOME", cache.path());
    common::stdout(&common::run(command, b""));
    let kept = std::fs::read_dir(cache.path().join("cubecl")).expect("a folder of Burn's");
    assert!(kept.count() > 0);
}

/// Burn panics if this variable is 0, as it does at a GPU that cannot be opened.
#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_that_cannot_be_opened_is_an_error_or_passed_over() {
    let workspace = Workspace::new();
    let without_gpu = |mut command: std::process::Command| {
        command.env("CUBECL_WGPU_MAX_TASKS", "0");
        common::run(command, b"")
    };
    let reason = "cannot open wgpu:0: Invalid wgpu runtime defaults: ";
    let chosen = without_gpu(workspace.translate_command(&["--device", "wgpu", "yes"]));
    assert_error(&chosen, &[reason]);

    let command = common::attend("devices");
    let listed = common::stdout(&without_gpu(command));
    assert!(listed.starts_with(&format!("wgpu:0     {reason}")), "{listed}");

    if let Ok(cpu) = device::select("cpu") {
        let expected = workspace.translated(&["--device", &cpu.name, "yes"], b"");
        let output = without_gpu(workspace.translate_command(&["--device", "auto", "yes"]));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = stderr.lines().collect();
        assert!(lines[0].starts_with(reason), "{stderr}");
        assert!(lines[0].ends_with("; trying the next device"), "{stderr}");
        assert!(
            lines[1].starts_with(&format!("device: {} (", cpu.name)),
            "{stderr}"
        );
        assert_eq!(lines.len(), 2, "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn devices_are_listed_by_the_names_that_choose_them() {
    let workspace = Workspace::new();
    let command = common::attend("devices");
    let listed = common::stdout(&common::run(command, b""));
    assert!(!listed.is_empty());
    for line in listed.lines() {
        let (name, description) = line.split_once(' ').unwrap();
        assert!(!description.trim().is_empty(), "{line}");
        workspace.translated(&["--device", name, "yes"], b"");
    }
    workspace.translated(&["--device", "cpu", "yes"], b"");
}
