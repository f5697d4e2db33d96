//! The report as one HTML page that needs nothing else: no script, no font, no file from elsewhere. maud escapes
//! every text that is put in.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::analysis::{Column, Layers, Note, Report, Row, RowKind, Severity};

use super::ReportError;
use super::attribution;
use super::charts::{self, Bar};
use super::downloads;
use super::layers;
use super::text::{self, CellText, Tone};
use super::travelled;

const CSS: &str = include_str!("page.css");
/// Forbids the page to load or run anything, whatever a log line may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
///
/// # Errors
/// If a chart can't be drawn.
pub(super) fn page(report: &Report) -> Result<String, ReportError> {
    let title = text::title(report);
    let charts = charts(report)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (title) " – bakeoff" }
                style { (PreEscaped(CSS)) }
            }
            body {
                header {
                    h1 { (title) }
                    @if !report.run.description.is_empty() { p.lead { (report.run.description) } }
                }
                main {
                    (problems(report))
                    (table(report))
                    @if !charts.is_empty() {
                        section aria-labelledby="charts" {
                            h2 #charts { "Times" }
                            p.hint { "Each panel has its own scale. Bars are medians, whiskers go from the smallest to the largest value." }
                            div.panels { @for chart in &charts { (chart) } }
                        }
                    }
                    (attributed(report))
                    (travelled_table(report))
                    (downloaded(report))
                    (notes(report))
                    (about(report))
                }
            }
        }
        "\n"
    };
    Ok(page.into_string())
}

/// A line at the head if something failed: the table alone may be long.
fn problems(report: &Report) -> Markup {
    let count = report
        .notes
        .iter()
        .filter(|note| note.severity() == Severity::Problem)
        .count();
    html! {
        @if count > 0 {
            p.alarm {
                (count) @if count == 1 { " problem" } @else { " problems" } "; see the " a href="#notes" { "notes" } "."
            }
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Results" {
            table {
                caption { span { (text::caption(report)) } }
                thead {
                    tr {
                        td {}
                        @for column in &report.columns { th scope="col" { (name(column)) } }
                    }
                }
                tbody {
                    @for row in &report.rows {
                        tr {
                            th scope="row" { (row.label) }
                            @for cell in &row.cells { (cell_markup(&text::cell(row.kind, cell))) }
                        }
                    }
                }
            }
        }
        @if let Some(source) = &report.published_source { p.hint { "Published figures: " (source) "." } }
    }
}

fn cell_markup(cell: &CellText) -> Markup {
    let class = match cell.tone {
        Tone::Plain => None,
        Tone::Best => Some("best"),
        Tone::Bad => Some("bad"),
        Tone::Faint => Some("faint"),
    };
    html! {
        td class=[class] {
            span.main { (cell.main) }
            @if let Some(ratio) = &cell.ratio { " " span.ratio { "(" (ratio) ")" } }
            @if let Some(spread) = &cell.spread { div.spread { (spread) } }
            @for remark in &cell.remarks { div.remark { (remark) } }
            @if let Some(published) = &cell.published { div.published { "published " (published) } }
        }
    }
}

/// A scenario's name that breaks between its pieces.
fn name(column: &Column) -> Markup {
    html! { @for (index, piece) in text::name_pieces(column).iter().enumerate() {
        @if index > 0 { wbr; span.factor { (piece) } } @else { (piece) }
    } }
}

fn charts(report: &Report) -> Result<Vec<Markup>, ReportError> {
    report
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Time && row.cells.iter().any(|cell| cell.summary().is_some()))
        .enumerate()
        .map(|(index, row)| {
            let bars = bars(report, row);
            let said: Vec<String> = bars.iter().map(|bar| format!("{}: {}", bar.name, bar.text)).collect();
            let title = format!("{}, median seconds by scenario", row.label);
            let svg = charts::panel(&format!("chart-{index}"), &title, &said.join("; "), &bars)?;
            Ok(html! { figure { figcaption { (row.label) } (PreEscaped(svg)) } })
        })
        .collect()
}

fn bars(report: &Report, row: &Row) -> Vec<Bar> {
    // One colour for a scenario with all values of its factors.
    let mut groups: Vec<&str> = Vec::new();
    for column in &report.columns {
        if !groups.contains(&column.base_name.as_str()) {
            groups.push(&column.base_name);
        }
    }
    report
        .columns
        .iter()
        .zip(&row.cells)
        .map(|(column, cell)| Bar {
            name: column.name.clone(),
            length: cell.summary().map(|summary| summary.median),
            whisker: cell.summary().and_then(crate::stats::Summary::spread),
            text: text::cell(row.kind, cell).main,
            strong: cell.is_best(),
            group: groups
                .iter()
                .position(|name| *name == column.base_name)
                .unwrap_or_default(),
        })
        .collect()
}

