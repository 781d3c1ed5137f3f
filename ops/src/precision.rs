//! The number types that a network computes in.

use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The numbers in which a network's matrix products are computed: `float32`, `bfloat16`, `float16` or `int8`.
///
/// Training computes all matrix products in this precision. Inference computes those matrix products in it that have a
/// weight as a factor. Everything else is computed in 32-bit floats in every precision: softmax, layer normalization,
/// sums, the loss and the optimizer.
///
/// ```
/// use attend_ops::Precision;
///
/// assert_eq!("bfloat16".parse(), Ok(Precision::BFloat16));
/// assert_eq!(Precision::Int8.to_string(), "int8");
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats. Networks are trained and saved in this type, and every device computes in it.
    #[default]
    Float32,
    /// 16-bit floats with 8 exponent bits, as in float32, and 8 significant bits instead of 24. They have the range of
    /// float32, from 10⁻³⁸ to 10³⁸, and round to about 2 decimal digits. Training keeps weights in 32-bit floats and
    /// rounds them for each matrix product. For inference, weights are rounded once.
    BFloat16,
    /// 16-bit floats with 5 exponent bits and 11 significant bits. They round to about 3 decimal digits, but reach only
    /// from 6·10⁻⁸ to 65504, so that training has to scale its loss. Training keeps weights in 32-bit floats and rounds
    /// them for each matrix product. For inference, weights are rounded once.
    Float16,
    /// 8-bit integers, for inference only: networks are not trained in integers. Weights are rounded when a network is
    /// loaded, with one scale per output of a layer. A layer's inputs are rounded at each call, with one scale per row.
    /// See [`PackedLinear`](crate::PackedLinear).
    Int8,
}

impl Precision {
    /// Returns the float type in which a device computes matrix products.
    ///
    /// For [`Int8`](Self::Int8) it is float32: a device without a kernel for integers rounds both factors and multiplies
    /// them as floats. See [`PackedLinear::new`](crate::PackedLinear::new) for the largest integers.
    #[must_use]
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::Float32 | Self::Int8 => FloatDType::F32,
            Self::BFloat16 => FloatDType::BF16,
            Self::Float16 => FloatDType::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn a_precision_has_one_name() {
        assert_eq!(Precision::VARIANTS, ["float32", "bfloat16", "float16", "int8"]);
        for name in Precision::VARIANTS {
            let precision: Precision = name.parse().unwrap();
            assert_eq!(precision.to_string(), *name);
            let deserializer: StrDeserializer<'_, Error> = name.into_deserializer();
            assert_eq!(Precision::deserialize(deserializer), Ok(precision));
        }
        assert!("Float32".parse::<Precision>().is_err());
        assert_eq!(format!("{:<8}|", Precision::Int8), "int8    |");
    }
}
