//! Manipulation checks: proof that a phase did what its name says. A phase that fails one is shown with the reason and
//! is not averaged. What must be true of a phase follows from what it is, or stands in the suite ([`Expect`]). Not for: asking
//! engines and registries (what they said comes in).
//!
//! [`Expect`]: crate::suite::Expect

pub mod mounts;
pub mod reuse;

use std::collections::BTreeSet;

use super::event::{Manifest, Outcome};
use crate::dockerfile::{Dockerfile, Instruction};
use crate::engine::registry::RegistryManifest;
use crate::engine::{BuildTrace, Compression, EngineError, ImageDetails, PullOutcome, PullTrace, PushTrace, StepTrace};
use crate::suite::{Cached, PhaseSpec, Temperature};

/// The steps that do the user's work, as opposed to loading bases and contexts.
fn user_steps<'t>(trace: &'t BuildTrace, dockerfile: &Dockerfile) -> Vec<&'t StepTrace> {
    let works = |step: &&StepTrace| {
        dockerfile
            .instruction_of_step(&step.name)
            .is_some_and(Instruction::can_make_layer)
    };
    trace.steps.iter().filter(works).collect()
}

/// A step's instruction, without its number: `RUN make` of `[a 3/3] RUN make`.
fn text(name: &str) -> &str {
    name.split_once("] ").map_or(name, |(_, text)| text)
}

/// What is wrong with a finished build, going by its steps: more or fewer of them came from the cache than its claim says.
#[must_use]
pub fn build(
    spec: &PhaseSpec,
    trace: &BuildTrace,
    dockerfile: &Dockerfile,
    target: Option<&str>,
    image: Option<&ImageDetails>,
) -> Vec<String> {
    let steps = user_steps(trace, dockerfile);
    // A step that was neither cached nor run was not needed.
    let ran = || steps.iter().filter(|step| !step.cached && !step.intervals.is_empty());
    // Two stages may have the same step on the same base: it runs once and the other is a hit within the build itself.
    let twin_ran = |step: &StepTrace| ran().any(|other| text(&other.name) == text(&step.name));
    let cached = || steps.iter().filter(|step| step.cached && !twin_ran(step));
    let a_build = match spec.temperature {
        Temperature::Cold => "a cold build",
        Temperature::Hot => "a hot build",
        Temperature::Noop => "a no-op build",
    };
    let mut reasons = Vec::new();
    if image.is_none() {
        reasons.push("the engine has no image of that name after the build".to_owned());
    }
    let instructions = dockerfile.instructions_of_image(target);
    if steps.is_empty() && instructions.iter().any(|instruction| instruction.can_make_layer()) {
        reasons.push(
            "the builder told of no step that is an instruction of the Dockerfile, so nothing can be said of its cache"
                .to_owned(),
        );
    }
    match spec.expect.cached {
        Cached::None => {
            reasons.extend(cached().map(|step| format!("{a_build} took a step from the cache: {}", step.name)));
        }
        Cached::Some if !steps.is_empty() && cached().next().is_none() => {
            reasons.push(format!("no step of {a_build} came from the cache"));
        }
        Cached::NotAll if !steps.is_empty() && ran().next().is_none() => {
            let edit = if spec.edits.is_empty() {
                ""
            } else {
                ": the edit reached none of them"
            };
            reasons.push(format!("every step of {a_build} came from the cache{edit}"));
        }
        Cached::All => {
            reasons.extend(ran().map(|step| format!("{a_build} ran a step: {}", step.name)));
        }
        Cached::Some | Cached::NotAll | Cached::Any => {}
    }
    reasons
}

