//! Whether the cache mounts of a cold build were empty. BuildKit keeps a mount under its id, and each new one makes a record
//! in the build cache; an engine says of a record when it was made, if at all, by being asked before and after.

use std::collections::BTreeSet;

use crate::engine::CacheRecord;

/// How the build cache calls the records of cache mounts.
const KIND: &str = "exec.cachemount";

/// The name under which BuildKit keeps a mount with this target and id; `None` where it has variables, whose values are the
/// builder's to know.
#[must_use]
pub fn id(target: &str, id: &str) -> Option<String> {
    // Without an id in the Dockerfile it is the target.
    let is_path = target == id;
    let name = match id.trim_end_matches('/') {
        trimmed if is_path && !trimmed.is_empty() => trimmed,
        _ => id,
    };
    (!name.contains('$')).then(|| name.to_owned())
}

/// How many cache mounts there are.
#[must_use]
pub fn count(records: &[CacheRecord]) -> usize {
    records.iter().filter(|record| record.kind == KIND).count()
}

/// Mounts that an earlier build of the trial has already filled.
#[must_use]
pub fn used_before(earlier: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let both = earlier.intersection(now);
    both.map(|id| format!("the cache mount {id} was not empty: an earlier build of the trial has used it"))
        .collect()
}

/// Whether every mount that the trial has used was made in it: there must be as many new records as mounts. If somebody
/// else makes one at the same moment a missing one can go unnoticed; none is ever missed that is there.
#[must_use]
pub fn older_than_trial(used: &BTreeSet<String>, before: &[CacheRecord], after: &[CacheRecord]) -> Option<String> {
    let known: BTreeSet<&str> = before.iter().map(|record| record.id.as_str()).collect();
    let new = after.iter().filter(|record| !known.contains(record.id.as_str()));
    let made = new.filter(|record| record.kind == KIND).count();
    (made < used.len()).then(|| {
        let names: Vec<&str> = used.iter().map(String::as_str).collect();
        let (names, used) = (names.join(", "), used.len());
        format!(
            "the steps have used {used} cache mounts ({names}), and the engine has {made} that are not older than the trial"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(list: &[(&str, &str)]) -> Vec<CacheRecord> {
        let record = |(id, kind): &(&str, &str)| CacheRecord {
            id: (*id).into(),
            kind: (*kind).into(),
            ..CacheRecord::default()
        };
        list.iter().map(record).collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_mount_that_made_no_record_is_an_older_one() {
        let before = records(&[("a", KIND), ("b", "regular")]);
        let after = records(&[("a", KIND), ("b", "regular"), ("c", KIND), ("d", "regular")]);
        assert_eq!(older_than_trial(&set(&["/c"]), &before, &after), None);
        assert_eq!(older_than_trial(&set(&[]), &before, &before), None);
        let reason = older_than_trial(&set(&["/c", "uv"]), &before, &after).expect("one of them is older");
        assert!(
            reason.contains("2 cache mounts (/c, uv)") && reason.contains("has 1"),
            "{reason}"
        );
        // What was there before is no proof.
        assert!(older_than_trial(&set(&["/c"]), &before, &before).is_some());
    }

    #[test]
    fn mounts_are_known_by_their_ids() {
        assert_eq!(
            id("/root/.cache/uv/", "/root/.cache/uv/").as_deref(),
            Some("/root/.cache/uv")
        );
        assert_eq!(id("/c", "uv").as_deref(), Some("uv"));
        assert_eq!(id("/", "/").as_deref(), Some("/"));
        assert_eq!(id("$HOME/.cache", "$HOME/.cache"), None);
        assert_eq!(used_before(&set(&["a"]), &set(&["b"])), Vec::<String>::new());
        assert!(used_before(&set(&["a", "b"]), &set(&["b"]))[0].contains("mount b "));
        assert_eq!(count(&records(&[("a", KIND), ("b", "regular")])), 1);
    }
}
