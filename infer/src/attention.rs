//! The attention of a model to a sentence and its translation, and what each head attends to.

use std::ops::Range;

use attend_data::Tokenizer;
use attend_device::values;
use attend_model::{AttentionKind, Head};
use burn::tensor::Tensor;
use serde::Serialize;

use crate::alignment;

/// All attention weights that a model computes for a sentence and its translation.
/// [`Translator::attention`](crate::Translator::attention) returns them.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceAttention {
    /// The translation, given or found.
    pub translation: String,
    /// Self-attention of the encoder: source tokens attend to source tokens, `</s>` included if the model reads it. It
    /// has no layers if those of the encoder are recurrent or convolutions.
    pub encoder: Attention,
    /// Self-attention of the decoder: the tokens that it reads, `<s>` first, attend to themselves and to those before
    /// them. It has no layers if those of the decoder are recurrent.
    pub decoder: Attention,
    /// Attention of the decoder to the encoder's output: target tokens attend to source tokens. A row has the weights
    /// by which its token is predicted, so the rows end with `</s>`.
    pub cross: Attention,
}

/// The weights of one kind of attention in a model, for one sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Which attention it is.
    pub kind: AttentionKind,
    /// The texts of the positions that attend, `[queries]`.
    pub queries: Vec<String>,
    /// The texts of the positions that are attended to, `[keys]`.
    pub keys: Vec<String>,
    /// The weights, `[layers][heads][queries][keys]`. Those of a query sum to 1. The layers of an ensemble are those of
    /// its first network, then those of the second, and so on.
    pub layers: Vec<Vec<Vec<Vec<f32>>>>,
    query_words: Vec<Word>,
    key_words: Vec<Word>,
}

/// A word and the positions of its tokens.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    tokens: Range<usize>,
}

/// The tokens on one side of an attention.
pub(crate) struct Side {
    texts: Vec<String>,
    words: Vec<Word>,
}

impl Side {
    /// Takes tokens and the text from which they were encoded; `None` if a search found them. A special token is a word
    /// of its own. A token that is only white space is a part of the word after it or, at the end of the text, of the
    /// word before it.
    pub(crate) fn new(tokenizer: &Tokenizer, tokens: &[u32], text: Option<&str>) -> Self {
        let texts: Vec<String> = tokens.iter().map(|&token| tokenizer.token(token)).collect();
        let mut indices = alignment::words(tokenizer, tokens, text);
        // Special tokens have no surface.
        let is_space = |index: Option<usize>, token: usize| {
            index.is_none() && !tokenizer.surface(tokens[token]).is_empty()
        };
        for token in (1..tokens.len()).rev() {
            if is_space(indices[token - 1], token - 1) {
                indices[token - 1] = indices[token];
            }
        }
        for token in 1..tokens.len() {
            if is_space(indices[token], token) {
                indices[token] = indices[token - 1];
            }
        }
        let mut words: Vec<Word> = Vec::new();
        for (token, index) in indices.iter().enumerate() {
            match words.last_mut() {
                Some(word) if index.is_some() && indices[word.tokens.start] == *index => {
                    word.tokens.end = token + 1;
                }
                _ => words.push(Word {
                    text: texts[token].clone(),
                    tokens: token..token + 1,
                }),
            }
        }
        for word in &mut words {
            if indices[word.tokens.start].is_some() {
                let decoded = tokenizer.decode(&tokens[word.tokens.clone()]);
                decoded.trim().clone_into(&mut word.text);
            }
        }
        Self { texts, words }
    }

    /// Puts a special token before the others.
    #[must_use]
    pub(crate) fn after(mut self, special: String) -> Self {
        for word in &mut self.words {
            word.tokens = word.tokens.start + 1..word.tokens.end + 1;
        }
        self.words.insert(
            0,
            Word {
                text: special.clone(),
                tokens: 0..1,
            },
        );
        self.texts.insert(0, special);
        self
    }

    /// Returns the number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }
}

impl Attention {
    /// Takes the weights `[layers][heads][queries][keys]` of the tokens on both sides.
    pub(crate) fn new(
        kind: AttentionKind,
        queries: Side,
        keys: Side,
        layers: Vec<Vec<Vec<Vec<f32>>>>,
    ) -> Self {
        Self {
            kind,
            queries: queries.texts,
            keys: keys.texts,
            layers,
            query_words: queries.words,
            key_words: keys.words,
        }
    }

