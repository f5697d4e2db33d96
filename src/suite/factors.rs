//! Factors: the axes along which scenarios differ, their product, what `[[exclude]]` drops from it, and which of them
//! make a difference to a Dockerfile. Not for: reading Dockerfiles or files of any kind.

use std::fmt::Write as _;

use super::error::SuiteError;
use super::file::{FactorTable, Table};
use super::locate::{Located, Source};
use super::parse::{distinct, known};

/// A factor that this program knows.
pub(super) struct Factor {
    pub name: &'static str,
    /// Its values; the first is what holds where a suite says nothing.
    pub values: &'static [&'static str],
}

pub(super) const CACHE_MOUNTS: &str = "cache_mounts";
pub(super) const BUILDER: &str = "builder";

/// Every factor there is.
pub(super) const FACTORS: &[Factor] = &[
    Factor {
        name: CACHE_MOUNTS,
        values: &["on", "off"],
    },
    Factor {
        name: BUILDER,
        values: &["buildkit", "classic"],
    },
];

/// A factor of a suite with the values that it takes, as the file has them.
pub(super) type Axis<'a> = (&'a Located<String>, &'a [Located<String>]);

/// A value for every factor of a scenario, in the suite's order, each with its place in the file.
pub(super) type Combination<'a> = Vec<(&'a str, &'a Located<String>)>;

/// A table of factors in the order in which the file has them, with every name checked.
pub(super) fn axes<'a>(source: &Source, table: &'a FactorTable) -> Result<Vec<Axis<'a>>, SuiteError> {
    let mut axes: Vec<Axis<'a>> = Vec::new();
    for (name, values) in table {
        known(source, "factor", name, FACTORS.iter().map(|factor| factor.name))?;
        if values.is_empty() {
            return Err(SuiteError::Empty {
                place: source.at(values),
                subject: "the list of a factor's values",
                expected: "at least one value",
                excluded: false,
            });
        }
        for value in values.get() {
            known_value(source, name, value)?;
        }
        distinct(source, "value", values.get())?;
        axes.push((name, values.get()));
    }
    axes.sort_by_key(|(name, _)| name.span().start);
    Ok(axes)
}

fn known_value(source: &Source, factor: &str, value: &Located<String>) -> Result<(), SuiteError> {
    let values = FACTORS
        .iter()
        .filter(|known| known.name == factor)
        .flat_map(|known| known.values.iter().copied());
    known(source, "value", value, values)
}

