//! Plots of a run's numbers over its updates, drawn as SVG.

use std::ops::Range;

use num_format::{Locale, ToFormattedString};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// Size of a plot; a page may scale it.
const SIZE: (u32, u32) = (560, 310);
/// The maximum number of points in a line. More points could not be distinguished.
const MAX_POINTS: usize = 500;
const GRID: RGBColor = RGBColor(226, 230, 235);
const AXIS: RGBColor = RGBColor(148, 158, 170);
const TEXT: RGBColor = RGBColor(75, 85, 99);

/// The vertical axis of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// It begins at zero.
    FromZero,
    /// It begins near the lowest value.
    Linear,
    /// It is logarithmic.
    Logarithmic,
}

/// Some lines over the updates of a run.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// The axis of the values.
    pub(super) axis: Axis,
    /// The lines, the last one on top.
    pub(super) lines: Vec<Line>,
}

/// A line of a plot.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Colour of the line.
    pub(super) color: RGBColor,
    /// Whether each point is marked, for lines of few points.
    pub(super) has_marks: bool,
    /// The points: the number of an update, and the value after that update.
    pub(super) points: Vec<(usize, f64)>,
}

impl Plot {
    /// Draws the plot over the updates from 0 to `last_update`.
    pub(super) fn to_svg(&self, last_update: usize) -> String {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let values = self.values();
        let drawn = match self.axis {
            Axis::Logarithmic => {
                let labelled = one_two_five(&values);
                self.draw(&area, last_update, values.log_scale().with_key_points(labelled))
            }
            Axis::FromZero | Axis::Linear => self.draw(&area, last_update, values),
        };
        drawn.expect("a string takes every drawing");
        drop(area);
        svg
    }

    fn draw<Y>(
        &self,
        area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
        last_update: usize,
        values: Y,
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let font = || ("sans-serif", 15).into_font().color(&TEXT);
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(62)
            .build_cartesian_2d(0.0..last_update.max(1) as f64, values)?;
        let digits = self.digits();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(AXIS)
            .x_desc("updates")
            .axis_desc_style(font())
            .x_labels(6)
            .y_labels(6)
            .x_label_style(font())
            .y_label_style(font())
            .x_label_formatter(&|update| label(*update, 0))
            .y_label_formatter(&|value| label(*value, digits))
            .draw()?;
        for Line {
            color,
            has_marks,
            points,
        } in &self.lines
        {
            let points = thinned(points);
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
            if *has_marks {
                let marks = points.iter().map(|&point| Circle::new(point, 3, color.filled()));
                chart.draw_series(marks)?;
            }
        }
        area.present()
    }

    /// Returns the range from the lowest value to the highest, with a margin.
    fn values(&self) -> Range<f64> {
        let values = || {
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|&(_, value)| value)
        };
        let (lowest, highest) = values()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lowest, highest), value| {
                (lowest.min(value), highest.max(value))
            });
        if lowest > highest {
            // No values: an empty plot.
            return 0.1..1.0;
        }
        let margin = if highest > lowest {
            0.05 * (highest - lowest)
        } else {
            0.05 * highest.abs().max(0.1)
        };
        match self.axis {
            Axis::FromZero => 0.0..highest.max(0.0) + margin,
            Axis::Linear => lowest - margin..highest + margin,
            Axis::Logarithmic => lowest / 1.2..highest * 1.2,
        }
    }

    /// Returns the number of decimals that the labels of the value axis need, so that no two of them are equal.
    fn digits(&self) -> usize {
        let Range { start, end } = self.values();
        let magnitude = match self.axis {
            Axis::Logarithmic => start.log10(),
            Axis::FromZero | Axis::Linear => (end - start).log10() - 1.0,
        };
        (-magnitude.floor()).clamp(0.0, 12.0) as usize
    }
}

/// Writes a number with commas between the thousands, and with at most `digits` decimals: `1,234.5`.
fn label(number: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", number.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let whole: u64 = whole.parse().unwrap_or_default();
    let decimals = decimals.trim_end_matches('0');
    format!(
        "{sign}{whole}{point}{decimals}",
        sign = if number < 0.0 { "-" } else { "" },
        whole = whole.to_formatted_string(&Locale::en),
        point = if decimals.is_empty() { "" } else { "." },
    )
}

