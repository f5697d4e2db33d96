//! Where in a file something stands: values that know their span, the line with a caret under it, and the nearest
//! known name to one that is not known. Not for: deciding what is wrong.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

/// A value that knows the bytes of the file it was read from. In a JSON Schema it looks like the value itself, which
/// `toml::Spanned` does not.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Located<T>(toml::Spanned<T>);

impl<T> Located<T> {
    /// The bytes in the file that hold the value, from its first to behind its last.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.0.span()
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> &T {
        self.0.get_ref()
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T: PartialOrd> PartialOrd for Located<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.get().partial_cmp(other.get())
    }
}

impl<T: Ord> Ord for Located<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(other.get())
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A text file as it was read: turns spans into places.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The path, as people should see it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors hold their places in boxes, to stay small"
)]
impl Source {
    /// The place of a span of bytes. A span outside the text is moved to its nearest end.
    pub fn place(&self, span: Range<usize>) -> Box<Place> {
        let start = floor_char_boundary(&self.text, span.start);
        let end = floor_char_boundary(&self.text, span.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let rest = &self.text[line_start..];
        let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let marked = self.text[start..end]
            .split('\n')
            .next()
            .unwrap_or_default()
            .trim_end_matches('\r')
            .chars()
            .count();
        let before = &self.text[line_start..start];
        Box::new(Place {
            path: self.path.clone(),
            line: self.text[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            excerpt: Some(Excerpt {
                text: line.to_owned(),
                // Tabs are kept, so that the caret stands under its text whatever width the terminal gives them.
                indent: before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect(),
                carets: marked.max(1),
            }),
        })
    }

    /// The place of a located value.
    pub fn at<T>(&self, located: &Located<T>) -> Box<Place> {
        self.place(located.span())
    }

    /// The place of a whole line, counted from 1: what is marked is its text without the space around it.
    pub fn line(&self, line: u32) -> Box<Place> {
        let mut start = 0;
        for (number, text) in (1u32..).zip(self.text.split('\n')) {
            if number == line {
                let indent = text.len() - text.trim_start().len();
                return self.place(start + indent..start + text.trim_end().len().max(indent));
            }
            start += text.len() + 1;
        }
        self.place(self.text.len()..self.text.len())
    }
}

/// `str::floor_char_boundary` for the Rust version that this crate supports.
fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// A place in a text file. Displays as `scenarios/x.toml:12:8`; the line itself is [`Place::excerpt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    excerpt: Option<Excerpt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    indent: String,
    carets: usize,
}

impl Place {
    /// The place without its line, for one that holds a secret.
    pub(super) fn unquoted(mut self) -> Self {
        self.excerpt = None;
        self
    }

    /// The line with carets under the place, for the end of a message: begins with a line break and has none at its
    /// end.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let Some(excerpt) = &self.excerpt else {
            return String::new();
        };
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let line = format!("{number} | {}", excerpt.text);
        let (line, indent, carets) = (line.trim_end(), &excerpt.indent, "^".repeat(excerpt.carets));
        format!("\n{margin} |\n{line}\n{margin} | {indent}{carets}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// The candidate that `name` was most likely meant to be, if one is near.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        // The first of equally near ones, so that the message does not depend on anything but the file.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, candidate)| candidate.to_owned())
}

/// A path without `.` and with `x/..` removed, as long as that still leads to the same place (a symbolic link may
/// stand in the way).
pub(super) fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidied.components().next_back(), Some(Component::Normal(_))) => {
                tidied.pop();
            }
            other => tidied.push(other),
        }
    }
    if tidied.as_os_str().is_empty() {
        tidied.push(".");
    }
    match (path.canonicalize(), tidied.canonicalize()) {
        (Ok(there), Ok(here)) if there != here => path.to_owned(),
        // Where neither exists, the message that says so reads better with the short one.
        (Ok(_), Err(_)) => path.to_owned(),
        _ => tidied,
    }
}

/// The folder that holds a file, `.` for a bare name.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: PathBuf::from("x.toml"),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source = source("a = 1\n  é = \"ü\" # c\r\nlast");
        let start = source.text.find('"').unwrap();
        let place = source.place(start..start + 4);
        assert_eq!(place.to_string(), "x.toml:2:7");
        assert_eq!(place.excerpt(), "\n  |\n2 |   é = \"ü\" # c\n  |       ^^^");
    }

    #[test]
    fn a_span_of_several_lines_marks_the_rest_of_the_first() {
        let source = source("x = [\r\n 1,\r\n]\r\n");
        let place = source.place(4..12);
        assert_eq!((place.line, place.column), (1, 5));
        assert_eq!(place.excerpt(), "\n  |\n1 | x = [\n  |     ^");
    }

    #[test]
    fn tabs_before_the_place_are_kept_under_it() {
        assert_eq!(source("\tkey").place(1..4).excerpt(), "\n  |\n1 | \tkey\n  | \t^^^");
    }

    #[test]
    fn an_empty_or_wild_span_is_still_a_place() {
        let source = source("ab\n");
        assert_eq!(source.place(900..1000).to_string(), "x.toml:2:1");
        assert_eq!(source.place(1..1).excerpt(), "\n  |\n1 | ab\n  |  ^");
    }

    #[test]
    fn a_line_is_marked_without_its_indent() {
        let source = source("FROM a\n  RUN b  \n");
        assert_eq!(source.line(2).to_string(), "x.toml:2:3");
        assert_eq!(source.line(2).excerpt(), "\n  |\n2 |   RUN b\n  |   ^^^^^");
        assert_eq!(source.line(99).to_string(), "x.toml:3:1");
    }

    #[test]
    fn the_nearest_name_is_near_or_none() {
        let edits = ["bump-light", "touch-source"];
        assert_eq!(nearest("bump-lite", edits).as_deref(), Some("bump-light"));
        assert_eq!(nearest("Touch_Source", edits).as_deref(), Some("touch-source"));
        assert_eq!(nearest("unrelated", edits), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn tidy_removes_detours_but_not_through_links() {
        assert_eq!(tidy(Path::new("nowhere/./a/../b")), Path::new("nowhere/b"));
        assert_eq!(tidy(Path::new("../a")), Path::new("../a"));
        assert_eq!(tidy(Path::new("a/..")), Path::new("."));
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("real/deep")).unwrap();
        std::fs::create_dir(folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real/deep"), folder.path().join("link")).unwrap();
        let through_link = folder.path().join("link/..");
        assert_eq!(tidy(&through_link), through_link);
        assert_eq!(tidy(&folder.path().join("other/../real")), folder.path().join("real"));
    }
}
