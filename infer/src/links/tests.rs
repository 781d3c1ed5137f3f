use super::*;

/// A link of the word at `place`, one byte long, to source words of one byte each with these shares.
fn linked(place: usize, shares: &[f32]) -> Link {
    let sources = shares.iter().enumerate();
    Link {
        target: place * 2..place * 2 + 1,
        sources: sources
            .map(|(word, share)| (word * 2..word * 2 + 1, *share))
            .collect(),
        span: None,
    }
}

#[test]
fn words_share_the_attention_of_their_tokens_among_words_of_their_kind() {
    let source = Side {
        text: "a red car, not big.",
        tokens: vec![0..1, 1..3, 3..5, 5..9, 9..10, 10..14, 14..18, 18..19],
    };
    let target = Side {
        text: "rotes Auto!",
        tokens: vec![0..3, 3..5, 5..10, 10..11],
    };
    let attention = [
        vec![0.0, 0.4, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0],
        vec![0.2, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.6],
        vec![0.0, 0.0, 0.0, 0.9, 0.0, 0.1, 0.0, 0.0],
        vec![0.0, 0.0, 0.0, 0.2, 0.3, 0.0, 0.0, 0.5],
    ];
    let links = link(&source, &target, &attention);
    let targets: Vec<&str> = links
        .iter()
        .map(|link| &target.text[link.target.clone()])
        .collect();
    assert_eq!(targets, ["rotes", "Auto", "!"]);
    let shares = |link: &Link| -> Vec<(&str, f32)> {
        let sources = link.sources.iter();
        let shown = |share: f32| (share * 1000.0).round() / 1000.0;
        sources
            .map(|(word, share)| (&source.text[word.clone()], shown(*share)))
            .collect()
    };
    // "red" has the tokens " r" and "ed": 0.4 + 0.2 + 0.2 of the 1.0 that goes to words with letters.
    assert_eq!(
        shares(&links[0]),
        [("a", 0.2), ("red", 0.8), ("car", 0.0), ("not", 0.0), ("big", 0.0)]
    );
    assert_eq!(shares(&links[1])[2..4], [("car", 0.9), ("not", 0.1)]);
    // The source has no exclamation mark, so that all its marks count: 0.3 and 0.5.
    assert_eq!(shares(&links[2]), [(",", 0.375), (".", 0.625)]);
}

#[test]
fn a_word_without_attention_belongs_to_all_words_alike() {
    let side = |text| Side {
        text,
        tokens: Vec::new(),
    };
    let links = link(&side("a b"), &side("x"), &[]);
    assert_eq!(links[0].sources, [(0..1, 0.5), (2..3, 0.5)]);
    assert_eq!(link(&side(""), &side("x"), &[])[0].sources, []);
}

#[test]
fn a_region_spans_a_word_in_its_midst_but_not_one_at_its_edge() {
    let of = |shares: &[f32]| -> Vec<Link> {
        let links = shares.iter().enumerate();
        links
            .map(|(place, share)| linked(place, &[*share, 1.0 - share]))
            .collect()
    };
    let found = |shares: &[f32]| {
        let links = of(shares);
        region(&links, 0..links.len(), |_| true, &(0..1)).map(|(words, _)| words)
    };
    assert_eq!(found(&[0.1, 0.9, 0.4, 0.8, 0.3]), Some(1..4));
    assert_eq!(found(&[0.9, 0.0, 0.8]), Some(0..1));
    assert_eq!(found(&[0.1, 0.3, 0.2]), Some(1..2));
    assert_eq!(found(&[]), None);
    let links = of(&[0.9, 0.8, 0.7, 0.9]);
    let free = region(&links, 0..4, |place| place != 1, &(0..1));
    assert_eq!(free.unwrap().0, 2..4);
    assert_eq!(region(&links, 0..2, |_| false, &(0..1)), None);
}

#[test]
fn a_gap_divides_what_was_before_from_what_was_behind() {
    // "I have | seen the house" becomes "Ich habe | das Haus gesehen".
    let order = [0, 1, 3, 4, 2];
    let words = order.iter().enumerate();
    let links: Vec<Link> = words
        .map(|(place, &word)| {
            linked(
                place,
                &std::array::from_fn::<f32, 5, _>(|at| f32::from(at == word)),
            )
        })
        .collect();
    let place = |word: usize| gap(&links, 0..5, |_| true, word * 2);
    assert_eq!(place(0), 0);
    assert_eq!(place(2), 2);
    assert_eq!(place(5), 5);
    // Behind "seen", two words are before their time by any gap, and one by none.
    assert_eq!(place(3), 2);
    assert_eq!(gap(&links, 0..5, |place| place > 2, 4), 3);
}
