//! Each construction in a sentence written by hand.

use super::LEXICON;
use crate::clock::Clock;
use crate::features::{Case, Determiner, Gender, Mode, Number, Pronoun};
use crate::pair;
use crate::tree::{Clause, NounPhrase, Phrase, Sentence};

pub(super) type Phrased = NounPhrase<'static>;

pub(super) fn described(
    determiner: Determiner,
    adjective: Option<&str>,
    noun: &str,
    number: Number,
) -> Phrased {
    let adjective = adjective.map(|adjective| LEXICON.adjective(adjective));
    NounPhrase::Noun {
        determiner,
        adjective,
        noun: LEXICON.noun(noun),
        number,
        relative: None,
    }
}

pub(super) fn the(noun: &str) -> Phrased {
    described(Determiner::Definite, None, noun, Number::Singular)
}

pub(super) fn the_many(noun: &str) -> Phrased {
    described(Determiner::Definite, None, noun, Number::Plural)
}

pub(super) fn a(adjective: Option<&str>, noun: &str) -> Phrased {
    described(Determiner::Indefinite, adjective, noun, Number::Singular)
}

pub(super) fn clause(subject: Phrased, english: &str, german: &str) -> Clause<'static> {
    Clause::new(subject, LEXICON.verb(english, german))
}

pub(super) fn around(
    english: &'static str,
    german: &str,
    case: Case,
    object: Phrased,
) -> Option<Phrase<'static>> {
    Some(Phrase::Prepositional {
        english,
        german: LEXICON.preposition(german),
        case,
        object,
    })
}

pub(super) fn adverbial(english: &str) -> Phrase<'static> {
    Phrase::Fixed(
        LEXICON
            .adverbials
            .iter()
            .find(|adverbial| adverbial.english == english)
            .unwrap(),
    )
}

fn says(tree: &Sentence, english: &str, german: &str) {
    let pair = pair(tree);
    assert_eq!((pair.english.as_str(), pair.german.as_str()), (english, german));
}

fn states(clause: Clause, english: &str, german: &str) {
    says(&Sentence::Statement { front: None, clause }, english, german);
}

/// "The teacher calls the woman."
pub(super) fn calls() -> Clause<'static> {
    Clause {
        direct: Some(the("woman")),
        ..clause(the("teacher"), "call", "rufen")
    }
}

/// "The boy reads a long novel."
pub(super) fn reads() -> Clause<'static> {
    Clause {
        direct: Some(a(Some("good"), "novel")),
        ..clause(the("boy"), "read", "lesen")
    }
}

/// "The nurse who eats an egg is tired", or "who does not eat an egg" if the relative clause is negated.
pub(super) fn the_nurse_is_tired(negated: bool) -> Clause<'static> {
    let relative = Clause {
        negated,
        direct: Some(a(None, "egg")),
        ..clause(
            NounPhrase::Relative {
                gender: Gender::Feminine,
                number: Number::Singular,
                is_person: true,
            },
            "eat",
            "essen",
        )
    };
    let subject = NounPhrase::Noun {
        determiner: Determiner::Definite,
        adjective: None,
        noun: LEXICON.noun("nurse"),
        number: Number::Singular,
        relative: Some(Box::new(relative)),
    };
    Clause {
        complement: Some(Phrase::Adjective(LEXICON.adjective("tired"))),
        ..clause(subject, "be", "sein")
    }
}

#[test]
fn the_finite_verb_is_second_and_its_prefix_last() {
    states(
        calls(),
        "The teacher calls the woman.",
        "Der Lehrer ruft die Frau an.",
    );
    says(
        &Sentence::Statement {
            front: Some(adverbial("today")),
            clause: calls(),
        },
        "Today the teacher calls the woman.",
        "Heute ruft der Lehrer die Frau an.",
    );
    states(
        Clause {
            mode: Mode::Want,
            ..calls()
        },
        "The teacher wants to call the woman.",
        "Der Lehrer will die Frau anrufen.",
    );
    states(
        Clause {
            mode: Mode::Perfect,
            time: Some(adverbial("today")),
            ..calls()
        },
        "The teacher has called the woman today.",
        "Der Lehrer hat heute die Frau angerufen.",
    );
}

