//! Makes the scenarios of a suite: reads their Dockerfiles, combines the factors and checks that each combination can
//! be built. Not for: the rest of the suite (that is `validate`'s).

use std::collections::BTreeMap;
use std::path::Path;

use super::dockerfiles::Found;
use super::error::SuiteError;
use super::expect;
use super::factors::{
    Axis, BUILDER, CACHE_MOUNTS, COMPRESSION, Combination, ENGINE, Exclude, Fixed, IMAGE_STORE, LINK, axes, collapse,
    overridden, product, value_of, wildcard,
};
use super::file::{ScenarioTable, SuiteFile};
use super::grants::{grants, needs_buildkit};
use super::locate::{Located, Source, nearest};
use super::model::Scenario;
use super::parse::{distinct, known, plain};
use crate::engine::{Builder, Compression, ImageStore};
use crate::units::Link;

/// What the scenarios of a suite have in common.
pub(super) struct Scenarios<'a> {
    pub source: &'a Source,
    pub file: &'a SuiteFile,
    /// Role to reference.
    pub images: &'a BTreeMap<String, String>,
    /// Build argument to role.
    pub image_args: &'a BTreeMap<String, String>,
    /// Where Dockerfiles are looked for, in order.
    pub folders: [&'a Path; 2],
    /// The link of scenarios without one of their own.
    pub link: Link,
    /// What the command line puts in place of every other.
    pub fixed: Fixed,
}

