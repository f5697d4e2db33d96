//! A comparison as a table: for a terminal, as Markdown and as JSON. Not for: computing any of it.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::markdown::escaped;
use super::terminal::wrapped;
use super::{Format, ReportError, Style};
use crate::analysis::{Answer, Compared, ComparedRow, Design};
use crate::stats::{Comparison, Outcome, Relevance};

/// The version of the JSON document.
const SCHEMA: u32 = 1;

/// Writes a comparison; what is neither Markdown nor JSON is for a terminal.
///
/// # Errors
/// If the output can't be written to.
pub fn compare(compared: &Compared, format: Format, style: Style, out: &mut impl Write) -> Result<(), ReportError> {
    let written = match format {
        Format::Json => writeln!(out, "{:#}", json(compared)),
        Format::Markdown => markdown(compared, out),
        _ => terminal(compared, style, out),
    };
    written.and_then(|()| out.flush()).map_err(|source| ReportError::Write {
        format: format.name(),
        source,
    })
}

fn terminal(compared: &Compared, style: Style, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", title(compared))?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head(compared));
    if let Some(width) = style.width {
        table.set_width(width);
    }
    for row in &compared.rows {
        table.add_row(cells(row));
    }
    for (column, number) in table.column_iter_mut().zip(0..) {
        column.set_padding((u16::from(number > 0), 1));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    for note in notes(compared) {
        write!(out, "\n{}", wrapped("", &note, style.width))?;
    }
    Ok(())
}

fn markdown(compared: &Compared, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}\n", escaped(&title(compared)))?;
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    writeln!(out, "{}", line(&head(compared).map(|cell| escaped(&cell))))?;
    writeln!(out, "|---|---|--:|--:|--:|--:|---|")?;
    for row in &compared.rows {
        writeln!(out, "{}", line(&cells(row).map(|cell| escaped(&cell))))?;
    }
    for note in notes(compared) {
        writeln!(out, "\n{}", escaped(&note))?;
    }
    Ok(())
}

fn title(compared: &Compared) -> String {
    match compared.design {
        Design::WithinRun => format!("Run {}: each scenario with {}", compared.run.0, compared.baseline_told),
        Design::BetweenRuns | Design::BetweenMachines => format!("Run {} with {}", compared.run.0, compared.baseline),
    }
}

fn head(compared: &Compared) -> [String; 7] {
    let baseline = match compared.design {
        Design::WithinRun => compared.baseline.clone(),
        Design::BetweenRuns | Design::BetweenMachines => "before".to_owned(),
    };
    [
        String::new(),
        "scenario".into(),
        "median".into(),
        baseline,
        "ratio".into(),
        "P(beats)".into(),
        "answer".into(),
    ]
}

fn cells(row: &ComparedRow) -> [String; 7] {
    let (subject, baseline) = row.medians;
    let (ratio, beats, answer) = match &row.answer {
        Answer::Tested(comparison) => {
            let beats = format!("{:.0} %", 100.0 * comparison.wins.probability());
            (ratio(comparison), beats, words(comparison))
        }
        Answer::Ratio(ratio) => (times(*ratio), String::new(), "not asked".to_owned()),
        Answer::Same => ("1.00×".to_owned(), String::new(), "the same in every round".to_owned()),
        Answer::NoRatio => {
            let answer = "not comparable: one of them is nothing";
            (String::new(), String::new(), answer.to_owned())
        }
        Answer::NoPairs => {
            let answer = "not comparable: no round has both";
            (String::new(), String::new(), answer.to_owned())
        }
    };
    [
        row.metric.clone(),
        row.scenario.clone(),
        row.kind.show(subject),
        row.kind.show(baseline),
        ratio,
        beats,
        answer,
    ]
}

fn times(ratio: f64) -> String {
    if ratio < 0.1 || ratio.is_nan() {
        format!("{ratio:.4}×")
    } else {
        format!("{ratio:.2}×")
    }
}

/// `1.20× (1.17–1.24)`, three digits where two hide what there is.
fn ratio(comparison: &Comparison) -> String {
    let Some((low, high)) = comparison.interval else {
        return times(comparison.ratio);
    };
    let digits = if (high - low) < 0.05 { 3 } else { 2 };
    format!("{:.digits$}× ({low:.digits$}–{high:.digits$})", comparison.ratio)
}

fn words(comparison: &Comparison) -> String {
    let matters = match comparison.relevance {
        Relevance::Relevant => "",
        Relevance::Irrelevant => ", too little to matter",
        Relevance::Undecided => ", whether it matters is not certain",
    };
    let size = comparison.magnitude.name();
    let p = p_value(comparison.p_adjusted);
    match comparison.outcome {
        Outcome::Faster => format!("smaller ({size}{matters}); {p}"),
        Outcome::Slower => format!("larger ({size}{matters}); {p}"),
        Outcome::NoDifferenceShown { smallest_effect_shown } => {
            let same = if comparison.relevance == Relevance::Irrelevant {
                "the same for all that matters"
            } else {
                "no difference shown"
            };
            format!("{same}; {} would have been", percent(smallest_effect_shown))
        }
        Outcome::Inconclusive { needed_rounds } => {
            let (subject, baseline) = comparison.rounds;
            let have = if subject == baseline {
                subject.to_string()
            } else {
                format!("{subject} and {baseline}")
            };
            let unit = if have == "1" { "round" } else { "rounds" };
            format!("inconclusive: {have} {unit}, an answer takes {needed_rounds} or more")
        }
    }
}

fn p_value(p: f64) -> String {
    if p < 0.001 {
        "p < 0.001".to_owned()
    } else {
        format!("p = {p:.3}")
    }
}

