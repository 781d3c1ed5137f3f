//! The codes and names of languages, as clients write and show them.

use attend_infer::{InvalidLanguage, Language};
use rust_iso639::{from_code_1, from_code_3};

/// The codes of clients that are not those of BCP 47, or that name a script by a country, and what they stand for.
const ALIASES: [(&str, &str); 5] = [
    ("pb", "pt-BR"),
    ("zh", "zh-Hans"),
    ("zh-cn", "zh-Hans"),
    ("zh-tw", "zh-Hant"),
    ("zt", "zh-Hant"),
];

/// Returns the language of a client's code: any that [`Language`] reads, or one of LibreTranslate's own, such as `zt`.
///
/// # Errors
///
/// If no language has the code.
pub(crate) fn parse(code: &str) -> Result<Language, InvalidLanguage> {
    let written = code.to_ascii_lowercase().replace('_', "-");
    let alias = ALIASES.into_iter().find(|(alias, _)| *alias == written);
    alias.map_or(code, |(_, code)| code).parse()
}

/// Returns the code of a language as BCP 47 writes it: `de`, `pt-BR`, `zh-Hant`.
pub(crate) fn code(language: &Language) -> String {
    let code = language.to_string();
    let mut subtags = code.split('-');
    let first = subtags.next().unwrap_or_default().to_owned();
    subtags.fold(first, |code, subtag| match subtag.len() {
        2 => format!("{code}-{}", subtag.to_ascii_uppercase()),
        4 => format!("{code}-{}{}", subtag[..1].to_ascii_uppercase(), &subtag[1..]),
        _ => format!("{code}-{subtag}"),
    })
}

/// Returns the English name of a language with its subtags: `German`, `Portuguese (BR)`. A language for local use has
/// its code in place of a name.
pub(crate) fn name(language: &Language) -> String {
    let code = code(language);
    let (language, subtags) = code.split_once('-').unwrap_or((&code, ""));
    let known = from_code_1(language).or_else(|| from_code_3(language));
    let name = known.map_or(language, |known| known.name);
    // Some have several names or an addition, such as `Spanish, Castilian` and `Greek, Modern`.
    let name = name.split([';', ',']).next().unwrap_or(name);
    if subtags.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({subtags})")
    }
}

/// Returns how far the language of a model is from the one that a client wants, the smaller the better: 0 for the
/// language itself, 1 for a variant of it, such as `pt-BR` where `pt` is wanted, 2 for the language of which a variant
/// is wanted. Another language, or another variant, does not fit.
pub(crate) fn distance(wanted: &Language, language: &Language) -> Option<u8> {
    let (wanted, language) = (wanted.to_string(), language.to_string());
    let is_variant = |variant: &str, language: &str| variant.split('-').next() == Some(language);
    if wanted == language {
        Some(0)
    } else if is_variant(&language, &wanted) {
        Some(1)
    } else if is_variant(&wanted, &language) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(code: &str) -> Language {
        parse(code).unwrap()
    }

    #[test]
    fn codes_are_read_and_written() {
        for (read, written) in [
            ("de", "de"),
            ("deu", "de"),
            ("pb", "pt-BR"),
            ("pt_br", "pt-BR"),
            ("PT-br", "pt-BR"),
            ("zh", "zh-Hans"),
            ("ZH_TW", "zh-Hant"),
            ("zt", "zh-Hant"),
            ("sr-latn", "sr-Latn"),
            ("de-1996", "de-1996"),
        ] {
            assert_eq!(code(&language(read)), written, "{read}");
        }
        assert!(parse("German").is_err());
    }

    #[test]
    fn languages_have_names() {
        let names = ["de", "es", "el", "pt-br", "zh-hant", "qaa"].map(|code| name(&language(code)));
        let expected = [
            "German",
            "Spanish",
            "Greek",
            "Portuguese (BR)",
            "Chinese (Hant)",
            "qaa",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn variants_are_near_their_language() {
        for (wanted, of_model, expected) in [
            ("pt", "pt", Some(0)),
            ("pt-BR", "pt-BR", Some(0)),
            ("pt", "pt-BR", Some(1)),
            ("pt-BR", "pt", Some(2)),
            ("pt-PT", "pt-BR", None),
            ("pt", "es", None),
        ] {
            let found = distance(&language(wanted), &language(of_model));
            assert_eq!(found, expected, "{wanted} by {of_model}");
        }
    }
}
