//! One head of an attention, and the network without it.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::encoder_classifier::EncoderClassifier;
use crate::transformer::Transformer;

/// The three ways in which the network uses attention (section 3.2.3).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum AttentionKind {
    /// Self-attention of the encoder: each source token attends to all source tokens.
    Encoder,
    /// Masked self-attention of the decoder: each target token attends to itself and to those before it.
    Decoder,
    /// Cross-attention: each target token attends to all source tokens.
    Cross,
}

impl AttentionKind {
    /// Returns the name of the kind in a sentence or a title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Encoder => "encoder self-attention",
            Self::Decoder => "decoder self-attention",
            Self::Cross => "encoder-decoder attention",
        }
    }

    /// Returns the path in a network of the layers that have the attention, and the attention's name in a layer.
    fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Encoder => ("encoder", "self_attention"),
            Self::Decoder => ("decoder", "self_attention"),
            Self::Cross => ("decoder", "cross_attention"),
        }
    }
}

/// A head of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// The attention that the head is a part of.
    pub kind: AttentionKind,
    /// The index of the layer, from 0.
    pub layer: usize,
    /// The index of the head in its layer, from 0.
    pub head: usize,
}

impl Transformer {
    /// Returns the network without what one of its `n_heads` heads adds, as Michel et al. (2019), "Are Sixteen Heads
    /// Really Better than One?", mask it: the rows of the output projection `W^O` that belong to the head become 0, so
    /// that `Concat(head_1, …, head_h) W^O` is as if the head's output were 0. All other weights, the bias of the
    /// projection among them, stay. A network that has no such head stays as it is.
    ///
    /// For example, with 2 heads and a `d_model` of 4, the head with the index 1 has the rows 2 and 3.
    #[must_use]
    pub fn without_head(self, head: Head, n_heads: usize) -> Self {
        without_head(self, head, n_heads)
    }
}

impl EncoderClassifier {
    /// Returns the network without what one of its `n_heads` heads adds, as [`Transformer::without_head`] does. A
    /// network that has no such head stays as it is.
    #[must_use]
    pub fn without_head(self, head: Head, n_heads: usize) -> Self {
        without_head(self, head, n_heads)
    }
}

fn without_head<N: Module>(network: N, head: Head, n_heads: usize) -> N {
    let (stack, attention) = head.kind.path();
    let mut mask = HeadMask {
        weight: format!("{stack}.layers.{}.{attention}.output.weight", head.layer),
        head: head.head,
        n_heads,
        path: Vec::new(),
    };
    network.map(&mut mask)
}

/// Sets the rows of one head in an output projection to 0.
struct HeadMask {
    /// The name of the projection's weight.
    weight: String,
    head: usize,
    n_heads: usize,
    /// The names of the modules from the network down to the present one.
    path: Vec<String>,
}

impl ModuleMapper for HeadMask {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.head >= self.n_heads || self.path.join(".") != self.weight {
            return param;
        }
        param.map(|weight| {
            let width = weight.dims()[0] / self.n_heads;
            weight.slice_fill(self.head * width..(self.head + 1) * width, 0.0)
        })
    }
}
