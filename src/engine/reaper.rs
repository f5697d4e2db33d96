//! Removes what bakeoff made, and nothing else: things with our label, and build-cache records that provably descend
//! from a base of ours. Records have no owner, so descent is the only proof there is; what can't be told apart is
//! left and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{CacheRecord, Engine, Owned, OwnedKind, Source};
use crate::units::Bytes;

/// Every trial's base is marked in the build cache by a RUN whose command holds this and a nonce.
pub const ANCHOR: &str = "bakeoff-anchor-";

/// What was removed, left, and what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Things with our label that are gone.
    pub removed: Vec<Owned>,
    /// What could not be removed, with the reason.
    pub problems: Vec<String>,
}

/// How long what is ours is tried again that the engine does not remove, from when something new was last seen: it goes on
/// for a moment with a build whose client has died, and an image that such a build is based on has a new child by the time
/// that it is asked for.
const IN_THE_WAY_LIMIT: Duration = Duration::from_secs(5);

/// And how long at most, whatever is seen.
const LONGEST: Duration = Duration::from_secs(60);

/// How long an engine may take to finish what nobody waits for any more.
pub const SETTLES: Duration = Duration::from_secs(1);

/// Removes everything with our label for which `doomed` holds; containers first, since they hold the rest. `told` hears
/// of each thing before it is removed. What can't be removed is tried again for some seconds.
///
/// # Errors
/// If the engine does not answer. What it refuses to remove is no error, but a problem in the result.
pub async fn reap<E: Engine>(
    engine: &E,
    doomed: impl Fn(&Owned) -> bool,
    told: impl Fn(&Owned),
) -> Result<Reaped, super::EngineError> {
    let began = Instant::now();
    let mut seen = began;
    let mut reaped = Reaped::default();
    let mut known = BTreeSet::new();
    loop {
        let mut owned: Vec<_> = engine.owned().await?.into_iter().filter(&doomed).collect();
        // `OwnedKind` is ordered as things may be removed.
        owned.sort();
        reaped.problems.clear();
        for thing in owned {
            if known.insert(thing.id.clone()) {
                seen = Instant::now();
                told(&thing);
            }
            let gone = match thing.kind {
                OwnedKind::Container => engine.remove_container(&thing.id).await,
                OwnedKind::Image => engine.remove_image(&thing.id).await,
                OwnedKind::Volume => engine.remove_volume(&thing.id).await,
                OwnedKind::Network => engine.remove_network(&thing.id).await,
            };
            match gone {
                Ok(()) => reaped.removed.push(thing),
                Err(error) => reaped.problems.push(error.to_string()),
            }
        }
        if reaped.problems.is_empty() || seen.elapsed() > IN_THE_WAY_LIMIT || began.elapsed() > LONGEST {
            return Ok(reaped);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// As [`reap`], for what processes that died have left: what an engine was making for them may appear only a moment after
/// the rest is gone, so it is looked for once more.
///
/// # Errors
/// As [`reap`].
pub async fn reap_left_overs<E: Engine>(
    engine: &E,
    doomed: impl Fn(&Owned) -> bool,
    told: impl Fn(&Owned),
) -> Result<Reaped, super::EngineError> {
    let mut all = Reaped::default();
    loop {
        let reaped = reap(engine, &doomed, &told).await?;
        let found_nothing = reaped.removed.is_empty();
        all.removed.extend(reaped.removed);
        all.problems = reaped.problems;
        if found_nothing || !all.problems.is_empty() {
            return Ok(all);
        }
        tokio::time::sleep(SETTLES).await;
    }
}

/// The build-cache records of trials that died: those that descend from a marked base, and cache mounts of our namespaces,
/// as far as the engine tells them (20.10 does not).
#[must_use]
pub fn left_in_cache(records: &[CacheRecord]) -> BTreeSet<String> {
    let mut ours = descent(records, &marked_bases(records, ANCHOR));
    ours.extend(mounts_of(records, is_namespace));
    ours
}

/// Removes the build-cache records of trials that died.
///
/// # Errors
/// If the engine does not answer.
pub async fn reap_cache<E: Engine>(engine: &E) -> Result<(u32, Bytes), super::EngineError> {
    let records = engine.build_cache().await?;
    remove_all(engine, &records, &left_in_cache(&records)).await
}

/// The cache mounts in a namespace for which `is_ours` holds. Newer engines tell a mount's id, which begins with it.
#[must_use]
pub fn mounts_of(records: &[CacheRecord], is_ours: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let namespace = |record: &CacheRecord| {
        let (_, id) = record.description.rsplit_once(" with id \"")?;
        id.split_once('/').map(|(namespace, _)| namespace.to_owned())
    };
    let mounts = records.iter().filter(|record| record.kind == "exec.cachemount");
    mounts
        .filter(|record| namespace(record).is_some_and(|namespace| is_ours(&namespace)))
        .map(|record| record.id.clone())
        .collect()
}

/// Whether a namespace is one of a trial's: `bakeoff-20261121-113000-1f3a-7`.
fn is_namespace(name: &str) -> bool {
    let mut parts = name.split('-');
    let number = |part: Option<&str>, digits: usize| {
        part.is_some_and(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    parts.next() == Some("bakeoff") && number(parts.next(), 8) && number(parts.next(), 6) && parts.count() == 2
}

/// How long records are waited for that a build still uses, such as one that was just interrupted.
const IN_USE_LIMIT: Duration = Duration::from_secs(10);

/// Removes records: one that others build on goes only after them, and the marks go last, because what they mark could
/// not be found again without them. Says how many went, and what that freed.
///
/// # Errors
/// If the engine does not answer.
pub async fn remove_all<E: Engine>(
    engine: &E,
    records: &[CacheRecord],
    ids: &BTreeSet<String>,
) -> Result<(u32, Bytes), super::EngineError> {
    let doomed = |mark: bool| {
        let of_kind = move |record: &&CacheRecord| record.description.contains(ANCHOR) == mark;
        records
            .iter()
            .filter(of_kind)
            .map(|record| record.id.clone())
            .filter(|id| ids.contains(id))
    };
    // A base has its mark for a child, so it can only go in the second pass.
    let bases = marked_bases(records, ANCHOR);
    let first: Vec<String> = doomed(false).filter(|id| !bases.contains(id)).collect();
    let last: Vec<String> = doomed(true).chain(ids.intersection(&bases).cloned()).collect();
    let mut freed = Bytes(0);
    let mut left = remove_while_it_helps(engine, first, &mut freed).await?;
    if left.is_empty() {
        left = remove_while_it_helps(engine, last, &mut freed).await?;
    } else {
        left.extend(last);
    }
    Ok((
        u32::try_from(ids.len().saturating_sub(left.len())).unwrap_or(u32::MAX),
        freed,
    ))
}

async fn remove_while_it_helps<E: Engine>(
    engine: &E,
    mut left: Vec<String>,
    freed: &mut Bytes,
) -> Result<Vec<String>, super::EngineError> {
    let started = Instant::now();
    while !left.is_empty() {
        freed.0 += engine.remove_cache_records(&left).await?.0;
        let there = engine.build_cache().await?;
        let before = left.len();
        left.retain(|id| there.iter().any(|record| record.id == *id));
        if left.len() == before {
            let in_use = there.iter().any(|record| record.in_use && left.contains(&record.id));
            if !in_use || started.elapsed() > IN_USE_LIMIT {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(left)
}

/// The bases that are marked: what the RUN with `mark` in its command builds on.
#[must_use]
pub fn marked_bases(records: &[CacheRecord], mark: &str) -> BTreeSet<String> {
    let marked = records.iter().filter(|record| record.description.contains(mark));
    // The base's top layer holds the trial's nonce, so it is nobody else's. A mark with several parents is none of ours.
    marked
        .filter(|record| record.parents.len() == 1)
        .map(|record| record.parents[0].clone())
        .collect()
}

/// BuildKit's handle on a base that has no shell to be marked with, once it was used: the one new handle on an image that
/// no mark tells of and that is not `known`. `None` if there are more, since somebody else used an image for the first time
/// then.
#[must_use]
pub fn handle_of_unmarked(new: &[CacheRecord], known: &BTreeSet<String>) -> Option<String> {
    let marked = marked_bases(new, ANCHOR);
    let is_candidate =
        |record: &CacheRecord| record.is_image_layer() && !known.contains(&record.id) && !marked.contains(&record.id);
    unless_more(new, is_candidate, 1).pop()
}

/// The given records and everything that builds on them.
#[must_use]
pub fn descent(records: &[CacheRecord], roots: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = records
        .iter()
        .map(|record| &record.id)
        .filter(|id| roots.contains(*id))
        .cloned()
        .collect();
    loop {
        let more: Vec<_> = records
            .iter()
            .filter(|record| !found.contains(&record.id) && record.parents.iter().any(|id| found.contains(id)))
            .map(|record| record.id.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// The new cache mounts that are a trial's: its cache-mount namespace is fresh, so each mount of a step that ran has made
/// one record. Where there are more new ones of a target than that, somebody else made one at the same time, and none
/// of that target is taken.
///
/// `targets` says how many mounts, by target, the steps that ran have.
#[must_use]
pub fn cache_mounts_of_trial(new: &[CacheRecord], targets: &BTreeMap<String, usize>) -> BTreeSet<String> {
    let of_target = |target: &str| {
        let start = format!("cached mount {target} from exec ");
        // Where the engine tells a mount's id, that says whose it is (`mounts_of`).
        move |record: &CacheRecord| {
            let names_itself = record.description.contains(" with id \"");
            record.kind == "exec.cachemount" && record.description.starts_with(&start) && !names_itself
        }
    };
    let found = targets
        .iter()
        .map(|(target, expected)| unless_more(new, of_target(target), *expected));
    found.flatten().collect()
}

/// The new records of contexts that are a trial's: the keys under which it sends are its own, so each has made one record.
/// Where there are more new ones of a folder, none of them is taken, as with [cache mounts](cache_mounts_of_trial).
#[must_use]
pub fn contexts_of_trial(new: &[CacheRecord], sources: &BTreeSet<Source>) -> BTreeSet<String> {
    let mut expected = BTreeMap::<&str, usize>::new();
    for source in sources {
        *expected.entry(&source.folder).or_default() += 1;
    }
    let of_folder = |folder: &str| {
        let description = format!("local source for {folder}");
        move |record: &CacheRecord| record.kind == "source.local" && record.description == description
    };
    let found = expected
        .into_iter()
        .map(|(folder, expected)| unless_more(new, of_folder(folder), expected));
    found.flatten().collect()
}

/// The records that match, if they are not more than expected.
fn unless_more(new: &[CacheRecord], matches: impl Fn(&CacheRecord) -> bool, expected: usize) -> Vec<String> {
    let found = new.iter().filter(|record| matches(record));
    let mut found: Vec<String> = found.map(|record| record.id.clone()).collect();
    if found.len() > expected {
        found.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, parents: &[&str], description: &str) -> CacheRecord {
        CacheRecord {
            id: id.into(),
            parents: parents.iter().map(|&id| id.into()).collect(),
            kind: if description.starts_with("cached mount") {
                "exec.cachemount"
            } else {
                "regular"
            }
            .into(),
            description: description.into(),
            ..CacheRecord::default()
        }
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|&id| id.into()).collect()
    }

    #[test]
    fn only_the_descent_of_a_marked_base_is_ours() {
        let records = [
            record("python", &[], "from local "),
            record("nonce", &["python"], "from local "),
            record("mark", &["nonce"], "mount / from exec /bin/sh -c : bakeoff-anchor-t1"),
            record("step", &["nonce"], "mount / from exec /bin/sh -c pip install x"),
            record("copy", &["step"], "fileop target"),
            record("merged", &["copy", "theirs"], "fileop target"),
            record("theirs", &["python"], "mount / from exec /bin/sh -c pip install x"),
        ];
        let roots = marked_bases(&records, ANCHOR);
        assert_eq!(roots, set(&["nonce"]));
        assert_eq!(
            descent(&records, &roots),
            set(&["nonce", "mark", "step", "copy", "merged"])
        );
        assert!(marked_bases(&records, "bakeoff-anchor-t2").is_empty());
    }

    #[test]
    fn a_base_without_a_mark_is_told_apart_only_while_nobody_else_uses_a_new_image() {
        let mut new = vec![
            record("marked", &[], "from local "),
            record(
                "mark",
                &["marked"],
                "mount / from exec /bin/sh -c : bakeoff-anchor-t1-0",
            ),
            record("first", &[], "from local "),
            record("copy", &["first"], "fileop target"),
        ];
        assert_eq!(handle_of_unmarked(&new, &set(&[])).as_deref(), Some("first"));
        assert_eq!(handle_of_unmarked(&new, &set(&["first"])), None);
        new.push(record("second", &[], "from local "));
        assert_eq!(handle_of_unmarked(&new, &set(&["first"])).as_deref(), Some("second"));
        assert_eq!(handle_of_unmarked(&new, &set(&[])), None);
    }

    #[test]
    fn a_root_that_is_gone_has_no_descent() {
        assert!(descent(&[record("a", &["gone"], "x")], &set(&["gone"])).is_empty());
    }

    #[test]
    fn cache_mounts_that_name_a_namespace_of_ours_are_ours() {
        let mount = |id: &str, named: &str| {
            record(
                id,
                &[],
                &format!("cached mount /c from exec /bin/sh -c uv sync with id \"{named}\""),
            )
        };
        let records = [
            mount("ours", "bakeoff-20261121-113000-1f3a-7.2.0b1c//root/.cache/uv"),
            mount("named", "bakeoff-20261121-113000-1f3a-8/uv"),
            mount("theirs", "bakeoff-cache//root/.cache/uv"),
            mount("bare", "uv"),
            record("old", &[], "cached mount /root/.cache/uv from exec /bin/sh -c uv sync"),
            record(
                "step",
                &[],
                "mount / from exec /bin/sh -c echo with id \"bakeoff-20261121-113000-1f3a-7/x\"",
            ),
        ];
        assert_eq!(mounts_of(&records, is_namespace), set(&["ours", "named"]));
        let trial = |name: &str| name == "bakeoff-20261121-113000-1f3a-8";
        assert_eq!(mounts_of(&records, trial), set(&["named"]));
    }

    #[test]
    fn cache_mounts_are_taken_only_if_nobody_else_can_have_made_one() {
        let ours = record("m1", &[], "cached mount /root/.cache/uv from exec /bin/sh -c uv sync");
        let other = record("m2", &[], "cached mount /root/.cache/uv from exec /bin/sh -c uv sync");
        let apt = record(
            "m3",
            &[],
            "cached mount /var/cache/apt from exec /bin/sh -c apt-get update",
        );
        let targets = BTreeMap::from([("/root/.cache/uv".to_owned(), 1)]);
        assert_eq!(
            cache_mounts_of_trial(&[ours.clone(), apt.clone()], &targets),
            set(&["m1"])
        );
        assert!(cache_mounts_of_trial(&[ours, other, apt], &targets).is_empty());
        let named = "cached mount /root/.cache/uv from exec /bin/sh -c uv sync with id \"/root/.cache/uv\"";
        assert!(cache_mounts_of_trial(&[record("m4", &[], named)], &targets).is_empty());
    }

    #[test]
    fn contexts_are_taken_only_if_nobody_else_can_have_sent_one() {
        let of = |id: &str, folder: &str| CacheRecord {
            kind: "source.local".into(),
            ..record(id, &[], &format!("local source for {folder}"))
        };
        let source = |folder: &str, key: &str| Source {
            folder: folder.to_owned(),
            key: key.to_owned(),
        };
        let sources = [
            source("context", "t1 true"),
            source("context", "t1 false"),
            source("dockerfile", "t1 false"),
        ]
        .into();
        let mut new = vec![
            of("c1", "context"),
            of("c2", "context"),
            of("d1", "dockerfile"),
            record("x", &[], "x"),
        ];
        assert_eq!(contexts_of_trial(&new, &sources), set(&["c1", "c2", "d1"]));
        new.push(of("d2", "dockerfile"));
        assert_eq!(contexts_of_trial(&new, &sources), set(&["c1", "c2"]));
        assert!(contexts_of_trial(&new, &BTreeSet::new()).is_empty());
    }
}
