//! The operations of the network and of its training: functions on tensors.
//!
//! An operation returns the same result on every device, up to rounding. If this crate has a kernel for the device, the
//! kernel runs: it makes one pass over the numbers, forward or backward, without memory for intermediate results. There
//! are kernels for Burn's CPU backend flex. On other devices the operation's `reference` runs, which is a chain of
//! tensor operations. Each operation's module exports its reference, for example [`layer_norm::reference`].
//!
//! | operation | section of the paper |
//! |---|---|
//! | [`linear()`] | 3.2.2 and 3.3: projections and feed-forward layers |
//! | [`attention()`] | 3.2.1: scaled dot-product attention of all heads; section 4: within a [`Window`] |
//! | [`layer_norm()`] | 3.1: layer normalization |
//! | [`dropout()`] | 5.4: dropout |
//! | [`linear_cross_entropy`] | 3.4 and 5.4: output layer, softmax and label-smoothed loss |
//! | [`adam()`], [`sum_of_squares()`] | 5.3: the optimizer's step, and the clipping of gradients |
//! | [`gated_states()`] | none: the states of a simple recurrent unit |
//! | [`PackedLinear`] | 3.2.2 and 3.3, while decoding: linear layers with packed or rounded weights |
//! | [`gathered_attention()`] | 3.2.1, while decoding: attention to the rows of a table |
//! | [`log_sum_exp()`] | 3.4, while decoding: from logits to log-probabilities |
//!
//! ```
//! use attend_ops::{Activation, linear};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::default();
//! let x = Tensor::<3>::from_data([[[1.0, 2.0]]], &device);
//! let weight = Tensor::<2>::from_data([[3.0, -1.0], [4.0, -1.0]], &device);
//! let bias = Tensor::<1>::from_data([0.5, 0.5], &device);
//! // x W + bias is [11.5, -2.5].
//! let y = linear(x, weight, bias, Activation::Relu);
//! assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [11.5, 0.0]);
//! ```
//!
//! Within [`autocast()`], matrix products are computed in half precision. [`Precision`] names the number types in which
//! networks compute. [`padding_multiple`] returns the multiple to which batches should be padded on a device.

pub mod adam;
pub mod attention;
mod autocast;
#[cfg(all(feature = "flex", feature = "autodiff"))]
mod autodiff;
pub mod cross_entropy;
mod dispatch;
pub mod dropout;
#[cfg(feature = "flex")]
mod flex;
pub mod gated_states;
pub mod gathered_attention;
pub mod layer_norm;
pub mod linear;
pub mod log_sum_exp;
pub mod packed_linear;
mod padding;
mod precision;
pub mod sum_of_squares;

pub use adam::{AdamStep, Moments, adam};
pub use attention::{Window, attention, attention_with_weights, scaled_dot_product_attention};
pub use autocast::autocast;
pub use cross_entropy::linear_cross_entropy;
pub use dropout::dropout;
pub use gated_states::gated_states;
pub use gathered_attention::{gathered_attention, gathered_attention_with_weights};
pub use layer_norm::layer_norm;
pub use linear::{Activation, linear, product_of_rows};
pub use log_sum_exp::log_sum_exp;
pub use packed_linear::PackedLinear;
pub use padding::padding_multiple;
pub use precision::Precision;
pub use sum_of_squares::sum_of_squares;
