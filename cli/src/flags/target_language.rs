//! The flag `--target-language`.

use clap::Args;

/// The target language, for a model that translates into several.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetLanguageFlag {
    /// Translate into this one of the model's target languages, by the model's own code for it: with deu, the model
    /// reads `>>deu<<` before each sentence. A line that begins with such a language is translated into that one.
    #[arg(id = "target_language", long = "target-language", value_name = "CODE")]
    pub(crate) code: Option<String>,
}
