//! German verb forms.

use crate::features::{Agreement, Mode, Number, Person};
use crate::lexicon::Verb;
use crate::text::join;

/// The two parts of a German predicate. The rest of the clause stands between them: "ruft … an", "hat … gekauft".
pub(crate) struct Bracket {
    /// The verb that agrees with the subject.
    pub(crate) finite: String,
    /// A separable prefix, a participle or an infinitive; empty if the predicate is one word.
    pub(crate) closing: String,
    /// The whole predicate as it stands at the end of a subordinate clause: "anruft", "gekauft hat".
    pub(crate) verb_final: String,
}

/// Returns the predicate of a verb in a mode.
pub(crate) fn bracket(verb: &Verb, mode: Mode, agreement: Agreement) -> Bracket {
    let (finite, closing) = match mode {
        Mode::Present => {
            let finite = present(verb, agreement);
            let verb_final = format!("{}{finite}", verb.prefix);
            return Bracket {
                finite,
                closing: verb.prefix.to_owned(),
                verb_final,
            };
        }
        Mode::Perfect => {
            let forms = if verb.perfect_with_sein { SEIN } else { HABEN };
            (
                forms.of(agreement),
                verb.german_participle.unwrap_or_default().to_owned(),
            )
        }
        Mode::Can => (KOENNEN.of(agreement), infinitive(verb)),
        Mode::Must => (MUESSEN.of(agreement), infinitive(verb)),
        Mode::Want => (WOLLEN.of(agreement), infinitive(verb)),
    };
    let verb_final = join([&closing, finite]);
    Bracket {
        finite: finite.to_owned(),
        closing,
        verb_final,
    }
}

