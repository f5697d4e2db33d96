//! Images are proven to work after the last phase of their trial, when their phases have been written down already: an
//! image that did not work takes its figures with it here.

use crate::journal::RunLog;
use crate::runner::event::Outcome;

/// The run with every phase that made or pushed a broken image as invalid.
pub(super) fn judged(log: &RunLog) -> RunLog {
    let mut log = log.clone();
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
        }
    }
    log
}

#[cfg(test)]
mod tests {

    use crate::analysis::{CellValue, Report, sample};

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
}
