//! Drawing nouns, and determiners and adjectives that fit them.

use super::{Deriver, is_person};
use crate::features::{Determiner, Gender, Number, Person, Pronoun};
use crate::lexicon::{Adjective, Classes, Name, Noun};
use crate::tree::{Clause, NounPhrase};

impl<'l> Deriver<'l> {
    /// Draws a noun that fits, and that the sentence has not used yet, if there is one.
    pub(super) fn noun(&mut self, fits: impl Fn(&Noun) -> bool) -> &'l Noun {
        let (unused, used): (Vec<_>, Vec<_>) = self
            .lexicon
            .nouns
            .iter()
            .filter(|noun| fits(noun))
            .partition(|noun| !self.mentioned.contains(&noun.english));
        let noun = self.rarer(if unused.is_empty() { &used } else { &unused }, |noun| {
            noun.english
        });
        self.mentioned.push(noun.english);
        noun
    }

    /// Draws an adjective that fits the noun, with a probability in percent.
    pub(super) fn adjective(&mut self, noun: &Noun, probability: usize) -> Option<&'l Adjective> {
        let fits = |adjective: &&'l Adjective| adjective.classes.overlap(noun.classes);
        let choices: Vec<_> = self.lexicon.adjectives.iter().filter(fits).collect();
        (!choices.is_empty() && self.dice.percent(probability))
            .then(|| self.rarer(&choices, |adjective| adjective.english))
    }

    pub(super) fn number_of(&mut self, noun: &Noun) -> Number {
        if noun.is_counted() && !is_unique(noun) && self.dice.percent(27) {
            Number::Plural
        } else {
            Number::Singular
        }
    }

    /// Draws a subject of one of the classes. The subject of a negated clause is not introduced by "a" or a number.
    pub(super) fn subject(&mut self, classes: Classes, negated: bool) -> NounPhrase<'l> {
        if classes.contains("person") {
            match self.dice.below(100) {
                0..25 => return NounPhrase::Pronoun(self.dice.pick(&Pronoun::PERSONAL)),
                25..33 => return NounPhrase::Name(self.name(None)),
                _ => {}
            }
        }
        let noun = self.noun(|noun| noun.classes.overlap(classes));
        let number = self.number_of(noun);
        let determiner = match self.dice.below(100) {
            _ if is_unique(noun) => Determiner::Definite,
            0..12 if !negated && number == Number::Singular => Determiner::Indefinite,
            0..4 if !negated => Determiner::Indefinite,
            12..16 if !negated && number == Number::Singular && noun.is_counted() => Determiner::Every,
            4..16 if !negated && number == Number::Plural => Determiner::Count(self.dice.between(2, 12)),
            _ => self.known_determiner(noun, None),
        };
        let adjective = self.adjective(noun, 25);
        NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative: None,
        }
    }

    /// Draws an object of one of the classes. A `known` object has "the", "this" or a possessive, which refers to the
    /// subject most of the time.
    pub(super) fn object(&mut self, classes: Classes, clause: &Clause<'l>, known: bool) -> NounPhrase<'l> {
        let subject = &clause.subject;
        if classes.contains("person") {
            match self.dice.below(100) {
                0..14 => return NounPhrase::Pronoun(self.object_pronoun(subject)),
                14..20 => return NounPhrase::Name(self.name(Some(subject))),
                _ => {}
            }
        }
        let noun = self.noun(|noun| noun.classes.overlap(classes));
        let number = self.number_of(noun);
        let determiner = match self.dice.below(100) {
            _ if is_unique(noun) => Determiner::Definite,
            0..33 if !known => Determiner::Indefinite,
            33..50 if !known && !noun.is_counted() => Determiner::Indefinite,
            33..37 if !known && !clause.negated && number == Number::Singular => Determiner::Count(1),
            33..46 if !known && !clause.negated && number == Number::Plural => {
                Determiner::Count(self.dice.between(2, 12))
            }
            _ => self.known_determiner(noun, Some(subject)),
        };
        let adjective = self.adjective(noun, 36);
        NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative: None,
        }
    }

    /// Draws a thing with "the", "this" or a possessive.
    pub(super) fn known_thing(&mut self, classes: Classes) -> NounPhrase<'l> {
        let noun = self.noun(|noun| noun.classes.overlap(classes) && noun.is_counted());
        let determiner = self.known_determiner(noun, None);
        let number = if self.dice.percent(12) {
            Number::Plural
        } else {
            Number::Singular
        };
        let adjective = self.adjective(noun, 30);
        NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative: None,
        }
    }

    /// Draws "the", "this" or a possessive.
    pub(super) fn known_determiner(&mut self, noun: &Noun, subject: Option<&NounPhrase<'l>>) -> Determiner {
        match self.dice.below(10) {
            0 => Determiner::Demonstrative,
            1 | 2 if !noun.classes.contains("unowned") => {
                let subject = subject.and_then(pronoun_for);
                match subject {
                    Some(owner) if self.dice.percent(70) => Determiner::Possessive(owner),
                    _ => Determiner::Possessive(self.dice.pick(&Pronoun::PERSONAL)),
                }
            }
            _ => Determiner::Definite,
        }
    }

    /// Draws a pronoun as an object that is not the subject: "I see you", but not "I see me".
    fn object_pronoun(&mut self, subject: &NounPhrase<'l>) -> Pronoun {
        let (person, _) = subject.agreement();
        let others: Vec<_> = Pronoun::PERSONAL
            .into_iter()
            .filter(|pronoun| pronoun.agreement().0 != person || person == Person::Third)
            .collect();
        self.dice.pick(&others)
    }

    /// Draws a name that is not the subject.
    fn name(&mut self, subject: Option<&NounPhrase<'l>>) -> &'l Name {
        let is_other =
            |name: &&Name| !matches!(subject, Some(NounPhrase::Name(own)) if own.name == name.name);
        let choices: Vec<_> = self.lexicon.names.iter().filter(is_other).collect();
        self.dice.pick(&choices)
    }
}

/// Returns the pronoun that refers to a phrase: "he" for a man, "she" for a woman, "it" for a thing. `None` for a girl,
/// to whom German refers by "es" or by "sie".
pub(super) fn pronoun_for(phrase: &NounPhrase) -> Option<Pronoun> {
    match phrase {
        NounPhrase::Pronoun(Pronoun::Who) | NounPhrase::Relative { .. } => None,
        NounPhrase::Pronoun(pronoun) => Some(*pronoun),
        NounPhrase::Name(name) => Some(natural(name.gender)),
        NounPhrase::Noun {
            number: Number::Plural,
            ..
        } => Some(Pronoun::They),
        NounPhrase::Noun { noun, .. } if !is_person(noun) => Some(Pronoun::It(noun.gender)),
        NounPhrase::Noun { noun, .. } => (noun.gender != Gender::Neuter).then(|| natural(noun.gender)),
    }
}

/// Returns whether people speak of only one such person or thing: "the king", "the wall".
pub(super) fn is_unique(noun: &Noun) -> bool {
    noun.classes.contains("unique")
}

fn natural(gender: Gender) -> Pronoun {
    if gender == Gender::Feminine {
        Pronoun::She
    } else {
        Pronoun::He
    }
}
