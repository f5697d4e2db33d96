//! What travelled in each phase of a scenario, and how long a push or a pull would take over slower links. Not for: what a
//! build downloaded, request by request (that is `downloads`).

use super::attribution::measured;
use super::downloads::downloaded;
use crate::journal::RunLog;
use crate::runner::event::{Blobs, PhaseHead, PhaseRecord, RegistryTraffic, ScenarioHead};
use crate::units::{Bytes, Nanos};

/// The links that times are computed for, in Mbit/s: a poor uplink, an office's, a data centre's.
const LINKS: [u32; 3] = [10, 100, 1000];

/// What travelled in one phase. Each figure is the median of the rounds in which the phase did what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Travelled {
    /// The phase's name.
    pub phase: String,
    /// The rounds in which any of it is known.
    pub rounds: usize,
    /// What a build fetched through the mirror.
    pub downloaded: Option<Bytes>,
    /// What a build's engine was sent of the context and the Dockerfile.
    pub context: Option<Bytes>,
    /// Layers and the configuration that a push sent.
    pub uploaded: Option<Bytes>,
    /// Those that a push or a pull did not have to send.
    pub present: Option<Bytes>,
    /// Those that the registry took from another repository.
    pub mounted: Option<Bytes>,
    /// Those that a pull fetched.
    pub pulled: Option<Bytes>,
    /// How long it would take over other links; computed, not measured.
    pub links: Vec<LinkTime>,
}

/// How long a push or pull would take over a link, computed from its measured time on this machine and the bytes that it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTime {
    /// The link's bandwidth in Mbit/s.
    pub mbit: u32,
    /// If all work overlaps with the transfer: the longer of both.
    pub least: Nanos,
    /// If none does: both together.
    pub most: Nanos,
}

impl Travelled {
    /// What there is, with its name in reports, in their order.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, Bytes)> {
        let all = [
            ("downloaded", self.downloaded),
            ("context", self.context),
            ("uploaded", self.uploaded),
            ("already there", self.present),
            ("mounted", self.mounted),
            ("pulled", self.pulled),
        ];
        all.into_iter()
            .filter_map(|(name, bytes)| Some((name, bytes?)))
            .collect()
    }
}

/// What travelled in each phase of a scenario, in the journey's order; phases of which nothing is known are left out.
pub(super) fn travelled(log: &RunLog, scenario: &ScenarioHead) -> Vec<Travelled> {
    let journey = log.header.journey.iter();
    journey.filter_map(|head| of_phase(log, scenario, head)).collect()
}

/// The same of one phase.
pub(super) fn of_phase(log: &RunLog, scenario: &ScenarioHead, head: &PhaseHead) -> Option<Travelled> {
    let records: Vec<&PhaseRecord> = measured(log, scenario, &head.name).collect();
    let (pushes, pulls) = (head.kind == "push", head.kind == "pull");
    let at_registry = |is_told: bool, read: fn(&RegistryTraffic) -> Blobs| {
        let read = |record: &&PhaseRecord| Some(read(&record.travelled?.registry?).size);
        is_told
            .then(|| median(records.iter().filter_map(read).collect()))
            .flatten()
    };
    let known = |record: &&&PhaseRecord| record.travelled.is_some() || record.transfers.is_some();
    let travelled = Travelled {
        phase: head.name.clone(),
        rounds: records.iter().filter(known).count(),
        downloaded: median(records.iter().filter_map(|record| downloaded(record)).collect()),
        context: median(records.iter().filter_map(|record| record.travelled?.context).collect()),
        uploaded: at_registry(pushes, |registry| registry.uploaded),
        present: at_registry(pushes || pulls, |registry| registry.present),
        mounted: at_registry(pushes, |registry| registry.mounted),
        pulled: at_registry(pulls, |registry| registry.pulled),
        links: LINKS.iter().filter_map(|mbit| over(&records, *mbit, pulls)).collect(),
    };
    (!travelled.figures().is_empty()).then_some(travelled)
}

