//! The colours of weights.

use anstyle::RgbColor;

/// The colour of the weight 0: white.
const LEAST: RgbColor = RgbColor(255, 255, 255);
/// The colour of the weight 1: a dark blue.
const MOST: RgbColor = RgbColor(8, 48, 107);
/// The weight from which white text on the colour has more contrast than black text.
const DARK: f32 = 0.66;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of a colour, from 0 to 1, as the Web Content Accessibility Guidelines define it.
    fn luminance(RgbColor(red, green, blue): RgbColor) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 {
                channel / 12.92
            } else {
                ((channel + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    /// The guidelines ask for a contrast of at least 4.5.
    #[test]
    fn text_on_every_colour_can_be_read() {
        for weight in (0..=1000).map(|weight| weight as f32 / 1000.0) {
            let [one, other] = [of_weight(weight), of_text_on(weight)].map(|colour| luminance(colour) + 0.05);
            let contrast = one.max(other) / one.min(other);
            assert!(contrast >= 4.5, "{contrast} at {weight}");
        }
    }
}
