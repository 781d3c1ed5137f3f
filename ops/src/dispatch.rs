//! Chooses between an operation's kernel and its reference version.
//!
//! Only this file knows which devices have kernels. To add kernels for a GPU, name its device in [`Kernels`] and in
//! [`kernels_of`], write a `gpu.rs` beside the `flex.rs` of an operation, and name the backend in the operation's
//! `kernel.rs` and the device in its `dispatch!`.

use burn::tensor::Device;
#[cfg(feature = "flex")]
use burn::tensor::{DType, Tensor};

/// The kernels that a device has.
#[cfg(feature = "flex")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Kernels for Burn's CPU backend flex, on a device without autodiff.
    Flex,
    /// Kernels with a backward pass for flex, on a device with autodiff.
    FlexAutodiff,
    /// No kernels: every operation runs its reference version.
    None,
}

/// Returns the kernels that can compute on `tensor`. Kernels compute in 32-bit floats, so there are none for other
/// types, and none within [`autocast`](crate::autocast()).
#[cfg(feature = "flex")]
pub(crate) fn kernels_of<const D: usize>(tensor: &Tensor<D>) -> Kernels {
    let device = tensor.device();
    if !is_flex(&device) || tensor.dtype() != DType::F32 || crate::autocast::is_active() {
        Kernels::None
    } else if device.is_autodiff() {
        Kernels::FlexAutodiff
    } else {
        Kernels::Flex
    }
}

/// Returns whether `device` is Burn's CPU backend flex, with or without autodiff.
#[cfg(feature = "flex")]
pub(crate) fn is_flex(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// Returns false, because the crate was compiled without flex.
#[cfg(not(feature = "flex"))]
pub(crate) fn is_flex(_device: &Device) -> bool {
    false
}

/// Computes an operation with its kernel if the first tensor's device has one, and with its `reference` otherwise.
///
/// ```text
/// dispatch!(Flex | FlexAutodiff => LayerNorm::layer_norm_forward(x, gamma, beta; epsilon))
/// ```
///
/// On the left of the arrow are the [`Kernels`] that the operation has. On the right is a function of a trait in the
/// operation's `kernel.rs`, with its tensors and, after a semicolon, its other arguments. The operation's function
/// `reference` takes the same arguments in the same order.
///
/// If an operation does not have this form, the macro takes a tensor on the device and the two calls:
///
/// ```text
/// dispatch!(&tensor, Flex => kernel_of_the_operation(tensor), else reference(tensor))
/// ```
#[cfg(feature = "flex")]
macro_rules! dispatch {
    ($($kernels:ident)|+ => $kernel:ident::$function:ident(
        $first:ident $(, $tensor:ident)* $(; $($argument:ident),+)?
    )) => {
        dispatch!(
            &$first,
            $($kernels)|+ => burn::tensor::Tensor::from_dispatch(
                <burn::backend::Dispatch as kernel::$kernel>::$function(
                    $first.into_dispatch(), $($tensor.into_dispatch(),)* $($($argument),+)?
                )
            ),
            else reference($first, $($tensor,)* $($($argument),+)?)
        )
    };
    ($first:expr, $($kernels:ident)|+ => $kernel:expr, else $reference:expr) => {
        match crate::dispatch::kernels_of($first) {
            $(crate::dispatch::Kernels::$kernels)|+ => $kernel,
            _ => $reference,
        }
    };
}

/// Computes an operation with its `reference`, because the crate was compiled without kernels.
#[cfg(not(feature = "flex"))]
macro_rules! dispatch {
    ($($kernels:ident)|+ => $kernel:ident::$function:ident(
        $($tensor:ident),+ $(; $($argument:ident),+)?
    )) => {
        reference($($tensor,)+ $($($argument),+)?)
    };
    ($first:expr, $($kernels:ident)|+ => $kernel:expr, else $reference:expr) => {
        $reference
    };
}

pub(crate) use dispatch;
