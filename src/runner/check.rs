//! Manipulation checks: proof that a phase did what its name says. A phase that fails one is shown with the reason and
//! is not averaged.

use std::collections::BTreeSet;

use super::event::Outcome;
use crate::dockerfile::Dockerfile;
use crate::engine::registry::RegistryManifest;
use crate::engine::{BuildTrace, Compression, EngineError, ImageDetails, PushTrace, StepTrace};
use crate::suite::Temperature;

/// The steps that do the user's work, as opposed to loading bases and contexts.
fn user_steps<'t>(trace: &'t BuildTrace, dockerfile: &Dockerfile) -> Vec<&'t StepTrace> {
    let works = |step: &&StepTrace| {
        dockerfile
            .instruction_of_step(&step.name)
            .is_some_and(|instruction| matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD" | "WORKDIR"))
    };
    trace.steps.iter().filter(works).collect()
}

/// A step's instruction, without its number: `RUN make` of `[a 3/3] RUN make`.
fn text(name: &str) -> &str {
    name.split_once("] ").map_or(name, |(_, text)| text)
}

/// Checks a finished build: a cold one took no user step from the cache, a hot one ran at least one, a no-op none.
#[must_use]
pub fn build(
    temperature: Temperature,
    trace: &BuildTrace,
    dockerfile: &Dockerfile,
    image: Option<&ImageDetails>,
) -> Outcome {
    let steps = user_steps(trace, dockerfile);
    // A step that was neither cached nor run was not needed.
    let ran = || steps.iter().filter(|step| !step.cached && !step.intervals.is_empty());
    // Two stages may have the same step on the same base: it runs once and the other is a hit within the build itself.
    let twin_ran = |step: &StepTrace| ran().any(|other| text(&other.name) == text(&step.name));
    let cached = || steps.iter().filter(|step| step.cached && !twin_ran(step));
    let mut reasons = Vec::new();
    if image.is_none() {
        reasons.push("the engine has no image of that name after the build".to_owned());
    }
    match temperature {
        Temperature::Cold => {
            reasons.extend(cached().map(|step| format!("a cold build took a step from the cache: {}", step.name)));
        }
        Temperature::Hot if !steps.is_empty() && ran().next().is_none() => {
            reasons.push("every step of a hot build came from the cache: the edit reached none of them".to_owned());
        }
        Temperature::Noop => {
            reasons.extend(ran().map(|step| format!("a no-op build ran a step: {}", step.name)));
        }
        Temperature::Hot => {}
    }
    outcome(reasons)
}

/// Checks a finished push: the registry holds the manifest, had (`known`) none of its layers before if it was cold and some
/// layers if not, and the layer that was built last is compressed as it was asked for.
#[must_use]
pub fn push(
    temperature: Temperature,
    trace: &PushTrace,
    held: Result<&RegistryManifest, &EngineError>,
    known: &BTreeSet<String>,
    compression: Option<Compression>,
) -> Outcome {
    let mut reasons = Vec::new();
    match held {
        Err(error) => reasons.push(format!("after the push: {error}")),
        Ok(held) if temperature == Temperature::Cold => {
            let had = held.layers.iter().filter(|(digest, _)| known.contains(digest)).count();
            if had > 0 {
                reasons.push(format!("the registry had {had} layers of a cold push before it"));
            }
        }
        Ok(_) if known.is_empty() => {
            reasons
                .push("no push before it had put anything into the registry, so all of the image was sent".to_owned());
        }
        Ok(_) => {}
    }
    if let (Ok(held), Some(compression)) = (held, compression)
        && let Some(media_type) = held
            .media_types
            .last()
            .filter(|found| !is_compressed_by(found, compression))
    {
        let wanted = compression.name();
        reasons.push(format!(
            "its layers were to be {wanted}, and the last one is {media_type}"
        ));
    }
    if trace.digest.is_empty() {
        reasons.push("the engine named no digest for what it pushed".to_owned());
    }
    outcome(reasons)
}

/// Whether a layer's media type is that of a compression (OCI image specification, "media types"; Docker's end in
/// `.tar.gzip` where OCI's end in `.tar+gzip`).
fn is_compressed_by(media_type: &str, compression: Compression) -> bool {
    let end = media_type.rsplit(['+', '.']).next().unwrap_or_default();
    match compression {
        Compression::Gzip => end == "gzip",
        Compression::Zstd => end == "zstd",
        Compression::Uncompressed => end == "tar",
    }
}

