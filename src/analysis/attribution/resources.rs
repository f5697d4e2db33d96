//! What the engine used of the machine in each phase of a scenario, over the measured rounds. Not for: measuring it.

use super::{measured, median};
use crate::journal::RunLog;
use crate::runner::event::{PhaseRecord, Resources, ScenarioHead};
use crate::units::{Bytes, Nanos};

/// What a scenario's phases used of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceUse {
    /// The phases of which anything is known, in the journey's order.
    pub phases: Vec<PhaseUse>,
    /// Why what is missing is missing, each reason once.
    pub absent: Vec<String>,
}

/// What a phase used: medians over the measured rounds that tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseUse {
    /// The phase's name.
    pub phase: String,
    /// The measured rounds of which anything is known.
    pub rounds: usize,
    /// Processor time.
    pub cpu: Option<Nanos>,
    /// The most memory at once.
    pub peak_memory: Option<Bytes>,
    /// What was read from disks.
    pub disk_read: Option<Bytes>,
    /// What was sent to disks.
    pub disk_written: Option<Bytes>,
}

/// `None` if the journal says nothing of it.
pub(super) fn of(log: &RunLog, scenario: &ScenarioHead) -> Option<ResourceUse> {
    let mut all = ResourceUse::default();
    let journey = log.header.journey.iter();
    for told in journey.filter_map(|head| of_phase(log, scenario, &head.name)) {
        all.phases.extend(told.phases);
        for reason in told.absent {
            if !all.absent.contains(&reason) {
                all.absent.push(reason);
            }
        }
    }
    (all != ResourceUse::default()).then_some(all)
}

/// The same of one phase.
pub(in crate::analysis) fn of_phase(log: &RunLog, scenario: &ScenarioHead, phase: &str) -> Option<ResourceUse> {
    let records = measured(log, scenario, phase);
    let told: Vec<&Resources> = records
        .filter_map(|record: &PhaseRecord| record.resources.as_ref())
        .collect();
    let mut absent: Vec<String> = Vec::new();
    for reason in told.iter().flat_map(|told| &told.absent) {
        if !absent.contains(reason) {
            absent.push(reason.clone());
        }
    }
    let middle = |read: fn(&Resources) -> Option<u64>| {
        let figures: Vec<u64> = told.iter().filter_map(|told| read(told)).collect();
        (!figures.is_empty()).then(|| median(figures).0)
    };
    let used = PhaseUse {
        phase: phase.to_owned(),
        rounds: told.len(),
        cpu: middle(|told| told.cpu.map(|time| time.0)).map(Nanos),
        peak_memory: middle(|told| told.peak_memory.map(|size| size.0)).map(Bytes),
        disk_read: middle(|told| told.disk_read.map(|size| size.0)).map(Bytes),
        disk_written: middle(|told| told.disk_written.map(|size| size.0)).map(Bytes),
    };
    let is_known =
        used.cpu.is_some() || used.peak_memory.is_some() || used.disk_read.is_some() || used.disk_written.is_some();
    let phases: Vec<PhaseUse> = is_known.then_some(used).into_iter().collect();
    (is_known || !absent.is_empty()).then_some(ResourceUse { phases, absent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;

    #[test]
    fn figures_are_medians_of_the_rounds_that_count() {
        let mut log = sample::run(
            "
                       | one
            cold build | w9 1 2 3 bad
            hot build  | w9 1 2 3 4
        ",
        );
        for (number, record) in (0_u64..).zip(&mut log.phases) {
            record.resources = Some(Resources {
                cpu: (record.phase == "cold build").then_some(Nanos(number)),
                absent: vec!["disk: not counted".into()],
                ..Resources::default()
            });
        }
        let used = of(&log, &log.header.scenarios[0]).expect("it is told");
        assert_eq!(used.absent, ["disk: not counted"]);
        let [cold] = &used.phases[..] else { panic!("{used:?}") };
        // The warm-up is phase 0, and the invalid round is phase 8.
        assert_eq!((cold.rounds, cold.cpu, cold.peak_memory), (3, Some(Nanos(4)), None));
        log.phases.iter_mut().for_each(|record| record.resources = None);
        assert_eq!(of(&log, &log.header.scenarios[0]), None);
    }
}
