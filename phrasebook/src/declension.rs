//! German noun phrases: gender, number and case on articles, adjectives, nouns and pronouns.

use crate::features::{Case, Determiner, Gender, Number, Pronoun};
use crate::lexicon::{Adjective, Noun};
use crate::numbers;
use crate::text::join;

/// Returns determiner, adjective and noun in a case: "dem alten Mann".
pub(crate) fn noun_group(
    determiner: Determiner,
    adjective: Option<&Adjective>,
    noun: &Noun,
    number: Number,
    case: Case,
) -> String {
    let ending = strong_ending(noun.gender, number, case);
    let counted = noun.is_counted();
    let (determiner, shows_case) = match determiner {
        Determiner::Definite => (definite_article(ending).to_owned(), true),
        Determiner::Demonstrative => (format!("dies{ending}"), true),
        Determiner::Every => (format!("jed{ending}"), true),
        Determiner::Indefinite if number == Number::Plural || !counted => (String::new(), false),
        Determiner::Indefinite | Determiner::Count(1) => ein_word("ein", noun.gender, number, case),
        Determiner::Negative => ein_word("kein", noun.gender, number, case),
        Determiner::Possessive(owner) => ein_word(possessive(owner), noun.gender, number, case),
        Determiner::Count(count) => (numbers::german(count), false),
    };
    let adjective = adjective.map(|adjective| {
        let ending = if shows_case {
            weak_ending(noun.gender, number, case)
        } else {
            ending
        };
        format!("{}{ending}", adjective.german_stem)
    });
    join([
        determiner,
        adjective.unwrap_or_default(),
        noun_form(noun, number, case),
    ])
}

/// Returns the ending of "dieser", which is also that of an adjective if no word before it shows the case.
fn strong_ending(gender: Gender, number: Number, case: Case) -> &'static str {
    use {Case::*, Gender::*, Number::*};
    match (number, gender, case) {
        (Singular, Masculine, Nominative) => "er",
        (Singular, Masculine, Accusative) => "en",
        (Singular, Neuter, Nominative | Accusative) => "es",
        (Singular, Masculine | Neuter, Dative) => "em",
        (Singular, Feminine, Dative) => "er",
        (Singular, Feminine, _) | (Plural, _, Nominative | Accusative) => "e",
        (Plural, _, Dative) => "en",
    }
}

/// Returns the ending of an adjective after a word that shows the case.
fn weak_ending(gender: Gender, number: Number, case: Case) -> &'static str {
    match (number, case) {
        (Number::Singular, Case::Nominative) => "e",
        (Number::Singular, Case::Accusative) if gender != Gender::Masculine => "e",
        _ => "en",
    }
}

fn definite_article(strong_ending: &str) -> &'static str {
    match strong_ending {
        "er" => "der",
        "en" => "den",
        "em" => "dem",
        "es" => "das",
        _ => "die",
    }
}

/// Returns a form of "ein", "kein" or "mein", and whether it has an ending that shows the case.
fn ein_word(stem: &str, gender: Gender, number: Number, case: Case) -> (String, bool) {
    match strong_ending(gender, number, case) {
        "es" => (stem.to_owned(), false),
        "er" if gender == Gender::Masculine => (stem.to_owned(), false),
        ending => (format!("{stem}{ending}"), true),
    }
}

fn possessive(owner: Pronoun) -> &'static str {
    match owner {
        Pronoun::I => "mein",
        Pronoun::You => "dein",
        Pronoun::He | Pronoun::It(Gender::Masculine | Gender::Neuter) | Pronoun::Who => "sein",
        Pronoun::She | Pronoun::It(Gender::Feminine) | Pronoun::They => "ihr",
        Pronoun::We => "unser",
    }
}

/// Returns a noun in a case. The dative plural takes -n, unless the plural ends in -n, -s or a vowel other than e.
fn noun_form(noun: &Noun, number: Number, case: Case) -> String {
    let form = noun.german_form(number, case);
    let takes_n = ["e", "el", "er"].iter().any(|end| form.ends_with(end));
    match (number, case) {
        (Number::Plural, Case::Dative) if takes_n => format!("{form}n"),
        _ => form.to_owned(),
    }
}

