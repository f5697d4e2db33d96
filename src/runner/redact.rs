//! Keeps the values of secrets out of everything that is told, and those of build arguments, unless the suite lists them as
//! public.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

use super::event::{Failure, Outcome, RunEvent};
use crate::engine::{BuildTrace, Progress};
use crate::suite::Suite;

/// What stands in a value's place.
pub(super) const REDACTED: &str = "[redacted]";

/// Values shorter than this are not looked for in texts: `1` or `on` is everywhere, and no secret.
const SHORTEST: usize = 4;

/// What is written as it is in a query of an address (RFC 3986, "Unreserved Characters").
const IN_ADDRESSES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) struct Redactor {
    public: Vec<String>,
    /// Finds the assignments of those arguments in the suite's text, whatever their values and however escaped. An error where
    /// they are too many for that.
    assignments: Result<Option<Regex>, regex::Error>,
    /// Longest first, so that a value that holds another is replaced whole.
    values: Vec<String>,
}

/// The build arguments of every scenario that a suite's text has.
fn all_build_args(text: &str) -> Vec<(String, String)> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let scenarios = table
        .get("scenario")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    let args = scenarios.filter_map(|scenario| scenario.get("build_args")?.as_table());
    args.flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The values that are looked for, as they are and as they stand in addresses; longest first, so that a value that holds
/// another is replaced whole.
fn spellings<'v>(values: impl Iterator<Item = &'v str>) -> Vec<String> {
    let mut spellings: Vec<_> = values
        .filter(|value| value.len() >= SHORTEST)
        .flat_map(|value| [value.to_owned(), utf8_percent_encode(value, IN_ADDRESSES).to_string()])
        .collect();
    spellings.sort_by_key(|value| (std::cmp::Reverse(value.len()), value.clone()));
    spellings.dedup();
    spellings
}

impl Redactor {
    pub(super) fn new(suite: &Suite) -> Self {
        let selected = suite.scenarios.iter().flat_map(|scenario| scenario.build_args.clone());
        // The suite's text goes to disk whole, with the scenarios that were not selected.
        let args = selected.chain(all_build_args(&suite.text));
        let secret: Vec<_> = args.filter(|(name, _)| !suite.public_args.contains(name)).collect();
        // Logs come line by line, so a value of several lines is looked for line by line too.
        let granted = suite.scenarios.iter().flat_map(|scenario| {
            let ids = scenario.grants.secrets.keys();
            ids.filter_map(|id| String::from_utf8(scenario.grants.secret(id)?.ok()?).ok())
        });
        // A step may print what it should not.
        let granted: Vec<String> = granted.collect();
        let all = || secret.iter().map(|(_, value)| value).chain(&granted);
        let lines = all().flat_map(|value| value.lines().map(str::trim));
        let whole = all().map(String::as_str);
        let values = spellings(whole.chain(lines));
        let mut names: Vec<_> = secret.iter().map(|(name, _)| regex::escape(name)).collect();
        names.sort();
        names.dedup();
        let string = r#"("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'[^']*')"#;
        let pattern = format!(r#"\b({})(["']?\s*=\s*){string}"#, names.join("|"));
        Self {
            public: suite.public_args.clone(),
            assignments: if names.is_empty() {
                Ok(None)
            } else {
                Regex::new(&pattern).map(Some)
            },
            values,
        }
    }

    /// The suite's text as it goes to disk.
    pub(super) fn suite_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let Ok(assignments) = &self.assignments else {
            // Rather nothing than what nobody has looked through.
            return REDACTED.to_owned();
        };
        if let Some(assignments) = assignments {
            let with = format!("$1$2\"{REDACTED}\"");
            text = assignments.replace_all(&text, with).into_owned();
        }
        self.text(&mut text);
        text
    }

