//! Collects what a builder tells into a [`BuildTrace`]: BuildKit's status messages, and the classic builder's lines.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;

use crate::engine::{BuildTrace, Interval, LogLine, Observer, Progress, StepPart, StepTrace};

/// Collects the messages of one build.
#[derive(Default)]
pub(super) struct Collector {
    trace: BuildTrace,
    index: HashMap<String, usize>,
    parts: HashMap<(usize, String), usize>,
    /// A log message may end within a line: the rest is kept per step until its end arrives.
    partial: HashMap<String, Vec<u8>>,
}

impl Collector {
    /// Takes one BuildKit status message.
    pub(super) fn status(&mut self, status: StatusResponse, observer: Observer<'_>) {
        for vertex in status.vertexes {
            let step = self.step(&vertex.digest);
            let first = step.name.is_empty();
            step.name = vertex.name;
            if first {
                step.inputs = vertex.inputs;
            }
            step.cached |= vertex.cached;
            if !vertex.error.is_empty() {
                step.error = Some(vertex.error);
            }
            // A vertex can run more than once; each run has its own start.
            if let Some(started) = vertex.started.as_ref().map(|at| unix_nanos(at.seconds, at.nanos)) {
                let completed = vertex.completed.as_ref().map(|at| unix_nanos(at.seconds, at.nanos));
                match step.intervals.iter_mut().find(|interval| interval.started == started) {
                    Some(interval) => interval.completed = completed.or(interval.completed),
                    None => step.intervals.push(Interval { started, completed }),
                }
                let name = step.name.clone();
                observer(if completed.is_some() {
                    Progress::StepDone(name)
                } else {
                    Progress::StepStarted(name)
                });
            }
        }
        for status in status.statuses {
            let interval = status.started.as_ref().map(|at| Interval {
                started: unix_nanos(at.seconds, at.nanos),
                completed: status.completed.as_ref().map(|at| unix_nanos(at.seconds, at.nanos)),
            });
            let name = if status.name.is_empty() {
                status.id.clone()
            } else {
                format!("{} {}", status.name, status.id)
            };
            let part = StepPart {
                name,
                current: unsigned(status.current),
                total: unsigned(status.total),
                interval,
            };
            self.part(&status.vertex, status.id, part);
        }
        for log in status.logs {
            self.log(&log.vertex, &log.msg);
        }
        for warning in status.warnings {
            self.trace
                .warnings
                .push(String::from_utf8_lossy(&warning.short).into_owned());
        }
    }

    fn step(&mut self, digest: &str) -> &mut StepTrace {
        let next = self.trace.steps.len();
        let at = *self.index.entry(digest.to_owned()).or_insert(next);
        if at == next {
            self.trace.steps.push(StepTrace {
                id: digest.to_owned(),
                ..StepTrace::default()
            });
        }
        &mut self.trace.steps[at]
    }

    fn part(&mut self, vertex: &str, id: String, part: StepPart) {
        self.step(vertex);
        let at = self.index[vertex];
        let parts = &mut self.trace.steps[at].parts;
        if let Some(slot) = self.parts.get(&(at, id.clone())) {
            parts[*slot] = part;
        } else {
            self.parts.insert((at, id), parts.len());
            parts.push(part);
        }
    }

    fn log(&mut self, vertex: &str, message: &[u8]) {
        let buffer = self.partial.entry(vertex.to_owned()).or_default();
        buffer.extend_from_slice(message);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            self.trace.log.push(LogLine {
                step: vertex.to_owned(),
                text: clean(&line),
            });
        }
    }

    /// Takes a line of the classic builder. It tells no times, so those of arrival are used.
    pub(super) fn classic_line(&mut self, text: &str, observer: Observer<'_>) {
        let now = now_nanos();
        for line in text.split_inclusive('\n') {
            let line = line.trim_end();
            let number = line
                .strip_prefix("Step ")
                .and_then(|rest| rest.split_once('/'))
                .map(|(number, _)| number);
            if let Some(number) = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                self.end_classic_step(now, observer);
                let id = format!("step-{number}");
                // The classic builder runs its steps one after another; each uses the one before it.
                let input = self.trace.steps.last().map(|step| step.id.clone());
                let step = self.step(&id);
                line.clone_into(&mut step.name);
                step.inputs.extend(input);
                step.intervals.push(Interval {
                    started: now,
                    completed: None,
                });
                observer(Progress::StepStarted(line.to_owned()));
            } else if let Some(step) = self.trace.steps.last_mut() {
                if line.trim() == "---> Using cache" {
                    step.cached = true;
                } else if !line.is_empty() {
                    self.trace.log.push(LogLine {
                        step: step.id.clone(),
                        text: clean(line.as_bytes()),
                    });
                }
            }
        }
    }

    fn end_classic_step(&mut self, now: u64, observer: Observer<'_>) {
        if let Some(step) = self.trace.steps.last_mut() {
            for interval in &mut step.intervals {
                interval.completed.get_or_insert(now);
            }
            observer(Progress::StepDone(step.name.clone()));
        }
    }

    /// Notes that the classic builder's current step failed.
    pub(super) fn classic_failed(&mut self, message: &str) {
        if let Some(step) = self.trace.steps.last_mut() {
            step.error = Some(message.to_owned());
        }
    }

    /// The trace, with the ends of unfinished lines.
    pub(super) fn finish(mut self, observer: Observer<'_>) -> BuildTrace {
        if self
            .trace
            .steps
            .first()
            .is_some_and(|step| step.id.starts_with("step-"))
        {
            self.end_classic_step(now_nanos(), observer);
        }
        for (step, rest) in self.partial {
            if !rest.is_empty() {
                self.trace.log.push(LogLine {
                    step,
                    text: clean(&rest),
                });
            }
        }
        self.trace
    }
}

/// A line without its end, with what a carriage return overwrote (progress bars) left out.
fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    text.rsplit('\r').next().unwrap_or(text).to_owned()
}

fn unix_nanos(seconds: i64, nanos: i32) -> u64 {
    unsigned(seconds) * 1_000_000_000 + unsigned(i64::from(nanos))
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
