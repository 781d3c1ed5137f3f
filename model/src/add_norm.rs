//! The residual connection and layer normalization around each sub-layer: "Add & Norm" in the paper's figure 1.

use attend_ops::layer_norm;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use crate::config::{NormPlacement, TransformerConfig};
use crate::dropout::Dropout;

/// Wraps a sub-layer `f`: `norm(x + dropout(f(x)))` in post-norm, `x + dropout(f(norm(x)))` in pre-norm
/// (sections 3.1 and 5.4).
#[derive(Module, Debug)]
pub struct AddNorm {
    norm: LayerNorm,
    /// The small number that is added to a variance.
    epsilon: f64,
    dropout: Dropout,
    #[module(skip)]
    placement: NormPlacement,
}

impl AddNorm {
    /// Returns a norm of width `d_model` with initial weights. `config.norm` places it before or after the sub-layer.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(config.d_model).init(device),
            epsilon: config.norm_epsilon,
            dropout: Dropout::new(config.dropout),
            placement: config.norm,
        }
    }

    /// Applies a sub-layer to `x`.
    ///
    /// # Shapes
    ///
    /// - x, input and output of `sub_layer`, output: `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>, sub_layer: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        self.forward_with(x, |x| (sub_layer(x), ())).0
    }

    /// Applies a sub-layer that returns something beside its output, such as attention weights, and returns both.
    ///
    /// # Shapes
    ///
    /// - x, input and output of `sub_layer`, output: `[batch, seq, d_model]`
    pub fn forward_with<T>(
        &self,
        x: Tensor<3>,
        sub_layer: impl FnOnce(Tensor<3>) -> (Tensor<3>, T),
    ) -> (Tensor<3>, T) {
        match self.placement {
            NormPlacement::Post => {
                let (update, extra) = sub_layer(x.clone());
                let sum = x + self.dropout.forward(update);
                (normalize(&self.norm, self.epsilon, sum), extra)
            }
            NormPlacement::Pre => {
                let (update, extra) = sub_layer(normalize(&self.norm, self.epsilon, x.clone()));
                (x + self.dropout.forward(update), extra)
            }
        }
    }
}

/// Returns the norm after the last layer of a stack. It exists only in pre-norm, in which a layer's output is not
/// normalized. In post-norm, every layer's output is already normalized.
pub(crate) fn final_norm(config: &TransformerConfig, device: &Device) -> Option<LayerNorm> {
    match config.norm {
        NormPlacement::Post => None,
        NormPlacement::Pre => Some(LayerNormConfig::new(config.d_model).init(device)),
    }
}

/// Applies the norm after the last layer of a stack, if there is one, to each position of `[batch, seq, d_model]`.
/// `epsilon` is added to variances.
pub(crate) fn normalize_last(norm: &Option<LayerNorm>, epsilon: f64, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => normalize(norm, epsilon, x),
        None => x,
    }
}

/// Normalizes each position of `[batch, seq, d_model]`.
fn normalize(norm: &LayerNorm, epsilon: f64, x: Tensor<3>) -> Tensor<3> {
    let beta = norm.beta.as_ref().expect("every norm has a bias");
    layer_norm(x, norm.gamma.val(), beta.val(), epsilon)
}
