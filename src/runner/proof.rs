//! The proof that a run took away nothing of the user's and left behind nothing but what it was asked to keep: what the
//! host's engine held before, compared with what it holds afterwards. Not for: cleaning up.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::event::{HostProof, HostThing, RunEvent};
use super::prepare::unless_cancelled;
use super::{Events, RunError, Session};
use crate::engine::inventory::{Inventory, Owner, Thing, ThingKind};
use crate::engine::{Engine, EngineError};

/// What the host's engine holds before a run has done anything. An engine that does not say can be measured in all the same:
/// there is no proof then, and `events` hears why.
///
/// # Errors
/// If the user interrupts.
pub(super) async fn before<E: Engine>(
    engine: &E,
    cancel: &CancellationToken,
    events: Events<'_>,
) -> Result<Option<Inventory>, RunError> {
    let asking = async { Ok(engine.inventory().await) };
    Ok(match unless_cancelled(cancel, asking).await? {
        Ok(inventory) => Some(inventory),
        Err(error) => {
            // Whoever wants to stop is asked with the next event that counts.
            let _ = events(RunEvent::Preparing(unproved(&error)));
            None
        }
    })
}

fn unproved(error: &EngineError) -> String {
    format!("warning: it can't be proved that the host's engine is left as it is: {error}")
}

impl<E: Engine> Session<'_, E> {
    /// How what the host's engine holds differs from what it held before; `None` if it does not say.
    pub(super) async fn proof(&self, before: Option<&Inventory>) -> Option<HostProof> {
        let before = before?;
        match self.engine.inventory().await {
            Ok(after) => {
                let bases = self.bases.values().map(|base| base.id.as_str());
                Some(compare(before, &after, &bases.chain(self.engine_images()).collect()))
            }
            Err(error) => {
                self.note(unproved(&error));
                None
            }
        }
    }
}

/// `bases` are the ids or names of the base images of the run, which stay for the next one.
fn compare(before: &Inventory, after: &Inventory, bases: &BTreeSet<&str>) -> HostProof {
    let mut proof = HostProof::default();
    let new = after.without(before);
    for thing in new.into_iter().filter(|thing| !thing.is_image_layer()) {
        let is_base = bases.contains(thing.id.as_str()) || bases.contains(thing.name.as_str());
        if thing.kind == ThingKind::CacheRecord {
            proof.added_records += 1;
        } else if thing.owner == Owner::StandIn || (thing.kind == ThingKind::Image && is_base) {
            proof.kept.push(told(thing));
        } else {
            proof.added.push(told(thing));
        }
    }
    // What earlier runs left is bakeoff's to remove, and so are stand-ins that are made anew.
    let gone = before.without(after);
    // A base's name may stand for a newer image, which was pulled for the run and is told as kept.
    let is_newer = |thing: &Thing| {
        let same_name = |other: &Thing| other.kind == ThingKind::Image && other.name == thing.name;
        thing.kind == ThingKind::Image && bases.contains(thing.name.as_str()) && after.0.iter().any(same_name)
    };
    let gone = gone.into_iter().filter(|thing| !is_newer(thing));
    for thing in gone.filter(|thing| thing.owner == Owner::Somebody) {
        if thing.kind == ThingKind::CacheRecord {
            proof.removed_records += 1;
        } else {
            proof.removed.push(told(thing));
        }
    }
    proof
}

fn told(thing: &Thing) -> HostThing {
    HostThing {
        kind: thing.kind,
        name: thing.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::inventory::IMAGE_LAYER;

    fn thing(kind: ThingKind, name: &str, owner: Owner) -> Thing {
        Thing {
            kind,
            id: format!("id of {name}"),
            name: name.into(),
            owner,
        }
    }

    fn inventory(things: &[Thing]) -> Inventory {
        Inventory(things.iter().cloned().collect())
    }

    #[test]
    fn what_was_asked_for_is_told_from_what_was_not() {
        let before = [
            thing(ThingKind::Image, "users:1", Owner::Somebody),
            thing(ThingKind::Volume, "data", Owner::Somebody),
            thing(ThingKind::CacheRecord, "lost", Owner::Somebody),
            thing(ThingKind::Container, "left-over", Owner::Run),
            thing(ThingKind::CacheRecord, "left-over", Owner::Run),
            thing(ThingKind::Image, "old-stand-in", Owner::StandIn),
            // The run pulls a newer one.
            Thing {
                id: "an older one".into(),
                ..thing(ThingKind::Image, "docker:dind", Owner::Somebody)
            },
        ];
        let after = [
            before[0].clone(),
            thing(ThingKind::Image, "stand-in", Owner::StandIn),
            thing(ThingKind::Image, "python:3", Owner::Somebody),
            thing(ThingKind::Image, "docker:dind", Owner::Somebody),
            thing(ThingKind::Network, "forgotten", Owner::Run),
            thing(ThingKind::Container, "theirs", Owner::Somebody),
            thing(ThingKind::CacheRecord, "new", Owner::Somebody),
            thing(ThingKind::CacheRecord, IMAGE_LAYER, Owner::Somebody),
        ];
        let bases = ["id of python:3", "docker:dind"].into();
        let proof = compare(&inventory(&before), &inventory(&after), &bases);
        let names = |things: &[HostThing]| things.iter().map(|thing| thing.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&proof.kept), ["docker:dind", "python:3", "stand-in"]);
        assert_eq!(names(&proof.added), ["theirs", "forgotten"]);
        assert_eq!(names(&proof.removed), ["data"]);
        assert_eq!((proof.added_records, proof.removed_records), (1, 1));
    }
}
