//! Drawing trees at random: which trees the grammar builds, and how often.

mod adverbial;
mod clause;
mod noun_phrase;

use std::collections::HashMap;

use crate::dice::Dice;
use crate::features::{Determiner, Mode, Number, Pronoun};
use crate::lexicon::{Frame, Lexicon, Noun, Verb};
use crate::tree::{Bilingual, Clause, NounPhrase, Phrase, Sentence};
use clause::Setting;

/// Draws sentences at random.
pub(super) struct Deriver<'l> {
    lexicon: &'l Lexicon,
    dice: Dice,
    /// The nouns of the sentence so far. No noun is used twice, so that "the teacher" does not meet "the teacher".
    mentioned: Vec<&'static str>,
    /// How often each noun and adjective was drawn.
    uses: HashMap<&'static str, usize>,
}

/// The shape of a sentence.
#[derive(Clone, Copy)]
enum Shape {
    Statement,
    Description,
    YesNoQuestion,
    WordQuestion,
    WhoQuestion,
    Reason,
    Condition,
    Report,
    Coordination,
    Quantity,
    Existence,
    TimeOfDay,
    Relative,
}

const SHAPES: [(usize, Shape); 13] = [
    (420, Shape::Statement),
    (70, Shape::Description),
    (70, Shape::YesNoQuestion),
    (60, Shape::WordQuestion),
    (20, Shape::WhoQuestion),
    (75, Shape::Reason),
    (60, Shape::Condition),
    (75, Shape::Report),
    (30, Shape::Coordination),
    (75, Shape::Quantity),
    (20, Shape::Existence),
    (2, Shape::TimeOfDay),
    (30, Shape::Relative),
];

impl<'l> Deriver<'l> {
    pub(super) fn new(lexicon: &'l Lexicon, seed: u64) -> Self {
        Self {
            lexicon,
            dice: Dice::new(seed),
            mentioned: Vec::new(),
            uses: HashMap::new(),
        }
    }

