//! Turns logical lines into instructions and stages, and refuses what the builder would refuse before it builds
//! anything. Not for: what flags and variables mean.

use super::command::{blank_separated, is_blank, quoted_words};
use super::source::{Logical, Source, cut, error};
use super::{Dockerfile, DockerfileError, Instruction, Stage};

/// Every instruction there is.
pub(super) const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

pub(super) fn parse(text: &str) -> Result<Dockerfile, DockerfileError> {
    let source = cut(text)?;
    let mut instructions = Vec::with_capacity(source.logical.len());
    let mut stages: Vec<Stage> = Vec::new();
    for logical in &source.logical {
        let keyword = logical.command.keyword.as_str();
        check(logical, source.escape)?;
        if keyword == "FROM" {
            stages.push(stage(logical)?);
        } else if stages.is_empty() && keyword != "ARG" {
            let message = format!("{keyword} before the first FROM: expected FROM or ARG");
            return Err(error(logical.first_line, message));
        }
        instructions.push(Instruction {
            keyword: keyword.to_owned(),
            first_line: logical.first_line,
            last_line: logical.last_line,
            arguments: arguments(logical),
            stage: stages.len().checked_sub(1),
        });
    }
    if stages.is_empty() {
        let last = source.logical.last().map_or(1, |logical| logical.last_line);
        return Err(error(
            last,
            "no FROM: expected at least one, such as `FROM python:3.12-slim`",
        ));
    }
    Ok(Dockerfile {
        text: text.to_owned(),
        instructions,
        stages,
        source,
    })
}

/// What follows the keyword, each line's indentation folded into one space.
fn arguments(logical: &Logical) -> String {
    let keyword_end = logical.text.find(is_blank).unwrap_or(logical.text.len());
    let mut joined = String::new();
    for piece in &logical.pieces {
        let (start, end) = (piece.joined.start.max(keyword_end), piece.joined.end.max(keyword_end));
        let part = &logical.text[start..end];
        let unindented = part.trim_start();
        if joined.ends_with(char::is_whitespace) || unindented.len() < part.len() {
            joined.truncate(joined.trim_end().len());
            joined.push(' ');
        }
        joined.push_str(unindented);
    }
    joined.trim().to_owned()
}

fn check(logical: &Logical, escape: char) -> Result<(), DockerfileError> {
    let fail = |message: String| Err(error(logical.first_line, message));
    let command = &logical.command;
    let keyword = command.keyword.as_str();
    if !KEYWORDS.contains(&keyword) {
        return fail(unknown(logical));
    }
    let arguments = &logical.text[command.arguments.clone()];
    let json = serde_json::from_str::<Vec<serde_json::Value>>(arguments).ok();
    match keyword {
        "ADD" | "CMD" | "COPY" | "ENTRYPOINT" | "RUN" | "SHELL" | "VOLUME"
            if json
                .as_ref()
                .is_some_and(|items| items.iter().any(|item| !item.is_string())) =>
        {
            return fail(format!("{keyword} {arguments}: expected an array of strings only"));
        }
        "ADD" | "COPY" => {
            let count = json.map_or_else(
                || arguments.split(is_blank).filter(|it| !it.is_empty()).count(),
                |it| it.len(),
            );
            if count < 2 {
                return fail(format!(
                    "{keyword} has {count} argument(s): expected a source and a destination"
                ));
            }
        }
        "SHELL" if json.is_none_or(|items| items.is_empty()) => {
            return fail("SHELL: expected an array such as [\"/bin/bash\", \"-c\"]".to_owned());
        }
        "ARG" => {
            let words = quoted_words(arguments, escape);
            if words.is_empty() || words.iter().any(|word| word.starts_with('=')) {
                return fail(format!("ARG {arguments}: expected NAME or NAME=value"));
            }
        }
        "ONBUILD" => return check_trigger(logical),
        "ENV" | "EXPOSE" | "HEALTHCHECK" | "LABEL" | "MAINTAINER" | "STOPSIGNAL" | "USER" | "VOLUME" | "WORKDIR"
            if arguments.is_empty() =>
        {
            return fail(format!("{keyword} has no arguments: expected at least one"));
        }
        _ => {}
    }
    Ok(())
}

fn check_trigger(logical: &Logical) -> Result<(), DockerfileError> {
    match logical.effective().keyword.as_str() {
        "" => Err(error(
            logical.first_line,
            "ONBUILD has no arguments: expected an instruction",
        )),
        trigger @ ("ONBUILD" | "FROM" | "MAINTAINER") => Err(error(
            logical.first_line,
            format!("ONBUILD {trigger} is not allowed: expected another instruction"),
        )),
        // The builder looks at the trigger itself no sooner than it fires.
        _ => Ok(()),
    }
}

fn unknown(logical: &Logical) -> String {
    let written = logical.text.split(is_blank).next().unwrap_or_default();
    let keyword = logical.command.keyword.as_str();
    let nearest = KEYWORDS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(keyword, known), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min();
    match nearest {
        Some((_, known)) => format!("unknown instruction `{written}`: did you mean {known}?"),
        None => format!("unknown instruction `{written}`: expected one such as FROM, RUN or COPY"),
    }
}

