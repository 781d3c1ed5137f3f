//! Linear layers with their weights laid out for translating.

#[cfg(feature = "flex")]
use std::sync::Arc;

use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::linear::{self, Activation};
use crate::mixed_precision::with_products_in;

/// What the weights of a translating network are kept in, and its products are taken in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Precision {
    /// As trained.
    #[default]
    Float32,
    /// Weights, what they multiply, and the products in 16 bits with the exponents of 32; everything else stays in 32
    /// bits.
    BFloat16,
    /// The same in 16 bits with a longer fraction.
    Float16,
    /// Weights rounded to 8 bits, a scale for each output, or to 7 on processors without instructions for products of 8;
    /// the rows that they multiply likewise to 8 bits, a scale for each row. Everything but products with weights stays
    /// in 32 bits.
    Int8,
}

impl Precision {
    /// The type that a device multiplies in; 8-bit values are rounded, and multiplied as 32-bit floats, where there is
    /// no kernel for them.
    #[must_use]
    pub fn of_products(self) -> FloatDType {
        match self {
            Self::Float32 | Self::Int8 => FloatDType::F32,
            Self::BFloat16 => FloatDType::BF16,
            Self::Float16 => FloatDType::F16,
        }
    }
}

/// The largest magnitude of a rounded value.
const LARGEST: f32 = 127.0;

/// `activation(x W + b)` of a weight that is laid out once for all the products that translating takes with it: to do
/// so for each, as a general routine does, costs as much as the product when there are few rows.
#[derive(Clone, Debug)]
pub struct PackedLinear {
    weight: Weight,
    bias: Tensor<1>,
    precision: Precision,
}

#[derive(Clone, Debug)]
enum Weight {
    /// `[d_input, d_output]`, where there is no kernel.
    Plain(Box<Tensor<2>>),
    #[cfg(feature = "flex")]
    Packed(Arc<flex::PackedWeight>),
}

impl PackedLinear {
    /// Lays out a weight `[d_input, d_output]` beside its bias `[d_output]`.
    #[must_use]
    pub fn new(weight: Tensor<2>, bias: Tensor<1>, precision: Precision) -> Self {
        #[cfg(feature = "flex")]
        if crate::kernel::serves_inference(&weight) && precision.of_products() == FloatDType::F32 {
            return Self {
                weight: Weight::Packed(Arc::new(flex::PackedWeight::of(weight, precision))),
                bias,
                precision,
            };
        }
        let weight = match precision {
            Precision::Int8 => rounded(weight, 0),
            floats => weight.cast(floats.of_products()),
        };
        Self {
            weight: Weight::Plain(Box::new(weight)),
            bias,
            precision,
        }
    }

    /// There is no backward pass: training takes [`linear()`](crate::linear()).
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_input]`
    /// - output: `[batch, seq, d_output]`
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let bias = self.bias.clone();
        match &self.weight {
            Weight::Plain(weight) => {
                let x = match self.precision {
                    Precision::Int8 => rounded(x, 2),
                    _ => x,
                };
                with_products_in(self.precision.of_products(), || {
                    linear::plain(x, (**weight).clone(), bias, activation)
                })
            }
            #[cfg(feature = "flex")]
            Weight::Packed(weight) => {
                use burn::backend::Dispatch;
                use flex::ForwardPacked;
                let (x, bias) = (x.into_dispatch(), bias.into_dispatch());
                let weight = Arc::clone(weight);
                Tensor::from_dispatch(Dispatch::forward_packed(x, weight, bias, activation))
            }
        }
    }
}

/// Each value rounded to one of 255 that lie evenly between the largest magnitude along `dim` and its negative.
fn rounded<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    // Of nothing but zeros there is nothing to round.
    let scale = x.clone().abs().max_dim(dim).clamp_min(f32::MIN_POSITIVE) / LARGEST;
    (x / scale.clone()).round() * scale
}

/// The largest magnitude that the processor's kernel rounds 8-bit weights to: 127, or 63 where the processor has no
/// instructions for products of 8-bit integers.
#[cfg(feature = "flex")]
#[must_use]
pub fn largest_weight() -> f32 {
    crate::kernel::packed_product::largest_weight()
}

#[cfg(feature = "flex")]
mod flex {
    use std::sync::Arc;

    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};
    use burn::tensor::Tensor;

    use super::{Activation, Precision};
    use crate::kernel::packed_product::{Float32Weight, Int8Weight};
    use crate::kernel::tensor::{contiguous, floats, tensor};

    /// A weight as its kernel wants it.
    #[derive(Debug)]
    pub(super) enum PackedWeight {
        Float32(Float32Weight),
        Int8(Int8Weight),
    }

    impl PackedWeight {
        /// Of 32-bit floats `[d_input, d_output]`, to be multiplied as these or as 8-bit integers.
        pub(super) fn of(weight: Tensor<2>, precision: Precision) -> Self {
            let [d_input, _] = weight.dims();
            // With a row for each output, as weights come from a file, so that there is nothing to move.
            let rows = weight.transpose().into_data();
            let rows = rows.as_slice().expect("the kernels serve f32 alone");
            match precision {
                Precision::Int8 => Self::Int8(Int8Weight::new(rows, d_input)),
                _ => Self::Float32(Float32Weight::new(rows, d_input)),
            }
        }
    }

    #[backend_extension(Flex)]
    pub(super) trait ForwardPacked: Backend {
        fn forward_packed(
            x: FloatTensor<Self>,
            weight: Arc<PackedWeight>,
            bias: FloatTensor<Self>,
            activation: Activation,
        ) -> FloatTensor<Self>;
    }

    impl ForwardPacked for Flex {
        fn forward_packed(
            x: FlexTensor,
            weight: Arc<PackedWeight>,
            bias: FlexTensor,
            activation: Activation,
        ) -> FlexTensor {
            let (x, bias) = (contiguous(x), contiguous(bias));
            let output = match weight.as_ref() {
                PackedWeight::Float32(weight) => weight.linear(floats(&x), floats(&bias), activation),
                PackedWeight::Int8(weight) => weight.linear(floats(&x), floats(&bias), activation),
            };
            let mut shape = x.layout().shape().clone();
            let last = shape.num_dims() - 1;
            shape[last] = floats(&bias).len();
            tensor(output, shape)
        }
    }
}
