//! Number words from one to 9,999.

const ENGLISH_SMALL: [&str; 20] = [
    "",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

const GERMAN_SMALL: [&str; 20] = [
    "",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 10] = [
    "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
];

/// Returns a number in English words: 2345 is "two thousand three hundred and forty-five".
///
/// "And" stands before the last two digits if hundreds or thousands precede them.
pub(crate) fn english(number: u32) -> String {
    debug_assert!((1..10_000).contains(&number));
    let (thousands, hundreds, rest) = (number / 1000, number / 100 % 10, number % 100);
    let mut words = Vec::new();
    if thousands > 0 {
        words.push(format!("{} thousand", ENGLISH_SMALL[thousands as usize]));
    }
    if hundreds > 0 {
        words.push(format!("{} hundred", ENGLISH_SMALL[hundreds as usize]));
    }
    if rest > 0 {
        if number > 100 {
            words.push("and".to_owned());
        }
        words.push(match (rest / 10, rest % 10) {
            (0 | 1, _) => ENGLISH_SMALL[rest as usize].to_owned(),
            (tens, 0) => ENGLISH_TENS[tens as usize].to_owned(),
            (tens, units) => format!(
                "{}-{}",
                ENGLISH_TENS[tens as usize], ENGLISH_SMALL[units as usize]
            ),
        });
    }
    words.join(" ")
}

/// Returns a number as one German word: 2345 is "zweitausenddreihundertfünfundvierzig".
///
/// One hundred and one thousand are spelled out ("einhundert", "eintausend"), as on a cheque.
pub(crate) fn german(number: u32) -> String {
    debug_assert!((1..10_000).contains(&number));
    let (thousands, hundreds, rest) = (number / 1000, number / 100 % 10, number % 100);
    let mut word = String::new();
    if thousands > 0 {
        word += &format!("{}tausend", joined(thousands));
    }
    if hundreds > 0 {
        word += &format!("{}hundert", joined(hundreds));
    }
    word += &match (rest / 10, rest % 10) {
        (0 | 1, _) => GERMAN_SMALL[rest as usize].to_owned(),
        (tens, 0) => GERMAN_TENS[tens as usize].to_owned(),
        (tens, units) => format!("{}und{}", joined(units), GERMAN_TENS[tens as usize]),
    };
    word
}

/// Returns a digit as a part of a longer number word, in which "eins" loses its s: "einundzwanzig".
fn joined(unit: u32) -> &'static str {
    if unit == 1 {
        "ein"
    } else {
        GERMAN_SMALL[unit as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_in_the_dictionary() {
        let cases = [
            (1, "one", "eins"),
            (6, "six", "sechs"),
            (12, "twelve", "zwölf"),
            (16, "sixteen", "sechzehn"),
            (17, "seventeen", "siebzehn"),
            (20, "twenty", "zwanzig"),
            (21, "twenty-one", "einundzwanzig"),
            (30, "thirty", "dreißig"),
            (66, "sixty-six", "sechsundsechzig"),
            (77, "seventy-seven", "siebenundsiebzig"),
            (100, "one hundred", "einhundert"),
            (101, "one hundred and one", "einhunderteins"),
            (231, "two hundred and thirty-one", "zweihunderteinunddreißig"),
            (999, "nine hundred and ninety-nine", "neunhundertneunundneunzig"),
            (1000, "one thousand", "eintausend"),
            (1016, "one thousand and sixteen", "eintausendsechzehn"),
            (1100, "one thousand one hundred", "eintausendeinhundert"),
            (
                2345,
                "two thousand three hundred and forty-five",
                "zweitausenddreihundertfünfundvierzig",
            ),
            (
                9999,
                "nine thousand nine hundred and ninety-nine",
                "neuntausendneunhundertneunundneunzig",
            ),
        ];
        for (number, in_english, in_german) in cases {
            assert_eq!(english(number), in_english);
            assert_eq!(german(number), in_german);
        }
    }

    #[test]
    fn no_two_numbers_share_a_name() {
        let names = |name: fn(u32) -> String| {
            (1..10_000)
                .map(name)
                .collect::<std::collections::HashSet<_>>()
                .len()
        };
        assert_eq!((names(english), names(german)), (9999, 9999));
    }
}
