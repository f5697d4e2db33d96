//! Cuts a Dockerfile into logical lines: joins continuations, leaves out comments, swallows heredoc bodies, and
//! remembers for every byte where it came from. Not for: what instructions mean.

use std::ops::Range;

use super::DockerfileError;
use super::command::{Command, split};
use super::expand::{raw_words, words};

/// One instruction's text as the builder sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical {
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line, heredoc bodies included.
    pub last_line: u32,
    /// The joined text.
    pub text: String,
    /// The lines that the text came from; those that add nothing (comments, blank lines) are not among them.
    pub pieces: Vec<Piece>,
    /// The text taken apart.
    pub command: Command,
    /// For ONBUILD, the instruction that it sets off.
    pub trigger: Option<Command>,
    /// The words that open heredocs, such as `<<-EOF`.
    pub heredocs: Vec<String>,
}

/// The part of a logical line that came from one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it stands in the joined text.
    pub joined: Range<usize>,
    /// The byte in the file where it begins.
    pub source: usize,
    /// The whole line in the file, without its line end.
    pub line: Range<usize>,
}

impl Logical {
    /// The instruction itself, or the one that an ONBUILD sets off.
    pub fn effective(&self) -> &Command {
        self.trigger.as_ref().unwrap_or(&self.command)
    }
}

/// A cut-up Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The escape character that the file asks for.
    pub escape: char,
    /// Its instructions.
    pub logical: Vec<Logical>,
}

pub(super) fn error(line: u32, message: impl Into<String>) -> DockerfileError {
    DockerfileError {
        line,
        message: message.into(),
    }
}

/// A line of the file: its number, where it begins, its text without the line end.
#[derive(Clone, Copy)]
struct Line<'t> {
    number: u32,
    start: usize,
    text: &'t str,
}

impl Line<'_> {
    fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with('#')
    }

    fn is_blank(&self) -> bool {
        self.text.trim_start().is_empty()
    }
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').zip(1..).map(move |(raw, number)| {
        let mut line = Line {
            number,
            start,
            text: raw.trim_end_matches(['\r', '\n']),
        };
        start += raw.len();
        if let (1, Some(rest)) = (number, line.text.strip_prefix('\u{feff}')) {
            line = Line {
                start: line.text.len() - rest.len(),
                text: rest,
                ..line
            };
        }
        line
    })
}

/// Cuts `text` up.
///
/// # Errors
/// If a parser directive is wrong or a heredoc is not closed.
pub(super) fn cut(text: &str) -> Result<Source, DockerfileError> {
    let mut lines = lines(text);
    let mut directives = Directives::default();
    let mut logical = Vec::new();
    while let Some(line) = lines.next() {
        directives.read(line)?;
        if line.is_comment() || line.is_blank() {
            continue;
        }
        logical.push(join(line, &mut lines, directives.escape())?);
    }
    Ok(Source {
        escape: directives.escape(),
        logical,
    })
}

/// The instruction that begins in `first`, with the lines that belong to it.
fn join<'t>(
    first: Line<'t>,
    lines: &mut impl Iterator<Item = Line<'t>>,
    escape: char,
) -> Result<Logical, DockerfileError> {
    let mut text = String::new();
    let mut pieces = Vec::new();
    let mut last_line = first.number;
    let mut next = Some(first);
    while let Some(line) = next {
        last_line = line.number;
        // Comments and blank lines neither add to an instruction nor end it.
        if line.is_comment() || line.is_blank() {
            next = lines.next();
            continue;
        }
        // Only the first line loses its indentation; later ones keep it, as in the builder.
        let content = if pieces.is_empty() {
            line.text.trim_start()
        } else {
            line.text
        };
        let source = line.start + line.text.len() - content.len();
        let (content, goes_on) = match without_continuation(content, escape) {
            Some(content) => (content, true),
            None => (content, false),
        };
        let joined = text.len()..text.len() + content.len();
        pieces.push(Piece {
            joined,
            source,
            line: line.start..line.start + line.text.len(),
        });
        text.push_str(content);
        next = if goes_on { lines.next() } else { None };
    }
    let command = split(&text, 0, escape);
    let trigger = (command.keyword == "ONBUILD").then(|| split(&text, command.arguments.start, escape));
    let mut logical = Logical {
        first_line: first.number,
        last_line,
        text,
        pieces,
        command,
        trigger,
        heredocs: Vec::new(),
    };
    for heredoc in heredocs(&logical) {
        let closed = lines.find(|line| {
            last_line = line.number;
            let text = if heredoc.chomp {
                line.text.trim_start_matches('\t')
            } else {
                line.text
            };
            text == heredoc.name
        });
        if closed.is_none() {
            let message = format!(
                "the heredoc {} is never closed: expected a line `{}`",
                heredoc.word, heredoc.name
            );
            return Err(error(first.number, message));
        }
        logical.heredocs.push(heredoc.word);
    }
    logical.last_line = last_line;
    Ok(logical)
}

