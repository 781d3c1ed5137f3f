//! The words: tables of tab-separated values in `phrasebook/lexicon/`, embedded in the program.
//!
//! Each table's header says what its columns hold. To add a word, add a line.

use crate::features::{Case, Gender, Number};

/// A noun.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) english: &'static str,
    /// `None` for a noun that is not counted.
    pub(crate) english_plural: Option<&'static str>,
    pub(crate) german: &'static str,
    pub(crate) gender: Gender,
    pub(crate) german_plural: Option<&'static str>,
    /// The accusative and dative singular.
    pub(crate) german_oblique: &'static str,
    pub(crate) classes: Classes,
}

/// A first name, the same in both languages.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) gender: Gender,
}

/// An adjective.
#[derive(Debug)]
pub(crate) struct Adjective {
    pub(crate) english: &'static str,
    /// After "to be": teuer.
    pub(crate) german: &'static str,
    /// Before an ending: teur.
    pub(crate) german_stem: &'static str,
    /// The nouns that it describes.
    pub(crate) classes: Classes,
}

/// What a verb takes beside its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Nothing,
    Accusative,
    Dative,
    /// A person in the dative and a thing in the accusative.
    Both,
    /// A German preposition and its case.
    Prepositional(&'static str, Case),
    /// A place to go to.
    Motion,
    /// A place to be at.
    Stay,
    /// A place relative to furniture, in the dative.
    Rest,
    /// A thing, and a place relative to furniture in the accusative.
    Put,
    /// A clause with "that".
    Clause,
    /// No subject but "it".
    Weather,
    /// A construction of its own.
    Own,
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    /// The infinitive; a `|` stands before a particle that follows a pronoun object.
    pub(crate) english: &'static str,
    /// The past participle of the infinitive's first word.
    pub(crate) english_participle: &'static str,
    /// A separable prefix, or nothing.
    pub(crate) prefix: &'static str,
    /// The infinitive without its prefix.
    pub(crate) german: &'static str,
    /// The irregular second person singular.
    pub(crate) german_du: Option<&'static str>,
    /// The irregular third person singular.
    pub(crate) german_er: Option<&'static str>,
    /// `None` for a verb that is not used in the perfect.
    pub(crate) german_participle: Option<&'static str>,
    /// Whether the perfect takes "sein" and not "haben".
    pub(crate) perfect_with_sein: bool,
    pub(crate) frame: Frame,
    pub(crate) subjects: Classes,
    pub(crate) objects: Classes,
    pub(crate) places: Classes,
    additions: Classes,
}

impl Verb {
    /// Whether the verb goes with an addition: "time", "with", "for" or "modal".
    pub(crate) fn allows(&self, addition: &str) -> bool {
        self.additions.contains(addition)
    }
}

/// A German preposition.
#[derive(Debug)]
pub(crate) struct Preposition {
    pub(crate) german: &'static str,
    /// What it means between things and furniture.
    pub(crate) english: Option<&'static str>,
    /// The furniture that it relates to.
    pub(crate) classes: Classes,
    /// The case of the place where something is, or of whatever else the preposition relates to.
    pub(crate) static_case: Case,
    /// The case of the place where something goes.
    pub(crate) goal_case: Case,
}

/// How one is at a place and goes there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) noun: &'static str,
    pub(crate) at: (&'static str, &'static str),
    pub(crate) to: (&'static str, &'static str),
}

/// What an adverbial says, and so where it may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdverbialKind {
    Frequency,
    Habit,
    Moment,
    /// A moment that goes with the perfect too.
    Recent,
    /// A moment that asks for a modal verb.
    Future,
    Place,
    Goal,
}

/// An adverb or a fixed phrase.
#[derive(Debug)]
pub(crate) struct Adverbial {
    pub(crate) english: &'static str,
    pub(crate) german: &'static str,
    pub(crate) kind: AdverbialKind,
}

/// Word classes, separated by spaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Classes(&'static str);

