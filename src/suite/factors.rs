//! Factors: the axes along which scenarios differ, their product, what `[[exclude]]` drops from it, and which of them
//! make a difference to a Dockerfile. Not for: reading Dockerfiles or files of any kind.

use std::fmt::Write as _;

use super::error::SuiteError;
use super::file::{FactorTable, Table};
use super::locate::{Located, Source};
use super::parse::{known, quantity};
use crate::engine::{ENGINE_CHOICES, EngineChoice};
use crate::units::{self, Link};

#[cfg(test)]
mod tests;

/// A factor that this program knows.
pub(super) struct Factor {
    pub name: &'static str,
    pub values: Values,
}

/// The values that a factor may have.
pub(super) enum Values {
    /// These; the first is what holds where a suite says nothing.
    These(&'static [&'static str]),
    /// Any link; where a suite says nothing, that of its network holds.
    Links,
    /// The host's engine or a throw-away one; where a suite says nothing, the command line does.
    Engines,
}

pub(super) const CACHE_MOUNTS: &str = "cache_mounts";
pub(super) const BUILDER: &str = "builder";
pub(super) const LINK: &str = "link";
pub(super) const ENGINE: &str = "engine";
pub(super) const IMAGE_STORE: &str = "image_store";
pub(super) const COMPRESSION: &str = "compression";

/// Every factor there is.
pub(super) const FACTORS: &[Factor] = &[
    Factor {
        name: CACHE_MOUNTS,
        values: Values::These(&["on", "off"]),
    },
    Factor {
        name: BUILDER,
        values: Values::These(&["buildkit", "classic"]),
    },
    Factor {
        name: LINK,
        values: Values::Links,
    },
    Factor {
        name: ENGINE,
        values: Values::Engines,
    },
    Factor {
        name: IMAGE_STORE,
        values: Values::These(&["default", "graphdriver", "containerd"]),
    },
    Factor {
        name: COMPRESSION,
        values: Values::These(&["default", "gzip", "zstd", "uncompressed"]),
    },
];

/// What the command line puts in place of all the values of a factor.
#[derive(Debug, Clone, Default)]
pub(super) struct Fixed {
    /// The link.
    pub link: Option<Link>,
    /// The engine.
    pub engine: Option<EngineChoice>,
}

/// A value of a factor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value<'a> {
    /// The one way to write it, by which values are compared.
    pub text: String,
    /// The link that it is, if it is a link.
    pub link: Option<Link>,
    /// The engine that it is, if it is an engine.
    pub engine: Option<EngineChoice>,
    /// Its place in the file, or that of what the command line replaces.
    pub written: &'a Located<String>,
}

impl<'a> Value<'a> {
    /// Checks a value.
    fn new(source: &Source, factor: &str, written: &'a Located<String>) -> Result<Self, SuiteError> {
        let names = match FACTORS.iter().find(|known| known.name == factor) {
            Some(Factor {
                values: Values::Links, ..
            }) => {
                let link = quantity(source, "a link", written, |text| text.parse().ok(), units::LINK)?;
                return Ok(Self::of_link(link, written));
            }
            Some(Factor {
                values: Values::Engines,
                ..
            }) => {
                let read = |text: &str| text.parse().ok().filter(|choice| *choice != EngineChoice::Auto);
                let engine = quantity(source, "an engine", written, read, ENGINE_CHOICES)?;
                return Ok(Self::of_engine(engine, written));
            }
            Some(Factor {
                values: Values::These(names),
                ..
            }) => *names,
            None => &[],
        };
        known(source, "value", written, names.iter().copied())?;
        Ok(Self {
            text: written.get().clone(),
            link: None,
            engine: None,
            written,
        })
    }

    fn of_link(link: Link, written: &'a Located<String>) -> Self {
        Self {
            text: link.to_string(),
            link: Some(link),
            engine: None,
            written,
        }
    }

    fn of_engine(engine: EngineChoice, written: &'a Located<String>) -> Self {
        Self {
            text: engine.to_string(),
            link: None,
            engine: Some(engine),
            written,
        }
    }
}

