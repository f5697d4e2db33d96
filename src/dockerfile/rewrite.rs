//! Changes parts of instructions in the file's text, so that all else, line numbers included, stays byte for byte.
//! Not for: deciding what should be changed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::bases::external;
use super::source::Logical;
use super::{Dockerfile, DockerfileError};

/// What stands in place of a line that would otherwise be blank.
const PLACEHOLDER: &str = "# (cache mount removed)";

pub(super) fn with_bases(
    dockerfile: &Dockerfile,
    build_args: &BTreeMap<String, String>,
    replacement: &BTreeMap<String, String>,
) -> Result<Dockerfile, DockerfileError> {
    let mut edits = Edits::default();
    for from in external(dockerfile, build_args)? {
        if let Some(image) = replacement.get(&from.base.reference) {
            edits.replace(from.logical, from.token, image);
        }
    }
    Dockerfile::parse(&edits.apply(&dockerfile.text))
}

/// Where a flag names an image or stage to take files from, what it names.
fn taken_from<'f>(keyword: &str, flag: &'f str) -> Option<&'f str> {
    match keyword {
        "COPY" => flag.strip_prefix("--from="),
        "RUN" => flag
            .strip_prefix("--mount=")?
            .split(',')
            .find_map(|part| part.strip_prefix("from=")),
        _ => None,
    }
}

pub(super) fn with_sources(dockerfile: &Dockerfile, replacement: &BTreeMap<String, String>) -> Dockerfile {
    let mut edits = Edits::default();
    for logical in &dockerfile.source.logical {
        let command = logical.effective();
        for flag in &command.flags {
            let Some(source) = taken_from(&command.keyword, &flag.text) else {
                continue;
            };
            if let Some(image) = replacement.get(source) {
                let renamed = flag
                    .text
                    .replacen(&format!("from={source}"), &format!("from={image}"), 1);
                edits.replace(logical, flag.range.clone(), &renamed);
            }
        }
    }
    // Another image in a flag leaves a file that parses.
    Dockerfile::parse(&edits.apply(&dockerfile.text)).unwrap_or_else(|_| dockerfile.clone())
}

pub(super) fn without_cache_mounts(dockerfile: &Dockerfile) -> Dockerfile {
    let mut edits = Edits::default();
    for logical in &dockerfile.source.logical {
        let command = logical.effective();
        // Without a command, removing flags could leave an instruction that swallows the next one.
        if command.keyword == "RUN" && !command.arguments.is_empty() {
            let mounts = command.flags.iter().filter(|flag| flag.cache_mount().is_some());
            edits.remove(logical, &mounts.map(|flag| flag.range.clone()).collect::<Vec<_>>());
        }
    }
    // Removing whole leading flags leaves a file that parses.
    Dockerfile::parse(&edits.apply(&dockerfile.text)).unwrap_or_else(|_| dockerfile.clone())
}

/// Changes of the file, each a range of bytes and what takes its place.
#[derive(Default)]
struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, new) in self.0 {
            out.push_str(&text[at..range.start]);
            out.push_str(&new);
            at = range.end;
        }
        out.push_str(&text[at..]);
        out
    }

    /// Replaces a word. One that is spread over several lines goes where its last part is, so that the instruction's
    /// last line never becomes blank.
    fn replace(&mut self, logical: &Logical, word: Range<usize>, new: &str) {
        let parts: Vec<_> = logical
            .pieces
            .iter()
            .filter_map(|piece| Some((piece, overlap(&piece.joined, &word)?)))
            .collect();
        let last = parts.len().saturating_sub(1);
        for (index, (piece, part)) in parts.into_iter().enumerate() {
            let source = piece.source + part.start - piece.joined.start..piece.source + part.end - piece.joined.start;
            if index == last {
                self.0.push((source, new.to_owned()));
            } else if logical.text[piece.joined.start..part.start].trim().is_empty() {
                // Nothing but this part stood on the line.
                self.0.push((piece.line.clone(), "#".to_owned()));
            } else {
                self.0.push((source, String::new()));
            }
        }
    }

    /// Removes words from an instruction that keeps others after them.
    fn remove(&mut self, logical: &Logical, words: &[Range<usize>]) {
        // Where the last line that keeps something ends, and whether white space ends it.
        let mut kept_before: Option<(usize, bool)> = None;
        for piece in &logical.pieces {
            let content = &logical.text[piece.joined.clone()];
            let cuts: Vec<_> = words
                .iter()
                .filter_map(|word| cut(logical, &piece.joined, word))
                .collect();
            let mut kept = String::new();
            let mut at = 0;
            for cut in &cuts {
                kept.push_str(&content[at..cut.start]);
                at = cut.end;
            }
            kept.push_str(&content[at..]);
            if cuts.is_empty() || !kept.trim().is_empty() {
                let place = |cut: Range<usize>| (piece.source + cut.start..piece.source + cut.end, String::new());
                self.0.extend(cuts.into_iter().map(place));
                kept_before = Some((piece.source + content.len(), kept.ends_with(char::is_whitespace)));
                continue;
            }
            self.0.push((piece.line.clone(), PLACEHOLDER.to_owned()));
            if let Some((end, false)) = kept_before {
                // The white space that parted the words before and after this line is gone with it.
                self.0.push((end..end, " ".to_owned()));
                kept_before = Some((end, true));
            }
        }
    }
}

