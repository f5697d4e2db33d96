//! Which scenario of a run each other one is compared with.

use std::collections::BTreeMap;

use crate::journal::RunLog;
use crate::runner::event::ScenarioHead;
use crate::suite::nearest;

use super::CompareError;

/// The scenarios that a user may mean: the one of that full name, or all of that name in the suite.
pub(super) fn fitting<'l>(log: &'l RunLog, name: &str) -> Result<Vec<&'l ScenarioHead>, CompareError> {
    let scenarios = &log.header.scenarios;
    let fitting: Vec<_> = match scenarios.iter().find(|scenario| scenario.name == name) {
        Some(scenario) => vec![scenario],
        None => scenarios.iter().filter(|scenario| scenario.base_name == name).collect(),
    };
    if fitting.is_empty() {
        let known: Vec<String> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        return Err(CompareError::UnknownScenario {
            nearest: nearest(name, known.iter().map(String::as_str)),
            name: name.to_owned(),
            known,
        });
    }
    Ok(fitting)
}

pub(super) fn ambiguous(name: &str, fitting: &[&ScenarioHead]) -> CompareError {
    CompareError::AmbiguousScenario {
        name: name.to_owned(),
        fitting: fitting.iter().map(|one| one.name.clone()).collect(),
    }
}

/// The scenario that each one of a run is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baselines {
    /// As people call it: a scenario's full name, or its name in the suite if there is one for each value of a factor.
    pub name: String,
    /// The factors whose value is the same in a scenario and in what it is compared with, where those are several.
    pub alike: Vec<String>,
    /// By the full names of all scenarios but the baselines.
    of: BTreeMap<String, String>,
}

impl Baselines {
    /// What the user means: a scenario by its full name, or by its name in the suite. If that stands for several, each scenario
    /// is compared with the one whose factors have the same values, as far as both have them.
    ///
    /// # Errors
    /// If there is no such scenario, or several are left for one.
    pub fn named(log: &RunLog, name: &str) -> Result<Self, CompareError> {
        let baselines = fitting(log, name)?;
        let mut of = BTreeMap::new();
        for scenario in &log.header.scenarios {
            if baselines.iter().any(|baseline| baseline.name == scenario.name) {
                continue;
            }
            let value = |factor: &str| scenario.factors.iter().find(|(name, _)| name == factor);
            let fits = |factors: &[(String, String)]| {
                let mut shared = factors.iter().filter_map(|factor| Some((factor, value(&factor.0)?)));
                shared.all(|(theirs, ours)| theirs == ours)
            };
            let fitting: Vec<_> = match &baselines[..] {
                [one] => vec![*one],
                several => several.iter().copied().filter(|one| fits(&one.factors)).collect(),
            };
            match &fitting[..] {
                [one] => of.insert(scenario.name.clone(), one.name.clone()),
                // Of those that the suite leaves out of a factor's values, nothing is compared.
                [] => continue,
                several => return Err(ambiguous(name, several)),
            };
        }
        Ok(match &baselines[..] {
            [one] => Self {
                name: one.name.clone(),
                alike: Vec::new(),
                of,
            },
            several => {
                let mut alike: Vec<String> = Vec::new();
                for (factor, value) in several.iter().flat_map(|one| &one.factors) {
                    let varies = several
                        .iter()
                        .any(|one| !one.factors.contains(&(factor.clone(), value.clone())));
                    if varies && !alike.contains(factor) {
                        alike.push(factor.clone());
                    }
                }
                Self {
                    name: name.to_owned(),
                    alike,
                    of,
                }
            }
        })
    }

    /// The full name of what a scenario is compared with; `None` if it is compared with nothing.
    #[must_use]
    pub fn of(&self, scenario: &str) -> Option<&str> {
        self.of.get(scenario).map(String::as_str)
    }

    /// The baseline for a sentence: `pip-single`, `pip-single at the same link`.
    #[must_use]
    pub fn told(&self) -> String {
        match &self.alike[..] {
            [] => self.name.clone(),
            alike => format!("{} at the same {}", self.name, alike.join(" and ")),
        }
    }
}
