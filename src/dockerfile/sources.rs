//! What an instruction takes from the build context, the sources of COPY and ADD and what a RUN binds, and what an ADD has the
//! builder fetch. Not for: what it takes from images and other stages, and whether any of it exists.

use super::command::blank_separated;
use super::source::Logical;
use super::{Dockerfile, Instruction};
use crate::units::patterns::{Matched, Patterns, clean};

/// Where an ADD takes something from elsewhere.
const REMOTE: [&str; 5] = ["http://", "https://", "git://", "git@", "ssh://"];

pub(super) fn context_sources(dockerfile: &Dockerfile, instruction: &Instruction, step: &str) -> Vec<String> {
    let Some(logical) = logical(dockerfile, instruction) else {
        return Vec::new();
    };
    let sources = match instruction.keyword.as_str() {
        "COPY" | "ADD" => {
            let mut sources = copied(logical, step);
            sources.retain(|source| !is_remote(source));
            sources
        }
        "RUN" => bound(logical),
        _ => Vec::new(),
    };
    let mut sources: Vec<String> = sources.iter().map(|source| in_context(source)).collect();
    sources.sort();
    sources.dedup();
    sources
}

pub(super) fn remote_sources(dockerfile: &Dockerfile, instruction: &Instruction, step: &str) -> Vec<(u32, String)> {
    let add = logical(dockerfile, instruction).filter(|_| instruction.keyword == "ADD");
    let sources = add.map(|logical| copied(logical, step)).unwrap_or_default();
    let remote = sources.into_iter().filter(|source| is_remote(source));
    remote.map(|source| (instruction.first_line, source)).collect()
}

fn logical<'d>(dockerfile: &'d Dockerfile, instruction: &Instruction) -> Option<&'d Logical> {
    let mut logical = dockerfile.source.logical.iter();
    logical.find(|logical| logical.first_line == instruction.first_line)
}

fn is_remote(source: &str) -> bool {
    REMOTE.iter().any(|scheme| source.starts_with(scheme))
}

fn copied(logical: &Logical, step: &str) -> Vec<String> {
    if logical.command.flags.iter().any(|flag| flag.name() == "from") {
        return Vec::new();
    }
    let arguments = logical.command.arguments.clone();
    let written = &logical.text[arguments.clone()];
    let mut words: Vec<String> = serde_json::from_str(written).unwrap_or_else(|_| {
        let words = blank_separated(&logical.text, arguments);
        words.into_iter().map(|word| logical.text[word].to_owned()).collect()
    });
    if words.iter().any(|word| word.contains('$')) {
        // A builder prints a step's words with their variables filled in.
        let (_, text) = step.split_once("] ").unwrap_or(("", step));
        let printed = text
            .split_whitespace()
            .skip(1)
            .skip_while(|word| word.starts_with("--"));
        let printed: Vec<String> = printed.map(str::to_owned).collect();
        if printed.len() == words.len() {
            words = printed;
        }
    }
    // The last word is the destination.
    words.pop();
    words.retain(|word| !word.starts_with("<<"));
    words
}

fn bound(logical: &Logical) -> Vec<String> {
    let mounts = logical.command.flags.iter().filter_map(super::command::Flag::mount);
    let source = |fields: Vec<(String, String)>| {
        let last = |names: &[&str]| {
            let field = fields.iter().rfind(|(key, _)| names.contains(&key.as_str()));
            field.map(|(_, value)| value.clone())
        };
        let binds = last(&["type"]).is_none_or(|kind| kind.eq_ignore_ascii_case("bind"));
        let own = last(&["from"]).is_none();
        (binds && own).then(|| last(&["source", "src"]).unwrap_or_default())
    };
    mounts.filter_map(source).collect()
}

/// A source as a path from the context's root; `.` for all of it.
fn in_context(source: &str) -> String {
    let path = clean(source);
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        ".".to_owned()
    } else {
        path.to_owned()
    }
}