fn stage(logical: &Logical) -> Result<Stage, DockerfileError> {
    let fail = |message: String| Err(error(logical.first_line, message));
    let words = blank_separated(&logical.text, logical.command.arguments.clone());
    let words: Vec<&str> = words.into_iter().map(|range| &logical.text[range]).collect();
    let (base, name) = match words.as_slice() {
        [base] => (*base, None),
        [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => (*base, Some(name.to_lowercase())),
        _ => {
            return fail(format!(
                "FROM {}: expected `FROM image` or `FROM image AS name`",
                words.join(" ")
            ));
        }
    };
    if let Some(name) = &name {
        let valid = name.starts_with(|ch: char| ch.is_ascii_lowercase())
            && name
                .chars()
                .all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || "-_.".contains(ch));
        if !valid {
            return fail(format!(
                "stage name `{name}`: expected a letter, then letters, digits, `-`, `_` or `.`"
            ));
        }
    }
    Ok(Stage {
        name,
        base: base.to_owned(),
        line: logical.first_line,
    })
}

impl Source {
    /// The instruction's logical line; instructions and logical lines are numbered alike.
    pub fn of<'s>(&'s self, dockerfile: &'s Dockerfile) -> impl Iterator<Item = (&'s Instruction, &'s Logical)> {
        dockerfile.instructions.iter().zip(&self.logical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(text: &str) -> Vec<String> {
        let dockerfile = Dockerfile::parse(text).unwrap();
        dockerfile
            .instructions()
            .iter()
            .map(|it| format!("{} {}", it.keyword, it.arguments))
            .collect()
    }

    #[test]
    fn instructions_know_keyword_lines_and_stage() {
        let text = "# syntax=docker/dockerfile:1\nARG V=1\nfrom python:$V as Build\nRUN a\\\nb \\\n# no\n    c\n\
                    FROM scratch\nCOPY --from=build <<a /x /\nhello\na\n";
        let dockerfile = Dockerfile::parse(text).unwrap();
        let seen: Vec<_> = dockerfile
            .instructions()
            .iter()
            .map(|it| {
                (
                    it.keyword.as_str(),
                    it.first_line,
                    it.last_line,
                    it.arguments.as_str(),
                    it.stage,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("ARG", 2, 2, "V=1", None),
                ("FROM", 3, 3, "python:$V as Build", Some(0)),
                ("RUN", 4, 7, "ab c", Some(0)),
                ("FROM", 8, 8, "scratch", Some(1)),
                ("COPY", 9, 11, "--from=build <<a /x /", Some(1)),
            ]
        );
        assert_eq!(
            dockerfile.stages(),
            [
                Stage {
                    name: Some("build".to_owned()),
                    base: "python:$V".to_owned(),
                    line: 3
                },
                Stage {
                    name: None,
                    base: "scratch".to_owned(),
                    line: 8
                },
            ]
        );
        assert_eq!(dockerfile.text(), text);
    }

    #[test]
    fn arguments_are_joined_with_one_space() {
        assert_eq!(
            arguments_of("FROM a\nRUN   x \\\n\n      y\\\n\tz \\\n  \nCMD"),
            ["FROM a", "RUN x y z CMD"]
        );
        assert_eq!(
            arguments_of("FROM \\\n  a \\\n AS b\nRUN\\\n x"),
            ["FROM a AS b", "RUN x"]
        );
        assert_eq!(
            arguments_of("FROM --platform=linux/amd64 a\nCMD"),
            ["FROM --platform=linux/amd64 a", "CMD "]
        );
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        for (text, line, words) in [
            ("FROM a\n\nRNU x", 3, "unknown instruction `RNU`: did you mean RUN?"),
            (
                "FROM a\ncoppy x y",
                2,
                "unknown instruction `coppy`: did you mean COPY?",
            ),
            ("FROM a\n&& x", 2, "unknown instruction `&&`: expected one such as"),
            ("", 1, "no FROM"),
            ("# only\n", 1, "no FROM"),
            ("ARG A=1\nARG B\n", 2, "no FROM"),
            ("ARG A\nRUN x\nFROM a", 2, "RUN before the first FROM"),
            ("FROM", 1, "expected `FROM image`"),
            ("FROM a b", 1, "expected `FROM image`"),
            ("FROM a AS 1x", 1, "stage name `1x`"),
            ("FROM a AS x/y", 1, "stage name `x/y`"),
            ("FROM a\nCOPY x", 2, "expected a source and a destination"),
            ("FROM a\nCOPY [\"x\"]", 2, "expected a source and a destination"),
            ("FROM a\nRUN [\"x\", 1]", 2, "array of strings"),
            ("FROM a\nENV", 2, "ENV has no arguments"),
            ("FROM a\nARG", 2, "expected NAME"),
            ("FROM a\nSHELL bash", 2, "SHELL: expected an array"),
            ("FROM a\nONBUILD FROM b", 2, "ONBUILD FROM"),
            ("FROM a\nONBUILD", 2, "expected an instruction"),
            ("FROM a\nRUN x \\\n y\nRUN <<E\nx", 4, "never closed"),
        ] {
            let failure = Dockerfile::parse(text).expect_err(text);
            assert_eq!(failure.line, line, "{text}: {failure}");
            assert!(failure.message.contains(words), "{text}: {failure}");
        }
    }

    #[test]
    fn what_the_builder_takes_is_taken() {
        for text in [
            "FROM a\nRUN [ -f x ]",
            "FROM a\nONBUILD RNU x",
            "FROM a\nCMD",
            "FROM a\nCOPY [\"a b\", \"/x\"]",
            "FROM a\nCOPY \\\n a \\\n # note\n b \\\n /x/",
            "FROM a\nHEALTHCHECK NONE",
            "FROM --platform=$BUILDPLATFORM a AS b.c_d-1",
            "\n\n  FROM a\n  \tRUN x",
        ] {
            assert!(Dockerfile::parse(text).is_ok(), "{text}: {:?}", Dockerfile::parse(text));
        }
    }
}
