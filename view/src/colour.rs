//! The colours of weights.

use anstyle::RgbColor;

/// The colour of the weight 0: white.
const LEAST: RgbColor = RgbColor(255, 255, 255);
/// The colour of the weight 1: a dark blue.
const MOST: RgbColor = RgbColor(8, 48, 107);
/// The weight from which the text on the colour is white.
const DARK: f32 = 0.5;

/// Returns the colour of a weight from 0 to 1, between white and a dark blue.
pub(crate) fn of_weight(weight: f32) -> RgbColor {
    let weight = weight.clamp(0.0, 1.0);
    let between = |least: u8, most: u8| {
        let (least, most) = (f32::from(least), f32::from(most));
        (least + (most - least) * weight).round() as u8
    };
    RgbColor(
        between(LEAST.0, MOST.0),
        between(LEAST.1, MOST.1),
        between(LEAST.2, MOST.2),
    )
}

/// Returns the colour of text that is written on the colour of a weight.
pub(crate) fn of_text_on(weight: f32) -> RgbColor {
    if weight < DARK { RgbColor(0, 0, 0) } else { LEAST }
}
