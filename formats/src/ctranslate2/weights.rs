//! The names of the weights in a `model.bin`.

use attend_model::{NormPlacement, PositionKind, TiedEmbeddings, TransformerConfig};

use super::network::FLAGS;
use crate::error::FormatError;
use crate::vocabulary::NEVER;
use crate::weights::Weights;

/// Takes each variable of the network. If `adds_pad`, `<pad>` gets an embedding of zeros, from which the decoder may
/// start, and a logit that rules it out.
pub(super) fn take_weights(
    weights: &mut Weights,
    config: &TransformerConfig,
    adds_pad: bool,
) -> Result<(), FormatError> {
    let (width, inner) = (config.d_model, config.d_ff);
    let added = usize::from(adds_pad);
    let (source, target) = (config.vocab_size - added, config.target_vocabulary() - added);
    let mut take_rows = |theirs: &str, ours: &str, rows: usize| {
        if adds_pad {
            weights.take_with_row(theirs, ours, &[rows, width], 0.0)
        } else {
            weights.take(theirs, ours, &[rows, width])
        }
    };
    take_rows("encoder/embeddings_0/weight", "embedding.weight", source)?;
    if config.tie_embeddings != TiedEmbeddings::All {
        take_rows("decoder/embeddings/weight", "untied.target.weight", target)?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        take_rows("decoder/projection/weight", "untied.output.weight", target)?;
    }
    // Tied matrices are one variable under several names.
    for name in ["decoder/embeddings/weight", "decoder/projection/weight"] {
        weights.leave(name);
    }
    let bias = "decoder/projection/bias";
    if !weights.has(bias) {
        let mut zeros = vec![0.0; target + added];
        // A padding of its own has a part in CTranslate2's probabilities.
        if adds_pad {
            zeros[config.pad_id] = NEVER;
        }
        weights.add_vector("output_bias", zeros);
    } else if adds_pad {
        weights.take_with_row(bias, "output_bias", &[target], NEVER)?;
    } else {
        weights.take(bias, "output_bias", &[target])?;
    }
    for (side, positions, layers) in [
        ("encoder", "source_positions", config.encoder_layers),
        ("decoder", "target_positions", config.decoder_layers),
    ] {
        let table = format!("{side}/position_encodings/encodings");
        if config.positions == PositionKind::Learned {
            weights.take(
                &table,
                &format!("{positions}.learned.weight"),
                &[config.max_length, width],
            )?;
        } else {
            weights.leave(&table);
        }
        if config.norm == NormPlacement::Pre {
            take_norm(
                weights,
                &format!("{side}/layer_norm"),
                &format!("{side}.norm"),
                width,
            )?;
        }
        for number in 0..layers {
            let (theirs, ours) = (
                format!("{side}/layer_{number}"),
                format!("{side}.layers.{number}"),
            );
            let own = format!("{ours}.self_attention");
            let (attention, cross) = (format!("{theirs}/self_attention"), format!("{theirs}/attention"));
            take_together(
                weights,
                &format!("{attention}/linear_0"),
                &own,
                &["query", "key", "value"],
                width,
            )?;
            take_linear(
                weights,
                &format!("{attention}/linear_1"),
                &format!("{own}.output"),
                [width, width],
            )?;
            take_norm(
                weights,
                &format!("{attention}/layer_norm"),
                &format!("{own}_norm.norm"),
                width,
            )?;
            if side == "decoder" {
                let own = format!("{ours}.cross_attention");
                take_linear(
                    weights,
                    &format!("{cross}/linear_0"),
                    &format!("{own}.query"),
                    [width, width],
                )?;
                take_together(
                    weights,
                    &format!("{cross}/linear_1"),
                    &own,
                    &["key", "value"],
                    width,
                )?;
                take_linear(
                    weights,
                    &format!("{cross}/linear_2"),
                    &format!("{own}.output"),
                    [width, width],
                )?;
                take_norm(
                    weights,
                    &format!("{cross}/layer_norm"),
                    &format!("{own}_norm.norm"),
                    width,
                )?;
            }
            let (theirs, ours) = (format!("{theirs}/ffn"), format!("{ours}.feed_forward"));
            take_linear(
                weights,
                &format!("{theirs}/linear_0"),
                &format!("{ours}.inner"),
                [inner, width],
            )?;
            take_linear(
                weights,
                &format!("{theirs}/linear_1"),
                &format!("{ours}.outer"),
                [width, inner],
            )?;
            take_norm(
                weights,
                &format!("{theirs}/layer_norm"),
                &format!("{ours}_norm.norm"),
                width,
            )?;
        }
        let scalars = [
            "activation",
            "num_heads",
            "pre_norm",
            "scale_embeddings",
            "alignment_heads",
            "alignment_layer",
        ];
        for name in scalars.iter().chain(&FLAGS).chain(&["start_from_zero_embedding"]) {
            weights.leave(&format!("{side}/{name}"));
        }
    }
    weights.require_all_known()
}

/// Takes a linear layer. One without a bias gets a bias of zeros.
fn take_linear(
    weights: &mut Weights,
    theirs: &str,
    ours: &str,
    shape: [usize; 2],
) -> Result<(), FormatError> {
    weights.take(&format!("{theirs}/weight"), &format!("{ours}.weight"), &shape)?;
    let (bias, name) = (format!("{theirs}/bias"), format!("{ours}.bias"));
    if weights.has(&bias) {
        weights.take(&bias, &name, &shape[..1])
    } else {
        weights.add_vector(&name, vec![0.0; shape[0]]);
        Ok(())
    }
}

/// Takes several projections of the same input, whose rows follow each other in one matrix.
fn take_together(
    weights: &mut Weights,
    theirs: &str,
    ours: &str,
    parts: &[&str],
    width: usize,
) -> Result<(), FormatError> {
    let rows = parts.len() * width;
    let (weight, bias) = (format!("{theirs}/weight"), format!("{theirs}/bias"));
    for (index, part) in parts.iter().enumerate() {
        let range = index * width..(index + 1) * width;
        weights.take_rows(
            &weight,
            &format!("{ours}.{part}.weight"),
            &[rows, width],
            range.clone(),
        )?;
        let name = format!("{ours}.{part}.bias");
        if weights.has(&bias) {
            weights.take_rows(&bias, &name, &[rows], range)?;
        } else {
            weights.add_vector(&name, vec![0.0; width]);
        }
    }
    Ok(())
}

fn take_norm(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    weights.take(&format!("{theirs}/gamma"), &format!("{ours}.weight"), &[width])?;
    weights.take(&format!("{theirs}/beta"), &format!("{ours}.bias"), &[width])
}