#[test]
fn the_finite_verb_is_last_in_a_subordinate_clause() {
    for (mode, english, german) in [
        (Mode::Present, "calls", "anruft"),
        (Mode::Perfect, "has called", "angerufen hat"),
        (Mode::Can, "can call", "anrufen kann"),
    ] {
        let subordination = Sentence::Subordination {
            main: reads(),
            conjunction: ("because", "weil"),
            subordinate: Clause { mode, ..calls() },
            subordinate_first: false,
        };
        says(
            &subordination,
            &format!("The boy reads a good novel because the teacher {english} the woman."),
            &format!("Der Junge liest einen guten Roman, weil der Lehrer die Frau {german}."),
        );
    }
    let subordination = Sentence::Subordination {
        main: reads(),
        conjunction: ("if", "wenn"),
        subordinate: calls(),
        subordinate_first: true,
    };
    says(
        &subordination,
        "If the teacher calls the woman, the boy reads a good novel.",
        "Wenn der Lehrer die Frau anruft, liest der Junge einen guten Roman.",
    );
}

#[test]
fn nicht_follows_definite_objects_and_precedes_the_rest() {
    states(
        Clause {
            negated: true,
            ..calls()
        },
        "The teacher does not call the woman.",
        "Der Lehrer ruft die Frau nicht an.",
    );
    let lives = Clause {
        negated: true,
        complement: around("in", "in", Case::Dative, the("city")),
        ..clause(NounPhrase::Pronoun(Pronoun::He), "live", "wohnen")
    };
    states(
        lives,
        "He does not live in the city.",
        "Er wohnt nicht in der Stadt.",
    );
    let house = Clause {
        negated: true,
        complement: Some(Phrase::Adjective(LEXICON.adjective("expensive"))),
        ..clause(the("house"), "be", "sein")
    };
    states(house, "The house is not expensive.", "Das Haus ist nicht teuer.");
    let helps = Clause {
        negated: true,
        mode: Mode::Can,
        indirect: Some(NounPhrase::Pronoun(Pronoun::She)),
        ..clause(the("boy"), "help", "helfen")
    };
    states(
        helps,
        "The boy cannot help her.",
        "Der Junge kann ihr nicht helfen.",
    );
}

#[test]
fn kein_negates_indefinite_objects() {
    states(
        Clause {
            negated: true,
            ..reads()
        },
        "The boy does not read a good novel.",
        "Der Junge liest keinen guten Roman.",
    );
    let drinks = Clause {
        negated: true,
        direct: Some(a(Some("cold"), "milk")),
        ..clause(NounPhrase::Pronoun(Pronoun::I), "drink", "trinken")
    };
    states(
        drinks,
        "I do not drink cold milk.",
        "Ich trinke keine kalte Milch.",
    );
    let museum = Sentence::Existence {
        place: around("in", "in", Case::Dative, the("village")).unwrap(),
        thing: described(Determiner::Negative, None, "museum", Number::Singular),
    };
    says(
        &museum,
        "In the village there is no museum.",
        "Im Dorf gibt es kein Museum.",
    );
}

#[test]
fn the_dative_precedes_the_accusative() {
    let gives = Clause {
        indirect: Some(the("child")),
        direct: Some(described(
            Determiner::Possessive(Pronoun::She),
            None,
            "apple",
            Number::Singular,
        )),
        ..clause(the("woman"), "give", "geben")
    };
    states(
        gives,
        "The woman gives the child her apple.",
        "Die Frau gibt dem Kind ihren Apfel.",
    );
    let offers = Clause {
        indirect: Some(NounPhrase::Pronoun(Pronoun::They)),
        direct: Some(a(None, "tea")),
        time: Some(Phrase::Clock(Clock { hour: 4, minute: 30 })),
        ..clause(NounPhrase::Pronoun(Pronoun::You), "offer", "bieten")
    };
    states(
        offers,
        "You offer them tea at half past four.",
        "Du bietest ihnen um halb fünf Tee an.",
    );
    let helps = Clause {
        indirect: Some(the("prince")),
        ..clause(the_many("boy"), "help", "helfen")
    };
    states(
        helps,
        "The boys help the prince.",
        "Die Jungen helfen dem Prinzen.",
    );
}

#[test]
fn two_way_prepositions_take_the_accusative_only_for_a_goal() {
    let lies = Clause {
        complement: around("on", "auf", Case::Dative, the("table")),
        ..clause(the("key"), "lie", "liegen")
    };
    states(
        lies,
        "The key lies on the table.",
        "Der Schlüssel liegt auf dem Tisch.",
    );
    let lays = Clause {
        direct: Some(the("key")),
        complement: around("on", "auf", Case::Accusative, the("table")),
        ..clause(NounPhrase::Pronoun(Pronoun::She), "lay", "legen")
    };
    states(
        lays,
        "She lays the key on the table.",
        "Sie legt den Schlüssel auf den Tisch.",
    );
    let goes = Clause {
        complement: around("to", "in", Case::Accusative, the("cinema")),
        ..clause(the_many("child"), "go", "gehen")
    };
    states(
        Clause {
            mode: Mode::Perfect,
            ..goes
        },
        "The children have gone to the cinema.",
        "Die Kinder sind ins Kino gegangen.",
    );
    let waits = Clause {
        complement: around("", "auf", Case::Accusative, the("student")),
        place: around("at", "an", Case::Dative, the("station")),
        ..clause(NounPhrase::Pronoun(Pronoun::We), "wait for", "warten")
    };
    states(
        waits,
        "We wait for the student at the station.",
        "Wir warten am Bahnhof auf den Studenten.",
    );
}

