//! A trained model and a tokenizer make translations: search, the model folder, BLEU and chrF.
//!
//! ```no_run
//! use attend_infer::{ModelFolder, Translator};
//!
//! let device = attend_device::auto()?.device;
//! let translator = Translator::new(ModelFolder::load("runs/phrasebook", &device)?);
//! let lines = ["The old teacher does not buy the red bicycle."];
//! println!("{}", translator.translate(&lines)?[0][0].text);
//!
//! // Sentence by sentence, so a text may be of any length.
//! let texts = ["The old teacher does not buy the red bicycle. He is happy."];
//! println!("{}", translator.translate_text(&texts)?[0][0].text);
//! # Ok::<(), attend_infer::InferError>(())
//! ```

pub mod alignment;
pub mod error;
pub mod metric;
pub mod model_folder;
mod padding;
pub mod search;
pub mod stream;
pub mod text;
mod transformer_decoder;
pub mod translator;
mod weights;

pub use alignment::Alignment;
pub use error::InferError;
pub use model_folder::ModelFolder;
pub use padding::padding;
pub use text::Language;
pub use translator::{GivenTranslation, Score, SourceLine, TokenScore, Translation, Translator};
