//! Comparisons of a run's scenarios with each other, and of two runs: which questions there are, what belongs together, and
//! what may not be compared. The statistics are [`crate::stats`]'s.

use crate::journal::RunLog;
use crate::stats::{self, ComparePolicy, Comparison, Pairs, PositiveSample, Question, Sample, SampleError};
use crate::units::RunId;

use super::{Figure, RowKind, drift, figures};

mod baseline;

pub use baseline::Baselines;

/// What is compared with what.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// How.
    pub design: Design,
    /// The run in question.
    pub run: RunId,
    /// What every row's second figure is: a scenario's or a run's name.
    pub baseline: String,
    /// The same for a sentence, which says too what a scenario and its baseline have in common.
    pub baseline_told: String,
    /// Whether the suite declares its questions; else every phase is one.
    pub declared: bool,
    /// How many rows were tested together, and so share the level.
    pub family: usize,
    /// What the answers keep to.
    pub policy: ComparePolicy,
    /// One for each figure of each scenario, in the order of the run's table.
    pub rows: Vec<ComparedRow>,
    /// What a reader must know before believing it.
    pub notes: Vec<String>,
}

/// How figures belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// Scenarios of one run with one of them, paired by round.
    WithinRun,
    /// A run with another on the same machine, scenario by scenario; rounds have no partners.
    BetweenRuns,
    /// A run with another on another machine: ratios to one scenario with ratios to it, so that the machine's speed cancels.
    BetweenMachines,
}

impl Design {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WithinRun => "within-run",
            Self::BetweenRuns => "between-runs",
            Self::BetweenMachines => "between-machines",
        }
    }
}

/// One figure of one scenario beside the baseline's.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRow {
    /// The scenario's full name.
    pub scenario: String,
    /// The full name of the scenario that it is compared with: another one of the run, or itself in another run.
    pub baseline: String,
    /// The table's row.
    pub metric: String,
    /// What it is.
    pub kind: RowKind,
    /// The medians: of the scenario and of the baseline.
    pub medians: (f64, f64),
    /// What came of it.
    pub answer: Answer,
}

/// What came of comparing two figures.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is one of the questions.
    Tested(Box<Comparison>),
    /// It is none of the questions: no more than the ratio of the medians.
    Ratio(f64),
    /// Both are the same in every round, as sizes can be.
    Same,
    /// One of them is nothing, of which nothing is a multiple.
    NoRatio,
    /// There is no round in which both were measured.
    NoPairs,
}

/// Why two runs can't be compared, or a run with itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// The runs are of different suites, or of different inputs.
    #[error("the runs are not of one suite: {}", .0.join("; "))]
    OtherSuite(Vec<String>),
    /// The runs were measured on machines that differ.
    #[error("the runs were measured on machines that differ: {}", .0.join("; "))]
    OtherMachine(Vec<String>),
    /// There is no such scenario to compare with.
    #[error("the run has no scenario {name:?}; it has {}", known.join(", "))]
    UnknownScenario {
        /// As the user called it.
        name: String,
        /// Those that there are.
        known: Vec<String>,
        /// The one that is most like it, if one is.
        nearest: Option<String>,
    },
    /// A name in the suite stands for several scenarios.
    #[error("{name:?} is {}", fitting.join(" and "))]
    AmbiguousScenario {
        /// As the user called it.
        name: String,
        /// What it could be.
        fitting: Vec<String>,
    },
    /// A scenario can only be compared with another one, and so can ratios to it.
    #[error("there is no second scenario to compare {name} with{}", if *between { ", and of machines that differ only ratios between scenarios are compared" } else { "" })]
    NoSecondScenario {
        /// The only one of which anything was measured; of two runs, in both.
        name: String,
        /// Whether it is about two runs of different machines.
        between: bool,
    },
    /// Nothing was measured in both.
    #[error("there is nothing that was measured in both")]
    Nothing,
}

