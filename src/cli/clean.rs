//! `bakeoff clean`.

use super::args::Clean;
use super::failure::require_local;
use super::{Failure, print};
use crate::engine::docker::DockerEngine;
use crate::engine::lock::EngineLock;
use crate::engine::{Engine as _, Owned, OwnedKind, reaper};
use crate::scratch;

fn kind(owned: &Owned) -> &'static str {
    match owned.kind {
        OwnedKind::Container => "container",
        OwnedKind::Image => "image",
        OwnedKind::Volume => "volume",
        OwnedKind::Network => "network",
    }
}

pub(super) async fn clean(arguments: &Clean) -> Result<(), Failure> {
    let engine = DockerEngine::from_environment()?;
    require_local(&engine)?;
    let info = engine.info().await?;
    // What belongs to a run in progress carries the same label: it must not be taken from under it.
    let _lock = EngineLock::take(&info.id)?;
    // A stand-in's image says so itself; what was started to make one carries a run's label with that name.
    let doomed = |thing: &Owned| arguments.all || thing.run != "stand-in" || thing.kind != OwnedKind::Image;
    if arguments.dry_run {
        let owned = engine.owned().await?;
        let lines: String = owned
            .iter()
            .filter(|thing| doomed(thing))
            .map(|thing| format!("would remove {} {}\n", kind(thing), thing.name))
            .collect();
        let records = engine.build_cache().await?;
        let ours = reaper::left_in_cache(&records).len();
        return print(&format!("{lines}would remove {ours} build-cache records\n"));
    }
    for left in scratch::sweep() {
        eprintln!("removing {}", left.display());
    }
    let reaped = reaper::reap_left_overs(&engine, doomed, |thing| {
        eprintln!("removing {} {}", kind(thing), thing.name);
    })
    .await?;
    let (records, freed) = reaper::reap_cache(&engine).await?;
    let count = |wanted: OwnedKind| reaped.removed.iter().filter(|thing| thing.kind == wanted).count();
    print(&format!(
        "removed {} containers, {} images, {} volumes, {} networks and {records} build-cache records ({freed})\n",
        count(OwnedKind::Container),
        count(OwnedKind::Image),
        count(OwnedKind::Volume),
        count(OwnedKind::Network),
    ))?;
    if reaped.problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::LeftOver(reaped.problems))
    }
}
