//! The final test of a run.

use std::fmt;

use attend_infer::metric::{Bleu, Chrf, LabelScores, TagScores};

/// The result of a finished run on its test pairs or test texts.
#[derive(Clone, Debug)]
pub struct FinalTest {
    /// The scores. `Display` writes them in lines.
    pub scores: TestScores,
    /// What the model made of each source, in their order.
    pub outputs: Vec<TestOutput>,
}

/// The scores of a final test.
#[derive(Clone, Debug)]
pub enum TestScores {
    /// Those of translations, by the search of the recipe.
    Translation {
        /// BLEU.
        bleu: Bleu,
        /// chrF2.
        chrf: Chrf,
    },
    /// Those of the labels of texts.
    Classification(LabelScores),
    /// Those of the tags of words.
    Tagging {
        /// The scores of tags, and of the spans that they mark.
        scores: TagScores,
        /// Whether the tags mark spans, as `B-NP` does. The scores of spans mean nothing otherwise.
        mark_spans: bool,
    },
}

impl fmt::Display for TestScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Translation { bleu, chrf } => write!(f, "{bleu}\n{chrf}"),
            Self::Classification(scores) => {
                let (accuracy, macro_f1) = (100.0 * scores.accuracy, 100.0 * scores.macro_f1);
                write!(f, "accuracy = {accuracy:.2}%\nmacro F1 = {macro_f1:.2}%")
            }
            Self::Tagging { scores, mark_spans } => {
                write!(f, "accuracy = {:.2}%", 100.0 * scores.accuracy)?;
                if *mark_spans {
                    write!(f, "\nspan F1 = {:.2}%", 100.0 * scores.spans.f1)?;
                }
                Ok(())
            }
        }
    }
}

/// A source of the final test, and what the model made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutput {
    /// The source sentence, or the text that is labelled: its words with spaces between them, or with a tab behind each
    /// of them if a word contains a space.
    pub source: String,
    /// The right output: the target sentence of the pair, the label of the text, or the tags of its words with spaces
    /// between them.
    pub reference: String,
    /// The model's output: a translation, a label or tags.
    pub output: String,
}
