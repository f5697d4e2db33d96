//! The bases of a trial: each image that a Dockerfile starts from, with a file of the trial's own laid over it. Every
//! cache key of the build descends from that layer, so nothing that an earlier build left can be taken for it; the
//! user's images and their names are not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::engines::Place;
use super::event::BaseImage;
use super::{RunError, Session, context};
use crate::dockerfile::{Dockerfile, Stage};
use crate::engine::reaper::ANCHOR;
use crate::engine::session::Taken;
use crate::engine::{BuildFailure, BuildRequest, BuildTrace, Builder, Engine, EngineError, Grants};
use crate::images::trust::{self, Trust};
use crate::suite::Scenario;

/// Where apt of Debian-like images looks for configuration; nothing else minds it.
const APT_CONFIGURATION: &str = "etc/apt/apt.conf.d/99bakeoff-recorded";

const RECORDED_LISTS: &str = "Acquire::Check-Valid-Until \"false\";\n";

/// How long it may take to make or mark a base.
const ASIDE_LIMIT: Duration = Duration::from_secs(300);

/// Whether a stage is more than a place that others copy from: it runs a step, others start from it, or it is the image.
/// Copies are keyed by content and by the stage that they go into, so a mere source needs no base of the trial's own.
/// `external` holds the lines of the FROMs that name images, not stages.
fn is_built_on(dockerfile: &Dockerfile, external: &BTreeSet<u32>, stage: usize, target: Option<&str>) -> bool {
    let stages = dockerfile.stages();
    let name = stages.get(stage).and_then(|stage| stage.name.as_deref());
    let is_target = match target {
        Some(target) => name == Some(&target.to_lowercase()) || target == stage.to_string(),
        None => stage + 1 == stages.len(),
    };
    // A stage named by an argument may be any of those before it.
    let starts_from_it = |other: &Stage| {
        !external.contains(&other.line)
            && (other.base.contains('$') || Some(other.base.to_lowercase().as_str()) == name)
    };
    is_target
        || stages.iter().skip(stage + 1).any(starts_from_it)
        || dockerfile
            .instructions()
            .iter()
            .any(|instruction| instruction.stage == Some(stage) && instruction.can_make_layer())
}

