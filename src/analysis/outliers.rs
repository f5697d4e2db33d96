//! Rounds that lie far from the others, with the cause where one is known. They are told, never left out: the figures count
//! like all others. Not for: saying that a cause without numbers may be one.

use crate::journal::RunLog;
use crate::runner::event::{Outcome, PhaseRecord, Round};
use crate::stats::{Sample, Summary};
use crate::units::Nanos;

/// Fewer points than this have no outliers: their spread is hardly known.
const FEWEST: usize = 5;

/// Modified z-scores beyond this are outliers: 0.6745 (x − median) / MAD, with the cut-off that Iglewicz & Hoaglin 1993, *How
/// to Detect and Handle Outliers*, recommend. One in some hundred points of normal noise is beyond it.
const CUT_OFF: f64 = 3.5;

/// What is nearer to the median than this share of it is nothing that a reader need look into.
const RELEVANT: f64 = 0.05;

/// A cause must explain at least this share of the time by which a round was longer.
const EXPLAINS: f64 = 0.5;

/// A round that lies far from the others of its scenario and phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// The scenario.
    pub scenario: String,
    /// The phase.
    pub phase: String,
    /// The round.
    pub round: Round,
    /// What it took.
    pub time: Nanos,
    /// The median of all rounds of that phase.
    pub median: Nanos,
    /// What is known of why; empty where nothing is.
    pub causes: Vec<Cause>,
}

/// Why a round can have been slower than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is the first round, and none was discarded before it.
    FirstRound,
    /// Its trial is the first one after the run was gone on with.
    AfterSeam,
    /// The engine tried a layer again, so many times.
    Retries(u32),
    /// So many more requests to the mirror failed than in the median round; clients try again.
    Downloads(u32),
    /// The hypervisor took so much more processor time away.
    Stolen(Nanos),
    /// The machine's processors worked so much more, by somebody else's doing: the phase itself is the same in each round.
    OtherLoad(Nanos),
    /// Something waited for the disk so much longer.
    Disk(Nanos),
}

impl Cause {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstRound => "first-round",
            Self::AfterSeam => "after-seam",
            Self::Retries(_) => "retries",
            Self::Downloads(_) => "downloads",
            Self::Stolen(_) => "stolen",
            Self::OtherLoad(_) => "other-load",
            Self::Disk(_) => "disk",
        }
    }

    /// In words that follow "because".
    #[must_use]
    pub fn text(self) -> String {
        let times = |count: u32| {
            if count == 1 {
                "once".to_owned()
            } else {
                format!("{count} times")
            }
        };
        match self {
            Self::FirstRound => "it is the first round, and none was discarded before it".into(),
            Self::AfterSeam => "its trial is the first after the run was gone on with".into(),
            Self::Retries(count) => format!("the engine tried a layer again {}", times(count)),
            Self::Downloads(count) => format!("{count} more downloads than in other rounds failed"),
            Self::Stolen(time) => format!("the hypervisor took {time} more of processor time away"),
            Self::OtherLoad(time) => format!("the machine's processors worked {time} more than in other rounds"),
            Self::Disk(time) => format!("work waited {time} longer for the disk"),
        }
    }
}

impl Outlier {
    /// One sentence.
    pub(super) fn text(&self) -> String {
        let causes: Vec<String> = self.causes.iter().map(|cause| cause.text()).collect();
        let causes = if causes.is_empty() {
            "the journal tells no cause".to_owned()
        } else {
            causes.join("; ")
        };
        format!(
            "{}: {} of {} took {}, against a median of {}: {causes}. It counts.",
            self.scenario, self.phase, self.round, self.time, self.median
        )
    }
}

/// All outliers of a run, by scenario and phase in the suite's order.
pub(super) fn outliers(log: &RunLog) -> Vec<Outlier> {
    let header = &log.header;
    let pairs = header
        .scenarios
        .iter()
        .flat_map(|scenario| header.journey.iter().map(move |phase| (scenario, phase)));
    pairs
        .flat_map(|(scenario, phase)| {
            let counts = |record: &&PhaseRecord| {
                record.outcome == Outcome::Measured
                    && matches!(record.trial.round, Round::Measured(_))
                    && record.trial.scenario == scenario.name
                    && record.phase == phase.name
            };
            of_cell(log, &log.phases.iter().filter(counts).collect::<Vec<_>>())
        })
        .collect()
}

