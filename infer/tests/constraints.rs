//! What may follow a hypothesis: every constraint and their combinations, against all translations of a toy language.

use std::sync::Arc;

use attend_infer::search::{
    BannedWords, Hypothesis, Request, RequiredWords, Sampling, Search, SearchError, SearchOptions, Stopping,
    SurfaceForms, Unknown,
};

use crate::toy::{self, Table, ToyDecoder, WIDE, WORDS, all_words, has_word, search, special};

/// What the words of the toy language spell.
const FORMS: [&str; 6] = ["", "", "", "a", " ", "b"];

fn surfaces() -> Arc<SurfaceForms> {
    Arc::new(SurfaceForms::new(
        FORMS.map(|form| form.as_bytes().to_vec()).into(),
    ))
}

fn text(tokens: &[u32]) -> String {
    tokens.iter().map(|&token| FORMS[token as usize]).collect()
}

fn tokens(text: &str) -> Vec<u32> {
    let token = |c: char| FORMS.iter().position(|form| *form == c.to_string()).unwrap();
    text.chars().map(|c| token(c) as u32).collect()
}

/// One set of constraints.
#[derive(Clone, Debug, Default)]
struct Asked {
    min_length: usize,
    no_repeat_ngram: usize,
    repetition_penalty: Option<f32>,
    prefix: &'static str,
    banned: &'static [&'static str],
    required: &'static [&'static str],
}

impl Asked {
    fn options(&self, beam_size: usize, nbest: usize) -> SearchOptions {
        SearchOptions {
            beam_size,
            nbest,
            min_length: self.min_length,
            no_repeat_ngram: self.no_repeat_ngram,
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            ..SearchOptions::default()
        }
    }

    fn request(&self, max_length: usize, number: u64) -> Request {
        // As behind other words, and as at the start.
        let spellings = |word: &&str| vec![tokens(&format!(" {word}")), tokens(word)];
        let required = RequiredWords::new(self.required.iter().map(spellings).collect(), surfaces());
        Request {
            max_length,
            number,
            prefix: tokens(self.prefix),
            required,
            ..Request::default()
        }
    }

    fn banned(&self) -> BannedWords {
        BannedWords::new(self.banned, surfaces())
    }

    /// Whether a translation is as asked.
    fn holds(&self, tokens: &[u32]) -> bool {
        let text = text(tokens);
        let n = self.no_repeat_ngram;
        let repeats = n > 0
            && (n..tokens.len()).any(|last| {
                // An n-gram that ends behind the prefix, and one of the same tokens that began before.
                last >= self.prefix.len()
                    && tokens[..last]
                        .windows(n)
                        .any(|before| before == &tokens[last + 1 - n..=last])
            });
        // Not even on the way: a token that ends in a banned word is not chosen.
        let mut ends = self.prefix.len()..=tokens.len();
        let banned = ends.any(|end| {
            let text = self::text(&tokens[..end]);
            self.banned.iter().any(|word| has_word(&text, word))
        });
        tokens.len() >= self.min_length
            && !repeats
            && text.starts_with(self.prefix)
            && !banned
            && self.required.iter().all(|word| has_word(&text, word))
    }

    /// The log-probability of a translation, with the repetition penalty.
    fn total(&self, table: &Table, tokens: &[u32]) -> f32 {
        let end = [toy::EOS];
        let mut total = 0.0;
        for (length, &token) in tokens.iter().chain(&end).enumerate() {
            let log_probability = table.row(&tokens[..length])[token as usize];
            total += if tokens[..length].contains(&token) {
                log_probability * self.repetition_penalty.unwrap_or(1.0)
            } else {
                log_probability
            };
        }
        total
    }
}

