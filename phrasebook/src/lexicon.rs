//! The words: tables of tab-separated values in `phrasebook/lexicon/`, embedded in the program.
//!
//! The comment at the top of each table explains its columns. A line adds a word.

use crate::features::{Case, Gender, Number};

/// A noun.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) english: &'static str,
    /// The English plural; `None` for a noun that is not counted.
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
    /// The form behind "sein": "teuer".
    pub(crate) german: &'static str,
    /// The form before an ending: "teur".
    pub(crate) german_stem: &'static str,
    /// The classes of nouns that the adjective describes.
    pub(crate) classes: Classes,
}

/// The objects and complements that a verb takes beside its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Nothing,
    Accusative,
    Dative,
    /// A person in the dative and a thing in the accusative.
    Both,
    /// An object behind a German preposition, in a case.
    Prepositional(&'static str, Case),
    /// A place to go to.
    Motion,
    /// A place where somebody is.
    Stay,
    /// A place relative to furniture, in the dative: "on the table".
    Rest,
    /// A thing, and a place relative to furniture, in the accusative.
    Put,
    /// A clause with "that".
    Clause,
    /// Nothing; the subject is always "it".
    Weather,
    /// What a construction of its own gives the verb.
    Own,
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    /// The English infinitive. A `|` stands before a particle that follows a pronoun object: "pick|up", "pick him up".
    pub(crate) english: &'static str,
    /// The past participle of the first word of the English infinitive.
    pub(crate) english_participle: &'static str,
    /// The separable prefix of the German verb, or nothing.
    pub(crate) prefix: &'static str,
    /// The German infinitive without the prefix.
    pub(crate) german: &'static str,
    /// The second person singular, if it is irregular.
    pub(crate) german_du: Option<&'static str>,
    /// The third person singular, if it is irregular.
    pub(crate) german_er: Option<&'static str>,
    /// The German past participle; `None` for a verb that is not used in the perfect.
    pub(crate) german_participle: Option<&'static str>,
    /// Whether the auxiliary of the perfect is "sein" and not "haben".
    pub(crate) perfect_with_sein: bool,
    pub(crate) frame: Frame,
    pub(crate) subjects: Classes,
    pub(crate) objects: Classes,
    pub(crate) places: Classes,
    additions: Classes,
}

impl Verb {
    /// Returns whether the verb may have an addition: "time", "with", "for", "modal" or "positive".
    pub(crate) fn allows(&self, addition: &str) -> bool {
        self.additions.contains(addition)
    }
}

/// A German preposition.
#[derive(Debug)]
pub(crate) struct Preposition {
    pub(crate) german: &'static str,
    /// The English preposition that relates things to furniture.
    pub(crate) english: Option<&'static str>,
    /// The classes of furniture behind the preposition.
    pub(crate) classes: Classes,
    /// The case of a place where something is, and of every object that is not a place.
    pub(crate) static_case: Case,
    /// The case of a place to which something goes.
    pub(crate) goal_case: Case,
}

/// A place, and the prepositions, English and German, of being there and of going there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) noun: &'static str,
    pub(crate) at: (&'static str, &'static str),
    pub(crate) to: (&'static str, &'static str),
}

/// The kind of an adverbial, which decides where it may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdverbialKind {
    Frequency,
    Habit,
    Moment,
    /// A moment that may also stand with the perfect.
    Recent,
    /// A moment that stands with a modal verb alone.
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

/// The words of all tables.
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
    /// Reads the embedded tables. An error in them is a bug, and panics with the line.
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

    /// Returns the noun with this English singular.
    pub(crate) fn noun(&self, english: &str) -> &Noun {
        found(self.nouns.iter().find(|noun| noun.english == english), english)
    }

    /// Returns the adjective with this English form.
    pub(crate) fn adjective(&self, english: &str) -> &Adjective {
        found(
            self.adjectives
                .iter()
                .find(|adjective| adjective.english == english),
            english,
        )
    }

    /// Returns the verb with these English and German infinitives, the German one without its prefix. Two verbs may
    /// have one of the infinitives in common.
    pub(crate) fn verb(&self, english: &str, german: &str) -> &Verb {
        let same = |verb: &&Verb| verb.english == english && verb.german == german;
        found(self.verbs.iter().find(same), english)
    }

    /// Returns the preposition with this German form.
    pub(crate) fn preposition(&self, german: &str) -> &Preposition {
        found(
            self.prepositions
                .iter()
                .find(|preposition| preposition.german == german),
            german,
        )
    }

    /// Returns the place that this noun names.
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

/// Returns the text of a cell; `None` for the dash, which stands for nothing.
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
    /// Returns the German form in a case, without the -n of the dative plural.
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
