//! English: fixed word order and do-support.

use crate::clock::Clock;
use crate::features::{Agreement, Case, Determiner, Mode, Number, Person, Pronoun};
use crate::lexicon::Adverbial;
use crate::numbers;
use crate::tree::{Bilingual, Clause, NounPhrase, Phrase, Sentence};
use crate::word::{PartOfSpeech, Word, in_case, words, words_by};

/// Returns the words of the English sentence of a tree, with a capital first letter and a final mark.
pub(crate) fn sentence(tree: &Sentence) -> Vec<Word> {
    let (mut sentence, mark) = match tree {
        Sentence::Statement { front, clause } => {
            let front = front.as_ref().map(phrase).unwrap_or_default();
            let mark = if clause.subject.is_who() { "?" } else { "." };
            ([front, statement(clause)].concat(), mark)
        }
        Sentence::Question { word, clause } => {
            let word = word.map(question_word).unwrap_or_default();
            ([word, question(clause)].concat(), "?")
        }
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first,
        } => {
            let conjunction = words(conjunction.0, PartOfSpeech::SubordinatingConjunction);
            let (main, subordinate) = (statement(main), statement(subordinate));
            let sentence = if *subordinate_first {
                [
                    conjunction,
                    subordinate,
                    words(",", PartOfSpeech::Punctuation),
                    main,
                ]
                .concat()
            } else {
                [main, conjunction, subordinate].concat()
            };
            (sentence, ".")
        }
        Sentence::Coordination {
            first,
            conjunction,
            second,
        } => {
            let conjunction = match conjunction.0.strip_prefix(',') {
                Some(word) => [
                    words(",", PartOfSpeech::Punctuation),
                    words(word, PartOfSpeech::CoordinatingConjunction),
                ]
                .concat(),
                None => words(conjunction.0, PartOfSpeech::CoordinatingConjunction),
            };
            ([statement(first), conjunction, statement(second)].concat(), ".")
        }
        Sentence::Existence { place, thing } => {
            let (_, number) = thing.agreement();
            let verb = if number == Number::Singular { "is" } else { "are" };
            let sentence = [
                phrase(place),
                words("there", PartOfSpeech::Pronoun),
                words(verb, PartOfSpeech::Auxiliary),
                noun_phrase(thing, Case::Accusative),
            ];
            (sentence.concat(), ".")
        }
        Sentence::TimeOfDay(clock) => {
            let it = in_case(words("it", PartOfSpeech::Pronoun), Case::Nominative);
            (
                [it, words("is", PartOfSpeech::Auxiliary), time_of_day(*clock)].concat(),
                ".",
            )
        }
    };
    if let Some(first) = sentence.first_mut() {
        first.text = capitalized(&first.text);
    }
    sentence.extend(words(mark, PartOfSpeech::Punctuation));
    sentence
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

/// Returns a question word. "What" and "whom" are objects, in the case of their German translations.
fn question_word((english, german): Bilingual) -> Vec<Word> {
    match german {
        "was" | "wen" => in_case(words(english, PartOfSpeech::Pronoun), Case::Accusative),
        "wem" => in_case(words(english, PartOfSpeech::Pronoun), Case::Dative),
        _ => words(english, PartOfSpeech::Adverb),
    }
}

/// Returns a clause with the subject first: "the man does not buy the book".
fn statement(clause: &Clause) -> Vec<Word> {
    let agreement = clause.subject.agreement();
    let not = words(if clause.negated { "not" } else { "" }, PartOfSpeech::Particle);
    let (helper, form) = match helper(clause, agreement) {
        Some("can") if clause.negated => (words("cannot", PartOfSpeech::Auxiliary), Form::Base),
        Some(helper) => ([words(helper, PartOfSpeech::Auxiliary), not].concat(), Form::Base),
        None if clause.negated => (
            [words(does(agreement), PartOfSpeech::Auxiliary), not].concat(),
            Form::Base,
        ),
        None => (Vec::new(), Form::Finite(agreement)),
    };
    [
        noun_phrase(&clause.subject, Case::Nominative),
        helper,
        predicate(clause, form),
    ]
    .concat()
}

