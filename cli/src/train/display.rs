//! What a training run shows on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal};

use attend_infer::TaskKind;
use attend_train::{Event, Record};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// The number of steps in which the bar shows a run.
const BAR_STEPS: u64 = 1_000;

/// Shows the events of a run.
pub(super) struct Display {
    /// Counts the pairs while they are prepared, which takes minutes the first time for a large corpus. It is hidden
    /// unless standard error is a terminal.
    spinner: ProgressBar,
    /// The bar of a run that has started on a terminal.
    bar: Option<ProgressBar>,
    /// What the network predicts, in the plural.
    targets: &'static str,
}

impl Display {
    /// Makes a display that shows nothing yet.
    pub(super) fn new(task: TaskKind) -> Self {
        let style = style("{spinner} preparing the training pairs: {human_pos}");
        Self {
            spinner: ProgressBar::new_spinner().with_style(style),
            bar: None,
            targets: match task {
                TaskKind::Translate => "tokens",
                TaskKind::Classify => "texts",
                TaskKind::Tag => "words",
            },
        }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, event: Event<'_>) {
        let targets = self.targets;
        match event {
            Event::Waiting => eprintln!("waiting for another run to prepare the same training pairs"),
            Event::Preparing { pairs } => self.spinner.set_position(pairs as u64),
            Event::Prepared { corpora } => {
                self.spinner.finish_and_clear();
                eprintln!("{corpora}");
            }
            Event::Note(note) => self.say(&note),
            Event::Started {
                name,
                num_params,
                folder,
            } => {
                eprintln!("{name}: {num_params} weights, into {}", folder.display());
                let bar = || ProgressBar::new(BAR_STEPS).with_style(style("{bar:24} {percent}%  {msg}"));
                self.bar = io::stderr().is_terminal().then(bar);
            }
            Event::Updated {
                update,
                loss,
                learning_rate,
                tokens_per_second,
                progress,
            } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!(
                        "update {update}  loss {loss:.3}  lr {learning_rate:.1e}  {tokens_per_second:.0} {targets}/s  \
                         {} left",
                        HumanDuration(progress.time_left),
                    ));
                    bar.set_position((progress.done * BAR_STEPS as f64) as u64);
                }
            }
            Event::Recorded { record, progress } => {
                if let (
                    None,
                    Record::Update {
                        update,
                        epoch,
                        loss,
                        learning_rate,
                        tokens_per_second,
                        ..
                    },
                ) = (&self.bar, record)
                {
                    eprintln!(
                        "{:3.0}%  update {update}  epoch {epoch}  loss {loss:.3}  lr {learning_rate:.1e}  \
                         {tokens_per_second:.0} {targets}/s  {} left",
                        100.0 * progress.done,
                        HumanDuration(progress.time_left),
                    );
                }
            }
            Event::Validated {
                update,
                scores,
                is_best,
            } => {
                let best = if is_best { " (best so far)" } else { "" };
                self.say(&format!("update {update}: validation {scores}{best}"));
            }
            Event::Ended => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
        }
    }

    /// Prints a line beside the bar.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}