    /// Returns the attention of words to words, as Clark et al. (2019), "What Does BERT Look At?", section 4.1, compute
    /// it: weights are summed over the tokens of the word that is attended to, and averaged over the tokens of the word
    /// that attends. Those of a query still sum to 1. Words stand between white space; `<s>` and `</s>` stay as they
    /// are.
    ///
    /// For example, let the tokens `Haus` and `tür` attend to `front` by 0.2 and 0.4, and to `door` by 0.8 and 0.6. The
    /// word `Haustür` then attends to `front` by 0.3 and to `door` by 0.7.
    #[must_use]
    pub fn of_words(&self) -> Self {
        let weight = |head: &[Vec<f32>], query: &Word, key: &Word| {
            let rows = &head[query.tokens.clone()];
            let sum: f32 = rows.iter().flat_map(|row| &row[key.tokens.clone()]).sum();
            sum / rows.len() as f32
        };
        let row = |head: &[Vec<f32>], query: &Word| {
            let keys = self.key_words.iter();
            keys.map(|key| weight(head, query, key)).collect()
        };
        let of_head = |head: &Vec<Vec<f32>>| {
            let queries = self.query_words.iter();
            queries.map(|query| row(head, query)).collect()
        };
        let layers = self.layers.iter();
        Self {
            kind: self.kind,
            queries: texts(&self.query_words),
            keys: texts(&self.key_words),
            layers: layers.map(|heads| heads.iter().map(of_head).collect()).collect(),
            query_words: alone(&self.query_words),
            key_words: alone(&self.key_words),
        }
    }
}

/// Returns the weights `[heads][queries][keys]` of a sentence, without those of padding, from a tensor
/// `[1, heads, padded queries, padded keys]`.
pub(crate) fn heads(weights: Tensor<4>, queries: usize, keys: usize) -> Vec<Vec<Vec<f32>>> {
    let [_, _, rows, width] = weights.dims();
    let weights = values(weights);
    let heads = weights.chunks_exact(rows * width);
    heads
        .map(|head| {
            let rows = head.chunks_exact(width).take(queries);
            rows.map(|row| row[..keys].to_vec()).collect()
        })
        .collect()
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.text.clone()).collect()
}

/// Returns the words as tokens of their own.
fn alone(words: &[Word]) -> Vec<Word> {
    let words = words.iter().enumerate();
    let word = |(place, word): (usize, &Word)| Word {
        text: word.text.clone(),
        tokens: place..place + 1,
    };
    words.map(word).collect()
}

/// What a head attends to, as means over the positions that attend.
///
/// The own position of a query is the key with its index. In encoder-decoder attention, whose sides differ in length,
/// it is the key at the same part of the way: query `i` of `n` has the key `i · (keys - 1) / (n - 1)`, rounded. The
/// first query so has the first key, and the last the last. A single query has the first key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HeadStatistics {
    /// The distance from a query's own position to the keys, in positions, weighted by attention.
    pub distance: f64,
    /// The entropy of a query's weights in nats: 0 if one key has all weight, and ln n if n keys have equal weights.
    pub entropy: f64,
    /// The weight of a query's own position.
    pub itself: f64,
    /// The weight of the position before it.
    pub previous: f64,
    /// The weight of the position after it.
    pub next: f64,
    /// The weight of the special token: `</s>`, the last of a source; in self-attention of the decoder, which reads no
    /// `</s>`, that of `<s>`. It is 0 for a source without `</s>`.
    pub special: f64,
}

impl HeadStatistics {
    /// Returns what one query attends to.
    fn of_query(weights: &[f32], own: usize, special: Option<usize>) -> Self {
        let at = |place: Option<usize>| {
            let weight = place.and_then(|place| weights.get(place));
            weight.copied().map_or(0.0, f64::from)
        };
        let mut statistics = Self {
            itself: at(Some(own)),
            previous: at(own.checked_sub(1)),
            next: at(Some(own + 1)),
            special: at(special),
            ..Self::default()
        };
        for (key, weight) in weights.iter().copied().map(f64::from).enumerate() {
            statistics.distance += weight * own.abs_diff(key) as f64;
            if weight > 0.0 {
                statistics.entropy -= weight * weight.ln();
            }
        }
        statistics
    }

