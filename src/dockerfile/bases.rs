//! Which images stages start from: the arguments before the first FROM, their values, and what they make of each
//! FROM. Not for: finding or replacing the images.

use std::collections::BTreeMap;
use std::ops::Range;

use super::command::{blank_separated, quoted_words};
use super::expand::{Expansion, expand};
use super::source::{Logical, error};
use super::{Dockerfile, DockerfileError, ExternalBase};

/// Arguments that BuildKit sets by itself. Their values here are those of this machine, which is right unless the
/// engine is elsewhere or a platform was asked for; then the caller gives them as build arguments.
fn platform_argument(name: &str) -> Option<String> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    let value = match name {
        "BUILDPLATFORM" | "TARGETPLATFORM" => format!("linux/{architecture}"),
        "BUILDOS" | "TARGETOS" => "linux".to_owned(),
        "BUILDARCH" | "TARGETARCH" => architecture.to_owned(),
        "BUILDVARIANT" | "TARGETVARIANT" | "BUILDOSVERSION" | "TARGETOSVERSION" => String::new(),
        "TARGETSTAGE" => "default".to_owned(),
        _ => return None,
    };
    Some(value)
}

/// Whether BuildKit sets an argument of that name and the classic builder does not.
pub(super) fn is_platform_argument(name: &str) -> bool {
    platform_argument(name).is_some()
}

/// The arguments of the ARGs before the first FROM: name, default as written, line.
pub(super) fn global_arguments(dockerfile: &Dockerfile) -> Vec<(String, Option<String>, u32)> {
    let mut found = Vec::new();
    for (_, logical) in dockerfile
        .source
        .of(dockerfile)
        .filter(|(instruction, _)| instruction.stage.is_none())
    {
        for word in quoted_words(
            &logical.text[logical.command.arguments.clone()],
            dockerfile.source.escape,
        ) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
                None => (word, None),
            };
            found.push((name, default, logical.first_line));
        }
    }
    found
}

/// A FROM whose image is no stage and not `scratch`.
pub(super) struct ExternalFrom<'d> {
    pub base: ExternalBase,
    pub logical: &'d Logical,
    /// Where the image stands in the logical line.
    pub token: Range<usize>,
}

pub(super) fn external<'d>(
    dockerfile: &'d Dockerfile,
    build_args: &BTreeMap<String, String>,
) -> Result<Vec<ExternalFrom<'d>>, DockerfileError> {
    let values = values(dockerfile, build_args)?;
    let mut stages = Vec::new();
    let mut found = Vec::new();
    let froms = dockerfile
        .source
        .logical
        .iter()
        .filter(|logical| logical.command.keyword == "FROM");
    for (logical, stage) in froms.zip(&dockerfile.stages) {
        let lookup = |name: &str| look_up(name, &values, build_args);
        let base = expand(&stage.base, dockerfile.source.escape, &lookup)
            .map_err(|message| error(stage.line, format!("FROM {}: {message}", stage.base)))?;
        check(&stage.base, &base, stage.line)?;
        let token = blank_separated(&logical.text, logical.command.arguments.clone())
            .into_iter()
            .next();
        // A stage is known from the FROM after its own, so a stage may bear the name of its image.
        if let Some(token) = token
            && !stages.contains(&base.text.to_lowercase())
        {
            found.push(ExternalFrom {
                base: ExternalBase {
                    reference: base.text,
                    line: stage.line,
                },
                logical,
                token,
            });
        }
        stages.extend(stage.name.clone());
    }
    Ok(found)
}

/// The values of the global arguments, each expanded with those before it.
fn values(
    dockerfile: &Dockerfile,
    build_args: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, DockerfileError> {
    let mut values = BTreeMap::new();
    for (name, default, line) in global_arguments(dockerfile) {
        let value = match (build_args.get(&name), default) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) => {
                let lookup = |name: &str| look_up(name, &values, build_args);
                expand(&default, dockerfile.source.escape, &lookup)
                    .map_err(|message| error(line, format!("ARG {name}: {message}")))?
                    .text
            }
            (None, None) => continue,
        };
        values.insert(name, value);
    }
    Ok(values)
}

/// Build arguments count only for names that are declared or that the builder sets by itself.
fn look_up(name: &str, values: &BTreeMap<String, String>, build_args: &BTreeMap<String, String>) -> Option<String> {
    let platform = || platform_argument(name).map(|value| build_args.get(name).cloned().unwrap_or(value));
    values.get(name).cloned().or_else(platform)
}

