//! Pushes, from the raw stream: bollard's type drops the layer ids and the digest. It tells of each layer, and carries no
//! times.

use std::collections::BTreeMap;
use std::time::Instant;

use hyper::Request;
use serde::Deserialize;

use super::DockerEngine;
use crate::engine::credentials;
use crate::engine::http::{self, Lines};
use crate::engine::{EngineError, LayerOutcome, LayerPush, Observer, Progress, PushTrace, Stretch};
use crate::units::Nanos;

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    status: Option<String>,
    error: Option<String>,
    aux: Option<Aux>,
}

#[derive(Deserialize)]
struct Aux {
    #[serde(rename = "Digest")]
    digest: Option<String>,
}

impl DockerEngine {
    pub(super) async fn run_push(&self, image: &str, observer: Observer<'_>) -> Result<PushTrace, EngineError> {
        let fail = |reason: String| EngineError::Operation {
            operation: "push",
            subject: image.to_owned(),
            reason,
        };
        let (name, tag) = image
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))
            .unwrap_or((image, "latest"));
        // The engine insists on the header. A helper that takes its time is no part of the push.
        let (credentials, _) = credentials::header_of_image(image).await;
        let request = Request::post(format!("/images/{name}/push?tag={tag}"))
            .header("Host", "docker")
            .header("X-Registry-Auth", credentials)
            .body(http::empty())
            .map_err(|error| fail(error.to_string()))?;
        let mut reader = Reader::default();
        let started = Instant::now();
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(error.to_string()))?;
        let accepted = response.status().is_success();
        let mut lines = Lines::new(response.into_body());
        while let Some(line) = lines.next().await.map_err(|error| fail(error.to_string()))? {
            let at = started.elapsed().into();
            if !accepted {
                return Err(fail(String::from_utf8_lossy(&line).into_owned()));
            }
            let line: Line = serde_json::from_slice(&line).map_err(|error| EngineError::Protocol {
                operation: "push",
                reason: error.to_string(),
            })?;
            if let Some(error) = line.error {
                return Err(fail(error));
            }
            if let Some(digest) = line.aux.and_then(|aux| aux.digest) {
                reader.trace.digest = digest;
            }
            // Engines with containerd's image store tell the digest only to people.
            let told = line
                .status
                .as_deref()
                .filter(|_| line.id.is_none())
                .and_then(digest_told);
            if let Some(digest) = told {
                reader.trace.digest = digest;
            }
            // The tag's own line ("latest: digest: sha256:…") has no id.
            if let (Some(id), Some(status)) = (line.id, line.status) {
                let is_news = reader.note(id, &status, at).map_err(fail)?;
                if is_news {
                    observer(Progress::Note(reader.progress()));
                }
            }
        }
        reader.trace.wall = started.elapsed().into();
        Ok(reader.trace)
    }
}

/// The digest in `TAG: digest: sha256:… size: 425`.
fn digest_told(status: &str) -> Option<String> {
    let (_, told) = status.split_once(": digest: ")?;
    told.split_whitespace().next().map(str::to_owned)
}

/// Makes a trace of lines as they arrive.
#[derive(Default)]
struct Reader {
    trace: PushTrace,
    /// What layers are at that have no fate yet.
    doing: BTreeMap<String, Doing>,
}

/// What a layer may be at.
#[derive(Clone, Copy)]
enum Doing {
    Preparing,
    Waiting,
    Pushing,
}

impl Doing {
    fn of(status: &str) -> Option<Self> {
        match status {
            "Preparing" => Some(Self::Preparing),
            "Waiting" => Some(Self::Waiting),
            "Pushing" => Some(Self::Pushing),
            _ => None,
        }
    }

    /// Says that a layer is at this now.
    fn goes_on(self, layer: &mut LayerPush, at: Nanos) {
        let stretch = match self {
            Self::Preparing => &mut layer.preparing,
            Self::Waiting => &mut layer.waiting,
            Self::Pushing => &mut layer.pushing,
        };
        stretch.get_or_insert(Stretch { from: at, to: at }).to = at;
    }
}