/// The line without the escape that makes it go on in the next line; `None` if it does not.
fn without_continuation(line: &str, escape: char) -> Option<&str> {
    let content = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    // An escaped escape is a character like any other.
    (!content.ends_with(escape)).then_some(content)
}

struct Heredoc {
    word: String,
    name: String,
    chomp: bool,
}

/// The heredocs that an instruction opens. Only RUN, COPY and ADD in their shell form can.
fn heredocs(logical: &Logical) -> Vec<Heredoc> {
    let command = logical.effective();
    if !matches!(command.keyword.as_str(), "RUN" | "COPY" | "ADD") || !logical.text.contains("<<") {
        return Vec::new();
    }
    if serde_json::from_str::<Vec<String>>(&logical.text[command.arguments.clone()]).is_ok() {
        return Vec::new();
    }
    // Heredoc words are lexed with the backslash whatever the file's escape character is.
    raw_words(&logical.text, '\\')
        .unwrap_or_default()
        .into_iter()
        .filter_map(heredoc)
        .collect()
}

/// `3<<-"EOF"` taken apart.
fn heredoc(word: String) -> Option<Heredoc> {
    let rest = word
        .trim_start_matches(|ch: char| ch.is_ascii_digit())
        .strip_prefix("<<")?;
    let (rest, chomp) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let name = match words(rest, '\\')?.as_slice() {
        [name] => name.clone(),
        _ => return None,
    };
    Some(Heredoc { word, name, chomp })
}

/// The parser directives at the top of the file.
#[derive(Default)]
struct Directives {
    escape: Option<char>,
    seen: Vec<String>,
    over: bool,
}

impl Directives {
    fn escape(&self) -> char {
        self.escape.unwrap_or('\\')
    }

