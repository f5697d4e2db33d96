//! Checks a fixture: its folder, its `fixture.toml` and the variant that is used. Not for: making a build context of it
//! (that is the fixture room's).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::edits::edit;
use super::error::SuiteError;
use super::file::{FixtureFile, LockTable, VariantTable};
use super::locate::{Located, Source, nearest, tidy};
use super::model::{Fixture, LockSpec};
use super::overlay::find;
use super::parse::{inside, known, parse, plain, quantity, read};
use super::quantity as units;

/// The file that describes a fixture.
const FIXTURE_FILE: &str = "fixture.toml";

/// A checked fixture, with what later checks need of its file.
#[derive(Debug)]
pub(super) struct Loaded {
    pub fixture: Fixture,
    /// `fixture.toml` as read; `None` for a bare folder.
    pub(super) file: Option<(Source, FixtureFile)>,
}

/// Who asks for a variant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// The command line.
    CommandLine(&'a str),
    /// The suite.
    Suite(&'a Located<String>),
    /// Nobody: the fixture's default holds.
    Nobody,
}

/// Loads the fixture in the folder that a suite names.
pub(super) fn load(
    suite: &Source,
    folder: &Located<String>,
    suite_folder: &Path,
    asked: Asked<'_>,
) -> Result<Loaded, SuiteError> {
    let root = tidy(&suite_folder.join(folder.as_str()));
    if !root.is_dir() {
        return Err(SuiteError::Missing {
            place: suite.at(folder),
            what: "fixture folder",
            name: folder.get().clone(),
            suggestion: None,
            looked: vec![root],
        });
    }
    let path = root.join(FIXTURE_FILE);
    if !path.exists() {
        return bare(suite, root, asked);
    }
    let source = read("fixture", &path, path.clone())?;
    let file: FixtureFile = parse(&source)?;
    let fixture = checked(suite, &source, &file, root, asked)?;
    Ok(Loaded {
        fixture,
        file: Some((source, file)),
    })
}

/// A folder without a `fixture.toml`: the context as it is, without edits and variants.
fn bare(suite: &Source, root: PathBuf, asked: Asked<'_>) -> Result<Loaded, SuiteError> {
    choose(suite, asked, &[])?;
    // A folder such as `..` has a name only once it is resolved.
    let named = root.canonicalize().unwrap_or_else(|_| root.clone());
    let fixture = Fixture {
        name: named
            .file_name()
            .map_or_else(|| "fixture".to_owned(), |name| name.to_string_lossy().into_owned()),
        variant: String::new(),
        root,
        layers: vec![PathBuf::from(".")],
        placeholders: BTreeMap::new(),
        templates: Vec::new(),
        lock: None,
        edits: BTreeMap::new(),
        disk: None,
        trial_time: None,
    };
    Ok(Loaded { fixture, file: None })
}

/// The variant that is asked for, if it is one of those there are.
fn choose<'a>(suite: &Source, asked: Asked<'a>, variants: &[&str]) -> Result<Option<&'a str>, SuiteError> {
    match asked {
        Asked::Nobody => Ok(None),
        Asked::Suite(name) => known(suite, "variant", name, variants.iter().copied()).map(|()| Some(name.as_str())),
        Asked::CommandLine(name) if variants.contains(&name) => Ok(Some(name)),
        Asked::CommandLine(name) => Err(SuiteError::OverriddenVariant {
            name: name.to_owned(),
            expected: variants.iter().map(|&variant| variant.to_owned()).collect(),
            suggestion: nearest(name, variants.iter().copied()),
        }),
    }
}

