//! Images are proven to work after the last phase of their trial, when their phases have been written down already: an
//! image that did not work takes its figures with it here.

use crate::journal::RunLog;
use crate::runner::event::Outcome;

/// The run with every phase that made or pushed a broken image as invalid; also of trials that died before their images were
/// started, if that image of the scenario did not work in another one.
pub(super) fn judged(log: &RunLog) -> RunLog {
    let mut log = log.clone();
    let elsewhere: Vec<(String, String, String)> = log
        .trials
        .iter()
        .flat_map(|trial| {
            let of_trial = trial.broken.iter();
            of_trial.map(|(image, reason)| (trial.trial.scenario.clone(), image.clone(), reason.clone()))
        })
        .collect();
    for phase in log.phases.iter_mut().filter(|phase| phase.is_measured()) {
        let image = log
            .header
            .journey
            .iter()
            .find(|head| head.name == phase.phase)
            .map(|head| &head.image);
        let trial = log.trials.iter().find(|trial| trial.trial == phase.trial);
        let broken = trial.and_then(|trial| trial.broken.iter().find(|(name, _)| Some(name) == image));
        if let Some((name, reason)) = broken {
            phase.outcome = Outcome::Invalid(vec![format!("the {name} image does not work: {reason}")]);
            continue;
        }
        let worked = trial.is_some_and(|trial| trial.probed.iter().any(|name| Some(name) == image));
        let of_scenario =
            |(scenario, name, _): &&(String, String, String)| *scenario == phase.trial.scenario && Some(name) == image;
        if !worked && let Some((_, name, reason)) = elsewhere.iter().find(of_scenario) {
            phase.outcome = Outcome::Invalid(vec![format!(
                "the {name} image was not started in this round, and does not work in another: {reason}"
            )]);
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{CellValue, Report, sample};
    use crate::runner::event::Round;

    #[test]
    fn a_broken_image_takes_its_figures_with_it() {
        let log = sample::single_round();
        let scenario = log.header.scenarios[0].name.clone();
        let image = log.header.journey[0].image.clone();
        assert!(matches!(
            Report::of(&log).rows[0].cells[0].value,
            CellValue::Measured(_)
        ));
        let mut log_broken = log.clone();
        let trial_at = log_broken
            .trials
            .iter_mut()
            .find(|trial| trial.trial.scenario == scenario)
            .expect("a trial");
        trial_at.broken.push((image, "no answer".into()));
        let report = Report::of(&log_broken);
        for (row, head) in report.rows.iter().zip(&log_broken.header.journey) {
            let invalid = matches!(&row.cells[0].value, CellValue::Invalid(_));
            assert_eq!(
                invalid,
                head.image == log_broken.header.journey[0].image,
                "{}",
                row.label
            );
        }
        assert!(report.has_failed_cell());
    }

    #[test]
    fn a_trial_that_died_before_its_images_were_started_does_not_vouch_for_them() {
        let mut log = sample::full();
        let scenario = log.header.scenarios[0].name.clone();
        let image = log.header.journey[0].image.clone();
        let of_scenario = |trial: &&mut crate::runner::event::TrialRecord| trial.trial.scenario == scenario;
        for trial in log.trials.iter_mut().filter(of_scenario) {
            match trial.trial.round {
                Round::Measured(1) => trial.probed = vec![image.clone()],
                Round::Measured(2) => trial.broken = vec![(image.clone(), "no answer".into())],
                _ => trial.probed.clear(),
            }
        }
        let judged = judged(&log);
        let outcome = |round: u32| {
            let found = judged.phases.iter().find(|phase| {
                phase.trial.scenario == scenario
                    && phase.trial.round == Round::Measured(round)
                    && phase.phase == log.header.journey[0].name
            });
            found.expect("a phase").outcome.clone()
        };
        assert_eq!(outcome(1), Outcome::Measured);
        for (round, words) in [
            (2, "does not work: no answer"),
            (3, "does not work in another: no answer"),
        ] {
            match outcome(round) {
                Outcome::Invalid(reasons) => assert!(reasons[0].ends_with(words), "{reasons:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