/// A factor of a suite with the values that it takes.
#[derive(Debug, Clone)]
pub(super) struct Axis<'a> {
    name: &'a Located<String>,
    values: Vec<Value<'a>>,
}

/// A value for every factor of a scenario, in the suite's order.
pub(super) type Combination<'a> = Vec<(&'a str, Value<'a>)>;

/// A table of factors in the order in which the file has them, with every name and value checked. What is `fixed` on the
/// command line takes the place of all the values in the table, so that what is the same then is measured once.
pub(super) fn axes<'a>(source: &Source, table: &'a FactorTable, fixed: &Fixed) -> Result<Vec<Axis<'a>>, SuiteError> {
    let mut axes: Vec<Axis<'a>> = Vec::new();
    for (name, written) in table {
        known(source, "factor", name, FACTORS.iter().map(|factor| factor.name))?;
        let mut values: Vec<Value<'a>> = Vec::new();
        for value in written.get() {
            let value = Value::new(source, name, value)?;
            if let Some(first) = values.iter().find(|first| first.text == value.text) {
                return Err(SuiteError::Duplicate {
                    place: source.at(value.written),
                    kind: "value",
                    first: source.at(first.written).line,
                    name: value.text,
                });
            }
            values.push(value);
        }
        let Some(first) = values.first() else {
            return Err(SuiteError::Empty {
                place: source.at(written),
                subject: "the list of a factor's values",
                expected: "at least one value",
                excluded: false,
            });
        };
        let first = first.written;
        match (name.as_str(), fixed.link, &fixed.engine) {
            (LINK, Some(link), _) => values = vec![Value::of_link(link, first)],
            (ENGINE, _, Some(engine)) => values = vec![Value::of_engine(engine.clone(), first)],
            _ => {}
        }
        axes.push(Axis { name, values });
    }
    axes.sort_by_key(|axis| axis.name.span().start);
    Ok(axes)
}

