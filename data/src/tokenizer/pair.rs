//! The tokenizers of both sides of sentence pairs.

use super::{Tokenizer, TokenizerFiles};
use crate::batch::Example;
use crate::sentence_pair::SentencePair;

/// The tokenizers of sources and of targets, which encode sentence pairs.
///
/// A model that Attend has learnt from nothing has one tokenizer for both sides, from which a `PairTokenizer` is made by
/// `from`. Models of other toolkits may have two.
#[derive(Clone, Debug, PartialEq)]
pub struct PairTokenizer {
    /// The tokenizer of sources.
    pub source: Tokenizer,
    /// The tokenizer of targets.
    pub target: Tokenizer,
    /// Whether a source ends with `</s>`. Some models of other toolkits do without.
    pub source_eos: bool,
}

/// Encodes both sides by the same tokenizer, and ends sources with `</s>`.
impl From<Tokenizer> for PairTokenizer {
    fn from(tokenizer: Tokenizer) -> Self {
        Self {
            source: tokenizer.clone(),
            target: tokenizer,
            source_eos: true,
        }
    }
}

impl PairTokenizer {
    /// Encodes both sides of sentence pairs on all cores. Each target ends with `</s>`, and so does each source unless
    /// [`source_eos`](Self::source_eos) is false. Returns the examples in the order of `pairs`.
    #[must_use]
    pub fn encode_pairs(&self, pairs: &[SentencePair]) -> Vec<Example> {
        let encode = |tokenizer: &Tokenizer, side: fn(&SentencePair) -> &str| {
            let texts: Vec<&str> = pairs.iter().map(side).collect();
            tokenizer.encode_batch(&texts)
        };
        let sources = encode(&self.source, |pair| &pair.source);
        let targets = encode(&self.target, |pair| &pair.target);
        let examples = sources.into_iter().zip(targets);
        examples
            .map(|(source, mut target)| {
                target.push(self.target.eos_id());
                let source = self.source.encoder_input(source, self.source_eos);
                Example { source, target }
            })
            .collect()
    }

    /// Returns whether a side of `pair` surely has more than `limit` tokens, by [`Tokenizer::min_tokens`].
    #[must_use]
    pub fn has_more_tokens(&self, pair: &SentencePair, limit: usize) -> bool {
        // Most sides are so short that they need not be normalised to know it.
        [(&self.source, &pair.source), (&self.target, &pair.target)]
            .into_iter()
            .any(|(tokenizer, side)| side.len() > limit && tokenizer.min_tokens(side) > limit)
    }

    /// Returns all that decides how pairs are encoded, as one sequence of bytes. For one tokenizer with a
    /// `tokenizer.json`, it is the content of this file.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let (source, target) = (self.source.files(), self.target.files());
        if let TokenizerFiles::Json(json) = &source
            && source == target
            && self.source_eos
        {
            return json.clone().into_bytes();
        }
        let mut content = vec![u8::from(self.source_eos)];
        for (tokenizer, files) in [(&self.source, source), (&self.target, target)] {
            let files = files.bytes();
            content.extend(tokenizer.bos_id().to_le_bytes());
            content.extend((files.len() as u64).to_le_bytes());
            content.extend(&*files);
        }
        content
    }
}
