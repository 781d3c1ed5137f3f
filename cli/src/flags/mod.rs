//! What the command lines of several subcommands share.

mod compute;
mod device;
mod search;
mod text;

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantNames;

pub use compute::avoid_huge_pages;
pub(crate) use compute::{ComputeOptions, WorkerCount};
pub use device::DeviceOption;
pub(crate) use device::DevicesOption;
pub(crate) use search::SearchFlags;
pub(crate) use text::{LineOptions, TextFlags};

/// Returns a parser of the names of an enum's variants. Help and errors list the names.
pub(crate) fn variant<T>() -> impl TypedValueParser<Value = T>
where
    T: FromStr + VariantNames + Clone + Send + Sync + 'static,
{
    let names = PossibleValuesParser::new(T::VARIANTS);
    names.map(|name| name.parse().ok().expect("it is the name of a variant"))
}
