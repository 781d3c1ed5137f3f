//! What the reader of a format finds in the files of a model.

use attend_data::SentencePieceModel;
use attend_infer::search::SearchOptions;
use attend_infer::{Languages, LexicalShortlist};
use attend_model::TransformerConfig;

use crate::format::Format;
use crate::vocabulary::Vocabulary;
use crate::weights::Weights;

/// A foreign model: all that a model folder holds, before it is written.
pub(crate) struct ForeignModel {
    pub(crate) format: Format,
    pub(crate) config: TransformerConfig,
    pub(crate) weights: Weights,
    pub(crate) generation: SearchOptions,
    pub(crate) languages: Languages,
    /// The numbers of the pieces of the source, and of the target if it has no vocabulary of its own.
    pub(crate) vocabulary: Vocabulary,
    pub(crate) target_vocabulary: Option<Vocabulary>,
    /// The SentencePiece model that cuts the source.
    pub(crate) source_pieces: SentencePieceModel,
    /// The SentencePiece model that joins the target.
    pub(crate) target_pieces: SentencePieceModel,
    pub(crate) shortlist: Option<LexicalShortlist>,
}