impl CompareError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::OtherMachine(_) => {
                "--allow-different-machine compares the ratios between scenarios, in which a machine's speed cancels"
            }
            Self::AmbiguousScenario { .. } => "write the whole name",
            Self::OtherSuite(_) => {
                "compare runs of the same suite, fixture and variant (--fixture); `bakeoff list` shows which ran what"
            }
            Self::UnknownScenario { nearest, .. } => {
                return nearest.as_ref().map(|near| format!("did you mean {near:?}?"));
            }
            Self::NoSecondScenario { between: true, .. } => {
                "measure a second scenario in both runs, one that the change does not touch"
            }
            Self::NoSecondScenario { between: false, .. } => {
                "measure another scenario in the same run, or compare with another run: bakeoff compare RUN BASELINE"
            }
            Self::Nothing => "`bakeoff report` shows what a run measured",
        };
        Some(hint.to_owned())
    }
}

/// Compares every scenario of a run with one of them, round by round; with [one for each value of a factor](Baselines::named)
/// if the name stands for several.
///
/// # Errors
/// If there is no such scenario, or nothing to compare.
pub fn within_run(log: &RunLog, baseline: &str, policy: ComparePolicy) -> Result<Compared, CompareError> {
    let baselines = Baselines::named(log, baseline)?;
    let figures = figures(log);
    let mut asked = Vec::new();
    for figure in &figures {
        let baseline = baselines.of(&figure.scenario);
        let Some(other) = baseline.and_then(|baseline| of(&figures, baseline, &figure.metric)) else {
            continue;
        };
        let question = pairs(&figure.points, &other.points).map(Question::Paired);
        asked.push(Asked::new(log, figure, other, None, question));
    }
    let is_alone = |figure: &Figure| baselines.of(&figure.scenario).is_none();
    if !figures.is_empty() && figures.iter().all(is_alone) {
        let (name, between) = (baselines.name, false);
        return Err(CompareError::NoSecondScenario { name, between });
    }
    let told = baselines.told();
    let mut compared = compared(Design::WithinRun, log, baselines.name, asked, policy)?.with_notes(&[log]);
    compared.baseline_told = told;
    Ok(compared)
}

