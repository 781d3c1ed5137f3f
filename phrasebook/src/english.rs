//! English: fixed word order and do-support.

use crate::features::{Agreement, Determiner, Mode, Number, Person, Pronoun};
use crate::numbers;
use crate::text::{capitalized, join};
use crate::tree::{Clause, NounPhrase, Phrase, Sentence};

/// Returns the English sentence of a tree, with a capital first letter and a final mark.
pub(crate) fn sentence(tree: &Sentence) -> String {
    match tree {
        Sentence::Statement { front, clause } => {
            let front = front.as_ref().map(phrase).unwrap_or_default();
            let mark = if matches!(clause.subject, NounPhrase::Pronoun(Pronoun::Who)) {
                "?"
            } else {
                "."
            };
            capitalized(&join([front, statement(clause)]), mark)
        }
        Sentence::Question { word, clause } => {
            let word = word.map_or("", |(english, _)| english);
            capitalized(&join([word.to_owned(), question(clause)]), "?")
        }
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first,
        } => {
            let (main, subordinate) = (statement(main), statement(subordinate));
            let text = if *subordinate_first {
                format!("{} {subordinate}, {main}", conjunction.0)
            } else {
                format!("{main} {} {subordinate}", conjunction.0)
            };
            capitalized(&text, ".")
        }
        Sentence::Coordination {
            first,
            conjunction,
            second,
        } => capitalized(
            &format!("{}{} {}", statement(first), conjunction.0, statement(second)),
            ".",
        ),
        Sentence::Existence { place, thing } => {
            let (_, number) = thing.agreement();
            let verb = if number == Number::Singular { "is" } else { "are" };
            let thing = noun_phrase(thing, Role::Object);
            capitalized(&format!("{} there {verb} {thing}", phrase(place)), ".")
        }
        Sentence::TimeOfDay(clock) => capitalized(&format!("it is {}", clock.english()), "."),
    }
}

/// Returns a clause with the subject first: "the man does not buy the book".
fn statement(clause: &Clause) -> String {
    let agreement = clause.subject.agreement();
    let not = if clause.negated { "not" } else { "" };
    let (helper, form) = match helper(clause, agreement) {
        Some("can") if clause.negated => ("cannot".to_owned(), Form::Base),
        Some(helper) => (join([helper.to_owned(), not.to_owned()]), Form::Base),
        None if clause.negated => (format!("{} not", does(agreement)), Form::Base),
        None => (String::new(), Form::Finite(agreement)),
    };
    join([
        noun_phrase(&clause.subject, Role::Subject),
        helper,
        predicate(clause, form),
    ])
}

/// Returns a clause with the helper first: "does the man buy the book".
fn question(clause: &Clause) -> String {
    let agreement = clause.subject.agreement();
    let helper = helper(clause, agreement).unwrap_or(does(agreement));
    join([
        helper.to_owned(),
        noun_phrase(&clause.subject, Role::Subject),
        predicate(clause, Form::Base),
    ])
}

/// Returns the verb that takes "not" and precedes the subject of a question; `None` if that is "do".
fn helper(clause: &Clause, agreement: Agreement) -> Option<&'static str> {
    match clause.mode {
        Mode::Can => Some("can"),
        Mode::Must => Some("must"),
        Mode::Perfect => Some(if agreement == THIRD_SINGULAR {
            "has"
        } else {
            "have"
        }),
        Mode::Present if clause.verb.english == "be" => Some(match agreement {
            (Person::First, Number::Singular) => "am",
            THIRD_SINGULAR => "is",
            _ => "are",
        }),
        Mode::Present | Mode::Want => None,
    }
}

const THIRD_SINGULAR: Agreement = (Person::Third, Number::Singular);

fn does(agreement: Agreement) -> &'static str {
    if agreement == THIRD_SINGULAR { "does" } else { "do" }
}

/// The form of the first verb behind the helper.
#[derive(Clone, Copy)]
enum Form {
    Base,
    Finite(Agreement),
}

/// Returns the part of a clause that follows subject, helper and "not".
fn predicate(clause: &Clause, form: Form) -> String {
    let (verb, particle) = clause
        .verb
        .english
        .split_once('|')
        .unwrap_or((clause.verb.english, ""));
    let verb = match clause.mode {
        Mode::Present if verb == "be" => String::new(),
        Mode::Present => inflected(verb, form),
        Mode::Perfect => with_first_word(verb, |_| clause.verb.english_participle.to_owned()),
        Mode::Can | Mode::Must => verb.to_owned(),
        Mode::Want => format!("{} to {verb}", inflected("want", form)),
    };
    let object = |phrase: &Option<NounPhrase>| {
        phrase
            .as_ref()
            .map(|phrase| noun_phrase(phrase, Role::Object))
            .unwrap_or_default()
    };
    let direct = match &clause.direct {
        Some(pronoun) if pronoun.is_pronoun() => [object(&clause.direct), particle.to_owned()],
        _ => [particle.to_owned(), object(&clause.direct)],
    };
    let other = |part: &Option<Phrase>| part.as_ref().map(phrase).unwrap_or_default();
    join([
        clause
            .frequency
            .map(|adverb| adverb.english.to_owned())
            .unwrap_or_default(),
        verb,
        object(&clause.indirect),
        join(direct),
        other(&clause.complement),
        other(&clause.place),
        other(&clause.time),
    ])
}

