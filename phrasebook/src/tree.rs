//! Trees that hold what a sentence means, independent of the language.
//!
//! [`derive`](crate::derive) builds the trees. [`english`](crate::english) and [`german`](crate::german) read them,
//! each with the word order of its language.

use crate::clock::Clock;
use crate::features::{Agreement, Case, Determiner, Gender, Mode, Number, Person, Pronoun};
use crate::lexicon::{Adjective, Adverbial, Name, Noun, Preposition, Verb};

/// A sentence.
#[derive(Clone, Debug)]
pub(crate) enum Sentence<'l> {
    /// "Today the man buys a book.", "Who buys a book?"
    Statement {
        front: Option<Phrase<'l>>,
        clause: Clause<'l>,
    },
    /// "Does the man buy a book?", "Why does the man buy a book?"
    Question {
        word: Option<Bilingual>,
        clause: Clause<'l>,
    },
    /// "The man buys a book because it is cheap.", "If it rains, the man sleeps."
    Subordination {
        main: Clause<'l>,
        conjunction: Bilingual,
        subordinate: Clause<'l>,
        subordinate_first: bool,
    },
    /// "The man reads and the woman sleeps."
    Coordination {
        first: Clause<'l>,
        conjunction: Bilingual,
        second: Clause<'l>,
    },
    /// "In the city there is a museum."
    Existence {
        place: Phrase<'l>,
        thing: NounPhrase<'l>,
    },
    /// "It is half past seven."
    TimeOfDay(Clock),
}

/// An English word or phrase that no rule inflects, and its German translation.
pub(crate) type Bilingual = (&'static str, &'static str);

/// A verb with its subject, objects and adverbials.
#[derive(Clone, Debug)]
pub(crate) struct Clause<'l> {
    pub(crate) subject: NounPhrase<'l>,
    pub(crate) verb: &'l Verb,
    pub(crate) mode: Mode,
    pub(crate) negated: bool,
    /// How often something happens: "often", "oft".
    pub(crate) frequency: Option<&'l Adverbial>,
    /// The object in the dative.
    pub(crate) indirect: Option<NounPhrase<'l>>,
    /// The object in the accusative.
    pub(crate) direct: Option<NounPhrase<'l>>,
    /// What else the verb needs: where to, for whom, how.
    pub(crate) complement: Option<Phrase<'l>>,
    /// Where something happens.
    pub(crate) place: Option<Phrase<'l>>,
    /// When something happens.
    pub(crate) time: Option<Phrase<'l>>,
}

impl<'l> Clause<'l> {
    /// Makes a positive clause in the present of a subject and a verb.
    pub(crate) fn new(subject: NounPhrase<'l>, verb: &'l Verb) -> Self {
        Self {
            subject,
            verb,
            mode: Mode::Present,
            negated: false,
            frequency: None,
            indirect: None,
            direct: None,
            complement: None,
            place: None,
            time: None,
        }
    }
}

impl Clause<'_> {
    /// Returns whether the subject may follow the verb. "Heute hilft er ihm" is good German. With a noun as the
    /// subject, German prefers the pronoun in front of the subject, "Heute hilft ihm der Mann", and the corpus has no
    /// such clause.
    pub(crate) fn may_invert(&self) -> bool {
        let mut objects = [&self.indirect, &self.direct].into_iter().flatten();
        self.subject.is_pronoun() || !objects.any(NounPhrase::is_pronoun)
    }
}

/// A complement or an adverbial.
#[derive(Clone, Debug)]
pub(crate) enum Phrase<'l> {
    /// "Today", "heute".
    Fixed(&'l Adverbial),
    /// "At half past seven", "um halb acht".
    Clock(Clock),
    /// "Tired", "müde".
    Adjective(&'l Adjective),
    /// "Twenty years old", "zwanzig Jahre alt".
    Age(u32),
    /// "With the boy", "mit dem Jungen".
    Prepositional {
        /// The English preposition; empty if it is part of the verb ("wait for").
        english: &'static str,
        german: &'l Preposition,
        case: Case,
        object: NounPhrase<'l>,
    },
}

/// A subject, an object, or the noun phrase behind a preposition.
#[derive(Clone, Debug)]
pub(crate) enum NounPhrase<'l> {
    Pronoun(Pronoun),
    /// The "who" or "that" of a relative clause.
    Relative {
        gender: Gender,
        number: Number,
        is_person: bool,
    },
    Name(&'l Name),
    Noun {
        determiner: Determiner,
        adjective: Option<&'l Adjective>,
        noun: &'l Noun,
        number: Number,
        /// A relative clause, "who buys a book", whose subject is [`NounPhrase::Relative`].
        relative: Option<Box<Clause<'l>>>,
    },
}

impl NounPhrase<'_> {
    pub(crate) fn agreement(&self) -> Agreement {
        match self {
            Self::Pronoun(pronoun) => pronoun.agreement(),
            Self::Name(_) => (Person::Third, Number::Singular),
            Self::Noun { number, .. } | Self::Relative { number, .. } => (Person::Third, *number),
        }
    }

    pub(crate) fn is_pronoun(&self) -> bool {
        matches!(self, Self::Pronoun(_))
    }

    /// Returns whether the phrase is the question word "who".
    pub(crate) fn is_who(&self) -> bool {
        matches!(self, Self::Pronoun(Pronoun::Who))
    }

    /// Returns whether the phrase is a noun with "ein" or no article, which German negates by "kein".
    pub(crate) fn is_indefinite(&self) -> bool {
        matches!(
            self,
            Self::Noun {
                determiner: Determiner::Indefinite,
                ..
            }
        )
    }
}
