//! How long rows of tokens should be for a device.

use burn::tensor::Device;

/// What most devices have the lengths of rows padded to a multiple of.
pub(crate) const MULTIPLE: usize = 8;

/// What the lengths of rows are padded to a multiple of: 1 where the kernels of this crate serve any length. Other
/// devices compile kernels, and try which are fast, for the powers of two that divide lengths.
#[must_use]
pub fn width_multiple(device: &Device) -> usize {
    #[cfg(feature = "flex")]
    if device.clone().without_autodiff() == Device::flex() {
        return 1;
    }
    let _ = device;
    MULTIPLE
}
