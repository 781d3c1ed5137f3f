//! A toy decoder: a language small enough to try every translation.

use attend_infer::search::{
    BannedWords, Hypothesis, Logits, Request, Search, SearchOptions, Shortlist, SpecialTokens, StepDecoder,
    StepLogits,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use unicode_normalization::char::is_combining_mark;
use unicode_script::Script::{Han, Hiragana, Katakana, Khmer, Lao, Myanmar, Thai};
use unicode_script::UnicodeScript;

pub(crate) const BOS: u32 = 0;
pub(crate) const PAD: u32 = 1;
pub(crate) const EOS: u32 = 2;
pub(crate) const VOCAB_SIZE: usize = 6;
/// The most steps of any search here.
pub(crate) const MAX_STEPS: usize = 17;
/// The tokens that translations are made of.
pub(crate) const WORDS: [u32; 3] = [3, 4, 5];
/// Enough for all hypotheses of up to six words, and as many as a beam may have.
pub(crate) const WIDE: usize = 1_000;

pub(crate) fn special() -> SpecialTokens {
    SpecialTokens {
        bos: BOS,
        eos: EOS,
        unk: None,
        forbidden: vec![PAD, BOS],
    }
}

/// The options of a search that leaves all else as it is by default.
pub(crate) fn options(beam_size: usize, nbest: usize, length_penalty: f32) -> SearchOptions {
    SearchOptions {
        beam_size,
        nbest,
        length_penalty,
        ..SearchOptions::default()
    }
}

/// Returns whether `text` has `word` where no letter of it touches another letter. A mark is a part of the letter
/// before it. Letters of scripts without spaces do not touch others. Characters that are not visible do not count.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let text = &attend_data::visible(text);
    let is_mark = |c: char| is_combining_mark(c) || c == '\u{200c}' || c == '\u{200d}';
    let has_spaces = |c: char| {
        !matches!(
            c.script(),
            Han | Hiragana | Katakana | Thai | Lao | Khmer | Myanmar
        )
    };
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && has_spaces(c));
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        let base = before.chars().rfind(|&c| !is_mark(c));
        let joined_before = is_letter(base) && is_letter(word.chars().next());
        let joined_after = is_letter(after.chars().next()) && is_letter(word.chars().next_back());
        !joined_before && !joined_after && !after.starts_with(is_mark)
    })
}

/// A language: the log-probabilities of a token at each position after each pair of tokens.
#[derive(Clone)]
pub(crate) struct Table(pub(crate) Vec<f32>);

impl Table {
    pub(crate) const SIZE: usize = MAX_STEPS * VOCAB_SIZE * VOCAB_SIZE * VOCAB_SIZE;

    /// Random probabilities; `<s>` and padding get their share, so that forbidding them matters. `</s>` is `ending`
    /// times as probable as it would be.
    pub(crate) fn random(seed: u64, ending: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || f64::from(random.next_u32()) / 2f64.powi(32);
        let mut table = Vec::new();
        while table.len() < Self::SIZE {
            let mut weights: Vec<f64> = (0..VOCAB_SIZE).map(|_| uniform().powi(2) + 0.01).collect();
            weights[EOS as usize] *= ending;
            let total: f64 = weights.iter().sum();
            table.extend(weights.iter().map(|weight| (weight / total).ln() as f32));
        }
        Self(table)
    }

    /// The log-probabilities of what follows `<s>` and `words`.
    pub(crate) fn row(&self, words: &[u32]) -> &[f32] {
        let mut back = words.iter().rev().chain([&BOS, &BOS]);
        let (last, before) = (*back.next().unwrap(), *back.next().unwrap());
        let index = (words.len() * VOCAB_SIZE + before as usize) * VOCAB_SIZE + last as usize;
        &self.0[index * VOCAB_SIZE..(index + 1) * VOCAB_SIZE]
    }

    /// The log-probability of a whole translation, summed from its start as a search does.
    pub(crate) fn total(&self, words: &[u32]) -> f32 {
        let mut total = 0.0;
        for (length, &word) in words.iter().enumerate() {
            total += self.row(&words[..length])[word as usize];
        }
        total + self.row(words)[EOS as usize]
    }
}

