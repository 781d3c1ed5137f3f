//! The options of a call or of a line.

use std::sync::Arc;

use attend_data::is_blank;

use crate::error::InferError;
use crate::glossary::Glossary;
use crate::language::Language;
use crate::markup::{Format, TagNames};
use crate::search::{SearchOptions, begins_within_character};
use crate::spans::SpanKind;

/// The options of a call or of a line: how translations are searched for, and which words they must or must not have.
///
/// [`Model::options`](crate::Model::options) returns options with the search defaults of a model:
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
    /// The options of the search. [`SearchOptions::nbest`] is the number of translations that each line gets.
    pub search: SearchOptions,
    /// The language of the lines, if each line is a text of any length. With `None`, the default, a line is one
    /// sentence.
    ///
    /// Each sentence of a text is translated by itself. The translations are joined as the script of most of their
    /// letters up to there has it: without blanks in Han, Kana, Bopomofo and Yi, and elsewhere by the white space that
    /// stood between the sentences, or by a blank if there was none. A sentence with more tokens than the model has positions
    /// is divided at punctuation, else at a space, else between characters. White space around the text is left out.
    ///
    /// A search returns the `nbest` combinations with the best sums of scores; each combines one translation of each
    /// sentence. Sampling combines the first samples of all sentences, then the second samples, and so on. The score
    /// and the log-probability of a text are the sums over its sentences, and its tokens are the tokens of its
    /// sentences in order.
    ///
    /// It takes the feature `sentences`.
    pub language: Option<Language>,
    /// The language that a model of several target languages translates into, by the code that its vocabulary has:
    /// `deu` for the token `>>deu<<`. The model reads the token before each sentence. `None` by default, as models of
    /// one target language want it.
    ///
    /// A line that begins with such a token has that language in place of this one. In a text, each sentence gets it.
    pub target_language: Option<String>,
    /// The text that all translations start with. It must be empty if there is a `language`. Its last word may go on:
    /// `a` may become `an`. White space around it and invisible characters are left out, and line ends in it are read
    /// as spaces.
    pub prefix: String,
    /// Words or phrases that all translations have; [`RequiredWords`](crate::search::RequiredWords) describes when a
    /// translation has one. Each is spelt in the form, NFC or NFD, that the tokenizer cuts into fewer tokens. Blank
    /// ones require nothing. There must be none if there is a `language`.
    pub required: Vec<String>,
    /// Terms, and what they are translated as: the translations of a sentence that has a term of the glossary have the
    /// term's translation, as they have required words. It goes together with a `language`. A term within a span to
    /// keep does not count, and the tags around or within a term make no difference.
    pub glossary: Arc<Glossary>,
    /// Words or phrases that no translation has; [`BannedWords`](crate::search::BannedWords) describes when a
    /// translation has one.
    pub banned: Vec<String>,
    /// Whether a translation may have any token of the vocabulary. By default, a model that has a
    /// [`LexicalShortlist`](crate::LexicalShortlist) chooses among fewer, which is faster: the tokens of the shortlist
    /// for the source, those of the prefix and of the required words, and, if both sides have one vocabulary, those of
    /// the source. The probabilities of these tokens sum to 1. A model without a shortlist chooses among all.
    pub all_tokens: bool,
    /// Whether translations get an [`Alignment`](crate::Alignment), for which the decoder reads each translation once
    /// more. It must be false if there is a `language`, a `format` with markup, or a kind of spans to `keep`.
    pub alignment: bool,
    /// The format of the lines and of their translations: [`Format::Text`] by default, since only the user knows
    /// whether a `<` is a tag. The line `a < b` is the same text in every format, but `&lt;` and `<b>` are not.
    ///
    /// The prefix, the required words and the banned words are text in every format. They hold for what the model
    /// writes, before spans and tags are put into it. A required word that a kept span has is met by the span.
    pub format: Format,
    /// The elements that a `format` with markup keeps or divides at, beside those that it has by itself.
    pub tags: TagNames,
    /// The kinds of spans of the lines, such as URLs, that each translation has exactly as often as its line, character
    /// by character. By default there are none, since a model that was trained on text with URLs or emoji copies them
    /// itself, and a sentence with a span to keep takes up to four times as long.
    ///
    /// A sentence with such spans is read in several ways: as it is, and with names or numbers in place of the spans.
    /// The translations are those of the reading whose stand-ins the model copied. They have its scores and tokens.
    /// Those that a search finds are different texts, so they may be fewer than `nbest`.
    pub keep: Vec<SpanKind>,
}

impl TranslateOptions {
    /// Checks that each option is in its range and that the options do not contradict each other.
    /// [`Model::check`](crate::Model::check) also checks that a model has enough positions for them.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Search`] if the search options are not valid or cannot go with the glossary, the required
    /// words or the banned words; [`InferError::NoWord`] if a required or banned word begins with a combining mark;
    /// [`InferError::OneSentence`] if there is a `language` together with a `prefix`, `required` words or `alignment`;
    /// [`InferError::NoAlignment`] if there is `alignment` together with markup or spans to `keep`; and, without the
    /// feature `sentences`, [`InferError::NoSentences`] if there is a `language`.
    pub fn validate(&self) -> Result<(), InferError> {
        let requires = self.required.iter().any(|word| !is_blank(word));
        self.search.validate()?;
        if requires || !self.glossary.is_empty() {
            self.search.validate_with_required_words()?;
        }
        if !self.banned.is_empty() {
            self.search.validate_with_banned_words()?;
        }
        for (field, words) in [("required", &self.required), ("banned", &self.banned)] {
            if let Some(text) = words.iter().find(|word| begins_within_character(word)) {
                let text = text.clone();
                return Err(InferError::NoWord { field, text });
            }
        }
        if self.alignment && self.passes_through() {
            let field = if self.format == Format::Text {
                "keep"
            } else {
                "format"
            };
            return Err(InferError::NoAlignment { field });
        }
        if self.language.is_some() {
            if cfg!(not(feature = "sentences")) {
                return Err(InferError::NoSentences);
            }
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

    /// Returns whether a part of a line may pass through without being translated.
    pub(crate) fn passes_through(&self) -> bool {
        self.format != Format::Text || !self.keep.is_empty()
    }

    /// Returns whether lines with these options may share a batch with lines that have the `other` options.
    pub(crate) fn shares_batches_with(&self, other: &Self) -> bool {
        let Self {
            search,
            banned,
            all_tokens,
            alignment,
            // Each sentence has its own tokens, prefix and required words, those of its terms included, and a text is
            // divided into sentences before.
            language: _,
            target_language: _,
            prefix: _,
            required: _,
            glossary: _,
            // Tags and spans were taken out before.
            format: _,
            tags: _,
            keep: _,
        } = self;
        std::ptr::eq(self, other)
            || (search, banned, all_tokens, alignment)
                == (&other.search, &other.banned, &other.all_tokens, &other.alignment)
    }
}