impl Classes {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0.split(' ').filter(|class| *class != "-")
    }

    pub(crate) fn contains(self, class: &str) -> bool {
        self.iter().any(|own| own == class)
    }

    pub(crate) fn overlap(self, other: Self) -> bool {
        self.iter().any(|class| other.contains(class))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl From<&'static str> for Classes {
    fn from(names: &'static str) -> Self {
        Self(names)
    }
}

/// All tables.
#[derive(Debug)]
pub(crate) struct Lexicon {
    pub(crate) nouns: Vec<Noun>,
    pub(crate) names: Vec<Name>,
    pub(crate) adjectives: Vec<Adjective>,
    pub(crate) verbs: Vec<Verb>,
    pub(crate) prepositions: Vec<Preposition>,
    pub(crate) places: Vec<Place>,
    pub(crate) adverbials: Vec<Adverbial>,
}

impl Lexicon {
    /// Reads the embedded tables. A fault in them is a fault of the program and panics with the line.
    pub(crate) fn embedded() -> Self {
        Self {
            nouns: rows(include_str!("../lexicon/nouns.tsv"), noun),
            names: rows(include_str!("../lexicon/names.tsv"), |[name, gender]| Name {
                name,
                gender: parse_gender(gender),
            }),
            adjectives: rows(include_str!("../lexicon/adjectives.tsv"), adjective),
            verbs: rows(include_str!("../lexicon/verbs.tsv"), verb),
            prepositions: rows(include_str!("../lexicon/prepositions.tsv"), preposition),
            places: rows(include_str!("../lexicon/places.tsv"), |[noun, at, an, to, zu]| {
                Place {
                    noun,
                    at: (at, an),
                    to: (to, zu),
                }
            }),
            adverbials: rows(include_str!("../lexicon/adverbials.tsv"), adverbial),
        }
    }

    /// The noun with this English singular.
    pub(crate) fn noun(&self, english: &str) -> &Noun {
        found(self.nouns.iter().find(|noun| noun.english == english), english)
    }

    /// The adjective with this English form.
    pub(crate) fn adjective(&self, english: &str) -> &Adjective {
        found(
            self.adjectives
                .iter()
                .find(|adjective| adjective.english == english),
            english,
        )
    }

    /// The verb with this English and German infinitive (without its prefix): two verbs may share one of them.
    pub(crate) fn verb(&self, english: &str, german: &str) -> &Verb {
        let same = |verb: &&Verb| verb.english == english && verb.german == german;
        found(self.verbs.iter().find(same), english)
    }

    /// The preposition with this German form.
    pub(crate) fn preposition(&self, german: &str) -> &Preposition {
        found(
            self.prepositions
                .iter()
                .find(|preposition| preposition.german == german),
            german,
        )
    }

    /// The place that this noun names.
    pub(crate) fn place(&self, noun: &Noun) -> &Place {
        found(
            self.places.iter().find(|place| place.noun == noun.english),
            noun.english,
        )
    }
}

fn found<T>(entry: Option<T>, word: &str) -> T {
    entry.unwrap_or_else(|| panic!("the lexicon has no entry `{word}`"))
}

/// Parses the lines of a table that are neither empty nor comments.
fn rows<const COLUMNS: usize, T>(
    table: &'static str,
    parse: impl Fn([&'static str; COLUMNS]) -> T,
) -> Vec<T> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.split('\t').collect();
        <[_; COLUMNS]>::try_from(cells)
            .unwrap_or_else(|_| panic!("a lexicon line lacks its {COLUMNS} columns: {line}"))
    };
    table
        .lines()
        .filter(is_entry)
        .map(|line| parse(cells(line)))
        .collect()
}

