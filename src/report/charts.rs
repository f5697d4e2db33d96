//! Charts as SVG, to stand inside a page. The only place that names plotters.
//!
//! One panel for each phase, with its own scale: a push of 70 s would flatten the one of 1 s beside it. Names stand
//! above their bars rather than beside them, so that a panel is as readable on a phone as on a desk.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;

/// A bar of a panel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// What it stands for.
    pub name: String,
    /// Its length in seconds and the text at its end; `None` if there is none to draw.
    pub length: Option<f64>,
    /// The smallest and the largest value in seconds, drawn as a whisker.
    pub whisker: Option<(f64, f64)>,
    /// The text at the bar's end: `4.75 s`, `failed`.
    pub text: String,
    /// Whether it is set off from the others.
    pub strong: bool,
    /// What has its colour in common.
    pub group: usize,
}

/// Okabe & Ito's colours, told apart with every kind of colour vision; without their black, which a dark page hides
/// (Okabe & Ito 2008, *Color Universal Design*).
const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xF0, 0xE4, 0x42),
];
/// Stands for the page's text colour, light or dark, which plotters can't name; replaced in the finished SVG.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_IN_SVG: &str = "\"#010203\"";

const WIDTH: u32 = 400;
/// The height that one bar takes with its name.
const SLOT: u32 = 46;
const AXIS: u32 = 36;
const MARGIN: u32 = 10;
/// Letters of a name that fit a panel.
const NAME_LENGTH: usize = 50;
/// The share of the width that the longest whisker takes; the rest is for the text at its end.
const REACH: f64 = 0.79;
/// plotters writes sizes divided by this into its SVG.
const FONT_SCALE: f64 = 1.24;

/// Draws a panel: horizontal bars from zero with whiskers, and an axis in seconds. `title` and `description` are for
/// those who can't see it; `id` must be unique in the page.
///
/// # Errors
/// If plotters fails.
pub(super) fn panel(id: &str, title: &str, description: &str, bars: &[Bar]) -> Result<String, ReportError> {
    let mut svg = String::new();
    draw(&mut svg, bars).map_err(|error| ReportError::Chart {
        phase: title.to_owned(),
        reason: error.to_string(),
    })?;
    let svg = svg.replace(INK_IN_SVG, "\"currentColor\"");
    let Some((_, inside)) = svg.split_once('>') else {
        return Err(ReportError::Chart {
            phase: title.to_owned(),
            reason: "the drawing is empty".into(),
        });
    };
    let head = maud::html! { title id={ (id) "-title" } { (title) } desc id={ (id) "-desc" } { (description) } };
    Ok(format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">{}{inside}",
        height(bars),
        head.into_string()
    ))
}

fn height(bars: &[Bar]) -> u32 {
    u32::try_from(bars.len()).unwrap_or(u32::MAX / SLOT / 2) * SLOT + AXIS + MARGIN
}

fn draw(svg: &mut String, bars: &[Bar]) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let root = SVGBackend::with_string(svg, (WIDTH, height(bars))).into_drawing_area();
    let longest = bars.iter().filter_map(reach).fold(0.0, f64::max);
    let limit = if longest > 0.0 { longest / REACH } else { 1.0 };
    let slots = f64::from(u32::try_from(bars.len()).unwrap_or(u32::MAX).max(1));
    let mut chart = ChartBuilder::on(&root)
        .margin(MARGIN)
        .margin_bottom(0)
        .x_label_area_size(AXIS)
        .build_cartesian_2d(0.0..limit, 0.0..slots)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(6)
        .x_label_formatter(&|seconds| short(*seconds))
        .x_desc("seconds")
        .label_style(font(12.0).color(&INK))
        .axis_desc_style(font(12.0).color(&INK))
        .bold_line_style(INK.mix(0.18))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.mix(0.5))
        .draw()?;

    let mut top = slots;
    for bar in bars {
        let color = PALETTE[bar.group % PALETTE.len()];
        // From the top of its slot: the name, the bar, a gap.
        let (name, upper, middle, lower) = (top - 0.24, top - 0.46, top - 0.65, top - 0.84);
        top -= 1.0;
        let text = |text: String, weight, indent| {
            let style = font(13.0)
                .style(weight)
                .color(&INK)
                .pos(Pos::new(HPos::Left, VPos::Center));
            Text::new(text, (indent, 0), style)
        };
        let weight = if bar.strong { FontStyle::Bold } else { FontStyle::Normal };
        chart.draw_series([EmptyElement::at((0.0, name)) + text(shortened(&bar.name), weight, 0)])?;
        if let Some(length) = bar.length {
            chart.draw_series([Rectangle::new([(0.0, upper), (length, lower)], color.filled())])?;
        }
        if let Some((min, max)) = bar.whisker {
            let cap = |at: f64| PathElement::new([(at, upper - 0.08), (at, lower + 0.08)], INK.stroke_width(1));
            let line = PathElement::new([(min, middle), (max, middle)], INK.stroke_width(1));
            chart.draw_series([line, cap(min), cap(max)])?;
        }
        let end = EmptyElement::at((reach(bar).unwrap_or(0.0), middle));
        chart.draw_series([end + text(bar.text.clone(), weight, 7)])?;
    }
    root.present()
}

/// Where a bar or its whisker ends.
fn reach(bar: &Bar) -> Option<f64> {
    bar.whisker
        .map(|(_, max)| max)
        .into_iter()
        .chain(bar.length)
        .reduce(f64::max)
}

fn font(pixels: f64) -> FontDesc<'static> {
    ("sans-serif", pixels * FONT_SCALE).into()
}

/// A number of the axis, without zeros at its end: `0.25`, `40`.
fn short(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LENGTH {
        return name.to_owned();
    }
    name.chars().take(NAME_LENGTH - 1).chain(['…']).collect()
}