#[test]
fn questions_begin_with_the_verb_or_a_question_word() {
    let question = |word, clause| Sentence::Question { word, clause };
    says(
        &question(None, calls()),
        "Does the teacher call the woman?",
        "Ruft der Lehrer die Frau an?",
    );
    let bought = Clause {
        mode: Mode::Perfect,
        ..clause(NounPhrase::Pronoun(Pronoun::You), "buy", "kaufen")
    };
    says(
        &question(Some(("what", "was")), bought),
        "What have you bought?",
        "Was hast du gekauft?",
    );
    let goes = clause(the("farmer"), "go", "gehen");
    says(
        &question(Some(("where", "wohin")), goes),
        "Where does the farmer go?",
        "Wohin geht der Bauer?",
    );
    let must = Clause {
        mode: Mode::Must,
        ..clause(NounPhrase::Pronoun(Pronoun::I), "get up", "stehen")
    };
    says(
        &question(Some(("why", "warum")), must),
        "Why must I get up?",
        "Warum muss ich aufstehen?",
    );
    states(
        Clause {
            subject: NounPhrase::Pronoun(Pronoun::Who),
            ..reads()
        },
        "Who reads a good novel?",
        "Wer liest einen guten Roman?",
    );
}

#[test]
fn pronouns_agree_with_what_they_stand_for() {
    use Gender::{Feminine, Masculine, Neuter};
    for (noun, gender, german) in [
        (
            "lamp",
            Feminine,
            "Der Junge kauft die Lampe, weil sie billig ist.",
        ),
        ("hat", Masculine, "Der Junge kauft den Hut, weil er billig ist."),
        ("book", Neuter, "Der Junge kauft das Buch, weil es billig ist."),
    ] {
        let subordinate = Clause {
            complement: Some(Phrase::Adjective(LEXICON.adjective("cheap"))),
            ..clause(NounPhrase::Pronoun(Pronoun::It(gender)), "be", "sein")
        };
        let main = Clause {
            direct: Some(the(noun)),
            ..clause(the("boy"), "buy", "kaufen")
        };
        let tree = Sentence::Subordination {
            main,
            conjunction: ("because", "weil"),
            subordinate,
            subordinate_first: false,
        };
        says(
            &tree,
            &format!("The boy buys the {noun} because it is cheap."),
            german,
        );
    }
}

#[test]
fn relative_clauses_stand_between_commas() {
    states(
        the_nurse_is_tired(false),
        "The nurse who eats an egg is tired.",
        "Die Krankenschwester, die ein Ei isst, ist müde.",
    );
}

#[test]
fn particles_follow_pronouns_and_precede_nouns() {
    let picks = |object| Clause {
        direct: Some(object),
        ..clause(the("aunt"), "pick|up", "holen")
    };
    states(
        picks(the("child")),
        "The aunt picks up the child.",
        "Die Tante holt das Kind ab.",
    );
    states(
        picks(NounPhrase::Pronoun(Pronoun::He)),
        "The aunt picks him up.",
        "Die Tante holt ihn ab.",
    );
}

#[test]
fn numbers_count_and_measure() {
    let euros = described(Determiner::Count(231), None, "euro", Number::Plural);
    let costs = Clause {
        direct: Some(euros),
        ..clause(the("house"), "cost", "kosten")
    };
    states(
        costs,
        "The house costs two hundred and thirty-one euros.",
        "Das Haus kostet zweihunderteinunddreißig Euro.",
    );
    let books = described(Determiner::Count(3), Some("red"), "book", Number::Plural);
    let carries = Clause {
        complement: around("with", "mit", Case::Dative, books),
        ..clause(NounPhrase::Pronoun(Pronoun::She), "arrive", "kommen")
    };
    states(
        carries,
        "She arrives with three red books.",
        "Sie kommt mit drei roten Büchern an.",
    );
    let old = Clause {
        complement: Some(Phrase::Age(16)),
        ..clause(the("girl"), "be", "sein")
    };
    states(
        old,
        "The girl is sixteen years old.",
        "Das Mädchen ist sechzehn Jahre alt.",
    );
    says(
        &Sentence::TimeOfDay(Clock { hour: 1, minute: 0 }),
        "It is one o'clock.",
        "Es ist ein Uhr.",
    );
}