/// Decodes each sentence by its own table. A row remembers its own words, so a wrong `select` shows.
pub(crate) struct ToyDecoder {
    rows: Vec<(Table, Vec<u32>)>,
    /// What logits are above log-probabilities.
    pub(crate) total: f32,
    /// How much a row looks at each source token to find what follows these words; to be told where it is not empty.
    pub(crate) attention: fn(&[u32]) -> Vec<f32>,
    /// What steps tell, in place of all logits.
    pub(crate) shortlist: Option<Shortlist>,
    /// How many rows each step had.
    pub(crate) rows_stepped: Vec<usize>,
    pub(crate) n_selects: usize,
}

impl ToyDecoder {
    pub(crate) fn new(tables: &[Table]) -> Self {
        Self {
            rows: tables.iter().map(|t| (t.clone(), Vec::new())).collect(),
            total: 0.0,
            attention: |_| Vec::new(),
            shortlist: None,
            rows_stepped: Vec::new(),
            n_selects: 0,
        }
    }
}

impl StepDecoder for ToyDecoder {
    fn vocab_size(&self) -> usize {
        VOCAB_SIZE
    }

    fn step(&mut self, tokens: &[u32]) -> StepLogits {
        assert_eq!(tokens.len(), self.rows.len(), "one token for each row");
        let (mut logits, mut attention) = (Vec::new(), Vec::new());
        for ((table, words), &token) in self.rows.iter_mut().zip(tokens) {
            if self.rows_stepped.is_empty() {
                assert_eq!(token, BOS);
            } else {
                words.push(token);
            }
            logits.extend(table.row(words).iter().map(|value| value + self.total));
            attention.extend((self.attention)(words));
        }
        self.rows_stepped.push(tokens.len());
        StepLogits {
            logits: match &self.shortlist {
                None => Logits::All(logits),
                Some(shortlist) => Logits::Some(
                    logits
                        .chunks(VOCAB_SIZE)
                        .map(|row| shortlisted(row, shortlist))
                        .collect(),
                ),
            },
            totals: vec![self.total; tokens.len()],
            attention,
        }
    }

    fn select(&mut self, rows: &[usize]) {
        assert!(!rows.is_empty(), "no step follows");
        assert!(
            !rows.iter().copied().eq(0..self.rows.len()),
            "a select that changes nothing"
        );
        self.n_selects += 1;
        self.rows = rows.iter().map(|&row| self.rows[row].clone()).collect();
    }
}

/// The tokens of a row that are on the shortlist.
fn shortlisted(row: &[f32], shortlist: &Shortlist) -> Vec<(u32, f32)> {
    let all: Vec<(u32, f32)> = (0..).zip(row.iter().copied()).collect();
    let mut others = all.clone();
    others.retain(|(token, _)| !shortlist.without.contains(token));
    others.sort_by(|a, b| b.1.total_cmp(&a.1));
    others.truncate(shortlist.best);
    others.push(all[shortlist.eos as usize]);
    others.sort_by_key(|(token, _)| *token);
    others
}

/// Requests for translations of these lengths at most, each sentence's number its place.
pub(crate) fn requests(max_lengths: &[usize]) -> Vec<Request> {
    (0..)
        .zip(max_lengths)
        .map(|(number, &max_length)| Request {
            max_length,
            number,
            ..Request::default()
        })
        .collect()
}

/// What a search finds in these languages.
pub(crate) fn search(
    tables: &[Table],
    requests: &[Request],
    options: &SearchOptions,
    banned: Option<&BannedWords>,
) -> Vec<Vec<Hypothesis>> {
    let special = special();
    let search = Search::new(&special, options, banned).expect("valid options");
    search
        .run(&mut ToyDecoder::new(tables), requests)
        .expect("translations")
}

/// Every sequence of up to `max_length` words.
pub(crate) fn all_words(max_length: usize) -> Vec<Vec<u32>> {
    let mut of_length = vec![Vec::new()];
    let mut all = Vec::new();
    for _ in 0..=max_length {
        all.extend(of_length.clone());
        of_length = of_length
            .iter()
            .flat_map(|tokens: &Vec<u32>| WORDS.map(|word| [tokens.as_slice(), &[word]].concat()))
            .collect();
    }
    all
}
