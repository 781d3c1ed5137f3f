//! German: the place of the finite verb, and the order of the phrases between the parts of the predicate.

use crate::conjugation::{Bracket, bracket};
use crate::declension::{contracted, noun_group, pronoun, relative_pronoun};
use crate::features::{Case, Determiner};
use crate::numbers;
use crate::text::{capitalized, join};
use crate::tree::{Clause, NounPhrase, Phrase, Sentence};

/// Returns the German sentence of a tree, with a capital first letter and a final mark.
pub(crate) fn sentence(tree: &Sentence) -> String {
    match tree {
        Sentence::Statement { front: None, clause } => {
            let mark = if clause.subject.is_who() { "?" } else { "." };
            capitalized(&self::clause(clause, Order::SubjectFirst), mark)
        }
        Sentence::Statement {
            front: Some(front),
            clause,
        } => capitalized(
            &join([phrase(front), self::clause(clause, Order::VerbFirst)]),
            ".",
        ),
        Sentence::Question { word, clause } => {
            let word = word.map_or("", |(_, german)| german);
            capitalized(&join([word, &self::clause(clause, Order::VerbFirst)]), "?")
        }
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first,
        } => {
            let subordinate = clause(subordinate, Order::VerbLast);
            let text = if *subordinate_first {
                let main = clause(main, Order::VerbFirst);
                format!("{} {subordinate}, {main}", conjunction.1)
            } else {
                let main = clause(main, Order::SubjectFirst);
                format!("{main}, {} {subordinate}", conjunction.1)
            };
            capitalized(&text, ".")
        }
        Sentence::Coordination {
            first,
            conjunction,
            second,
        } => {
            let [first, second] = [first, second].map(|part| clause(part, Order::SubjectFirst));
            capitalized(&format!("{first}{} {second}", conjunction.1), ".")
        }
        Sentence::Existence { place, thing } => {
            let thing = noun_phrase(thing, Case::Accusative);
            capitalized(&join([&phrase(place), "gibt es", &thing]), ".")
        }
        Sentence::TimeOfDay(clock) => capitalized(&format!("es ist {}", clock.german()), "."),
    }
}

/// The place of the finite verb in a clause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Behind the subject: "Der Mann kauft das Buch."
    SubjectFirst,
    /// Before the subject: "Kauft der Mann das Buch?", or behind a fronted phrase: "Heute kauft der Mann das Buch."
    VerbFirst,
    /// At the end: "…, weil der Mann das Buch kauft."
    VerbLast,
}

fn clause(clause: &Clause, order: Order) -> String {
    let subject = noun_phrase(&clause.subject, Case::Nominative);
    let Bracket {
        finite,
        closing,
        verb_final,
    } = bracket(clause.verb, clause.mode, clause.subject.agreement());
    let middle = middle_field(clause);
    match order {
        Order::SubjectFirst => join([subject, finite, middle, closing]),
        Order::VerbFirst => join([finite, subject, middle, closing]),
        Order::VerbLast => join([subject, middle, verb_final]),
    }
}

/// Returns the part of a clause between its finite verb and the end of its predicate.
///
/// The order is: pronouns, the person in the dative, time, a definite object, "nicht", place, an indefinite object,
/// complement. A clause with an indefinite object is negated by "kein", every other clause by "nicht".
fn middle_field(clause: &Clause) -> String {
    let with_kein = clause.negated && clause.direct.as_ref().is_some_and(NounPhrase::is_indefinite);
    let object = |object: &Option<NounPhrase>, case, belongs: fn(&NounPhrase) -> bool| match object
        .as_ref()
        .filter(|object| belongs(object))
    {
        Some(object) if with_kein && object.is_indefinite() => noun_phrase(&negative(object), case),
        Some(object) => noun_phrase(object, case),
        None => String::new(),
    };
    let other = |part: &Option<Phrase>| part.as_ref().map(phrase).unwrap_or_default();
    join([
        object(&clause.indirect, Case::Dative, is_pronoun),
        object(&clause.direct, Case::Accusative, is_pronoun),
        object(&clause.indirect, Case::Dative, is_known_noun),
        other(&clause.time),
        clause
            .frequency
            .map(|adverb| adverb.german.to_owned())
            .unwrap_or_default(),
        object(&clause.direct, Case::Accusative, is_known_noun),
        if clause.negated && !with_kein {
            "nicht".to_owned()
        } else {
            String::new()
        },
        other(&clause.place),
        object(&clause.direct, Case::Accusative, is_new),
        other(&clause.complement),
    ])
}

fn is_pronoun(object: &NounPhrase) -> bool {
    object.is_pronoun()
}

fn is_known_noun(object: &NounPhrase) -> bool {
    !is_pronoun(object) && !is_new(object)
}

/// Returns whether the phrase mentions something for the first time: a noun with "ein", a number or no article.
fn is_new(object: &NounPhrase) -> bool {
    matches!(
        object,
        NounPhrase::Noun {
            determiner: Determiner::Indefinite | Determiner::Count(_),
            ..
        }
    )
}

fn negative<'l>(object: &NounPhrase<'l>) -> NounPhrase<'l> {
    let mut object = object.clone();
    if let NounPhrase::Noun { determiner, .. } = &mut object {
        *determiner = Determiner::Negative;
    }
    object
}

/// Returns a complement or an adverbial.
fn phrase(phrase: &Phrase) -> String {
    match phrase {
        Phrase::Fixed(adverbial) => adverbial.german.to_owned(),
        Phrase::Clock(clock) => format!("um {}", clock.german()),
        Phrase::Adjective(adjective) => adjective.german.to_owned(),
        Phrase::Age(years) => format!("{} Jahre alt", numbers::german(*years)),
        Phrase::Prepositional {
            german, case, object, ..
        } => {
            let phrase = noun_phrase(object, *case);
            match object {
                NounPhrase::Noun {
                    determiner: Determiner::Definite,
                    ..
                } => contracted(german.german, &phrase),
                _ => join([german.german, &phrase]),
            }
        }
    }
}

fn noun_phrase(phrase: &NounPhrase, case: Case) -> String {
    match phrase {
        NounPhrase::Pronoun(word) => pronoun(*word, case).to_owned(),
        NounPhrase::Relative { gender, number, .. } => relative_pronoun(*gender, *number).to_owned(),
        NounPhrase::Name(name) => name.name.to_owned(),
        NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative,
        } => {
            let group = noun_group(*determiner, *adjective, noun, *number, case);
            match relative {
                Some(relative) => format!("{group}, {},", clause(relative, Order::VerbLast)),
                None => group,
            }
        }
    }
}