impl<E: Engine> Session<'_, E> {
    /// The references from which a scenario's stages start and that need a base of the trial's own; `scratch` too, since
    /// what is copied onto it is keyed by content alone.
    pub(super) fn bases_with_steps(&self, scenario: &Scenario) -> Result<BTreeSet<String>, RunError> {
        let dockerfile = &scenario.dockerfile;
        let bases = dockerfile.bases(&self.build_args(scenario));
        let bases = bases.map_err(|source| RunError::Dockerfile {
            path: scenario.dockerfile_path.clone(),
            source,
        })?;
        let external: BTreeSet<u32> = bases.iter().map(|base| base.line).collect();
        let stage_of = |line: u32| dockerfile.stages().iter().position(|stage| stage.line == line);
        let needs_own = |line: u32| {
            stage_of(line).is_none_or(|stage| is_built_on(dockerfile, &external, stage, scenario.target.as_deref()))
        };
        Ok(bases
            .into_iter()
            .filter(|base| needs_own(base.line))
            .map(|base| base.reference)
            .collect())
    }

    /// What is known of a base; `scratch` needs no looking up.
    pub(super) fn base(&self, reference: &str) -> Option<BaseImage> {
        if reference != "scratch" {
            return self.bases.get(reference).cloned();
        }
        let scratch = || reference.to_owned();
        Some(BaseImage {
            role: scratch(),
            reference: scratch(),
            used: scratch(),
            id: String::new(),
            stand_in: false,
            host_ca: false,
        })
    }

    /// The names that base images have in an engine, by those that Dockerfiles have for them, where they differ.
    pub(super) fn names_in(&self, place: &Place<E>) -> BTreeMap<String, String> {
        let named = |(reference, image): (&String, &BaseImage)| {
            let name = place.names.get(&image.used)?;
            Some((reference.clone(), name.clone()))
        };
        self.bases.iter().filter_map(named).collect()
    }

    /// Makes the base of a trial from a base image and returns its name.
    ///
    /// A LABEL would not do (the builder's cache ignores it), nor would an ENV for steps that only copy files; a layer
    /// changes the key of them all.
    pub(super) async fn derive_base(
        &self,
        place: &Place<E>,
        image: &BaseImage,
        tag: &str,
        nonce: &str,
    ) -> Result<(), RunError> {
        let mut files = vec![(PathBuf::from("files/.bakeoff-trial"), nonce.as_bytes().to_vec())];
        let mut dockerfile = format!("FROM {}\n", place.name(&image.used));
        // First, and not only by the request, which puts it on at the end: what a build that dies leaves half made, this one or
        // a classic one on top of it, has to be known as ours.
        for (name, value) in self.labels() {
            dockerfile.push_str(&format!("LABEL {name}={value}\n"));
        }
        dockerfile.push_str("COPY files/ /\n");
        if let Some(trust) = self.trust.as_ref().filter(|_| image.host_ca) {
            files.push((PathBuf::from("files").join(trust::IN_IMAGE), trust.bundle.clone()));
            for (name, value) in Trust::environment() {
                dockerfile.push_str(&format!("ENV {name}={value}\n"));
            }
        }
        if let Some(mirror) = self.mirror.as_ref().filter(|_| image.used != "scratch") {
            for (name, value) in mirror.environment() {
                dockerfile.push_str(&format!("ENV {name}={value}\n"));
            }
            // A distribution's package lists say until when they are valid; recorded ones stay what they are.
            files.push((
                PathBuf::from("files").join(APT_CONFIGURATION),
                RECORDED_LISTS.as_bytes().to_vec(),
            ));
        }
        files.push((PathBuf::from("Dockerfile"), dockerfile.into_bytes()));
        // The classic builder leaves no record in BuildKit's cache.
        let built = self
            .build_aside(&place.engine, &files, tag, Builder::Classic, &Taken::default())
            .await?;
        let trace = built.map_err(|failure| EngineError::Operation {
            operation: "make the trial's base",
            subject: tag.to_owned(),
            reason: failure.message,
        })?;
        if trace
            .log
            .iter()
            .any(|line| line.text.contains("Executing") && line.text.contains("build trigger"))
        {
            return Err(RunError::Triggers {
                image: image.reference.clone(),
            });
        }
        Ok(())
    }

    /// Marks a trial's base in BuildKit's cache: a RUN whose command, which the cache's records show, holds the nonce.
    /// What descends from the base can then be told apart, even by a later process; `taken` hears of the mark's own context.
    /// An image without a shell can't be marked: whether this one is such, is returned. BuildKit has a handle on it then all the
    /// same, which is new.
    ///
    /// In an engine of the trial's own nothing needs to be told apart; but there as here the first phase shall not be the
    /// first that BuildKit ever builds, nor the first thing that it does with the base.
    pub(super) async fn mark_base(
        &self,
        engine: &E,
        base: &str,
        tag: &str,
        nonce: &str,
        taken: &Taken,
    ) -> Result<bool, RunError> {
        let dockerfile = format!("FROM {base}\nRUN : {ANCHOR}{nonce}\n");
        let files = [(PathBuf::from("Dockerfile"), dockerfile.into_bytes())];
        let built = self.build_aside(engine, &files, tag, Builder::Buildkit, taken).await?;
        engine.remove_image(tag).await?;
        match built {
            Ok(_) => Ok(false),
            // A step that failed had the base to run on.
            Err(failure) if failure.step.as_ref().unwrap_or(&failure.message).contains(ANCHOR) => Ok(true),
            Err(failure) => Err(EngineError::Operation {
                operation: "mark the trial's base",
                subject: base.to_owned(),
                reason: failure.message,
            }
            .into()),
        }
    }

    async fn build_aside(
        &self,
        engine: &E,
        files: &[(PathBuf, Vec<u8>)],
        tag: &str,
        builder: Builder,
        taken: &Taken,
    ) -> Result<Result<BuildTrace, Box<BuildFailure>>, RunError> {
        let ready = context::of_files(files, builder, tag, taken)?;
        let request = BuildRequest {
            context: ready.context.clone(),
            dockerfile: ready.dockerfile.clone(),
            tag: tag.to_owned(),
            build_args: std::collections::BTreeMap::new(),
            labels: self.labels(),
            builder,
            target: None,
            platform: None,
            extra_hosts: Vec::new(),
            grants: Grants::default(),
            compression: None,
            limit: ASIDE_LIMIT,
        };
        Ok(engine.build(&request, &|_| {}).await)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::is_built_on;
    use crate::dockerfile::Dockerfile;

    fn built_on(text: &str, target: Option<&str>) -> Vec<bool> {
        let dockerfile = Dockerfile::parse(text).expect("valid");
        let bases = dockerfile.bases(&BTreeMap::new()).expect("known bases");
        let external = bases.into_iter().map(|base| base.line).collect();
        (0..dockerfile.stages().len())
            .map(|stage| is_built_on(&dockerfile, &external, stage, target))
            .collect()
    }

    #[test]
    fn a_stage_needs_a_base_unless_others_only_copy_from_it() {
        let text = "ARG UV=uv:1\nARG PYTHON=python:3\nFROM ${UV} AS uv\nFROM ${PYTHON} AS base\nENV X=1\n\
                    FROM base AS deps\nCOPY --from=uv /uv /bin/\nFROM scratch\n";
        assert_eq!(built_on(text, None), [false, true, true, true]);
        assert_eq!(built_on(text, Some("UV")), [true, true, true, false]);
    }

    #[test]
    fn a_stage_named_by_an_argument_may_be_any_before_it() {
        let text = "ARG BASE=a\nFROM python AS a\nFROM ${BASE}\nRUN true\n";
        assert_eq!(built_on(text, None), [true, true]);
    }
}
