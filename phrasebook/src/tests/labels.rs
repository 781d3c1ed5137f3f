//! What the grammar knows of a sentence, beside what a reader of the sentence says.

use super::LEXICON;
use super::grammar::{adverbial, around, calls, clause, described, reads, the, the_many, the_nurse_is_tired};
use crate::clause_label::clause_label;
use crate::clock::Clock;
use crate::english;
use crate::features::{Case, Determiner, Mode, Number, Pronoun};
use crate::tree::{Clause, NounPhrase, Phrase, Sentence};

/// Writes the words of a sentence with brackets around noun phrases, and their case behind them.
fn bracketed(tree: &Sentence) -> String {
    let mut text = String::new();
    let mut open = None;
    for word in english::sentence(tree) {
        let inside = word.case_tag.strip_prefix("I-");
        if inside.is_none()
            && let Some(case) = open.take()
        {
            text += &format!("]{case}");
        }
        assert_eq!(inside, open, "{}", word.text);
        if !text.is_empty() {
            text.push(' ');
        }
        if let Some(case) = word.case_tag.strip_prefix("B-") {
            text.push('[');
            open = Some(case);
        }
        text += &word.text;
    }
    text
}

fn is(tree: &Sentence, words: &str, parts_of_speech: &str, label: &str) {
    assert_eq!(bracketed(tree), words);
    let found = english::sentence(tree);
    let found: Vec<String> = found.iter().map(|word| word.part_of_speech.to_string()).collect();
    assert_eq!(found.join(" "), parts_of_speech, "{words}");
    assert_eq!(clause_label(tree), label, "{words}");
}

fn statement(clause: Clause<'static>) -> Sentence<'static> {
    Sentence::Statement { front: None, clause }
}

fn pronoun(pronoun: Pronoun) -> NounPhrase<'static> {
    NounPhrase::Pronoun(pronoun)
}

#[test]
fn tense_and_polarity_are_those_of_the_verb() {
    is(
        &statement(calls()),
        "[The teacher]NOM calls [the woman]ACC .",
        "DET NOUN VERB DET NOUN PUNCT",
        "statement-present-positive",
    );
    let denied = |mode| Clause {
        mode,
        negated: true,
        ..calls()
    };
    is(
        &statement(denied(Mode::Present)),
        "[The teacher]NOM does not call [the woman]ACC .",
        "DET NOUN AUX PART VERB DET NOUN PUNCT",
        "statement-present-negative",
    );
    is(
        &statement(denied(Mode::Perfect)),
        "[The teacher]NOM has not called [the woman]ACC .",
        "DET NOUN AUX PART VERB DET NOUN PUNCT",
        "statement-perfect-negative",
    );
    is(
        &statement(denied(Mode::Can)),
        "[The teacher]NOM cannot call [the woman]ACC .",
        "DET NOUN AUX VERB DET NOUN PUNCT",
        "statement-modal-negative",
    );
    is(
        &statement(Clause {
            mode: Mode::Want,
            ..calls()
        }),
        "[The teacher]NOM wants to call [the woman]ACC .",
        "DET NOUN VERB PART VERB DET NOUN PUNCT",
        "statement-modal-positive",
    );
    let never = |name| {
        let Phrase::Fixed(adverb) = adverbial(name) else {
            unreachable!()
        };
        Some(adverb)
    };
    for (adverb, label) in [
        ("never", "statement-present-negative"),
        ("often", "statement-present-positive"),
    ] {
        is(
            &statement(Clause {
                frequency: never(adverb),
                ..clause(the_many("child"), "fall asleep", "schlafen")
            }),
            &format!("[The children]NOM {adverb} fall asleep ."),
            "DET NOUN ADV VERB ADJ PUNCT",
            label,
        );
    }
}

#[test]
fn questions_have_no_polarity() {
    is(
        &Sentence::Question {
            word: None,
            clause: Clause {
                mode: Mode::Must,
                ..calls()
            },
        },
        "Must [the teacher]NOM call [the woman]ACC ?",
        "AUX DET NOUN VERB DET NOUN PUNCT",
        "question-modal",
    );
    let helps = clause(the("boy"), "help", "helfen");
    for (word, words, part_of_speech) in [
        (("whom", "wem"), "[Whom]DAT", "PRON"),
        (("what", "was"), "[What]ACC", "PRON"),
        (("why", "warum"), "Why", "ADV"),
    ] {
        is(
            &Sentence::Question {
                word: Some(word),
                clause: helps.clone(),
            },
            &format!("{words} does [the boy]NOM help ?"),
            &format!("{part_of_speech} AUX DET NOUN VERB PUNCT"),
            "question-present",
        );
    }
    is(
        &statement(Clause {
            subject: pronoun(Pronoun::Who),
            mode: Mode::Perfect,
            ..calls()
        }),
        "[Who]NOM has called [the woman]ACC ?",
        "PRON AUX VERB DET NOUN PUNCT",
        "question-perfect",
    );
}

