//! Notes on how quiet the machine was: before the run, by a probe, and in it, by its phases. Not for: single rounds (those are
//! outliers).

use crate::environment::noise::Noise;
use crate::journal::RunLog;
use crate::runner::event::Round;
use crate::units::Nanos;

use super::Severity;

/// More than this share of the processors' time taken away is felt in the figures, as relevance is 2 %.
const STOLEN: f64 = 0.02;

/// How quiet the machine was.
#[derive(Debug, Clone, PartialEq)]
pub enum NoiseNote {
    /// What a probe found, and how long before the run that was.
    Probed {
        /// What it found.
        noise: Noise,
        /// From its end to the run's start.
        age: Nanos,
    },
    /// The hypervisor ran somebody else while phases were measured.
    Stolen {
        /// The share of all processor time that there was.
        share: f64,
    },
}

impl NoiseNote {
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::Probed { noise, .. } if noise.is_quiet() => Severity::Info,
            Self::Probed { .. } | Self::Stolen { .. } => Severity::Warning,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Probed { noise, age } => {
                let found: Vec<&str> = noise
                    .findings
                    .iter()
                    .filter(|finding| finding.noisy)
                    .map(|finding| finding.found.as_str())
                    .collect();
                let found = if found.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", found.join("; "))
                };
                format!(
                    "The machine was {}{found}, by a probe of {} that ended {} before the run.",
                    noise.verdict(),
                    noise.lasted,
                    super::note::gap_text((*age).into())
                )
            }
            Self::Stolen { share } => format!(
                "While phases were measured the hypervisor took {:.1} % of the processors' time away (steal): times are \
                 longer by that and more, and vary with what its other machines do.",
                share * 100.0
            ),
        }
    }
}

/// What a run tells of noise.
pub(super) fn noise_notes(log: &RunLog) -> Vec<NoiseNote> {
    let header = &log.header;
    let probed = header.noise.clone().map(|noise| {
        let age = (header.started - noise.probed).to_std().unwrap_or_default().into();
        NoiseNote::Probed { noise, age }
    });
    let measured = log
        .phases
        .iter()
        .filter(|record| matches!(record.trial.round, Round::Measured(_)));
    let loads = measured.filter_map(|record| record.resources.as_ref()?.machine);
    let (stolen, all) = loads.fold((0.0, 0.0), |(stolen, all), load| {
        (stolen + load.stolen.seconds(), all + load.all.seconds())
    });
    let share = if all > 0.0 { stolen / all } else { 0.0 };
    let stolen = (share > STOLEN).then_some(NoiseNote::Stolen { share });
    probed.into_iter().chain(stolen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::environment::load::MachineLoad;
    use crate::journal::samples;
    use crate::runner::event::Resources;

    #[test]
    fn the_verdict_of_a_probe_is_told_with_its_age() {
        let mut log = sample::full();
        assert!(noise_notes(&log).is_empty());
        let mut noise = samples::noise();
        noise.probed = log.header.started - chrono::TimeDelta::minutes(10);
        log.header.noise = Some(noise.clone());
        let [note] = &noise_notes(&log)[..] else { panic!() };
        assert_eq!(note.severity(), Severity::Warning);
        assert_eq!(
            note.text(),
            "The machine was noisy: hypervisor (what was found of the hypervisor), by a probe of 30.00 s that ended 10 min \
             00 s before the run."
        );
        noise.findings.retain(|finding| !finding.noisy);
        log.header.noise = Some(noise);
        let [note] = &noise_notes(&log)[..] else { panic!() };
        assert_eq!(note.severity(), Severity::Info);
        assert!(
            note.text().starts_with("The machine was quiet, by a probe of"),
            "{}",
            note.text()
        );
    }

    #[test]
    fn time_that_was_taken_away_is_told_if_it_is_felt() {
        let mut log = sample::full();
        let mut stealing = |stolen: u64| {
            for record in &mut log.phases {
                record.resources = Some(Resources {
                    machine: Some(MachineLoad {
                        all: Nanos(1000),
                        stolen: Nanos(stolen),
                        ..MachineLoad::default()
                    }),
                    ..Resources::default()
                });
            }
            noise_notes(&log)
        };
        assert!(stealing(19).is_empty());
        let [note] = &stealing(50)[..] else { panic!() };
        assert!(note.text().contains("took 5.0 %"), "{}", note.text());
        assert_eq!(note.severity(), Severity::Warning);
    }
}
