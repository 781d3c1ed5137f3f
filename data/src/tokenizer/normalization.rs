//! Normalisation: different ways to write the same text become one before the text is cut into tokens.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::unicode::{NFC, NFKC};
use tokenizers::normalizers::{Sequence, Strip};
use tokenizers::{NormalizedString, Normalizer as _, NormalizerWrapper};

use super::{TOTAL, Tokenizer};

/// A step of normalisation. Each step is a normalizer of the Hugging Face library, so that other programs that load
/// `tokenizer.json` normalise in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Normalization {
    /// Unicode's form NFC: a letter and its marks are one character where Unicode has one, as `é` for `e` and U+0301.
    Nfc,
    /// Unicode's form NFKC: NFC, and also ordinary characters in place of their variants, as `fi` for the ligature `ﬁ`,
    /// `5` for the full-width `５`, and `2` for the superscript `²`.
    Nfkc,
    /// White space: each run of it becomes one space, and that at the start and the end of the text is removed.
    Whitespace,
    /// Quotation marks and apostrophes: `“ ” „ ‟ « »` become `"`, and `‘ ’ ‚ ‛ ‹ ›` become `'`.
    Quotes,
}

impl Normalization {
    fn normalizers(self) -> Vec<NormalizerWrapper> {
        let replace = |pattern: &str, with: &str| -> NormalizerWrapper {
            let pattern = ReplacePattern::Regex(pattern.to_owned());
            Replace::new(pattern, with).expect("the pattern is valid").into()
        };
        match self {
            Self::Nfc => vec![NFC.into()],
            Self::Nfkc => vec![NFKC.into()],
            Self::Whitespace => vec![replace(r"\s+", " "), Strip::new(true, true).into()],
            Self::Quotes => vec![
                replace("[\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}]", "\""),
                replace("[\u{2018}\u{2019}\u{201a}\u{201b}\u{2039}\u{203a}]", "'"),
            ],
        }
    }
}

/// Steps of normalisation, one after the other.
#[derive(Clone, Debug)]
pub struct Normalizer(Option<NormalizerWrapper>);

impl Normalizer {
    /// Takes the steps in their order. Without a step, text stays as it is.
    #[must_use]
    pub fn new(steps: &[Normalization]) -> Self {
        let normalizers: Vec<_> = steps.iter().flat_map(|step| step.normalizers()).collect();
        Self((!normalizers.is_empty()).then(|| Sequence::new(normalizers).into()))
    }

    /// Returns the normalised `text`.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        normalize(self.0.as_ref(), text).into_owned()
    }
}

impl Tokenizer {
    /// Makes the tokenizer normalise every text by `normalizer` before it is cut into tokens. The vocabulary should
    /// come from text that [`Normalizer::apply`] has normalised in the same way.
    #[must_use]
    pub fn with_normalizer(mut self, normalizer: Normalizer) -> Self {
        let set = self.inner.with_normalizer(normalizer.0).map(|_| ());
        set.expect("its special tokens are not normalised");
        self
    }

    /// Returns whether the tokenizer normalises text.
    #[must_use]
    pub fn has_normalizer(&self) -> bool {
        self.inner.get_normalizer().is_some()
    }

    /// Returns `text` as the tokenizer's normalizer writes it, which is the text that is cut into tokens; without a
    /// normalizer, `text` itself.
    #[must_use]
    pub fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        normalize(self.inner.get_normalizer(), text)
    }
}

fn normalize<'a>(normalizer: Option<&NormalizerWrapper>, text: &'a str) -> Cow<'a, str> {
    let Some(normalizer) = normalizer else {
        return text.into();
    };
    let mut text = NormalizedString::from(text);
    normalizer.normalize(&mut text).expect(TOTAL);
    text.get().to_owned().into()
}
