//! The names of the weights of a model of Hugging Face.

use attend_model::{TiedEmbeddings, TransformerConfig};

use super::names::{LayerKind, layers};
use crate::error::FormatError;
use crate::vocabulary::NEVER;
use crate::weights::Weights;

/// The names of the embeddings: of both sides, of the encoder, of the decoder, and of the output. A file has some of
/// those that are the same matrix.
const EMBEDDINGS: [&str; 4] = [
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
];

/// Tables that are computed, which older files have.
const POSITIONS: [&str; 2] = [
    "model.encoder.embed_positions.weight",
    "model.decoder.embed_positions.weight",
];

/// Takes each tensor of the network.
pub(super) fn take_weights(weights: &mut Weights, config: &TransformerConfig) -> Result<(), FormatError> {
    let width = config.d_model;
    let (source, target) = (config.vocab_size, config.target_vocabulary());
    let embeddings = EMBEDDINGS.map(|name| (name, weights.has(name)));
    let first = |names: &[&'static str]| {
        let is_there = |name: &&&'static str| embeddings.contains(&(**name, true));
        *names.iter().find(is_there).unwrap_or(&names[0])
    };
    let [shared, of_encoder, of_decoder, of_output] = EMBEDDINGS;
    let of_source = match config.tie_embeddings {
        TiedEmbeddings::All => first(&EMBEDDINGS),
        _ => first(&[of_encoder, shared]),
    };
    weights.take(of_source, "embedding.weight", &[source, width])?;
    if config.tie_embeddings != TiedEmbeddings::All {
        let of_target = match config.tie_embeddings {
            TiedEmbeddings::Decoder => first(&[of_decoder, of_output, shared]),
            _ => first(&[of_decoder, shared]),
        };
        weights.take(of_target, "untied.target.weight", &[target, width])?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        weights.take(of_output, "untied.output.weight", &[target, width])?;
    }
    // transformers leaves padding out of the probabilities: it is a bad word, and the others are normalised anew.
    if weights.has("final_logits_bias") {
        let never = (config.pad_id, NEVER);
        weights.take_replacing("final_logits_bias", "output_bias", target, never)?;
    } else {
        let mut bias = vec![0.0; target];
        bias[config.pad_id] = NEVER;
        weights.add_vector("output_bias", bias);
    }
    for layer in layers(config) {
        let weight = match layer.kind {
            LayerKind::Reads { outputs } => vec![outputs, width],
            LayerKind::Writes { inputs } => vec![width, inputs],
            LayerKind::Norm => vec![width],
        };
        for (part, shape) in [("weight", weight.as_slice()), ("bias", &weight[..1])] {
            let (theirs, ours) = (
                format!("{}.{part}", layer.theirs),
                format!("{}.{part}", layer.ours),
            );
            weights.take(&theirs, &ours, shape)?;
        }
    }
    for tensor in EMBEDDINGS.iter().chain(&POSITIONS) {
        weights.leave(tensor);
    }
    weights.require_all_known()
}