/// Where the time went: for each scenario a part that can be unfolded.
fn attributed(report: &Report) -> Markup {
    html! {
        @if !report.attributions.is_empty() {
            section aria-labelledby="attribution" {
                h2 #attribution { "Where the time went" }
                p.hint { (attribution::CAPTION) }
                @for of in &report.attributions {
                    details {
                        summary { (of.scenario) }
                        @for text in attribution::texts(of, None) { p { (text) } }
                        div.scroll tabindex="0" role="region" aria-label={ "Steps of " (of.scenario) } {
                            table.steps {
                                thead {
                                    tr {
                                        @for build in &of.builds { th scope="col" { (build.phase) } }
                                        th scope="col" { "line" }
                                        th scope="col" { "instruction" }
                                    }
                                }
                                tbody { @for row in attribution::table(of) { (attributed_row(&row)) } }
                            }
                        }
                        @if let Some(layers) = &of.layers { (layered(&of.scenario, layers)) }
                    }
                }
            }
        }
    }
}

fn attributed_row(row: &attribution::Row) -> Markup {
    let class = match row {
        attribution::Row { part: true, .. } => Some("part"),
        attribution::Row { whole: true, .. } => Some("whole"),
        _ => None,
    };
    html! {
        tr class=[class] {
            @for figure in &row.figures { td.figure { (figure) } }
            td.figure { (row.line) }
            td { @if row.line.is_empty() { (row.text) } @else { code { (row.text) } } }
        }
    }
}

/// The images of a scenario, layer by layer.
fn layered(scenario: &str, of: &Layers) -> Markup {
    html! {
        p.hint { (layers::CAPTION) }
        div.scroll tabindex="0" role="region" aria-label={ "Layers of " (scenario) } {
            table.steps {
                thead {
                    tr {
                        @for image in &of.images { th scope="col" { (image.image) } }
                        th scope="col" { "line" }
                        th scope="col" { "layer" }
                    }
                }
                tbody {
                    @for row in layers::table(of) {
                        tr {
                            @for figure in &row.figures { td.figure { (figure) } }
                            td.figure { (row.line) }
                            td { @if row.line.is_empty() { (row.text) } @else { code { (row.text) } } }
                        }
                    }
                }
            }
        }
        @for text in layers::texts(of) { p { (text) } }
    }
}

/// What travelled in each phase, with the scenarios as columns.
fn travelled_table(report: &Report) -> Markup {
    let rows = travelled::rows(report);
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="travelled" {
                h2 #travelled { "What travelled" }
                p.hint { (travelled::caption(report)) }
                div.scroll tabindex="0" role="region" aria-label="What travelled" {
                    table.steps {
                        thead {
                            tr {
                                td {}
                                @for column in &report.columns { th scope="col" { (name(column)) } }
                            }
                        }
                        tbody {
                            @for row in rows {
                                tr {
                                    th scope="row" { (row.label) }
                                    @for cell in &row.cells { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What builds downloaded: a list for each phase, in it each scenario and below it the steps.
fn downloaded(report: &Report) -> Markup {
    html! {
        @if !report.downloads.is_empty() {
            section aria-labelledby="downloads" {
                h2 #downloads { "Downloads" }
                p.hint { (downloads::CAPTION) }
                @for (phase, builds) in downloads::by_phase(report) {
                    h3.detail { (phase) }
                    ul.notes {
                        @for build in builds {
                            li {
                                strong { (build.scenario) } ": " (downloads::summary(build))
                                @for step in downloads::steps(build) { div.detail { (step) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn notes(report: &Report) -> Markup {
    html! {
        @if !report.notes.is_empty() {
            section aria-labelledby="notes" {
                h2 #notes { "Notes" }
                ul.notes { @for note in &report.notes { (note_markup(note)) } }
            }
        }
    }
}

fn note_markup(note: &Note) -> Markup {
    html! {
        li class=(note.severity().name()) {
            @match note.severity() {
                Severity::Problem => { strong { "Problem: " } }
                Severity::Warning => { strong { "Warning: " } }
                Severity::Info => {}
            }
            (note.text())
            @for detail in note.details() { div.detail { (detail) } }
            @if !note.log_lines().is_empty() { pre { (note.log_lines().join("\n")) } }
        }
    }
}

fn about(report: &Report) -> Markup {
    let images: Vec<(&str, String)> = report
        .images
        .iter()
        .map(|image| (image.role.as_str(), text::image_text(image)))
        .collect();
    html! {
        div.facts {
            section aria-labelledby="run" { h2 #run { "Run" } (facts(&text::run_facts(report))) }
            section aria-labelledby="environment" {
                h2 #environment { "Environment" }
                (facts(&text::environment_facts(report)))
            }
            @if !images.is_empty() {
                section aria-labelledby="images" { h2 #images { "Base images" } (facts(&images)) }
            }
        }
        section aria-labelledby="reproduce" {
            h2 #reproduce { "How to reproduce" }
            pre { (report.command()) }
        }
    }
}

fn facts(facts: &[(&str, String)]) -> Markup {
    html! { dl { @for (label, fact) in facts { dt { (label) } dd { (fact) } } } }
}
