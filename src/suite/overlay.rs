//! What the context will hold: the layers of a fixture laid over each other, placeholders filled in, edits tried out
//! in memory. Not for: writing any of it (that is the fixture room's).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::model::Fixture;

/// The placeholder that the runner knows and a suite does not: the minor version of the Python in the base image.
const PYTHON_MINOR: &str = "PYTHON_MINOR";

/// Replaces every `@NAME@` by the placeholder's value. A value is not looked through again, and an `@NAME@` that has
/// no value stays.
#[must_use]
pub fn fill_placeholders(text: &str, placeholders: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('@') {
        let (before, from_at) = rest.split_at(start);
        filled.push_str(before);
        let value = from_at[1..]
            .find('@')
            .and_then(|end| Some((placeholders.get(&from_at[1..=end])?, end + 2)));
        let after = if let Some((value, after)) = value {
            filled.push_str(value);
            after
        } else {
            filled.push('@');
            1
        };
        rest = &from_at[after..];
    }
    filled.push_str(rest);
    filled
}

/// The file that the context takes from the layers: that of the topmost layer which has it.
pub(super) fn find(fixture: &Fixture, file: &Path) -> Option<PathBuf> {
    fixture
        .layers
        .iter()
        .rev()
        .map(|layer| fixture.root.join(layer).join(file))
        .find(|path| path.is_file())
}

/// The text of a file of the context, or of an edit of it, if the base image's Python were `minor`.
pub(super) fn filled(fixture: &Fixture, file: &Path, text: &str, minor: &str) -> String {
    if !fixture.templates.iter().any(|template| template == file) {
        return text.to_owned();
    }
    let mut placeholders = fixture.placeholders.clone();
    placeholders
        .entry(PYTHON_MINOR.to_owned())
        .or_insert_with(|| minor.to_owned());
    fill_placeholders(text, &placeholders)
}

/// The minor versions of Python that a base image may have: which one is not known before the image is.
pub(super) fn python_minors() -> impl Iterator<Item = String> {
    (6..30).map(|minor| format!("3.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_unknown_ones_stay() {
        let values = BTreeMap::from([("A".to_owned(), "@B@".to_owned()), ("B".to_owned(), "b".to_owned())]);
        let fill = |text: &str| fill_placeholders(text, &values);
        assert_eq!(fill("x@A@y@B@"), "x@B@yb");
        assert_eq!(fill("me@home @C@ @@B@ @"), "me@home @C@ @b @");
        assert_eq!(fill("@B"), "@B");
        assert_eq!(fill("a@x@B@"), "a@xb");
        assert_eq!(fill("ü@B@ü"), "übü");
    }
}