    /// Any other text as it goes to disk.
    pub(super) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.text(&mut text);
        text
    }

    fn text(&self, text: &mut String) {
        for value in &self.values {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), REDACTED);
            }
        }
    }

    pub(super) fn scrub(&self, event: &mut RunEvent) {
        match event {
            RunEvent::RunStarted(header) => {
                header.suite_text = self.suite_text(&header.suite_text);
                for image in &mut header.images {
                    self.text(&mut image.role);
                    self.text(&mut image.reference);
                    self.text(&mut image.used);
                }
                for scenario in &mut header.scenarios {
                    self.text(&mut scenario.dockerfile);
                    for (name, value) in &mut scenario.build_args {
                        if !self.public.contains(name) {
                            REDACTED.clone_into(value);
                        }
                    }
                }
            }
            RunEvent::PhaseFinished(record) => {
                match &mut record.outcome {
                    Outcome::Failed(failure) => self.failure(failure),
                    Outcome::Invalid(reasons) => reasons.iter_mut().for_each(|reason| self.text(reason)),
                    Outcome::Skipped(cause) => self.text(cause),
                    Outcome::Measured => {}
                }
                if let Some(trace) = &mut record.build {
                    self.trace(trace);
                }
                for asked in record.transfers.iter_mut().flatten() {
                    // A token may be a part of an address.
                    self.text(&mut asked.transfer.name);
                    asked.transfer.problem.iter_mut().for_each(|problem| self.text(problem));
                }
                let labels = record.image.iter_mut().flat_map(|image| image.labels.values_mut());
                labels.for_each(|label| self.text(label));
            }
            RunEvent::RunResumed(seam) => {
                for change in &mut seam.changes {
                    self.text(&mut change.before);
                    self.text(&mut change.now);
                }
            }
            RunEvent::TrialFinished(record) => {
                record.failed.iter_mut().for_each(|cause| self.text(cause));
                record.broken.iter_mut().for_each(|(_, reason)| self.text(reason));
                for image in &mut record.images {
                    image.unread.iter_mut().for_each(|reason| self.text(reason));
                    let top = image.waste.iter_mut().flat_map(|waste| &mut waste.top);
                    top.for_each(|file| self.text(&mut file.path));
                }
                record
                    .cleanup
                    .problems
                    .iter_mut()
                    .for_each(|problem| self.text(problem));
            }
            RunEvent::Progress(Progress::StepStarted(text) | Progress::StepDone(text) | Progress::Note(text)) => {
                self.text(text);
            }
            RunEvent::Preparing(_)
            | RunEvent::TrialStarted(_)
            | RunEvent::PhaseStarted { .. }
            | RunEvent::RunFinished(_) => {}
        }
    }

    fn failure(&self, failure: &mut Failure) {
        self.text(&mut failure.message);
        failure
            .step
            .iter_mut()
            .chain(&mut failure.last_lines)
            .for_each(|text| self.text(text));
    }

    fn trace(&self, trace: &mut BuildTrace) {
        for step in &mut trace.steps {
            self.text(&mut step.name);
            step.error.iter_mut().for_each(|error| self.text(error));
            step.parts.iter_mut().for_each(|part| self.text(&mut part.name));
        }
        trace.log.iter_mut().for_each(|line| self.text(&mut line.text));
        trace.warnings.iter_mut().for_each(|warning| self.text(warning));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_as_they_are_and_in_addresses() {
        let redactor = Redactor {
            public: Vec::new(),
            assignments: Ok(None),
            values: spellings(["a b/c", "on"].into_iter()),
        };
        assert_eq!(
            redactor.redacted("a b/c is on at ?token=a%20b%2Fc"),
            "[redacted] is on at ?token=[redacted]"
        );
    }

    #[test]
    fn a_text_that_can_t_be_looked_through_is_not_kept() {
        let too_large = Regex::new("(a{9999}){9999}").map(Some);
        assert!(too_large.is_err());
        let redactor = Redactor {
            public: Vec::new(),
            assignments: too_large,
            values: Vec::new(),
        };
        assert_eq!(redactor.suite_text("[suite]"), REDACTED);
    }
}
