//! `bakeoff mirror export` and `bakeoff mirror import`.

use super::args::{Export, Import, new_name};
use super::bar::Bar;
use super::shelf::Shelf;
use crate::cli::{Failure, print};
use crate::mirror::recording::archive;
use crate::units::Bytes;

pub(super) fn export(shelf: &Shelf, arguments: &Export) -> Result<(), Failure> {
    let file = &arguments.file;
    let recording = shelf.open_or_only(arguments.recording.as_deref())?;
    if file.exists() && !arguments.force {
        return Err(Failure::FileExists(file.clone()));
    }
    let name = recording.name();
    let stats = {
        let _bar = Bar::new(&format!("writing {name} ({})", recording.stats().size));
        archive::export(&recording, file)?
    };
    let size = file.metadata().map_or(Bytes(0), |data| Bytes(data.len()));
    print(&format!(
        "exported {name} ({} downloads, {}) to {} ({size})\n",
        stats.entries,
        stats.size,
        file.display()
    ))
}

pub(super) fn import(shelf: &Shelf, arguments: &Import) -> Result<(), Failure> {
    let file = &arguments.file;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = arguments.recording.clone().unwrap_or_else(|| stem.into_owned());
    let name = new_name(&name).map_err(|expected| Failure::RecordingName { name, expected })?;
    let folder = shelf.place(&name);
    if folder.exists() {
        return Err(Failure::RecordingExists(name));
    }
    let size = file.metadata().map_or(Bytes(0), |data| Bytes(data.len()));
    let stats = {
        let _bar = Bar::new(&format!("reading {} ({size})", file.display()));
        archive::import(file, &folder)?
    };
    print(&format!(
        "imported {name}: {} downloads, {}; `bakeoff run` replays it with --recording {name}\n",
        stats.entries, stats.size
    ))
}
