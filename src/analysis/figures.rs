//! The table's numbers round by round: what comparisons, gates and histories are made of. Warm-ups, and phases that failed
//! or did not do what their name says, have none.

use crate::journal::RunLog;
use crate::runner::event::PhaseHead;

use super::{RowKind, broken, cells};

/// One quantity of one scenario, by round.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The scenario's full name.
    pub scenario: String,
    /// The table's row: `cold build`, `hot push, new bytes`.
    pub metric: String,
    /// What it is.
    pub kind: RowKind,
    /// The rounds, from 1, and their values in the unit of the kind. Never empty. A bench has several values in one round.
    pub points: Vec<(u32, f64)>,
}

/// What may explain a change from one run to another and forbids no comparison, by name.
#[must_use]
pub fn drift(log: &RunLog) -> Vec<(String, String)> {
    let mut all = vec![("bakeoff".to_owned(), log.header.bakeoff_version.clone())];
    all.extend(log.header.fingerprint.drift.named());
    let images = log.header.images.iter();
    all.extend(images.map(|image| (format!("image {}", image.role), image.id.clone())));
    all
}

/// Every figure of a run that was measured at least once: the table's rows in their order, and in each the scenarios in theirs.
#[must_use]
pub fn figures(log: &RunLog) -> Vec<Figure> {
    cells::figures(&broken::judged(log))
}

/// The first push of the image that a build made. Once its name is built again it stands for another image.
pub(super) fn push_of<'j>(journey: &'j [PhaseHead], build: &PhaseHead) -> Option<&'j PhaseHead> {
    let after = journey.iter().skip_while(|head| head.name != build.name).skip(1);
    let of_name = after.filter(|head| head.image == build.image);
    of_name
        .take_while(|head| head.kind != "build")
        .find(|head| head.kind == "push")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;

    #[test]
    fn a_push_is_of_the_build_before_it_and_not_of_the_one_that_took_the_name() {
        let head = |name: &str, kind: &str, image: &str| PhaseHead {
            name: name.into(),
            kind: kind.into(),
            image: image.into(),
            ..sample::single_round().header.journey[0].clone()
        };
        let journey = [
            head("cold build", "build", "app"),
            head("other build", "build", "other"),
            head("cold push", "push", "app"),
            head("hot build", "build", "app"),
            head("other push", "push", "other"),
            head("hot push", "push", "app"),
            head("again", "push", "app"),
            head("noop build", "build", "app"),
        ];
        let pushes = [0, 1, 3, 7].map(|build: usize| push_of(&journey, &journey[build]).map(|head| head.name.as_str()));
        assert_eq!(pushes, [Some("cold push"), Some("other push"), Some("hot push"), None]);
        // It was not pushed before its name was built again.
        assert_eq!(
            push_of(
                &[journey[0].clone(), journey[3].clone(), journey[5].clone()],
                &journey[0]
            ),
            None
        );
    }
}