/// The part of a line to be cut with a word, counted from the line's beginning. The white space after the word goes
/// with it; that before it goes on separating what is left.
fn cut(logical: &Logical, line: &Range<usize>, word: &Range<usize>) -> Option<Range<usize>> {
    let part = overlap(line, word)?;
    let after = &logical.text[part.end..line.end];
    let end = part.end + after.len() - after.trim_start().len();
    Some(part.start - line.start..end - line.start)
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> Option<Range<usize>> {
    let range = one.start.max(other.start)..one.end.min(other.end);
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text).unwrap_or_else(|failure| panic!("{failure}\n{text}"))
    }

    /// What every rewrite must keep, whatever it changes.
    fn check_shape(before: &Dockerfile, after: &Dockerfile) {
        let shape = |dockerfile: &Dockerfile| {
            let lines = |it: &super::super::Instruction| (it.keyword.clone(), it.first_line, it.last_line, it.stage);
            dockerfile.instructions().iter().map(lines).collect::<Vec<_>>()
        };
        assert_eq!(shape(before), shape(after), "{}", after.text());
        assert_eq!(before.text().matches('\n').count(), after.text().matches('\n').count());
        let blanks = |text: &str| text.lines().filter(|line| line.trim().is_empty()).count();
        assert_eq!(
            blanks(before.text()),
            blanks(after.text()),
            "a blank line appeared:\n{}",
            after.text()
        );
    }

    fn without(text: &str) -> String {
        let before = parse(text);
        let after = before.without_cache_mounts();
        check_shape(&before, &after);
        assert_eq!(after.cache_mounts(), [], "{}", after.text());
        after.text().to_owned()
    }

    #[test]
    fn images_that_files_are_taken_from_get_other_names() {
        let replacement = BTreeMap::from([("uv:1".to_owned(), "127.0.0.1:5000/s:0".to_owned())]);
        let text = "FROM a AS uv\nCOPY --from=uv:1 --chown=1 /uv /bin/\nCOPY --from=uv x y\n\
                    RUN --mount=type=bind,from=uv:1,target=/u \\\n  --mount=type=cache,target=/c cmd uv:1\n";
        let before = parse(text);
        let after = with_sources(&before, &replacement);
        check_shape(&before, &after);
        assert_eq!(
            after.text(),
            text.replace("--from=uv:1", "--from=127.0.0.1:5000/s:0")
                .replace(",from=uv:1", ",from=127.0.0.1:5000/s:0")
        );
    }

    #[test]
    fn cache_mounts_go_and_all_else_stays() {
        for (text, expected) in [
            ("RUN --mount=type=cache,target=/x cmd", "RUN cmd"),
            ("RUN   --mount=type=cache,target=/x   cmd  a", "RUN   cmd  a"),
            ("run --mount=target=/x,sharing=locked,type=cache cmd", "run cmd"),
            ("RUN --mount=type=\"cache\",target=/x cmd", "RUN cmd"),
            (
                "RUN \"--mount=type=cache,target=/x\" cmd",
                "RUN \"--mount=type=cache,target=/x\" cmd",
            ),
            ("RUN --mount=\"type=cache,target=/a b\" cmd", "RUN cmd"),
            (
                "RUN --mount=type=bind,source=a,target=/a --mount=type=cache,target=/x --network=none cmd",
                "RUN --mount=type=bind,source=a,target=/a --network=none cmd",
            ),
            (
                "RUN --mount=type=cache,target=/x --mount=type=cache,target=/y cmd",
                "RUN cmd",
            ),
            ("RUN --mount=type=cache,target=/x [\"a\", \"b\"]", "RUN [\"a\", \"b\"]"),
            (
                "RUN --mount=type=cache,target=/x -- --mount=type=cache,target=/y",
                "RUN -- --mount=type=cache,target=/y",
            ),
            ("ONBUILD RUN --mount=type=cache,target=/x cmd", "ONBUILD RUN cmd"),
            (
                "RUN --mount=type=cache,target=/x \\\n    --mount=type=cache,target=/y \\\n    cmd",
                "RUN \\\n# (cache mount removed)\n    cmd",
            ),
            (
                "RUN \\\n  --mount=type=cache,target=/x \\\n  cmd \\\n  more",
                "RUN \\\n# (cache mount removed)\n  cmd \\\n  more",
            ),
            (
                "RUN --network=none\\\n --mount=type=cache,target=/x \\\n --mount=type=cache,target=/y \\\ncmd",
                "RUN --network=none \\\n# (cache mount removed)\n# (cache mount removed)\ncmd",
            ),
            (
                "RUN --mount=type=cache,\\\ntarget=/x,\\\n# why\n\nid=a cmd",
                "RUN \\\n# (cache mount removed)\n# why\n\ncmd",
            ),
            (
                "RUN --mount=type=secret,id=a \\\n # note\n --mount=type=cache,target=/x --mount=type=ssh \\\n cmd",
                "RUN --mount=type=secret,id=a \\\n # note\n --mount=type=ssh \\\n cmd",
            ),
            (
                "RUN --mount=type=cache,target=/x <<EOF\ncmd\nEOF",
                "RUN <<EOF\ncmd\nEOF",
            ),
            (
                "RUN --mount=type=cache,target=/x \\\r\n  --mount=type=cache,target=/y \\\r\n <<E cat\r\nb\r\nE\r\n",
                "RUN \\\r\n# (cache mount removed)\r\n <<E cat\r\nb\r\nE\r\n",
            ),
        ] {
            let head = "FROM a\n\n";
            let tail = if text.ends_with('\n') { "CMD x\n" } else { "\nCMD x\n" };
            // A flag in quotes as a whole is no flag: the builder looks for the dashes before it looks at quotes.
            if text.contains("\"--mount") {
                assert_eq!(
                    parse(&format!("{head}{text}{tail}")).without_cache_mounts().text(),
                    format!("{head}{expected}{tail}")
                );
                continue;
            }
            assert_eq!(
                without(&format!("{head}{text}{tail}")),
                format!("{head}{expected}{tail}")
            );
        }
    }

    #[test]
    fn the_escape_directive_is_respected() {
        assert_eq!(
            without("# escape=`\nFROM a\nRUN `\n --mount=type=cache,target=C:\\x `\n dir\nRUN x"),
            "# escape=`\nFROM a\nRUN `\n# (cache mount removed)\n dir\nRUN x"
        );
    }

    #[test]
    fn the_same_text_elsewhere_is_left_alone() {
        for text in [
            "FROM a\n# RUN --mount=type=cache,target=/x cmd\nRUN cmd",
            "FROM a\nRUN cmd --mount=type=cache,target=/x",
            "FROM a\nRUN cmd \\\n --mount=type=cache,target=/x",
            "FROM a\nRUN echo '--mount=type=cache,target=/x'",
            "FROM a\nRUN <<EOF\nRUN --mount=type=cache,target=/x cmd\nEOF\n",
            "FROM a\nCOPY <<EOF /x\nRUN --mount=type=cache,target=/x cmd\nEOF\n",
            "FROM a\nRUN \\\n # --mount=type=cache,target=/x\n cmd",
            "FROM a\nRUN --mount=type=bind,source=b,target=/type=cache cmd",
            "FROM a\nLABEL a=\"RUN --mount=type=cache,target=/x\"\nCMD --mount=type=cache,target=/x",
        ] {
            assert_eq!(without(text), text);
        }
    }

    #[test]
    fn a_run_without_a_command_is_left_as_it_is() {
        let text = "FROM a\nRUN \\\n --mount=type=cache,target=/x\nCMD y";
        assert_eq!(parse(text).without_cache_mounts().text(), text);
    }

    #[test]
    fn every_stage_is_rewritten() {
        let text = "FROM a AS one\nRUN --mount=type=cache,target=/x c\nFROM one AS two\n\nRUN --mount=type=cache,target=/y d\n";
        assert_eq!(without(text), "FROM a AS one\nRUN c\nFROM one AS two\n\nRUN d\n");
    }

    #[test]
    fn only_the_image_of_an_external_from_is_replaced() {
        let text = "ARG V=3\n# FROM python:3\nfrom --platform=linux/amd64  python:$V   AS python\nRUN echo python:3\n\
                    FROM python AS two\nFROM \\\n  # python:3\n  python:3 \\\n  AS three\nFROM other\nFROM scratch\n";
        let replacement = [("python:3", "local/py:x"), ("python", "no"), ("scratch", "local/empty")];
        let replacement = replacement.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
        let before = parse(text);
        let after = before.with_bases(&BTreeMap::new(), &replacement).unwrap();
        check_shape(&before, &after);
        assert_eq!(
            after.text(),
            "ARG V=3\n# FROM python:3\nfrom --platform=linux/amd64  local/py:x   AS python\nRUN echo python:3\n\
             FROM python AS two\nFROM \\\n  # python:3\n  local/py:x \\\n  AS three\nFROM other\nFROM local/empty\n"
        );
        let given = [("V".to_owned(), "4".to_owned())].into();
        let other = before.with_bases(&given, &replacement).unwrap();
        assert!(
            other.text().contains("python:$V   AS python"),
            "another reference than the one asked for"
        );
    }

    #[test]
    fn an_image_spread_over_lines_is_replaced_whole() {
        let replacement: BTreeMap<_, _> = [("python:3".to_owned(), "new".to_owned())].into();
        for (text, expected) in [
            ("FROM py\\\nthon:3\nCMD x", "FROM \\\nnew\nCMD x"),
            ("FROM \\\npy\\\nthon:3 AS y\nCMD x", "FROM \\\n#\nnew AS y\nCMD x"),
        ] {
            let after = parse(text).with_bases(&BTreeMap::new(), &replacement).unwrap();
            assert_eq!(after.text(), expected);
            check_shape(&parse(text), &after);
        }
    }
}