#[test]
fn the_main_clause_has_the_label() {
    let perfect = Clause {
        mode: Mode::Perfect,
        ..reads()
    };
    let denied = Clause {
        negated: true,
        ..calls()
    };
    is(
        &Sentence::Subordination {
            main: reads(),
            conjunction: ("if", "wenn"),
            subordinate: denied.clone(),
            subordinate_first: true,
        },
        "If [the teacher]NOM does not call [the woman]ACC , [the boy]NOM reads [a good novel]ACC .",
        "SCONJ DET NOUN AUX PART VERB DET NOUN PUNCT DET NOUN VERB DET ADJ NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &Sentence::Subordination {
            main: denied.clone(),
            conjunction: ("because", "weil"),
            subordinate: perfect.clone(),
            subordinate_first: false,
        },
        "[The teacher]NOM does not call [the woman]ACC because [the boy]NOM has read [a good novel]ACC .",
        "DET NOUN AUX PART VERB DET NOUN SCONJ DET NOUN AUX VERB DET ADJ NOUN PUNCT",
        "statement-present-negative",
    );
    is(
        &Sentence::Coordination {
            first: perfect.clone(),
            conjunction: (", but", ", aber"),
            second: denied,
        },
        "[The boy]NOM has read [a good novel]ACC , but [the teacher]NOM does not call [the woman]ACC .",
        "DET NOUN AUX VERB DET ADJ NOUN PUNCT CCONJ DET NOUN AUX PART VERB DET NOUN PUNCT",
        "statement-perfect-positive",
    );
    is(
        &Sentence::Coordination {
            first: calls(),
            conjunction: (" and", " und"),
            second: perfect,
        },
        "[The teacher]NOM calls [the woman]ACC and [the boy]NOM has read [a good novel]ACC .",
        "DET NOUN VERB DET NOUN CCONJ DET NOUN AUX VERB DET ADJ NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &statement(the_nurse_is_tired(true)),
        "[The nurse]NOM [who]NOM does not eat [an egg]ACC is tired .",
        "DET NOUN PRON AUX PART VERB DET NOUN AUX ADJ PUNCT",
        "statement-present-positive",
    );
}

#[test]
fn sentences_without_a_verb_of_their_own_have_labels() {
    for (determiner, word, label) in [
        (Determiner::Negative, "no", "statement-present-negative"),
        (Determiner::Indefinite, "a", "statement-present-positive"),
    ] {
        is(
            &Sentence::Existence {
                place: around("in", "in", Case::Dative, the("village")).unwrap(),
                thing: described(determiner, None, "museum", Number::Singular),
            },
            &format!("In [the village]DAT there is [{word} museum]ACC ."),
            "ADP DET NOUN PRON AUX DET NOUN PUNCT",
            label,
        );
    }
    is(
        &Sentence::TimeOfDay(Clock { hour: 7, minute: 30 }),
        "[It]NOM is half past seven .",
        "PRON AUX NOUN ADP NUM PUNCT",
        "statement-present-positive",
    );
}

#[test]
fn the_case_is_that_of_the_german_noun_phrase() {
    is(
        &statement(Clause {
            complement: around("on", "auf", Case::Dative, the("table")),
            ..clause(the("key"), "lie", "liegen")
        }),
        "[The key]NOM lies on [the table]DAT .",
        "DET NOUN VERB ADP DET NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &statement(Clause {
            direct: Some(the("key")),
            complement: around("in front of", "vor", Case::Accusative, the("house")),
            ..clause(pronoun(Pronoun::She), "lay", "legen")
        }),
        "[She]NOM lays [the key]ACC in front of [the house]ACC .",
        "PRON VERB DET NOUN ADP ADP ADP DET NOUN PUNCT",
        "statement-present-positive",
    );
    let apple = described(
        Determiner::Possessive(Pronoun::She),
        Some("red"),
        "apple",
        Number::Singular,
    );
    is(
        &statement(Clause {
            indirect: Some(NounPhrase::Name(&LEXICON.names[0])),
            direct: Some(apple),
            time: Some(adverbial("in the morning")),
            ..clause(the("woman"), "give", "geben")
        }),
        &format!(
            "[The woman]NOM gives [{}]DAT [her red apple]ACC in the morning .",
            LEXICON.names[0].name
        ),
        "DET NOUN VERB PROPN PRON ADJ NOUN ADP DET NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &Sentence::Statement {
            front: Some(adverbial("on Monday")),
            clause: Clause {
                complement: around("", "auf", Case::Accusative, the("student")),
                place: around("at", "an", Case::Dative, the("station")),
                ..clause(pronoun(Pronoun::We), "wait for", "warten")
            },
        },
        "On Monday [we]NOM wait for [the student]ACC at [the station]DAT .",
        "ADP PROPN PRON VERB ADP DET NOUN ADP DET NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &statement(Clause {
            direct: Some(pronoun(Pronoun::He)),
            time: Some(Phrase::Clock(Clock { hour: 6, minute: 15 })),
            ..clause(the("aunt"), "pick|up", "holen")
        }),
        "[The aunt]NOM picks [him]ACC up at a quarter past six .",
        "DET NOUN VERB PRON ADP ADP DET NOUN ADP NUM PUNCT",
        "statement-present-positive",
    );
    is(
        &statement(Clause {
            direct: Some(described(Determiner::Count(231), None, "euro", Number::Plural)),
            ..clause(the("house"), "cost", "kosten")
        }),
        "[The house]NOM costs [two hundred and thirty-one euros]ACC .",
        "DET NOUN VERB NUM NUM CCONJ NUM NOUN PUNCT",
        "statement-present-positive",
    );
    is(
        &statement(Clause {
            complement: Some(Phrase::Age(16)),
            ..clause(the("girl"), "be", "sein")
        }),
        "[The girl]NOM is sixteen years old .",
        "DET NOUN AUX NUM NOUN ADJ PUNCT",
        "statement-present-positive",
    );
}
