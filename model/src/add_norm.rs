//! The residual connection and layer normalization around each sub-layer: "Add & Norm" in the paper's figure 1.

use attend_ops::layer_norm;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use crate::config::{NormPlacement, TransformerConfig};
use crate::dropout::Dropout;

/// Keeps the deviation of a constant row from being zero: PyTorch's default.
const EPSILON: f64 = 1e-5;

/// Wraps a sub-layer: `norm(x + dropout(f(x)))` in post-norm, `x + dropout(f(norm(x)))` in pre-norm
/// (sections 3.1 and 5.4).
#[derive(Module, Debug)]
pub struct AddNorm {
    norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    placement: NormPlacement,
}

impl AddNorm {
    /// A norm of width `d_model`, placed as `config` says.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(config.d_model).init(device),
            dropout: Dropout::new(config.dropout),
            placement: config.norm,
        }
    }

    /// Applies the sub-layer `f` to `x` (`[batch, seq, d_model]`, as is the output).
    pub fn forward(&self, x: Tensor<3>, f: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        match self.placement {
            NormPlacement::Post => {
                let update = self.dropout.forward(f(x.clone()));
                normalize(&self.norm, x + update)
            }
            NormPlacement::Pre => {
                let update = f(normalize(&self.norm, x.clone()));
                x + self.dropout.forward(update)
            }
        }
    }
}

/// Normalizes each position of `[batch, seq, d_model]`.
pub(crate) fn normalize(norm: &LayerNorm, x: Tensor<3>) -> Tensor<3> {
    let beta = norm.beta.as_ref().expect("every norm has a bias");
    layer_norm(x, norm.gamma.val(), beta.val(), EPSILON)
}

/// The norm after a whole stack: pre-norm leaves the stack's output unnormalised, post-norm needs none.
pub(crate) fn final_norm(config: &TransformerConfig, device: &Device) -> Option<LayerNorm> {
    match config.norm {
        NormPlacement::Post => None,
        NormPlacement::Pre => Some(LayerNormConfig::new(config.d_model).init(device)),
    }
}
