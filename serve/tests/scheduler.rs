//! The scheduler, with a small model and several callers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use attend_device::Workers;
use attend_infer::search::{Sampling, SearchOptions};
use attend_infer::{Format, InferError, Language, Line, TranslateOptions, Translation, Translator};
use attend_serve::{PartsError, ScheduleError, Scheduler, SchedulerOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{MAX_SOURCE_TOKENS, SENTENCES, translator};

type Results = Vec<Result<Vec<Translation>, InferError>>;

fn scheduler(workers: usize, waiting_tokens: usize) -> Scheduler {
    let workers = Workers::start(workers, 1).unwrap();
    Scheduler::start(workers, SchedulerOptions { waiting_tokens }).unwrap()
}

/// A caller's thread of its own, as one of a server's threads.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A text of so many sentences, which takes the small model some milliseconds for each.
fn document(sentences: usize) -> String {
    SENTENCES
        .into_iter()
        .cycle()
        .take(sentences)
        .collect::<Vec<_>>()
        .join(" ")
}

fn texts(translator: &Translator) -> TranslateOptions {
    TranslateOptions {
        language: Some(Language::default()),
        ..translator.model().options()
    }
}

/// The options of requests of several kinds.
fn option_sets(translator: &Translator) -> Vec<TranslateOptions> {
    let options = translator.model().options();
    let beam = SearchOptions {
        beam_size: 3,
        nbest: 2,
        ..options.search
    };
    let sampling = SearchOptions {
        sampling: Some(Sampling::default()),
        ..options.search
    };
    vec![
        options.clone(),
        texts(translator),
        TranslateOptions {
            search: beam,
            ..texts(translator)
        },
        TranslateOptions {
            search: sampling,
            ..options.clone()
        },
        TranslateOptions {
            alignment: true,
            ..options.clone()
        },
        TranslateOptions {
            format: Format::Html,
            ..texts(translator)
        },
        TranslateOptions {
            prefix: "Der".to_owned(),
            ..options.clone()
        },
        // The model refuses lines with these options.
        TranslateOptions {
            target_language: Some("deu".to_owned()),
            ..options
        },
    ]
}

/// Lines, of which some are blank, have tags, or have more tokens than the model takes.
fn line() -> impl Strategy<Value = String> {
    let sentence = || (0..SENTENCES.len()).prop_map(|place| SENTENCES[place].to_owned());
    prop_oneof![
        6 => sentence(),
        2 => (0..12usize).prop_map(document),
        2 => sentence().prop_map(|sentence| format!("<p>{sentence} <b>{sentence}</b></p>")),
        1 => Just("~".repeat(MAX_SOURCE_TOKENS)),
    ]
}

/// A request: lines, each with the index of its options.
fn request(option_sets: usize) -> impl Strategy<Value = Vec<(String, usize)>> {
    vec((line(), 0..option_sets), 1..5)
}

fn assert_same(found: &Results, expected: &Results, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let (found, expected) = match (found, expected) {
            (Err(found), Err(expected)) => {
                assert_eq!(found.to_string(), expected.to_string(), "{what}");
                continue;
            }
            (Ok(found), Ok(expected)) => (found, expected),
            _ => panic!("{what}: {found:?} instead of {expected:?}"),
        };
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.text, expected.text, "{what}");
            assert_eq!(found.tokens, expected.tokens, "{what}");
            assert_eq!(found.alignment.is_some(), expected.alignment.is_some(), "{what}");
            let (score, expected) = (found.score, expected.score);
            assert!(
                (score - expected).abs() <= 1e-4 * expected.abs(),
                "{what}: {score} instead of {expected}"
            );
        }
    }
}

