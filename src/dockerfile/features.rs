//! What a Dockerfile uses that not every builder and not every cache knows: cache mounts, and whatever else takes
//! BuildKit. Not for: removing it.

use super::bases::is_platform_argument;
use super::expand::expand;
use super::source::Logical;
use super::{CacheMount, Dockerfile};

/// Flags that the classic builder refuses, by instruction.
const BUILDKIT_FLAGS: [(&str, &[&str]); 3] = [
    ("RUN", &["mount", "network", "security", "device"]),
    ("COPY", &["link", "chmod", "parents", "exclude"]),
    (
        "ADD",
        &["link", "chmod", "exclude", "checksum", "keep-git-dir", "unpack"],
    ),
];

pub(super) fn cache_mounts(dockerfile: &Dockerfile) -> Vec<CacheMount> {
    let mut found = Vec::new();
    for logical in &dockerfile.source.logical {
        let command = logical.effective();
        for flag in command.flags.iter().filter(|_| command.keyword == "RUN") {
            let Some(fields) = flag.cache_mount() else {
                continue;
            };
            let last = |names: &[&str]| {
                let field = fields.iter().rfind(|(key, _)| names.contains(&key.as_str()));
                field.map(|(_, value)| value.clone())
            };
            found.push(CacheMount {
                line: logical.first_line,
                target: last(&["target", "dst", "destination"]).unwrap_or_default(),
                id: last(&["id"]),
            });
        }
    }
    found
}

pub(super) fn needs_buildkit(dockerfile: &Dockerfile) -> Option<(u32, String)> {
    let declared = dockerfile.global_args();
    dockerfile.source.logical.iter().find_map(|logical| {
        let what = flag(logical)
            .or_else(|| heredoc(logical))
            .or_else(|| platform(dockerfile, &declared, logical))?;
        Some((logical.first_line, what))
    })
}

fn flag(logical: &Logical) -> Option<String> {
    let command = logical.effective();
    let (_, names) = BUILDKIT_FLAGS.iter().find(|(keyword, _)| *keyword == command.keyword)?;
    let flag = command.flags.iter().find(|flag| names.contains(&flag.name()))?;
    Some(format!("{} --{}", command.keyword, flag.name()))
}

fn heredoc(logical: &Logical) -> Option<String> {
    let word = logical.heredocs.first()?;
    Some(format!("{} {word} (a heredoc)", logical.effective().keyword))
}

/// A FROM with an argument that only BuildKit sets.
fn platform(dockerfile: &Dockerfile, declared: &[String], logical: &Logical) -> Option<String> {
    if logical.command.keyword != "FROM" {
        return None;
    }
    let known = |name: &str| declared.iter().any(|it| it == name).then(String::new);
    let from = &logical.text[logical
        .command
        .flags
        .first()
        .map_or(logical.command.arguments.start, |it| it.range.start)..];
    let unset = expand(from, dockerfile.source.escape, &known).ok()?.unset;
    let name = unset.into_iter().find(|name| is_platform_argument(name))?;
    Some(format!("FROM with ${name}, which only BuildKit sets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text).unwrap()
    }

    #[test]
    fn cache_mounts_are_found_with_target_and_id() {
        let text = "FROM a AS x\nRUN --mount=type=cache,target=/one,id=first \\\n  --network=none \\\n # c\n  \
                    --mount=dst=/two,type=cache cmd --mount=type=cache,target=/no\n# RUN --mount=type=cache\n\
                    FROM x\nRUN --mount=type=cache,id=h,destination=/three <<E\nRUN --mount=type=cache,target=/no x\nE\n\
                    ONBUILD RUN --mount=type=cache,target=/four y\nRUN --mount=type=bind,target=/no y\n";
        let found = parse(text).cache_mounts();
        let seen: Vec<_> = found
            .iter()
            .map(|it| (it.line, it.target.as_str(), it.id.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                (2, "/one", Some("first")),
                (2, "/two", None),
                (8, "/three", Some("h")),
                (11, "/four", None)
            ]
        );
    }

    #[test]
    fn what_takes_buildkit_is_named_with_its_line() {
        for (text, line, words) in [
            ("FROM a\nRUN b\nRUN --mount=type=bind,target=/x y", 3, "RUN --mount"),
            ("FROM a\nRUN --network=none y", 2, "RUN --network"),
            ("FROM a\nCOPY --chown=1 --link b c", 2, "COPY --link"),
            ("FROM a\nADD --chmod=755 b c", 2, "ADD --chmod"),
            ("FROM a\nRUN <<EOF\nx\nEOF", 2, "heredoc"),
            ("FROM a\nCOPY <<EOF /x\nx\nEOF", 2, "heredoc"),
            ("FROM a\nONBUILD RUN --mount=type=cache,target=/x y", 2, "RUN --mount"),
            ("FROM --platform=$BUILDPLATFORM a", 1, "BUILDPLATFORM"),
            ("ARG X\nFROM a:$X-$TARGETARCH", 2, "TARGETARCH"),
        ] {
            let (at, what) = parse(text).needs_buildkit().expect(text);
            assert_eq!(at, line, "{text}");
            assert!(what.contains(words), "{text}: {what}");
        }
        for text in [
            "# syntax=docker/dockerfile:1\nFROM a\nCOPY --from=x --chown=1 b c\nRUN echo --mount=type=cache",
            "ARG TARGETARCH=amd64\nFROM a:$TARGETARCH",
            "FROM --platform=linux/amd64 a\nCMD cat <<EOF",
        ] {
            assert_eq!(parse(text).needs_buildkit(), None, "{text}");
        }
    }
}
