//! A convolution, a relative of self-attention (section 4).

use attend_ops::{Activation, PackedLinear, Precision};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Tensor};

use crate::attention::Attended;
use crate::config::TransformerConfig;
use crate::init;
use crate::projection::{Projection, pack};
use crate::sequence_layer::{SequenceLayer, padding};

/// The number of layers after which the dilation is 1 again. With a width of 3, so many layers reach 255 positions on
/// either side, which is about a sentence of the default `max_length`.
const DILATIONS: usize = 8;

/// A convolution: the output at a position is a linear layer of the vectors at `width` positions, of which it is the
/// middle one. They are `dilation` positions apart. Beyond the ends of a sequence, and at padding, all vectors are 0.
///
/// For example, with a width of 3 and a dilation of 2, the output at position 5 depends on the positions 3, 5 and 7. The
/// output is that of PyTorch's `torch.nn.Conv1d` with such a width and dilation.
#[derive(Module, Debug)]
pub struct Convolution<P = Linear> {
    /// From the vectors at all `width` positions, one after another, to the output. It is PyTorch's weight
    /// `[d_model, d_model, width]` as `[d_model, width · d_model]`.
    projection: P,
    width: usize,
    dilation: usize,
}

impl Convolution {
    /// Returns the convolution of the layer at this index, with initial weights. Its dilation is 1 in the first layer
    /// and twice as large in each following one, so that a position is reached from all others in about as many layers
    /// as the logarithm of their number. After 128, in the eighth layer, it begins at 1 again.
    pub fn new(config: &TransformerConfig, layer: usize, device: &Device) -> Self {
        let (d_model, width) = (config.d_model, config.convolution_width);
        Self {
            projection: init::linear(width * d_model, d_model, 1.0, device),
            width,
            dilation: 1 << (layer % DILATIONS),
        }
    }

    pub(crate) fn pack(self, precision: Precision) -> Convolution<PackedLinear> {
        Convolution {
            projection: pack(self.projection, precision),
            width: self.width,
            dilation: self.dilation,
        }
    }
}

impl<P: Projection> SequenceLayer for Convolution<P> {
    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, _with_weights: bool) -> Attended {
        let [_, seq, _] = x.dims();
        let beyond = self.width / 2 * self.dilation;
        let x = x
            .mask_fill(padding(hidden), 0.0)
            .pad([(beyond, beyond), (0, 0)], 0.0);
        let seen = (0..self.width).map(|index| {
            let first = index * self.dilation;
            x.clone().slice_dim(1, first..first + seq)
        });
        let seen = Tensor::cat(seen.collect(), 2);
        (self.projection.forward(seen, Activation::Identity), None)
    }
}
