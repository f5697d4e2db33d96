//! Turns a suite file into a [`Suite`]: follows its paths, checks its names against each other and makes the product
//! of its factors. Not for: acting on any of it; nothing is written, and no engine is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::error::SuiteError;
use super::factors::Fixed;
use super::file::{DEFAULT_IMAGE_ARGS, DEFAULT_IMAGES, ProbeTable, SuiteFile};
use super::fixture::{self, Asked};
use super::journey::phases;
use super::locate::{Located, Source, folder_of};
use super::model::{NetworkMode, Probe, Suite};
use super::network::network;
use super::parse::{distinct, known, parse, plain, quantity, read};
use super::published::published;
use super::quantity as units;
use super::scenarios::{Scenarios, selected};
use crate::engine::EngineChoice;
use crate::units::Link;

/// Measured rounds of a suite that says nothing.
const DEFAULT_ROUNDS: u32 = 5;
/// Discarded rounds of a suite that says nothing.
const DEFAULT_WARMUP: u32 = 1;
/// Limit of one phase in a suite that says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// Limit of one probe in a suite that says nothing.
const DEFAULT_PROBE_LIMIT: Duration = Duration::from_secs(60);

/// What the command line says in place of the suite file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The fixture's variant.
    pub variant: Option<String>,
    /// Measured rounds.
    pub rounds: Option<u32>,
    /// Discarded rounds.
    pub warmup: Option<u32>,
    /// Only scenarios whose full name or name in the suite matches one of these patterns (`*` stands for any text,
    /// `?` for any character); all of them if empty.
    pub scenario: Vec<String>,
    /// Where downloads come from.
    pub network: Option<NetworkMode>,
    /// The link of all scenarios, in place of the network's and of those in factors.
    pub link: Option<Link>,
    /// The engine of all scenarios, in place of those in factors.
    pub engine: Option<EngineChoice>,
    /// The recording's name.
    pub recording: Option<String>,
    /// The package index to record from. Unlike the suite's it may hold a user name and a password.
    pub index: Option<String>,
}

/// Loads and checks a suite, its fixture and its Dockerfiles.
///
/// # Errors
/// The first thing that is wrong with any of them, with its place.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Suite, SuiteError> {
    let source = read("suite", path, path.to_owned())?;
    let file: SuiteFile = parse(&source)?;
    let head = file.suite.get();
    plain(&source, "the suite's name", &head.name)?;
    let rounds = rounds(&source, head.rounds.as_ref(), overrides.rounds)?;
    let timeout = limit(&source, "the timeout", head.timeout.as_ref(), DEFAULT_TIMEOUT)?;

    let folder = folder_of(path);
    let asked = match (&overrides.variant, &head.variant) {
        (Some(name), _) => Asked::CommandLine(name),
        (None, Some(name)) => Asked::Suite(name),
        (None, None) => Asked::Nobody,
    };
    let loaded = fixture::load(&source, &head.fixture, folder, asked)?;
    let journey = phases(&source, &file, &loaded.fixture)?;
    for edit in journey.iter().flat_map(|phase| &phase.edits) {
        loaded.try_edit(edit)?;
    }

    for question in &head.questions {
        known(
            &source,
            "phase",
            question,
            journey.iter().map(|phase| phase.name.as_str()),
        )?;
    }
    distinct(&source, "question", &head.questions)?;

    let images = images(&file);
    let image_args = image_args(&source, &file, &images)?;
    let network = network(&source, &file, overrides)?;
    let folders = [loaded.fixture.root.as_path(), folder];
    let scenarios = Scenarios {
        source: &source,
        file: &file,
        images: &images,
        image_args: &image_args,
        folders,
        link: network.link,
        fixed: Fixed {
            link: overrides.link,
            engine: overrides.engine.clone().filter(|choice| *choice != EngineChoice::Auto),
        },
    };
    let scenarios = scenarios.all()?;
    let base_names: Vec<&str> = file.scenario.iter().map(|scenario| scenario.name.as_str()).collect();
    let published = file
        .published
        .as_ref()
        .map(|table| published(&source, table, &journey, &base_names))
        .transpose()?;
    let asked = file.probe.as_ref().and_then(|table| table.limit.as_ref());
    let probe_limit = limit(&source, "the probe's limit", asked, DEFAULT_PROBE_LIMIT)?;
    let probe = file.probe.as_ref().map(|table| probe(&source, table)).transpose()?;

    Ok(Suite {
        name: head.name.get().clone(),
        description: head.description.clone(),
        path: path.to_owned(),
        rounds,
        warmup: overrides.warmup.or(head.warmup).unwrap_or(DEFAULT_WARMUP),
        timeout,
        images,
        fixture: loaded.fixture,
        scenarios: selected(scenarios, &overrides.scenario)?,
        journey,
        probe,
        probe_limit,
        public_args: head.public_args.clone(),
        questions: head.questions.iter().map(|question| question.get().clone()).collect(),
        published,
        network,
        text: source.text,
    })
}

