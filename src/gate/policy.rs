//! The policy: which figures are judged, from what change on, and which new levels somebody has accepted.

use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use toml::Spanned;

use crate::history::PastRun;
use crate::stats::{Effect, NightlyPolicy};
use crate::suite::wildcard;

/// The version of the file's format.
const SCHEMA: i64 = 1;

/// Which figures are judged, and how.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    path: PathBuf,
    text: String,
    rules: Vec<MetricTable>,
    accepted: Vec<AcceptTable>,
}

/// How one figure is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The gate's rule.
    pub nightly: NightlyPolicy,
    /// Whether a regression is only told of.
    pub warns: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<i64>,
    #[serde(default)]
    metric: Vec<MetricTable>,
    #[serde(default)]
    accept: Vec<AcceptTable>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricTable {
    metric: Spanned<String>,
    #[serde(default = "any")]
    scenario: String,
    least: Option<Spanned<String>>,
    #[serde(default)]
    on_regression: Action,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    #[default]
    Fail,
    Warn,
    Ignore,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptTable {
    metric: Spanned<String>,
    #[serde(default = "any")]
    scenario: String,
    since: Spanned<String>,
    /// For those who read the file.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

fn any() -> String {
    "*".to_owned()
}

/// Why a policy can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file can't be read.
    #[error("reading the policy {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is wrong.
    #[error("{}:{line}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
}

impl PolicyError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => {
                "--policy names a TOML file, of which docs/nightly.md has an example; without it all figures are judged, from 5 %"
            }
            Self::Wrong { .. } => "docs/nightly.md has the format, with an example",
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// If the file can't be read, or is not what the format says.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path).map_err(|source| PolicyError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, PolicyError> {
        let file: File = toml::from_str(&text).map_err(|error| PolicyError::Wrong {
            path: path.to_owned(),
            line: line(&text, error.span().unwrap_or_default()),
            reason: error.message().to_owned(),
        })?;
        let policy = Self {
            path: path.to_owned(),
            text,
            rules: file.metric,
            accepted: file.accept,
        };
        if *file.schema.get_ref() != SCHEMA {
            let reason = format!("schema {}; this bakeoff knows {SCHEMA}", file.schema.get_ref());
            return Err(policy.wrong(file.schema.span(), reason));
        }
        for table in &policy.rules {
            if let Some(least) = &table.least
                && effect(least.get_ref()).is_none()
            {
                let reason = format!(
                    "least can't be {:?}; expected per cent above 0, such as \"5%\"",
                    least.get_ref()
                );
                return Err(policy.wrong(least.span(), reason));
            }
        }
        for table in &policy.accepted {
            if time(table.since.get_ref()).is_none() {
                let reason = format!(
                    "since can't be {:?}; expected a day or a time, such as \"2026-11-21\" or \"2026-11-21T03:00:00Z\"",
                    table.since.get_ref()
                );
                return Err(policy.wrong(table.since.span(), reason));
            }
        }
        Ok(policy)
    }

    /// Whether everything that the policy names is there: a misspelt name would switch the gate off.
    pub(super) fn fits(&self, run: &PastRun) -> Result<(), PolicyError> {
        let names = self.rules.iter().map(|table| (&table.metric, &table.scenario));
        let accepted = self.accepted.iter().map(|table| (&table.metric, &table.scenario));
        for (metric, scenario) in names.chain(accepted) {
            let fits = |has: &&crate::history::Metric| {
                wildcard(metric.get_ref(), &has.name) && wildcard(scenario, &has.scenario)
            };
            if !run.metrics.iter().any(|has| fits(&has)) {
                let mut known: Vec<&str> = run.metrics.iter().map(|has| has.name.as_str()).collect();
                known.dedup();
                let mut seen: Vec<&str> = Vec::new();
                known.retain(|name| {
                    !seen.contains(name) && {
                        seen.push(name);
                        true
                    }
                });
                let reason = format!(
                    "the run has no metric {:?} of a scenario {scenario:?}; it has {}",
                    metric.get_ref(),
                    known.join(", ")
                );
                return Err(self.wrong(metric.span(), reason));
            }
        }
        Ok(())
    }

    /// How a figure is judged: as the first rule says that fits it, by default if there are no rules; `None` if it is not.
    #[must_use]
    pub fn rule(&self, scenario: &str, metric: &str) -> Option<Rule> {
        let nightly = NightlyPolicy::default();
        if self.rules.is_empty() {
            return Some(Rule { nightly, warns: false });
        }
        let fits =
            |table: &&MetricTable| wildcard(table.metric.get_ref(), metric) && wildcard(&table.scenario, scenario);
        let table = self.rules.iter().find(fits)?;
        let least = table.least.as_ref().and_then(|least| effect(least.get_ref()));
        let least = least.unwrap_or(nightly.least);
        let rule = Rule {
            nightly: NightlyPolicy {
                least,
                // Who looks for large changes only is not told that smaller ones can't be seen.
                widest: if least > nightly.widest { least } else { nightly.widest },
                ..nightly
            },
            warns: table.on_regression == Action::Warn,
        };
        (table.on_regression != Action::Ignore).then_some(rule)
    }

    /// From when on somebody has accepted a figure's level: what came before is no baseline.
    #[must_use]
    pub fn accepted(&self, scenario: &str, metric: &str) -> Option<DateTime<Utc>> {
        let fits =
            |table: &&AcceptTable| wildcard(table.metric.get_ref(), metric) && wildcard(&table.scenario, scenario);
        let times = self.accepted.iter().filter(fits);
        times.filter_map(|table| time(table.since.get_ref())).max()
    }

    fn wrong(&self, span: Range<usize>, reason: String) -> PolicyError {
        PolicyError::Wrong {
            path: self.path.clone(),
            line: line(&self.text, span),
            reason,
        }
    }
}