/// Returns a personal pronoun or question word in a case.
pub(crate) fn pronoun(pronoun: Pronoun, case: Case) -> &'static str {
    let [nominative, accusative, dative] = match pronoun {
        Pronoun::I => ["ich", "mich", "mir"],
        Pronoun::You => ["du", "dich", "dir"],
        Pronoun::He | Pronoun::It(Gender::Masculine) => ["er", "ihn", "ihm"],
        Pronoun::She | Pronoun::It(Gender::Feminine) => ["sie", "sie", "ihr"],
        Pronoun::It(Gender::Neuter) => ["es", "es", "ihm"],
        Pronoun::We => ["wir", "uns", "uns"],
        Pronoun::They => ["sie", "sie", "ihnen"],
        Pronoun::Who => ["wer", "wen", "wem"],
    };
    match case {
        Case::Nominative => nominative,
        Case::Accusative => accusative,
        Case::Dative => dative,
    }
}

/// Returns the subject of a relative clause: "der", "die" or "das".
pub(crate) fn relative_pronoun(gender: Gender, number: Number) -> &'static str {
    definite_article(strong_ending(gender, number, Case::Nominative))
}

/// Joins a preposition and the article that begins the phrase behind it: "in dem Haus" becomes "im Haus".
pub(crate) fn contracted(preposition: &str, phrase: &str) -> String {
    let (article, rest) = phrase.split_once(' ').unwrap_or((phrase, ""));
    let contraction = match (preposition, article) {
        ("in", "dem") => "im",
        ("in", "das") => "ins",
        ("an", "dem") => "am",
        ("an", "das") => "ans",
        ("von", "dem") => "vom",
        ("zu", "dem") => "zum",
        ("zu", "der") => "zur",
        _ => return join([preposition, phrase]),
    };
    join([contraction, rest])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexicon::Lexicon;

    const CASES: [Case; 3] = [Case::Nominative, Case::Accusative, Case::Dative];

    /// "Alt" and a noun in the three cases.
    fn cases(determiner: Determiner, noun: &str, number: Number) -> [String; 3] {
        let lexicon = Lexicon::embedded();
        let (adjective, noun) = (lexicon.adjective("old"), lexicon.noun(noun));
        CASES.map(|case| noun_group(determiner, Some(adjective), noun, number, case))
    }

    #[test]
    fn adjectives_after_der_are_weak() {
        let der = |noun, number| cases(Determiner::Definite, noun, number);
        assert_eq!(
            der("man", Number::Singular),
            ["der alte Mann", "den alten Mann", "dem alten Mann"]
        );
        assert_eq!(
            der("woman", Number::Singular),
            ["die alte Frau", "die alte Frau", "der alten Frau"]
        );
        assert_eq!(
            der("child", Number::Singular),
            ["das alte Kind", "das alte Kind", "dem alten Kind"]
        );
        assert_eq!(
            der("child", Number::Plural),
            ["die alten Kinder", "die alten Kinder", "den alten Kindern"]
        );
    }

    #[test]
    fn adjectives_after_dieser_and_jeder_are_weak() {
        let dieser = |noun, number| cases(Determiner::Demonstrative, noun, number);
        assert_eq!(
            dieser("man", Number::Singular),
            ["dieser alte Mann", "diesen alten Mann", "diesem alten Mann"]
        );
        assert_eq!(
            dieser("woman", Number::Plural),
            ["diese alten Frauen", "diese alten Frauen", "diesen alten Frauen"]
        );
        let jeder = cases(Determiner::Every, "child", Number::Singular);
        assert_eq!(jeder, ["jedes alte Kind", "jedes alte Kind", "jedem alten Kind"]);
    }

    #[test]
    fn adjectives_after_ein_are_mixed() {
        let ein = |noun| cases(Determiner::Indefinite, noun, Number::Singular);
        assert_eq!(
            ein("man"),
            ["ein alter Mann", "einen alten Mann", "einem alten Mann"]
        );
        assert_eq!(
            ein("woman"),
            ["eine alte Frau", "eine alte Frau", "einer alten Frau"]
        );
        assert_eq!(
            ein("child"),
            ["ein altes Kind", "ein altes Kind", "einem alten Kind"]
        );
    }

    #[test]
    fn adjectives_after_kein_and_possessives_are_mixed() {
        let kein = |noun, number| cases(Determiner::Negative, noun, number);
        assert_eq!(
            kein("man", Number::Singular),
            ["kein alter Mann", "keinen alten Mann", "keinem alten Mann"]
        );
        assert_eq!(
            kein("man", Number::Plural),
            ["keine alten Männer", "keine alten Männer", "keinen alten Männern"]
        );
        let unser = cases(Determiner::Possessive(Pronoun::We), "child", Number::Singular);
        assert_eq!(
            unser,
            ["unser altes Kind", "unser altes Kind", "unserem alten Kind"]
        );
        let ihr = cases(Determiner::Possessive(Pronoun::She), "woman", Number::Singular);
        assert_eq!(ihr, ["ihre alte Frau", "ihre alte Frau", "ihrer alten Frau"]);
    }

    #[test]
    fn adjectives_without_a_determiner_or_after_a_number_are_strong() {
        let none = |noun, number| cases(Determiner::Indefinite, noun, number);
        assert_eq!(
            none("man", Number::Plural),
            ["alte Männer", "alte Männer", "alten Männern"]
        );
        assert_eq!(
            none("wine", Number::Singular),
            ["alter Wein", "alten Wein", "altem Wein"]
        );
        assert_eq!(
            none("milk", Number::Singular),
            ["alte Milch", "alte Milch", "alter Milch"]
        );
        assert_eq!(
            none("beer", Number::Singular),
            ["altes Bier", "altes Bier", "altem Bier"]
        );
        let three = cases(Determiner::Count(3), "woman", Number::Plural);
        assert_eq!(
            three,
            ["drei alte Frauen", "drei alte Frauen", "drei alten Frauen"]
        );
        let one = cases(Determiner::Count(1), "man", Number::Singular);
        assert_eq!(one, ["ein alter Mann", "einen alten Mann", "einem alten Mann"]);
    }

    #[test]
    fn adjective_stems_change_before_an_ending() {
        let lexicon = Lexicon::embedded();
        let group = |adjective, noun| {
            let (adjective, noun) = (lexicon.adjective(adjective), lexicon.noun(noun));
            noun_group(
                Determiner::Indefinite,
                Some(adjective),
                noun,
                Number::Singular,
                Case::Nominative,
            )
        };
        assert_eq!(group("expensive", "car"), "ein teures Auto");
        assert_eq!(group("dark", "room"), "ein dunkles Zimmer");
        assert_eq!(group("tired", "man"), "ein müder Mann");
    }

    #[test]
    fn n_declension_nouns_end_in_n_outside_the_nominative() {
        let lexicon = Lexicon::embedded();
        for (english, expected) in [
            ("boy", ["der Junge", "den Jungen", "dem Jungen"]),
            ("student", ["der Student", "den Studenten", "dem Studenten"]),
            ("neighbor", ["der Nachbar", "den Nachbarn", "dem Nachbarn"]),
            ("bear", ["der Bär", "den Bären", "dem Bären"]),
            ("teacher", ["der Lehrer", "den Lehrer", "dem Lehrer"]),
        ] {
            let noun = lexicon.noun(english);
            let group = |case| noun_group(Determiner::Definite, None, noun, Number::Singular, case);
            assert_eq!(CASES.map(group), expected);
        }
    }

    #[test]
    fn dative_plurals_end_in_n_or_s() {
        let lexicon = Lexicon::embedded();
        for noun in lexicon
            .nouns
            .iter()
            .filter(|noun| noun.is_counted() && noun.english != "euro")
        {
            let form = noun_form(noun, Number::Plural, Case::Dative);
            assert!(form.ends_with(['n', 's']), "{form}");
        }
        let form = |english| noun_form(lexicon.noun(english), Number::Plural, Case::Dative);
        assert_eq!(
            ["apple", "car", "woman", "euro"].map(form),
            ["Äpfeln", "Autos", "Frauen", "Euro"]
        );
    }

    #[test]
    fn prepositions_contract_with_the_article() {
        for (preposition, phrase, expected) in [
            ("in", "dem Haus", "im Haus"),
            ("in", "das Haus", "ins Haus"),
            ("an", "dem Bahnhof", "am Bahnhof"),
            ("an", "das Fenster", "ans Fenster"),
            ("zu", "dem Markt", "zum Markt"),
            ("zu", "der Bäckerei", "zur Bäckerei"),
            ("von", "dem Lehrer", "vom Lehrer"),
            ("in", "der Stadt", "in der Stadt"),
            ("auf", "dem Tisch", "auf dem Tisch"),
            ("zu", "den Bahnhöfen", "zu den Bahnhöfen"),
        ] {
            assert_eq!(contracted(preposition, phrase), expected);
        }
    }
}
