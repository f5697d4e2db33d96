//! The report as JSON, for programs. These types mirror the report's and are not them: a field here is a promise,
//! and `schema` grows when one is broken.

mod attribution;
mod layers;
mod moved;
mod network;
mod noise;

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::analysis::{self, Cell, CellValue, RawRow, Report, Row};
use crate::runner::event::{self, EngineHead, Round};
use crate::units::Nanos;

use super::ReportError;
use network::{Build, Network, build, network};

/// The version of the document's shape.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    run: Run<'a>,
    scenarios: Vec<Scenario<'a>>,
    rows: Vec<TableRow<'a>>,
    downloads: Vec<Build<'a>>,
    /// Where the time of the builds went, by scenario.
    attributions: Vec<attribution::Attribution<'a>>,
    /// Pushes, pulls and starts: how their time divides, what travelled, what was used; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moved: Vec<moved::Moved<'a>>,
    published_source: Option<&'a str>,
    notes: Vec<NoteText>,
    /// Absent if nobody probed since the machine's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<noise::Noise<'a>>,
    /// Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outliers: Vec<noise::Outlier<'a>>,
    environment: Environment<'a>,
    images: Vec<Image<'a>>,
    command: String,
    failed: bool,
    phases: Vec<RawPhase<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    id: &'a str,
    started: String,
    state: &'static str,
    bakeoff_version: &'a str,
    suite: &'a str,
    description: &'a str,
    fixture: &'a str,
    variant: &'a str,
    seed: u64,
    rounds: u32,
    warmup: u32,
    network: Option<Network<'a>>,
    /// Where it was gone on with after it had died or been interrupted.
    resumed: Vec<Seam<'a>>,
    /// The command that goes on with it, if it is unfinished.
    resume: Option<&'a str>,
}

#[derive(Serialize)]
struct Seam<'a> {
    at: String,
    gap_seconds: f64,
    bakeoff_version: &'a str,
    /// The last trial that had ended.
    after: Option<Trial<'a>>,
    /// The trial that was measured again.
    again: Option<Trial<'a>>,
    /// Phases of that trial which don't count.
    superseded_phases: u32,
    changes: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Trial<'a> {
    role: &'static str,
    round: u32,
    scenario: &'a str,
}

#[derive(Serialize)]
struct Change<'a> {
    what: &'a str,
    before: &'a str,
    now: &'a str,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    base_name: &'a str,
    factors: BTreeMap<&'a str, &'a str>,
    builder: &'a str,
    /// Empty without a mirror.
    link: &'a str,
}

#[derive(Serialize)]
struct TableRow<'a> {
    label: &'a str,
    kind: &'static str,
    /// The unit of `median`, `min`, `max`, `mad` and `published`: `s` or `B`.
    unit: &'static str,
    cells: Vec<TableCell<'a>>,
}

#[derive(Serialize)]
struct TableCell<'a> {
    scenario: &'a str,
    /// `measured`, `failed`, `invalid`, `skipped` or `no-data`.
    state: &'static str,
    reasons: Vec<&'a str>,
    #[serde(flatten)]
    summary: Option<Summary>,
    ratio_to_best: Option<f64>,
    published: Option<f64>,
    rounds: Rounds,
}

#[derive(Serialize)]
struct Summary {
    n: usize,
    median: f64,
    min: f64,
    max: f64,
    mad: f64,
}

#[derive(Serialize)]
struct Rounds {
    planned: u32,
    measured: u32,
    failed: u32,
    invalid: u32,
    skipped: u32,
}

#[derive(Serialize)]
struct NoteText {
    severity: &'static str,
    text: String,
    details: Vec<String>,
    log: Vec<String>,
}

/// An engine that scenarios were measured in.
#[derive(Serialize)]
struct EngineUsed<'a> {
    /// What was asked for: `auto`, `host`, `isolated:28`.
    choice: &'a str,
    /// `host` or `isolated`.
    kind: &'a str,
    version: &'a str,
    api_version: &'a str,
    storage_driver: &'a str,
    image_store: &'a str,
    /// Why `auto` is the host's engine, if it is.
    fallback: Option<&'a str>,
}