fn inflected(verb: &str, form: Form) -> String {
    match form {
        Form::Finite(THIRD_SINGULAR) => with_first_word(verb, third_person),
        _ => verb.to_owned(),
    }
}

fn with_first_word(verb: &str, change: impl Fn(&str) -> String) -> String {
    match verb.split_once(' ') {
        Some((first, rest)) => format!("{} {rest}", change(first)),
        None => change(verb),
    }
}

/// Returns the third person singular of the present: "buys" for "buy".
pub(crate) fn third_person(verb: &str) -> String {
    let before_y = verb
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if verb == "have" => "has".to_owned(),
        None if verb.ends_with(['s', 'x', 'z', 'o']) => format!("{verb}es"),
        None if verb.ends_with("ch") || verb.ends_with("sh") => format!("{verb}es"),
        None => format!("{verb}s"),
    }
}

/// Returns a complement or an adverbial.
fn phrase(phrase: &Phrase) -> String {
    match phrase {
        Phrase::Fixed(adverbial) => adverbial.english.to_owned(),
        Phrase::Clock(clock) => format!("at {}", clock.english()),
        Phrase::Adjective(adjective) => adjective.english.to_owned(),
        Phrase::Age(years) => format!("{} years old", numbers::english(*years)),
        Phrase::Prepositional { english, object, .. } => {
            join([english.to_string(), noun_phrase(object, Role::Object)])
        }
    }
}

/// The role of a noun phrase, which decides the form of a pronoun.
#[derive(Clone, Copy)]
enum Role {
    Subject,
    Object,
}

fn noun_phrase(phrase: &NounPhrase, role: Role) -> String {
    match phrase {
        NounPhrase::Pronoun(pronoun) => personal(*pronoun, role).to_owned(),
        NounPhrase::Relative { is_person: true, .. } => "who".to_owned(),
        NounPhrase::Relative { is_person: false, .. } => "that".to_owned(),
        NounPhrase::Name(name) => name.name.to_owned(),
        NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative,
        } => {
            let head = match number {
                Number::Singular => noun.english,
                Number::Plural => noun.english_plural.unwrap_or(noun.english),
            };
            let described = join([adjective.map_or("", |adjective| adjective.english), head]);
            let counted = *number == Number::Singular && noun.is_counted();
            let determiner = match determiner {
                Determiner::Definite => "the".to_owned(),
                Determiner::Indefinite if !counted => String::new(),
                Determiner::Indefinite if described.starts_with(['a', 'e', 'i', 'o', 'u']) => "an".to_owned(),
                Determiner::Indefinite => "a".to_owned(),
                Determiner::Negative => "no".to_owned(),
                Determiner::Demonstrative if *number == Number::Plural => "these".to_owned(),
                Determiner::Demonstrative => "this".to_owned(),
                Determiner::Every => "every".to_owned(),
                Determiner::Possessive(owner) => possessive(*owner).to_owned(),
                Determiner::Count(count) => numbers::english(*count),
            };
            let relative = relative.as_deref().map(statement).unwrap_or_default();
            join([determiner, described, relative])
        }
    }
}

fn personal(pronoun: Pronoun, role: Role) -> &'static str {
    let (subject, object) = match pronoun {
        Pronoun::I => ("I", "me"),
        Pronoun::You => ("you", "you"),
        Pronoun::He => ("he", "him"),
        Pronoun::She => ("she", "her"),
        Pronoun::It(_) => ("it", "it"),
        Pronoun::We => ("we", "us"),
        Pronoun::They => ("they", "them"),
        Pronoun::Who => ("who", "whom"),
    };
    match role {
        Role::Subject => subject,
        Role::Object => object,
    }
}

fn possessive(owner: Pronoun) -> &'static str {
    match owner {
        Pronoun::I => "my",
        Pronoun::You => "your",
        Pronoun::He => "his",
        Pronoun::She => "her",
        Pronoun::It(_) => "its",
        Pronoun::We => "our",
        Pronoun::They => "their",
        Pronoun::Who => "whose",
    }
}
