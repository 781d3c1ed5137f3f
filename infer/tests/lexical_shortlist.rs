//! Lexical shortlists: their files, and the searches that choose among their tokens.

use std::path::Path;

use attend_infer::search::{Sampling, SearchOptions};
use attend_infer::{InferError, LexicalShortlist, ModelFolder, TranslateOptions, Translation};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::{SENTENCES, cpu, each, model_folder_of_pieces, searching, translator};

/// Returns the file of a shortlist in which `frequent` tokens may translate any token, and which has a list for each
/// source token.
fn file(frequent: u64, lists: &[Vec<u32>]) -> Vec<u8> {
    let mut starts = vec![0_u64];
    for list in lists {
        starts.push(starts[starts.len() - 1] + list.len() as u64);
    }
    let count = starts[starts.len() - 1];
    let header = [0xf11a_48d5_0134_17f5, 1, frequent, 2, starts.len() as u64, count];
    let numbers = header.into_iter().chain(starts).flat_map(u64::to_le_bytes);
    let translations = lists.concat().into_iter().flat_map(u32::to_le_bytes);
    numbers.chain(translations).collect()
}

fn parse(file: Vec<u8>, vocabulary: usize) -> Result<LexicalShortlist, InferError> {
    LexicalShortlist::parse(file, Path::new("lex.bin"), vocabulary)
}

#[test]
fn a_source_is_translated_by_frequent_tokens_and_those_of_its_lists() {
    let lists = [vec![], vec![7, 9], vec![9, 4], vec![5]];
    let shortlist = parse(file(2, &lists), 10).unwrap();
    assert_eq!(shortlist.tokens(&[]), [0, 1]);
    assert_eq!(shortlist.tokens(&[0]), [0, 1]);
    assert_eq!(shortlist.tokens(&[2, 1, 2]), [0, 1, 4, 7, 9]);
    // Beyond the lists.
    assert_eq!(shortlist.tokens(&[3, 4, 1000]), [0, 1, 5]);
    assert_eq!(shortlist.file(), file(2, &lists));
}

#[test]
fn files_that_contradict_themselves_are_refused_in_a_sentence() {
    let lists = [vec![7, 9], vec![4]];
    let whole = file(2, &lists);
    let with = |place: usize, number: u64| {
        let mut file = whole.clone();
        file[8 * place..8 * place + 8].copy_from_slice(&number.to_le_bytes());
        file
    };
    for (file, vocabulary, part) in [
        (whole[..20].to_vec(), 10, "it has only 20 bytes"),
        (with(0, 1), 10, "it does not begin as one"),
        (with(4, 4), 10, "4 lists with 3 tokens, which are not 36 bytes"),
        (with(4, u64::MAX), 10, "are not 36 bytes"),
        (with(5, u64::MAX / 2), 10, "are not 36 bytes"),
        (with(6, 1), 10, "overlap or have gaps"),
        (with(7, 5), 10, "overlap or have gaps"),
        (with(8, 2), 10, "overlap or have gaps"),
        (
            whole.clone(),
            9,
            "it has the token 9, but the target vocabulary has 9 tokens",
        ),
        (with(2, 11), 10, "it has the token 10"),
    ] {
        let error = parse(file, vocabulary).unwrap_err().to_string();
        assert!(
            error.starts_with("lex.bin is damaged or no lexical shortlist: "),
            "{error}"
        );
        assert!(error.contains(part), "{error}");
    }
    for length in 0..whole.len() {
        assert!(parse(whole[..length].to_vec(), 10).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        place in 0..9_usize,
        number in prop_oneof![any::<u64>(), 0..20_u64],
        source in prop::collection::vec(any::<u32>(), 0..4),
    ) {
        let mut file = file(2, &[vec![7, 9], vec![4]]);
        file[8 * place..8 * place + 8].copy_from_slice(&number.to_le_bytes());
        if let Ok(shortlist) = parse(file, 10) {
            prop_assert!(shortlist.tokens(&source).iter().all(|token| *token < 10));
        }
    }
}

/// Returns a model whose shortlist has, for each source token, the tokens that `translates` accepts.
fn model(has_two: bool, translates: impl Fn(u32, u32) -> bool) -> ModelFolder {
    let folder = model_folder_of_pieces(has_two);
    let [sources, targets] =
        [&folder.source_tokenizer, &folder.target_tokenizer].map(|side| side.vocab_size() as u32);
    let list = |source| {
        (0..targets)
            .filter(|target| translates(source, *target))
            .collect()
    };
    let lists: Vec<Vec<u32>> = (0..sources).map(list).collect();
    let shortlist = parse(file(3, &lists), targets as usize).unwrap();
    ModelFolder {
        shortlist: Some(shortlist),
        ..folder
    }
}

/// A third of the tokens may translate a token.
fn third(source: u32, target: u32) -> bool {
    (source + target).is_multiple_of(3)
}

#[test]
fn a_shortlist_of_all_tokens_changes_nothing() {
    for has_two in [false, true] {
        let translator = translator(model(has_two, |_, _| true));
        for search in searches() {
            let all_tokens = TranslateOptions {
                all_tokens: true,
                ..searching(search)
            };
            let expected = each(translator.translate(&SENTENCES, &all_tokens));
            let found = each(translator.translate(&SENTENCES, &searching(search)));
            let counts = |lines: &[Vec<Translation>]| -> Vec<usize> { lines.iter().map(Vec::len).collect() };
            assert_eq!(counts(&found), counts(&expected), "{search:?}");
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert_eq!(found.tokens, expected.tokens, "{search:?}");
                assert!(
                    (found.log_probability - expected.log_probability).abs() < 1e-4,
                    "{search:?}"
                );
            }
        }
    }
}

