//! Training with autocast to 16-bit floats, which the processor emulates.

use super::common::{set, small_workspace, stderr};

#[test]
fn half_precision_trains_as_well() {
    let workspace = small_workspace();
    let train = |dtype: &str, arguments: &[&str]| {
        let dtype = format!("training.dtype={dtype}");
        let dtype = set(&[&dtype]);
        workspace.train_well(&[&["small.toml"], arguments, &dtype].concat());
    };
    for dtype in ["float32", "bfloat16", "float16"] {
        train(dtype, &["--output", dtype]);
    }
    let expected = workspace.losses("float32");
    for dtype in ["bfloat16", "float16"] {
        let losses = workspace.losses(dtype);
        assert_eq!(losses.len(), expected.len());
        for ((update, loss), (_, expected)) in losses.iter().zip(&expected) {
            assert!(
                (loss / expected - 1.0).abs() < 0.02,
                "{dtype}, update {update}: {loss}, not {expected}"
            );
            assert_ne!(loss, expected, "{dtype} has an effect");
        }
    }
    let words = workspace.train(&["small.toml", "--dry-run", "--set", "training.dtype=bfloat16"]);
    assert!(
        stderr(&words).contains("flex emulates bfloat16"),
        "{}",
        stderr(&words)
    );
    // A resumed run also has the loss scale of the run before.
    train("float16", &["--output", "parts", "--set", "training.updates=10"]);
    train("float16", &["--output", "parts", "--resume"]);
    assert_eq!(workspace.losses("parts"), workspace.losses("float16"));
}

#[cfg(feature = "ndarray")]
#[test]
fn a_device_without_the_dtype_is_an_error() {
    let workspace = small_workspace();
    let arguments = [
        "small.toml",
        "--device",
        "ndarray",
        "--set",
        "training.dtype=bfloat16",
    ];
    let message = workspace.failure(&arguments);
    assert!(
        message.contains("not all of the devices compute in bfloat16"),
        "{message}"
    );
}
