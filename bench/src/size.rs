//! The networks that are compared.

use clap::ValueEnum;

/// `<pad>`, `<s>`, `</s>` and `<unk>`.
pub(crate) const SPECIAL_TOKENS: usize = 4;

/// The sizes of networks that are compared: [presets](attend_train::recipe::Preset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    Tiny,
    Small,
    Base,
}

impl Size {
    /// As a recipe names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Base => "base",
        }
    }
}
