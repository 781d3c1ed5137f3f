//! The grammatical features that both languages share.

/// The gender of a German noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gender {
    Masculine,
    Feminine,
    Neuter,
}

/// One or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Singular,
    Plural,
}

/// The three German cases of this corpus; its possessives need no genitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Nominative,
    Accusative,
    Dative,
}

/// Who speaks, who is spoken to, who is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    First,
    Second,
    Third,
}

/// What a finite verb agrees with.
pub(crate) type Agreement = (Person, Number);

/// Personal and question pronouns. "You" is the familiar German "du" everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pronoun {
    I,
    You,
    He,
    She,
    /// "It", with the gender of the German noun that it stands for.
    It(Gender),
    We,
    They,
    Who,
}

impl Pronoun {
    /// The pronouns that can own something and need no antecedent.
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
    /// the, der
    Definite,
    /// a, ein; nothing in the plural and before a noun that is not counted
    Indefinite,
    /// no, kein
    Negative,
    /// this, dieser
    Demonstrative,
    /// every, jeder
    Every,
    /// my, mein
    Possessive(Pronoun),
    /// three, drei
    Count(u32),
}

/// How a clause's verb is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// buys, kauft
    Present,
    /// has bought, hat gekauft
    Perfect,
    /// can buy, kann kaufen
    Can,
    /// must buy, muss kaufen
    Must,
    /// wants to buy, will kaufen
    Want,
}

impl Mode {
    pub(crate) const MODALS: [Self; 3] = [Self::Can, Self::Must, Self::Want];
}
