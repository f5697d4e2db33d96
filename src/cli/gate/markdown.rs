//! Verdicts and trends as GitHub's Markdown, for a job's summary or a pull request.

use super::words;
use crate::gate::{Checked, Trend};
use crate::report::escaped;

pub(super) fn checked(checked: &Checked) -> String {
    let mut text = format!(
        "## Gate: {}\n\nRun {} against {}.\n",
        words::ending(checked.ending()),
        escaped(&checked.run),
        escaped(&words::of_branch(checked))
    );
    let (shown, left_out) = words::shown(checked);
    if !shown.is_empty() {
        text.push_str(
            "\n| verdict | figure | scenario | value | | held against | beyond the limit |\n|---|---|---|---:|---|---|---|\n",
        );
    }
    for one in shown {
        let cells = [
            words::word(&one.found).to_owned(),
            one.metric.clone(),
            one.scenario.clone(),
            words::value(one),
            words::says(one),
            words::held_against(one),
            words::since(one),
        ];
        text.push_str(&row(&cells));
    }
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} figures are left out by the policy.\n"));
    }
    for note in &checked.notes {
        text.push_str(&format!("\n{}\n", escaped(note)));
    }
    text
}

pub(super) fn trends(trends: &[Trend]) -> String {
    let mut text = "## Where figures have changed\n\n\
                    | figure | of | runs | | now | changes |\n|---|---|---:|---|---:|---|\n"
        .to_owned();
    for trend in trends {
        let changes: Vec<String> = trend
            .changes
            .iter()
            .map(|one| escaped(&words::changed(trend, one)))
            .collect();
        let cells = [
            trend.series.key.metric.clone(),
            words::series(trend, trends),
            trend.values.len().to_string(),
            words::days(trend),
            words::now(trend),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        text.push_str(&format!("| {} | {} |\n", cells.join(" | "), changes.join("<br>")));
    }
    text
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}