fn outcome(reasons: Vec<String>) -> Outcome {
    if reasons.is_empty() {
        Outcome::Measured
    } else {
        Outcome::Invalid(reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Interval, LayerOutcome, LayerPush};
    use crate::units::Bytes;

    const DOCKERFILE: &str = "FROM python AS a\nWORKDIR /app\nRUN make\nFROM python\nCOPY --from=a /app /app\n";

    /// A build of the Dockerfile whose steps were cached or not, as told; loading the context always runs.
    fn built(cached: [bool; 3]) -> BuildTrace {
        let names = [
            "[a 2/3] WORKDIR /app",
            "[a 3/3] RUN make",
            "[stage-1 2/2] COPY --from=a /app /app",
        ];
        let step = |name: &str, cached: bool| StepTrace {
            id: name.into(),
            name: name.into(),
            cached,
            intervals: vec![Interval {
                started: 1,
                completed: Some(2),
            }],
            ..StepTrace::default()
        };
        let mut steps = vec![
            step("[internal] load build context", false),
            step("[a 1/3] FROM python", true),
        ];
        steps.extend(names.iter().zip(cached).map(|(name, cached)| step(name, cached)));
        BuildTrace {
            steps,
            ..BuildTrace::default()
        }
    }

    fn checked(temperature: Temperature, cached: [bool; 3]) -> Outcome {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        build(temperature, &built(cached), &dockerfile, Some(&ImageDetails::default()))
    }

    fn is_invalid(outcome: &Outcome, word: &str) -> bool {
        matches!(outcome, Outcome::Invalid(reasons) if reasons.len() == 1 && reasons[0].contains(word))
    }

    #[test]
    fn a_cold_build_takes_no_user_step_from_the_cache() {
        assert_eq!(checked(Temperature::Cold, [false; 3]), Outcome::Measured);
        assert!(is_invalid(
            &checked(Temperature::Cold, [false, true, false]),
            "RUN make"
        ));
        assert!(is_invalid(&checked(Temperature::Cold, [true, false, false]), "WORKDIR"));
    }

    #[test]
    fn a_hit_on_the_same_step_of_another_stage_is_no_contamination() {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        let mut trace = built([false; 3]);
        let twin = StepTrace {
            name: "[stage-1 2/3] RUN make".into(),
            cached: true,
            ..StepTrace::default()
        };
        trace.steps.push(twin);
        assert_eq!(
            build(Temperature::Cold, &trace, &dockerfile, Some(&ImageDetails::default())),
            Outcome::Measured
        );
    }

    #[test]
    fn a_step_that_was_not_needed_did_not_run() {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        let mut trace = built([true, true, false]);
        trace.steps[4].intervals.clear();
        let image = ImageDetails::default();
        assert_eq!(
            build(Temperature::Noop, &trace, &dockerfile, Some(&image)),
            Outcome::Measured
        );
        assert!(is_invalid(
            &build(Temperature::Hot, &trace, &dockerfile, Some(&image)),
            "the edit reached none"
        ));
    }

    #[test]
    fn a_hot_build_runs_at_least_one_step() {
        assert_eq!(checked(Temperature::Hot, [true, true, false]), Outcome::Measured);
        assert!(is_invalid(
            &checked(Temperature::Hot, [true; 3]),
            "the edit reached none"
        ));
    }

    #[test]
    fn a_no_op_build_runs_none() {
        assert_eq!(checked(Temperature::Noop, [true; 3]), Outcome::Measured);
        assert!(is_invalid(
            &checked(Temperature::Noop, [true, true, false]),
            "COPY --from=a"
        ));
    }

    #[test]
    fn a_build_without_an_image_counts_for_nothing() {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        assert!(is_invalid(
            &build(Temperature::Cold, &built([false; 3]), &dockerfile, None),
            "no image"
        ));
    }

    #[test]
    fn media_types_tell_the_compression() {
        let oci = "application/vnd.oci.image.layer.v1.tar";
        assert!(is_compressed_by(oci, Compression::Uncompressed));
        assert!(is_compressed_by(&format!("{oci}+zstd"), Compression::Zstd));
        assert!(is_compressed_by(
            "application/vnd.docker.image.rootfs.diff.tar",
            Compression::Uncompressed
        ));
        assert!(!is_compressed_by(&format!("{oci}+gzip"), Compression::Uncompressed));
    }

    #[test]
    fn a_push_ends_with_a_manifest_in_the_registry() {
        let layer = LayerPush {
            id: "a".into(),
            outcome: LayerOutcome::Pushed,
        };
        let trace = PushTrace {
            digest: "sha256:1".into(),
            layers: vec![layer],
            ..PushTrace::default()
        };
        let manifest = RegistryManifest {
            layers: vec![("sha256:a".into(), Bytes(1))],
            media_types: vec!["application/vnd.docker.image.rootfs.diff.tar.gzip".into()],
        };
        let (empty, full) = (BTreeSet::new(), BTreeSet::from(["sha256:a".to_owned()]));
        assert_eq!(
            push(Temperature::Cold, &trace, Ok(&manifest), &empty, None),
            Outcome::Measured
        );
        assert_eq!(
            push(Temperature::Hot, &trace, Ok(&manifest), &full, None),
            Outcome::Measured
        );
        assert!(is_invalid(
            &push(Temperature::Hot, &trace, Ok(&manifest), &empty, None),
            "no push before it"
        ));
        assert_eq!(
            push(Temperature::Hot, &trace, Ok(&manifest), &full, Some(Compression::Gzip)),
            Outcome::Measured
        );
        assert!(is_invalid(
            &push(Temperature::Hot, &trace, Ok(&manifest), &full, Some(Compression::Zstd)),
            "were to be zstd"
        ));
        assert!(is_invalid(
            &push(Temperature::Cold, &trace, Ok(&manifest), &full, None),
            "had 1 layers"
        ));
        let error = EngineError::Protocol {
            operation: "read manifest",
            reason: "404".into(),
        };
        assert!(is_invalid(
            &push(Temperature::Hot, &trace, Err(&error), &full, None),
            "after the push"
        ));
        let nameless = PushTrace::default();
        assert!(is_invalid(
            &push(Temperature::Hot, &nameless, Ok(&manifest), &full, None),
            "no digest"
        ));
    }
}
