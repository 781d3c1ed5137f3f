//! Whole numbers on the command line.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Reads a whole number that is not negative. The error says in what way a text is none.
///
/// # Errors
///
/// If the text is no such number, or one that is too large for the type.
pub(crate) fn whole_number<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, &'static str> {
    let negative = |text: &str| {
        text.strip_prefix('-')
            .is_some_and(|digits| digits.parse::<u128>().is_ok())
    };
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => "the number is too large",
        IntErrorKind::Zero => "the number must be at least 1",
        _ if negative(text) => "the number must not be negative",
        _ => "it is no whole number",
    })
}

/// Reads the seed of random numbers, which a recipe can hold: TOML's numbers have a sign.
///
/// # Errors
///
/// Those of [`whole_number`].
pub(crate) fn seed(text: &str) -> Result<u64, &'static str> {
    match whole_number(text)? {
        seed if i64::try_from(seed).is_err() => Err("the number is too large"),
        seed => Ok(seed),
    }
}
