//! What is left of a pull: each layer's fate, and when it was downloaded and extracted. Not for: reading the engine's answer
//! (that is `docker`'s).

use crate::units::Nanos;

/// A finished pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullTrace {
    /// The client's monotonic time from the request to the end of the stream.
    pub wall: Nanos,
    /// Each layer, in the order in which the engine named them.
    pub layers: Vec<LayerPull>,
    /// The digest that the engine named: of the manifest, or of the index that leads to it.
    pub digest: String,
    /// How often the engine said that it would try again.
    pub retries: u32,
}

/// What happened to one layer in a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPull {
    /// The engine's short id of the layer: the first twelve digits of the digest in the manifest.
    pub id: String,
    /// Its fate.
    pub outcome: PullOutcome,
    /// When it was downloaded, if the engine told.
    pub downloading: Option<Stretch>,
    /// When it was extracted, if the engine told.
    pub extracting: Option<Stretch>,
}

/// The fate of a layer in a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PullOutcome {
    /// Downloaded and extracted.
    Pulled,
    /// The engine had it.
    Exists,
    /// The engine said nothing final of it.
    Unknown,
}

/// A stretch of time since the request. The stream carries no times: these are when its lines arrived, by the client's
/// monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// Its beginning.
    pub from: Nanos,
    /// Its end.
    pub to: Nanos,
}

/// How the time of a pull divides: what ran side by side is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullParts {
    /// Time in which layers were downloaded and none was extracted.
    pub downloading: Nanos,
    /// Time in which layers were extracted and none was downloaded.
    pub extracting: Nanos,
    /// Time in which both went on.
    pub both: Nanos,
    /// All other time: the manifest, the configuration, writing the image down, and waiting.
    pub rest: Nanos,
}

impl PullTrace {
    /// Divides the wall time into its parts, which sum to it.
    #[must_use]
    pub fn parts(&self) -> PullParts {
        let stretches =
            |of: fn(&LayerPull) -> Option<Stretch>| -> Vec<Stretch> { self.layers.iter().filter_map(of).collect() };
        let lists = [
            stretches(|layer| layer.downloading),
            stretches(|layer| layer.extracting),
        ];
        let mut parts = PullParts::default();
        for (time, goes_on) in pieces(self.wall, &lists) {
            let part = match goes_on {
                [true, true] => &mut parts.both,
                [true, false] => &mut parts.downloading,
                [false, true] => &mut parts.extracting,
                [false, false] => &mut parts.rest,
            };
            part.0 += time.0;
        }
        parts
    }
}

/// Cuts a time wherever something in the lists begins or ends: for each piece its length, and which of the lists go on in it.
/// The pieces sum to the time; what lies beyond it is left out.
pub(super) fn pieces<const N: usize>(wall: Nanos, lists: &[Vec<Stretch>; N]) -> Vec<(Nanos, [bool; N])> {
    let mut edges: Vec<Nanos> = lists.iter().flatten().flat_map(|of| [of.from, of.to]).collect();
    edges.extend([Nanos(0), wall]);
    edges.retain(|edge| *edge <= wall);
    edges.sort_unstable();
    edges.dedup();
    let piece = |pair: &[Nanos]| {
        let (from, to) = (pair[0], pair[1]);
        let goes_on = |list: &Vec<Stretch>| list.iter().any(|of| of.from <= from && to <= of.to);
        (Nanos(to.0 - from.0), lists.each_ref().map(goes_on))
    };
    edges.windows(2).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(downloading: Option<(u64, u64)>, extracting: Option<(u64, u64)>) -> LayerPull {
        let stretch = |(from, to)| Stretch {
            from: Nanos(from),
            to: Nanos(to),
        };
        LayerPull {
            id: "a".into(),
            outcome: PullOutcome::Pulled,
            downloading: downloading.map(stretch),
            extracting: extracting.map(stretch),
        }
    }

    #[test]
    fn what_runs_side_by_side_is_counted_once_and_all_of_the_time_is_told() {
        let trace = PullTrace {
            wall: Nanos(100),
            layers: vec![
                layer(Some((10, 40)), Some((40, 60))),
                layer(Some((20, 50)), Some((60, 70))),
                layer(None, None),
            ],
            ..PullTrace::default()
        };
        let parts = trace.parts();
        let (downloading, extracting) = (Nanos(30), Nanos(20));
        assert_eq!(
            parts,
            PullParts {
                downloading,
                extracting,
                both: Nanos(10),
                rest: Nanos(40),
            }
        );
    }

    #[test]
    fn a_pull_that_told_nothing_is_all_rest() {
        let trace = PullTrace {
            wall: Nanos(7),
            ..PullTrace::default()
        };
        assert_eq!(trace.parts().rest, Nanos(7));
        assert_eq!(PullTrace::default().parts(), PullParts::default());
    }
}
