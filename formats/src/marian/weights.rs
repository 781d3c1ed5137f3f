//! The names of the weights of a model of Marian.

use attend_model::{LayerKind, TiedEmbeddings, TransformerConfig};

use super::settings::Settings;
use crate::error::FormatError;
use crate::tensors::SETTINGS;
use crate::vocabulary::NEVER;
use crate::weights::Weights;

/// The end of the names of tensors by which Marian rounds activations to 8 bits.
const ACTIVATION_SCALE: &str = "_QuantMultA";

/// Takes each tensor of the network. `<pad>` gets an embedding of zeros, which the decoder of Marian reads first, and a
/// logit that rules it out.
pub(super) fn take_weights(
    weights: &mut Weights,
    config: &TransformerConfig,
    settings: &Settings,
) -> Result<(), FormatError> {
    let (width, inner) = (config.d_model, config.d_ff);
    // Without <pad>.
    let (source, target) = (config.vocab_size - 1, config.target_vocabulary() - 1);
    let shared = |own: &'static str, weights: &Weights| if weights.has(own) { own } else { "Wemb" };
    let encoder = shared("encoder_Wemb", weights);
    weights.take_with_row(encoder, "embedding.weight", &[source, width], 0.0)?;
    if config.tie_embeddings != TiedEmbeddings::All {
        let decoder = shared("decoder_Wemb", weights);
        weights.take_with_row(decoder, "untied.target.weight", &[target, width], 0.0)?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        let name = "untied.output.weight";
        weights.take_transposed_with_row("decoder_ff_logit_out_W", name, [target, width], 0.0)?;
    }
    if settings.output_omit_bias {
        let mut bias = vec![0.0; target];
        bias.push(NEVER);
        weights.add_vector("output_bias", bias);
    } else {
        weights.take_with_row("decoder_ff_logit_out_b", "output_bias", &[target], NEVER)?;
    }
    for (side, layers) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        for number in 0..layers {
            let (theirs, ours) = (
                format!("{side}_l{}", number + 1),
                format!("{side}.layers.{number}"),
            );
            if side == "decoder" && config.decoder_layer == LayerKind::Ssru {
                take_ssru(weights, &format!("{theirs}_rnn"), &ours, width)?;
            } else {
                take_attention(
                    weights,
                    &format!("{theirs}_self"),
                    &format!("{ours}.self_attention"),
                    width,
                )?;
            }
            if side == "decoder" {
                take_attention(
                    weights,
                    &format!("{theirs}_context"),
                    &format!("{ours}.cross_attention"),
                    width,
                )?;
            }
            let (theirs, ours) = (format!("{theirs}_ffn"), format!("{ours}.feed_forward"));
            take_linear(weights, &theirs, "1", &format!("{ours}.inner"), [inner, width])?;
            take_linear(weights, &theirs, "2", &format!("{ours}.outer"), [width, inner])?;
            take_norm(weights, &format!("{theirs}_ffn"), &ours, width)?;
        }
    }
    let names = weights.file().names().into_iter();
    let needless: Vec<String> = names
        .filter(|name| *name == SETTINGS || name.ends_with(ACTIVATION_SCALE))
        .map(str::to_owned)
        .collect();
    for name in needless {
        weights.leave(&name);
    }
    weights.require_all_known()
}

fn take_attention(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    for (their_part, our_part) in [("q", "query"), ("k", "key"), ("v", "value"), ("o", "output")] {
        take_linear(
            weights,
            theirs,
            their_part,
            &format!("{ours}.{our_part}"),
            [width, width],
        )?;
    }
    take_norm(weights, &format!("{theirs}_Wo"), ours, width)
}

fn take_ssru(weights: &mut Weights, theirs: &str, layer: &str, width: usize) -> Result<(), FormatError> {
    let square = [width, width];
    let ours = format!("{layer}.ssru");
    take_linear(weights, theirs, "f", &format!("{ours}.forget"), square)?;
    weights.take_transposed(
        &format!("{theirs}_W"),
        &format!("{ours}.candidate.weight"),
        square,
    )?;
    take_norm(
        weights,
        &format!("{theirs}_ffn"),
        &format!("{layer}.self_attention"),
        width,
    )
}

/// Takes a linear layer, whose weight is `[inputs, outputs]` in Marian.
fn take_linear(
    weights: &mut Weights,
    theirs: &str,
    part: &str,
    ours: &str,
    shape: [usize; 2],
) -> Result<(), FormatError> {
    weights.take_transposed(&format!("{theirs}_W{part}"), &format!("{ours}.weight"), shape)?;
    weights.take(&format!("{theirs}_b{part}"), &format!("{ours}.bias"), &shape[..1])
}

/// Takes the norm around a sub-layer.
fn take_norm(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    for (their_part, our_part) in [("scale", "weight"), ("bias", "bias")] {
        let (theirs, ours) = (
            format!("{theirs}_ln_{their_part}"),
            format!("{ours}_norm.norm.{our_part}"),
        );
        weights.take(&theirs, &ours, &[width])?;
    }
    Ok(())
}