/// Returns a clause with the helper first: "does the man buy the book".
fn question(clause: &Clause) -> Vec<Word> {
    let agreement = clause.subject.agreement();
    let helper = helper(clause, agreement).unwrap_or(does(agreement));
    [
        words(helper, PartOfSpeech::Auxiliary),
        noun_phrase(&clause.subject, Case::Nominative),
        predicate(clause, Form::Base),
    ]
    .concat()
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
fn predicate(clause: &Clause, form: Form) -> Vec<Word> {
    let (verb, particle) = clause
        .verb
        .english
        .split_once('|')
        .unwrap_or((clause.verb.english, ""));
    let verb = match clause.mode {
        Mode::Present if verb == "be" => Vec::new(),
        Mode::Present => verb_words(&inflected(verb, form)),
        Mode::Perfect => verb_words(&with_first_word(verb, |_| {
            clause.verb.english_participle.to_owned()
        })),
        Mode::Can | Mode::Must => verb_words(verb),
        Mode::Want => [
            words(&inflected("want", form), PartOfSpeech::Verb),
            words("to", PartOfSpeech::Particle),
            verb_words(verb),
        ]
        .concat(),
    };
    let object = |phrase: &Option<NounPhrase>, case| {
        phrase
            .as_ref()
            .map(|phrase| noun_phrase(phrase, case))
            .unwrap_or_default()
    };
    let (particle, direct) = (particles(particle), object(&clause.direct, Case::Accusative));
    let direct = match &clause.direct {
        Some(pronoun) if pronoun.is_pronoun() => [direct, particle],
        _ => [particle, direct],
    };
    let other = |part: &Option<Phrase>| part.as_ref().map(phrase).unwrap_or_default();
    [
        clause.frequency.map(adverbial).unwrap_or_default(),
        verb,
        object(&clause.indirect, Case::Dative),
        direct.concat(),
        other(&clause.complement),
        other(&clause.place),
        other(&clause.time),
    ]
    .concat()
}

/// Returns the words of a verb, of which the first is inflected, and the others are particles: "waits for".
fn verb_words(verb: &str) -> Vec<Word> {
    let (first, others) = verb.split_once(' ').unwrap_or((verb, ""));
    [words(first, PartOfSpeech::Verb), particles(others)].concat()
}

/// Returns the words of a verb behind the one that is inflected: particles and prepositions, and "asleep" behind "fall".
fn particles(text: &str) -> Vec<Word> {
    words_by(text, |word| match word {
        "asleep" => PartOfSpeech::Adjective,
        _ => PartOfSpeech::Adposition,
    })
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
fn phrase(phrase: &Phrase) -> Vec<Word> {
    match phrase {
        Phrase::Fixed(fixed) => adverbial(fixed),
        Phrase::Clock(clock) => [words("at", PartOfSpeech::Adposition), time_of_day(*clock)].concat(),
        Phrase::Adjective(adjective) => words(adjective.english, PartOfSpeech::Adjective),
        Phrase::Age(years) => [
            number(*years),
            words("years", PartOfSpeech::Noun),
            words("old", PartOfSpeech::Adjective),
        ]
        .concat(),
        Phrase::Prepositional {
            english,
            case,
            object,
            ..
        } => [
            words(english, PartOfSpeech::Adposition),
            noun_phrase(object, *case),
        ]
        .concat(),
    }
}

/// Returns the words of an adverb or a fixed phrase. No rule inflects them, so that they have no case.
fn adverbial(adverbial: &Adverbial) -> Vec<Word> {
    if !adverbial.english.contains(' ') {
        return words(adverbial.english, PartOfSpeech::Adverb);
    }
    words_by(adverbial.english, |word| match word {
        "at" | "in" | "on" => PartOfSpeech::Adposition,
        "every" | "the" | "this" => PartOfSpeech::Determiner,
        "next" => PartOfSpeech::Adjective,
        _ if word.starts_with(char::is_uppercase) => PartOfSpeech::ProperNoun,
        _ => PartOfSpeech::Noun,
    })
}

fn time_of_day(clock: Clock) -> Vec<Word> {
    words_by(&clock.english(), |word| match word {
        "past" | "to" => PartOfSpeech::Adposition,
        "a" => PartOfSpeech::Determiner,
        "half" | "quarter" => PartOfSpeech::Noun,
        "o'clock" => PartOfSpeech::Adverb,
        _ => PartOfSpeech::Numeral,
    })
}

fn number(number: u32) -> Vec<Word> {
    words_by(&numbers::english(number), |word| match word {
        "and" => PartOfSpeech::CoordinatingConjunction,
        _ => PartOfSpeech::Numeral,
    })
}

fn noun_phrase(phrase: &NounPhrase, case: Case) -> Vec<Word> {
    match phrase {
        NounPhrase::Pronoun(pronoun) => in_case(words(personal(*pronoun, case), PartOfSpeech::Pronoun), case),
        NounPhrase::Relative { is_person, .. } => {
            let word = if *is_person { "who" } else { "that" };
            in_case(words(word, PartOfSpeech::Pronoun), case)
        }
        NounPhrase::Name(name) => in_case(words(name.name, PartOfSpeech::ProperNoun), case),
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
            let described = [
                adjective.map_or(Vec::new(), |adjective| {
                    words(adjective.english, PartOfSpeech::Adjective)
                }),
                words(head, PartOfSpeech::Noun),
            ]
            .concat();
            let counted = *number == Number::Singular && noun.is_counted();
            let begins_with_vowel = described[0].text.starts_with(['a', 'e', 'i', 'o', 'u']);
            let determiner = match determiner {
                Determiner::Definite => words("the", PartOfSpeech::Determiner),
                Determiner::Indefinite if !counted => Vec::new(),
                Determiner::Indefinite if begins_with_vowel => words("an", PartOfSpeech::Determiner),
                Determiner::Indefinite => words("a", PartOfSpeech::Determiner),
                Determiner::Negative => words("no", PartOfSpeech::Determiner),
                Determiner::Demonstrative if *number == Number::Plural => {
                    words("these", PartOfSpeech::Determiner)
                }
                Determiner::Demonstrative => words("this", PartOfSpeech::Determiner),
                Determiner::Every => words("every", PartOfSpeech::Determiner),
                Determiner::Possessive(owner) => words(possessive(*owner), PartOfSpeech::Pronoun),
                Determiner::Count(count) => self::number(*count),
            };
            let relative = relative.as_deref().map(statement).unwrap_or_default();
            [in_case([determiner, described].concat(), case), relative].concat()
        }
    }
}

fn personal(pronoun: Pronoun, case: Case) -> &'static str {
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
    if case == Case::Nominative { subject } else { object }
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
