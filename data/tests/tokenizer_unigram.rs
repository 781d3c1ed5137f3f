//! The unigram tokenizer: its cuts are the most probable ones, and no text makes training fail.

use std::collections::HashMap;
use std::fs;

use attend_data::Tokenizer;
use attend_phrasebook::Phrasebook;
use rayon::ThreadPoolBuilder;
use tempfile::TempDir;

/// The pieces of a saved tokenizer with the logarithms of their probabilities.
fn pieces(tokenizer: &Tokenizer) -> HashMap<String, f64> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    tokenizer.save(&path).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    serde_json::from_value::<Vec<(String, f64)>>(json["model"]["vocab"].clone())
        .unwrap()
        .into_iter()
        .collect()
}

/// The score of the best way to cut `word`, found by trying all of them.
fn best_score(word: &str, pieces: &HashMap<String, f64>) -> f64 {
    (1..=word.len())
        .filter(|&end| word.is_char_boundary(end))
        .filter_map(|end| {
            let score = pieces.get(&word[..end])?;
            let is_last = end == word.len();
            Some(if is_last {
                *score
            } else {
                score + best_score(&word[end..], pieces)
            })
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn words_are_cut_in_the_most_probable_way() {
    let text = "low lower lowest newest newer new wider wide widest slow slower slowest";
    let lines = [text; 20];
    let tokenizer = Tokenizer::train_unigram(lines.into_iter(), 280).unwrap();
    let pieces = pieces(&tokenizer);
    // Words that the training text has, and some that it lacks. Ġ stands for the space before the text.
    let (mut tokens, mut letters) = (0, 0);
    for word in ["lowest", "slower", "newest", "widen", "stew", "rewidenest"] {
        let ids = tokenizer.encode(word);
        let score: f64 = ids
            .iter()
            .map(|&id| pieces[&tokenizer.vocabulary_entry(id)])
            .sum();
        let best = best_score(&format!("Ġ{word}"), &pieces);
        assert!((score - best).abs() < 1e-9, "{word}: {score} is not {best}");
        tokens += ids.len();
        letters += word.len();
    }
    assert!(tokens < letters, "every word is spelt in single letters");
}

#[test]
fn any_number_of_threads_learns_the_same_pieces() {
    let pairs = Phrasebook::generate().train;
    let lines: Vec<&str> = pairs[..2_000]
        .iter()
        .flat_map(|pair| [&*pair.english, &*pair.german])
        .collect();
    let learn = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Tokenizer::train_unigram(lines.iter().copied(), 600).unwrap())
    };
    let expected = learn(1);
    for threads in [2, 3, 4, 8] {
        assert!(learn(threads) == expected, "{threads} threads");
    }
}

#[test]
fn text_of_any_shape_trains() {
    let long_word = "ab".repeat(50_000);
    let numbers: Vec<String> = (0..500)
        .map(|number| format!("\0{number}\u{3042}{number}"))
        .collect();
    let cases: [Vec<&str>; 5] = [
        vec![],
        vec![""],
        vec!["a"],
        vec![&long_word],
        numbers.iter().map(String::as_str).collect(),
    ];
    for lines in cases {
        for vocab_size in [259, 270, 1_000] {
            let tokenizer = Tokenizer::train_unigram(lines.iter().copied(), vocab_size).unwrap();
            assert!((259..=vocab_size).contains(&tokenizer.vocab_size()));
            for line in &lines {
                assert_eq!(tokenizer.decode(&tokenizer.encode(line)), *line);
            }
        }
    }
}
