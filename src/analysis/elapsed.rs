//! What a round of a run takes by the clock, which is what its user waits for. Not for: what was measured in it.

use chrono::{DateTime, Utc};

use super::attribution::median;
use crate::journal::RunLog;
use crate::plan::Round;
use crate::runner::event::{Outcome, TrialKey};
use crate::units::Nanos;

/// What a round of all scenarios takes: for each the median of its measured trials, from the beginning of a trial's first phase
/// to that of the next trial's, so that one set-up and one clean-up are in each. `None` if of a scenario no trial is known that
/// ran through.
#[must_use]
pub fn round_time(log: &RunLog) -> Option<Nanos> {
    let trials = by_the_clock(log);
    let of_scenario = |name: &String| {
        let own = trials
            .iter()
            .filter(|(key, _)| key.scenario == *name && matches!(key.round, Round::Measured(_)));
        let times: Vec<u64> = own.map(|(_, time)| *time).collect();
        (!times.is_empty()).then(|| median(times).0)
    };
    let scenarios = log.header.scenarios.iter().map(|scenario| &scenario.name);
    let times: Option<Vec<u64>> = scenarios.map(of_scenario).collect();
    times
        .filter(|times| !times.is_empty())
        .map(|times| Nanos(times.iter().sum()))
}

/// The trials that ran through, with the nanoseconds until the next one began.
fn by_the_clock(log: &RunLog) -> Vec<(&TrialKey, u64)> {
    let mut began: Vec<(&TrialKey, DateTime<Utc>)> = Vec::new();
    for phase in &log.phases {
        if !began.iter().any(|(key, _)| **key == phase.trial) {
            began.push((&phase.trial, phase.started));
        }
    }
    began.sort_by_key(|(_, at)| *at);
    let end = log.end.as_ref().filter(|end| !end.interrupted).map(|end| end.ended);
    let ends = began.iter().skip(1).map(|(_, at)| Some(*at)).chain([end]);
    let ran_through = |key: &TrialKey| {
        let mut trials = log.trials.iter();
        let mut phases = log.phases.iter().filter(|phase| phase.trial == *key);
        trials.any(|trial| trial.trial == *key && trial.failed.is_none())
            // A phase that fails ends early, and those that need it are not tried.
            && phases.all(|phase| matches!(phase.outcome, Outcome::Measured | Outcome::Invalid(_)))
    };
    began
        .iter()
        .zip(ends)
        .filter_map(|((key, from), to)| {
            let to = to?;
            // Nobody waits for a run that does not run.
            let stood_still = log.seams.iter().any(|seam| (*from..to).contains(&seam.resumed));
            let time = u64::try_from((to - from).num_nanoseconds()?).ok()?;
            (!stood_still && ran_through(key)).then_some((*key, time))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::analysis::sample;

    /// Two scenarios with trials of 36 and 19 seconds, and a second of set-up and clean-up for each phase.
    fn log() -> RunLog {
        let mut log = sample::run(
            "
                       | a          | b
            cold build | w99 30 30 30 | w99 15 15 15
            hot build  | w9 4 4 4     | w9 2 2 2
        ",
        );
        let last = log.phases.last().expect("a phase");
        let end =
            last.started + TimeDelta::nanoseconds(i64::try_from(last.wall.0).expect("short")) + TimeDelta::seconds(1);
        log.end.as_mut().expect("an end").ended = end;
        log
    }

    fn seconds(log: &RunLog) -> Option<f64> {
        round_time(log).map(Nanos::seconds)
    }

    #[test]
    fn a_round_takes_what_lies_between_its_phases_too() {
        assert_eq!(seconds(&log()), Some(36.0 + 19.0));
    }

    #[test]
    fn a_trial_that_did_not_run_through_does_not_count() {
        let mut log = log();
        // A day passed in the first measured round; there are two more.
        let seam = sample::resumed().seams[0].clone();
        let at = log
            .phases
            .iter()
            .position(|phase| phase.trial.round == Round::Measured(1))
            .expect("there");
        for phase in &mut log.phases[at + 2..] {
            phase.started += TimeDelta::days(1);
        }
        log.end.as_mut().expect("an end").ended += TimeDelta::days(1);
        let resumed = log.phases[at + 2].started - TimeDelta::seconds(1);
        log.seams = vec![crate::runner::event::Seam { resumed, ..seam }];
        assert_eq!(seconds(&log), Some(55.0));

        for trial in log.trials.iter_mut().filter(|trial| trial.trial.scenario == "a") {
            trial.failed = Some("no engine".into());
        }
        assert_eq!(seconds(&log), None, "of one of them nothing is known");
    }

    #[test]
    fn a_trial_in_which_something_failed_does_not_count() {
        let mut log = log();
        let failed =
            |phase: &&mut crate::runner::event::PhaseRecord| phase.trial.scenario == "a" && phase.phase == "cold build";
        for phase in log.phases.iter_mut().filter(failed) {
            phase.outcome = Outcome::Failed(crate::runner::event::Failure::default());
        }
        assert_eq!(seconds(&log), None, "of one of them nothing is known");
    }

    #[test]
    fn an_interrupted_run_tells_of_the_trials_before() {
        let mut log = sample::interrupted();
        assert_eq!(seconds(&log), Some(37.6 + 21.4));
        log.phases.clear();
        assert_eq!(seconds(&log), None);
    }
}
