//! Pulls and starts in journeys; what concerns builds and pushes is in the tests of whole suites.

use crate::suite::Temperature::{Cold, Hot, Noop};
use crate::suite::testing::{Project, refusal};
use crate::suite::{Overrides, PhaseKind, Temperature};

const SUITE_FILE: &str = "scenarios/x.toml";

/// The end of the journey of the sample suite, after a cold and a hot build and a push of the cold image.
const END: &str = "kind = \"push\"\nimage = \"cold\"\n";

/// Phases, each with its kind, its image and what else there is.
fn phases(list: &[(&str, &str, &str)]) -> String {
    let one = |(number, (kind, image, more)): (usize, &(&str, &str, &str))| {
        format!("[[journey]]\nname = \"{number}\"\nkind = \"{kind}\"\nimage = \"{image}\"\n{more}\n")
    };
    list.iter().enumerate().map(one).collect()
}

/// The temperatures of the pulls and starts that are added to the sample's journey.
fn temperatures(list: &[(&str, &str, &str)]) -> Vec<Temperature> {
    let project = Project::new();
    project.change(SUITE_FILE, END, &format!("{END}\n{}", phases(list)));
    let suite = project.load(&Overrides::default());
    let suite = suite.unwrap_or_else(|error| panic!("{error}"));
    let moved = |kind| matches!(kind, PhaseKind::Pull | PhaseKind::Start);
    let such = suite.journey.into_iter().filter(|phase| moved(phase.kind));
    such.map(|phase| phase.temperature).collect()
}

fn refused(list: &[(&str, &str, &str)]) -> String {
    refusal(SUITE_FILE, END, &format!("{END}\n{}", phases(list)))
}

#[test]
fn a_pull_is_what_the_machine_has_of_it() {
    let found = temperatures(&[
        ("push", "hot", ""),
        ("pull", "cold", ""),
        ("pull", "hot", ""),
        ("pull", "cold", ""),
        // Pushed again, it may be another one.
        ("push", "cold", ""),
        ("pull", "cold", ""),
        // A new machine holds nothing of what the last one had.
        ("pull", "cold", "temperature = \"cold\""),
        ("pull", "hot", ""),
        ("pull", "cold", "temperature = \"hot\""),
    ]);
    assert_eq!(found, [Cold, Hot, Noop, Hot, Cold, Hot, Hot]);
}

#[test]
fn the_first_start_since_an_image_was_built_is_cold() {
    let found = temperatures(&[
        ("start", "cold", ""),
        ("start", "cold", ""),
        ("start", "hot", "temperature = \"cold\""),
        ("build", "cold", "edit = \"bump-light\""),
        ("start", "cold", ""),
        ("start", "hot", ""),
    ]);
    assert_eq!(found, [Cold, Hot, Cold, Cold, Hot]);
}

#[test]
fn what_is_not_there_can_t_be_pulled_or_started() {
    let message = refused(&[("pull", "hot", "")]);
    let expected = "no push before this pull sends the image \"hot\"; expected cold";
    assert!(
        message.contains(&format!("scenarios/x.toml:51:9: {expected}")),
        "{message}"
    );
    let message = refused(&[("start", "colt", "")]);
    let expected =
        "no build before this start makes the image \"colt\"; expected one of cold, hot; did you mean \"cold\"?";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn claims_that_can_t_be_true_are_refused() {
    let place = "scenarios/x.toml:52:15: ";
    for (phase, expected) in [
        (
            ("pull", "cold", "temperature = \"hot\""),
            "the first pull can only be cold",
        ),
        (
            ("pull", "cold", "temperature = \"noop\""),
            "the first pull can only be cold",
        ),
        (
            ("start", "cold", "temperature = \"hot\""),
            "the first start of an image is cold",
        ),
        (
            ("start", "cold", "temperature = \"noop\""),
            "the first start of an image is cold",
        ),
    ] {
        let message = refused(&[phase]);
        assert!(message.starts_with(&format!("{place}{expected}")), "{message}");
    }
    for (kind, expected) in [
        ("pull", "a pull can't have an edit"),
        ("start", "a start can't have an edit"),
    ] {
        let message = refused(&[(kind, "cold", "edit = \"bump-light\"")]);
        assert!(
            message.starts_with(&format!("scenarios/x.toml:52:8: {expected}")),
            "{message}"
        );
    }
}

#[test]
fn a_start_needs_a_probe() {
    let project = Project::new();
    project.change(SUITE_FILE, "[probe]\nhttp = { port = 8000, path = \"/health\" }\n", "");
    project.change(SUITE_FILE, END, &format!("{END}\n{}", phases(&[("start", "cold", "")])));
    let error = project.load(&Overrides::default()).expect_err("no probe");
    let message = project.shown(&error);
    assert!(
        message.starts_with("scenarios/x.toml:49:8: a start needs [probe]"),
        "{message}"
    );
}

#[test]
fn a_probe_has_a_limit() {
    let project = Project::new();
    let limit = |project: &Project| project.load(&Overrides::default()).expect("a suite").probe_limit;
    assert_eq!(limit(&project).as_secs(), 60);
    project.change(SUITE_FILE, "[probe]\n", "[probe]\nlimit = \"5m\"\n");
    assert_eq!(limit(&project).as_secs(), 300);
    let message = refusal(SUITE_FILE, "[probe]\n", "[probe]\nlimit = \"0 s\"\n");
    assert!(message.contains("the probe's limit can't be \"0 s\""), "{message}");
}
