//! The grammatical features that both languages share.

/// The gender of a German noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gender {
    Masculine,
    Feminine,
    Neuter,
}

/// The grammatical number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Singular,
    Plural,
}

/// The German cases of this corpus, which has no genitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Nominative,
    Accusative,
    Dative,
}

/// The grammatical person: who speaks, who is spoken to, who is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    First,
    Second,
    Third,
}

/// The person and number of a subject, with which the finite verb agrees.
pub(crate) type Agreement = (Person, Number);

/// A personal pronoun or a question word for a person. "You" is the familiar German "du" everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pronoun {
    I,
    You,
    He,
    She,
    /// "It", with the gender of the German noun for which it stands.
    It(Gender),
    We,
    They,
    Who,
}

impl Pronoun {
    /// The pronouns that can own something and refer to no other phrase.
    pub(crate) const PERSONAL: [Self; 6] = [Self::I, Self::You, Self::He, Self::She, Self::We, Self::They];

    pub(crate) fn agreement(self) -> Agreement {
        match self {
            Self::I => (Person::First, Number::Singular),
            Self::You => (Person::Second, Number::Singular),
            Self::He | Self::She | Self::It(_) | Self::Who => (Person::Third, Number::Singular),
            Self::We => (Person::First, Number::Plural),
            Self::They => (Person::Third, Number::Plural),
        }
    }
}

/// The word before a noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Determiner {
    /// "The", "der".
    Definite,
    /// "A", "ein"; no word in the plural and before a noun that is not counted.
    Indefinite,
    /// "No", "kein".
    Negative,
    /// "This", "dieser".
    Demonstrative,
    /// "Every", "jeder".
    Every,
    /// "My", "mein": the possessive of a pronoun.
    Possessive(Pronoun),
    /// "Three", "drei".
    Count(u32),
}

/// The tense or modal verb of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// "Buys", "kauft".
    Present,
    /// "Has bought", "hat gekauft".
    Perfect,
    /// "Can buy", "kann kaufen".
    Can,
    /// "Must buy", "muss kaufen".
    Must,
    /// "Wants to buy", "will kaufen".
    Want,
}

impl Mode {
    pub(crate) const MODALS: [Self; 3] = [Self::Can, Self::Must, Self::Want];
}
