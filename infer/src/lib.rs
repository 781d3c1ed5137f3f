//! Translates text with a trained model: the model folder, search, scores, BLEU, chrF and TER. Classifies texts and tags
//! words.
//!
//! | to | take |
//! |---|---|
//! | read or write a model folder | [`ModelFolder`] |
//! | share a model, or an ensemble of several, among threads | [`Model`] |
//! | set the options of a call or of a line | [`TranslateOptions`] |
//! | keep tags, URLs and placeholders | [`Format`], [`TagNames`], [`SpanKind`] |
//! | have terms translated as they should be | [`Glossary`] |
//! | translate lines and texts, or score given translations | [`Translator`] |
//! | see what a model attends to | [`Translator::attention`], [`Translator::head_statistics`] |
//! | let several calls share batches | [`Translator::encode`], [`Translator::search_batch`] |
//! | tell a translation sentence by sentence | [`TranslationInParts`] |
//! | classify texts, tag words | [`Classifier`], [`Tagger`] |
//! | read lines ahead, while others are labelled | [`read_ahead`] |
//! | search with a decoder of one's own | [`search`] |
//! | score translations against references | [`metric`] |
//!
//! ```no_run
//! use attend_device::Workers;
//! use attend_infer::{Language, Model, Precision, TranslateOptions, Translator};
//!
//! let device = attend_device::auto()?.device;
//! let model = Model::load("runs/phrasebook", &device, Precision::Float32)?;
//! let translator = Translator::new(model, Workers::start(1, 1)?);
//!
//! // Each line is one sentence.
//! let options = translator.model().options();
//! for translations in translator.translate(&["The old teacher buys the red bicycle."], &options) {
//!     println!("{}", translations?[0].text);
//! }
//!
//! # #[cfg(feature = "sentences")] {
//! // Each line is a text of any length, translated sentence by sentence. It takes the feature `sentences`.
//! let texts = ["The old teacher does not buy the red bicycle. He is happy."];
//! let options = TranslateOptions {
//!     language: Some(Language::default()),
//!     ..options
//! };
//! println!("{}", translator.translate_best(&texts, &options)?[0]);
//! # }
//! # Ok::<(), attend_infer::InferError>(())
//! ```

mod alignment;
mod attention;
mod error;
mod glossary;
mod labelling;
mod language;
mod lexical_shortlist;
mod links;
mod markup;
pub mod metric;
mod model;
mod model_folder;
mod options;
mod padding;
mod script;
pub mod search;
mod spans;
mod stream;
mod task;
mod text;
mod token_files;
mod transformer_decoder;
mod translation;
mod translator;
mod weights;

pub use alignment::Alignment;
pub use attend_model::{AttentionKind, Head, Precision};
pub use attention::{Attention, HeadStatistics, SentenceAttention};
pub use error::InferError;
pub use glossary::{Glossary, InvalidTerm};
pub use labelling::{
    Classification, Classifier, LabelModelFolder, LabelProbability, Tag, Tagger, TokenWeight, encode_text,
    encode_words,
};
pub use language::{InvalidLanguage, Language, Languages};
pub use lexical_shortlist::LexicalShortlist;
pub use markup::{Format, TagNames};
pub use model::Model;
pub use model_folder::ModelFolder;
pub use options::TranslateOptions;
pub use padding::{padding, to_tensor};
pub use spans::SpanKind;
pub use stream::{StreamLine, read_ahead, translate_stream};
pub use task::TaskKind;
pub use token_files::TokenFiles;
pub use translation::{LinkedTranslation, Translation};
pub use translator::{
    EncodedLines, EncodedSentence, GivenTranslation, Line, Score, TokenScore, TranslationInParts, Translator,
};