fn cases() -> Vec<Asked> {
    let none = Asked::default();
    let mut cases = vec![
        none.clone(),
        Asked {
            prefix: "ab",
            ..none.clone()
        },
        Asked {
            prefix: "a",
            min_length: 3,
            ..none.clone()
        },
        Asked {
            prefix: "aaa",
            no_repeat_ngram: 2,
            ..none.clone()
        },
        Asked {
            prefix: "b a",
            repetition_penalty: Some(2.0),
            ..none.clone()
        },
        Asked {
            banned: &["a"],
            ..none.clone()
        },
        Asked {
            banned: &["ab", "b a"],
            ..none.clone()
        },
        Asked {
            banned: &["a", "b"],
            min_length: 2,
            ..none.clone()
        },
        Asked {
            banned: &["b"],
            no_repeat_ngram: 2,
            prefix: "ab ",
            ..none.clone()
        },
        Asked {
            required: &["a"],
            ..none.clone()
        },
        Asked {
            required: &["ab", "b"],
            ..none.clone()
        },
        Asked {
            required: &["b a", "a b"],
            ..none.clone()
        },
        Asked {
            required: &["a"],
            banned: &["b"],
            min_length: 2,
            prefix: "bb",
            ..none.clone()
        },
        Asked {
            required: &["ba"],
            repetition_penalty: Some(1.3),
            ..none.clone()
        },
    ];
    for n in 1..=3 {
        cases.push(Asked {
            no_repeat_ngram: n,
            ..none.clone()
        });
    }
    for penalty in [1.2, 3.0] {
        cases.push(Asked {
            repetition_penalty: Some(penalty),
            ..none.clone()
        });
    }
    cases
}

fn tokens_of(hypotheses: &[Hypothesis]) -> Vec<&[u32]> {
    hypotheses
        .iter()
        .map(|hypothesis| hypothesis.tokens.as_slice())
        .collect()
}

#[test]
fn a_wide_beam_finds_exactly_the_best_of_what_is_asked() {
    for asked in cases() {
        for seed in 0..10 {
            let table = Table::random(seed, 1.0);
            let options = asked.options(WIDE, 8);
            let banned = asked.banned();
            let found = search(
                std::slice::from_ref(&table),
                &[asked.request(5, 0)],
                &options,
                Some(&banned),
            );
            let mut expected: Vec<(Vec<u32>, f32)> = all_words(5)
                .into_iter()
                .filter(|tokens| asked.holds(tokens))
                .map(|tokens| {
                    let score = options.score(asked.total(&table, &tokens), tokens.len(), true);
                    (tokens, score)
                })
                .collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            expected.truncate(8);
            let expected_tokens: Vec<&[u32]> = expected.iter().map(|(tokens, _)| tokens.as_slice()).collect();
            assert_eq!(tokens_of(&found[0]), expected_tokens, "{asked:?}");
            for (found, (_, score)) in found[0].iter().zip(&expected) {
                assert!((found.score - score).abs() < 1e-5, "{asked:?}");
            }
        }
    }
}

/// The options of every search that can go with what is asked.
fn searches(asked: &Asked) -> Vec<SearchOptions> {
    let options = asked.options(4, 3);
    let mut searches = vec![options, asked.options(2, 1)];
    if asked.required.is_empty() {
        let drawn = Sampling {
            top_k: Some(4),
            ..Sampling::default()
        };
        searches.extend([
            options.greedy(),
            SearchOptions {
                stopping: Stopping::CTranslate2,
                ..options
            },
            SearchOptions {
                stopping: Stopping::CTranslate2,
                ..options.greedy()
            },
            SearchOptions {
                sampling: Some(drawn),
                ..options
            },
            SearchOptions {
                sampling: Some(Sampling {
                    top_p: 0.7,
                    temperature: 1.5,
                    ..drawn
                }),
                ..options
            },
        ]);
    }
    searches
}

#[test]
fn what_is_returned_is_as_asked() {
    let tables: Vec<Table> = (0..20).map(|seed| Table::random(seed, 0.5)).collect();
    for asked in cases() {
        let requests: Vec<Request> = (0..20)
            .map(|number| asked.request(8 + number as usize % 8, number))
            .collect();
        for options in searches(&asked) {
            let found = search(&tables, &requests, &options, Some(&asked.banned()));
            for (hypotheses, request) in found.iter().zip(&requests) {
                assert!(!hypotheses.is_empty());
                for hypothesis in hypotheses {
                    assert!(hypothesis.tokens.len() <= request.max_length);
                    assert!(hypothesis.tokens.iter().all(|token| WORDS.contains(token)));
                    let text = text(&hypothesis.tokens);
                    assert!(asked.holds(&hypothesis.tokens), "{asked:?} {options:?}: {text:?}");
                }
                let mut tokens = tokens_of(hypotheses);
                if options.sampling.is_none() {
                    assert!(hypotheses.is_sorted_by(|a, b| a.score >= b.score));
                    tokens.sort_unstable();
                    tokens.dedup();
                    assert_eq!(tokens.len(), hypotheses.len());
                } else {
                    assert_eq!(tokens.len(), 3);
                }
            }
        }
    }
}

