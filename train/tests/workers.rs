//! How many threads share a batch changes no update.

mod common;

use common::small_workspace;

#[test]
fn any_number_of_workers_takes_the_same_updates() {
    let workspace = small_workspace();
    let run = |workers: &str| {
        workspace.train_well(&[
            "small.toml",
            "--output",
            workers,
            "--workers",
            workers,
            // Each worker draws its own dropout.
            "--set",
            "model.dropout=0.0",
            "--set",
            "training.log_every=1",
        ]);
        workspace.losses(workers)
    };
    let alone = run("1");
    for workers in ["2", "3"] {
        for ((update, loss), (_, expected)) in run(workers).into_iter().zip(&alone) {
            assert!(
                (loss / expected - 1.0).abs() < 1e-5,
                "update {update} of {workers} workers: {loss}, not {expected}"
            );
        }
    }
}
