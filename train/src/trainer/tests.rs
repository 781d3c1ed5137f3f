//! What an update does to the weights.

use super::*;
use crate::dataset::{Corpora, TrainingText};
use attend_data::corpus::SentencePair;
use attend_data::parallel_text::ParallelText;

const RECIPE: &str = r#"
    [data]
    embedded = "phrasebook"
    [model]
    preset = "tiny"
    d_model = 16
    encoder_layers = 1
    decoder_layers = 1
    [training]
    updates = 10
    learning_rate = 0.1
    warmup = 1
    ema = 0.9
"#;

fn trainer() -> Trainer {
    let pair = SentencePair {
        source: "one two".to_owned(),
        target: "eins zwei".to_owned(),
    };
    let corpora = Corpora {
        train: vec![TrainingText {
            name: "one pair".to_owned(),
            text: ParallelText::Pairs(vec![pair.clone()]),
            weight: 1.0,
        }],
        valid: vec![pair],
        test: Vec::new(),
    };
    let recipe: Recipe = toml::from_str(RECIPE).unwrap();
    let tokenizer = Tokenizer::train_bpe(["one two", "eins zwei"].into_iter(), 300).unwrap();
    let prepared = tempfile::tempdir().unwrap();
    let dataset = Dataset::encode(&corpora, &tokenizer, &recipe, prepared.path(), |_| {}).unwrap();
    let workers = Workers::start(1, 1).unwrap();
    Trainer::new(
        recipe,
        tokenizer,
        dataset,
        PathBuf::new(),
        &Device::default(),
        workers,
    )
    .unwrap()
}

/// The gradients of the one example, times a factor.
fn gradients(trainer: &Trainer, factor: f64) -> Gradients {
    let model = &trainer.now.model;
    let loss = trainer.loss(model, &[trainer.dataset.train.get(0)], &trainer.device);
    let mut scale = Scale {
        gradients: GradientsParams::from_grads(loss.clone().backward(), model),
        factor,
    };
    model.visit(&mut scale);
    Gradients {
        loss: loss.into_scalar::<f32>().into(),
        gradients: scale.gradients,
    }
}

fn weights(model: &Transformer) -> Vec<u8> {
    model.clone().into_record().into_bytes().unwrap().to_vec()
}

#[test]
fn an_update_that_is_not_finite_is_skipped_and_leaves_no_trace() {
    let mut trainer = trainer();
    let bytes = |trainer: &Trainer| {
        let average = trainer.now.moving_average.as_ref().expect("one is asked for");
        [weights(&trainer.now.model), weights(average)]
    };
    let before = bytes(&trainer);
    trainer.now.state.update = 1;
    let no_loss = Gradients {
        loss: f64::NAN,
        ..gradients(&trainer, 1.0)
    };
    assert!(trainer.step(no_loss, 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::INFINITY), 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::NAN), 3).is_none());
    assert!(bytes(&trainer) == before);
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 3));
    assert_eq!(trainer.now.state.span, Span::default());

    assert!(trainer.step(gradients(&trainer, 1.0), 3).is_some());
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 0));
    let after = bytes(&trainer);
    assert!(after[0] != before[0] && after[1] != before[1]);
}