/// Compares a run with another one, scenario by scenario. On machines that differ, which must be allowed, what is compared are
/// the ratios to `reference`, or to the first scenario that both runs have.
///
/// # Errors
/// If the runs are of different suites, if their machines differ and that is not allowed, or if there is nothing to compare.
pub fn between_runs(
    log: &RunLog,
    baseline: &RunLog,
    reference: Option<&str>,
    different_machine: bool,
    policy: ComparePolicy,
) -> Result<Compared, CompareError> {
    let other_suite = differences(&inputs(log), &inputs(baseline));
    if !other_suite.is_empty() {
        return Err(CompareError::OtherSuite(other_suite));
    }
    let other_machine = differences(
        &log.header.fingerprint.identity.named(),
        &baseline.header.fingerprint.identity.named(),
    );
    if !other_machine.is_empty() && !different_machine {
        return Err(CompareError::OtherMachine(other_machine));
    }
    let (subject, other) = (figures(log), figures(baseline));
    let has = |figures: &[Figure], name: &str| figures.iter().any(|figure| figure.scenario == name);
    let in_both = |name: &str| has(&subject, name) && has(&other, name);
    let design = if other_machine.is_empty() {
        Design::BetweenRuns
    } else {
        Design::BetweenMachines
    };
    // A misspelt name is one whether or not it is of use.
    let asked_for = reference.map(|name| scenario_named(log, name)).transpose()?;
    let is_unused = design == Design::BetweenRuns && asked_for.is_some();
    let reference = match (design, asked_for) {
        (Design::BetweenMachines, Some(name)) => Some(name),
        (Design::BetweenMachines, None) => {
            let mut names = log.header.scenarios.iter().map(|scenario| &scenario.name);
            let found = names.find(|name| in_both(name));
            Some(found.ok_or(CompareError::Nothing)?.clone())
        }
        _ => None,
    };
    let mut asked = Vec::new();
    for figure in &subject {
        let Some(past) = of(&other, &figure.scenario, &figure.metric) else {
            continue;
        };
        let mut scale = None;
        let question = match &reference {
            None => independent(figure, past),
            Some(reference) if figure.scenario == *reference => continue,
            Some(reference) => {
                let of_reference = |figures| of(figures, reference, &figure.metric);
                let (Some(now), Some(then)) = (of_reference(&subject), of_reference(&other)) else {
                    continue;
                };
                scale = Some(median(then) / median(now));
                pairs(&figure.points, &now.points).and_then(|subject| {
                    Ok(Question::RatioOfRatios {
                        subject,
                        baseline: pairs(&past.points, &then.points)?,
                    })
                })
            }
        };
        asked.push(Asked::new(log, figure, past, scale, question));
    }
    if let Some(reference) = &reference
        && !subject
            .iter()
            .any(|figure| figure.scenario != *reference && in_both(&figure.scenario))
        && in_both(reference)
    {
        return Err(CompareError::NoSecondScenario {
            name: reference.clone(),
            between: true,
        });
    }
    let name = baseline.header.run.0.clone();
    let mut compared = compared(design, log, name, asked, policy)?.with_notes(&[log, baseline]);
    if let Some(reference) = reference {
        compared.notes.insert(
            0,
            format!(
                "The machines differ ({}), so what is compared are the ratios to {reference} in each run. The medians are each run's own.",
                other_machine.join("; ")
            ),
        );
    }
    if design == Design::BetweenRuns {
        let note = "Nobody shuffled the two runs: a machine that was in another state differs as well as what was changed \
                    (docs/statistics.md says how often). Measured in one run, as two scenarios, the change is told apart from that.";
        compared.notes.push(note.to_owned());
    }
    if is_unused {
        let note = "The runs are of one machine: they were compared as they are, not by their ratios to a scenario.";
        compared.notes.push(note.to_owned());
    }
    let drift = differences(&drift(log), &drift(baseline));
    if !drift.is_empty() {
        compared
            .notes
            .push(format!("What also differs between the runs: {}.", drift.join("; ")));
    }
    Ok(compared)
}

/// A pair of figures before they are compared.
struct Asked {
    row: ComparedRow,
    question: Option<Question>,
}

impl Asked {
    /// `scale` is by how much the reference changed the other way, where ratios to one are compared.
    fn new(
        log: &RunLog,
        figure: &Figure,
        other: &Figure,
        scale: Option<f64>,
        question: Result<Question, SampleError>,
    ) -> Self {
        let (median, of_other) = (median(figure), median(other));
        let all_same = |figure: &Figure| {
            let mut values = figure.points.iter();
            values.all(|(_, value)| value.total_cmp(&median).is_eq())
        };
        let (answer, question) = match question {
            _ if scale.is_none() && all_same(figure) && all_same(other) => (Answer::Same, None),
            Err(SampleError::Empty) => (Answer::NoPairs, None),
            Err(_) => (Answer::NoRatio, None),
            Ok(question) if is_question(log, figure) => (Answer::NoRatio, Some(question)),
            Ok(_) => (Answer::Ratio(median / of_other * scale.unwrap_or(1.0)), None),
        };
        Self {
            row: ComparedRow {
                scenario: figure.scenario.clone(),
                baseline: other.scenario.clone(),
                metric: figure.metric.clone(),
                kind: figure.kind,
                medians: (median, of_other),
                answer,
            },
            question,
        }
    }
}

/// Whether the suite asks about a figure: about the times of the phases that it names, else about all times.
fn is_question(log: &RunLog, figure: &Figure) -> bool {
    let questions = &log.header.questions;
    figure.kind == RowKind::Time && (questions.is_empty() || questions.contains(&figure.metric))
}

