//! What the encoders of classifiers and taggers attend to.

use attend_data::{TokenMatrix, is_blank};
use attend_model::{AttentionKind, Head};

use super::classifier::Classifier;
use super::encoding::enclosed;
use super::model::LabelModel;
use super::tagger::Tagger;
use crate::attention::{Attention, HeadStatistics, Side, StatisticsSum, heads};
use crate::error::InferError;
use crate::padding::{padding, to_tensor};

impl Classifier {
    /// Returns the weights of the encoder's self-attention for a text: `<s>`, the tokens of the text, and `</s>`
    /// attend to each other.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NothingToAttend`] if the text is blank, and [`InferError::TooLong`] if it has more tokens
    /// than the model reads together.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn attention(&self, text: &str) -> Result<Attention, InferError> {
        let window = self.0.only_window(self.windows(text))?;
        Ok(self
            .0
            .on_workers(&[window], |window| self.0.attention_of(window))
            .remove(0))
    }

    /// Returns what each head attends to in these texts, in the order of layers. Blank texts are left out. There are no
    /// heads if no text is left or the layers of the encoder are no attention.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    #[must_use]
    pub fn head_statistics<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<(Head, HeadStatistics)> {
        self.0.head_statistics(texts, |text| self.windows(text.as_ref()))
    }
}

impl Tagger {
    /// Returns the weights of the encoder's self-attention for a sentence, given as its words: `<s>`, the tokens of the
    /// words, and `</s>` attend to each other.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NothingToAttend`] if no word has text, and [`InferError::TooLong`] if the words have more
    /// tokens than the model reads together.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn attention<W: AsRef<str>>(&self, words: &[W]) -> Result<Attention, InferError> {
        let window = self.0.only_window(self.read(words))?;
        Ok(self
            .0
            .on_workers(&[window], |window| self.0.attention_of(window))
            .remove(0))
    }

    /// Returns what each head attends to in these sentences, each given as its words, in the order of layers. Sentences
    /// without text are left out. There are no heads if none is left or the layers of the encoder are no attention.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    #[must_use]
    pub fn head_statistics<S: AsRef<[W]> + Sync, W: AsRef<str> + Sync>(
        &self,
        sentences: &[S],
    ) -> Vec<(Head, HeadStatistics)> {
        self.0
            .head_statistics(sentences, |words| self.read(words.as_ref()))
    }

    /// Encodes words as windows, each `<s>`, tokens and `</s>`. Words without text have none.
    fn read<W: AsRef<str>>(&self, words: &[W]) -> Vec<Vec<u32>> {
        if words.iter().all(|word| is_blank(word.as_ref())) {
            return Vec::new();
        }
        let windows = self.windows(words).into_iter();
        windows
            .map(|window| enclosed(&self.0.tokenizer, &window.tokens))
            .collect()
    }
}

impl LabelModel {
    /// Returns the window of a text that has only one.
    fn only_window(&self, mut windows: Vec<Vec<u32>>) -> Result<Vec<u32>, InferError> {
        let text = "the text";
        match (windows.pop(), windows.len()) {
            (None, _) => Err(InferError::NothingToAttend { text }),
            (Some(window), 0) => Ok(window),
            (Some(last), _) => Err(InferError::TooLong {
                text,
                line: 1,
                tokens: windows.iter().chain([&last]).map(|window| window.len() - 2).sum(),
                limit: self.window(),
            }),
        }
    }

    fn attention_of(&self, window: &Vec<u32>) -> Attention {
        let device = self.network.device();
        let padding = padding(&device, self.tokenizer.pad_id(), self.max_length);
        let ids = to_tensor(&TokenMatrix::new(&[window.as_slice()], padding), &device);
        let side = || {
            let start = self.tokenizer.token(window[0]);
            Side::new(&self.tokenizer, &window[1..], None).after(start)
        };
        let layers = self.network.attention_weights(ids).into_iter();
        let layers = layers
            .map(|weights| heads(weights, window.len(), window.len()))
            .collect();
        Attention::new(AttentionKind::Encoder, side(), side(), layers)
    }

    fn head_statistics<T: Sync>(
        &self,
        texts: &[T],
        windows: impl Fn(&T) -> Vec<Vec<u32>> + Sync,
    ) -> Vec<(Head, HeadStatistics)> {
        let of_text = |text: &T| {
            let windows = windows(text);
            let windows = windows.iter().map(|window| self.attention_of(window));
            windows
                .map(|attention| StatisticsSum::of(&attention, true))
                .reduce(StatisticsSum::add)
        };
        let sums = self.on_workers(texts, of_text).into_iter().flatten();
        sums.reduce(StatisticsSum::add)
            .map(StatisticsSum::mean)
            .unwrap_or_default()
    }
}
