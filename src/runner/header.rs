//! The run's first record, from the session and the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::Utc;

use super::Session;
use super::event::{PhaseHead, PublishedHead, RunHeader, ScenarioHead};
use crate::engine::{Engine, EngineInfo};
use crate::environment;
use crate::plan::Plan;
use crate::suite::{Fixture, PhaseSpec, PublishedFigure, Scenario, Temperature};

impl<E: Engine> Session<'_, E> {
    pub(super) fn header(&self, plan: &Plan) -> RunHeader {
        let built_in = self.kinds().map(|kind| (kind.name(), &kind.info));
        let engines: Vec<(&str, &EngineInfo)> = built_in.chain(self.pulled_onto()).collect();
        let suite = self.suite;
        let images: Vec<_> = self.bases.values().cloned().collect();
        let stand_ins = images.iter().filter(|image| image.stand_in).count();
        let bases = match stand_ins {
            0 => "pulled",
            n if n == images.len() => "stand-in",
            _ => "mixed",
        };
        RunHeader {
            run: self.settings.run.clone(),
            started: Utc::now(),
            bakeoff_version: env!("CARGO_PKG_VERSION").to_owned(),
            suite: suite.name.clone(),
            description: suite.description.clone(),
            suite_path: suite.path.display().to_string(),
            suite_text: suite.text.clone(),
            options: self.settings.options.clone(),
            fixture_digest: self.settings.fixture_digest.clone(),
            selected: self.settings.selected.clone(),
            fixture: suite.fixture.name.clone(),
            variant: suite.fixture.variant.clone(),
            seed: plan.seed,
            rounds: suite.rounds,
            warmup: suite.warmup,
            scenarios: suite
                .scenarios
                .iter()
                .map(|scenario| self.scenario_head(scenario))
                .collect(),
            journey: suite
                .journey
                .iter()
                .map(|spec| phase_head(spec, &suite.fixture))
                .collect(),
            questions: suite.questions.clone(),
            order: plan.order(suite),
            images,
            network: self.network.clone(),
            engines: self.engine_heads(),
            fingerprint: environment::fingerprint(&engines, bases, &self.network_identity(), &self.recording_digest()),
            noise: self.settings.noise.clone(),
            published: suite.published.as_ref().map(published_head),
        }
    }

    fn scenario_head(&self, scenario: &Scenario) -> ScenarioHead {
        let link = self.mirror.as_ref().map(|_| scenario.link.to_string());
        ScenarioHead {
            name: scenario.name.clone(),
            base_name: scenario.base_name.clone(),
            factors: scenario.factors.clone(),
            builder: scenario.builder.name().to_owned(),
            dockerfile: scenario.dockerfile.text().to_owned(),
            build_args: scenario.build_args.clone(),
            link: link.unwrap_or_default(),
        }
    }
}

/// The files of the context that edits change, and the lock file that is made anew from them.
fn changed_files(edits: &[String], fixture: &Fixture) -> Vec<String> {
    let edits = edits.iter().filter_map(|name| fixture.edits.get(name));
    let mut files: BTreeSet<&Path> = edits
        .flat_map(|edit| &edit.changes)
        .map(|change| change.file.as_path())
        .collect();
    let lock = fixture.lock.as_ref();
    if let Some(lock) = lock.filter(|lock| lock.inputs.iter().any(|input| files.contains(input.as_path()))) {
        files.insert(&lock.file);
    }
    files.iter().map(|file| file.display().to_string()).collect()
}

pub(super) fn phase_head(spec: &PhaseSpec, fixture: &Fixture) -> PhaseHead {
    let temperature = match spec.temperature {
        Temperature::Cold => "cold",
        Temperature::Hot => "hot",
        Temperature::Noop => "noop",
    };
    PhaseHead {
        name: spec.name.clone(),
        kind: spec.kind.name().to_owned(),
        image: spec.image.clone(),
        temperature: temperature.to_owned(),
        edits: spec.edits.clone(),
        files: changed_files(&spec.edits, fixture),
    }
}

fn published_head(published: &crate::suite::Published) -> PublishedHead {
    let mut head = PublishedHead {
        source: published.source.clone(),
        times: BTreeMap::new(),
        sizes: BTreeMap::new(),
    };
    for (row, figures) in &published.figures {
        for (scenario, figure) in figures {
            match figure {
                PublishedFigure::Time(time) => {
                    head.times
                        .entry(row.clone())
                        .or_default()
                        .insert(scenario.clone(), *time);
                }
                PublishedFigure::Size(size) => {
                    head.sizes
                        .entry(row.clone())
                        .or_default()
                        .insert(scenario.clone(), *size);
                }
            }
        }
    }
    head
}