    /// Reads a line; the first that is no directive ends them all.
    fn read(&mut self, line: Line<'_>) -> Result<(), DockerfileError> {
        if self.over {
            return Ok(());
        }
        let Some((name, value)) = directive(line.text.trim()) else {
            self.over = true;
            return Ok(());
        };
        if self.seen.contains(&name) {
            return Err(error(
                line.number,
                format!("the parser directive `{name}` is given twice: expected it once"),
            ));
        }
        if name == "escape" {
            self.escape = match value {
                "\\" => Some('\\'),
                "`" => Some('`'),
                _ => {
                    return Err(error(line.number, format!("escape={value}: expected \\ or `")));
                }
            };
        }
        self.seen.push(name);
        Ok(())
    }
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim().to_lowercase(), value.trim());
    (matches!(name.as_str(), "syntax" | "escape" | "check") && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First line, last line and joined text of every instruction.
    fn cut_up(text: &str) -> Vec<(u32, u32, String)> {
        let source = cut(text).unwrap();
        source
            .logical
            .into_iter()
            .map(|it| (it.first_line, it.last_line, it.text))
            .collect()
    }

    fn texts(text: &str) -> Vec<String> {
        cut_up(text).into_iter().map(|it| it.2).collect()
    }

    #[test]
    fn continuations_skip_comments_and_blank_lines() {
        let text = "FROM a\n\nRUN one \\  \n# comment \\\n\n   # indented\n  two \\\n\n  three\nCMD x\n";
        assert_eq!(
            cut_up(text),
            [
                (1, 1, "FROM a".to_owned()),
                (3, 9, "RUN one   two   three".to_owned()),
                (10, 10, "CMD x".to_owned())
            ]
        );
    }

    #[test]
    fn carriage_returns_and_a_byte_order_mark_disappear() {
        assert_eq!(
            texts("\u{feff}FROM a\r\nRUN b \\\r\n  c\r\nRUN <<E\r\nx\r\nE\r\nCMD d"),
            ["FROM a", "RUN b   c", "RUN <<E", "CMD d"]
        );
    }

    #[test]
    fn the_end_of_the_file_ends_a_continuation() {
        assert_eq!(cut_up("FROM a \\\n"), [(1, 1, "FROM a ".to_owned())]);
        assert_eq!(cut_up("FROM a \\\n# c\n"), [(1, 2, "FROM a ".to_owned())]);
    }

    #[test]
    fn an_escaped_escape_does_not_continue_the_line() {
        assert_eq!(texts("RUN a \\\\\nRUN b \\\n\\\n c"), ["RUN a \\\\", "RUN b  c"]);
    }

    #[test]
    fn the_escape_directive_counts_only_at_the_top() {
        assert_eq!(
            texts("# escape=`\nRUN a `\n b\nRUN c \\\nRUN d"),
            ["RUN a  b", "RUN c \\", "RUN d"]
        );
        assert_eq!(texts("#Syntax = x/y:1\n#ESCAPE = `\nRUN a `\n b"), ["RUN a  b"]);
        assert_eq!(texts("# note\n# escape=`\nRUN a `\nRUN b"), ["RUN a `", "RUN b"]);
        assert_eq!(texts("\n# escape=`\nRUN a `\nRUN b"), ["RUN a `", "RUN b"]);
        assert_eq!(cut("# escape=x\nFROM a").unwrap_err().line, 1);
        assert_eq!(cut("# escape=`\n# escape=`\nFROM a").unwrap_err().line, 2);
    }

    #[test]
    fn heredoc_bodies_belong_to_their_instruction() {
        let text =
            "RUN <<EOF\nFROM no\n# kept \\\n EOF\nEOF\nCOPY <<a <<-\"b c\" /x\nCOPY\na\n\tbody\n\t\tb c\nCMD x\n";
        assert_eq!(
            cut_up(text),
            [
                (1, 5, "RUN <<EOF".to_owned()),
                (6, 10, "COPY <<a <<-\"b c\" /x".to_owned()),
                (11, 11, "CMD x".to_owned())
            ]
        );
        assert_eq!(cut(text).unwrap().logical[1].heredocs, ["<<a", "<<-\"b c\""]);
    }

    #[test]
    fn heredocs_open_only_where_the_builder_lets_them() {
        for text in [
            "CMD cat <<EOF\nRUN x",
            "RUN [\"cat\", \"<<EOF\"]\nRUN x",
            "RUN echo '<<EOF'\nRUN x",
            "RUN cat <<<EOF\nRUN x",
            "RUN echo $((1 << 2))\nRUN x",
            "RUN echo \"<<EOF it's\"\nRUN x",
        ] {
            assert_eq!(texts(text).len(), 2, "{text}");
        }
        for text in [
            "RUN cat <<'EOF' && x\nRUN y\nEOF\nRUN x",
            "ONBUILD RUN <<EOF\nRUN y\nEOF\nRUN x",
            "RUN 3<<EOF cat\nRUN y\nEOF\nRUN x",
            "RUN --mount=type=cache,target=/c \\\n <<EOF\nRUN y\nEOF\nRUN x",
            "run x=$(cat <<EOF) \\\n y\nRUN y\nEOF)\nRUN x",
        ] {
            assert_eq!(texts(text).len(), 2, "{text}");
        }
    }

    #[test]
    fn an_open_heredoc_is_an_error_with_its_line() {
        let failure = cut("FROM a\nRUN <<EOF\nx\n EOF\n").unwrap_err();
        assert_eq!((failure.line, failure.message.contains("`EOF`")), (2, true));
    }

    #[test]
    fn every_piece_knows_its_place() {
        let text = "FROM a\r\n  RUN one \\\r\n # c\r\n two";
        let source = cut(text).unwrap();
        for logical in &source.logical {
            for piece in &logical.pieces {
                let length = piece.joined.len();
                assert_eq!(
                    &logical.text[piece.joined.clone()],
                    &text[piece.source..piece.source + length]
                );
            }
        }
    }
}