/// What is wrong with a finished push: the registry does not hold the manifest that the engine says it sent, it had
/// (`known`) more or fewer of its layers before than the push's claim says, or the layer that was built last is not
/// compressed as it was asked for.
#[must_use]
pub fn push(
    spec: &PhaseSpec,
    trace: &PushTrace,
    held: Result<&RegistryManifest, &EngineError>,
    known: &BTreeSet<String>,
    compression: Option<Compression>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    match held {
        Err(error) => reasons.push(format!("after the push: {error}")),
        Ok(held) => {
            let had = held.layers.iter().filter(|(digest, _)| known.contains(digest)).count();
            let all = held.layers.len();
            let wrong = match spec.expect.cached {
                Cached::None if had > 0 => {
                    Some(format!("the registry had {had} layers of a push that was to send all"))
                }
                Cached::Some if known.is_empty() => {
                    let nothing = "no push before it had put anything into the registry, so all of the image was sent";
                    Some(nothing.to_owned())
                }
                Cached::Some if had == 0 => Some("the registry had none of the image's layers".to_owned()),
                Cached::NotAll if had == all => Some(format!("the registry had all {all} layers of the image")),
                Cached::All if had < all => Some(format!("the registry lacked {} of {all} layers", all - had)),
                Cached::None | Cached::Some | Cached::NotAll | Cached::All | Cached::Any => None,
            };
            reasons.extend(wrong);
            if !trace.digest.is_empty() && held.digest != trace.digest {
                let (sent, holds) = (&trace.digest, &held.digest);
                reasons.push(format!(
                    "the engine says that it pushed {sent}, and the registry holds {holds}"
                ));
            }
        }
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
    reasons
}

/// Whether the files that edits can change are as they were in the cold build; only those count that the build is sent.
#[must_use]
pub fn context<T: PartialEq>(edits: &[String], cold: &T, now: &T) -> Option<String> {
    (cold == now).then(|| {
        let edits = edits.join(", ");
        format!("the edit ({edits}) changed no file that the build is sent: its context is the cold build's")
    })
}

/// A finished pull, and what is known beside it.
#[derive(Debug, Clone, Copy)]
pub struct Pulled<'a> {
    /// What the phase claims.
    pub temperature: Temperature,
    /// The pull.
    pub trace: &'a PullTrace,
    /// The images that the machine had before.
    pub had: usize,
    /// The image as the machine has it now.
    pub image: Option<&'a ImageDetails>,
    /// What was pushed.
    pub pushed: &'a Manifest,
}