#[derive(Serialize)]
struct Environment<'a> {
    cpu_model: &'a str,
    cpus: u32,
    memory_bytes: u64,
    engine_version: &'a str,
    api_version: &'a str,
    storage_driver: &'a str,
    image_store: &'a str,
    engines: Vec<EngineUsed<'a>>,
    network: &'a str,
    base_images: &'a str,
    operating_system: &'a str,
    kernel: &'a str,
    /// The digest of the recording that builds downloaded from; empty if there is none.
    recording: &'a str,
}

#[derive(Serialize)]
struct Image<'a> {
    role: &'a str,
    reference: &'a str,
    used: &'a str,
    id: &'a str,
    stand_in: bool,
    host_ca: bool,
}

#[derive(Serialize)]
struct RawPhase<'a> {
    role: &'static str,
    round: u32,
    position: Option<usize>,
    /// How often the run had been gone on with before.
    seams: usize,
    scenario: &'a str,
    phase: &'a str,
    kind: &'a str,
    outcome: &'static str,
    seconds: Option<f64>,
    image_bytes: Option<u64>,
    compressed_bytes: Option<u64>,
    new_bytes: Option<u64>,
    downloaded_bytes: Option<u64>,
    cached_steps: Option<usize>,
    steps: Option<usize>,
    message: &'a str,
}

/// Writes the document.
///
/// # Errors
/// If the output can't be written to.
pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<(), ReportError> {
    serde_json::to_writer_pretty(&mut *out, &document(report)).map_err(ReportError::Json)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(|source| ReportError::Write { format: "json", source })
}

/// Writes where the time of one scenario's builds went, as it stands in the document of the whole run.
///
/// # Errors
/// If the output can't be written to.
pub(super) fn write_attributions(of: &[&analysis::Attribution], out: &mut impl Write) -> Result<(), ReportError> {
    let list: Vec<_> = of.iter().map(|of| attribution::attribution(of)).collect();
    serde_json::to_writer_pretty(&mut *out, &list).map_err(ReportError::Json)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(|source| ReportError::Write { format: "json", source })
}

/// Writes how the time of pulls and starts divides.
///
/// # Errors
/// If the output can't be written to.
pub(super) fn write_moved(of: &[&analysis::Moved], out: &mut impl Write) -> Result<(), ReportError> {
    let list: Vec<_> = of.iter().map(|of| moved::moved(of)).collect();
    serde_json::to_writer_pretty(&mut *out, &list).map_err(ReportError::Json)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(|source| ReportError::Write { format: "json", source })
}

fn document(report: &Report) -> Document<'_> {
    let run = &report.run;
    Document {
        schema: SCHEMA,
        run: Run {
            id: &run.id.0,
            started: run.started.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            state: run.state.name(),
            bakeoff_version: &run.bakeoff_version,
            suite: &run.suite,
            description: &run.description,
            fixture: &run.fixture,
            variant: &run.variant,
            seed: run.seed,
            rounds: run.rounds,
            warmup: run.warmup,
            network: run.network.as_ref().map(network),
            resumed: run.seams.iter().map(seam).collect(),
            resume: report.resume.as_deref(),
        },
        scenarios: report
            .columns
            .iter()
            .map(|column| Scenario {
                name: &column.name,
                base_name: &column.base_name,
                factors: column
                    .factors
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect(),
                builder: &column.builder,
                link: &column.link,
            })
            .collect(),
        rows: report.rows.iter().map(|row| table_row(report, row)).collect(),
        downloads: report.downloads.iter().map(build).collect(),
        attributions: report.attributions.iter().map(attribution::attribution).collect(),
        moved: report.moved.iter().map(moved::moved).collect(),
        published_source: report.published_source.as_deref(),
        notes: report
            .notes
            .iter()
            .map(|note| NoteText {
                severity: note.severity().name(),
                text: note.text(),
                details: note.details(),
                log: note.log_lines().to_vec(),
            })
            .collect(),
        noise: report.noise.as_ref().map(noise::noise),
        outliers: report.outliers.iter().map(noise::outlier).collect(),
        environment: environment(report),
        images: report
            .images
            .iter()
            .map(|image| Image {
                role: &image.role,
                reference: &image.reference,
                used: &image.used,
                id: &image.id,
                stand_in: image.stand_in,
                host_ca: image.host_ca,
            })
            .collect(),
        command: report.command(),
        failed: report.has_failed_cell(),
        phases: report.raw.iter().map(phase).collect(),
    }
}

