//! What is left of a push: each layer's fate, and when the engine was at what with it. Not for: reading the engine's answer
//! (that is `docker`'s).

use super::pull::{Stretch, pieces};
use crate::units::Nanos;

/// A finished push.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushTrace {
    /// The client's monotonic time from the request to the end of the stream.
    pub wall: Nanos,
    /// Each layer, in the order in which the engine named them.
    pub layers: Vec<LayerPush>,
    /// The manifest's digest.
    pub digest: String,
}

/// What happened to one layer in a push. Its stretches follow each other, and each lasts until the line that told of the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerPush {
    /// The engine's short id of the layer.
    pub id: String,
    /// Its fate.
    pub outcome: LayerOutcome,
    /// When the engine got ready to push it and asked the registry whether it has it, if it told.
    pub preparing: Option<Stretch>,
    /// When it waited for others, if the engine told.
    pub waiting: Option<Stretch>,
    /// When it was sent, if the engine told. A graph driver compresses it in the same stretch.
    pub pushing: Option<Stretch>,
}

/// The fate of a layer in a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LayerOutcome {
    /// Sent.
    Pushed,
    /// The registry had it.
    Exists,
    /// The registry took it from another repository.
    Mounted,
    /// The engine said nothing final of it.
    #[default]
    Unknown,
}

/// How the time of a push divides: what ran side by side is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushParts {
    /// Time in which layers were sent, and with a graph driver compressed.
    pub pushing: Nanos,
    /// Time in which none was, and some were prepared.
    pub preparing: Nanos,
    /// Time in which no more than waiting was told.
    pub waiting: Nanos,
    /// All other time: before the first layer was named, the configuration and the manifest.
    pub rest: Nanos,
}

impl PushTrace {
    /// Divides the wall time into its parts, which sum to it; `None` if the engine or the journal tells no layer's times.
    #[must_use]
    pub fn parts(&self) -> Option<PushParts> {
        let stretches =
            |of: fn(&LayerPush) -> Option<Stretch>| -> Vec<Stretch> { self.layers.iter().filter_map(of).collect() };
        let lists = [
            stretches(|layer| layer.pushing),
            stretches(|layer| layer.preparing),
            stretches(|layer| layer.waiting),
        ];
        if lists.iter().all(Vec::is_empty) {
            return None;
        }
        let mut parts = PushParts::default();
        for (time, [pushing, preparing, waiting]) in pieces(self.wall, &lists) {
            let part = if pushing {
                &mut parts.pushing
            } else if preparing {
                &mut parts.preparing
            } else if waiting {
                &mut parts.waiting
            } else {
                &mut parts.rest
            };
            part.0 += time.0;
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_counts_before_what_is_prepared_and_that_before_what_waits() {
        let stretch = |from, to| {
            Some(Stretch {
                from: Nanos(from),
                to: Nanos(to),
            })
        };
        let trace = PushTrace {
            wall: Nanos(100),
            layers: vec![
                LayerPush {
                    preparing: stretch(5, 15),
                    pushing: stretch(15, 60),
                    ..LayerPush::default()
                },
                LayerPush {
                    preparing: stretch(5, 10),
                    waiting: stretch(10, 70),
                    // The last line came when the clock had stopped.
                    pushing: stretch(90, 120),
                    ..LayerPush::default()
                },
            ],
            ..PushTrace::default()
        };
        let (pushing, preparing) = (Nanos(45 + 10), Nanos(10));
        let (waiting, rest) = (Nanos(10), Nanos(5 + 20));
        let parts = PushParts {
            pushing,
            preparing,
            waiting,
            rest,
        };
        assert_eq!(trace.parts(), Some(parts));
    }

    #[test]
    fn a_push_that_told_nothing_has_no_parts() {
        let trace = PushTrace {
            wall: Nanos(100),
            layers: vec![LayerPush::default()],
            ..PushTrace::default()
        };
        assert_eq!(trace.parts(), None);
    }
}
