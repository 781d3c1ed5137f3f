//! Which random numbers cut a sentence.

use super::BpeDropout;
use crate::batch::Example;
use crate::tokenizer::Tokenizer;

const LINE: &str = "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.";

#[test]
fn seed_epoch_and_place_decide_the_cut() {
    let tokenizer = Tokenizer::train_bpe([LINE; 5].into_iter(), 600).unwrap();
    let example = Example {
        source: [tokenizer.encode(LINE), vec![tokenizer.eos_id()]].concat(),
        target: vec![tokenizer.eos_id()],
    };
    let dropout = BpeDropout {
        tokenizer,
        probability: 0.3,
        max_length: 200,
    };
    let cut = |seed, epoch, place| dropout.cut(example.clone(), seed, epoch, place).source;
    assert_eq!(cut(1, 2, 3), cut(1, 2, 3));
    let cuts = [
        cut(1, 2, 3),
        cut(2, 2, 3),
        cut(1, 3, 3),
        cut(1, 2, 4),
        cut(3, 2, 1),
    ];
    for (index, one) in cuts.iter().enumerate() {
        assert!(!cuts[..index].contains(one), "cut {index} is another's");
    }
}
