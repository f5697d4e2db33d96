//! JUnit XML, so that a CI system lists what failed: a test suite for each scenario, a test case for each phase of each
//! measured round.
//!
//! A failed phase is a failure, and one that did not do what its name says is an error: it was no test of anything. A phase
//! that was not tried is skipped, and so is what the run did not get to; if something outside the phases ended the trial,
//! that is an error of the first phase that is missing.

use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_junit::{NonSuccessKind, Property, Report as Document, TestCase, TestCaseStatus, TestSuite};

use crate::analysis::{Column, PhaseTime, RunInfo, TrialTime};
use crate::runner::event::{Failure, Outcome, Round};

use super::{ExportError, ExportFormat, ExportedRun};

pub(super) fn write(run: &ExportedRun, out: &mut impl Write) -> Result<(), ExportError> {
    let info = &run.report.run;
    let mut document = Document::new(title(info));
    document.set_timestamp(info.started);
    let mut whole = Duration::ZERO;
    for column in &run.report.columns {
        let (suite, time) = suite(run, column);
        whole += time;
        document.add_test_suite(suite);
    }
    document.set_time(whole);
    document.serialize(out).map_err(|source| ExportError::Encode {
        format: ExportFormat::Junit.name(),
        source: Box::new(source),
    })
}

/// `published.light`
fn title(info: &RunInfo) -> String {
    if info.variant.is_empty() {
        info.suite.clone()
    } else {
        format!("{}.{}", info.suite, info.variant)
    }
}

/// A scenario, and the time that its phases took.
fn suite(run: &ExportedRun, column: &Column) -> (TestSuite, Duration) {
    let info = &run.report.run;
    let mut suite = TestSuite::new(column.name.as_str());
    suite.set_timestamp(info.started);
    suite.add_property(Property::new("run", info.id.0.as_str()));
    suite.add_property(Property::new("builder", column.builder.as_str()));
    for (name, value) in &column.factors {
        suite.add_property(Property::new(format!("factor.{name}"), value.as_str()));
    }
    let mut whole = Duration::ZERO;
    let measured = |trial: &&TrialTime| trial.scenario == column.name && matches!(trial.round, Round::Measured(_));
    for trial in run.timeline.trials.iter().filter(measured) {
        let mut untold = trial.failed.as_deref();
        for name in &run.timeline.journey {
            let phases: Vec<&PhaseTime> = trial.phases.iter().filter(|phase| phase.name == *name).collect();
            let test = |status| {
                let mut test = TestCase::new(format!("{name} ({})", trial.round), status);
                test.set_classname(format!("{}.{}", title(info), column.name));
                test
            };
            if phases.is_empty() {
                suite.add_test_case(test(missing(untold.take(), trial.failed.is_some())));
            }
            for phase in phases {
                let mut test = test(status(&phase.outcome));
                let time = Duration::from(phase.stretch.length());
                test.set_time(time);
                if let Ok(start) = i64::try_from(phase.stretch.start) {
                    test.set_timestamp(DateTime::<Utc>::from_timestamp_nanos(start));
                }
                whole += time;
                suite.add_test_case(test);
            }
        }
    }
    suite.set_time(whole);
    (suite, whole)
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    match outcome {
        Outcome::Measured => TestCaseStatus::success(),
        Outcome::Failed(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("failed");
            status.set_message(failure.message.as_str());
            status.set_description(details(failure));
            status
        }
        Outcome::Invalid(reasons) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("invalid");
            status.set_message(reasons.join("; "));
            status.set_description(
                "The phase ran, but a check showed that it did not do what its name says, so its time does not count.",
            );
            status
        }
        Outcome::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
    }
}

/// A phase that the journal does not tell of; `cause` is why its trial ended, for the first one of it.
fn missing(cause: Option<&str>, ended: bool) -> TestCaseStatus {
    let mut status = match cause {
        Some(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        None => TestCaseStatus::skipped(),
    };
    if cause.is_some() {
        status.set_type("trial failed");
    }
    let reached = if ended { "the trial" } else { "the run" };
    status.set_message(cause.map_or_else(|| format!("{reached} did not get to it"), str::to_owned));
    status
}

/// The step, its place, the last lines that it wrote, and where the rest is.
fn details(failure: &Failure) -> String {
    let mut lines = Vec::new();
    lines.extend(failure.step.as_ref().map(|step| format!("step: {step}")));
    lines.extend(failure.line.as_ref().map(|(file, line)| format!("at: {file}:{line}")));
    lines.extend(failure.last_lines.iter().cloned());
    lines.extend(failure.log_file.as_ref().map(|file| format!("full log: {file}")));
    lines.join("\n")
}