impl Scenarios<'_> {
    /// Every combination of every scenario, in the order of the file.
    pub fn all(&self) -> Result<Vec<Scenario>, SuiteError> {
        let (source, file) = (self.source, self.file);
        let empty = |place, subject, expected, excluded| SuiteError::Empty {
            place,
            subject,
            expected,
            excluded,
        };
        if file.scenario.is_empty() {
            let place = source.at(&file.suite.name);
            return Err(empty(
                place,
                "the suite's list of scenarios",
                "at least one [[scenario]]",
                false,
            ));
        }
        distinct(source, "scenario", file.scenario.iter().map(|scenario| &scenario.name))?;
        let names: Vec<&str> = file.scenario.iter().map(|scenario| scenario.name.as_str()).collect();
        let suite_axes = axes(source, &file.factors, &self.fixed)?;
        let excludes: Vec<Exclude<'_>> = file
            .exclude
            .iter()
            .map(|table| Exclude::new(source, table, &names, self.link))
            .collect::<Result<_, _>>()?;
        let mut scenarios = Vec::new();
        for table in &file.scenario {
            scenarios.extend(self.of(table, &suite_axes, &excludes)?);
        }
        if scenarios.is_empty() {
            let place = file
                .exclude
                .first()
                .map_or_else(|| source.at(&file.suite.name), |table| source.at(table));
            return Err(empty(place, "the suite's scenarios", "at least one that is left", true));
        }
        Ok(scenarios)
    }

    /// Every combination of one scenario.
    fn of(
        &self,
        table: &ScenarioTable,
        suite_axes: &[Axis<'_>],
        excludes: &[Exclude<'_>],
    ) -> Result<Vec<Scenario>, SuiteError> {
        plain(self.source, "the name of a scenario", &table.name)?;
        let found = Found::read(self.source, &table.dockerfile, self.folders)?;
        let own_axes = axes(self.source, &table.factors, &self.fixed)?;
        let mut combinations = product(&overridden(suite_axes, &own_axes));
        combinations.retain(|combination| !excludes.iter().any(|exclude| exclude.drops(&table.name, combination)));
        let idle: &[&str] = if found.dockerfile.cache_mounts().is_empty() {
            &[CACHE_MOUNTS]
        } else {
            &[]
        };
        let base = self.base(table, &found)?;
        collapse(&combinations, idle)
            .into_iter()
            .map(|combined| self.one(&base, &found, &combined.suffix, &combined.combination))
            .collect()
    }

    /// What all combinations of a scenario share.
    fn base(&self, table: &ScenarioTable, found: &Found) -> Result<Scenario, SuiteError> {
        let declared = found.dockerfile.global_args();
        // A scenario that sets such an argument itself means it.
        let by_role = |arg: &str| declared.iter().any(|name| name == arg) && !table.build_args.contains_key(arg);
        let image_args: BTreeMap<String, String> = self
            .image_args
            .iter()
            .filter(|(arg, _)| by_role(arg))
            .map(|(a, r)| (a.clone(), r.clone()))
            .collect();

        let mut all_args = table.build_args.clone();
        let of_role = |role: &String| self.images.get(role).cloned();
        all_args.extend(
            image_args
                .iter()
                .filter_map(|(arg, role)| Some((arg.clone(), of_role(role)?))),
        );
        found
            .dockerfile
            .external_bases(&all_args)
            .map_err(|error| found.error(error))?;
        if let Some(target) = &table.target {
            self.check_target(target, found)?;
        }
        Ok(Scenario {
            name: table.name.get().clone(),
            base_name: table.name.get().clone(),
            factors: Vec::new(),
            builder: Builder::Buildkit,
            dockerfile: found.dockerfile.clone(),
            dockerfile_path: found.source.path.clone(),
            build_args: table.build_args.clone(),
            image_args,
            target: table.target.as_ref().map(|target| target.get().clone()),
            platform: table.platform.clone(),
            grants: grants(self.source, table, self.folders[1])?,
            link: self.link,
            engine: self.fixed.engine.clone().unwrap_or_default(),
            image_store: None,
            compression: None,
            reuse: expect::reused(self.source, table, found)?,
        })
    }

    /// A target is a stage's name, in any case, or its number from 0.
    fn check_target(&self, target: &Located<String>, found: &Found) -> Result<(), SuiteError> {
        let stages = found.dockerfile.stages();
        let is_number = target.parse().is_ok_and(|number: usize| number < stages.len());
        let names = || stages.iter().filter_map(|stage| stage.name.as_deref());
        if is_number || names().any(|name| name.eq_ignore_ascii_case(target)) {
            return Ok(());
        }
        known(self.source, "stage", target, names())
    }

    /// One combination.
    fn one(
        &self,
        base: &Scenario,
        found: &Found,
        suffix: &str,
        combination: &Combination<'_>,
    ) -> Result<Scenario, SuiteError> {
        let mut scenario = base.clone();
        scenario.name.push_str(suffix);
        scenario.factors = combination
            .iter()
            .map(|(factor, value)| ((*factor).to_owned(), value.text.clone()))
            .collect();
        if value_of(combination, CACHE_MOUNTS) == Some("off") {
            scenario.dockerfile = scenario.dockerfile.without_cache_mounts();
        }
        if let Some((_, value)) = combination.iter().find(|(factor, _)| *factor == LINK) {
            scenario.link = value.link.unwrap_or(self.link);
        }
        if let Some((_, value)) = combination.iter().find(|(factor, _)| *factor == ENGINE) {
            scenario.engine = value.engine.clone().unwrap_or_default();
        }
        scenario.image_store = value_of(combination, IMAGE_STORE).and_then(ImageStore::named);
        scenario.compression = value_of(combination, COMPRESSION).and_then(Compression::named);
        if let Some((_, value)) = combination
            .iter()
            .find(|(factor, value)| *factor == BUILDER && value.text == "classic")
        {
            scenario.builder = Builder::Classic;
            if needs_buildkit(&scenario.grants) {
                return Err(SuiteError::Conflict {
                    place: self.source.at(value.written),
                    message: "the classic builder knows no secrets, no ssh agents and no cache_to; \
                              use BuildKit alone for a scenario that has them: factors = { builder = [\"buildkit\"] }",
                });
            }
            if let Some((line, reason)) = scenario.dockerfile.needs_buildkit() {
                return Err(SuiteError::Classic {
                    place: self.source.at(value.written),
                    scenario: base.base_name.clone(),
                    dockerfile: found.source.line(line),
                    reason,
                    exclude: unbuildable(found, combination),
                });
            }
        }
        Ok(scenario)
    }
}

/// The factor values to exclude so that the classic builder is left with what it can build.
fn unbuildable(found: &Found, combination: &Combination<'_>) -> Vec<(String, String)> {
    let mut exclude = vec![(BUILDER.to_owned(), "classic".to_owned())];
    let only_with_mounts = found.dockerfile.without_cache_mounts().needs_buildkit().is_none();
    if only_with_mounts && combination.iter().any(|(factor, _)| *factor == CACHE_MOUNTS) {
        exclude.push((CACHE_MOUNTS.to_owned(), "on".to_owned()));
    }
    exclude
}

/// Only the scenarios that the command line asks for.
pub(super) fn selected(scenarios: Vec<Scenario>, patterns: &[String]) -> Result<Vec<Scenario>, SuiteError> {
    let matches = |pattern: &str, scenario: &Scenario| {
        wildcard(pattern, &scenario.name) || wildcard(pattern, &scenario.base_name)
    };
    for pattern in patterns {
        if !scenarios.iter().any(|scenario| matches(pattern, scenario)) {
            let expected: Vec<String> = scenarios.into_iter().map(|scenario| scenario.name).collect();
            let suggestion = nearest(pattern, expected.iter().map(String::as_str));
            return Err(SuiteError::NoScenarioMatches {
                pattern: pattern.clone(),
                expected,
                suggestion,
            });
        }
    }
    let wanted = |scenario: &Scenario| patterns.iter().any(|pattern| matches(pattern, scenario));
    Ok(scenarios
        .into_iter()
        .filter(|scenario| patterns.is_empty() || wanted(scenario))
        .collect())
}