#[test]
fn company_in_a_batch_changes_nothing() {
    let tables: Vec<Table> = (0..9).map(|seed| Table::random(seed, 0.4)).collect();
    let cases = cases();
    for asked in &cases {
        // Sentences of one batch may ask for different prefixes and words.
        let requests: Vec<Request> = (0..9)
            .map(|number| match number % 3 {
                0 => Request {
                    prefix: Vec::new(),
                    ..asked.request(9, number)
                },
                1 => Request {
                    required: RequiredWords::default(),
                    ..asked.request(7, number)
                },
                _ => asked.request(8 + number as usize % 8, number),
            })
            .collect();
        for options in searches(asked) {
            let banned = asked.banned();
            let together = search(&tables, &requests, &options, Some(&banned));
            for place in 0..9 {
                let (table, request) = (&tables[place..=place], &requests[place..=place]);
                assert_eq!(
                    search(table, request, &options, Some(&banned))[0],
                    together[place]
                );
            }
            let reversed: Vec<Table> = tables.iter().rev().cloned().collect();
            let backwards: Vec<Request> = requests.iter().rev().cloned().collect();
            let mut found = search(&reversed, &backwards, &options, Some(&banned));
            found.reverse();
            assert_eq!(found, together);
        }
    }
}

#[test]
fn greedy_search_is_a_beam_of_one_under_every_constraint() {
    let tables: Vec<Table> = (0..30).map(|seed| Table::random(seed, 0.4)).collect();
    let special = special();
    for asked in cases().iter().filter(|asked| asked.required.is_empty()) {
        let requests: Vec<Request> = (0..30).map(|number| asked.request(8, number)).collect();
        for stopping in [
            Stopping::Exact,
            Stopping::CTranslate2,
            Stopping::TransformersEarly,
        ] {
            let options = SearchOptions {
                stopping,
                ..asked.options(1, 1)
            };
            let banned = asked.banned();
            let search = Search::new(&special, &options, Some(&banned)).unwrap();
            let greedy = attend_infer::search::greedy(&search, &mut ToyDecoder::new(&tables), &requests);
            let beam = attend_infer::search::beam(&search, &mut ToyDecoder::new(&tables), &requests);
            assert_eq!(beam.concat(), greedy, "{asked:?}");
        }
    }
}

