//! What a run will take, from earlier runs on this machine where there are any, else from the fixture's own figures.

use std::collections::BTreeMap;
use std::path::Path;

use crate::journal;
use crate::plan::Plan;
use crate::stats::Sample;
use crate::suite::Suite;
use crate::units::{Bytes, Nanos};

/// Expected times and disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimate {
    /// Expected time of a trial, by scenario, as far as known.
    pub(super) trials: BTreeMap<String, Nanos>,
    /// Expected time of a trial of which nothing is known.
    pub(super) other: Option<Nanos>,
    /// Disk that one trial needs at most on the engine's side; trials clean up after themselves.
    pub(super) disk: Option<Bytes>,
    /// Whether earlier runs were found.
    pub(super) from_runs: bool,
}

/// Runs that are looked at for times; more would not make them truer.
const RUNS_READ: usize = 3;

impl Estimate {
    /// Looks through the latest runs of the same suite and variant below `runs`.
    pub(super) fn new(suite: &Suite, runs: &Path) -> Self {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        // Runs that can't be read are no reason not to measure; `bakeoff list` shows them.
        let known = journal::list(runs)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|listing| listing.run.ok());
        let same = known.filter(|run| run.suite == suite.name && run.variant == suite.fixture.variant);
        for log in same.take(RUNS_READ).filter_map(|run| journal::read(&run.dir).ok()) {
            let mut trials = BTreeMap::new();
            for phase in log.phases.iter().filter(|phase| phase.is_measured()) {
                let (phases, seconds): &mut (usize, f64) = trials.entry(phase.trial.clone()).or_default();
                *phases += 1;
                *seconds += phase.wall.seconds();
            }
            // A trial with phases missing says nothing of a whole one; a bench tells its samples as such.
            trials.retain(|_, (phases, _)| *phases >= suite.journey.len());
            for (trial, (_, seconds)) in trials {
                times.entry(trial.scenario).or_default().push(seconds);
            }
        }
        let median = |points: Vec<f64>| {
            Sample::new(points)
                .ok()
                .map(|sample| Nanos::from_seconds(sample.median()))
        };
        let all = times.values().flatten().copied().collect();
        Self {
            from_runs: !times.is_empty(),
            other: suite.fixture.trial_time.or_else(|| median(all)),
            trials: times
                .into_iter()
                .filter_map(|(name, points)| Some((name, median(points)?)))
                .collect(),
            disk: suite.fixture.disk,
        }
    }

    /// Expected time of one trial.
    pub(super) fn trial(&self, scenario: &str) -> Option<Nanos> {
        self.trials.get(scenario).copied().or(self.other)
    }

    /// Expected time of the whole plan; `None` if nothing is known.
    pub(super) fn total(&self, suite: &Suite, plan: &Plan) -> Option<Nanos> {
        let mut total = 0;
        for trial in plan.order(suite) {
            total += self.trial(&trial.scenario)?.0;
        }
        Some(Nanos(total))
    }

    /// The estimate in a line.
    pub(super) fn say(&self, suite: &Suite, plan: &Plan) -> String {
        let Some(total) = self.total(suite, plan) else {
            return "how long it takes is not known before the first run".to_owned();
        };
        let time = format!("about {}", rough(total));
        let source = if self.from_runs {
            "from earlier runs here"
        } else {
            "by the fixture's own figures"
        };
        let disk = self.disk.map_or_else(
            || "disk unknown".to_owned(),
            |disk| format!("up to {disk} of disk at a time"),
        );
        format!("{time} and {disk} ({source}; set-up and clean-up not counted)")
    }
}

/// To the half minute: an estimate that names seconds claims too much.
fn rough(time: Nanos) -> String {
    let minutes = time.seconds() / 60.0;
    if minutes < 1.0 {
        "a minute".to_owned()
    } else if minutes < 90.0 {
        format!("{minutes:.0} minutes")
    } else {
        format!("{:.1} hours", minutes / 60.0)
    }
}
