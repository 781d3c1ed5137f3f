//! The devices that this program was built for.

use burn::tensor::Device;

use crate::error::InferError;

/// The features that each compile a device in. `flex` is Burn's CPU backend; `ndarray` its older one.
pub const FEATURES: [&str; 2] = ["flex", "ndarray"];

/// The device of that name; without a name, the first that this program was built with.
///
/// # Errors
///
/// [`InferError::UnknownDevice`] where the name is unknown or its feature was not compiled in.
pub fn select(name: Option<&str>) -> Result<Device, InferError> {
    let devices = compiled_in();
    let wanted = match name {
        Some(name) => devices.iter().find(|(known, _)| *known == name),
        None => devices.first(),
    };
    match wanted {
        Some((_, device)) => Ok(device.clone()),
        None => Err(InferError::UnknownDevice {
            name: name.unwrap_or_default().to_owned(),
            available: match devices.as_slice() {
                [] => "none".to_owned(),
                devices => devices
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", "),
            },
        }),
    }
}

/// The name of the device that [`select`] gives without a name.
#[must_use]
pub fn default_name() -> Option<&'static str> {
    compiled_in().first().map(|(name, _)| *name)
}

#[cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "a feature for as long as Burn has it")
)]
fn compiled_in() -> Vec<(&'static str, Device)> {
    vec![
        #[cfg(feature = "flex")]
        ("flex", Device::flex()),
        #[cfg(feature = "ndarray")]
        ("ndarray", Device::ndarray()),
    ]
}
