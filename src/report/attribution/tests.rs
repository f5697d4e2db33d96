use super::*;
use crate::analysis::{ResourceUse, Root};
use crate::units::Bytes;

fn instruction(line: u32, text: &str) -> InstructionRef {
    InstructionRef {
        first_line: line,
        last_line: line,
        stage: "0".into(),
        text: text.into(),
    }
}

fn broken() -> CacheBreak {
    CacheBreak {
        phase: "hot build".into(),
        edits: vec!["bump-light".into()],
        files: vec!["pyproject.toml".into(), "requirements.txt".into(), "uv.lock".into()],
        roots: vec![Root {
            instruction: instruction(14, "COPY pyproject.toml uv.lock ./"),
            sources: vec!["pyproject.toml".into(), "uv.lock".into()],
            files: vec!["pyproject.toml".into(), "uv.lock".into()],
        }],
        rounds: (3, 3),
        reran: 4,
        time: Nanos(53_100_000_000),
        costliest: Some((instruction(15, "RUN uv sync"), Nanos(48_200_000_000))),
        wall: Nanos(57_000_000_000),
        export: Nanos(0),
        pushed: Some(("hot push".into(), Bytes(110_800_000))),
    }
}

fn said(of: &CacheBreak) -> String {
    let attribution = Attribution {
        scenario: "uv-single".into(),
        dockerfile: String::new(),
        builds: vec![],
        rows: vec![],
        breaks: vec![],
        resources: None,
        layers: None,
        travelled: vec![],
    };
    sentence(&attribution, of)
}

#[test]
fn the_sentence_says_what_where_and_how_much() {
    assert_eq!(
        said(&broken()),
        "The edit of pyproject.toml and uv.lock reached line 14 (COPY pyproject.toml uv.lock ./); from there 4 \
         instructions ran again and took 53.10 of 57.00 s, nearly all of it in line 15 (RUN uv sync) with 48.20 s; the \
         hot push after it sent 110.8 MB of layers that the registry did not have."
    );
    assert_eq!(
        brief(&broken()).as_deref(),
        Some(
            "hot build ran line 14 (COPY pyproject.toml uv.…) and 3 more again, 53.10 of 57.00 s; hot push sent 110.8 MB"
        )
    );
}

#[test]
fn what_is_not_known_is_not_said() {
    let mut of = broken();
    of.files.clear();
    of.roots[0].files.clear();
    assert!(said(&of).starts_with(
        "The edit bump-light reached line 14 (COPY pyproject.toml uv.lock ./), which takes pyproject.toml and uv.lock; from"
    ));
    of.pushed = None;
    of.reran = 1;
    of.roots[0].sources = vec![".".into()];
    assert!(
        said(&of).ends_with("takes all of the context; from there 1 instruction ran again and took 53.10 of 57.00 s.")
    );
}

#[test]
fn an_instruction_that_the_edit_can_not_have_reached_is_told_as_such() {
    let mut of = broken();
    of.roots[0].files.clear();
    of.roots[0].sources = vec!["docs".into()];
    assert!(said(&of).contains("reached line 14 (COPY pyproject.toml uv.lock ./), which takes only docs; from"));
    of.roots[0].sources.clear();
    assert!(said(&of).contains(", which takes nothing from the context; from"));
    of.rounds = (2, 3);
    assert!(said(&of).ends_with(" So it was in 2 of 3 rounds."));
    of.roots.clear();
    assert_eq!(said(&of), "In the hot build no instruction ran again.");
    assert_eq!(brief(&of), None);
}

#[test]
fn units_are_said_once_where_they_are_the_same() {
    assert_eq!(share(Nanos(1_500_000_000), Nanos(20_000_000_000)), "1.50 of 20.00 s");
    assert_eq!(share(Nanos(15_000_000), Nanos(20_000_000_000)), "15 ms of 20.00 s");
    assert_eq!(
        share(Nanos(700_000_000_000), Nanos(725_000_000_000)),
        "11 min 40 s of 12 min 05 s"
    );
}

#[test]
fn texts_are_cut_with_a_mark() {
    assert_eq!(cut("abc def", 7), "abc def");
    assert_eq!(cut("abc defg", 6), "abc d…");
    assert_eq!(cut("abc defg", 5), "abc…");
}

#[test]
fn what_was_used_of_the_machine_is_one_sentence() {
    let used = |phase: &str, cpu, peak| PhaseUse {
        phase: phase.into(),
        rounds: 3,
        cpu: Some(Nanos(cpu)),
        peak_memory: peak,
        disk_read: None,
        disk_written: None,
    };
    let mut of = Attribution {
        scenario: "uv-single".into(),
        dockerfile: String::new(),
        builds: vec![],
        rows: vec![],
        breaks: vec![],
        layers: None,
        travelled: vec![],
        resources: Some(ResourceUse {
            phases: vec![
                used("cold build", 9_500_000_000, Some(Bytes(386_700_000))),
                used("cold push", 1_200_000_000, None),
            ],
            absent: vec!["disk: not counted".into()],
        }),
    };
    assert_eq!(
        texts(&of, None),
        [
            "Used by the engine: cold build 9.50 s of CPU time, at most 386.7 MB of memory; cold push 1.20 s of CPU time. \
             Not told: disk: not counted."
        ]
    );
    assert_eq!(
        texts(&of, Some("cold push")),
        ["Used by the engine: cold push 1.20 s of CPU time. Not told: disk: not counted."]
    );
    if let Some(resources) = &mut of.resources {
        resources.phases.clear();
    }
    assert_eq!(
        texts(&of, None),
        ["What the engine used of the machine is not told: disk: not counted."]
    );
}
