//! Pulls, from the raw stream: it tells of each layer, and carries no times.

use std::collections::BTreeMap;
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::Request;
use serde::Deserialize;

use super::DockerEngine;
use super::build::refusal;
use super::cache::percent_encoded;
use crate::engine::http::{self, Lines};
use crate::engine::{EngineError, LayerPull, Observer, Progress, PullOutcome, PullTrace, Stretch, credentials};
use crate::units::{Nanos, with_causes};

/// A line of the answer to a pull.
#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    status: Option<String>,
    error: Option<String>,
}

impl DockerEngine {
    pub(super) async fn run_pull(&self, image: &str, observer: Observer<'_>) -> Result<PullTrace, EngineError> {
        // Without a tag the engine would pull every tag that the repository has.
        let name = image.rsplit('/').next().unwrap_or(image);
        let tag = if name.contains(':') || name.contains('@') {
            None
        } else {
            Some("latest")
        };
        let (credentials, unknown) = credentials::header_of_image(image).await;
        // Why there are none is worth telling once they are missed.
        let fail = |reason: String| EngineError::Operation {
            operation: "pull",
            subject: image.to_owned(),
            reason: match &unknown {
                Some(error) => format!("{reason} ({error})"),
                None => reason,
            },
        };
        let mut path = format!("/images/create?fromImage={}", percent_encoded(image));
        if let Some(tag) = tag {
            path.push_str("&tag=");
            path.push_str(tag);
        }
        let request = Request::post(path)
            .header("Host", "docker")
            .header("X-Registry-Auth", credentials)
            .body(http::empty())
            .map_err(|error| fail(error.to_string()))?;
        let mut reader = Reader::default();
        let started = Instant::now();
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(with_causes(&error)))?;
        if !response.status().is_success() {
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| fail(with_causes(&error)))?;
            return Err(fail(refusal(&body.to_bytes())));
        }
        let mut lines = Lines::new(response.into_body());
        while let Some(line) = lines.next().await.map_err(|error| fail(with_causes(&error)))? {
            let at = started.elapsed().into();
            let line: Line = serde_json::from_slice(&line).map_err(|error| EngineError::Protocol {
                operation: "pull",
                reason: error.to_string(),
            })?;
            if let Some(reason) = line.error {
                return Err(fail(reason));
            }
            if let Some(status) = line.status {
                reader.note(line.id, &status, at);
                observer(Progress::Note(format!("pulling {image}: {status}")));
            }
        }
        reader.trace.wall = started.elapsed().into();
        Ok(reader.trace)
    }
}

/// Makes a trace of lines as they arrive.
#[derive(Default)]
struct Reader {
    trace: PullTrace,
    /// When layers were named whose download has not shown any progress yet, and that don't wait for others.
    named: BTreeMap<String, Nanos>,
}

impl Reader {
    fn note(&mut self, id: Option<String>, status: &str, at: Nanos) {
        let Some(id) = id else {
            if let Some(digest) = status.strip_prefix("Digest: ") {
                digest.trim().clone_into(&mut self.trace.digest);
            }
            return;
        };
        // The tag stands where a layer's id does.
        if status.starts_with("Pulling from") {
            return;
        }
        if status.starts_with("Retrying in") {
            self.trace.retries += 1;
        }
        let named = &mut self.named;
        let layers = &mut self.trace.layers;
        let place = layers.iter().position(|layer| layer.id == id).unwrap_or_else(|| {
            layers.push(LayerPull {
                id: id.clone(),
                outcome: PullOutcome::Unknown,
                downloading: None,
                extracting: None,
            });
            layers.len() - 1
        });
        let layer = &mut layers[place];
        match status {
            "Pulling fs layer" => {
                named.entry(id).or_insert(at);
            }
            // It begins when another has ended, which nothing tells: its first progress must do.
            "Waiting" => {
                named.remove(&id);
            }
            "Downloading" => extend(&mut layer.downloading, at),
            // A layer of one packet shows no progress.
            "Verifying Checksum" | "Download complete" => {
                let from = named.remove(&id).unwrap_or(at);
                layer.downloading.get_or_insert(Stretch { from, to: at }).to = at;
            }
            "Pull complete" => {
                layer.outcome = PullOutcome::Pulled;
                if let Some(extracting) = &mut layer.extracting {
                    extracting.to = at;
                }
            }
            "Already exists" => layer.outcome = PullOutcome::Exists,
            // Some engines tell in the status how long it has taken.
            _ if status.starts_with("Extracting") => extend(&mut layer.extracting, at),
            _ => {}
        }
    }
}

/// A stretch that lasts until now at least.
fn extend(stretch: &mut Option<Stretch>, at: Nanos) {
    stretch.get_or_insert(Stretch { from: at, to: at }).to = at;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(u64, &str, &str)]) -> PullTrace {
        let mut reader = Reader::default();
        for (at, id, status) in lines {
            let id = (!id.is_empty()).then(|| (*id).to_owned());
            reader.note(id, status, Nanos(*at));
        }
        reader.trace
    }

    const fn stretch(from: u64, to: u64) -> Stretch {
        let (from, to) = (Nanos(from), Nanos(to));
        Stretch { from, to }
    }

    #[test]
    fn each_layer_has_its_fate_and_its_times() {
        let trace = read(&[
            (1, "cold", "Pulling from bakeoff/one"),
            (2, "a", "Already exists"),
            (3, "b", "Pulling fs layer"),
            (3, "c", "Pulling fs layer"),
            (3, "d", "Pulling fs layer"),
            (4, "d", "Waiting"),
            (5, "b", "Downloading"),
            (8, "b", "Downloading"),
            (9, "b", "Verifying Checksum"),
            (10, "b", "Download complete"),
            (11, "b", "Extracting"),
            (12, "c", "Download complete"),
            (13, "d", "Downloading"),
            (15, "d", "Download complete"),
            (16, "b", "Extracting"),
            (18, "b", "Pull complete"),
            (19, "c", "Pull complete"),
            (21, "", "Digest: sha256:ab"),
            (22, "", "Status: Downloaded newer image for x/bakeoff/one:cold"),
        ]);
        let shown: Vec<_> = trace
            .layers
            .iter()
            .map(|layer| (layer.id.as_str(), layer.outcome, layer.downloading, layer.extracting))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", PullOutcome::Exists, None, None),
                ("b", PullOutcome::Pulled, Some(stretch(5, 10)), Some(stretch(11, 18))),
                ("c", PullOutcome::Pulled, Some(stretch(3, 12)), None),
                ("d", PullOutcome::Unknown, Some(stretch(13, 15)), None),
            ]
        );
        assert_eq!((trace.digest.as_str(), trace.retries), ("sha256:ab", 0));
    }

    #[test]
    fn tries_are_counted() {
        let trace = read(&[(1, "a", "Pulling fs layer"), (2, "a", "Retrying in 5 seconds")]);
        assert_eq!(trace.retries, 1);
    }
}