impl Reader {
    /// Takes one layer's status line. Says whether there is a new layer, or a layer's fate is known.
    fn note(&mut self, id: String, status: &str, at: Nanos) -> Result<bool, String> {
        // The engine would go on for most of a minute; and a push with a pause in it is no measurement.
        if status.starts_with("Retrying in") {
            return Err(format!(
                "the registry stopped taking layer {id}; the engine says \"{status}\""
            ));
        }
        let outcome = match status {
            "Pushed" => LayerOutcome::Pushed,
            "Layer already exists" => LayerOutcome::Exists,
            _ if status.starts_with("Mounted from") => LayerOutcome::Mounted,
            _ => LayerOutcome::Unknown,
        };
        let layers = &mut self.trace.layers;
        let known = layers.len();
        let place = layers.iter().position(|layer| layer.id == id).unwrap_or_else(|| {
            layers.push(LayerPush {
                id: id.clone(),
                ..LayerPush::default()
            });
            layers.len() - 1
        });
        let layer = &mut layers[place];
        // What it was at has lasted until this line, whatever the line says.
        if let Some(doing) = self.doing.remove(&id) {
            doing.goes_on(layer, at);
        }
        let is_final = outcome != LayerOutcome::Unknown;
        if is_final {
            layer.outcome = outcome;
        } else if layer.outcome == LayerOutcome::Unknown
            && let Some(doing) = Doing::of(status)
        {
            doing.goes_on(layer, at);
            self.doing.insert(id, doing);
        }
        Ok(is_final || self.trace.layers.len() > known)
    }

    /// How far it is, for people.
    fn progress(&self) -> String {
        let layers = &self.trace.layers;
        let done = layers.iter().filter(|layer| layer.outcome != LayerOutcome::Unknown);
        format!("{} of {} layers", done.count(), layers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[(u64, &str, &str)]) -> Result<PushTrace, String> {
        let mut reader = Reader::default();
        for (at, id, status) in lines {
            reader.note((*id).to_owned(), status, Nanos(*at))?;
        }
        Ok(reader.trace)
    }

    const fn stretch(from: u64, to: u64) -> Stretch {
        let (from, to) = (Nanos(from), Nanos(to));
        Stretch { from, to }
    }

    #[test]
    fn each_layer_keeps_its_last_final_status_and_its_times() {
        let trace = after(&[
            (1, "a", "Preparing"),
            (1, "b", "Preparing"),
            (2, "c", "Waiting"),
            (3, "a", "Layer already exists"),
            (4, "b", "Pushing"),
            (5, "c", "Waiting"),
            (6, "b", "Pushing"),
            (7, "c", "Mounted from other"),
            (9, "b", "Pushed"),
            (11, "b", "Pushing"),
            (12, "d", "Pushing"),
            (13, "d", "something new"),
        ])
        .expect("no retry");
        let layer = |id: &str, outcome, preparing, waiting, pushing| LayerPush {
            id: id.to_owned(),
            outcome,
            preparing,
            waiting,
            pushing,
        };
        assert_eq!(
            trace.layers,
            [
                layer("a", LayerOutcome::Exists, Some(stretch(1, 3)), None, None),
                layer(
                    "b",
                    LayerOutcome::Pushed,
                    Some(stretch(1, 4)),
                    None,
                    Some(stretch(4, 9))
                ),
                layer("c", LayerOutcome::Mounted, None, Some(stretch(2, 7)), None),
                layer("d", LayerOutcome::Unknown, None, None, Some(stretch(12, 13))),
            ]
        );
    }

    #[test]
    fn the_digest_is_read_from_the_last_line() {
        assert_eq!(
            digest_told("cold: digest: sha256:ab size: 425").as_deref(),
            Some("sha256:ab")
        );
        assert_eq!(digest_told("The push refers to repository [127.0.0.1:5000/x]"), None);
    }

    #[test]
    fn a_retry_fails_the_push_at_once() {
        let error = after(&[(1, "a", "Pushing"), (2, "a", "Retrying in 5 seconds")]).expect_err("a retry");
        assert!(error.contains("Retrying in 5 seconds"), "{error}");
    }
}