/// A search of each kind. Coverage needs the attention of each step.
fn searches() -> [SearchOptions; 4] {
    let beam = SearchOptions {
        beam_size: 3,
        nbest: 3,
        max_length: Some(12),
        ..SearchOptions::default()
    };
    [
        beam.greedy(),
        beam,
        SearchOptions {
            coverage_penalty: 0.3,
            no_repeat_ngram: 2,
            repetition_penalty: 1.3,
            ..beam
        },
        SearchOptions {
            sampling: Some(Sampling::default()),
            ..beam
        },
    ]
}

#[test]
fn translations_have_tokens_of_the_shortlist_alone() {
    for has_two in [false, true] {
        let folder = model(has_two, third);
        let shortlist = folder.shortlist.clone().unwrap();
        let (source_tokenizer, eos) = (folder.source_tokenizer.clone(), folder.target_tokenizer.eos_id());
        let translator = translator(folder);
        for search in searches() {
            let options = searching(search);
            let together = each(translator.translate(&SENTENCES, &options));
            for (sentence, found) in SENTENCES.iter().zip(&together) {
                let source = source_tokenizer.encode(sentence);
                let mut allowed = shortlist.tokens(&source);
                allowed.push(eos);
                // Of one vocabulary, the tokens of the source are the target's, too.
                allowed.extend(source.iter().filter(|_| !has_two));
                for translation in found {
                    let is_allowed = |token: &u32| allowed.contains(token);
                    assert!(
                        translation.tokens.iter().all(is_allowed),
                        "{sentence}, {search:?}"
                    );
                }
                // The other sentences of a batch change nothing. Sampling draws by the place of a line.
                if search.sampling.is_none() {
                    let alone = each(translator.translate(&[sentence], &options)).remove(0);
                    let tokens = |found: &[Translation]| -> Vec<Vec<u32>> {
                        found
                            .iter()
                            .map(|translation| translation.tokens.clone())
                            .collect()
                    };
                    assert_eq!(tokens(&alone), tokens(found), "{sentence}, {search:?}");
                }
            }
            let all = TranslateOptions {
                all_tokens: true,
                ..options
            };
            assert_ne!(
                each(translator.translate(&SENTENCES, &all)),
                together,
                "{search:?}"
            );
        }
    }
}

#[test]
fn what_a_line_asks_for_need_not_be_in_the_shortlist() {
    let translator = translator(model(true, |_, _| false));
    let beam = SearchOptions {
        beam_size: 4,
        ..SearchOptions::default()
    };
    let prefix = TranslateOptions {
        prefix: "Haus".to_owned(),
        ..searching(beam)
    };
    let found = each(translator.translate(&["yes"], &prefix)).remove(0);
    assert!(found[0].text.starts_with("Haus"), "{}", found[0].text);
    let required = TranslateOptions {
        required: vec!["Buch".to_owned()],
        ..searching(beam)
    };
    let found = each(translator.translate(&["yes"], &required)).remove(0);
    assert!(found[0].text.contains("Buch"), "{}", found[0].text);
    // Besides the frequent ones, there is only the end.
    let found = each(translator.translate(&["yes"], &searching(beam))).remove(0);
    assert!(
        found[0].tokens.iter().all(|token| *token < 3),
        "{:?}",
        found[0].tokens
    );
}

#[test]
fn a_model_folder_keeps_its_shortlist() {
    let path = TempDir::new().unwrap();
    let folder = model(false, third);
    folder.save(path.path()).unwrap();
    let loaded = ModelFolder::load(path.path(), &cpu()).unwrap();
    assert_eq!(loaded.shortlist, folder.shortlist);

    let file = path.path().join("shortlist.bin");
    std::fs::write(&file, "no shortlist").unwrap();
    let error = ModelFolder::load(path.path(), &cpu()).unwrap_err();
    assert!(matches!(error, InferError::InvalidShortlist { .. }), "{error}");

    // A folder that is saved over an older one does not keep the older one's.
    model_folder_of_pieces(false).save(path.path()).unwrap();
    assert!(!file.exists());
    assert_eq!(ModelFolder::load(path.path(), &cpu()).unwrap().shortlist, None);
}
