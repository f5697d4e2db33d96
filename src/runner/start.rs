//! Starts: from the request for a container until the suite's probe succeeds. Removing the container is not measured.

use chrono::Utc;

use super::event::{Failure, Outcome, PhaseRecord, StartTrace};
use super::phase::LAST_LINES;
use super::probe::Patience;
use super::{RunError, Trial, resources};
use crate::engine::Engine;
use crate::suite::{PhaseSpec, Temperature};

impl<E: Engine> Trial<'_, E> {
    pub(super) async fn start(&mut self, spec: &PhaseSpec) -> Result<PhaseRecord, RunError> {
        let session = self.session;
        let Some(probe) = &session.suite.probe else {
            return Ok(self.skipped(spec, "the suite has no probe"));
        };
        let Some(name) = self.images.get(&spec.image).cloned() else {
            return Ok(self.skipped(spec, &format!("there is no image {}", spec.image)));
        };
        let is_first = self.started.insert(spec.image.clone());
        self.begins(spec)?;
        let mut record = self.record(spec, Outcome::Measured);
        record.started = Utc::now();
        let purpose = format!("start-{}", super::trial::slug(&spec.name));
        let meter = self.meter();
        let asking = self.ask(&purpose, &name, probe, Patience::measuring(session.suite));
        let asked = tokio::select! {
            biased;
            () = session.cancel.cancelled() => return Err(RunError::Interrupted),
            asked = asking => asked,
        };
        record.resources = Some(resources::used(meter));
        self.remove_asked(&asked).await;
        record.wall = asked.wall;
        record.outcome = match asked.answer {
            Ok(()) => {
                record.start = Some(StartTrace {
                    running: asked.running,
                    asked: asked.times,
                });
                match (spec.temperature, is_first) {
                    (Temperature::Cold, false) => invalid("the image had been started before a cold start"),
                    (Temperature::Hot, true) => invalid("the image had not been started before a hot start"),
                    _ => Outcome::Measured,
                }
            }
            Err(ailment) => {
                let lines: Vec<&str> = ailment.log.lines().map(str::trim_end).collect();
                let last_lines = &lines[lines.len().saturating_sub(LAST_LINES)..];
                Outcome::Failed(Failure {
                    message: ailment.reason,
                    last_lines: last_lines.iter().map(|line| (*line).to_owned()).collect(),
                    ..Failure::default()
                })
            }
        };
        Ok(record)
    }
}

fn invalid(reason: &str) -> Outcome {
    Outcome::Invalid(vec![reason.to_owned()])
}
