//! Runs that a program starts by the library's functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use attend_infer::ModelFolder;
use attend_train::{Event, Outcome, Recipe, Record, Run, TestScores, TrainError};
use tempfile::TempDir;

/// A folder with pairs and a recipe for them, small enough for seconds.
struct Workspace {
    folder: TempDir,
}

impl Workspace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Self { folder };
        let words = ["one", "two", "three", "four", "five"];
        let lines = (0..60).map(|number| {
            let [first, second] = [words[number % 5], words[number / 5 % 5]];
            format!("{first} and {second} {number}\t{second} and {first} {number}\n")
        });
        let lines: Vec<String> = lines.collect();
        fs::write(workspace.path("train.tsv"), lines[..50].concat()).unwrap();
        fs::write(workspace.path("valid.tsv"), lines[50..].concat()).unwrap();
        let recipe = format!(
            "[data]\ntrain = {{ tsv = '{}' }}\nvalid = {{ tsv = '{}' }}\nvocab_size = 300\n\
             [model]\npreset = \"tiny\"\nd_model = 16\nd_ff = 16\nencoder_layers = 1\ndecoder_layers = 1\n\
             [training]\nupdates = 8\nbatch_tokens = 64\nlearning_rate = 0.01\nwarmup = 2\nvalidate_every = 4\n\
             log_every = 2\n",
            workspace.path("train.tsv").display(),
            workspace.path("valid.tsv").display()
        );
        fs::write(workspace.path("recipe.toml"), recipe).unwrap();
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn recipe(&self) -> Recipe {
        Recipe::load(self.path("recipe.toml"), &[]).unwrap()
    }

    /// A run into the folder of this name.
    fn run(&self, name: &str) -> Run<'_> {
        Run::new(self.recipe(), self.path(name))
            .on(vec![attend_device::select("cpu").unwrap()])
            .workers(1)
            .prepared_in(self.path("prepared"))
    }
}

/// Describes an event without the numbers that depend on the machine's speed. Returns `None` for events of preparation,
/// whose number varies.
fn course(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Prepared { corpora } => Some(format!("prepared {}", corpora.pairs_read())),
        Event::Note(note) => Some(note.clone()),
        Event::Started { name, folder, .. } => {
            assert!(folder.ends_with(name));
            Some("started".to_owned())
        }
        Event::Updated { update, .. } => Some(format!("update {update}")),
        Event::Recorded { record, .. } => Some(format!("record {}", record.update())),
        Event::Validated { update, is_best, .. } => Some(format!("validation {update} {is_best}")),
        Event::Ended => Some("ended".to_owned()),
        Event::Waiting | Event::Preparing { .. } => None,
    }
}

fn losses(folder: &Path) -> Vec<(usize, f64)> {
    let records = Record::read_all(folder).unwrap();
    let loss = |record| match record {
        Record::Update { update, loss, .. } => (update, loss),
        Record::Validation { update, scores, .. } => (update, scores.loss),
    };
    records.into_iter().map(loss).collect()
}

#[test]
fn a_run_tells_of_its_course_and_leaves_a_model_folder() {
    let workspace = Workspace::new();
    let mut events = Vec::new();
    let mut done = Vec::new();
    let outcome = workspace.run("run").train(|event| {
        events.extend(course(&event));
        if let Event::Updated { progress, loss, .. } = event {
            done.push(progress.done);
            assert!(loss.is_finite());
        }
    });
    let Outcome::Finished(test) = outcome.unwrap() else {
        panic!("nobody stopped it");
    };
    let [first, last] = [4, 8].map(|update| {
        let validation = format!("validation {update} ");
        let found = events.iter().find(|event| event.starts_with(&validation));
        found.expect("it is validated").clone()
    });
    let expected = [
        "prepared 50",
        "started",
        "update 1",
        "update 2",
        "record 2",
        "update 3",
        "update 4",
        "record 4",
        &first,
        "update 5",
        "update 6",
        "record 6",
        "update 7",
        "update 8",
        "record 8",
        &last,
        "ended",
    ];
    assert_eq!(events, expected);
    assert_eq!(first, "validation 4 true");
    assert_eq!(
        done,
        [1, 2, 3, 4, 5, 6, 7, 8].map(|update| f64::from(update) / 8.0)
    );

    // The validation pairs are the test pairs as well.
    assert_eq!(test.outputs.len(), 10);
    assert_eq!(test.outputs[0].source, "one and one 50");
    assert_eq!(test.outputs[0].reference, "one and one 50");
    let TestScores::Translation { bleu, chrf } = &test.scores else {
        panic!("{:?}", test.scores);
    };
    assert!((0.0..=100.0).contains(&bleu.score) && (0.0..=100.0).contains(&chrf.score));
    let model_card = fs::read_to_string(workspace.path("run/README.md")).unwrap();
    assert!(model_card.contains(&bleu.to_string()), "{model_card}");
    // No command started it.
    assert!(
        model_card.contains("## Repeat it\n\nThe settings, also in `recipe.toml`:"),
        "{model_card}"
    );
    assert!(workspace.path("run/model.safetensors").exists());
}

