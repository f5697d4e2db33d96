use super::*;
use crate::analysis::sample;
use crate::stats::Outcome;

/// Eight rounds, of which `b` is slower than `a` in all builds and the same in the push.
fn eight() -> RunLog {
    sample::run(
        "
                   | a                                       | b
        cold build | 10 10.5 9.8 10.2 10.1 9.9 10.3 10.4     | 12 12.5 11.9 12.3 12.2 12.1 12.4 12.6
        hot build  | 5 5.1 4.9 5.2 5 5.1 4.8 5               | 6 6.2 5.9 6.1 6.3 6 5.8 6.1
        cold push  | 3 3.1 2.9 3 3.2 3 2.8 3.1               | 3.1 3 3 2.9 3.1 3.1 2.9 3
    ",
    )
}

fn policy() -> ComparePolicy {
    ComparePolicy::default()
}

fn outcome<'c>(compared: &'c Compared, metric: &str) -> &'c Comparison {
    let row = compared.rows.iter().find(|row| row.metric == metric).expect("a row");
    match &row.answer {
        Answer::Tested(comparison) => comparison,
        other => panic!("{metric}: {other:?}"),
    }
}

#[test]
fn scenarios_are_paired_by_round_and_the_family_is_what_was_asked() {
    let mut log = eight();
    let compared = within_run(&log, "a", policy()).expect("comparable");
    assert_eq!((compared.family, compared.declared, compared.rows.len()), (3, false, 5));
    assert_eq!(outcome(&compared, "cold build").outcome, Outcome::Slower);
    assert_eq!(outcome(&compared, "cold build").rounds, (8, 8));
    assert!(matches!(
        outcome(&compared, "cold push").outcome,
        Outcome::NoDifferenceShown { .. }
    ));
    // Sizes are the same in every round.
    let size = compared
        .rows
        .iter()
        .find(|row| row.metric == "image size")
        .expect("a row");
    assert!(matches!(size.answer, Answer::Same | Answer::Ratio(_)), "{size:?}");

    log.header.questions = vec!["hot build".into()];
    let compared = within_run(&log, "a", policy()).expect("comparable");
    assert_eq!((compared.family, compared.declared), (1, true));
    assert_eq!(outcome(&compared, "hot build").outcome, Outcome::Slower);
    let cold = &compared.rows[0];
    assert!(
        matches!(cold.answer, Answer::Ratio(ratio) if (ratio - 12.25 / 10.15).abs() < 1e-9),
        "{cold:?}"
    );
}

#[test]
fn a_round_without_its_partner_is_no_pair() {
    let mut log = eight();
    log.phases
        .retain(|phase| !(phase.trial.scenario == "b" && phase.trial.round == crate::plan::Round::Measured(3)));
    let compared = within_run(&log, "a", policy()).expect("comparable");
    assert_eq!(outcome(&compared, "cold build").rounds, (7, 7));
    assert_eq!(outcome(&compared, "cold build").wins.lost, 7);
}

#[test]
fn figures_of_different_rounds_are_not_called_nothing() {
    let mut log = eight();
    let odd = |round: crate::plan::Round| matches!(round, crate::plan::Round::Measured(round) if round % 2 == 1);
    log.phases
        .retain(|phase| phase.phase != "cold push" || odd(phase.trial.round) == (phase.trial.scenario == "a"));
    let compared = within_run(&log, "a", policy()).expect("comparable");
    let push = compared
        .rows
        .iter()
        .find(|row| row.metric == "cold push")
        .expect("a row");
    assert_eq!(push.answer, Answer::NoPairs);
    assert!(push.medians.0 > 0.0 && push.medians.1 > 0.0);
}

