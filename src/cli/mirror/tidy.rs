//! `bakeoff mirror verify` and `bakeoff mirror prune`.

use std::time::SystemTime;

use super::args::{Prune, Verify};
use super::bar::Bar;
use super::shelf::{Folder, Shelf};
use super::stats::NONE;
use crate::cli::{Failure, print};
use crate::mirror::recording::{Damage, Recording};
use crate::units::Bytes;

pub(super) fn verify(shelf: &Shelf, arguments: &Verify) -> Result<(), Failure> {
    let recordings = shelf.recordings(&arguments.names)?;
    if recordings.is_empty() {
        return print(NONE);
    }
    let mut count = 0;
    for folder in recordings {
        let name = &folder.name;
        let checked = Recording::open(&folder.path).and_then(|recording| {
            let bar = Bar::new(&format!("checking {name}"));
            let damaged = recording.verify(&|read, all| bar.set(read, all))?;
            Ok((damaged, recording.stats()))
        });
        match checked {
            Ok((damaged, stats)) if damaged.is_empty() => {
                print(&format!(
                    "{name}: {} downloads, {}: all good\n",
                    stats.entries, stats.size
                ))?;
            }
            Ok((damaged, _)) => {
                count += damaged.len();
                for damage in damaged {
                    print(&format!("{name}: damaged: {}\n", said(&damage)))?;
                }
            }
            // The others are worth a look too.
            Err(error) => {
                count += 1;
                print(&format!("{name}: unreadable: {error}\n"))?;
            }
        }
    }
    if count == 0 {
        Ok(())
    } else {
        Err(Failure::Damaged(count))
    }
}

/// What was recorded, and what is wrong with it now.
pub(super) fn said(damage: &Damage) -> String {
    let what = damage
        .key
        .as_ref()
        .map_or_else(|| "a lock file".to_owned(), ToString::to_string);
    format!("{what}: {}", damage.reason)
}

pub(super) fn prune(shelf: &Shelf, arguments: &Prune) -> Result<(), Failure> {
    let recordings = shelf.recordings(&arguments.names)?;
    if !arguments.all && arguments.unused_for.is_none() {
        return clean(&recordings, arguments.dry_run);
    }
    let generated = if arguments.names.is_empty() {
        shelf.generated()?
    } else {
        Vec::new()
    };
    let (mut count, mut freed) = (0, Bytes(0));
    let mut in_use = Vec::new();
    for folder in recordings.iter().chain(&generated) {
        if !arguments.all && !is_old(folder, arguments.unused_for) {
            continue;
        }
        // Held until it is gone: a run that begins now must not find half of it.
        let Some(_claimed) = folder.claim()? else {
            print(&format!("{} is in use by a run, and stays\n", folder.name))?;
            in_use.push(folder.name.clone());
            continue;
        };
        let size = folder.size();
        let verb = if arguments.dry_run { "would remove" } else { "removing" };
        print(&format!("{verb} {} ({size})\n", folder.name))?;
        if !arguments.dry_run {
            let _bar = Bar::new(&format!("removing {}", folder.name));
            folder.remove()?;
        }
        count += 1;
        freed.0 += size.0;
    }
    total(count, freed, "folder", arguments.dry_run)?;
    // Whoever asks for what is unused gets that.
    if arguments.all && !in_use.is_empty() {
        return Err(Failure::InUse(in_use));
    }
    Ok(())
}

/// Whether nobody has used it for so long. What can't be told is not old.
fn is_old(folder: &Folder, than: Option<std::time::Duration>) -> bool {
    let unused = folder
        .last_used()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    unused.zip(than).is_some_and(|(unused, than)| unused >= than)
}

/// Removes what is damaged or belongs to nothing.
fn clean(recordings: &[Folder], dry_run: bool) -> Result<(), Failure> {
    let (mut count, mut freed) = (0, Bytes(0));
    for folder in recordings {
        let recording = Recording::open(&folder.path)?;
        let bar = Bar::new(&format!("checking {}", folder.name));
        if dry_run {
            let waste = recording.waste(&|read, all| bar.set(read, all))?;
            drop(bar);
            for damage in &waste.damaged {
                print(&format!("{}: would remove {}\n", folder.name, said(damage)))?;
            }
            count += waste.damaged.len() as u64;
            for (path, size) in &waste.files {
                freed.0 += size.0;
                // That of something damaged was told of with its reason.
                if waste.damaged.iter().all(|damage| !path.ends_with(&damage.sha256)) {
                    print(&format!("{}: would remove {} ({size})\n", folder.name, path.display()))?;
                    count += 1;
                }
            }
        } else {
            let (removed, size) = recording.prune()?;
            count += removed;
            freed.0 += size.0;
        }
    }
    total(count, freed, "damaged or abandoned thing", dry_run)
}

fn total(count: u64, freed: Bytes, what: &str, dry_run: bool) -> Result<(), Failure> {
    let verb = if dry_run { "would remove" } else { "removed" };
    let plural = if count == 1 { "" } else { "s" };
    print(&format!("{verb} {count} {what}{plural} ({freed})\n"))
}
