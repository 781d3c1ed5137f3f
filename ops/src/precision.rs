//! The number types that a network computes in.

use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;

/// The numbers in which a network's matrix products are computed: `float32`, `bfloat16`, `float16` or `int8`.
///
/// Training computes all matrix products in this precision, translating those with weights. Everything else is computed
/// in 32-bit floats whatever the precision: softmax, layer normalization, sums, the loss and the optimizer.
///
/// ```
/// use attend_ops::Precision;
///
/// assert_eq!("bfloat16".parse(), Ok(Precision::BFloat16));
/// assert_eq!(Precision::Int8.to_string(), "int8");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats, in which networks are trained and their weights are saved. Every device computes in them.
    #[default]
    Float32,
    /// 16-bit floats with the 8 exponent bits of float32 and 8 significant bits in place of 24: they reach as far, from
    /// 10⁻³⁸ to 10³⁸, and round to about 2 decimal digits. While training, weights are kept in 32-bit floats and
    /// rounded for each product; while translating, they are kept rounded.
    BFloat16,
    /// 16-bit floats with 5 exponent bits and 11 significant bits: they round to about 3 decimal digits, but reach only
    /// from 6·10⁻⁸ to 65504, so that training has to scale its loss. Weights are kept as they are with
    /// [`BFloat16`](Self::BFloat16).
    Float16,
    /// 8-bit integers, while translating. Weights are rounded when a network is loaded, with a scale for each output of
    /// a layer; the layer's inputs are rounded as they come, with a scale for each row. See
    /// [`PackedLinear`](crate::PackedLinear). Networks are not trained in integers.
    Int8,
}

impl Precision {
    /// Returns the float type in which a device multiplies. For [`Int8`](Self::Int8) it is float32: a device without a
    /// kernel for integers rounds the factors to the same 255 steps and multiplies them as floats.
    #[must_use]
    pub fn of_products(self) -> FloatDType {
        match self {
            Self::Float32 | Self::Int8 => FloatDType::F32,
            Self::BFloat16 => FloatDType::BF16,
            Self::Float16 => FloatDType::F16,
        }
    }
}

impl FromStr for Precision {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "float32" => Ok(Self::Float32),
            "bfloat16" => Ok(Self::BFloat16),
            "float16" => Ok(Self::Float16),
            "int8" => Ok(Self::Int8),
            _ => Err("none of float32, bfloat16, float16 and int8"),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        })
    }
}