/// The suite's factors with those of one scenario in their place, and its further ones after them.
pub(super) fn overridden<'a>(suite: &[Axis<'a>], scenario: &[Axis<'a>]) -> Vec<Axis<'a>> {
    let of_scenario = |name: &str| scenario.iter().find(|(own, _)| own.get() == name).copied();
    let further = scenario
        .iter()
        .filter(|(name, _)| suite.iter().all(|(other, _)| other != name));
    suite
        .iter()
        .map(|axis| of_scenario(axis.0).unwrap_or(*axis))
        .chain(further.copied())
        .collect()
}

/// The product of the factors: the first one varies slowest. Of no factors it is one empty combination.
pub(super) fn product<'a>(axes: &[Axis<'a>]) -> Vec<Combination<'a>> {
    let mut combinations = vec![Combination::new()];
    for (name, values) in axes {
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(move |value| {
                    let mut longer = before.clone();
                    longer.push((name.get().as_str(), value));
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
    factors: Vec<(&'a str, &'a str)>,
}

impl<'a> Exclude<'a> {
    /// Checks an `[[exclude]]`: its factors, their values, and that its pattern is not a typing error.
    pub fn new(
        source: &Source,
        table: &'a Located<Table<Located<String>>>,
        scenarios: &[&str],
    ) -> Result<Self, SuiteError> {
        let mut exclude = Self {
            scenario: None,
            factors: Vec::new(),
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
                known_value(source, key, value)?;
                exclude.factors.push((key.get(), value.get()));
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
        self.scenario.is_none_or(|pattern| wildcard(pattern, scenario))
            && self
                .factors
                .iter()
                .all(|(factor, value)| value_of(combination, factor) == Some(*value))
    }
}

/// The value of a factor in a combination, or else the one that holds without the factor.
pub(super) fn value_of<'a>(combination: &Combination<'a>, factor: &str) -> Option<&'a str> {
    let given = combination
        .iter()
        .find(|(name, _)| *name == factor)
        .map(|(_, value)| value.as_str());
    given.or_else(|| {
        FACTORS
            .iter()
            .find(|known| known.name == factor)?
            .values
            .first()
            .copied()
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
            .copied()
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
            // Writing to a string can't fail.
            let _ = write!(suffix, "{separator}{factor}={}", value.get());
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
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_whole_names_and_brackets_mean_themselves() {
        for (pattern, text) in [
            ("uv-*", "uv-single"),
            ("*", ""),
            ("***", "anything"),
            ("?v-*-x", "uv-a-b-x"),
            ("uv-single[cache_mounts=off]", "uv-single[cache_mounts=off]"),
            ("*[cache_mounts=o*]", "uv-single[cache_mounts=on]"),
            ("", ""),
        ] {
            assert!(wildcard(pattern, text), "{pattern:?} {text:?}");
        }
        for (pattern, text) in [
            ("uv", "uv-single"),
            ("*-multi", "uv-single"),
            ("?", ""),
            ("", "x"),
            ("[u]v", "uv"),
        ] {
            assert!(!wildcard(pattern, text), "{pattern:?} {text:?}");
        }
    }

    /// Names of the combinations of factors, written as TOML; `idle` ones change nothing, and `drop` excludes.
    fn names(factors: &str, idle: &[&str], drop: &[(&str, &str)]) -> Vec<String> {
        let source = Source {
            path: "x.toml".into(),
            text: factors.to_owned(),
        };
        let table: FactorTable = toml::from_str(factors).unwrap();
        let axes = axes(&source, &table).unwrap();
        let mut combinations = product(&axes);
        let exclude = Exclude {
            scenario: None,
            factors: drop.to_vec(),
        };
        combinations.retain(|combination| drop.is_empty() || !exclude.drops("s", combination));
        collapse(&combinations, idle)
            .into_iter()
            .map(|combined| combined.suffix)
            .collect()
    }

    const BOTH: &str = "builder = [\"buildkit\", \"classic\"]\ncache_mounts = [\"on\", \"off\"]\n";

    #[test]
    fn the_product_follows_the_order_of_the_file() {
        assert_eq!(
            names(BOTH, &[], &[]),
            [
                "[builder=buildkit,cache_mounts=on]",
                "[builder=buildkit,cache_mounts=off]",
                "[builder=classic,cache_mounts=on]",
                "[builder=classic,cache_mounts=off]",
            ]
        );
        let turned = "cache_mounts = [\"off\", \"on\"]\nbuilder = [\"classic\"]\n";
        assert_eq!(names(turned, &[], &[]), ["[cache_mounts=off]", "[cache_mounts=on]"]);
    }

    #[test]
    fn factors_without_effect_or_choice_name_nothing() {
        assert_eq!(
            names(BOTH, &[CACHE_MOUNTS], &[]),
            ["[builder=buildkit]", "[builder=classic]"]
        );
        assert_eq!(names("cache_mounts = [\"on\", \"off\"]\n", &[CACHE_MOUNTS], &[]), [""]);
        assert_eq!(names("cache_mounts = [\"off\"]\n", &[], &[]), [""]);
        assert_eq!(names("", &[], &[]), [""]);
    }

    #[test]
    fn a_factor_left_with_one_value_by_excludes_names_nothing() {
        assert_eq!(
            names(BOTH, &[], &[(BUILDER, "classic")]),
            ["[cache_mounts=on]", "[cache_mounts=off]"]
        );
        assert_eq!(
            names(BOTH, &[], &[(BUILDER, "classic"), (CACHE_MOUNTS, "on")]),
            [
                "[builder=buildkit,cache_mounts=on]",
                "[builder=buildkit,cache_mounts=off]",
                "[builder=classic,cache_mounts=off]"
            ]
        );
    }

    #[test]
    fn an_exclude_counts_absent_factors_with_their_first_value() {
        assert!(names("cache_mounts = [\"on\"]\n", &[], &[(BUILDER, "buildkit")]).is_empty());
        assert_eq!(names("cache_mounts = [\"on\"]\n", &[], &[(BUILDER, "classic")]), [""]);
    }
}
