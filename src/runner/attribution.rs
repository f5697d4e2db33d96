//! Which step asked for which download: by time, and where steps ran in parallel by the address of their containers. What
//! can't be told apart is called ambiguous.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::event::{Asker, StepTransfer};
use crate::engine::StepTrace;
use crate::mirror::Transfer;

/// Downloads that one container may have asked for: what one address asked for until it may have become another's.
struct Group {
    /// The first download's place.
    first: usize,
    /// The steps that ran during all of them.
    common: BTreeSet<usize>,
    /// The steps that ran during the last one.
    last: BTreeSet<usize>,
}

impl Group {
    /// Whether the same container may have asked: an address is given again when its container has ended, so not if a
    /// step that may have been it has ended and another has begun.
    fn goes_on(&self, candidates: &BTreeSet<usize>) -> bool {
        let ended = self.common.difference(candidates).next().is_some();
        let began = candidates.difference(&self.last).next().is_some();
        let possible = self.common.intersection(candidates).next().is_some();
        possible && !(ended && began)
    }
}

/// Joins downloads to steps. A step is a candidate if it ran during all of the download; where several ran, what else the
/// same address asked for narrows them down, since an address belongs to one container at a time; unless all containers share
/// one (`own_addresses` is false).
pub(super) fn attribute(transfers: Vec<Transfer>, steps: &[StepTrace], own_addresses: bool) -> Vec<StepTransfer> {
    let of_transfer: Vec<BTreeSet<usize>> = transfers.iter().map(|transfer| running(transfer, steps)).collect();
    let mut of_source: HashMap<IpAddr, Vec<Group>> = HashMap::new();
    for (index, (transfer, candidates)) in transfers.iter().zip(&of_transfer).enumerate() {
        let groups = of_source.entry(transfer.source).or_default();
        match groups.last_mut() {
            Some(group) if own_addresses && group.goes_on(candidates) => {
                group.common.retain(|step| candidates.contains(step));
                group.last.clone_from(candidates);
            }
            _ => groups.push(Group {
                first: index,
                common: candidates.clone(),
                last: candidates.clone(),
            }),
        }
    }
    let asker = |index: usize, transfer: &Transfer| {
        let groups = of_source.get(&transfer.source);
        let group = groups.and_then(|groups| groups.iter().rev().find(|group| group.first <= index));
        let candidates: Vec<usize> = group.iter().flat_map(|group| group.common.iter().copied()).collect();
        match candidates.as_slice() {
            [] => Asker::Unknown,
            [one] => Asker::Step(steps[*one].id.clone()),
            _ => Asker::Ambiguous,
        }
    };
    let askers: Vec<Asker> = transfers
        .iter()
        .enumerate()
        .map(|(index, transfer)| asker(index, transfer))
        .collect();
    let joined = transfers.into_iter().zip(askers);
    joined.map(|(transfer, step)| StepTransfer { step, transfer }).collect()
}

/// The steps that ran a command when the request came. A step may end before its last byte is accounted for.
fn running(transfer: &Transfer, steps: &[StepTrace]) -> BTreeSet<usize> {
    let at = transfer.started_unix_ns;
    let ran = |step: &StepTrace| {
        let intervals = &step.intervals;
        intervals
            .iter()
            .any(|interval| interval.started <= at && interval.completed.is_none_or(|end| at <= end))
    };
    let runs = |step: &StepTrace| step.name.contains("RUN ");
    let candidates = steps.iter().enumerate().filter(|(_, step)| runs(step) && ran(step));
    candidates.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Interval;
    use crate::mirror::{Kind, Origin};
    use crate::units::Bytes;

    fn step(id: &str, name: &str, started: u64, completed: u64) -> StepTrace {
        StepTrace {
            id: id.to_owned(),
            name: name.to_owned(),
            intervals: vec![Interval {
                started,
                completed: Some(completed),
            }],
            ..StepTrace::default()
        }
    }

    fn transfer(source: u8, at: u64) -> Transfer {
        Transfer {
            source: IpAddr::from([172, 17, 0, source]),
            kind: Kind::File,
            name: format!("{source}-{at}"),
            started_unix_ns: at,
            ended_unix_ns: at + 1,
            bytes: Bytes(1),
            origin: Origin::Recording,
            repeat: false,
            status: 200,
            problem: None,
        }
    }

    fn askers(transfers: Vec<Transfer>, steps: &[StepTrace]) -> Vec<String> {
        let joined = attribute(transfers, steps, true);
        let shown = joined.into_iter().map(|joined| match joined.step {
            Asker::Step(id) => id,
            Asker::Ambiguous => "?".to_owned(),
            Asker::Unknown => "-".to_owned(),
        });
        shown.collect()
    }

    #[test]
    fn a_download_belongs_to_the_step_that_ran() {
        let steps = [
            step("from", "[1/4] FROM python", 0, 100),
            step("apt", "[2/4] RUN apt-get update", 10, 20),
            step("copy", "[3/4] COPY . .", 20, 30),
            step("pip", "[4/4] RUN pip install .", 30, 40),
        ];
        let got = askers(
            vec![transfer(2, 15), transfer(2, 25), transfer(2, 35), transfer(2, 50)],
            &steps,
        );
        assert_eq!(got, ["apt", "-", "pip", "-"]);
    }

    #[test]
    fn of_parallel_steps_the_address_tells_or_nothing_does() {
        let steps = [
            step("a", "[a 2/2] RUN pip install a", 0, 100),
            step("b", "[b 2/2] RUN pip install b", 50, 200),
        ];
        // Address 2 asked before b began, address 3 after a ended; address 4 only while both ran.
        let transfers = vec![
            transfer(2, 10),
            transfer(2, 60),
            transfer(3, 70),
            transfer(4, 80),
            transfer(3, 150),
        ];
        assert_eq!(askers(transfers, &steps), ["a", "a", "b", "?", "b"]);
    }

    #[test]
    fn an_address_that_all_share_proves_nothing() {
        let steps = [
            step("a", "[a 2/2] RUN pip install a", 0, 100),
            step("b", "[b 2/2] RUN pip install b", 50, 200),
        ];
        let joined = attribute(vec![transfer(2, 10), transfer(2, 60), transfer(2, 150)], &steps, false);
        let of: Vec<_> = joined.into_iter().map(|joined| joined.step).collect();
        assert_eq!(of, [Asker::Step("a".into()), Asker::Ambiguous, Asker::Step("b".into())]);
    }

    #[test]
    fn an_address_that_may_have_got_another_container_proves_nothing() {
        let steps = [
            step("a", "[a 2/3] RUN pip install a", 0, 100),
            step("b", "[b 2/2] RUN pip install b", 0, 300),
            step("c", "[a 3/3] RUN pip install c", 110, 200),
        ];
        // Address 2 may have been a's and then c's, or b's all the time.
        assert_eq!(askers(vec![transfer(2, 50), transfer(2, 150)], &steps), ["?", "?"]);
        assert_eq!(askers(vec![transfer(2, 50), transfer(2, 105)], &steps), ["b", "b"]);
    }
}
