//! The progress display: what runs now, how far the run is, how long it may still take. Quiet when standard error is no
//! terminal, unless the user wants to be told of each phase.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::downloads;
use super::estimate::Estimate;
use crate::engine::Progress;
use crate::runner::event::{Outcome, PhaseRecord, RunEvent, TrialKey};

/// Shows events as they come.
pub(super) struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    step: ProgressBar,
    verbose: bool,
    state: Mutex<State>,
}

struct State {
    estimate: Estimate,
    order: Vec<TrialKey>,
    done: usize,
    trial_started: Instant,
    /// Seconds of the trials of this run, by scenario: better than any estimate.
    seen: BTreeMap<String, Vec<f64>>,
    current: String,
}

impl Display {
    /// `done` of the trials in `order` were measured before.
    pub(super) fn new(estimate: Estimate, order: Vec<TrialKey>, done: usize, verbose: bool) -> Self {
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(order.len() as u64));
        total.set_position(done as u64);
        let step = bars.add(ProgressBar::new_spinner());
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ")
        };
        total.set_style(style("{bar:24} {pos}/{len} trials  {elapsed} elapsed  {msg}"));
        step.set_style(style("{spinner} {wide_msg}"));
        step.enable_steady_tick(Duration::from_millis(120));
        total.enable_steady_tick(Duration::from_secs(1));
        let state = State {
            estimate,
            order,
            done,
            trial_started: Instant::now(),
            seen: BTreeMap::new(),
            current: String::new(),
        };
        Self {
            bars,
            total,
            step,
            verbose,
            state: Mutex::new(state),
        }
    }

    /// Says a line above the bars; where there are none, only if the user wants it.
    fn say(&self, line: &str) {
        if std::io::stderr().is_terminal() {
            // A terminal that has gone away is no reason to stop measuring.
            let _ = self.bars.println(line);
        } else if self.verbose {
            eprintln!("{line}");
        }
    }

    /// Says a line of what is being prepared where no bar shows it, if the user wants that.
    fn log(&self, line: &str) {
        if !std::io::stderr().is_terminal() {
            self.say(line);
        }
    }

    /// Says a line that everybody must see.
    fn announce(&self, line: &str) {
        if std::io::stderr().is_terminal() {
            self.say(line);
        } else {
            eprintln!("{line}");
        }
    }

    /// Takes one event.
    pub(super) fn take(&self, event: &RunEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            RunEvent::Preparing(what) if what.starts_with("warning:") => self.announce(what),
            RunEvent::Preparing(what) => {
                self.step.set_message(what.clone());
                self.log(what);
            }
            RunEvent::RunStarted(header) => {
                self.announce(&downloads::beginning(header));
                for image in header.images.iter().filter(|image| image.stand_in) {
                    self.say(&format!("{} is a stand-in for {}", image.used, image.reference));
                }
            }
            RunEvent::TrialStarted(_) => {
                state.trial_started = Instant::now();
                self.total.set_message(state.left());
            }
            RunEvent::PhaseStarted { trial, phase, .. } => {
                self.total.set_message(state.left());
                state.current = format!("{}, {}: {phase}", trial.round, trial.scenario);
                self.step.set_message(state.current.clone());
            }
            RunEvent::Progress(Progress::StepStarted(what) | Progress::Note(what)) => {
                if state.current.is_empty() && what.starts_with("making ") {
                    self.log(what);
                }
                self.total.set_message(state.left());
                let text = if state.current.is_empty() {
                    what.clone()
                } else {
                    format!("{} · {what}", state.current)
                };
                self.step.set_message(text);
            }
            // Who goes on with a run has said so before.
            RunEvent::Progress(Progress::StepDone(_)) | RunEvent::RunResumed(_) => {}
            RunEvent::PhaseFinished(record) => {
                state.current.clear();
                self.say(&finished(record));
            }
            RunEvent::TrialFinished(record) => {
                let seconds = state.trial_started.elapsed().as_secs_f64();
                state
                    .seen
                    .entry(record.trial.scenario.clone())
                    .or_default()
                    .push(seconds);
                state.done += 1;
                self.total.inc(1);
                self.total.set_message(state.left());
                if let Some(cause) = &record.failed {
                    self.announce(&format!(
                        "{}, {}: the trial failed: {cause}",
                        record.trial.round, record.trial.scenario
                    ));
                }
                for (image, reason) in &record.broken {
                    self.say(&format!(
                        "{}: the {image} image does not work: {reason}",
                        record.trial.scenario
                    ));
                }
                for problem in &record.cleanup.problems {
                    self.say(&format!("cleaning up after {}: {problem}", record.trial.scenario));
                }
            }
            RunEvent::RunFinished(_) => self.clear(),
        }
    }

    /// Takes the bars away.
    pub(super) fn clear(&self) {
        self.step.finish_and_clear();
        self.total.finish_and_clear();
    }
}

impl State {
    /// What is left, from this run's own trials where there are some, else from the estimate.
    fn left(&self) -> String {
        let all: Vec<f64> = self.seen.values().flatten().copied().collect();
        #[allow(clippy::cast_precision_loss, reason = "a run has few trials")]
        let mean = |points: &[f64]| (!points.is_empty()).then(|| points.iter().sum::<f64>() / points.len() as f64);
        let expected = |trial: &TrialKey| {
            let own = self.seen.get(&trial.scenario).and_then(|points| mean(points));
            own.or_else(|| {
                self.estimate
                    .trial(&trial.scenario)
                    .map(super::super::units::Nanos::seconds)
            })
            .or_else(|| mean(&all))
        };
        let whole: Option<f64> = self.order.iter().skip(self.done).map(expected).sum();
        // The trial in progress has used some of its time already, but never more than was expected of it.
        let current = self.order.get(self.done).and_then(expected).unwrap_or_default();
        let used = self.trial_started.elapsed().as_secs_f64().min(current);
        match whole.map(|seconds| seconds - used) {
            Some(seconds) if seconds >= 90.0 => format!("about {:.0} min left", seconds / 60.0),
            Some(seconds) => format!("about {seconds:.0} s left"),
            None => String::new(),
        }
    }
}

fn finished(record: &PhaseRecord) -> String {
    let head = format!("{}, {}: {}", record.trial.round, record.trial.scenario, record.phase);
    match &record.outcome {
        Outcome::Measured => format!("{head} {}", record.wall),
        Outcome::Invalid(reasons) => format!("{head} {}, invalid: {}", record.wall, reasons.join("; ")),
        Outcome::Failed(failure) => format!("{head} failed: {}", failure.message),
        Outcome::Skipped(cause) => format!("{head} skipped: {cause}"),
    }
}
