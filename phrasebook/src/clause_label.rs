//! The label of a sentence: type, tense and polarity of its main clause.

use crate::features::{Determiner, Mode};
use crate::tree::{Clause, NounPhrase, Sentence};

/// Returns the label of the main clause, or the first of two main clauses. It is one of
/// [`LabelledSentence::LABELS`](crate::LabelledSentence::LABELS), which are described there.
pub(crate) fn clause_label(sentence: &Sentence) -> &'static str {
    match sentence {
        Sentence::Statement { clause, .. } if clause.subject.is_who() => question(clause),
        Sentence::Question { clause, .. } => question(clause),
        Sentence::Statement { clause, .. }
        | Sentence::Subordination { main: clause, .. }
        | Sentence::Coordination { first: clause, .. } => statement(clause),
        Sentence::Existence { thing, .. } => match thing {
            NounPhrase::Noun {
                determiner: Determiner::Negative,
                ..
            } => "statement-present-negative",
            _ => "statement-present-positive",
        },
        Sentence::TimeOfDay(_) => "statement-present-positive",
    }
}

fn question(clause: &Clause) -> &'static str {
    match clause.mode {
        Mode::Present => "question-present",
        Mode::Perfect => "question-perfect",
        Mode::Can | Mode::Must | Mode::Want => "question-modal",
    }
}

fn statement(clause: &Clause) -> &'static str {
    let never = clause.frequency.is_some_and(|adverb| adverb.english == "never");
    match (clause.mode, clause.negated || never) {
        (Mode::Present, false) => "statement-present-positive",
        (Mode::Present, true) => "statement-present-negative",
        (Mode::Perfect, false) => "statement-perfect-positive",
        (Mode::Perfect, true) => "statement-perfect-negative",
        (Mode::Can | Mode::Must | Mode::Want, false) => "statement-modal-positive",
        (Mode::Can | Mode::Must | Mode::Want, true) => "statement-modal-negative",
    }
}