fn of_cell(log: &RunLog, records: &[&PhaseRecord]) -> Vec<Outlier> {
    if records.len() < FEWEST {
        return Vec::new();
    }
    let walls = records.iter().map(|record| record.wall.seconds()).collect();
    let Ok(sample) = Sample::new(walls) else {
        return Vec::new();
    };
    let summary = Summary::of(&sample);
    let is_far = |record: &&&PhaseRecord| {
        let away = (record.wall.seconds() - summary.median).abs();
        // Where more than half of the rounds are the same to the nanosecond, what is relevantly elsewhere is far.
        0.6745 * away > CUT_OFF * summary.mad && away > RELEVANT * summary.median
    };
    let outlier = |record: &&PhaseRecord| Outlier {
        scenario: record.trial.scenario.clone(),
        phase: record.phase.clone(),
        round: record.trial.round,
        time: record.wall,
        median: Nanos::from_seconds(summary.median),
        causes: causes(log, record, records, summary.median),
    };
    records.iter().filter(is_far).map(outlier).collect()
}

fn causes(log: &RunLog, record: &PhaseRecord, all: &[&PhaseRecord], median: f64) -> Vec<Cause> {
    let longer = record.wall.seconds() - median;
    // What is known makes rounds slower; that one was quicker has no cause in a journal.
    if longer <= 0.0 {
        return Vec::new();
    }
    let mut causes = Vec::new();
    if record.trial.round == Round::Measured(1) && log.header.warmup == 0 {
        causes.push(Cause::FirstRound);
    }
    let is_first_after = |seam: &crate::runner::event::Seam| {
        let trials = log.phases.iter().filter(|phase| phase.started >= seam.resumed);
        trials.map(|phase| &phase.trial).next() == Some(&record.trial)
    };
    if log.seams.iter().any(is_first_after) {
        causes.push(Cause::AfterSeam);
    }
    let retries = record.pull.as_ref().map_or(0, |pull| pull.retries);
    if retries > 0 {
        causes.push(Cause::Retries(retries));
    }
    let failed = more(record, all, |it| Some(failed_downloads(it)));
    if let Some(count) = failed
        .filter(|count| *count > 0)
        .and_then(|count| u32::try_from(count).ok())
    {
        causes.push(Cause::Downloads(count));
    }
    let explains = |time: u64, shared_by: u32| {
        let time = Nanos(time);
        (time.seconds() / f64::from(shared_by.max(1)) >= EXPLAINS * longer).then_some(time)
    };
    let machine = |read: fn(&crate::environment::load::MachineLoad) -> Option<Nanos>| {
        more(record, all, move |it| {
            read(it.resources.as_ref()?.machine.as_ref()?).map(|time| time.0)
        })
    };
    let cpus = log.header.fingerprint.identity.cpus;
    // Work of others on one of several processors takes that much less from us.
    let stolen = machine(|load| Some(load.stolen)).and_then(|time| explains(time, cpus));
    causes.extend(stolen.map(Cause::Stolen));
    let busy = machine(|load| Some(load.busy)).and_then(|time| explains(time, cpus));
    causes.extend(busy.map(Cause::OtherLoad));
    let disk = machine(|load| load.disk_waits).and_then(|time| explains(time, 1));
    causes.extend(disk.map(Cause::Disk));
    causes
}

/// By how much a round's value is above the median of all rounds; `None` if one does not tell, or it is not above.
fn more(record: &PhaseRecord, all: &[&PhaseRecord], read: impl Fn(&PhaseRecord) -> Option<u64>) -> Option<u64> {
    let mut values: Vec<u64> = all.iter().map(|record| read(record)).collect::<Option<_>>()?;
    values.sort_unstable();
    read(record)?.checked_sub(values[values.len() / 2])
}

