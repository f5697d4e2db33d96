//! Checks what a suite says must be true of its phases: which of a phase's properties it overrides, and which instructions'
//! layers a scenario promises to reuse. Not for: proving any of it (the runner does that when the phase has run).

use super::dockerfiles::Found;
use super::error::SuiteError;
use super::file::{CachedName, ContextName, MountsName, PhaseExpectTable, ScenarioTable};
use super::locate::{Located, Source, nearest};
use super::model::{Cached, Expect, PhaseKind};
use crate::dockerfile::Instruction;

/// What must be true of a phase: what its table says, and else what follows from what it is.
pub(super) fn phase(
    source: &Source,
    table: Option<&Located<PhaseExpectTable>>,
    kind: PhaseKind,
    default: Expect,
) -> Result<Expect, SuiteError> {
    let Some(located) = table else { return Ok(default) };
    let table = located.get();
    if matches!(kind, PhaseKind::Pull | PhaseKind::Start) {
        return Err(SuiteError::Conflict {
            place: source.at(located),
            message: "what must be true of a pull or a start follows from its temperature; expected it in a build or a push",
        });
    }
    if kind != PhaseKind::Build {
        let places = [
            table.mounts.as_ref().map(|key| source.at(key)),
            table.context.as_ref().map(|key| source.at(key)),
            table.reuse.as_ref().map(|key| source.at(key)),
        ];
        if let Some(place) = places.into_iter().flatten().next() {
            return Err(SuiteError::Conflict {
                place,
                message: "only a build has cache mounts, a context and layers to reuse; expected it in the build of the image",
            });
        }
    }
    let mut expect = default;
    if let Some(name) = table.cached {
        expect.cached = cached(name);
    }
    if let Some(name) = &table.mounts {
        expect.empty_mounts = *name.get() == MountsName::Empty;
    }
    if let Some(name) = &table.context {
        expect.changed = *name.get() == ContextName::Changed;
    }
    if let Some(reuse) = &table.reuse {
        expect.reuse = *reuse.get();
    }
    Ok(expect)
}

const fn cached(name: CachedName) -> Cached {
    match name {
        CachedName::None => Cached::None,
        CachedName::Some => Cached::Some,
        CachedName::NotAll => Cached::NotAll,
        CachedName::All => Cached::All,
        CachedName::Any => Cached::Any,
    }
}

/// The first lines of the instructions whose layers a scenario promises to reuse.
pub(super) fn reused(source: &Source, table: &ScenarioTable, found: &Found) -> Result<Vec<u32>, SuiteError> {
    let Some(expect) = &table.expect else {
        return Ok(Vec::new());
    };
    let target = table.target.as_ref().map(|target| target.as_str());
    let mut candidates = found.dockerfile.instructions_of_image(target);
    candidates.retain(|it| it.can_make_layer());
    let candidates: Vec<(String, u32)> = candidates.iter().map(|it| (text(it), it.first_line)).collect();
    expect
        .reuse
        .iter()
        .map(|named| one(source, named, &candidates))
        .collect()
}