/// The suite's factors with those of one scenario in their place, and its further ones after them.
pub(super) fn overridden<'a>(suite: &[Axis<'a>], scenario: &[Axis<'a>]) -> Vec<Axis<'a>> {
    let of_scenario = |axis: &Axis<'a>| scenario.iter().find(|own| own.name == axis.name).cloned();
    let further = scenario
        .iter()
        .filter(|own| suite.iter().all(|axis| axis.name != own.name));
    suite
        .iter()
        .map(|axis| of_scenario(axis).unwrap_or_else(|| axis.clone()))
        .chain(further.cloned())
        .collect()
}

/// The product of the factors: the first one varies slowest. Of no factors it is one empty combination.
pub(super) fn product<'a>(axes: &[Axis<'a>]) -> Vec<Combination<'a>> {
    let mut combinations = vec![Combination::new()];
    for axis in axes {
        combinations = combinations
            .iter()
            .flat_map(|before| {
                axis.values.iter().map(move |value| {
                    let mut longer = before.clone();
                    longer.push((axis.name.get().as_str(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    combinations
}

/// What one `[[exclude]]` drops.
#[derive(Debug)]
pub(super) struct Exclude<'a> {
    scenario: Option<&'a Located<String>>,
    factors: Vec<(&'a str, Value<'a>)>,
    /// The link of a scenario without one of its own.
    link: String,
}

impl<'a> Exclude<'a> {
    /// Checks an `[[exclude]]`: its factors, their values, and that its pattern is not a typing error. `link` is that
    /// of the scenarios without one of their own.
    pub fn new(
        source: &Source,
        table: &'a Located<Table<Located<String>>>,
        scenarios: &[&str],
        link: Link,
    ) -> Result<Self, SuiteError> {
        let mut exclude = Self {
            scenario: None,
            factors: Vec::new(),
            link: link.to_string(),
        };
        for (key, value) in table.get() {
            if key.as_str() == "scenario" {
                if !scenarios.iter().any(|scenario| wildcard(value, scenario)) {
                    known(source, "scenario", value, scenarios.iter().copied())?;
                }
                exclude.scenario = Some(value);
            } else {
                known(
                    source,
                    "factor",
                    key,
                    FACTORS.iter().map(|factor| factor.name).chain(["scenario"]),
                )?;
                exclude.factors.push((key.get(), Value::new(source, key, value)?));
            }
        }
        if table.is_empty() {
            return Err(SuiteError::Empty {
                place: source.at(table),
                subject: "the [[exclude]]",
                expected: "scenario, or a factor and its value",
                excluded: false,
            });
        }
        Ok(exclude)
    }

    /// Whether it drops a scenario's combination. A factor that the scenario does not have counts with the value that
    /// holds without it.
    pub fn drops(&self, scenario: &str, combination: &Combination<'_>) -> bool {
        let holds = |factor: &str| match value_of(combination, factor) {
            None if factor == LINK => Some(self.link.as_str()),
            given => given,
        };
        self.scenario.is_none_or(|pattern| wildcard(pattern, scenario))
            && self
                .factors
                .iter()
                .all(|(factor, value)| holds(factor) == Some(value.text.as_str()))
    }
}

/// The value of a factor in a combination, or else the one that holds without the factor. No link or engine
/// holds without its factor here, because that is the network's or the command line's to say.
pub(super) fn value_of<'a>(combination: &'a Combination<'_>, factor: &str) -> Option<&'a str> {
    let given = combination
        .iter()
        .find(|(name, _)| *name == factor)
        .map(|(_, value)| value.text.as_str());
    given.or_else(|| match FACTORS.iter().find(|known| known.name == factor)?.values {
        Values::These(values) => values.first().copied(),
        Values::Links | Values::Engines => None,
    })
}

/// A scenario's combinations after factors that change nothing were collapsed.
#[derive(Debug)]
pub(super) struct Combined<'a> {
    /// What stands in brackets behind the scenario's name, brackets included; empty if nothing varies.
    pub suffix: String,
    /// The values of the factors that make a difference.
    pub combination: Combination<'a>,
}

/// Collapses the factors in `idle`, which change nothing, and names what is left. Factors that have one value only
/// are kept, but name nothing.
pub(super) fn collapse<'a>(combinations: &[Combination<'a>], idle: &[&str]) -> Vec<Combined<'a>> {
    let mut kept: Vec<Combination<'a>> = Vec::new();
    for combination in combinations {
        let projected: Combination<'a> = combination
            .iter()
            .filter(|(factor, _)| !idle.contains(factor))
            .cloned()
            .collect();
        if !kept.contains(&projected) {
            kept.push(projected);
        }
    }
    let varies = |factor: &str| {
        let mut values = kept.iter().map(|combination| value_of(combination, factor));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let named = |combination: &Combination<'a>| {
        let mut suffix = String::new();
        for (factor, value) in combination.iter().filter(|(factor, _)| varies(factor)) {
            let separator = if suffix.is_empty() { '[' } else { ',' };
            // The comma of a link would read as the one between factors.
            let value = value.text.replace(',', "+");
            // Writing to a string can't fail.
            let _ = write!(suffix, "{separator}{factor}={value}");
        }
        if !suffix.is_empty() {
            suffix.push(']');
        }
        suffix
    };
    let suffixes: Vec<String> = kept.iter().map(named).collect();
    suffixes
        .into_iter()
        .zip(kept)
        .map(|(suffix, combination)| Combined { suffix, combination })
        .collect()
}

/// Whether a pattern, in which `*` stands for any text and `?` for any character, matches the whole of a text.
/// Brackets mean themselves: they are part of the names of scenarios.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_chars.as_str().trim_start_matches('*');
            rest.is_empty() || text.char_indices().any(|(start, _)| wildcard(rest, &text[start..]))
        }
        Some(wanted) => {
            let mut text_chars = text.chars();
            text_chars.next().is_some_and(|found| {
                (wanted == '?' || wanted == found) && wildcard(pattern_chars.as_str(), text_chars.as_str())
            })
        }
    }
}
