//! What can be wrong with a suite, a fixture or a Dockerfile, said so that it can be mended without a manual.

use std::fmt;
use std::path::PathBuf;

use super::locate::Place;
use super::model::PhaseKind;

/// Why a suite could not be loaded. Displays as `file:line:column: what is wrong; what was expected`, followed by the
/// line with a caret under the place, wherever there is one.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file could not be read.
    #[error("can't read the {what} {}", path.display())]
    Read {
        /// What the file is: `suite`, `fixture`, `Dockerfile`, `file of the context`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{place}: {message}{}", place.excerpt())]
    Syntax {
        /// Where.
        place: Box<Place>,
        /// What the parser expected.
        message: String,
    },
    /// A key that must be there is not.
    #[error("{place}: the key {key:?} is missing{}", place.excerpt())]
    MissingKey {
        /// The table that lacks it.
        place: Box<Place>,
        /// The key.
        key: String,
    },
    /// The file is written for another version of the format.
    #[error("{place}: schema {found} is not known to this version; expected {expected}{}", place.excerpt())]
    Schema {
        /// Where the file says so.
        place: Box<Place>,
        /// What it says.
        found: i64,
        /// What this version reads.
        expected: i64,
    },
    /// A name that stands for nothing.
    #[error("{place}: unknown {kind} {name:?}; {}{}{}", one_of(expected), meant(suggestion.as_ref()), place.excerpt())]
    Unknown {
        /// Where it is used.
        place: Box<Place>,
        /// What it should name: `edit`, `factor`, `key`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        expected: Vec<String>,
        /// The one that is nearest.
        suggestion: Option<String>,
    },
    /// Two things of one name.
    #[error("{place}: the {kind} {name:?} is there twice, first in line {first}{}", place.excerpt())]
    Duplicate {
        /// Where the second one is.
        place: Box<Place>,
        /// What they are: `scenario`, `phase`.
        kind: &'static str,
        /// Their name.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// A value that can't be used.
    #[error("{place}: {subject} can't be {found}; expected {expected}{}", place.excerpt())]
    Value {
        /// Where it is.
        place: Box<Place>,
        /// What has it: `rounds`, `the timeout`.
        subject: &'static str,
        /// The value as written.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Something that must not be empty is.
    #[error("{place}: {subject} {}; expected {expected}{}", if *excluded { "are all excluded" } else { "is empty" },
        place.excerpt())]
    Empty {
        /// Where.
        place: Box<Place>,
        /// What is empty.
        subject: &'static str,
        /// What should be there.
        expected: &'static str,
        /// Whether there was something before `[[exclude]]` took it away.
        excluded: bool,
    },
    /// Keys that don't go together.
    #[error("{place}: {message}{}", place.excerpt())]
    Conflict {
        /// Where one of them is.
        place: Box<Place>,
        /// Which, and which of them to use.
        message: &'static str,
    },
    /// A file or folder that is not there.
    #[error("{place}: there is no {what} {name:?}; looked for {}{}{}", paths(looked), meant(suggestion.as_ref()),
        place.excerpt())]
    Missing {
        /// Where it is named.
        place: Box<Place>,
        /// What it should be.
        what: &'static str,
        /// As it is named.
        name: String,
        /// The paths where it should be.
        looked: Vec<PathBuf>,
        /// The nearest name in the same folder.
        suggestion: Option<String>,
    },
    /// A path that leaves the folder that it must stay in.
    #[error("{place}: the path {name:?} leaves {inside}; expected a relative path without \"..\"{}", place.excerpt())]
    Outside {
        /// Where it is.
        place: Box<Place>,
        /// The path as written.
        name: String,
        /// What it must stay in: `the context`, `the fixture's folder`.
        inside: &'static str,
    },
    /// A push or a start of an image that no build before it makes, or a pull of one that none pushes.
    #[error("{place}: no {} before this {} {} the image {image:?}; {}{}{}", needed.name(), kind.name(),
        if *needed == PhaseKind::Push { "sends" } else { "makes" }, one_of(made), meant(suggestion.as_ref()),
        place.excerpt())]
    NoImage {
        /// Where the phase names it.
        place: Box<Place>,
        /// What the phase does.
        kind: PhaseKind,
        /// What must come before it.
        needed: PhaseKind,
        /// The image.
        image: String,
        /// The images that such phases before it have.
        made: Vec<String>,
        /// The one that is nearest.
        suggestion: Option<String>,
    },
    /// A Dockerfile that can't be understood.
    #[error("{place}: {message}{}", place.excerpt())]
    Dockerfile {
        /// The Dockerfile's line.
        place: Box<Place>,
        /// What is wrong with it.
        message: String,
    },
    /// A combination that the classic builder can't build.
    #[error("{place}: the scenario {scenario:?} can't be built with builder = \"classic\": {}:{} needs BuildKit \
             ({reason}){}\n{dockerfile}:{}", dockerfile.path.display(), dockerfile.line, place.excerpt(), dockerfile.excerpt())]
    Classic {
        /// Where the suite asks for the classic builder.
        place: Box<Place>,
        /// The scenario's name in the suite.
        scenario: String,
        /// The Dockerfile's line.
        dockerfile: Box<Place>,
        /// What the classic builder does not have.
        reason: String,
        /// The combination to exclude, but for the scenario.
        exclude: Vec<(String, String)>,
    },
    /// An edit of a text that is not in its file.
    #[error("{place}: the edit {edit:?} changes nothing: its text does not occur in {}{}", path.display(),
        place.excerpt())]
    EditFindsNothing {
        /// Where the text is.
        place: Box<Place>,
        /// The edit.
        edit: String,
        /// The file that was searched.
        path: PathBuf,
    },
    /// An edit that leaves everything as it was.
    #[error("{place}: the edit {edit:?} changes nothing: {reason}{}", place.excerpt())]
    EditChangesNothing {
        /// Where.
        place: Box<Place>,
        /// The edit.
        edit: String,
        /// Why.
        reason: &'static str,
    },
    /// A variant on the command line that the fixture does not have.
    #[error("--fixture: unknown variant {name:?}; {}{}", one_of(expected), meant(suggestion.as_ref()))]
    OverriddenVariant {
        /// The variant.
        name: String,
        /// Those that the fixture has.
        expected: Vec<String>,
        /// The one that is nearest.
        suggestion: Option<String>,
    },
    /// No rounds, on the command line.
    #[error("--rounds: can't be 0; expected at least 1 measured round")]
    OverriddenRounds,
    /// A value on the command line that can't be used.
    #[error("{flag}: can't be {found}; expected {expected}")]
    OverriddenValue {
        /// The flag.
        flag: &'static str,
        /// The value, or what is wrong with it where it may be secret.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A network mode or a link on the command line that does not go with the rest.
    #[error("{flag}: {message}{}", also(place.as_deref()))]
    OverriddenNetwork {
        /// The flag.
        flag: &'static str,
        /// What does not go together, and what to give instead.
        message: &'static str,
        /// Where the suite says the other half, if it is the suite that does.
        place: Option<Box<Place>>,
    },
    /// A pattern on the command line that matches no scenario.
    #[error("--scenario: {pattern:?} matches no scenario; {}{}", one_of(expected), meant(suggestion.as_ref()))]
    NoScenarioMatches {
        /// The pattern.
        pattern: String,
        /// The scenarios' full names.
        expected: Vec<String>,
        /// The one that is nearest.
        suggestion: Option<String>,
    },
}

