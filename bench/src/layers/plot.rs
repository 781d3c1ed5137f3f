//! The times of layers, drawn with logarithmic axes.

use plotters::prelude::*;

use super::layer::Layer;

/// Size of the picture: a panel for each width.
const PANEL: (u32, u32) = (520, 420);
const GRID: RGBColor = RGBColor(226, 230, 235);

/// Times of one side, of a layer of one width.
pub(super) struct Line {
    pub(super) layer: Layer,
    pub(super) width: usize,
    pub(super) is_peer: bool,
    /// Lengths, and the seconds of a forward and a backward pass.
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws the lines, with a panel for each of the widths, from left to right. Lines of the peer are thin.
pub(super) fn to_svg(lines: &[Line], widths: &[usize]) -> String {
    let mut svg = String::new();
    let size = (PANEL.0 * widths.len() as u32, PANEL.1);
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let panels = area.split_evenly((1, widths.len()));
    let drawn = panels.iter().zip(widths).try_for_each(|(panel, &width)| {
        let lines: Vec<&Line> = lines.iter().filter(|line| line.width == width).collect();
        draw(panel, &lines, width)
    });
    drawn
        .and_then(|()| area.present())
        .expect("a string takes every drawing");
    drop(panels);
    drop(area);
    svg
}

fn draw(
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    lines: &[&Line],
    width: usize,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        low / 1.3..high * 1.3
    };
    if points().next().is_none() {
        return Ok(());
    }
    let lengths = range(&mut points().map(|point| point.0)).log_scale();
    let seconds = range(&mut points().map(|point| point.1)).log_scale();
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(lengths, seconds)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|length| format!("{length:.0}"))
        .x_desc(format!("positions, at a width of {width}"))
        .y_desc("seconds, forward and backward")
        .draw()?;
    for line in lines {
        let color = color(line.layer);
        let stroke = color.stroke_width(if line.is_peer { 1 } else { 3 });
        let series = LineSeries::new(line.points.iter().copied(), stroke);
        let drawn = chart.draw_series(series)?;
        let side = if line.is_peer { ", PyTorch" } else { "" };
        let sample = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], stroke);
        drawn.label(format!("{}{side}", line.layer)).legend(sample);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .draw()
}

/// A colour that those who do not tell red from green tell from the others.
fn color(layer: Layer) -> RGBColor {
    match layer {
        Layer::SelfAttention => RGBColor(0, 114, 178),
        Layer::Restricted => RGBColor(86, 180, 233),
        Layer::Recurrent => RGBColor(213, 94, 0),
        Layer::Convolution => RGBColor(0, 158, 115),
    }
}
