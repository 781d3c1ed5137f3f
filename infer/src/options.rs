//! The options of a request.

use crate::error::InferError;
use crate::search::SearchOptions;
use crate::text::Language;

/// The options of a call or a line: how translations are searched for, and what their text must be like.
///
/// [`Model::options`](crate::Model::options) returns those of a model's search defaults:
///
/// ```no_run
/// # use attend_infer::{Model, Precision, TranslateOptions};
/// # let device = attend_device::auto()?.device;
/// let model = Model::load("runs/phrasebook", &device, Precision::Float32)?;
/// let options = TranslateOptions {
///     banned: vec!["bicycle".to_owned()],
///     ..model.options()
/// };
/// # Ok::<(), attend_infer::InferError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TranslateOptions {
    /// The search, and the number of translations that each line gets: [`SearchOptions::nbest`].
    pub search: SearchOptions,
    /// The language in which a line is a text of any length. Each of its sentences is translated by itself, and the
    /// translations are joined by the spacing that stood between the sentences. A sentence that is longer than the
    /// model's positions is divided at punctuation, else at a space, else between characters. White space around the
    /// text is left out.
    ///
    /// The translations of a text are its `nbest` best, as far as those of its sentences go; of samples, the first of
    /// each sentence together, the second of each, and so on. Scores, log-probabilities and tokens are those of the
    /// sentences together.
    ///
    /// Without a language, the default, a line is one sentence.
    pub language: Option<Language>,
    /// The text that translations start with, in a line that is one sentence. The last word may go on: `a` may become
    /// `an`. White space at the end of the prefix is left out.
    pub prefix: String,
    /// Words or phrases that all translations of a line that is one sentence have, as
    /// [`RequiredWords`](crate::search::RequiredWords) describes them. Blank ones require nothing.
    pub required: Vec<String>,
    /// Words or phrases that no translation has, as [`BannedWords`](crate::search::BannedWords) describes them.
    pub banned: Vec<String>,
    /// Whether translations get an [`Alignment`](crate::Alignment), in a line that is one sentence. It takes another pass
    /// over the translations.
    pub alignment: bool,
}

impl TranslateOptions {
    /// Checks that the options do not contradict each other. [`Model::check`](crate::Model::check) also checks that a model
    /// can do what they ask for.
    ///
    /// # Errors
    ///
    /// [`InferError::Search`] if they describe no search, or one that has no place for required or banned words;
    /// [`InferError::OneSentence`] if they ask something of a text that only a sentence can have.
    pub fn validate(&self) -> Result<(), InferError> {
        let requires = self.required.iter().any(|word| !word.trim().is_empty());
        self.search.validate()?;
        if requires {
            self.search.validate_with_required_words()?;
        }
        if !self.banned.is_empty() {
            self.search.validate_with_banned_words()?;
        }
        if self.language.is_some() {
            let asked = [
                ("prefix", !self.prefix.is_empty()),
                ("required", requires),
                ("alignment", self.alignment),
            ];
            if let Some((field, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) {
                return Err(InferError::OneSentence { field });
            }
        }
        Ok(())
    }

    /// Returns whether lines with these options may share a batch with lines of the `other` options.
    pub(crate) fn shares_batches_with(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (&self.search, &self.banned, self.alignment) == (&other.search, &other.banned, other.alignment)
    }
}
