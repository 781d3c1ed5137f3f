//! The check of a recipe's settings.

use std::fmt::Display;
use std::ops::RangeInclusive;

use attend_infer::search::SearchError;

/// The largest count of anything: more than any run lasts or any corpus has, and far from overflowing.
pub(super) const MOST: u64 = 1_000_000_000_000;

/// A setting that no run can use.
pub(super) struct OutOfRange {
    /// The setting's dotted key, in which a number stands for a table of a list: `data.train.0`.
    pub(super) field: String,
    /// What is wrong, with the key.
    pub(super) reason: String,
}

impl OutOfRange {
    /// Returns the error that the setting `field` is what `reason` says of it.
    pub(super) fn of(field: &str, reason: &str) -> Result<(), Self> {
        Err(Self {
            field: field.to_owned(),
            reason: format!("{field} {reason}"),
        })
    }
}

impl From<SearchError> for OutOfRange {
    fn from(error: SearchError) -> Self {
        Self {
            field: format!("search.{}", error.field()),
            reason: error.to_string(),
        }
    }
}

/// Checks that a whole number, if it is given, lies within its bounds. Upper bounds lie beyond every use; they keep a
/// slip of the finger from asking for more memory than there is, or for a number that TOML cannot write.
///
/// # Errors
///
/// If it lies outside.
pub(super) fn check_bounds<N: Copy + Display>(
    field: &str,
    number: Option<N>,
    bounds: RangeInclusive<u64>,
) -> Result<(), OutOfRange>
where
    u64: TryFrom<N>,
{
    match number {
        Some(number) if !u64::try_from(number).is_ok_and(|number| bounds.contains(&number)) => {
            let (least, most) = bounds.into_inner();
            OutOfRange::of(field, &format!("is {number}, but must lie in [{least}, {most}]"))
        }
        _ => Ok(()),
    }
}