fn check(written: &str, base: &Expansion, line: u32) -> Result<(), DockerfileError> {
    let unset: Vec<&str> = base.unset.iter().map(String::as_str).collect();
    let unlettered = |ch: Option<char>| !ch.is_some_and(char::is_alphanumeric);
    // `python:` or `-slim` is what a missing value leaves behind.
    let torn = !unset.is_empty() && (unlettered(base.text.chars().next()) || unlettered(base.text.chars().last()));
    if !base.text.is_empty() && !torn {
        return Ok(());
    }
    let message = match unset.as_slice() {
        [] => format!("FROM {written}: the image's name is empty: expected a value for its build arguments"),
        [name, ..] => format!(
            "FROM {written}: the image's name becomes `{}`: expected a build argument {name}, or `ARG {name}=…` before \
             the first FROM",
            base.text
        ),
    };
    Err(error(line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(text: &str, build_args: &[(&str, &str)]) -> Result<Vec<(String, u32)>, DockerfileError> {
        let build_args = build_args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let bases = Dockerfile::parse(text).unwrap().external_bases(&build_args)?;
        Ok(bases.into_iter().map(|base| (base.reference, base.line)).collect())
    }

    fn names(text: &str, build_args: &[(&str, &str)]) -> Vec<String> {
        bases(text, build_args)
            .unwrap()
            .into_iter()
            .map(|(reference, _)| reference)
            .collect()
    }

    #[test]
    fn stages_and_scratch_are_no_external_bases() {
        let text = "FROM python:3 AS build\nFROM build AS build-dev\nFROM Build-Dev\nFROM scratch\nFROM build-d\n\
                    FROM debian AS debian\nFROM debian\nFROM python:3\nFROM 0\n";
        // A number names a stage in COPY --from, and an image in FROM.
        assert_eq!(names(text, &[]), ["python:3", "build-d", "debian", "python:3", "0"]);
        assert_eq!(bases(text, &[]).unwrap()[3].1, 8);
    }

    #[test]
    fn a_later_stage_is_no_base() {
        assert_eq!(names("FROM b AS a\nFROM x AS b", &[]), ["b", "x"]);
    }

    #[test]
    fn global_arguments_have_defaults_that_build_arguments_beat() {
        let text = "ARG V=3.12 IMAGE=\"python\"\nARG TAG=${V}-slim\nARG NONE\nFROM ${IMAGE}:$TAG\n";
        assert_eq!(names(text, &[]), ["python:3.12-slim"]);
        assert_eq!(names(text, &[("V", "3.13")]), ["python:3.13-slim"]);
        assert_eq!(names(text, &[("TAG", "x"), ("OTHER", "y")]), ["python:x"]);
        assert_eq!(names("ARG A\nFROM ${A:-b}", &[]), ["b"]);
        assert_eq!(names("ARG A=\nFROM x${A:+-$A}", &[("A", "y")]), ["x-y"]);
        assert_eq!(names("ARG A=a\nFROM \"$A\"", &[]), ["a"]);
    }

    #[test]
    fn arguments_inside_stages_do_not_reach_from() {
        let text = "ARG V=1\nFROM a:$V\nARG V=2\nFROM b:$V\n";
        assert_eq!(names(text, &[]), ["a:1", "b:1"]);
    }

    #[test]
    fn the_builders_own_arguments_have_values() {
        assert_eq!(names("FROM --platform=$BUILDPLATFORM x-${TARGETOS}", &[]), ["x-linux"]);
        assert_eq!(names("FROM x-$TARGETARCH", &[("TARGETARCH", "riscv64")]), ["x-riscv64"]);
        assert_eq!(
            names("ARG TARGETARCH\nFROM x-$TARGETARCH", &[("TARGETARCH", "s390x")]),
            ["x-s390x"]
        );
    }

    #[test]
    fn an_undeclared_or_valueless_argument_is_an_error_with_its_line() {
        for (text, words) in [
            ("FROM a\n\nFROM $GONE", "GONE"),
            ("ARG GONE\n\nFROM ${GONE}", "GONE"),
            ("ARG V=1\n\nFROM python:$GONE", "becomes `python:`"),
            ("ARG V=1\n\nFROM ${GONE}-slim", "becomes `-slim`"),
            ("ARG V=\n\nFROM $V", "empty"),
            ("ARG V=\n\nFROM ${V", "closing `}`"),
        ] {
            let failure = bases(text, &[]).expect_err(text);
            assert_eq!(failure.line, 3, "{text}: {failure}");
            assert!(failure.message.contains(words), "{text}: {failure}");
        }
        // A build argument that no ARG declares is not seen by FROM.
        assert!(bases("FROM $GONE", &[("GONE", "x")]).is_err());
    }

    #[test]
    fn names_of_global_arguments_end_at_the_first_from() {
        let dockerfile = Dockerfile::parse("arg A=1 B\nARG C='x y'\nFROM a\nARG D").unwrap();
        assert_eq!(dockerfile.global_args(), ["A", "B", "C"]);
    }
}
