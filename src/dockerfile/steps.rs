//! Leads from a builder's step back to the instruction that it came from. Not for: steps that come from none, such
//! as loading the context or exporting the image.

use super::{Dockerfile, Instruction};

pub(super) fn instruction_of<'d>(dockerfile: &'d Dockerfile, step: &str) -> Option<&'d Instruction> {
    let step = step.trim();
    let step = step.strip_prefix("CACHED ").unwrap_or(step);
    match step.strip_prefix("Step ") {
        Some(step) => classic(dockerfile, step),
        None => buildkit(dockerfile, step),
    }
}

/// `3/9 : RUN …` counts every instruction of the file.
fn classic<'d>(dockerfile: &'d Dockerfile, step: &str) -> Option<&'d Instruction> {
    let (number, text) = step.split_once(" : ")?;
    let (index, _) = fraction(number)?;
    // Labels that were asked for outside of the file are numbered after its last instruction or its target's.
    dockerfile
        .instructions
        .get(index - 1)
        .filter(|it| has_keyword(it, text))
}

/// `[platform stage k/n] TEXT` counts a stage's FROM, if it is external, and what changes the file system.
fn buildkit<'d>(dockerfile: &'d Dockerfile, step: &str) -> Option<&'d Instruction> {
    let (label, text) = step.strip_prefix('[')?.split_once(']')?;
    let text = text.trim();
    let mut words: Vec<&str> = label.split_whitespace().collect();
    let (index, total) = fraction(words.pop()?)?;
    // No stage's name has a slash, every platform has one.
    let stage = words.iter().copied().find(|word| !word.contains('/'));
    let fitting = (0..dockerfile.stages.len()).filter(|&number| bears(dockerfile, number, stage));
    let found: Vec<_> = fitting
        .filter_map(|number| in_stage(dockerfile, number, index, total, text))
        .collect();
    // Two stages can bear one name; then the text decides, and if it can't, the later stage hides the earlier.
    found.iter().find(|it| same_text(it, text)).or(found.last()).copied()
}

fn bears(dockerfile: &Dockerfile, number: usize, name: Option<&str>) -> bool {
    match (name, &dockerfile.stages[number].name) {
        (Some(name), Some(own)) => name.eq_ignore_ascii_case(own),
        (Some(name), None) => name == format!("stage-{number}"),
        // BuildKit leaves the name out where there is just one stage.
        (None, _) => dockerfile.stages.len() == 1,
    }
}

fn in_stage<'d>(
    dockerfile: &'d Dockerfile,
    number: usize,
    index: usize,
    total: usize,
    text: &str,
) -> Option<&'d Instruction> {
    let own = || dockerfile.instructions.iter().filter(|it| it.stage == Some(number));
    let from = own().next()?;
    let steps: Vec<&Instruction> = own().filter(|it| it.can_make_layer()).collect();
    // FROM counts only if its base is an image.
    let before = total.checked_sub(steps.len())?;
    if has_keyword(from, text) {
        return (index == 1).then_some(from);
    }
    // A base's ONBUILD instructions run before the stage's own. Newer builders mark them and add them to the total,
    // older ones do neither (their `[4/3]` is the second own step), and triggers such as `ONBUILD ENV` are in the
    // total but get no number. So the text is asked first, then the place.
    let place = index.checked_sub(before + 1);
    // Nearly always, and files are long: comparing texts is what joining takes its time for.
    if let Some(found) = place
        .and_then(|place| steps.get(place))
        .filter(|it| same_text(it, text))
    {
        return Some(found);
    }
    let same = steps.iter().enumerate().filter(|(_, it)| same_text(it, text));
    if let Some((_, found)) = same.min_by_key(|(at, _)| at.abs_diff(place.unwrap_or(0))) {
        return Some(found);
    }
    let expected = place.and_then(|place| steps.get(place)).copied();
    let expected = expected.filter(|it| has_keyword(it, text) && !(is_plain(text) && is_plain(&it.arguments)));
    // What is none of the stage's own steps came with its base.
    Some(expected.unwrap_or(from))
}

