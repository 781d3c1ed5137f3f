//! A model that transformers has trained on the phrasebook: what transformers computes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use attend_formats::tensors::{TensorFile, read_safetensors};
use attend_infer::Translation;
use attend_infer::search::{SearchOptions, Stopping};
use burn::tensor::Tensor;
use serde::Deserialize;

use crate::common::{Workspace, expected, fixture, ids};

/// The folder that `make_trained_fixture.py` has written.
const MODEL: &str = "marian_mt_phrasebook";

/// The id of `<unk>`.
const UNKNOWN: u32 = 1;

/// What transformers made of a sentence.
#[derive(Deserialize)]
struct Case {
    source: String,
    greedy: Found,
    /// The best hypotheses of beam searches, by the sizes of their beams.
    beams: BTreeMap<usize, Found>,
    /// The tokens of the sentence and `</s>`, for the first sentences.
    source_ids: Option<Vec<i32>>,
    /// The tokens of its translation in the corpus and `</s>`.
    target_ids: Option<Vec<i32>>,
}

/// A translation.
#[derive(Deserialize)]
struct Found {
    /// The tokens without the start token and `</s>`.
    ids: Vec<u32>,
    text: String,
    /// The score of a beam search.
    score: Option<f32>,
}

/// Asserts that numbers agree to 1e-5 of the largest, but for places that are `ruled_out`.
fn assert_near<const D: usize>(
    found: Tensor<D>,
    wanted: &[f32],
    ruled_out: impl Fn(usize) -> bool,
    of: &str,
) {
    let found: Vec<f32> = found
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("numbers");
    assert_eq!(found.len(), wanted.len(), "{of}");
    let largest = wanted
        .iter()
        .fold(0.0_f32, |largest, number| largest.max(number.abs()));
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        if ruled_out(place) {
            assert_eq!(*found, f32::NEG_INFINITY, "{of}");
        } else {
            assert!(
                (found - wanted).abs() < 1e-5 * largest,
                "{of}: {found} and {wanted}"
            );
        }
    }
}

#[test]
fn encoder_outputs_and_logits_are_those_of_transformers() {
    let workspace = Workspace::of(MODEL);
    workspace.import().expect("a model");
    let folder = workspace.load();
    let path = fixture(MODEL).join("expected.safetensors");
    let bytes = fs::read(&path).expect("a fixture");
    let numbers = read_safetensors(&path, bytes).expect("a whole file");
    let (padding, width) = (folder.config.pad_id, folder.config.target_vocabulary());
    let mut compared = 0;
    for (place, case) in expected::<Vec<Case>>(MODEL).into_iter().enumerate() {
        let (Some(source), Some(target)) = (case.source_ids, case.target_ids) else {
            continue;
        };
        let mut input = vec![folder.config.decoder_start_id.expect("Marian's start") as i32];
        input.extend(&target[..target.len() - 1]);
        let memory = folder.model.encode(ids(&source));
        let wanted = numbers.read(&format!("encoder.{place}")).expect("numbers");
        assert_near(memory.states.clone(), &wanted, |_| false, &case.source);
        let logits = folder.model.decode(ids(&input), &memory);
        let wanted = numbers.read(&format!("logits.{place}")).expect("numbers");
        // Padding is never predicted.
        assert_near(logits, &wanted, |place| place % width == padding, &case.source);
        compared += 1;
    }
    assert_eq!(compared, 3);
}

/// Asserts that each translation is the one that transformers has found.
fn assert_same(translations: &[Translation], cases: &[Case], of_case: impl Fn(&Case) -> &Found) {
    assert_eq!((translations.len(), cases.len()), (50, 50));
    for (translation, case) in translations.iter().zip(cases) {
        let wanted = of_case(case);
        assert_eq!(translation.tokens, wanted.ids, "{}", case.source);
        // transformers leaves `<unk>` out of the text.
        if !wanted.ids.contains(&UNKNOWN) {
            assert_eq!(translation.text, wanted.text.trim(), "{}", case.source);
        }
        if let Some(score) = wanted.score {
            let difference = (translation.score - score).abs();
            assert!(difference < 1e-4, "{}: {difference}", case.source);
        }
    }
    let texts: BTreeSet<&str> = translations
        .iter()
        .map(|translation| translation.text.as_str())
        .collect();
    assert!(texts.len() > 40, "the sentences have translations of their own");
}

#[test]
fn all_searches_find_what_those_of_transformers_find() {
    let workspace = Workspace::of(MODEL);
    workspace.import().expect("a model");
    let generation = workspace.load().generation;
    assert_eq!(
        (generation.beam_size, generation.stopping),
        (4, Stopping::Transformers)
    );
    let cases: Vec<Case> = expected(MODEL);
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    let greedy = workspace.translate(&sources, SearchOptions::greedy);
    assert_same(&greedy, &cases, |case| &case.greedy);
    for size in [4, 6] {
        let beams = workspace.translate(&sources, |defaults| SearchOptions {
            beam_size: size,
            ..defaults
        });
        assert_same(&beams, &cases, |case| &case.beams[&size]);
        assert!(
            cases.iter().all(|case| case.beams[&size].score.is_some()),
            "scores are compared"
        );
    }
}