/// Lists the numbers in a range that are 1, 2 or 5 times a power of ten. In a wide range, lists only powers of ten.
fn one_two_five(range: &Range<f64>) -> Vec<f64> {
    let is_wide = range.end / range.start > 1e3;
    let factors: &[f64] = if is_wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let exponents = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    exponents
        .flat_map(|exponent| factors.iter().map(move |factor| factor * 10f64.powi(exponent)))
        .filter(|number| range.contains(number))
        .collect()
}

/// Returns the points of a line. If there are more than [`MAX_POINTS`], averages groups of neighbouring points of equal
/// size.
fn thinned(points: &[(usize, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |points: &[(usize, f64)]| {
        let count = points.len() as f64;
        let sum = points.iter().fold((0.0, 0.0), |sum, &(update, value)| {
            (sum.0 + update as f64, sum.1 + value)
        });
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(group).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels that a line with these values after 0, 50 and 100 updates goes through.
    fn pixels(axis: Axis, values: [f64; 3]) -> Vec<(f64, f64)> {
        let line = Line {
            color: BLACK,
            has_marks: false,
            points: [0, 50, 100].into_iter().zip(values).collect(),
        };
        let svg = Plot {
            axis,
            lines: vec![line],
        }
        .to_svg(100);
        let line = svg
            .split("<polyline ")
            .find(|line| line.contains("stroke-width=\"2\""));
        let points = line.and_then(|line| line.split("points=\"").nth(1)?.split('"').next());
        let points = points.expect("the line was drawn").split_whitespace();
        points
            .map(|point| {
                let (x, y) = point.split_once(',').expect("a point has two coordinates");
                (x.parse().unwrap(), y.parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn equal_steps_are_equally_far_apart() {
        for (axis, values) in [
            (Axis::FromZero, [0.0, 5.0, 10.0]),
            (Axis::Linear, [2.0, 5.0, 8.0]),
            (Axis::Logarithmic, [1.0, 10.0, 100.0]),
        ] {
            let pixels = pixels(axis, values);
            let [(x0, y0), (x1, y1), (x2, y2)] = pixels[..] else {
                panic!("{pixels:?}");
            };
            assert!(
                x2 > x0 + 400.0 && ((x0 + x2) / 2.0 - x1).abs() <= 1.0,
                "{pixels:?}"
            );
            assert!(
                y2 < y0 - 200.0 && ((y0 + y2) / 2.0 - y1).abs() <= 1.0,
                "{pixels:?}"
            );
        }
    }

    #[test]
    fn a_logarithmic_axis_has_labels() {
        assert_eq!(one_two_five(&(4.0..30.0)), [5.0, 10.0, 20.0]);
        assert_eq!(one_two_five(&(0.9..2e4)), [1.0, 10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn labels_have_commas_and_no_zeros_at_their_end() {
        let labels = [
            (1234567.0, 0),
            (1234.5, 2),
            (2.0, 3),
            (-0.25, 1),
            (-0.5, 2),
            (0.0, 0),
        ];
        let labels = labels.map(|(number, digits)| label(number, digits));
        assert_eq!(labels, ["1,234,567", "1,234.5", "2", "-0.2", "-0.5", "0"]);
    }

    #[test]
    fn a_plot_of_nothing_or_of_one_value_is_drawn() {
        for axis in [Axis::FromZero, Axis::Linear, Axis::Logarithmic] {
            for points in [vec![], vec![(1, 0.5)], vec![(1, 2.0), (2, 2.0)]] {
                let line = Line {
                    color: BLACK,
                    has_marks: true,
                    points,
                };
                let plot = Plot {
                    axis,
                    lines: vec![line],
                };
                assert!(plot.to_svg(0).ends_with("</svg>\n"));
            }
        }
    }

    #[test]
    fn many_points_become_the_means_of_neighbours() {
        let points: Vec<_> = (0..3 * MAX_POINTS)
            .map(|update| (update, update as f64))
            .collect();
        let thinned = thinned(&points);
        assert_eq!(thinned.len(), MAX_POINTS);
        assert_eq!(thinned[..2], [(1.0, 1.0), (4.0, 4.0)]);
    }
}
