//! The language of a text, among those of a server's models.

use attend_infer::Language;
use rust_iso639::{from_code_1, from_code_3};
use whatlang::{Detector, Lang};

/// Finds out the languages of texts.
#[derive(Debug)]
pub(crate) struct LanguageDetector {
    detector: Detector,
    /// The languages that are told apart, each with the name that the detector has for it.
    languages: Vec<(Lang, Language)>,
    /// The language of a text without letters.
    fallback: Language,
}

/// The language that a text probably has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detection {
    pub(crate) language: Language,
    /// How sure that is, in percent.
    pub(crate) confidence: u8,
}

impl Detection {
    /// A language that a client has named.
    pub(crate) fn certain(language: Language) -> Self {
        Self {
            language,
            confidence: 100,
        }
    }
}

impl LanguageDetector {
    /// Tells apart those of `languages` that the detector knows. Of languages that it takes for one, such as variants,
    /// the first one stands for all.
    pub(crate) fn new<'a>(languages: impl IntoIterator<Item = &'a Language>) -> Self {
        let mut known: Vec<(Lang, Language)> = Vec::new();
        let mut fallback = None;
        for language in languages {
            if let Some(lang) = lang(language)
                && known.iter().all(|(other, _)| *other != lang)
            {
                known.push((lang, language.clone()));
            }
            fallback.get_or_insert_with(|| language.clone());
        }
        let has_english = known.iter().any(|(lang, _)| *lang == Lang::Eng);
        Self {
            detector: Detector::with_allowlist(known.iter().map(|(lang, _)| *lang).collect()),
            languages: known,
            fallback: fallback.filter(|_| !has_english).unwrap_or_default(),
        }
    }

    /// Returns the language of a text. For a text without letters, or in a script of none of the languages, it is
    /// English if that is among them, or else the first of them, with a confidence of 0.
    pub(crate) fn detect(&self, text: &str) -> Detection {
        let of_info = |info: whatlang::Info| {
            let languages = &self.languages;
            let (_, language) = languages.iter().find(|(lang, _)| *lang == info.lang())?;
            Some(Detection {
                language: language.clone(),
                confidence: (100.0 * info.confidence()).round() as u8,
            })
        };
        let none = || Detection {
            language: self.fallback.clone(),
            confidence: 0,
        };
        self.detector.detect(text).and_then(of_info).unwrap_or_else(none)
    }
}

/// Returns the detector's name of a language. It names Persian, Norwegian and Chinese by one of the languages that
/// their codes comprise.
fn lang(language: &Language) -> Option<Lang> {
    let code = language.to_string();
    let code = code.split('-').next().unwrap_or_default();
    let language = from_code_1(code).or_else(|| from_code_3(code))?;
    let individual = language.individual_languages.iter().map(|language| language.code);
    [language.code_3]
        .into_iter()
        .chain(individual)
        .find_map(Lang::from_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(codes: &[&str]) -> Vec<Language> {
        codes.iter().map(|code| code.parse().unwrap()).collect()
    }

    fn detector(codes: &[&str]) -> LanguageDetector {
        LanguageDetector::new(&languages(codes))
    }

    #[test]
    fn a_text_has_one_of_the_languages() {
        let detector = detector(&["de", "en", "fr", "fa", "no", "zh", "ja", "el"]);
        for (code, text) in [
            ("de", "Der alte Steg ist morsch, und niemand geht mehr darüber."),
            ("en", "The old jetty is rotten, and nobody walks on it any more."),
            (
                "fr",
                "La vieille passerelle est pourrie, et personne ne marche plus dessus.",
            ),
            ("fa", "پل قدیمی پوسیده است و دیگر کسی از روی آن رد نمی‌شود."),
            ("no", "Den gamle bryggen er råtten, og ingen går på den lenger."),
            ("zh", "那座旧码头已经腐烂了，没有人再走在上面。"),
            ("ja", "古い桟橋は腐っていて、もう誰もその上を歩かない。"),
            ("el", "Η παλιά προβλήτα είναι σάπια."),
        ] {
            let Detection { language, confidence } = detector.detect(text);
            assert_eq!(language.to_string(), code, "{text}");
            assert!((1..=100).contains(&confidence), "{text}: {confidence}");
        }
    }

    #[test]
    fn other_languages_are_not_found() {
        // A Dutch sentence.
        let text = "De oude steiger is rot.";
        assert_eq!(
            detector(&["de", "nl"]).detect(text).language,
            "nl".parse().unwrap()
        );
        assert_eq!(
            detector(&["de", "ru"]).detect(text).language,
            "de".parse().unwrap()
        );
        // Variants of a language are one.
        let found = detector(&["en", "pt-br", "pt"]).detect("O velho cais está podre e ninguém anda nele.");
        assert_eq!(found.language, "pt-br".parse().unwrap());
    }

    #[test]
    fn a_text_without_letters_has_no_language_of_its_own() {
        for (codes, code) in [
            (&["de", "en"][..], "en"),
            (&["fr", "de"], "fr"),
            (&["qaa"], "qaa"),
        ] {
            for text in ["", "123 — 456", "\u{1F600}", "Η παλιά προβλήτα"] {
                let expected = Detection {
                    language: code.parse().unwrap(),
                    confidence: 0,
                };
                assert_eq!(detector(codes).detect(text), expected, "{text:?}");
            }
        }
    }
}