#[test]
fn runs_of_one_machine_are_compared_scenario_by_scenario() {
    let (now, mut then) = (eight(), eight());
    for phase in &mut then.phases {
        if phase.trial.scenario == "b" && phase.phase == "hot build" {
            phase.wall = crate::units::Nanos(phase.wall.0 / 2);
        }
    }
    let compared = between_runs(&now, &then, None, false, policy()).expect("comparable");
    assert_eq!((compared.design, compared.family), (Design::BetweenRuns, 6));
    let row = |scenario: &str| {
        let mut rows = compared.rows.iter().filter(|row| row.metric == "hot build");
        rows.find(|row| row.scenario == scenario).expect("a row")
    };
    assert!(matches!(&row("b").answer, Answer::Tested(answer) if answer.outcome == Outcome::Slower));
    assert!(matches!(&row("a").answer, Answer::Tested(answer) if answer.outcome != Outcome::Slower));
}

#[test]
fn another_machine_is_refused_and_where_allowed_its_speed_cancels() {
    let (now, mut then) = (eight(), eight());
    // A machine that is twice as fast in everything, and in nothing more so.
    then.header.fingerprint.identity.cpu_model = "a quick one".into();
    for phase in &mut then.phases {
        phase.wall = crate::units::Nanos(phase.wall.0 / 2);
    }
    let refused = between_runs(&now, &then, None, false, policy()).expect_err("another machine");
    assert!(
        matches!(&refused, CompareError::OtherMachine(what) if what.len() == 1 && what[0].contains("a quick one")),
        "{refused}"
    );
    let compared = between_runs(&now, &then, None, true, policy()).expect("allowed");
    assert_eq!(compared.design, Design::BetweenMachines);
    assert!(
        compared.rows.iter().all(|row| row.scenario == "b"),
        "{:?}",
        compared.rows
    );
    let ratio = outcome(&compared, "hot build").ratio;
    assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
    assert!(compared.notes[0].contains("a quick one"), "{:?}", compared.notes);
    // What is not asked about is a ratio of ratios as well, sizes that never change included.
    let mut asked = now.clone();
    asked.header.questions = vec!["hot build".into()];
    let compared = between_runs(&asked, &then, None, true, policy()).expect("allowed");
    let ratios = compared.rows.iter().filter_map(|row| match row.answer {
        Answer::Ratio(ratio) => Some(ratio),
        _ => None,
    });
    let ratios: Vec<f64> = ratios.collect();
    assert!(
        ratios.len() == 4 && ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.01),
        "{ratios:?}"
    );
    // The same machine after all: nothing to cancel.
    let same = between_runs(&now, &eight(), None, true, policy()).expect("comparable");
    assert_eq!(same.design, Design::BetweenRuns);
}

#[test]
fn what_can_t_be_compared_says_why() {
    let log = eight();
    let mut other = eight();
    other.header.variant = "torch".into();
    assert!(matches!(
        between_runs(&log, &other, None, true, policy()),
        Err(CompareError::OtherSuite(what)) if what.len() == 1
    ));
    assert!(matches!(
        within_run(&log, "c", policy()),
        Err(CompareError::UnknownScenario { known, .. }) if known == ["a", "b"]
    ));
    let hint = |error: CompareError| error.hint().unwrap_or_default();
    let misspelt = within_run(&sample::full(), "pip-sngle", policy()).expect_err("no such scenario");
    assert_eq!(hint(misspelt), "did you mean \"pip-single\"?");
    let other_variant = between_runs(&log, &other, None, true, policy()).expect_err("another variant");
    assert!(hint(other_variant).contains("bakeoff list"));
    let full = sample::full();
    assert!(matches!(
        within_run(&full, "uv-single", policy()),
        Err(CompareError::AmbiguousScenario { fitting, .. }) if fitting.len() == 2
    ));
    let mut empty = eight();
    empty.phases.clear();
    assert_eq!(within_run(&empty, "a", policy()), Err(CompareError::Nothing));
}