/// Checks a finished pull: the machine has the image that was pushed. Before a cold one it had none, and every layer of the
/// manifest was downloaded; before a hot one it had some, and at least one layer was downloaded; in a no-op none was.
#[must_use]
pub fn pull(pulled: &Pulled<'_>) -> Outcome {
    let (trace, pushed) = (pulled.trace, pulled.pushed);
    let mut reasons = Vec::new();
    match pulled.image {
        None => reasons.push("the machine has no image of that name after the pull".to_owned()),
        Some(image) if !image.repo_digests.iter().any(|known| known.ends_with(&pushed.digest)) => {
            reasons.push(format!("the machine does not have what was pushed, {}", pushed.digest));
        }
        Some(_) => {}
    }
    if trace.digest != pushed.digest {
        let (got, sent) = (&trace.digest, &pushed.digest);
        reasons.push(format!("the engine says that it pulled {got:?}, and {sent} was pushed"));
    }
    let such = |outcome| {
        trace
            .layers
            .iter()
            .filter(move |layer| layer.outcome == outcome)
            .count()
    };
    let (new, old) = (such(PullOutcome::Pulled), such(PullOutcome::Exists));
    match pulled.temperature {
        Temperature::Cold => {
            if pulled.had > 0 {
                reasons.push(format!("the machine had {} images before a cold pull", pulled.had));
            }
            if old > 0 {
                reasons.push(format!("the machine had {old} layers of a cold pull before it"));
            }
            // The engine's ids are the beginnings of the digests.
            let came = |digest: &str| {
                let digest = digest.rsplit(':').next().unwrap_or_default();
                let mut layers = trace.layers.iter();
                layers.any(|layer| layer.outcome == PullOutcome::Pulled && digest.starts_with(&layer.id))
            };
            let missing = pushed.layers.iter().filter(|(digest, _)| !came(digest)).count();
            if missing > old {
                let all = pushed.layers.len();
                reasons.push(format!("{missing} of {all} layers of a cold pull were not downloaded"));
            }
        }
        Temperature::Hot => {
            if pulled.had == 0 {
                reasons.push("the machine had no image before a hot pull".to_owned());
            }
            if new == 0 {
                reasons.push("the machine had every layer of a hot pull before it".to_owned());
            }
        }
        Temperature::Noop if new > 0 => reasons.push(format!("a no-op pull downloaded {new} layers")),
        Temperature::Noop => {}
    }
    if trace.retries > 0 {
        reasons.push("the registry did not answer at once: the engine waited, and tried again".to_owned());
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

/// How a phase ended of which all this is wrong.
#[must_use]
pub fn outcome(reasons: Vec<String>) -> Outcome {
    if reasons.is_empty() {
        Outcome::Measured
    } else {
        Outcome::Invalid(reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Interval, LayerOutcome, LayerPull, LayerPush};
    use crate::suite::{Expect, PhaseKind};
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

    fn phase(kind: PhaseKind, temperature: Temperature) -> PhaseSpec {
        let edits = if temperature == Temperature::Hot {
            vec!["bump".to_owned()]
        } else {
            vec![]
        };
        PhaseSpec {
            name: "phase".into(),
            kind,
            image: "image".into(),
            temperature,
            expect: Expect::of(kind, temperature, !edits.is_empty()),
            edits,
        }
    }

    fn built_as(temperature: Temperature, trace: &BuildTrace, image: Option<&ImageDetails>) -> Outcome {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        outcome(build(
            &phase(PhaseKind::Build, temperature),
            trace,
            &dockerfile,
            None,
            image,
        ))
    }

    fn checked(temperature: Temperature, cached: [bool; 3]) -> Outcome {
        built_as(temperature, &built(cached), Some(&ImageDetails::default()))
    }

    fn expecting(expected: Cached, cached: [bool; 3]) -> bool {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        let mut spec = phase(PhaseKind::Build, Temperature::Cold);
        spec.expect.cached = expected;
        build(&spec, &built(cached), &dockerfile, None, Some(&ImageDetails::default())).is_empty()
    }

    fn is_invalid(outcome: &Outcome, word: &str) -> bool {
        matches!(outcome, Outcome::Invalid(reasons) if reasons.len() == 1 && reasons[0].contains(word))
    }

    #[test]
    fn steps_that_nobody_knows_prove_nothing() {
        let mut trace = built([false; 3]);
        for step in &mut trace.steps {
            step.name = format!("STEP {}", step.name.split_once("] ").expect("a step").1);
        }
        for temperature in [Temperature::Cold, Temperature::Hot, Temperature::Noop] {
            let outcome = built_as(temperature, &trace, Some(&ImageDetails::default()));
            assert!(is_invalid(&outcome, "no step that is an instruction"), "{outcome:?}");
        }
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
        let mut trace = built([false; 3]);
        let twin = StepTrace {
            name: "[stage-1 2/3] RUN make".into(),
            cached: true,
            ..StepTrace::default()
        };
        trace.steps.push(twin);
        assert_eq!(
            built_as(Temperature::Cold, &trace, Some(&ImageDetails::default())),
            Outcome::Measured
        );
    }

    #[test]
    fn a_step_that_was_not_needed_did_not_run() {
        let mut trace = built([true, true, false]);
        trace.steps[4].intervals.clear();
        let image = ImageDetails::default();
        assert_eq!(built_as(Temperature::Noop, &trace, Some(&image)), Outcome::Measured);
        assert!(is_invalid(
            &built_as(Temperature::Hot, &trace, Some(&image)),
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
    fn a_suite_says_how_much_may_come_from_the_cache() {
        let (none, half, all) = ([false; 3], [true, true, false], [true; 3]);
        let holds = |expected| [none, half, all].map(|cached| expecting(expected, cached));
        assert_eq!(holds(Cached::None), [true, false, false]);
        assert_eq!(holds(Cached::Some), [false, true, true]);
        assert_eq!(holds(Cached::NotAll), [true, true, false]);
        assert_eq!(holds(Cached::All), [false, false, true]);
        assert_eq!(holds(Cached::Any), [true; 3]);
    }

    #[test]
    fn an_edit_that_changes_nothing_that_is_sent_is_told_of() {
        let edits = ["bump".to_owned()];
        assert_eq!(context(&edits, &"a", &"b"), None);
        assert!(context(&edits, &"a", &"a").expect("a reason").contains("(bump)"));
    }

    #[test]
    fn a_build_without_an_image_counts_for_nothing() {
        assert!(is_invalid(
            &built_as(Temperature::Cold, &built([false; 3]), None),
            "no image"
        ));
    }

    fn checked_pull(temperature: Temperature, had: usize, outcomes: [PullOutcome; 2]) -> Outcome {
        let layers = ["aa01", "bb02"].iter().zip(outcomes);
        let trace = PullTrace {
            digest: "sha256:d1".into(),
            layers: layers
                .map(|(id, outcome)| LayerPull {
                    id: (*id).into(),
                    outcome,
                    downloading: None,
                    extracting: None,
                })
                .collect(),
            ..PullTrace::default()
        };
        let image = ImageDetails {
            repo_digests: vec!["engine:5000/bakeoff/a@sha256:d1".into()],
            ..ImageDetails::default()
        };
        let pushed = Manifest {
            digest: "sha256:d1".into(),
            layers: vec![("sha256:aa0133".into(), Bytes(1)), ("sha256:bb0244".into(), Bytes(1))],
            new_bytes: Bytes(2),
        };
        pull(&Pulled {
            temperature,
            trace: &trace,
            had,
            image: Some(&image),
            pushed: &pushed,
        })
    }

    #[test]
    fn a_cold_pull_downloads_everything_onto_an_empty_machine() {
        use PullOutcome::{Exists, Pulled, Unknown};
        assert_eq!(checked_pull(Temperature::Cold, 0, [Pulled, Pulled]), Outcome::Measured);
        assert!(is_invalid(
            &checked_pull(Temperature::Cold, 2, [Pulled, Pulled]),
            "had 2 images"
        ));
        assert!(is_invalid(
            &checked_pull(Temperature::Cold, 0, [Exists, Pulled]),
            "had 1 layers"
        ));
        assert!(is_invalid(
            &checked_pull(Temperature::Cold, 0, [Unknown, Pulled]),
            "1 of 2 layers"
        ));
    }

    #[test]
    fn a_hot_pull_finds_something_and_downloads_something() {
        use PullOutcome::{Exists, Pulled};
        assert_eq!(checked_pull(Temperature::Hot, 1, [Exists, Pulled]), Outcome::Measured);
        assert!(is_invalid(
            &checked_pull(Temperature::Hot, 0, [Pulled, Pulled]),
            "no image before"
        ));
        assert!(is_invalid(
            &checked_pull(Temperature::Hot, 1, [Exists, Exists]),
            "every layer"
        ));
        assert_eq!(checked_pull(Temperature::Noop, 1, [Exists, Exists]), Outcome::Measured);
        assert!(is_invalid(
            &checked_pull(Temperature::Noop, 1, [Exists, Pulled]),
            "downloaded 1"
        ));
    }

    #[test]
    fn a_pull_brings_what_was_pushed() {
        let trace = PullTrace {
            digest: "sha256:d1".into(),
            ..PullTrace::default()
        };
        let pushed = |digest: &str| Manifest {
            digest: digest.into(),
            ..Manifest::default()
        };
        let checked = |trace: &PullTrace, image: Option<&ImageDetails>, digest: &str| {
            pull(&Pulled {
                temperature: Temperature::Noop,
                trace,
                had: 1,
                image,
                pushed: &pushed(digest),
            })
        };
        let image = ImageDetails {
            repo_digests: vec!["r/a@sha256:d1".into()],
            ..ImageDetails::default()
        };
        assert_eq!(checked(&trace, Some(&image), "sha256:d1"), Outcome::Measured);
        assert!(is_invalid(&checked(&trace, None, "sha256:d1"), "no image"));
        let Outcome::Invalid(reasons) = checked(&trace, Some(&image), "sha256:d2") else {
            panic!("another image")
        };
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        let retried = PullTrace { retries: 1, ..trace };
        assert!(is_invalid(&checked(&retried, Some(&image), "sha256:d1"), "tried again"));
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

    fn pushed(
        temperature: Temperature,
        trace: &PushTrace,
        held: Result<&RegistryManifest, &EngineError>,
        known: &BTreeSet<String>,
        compression: Option<Compression>,
    ) -> Outcome {
        outcome(push(
            &phase(PhaseKind::Push, temperature),
            trace,
            held,
            known,
            compression,
        ))
    }

    #[test]
    fn a_suite_says_how_much_a_registry_may_have() {
        let trace = PushTrace {
            digest: "sha256:1".into(),
            ..PushTrace::default()
        };
        let manifest = RegistryManifest {
            config: None,
            digest: "sha256:1".into(),
            layers: vec![("sha256:a".into(), Bytes(1)), ("sha256:b".into(), Bytes(1))],
            media_types: vec![],
        };
        let holds = |expected| {
            [&["sha256:z"][..], &["sha256:a"], &["sha256:a", "sha256:b"]].map(|known| {
                let mut spec = phase(PhaseKind::Push, Temperature::Hot);
                spec.expect.cached = expected;
                let known = known.iter().map(|&digest| digest.to_owned()).collect();
                push(&spec, &trace, Ok(&manifest), &known, None).is_empty()
            })
        };
        assert_eq!(holds(Cached::None), [true, false, false]);
        assert_eq!(holds(Cached::Some), [false, true, true]);
        assert_eq!(holds(Cached::NotAll), [true, true, false]);
        assert_eq!(holds(Cached::All), [false, false, true]);
        assert_eq!(holds(Cached::Any), [true; 3]);
    }

    #[test]
    fn a_push_ends_with_a_manifest_in_the_registry() {
        let layer = LayerPush {
            id: "a".into(),
            outcome: LayerOutcome::Pushed,
            ..LayerPush::default()
        };
        let trace = PushTrace {
            digest: "sha256:1".into(),
            layers: vec![layer],
            ..PushTrace::default()
        };
        let manifest = RegistryManifest {
            digest: "sha256:1".into(),
            config: None,
            layers: vec![("sha256:a".into(), Bytes(1))],
            media_types: vec!["application/vnd.docker.image.rootfs.diff.tar.gzip".into()],
        };
        let (empty, full) = (BTreeSet::new(), BTreeSet::from(["sha256:a".to_owned()]));
        assert_eq!(
            pushed(Temperature::Cold, &trace, Ok(&manifest), &empty, None),
            Outcome::Measured
        );
        assert_eq!(
            pushed(Temperature::Hot, &trace, Ok(&manifest), &full, None),
            Outcome::Measured
        );
        assert!(is_invalid(
            &pushed(Temperature::Hot, &trace, Ok(&manifest), &empty, None),
            "no push before it"
        ));
        assert_eq!(
            pushed(Temperature::Hot, &trace, Ok(&manifest), &full, Some(Compression::Gzip)),
            Outcome::Measured
        );
        assert!(is_invalid(
            &pushed(Temperature::Hot, &trace, Ok(&manifest), &full, Some(Compression::Zstd)),
            "were to be zstd"
        ));
        assert!(is_invalid(
            &pushed(Temperature::Cold, &trace, Ok(&manifest), &full, None),
            "had 1 layers"
        ));
        let other = RegistryManifest {
            digest: "sha256:2".into(),
            ..manifest.clone()
        };
        assert!(is_invalid(
            &pushed(Temperature::Hot, &trace, Ok(&other), &full, None),
            "pushed sha256:1, and the registry holds sha256:2"
        ));
        let error = EngineError::Protocol {
            operation: "read manifest",
            reason: "404".into(),
        };
        assert!(is_invalid(
            &pushed(Temperature::Hot, &trace, Err(&error), &full, None),
            "after the push"
        ));
        let nameless = PushTrace::default();
        assert!(is_invalid(
            &pushed(Temperature::Hot, &nameless, Ok(&manifest), &full, None),
            "no digest"
        ));
    }
}