/// A cell, unless it holds the dash that stands for nothing.
fn cell(text: &'static str) -> Option<&'static str> {
    (text != "-").then_some(text)
}

fn noun(
    [
        english,
        english_plural,
        german,
        gender,
        german_plural,
        oblique,
        classes,
    ]: [&'static str; 7],
) -> Noun {
    Noun {
        english,
        english_plural: cell(english_plural),
        german,
        gender: parse_gender(gender),
        german_plural: cell(german_plural),
        german_oblique: cell(oblique).unwrap_or(german),
        classes: classes.into(),
    }
}

impl Noun {
    /// The German form, without the -n of the dative plural.
    pub(crate) fn german_form(&self, number: Number, case: Case) -> &'static str {
        match (number, case) {
            (Number::Plural, _) => self.german_plural.unwrap_or(self.german),
            (Number::Singular, Case::Nominative) => self.german,
            (Number::Singular, Case::Accusative | Case::Dative) => self.german_oblique,
        }
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.english_plural.is_some()
    }
}

fn parse_gender(text: &str) -> Gender {
    match text {
        "m" => Gender::Masculine,
        "f" => Gender::Feminine,
        "n" => Gender::Neuter,
        other => panic!("the lexicon has a gender `{other}`; m, f and n exist"),
    }
}

fn adjective([english, german, stem, classes]: [&'static str; 4]) -> Adjective {
    Adjective {
        english,
        german,
        german_stem: cell(stem).unwrap_or(german),
        classes: classes.into(),
    }
}

fn verb(
    [
        english,
        english_participle,
        infinitive,
        du,
        er,
        participle,
        auxiliary,
        frame,
        subjects,
        objects,
        places,
        additions,
    ]: [&'static str; 12],
) -> Verb {
    let (prefix, german) = infinitive.split_once('|').unwrap_or(("", infinitive));
    Verb {
        english,
        english_participle,
        prefix,
        german,
        german_du: cell(du),
        german_er: cell(er),
        german_participle: cell(participle),
        perfect_with_sein: match auxiliary {
            "haben" => false,
            "sein" => true,
            other => panic!("the lexicon has an auxiliary `{other}`; haben and sein exist"),
        },
        frame: parse_frame(frame),
        subjects: subjects.into(),
        objects: objects.into(),
        places: places.into(),
        additions: additions.into(),
    }
}

fn parse_frame(text: &'static str) -> Frame {
    match text {
        "none" => Frame::Nothing,
        "accusative" => Frame::Accusative,
        "dative" => Frame::Dative,
        "both" => Frame::Both,
        "motion" => Frame::Motion,
        "stay" => Frame::Stay,
        "rest" => Frame::Rest,
        "put" => Frame::Put,
        "clause" => Frame::Clause,
        "weather" => Frame::Weather,
        "own" => Frame::Own,
        other => match other.split_once('+') {
            Some((preposition, "accusative")) => Frame::Prepositional(preposition, Case::Accusative),
            Some((preposition, "dative")) => Frame::Prepositional(preposition, Case::Dative),
            _ => panic!("the lexicon has a verb frame `{other}`; the table's header lists the frames"),
        },
    }
}

fn preposition([german, case, english, classes]: [&'static str; 4]) -> Preposition {
    let (static_case, goal_case) = match case {
        "accusative" => (Case::Accusative, Case::Accusative),
        "dative" => (Case::Dative, Case::Dative),
        "both" => (Case::Dative, Case::Accusative),
        other => panic!("the lexicon has a case `{other}`; accusative, dative and both exist"),
    };
    Preposition {
        german,
        english: cell(english),
        classes: classes.into(),
        static_case,
        goal_case,
    }
}

fn adverbial([english, german, kind]: [&'static str; 3]) -> Adverbial {
    Adverbial {
        english,
        german,
        kind: match kind {
            "frequency" => AdverbialKind::Frequency,
            "habit" => AdverbialKind::Habit,
            "moment" => AdverbialKind::Moment,
            "recent" => AdverbialKind::Recent,
            "future" => AdverbialKind::Future,
            "place" => AdverbialKind::Place,
            "goal" => AdverbialKind::Goal,
            other => {
                panic!("the lexicon has a kind of adverbial `{other}`; the table's header lists the kinds")
            }
        },
    }
}
