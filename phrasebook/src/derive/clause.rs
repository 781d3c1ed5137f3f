//! Drawing the subject, the objects and the adverbials of a verb.

use super::Deriver;
use super::noun_phrase::pronoun_for;
use crate::features::{Determiner, Gender, Mode, Pronoun};
use crate::lexicon::{Adjective, AdverbialKind, Classes, Frame, Verb};
use crate::tree::{Clause, NounPhrase, Phrase};

/// Where a clause stands, which decides what it may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// The clause is a sentence.
    Alone,
    /// The clause is a question, which is never negated.
    Question,
    /// The clause is part of a longer sentence. It is mostly short, and has no time if it is negated.
    Part,
}

impl<'l> Deriver<'l> {
    /// Draws a verb for an ordinary clause.
    pub(super) fn verb(&mut self) -> &'l Verb {
        self.verb_where(|verb| !matches!(verb.frame, Frame::Clause | Frame::Weather | Frame::Own))
    }

    pub(super) fn verb_where(&mut self, fits: impl Fn(&Verb) -> bool) -> &'l Verb {
        let choices: Vec<_> = self.lexicon.verbs.iter().filter(|verb| fits(verb)).collect();
        self.dice.pick(&choices)
    }

    /// Draws a clause.
    pub(super) fn clause(&mut self, setting: Setting) -> Clause<'l> {
        let verb = self.verb();
        let negated = setting != Setting::Question && !verb.allows("positive") && self.dice.percent(24);
        let subject = self.subject(verb.subjects, negated);
        self.clause_of(verb, subject, setting, negated)
    }

    /// Draws a clause with this verb and subject.
    pub(super) fn clause_of(
        &mut self,
        verb: &'l Verb,
        subject: NounPhrase<'l>,
        setting: Setting,
        negated: bool,
    ) -> Clause<'l> {
        let mut clause = Clause::new(subject, verb);
        clause.negated = negated;
        clause.mode = self.mode(verb, negated);
        self.add_objects(&mut clause);
        self.add_addition(&mut clause, setting);
        self.add_time(&mut clause, setting);
        clause
    }

    fn mode(&mut self, verb: &Verb, negated: bool) -> Mode {
        match self.dice.below(100) {
            0..17 if verb.german_participle.is_some() => Mode::Perfect,
            17..35 if verb.allows("modal") => {
                // "Must not" is a prohibition in English and a permission in German.
                if negated {
                    self.dice.pick(&[Mode::Can, Mode::Want])
                } else {
                    self.dice.pick(&Mode::MODALS)
                }
            }
            _ => Mode::Present,
        }
    }

    fn add_objects(&mut self, clause: &mut Clause<'l>) {
        let verb = clause.verb;
        match verb.frame {
            Frame::Nothing | Frame::Clause | Frame::Weather | Frame::Own => {}
            Frame::Accusative => clause.direct = Some(self.object(verb.objects, clause, false)),
            Frame::Dative => clause.indirect = Some(self.object(verb.objects, clause, true)),
            Frame::Both => {
                clause.indirect = Some(self.object("person".into(), clause, true));
                clause.direct = Some(self.object(verb.objects, clause, false));
            }
            Frame::Prepositional(preposition, case) => {
                let object = self.object(verb.objects, clause, false);
                let german = self.lexicon.preposition(preposition);
                clause.complement = Some(Phrase::Prepositional {
                    english: "",
                    german,
                    case,
                    object,
                });
            }
            Frame::Motion => clause.complement = Some(self.goal(verb.places)),
            Frame::Stay => clause.complement = Some(self.location_or_adverb(verb.places)),
            Frame::Rest => {
                clause.complement = Some(self.relation(verb.places, |preposition| preposition.static_case))
            }
            Frame::Put => {
                clause.direct = Some(self.object(verb.objects, clause, false));
                clause.complement = Some(self.relation(verb.places, |preposition| preposition.goal_case));
            }
        }
    }

    /// Adds at most one phrase: where, with whom, or for whom.
    fn add_addition(&mut self, clause: &mut Clause<'l>, setting: Setting) {
        let verb = clause.verb;
        let probability = if setting == Setting::Part { 15 } else { 35 };
        let place_is_free = !matches!(verb.frame, Frame::Motion | Frame::Stay | Frame::Rest | Frame::Put);
        let mut additions = Vec::new();
        if verb.allows("with") {
            additions.push("with");
        }
        if verb.allows("for") && !clause.negated {
            additions.push("for");
        }
        // "Nicht" between a definite object and a place would negate the place alone.
        let confuses_nicht = clause.negated
            && (clause.complement.is_some()
                || clause.indirect.is_some()
                || clause
                    .direct
                    .as_ref()
                    .is_some_and(|object| !object.is_indefinite()));
        if place_is_free && !verb.places.is_empty() && !confuses_nicht {
            additions.push("place");
        }
        if additions.is_empty() || !self.dice.percent(probability) {
            return;
        }
        match self.dice.pick(&additions) {
            "place" => clause.place = Some(self.location_or_adverb(verb.places)),
            addition => {
                let german = if addition == "with" { "mit" } else { "für" };
                let person = self.object("person".into(), clause, true);
                let phrase = Some(self.prepositional(addition, german, person));
                // Behind a goal, the phrase stands where English has places: "goes into the park with the dog".
                if clause.complement.is_none() {
                    clause.complement = phrase
                } else {
                    clause.place = phrase
                }
            }
        }
    }

    fn add_time(&mut self, clause: &mut Clause<'l>, setting: Setting) {
        if !clause.verb.allows("time") {
            return;
        }
        let takes_frequency = !clause.negated
            && clause.mode == Mode::Present
            && clause.verb.frame != Frame::Both
            && !has_definite_object(clause);
        match (setting, self.dice.below(100)) {
            (_, 0..10) if takes_frequency => {
                if let Phrase::Fixed(adverb) = self.fixed(|kind| kind == AdverbialKind::Frequency) {
                    clause.frequency = Some(adverb);
                }
            }
            (Setting::Alone, 10..50) => clause.time = Some(self.time(clause.mode, clause.negated)),
            (Setting::Question, 10..35) => clause.time = Some(self.time(clause.mode, clause.negated)),
            (Setting::Part, 10..18) if !clause.negated => {
                clause.time = Some(self.time(clause.mode, clause.negated));
            }
            _ => {}
        }
    }

    fn location_or_adverb(&mut self, classes: Classes) -> Phrase<'l> {
        if self.dice.percent(15) {
            self.fixed(|kind| kind == AdverbialKind::Place)
        } else {
            self.location(classes)
        }
    }

    /// Draws a description: "the soup is hot", "I am in the kitchen".
    pub(super) fn description(&mut self) -> Clause<'l> {
        if self.dice.percent(25) {
            let be = self.lexicon.verb("be", "sein");
            let mut clause = Clause::new(self.subject("person".into(), true), be);
            clause.complement = Some(self.location_or_adverb("place".into()));
            clause.negated = self.dice.percent(22);
            return clause;
        }
        self.quality(|_| true)
    }

    /// Draws a description by an adjective that fits: "the soup is hot".
    fn quality(&mut self, fits: impl Fn(&Adjective) -> bool) -> Clause<'l> {
        let choices: Vec<_> = self
            .lexicon
            .adjectives
            .iter()
            .filter(|adjective| fits(adjective))
            .collect();
        let adjective = self.rarer(&choices, |adjective| adjective.english);
        let mut subject = self.subject(adjective.classes, true);
        if let NounPhrase::Noun { adjective, .. } = &mut subject {
            *adjective = None;
        }
        let mut clause = Clause::new(subject, self.lexicon.verb("be", "sein"));
        clause.complement = Some(Phrase::Adjective(adjective));
        clause.negated = self.dice.percent(22);
        clause
    }

    /// Draws a clause about the weather or a mood: "it rains", "the child is tired".
    pub(super) fn weather_or_state(&mut self) -> Clause<'l> {
        if self.dice.percent(50) {
            return self.quality(|adjective| adjective.classes.contains("mood"));
        }
        let verb = self.verb_where(|verb| verb.frame == Frame::Weather);
        Clause::new(NounPhrase::Pronoun(Pronoun::It(Gender::Neuter)), verb)
    }

    /// Draws a clause that describes the subject or the object of `main` by a pronoun: "… the lamp because it is
    /// cheap".
    ///
    /// The subject or object loses its own adjective, so that no cheap lamp is called expensive. `None` if "it" could
    /// stand for two things, since the German pronoun depends on which of them is meant.
    pub(super) fn remark_on(&mut self, main: &mut Clause<'l>) -> Option<Clause<'l>> {
        let prefers_thing = self.dice.percent(60);
        let denied = main.negated;
        let thing = main
            .direct
            .as_mut()
            .filter(|phrase| prefers_thing && is_thing(phrase) && !(denied && phrase.is_indefinite()));
        let topic = thing.unwrap_or(&mut main.subject);
        let pronoun = pronoun_for(topic)?;
        let has_other_thing = main.complement.is_some() || main.place.is_some();
        if matches!(pronoun, Pronoun::It(_)) && has_other_thing {
            return None;
        }
        let classes = match topic {
            NounPhrase::Noun { noun, adjective, .. } => {
                *adjective = None;
                noun.classes
            }
            _ => "person".into(),
        };
        let choices: Vec<_> = self
            .lexicon
            .adjectives
            .iter()
            .filter(|adjective| adjective.classes.overlap(classes))
            .collect();
        if choices.is_empty() {
            return None;
        }
        let mut remark = Clause::new(NounPhrase::Pronoun(pronoun), self.lexicon.verb("be", "sein"));
        remark.complement = Some(Phrase::Adjective(
            self.rarer(&choices, |adjective| adjective.english),
        ));
        remark.negated = self.dice.percent(15);
        Some(remark)
    }
}

fn is_thing(phrase: &NounPhrase) -> bool {
    match phrase {
        NounPhrase::Noun { noun, .. } => !noun.classes.contains("person") && !noun.classes.contains("animal"),
        _ => false,
    }
}

/// Returns whether the object is one beside which an adverb of frequency sounds wrong: "Er kauft oft das Auto".
fn has_definite_object(clause: &Clause) -> bool {
    use Determiner::{Count, Definite, Demonstrative};
    let object = clause.direct.as_ref();
    object.is_some_and(|object| {
        matches!(
            object,
            NounPhrase::Name(_)
                | NounPhrase::Noun {
                    determiner: Definite | Demonstrative | Count(_),
                    ..
                }
        )
    })
}
