//! The operations of the network and of its training, each a function on tensors.
//!
//! On the CPU backend `flex` an operation runs a kernel of its own, forward and backward: one pass where a chain of
//! tensor operations takes many, and no memory for what lies between. On every other backend, and in the kernels'
//! tests, it is the plain chain. Who calls the function does not know which ran.
//!
//! | operation | where in the paper |
//! |---|---|
//! | [`linear()`] | 3.2.2, 3.3: the projections and both feed-forward layers |
//! | [`attention()`] | 3.2.1: scaled dot-product attention of all heads |
//! | [`gathered_attention()`] | the same from one position a row, while decoding |
//! | [`layer_norm()`] | 3.1 |
//! | [`dropout()`] | 5.4 |
//! | [`linear_cross_entropy`] | 3.4 and 5.4: output layer, softmax and label-smoothed loss |
//! | [`PackedLinear`] | linear layers while decoding, in 32-bit floats or 8-bit integers |
//! | [`log_sum_exp()`] | 3.4: softmax, while decoding |
//! | [`adam()`] | 5.3: the optimizer's step |
//! | [`sum_of_squares()`] | clipping, which came later |
//!
//! [`with_products_in`] takes the products in half precision, for devices that are faster so.

pub mod adam;
pub mod attention;
pub mod cross_entropy;
pub mod dropout;
pub mod gathered_attention;
#[cfg(feature = "flex")]
mod kernel;
pub mod layer_norm;
pub mod linear;
pub mod log_sum_exp;
pub mod mixed_precision;
pub mod packed_linear;
pub mod sum_of_squares;
pub mod width;

pub use adam::adam;
pub use attention::{attention, attention_with_weights, scaled_dot_product_attention};
pub use cross_entropy::{label_smoothed_cross_entropy, linear_cross_entropy};
pub use dropout::dropout;
pub use gathered_attention::{gathered_attention, gathered_attention_with_weights};
pub use layer_norm::layer_norm;
pub use linear::{Activation, linear, product_of_rows};
pub use log_sum_exp::log_sum_exp;
pub use mixed_precision::with_products_in;
pub use packed_linear::{PackedLinear, Precision};
pub use sum_of_squares::sum_of_squares;
pub use width::width_multiple;
