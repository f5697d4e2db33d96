//! The note on what a run did to the host's engine. Not for: comparing what it held (that is the runner's).

use crate::runner::event::{HostProof, HostThing};
use crate::units::Bytes;

use super::Severity;
use super::clean::clean;
use super::note::list;

/// More things than this are counted, not named.
const NAMED: usize = 8;

/// How what the host's engine held differed from before to after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNote {
    /// The difference.
    pub proof: HostProof,
    /// The size of the build-cache records that trials left.
    pub left: Bytes,
}

impl HostNote {
    pub(super) fn severity(&self) -> Severity {
        let proof = &self.proof;
        if proof.removed.is_empty() && proof.added.is_empty() && proof.removed_records == 0 {
            Severity::Info
        } else {
            Severity::Warning
        }
    }

    pub(super) fn text(&self) -> String {
        let proof = &self.proof;
        let mut gone = named(&proof.removed);
        gone.extend(records(proof.removed_records));
        let mut sentences = vec![if gone.is_empty() {
            // Before its last part, if the run was gone on with: the mark of the seam says that it was.
            "All that the host's engine held before is still there.".to_owned()
        } else {
            format!("Of what the host's engine held before, there {} no more.", are(&gone))
        }];
        let mut kept = named(&proof.kept);
        if let Some(records) = records(proof.added_records) {
            let size = if self.left == Bytes(0) {
                String::new()
            } else {
                format!(" ({})", self.left)
            };
            kept.push(format!(
                "{records}{size} that could not be told apart from somebody else's"
            ));
        }
        if !kept.is_empty() {
            sentences.push(format!("bakeoff keeps in it {}.", list(&kept)));
        }
        let added = named(&proof.added);
        if !added.is_empty() {
            sentences.push(format!("New there {}.", are(&added)));
        }
        if self.severity() == Severity::Warning {
            sentences.push("Whoever else used the engine meanwhile, or its own clean-up, may have done that.".into());
        } else if kept.is_empty() {
            sentences.push("Nothing was left in it.".into());
        }
        sentences.join(" ")
    }
}

fn are(items: &[String]) -> String {
    format!("{} {}", if items.len() == 1 { "is" } else { "are" }, list(items))
}

fn records(count: u32) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 build-cache record".into()),
        count => Some(format!("{count} build-cache records")),
    }
}

/// `the image a`, `the volume b`, `3 more`.
fn named(things: &[HostThing]) -> Vec<String> {
    let mut named: Vec<String> = things
        .iter()
        .take(NAMED)
        .map(|thing| format!("the {} {}", thing.kind.name(), clean(&thing.name)))
        .collect();
    if things.len() > NAMED {
        named.push(format!("{} more", things.len() - NAMED));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::inventory::ThingKind;

    fn note(proof: HostProof) -> HostNote {
        HostNote { proof, left: Bytes(0) }
    }

    fn thing(kind: ThingKind, name: &str) -> HostThing {
        HostThing {
            kind,
            name: name.into(),
        }
    }

    #[test]
    fn an_engine_that_was_left_as_it_was_is_told_as_such() {
        let note = note(HostProof::default());
        assert_eq!(note.severity(), Severity::Info);
        assert_eq!(
            note.text(),
            "All that the host's engine held before is still there. Nothing was left in it."
        );
    }

    #[test]
    fn what_bakeoff_keeps_is_named() {
        let mut note = note(HostProof {
            kept: vec![thing(ThingKind::Image, "stand-in:1")],
            added_records: 2,
            ..HostProof::default()
        });
        note.left = Bytes(4000);
        assert_eq!(note.severity(), Severity::Info);
        assert_eq!(
            note.text(),
            "All that the host's engine held before is still there. bakeoff keeps in it the image stand-in:1 and 2 build-cache records (4.0 kB) that could not be told apart from somebody else's."
        );
    }

    #[test]
    fn what_differs_is_named_and_nobody_accused() {
        let note = note(HostProof {
            added: (0..10).map(|n| thing(ThingKind::Container, &format!("c{n}"))).collect(),
            removed: vec![thing(ThingKind::Volume, "data")],
            removed_records: 1,
            ..HostProof::default()
        });
        assert_eq!(note.severity(), Severity::Warning);
        assert_eq!(
            note.text(),
            "Of what the host's engine held before, there are the volume data and 1 build-cache record no more. \
             New there are the container c0, the container c1, the container c2, the container c3, the container c4, \
             the container c5, the container c6, the container c7 and 2 more. Whoever else used the engine meanwhile, \
             or its own clean-up, may have done that."
        );
    }
}