    /// Combines the numbers of two statistics, one by one.
    fn combine(self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            distance: with(self.distance, other.distance),
            entropy: with(self.entropy, other.entropy),
            itself: with(self.itself, other.itself),
            previous: with(self.previous, other.previous),
            next: with(self.next, other.next),
            special: with(self.special, other.special),
        }
    }
}

/// The statistics of all heads of one kind of attention, summed over queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatisticsSum {
    heads: Vec<(Head, HeadStatistics)>,
    queries: usize,
}

impl StatisticsSum {
    /// Sums what the heads of a sentence attend to. `ends` says whether the source ends with `</s>`.
    pub(crate) fn of(attention: &Attention, ends: bool) -> Self {
        let [queries, keys] = [attention.queries.len(), attention.keys.len()];
        let own = |query: usize| match queries {
            0 | 1 => 0,
            // Rounds to the nearest.
            _ => (2 * query * (keys - 1) + (queries - 1)) / (2 * (queries - 1)),
        };
        let special = match attention.kind {
            AttentionKind::Decoder => Some(0),
            AttentionKind::Encoder | AttentionKind::Cross => ends.then(|| keys - 1),
        };
        let of_head = |rows: &Vec<Vec<f32>>| {
            let rows = rows.iter().enumerate();
            rows.map(|(query, row)| HeadStatistics::of_query(row, own(query), special))
                .fold(HeadStatistics::default(), |sum, next| {
                    sum.combine(next, |a, b| a + b)
                })
        };
        let mut sum = Self {
            queries,
            ..Self::default()
        };
        for (layer, heads) in attention.layers.iter().enumerate() {
            for (head, rows) in heads.iter().enumerate() {
                let kind = attention.kind;
                sum.heads.push((Head { kind, layer, head }, of_head(rows)));
            }
        }
        sum
    }

    /// Adds the sum of another sentence.
    pub(crate) fn add(self, other: Self) -> Self {
        if self.heads.is_empty() {
            return other;
        }
        let heads = self.heads.into_iter().zip(other.heads);
        Self {
            heads: heads
                .map(|((head, left), (_, right))| (head, left.combine(right, |a, b| a + b)))
                .collect(),
            queries: self.queries + other.queries,
        }
    }

