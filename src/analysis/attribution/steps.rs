//! The steps of one build by the clock, for timelines. Not for: several builds, or any figure.

use crate::analysis::clean::clean;
use crate::analysis::timeline::{StepTime, Stretch};
use crate::dockerfile::Dockerfile;
use crate::engine::BuildTrace;
use crate::units::Nanos;

use super::spans::{self, Span};
use super::table::reference;
use super::trace::{Build, Joiner, Key, general};

/// Reads the steps of builds of one Dockerfile.
pub(in crate::analysis) struct StepReader<'d> {
    dockerfile: Option<&'d Dockerfile>,
    joiner: Joiner<'d>,
}

impl<'d> StepReader<'d> {
    pub fn new(dockerfile: Option<&'d Dockerfile>) -> Self {
        let joiner = Joiner::new(dockerfile);
        Self { dockerfile, joiner }
    }

    /// All steps of a build, in the order in which the builder announced them.
    pub fn read(&mut self, trace: &BuildTrace, wall: Nanos) -> Vec<StepTime> {
        let build = Build::of(trace, wall, &mut self.joiner);
        let steps = build.steps.into_iter().zip(&trace.steps);
        steps
            .map(|(step, told)| StepTime {
                id: told.id.clone(),
                name: clean(&step.name),
                general: clean(&general(&step.name)),
                instruction: match (&step.key, self.dockerfile) {
                    (Key::Instruction(at), Some(dockerfile)) => {
                        Some(reference(dockerfile, &dockerfile.instructions()[*at]))
                    }
                    _ => None,
                },
                stretches: spans::merged(step.spans).into_iter().map(stretch).collect(),
                cached: step.cached,
                critical: step.critical,
                error: told.error.as_deref().map(clean),
                parts: step
                    .parts
                    .into_iter()
                    .map(|(name, span)| (clean(&name), stretch(span)))
                    .collect(),
            })
            .collect()
    }
}

fn stretch((start, end): Span) -> Stretch {
    Stretch {
        start,
        end: end.max(start),
    }
}