/// The times of a phase over a link, round by round and then the middle one.
fn over(records: &[&PhaseRecord], mbit: u32, pulls: bool) -> Option<LinkTime> {
    let times = |compute: fn(u64, u64) -> u64| {
        let of_round = |record: &&PhaseRecord| {
            let registry = record.travelled?.registry?;
            let bytes = if pulls { registry.pulled } else { registry.uploaded }.size;
            Some(Bytes(compute(record.wall.0, on_the_way(bytes, mbit).0)))
        };
        median(records.iter().filter_map(of_round).collect()).map(|time| Nanos(time.0))
    };
    Some(LinkTime {
        mbit,
        least: times(u64::max)?,
        most: times(u64::saturating_add)?,
    })
}

/// The time that so many bytes are on their way: 8 bits each, at the link's full bandwidth.
fn on_the_way(bytes: Bytes, mbit: u32) -> Nanos {
    // A bit takes a thousandth of a nanosecond times the bits in a microsecond: 1000 ns for each Mbit/s.
    let nanos = u128::from(bytes.0) * 8 * 1000 / u128::from(mbit.max(1));
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The middle of some sizes, the smaller of the two in the middle: one that was seen.
fn median(mut sizes: Vec<Bytes>) -> Option<Bytes> {
    sizes.sort_unstable();
    sizes.get(sizes.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::runner::event::Travelled as OfPhase;

    fn with(uploaded: u64, present: u64) -> OfPhase {
        let blobs = |size| Blobs {
            count: 1,
            size: Bytes(size),
        };
        OfPhase {
            context: None,
            registry: Some(RegistryTraffic {
                uploaded: blobs(uploaded),
                present: blobs(present),
                ..RegistryTraffic::default()
            }),
        }
    }

    /// Three rounds of a push, with seconds and bytes of each.
    fn pushes(rounds: [(u64, u64); 3]) -> Vec<Travelled> {
        let table = "
                       | a
            cold build | 1 1 1
            cold push  | 1 1 1
        ";
        let mut log = sample::run(table);
        let records = log.phases.iter_mut().filter(|record| record.phase == "cold push");
        for (record, (seconds, bytes)) in records.zip(rounds) {
            record.wall = Nanos(seconds * 1_000_000_000);
            record.travelled = Some(with(bytes, 7));
        }
        let scenario = log.header.scenarios[0].clone();
        travelled(&log, &scenario)
    }

    #[test]
    fn figures_are_medians_and_what_is_not_known_is_left_out() {
        let found = pushes([(1, 100), (1, 300), (1, 200)]);
        assert_eq!(found.len(), 1, "nothing is known of the build");
        assert_eq!(
            found[0].figures(),
            [
                ("uploaded", Bytes(200)),
                ("already there", Bytes(7)),
                ("mounted", Bytes(0))
            ]
        );
        assert_eq!((found[0].rounds, found[0].phase.as_str()), (3, "cold push"));
    }

    #[test]
    fn a_slow_link_takes_between_the_longer_of_both_and_both_together() {
        // 12.5 MB are 100 Mbit: 10 s, 1 s and 0.1 s.
        let found = pushes([(2, 12_500_000); 3]);
        let times: Vec<_> = found[0]
            .links
            .iter()
            .map(|link| (link.mbit, link.least.0 / 1_000_000, link.most.0 / 1_000_000))
            .collect();
        assert_eq!(times, [(10, 10_000, 12_000), (100, 2000, 3000), (1000, 2000, 2100)]);
    }

    #[test]
    fn a_link_s_time_is_the_middle_one_of_the_rounds() {
        let found = pushes([(2, 12_500_000), (3, 125), (40, 0)]);
        assert_eq!(found[0].links[0].most, Nanos(12_000_000_000));
    }

    #[test]
    fn a_gigabyte_at_the_slowest_is_no_overflow() {
        assert_eq!(on_the_way(Bytes(1_250_000_000_000), 1), Nanos(10_000_000_000_000_000));
        assert_eq!(on_the_way(Bytes(u64::MAX), 1), Nanos(u64::MAX));
    }
}