impl SuiteError {
    /// What to do about it, where the message itself does not say so.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Classic { scenario, exclude, .. } => {
                let mut lines = vec![
                    "leave the combination out of the suite:".to_owned(),
                    "[[exclude]]".to_owned(),
                ];
                lines.push(format!("scenario = {scenario:?}"));
                lines.extend(exclude.iter().map(|(factor, value)| format!("{factor} = {value:?}")));
                Some(lines.join("\n"))
            }
            Self::Schema { found, expected, .. } if found > expected => {
                Some("the file was written for a newer bakeoff: update bakeoff".to_owned())
            }
            Self::MissingKey { key, .. } if key == "schema" => {
                Some(format!("begin the file with `schema = {}`", super::file::SCHEMA))
            }
            Self::MissingKey { key, .. } if key == "default_variant" => {
                Some("or name a variant in the suite (variant = \"…\"), or with --fixture".to_owned())
            }
            Self::NoImage { kind, needed, .. } => Some(format!(
                "put a [[journey]] with kind = {:?} and this image before the {}",
                needed.name(),
                kind.name()
            )),
            Self::EditFindsNothing { .. } => {
                Some("the text is compared after placeholders such as @NAME@ were replaced in templates".to_owned())
            }
            Self::Read { .. }
            | Self::Syntax { .. }
            | Self::MissingKey { .. }
            | Self::Schema { .. }
            | Self::Unknown { .. }
            | Self::Duplicate { .. }
            | Self::Value { .. }
            | Self::Empty { .. }
            | Self::Conflict { .. }
            | Self::Missing { .. }
            | Self::Outside { .. }
            | Self::Dockerfile { .. }
            | Self::EditChangesNothing { .. }
            | Self::OverriddenVariant { .. }
            | Self::OverriddenRounds
            | Self::OverriddenValue { .. }
            | Self::OverriddenNetwork { .. }
            | Self::NoScenarioMatches { .. } => None,
        }
    }
}

/// `expected one of a, b`.
fn one_of(names: &[String]) -> impl fmt::Display + '_ {
    Text(move |f: &mut fmt::Formatter<'_>| match names {
        [] => f.write_str("there are none"),
        [only] => write!(f, "expected {only}"),
        several => write!(f, "expected one of {}", several.join(", ")),
    })
}

/// `; did you mean "a"?`, or nothing.
fn meant(suggestion: Option<&String>) -> impl fmt::Display + '_ {
    Text(move |f: &mut fmt::Formatter<'_>| match suggestion {
        Some(name) => write!(f, "; did you mean {name:?}?"),
        None => Ok(()),
    })
}

/// A second place, on lines of its own.
fn also(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("\n{place}:{}", place.excerpt()))
}

/// `a or b`.
fn paths(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(" or ")
}

struct Text<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Text<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}
