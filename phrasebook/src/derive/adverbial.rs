//! Drawing places and times.

use super::Deriver;
use super::noun_phrase::is_unique;
use crate::clock::Clock;
use crate::features::{Case, Determiner, Mode, Number};
use crate::lexicon::{AdverbialKind, Classes, Noun, Preposition};
use crate::tree::{NounPhrase, Phrase};

impl<'l> Deriver<'l> {
    pub(super) fn clock(&mut self) -> Clock {
        Clock {
            hour: self.dice.between(1, 12),
            minute: self.dice.pick(&Clock::MINUTES),
        }
    }

    /// Draws a time that fits the mode, and is not a habit if the clause is negated.
    pub(super) fn time(&mut self, mode: Mode, negated: bool) -> Phrase<'l> {
        let kinds: &[AdverbialKind] = match mode {
            Mode::Perfect => &[AdverbialKind::Recent],
            Mode::Present if negated => &[AdverbialKind::Moment, AdverbialKind::Recent],
            Mode::Present => &[AdverbialKind::Moment, AdverbialKind::Recent, AdverbialKind::Habit],
            Mode::Can | Mode::Must | Mode::Want => &[AdverbialKind::Moment, AdverbialKind::Future],
        };
        if mode != Mode::Perfect && self.dice.percent(40) {
            return Phrase::Clock(self.clock());
        }
        self.fixed(|kind| kinds.contains(&kind))
    }

    /// Draws an adverb or a fixed phrase of a kind that fits.
    pub(super) fn fixed(&mut self, fits: impl Fn(AdverbialKind) -> bool) -> Phrase<'l> {
        let choices: Vec<_> = self
            .lexicon
            .adverbials
            .iter()
            .filter(|adverbial| fits(adverbial.kind))
            .collect();
        Phrase::Fixed(self.dice.pick(&choices))
    }

    /// Draws a place where something happens: "in the kitchen".
    pub(super) fn location(&mut self, classes: Classes) -> Phrase<'l> {
        let noun = self.noun(|noun| noun.classes.contains("place") && noun.classes.overlap(classes));
        let (english, german) = self.lexicon.place(noun).at;
        let german = self.lexicon.preposition(german);
        self.at_noun(english, german, german.static_case, noun)
    }

    /// Draws a place to go to: "into the kitchen", "home".
    pub(super) fn goal(&mut self, classes: Classes) -> Phrase<'l> {
        if self.dice.percent(8) {
            return self.fixed(|kind| kind == AdverbialKind::Goal);
        }
        let noun = self.noun(|noun| noun.classes.contains("place") && noun.classes.overlap(classes));
        let (english, german) = self.lexicon.place(noun).to;
        let german = self.lexicon.preposition(german);
        self.at_noun(english, german, german.goal_case, noun)
    }

    /// Draws a place relative to furniture, "on the table", in the case that the verb needs.
    pub(super) fn relation(&mut self, classes: Classes, case: impl Fn(&Preposition) -> Case) -> Phrase<'l> {
        let noun = self.noun(|noun| noun.classes.overlap(classes));
        let relates = |classes: Classes| classes.overlap(noun.classes);
        let choices: Vec<_> = self
            .lexicon
            .prepositions
            .iter()
            .filter(|preposition| relates(preposition.classes))
            .collect();
        let preposition = self.dice.pick(&choices);
        self.at_noun(
            preposition.english.unwrap_or_default(),
            preposition,
            case(preposition),
            noun,
        )
    }

    fn at_noun(
        &mut self,
        english: &'static str,
        german: &'l Preposition,
        case: Case,
        noun: &'l Noun,
    ) -> Phrase<'l> {
        let determiner = match self.dice.below(100) {
            _ if is_unique(noun) => Determiner::Definite,
            0..8 => Determiner::Indefinite,
            _ => self.known_determiner(noun, None),
        };
        let adjective = self.adjective(noun, 22);
        let number = if !is_unique(noun) && self.dice.percent(10) {
            Number::Plural
        } else {
            Number::Singular
        };
        let object = NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative: None,
        };
        Phrase::Prepositional {
            english,
            german,
            case,
            object,
        }
    }

    /// Joins a preposition that is not one of place, "with" or "for", and its object.
    pub(super) fn prepositional(
        &self,
        english: &'static str,
        german: &str,
        object: NounPhrase<'l>,
    ) -> Phrase<'l> {
        let german = self.lexicon.preposition(german);
        Phrase::Prepositional {
            english,
            german,
            case: german.static_case,
            object,
        }
    }
}