#[test]
fn a_name_for_several_values_of_a_factor_means_the_one_with_the_same_value() {
    let rounds = "1 1.1 1 1.2 1 1.1 1.3 1";
    let mut log = sample::run(&format!(
        "
                   | a[link=1gbit] | a[link=10mbit] | b[link=1gbit] | b[link=10mbit] | c
        cold build | {rounds} | 5 5.1 5 5.2 5 5.1 5.3 5 | 2 2.1 2 2.2 2 2.1 2.3 2 | 4 4.1 4 4.2 4 4.1 4.3 4 | {rounds}
    "
    ));
    for scenario in &mut log.header.scenarios {
        if let Some((name, value)) = scenario.name.clone().split_once("[link=") {
            scenario.base_name = name.into();
            scenario.factors = vec![("link".into(), value.trim_end_matches(']').into())];
        }
    }
    // What has no such factor could be compared with either.
    assert!(matches!(
        within_run(&log, "a", policy()),
        Err(CompareError::AmbiguousScenario { fitting, .. }) if fitting == ["a[link=1gbit]", "a[link=10mbit]"]
    ));
    log.header.scenarios.truncate(4);
    log.phases.retain(|phase| phase.trial.scenario != "c");
    let compared = within_run(&log, "a", policy()).expect("comparable");
    assert_eq!(
        (compared.baseline.as_str(), compared.baseline_told.as_str()),
        ("a", "a at the same link")
    );
    let builds = compared.rows.iter().filter(|row| row.metric == "cold build");
    let builds: Vec<_> = builds
        .map(|row| {
            (
                row.scenario.as_str(),
                row.baseline.as_str(),
                row.medians.0 > row.medians.1,
            )
        })
        .collect();
    assert_eq!(
        builds,
        [
            ("b[link=1gbit]", "a[link=1gbit]", true),
            ("b[link=10mbit]", "a[link=10mbit]", false),
        ]
    );
    assert_eq!(compared.family, 2);
    // By its whole name one of them is meant for all.
    let one = within_run(&log, "a[link=1gbit]", policy()).expect("comparable");
    assert_eq!(one.family, 3);
    assert_eq!(one.baseline_told, "a[link=1gbit]");
}

#[test]
fn one_scenario_has_nothing_to_be_compared_with() {
    let mut one = eight();
    one.header.scenarios.truncate(1);
    one.phases.retain(|phase| phase.trial.scenario == "a");
    let mut elsewhere = one.clone();
    elsewhere.header.fingerprint.identity.cpu_model = "a quick one".into();
    let within = within_run(&one, "a", policy()).expect_err("nothing else");
    assert_eq!(within.to_string(), "there is no second scenario to compare a with");
    for reference in [None, Some("a")] {
        let between = between_runs(&one, &elsewhere, reference, true, policy()).expect_err("nothing else");
        assert!(
            matches!(&between, CompareError::NoSecondScenario { name, between: true } if name == "a"),
            "{between}"
        );
        assert!(
            between
                .hint()
                .is_some_and(|hint| hint.contains("second scenario in both"))
        );
    }
    // On one machine it is compared with itself.
    assert!(between_runs(&one, &one, None, true, policy()).is_ok());
    // A second one that only one of the runs has does not help.
    let other = eight();
    assert!(matches!(
        between_runs(&other, &elsewhere, None, true, policy()),
        Err(CompareError::NoSecondScenario { .. })
    ));
    elsewhere.phases.clear();
    assert_eq!(
        between_runs(&other, &elsewhere, None, true, policy()),
        Err(CompareError::Nothing)
    );
}

#[test]
fn three_rounds_say_how_many_it_takes() {
    let compared = within_run(&sample::full(), "pip-single", policy()).expect("comparable");
    let tested = compared.rows.iter().filter_map(|row| match &row.answer {
        Answer::Tested(answer) => Some(answer.outcome),
        _ => None,
    });
    let tested: Vec<_> = tested.collect();
    assert!(!tested.is_empty());
    for outcome in tested {
        assert!(
            matches!(outcome, Outcome::Inconclusive { needed_rounds } if needed_rounds > 6),
            "{outcome:?}"
        );
    }
}