#[test]
fn required_words_that_a_search_has_no_place_for_are_refused() {
    let asked = Asked {
        required: &["a"],
        ..Asked::default()
    };
    let options = asked.options(4, 1);
    let special = special();
    let refused = |options: SearchOptions| {
        let search = Search::new(&special, &options, None).unwrap();
        let tables = [Table::random(1, 1.0)];
        search
            .run(&mut ToyDecoder::new(&tables), &[asked.request(5, 0)])
            .unwrap_err()
    };
    for (options, part) in [
        (options.greedy(), "`beam_size` of 1"),
        (
            SearchOptions {
                sampling: Some(Sampling::default()),
                ..options
            },
            "`sampling`",
        ),
        (
            SearchOptions {
                stopping: Stopping::CTranslate2,
                ..options
            },
            "`stopping`",
        ),
        (
            SearchOptions {
                no_repeat_ngram: 2,
                ..options
            },
            "`no_repeat_ngram`",
        ),
    ] {
        let error = refused(options);
        assert!(matches!(error, SearchError::Required { .. }));
        assert!(part.contains(error.field()), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // A model that finds the word impossible.
    let mut table = Table::random(1, 1.0);
    table
        .0
        .iter_mut()
        .skip(3)
        .step_by(toy::VOCAB_SIZE)
        .for_each(|value| *value = f32::NEG_INFINITY);
    let search = Search::new(&special, &options, None).unwrap();
    let other = Table::random(1, 1.0);
    let requests = [asked.request(5, 0), asked.request(5, 1)];
    let found = search
        .run(&mut ToyDecoder::new(&[table, other.clone()]), &requests)
        .unwrap();
    assert_eq!(found[0], []);
    // The sentence beside it has its translation.
    let alone = search
        .run(&mut ToyDecoder::new(&[other]), &requests[1..])
        .unwrap();
    assert_eq!(found[1..], alone);
    assert!(asked.holds(&found[1][0].tokens));
}

/// Three improbable words, more than a beam of two has places for: the paper's point.
#[test]
fn a_narrow_beam_finds_required_words_that_the_model_dislikes() {
    for seed in 0..20 {
        let mut table = Table::random(seed, 1.0);
        for word in [3, 5] {
            let values = table.0.iter_mut().skip(word).step_by(toy::VOCAB_SIZE);
            values.for_each(|value| *value -= 8.0);
        }
        let asked = Asked {
            required: &["ab", "ba", "a b a"],
            ..Asked::default()
        };
        for beam_size in [2, 3, 10] {
            // The words have nine letters, and need a space between them.
            let found = search(
                std::slice::from_ref(&table),
                &[asked.request(14, 0)],
                &asked.options(beam_size, 1),
                None,
            );
            assert!(asked.holds(&found[0][0].tokens), "{}", text(&found[0][0].tokens));
        }
    }
}

#[test]
fn the_unknown_word_is_forbidden_or_kept() {
    let special = attend_infer::search::SpecialTokens {
        unk: Some(3),
        ..special()
    };
    let tables: Vec<Table> = (0..20).map(|seed| Table::random(seed, 0.3)).collect();
    let mut counts = [0, 0];
    for (count, unknown) in counts.iter_mut().zip([Unknown::Forbid, Unknown::Keep]) {
        let options = SearchOptions {
            unknown,
            ..SearchOptions::default()
        };
        let search = Search::new(&special, &options, None).unwrap();
        let found = search
            .run(&mut ToyDecoder::new(&tables), &toy::requests(&[6; 20]))
            .unwrap();
        *count = found.concat().iter().filter(|h| h.tokens.contains(&3)).count();
    }
    assert_eq!(counts[0], 0);
    assert!(counts[1] > 0);
}

/// What is caught, by an English vocabulary in which words are spelt in several ways and cut anywhere.
#[test]
fn banned_words_are_caught_at_their_boundaries_in_any_spelling() {
    let forms: [&[u8]; 14] = [
        b"",
        b" art",
        b" ar",
        b"t",
        b"art",
        b" p",
        b"y",
        b"s",
        b"-house",
        b"\xc3",
        b"\xa9",
        b"Art",
        b" ",
        b"\xe2\x80\x9c",
    ];
    let surfaces = Arc::new(SurfaceForms::new(forms.map(<[u8]>::to_vec).into()));
    let occurs = |word: &str, tokens: &[u32]| BannedWords::new(&[word], surfaces.clone()).occur_in(tokens);
    for caught in [
        &[1][..],       // " art"
        &[4],           // "art"
        &[2, 3],        // " ar" "t"
        &[5, 12, 4, 8], // " p" " " "art" "-house"
        &[12, 2, 3, 1], // "  art art"
        &[9, 4],        // a broken character is no letter
        &[4, 9],
        &[13, 4, 13], // quotation marks of three bytes
    ] {
        assert!(occurs("art", caught), "{caught:?}");
    }
    for free in [
        &[][..],
        &[5, 4, 6],  // " party"
        &[1, 7],     // " arts"
        &[11],       // "Art"
        &[4, 9, 10], // "arté"
        &[9, 10, 4], // "éart"
        &[2, 12, 3], // " ar t"
    ] {
        assert!(!occurs("art", free), "{free:?}");
    }
    assert!(occurs("art art", &[1, 1]) && !occurs("art  art house", &[1, 12, 1]));
    assert!(occurs(" -house ", &[4, 8]) && !occurs("\u{3000}", &[12]));
}
