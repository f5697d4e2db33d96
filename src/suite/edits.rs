//! Checks edits: that they stay in the context, that what they replace is there, and that something changes. Not for:
//! applying them to files (that is the fixture room's).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::SuiteError;
use super::file::{ChangeTable, EditTable};
use super::fixture::{Loaded, in_context};
use super::locate::{Located, Place, Source, tidy};
use super::model::{Change, Edit, Fixture};
use super::overlay::{fill_placeholders, filled, find, python_minors};
use super::parse::{inside, read};

/// How often an edit may be repeated in one trial, for the check that `@N@` never restores the text it replaces.
const REPEATS: u32 = 100;

/// What it is that changes nothing.
fn nothing(place: Box<Place>, edit: &Located<String>, reason: &'static str) -> SuiteError {
    SuiteError::EditChangesNothing {
        place,
        edit: edit.get().clone(),
        reason,
    }
}

/// Checks what can be said of an edit without looking at the context: another variant's files may be meant.
pub(super) fn edit(
    source: &Source,
    fixture: &Fixture,
    name: &Located<String>,
    table: &EditTable,
) -> Result<Edit, SuiteError> {
    if table.change.is_empty() {
        return Err(nothing(source.at(name), name, "it has no [[change]]"));
    }
    let changes = table.change.iter().map(|table| change(source, fixture, name, table));
    Ok(Edit {
        name: name.get().clone(),
        description: table.description.clone(),
        changes: changes.collect::<Result<_, _>>()?,
    })
}

fn change(
    source: &Source,
    fixture: &Fixture,
    edit: &Located<String>,
    table: &ChangeTable,
) -> Result<Change, SuiteError> {
    let file = inside(source, &table.file, "the context")?;
    if table.find.is_empty() {
        return Err(nothing(source.at(&table.find), edit, "its text is empty"));
    }
    if table.replace.0.is_empty() {
        return Err(nothing(source.at(&table.replace), edit, "it has no replacement"));
    }
    // Known placeholders are filled in here, so that whoever applies the edit compares finished texts.
    let finished = |text: &String| {
        if fixture.templates.contains(&file) {
            fill_placeholders(text, &fixture.placeholders)
        } else {
            text.clone()
        }
    };
    let find = finished(&table.find);
    let replace: Vec<String> = table.replace.0.iter().map(finished).collect();
    let becomes_find = |text: &String| (1..=REPEATS).any(|number| numbered(text, number) == find);
    if replace.iter().any(becomes_find) {
        return Err(nothing(
            source.at(&table.replace),
            edit,
            "a replacement is the text that it replaces",
        ));
    }
    Ok(Change { file, find, replace })
}

/// A replacement as it is for the k-th application of its edit in a trial.
fn numbered(text: &str, number: u32) -> String {
    text.replace("@N@", &number.to_string())
}

impl Loaded {
    /// Tries an edit on the context in memory: its files must be there, its texts in them, and something changed.
    pub fn try_edit(&self, name: &str) -> Result<(), SuiteError> {
        let Some((source, file)) = &self.file else {
            return Ok(());
        };
        let tables = file.edit.iter().find(|(key, _)| key.as_str() == name);
        let (Some((key, table)), Some(edit)) = (tables, self.fixture.edits.get(name)) else {
            return Ok(());
        };

        let mut texts: BTreeMap<&Path, (PathBuf, String)> = BTreeMap::new();
        for (written, change) in table.change.iter().zip(&edit.changes) {
            if self.is_made_later(&change.file) || texts.contains_key(change.file.as_path()) {
                continue;
            }
            in_context(source, &self.fixture, &written.file, "file of the context")?;
            let path = tidy(&find(&self.fixture, &change.file).unwrap_or_default());
            let text = read("file of the context", &path, path.clone())?.text;
            texts.insert(&change.file, (path, text));
        }
        // The edit is good if it works with any Python there may be; if with none, what got furthest is told.
        let mut furthest = 0;
        for minor in python_minors() {
            match self.attempt(edit, &texts, &minor) {
                Attempt::Works => return Ok(()),
                Attempt::FindsNothing(change) => furthest = furthest.max(change),
                Attempt::Undone => furthest = edit.changes.len(),
            }
        }
        let edit_name = name.to_owned();
        let failed = edit
            .changes
            .get(furthest)
            .and_then(|change| texts.get(change.file.as_path()));
        match (table.change.get(furthest), failed) {
            (Some(written), Some((path, _))) => Err(SuiteError::EditFindsNothing {
                place: source.at(&written.find),
                edit: edit_name,
                path: path.clone(),
            }),
            _ => Err(SuiteError::EditChangesNothing {
                place: source.at(key),
                edit: edit_name,
                reason: "its changes undo each other",
            }),
        }
    }

    /// Whether a file is made before the first trial and not in the layers: then nothing can be said of it now.
    fn is_made_later(&self, file: &Path) -> bool {
        self.fixture.lock.as_ref().is_some_and(|lock| lock.file == file) && find(&self.fixture, file).is_none()
    }

    /// Applies the first form of every change, one after the other, as if the base image's Python were `minor`.
    fn attempt(&self, edit: &Edit, texts: &BTreeMap<&Path, (PathBuf, String)>, minor: &str) -> Attempt {
        let before: BTreeMap<&Path, String> = texts
            .iter()
            .map(|(file, (_, text))| (*file, filled(&self.fixture, file, text, minor)))
            .collect();
        let mut after = before.clone();
        for (index, change) in edit.changes.iter().enumerate() {
            let Some(text) = after.get_mut(change.file.as_path()) else {
                continue;
            };
            let find = filled(&self.fixture, &change.file, &change.find, minor);
            if !text.contains(&find) {
                return Attempt::FindsNothing(index);
            }
            let replacement = change
                .replace
                .first()
                .map(|text| text.replace("@N@", "1"))
                .unwrap_or_default();
            *text = text.replace(&find, &filled(&self.fixture, &change.file, &replacement, minor));
        }
        if before == after && !before.is_empty() {
            Attempt::Undone
        } else {
            Attempt::Works
        }
    }
}

/// What trying an edit came to.
enum Attempt {
    Works,
    /// The text of the change of this number is not there.
    FindsNothing(usize),
    /// In the end everything is as it was.
    Undone,
}