fn table_row<'a>(report: &'a Report, row: &'a Row) -> TableRow<'a> {
    let cells = report.columns.iter().zip(&row.cells);
    TableRow {
        label: &row.label,
        kind: row.kind.name(),
        unit: row.kind.unit(),
        cells: cells.map(|(column, cell)| table_cell(&column.name, cell)).collect(),
    }
}

fn table_cell<'a>(scenario: &'a str, cell: &'a Cell) -> TableCell<'a> {
    let (state, reasons) = match &cell.value {
        CellValue::Measured(_) => ("measured", vec![]),
        CellValue::Failed(reason) => ("failed", vec![reason.as_str()]),
        CellValue::Invalid(reasons) => ("invalid", reasons.iter().map(String::as_str).collect()),
        CellValue::Skipped(reason) => ("skipped", vec![reason.as_str()]),
        CellValue::NoData => ("no-data", vec![]),
    };
    TableCell {
        scenario,
        state,
        reasons,
        summary: cell.summary().map(|summary| Summary {
            n: summary.n,
            median: summary.median,
            min: summary.min,
            max: summary.max,
            mad: summary.mad,
        }),
        ratio_to_best: cell.ratio,
        published: cell.published,
        rounds: Rounds {
            planned: cell.rounds.planned,
            measured: cell.rounds.measured,
            failed: cell.rounds.failed,
            invalid: cell.rounds.invalid,
            skipped: cell.rounds.skipped,
        },
    }
}

fn engine(head: &EngineHead) -> EngineUsed<'_> {
    EngineUsed {
        choice: &head.choice,
        kind: &head.kind,
        version: &head.version,
        api_version: &head.api_version,
        storage_driver: &head.storage_driver,
        image_store: &head.image_store,
        fallback: head.fallback.as_deref(),
    }
}

fn environment(report: &Report) -> Environment<'_> {
    let (identity, drift) = (&report.environment.identity, &report.environment.drift);
    Environment {
        cpu_model: &identity.cpu_model,
        cpus: identity.cpus,
        memory_bytes: identity.memory.0,
        engine_version: &drift.engine_version,
        api_version: &drift.api_version,
        storage_driver: &identity.storage_driver,
        image_store: &identity.image_store,
        engines: report.engines.iter().map(engine).collect(),
        network: &identity.network,
        base_images: &identity.bases,
        operating_system: &drift.operating_system,
        kernel: &drift.kernel,
        recording: &drift.recording,
    }
}

/// A round in the words of the journal.
fn role(round: Round) -> (&'static str, u32) {
    match round {
        Round::Warmup(n) => ("warm-up", n),
        Round::Measured(n) => ("measured", n),
    }
}

fn seam(seam: &event::Seam) -> Seam<'_> {
    let gap = (seam.resumed - seam.stopped).to_std().unwrap_or_default();
    Seam {
        at: seam.resumed.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        gap_seconds: gap.as_secs_f64(),
        bakeoff_version: &seam.bakeoff_version,
        after: seam.after.as_ref().map(trial),
        again: seam.again.as_ref().map(trial),
        superseded_phases: seam.superseded,
        changes: seam.changes.iter().map(change).collect(),
    }
}

fn trial(trial: &event::TrialKey) -> Trial<'_> {
    let (role, round) = role(trial.round);
    Trial {
        role,
        round,
        scenario: &trial.scenario,
    }
}

fn change(change: &event::Change) -> Change<'_> {
    let event::Change { what, before, now } = change;
    Change { what, before, now }
}

fn phase(row: &RawRow) -> RawPhase<'_> {
    let (role, round) = role(row.round);
    RawPhase {
        role,
        round,
        position: row.position,
        seams: row.seams,
        scenario: &row.scenario,
        phase: &row.phase,
        kind: &row.kind,
        outcome: row.outcome,
        seconds: row.wall.map(Nanos::seconds),
        image_bytes: row.image_size.map(|size| size.0),
        compressed_bytes: row.compressed.map(|size| size.0),
        new_bytes: row.new_bytes.map(|size| size.0),
        downloaded_bytes: row.downloaded.map(|size| size.0),
        cached_steps: row.cached_steps,
        steps: row.steps,
        message: &row.message,
    }
}