    /// Returns the mean over the queries, for each head in the order of layers.
    pub(crate) fn mean(self) -> Vec<(Head, HeadStatistics)> {
        let queries = self.queries as f64;
        let mean = |sum: HeadStatistics| sum.combine(sum, |sum, _| sum / queries);
        let heads = self.heads.into_iter();
        heads.map(|(head, sum)| (head, mean(sum))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(kind: AttentionKind, rows: &[&[f32]]) -> Attention {
        let words = |count: usize| {
            (0..count)
                .map(|place| Word {
                    text: place.to_string(),
                    tokens: place..place + 1,
                })
                .collect::<Vec<_>>()
        };
        let (query_words, key_words) = (words(rows.len()), words(rows[0].len()));
        Attention {
            kind,
            queries: texts(&query_words),
            keys: texts(&key_words),
            layers: vec![vec![rows.iter().map(|row| row.to_vec()).collect()]],
            query_words,
            key_words,
        }
    }

    fn assert_close(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-6, "{ours} is not {expected}");
    }

    #[test]
    fn tokens_become_words_whose_weights_sum_to_1() {
        let lines = ["the fr@@ ont door", "die Haus@@ tür"];
        let tokenizer = Tokenizer::train_whitespace(lines.into_iter(), None).unwrap();
        let ended = |line| [tokenizer.encode(line), vec![tokenizer.eos_id()]].concat();
        let rows = [
            vec![0.5, 0.25, 0.25, 0.0, 0.0],
            vec![0.0, 0.2, 0.0, 0.8, 0.0],
            vec![0.0, 0.1, 0.3, 0.5, 0.1],
            vec![0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let words = Attention::new(
            AttentionKind::Cross,
            Side::new(&tokenizer, &ended(lines[1]), None),
            Side::new(&tokenizer, &ended(lines[0]), Some(lines[0])),
            vec![vec![rows.to_vec()]],
        )
        .of_words();
        assert_eq!(words.queries, ["die", "Haustür", "</s>"]);
        assert_eq!(words.keys, ["the", "front", "door", "</s>"]);
        // Of `Haus` and `tür`, 0.2 + 0 and 0.1 + 0.3 for `front`, whose mean is 0.3.
        let expected = [[0.5, 0.5, 0.0, 0.0], [0.0, 0.3, 0.65, 0.05], [0.0, 0.0, 0.0, 1.0]];
        for (row, expected) in words.layers[0][0].iter().zip(expected) {
            for (&ours, expected) in row.iter().zip(expected) {
                assert_close(ours.into(), expected);
            }
        }
        assert_eq!(words.of_words(), words);
    }

    #[test]
    fn tokens_that_are_only_space_belong_to_words() {
        let lines = ["an old man reads a book"; 8];
        let tokenizer = Tokenizer::train_bpe(lines.into_iter(), 260).unwrap();
        for text in ["  an  old,   man's book  ", " an", "an "] {
            let tokens = [tokenizer.encode(text), vec![tokenizer.eos_id()]].concat();
            let spaces = tokens.iter().filter(|&&token| tokenizer.token(token) == " ");
            assert!(spaces.count() > 0);
            let side = || Side::new(&tokenizer, &tokens, Some(text));
            let even = vec![1.0 / tokens.len() as f32; tokens.len()];
            let weights = vec![vec![vec![even; tokens.len()]]];
            let words = Attention::new(AttentionKind::Encoder, side(), side(), weights).of_words();
            let expected: Vec<&str> = text.split_whitespace().chain(["</s>"]).collect();
            assert_eq!(words.queries, expected);
            assert_eq!(words.keys, expected);
            for row in &words.layers[0][0] {
                assert_close(row.iter().sum::<f32>().into(), 1.0);
                assert_close(row[row.len() - 1].into(), 1.0 / tokens.len() as f64);
            }
        }
    }

    #[test]
    fn statistics_are_means_over_queries() {
        let rows: [&[f32]; 3] = [&[1.0, 0.0, 0.0], &[0.5, 0.0, 0.5], &[0.25, 0.5, 0.25]];
        let sum = StatisticsSum::of(&attention(AttentionKind::Encoder, &rows), true);
        let [(head, of_head)] = sum.clone().mean()[..] else {
            panic!("one head");
        };
        assert_eq!((head.layer, head.head), (0, 0));
        assert_close(of_head.distance, (0.0 + 1.0 + (0.25 * 2.0 + 0.5)) / 3.0);
        let halves = 2.0 * 0.5 * 2f64.ln();
        let quarters = 0.5 * 2f64.ln() + 2.0 * 0.25 * 4f64.ln();
        assert_close(of_head.entropy, (halves + quarters) / 3.0);
        assert_close(of_head.itself, (1.0 + 0.0 + 0.25) / 3.0);
        assert_close(of_head.previous, (0.0 + 0.5 + 0.5) / 3.0);
        assert_close(of_head.next, (0.0 + 0.5 + 0.0) / 3.0);
        assert_close(of_head.special, (0.0 + 0.5 + 0.25) / 3.0);
        // The last token of a source without </s> is a part of a word.
        let without_end = StatisticsSum::of(&attention(AttentionKind::Encoder, &rows), false);
        assert_close(without_end.mean()[0].1.special, 0.0);

        // A second sentence of one query, which attends to itself: four queries in all.
        let one = StatisticsSum::of(&attention(AttentionKind::Encoder, &[&[1.0]]), true);
        assert_close(sum.add(one).mean()[0].1.itself, (1.0 + 0.0 + 0.25 + 1.0) / 4.0);
    }

    #[test]
    fn positions_of_unequal_sides_lie_on_the_diagonal() {
        // Three queries and five keys: their own keys are 0, 2 and 4.
        let diagonal: [&[f32]; 3] = [
            &[1.0, 0.0, 0.0, 0.0, 0.0],
            &[0.0, 0.0, 1.0, 0.0, 0.0],
            &[0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let statistics = |kind, rows: &[&[f32]]| StatisticsSum::of(&attention(kind, rows), true).mean()[0].1;
        let of_cross = statistics(AttentionKind::Cross, &diagonal);
        assert_close(of_cross.itself, 1.0);
        assert_close(of_cross.distance, 0.0);
        assert_close(of_cross.special, 1.0 / 3.0);
        assert_close(statistics(AttentionKind::Cross, &[&[0.0, 1.0]]).distance, 1.0);
        // The decoder reads no </s>, but <s> first.
        let start: [&[f32]; 2] = [&[1.0, 0.0], &[0.75, 0.25]];
        assert_close(statistics(AttentionKind::Decoder, &start).special, 0.875);
    }
}
