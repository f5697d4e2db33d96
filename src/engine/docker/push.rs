//! Pushes, from the raw stream: bollard's type drops the layer ids and the digest.

use std::time::Instant;

use hyper::Request;
use serde::Deserialize;

use super::DockerEngine;
use crate::engine::credentials;
use crate::engine::http::{self, Lines};
use crate::engine::{EngineError, LayerOutcome, LayerPush, Observer, Progress, PushTrace};

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
        let mut trace = PushTrace::default();
        let started = Instant::now();
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(error.to_string()))?;
        let accepted = response.status().is_success();
        let mut lines = Lines::new(response.into_body());
        while let Some(line) = lines.next().await.map_err(|error| fail(error.to_string()))? {
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
                trace.digest = digest;
            }
            // Engines with containerd's image store tell the digest only to people.
            let told = line
                .status
                .as_deref()
                .filter(|_| line.id.is_none())
                .and_then(digest_told);
            trace.digest = told.unwrap_or(trace.digest);
            if let (Some(id), Some(status)) = (line.id, line.status) {
                note(&mut trace, id, &status, observer).map_err(fail)?;
            }
        }
        trace.wall = started.elapsed().into();
        Ok(trace)
    }
}

/// The digest in `TAG: digest: sha256:… size: 425`.
fn digest_told(status: &str) -> Option<String> {
    let (_, told) = status.split_once(": digest: ")?;
    told.split_whitespace().next().map(str::to_owned)
}

/// Takes one layer's status line. The tag's own line ("latest: digest: sha256:…") has no id.
fn note(trace: &mut PushTrace, id: String, status: &str, observer: Observer<'_>) -> Result<(), String> {
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
    match trace.layers.iter_mut().find(|layer| layer.id == id) {
        Some(layer) if outcome != LayerOutcome::Unknown => layer.outcome = outcome,
        Some(_) => return Ok(()),
        None => trace.layers.push(LayerPush { id, outcome }),
    }
    let done = trace
        .layers
        .iter()
        .filter(|layer| layer.outcome != LayerOutcome::Unknown)
        .count();
    observer(Progress::Note(format!("{done} of {} layers", trace.layers.len())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[(&str, &str)]) -> Result<PushTrace, String> {
        let mut trace = PushTrace::default();
        for (id, status) in lines {
            note(&mut trace, (*id).to_owned(), status, &|_| {})?;
        }
        Ok(trace)
    }

    #[test]
    fn each_layer_keeps_its_last_final_status() {
        let trace = after(&[
            ("a", "Preparing"),
            ("b", "Preparing"),
            ("c", "Waiting"),
            ("a", "Layer already exists"),
            ("b", "Pushing"),
            ("c", "Mounted from other"),
            ("b", "Pushed"),
            ("b", "Pushing"),
        ])
        .expect("no retry");
        let outcomes: Vec<_> = trace
            .layers
            .iter()
            .map(|layer| (layer.id.as_str(), layer.outcome))
            .collect();
        assert_eq!(
            outcomes,
            [
                ("a", LayerOutcome::Exists),
                ("b", LayerOutcome::Pushed),
                ("c", LayerOutcome::Mounted)
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
        let error = after(&[("a", "Pushing"), ("a", "Retrying in 5 seconds")]).expect_err("a retry");
        assert!(error.contains("Retrying in 5 seconds"), "{error}");
    }
}
