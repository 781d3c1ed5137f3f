//! The flag `--coverage-penalty`.

use attend_infer::search::SearchOptions;

use crate::common::{self, SENTENCES, Workspace, assert_usage_error};

#[test]
fn a_penalty_needs_a_ranking() {
    let workspace = Workspace::new();
    assert_usage_error(
        &workspace.translate(&["--beam", "1", "--coverage-penalty", "0.2", "yes"], b""),
        "--coverage-penalty ranks translations: it needs a --beam of at least 2",
    );
    assert_usage_error(
        &workspace.translate(&["--sample", "--coverage-penalty", "0.2", "yes"], b""),
        "--coverage-penalty",
    );
    // Short translations leave much of the source uncovered, so that the penalty shows.
    let scores = |flags: &[&str]| -> Vec<f64> {
        let flags = [&["--json", "--max-length", "3"], flags, &SENTENCES].concat();
        let lines = workspace.translated(&flags, b"");
        let score = |line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["translations"][0]["score"].as_f64().unwrap()
        };
        lines.lines().map(score).collect()
    };
    // The last bit of a score depends on which sentences share a batch.
    let apart = |left: &[f64], right: &[f64]| {
        assert_eq!(left.len(), right.len());
        let pairs = left.iter().zip(right);
        pairs.fold(0.0f64, |most, (left, right)| most.max((left - right).abs()))
    };
    let penalised = scores(&["--beam", "3", "--coverage-penalty", "0.2"]);
    assert!(apart(&penalised, &scores(&["--beam", "3"])) > 0.1);
    // A penalty that the model's settings ask for applies to beam search alone.
    let mut model = common::model_folder();
    model.generation = SearchOptions {
        coverage_penalty: 0.2,
        beam_size: 3,
        ..model.generation
    };
    let without = scores(&["--beam", "1"]);
    model.save(workspace.model()).unwrap();
    assert!(apart(&scores(&[]), &penalised) < 1e-3);
    assert!(apart(&scores(&["--beam", "1"]), &without) < 1e-3);
}