/// Whether a source, as [`context_sources`] names it, takes a file of the context: the file itself, a folder that it is
/// in, or a pattern that matches either.
pub(super) fn takes(source: &str, file: &str) -> bool {
    if source == "." || source == file {
        return true;
    }
    let Ok(patterns) = Patterns::new([source]) else {
        return false;
    };
    let mut folder = Matched::default();
    let ends = file.match_indices('/').map(|(at, _)| at).chain([file.len()]);
    for end in ends {
        let (matched, below) = patterns.step(&file[..end], &folder);
        if matched {
            return true;
        }
        folder = below;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(line: &str, step: &str) -> Vec<String> {
        let dockerfile = Dockerfile::parse(&format!("FROM a\n{line}\n")).expect("valid");
        dockerfile.context_sources(&dockerfile.instructions()[1], step)
    }

    #[test]
    fn sources_of_the_context_are_told_from_others() {
        for (line, expected) in [
            ("COPY pyproject.toml ./uv.lock ./", vec!["pyproject.toml", "uv.lock"]),
            ("COPY . /app", vec!["."]),
            ("COPY / /app", vec!["."]),
            ("COPY --chown=a:b /src/ /app/", vec!["src"]),
            ("COPY [\"a b\", \"c\", \"/d\"]", vec!["a b", "c"]),
            ("COPY --from=uv /uv /bin/", vec![]),
            ("COPY <<EOF b.txt /x/\nhello\nEOF", vec!["b.txt"]),
            (
                "ADD https://a.example/x git@a.example:x.git local.tar /y",
                vec!["local.tar"],
            ),
            (
                "RUN --mount=type=bind,source=uv.lock,target=uv.lock --mount=target=/all \\\n  --mount=type=cache,target=/c \
                 --mount=from=uv,source=/uv,target=/uv x",
                vec![".", "uv.lock"],
            ),
            ("RUN --mount=type=secret,id=x make", vec![]),
            ("WORKDIR /app", vec![]),
        ] {
            assert_eq!(sources(line, ""), expected, "{line}");
        }
    }

    #[test]
    fn what_an_add_fetches_is_no_source_of_the_context() {
        let fetched = |line: &str, step: &str| {
            let dockerfile = Dockerfile::parse(&format!("FROM a\n\n{line}\n")).expect("valid");
            let found = dockerfile.remote_sources(step);
            assert!(found.iter().all(|(line, _)| *line == 3), "{found:?}");
            found.into_iter().map(|(_, address)| address).collect::<Vec<_>>()
        };
        let several = "ADD https://a.example/x git@a.example:x.git local.tar /y";
        let both = ["https://a.example/x", "git@a.example:x.git"];
        assert_eq!(fetched(several, &format!("[2/2] {several}")), both);
        // The classic builder prints variables as they are written.
        assert_eq!(fetched(several, &format!("Step 2/2 : {several}")), both);
        let versioned = "ADD --checksum=sha256:0 https://a.example/$V /y";
        assert_eq!(
            fetched(versioned, &format!("Step 2/2 : {versioned}")),
            ["https://a.example/$V"]
        );
        assert_eq!(
            fetched("ADD $URL /y", "[2/2] ADD https://a.example/x /y"),
            ["https://a.example/x"]
        );
        let list = "ADD [\"http://a.example/a b\", \"/y\"]";
        assert_eq!(fetched(list, &format!("[2/2] {list}")), ["http://a.example/a b"]);
        for none in ["ADD local.tar /y", "COPY https: /y", "RUN curl https://a.example/x"] {
            assert!(fetched(none, &format!("[2/2] {none}")).is_empty(), "{none}");
        }
        assert!(fetched(several, "[1/2] FROM a").is_empty());
    }

    #[test]
    fn variables_are_as_the_builder_printed_them() {
        let line = "COPY --chown=1:1 ${FROM_HERE} $TO";
        assert_eq!(sources(line, "[2/2] COPY --chown=1:1 src/app /app"), ["src/app"]);
        assert_eq!(sources(line, "[2/2] COPY a b c d"), ["${FROM_HERE}"]);
    }

    #[test]
    fn a_source_takes_what_it_names_what_lies_in_it_and_what_it_matches() {
        for (source, file, expected) in [
            (".", "a/b", true),
            ("a", "a", true),
            ("a", "a/b/c", true),
            ("a/b", "a", false),
            ("*.toml", "pyproject.toml", true),
            ("*.toml", "sub/pyproject.toml", false),
            ("sr?/*.py", "src/main.py", true),
            ("src", "src2/main.py", false),
            ("[", "[", true),
            ("[", "a", false),
        ] {
            assert_eq!(takes(source, file), expected, "{source} {file}");
        }
    }
}