fn compared(
    design: Design,
    log: &RunLog,
    baseline: String,
    asked: Vec<Asked>,
    policy: ComparePolicy,
) -> Result<Compared, CompareError> {
    if asked.is_empty() {
        return Err(CompareError::Nothing);
    }
    let family: Vec<Question> = asked.iter().filter_map(|asked| asked.question.clone()).collect();
    let mut answers = stats::compare(&family, &policy).into_iter();
    let rows = asked.into_iter().map(|Asked { row, question }| match question {
        Some(_) => ComparedRow {
            answer: answers
                .next()
                .map_or(Answer::NoRatio, |answer| Answer::Tested(Box::new(answer))),
            ..row
        },
        None => row,
    });
    Ok(Compared {
        design,
        run: log.header.run.clone(),
        baseline_told: baseline.clone(),
        baseline,
        declared: !log.header.questions.is_empty(),
        family: family.len(),
        policy,
        rows: rows.collect(),
        notes: Vec::new(),
    })
}

impl Compared {
    fn with_notes(mut self, logs: &[&RunLog]) -> Self {
        for log in logs.iter().filter(|log| !log.is_complete()) {
            self.notes.push(format!("Run {} is not finished.", log.header.run.0));
        }
        self
    }
}

/// The full name of the scenario that the user means: by that name, or by its name in the suite if that is only one.
fn scenario_named(log: &RunLog, name: &str) -> Result<String, CompareError> {
    let fitting = baseline::fitting(log, name)?;
    match &fitting[..] {
        [one] => Ok(one.name.clone()),
        several => Err(baseline::ambiguous(name, several)),
    }
}

fn of<'f>(figures: &'f [Figure], scenario: &str, metric: &str) -> Option<&'f Figure> {
    figures
        .iter()
        .find(|figure| figure.scenario == scenario && figure.metric == metric)
}

fn median(figure: &Figure) -> f64 {
    Sample::new(values(figure)).map_or(f64::NAN, |sample| sample.median())
}

fn values(figure: &Figure) -> Vec<f64> {
    figure.points.iter().map(|(_, value)| *value).collect()
}

/// The rounds in which both were measured. Of several values in one round, as benches have them, each has its partner in turn.
///
/// # Errors
/// If there is none, or a value that has no ratio.
pub fn pairs(subject: &[(u32, f64)], baseline: &[(u32, f64)]) -> Result<Pairs, SampleError> {
    let mut left = baseline.to_vec();
    let mut rounds = Vec::new();
    for (round, value) in subject {
        if let Some(place) = left.iter().position(|(other, _)| other == round) {
            rounds.push((*value, left.remove(place).1));
        }
    }
    Pairs::new(rounds)
}

fn independent(subject: &Figure, baseline: &Figure) -> Result<Question, SampleError> {
    Ok(Question::Independent {
        subject: PositiveSample::new(values(subject))?,
        baseline: PositiveSample::new(values(baseline))?,
    })
}

/// What must be the same for two runs to have measured the same. Not the Dockerfiles: they may be what was changed.
fn inputs(log: &RunLog) -> Vec<(String, String)> {
    let header = &log.header;
    [
        ("suite", &header.suite),
        ("fixture", &header.fixture),
        ("variant", &header.variant),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .to_vec()
}

/// `memory 24 GiB and 16 GiB`, for everything that differs.
fn differences(one: &[(String, String)], other: &[(String, String)]) -> Vec<String> {
    let value_in = |list: &[(String, String)], name: &str| {
        let found = list.iter().find(|(known, _)| known == name);
        found.map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
    };
    let mut names: Vec<&String> = one.iter().map(|(name, _)| name).collect();
    names.extend(
        other
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !one.iter().any(|(known, _)| known == *name)),
    );
    names
        .into_iter()
        .filter(|name| value_in(one, name) != value_in(other, name))
        .map(|name| format!("{name} {} and {}", value_in(one, name), value_in(other, name)))
        .collect()
}

#[cfg(test)]
mod tests;
