//! `bakeoff export`: a run in the format of another tool, from the journal alone.

pub(super) mod args;
pub(super) mod file;
mod send;

use std::io::Write as _;
use std::path::Path;

use super::{Failure, paths, print};
use crate::journal;
use crate::report::export::{ExportError, ExportFormat, ExportOptions, ExportedRun, export as write};
use args::Export;

pub(super) use send::SendError;

pub(super) async fn export(arguments: &Export) -> Result<(), Failure> {
    let format = ExportFormat::from(arguments.to);
    let count = arguments.run.len();
    if count > 1 && !format.takes_several() {
        let format = format.name();
        return Err(ExportError::OneRun { format, count }.into());
    }
    let receiver = send::receiver(arguments)?;
    let runs = runs(&arguments.run)?;
    if let (Some(receiver), [run]) = (&receiver, &runs[..]) {
        return print(&format!("{}\n", receiver.send(run).await?));
    }
    let options = ExportOptions {
        allow_different_machine: arguments.allow_different_machine,
    };
    let mut text = Vec::new();
    let remarks = write(&runs, format, options, &mut text)?;
    let written = match arguments.output.as_deref() {
        Some(path) if path != Path::new("-") => file::write(path, &text),
        _ => std::io::stdout().lock().write_all(&text),
    };
    written.map_err(|source| Failure::Output {
        operation: "writing the export",
        source,
    })?;
    for remark in remarks {
        // There is nowhere left to complain to.
        let _ = writeln!(std::io::stderr().lock(), "warning: {remark}");
    }
    Ok(())
}

fn runs(names: &[String]) -> Result<Vec<ExportedRun>, Failure> {
    let read = |name: &String| -> Result<ExportedRun, Failure> {
        let dir = journal::resolve(Path::new(paths::RUNS), name)?;
        Ok(ExportedRun::of(&journal::read(&dir)?))
    };
    names.iter().map(read).collect()
}
