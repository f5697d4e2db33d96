//! The words for what travelled in each phase, and for how long that would take over slower links. Not for: where they stand.

use crate::analysis::{LinkTime, Report, Travelled};
use crate::units::Nanos;

/// What the table is of.
const CAPTION: &str = "Median of the rounds, counted where it went through: downloads at the mirror, the context where \
                                  it was sent, layers and configurations at the registry.";

/// What the computed rows are, if there are some.
pub(super) fn computed<'t>(of: impl IntoIterator<Item = &'t Travelled>) -> Option<&'static str> {
    of.into_iter().any(|of| !of.links.is_empty()).then_some(COMPUTED)
}

/// The caption of all scenarios' table.
pub(super) fn caption(report: &Report) -> String {
    let all = report.attributions.iter().flat_map(|of| &of.travelled);
    [CAPTION].into_iter().chain(computed(all)).collect::<Vec<_>>().join(" ")
}

const COMPUTED: &str = "Times at a bandwidth are computed, not measured: from what this machine took and the bytes that \
                                   were sent. The first is if all work overlaps with the transfer, the second if none does.";

/// A row of the table: what travelled, or how long it would take, in every scenario.
pub(super) struct Row {
    /// `cold push, uploaded`, `cold push at 10 Mbit/s, computed`.
    pub label: String,
    /// A figure for each scenario; empty where there is none.
    pub cells: Vec<String>,
}

/// What travelled, with the scenarios as columns.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let of_columns: Vec<&[Travelled]> = report
        .columns
        .iter()
        .map(|column| {
            let mut all = report.attributions.iter();
            all.find(|of| of.scenario == column.name)
                .map_or(&[][..], |of| of.travelled.as_slice())
        })
        .collect();
    let mut phases: Vec<&str> = Vec::new();
    for of in of_columns.iter().copied().flatten() {
        if !phases.contains(&of.phase.as_str()) {
            phases.push(&of.phase);
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for phase in phases {
        let of_phase: Vec<Option<&Travelled>> = of_columns
            .iter()
            .map(|of| of.iter().find(|of| of.phase == phase))
            .collect();
        let mut add = |label: String, cell: &dyn Fn(&Travelled) -> Option<String>| {
            let cells: Vec<_> = of_phase.iter().map(|of| of.and_then(cell)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(Option::unwrap_or_default).collect();
                rows.push(Row { label, cells });
            }
        };
        for name in [
            "downloaded",
            "context",
            "uploaded",
            "already there",
            "mounted",
            "pulled",
        ] {
            add(format!("{phase}, {name}"), &|of| {
                let (_, bytes) = of.figures().into_iter().find(|(figure, _)| *figure == name)?;
                // Hardly any push mounts anything.
                (name != "mounted" || bytes.0 > 0).then(|| bytes.to_string())
            });
        }
        let links: Vec<u32> = of_phase
            .iter()
            .flatten()
            .flat_map(|of| of.links.iter().map(|link| link.mbit))
            .collect();
        for mbit in [10, 100, 1000].into_iter().filter(|mbit| links.contains(mbit)) {
            add(format!("{phase} at {}, computed", bandwidth(mbit)), &|of| {
                of.links.iter().find(|link| link.mbit == mbit).map(time)
            });
        }
    }
    rows
}

/// One line for each phase of a scenario, and below a push or pull what it would take over other links.
pub(super) fn lines(of: &[Travelled]) -> Vec<String> {
    of.iter()
        .map(|of| {
            let figures = of
                .figures()
                .into_iter()
                .filter(|(name, bytes)| *name != "mounted" || bytes.0 > 0);
            let figures: Vec<String> = figures.map(|(name, bytes)| format!("{bytes} {name}")).collect();
            let mut line = format!("{}: {}", of.phase, figures.join(", "));
            let links: Vec<String> = of
                .links
                .iter()
                .map(|link| format!("{} at {}", time(link), bandwidth(link.mbit)))
                .collect();
            if !links.is_empty() {
                line.push_str(&format!("; computed: {}", links.join(", ")));
            }
            line
        })
        .collect()
}

/// One short line for each scenario: what its pushes and pulls sent.
pub(super) fn brief(report: &Report) -> Vec<String> {
    let line = |of: &Travelled| {
        let sent = of.uploaded.map(|bytes| format!("{} uploaded {bytes}", of.phase));
        let sent = sent.or_else(|| of.pulled.map(|bytes| format!("{} pulled {bytes}", of.phase)))?;
        let slowest = of.links.first();
        let slowest = slowest.map(|link| format!(" (at {} {}, computed)", bandwidth(link.mbit), time(link)));
        Some(format!("{sent}{}", slowest.unwrap_or_default()))
    };
    let told = report.attributions.iter().filter_map(|of| {
        let parts: Vec<String> = of.travelled.iter().filter_map(line).collect();
        (!parts.is_empty()).then(|| format!("{}: {}", of.scenario, parts.join("; ")))
    });
    told.collect()
}

/// `112.0 … 132.0 s`; one time if both ends read the same.
fn time(link: &LinkTime) -> String {
    let (least, most) = (link.least.to_string(), link.most.to_string());
    if least == most || link.least == Nanos(0) {
        return most;
    }
    match (least.split_once(' '), most.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} … {most}"),
        _ => format!("{least} … {most}"),
    }
}

/// `10 Mbit/s`, `1 Gbit/s`.
fn bandwidth(mbit: u32) -> String {
    if mbit >= 1000 && mbit.is_multiple_of(1000) {
        format!("{} Gbit/s", mbit / 1000)
    } else {
        format!("{mbit} Mbit/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;

    #[test]
    fn every_figure_has_a_row_and_computed_ones_say_so() {
        let rows = rows(&Report::of(&sample::layered()));
        let told: Vec<String> = rows
            .iter()
            .map(|row| format!("{}: {}", row.label, row.cells[0]))
            .collect();
        assert_eq!(
            told,
            [
                "cold build, context: 48.0 kB",
                "hot build, context: 1.9 kB",
                "cold push, uploaded: 140.0 MB",
                "cold push, already there: 0 B",
                "cold push at 10 Mbit/s, computed: 112.0 … 132.0 s",
                "cold push at 100 Mbit/s, computed: 20.00 … 31.20 s",
                "cold push at 1 Gbit/s, computed: 20.00 … 21.12 s",
                "hot push, uploaded: 43.1 kB",
                "hot push, already there: 140.0 MB",
                "hot push at 10 Mbit/s, computed: 1.00 … 1.03 s",
                "hot push at 100 Mbit/s, computed: 1.00 s",
                "hot push at 1 Gbit/s, computed: 1.00 s",
            ]
        );
    }

    #[test]
    fn lines_say_what_is_computed() {
        let report = Report::of(&sample::layered());
        assert_eq!(
            lines(&report.attributions[0].travelled)[3],
            "hot push: 43.1 kB uploaded, 140.0 MB already there; computed: 1.00 … 1.03 s at 10 Mbit/s, 1.00 s at 100 Mbit/s, 1.00 s \
             at 1 Gbit/s"
        );
        assert_eq!(
            brief(&report),
            [
                "uv-single: cold push uploaded 140.0 MB (at 10 Mbit/s 112.0 … 132.0 s, computed); hot push uploaded 43.1 kB (at 10 \
              Mbit/s 1.00 … 1.03 s, computed)"
            ]
        );
    }

    #[test]
    fn journals_of_before_show_none_of_it() {
        let report = Report::of(&sample::single_round());
        assert!(rows(&report).is_empty() && brief(&report).is_empty());
    }
}