/// An instruction's text with single blanks.
fn text(instruction: &Instruction) -> String {
    let words = instruction.arguments.split_whitespace();
    std::iter::once(instruction.keyword.as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The one instruction that a text stands for: the one that it is, else the one that begins with it, else the one that
/// holds it.
fn one(source: &Source, named: &Located<String>, candidates: &[(String, u32)]) -> Result<u32, SuiteError> {
    let wanted = named.split_whitespace().collect::<Vec<_>>().join(" ");
    let ways: [fn(&str, &str) -> bool; 3] = [
        |text, wanted| text == wanted,
        |text, wanted| text.starts_with(wanted),
        |text, wanted| text.contains(wanted),
    ];
    let fitting = ways.iter().map(|fits| {
        let fitting = candidates.iter().filter(|(text, _)| fits(text, &wanted));
        fitting.collect::<Vec<_>>()
    });
    // Nothing begins with everything.
    let fitting = fitting
        .filter(|_| !wanted.is_empty())
        .find(|fitting| !fitting.is_empty());
    match fitting.as_deref() {
        Some([(_, line)]) => Ok(*line),
        None => Err(SuiteError::Unknown {
            place: source.at(named),
            kind: "layer",
            name: named.get().clone(),
            expected: candidates.iter().map(|(text, _)| format!("{text:?}")).collect(),
            suggestion: nearest(&wanted, candidates.iter().map(|(text, _)| text.as_str())),
        }),
        Some(several) => {
            let texts: Vec<String> = several
                .iter()
                .map(|(text, line)| format!("{text:?} (line {line})"))
                .collect();
            Err(SuiteError::Value {
                place: source.at(named),
                subject: "a layer to reuse",
                found: format!("{:?}", named.get()),
                expected: format!("enough of the text of just one of {}", texts.join(", ")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Temperature;
    use super::super::testing::{Project, Refusal, refusals};
    use super::super::{Overrides, Suite};
    use super::*;

    const SUITE_FILE: &str = "scenarios/x.toml";
    const UV: &str = "dockerfile = \"Dockerfile.uv\"";
    const TWO: &str = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE} AS builder\nRUN make  heavy\n\
                       FROM ${PYTHON_IMAGE} AS base\nWORKDIR /app\nCOPY --from=builder /heavy \\\n  /heavy\n\
                       FROM base AS final\nCOPY src src\nCOPY src/a b\nRUN --mount=type=cache,target=/c uv sync\n";

    fn loaded(changes: &[(&str, &str)]) -> Suite {
        let project = Project::new();
        project.write("fixtures/app/Dockerfile.uv", TWO);
        for (from, to) in changes {
            project.change(SUITE_FILE, from, to);
        }
        project
            .load(&Overrides::default())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn instructions_are_found_by_their_text_its_beginning_or_a_part_of_it() {
        let reuse = "expect = { reuse = [\"COPY --from=builder /heavy /heavy\", \"COPY src src\", \"RUN --mount\", \"uv sync\"] }";
        let suite = loaded(&[(UV, &format!("{UV}\n{reuse}"))]);
        for scenario in suite.scenarios {
            let expected: &[u32] = if scenario.base_name == "uv" {
                &[6, 9, 11, 11]
            } else {
                &[]
            };
            // The factors change the text and move no line.
            assert_eq!(scenario.reuse, expected, "{}", scenario.name);
        }
    }

    #[test]
    fn what_must_be_true_follows_from_the_phase_unless_the_suite_says_else() {
        let expected = |suite: &Suite| suite.journey.iter().map(|phase| phase.expect).collect::<Vec<_>>();
        let build = |temperature, edits| Expect::of(PhaseKind::Build, temperature, edits);
        let push = Expect::of(PhaseKind::Push, Temperature::Cold, false);
        assert_eq!(
            expected(&loaded(&[])),
            [build(Temperature::Cold, false), build(Temperature::Hot, true), push]
        );
        let changed = loaded(&[
            (
                "image = \"cold\"",
                "image = \"cold\"\nexpect = { cached = \"some\", mounts = \"any\" }",
            ),
            (
                "edit = \"bump-light\"",
                "edit = \"bump-light\"\nexpect = { context = \"any\", reuse = false }",
            ),
            (
                "kind = \"push\"\nimage = \"cold\"",
                "kind = \"push\"\nimage = \"cold\"\nexpect.cached = \"not-all\"",
            ),
        ]);
        let of = |cached, empty_mounts, changed, reuse| Expect {
            cached,
            empty_mounts,
            changed,
            reuse,
        };
        assert_eq!(
            expected(&changed),
            [
                of(Cached::Some, false, false, false),
                of(Cached::NotAll, false, false, false),
                of(Cached::NotAll, false, false, false)
            ]
        );
    }

    #[test]
    fn bad_expectations() {
        refusals(SUITE_FILE, BAD_EXPECTATIONS);
    }

    const BAD_EXPECTATIONS: &[Refusal] = &[
        (
            UV,
            "dockerfile = \"Dockerfile.uv\"\nexpect = { reuse = [\"COPY src\"] }",
            r#"
scenarios/x.toml:29:21: unknown layer "COPY src"; expected "RUN --mount=type=cache,target=/c --mount=type=bind,target=/b uv sync"
   |
29 | expect = { reuse = ["COPY src"] }
   |                     ^^^^^^^^^^
"#,
        ),
        (
            "kind = \"push\"\nimage = \"cold\"",
            "kind = \"push\"\nimage = \"cold\"\nexpect = { reuse = true }",
            r"
scenarios/x.toml:47:20: only a build has cache mounts, a context and layers to reuse; expected it in the build of the image
   |
47 | expect = { reuse = true }
   |                    ^^^^
",
        ),
        (
            "image = \"cold\"",
            "image = \"cold\"\nexpect = { cached = \"never\" }",
            r#"
scenarios/x.toml:36:21: unknown value "never"; expected one of none, some, not-all, all, any
   |
36 | expect = { cached = "never" }
   |                     ^^^^^^^
"#,
        ),
    ];

    #[test]
    fn a_text_that_several_instructions_hold_is_no_name() {
        let project = Project::new();
        project.write("fixtures/app/Dockerfile.uv", TWO);
        project.change(SUITE_FILE, UV, &format!("{UV}\nexpect.reuse = [\"COPY src\"]"));
        let error = project.load(&Overrides::default()).unwrap_err();
        let expected = r#"scenarios/x.toml:29:17: a layer to reuse can't be "COPY src"; expected enough of the text of just one of "COPY src src" (line 9), "COPY src/a b" (line 10)
   |
29 | expect.reuse = ["COPY src"]
   |                 ^^^^^^^^^^"#;
        assert_eq!(project.shown(&error), expected);
    }
}
