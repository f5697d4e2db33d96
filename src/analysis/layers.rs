//! A scenario's images layer by layer: what an edit left of the first one, and what is wasted in them. Not for: words and
//! layouts.

use crate::dockerfile::Dockerfile;
use crate::engine::layers::Waste;
use crate::journal::RunLog;
use crate::runner::event::{ImageRecord, LayerOrigin, LayerRecord, Outcome, Round, ScenarioHead, TrialRecord};
use crate::units::Bytes;

use super::attribution::{InstructionRef, reference};

/// The images of a scenario, in the order in which the journey first builds their names, each as it was built last. They are
/// those of its first measured trial that came to its end: other rounds have other layers, made by the same instructions.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    /// The images. The first one is what the others are compared with.
    pub images: Vec<ImageLayers>,
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageLayers {
    /// What the journey calls it.
    pub image: String,
    /// How often the journey builds that name. A trial's end has only the last of them, so that one is shown.
    pub builds: usize,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// What it shares with the first image; `None` for the first.
    pub reuse: Option<Reuse>,
    /// What is wasted in it, if that was looked at.
    pub waste: Option<Waste>,
    /// Why that could not be looked at.
    pub unread: Option<String>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Where it comes from.
    pub origin: LayerOrigin,
    /// The instruction that made it, if the Dockerfile did and it is known.
    pub instruction: Option<InstructionRef>,
    /// The digest of its uncompressed content.
    pub diff_id: String,
    /// Its uncompressed size, if it is known.
    pub size: Option<Bytes>,
    /// Its digest and size in the registry, if it was pushed.
    pub blob: Option<(String, Bytes)>,
    /// What it is beside the first image; `None` in the first.
    pub state: Option<LayerState>,
}

/// What a layer is beside those of another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// The other image has it as well.
    Kept,
    /// The other image has its content as well, but in the registry it is another blob.
    KeptAnew,
    /// It is not in the other image.
    New,
}

impl LayerState {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::KeptAnew => "kept, compressed anew",
            Self::New => "new",
        }
    }
}

/// What an image shares with another one, by diff id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse {
    /// Of the layers that the Dockerfile made.
    pub own: Share,
    /// Of all layers, those of the base included, which are shared by nature.
    pub all: Share,
    /// The rounds in which just as many of the Dockerfile's layers were kept, and those that are known.
    pub rounds: (usize, usize),
}

/// Some layers of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many are shared.
    pub kept: usize,
    /// Of how many.
    pub layers: usize,
    /// The uncompressed bytes of those that are shared, as far as they are known.
    pub kept_bytes: Bytes,
    /// And of all.
    pub bytes: Bytes,
}

impl Share {
    /// The share of the layers in per cent; 100 of none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "images have few layers")]
    pub fn percent_of_layers(&self) -> f64 {
        percent(self.kept as f64, self.layers as f64)
    }

    /// The share of the bytes in per cent; 100 of none.
    #[must_use]
    pub fn percent_of_bytes(&self) -> f64 {
        percent(self.kept_bytes.as_f64(), self.bytes.as_f64())
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 100.0 }
}

/// The images of a scenario; `None` if the journal does not tell of them.
pub(super) fn layers(log: &RunLog, scenario: &ScenarioHead, dockerfile: Option<&Dockerfile>) -> Option<Layers> {
    let trials: Vec<&TrialRecord> = log
        .trials
        .iter()
        .filter(|trial| {
            let is_measured = matches!(trial.trial.round, Round::Measured(_));
            is_measured && trial.trial.scenario == scenario.name && !trial.images.is_empty()
        })
        .collect();
    // Of a build that failed there is no image, and of one that took from a cache what it should not there is another one.
    let is_sound = |trial: &&TrialRecord| {
        let of_trial = log
            .phases
            .iter()
            .filter(|phase| phase.trial == trial.trial && phase.build.is_some());
        of_trial.into_iter().all(|phase| phase.outcome == Outcome::Measured)
    };
    let sound: Vec<&TrialRecord> = trials.iter().copied().filter(is_sound).collect();
    let trials = if sound.is_empty() { trials } else { sound };
    // The one whose layers were read, as a rule the first.
    let is_read = |trial: &&&TrialRecord| trial.images.iter().any(|image| image.waste.is_some());
    let shown = trials.iter().find(is_read).or(trials.first())?;
    let builds = || log.header.journey.iter().filter(|head| head.kind == "build");
    let mut names: Vec<&str> = Vec::new();
    for head in builds() {
        if !names.contains(&head.image.as_str()) {
            names.push(&head.image);
        }
    }
    let of = |trial: &'_ TrialRecord, name: &str| trial.images.iter().find(|image| image.image == name).cloned();
    let first = names.iter().find_map(|name| of(shown, name))?;
    let images = names.iter().filter_map(|name| of(shown, name)).map(|image| {
        let other = (image.image != first.image).then_some(&first);
        let reuse = other.map(|other| {
            let (own, all) = (share(&image, other, true), share(&image, other, false));
            let in_round = |trial: &&TrialRecord| {
                let (image, other) = (of(trial, &image.image)?, of(trial, &other.image)?);
                Some(share(&image, &other, true).kept)
            };
            let rounds: Vec<usize> = trials.iter().filter_map(in_round).collect();
            let alike = rounds.iter().filter(|kept| **kept == own.kept).count();
            Reuse {
                own,
                all,
                rounds: (alike, rounds.len()),
            }
        });
        ImageLayers {
            layers: image
                .layers
                .iter()
                .map(|layer| described(layer, other, dockerfile))
                .collect(),
            builds: builds().filter(|head| head.image == image.image).count(),
            image: image.image.clone(),
            reuse,
            waste: image.waste.clone(),
            unread: image.unread.clone(),
        }
    });
    Some(Layers {
        images: images.collect(),
    })
}