fn line(text: &str, span: Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.matches('\n').count() + 1
}

fn effect(text: &str) -> Option<Effect> {
    let percent = text.strip_suffix('%')?.trim_end().parse::<f64>().ok()?;
    Effect::new(percent / 100.0).ok()
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let day = || {
        text.parse::<NaiveDate>()
            .ok()
            .map(|day| day.and_time(NaiveTime::MIN).and_utc())
    };
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc())
        .or_else(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(Path::new("policy.toml"), text.to_owned())
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_what_none_fits_is_left_out() {
        let policy = parsed(
            "schema = 1\n\
             [[metric]]\nmetric = \"hot build\"\nscenario = \"uv-*\"\nleast = \"10%\"\n\
             [[metric]]\nmetric = \"hot *\"\non_regression = \"warn\"\n\
             [[metric]]\nmetric = \"image size\"\non_regression = \"ignore\"\n",
        )
        .expect("valid");
        let strict = policy.rule("uv-single", "hot build").expect("judged");
        assert!((strict.nightly.least.share() - 0.1).abs() < 1e-12 && !strict.warns);
        let other = policy.rule("pip-single", "hot build").expect("judged");
        assert!(other.warns && other.nightly == NightlyPolicy::default());
        assert_eq!(policy.rule("uv-single", "image size"), None);
        assert_eq!(policy.rule("uv-single", "cold build"), None);
        assert!(Policy::default().rule("uv-single", "cold build").is_some());
    }

    #[test]
    fn a_level_is_accepted_from_the_latest_time_on() {
        let policy = parsed(
            "schema = 1\n\
             [[accept]]\nmetric = \"hot build\"\nsince = \"2026-11-01\"\nreason = \"uv 0.8\"\n\
             [[accept]]\nmetric = \"hot build\"\nscenario = \"uv-single\"\nsince = \"2026-11-20T03:00:00+01:00\"\n",
        )
        .expect("valid");
        let at = |scenario| policy.accepted(scenario, "hot build").expect("accepted").to_rfc3339();
        assert_eq!(at("uv-single"), "2026-11-20T02:00:00+00:00");
        assert_eq!(at("pip-single"), "2026-11-01T00:00:00+00:00");
        assert_eq!(policy.accepted("uv-single", "cold build"), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, reason) in [
            ("schema = 2\n", 1, "schema 2"),
            ("schema = 1\n[[metric]]\nmetrik = \"x\"\n", 3, "metrik"),
            ("schema = 1\n[[metric]]\nmetric = \"x\"\nleast = \"0%\"\n", 4, "\"0%\""),
            ("schema = 1\n[[metric]]\nmetric = \"x\"\nleast = 5\n", 4, "string"),
            (
                "schema = 1\n[[metric]]\nmetric = \"x\"\non_regression = \"no\"\n",
                4,
                "no",
            ),
            (
                "schema = 1\n[[accept]]\nmetric = \"x\"\nsince = \"soon\"\n",
                4,
                "\"soon\"",
            ),
            ("schema = 1\nhalf", 2, ""),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(
                matches!(&error, PolicyError::Wrong { line: at, reason: why, .. } if *at == line && why.contains(reason)),
                "{text}: {error}"
            );
        }
    }
}
