//! What a run that goes on must agree on with the run before: the suite, the fixture and the plan, else it would be another
//! run; the machine, else its figures would not belong together. Not for: reading the journal.

use std::collections::BTreeSet;

use chrono::Utc;

use super::RunError;
use super::event::{Change, PhaseHead, RunHeader, Seam, TrialKey};
use super::header::phase_head;
use super::redact::Redactor;
use crate::engine::EngineInfo;
use crate::environment::{self, Fingerprint, Identity};
use crate::plan::Plan;
use crate::suite::{Scenario, Suite};

/// A run that goes on, as its journal tells it.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Its first record.
    pub header: RunHeader,
    /// The trials that ended: they are not measured again.
    pub finished: BTreeSet<TrialKey>,
    /// Tells this process's things from those of the ones before: an engine may still make what a killed one asked for.
    pub attempt: String,
    /// The seam; when it is, by which version and what has changed are filled in when the run goes on.
    pub seam: Seam,
    /// Whether another machine or engine is no reason to refuse.
    pub any_machine: bool,
}

impl Resume {
    /// Refuses another machine as far as the host's engine shows it, before anything is touched there. The rest shows when the
    /// run has been prepared (see [`seam`](Self::seam)).
    pub(super) fn check_host(&self, host: &EngineInfo) -> Result<(), RunError> {
        let found = environment::fingerprint(&[("host", host)], "", "", "").identity;
        let before = &self.header.fingerprint.identity;
        let now = if before.engine == found.engine {
            Identity {
                network: before.network.clone(),
                bases: before.bases.clone(),
                ..found
            }
        } else {
            // The rest is what engines of our own say of themselves.
            Identity {
                cpu_model: found.cpu_model,
                memory: found.memory,
                ..before.clone()
            }
        };
        self.accepted(&now).map(|_| ())
    }

    /// What differs, if that is no reason to refuse.
    fn accepted(&self, now: &Identity) -> Result<Vec<Change>, RunError> {
        let other = changes(&identity(&self.header.fingerprint.identity), &identity(now));
        if other.is_empty() || self.any_machine {
            Ok(other)
        } else {
            Err(RunError::OtherMachine(other))
        }
    }

    /// The seam, if the machine is the one that measured before.
    pub(super) fn seam(&self, now: &RunHeader) -> Result<Seam, RunError> {
        let other = self.accepted(&now.fingerprint.identity)?;
        let drifted = changes(&drift(&self.header.fingerprint), &drift(&now.fingerprint));
        let bases = changes(&bases(&self.header), &bases(now));
        Ok(Seam {
            resumed: Utc::now(),
            bakeoff_version: now.bakeoff_version.clone(),
            changes: [other, drifted, bases].concat(),
            ..self.seam.clone()
        })
    }
}

/// What of a suite, its fixture and its plan is not what a run began with, in words; nothing if it can go on.
#[must_use]
pub fn differences(header: &RunHeader, suite: &Suite, plan: &Plan, fixture_digest: &str) -> Vec<String> {
    let redactor = Redactor::new(suite);
    let mut found = Vec::new();
    let text = redactor.suite_text(&suite.text);
    if text != header.suite_text {
        let lines = text.lines().zip(header.suite_text.lines());
        let line = lines.take_while(|(now, before)| now == before).count() + 1;
        found.push(format!("{} differs from line {line} on", suite.path.display()));
    }
    for scenario in &suite.scenarios {
        let before = header.scenarios.iter().find(|before| before.name == scenario.name);
        if before.is_some_and(|before| before.dockerfile != dockerfile(&redactor, scenario)) {
            found.push(format!(
                "the Dockerfile of {} ({}) has been changed",
                scenario.name,
                scenario.dockerfile_path.display()
            ));
        }
    }
    if fixture_digest != header.fixture_digest {
        let fixture = &suite.fixture;
        found.push(format!(
            "the files of the fixture {}, or values of build arguments, have been changed",
            fixture.root.display()
        ));
    }
    // Which files edits change is the fixture's to say, and old journals don't.
    let bare = |head: PhaseHead| PhaseHead {
        files: Vec::new(),
        ..head
    };
    let journey = suite.journey.iter().map(|spec| bare(phase_head(spec, &suite.fixture)));
    if !journey.eq(header.journey.iter().cloned().map(bare)) {
        found.push("the journey is another one".to_owned());
    }
    let planned = plan.order(suite);
    if planned != header.order {
        found.push(format!(
            "the plan is another one: {} trials, in place of {}",
            planned.len(),
            header.order.len()
        ));
    }
    found
}

fn dockerfile(redactor: &Redactor, scenario: &Scenario) -> String {
    redactor.redacted(scenario.dockerfile.text())
}

type Facts = Vec<(String, String)>;

/// The facts that differ.
fn changes(before: &Facts, now: &Facts) -> Vec<Change> {
    let was = |what: &str| before.iter().find(|(known, _)| known == what);
    let differs = now.iter().filter_map(|(what, now)| {
        let before = was(what).map(|(_, before)| before.clone()).unwrap_or_default();
        (before != *now).then(|| Change {
            what: what.clone(),
            before,
            now: now.clone(),
        })
    });
    differs.collect()
}

fn identity(identity: &Identity) -> Facts {
    identity.named()
}

fn drift(fingerprint: &Fingerprint) -> Facts {
    let drift = &fingerprint.drift;
    facts([
        ("kernel", drift.kernel.clone()),
        ("operating system", drift.operating_system.clone()),
        ("engine version", drift.engine_version.clone()),
        ("API version", drift.api_version.clone()),
        ("recording", short(&drift.recording)),
    ])
}

fn bases(header: &RunHeader) -> Facts {
    let images = header.images.iter();
    images
        .map(|image| (format!("base image {}", image.role), short(&image.id)))
        .collect()
}

fn facts<const N: usize>(facts: [(&str, String); N]) -> Facts {
    facts
        .into_iter()
        .map(|(what, value)| (what.to_owned(), value))
        .collect()
}

/// A digest as people tell digests apart.
fn short(digest: &str) -> String {
    let hex = digest.trim_start_matches("sha256:");
    hex.get(..12).unwrap_or(hex).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(what: &str, value: &str) -> (String, String) {
        (what.to_owned(), value.to_owned())
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let before = vec![fact("kernel", "6.1.0"), fact("engine version", "28.5.2")];
        let now = vec![
            fact("kernel", "6.1.1"),
            fact("engine version", "28.5.2"),
            fact("base image uv", "ab"),
        ];
        let found = changes(&before, &now);
        let told: Vec<_> = found.iter().map(|it| [&it.what[..], &it.before, &it.now]).collect();
        assert_eq!(told, [["kernel", "6.1.0", "6.1.1"], ["base image uv", "", "ab"]]);
        assert!(changes(&now, &now).is_empty());
    }

    #[test]
    fn digests_are_shortened() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short(""), "");
    }
}