/// The present of an auxiliary: the forms for "ich", "du", "er", and "wir" or the plural "sie". The corpus has no
/// "ihr".
struct Auxiliary([&'static str; 4]);

const HABEN: Auxiliary = Auxiliary(["habe", "hast", "hat", "haben"]);
const SEIN: Auxiliary = Auxiliary(["bin", "bist", "ist", "sind"]);
const KOENNEN: Auxiliary = Auxiliary(["kann", "kannst", "kann", "können"]);
const MUESSEN: Auxiliary = Auxiliary(["muss", "musst", "muss", "müssen"]);
const WOLLEN: Auxiliary = Auxiliary(["will", "willst", "will", "wollen"]);

impl Auxiliary {
    fn of(&self, agreement: Agreement) -> &'static str {
        let [ich, du, er, wir] = self.0;
        match agreement {
            (_, Number::Plural) => wir,
            (Person::First, _) => ich,
            (Person::Second, _) => du,
            (Person::Third, _) => er,
        }
    }
}

fn infinitive(verb: &Verb) -> String {
    format!("{}{}", verb.prefix, verb.german)
}

/// Returns the present of a verb without its separable prefix.
fn present(verb: &Verb, agreement: Agreement) -> String {
    if verb.german == "sein" {
        return SEIN.of(agreement).to_owned();
    }
    let stem = stem(verb.german);
    match agreement {
        (_, Number::Plural) => verb.german.to_owned(),
        (Person::First, _) => match verb.german_er {
            // "Er weiß", "ich weiß": a third person without -t is also the first person.
            Some(er) if !er.ends_with('t') => er.to_owned(),
            _ => format!("{stem}e"),
        },
        (Person::Second, _) => verb.german_du.map_or_else(|| second_person(stem), str::to_owned),
        (Person::Third, _) => verb.german_er.map_or_else(|| third_person(stem), str::to_owned),
    }
}

fn stem(infinitive: &str) -> &str {
    infinitive
        .strip_suffix("en")
        .or(infinitive.strip_suffix('n'))
        .unwrap_or(infinitive)
}

fn second_person(stem: &str) -> String {
    let ending = if needs_e(stem) {
        "est"
    } else if stem.ends_with(['s', 'ß', 'x', 'z']) {
        "t"
    } else {
        "st"
    };
    format!("{stem}{ending}")
}

fn third_person(stem: &str) -> String {
    format!("{stem}{}", if needs_e(stem) { "et" } else { "t" })
}

/// Returns whether a stem takes an e before -st and -t: "arbeitet", "findet", "öffnet", but "lernt", "wohnt".
fn needs_e(stem: &str) -> bool {
    let mut ending = stem.chars().rev();
    match (ending.next(), ending.next()) {
        (Some('t' | 'd'), _) => true,
        (Some('m' | 'n'), Some(before)) => !"aeiouäöülrhmn".contains(before),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexicon::Lexicon;

    const ICH: Agreement = (Person::First, Number::Singular);
    const DU: Agreement = (Person::Second, Number::Singular);
    const ER: Agreement = (Person::Third, Number::Singular);
    const SIE: Agreement = (Person::Third, Number::Plural);

    #[test]
    fn the_present_follows_the_dictionary() {
        let lexicon = Lexicon::embedded();
        for (english, german, expected) in [
            ("buy", "kaufen", ["kaufe", "kaufst", "kauft", "kaufen"]),
            (
                "work",
                "arbeiten",
                ["arbeite", "arbeitest", "arbeitet", "arbeiten"],
            ),
            ("find", "finden", ["finde", "findest", "findet", "finden"]),
            ("open", "öffnen", ["öffne", "öffnest", "öffnet", "öffnen"]),
            ("study", "lernen", ["lerne", "lernst", "lernt", "lernen"]),
            ("live", "wohnen", ["wohne", "wohnst", "wohnt", "wohnen"]),
            ("dance", "tanzen", ["tanze", "tanzt", "tanzt", "tanzen"]),
            (
                "close",
                "schließen",
                ["schließe", "schließt", "schließt", "schließen"],
            ),
            ("feed", "füttern", ["füttere", "fütterst", "füttert", "füttern"]),
            (
                "repair",
                "reparieren",
                ["repariere", "reparierst", "repariert", "reparieren"],
            ),
            ("read", "lesen", ["lese", "liest", "liest", "lesen"]),
            ("give", "geben", ["gebe", "gibst", "gibt", "geben"]),
            ("take|along", "nehmen", ["nehme", "nimmst", "nimmt", "nehmen"]),
            ("invite", "laden", ["lade", "lädst", "lädt", "laden"]),
            ("run", "laufen", ["laufe", "läufst", "läuft", "laufen"]),
            ("know", "wissen", ["weiß", "weißt", "weiß", "wissen"]),
            ("like", "mögen", ["mag", "magst", "mag", "mögen"]),
            ("have", "haben", ["habe", "hast", "hat", "haben"]),
            ("be", "sein", ["bin", "bist", "ist", "sind"]),
        ] {
            let verb = lexicon.verb(english, german);
            assert_eq!(
                [ICH, DU, ER, SIE].map(|agreement| present(verb, agreement)),
                expected
            );
        }
    }

    #[test]
    fn brackets_hold_prefix_participle_and_infinitive() {
        let lexicon = Lexicon::embedded();
        let parts = |english, german, mode, agreement| {
            let Bracket {
                finite,
                closing,
                verb_final,
            } = bracket(lexicon.verb(english, german), mode, agreement);
            [finite, closing, verb_final]
        };
        assert_eq!(
            parts("call", "rufen", Mode::Present, ER),
            ["ruft", "an", "anruft"]
        );
        assert_eq!(
            parts("call", "rufen", Mode::Perfect, DU),
            ["hast", "angerufen", "angerufen hast"]
        );
        assert_eq!(
            parts("call", "rufen", Mode::Want, ICH),
            ["will", "anrufen", "anrufen will"]
        );
        assert_eq!(
            parts("go", "gehen", Mode::Perfect, SIE),
            ["sind", "gegangen", "gegangen sind"]
        );
        assert_eq!(
            parts("buy", "kaufen", Mode::Can, SIE),
            ["können", "kaufen", "kaufen können"]
        );
        assert_eq!(
            parts("buy", "kaufen", Mode::Must, ER),
            ["muss", "kaufen", "kaufen muss"]
        );
    }
}
