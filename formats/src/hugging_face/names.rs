//! The names of the layers of a Transformer in a file of Hugging Face and in a model folder, for import and export.

use attend_model::{NormPlacement, TransformerConfig};

/// A linear layer or a norm. Both names stand before `.weight` and `.bias`.
pub(crate) struct Layer {
    pub theirs: String,
    pub ours: String,
    pub kind: LayerKind,
}

/// What a layer does with the `d_model` numbers that go from sub-layer to sub-layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerKind {
    /// A linear layer that reads them.
    Reads { outputs: usize },
    /// A linear layer whose output is added to them.
    Writes { inputs: usize },
    /// A norm of them.
    Norm,
}

/// Returns all layers of encoder and decoder between the embeddings and the logits, in the order of the computation.
pub(crate) fn layers(config: &TransformerConfig) -> Vec<Layer> {
    let (width, inner) = (config.d_model, config.d_ff);
    let mut layers = Vec::new();
    let mut add = |theirs: String, ours: String, kind| layers.push(Layer { theirs, ours, kind });
    for (side, count) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        for number in 0..count {
            let ours = format!("{side}.layers.{number}");
            let theirs = format!("model.{ours}");
            let attentions = [
                ("self_attn", "self_attention"),
                ("encoder_attn", "cross_attention"),
            ];
            for (their_name, our_name) in attentions.into_iter().take(if side == "encoder" { 1 } else { 2 }) {
                let (theirs, ours) = (format!("{theirs}.{their_name}"), format!("{ours}.{our_name}"));
                for (their_part, our_part) in [("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")] {
                    let (theirs, ours) = (format!("{theirs}.{their_part}"), format!("{ours}.{our_part}"));
                    add(theirs, ours, LayerKind::Reads { outputs: width });
                }
                let output = LayerKind::Writes { inputs: width };
                add(format!("{theirs}.out_proj"), format!("{ours}.output"), output);
                add(
                    format!("{theirs}_layer_norm"),
                    format!("{ours}_norm.norm"),
                    LayerKind::Norm,
                );
            }
            let network = format!("{ours}.feed_forward");
            let first = LayerKind::Reads { outputs: inner };
            add(format!("{theirs}.fc1"), format!("{network}.inner"), first);
            let second = LayerKind::Writes { inputs: inner };
            add(format!("{theirs}.fc2"), format!("{network}.outer"), second);
            let norm = format!("{theirs}.final_layer_norm");
            add(norm, format!("{network}_norm.norm"), LayerKind::Norm);
        }
        if config.norm == NormPlacement::Pre {
            let norm = format!("model.{side}.layer_norm");
            add(norm, format!("{side}.norm"), LayerKind::Norm);
        }
    }
    layers
}
