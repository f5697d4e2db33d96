//! Checks how builds reach what they download: the `[network]` table, and what the command line says in its place. Not
//! for: the factor `link` (that is `factors`') or serving any download (that is the mirror room's).

use hyper::Uri;

use super::error::SuiteError;
use super::factors::LINK;
use super::file::{ModeName, SuiteFile, SyntheticTable};
use super::locate::{Located, Source};
use super::model::{Network, NetworkMode, Synthetic};
use super::parse::{PLAIN, is_plain, plain, quantity};
use super::quantity as units;
use super::validate::Overrides;
use crate::units::{self as program_units, Bytes, Link};

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

/// The most packages there may be, and files in one of them.
const MOST: u32 = 10_000;
/// The least and the most that a package's files may be together.
const BYTES: [Bytes; 2] = [Bytes(1_000), Bytes(1_000_000_000)];
/// What the content of generated packages is made from where a suite says nothing.
const DEFAULT_SEED: u64 = 1;
/// What an index must look like, for messages.
const INDEX: &str =
    "an http or https URL with a host, without query and fragment, such as \"https://index.example/simple\"";

/// Checks the network of a suite: the file by itself, then the command line by itself and with the file.
pub(super) fn network(source: &Source, file: &SuiteFile, overrides: &Overrides) -> Result<Network, SuiteError> {
    let written = written(source, file)?;
    if let Some(name) = overrides.recording.as_ref().filter(|name| !is_plain(name)) {
        return Err(SuiteError::OverriddenValue {
            flag: "--recording",
            found: format!("{name:?}"),
            expected: PLAIN.to_owned(),
        });
    }
    // A password is allowed here, because nothing keeps the command line.
    if let Some(address) = overrides.index.as_ref().filter(|address| !is_index(address)) {
        return Err(SuiteError::OverriddenValue {
            flag: "--index",
            found: shown(address),
            expected: INDEX.to_owned(),
        });
    }
    let mode = overrides.network.unwrap_or(written.mode);
    if mode == NetworkMode::Upstream {
        goes_upstream(source, file, overrides)?;
    }
    Ok(Network {
        mode,
        link: overrides.link.unwrap_or(written.link),
        recording: overrides.recording.clone().or(written.recording),
        index: overrides.index.clone().or(written.index),
        synthetic: written.synthetic,
    })
}

/// What the file says.
fn written(source: &Source, file: &SuiteFile) -> Result<Network, SuiteError> {
    let Some(table) = &file.network else {
        return Ok(Network::default());
    };
    let mode = table.mode.map_or_else(NetworkMode::default, mode);
    let link = table.link.as_ref().map(|text| {
        let read = |text: &str| text.parse().ok();
        quantity(source, "the link", text, read, program_units::LINK)
    });
    if let Some(name) = &table.recording {
        plain(source, "the recording's name", name)?;
    }
    if let Some(address) = &table.index {
        check_index(source, address)?;
    }
    let generated = table.synthetic.as_ref();
    let network = Network {
        mode,
        link: link.transpose()?.unwrap_or_default(),
        recording: table.recording.as_ref().map(|name| name.get().clone()),
        index: table.index.as_ref().map(|address| address.get().clone()),
        synthetic: generated.map(|table| synthetic(source, table)).transpose()?,
    };
    if mode == NetworkMode::Upstream {
        if let Some(link) = shaped(file) {
            return Err(SuiteError::Conflict {
                place: source.at(link),
                message: "a shaped link and mode = \"upstream\" can't stand together, because only the mirror can \
                          shape a link; expected \"unshaped\" or another mode",
            });
        }
        if let Some(table) = generated {
            return Err(SuiteError::Conflict {
                place: source.at(table),
                message: "[network.synthetic] and mode = \"upstream\" can't stand together, because only the mirror \
                          can serve generated packages; expected another mode",
            });
        }
    }
    Ok(network)
}

fn mode(name: ModeName) -> NetworkMode {
    match name {
        ModeName::Auto => NetworkMode::Auto,
        ModeName::Record => NetworkMode::Record,
        ModeName::Replay => NetworkMode::Replay,
        ModeName::Upstream => NetworkMode::Upstream,
    }
}

/// The first shaped link of the file: the network's or a value of the factor. One that can't be read is passed over:
/// the factor's check says so.
fn shaped(file: &SuiteFile) -> Option<&Located<String>> {
    let tables = std::iter::once(&file.factors).chain(file.scenario.iter().map(|scenario| &scenario.factors));
    let values = tables
        .flatten()
        .filter(|(factor, _)| factor.as_str() == LINK)
        .flat_map(|(_, values)| values.get());
    let own = file.network.as_ref().and_then(|table| table.link.as_ref());
    own.into_iter()
        .chain(values)
        .find(|text| text.parse().is_ok_and(|link: Link| link.is_shaped()))
}