/// A share for people: `2.0 %`, `15 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

fn notes(compared: &Compared) -> Vec<String> {
    let asked = if compared.declared {
        "the suite's questions"
    } else {
        "the times of all phases, since the suite declares no questions"
    };
    let tests = match compared.design {
        Design::WithinRun => "Wilcoxon's signed-rank test on the rounds' ratios",
        Design::BetweenRuns => "the Wilcoxon-Mann-Whitney test on logarithms",
        Design::BetweenMachines => "the Wilcoxon-Mann-Whitney test on the rounds' ratios",
    };
    let share = match compared.design {
        Design::WithinRun => "of the rounds",
        Design::BetweenRuns | Design::BetweenMachines => "of all pairs of a round here and a round there",
    };
    let mut notes = compared.notes.clone();
    notes.push(format!(
        "P(beats) is the share {share} in which the figure was the smaller one, with half of each tie."
    ));
    notes.push(format!(
        "{} rows were tested together: {asked}. Exact {tests}, corrected by Holm's method so that a table without any difference \
         shows one in at most {} of runs; p-values are after that. From {} on a difference matters. docs/statistics.md has the formulas.",
        compared.family,
        percent(compared.policy.level.get()),
        percent(compared.policy.relevant.share()),
    ));
    notes
}

fn json(compared: &Compared) -> Value {
    json!({
        "schema": SCHEMA,
        "design": compared.design.name(),
        "run": compared.run,
        "baseline": compared.baseline,
        "questions_declared": compared.declared,
        "tested_together": compared.family,
        "level": compared.policy.level.get(),
        "relevant_from": compared.policy.relevant.share(),
        "power": compared.policy.power.get(),
        "notes": compared.notes,
        "rows": compared.rows.iter().map(json_row).collect::<Vec<_>>(),
    })
}

fn json_row(row: &ComparedRow) -> Value {
    let (state, ratio) = match &row.answer {
        Answer::Tested(comparison) => (outcome(comparison.outcome), Some(comparison.ratio)),
        Answer::Ratio(ratio) => ("not-asked", Some(*ratio)),
        Answer::Same => ("same", Some(1.0)),
        Answer::NoRatio => ("no-ratio", None),
        Answer::NoPairs => ("no-pairs", None),
    };
    let test = match &row.answer {
        Answer::Tested(comparison) => test(comparison),
        _ => Value::Null,
    };
    json!({
        "metric": row.metric,
        "scenario": row.scenario,
        "baseline_scenario": row.baseline,
        "unit": row.kind.unit(),
        "median": row.medians.0,
        "baseline_median": row.medians.1,
        "answer": state,
        "ratio": ratio,
        "test": test,
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Faster => "smaller",
        Outcome::Slower => "larger",
        Outcome::NoDifferenceShown { .. } => "no-difference-shown",
        Outcome::Inconclusive { .. } => "inconclusive",
    }
}

fn test(comparison: &Comparison) -> Value {
    let (smallest, needed) = match comparison.outcome {
        Outcome::NoDifferenceShown { smallest_effect_shown } => (Some(smallest_effect_shown), None),
        Outcome::Inconclusive { needed_rounds } => (None, Some(needed_rounds)),
        Outcome::Faster | Outcome::Slower => (None, None),
    };
    let relevance = match comparison.relevance {
        Relevance::Relevant => "relevant",
        Relevance::Irrelevant => "irrelevant",
        Relevance::Undecided => "undecided",
    };
    json!({
        "rounds": comparison.rounds.0,
        "baseline_rounds": comparison.rounds.1,
        "interval": comparison.interval.map(|(low, high)| [low, high]),
        "interval_level": 1.0 - comparison.level.get(),
        "p": comparison.p,
        "p_adjusted": comparison.p_adjusted,
        "smallest_possible_p": comparison.smallest_p,
        "probability_smaller": comparison.wins.probability(),
        "magnitude": comparison.magnitude.name(),
        "relevance": relevance,
        "smallest_effect_shown": smallest,
        "needed_rounds": needed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{sample, within_run};
    use crate::stats::ComparePolicy;

    fn compared() -> Compared {
        let mut log = sample::run("
                       | pip                                     | uv                                            | uvx
            cold build | 10 10.5 9.8 10.2 10.1 9.9 10.3 10.4     | 12 12.5 11.9 12.3 12.2 12.1 12.4 12.6         | 10.1 10.5 9.8 10.1 10 9.9 10.3 10.5
            hot build  | 5 5.1 4.9 5.2 5 5.1 4.8 5               | 2 2.2 1.9 2.1 2.3 2 1.8 2.1                   | 5 5.1 4.9 fail 5 fail 4.8 fail
            cold push  | 3 3.1 2.9 3 3.2 3 2.8 3.1               | 3.1 3 3 2.9 3.1 3.1 2.9 3                     | 3 3 3 3 3 3 3 3
        ");
        log.header.questions = vec!["cold build".into(), "hot build".into()];
        within_run(&log, "pip", ComparePolicy::default()).expect("comparable")
    }

    fn rendered(format: Format) -> String {
        let mut out = Vec::new();
        compare(&compared(), format, Style::default(), &mut out).expect("a buffer takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_comparison_in_a_terminal() {
        insta::assert_snapshot!(rendered(Format::Terminal));
    }

    #[test]
    fn a_comparison_as_markdown() {
        insta::assert_snapshot!(rendered(Format::Markdown));
    }

    #[test]
    fn a_comparison_as_json() {
        insta::assert_snapshot!(rendered(Format::Json));
    }
}