/// Requests of a build that failed.
fn failed_downloads(record: &PhaseRecord) -> u64 {
    let transfers = record.transfers.iter().flatten();
    let failed = transfers.filter(|it| it.transfer.problem.is_some() || it.transfer.status >= 500);
    failed.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::environment::load::MachineLoad;
    use crate::runner::event::Resources;

    fn run(rounds: &str) -> RunLog {
        sample::run(&format!(
            "
                       | one
            cold build | {rounds}
        "
        ))
    }

    fn found(log: &RunLog) -> Vec<(Round, Vec<Cause>)> {
        outliers(log).into_iter().map(|it| (it.round, it.causes)).collect()
    }

    /// The load of each round, in the order in which they were measured.
    fn with_loads(log: &mut RunLog, loads: &[MachineLoad]) {
        for (record, load) in log.phases.iter_mut().zip(loads) {
            record.resources = Some(Resources {
                machine: Some(*load),
                ..Resources::default()
            });
        }
    }

    fn busy(seconds: u64) -> MachineLoad {
        MachineLoad {
            all: Nanos(100_000_000_000),
            busy: Nanos(seconds * 1_000_000_000),
            ..MachineLoad::default()
        }
    }

    #[test]
    fn a_round_far_from_the_others_is_told_and_no_other() {
        let log = run("w9 10 10.2 9.9 14 10.1 9.8");
        let [outlier] = &outliers(&log)[..] else { panic!() };
        assert_eq!(
            (outlier.round, outlier.median),
            (Round::Measured(4), Nanos(10_050_000_000))
        );
        assert_eq!(
            outlier.text(),
            "one: cold build of round 4 took 14.00 s, against a median of 10.05 s: the journal tells no cause. It counts."
        );
        assert!(found(&run("w9 10 10.2 9.9 10.4 10.1 9.8")).is_empty());
        // Far by their spread, which is tiny, but of no relevance.
        assert!(found(&run("w9 10 10.001 10.002 10.003 10.1 10")).is_empty());
        // Four rounds are too few to know.
        assert!(found(&run("w9 10 10 10 90")).is_empty());
    }

    #[test]
    fn the_first_round_is_a_cause_only_without_a_warm_up() {
        let mut log = run("w9 14 10 10.1 9.9 10.2 10");
        assert_eq!(found(&log), [(Round::Measured(1), vec![])]);
        log.header.warmup = 0;
        assert_eq!(found(&log), [(Round::Measured(1), vec![Cause::FirstRound])]);
    }

    #[test]
    fn work_of_others_is_a_cause_if_it_explains_half_of_the_time() {
        let mut log = run("w9 10 10.1 14 9.9 10.2 10");
        log.header.fingerprint.identity.cpus = 2;
        with_loads(
            &mut log,
            &[busy(7), busy(8), busy(8), busy(13), busy(8), busy(8), busy(8)],
        );
        assert_eq!(
            found(&log),
            [(Round::Measured(3), vec![Cause::OtherLoad(Nanos(5_000_000_000))])]
        );
        with_loads(
            &mut log,
            &[busy(7), busy(8), busy(8), busy(10), busy(8), busy(8), busy(8)],
        );
        assert_eq!(found(&log), [(Round::Measured(3), vec![])]);
    }

    #[test]
    fn steal_and_the_disk_are_told_apart() {
        let mut log = run("w9 10 10.1 14 9.9 10.2 10");
        log.header.fingerprint.identity.cpus = 1;
        let mut loads = [busy(8); 7];
        loads[3].stolen = Nanos(3_000_000_000);
        for load in &mut loads {
            load.disk_waits = Some(Nanos(1));
        }
        loads[3].disk_waits = Some(Nanos(2_500_000_001));
        with_loads(&mut log, &loads);
        let causes = vec![Cause::Stolen(Nanos(3_000_000_000)), Cause::Disk(Nanos(2_500_000_000))];
        assert_eq!(found(&log), [(Round::Measured(3), causes)]);
        // A round that does not tell its load leaves nothing to compare with.
        log.phases[5].resources = None;
        assert_eq!(found(&log), [(Round::Measured(3), vec![])]);
    }

    #[test]
    fn a_quick_round_has_no_cause() {
        let mut log = run("w9 6 10 10.1 9.9 10.2 10");
        log.header.warmup = 0;
        assert_eq!(found(&log), [(Round::Measured(1), vec![])]);
    }
}
