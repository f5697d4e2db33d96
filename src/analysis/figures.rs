//! The table's numbers round by round: what comparisons, gates and histories are made of. Warm-ups, and phases that failed
//! or did not do what their name says, have none.

use crate::journal::RunLog;

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
