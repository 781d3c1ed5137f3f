//! Normalisation: different ways to write the same text become one before the text is cut into tokens.

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::unicode::{NFC, NFKC};
use tokenizers::normalizers::{Prepend, Sequence, Strip};
use tokenizers::{NormalizedString, Normalizer as _, NormalizerWrapper};

use super::hugging_face::{HuggingFace, TOTAL};
use super::words::with_space;
use super::{Cut, Tokenizer};

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
pub struct Normalizer(Vec<NormalizerWrapper>);

impl Normalizer {
    /// Takes the steps in their order. Without a step, text stays as it is.
    #[must_use]
    pub fn new(steps: &[Normalization]) -> Self {
        Self(steps.iter().flat_map(|step| step.normalizers()).collect())
    }

    /// Returns the normalised `text`.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        normalize(&self.0, text).into_owned()
    }

    /// Returns the normalizer that a tokenizer has: the steps, and then a space before the text if `prefix_space`.
    /// Returns
    /// `None` if it would change nothing.
    pub(super) fn for_tokenizer(mut self, prefix_space: bool) -> Option<NormalizerWrapper> {
        if prefix_space {
            self.0.push(Prepend::new(" ".to_owned()).into());
        }
        (!self.0.is_empty()).then(|| Sequence::new(self.0).into())
    }
}

impl Tokenizer {
    /// Makes the tokenizer normalise every text by `normalizer` before it is cut into tokens. The vocabulary should
    /// come from text that [`Normalizer::apply`] has normalised in the same way. A [`TokenizerKind::SentencePiece`]
    /// stays as it is: its model decides the normalisation.
    ///
    /// [`TokenizerKind::SentencePiece`]: super::TokenizerKind::SentencePiece
    #[must_use]
    pub fn with_normalizer(mut self, normalizer: Normalizer) -> Self {
        if let Cut::HuggingFace(library) = &mut self.0 {
            let library = Arc::make_mut(library);
            let normalizer = normalizer.for_tokenizer(library.prefix_space);
            let set = library.inner.with_normalizer(normalizer).map(|_| ());
            set.expect("its special tokens are not normalised");
        }
        self
    }

    /// Returns whether the tokenizer normalises text. The space before the text is no normalisation.
    #[must_use]
    pub fn has_normalizer(&self) -> bool {
        match &self.0 {
            Cut::HuggingFace(library) => !library.steps().is_empty(),
            Cut::SentencePiece(sentencepiece) => sentencepiece.has_normalizer(),
        }
    }

    /// Returns `text` as the tokenizer's steps of normalisation write it; without a step, `text` itself.
    #[must_use]
    pub fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Cut::HuggingFace(library) => library.normalize(text),
            Cut::SentencePiece(sentencepiece) => sentencepiece.normalize(text).into(),
        }
    }
}

impl HuggingFace {
    pub(super) fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        normalize(self.steps(), text)
    }

    /// Returns the text that is cut into words: the normalised `text`, with a space before it if the tokenizer puts one
    /// there.
    pub(super) fn spaced<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = self.normalize(text);
        if self.prefix_space {
            with_space(&text)
        } else {
            text
        }
    }

    fn steps(&self) -> &[NormalizerWrapper] {
        steps(self.inner.get_normalizer()).0
    }
}

/// Returns the steps of a tokenizer's normalizer, and whether it puts a space before the text as its last step.
pub(super) fn steps(normalizer: Option<&NormalizerWrapper>) -> (&[NormalizerWrapper], bool) {
    let all = match normalizer {
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref(),
        Some(single) => slice::from_ref(single),
        None => &[],
    };
    match all.split_last() {
        Some((NormalizerWrapper::Prepend(last), steps)) if last.prepend == " " => (steps, true),
        _ => (all, false),
    }
}

fn normalize<'a>(steps: &[NormalizerWrapper], text: &'a str) -> Cow<'a, str> {
    if steps.is_empty() {
        return text.into();
    }
    let mut text = NormalizedString::from(text);
    for step in steps {
        step.normalize(&mut text).expect(TOTAL);
    }
    text.get().to_owned().into()
}