    /// Draws a sentence.
    pub(super) fn sentence(&mut self) -> Sentence<'l> {
        self.mentioned.clear();
        match self.dice.weighted(&SHAPES) {
            Shape::Statement => self.statement(),
            Shape::Description => {
                let clause = self.description();
                Sentence::Statement { front: None, clause }
            }
            Shape::YesNoQuestion => {
                let clause = self.question_clause();
                Sentence::Question { word: None, clause }
            }
            Shape::WordQuestion => self.word_question(),
            Shape::WhoQuestion => {
                let verb = self.verb();
                if !verb.subjects.contains("person") {
                    return self.sentence();
                }
                let who = NounPhrase::Pronoun(Pronoun::Who);
                let clause = self.clause_of(verb, who, Setting::Question, false);
                Sentence::Statement { front: None, clause }
            }
            Shape::Reason => self.reason(),
            Shape::Condition => self.condition(),
            Shape::Report => self.report(),
            Shape::Coordination => {
                let first = self.clause(Setting::Part);
                let conjunction = self.dice.pick(&[(" and", " und"), (", but", ", aber")]);
                let second = self.clause(Setting::Part);
                Sentence::Coordination {
                    first,
                    conjunction,
                    second,
                }
            }
            Shape::Quantity => self.quantity(),
            Shape::Existence => self.existence(),
            Shape::TimeOfDay => Sentence::TimeOfDay(self.clock()),
            Shape::Relative => self.relative(),
        }
    }

    /// Draws two words, and returns the one that has been used less often, so that words of large classes are not rare.
    fn rarer<T>(&mut self, choices: &[&'l T], english: impl Fn(&T) -> &'static str) -> &'l T {
        let [first, second] = [(); 2].map(|()| self.dice.pick(choices));
        let uses = |word| self.uses.get(english(word)).copied().unwrap_or(0);
        let choice = if uses(second) < uses(first) { second } else { first };
        *self.uses.entry(english(choice)).or_default() += 1;
        choice
    }

    fn statement(&mut self) -> Sentence<'l> {
        let mut clause = self.clause(Setting::Alone);
        let may_front = clause.may_invert();
        // "Nicht" would negate a time that follows it: a negated clause has its time in front.
        let must_front = clause.negated;
        if clause.time.is_some() && !may_front && must_front {
            clause.time = None;
        }
        let front = if clause.time.is_some() && may_front && (must_front || self.dice.percent(40)) {
            clause.time.take()
        } else if clause.place.is_some() && may_front && !clause.negated && self.dice.percent(25) {
            clause.place.take()
        } else {
            None
        };
        Sentence::Statement { front, clause }
    }

    /// Draws a clause whose subject may follow the verb.
    fn question_clause(&mut self) -> Clause<'l> {
        loop {
            let clause = self.clause(Setting::Question);
            if clause.may_invert() {
                return clause;
            }
        }
    }

    /// Draws a question with "what", "whom", "where", "when" or "why".
    fn word_question(&mut self) -> Sentence<'l> {
        let mut clause = self.question_clause();
        let person = clause.verb.objects.contains("person");
        let mut words: Vec<Bilingual> = vec![("why", "warum")];
        if clause.time.is_none() && clause.verb.allows("time") && clause.frequency.is_none() {
            words.push(("when", "wann"));
        }
        match clause.verb.frame {
            Frame::Accusative | Frame::Put if !person => words.extend([("what", "was"); 3]),
            Frame::Both => words.extend([("what", "was"); 3]),
            Frame::Dative => words.extend([("whom", "wem"); 3]),
            Frame::Accusative if clause.verb.objects.iter().all(|class| class == "person") => {
                words.extend([("whom", "wen"); 3]);
            }
            Frame::Motion => words.extend([("where", "wohin"); 3]),
            Frame::Stay | Frame::Rest => words.extend([("where", "wo"); 3]),
            _ if !clause.verb.places.is_empty() => words.extend([("where", "wo"); 2]),
            _ => {}
        }
        let word = self.dice.pick(&words);
        match word.1 {
            "was" | "wen" => clause.direct = None,
            "wem" => clause.indirect = None,
            "wohin" => clause.complement = None,
            "wo" if clause.verb.frame == Frame::Rest || clause.verb.frame == Frame::Stay => {
                clause.complement = None;
            }
            "wo" => clause.place = None,
            _ => {}
        }
        Sentence::Question {
            word: Some(word),
            clause,
        }
    }

    /// Draws a sentence with "because" or "although".
    fn reason(&mut self) -> Sentence<'l> {
        let mut main = self.clause(Setting::Part);
        let conjunction = self.dice.pick(&[("because", "weil"), ("although", "obwohl")]);
        let subordinate = match self.dice.below(4) {
            0 => self.clause(Setting::Part),
            1 => self.weather_or_state(),
            _ => match self.remark_on(&mut main) {
                Some(remark) => remark,
                None => self.clause(Setting::Part),
            },
        };
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first: false,
        }
    }

    /// Draws a sentence with "if" or "while". The subordinate clause may come first.
    fn condition(&mut self) -> Sentence<'l> {
        let conjunction = self
            .dice
            .pick(&[("if", "wenn"), ("if", "wenn"), ("while", "während")]);
        let mut main = self.clause(Setting::Part);
        let mut subordinate = match self.dice.below(3) {
            0 => self.weather_or_state(),
            _ => self.clause(Setting::Part),
        };
        if conjunction.0 == "while" {
            subordinate.negated = false;
        }
        // The perfect would contradict that both happen at the same time.
        for clause in [&mut main, &mut subordinate] {
            if clause.mode == Mode::Perfect {
                clause.mode = Mode::Present;
            }
        }
        let subordinate_first = main.may_invert() && self.dice.percent(60);
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first,
        }
    }

    /// Draws a report: "the man knows that …", "I do not know whether …".
    fn report(&mut self) -> Sentence<'l> {
        let verb = self.verb_where(|verb| verb.frame == Frame::Clause);
        let subject = self.subject(verb.subjects, false);
        let mut main = Clause::new(subject, verb);
        main.negated = matches!(verb.english, "know" | "believe") && self.dice.percent(40);
        let conjunction = match verb.english {
            "know" if main.negated => self.dice.pick(&[("whether", "ob"), ("why", "warum")]),
            "know" => self
                .dice
                .pick(&[("that", "dass"), ("that", "dass"), ("why", "warum")]),
            _ => ("that", "dass"),
        };
        let subordinate = match self.dice.below(4) {
            0 => self.description(),
            _ => self.clause(Setting::Part),
        };
        Sentence::Subordination {
            main,
            conjunction,
            subordinate,
            subordinate_first: false,
        }
    }

    /// Draws a sentence about a price, a size or an age.
    fn quantity(&mut self) -> Sentence<'l> {
        let clause = match self.dice.below(5) {
            0 | 1 => {
                let verb = self.lexicon.verb("cost", "kosten");
                let subject = self.known_thing(verb.subjects);
                let price = self.number();
                self.measured(subject, verb, price, "euro")
            }
            2 => {
                let verb = self.lexicon.verb("pay", "zahlen");
                let subject = self.subject("person".into(), false);
                let ware = self.known_thing(verb.objects);
                let price = self.number();
                let mut clause = self.measured(subject, verb, price, "euro");
                clause.complement = Some(self.prepositional("for", "für", ware));
                clause
            }
            3 => {
                let (owner, unit, least) = self
                    .dice
                    .pick(&[("paged", "page", 20), ("town", "inhabitant", 100)]);
                let subject = self.known_thing(owner.into());
                let count = self.number();
                let count = if count < least {
                    self.dice.between(least, 999)
                } else {
                    count
                };
                self.measured(subject, self.lexicon.verb("have", "haben"), count, unit)
            }
            _ => {
                let (old, oldest) =
                    self.dice
                        .pick(&[("person", 99), ("person", 99), ("building", 300), ("town", 2500)]);
                let subject = self.known_thing(old.into());
                let mut clause = Clause::new(subject, self.lexicon.verb("be", "sein"));
                clause.complement = Some(Phrase::Age(self.dice.between(2, oldest)));
                clause
            }
        };
        match self.dice.below(5) {
            0 => Sentence::Question { word: None, clause },
            1 if matches!(clause.verb.english, "cost" | "be") => {
                let matrix = self.lexicon.verb("say", "sagen");
                let main = Clause::new(self.subject(matrix.subjects, false), matrix);
                let conjunction = ("that", "dass");
                Sentence::Subordination {
                    main,
                    conjunction,
                    subordinate: clause,
                    subordinate_first: false,
                }
            }
            _ => Sentence::Statement { front: None, clause },
        }
    }

    fn measured(&self, subject: NounPhrase<'l>, verb: &'l Verb, count: u32, unit: &str) -> Clause<'l> {
        let mut clause = Clause::new(subject, verb);
        clause.direct = Some(NounPhrase::Noun {
            determiner: Determiner::Count(count),
            adjective: None,
            noun: self.lexicon.noun(unit),
            number: Number::Plural,
            relative: None,
        });
        clause
    }

    /// Draws a number from 2 to 9,999. Short numbers are as frequent as long ones.
    fn number(&mut self) -> u32 {
        let (least, most) = self.dice.weighted(&[
            (10, (2, 20)),
            (30, (21, 99)),
            (35, (100, 999)),
            (25, (1000, 9999)),
        ]);
        self.dice.between(least, most)
    }

    /// Draws a sentence such as "In the kitchen there are three chairs."
    fn existence(&mut self) -> Sentence<'l> {
        let (things, places) = self.dice.pick(&[
            ("building", "town"),
            ("furniture", "room"),
            ("device", "room"),
            ("pet", "garden nature"),
            ("drink", "dining"),
            ("food", "grocer"),
        ]);
        let place = self.location(places.into());
        let noun = self.noun(|noun| noun.classes.overlap(things.into()));
        let determiner = if self.dice.percent(25) {
            Determiner::Negative
        } else if noun.is_counted() && self.dice.percent(40) {
            Determiner::Count(self.dice.between(2, 12))
        } else {
            Determiner::Indefinite
        };
        let number = match determiner {
            Determiner::Count(_) => Number::Plural,
            _ if noun.is_counted() && self.dice.percent(30) => Number::Plural,
            _ => Number::Singular,
        };
        let adjective = self.adjective(noun, 30);
        let thing = NounPhrase::Noun {
            determiner,
            adjective,
            noun,
            number,
            relative: None,
        };
        Sentence::Existence { place, thing }
    }

    /// Draws a sentence such as "The man who buys the book is old."
    fn relative(&mut self) -> Sentence<'l> {
        let verb = self.verb();
        let noun = self.noun(|noun| noun.classes.overlap(verb.subjects));
        let is_person = is_person(noun);
        let number = self.number_of(noun);
        let relative = self.clause_of(
            verb,
            NounPhrase::Relative {
                gender: noun.gender,
                number,
                is_person,
            },
            Setting::Part,
            false,
        );
        let adjective = self.adjective(noun, 100);
        let subject = NounPhrase::Noun {
            determiner: Determiner::Definite,
            adjective: None,
            noun,
            number,
            relative: Some(Box::new(relative)),
        };
        let Some(adjective) = adjective else {
            return self.sentence();
        };
        let mut clause = Clause::new(subject, self.lexicon.verb("be", "sein"));
        clause.complement = Some(Phrase::Adjective(adjective));
        clause.negated = self.dice.percent(20);
        Sentence::Statement { front: None, clause }
    }
}

fn is_person(noun: &Noun) -> bool {
    noun.classes.contains("person")
}