fn checked(
    suite: &Source,
    source: &Source,
    file: &FixtureFile,
    root: PathBuf,
    asked: Asked<'_>,
) -> Result<Fixture, SuiteError> {
    plain(source, "the fixture's name", &file.name)?;
    let variants: Vec<&str> = file.variant.keys().map(|name| name.as_str()).collect();
    if let Some(default) = &file.default_variant {
        known(source, "variant", default, variants.iter().copied())?;
    }
    let chosen = choose(suite, asked, &variants)?.or(file.default_variant.as_ref().map(|name| name.as_str()));
    if chosen.is_none() && !variants.is_empty() {
        return Err(SuiteError::MissingKey {
            place: source.at(&file.name),
            key: "default_variant".to_owned(),
        });
    }
    let none = VariantTable::default();
    let table = file
        .variant
        .iter()
        .find(|(name, _)| Some(name.as_str()) == chosen)
        .map_or(&none, |(_, table)| table);

    let mut layers = Vec::new();
    for layer in file.layers.iter().chain(&table.layers) {
        layers.push(folder_in(source, &root, layer)?);
    }
    if layers.is_empty() {
        layers.push(PathBuf::from("."));
    }
    let mut fixture = Fixture {
        name: file.name.get().clone(),
        variant: chosen.unwrap_or_default().to_owned(),
        root,
        layers,
        placeholders: placeholders(source, file, table)?,
        templates: Vec::new(),
        lock: None,
        edits: BTreeMap::new(),
        disk: None,
        trial_time: None,
    };
    for template in &file.templates {
        fixture
            .templates
            .push(in_context(source, &fixture, template, "template")?);
    }
    fixture.lock = file
        .lock
        .as_ref()
        .map(|lock| lock_spec(source, &fixture, lock))
        .transpose()?;
    let disk = table.disk.as_ref().or(file.disk.as_ref());
    fixture.disk = disk
        .map(|text| quantity(source, "disk", text, units::size, units::SIZE))
        .transpose()?;
    let time = table.trial_time.as_ref().or(file.trial_time.as_ref());
    fixture.trial_time = time
        .map(|text| quantity(source, "trial_time", text, units::duration, units::DURATION))
        .transpose()?;
    for (name, table) in &file.edit {
        plain(source, "the name of an edit", name)?;
        let edit = edit(source, &fixture, name, table)?;
        fixture.edits.insert(name.get().clone(), edit);
    }
    Ok(fixture)
}

/// A folder below the fixture's, relative to it.
fn folder_in(source: &Source, root: &Path, name: &Located<String>) -> Result<PathBuf, SuiteError> {
    let path = inside(source, name, "the fixture's folder")?;
    if root.join(&path).is_dir() {
        return Ok(path);
    }
    Err(SuiteError::Missing {
        place: source.at(name),
        what: "layer",
        name: name.get().clone(),
        looked: vec![root.join(&path)],
        suggestion: None,
    })
}

/// A file of the context, which one of the layers must have.
pub(super) fn in_context(
    source: &Source,
    fixture: &Fixture,
    name: &Located<String>,
    what: &'static str,
) -> Result<PathBuf, SuiteError> {
    let path = inside(source, name, "the context")?;
    if find(fixture, &path).is_some() {
        return Ok(path);
    }
    Err(SuiteError::Missing {
        place: source.at(name),
        what,
        name: name.get().clone(),
        looked: fixture
            .layers
            .iter()
            .map(|layer| tidy(&fixture.root.join(layer).join(&path)))
            .collect(),
        suggestion: None,
    })
}

fn placeholders(
    source: &Source,
    file: &FixtureFile,
    variant: &VariantTable,
) -> Result<BTreeMap<String, String>, SuiteError> {
    let mut placeholders = BTreeMap::new();
    for (name, value) in file.placeholders.iter().chain(&variant.placeholders) {
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        // `@N@` is the number of an edit's application.
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !name.chars().all(allowed) || name.as_str() == "N" {
            return Err(SuiteError::Value {
                place: source.at(name),
                subject: "the name of a placeholder",
                found: format!("{:?}", name.get()),
                expected: "capital letters, digits and \"_\", a letter first, and not \"N\"".to_owned(),
            });
        }
        placeholders.insert(name.get().clone(), value.clone());
    }
    Ok(placeholders)
}

fn lock_spec(source: &Source, fixture: &Fixture, lock: &LockTable) -> Result<LockSpec, SuiteError> {
    if lock.command.is_empty() {
        return Err(SuiteError::Empty {
            place: source.at(&lock.command),
            subject: "the command that makes the lock file",
            expected: "a program and its arguments",
            excluded: false,
        });
    }
    let inputs = lock
        .inputs
        .iter()
        .map(|input| in_context(source, fixture, input, "input of the lock file"));
    Ok(LockSpec {
        file: inside(source, &lock.file, "the context")?,
        inputs: inputs.collect::<Result<_, _>>()?,
        command: lock.command.get().clone(),
    })
}
