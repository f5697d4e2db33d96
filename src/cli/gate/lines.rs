//! Verdicts and trends as lines for people.

use std::path::Path;

use super::words;
use crate::gate::{Checked, Judgement, Trend};

pub(super) fn checked(checked: &Checked, db: &Path) -> String {
    let mut text = format!(
        "run {} against {} in {}\n\n",
        checked.run,
        words::of_branch(checked),
        db.display()
    );
    let (shown, left_out) = words::shown(checked);
    let width = |of: &dyn Fn(&Judgement) -> usize| shown.iter().map(|one| of(one)).max().unwrap_or_default();
    let word = width(&|one| words::word(&one.found).chars().count());
    let metric = width(&|one| one.metric.chars().count());
    let scenario = width(&|one| one.scenario.chars().count());
    for one in shown {
        text.push_str(&format!(
            "{:word$}  {:metric$}  {:scenario$}  {}\n",
            words::word(&one.found),
            one.metric,
            one.scenario,
            told(one)
        ));
    }
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} figures are left out by the policy.\n"));
    }
    for note in &checked.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    text.push_str(&format!("\n{}\n", words::ending(checked.ending())));
    text
}

fn told(one: &Judgement) -> String {
    let value = [words::value(one), words::says(one)];
    let value: Vec<String> = value.into_iter().filter(|part| !part.is_empty()).collect();
    let parts = [value.join(", "), words::held_against(one), words::since(one)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

pub(super) fn trends(trends: &[Trend]) -> String {
    let mut text = String::new();
    for trend in trends {
        text.push_str(&format!(
            "{}: {}  {} runs, {}, now {}\n",
            words::series(trend, trends),
            trend.series.key.metric,
            trend.values.len(),
            words::days(trend),
            words::now(trend),
        ));
        for one in &trend.changes {
            text.push_str(&format!("  {}\n", words::changed(trend, one)));
        }
    }
    text
}