#[test]
fn requests_that_share_batches_are_translated_as_alone() {
    let translator = translator().with_batch_tokens(600);
    let option_sets = option_sets(&translator);
    let scheduler = scheduler(2, 1_000_000);
    let requests = vec(request(option_sets.len()), 1..12);
    let mut runner = TestRunner::new(Config::with_cases(24));
    let as_alone = |requests: Vec<Vec<(String, usize)>>| {
        let translate = |request: &Vec<(String, usize)>| {
            let lines: Vec<Line<'_>> = request
                .iter()
                .enumerate()
                .map(|(number, (text, options))| Line {
                    text,
                    number,
                    options: &option_sets[*options],
                })
                .collect();
            let found = wait(scheduler.translate(&translator, &lines, in_a_minute())).unwrap();
            (found, translator.translate_each(&lines))
        };
        thread::scope(|scope| {
            let callers: Vec<_> = requests
                .iter()
                .map(|request| (request, scope.spawn(|| translate(request))))
                .collect();
            for (request, caller) in callers {
                let (found, expected) = caller.join().unwrap();
                assert_same(&found, &expected, &format!("{request:?}"));
            }
        });
        Ok(())
    };
    runner.run(&requests, as_alone).unwrap();
    assert_eq!(scheduler.waiting_tokens(), 0);
}

#[test]
fn parts_are_told_in_order_before_the_rest_is_found() {
    let translator = translator().with_batch_tokens(1);
    let scheduler = scheduler(2, 1_000_000);
    let [text, html] = [texts(&translator), option_sets(&translator).swap_remove(5)];
    let document = document(100);
    let lines = [
        (document.as_str(), &text),
        ("", &text),
        ("<p>Yes. <b>Good evening.</b></p>", &html),
        (document.as_str(), &text),
    ];
    let lines = lines.map(|(text, options)| Line {
        text,
        number: 0,
        options,
    });
    let mut told: Vec<(usize, String)> = Vec::new();
    let mut waiting = Vec::new();
    let tell = |line, part: Translation| {
        told.push((line, part.text));
        waiting.push(scheduler.waiting_tokens());
    };
    wait(scheduler.translate_in_parts(&translator, &lines, in_a_minute(), tell)).unwrap();
    assert!(waiting[0] > waiting[100] && waiting[100] > 0);
    assert!(told.is_sorted_by_key(|(line, _)| *line));
    assert!(told.len() > 150);
    for (number, expected) in translator.translate_each(&lines).into_iter().enumerate() {
        let parts = told.iter().filter(|(line, _)| *line == number);
        let joined: String = parts.map(|(_, text)| text.as_str()).collect();
        assert_eq!(joined, expected.unwrap()[0].text);
    }

    // A line that the model does not take is found before anything is searched.
    let untranslatable = option_sets(&translator).pop().unwrap();
    let lines = [
        lines[0],
        Line {
            options: &untranslatable,
            ..lines[0]
        },
    ];
    let tell = |_, part: Translation| panic!("{part:?}");
    let refused = wait(scheduler.translate_in_parts(&translator, &lines, in_a_minute(), tell));
    assert!(matches!(refused, Err(PartsError::Line(_))));
    assert_eq!(scheduler.waiting_tokens(), 0);
}

#[test]
fn one_scheduler_serves_several_models() {
    let translators = [translator(), translator()];
    let scheduler = scheduler(1, 1_000_000);
    let alone: Vec<Results> = translators
        .iter()
        .map(|translator| translator.translate(&SENTENCES, &translator.model().options()))
        .collect();
    // Their weights are different random numbers.
    assert_ne!(
        alone[0][5].as_ref().unwrap()[0].tokens,
        alone[1][5].as_ref().unwrap()[0].tokens
    );
    thread::scope(|scope| {
        for (translator, expected) in translators.iter().zip(&alone) {
            for _ in 0..4 {
                scope.spawn(|| {
                    let options = translator.model().options();
                    let lines = SENTENCES.iter().enumerate();
                    let lines: Vec<Line<'_>> = lines
                        .map(|(number, text)| Line {
                            text,
                            number,
                            options: &options,
                        })
                        .collect();
                    let found = wait(scheduler.translate(translator, &lines, in_a_minute())).unwrap();
                    assert_same(&found, expected, "a model beside another");
                });
            }
        }
    });
    // A model stays in memory no longer than its last request.
    let models = translators.map(|translator| Arc::downgrade(translator.model()));
    let are_gone = || models.iter().all(|model| model.strong_count() == 0);
    let limit = in_a_minute();
    while !are_gone() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(are_gone());
}