#[test]
fn a_run_stops_when_it_is_asked_to_and_goes_on_as_if_it_had_not() {
    let workspace = Workspace::new();
    workspace.run("whole").train(|_| {}).unwrap();

    let stop = AtomicBool::new(false);
    let run = workspace.run("parts").stop_when(|| stop.load(Ordering::Relaxed));
    let outcome = run.train(|event| {
        let is_third = matches!(event, Event::Updated { update: 3, .. });
        stop.fetch_or(is_third, Ordering::Relaxed);
    });
    assert!(
        matches!(outcome, Ok(Outcome::Stopped { update: 3 })),
        "{outcome:?}"
    );
    assert!(!workspace.path("parts/README.md").exists());

    let mut events = Vec::new();
    let outcome = workspace
        .run("parts")
        .resume()
        .train(|event| events.extend(course(&event)));
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
    assert_eq!(
        events[..4],
        ["prepared 50", "going on after update 3", "started", "update 4"]
    );
    assert_eq!(losses(&workspace.path("parts")), losses(&workspace.path("whole")));
    let weights = |run: &str| fs::read(workspace.path(run).join("model.safetensors")).unwrap();
    assert!(weights("parts") == weights("whole"));
}

#[test]
fn a_recipe_that_a_program_changed_is_checked() {
    let workspace = Workspace::new();
    let change: [fn(&mut Recipe); 3] = [
        |recipe| recipe.training.accumulate = 0,
        |recipe| recipe.seed = u64::MAX,
        |recipe| recipe.data.valid = None,
    ];
    for (change, field) in change.into_iter().zip(["training.accumulate", "seed", "valid"]) {
        let mut recipe = workspace.recipe();
        change(&mut recipe);
        let error = Run::new(recipe, workspace.path("run"))
            .train(|_| {})
            .expect_err("the recipe is refused")
            .to_string();
        assert!(
            error.starts_with("the recipe: ") && error.contains(field),
            "{error}"
        );
        assert!(!workspace.path("run").exists());
    }
}

#[test]
fn a_dry_run_leaves_no_folder() {
    let workspace = Workspace::new();
    let found = workspace.run("run").dry_run(|_| {}).unwrap();
    // Ten of the pairs are the same text on both sides.
    assert_eq!(found.epoch.pairs, 40);
    assert!(found.update_seconds > 0.0 && found.validation_seconds > 0.0);
    // A batch has at most 64 tokens, and up to five of its pairs are shown.
    assert!((1..=64).contains(&found.first_batch));
    assert_eq!(found.first_pairs.len(), found.first_batch.min(5));
    assert!(!workspace.path("run").exists());
}

/// Two programs find the folder free. One trains while the other prepares its text.
#[test]
fn a_new_run_does_not_overwrite_one_that_came_first() {
    let workspace = Workspace::new();
    let second = workspace.run("run").train(|event| {
        if let Event::Prepared { .. } = event {
            let first = workspace.run("run").train(|_| {});
            assert!(matches!(first, Ok(Outcome::Finished(_))), "{first:?}");
        }
    });
    assert!(
        matches!(second, Err(TrainError::OutputExists { .. })),
        "{second:?}"
    );
}

#[test]
fn there_must_be_a_run_to_resume() {
    let workspace = Workspace::new();
    let error = workspace.run("absent").resume().train(|_| {}).unwrap_err();
    assert!(matches!(error, TrainError::NoCheckpoint { .. }), "{error}");
    assert!(!workspace.path("absent").exists());
}

#[test]
fn the_model_folder_has_the_languages_of_the_recipe() {
    let workspace = Workspace::new();
    let settings = [
        "data.source_language=de-AT",
        "data.target_language=en",
        "training.updates=4",
    ];
    let recipe = Recipe::load(workspace.path("recipe.toml"), &settings.map(str::to_owned)).unwrap();
    let run = Run::new(recipe, workspace.path("run"))
        .on(vec![attend_device::select("cpu").unwrap()])
        .workers(1)
        .prepared_in(workspace.path("prepared"));
    run.train(|_| ()).unwrap();
    let languages = ModelFolder::languages(workspace.path("run")).unwrap();
    assert_eq!(languages.source.unwrap().to_string(), "de-at");
    assert_eq!(languages.target.unwrap().to_string(), "en");
    let model_card = fs::read_to_string(workspace.path("run").join("README.md")).unwrap();
    assert!(
        model_card.contains("It translates from `de-at` to `en`."),
        "{model_card}"
    );

    let error = Recipe::load(
        workspace.path("recipe.toml"),
        &["data.source_language=German".to_owned()],
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("data.source_language=German") && message.contains("no code"),
        "{message}"
    );
}
