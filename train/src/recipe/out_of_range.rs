//! The check of a recipe's settings.

use std::fmt::Display;
use std::ops::RangeInclusive;

use attend_infer::search::SearchError;

/// The maximum of counts without a closer bound, such as updates or pairs. No run and no corpus comes near it, and sums
/// with it do not overflow.
pub(super) const MOST: u64 = 1_000_000_000_000;

/// A setting that no run can use.
pub(super) struct OutOfRange {
    /// The setting's dotted key. A number in it is an index in a list of tables: `data.train.0` is the first corpus.
    pub(super) field: String,
    /// What is wrong, in a sentence that names the key.
    pub(super) reason: String,
}

impl OutOfRange {
    /// Returns the error of a setting: `reason` is what follows the name of the setting in the message.
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

/// Checks that a whole number, if it is given, lies within its bounds. Upper bounds lie beyond every use. They stop a
/// typing error from asking for more memory than there is, or for a number that TOML cannot write.
///
/// # Errors
///
/// Returns an [`OutOfRange`] that names the bounds if the number lies outside them.
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
