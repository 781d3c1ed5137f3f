//! The words of an English sentence, and what the grammar knows of each.

use std::fmt;

use crate::features::Case;

/// A word or a punctuation mark of an English sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    /// The word as it stands in the sentence: "The", "o'clock", "forty-five", ".".
    pub text: String,
    /// The part of speech.
    pub part_of_speech: PartOfSpeech,
    /// The case of the noun phrase around the word, as a tag in BIO: `B-NOM`, `B-ACC` or `B-DAT` for the first word of a
    /// noun phrase in the nominative, accusative or dative, `I-NOM`, `I-ACC` or `I-DAT` for its other words, and `O`
    /// for a word outside of noun phrases.
    pub case_tag: &'static str,
}

/// A part of speech. `Display` writes its name in Universal Dependencies (de Marneffe et al. 2021, "Universal
/// Dependencies"), such as `NOUN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartOfSpeech {
    /// `ADJ`: "red".
    Adjective,
    /// `ADP`: a preposition, or the particle of a verb. All words of "in front of" are prepositions.
    Adposition,
    /// `ADV`: "today".
    Adverb,
    /// `AUX`: "does", "can", "has" before a participle, and every form of "be".
    Auxiliary,
    /// `CCONJ`: "and".
    CoordinatingConjunction,
    /// `DET`: "the", "every".
    Determiner,
    /// `NOUN`: "bicycle".
    Noun,
    /// `NUM`: "three".
    Numeral,
    /// `PART`: "not", and the "to" of "wants to buy".
    Particle,
    /// `PRON`: "he", "who", and "his", as in the English corpora of Universal Dependencies.
    Pronoun,
    /// `PROPN`: "Anna", "Monday".
    ProperNoun,
    /// `PUNCT`: ".".
    Punctuation,
    /// `SCONJ`: "because".
    SubordinatingConjunction,
    /// `VERB`: "buys".
    Verb,
}

impl fmt::Display for PartOfSpeech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adjective => "ADJ",
            Self::Adposition => "ADP",
            Self::Adverb => "ADV",
            Self::Auxiliary => "AUX",
            Self::CoordinatingConjunction => "CCONJ",
            Self::Determiner => "DET",
            Self::Noun => "NOUN",
            Self::Numeral => "NUM",
            Self::Particle => "PART",
            Self::Pronoun => "PRON",
            Self::ProperNoun => "PROPN",
            Self::Punctuation => "PUNCT",
            Self::SubordinatingConjunction => "SCONJ",
            Self::Verb => "VERB",
        })
    }
}

/// Returns the words of a text, all of one part of speech and outside of noun phrases. An empty text has none.
pub(crate) fn words(text: &str, part_of_speech: PartOfSpeech) -> Vec<Word> {
    words_by(text, |_| part_of_speech)
}

/// Returns the words of a text, outside of noun phrases.
pub(crate) fn words_by(text: &str, part_of_speech: impl Fn(&str) -> PartOfSpeech) -> Vec<Word> {
    text.split_whitespace()
        .map(|word| Word {
            text: word.to_owned(),
            part_of_speech: part_of_speech(word),
            case_tag: "O",
        })
        .collect()
}

/// Makes the words a noun phrase in a case.
pub(crate) fn in_case(mut words: Vec<Word>, case: Case) -> Vec<Word> {
    let (first, other) = match case {
        Case::Nominative => ("B-NOM", "I-NOM"),
        Case::Accusative => ("B-ACC", "I-ACC"),
        Case::Dative => ("B-DAT", "I-DAT"),
    };
    for (index, word) in words.iter_mut().enumerate() {
        word.case_tag = if index == 0 { first } else { other };
    }
    words
}

/// Returns the sentence of the words, in which no space stands before a punctuation mark.
pub(crate) fn text(words: &[Word]) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() && word.part_of_speech != PartOfSpeech::Punctuation {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}
