//! BPE-dropout: never other text, the tokenizer's own cut at 0, single bytes at 1, and the right odds in between.

use attend_data::Tokenizer;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const LINES: [&str; 4] = [
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.",
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
];

/// The random numbers of a cut.
fn random(cut: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(cut)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::train_bpe(LINES.into_iter().cycle().take(20), 600).unwrap()
}

/// Sentences of the training text, and text of every other kind.
fn texts() -> Vec<String> {
    let mut random = random(7);
    let mut texts: Vec<String> = LINES.map(str::to_owned).into();
    texts.extend(
        [
            "",
            " ",
            "</s><s> <pad>",
            "\0\r\n\u{85}",
            "😀👩‍👩‍👧‍👦 e\u{301}",
            "aaaaaaaaaaaa",
        ]
        .map(str::to_owned),
    );
    texts.extend((0..500).map(|_| {
        let length = random.next_u32() % 30;
        (0..length)
            .filter_map(|_| match random.next_u32() % 3 {
                0 => char::from_u32(random.next_u32() % 0x11_0000),
                1 => Some(' '),
                _ => char::from_u32(u32::from(b'a') + random.next_u32() % 26),
            })
            .collect()
    }));
    texts
}

#[test]
fn without_dropout_the_cut_is_the_tokenizers_own() {
    let tokenizer = tokenizer();
    for text in texts() {
        let ids = tokenizer.encode_with_dropout(&text, 0.0, &mut random(1));
        assert_eq!(ids, tokenizer.encode(&text), "{text:?}");
    }
}

#[test]
fn with_full_dropout_every_byte_is_a_token() {
    let tokenizer = tokenizer();
    for text in texts() {
        let ids = tokenizer.encode_with_dropout(&text, 1.0, &mut random(1));
        let space = usize::from(!text.is_empty());
        assert_eq!(ids.len(), space + text.len(), "{text:?}");
        assert_eq!(tokenizer.decode(&ids), text);
    }
}

#[test]
fn every_cut_is_of_the_same_text() {
    let tokenizer = tokenizer();
    for (sentence, text) in texts().iter().enumerate() {
        for probability in [0.1, 0.5, 0.9] {
            let random = &mut random(sentence as u64);
            let ids = tokenizer.encode_with_dropout(text, probability, random);
            assert_eq!(tokenizer.decode(&ids), *text);
            assert!(ids.len() >= tokenizer.encode(text).len() && ids.len() <= 1 + text.len());
        }
    }
}

/// The share of 20,000 draws in which `word` is cut into so many tokens, beside the space before it.
fn share(tokenizer: &Tokenizer, word: &str, probability: f64, tokens: usize) -> f64 {
    let draws = 20_000;
    let hits = (0..draws)
        .filter(|&draw| {
            let random = &mut random(draw);
            tokenizer.encode_with_dropout(word, probability, random).len() == 1 + tokens
        })
        .count();
    hits as f64 / draws as f64
}

#[test]
fn merges_are_left_out_with_the_probability_asked_for() {
    // One merge is learnt, of x and y: "xy" stays in two with the probability asked for. In "xyxy" the merge is
    // possible in two places: both are left out with its square, and then, of one made first, the other may be
    // left out in the next step, too.
    let tokenizer = Tokenizer::train_bpe(["xyxyxy"].into_iter(), 260).unwrap();
    assert_eq!(tokenizer.encode("xyxy").len(), 1 + 2);
    let p = 0.3_f64;
    let cases = [
        ("xy", 2, p),
        ("xy", 1, 1.0 - p),
        ("xyxy", 4, p * p),
        ("xyxy", 3, (1.0 - p * p) * p),
        ("xyxy", 2, (1.0 - p * p) * (1.0 - p)),
    ];
    for (word, tokens, expected) in cases {
        let share = share(&tokenizer, word, p, tokens);
        // Four standard deviations of 20,000 draws.
        let margin = 4.0 * (expected * (1.0 - expected) / 20_000.0).sqrt();
        assert!(
            (share - expected).abs() < margin,
            "{word} in {tokens}: {share} is not {expected}"
        );
    }
}

#[test]
fn kinds_without_merges_encode_as_always() {
    let random = &mut random(0);
    for tokenizer in [
        Tokenizer::train_unigram(LINES.into_iter(), 300).unwrap(),
        Tokenizer::train_whitespace(LINES.into_iter(), None).unwrap(),
    ] {
        let ids = tokenizer.encode_with_dropout(LINES[0], 0.5, random);
        assert_eq!(ids, tokenizer.encode(LINES[0]));
    }
}
