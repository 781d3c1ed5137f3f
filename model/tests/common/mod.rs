//! Small networks of every kind with fixed weights, and sentences for them.

use attend_model::{
    ActivationKind, LayerKind, NormPlacement, PositionKind, Preset, TiedEmbeddings, Transformer,
    TransformerConfig,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The id of padding. It is the last of the vocabulary, so that code that takes padding for 0 fails.
pub(crate) const PAD: usize = 10;

/// Sentences of unequal length, source and target.
pub(crate) const SOURCES: [&[i32]; 3] = [&[5, 6, 7, 2], &[8, 9, 0, 3, 4, 2], &[9, 2]];
pub(crate) const TARGETS: [&[i32]; 3] = [&[1, 4, 8, 3, 7], &[1, 9], &[1, 6, 5]];

/// Both norms, both kinds of position, tied and untied. Dropout is on, but must not act outside of training.
pub(crate) fn variants() -> Vec<TransformerConfig> {
    let mut variants = Vec::new();
    for norm in [NormPlacement::Post, NormPlacement::Pre] {
        for positions in [PositionKind::Sinusoidal, PositionKind::Learned] {
            for tie_embeddings in [TiedEmbeddings::All, TiedEmbeddings::None] {
                variants.push(TransformerConfig {
                    d_model: 16,
                    d_ff: 24,
                    n_heads: 4,
                    encoder_layers: 3,
                    decoder_layers: 2,
                    dropout: 0.3,
                    norm,
                    positions,
                    max_length: 8,
                    tie_embeddings,
                    pad_id: PAD,
                    ..Preset::Tiny.config(11)
                });
            }
        }
    }
    variants
}

/// Networks of other layers than full self-attention.
pub(crate) fn relatives() -> Vec<TransformerConfig> {
    let whole = variants().swap_remove(0);
    vec![
        TransformerConfig {
            encoder_layer: LayerKind::Restricted,
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(1),
            ..whole.clone()
        },
        TransformerConfig {
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(3),
            norm: NormPlacement::Pre,
            ..whole.clone()
        },
        TransformerConfig {
            encoder_layer: LayerKind::Recurrent,
            ..whole.clone()
        },
        TransformerConfig {
            encoder_layer: LayerKind::Convolution,
            convolution_width: 5,
            ..whole
        },
    ]
}

/// Networks with what those of other toolkits have.
pub(crate) fn of_other_toolkits() -> Vec<TransformerConfig> {
    let whole = variants().swap_remove(0);
    vec![
        // Firefox's.
        TransformerConfig {
            positions: PositionKind::Marian,
            decoder_layer: LayerKind::Ssru,
            norm_epsilon: 1e-6,
            output_bias: true,
            decoder_start_id: Some(PAD),
            ..whole.clone()
        },
        // Hugging Face's.
        TransformerConfig {
            positions: PositionKind::SinusoidalHalves,
            activation: ActivationKind::Swish,
            tie_embeddings: TiedEmbeddings::Decoder,
            target_vocab_size: Some(13),
            output_bias: true,
            decoder_start_id: Some(PAD),
            ..whole.clone()
        },
        TransformerConfig {
            norm: NormPlacement::Pre,
            activation: ActivationKind::Gelu,
            tie_embeddings: TiedEmbeddings::None,
            target_vocab_size: Some(12),
            decoder_layer: LayerKind::Ssru,
            ..whole
        },
    ]
}

/// [`variants`], [`relatives`] and [`of_other_toolkits`].
pub(crate) fn all_networks() -> Vec<TransformerConfig> {
    [variants(), relatives(), of_other_toolkits()].concat()
}

/// Replaces matrices by fixed numbers, and adds such numbers to biases and norms, which would otherwise be 0 or 1.
pub(crate) struct Spread(pub(crate) f64);

impl ModuleMapper for Spread {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let noise = (0..tensor.shape().num_elements())
                .map(|_| {
                    self.0 += 1.0;
                    (0.4 * (self.0 * self.0).sin()) as f32
                })
                .collect::<Vec<_>>();
            let noise = Tensor::from_data(TensorData::new(noise, tensor.shape()), &tensor.device());
            if D == 1 { tensor + noise } else { noise }
        })
    }
}

pub(crate) fn model(config: &TransformerConfig, device: &Device) -> Transformer {
    Transformer::new(config, device).unwrap().map(&mut Spread(0.0))
}

/// Rows padded on the right to the longest.
pub(crate) fn batch(rows: &[&[i32]], device: &Device) -> Tensor<2, Int> {
    let seq = rows.iter().map(|row| row.len()).max().unwrap();
    let ids: Vec<i32> = rows
        .iter()
        .flat_map(|row| {
            let padding = std::iter::repeat_n(PAD as i32, seq - row.len());
            row.iter().copied().chain(padding)
        })
        .collect();
    Tensor::from_data(TensorData::new(ids, [rows.len(), seq]), device)
}

/// Returns the bound of a difference: `full` for 32-bit floats, `tf32` if Burn rounds the factors of matrix products
/// to TF32, as it does on NVIDIA's GPUs with CUDA. TF32 has as many fraction bits as float16. Its bounds are twice the
/// differences of matrix products in float16 on the processor.
pub(crate) fn bound(full: f64, tf32: f64) -> f64 {
    if format!("{:?}", Device::default()).contains("Cuda") {
        tf32
    } else {
        full
    }
}

/// Asserts that `max |a - b|` is at most 1e-5, for logits of which the largest are near 5.
pub(crate) fn assert_close<const D: usize>(a: Tensor<D>, b: Tensor<D>) {
    assert_eq!(a.dims(), b.dims());
    let difference: f64 = (a - b).abs().max().into_scalar();
    assert!(
        difference <= bound(1e-5, 1.5e-2),
        "the two differ by {difference:e}"
    );
}