fn rounds(source: &Source, written: Option<&Located<u32>>, overridden: Option<u32>) -> Result<u32, SuiteError> {
    if let Some(written) = written.filter(|rounds| *rounds.get() == 0) {
        return Err(SuiteError::Value {
            place: source.at(written),
            subject: "rounds",
            found: "0".to_owned(),
            expected: "at least 1 measured round".to_owned(),
        });
    }
    match overridden {
        Some(0) => Err(SuiteError::OverriddenRounds),
        Some(rounds) => Ok(rounds),
        None => Ok(written.map_or(DEFAULT_ROUNDS, |rounds| *rounds.get())),
    }
}

fn limit(
    source: &Source,
    subject: &'static str,
    written: Option<&Located<String>>,
    by_default: Duration,
) -> Result<Duration, SuiteError> {
    let Some(text) = written else {
        return Ok(by_default);
    };
    let above_zero = |text: &str| units::duration(text).filter(|duration| duration.0 > 0);
    let expected = format!("{}, above 0", units::DURATION);
    Ok(quantity(source, subject, text, above_zero, &expected)?.into())
}

fn images(file: &SuiteFile) -> BTreeMap<String, String> {
    let defaults = DEFAULT_IMAGES
        .iter()
        .map(|&(role, reference)| (role.to_owned(), reference.to_owned()));
    defaults
        .chain(
            file.images
                .iter()
                .map(|(role, reference)| (role.get().clone(), reference.get().clone())),
        )
        .collect()
}

fn image_args(
    source: &Source,
    file: &SuiteFile,
    images: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, SuiteError> {
    for (role, reference) in &file.images {
        if reference.trim().is_empty() || reference.contains(char::is_whitespace) {
            return Err(SuiteError::Value {
                place: source.at(reference),
                subject: "a base image",
                found: format!("{:?}", reference.get()),
                expected: format!("a reference for the role {:?}, such as \"registry:2\"", role.get()),
            });
        }
    }
    let mut args: BTreeMap<String, String> = DEFAULT_IMAGE_ARGS
        .iter()
        .map(|&(arg, role)| (arg.to_owned(), role.to_owned()))
        .collect();
    for (arg, role) in &file.image_args {
        known(source, "role", role, images.keys().map(String::as_str))?;
        args.insert(arg.get().clone(), role.get().clone());
    }
    Ok(args)
}

fn probe(source: &Source, table: &Located<ProbeTable>) -> Result<Probe, SuiteError> {
    match (&table.http, &table.command) {
        (Some(http), None) => {
            let wrong = |place, subject, found, expected: &str| {
                Err(SuiteError::Value {
                    place,
                    subject,
                    found,
                    expected: expected.to_owned(),
                })
            };
            if *http.port == 0 {
                return wrong(
                    source.at(&http.port),
                    "the probe's port",
                    "0".to_owned(),
                    "a port from 1 to 65535",
                );
            }
            if !http.path.starts_with('/') || http.path.contains(char::is_whitespace) {
                let found = format!("{:?}", http.path.get());
                return wrong(
                    source.at(&http.path),
                    "the probe's path",
                    found,
                    "a path such as \"/health\"",
                );
            }
            Ok(Probe::Http {
                port: *http.port,
                path: http.path.get().clone(),
            })
        }
        (None, Some(command)) if !command.is_empty() => Ok(Probe::Command(command.get().clone())),
        (None, Some(command)) => Err(SuiteError::Empty {
            place: source.at(command),
            subject: "the probe's command",
            expected: "a program and its arguments",
            excluded: false,
        }),
        (Some(_), Some(command)) => Err(SuiteError::Conflict {
            place: source.at(command),
            message: "http and command can't stand together; expected one of them",
        }),
        (None, None) => Err(SuiteError::Empty {
            place: source.at(table),
            subject: "[probe]",
            expected: "http or command",
            excluded: false,
        }),
    }
}
