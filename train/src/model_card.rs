//! The `README.md` of a model folder: what it was trained on, how, and how well it does.

use attend_data::PreparationReport;
use attend_infer::metric::{Bleu, Chrf};
use indicatif::HumanCount;

use crate::checkpoint::TrainingState;
use crate::environment::Environment;
use crate::recipe::{CorpusFiles, DataSettings, Recipe};
use crate::report::Record;

/// What a finished run tells about its model.
#[derive(Clone, Debug)]
pub struct ModelCard<'a> {
    /// The name of the run.
    pub name: &'a str,
    /// The command that repeats the run.
    pub command: &'a str,
    /// The run's settings.
    pub recipe: &'a Recipe,
    /// How far it came.
    pub state: &'a TrainingState,
    /// Its course.
    pub records: &'a [Record],
    /// Which weights these are.
    pub weights: &'a str,
    /// Number of trained weights.
    pub num_params: usize,
    /// Number of training pairs.
    pub train_pairs: usize,
    /// What became of the pairs of the training corpora.
    pub corpora: &'a PreparationReport,
    /// Number of validation pairs.
    pub valid_pairs: usize,
    /// Number of test pairs.
    pub test_pairs: usize,
    /// BLEU on the test pairs.
    pub bleu: &'a Bleu,
    /// chrF on the test pairs.
    pub chrf: &'a Chrf,
    /// What it ran on.
    pub environment: &'a Environment,
}

impl ModelCard<'_> {
    /// The card as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let Self {
            name,
            command,
            recipe,
            state,
            weights,
            corpora,
            bleu,
            chrf,
            environment,
            ..
        } = self;
        format!(
            "# {name}\n\n\
             A translation Transformer of {params} weights, trained with Attend on {train} sentence pairs: {updates} \
             updates in {minutes:.1} minutes. {weights}\n\n\
             ## Scores\n\n\
             {test} test pairs, beam {beam}, length penalty {penalty}:\n\n\
             ```text\n{bleu}\n{chrf}\n```\n\n\
             {validation}\
             ## Data\n\n\
             {files}\n\
             What became of the training pairs:\n\n\
             ```text\n{corpora}\n```\n\n\
             ## Environment\n\n\
             {environment}\n{speed}\n\
             ## Repeat it\n\n\
             ```sh\n{command}\n```\n\n\
             The settings, also in `recipe.toml`:\n\n\
             ```toml\n{settings}```\n",
            params = count(self.num_params),
            train = count(self.train_pairs),
            updates = count(state.update),
            minutes = state.seconds / 60.0,
            test = count(self.test_pairs),
            beam = recipe.search.beam_size,
            penalty = recipe.search.length_penalty,
            validation = self.validation(),
            files = files(&recipe.data),
            speed = self.speed(),
            settings = recipe.to_toml(),
        )
    }

    /// A paragraph on the best validation.
    fn validation(&self) -> String {
        let best = self.state.best.as_ref().map(|best| best.update);
        let record = self.records.iter().rev().find_map(|record| match record {
            Record::Validation {
                update,
                loss,
                perplexity,
                bleu,
                chrf,
                ..
            } if Some(*update) == best => Some((update, loss, perplexity, bleu, chrf)),
            _ => None,
        });
        let Some((update, loss, perplexity, bleu, chrf)) = record else {
            return String::new();
        };
        format!(
            "The best validation, after update {update}, on {pairs} pairs by greedy search: BLEU {bleu:.2}, chrF \
             {chrf:.2}, perplexity {perplexity:.2}, loss {loss:.3}.\n\n",
            update = count(*update),
            pairs = count(self.valid_pairs),
        )
    }

    /// A line on the speed of training.
    fn speed(&self) -> String {
        match Record::typical_speed(self.records) {
            Some(speed) => format!("- {} target tokens a second, the median\n", count(speed as usize)),
            None => String::new(),
        }
    }
}

/// The files of each part of the data, a line each.
fn files(settings: &DataSettings) -> String {
    if settings.embedded.is_some() {
        return "The phrasebook that comes with Attend, cut into pairs to train, validate and test on.\n"
            .to_owned();
    }
    let line = |part: &str, files: &CorpusFiles| {
        let paths = [&files.source, &files.target, &files.tsv];
        let paths: Vec<String> = paths
            .into_iter()
            .flatten()
            .map(|path| format!("`{}`", path.display()))
            .collect();
        let weight = files
            .weight
            .map_or(String::new(), |weight| format!(", weight {weight}"));
        format!("- {part}: {}{weight}\n", paths.join(", "))
    };
    let train = settings.train.iter().map(|files| line("training", files));
    let valid = settings.valid.iter().map(|files| line("validation", files));
    let test = match &settings.test {
        Some(files) => line("test", files),
        None => "- test: the validation pairs\n".to_owned(),
    };
    train.chain(valid).chain([test]).collect()
}

fn count(count: usize) -> String {
    HumanCount(count as u64).to_string()
}