fn is_own(layer: &LayerRecord) -> bool {
    matches!(layer.origin, LayerOrigin::Dockerfile { .. })
}

fn share(image: &ImageRecord, other: &ImageRecord, own: bool) -> Share {
    let mut share = Share::default();
    // bakeoff's own layer is no merit of anybody's.
    let counts = |layer: &&LayerRecord| {
        if own {
            is_own(layer)
        } else {
            layer.origin != LayerOrigin::Mark
        }
    };
    for layer in image.layers.iter().filter(counts) {
        let size = layer.size.unwrap_or_default().0;
        share.layers += 1;
        share.bytes.0 += size;
        if other.layers.iter().any(|there| there.diff_id == layer.diff_id) {
            share.kept += 1;
            share.kept_bytes.0 += size;
        }
    }
    share
}

fn described(layer: &LayerRecord, other: Option<&ImageRecord>, dockerfile: Option<&Dockerfile>) -> Layer {
    let line = match layer.origin {
        LayerOrigin::Dockerfile { line } => line,
        LayerOrigin::Base | LayerOrigin::Mark => None,
    };
    let instruction = line.and_then(|line| {
        let dockerfile = dockerfile?;
        let found = dockerfile.instructions().iter().find(|it| it.first_line == line)?;
        Some(reference(dockerfile, found))
    });
    let state = other.map(|other| {
        let twin = other.layers.iter().find(|there| there.diff_id == layer.diff_id);
        match twin {
            None => LayerState::New,
            Some(twin) => match (&twin.blob, &layer.blob) {
                (Some(there), Some(here)) if there.0 != here.0 => LayerState::KeptAnew,
                _ => LayerState::Kept,
            },
        }
    });
    Layer {
        origin: layer.origin,
        instruction,
        diff_id: layer.diff_id.clone(),
        size: layer.size,
        blob: layer.blob.clone(),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;

    fn found() -> Layers {
        let log = sample::layered();
        let scenario = &log.header.scenarios[0];
        let dockerfile = Dockerfile::parse(&scenario.dockerfile).ok();
        layers(&log, scenario, dockerfile.as_ref()).expect("layers")
    }

    #[test]
    fn layers_stand_beside_those_of_the_first_image() {
        let found = found();
        let states = |image: usize| -> Vec<_> { found.images[image].layers.iter().map(|layer| layer.state).collect() };
        assert_eq!(states(0), [None; 4]);
        let kept = Some(LayerState::Kept);
        assert_eq!(states(1), [kept, kept, kept, Some(LayerState::New)]);
        let lines: Vec<_> = found.images[1]
            .layers
            .iter()
            .map(|layer| layer.instruction.as_ref().map(|it| it.first_line))
            .collect();
        assert_eq!(lines, [None, None, Some(2), Some(5)]);
    }

    #[test]
    fn reuse_counts_the_dockerfile_s_layers_and_all_but_bakeoff_s() {
        let reuse = found().images[1].reuse.clone().expect("reuse");
        assert_eq!((reuse.own.kept, reuse.own.layers), (1, 2));
        assert_eq!(
            (reuse.own.kept_bytes, reuse.own.bytes),
            (Bytes(300_000_000), Bytes(300_100_000))
        );
        assert_eq!((reuse.all.kept, reuse.all.layers), (2, 3));
        assert!((reuse.own.percent_of_layers() - 50.0).abs() < 1e-9);
        assert!(reuse.own.percent_of_bytes() > 99.9);
        assert_eq!(reuse.rounds, (2, 2));
    }

    #[test]
    fn a_blob_that_was_made_anew_is_told() {
        let mut log = sample::layered();
        for trial in &mut log.trials {
            for image in trial.images.iter_mut().filter(|image| image.image == "hot") {
                image.layers[2].blob = Some(("sha256:other".into(), Bytes(1)));
            }
        }
        let found = layers(&log, &log.header.scenarios[0], None).expect("layers");
        assert_eq!(found.images[1].layers[2].state, Some(LayerState::KeptAnew));
        assert_eq!(found.images[1].layers[2].instruction, None, "there is no Dockerfile");
    }

    #[test]
    fn a_name_that_is_built_again_is_one_image_and_that_is_told() {
        let mut log = sample::layered();
        for head in &mut log.header.journey {
            head.image = "hot".into();
        }
        let found = layers(&log, &log.header.scenarios[0], None).expect("layers");
        assert_eq!((found.images.len(), found.images[0].builds), (1, 2));
        assert_eq!(found.images[0].reuse, None);
    }

    #[test]
    fn journals_of_before_tell_nothing_of_layers() {
        let log = sample::single_round();
        assert_eq!(layers(&log, &log.header.scenarios[0], None), None);
    }
}