/// Whether a builder would print the text as it is written: no variables, quotes, escapes, flags or heredocs.
fn is_plain(text: &str) -> bool {
    !text.contains(['$', '"', '\'', '\\', '`', '<']) && !text.contains("--")
}

/// `3/7`, counted from 1. A step's number can be above the total.
fn fraction(text: &str) -> Option<(usize, usize)> {
    let (index, total) = text.split_once('/')?;
    let (index, total) = (index.trim().parse().ok()?, total.trim().parse().ok()?);
    (index >= 1).then_some((index, total))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace()
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case(word))
}

fn has_keyword(instruction: &Instruction, text: &str) -> bool {
    has_word(text, &instruction.keyword)
}

/// Whether a step's text is the instruction's, white space aside.
fn same_text(instruction: &Instruction, text: &str) -> bool {
    let (_, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    has_keyword(instruction, text) && rest.split_whitespace().eq(instruction.arguments.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, steps: &[(&str, Option<u32>)]) {
        let dockerfile = Dockerfile::parse(text).unwrap();
        for (step, line) in steps {
            let found = dockerfile.instruction_of_step(step);
            assert_eq!(found.map(|it| it.first_line), *line, "{step}: {found:?}");
        }
    }

    /// Built with a real engine; the steps are its words.
    const STAGES: &str = "ARG Z=1\nFROM si-py:1 AS base\nWORKDIR /w\nRUN echo a\nENV Q=1\nFROM base AS base-two\n\
                          COPY x /x\nRUN echo \\\n# comment\n   b\nFROM scratch\nCOPY --from=1 /x /x\n";

    #[test]
    fn steps_of_buildkit_lead_to_their_lines() {
        lines(
            STAGES,
            &[
                ("[base 1/3] FROM registry.example/library/si-py:1", Some(2)),
                ("[base 2/3] WORKDIR /w", Some(3)),
                ("[base 3/3] RUN echo a", Some(4)),
                ("[base-two 1/2] COPY x /x", Some(7)),
                ("[base-two 2/2] RUN echo    b", Some(8)),
                ("[stage-2 1/1] COPY --from=1 /x /x", Some(12)),
                ("CACHED [base-two 2/2] RUN echo    b", Some(8)),
                ("[linux/amd64 base 2/3] WORKDIR /w", Some(3)),
                ("[linux/amd64->arm64 base-two 1/2] COPY x /x", Some(7)),
                ("[base  2/3] WORKDIR /w", Some(3)),
                ("[internal] load build definition from Dockerfile", None),
                ("[internal] load metadata for registry.example/library/si-py:1", None),
                ("exporting to image", None),
                ("FROM registry.example/library/si-py:1", None),
                ("[base 0/3] RUN echo a", None),
                ("[bas 2/3] WORKDIR /w", None),
                ("[stage-0 2/3] WORKDIR /w", None),
                ("[stage-9 1/1] RUN x", None),
                ("[base 1/1] RUN echo a", None),
                ("[2/3] WORKDIR /w", None),
                ("[auth] x/y:pull token for registry", None),
                ("", None),
                ("[", None),
            ],
        );
    }

    #[test]
    fn a_lone_stage_has_no_name_and_padded_numbers() {
        let runs: Vec<_> = (0..11)
            .map(|number| format!("RUN {number}\nENV A={number}\n"))
            .collect();
        lines(
            &format!("FROM a AS x\n{}", runs.concat()),
            &[
                ("[ 1/12] FROM registry.example/library/a", Some(1)),
                ("[ 2/12] RUN 0", Some(2)),
                ("[12/12] RUN 10", Some(22)),
                ("[linux/arm64  3/12] RUN 1", Some(4)),
                ("[x  3/12] RUN 1", Some(4)),
            ],
        );
    }

    #[test]
    fn steps_of_the_classic_builder_count_every_instruction() {
        lines(
            STAGES,
            &[
                ("Step 1/10 : ARG Z=1", Some(1)),
                ("Step 2/10 : FROM si-py:1 AS base", Some(2)),
                ("Step 5/10 : ENV Q=1", Some(5)),
                ("Step 8/10 : RUN echo    b", Some(8)),
                ("Step 10/10 : COPY --from=1 /x /x", Some(12)),
                ("Step 11/11 : LABEL dev.bakeoff.run=1", None),
                ("Step 6/6 : LABEL dev.bakeoff.run=1", None),
                ("Step x/y : RUN", None),
            ],
        );
    }

    #[test]
    fn what_the_base_adds_belongs_to_from() {
        let text = "FROM a AS x\nRUN one\nRUN two $V\nFROM x\nRUN three\n";
        lines(
            text,
            &[
                ("[x 1/5] FROM a", Some(1)),
                ("[x 2/5] ONBUILD RUN zero", Some(1)),
                ("[x 4/5] RUN one", Some(2)),
                ("[x 5/5] RUN two expanded", Some(3)),
                // One of two triggers was an ENV, which has no step.
                ("[x 3/5] RUN one", Some(2)),
                // A trigger of a stage in the same file.
                ("[stage-1 1/2] ONBUILD RUN zero", Some(4)),
                ("[stage-1 2/2] RUN three", Some(5)),
            ],
        );
    }

    /// The words of a 20.10 engine, which numbers triggers without counting or marking them.
    #[test]
    fn unmarked_triggers_of_older_builders_are_recognised() {
        let text = "FROM df-lab:ob AS x\nWORKDIR /q\nRUN echo one\nFROM x AS xy\nRUN echo two $A\n\
                    COPY --from=si-py:1 /etc/passwd /p\n";
        lines(
            text,
            &[
                ("[x 1/3] FROM registry.example/library/df-lab:ob", Some(1)),
                ("[x 2/3] RUN echo trig", Some(1)),
                ("[x 3/3] WORKDIR /q", Some(2)),
                ("[x 4/3] RUN echo one", Some(3)),
                ("[xy 1/2] RUN echo two 1", Some(5)),
                ("[xy 2/2] COPY --from=si-py:1 /etc/passwd /p", Some(6)),
            ],
        );
        lines(
            "FROM b\nRUN echo one\n",
            &[("[2/2] RUN echo trig", Some(1)), ("[3/2] RUN echo one", Some(2))],
        );
    }

    #[test]
    fn steps_of_a_rewritten_file_still_fit_the_original() {
        let text = "FROM b\nRUN --mount=type=cache,target=/x one\nRUN <<E cat\nx\nE\nRUN a\\ b \"c\"\n";
        lines(
            text,
            &[
                ("[2/4] RUN one", Some(2)),
                ("[3/4] RUN <<E cat (x)", Some(3)),
                ("[4/4] RUN a b \"c\"", Some(6)),
            ],
        );
    }

    #[test]
    fn of_two_stages_with_one_name_the_fitting_one_is_taken() {
        lines(
            "FROM a AS x\nRUN one\nFROM b AS X\nRUN two\nFROM c AS stage-3\nRUN three\nFROM d\nRUN four\nRUN five\n",
            &[
                ("[x 2/2] RUN one", Some(2)),
                ("[x 2/2] RUN two", Some(4)),
                ("[x 2/2] RUN $expanded", Some(4)),
                ("[stage-3 2/2] RUN three", Some(6)),
                ("[stage-3 3/3] RUN five", Some(9)),
            ],
        );
    }

    /// How BuildKit prints them: comments within an instruction gone, heredocs as `<<EOF (first line...)`.
    #[test]
    fn hard_cases() {
        lines(
            "# syntax=docker/dockerfile:1\n# escape=`\nARG TAG=1\nFROM --platform=$BUILDPLATFORM a:$TAG AS build\n\
             RUN echo one `\n  # why\n\n  && echo two\nRUN <<EOF\necho three\n# not a comment of the file\nEOF\n\
             COPY <<a.txt <<b.txt /x/\nA\na.txt\nB\nb.txt\nFROM --platform=linux/arm64 a AS build-more\nRUN echo one\n\
             FROM build AS twin\nRUN echo one\nFROM a AS build-most\nCOPY --from=build --chown=1:1 /x /x\n\
             COPY --link --from=build-more /y /y\nENV A=b\nRUN --network=none --mount=type=cache,target=/c echo $A \"q\"\n\
             RUN [\"echo\", \"json\"]\nADD --checksum=sha256:0 https://a.example/x /x\nONBUILD RUN later\nWORKDIR rel\n\
             CMD [\"x\"]\n",
            &[
                ("[build 1/4] FROM docker.io/library/a:1", Some(4)),
                ("[linux/amd64 build 1/4] FROM docker.io/library/a:1@sha256:00", Some(4)),
                ("[build 2/4] RUN echo one   && echo two", Some(5)),
                ("[build 3/4] RUN <<EOF (echo three...)", Some(9)),
                ("[build 4/4] COPY <<a.txt <<b.txt /x/", Some(13)),
                ("[build-more 2/2] RUN echo one", Some(19)),
                ("[linux/arm64 build-more 1/2] FROM docker.io/library/a", Some(18)),
                ("[linux/amd64->linux/arm64 build-more 2/2] RUN echo one", Some(19)),
                ("[twin 1/1] RUN echo one", Some(21)),
                ("CACHED [twin 1/1] RUN echo one", Some(21)),
                ("[build-most 2/7] COPY --from=build --chown=1:1 /x /x", Some(23)),
                ("[build-most 3/7] COPY --link --from=build-more /y /y", Some(24)),
                (
                    "[build-most 4/7] RUN --network=none --mount=type=cache,target=/c echo $A \"q\"",
                    Some(26),
                ),
                ("[build-most 5/7] RUN [\"echo\", \"json\"]", Some(27)),
                (
                    "[build-most 6/7] ADD --checksum=sha256:0 https://a.example/x /x",
                    Some(28),
                ),
                // A trigger makes no step in the file that it stands in.
                ("[build-most 7/7] WORKDIR rel", Some(30)),
                ("[internal] load build context", None),
                ("[internal] helper image for file operations", None),
                ("resolve image config for docker.io/docker/dockerfile:1", None),
                ("docker-image://docker.io/docker/dockerfile:1@sha256:00", None),
                ("exporting to docker image format", None),
                ("merge (/x, /y)", None),
            ],
        );
    }

    #[test]
    fn every_fixtures_steps_lead_to_their_lines() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut seen = 0;
        for entry in walkdir::WalkDir::new(folder) {
            let entry = entry.expect("readable");
            if !entry.file_name().to_string_lossy().starts_with("Dockerfile") {
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(entry.path()).expect("text");
            let dockerfile = Dockerfile::parse(&text).expect("valid");
            for (stage, own) in dockerfile.stages().iter().enumerate() {
                let label = match &own.name {
                    Some(name) => format!("{name} "),
                    None if dockerfile.stages().len() == 1 => String::new(),
                    None => format!("stage-{stage} "),
                };
                let makes_step = |it: &&Instruction| {
                    it.stage == Some(stage)
                        && matches!(it.keyword.as_str(), "FROM" | "RUN" | "COPY" | "ADD" | "WORKDIR")
                };
                let steps: Vec<&Instruction> = dockerfile.instructions().iter().filter(makes_step).collect();
                for (at, it) in steps.iter().enumerate() {
                    // A builder fills variables in.
                    let text = it.arguments.replace("${PYTHON_PATH}", "/usr/local");
                    let name = format!("[{label}{}/{}] {} {text}", at + 1, steps.len(), it.keyword);
                    let found = dockerfile.instruction_of_step(&name).map(|it| it.first_line);
                    assert_eq!(found, Some(it.first_line), "{}: {name}", entry.path().display());
                }
            }
        }
        assert!(seen >= 6, "{seen} Dockerfiles");
    }
}