/// Refuses what only the mirror can do, where the command line does without it or asks for it.
fn goes_upstream(source: &Source, file: &SuiteFile, overrides: &Overrides) -> Result<(), SuiteError> {
    let wrong = |flag, message, place| Err(SuiteError::OverriddenNetwork { flag, message, place });
    match overrides.link {
        Some(link) if link.is_shaped() => {
            let message = if overrides.network.is_some() {
                "can't be shaped together with --network upstream, because only the mirror can shape a link; leave \
                 one of them out"
            } else {
                "can't be shaped, because the suite's mode is \"upstream\" and only the mirror can shape a link; add \
                 --network auto"
            };
            return wrong("--link", message, None);
        }
        Some(_) => {}
        None => {
            if let Some(link) = shaped(file) {
                let message = "the suite has a shaped link, and only the mirror can shape one; add --link unshaped \
                               or leave --network upstream out";
                return wrong("--network upstream", message, Some(source.at(link)));
            }
        }
    }
    if let Some(table) = file.network.as_ref().and_then(|table| table.synthetic.as_ref()) {
        let message = "the suite has generated packages, and only the mirror can serve them; leave --network \
                       upstream out";
        return wrong("--network upstream", message, Some(source.at(table)));
    }
    Ok(())
}

fn synthetic(source: &Source, table: &SyntheticTable) -> Result<Synthetic, SuiteError> {
    let packages = number(source, "the number of packages", &table.packages)?;
    let size = |text: &str| units::size(text).filter(|size| (BYTES[0]..=BYTES[1]).contains(size));
    Ok(Synthetic {
        packages,
        files: number(source, "the number of files", &table.files)?,
        bytes: quantity(
            source,
            "the size of a package",
            &table.bytes,
            size,
            "a size from 1 kB to 1 GB, such as \"2MB\"",
        )?,
        depth: depth(source, &table.depth, packages)?,
        seed: table.seed.unwrap_or(DEFAULT_SEED),
    })
}

fn number(source: &Source, subject: &'static str, number: &Located<u32>) -> Result<u32, SuiteError> {
    from_one(
        source,
        subject,
        number,
        MOST,
        &format!("a whole number from 1 to {MOST}"),
    )
}

/// A chain of dependencies can't be longer than there are packages.
fn depth(source: &Source, depth: &Located<u32>, packages: u32) -> Result<u32, SuiteError> {
    let expected = format!("a whole number from 1 to the number of packages, {packages}");
    from_one(source, "the depth of dependencies", depth, packages, &expected)
}

fn from_one(
    source: &Source,
    subject: &'static str,
    number: &Located<u32>,
    most: u32,
    expected: &str,
) -> Result<u32, SuiteError> {
    if (1..=most).contains(number.get()) {
        return Ok(*number.get());
    }
    Err(SuiteError::Value {
        place: source.at(number),
        subject,
        found: number.to_string(),
        expected: expected.to_owned(),
    })
}

/// Whether a text is the address of an index, user name and password or not.
fn is_index(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
    let is_port = |rest: &str| rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let rest = host_and_port.strip_prefix(authority.host());
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && rest.is_some_and(|rest| rest.is_empty() || is_port(rest))
        // The parser drops a fragment.
        && !text.contains(['?', '#'])
}

/// Whether an address names a user before its host.
fn has_credentials(text: &str) -> bool {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

/// A wrong address for a message, unless a part of it may be a password: messages end in logs, which are published.
fn shown(text: &str) -> String {
    if text.contains('@') {
        "an address with \"@\" in it".to_owned()
    } else {
        format!("{text:?}")
    }
}

/// The suite's index must hold no password: the journal keeps the suite's text, and journals are published.
fn check_index(source: &Source, address: &Located<String>) -> Result<(), SuiteError> {
    let place = source.at(address);
    let (found, expected) = if has_credentials(address) {
        (
            "an address with a user name or a password".to_owned(),
            "one without, because journals keep the suite's text; put them into your own configuration of pip or uv",
        )
    } else if is_index(address) {
        return Ok(());
    } else {
        (shown(address), INDEX)
    };
    Err(SuiteError::Value {
        place: if address.contains('@') {
            Box::new(place.unquoted())
        } else {
            place
        },
        subject: "the index",
        found,
        expected: expected.to_owned(),
    })
}
