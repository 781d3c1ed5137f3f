//! The model card: the `README.md` of a model folder. It describes the training data, the settings and the scores.

use attend_data::PreparationReport;
use attend_infer::metric::LabelScore;
use attend_infer::{Languages, TaskKind};
use num_format::{Locale, ToFormattedString};

use crate::environment::Environment;
use crate::recipe::{CorpusFiles, DataSettings, Recipe};
use crate::record::Record;
use crate::state::TrainingState;
use crate::task::{examples, target};
use crate::test::TestScores;

/// The facts of a finished run that a model card states.
#[derive(Clone, Debug)]
pub(crate) struct ModelCard<'a> {
    /// Name of the run.
    pub(crate) name: &'a str,
    /// The command that repeats the run, if it was started by one.
    pub(crate) command: Option<&'a str>,
    /// The run's settings.
    pub(crate) recipe: &'a Recipe,
    /// The state of the run at its end.
    pub(crate) state: &'a TrainingState,
    /// The records of the run.
    pub(crate) records: &'a [Record],
    /// A sentence on the weights in the model folder.
    pub(crate) weights: &'a str,
    /// Number of trained weights.
    pub(crate) num_params: usize,
    /// Number of training pairs.
    pub(crate) train_pairs: usize,
    /// What became of the pairs of the training corpora.
    pub(crate) corpora: &'a PreparationReport,
    /// Number of validation pairs.
    pub(crate) valid_pairs: usize,
    /// Number of test pairs.
    pub(crate) test_pairs: usize,
    /// The scores on the test pairs.
    pub(crate) scores: &'a TestScores,
    /// The software and the machine.
    pub(crate) environment: &'a Environment,
}

impl ModelCard<'_> {
    /// Returns the text of the model card, in Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let Self {
            name,
            recipe,
            state,
            weights,
            corpora,
            scores,
            environment,
            ..
        } = self;
        format!(
            "# {name}\n\n\
             {network} of {params} weights, trained with Attend on {train} {texts}: {updates} updates in \
             {minutes:.1} minutes. {start}{languages}{weights}\n\n\
             ## Scores\n\n\
             {test} test {examples}{search}:\n\n\
             ```text\n{scores}\n```\n\n\
             {of_each_label}{validation}\
             ## Data\n\n\
             {files}\n\
             What became of the training {examples}:\n\n\
             ```text\n{corpora}\n```\n\n\
             ## Environment\n\n\
             {environment}\n{speed}\n\
             ## Repeat it\n\n\
             {command}\
             The settings, also in `recipe.toml`:\n\n\
             ```toml\n{settings}```\n",
            network = match recipe.task {
                TaskKind::Translate => "A translation Transformer",
                TaskKind::Classify => "A Transformer encoder that classifies texts,",
                TaskKind::Tag => "A Transformer encoder that tags words,",
            },
            texts = match recipe.task {
                TaskKind::Translate => "sentence pairs",
                TaskKind::Classify => "texts",
                TaskKind::Tag => "sentences",
            },
            examples = examples(self.recipe.task),
            search = self.search(),
            of_each_label = self.scores_of_each_label(),
            params = count(self.num_params),
            train = count(self.train_pairs),
            updates = count(state.update),
            minutes = state.seconds / 60.0,
            start = self.start(),
            languages = languages(&recipe.data),
            test = count(self.test_pairs),
            validation = self.validation(),
            files = files(&recipe.data, examples(recipe.task)),
            speed = self.speed(),
            command = self.command(),
            settings = recipe.to_toml(),
        )
    }

    /// Returns a sentence on the model that the run started from, and a space.
    fn start(&self) -> String {
        self.recipe.init.as_ref().map_or(String::new(), |folder| {
            format!(
                "The run started from the weights and the tokenizer of `{}`. ",
                folder.display()
            )
        })
    }

    /// Returns the command in a block of its own.
    fn command(&self) -> String {
        let block = |command| format!("```sh\n{command}\n```\n\n");
        self.command.map_or(String::new(), block)
    }

    /// Returns a paragraph on the best validation.
    fn validation(&self) -> String {
        let best = self.state.best.as_ref().map(|best| best.update);
        let record = self.records.iter().rev().find_map(|record| match record {
            Record::Validation { update, scores, .. } if Some(*update) == best => Some((update, scores)),
            _ => None,
        });
        let Some((update, scores)) = record else {
            return String::new();
        };
        let scores: Vec<String> = scores.all().map(|(metric, score)| metric.show(score)).collect();
        format!(
            "The best validation, after update {update}, on {pairs} {examples}{search}: {scores}.\n\n",
            update = count(*update),
            pairs = count(self.valid_pairs),
            examples = examples(self.recipe.task),
            search = match self.recipe.task {
                TaskKind::Translate => " by greedy search",
                TaskKind::Classify | TaskKind::Tag => "",
            },
            scores = scores.join(", "),
        )
    }

    /// Returns the search of the final test, with a comma before it. Only translations are searched for.
    fn search(&self) -> String {
        let search = &self.recipe.search;
        match self.recipe.task {
            TaskKind::Translate => format!(
                ", beam {}, length penalty {}",
                search.beam_size, search.length_penalty
            ),
            TaskKind::Classify | TaskKind::Tag => String::new(),
        }
    }

    /// Returns a table of the scores of each label, or of each type of span.
    fn scores_of_each_label(&self) -> String {
        let (title, scores) = match self.scores {
            TestScores::Classification(scores) => ("label", &scores.labels),
            TestScores::Tagging {
                scores,
                mark_spans: true,
            } => ("span", &scores.types),
            _ => return String::new(),
        };
        let row = |(label, score): (&String, &LabelScore)| {
            let LabelScore {
                precision,
                recall,
                f1,
                support,
            } = score;
            let [precision, recall, f1] =
                [precision, recall, f1].map(|share| format!("{:.2}", 100.0 * share));
            let label = cell_of_code(label);
            format!("| {label} | {precision} | {recall} | {f1} | {support} |\n")
        };
        let rows: String = scores.iter().map(row).collect();
        format!("| {title} | precision | recall | F1 | number |\n|---|---|---|---|---|\n{rows}\n")
    }

    /// Returns a line on the speed of training.
    fn speed(&self) -> String {
        match Record::typical_speed(self.records) {
            Some(speed) => format!(
                "- {} {}s a second, the median\n",
                count(speed as usize),
                target(self.recipe.task)
            ),
            None => String::new(),
        }
    }
}

