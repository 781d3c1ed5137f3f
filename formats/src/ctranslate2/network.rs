//! What the variables of a `model.bin` say of the network.

use std::path::Path;

use attend_model::{
    ActivationKind, NormPlacement, PositionKind, TiedEmbeddings, marian_sinusoids, sinusoid_halves, sinusoids,
};

use super::unsupported;
use crate::error::FormatError;
use crate::tensors::{TensorBytes, TensorFile};

/// How far a table of positions in 16 bits may be from the numbers that are computed.
const TOLERANCE: f32 = 2e-3;

/// Scalars that describe the network, and say nothing more if they are 0.
pub(super) const FLAGS: [&str; 6] = [
    "alibi",
    "alibi_use_positive_positions",
    "scale_alibi",
    "multi_query_attention",
    "embeddings_merge",
    "layernorm_embedding",
];

/// What the variables say of the network.
pub(super) struct Network {
    pub(super) width: usize,
    pub(super) inner: usize,
    pub(super) heads: usize,
    /// The layers of encoder and decoder.
    pub(super) layers: [usize; 2],
    pub(super) norm: NormPlacement,
    pub(super) positions: PositionKind,
    pub(super) max_length: usize,
    pub(super) activation: ActivationKind,
    pub(super) tie_embeddings: TiedEmbeddings,
    pub(super) starts_from_zeros: bool,
}

impl Network {
    pub(super) fn of(file: &TensorBytes, path: &Path) -> Result<Self, FormatError> {
        let both = |name: &str| {
            let [encoder, decoder] =
                ["encoder", "decoder"].map(|side| file.integer(&format!("{side}/{name}")));
            match (encoder, decoder) {
                (Some(encoder), Some(decoder)) if encoder == decoder => Ok(encoder),
                (Some(_), Some(_)) => Err(unsupported(
                    path,
                    format!("{name} differs from encoder to decoder"),
                )),
                _ => Err(FormatError::tensor(
                    path,
                    &format!("encoder/{name}"),
                    "is missing",
                )),
            }
        };
        for (flag, side) in FLAGS
            .iter()
            .flat_map(|flag| ["encoder", "decoder"].map(|side| (flag, side)))
        {
            let name = format!("{side}/{flag}");
            if file.integer(&name).unwrap_or(0) != 0 {
                return Err(unsupported(path, format!("{name} is not 0")));
            }
        }
        if both("scale_embeddings")? != 1 {
            return Err(unsupported(path, "scale_embeddings is not 1"));
        }
        let activation = match both("activation")? {
            0 => ActivationKind::Relu,
            2 => ActivationKind::Swish,
            3 => ActivationKind::Gelu,
            other => return Err(unsupported(path, format!("activation is {other}"))),
        };
        let norm = match both("pre_norm")? {
            0 => NormPlacement::Post,
            _ => NormPlacement::Pre,
        };
        let matrix = |name: &str| match file.shape(name) {
            Some([rows, columns]) => Ok((*rows, *columns)),
            Some(shape) => Err(FormatError::tensor(
                path,
                name,
                format!("has the shape {shape:?}, but is a matrix"),
            )),
            None => Err(FormatError::tensor(path, name, "is missing")),
        };
        let (_, width) = matrix("encoder/embeddings_0/weight")?;
        let (inner, _) = matrix("encoder/layer_0/ffn/linear_0/weight")?;
        let (positions, max_length) = positions(file, path, width)?;
        let layers = ["encoder", "decoder"].map(|side| {
            let has = |layer: &usize| {
                file.shape(&format!("{side}/layer_{layer}/ffn/linear_0/weight"))
                    .is_some()
            };
            (0..).take_while(has).count()
        });
        let embedding = "decoder/embeddings/weight";
        let tie_embeddings = match (
            file.are_same(embedding, "decoder/projection/weight"),
            file.are_same(embedding, "encoder/embeddings_0/weight"),
        ) {
            (true, true) => TiedEmbeddings::All,
            (true, false) => TiedEmbeddings::Decoder,
            (false, _) => TiedEmbeddings::None,
        };
        Ok(Self {
            width,
            inner,
            heads: usize::try_from(both("num_heads")?).unwrap_or_default(),
            layers,
            norm,
            positions,
            max_length,
            activation,
            tie_embeddings,
            starts_from_zeros: file.integer("decoder/start_from_zero_embedding").unwrap_or(0) != 0,
        })
    }
}

/// Returns the kind and the number of positions, by the table of their encodings in the file. A table that no formula
/// gives is a learned one.
fn positions(file: &TensorBytes, path: &Path, width: usize) -> Result<(PositionKind, usize), FormatError> {
    let [encoder, decoder] =
        ["encoder", "decoder"].map(|side| format!("{side}/position_encodings/encodings"));
    let Some(&[length, found]) = file.shape(&encoder) else {
        return Err(unsupported(
            path,
            "it has no table of positions, which are relative or computed",
        ));
    };
    if found != width {
        return Err(FormatError::tensor(
            path,
            &encoder,
            format!("is not {width} wide"),
        ));
    }
    if !file.are_same(&encoder, &decoder) {
        return Ok((PositionKind::Learned, length));
    }
    // Computed positions are of an even width.
    if !width.is_multiple_of(2) || width == 2 {
        return Ok((PositionKind::Learned, length));
    }
    let table = file.read(&encoder)?;
    let is_computed = |formula: fn(usize, usize) -> Vec<f32>| {
        let computed = formula(length, width);
        table
            .iter()
            .zip(&computed)
            .all(|(found, number)| (found - number).abs() < TOLERANCE)
    };
    let kind = if is_computed(sinusoids) {
        PositionKind::Sinusoidal
    } else if is_computed(sinusoid_halves) {
        PositionKind::SinusoidalHalves
    } else if is_computed(marian_sinusoids) {
        PositionKind::Marian
    } else {
        PositionKind::Learned
    };
    Ok((kind, length))
}