#[test]
fn a_caller_that_goes_away_frees_its_work() {
    let translator = translator().with_batch_tokens(1);
    let scheduler = scheduler(1, 1_000_000);
    let options = texts(&translator);
    let text = document(5_000);
    let line = Line {
        text: &text,
        number: 0,
        options: &options,
    };
    let soon = Instant::now() + Duration::from_millis(500);
    let refused = wait(scheduler.translate(&translator, &[line], soon));
    assert_eq!(refused.unwrap_err(), ScheduleError::Deadline);
    assert_eq!(scheduler.waiting_tokens(), 0);
    // Nothing but the sentence that was being searched is before the next one.
    let next = Line {
        text: SENTENCES[0],
        ..line
    };
    let found = wait(scheduler.translate(&translator, &[next], in_a_minute())).unwrap();
    assert_same(&found, &translator.translate_each(&[next]), "the next request");
}

#[test]
fn the_queue_refuses_what_it_has_no_room_for() {
    let translator = translator().with_batch_tokens(1);
    let scheduler = scheduler(1, 1_000);
    let options = texts(&translator);
    let text = document(200);
    let [whole, short] = [text.as_str(), SENTENCES[0]].map(|text| Line {
        text,
        number: 0,
        options: &options,
    });
    thread::scope(|scope| {
        // A request larger than the queue is taken if nothing waits.
        let document = scope.spawn(|| wait(scheduler.translate(&translator, &[whole], in_a_minute())));
        while scheduler.waiting_tokens() <= 1_000 {
            assert!(!document.is_finished());
            thread::yield_now();
        }
        let refused = wait(scheduler.translate(&translator, &[short], in_a_minute()));
        assert_eq!(refused.unwrap_err(), ScheduleError::Full);
        assert_same(
            &document.join().unwrap().unwrap(),
            &translator.translate_each(&[whole]),
            "the document",
        );
    });
    assert!(wait(scheduler.translate(&translator, &[short], in_a_minute())).is_ok());
}

#[test]
fn a_short_request_overtakes_a_document() {
    let translator = translator().with_batch_tokens(1);
    let scheduler = scheduler(1, 1_000_000);
    let options = texts(&translator);
    let text = document(300);
    let [whole, short] = [text.as_str(), SENTENCES[0]].map(|text| Line {
        text,
        number: 0,
        options: &options,
    });
    thread::scope(|scope| {
        let document = scope.spawn(|| wait(scheduler.translate(&translator, &[whole], in_a_minute())));
        while scheduler.waiting_tokens() == 0 {
            assert!(!document.is_finished());
            thread::yield_now();
        }
        wait(scheduler.translate(&translator, &[short], in_a_minute())).unwrap();
        assert!(!document.is_finished());
        document.join().unwrap().unwrap();
    });
}

#[test]
fn a_scheduler_that_stops_translates_what_it_has_taken() {
    let translator = translator().with_batch_tokens(1);
    let scheduler = scheduler(2, 1_000_000);
    let options = texts(&translator);
    let text = document(100);
    let line = Line {
        text: &text,
        number: 0,
        options: &options,
    };
    thread::scope(|scope| {
        let document = scope.spawn(|| wait(scheduler.translate(&translator, &[line], in_a_minute())));
        while scheduler.waiting_tokens() == 0 {
            assert!(!document.is_finished());
            thread::yield_now();
        }
        scheduler.stop();
        let refused = wait(scheduler.translate(&translator, &[line], in_a_minute()));
        assert_eq!(refused.unwrap_err(), ScheduleError::Stopping);
        assert_same(
            &document.join().unwrap().unwrap(),
            &translator.translate_each(&[line]),
            "the document",
        );
    });
    // The workers have ended, so this returns.
    drop(scheduler);
}