/// Returns text as code in a cell of a Markdown table: `` `B-NP` ``. The backticks around it are more than those in it,
/// and a bar in it, which would end the cell, has a backslash before it.
fn cell_of_code(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or_default() + 1);
    // A space between them is no part of the code.
    let space = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|"))
}

/// Returns a sentence on the languages, as far as the recipe names them.
fn languages(settings: &DataSettings) -> String {
    let Languages { source, target } = settings.languages();
    match (source, target) {
        (Some(source), Some(target)) => format!("It translates from `{source}` to `{target}`. "),
        (Some(source), None) => format!("It translates from `{source}`. "),
        (None, Some(target)) => format!("It translates to `{target}`. "),
        (None, None) => String::new(),
    }
}

/// Lists the files of each part of the data, a line each. The files hold `examples`: pairs or texts.
fn files(settings: &DataSettings, examples: &str) -> String {
    if settings.embedded.is_some() {
        return format!(
            "The phrasebook that comes with Attend, cut into {examples} to train, validate and test on.\n"
        );
    }
    let line = |part: &str, files: &CorpusFiles| {
        let paths: Vec<String> = files
            .paths()
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
        None => format!("- test: the validation {examples}\n"),
    };
    train.chain(valid).chain([test]).collect()
}

fn count(count: usize) -> String {
    count.to_formatted_string(&Locale::en)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected by the sections "Code spans" of CommonMark and "Tables" of GitHub Flavored Markdown.
    #[test]
    fn a_label_stays_in_its_cell() {
        for (label, cell) in [
            ("B-NP", "`B-NP`"),
            ("a|b", r"`a\|b`"),
            ("a`b", "``a`b``"),
            ("``", "``` `` ```"),
            ("`|", r"`` `\| ``"),
        ] {
            assert_eq!(cell_of_code(label), cell);
        }
    }
}
