//! The build cache's records: listed raw (bollard's typed answer is empty on API 1.41) and removed by exact ids.

use http_body_util::BodyExt;
use hyper::Request;
use serde::Deserialize;

use super::DockerEngine;
use crate::engine::http;
use crate::engine::{CacheRecord, EngineError};
use crate::units::Bytes;

/// Engines with API 1.42 and above leave out images, containers and volumes then, whose sizes they find by walking through
/// their folders; older ones don't know the type, and tell all.
const USAGE: &str = "/system/df?type=build-cache";

#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "BuildCache")]
    build_cache: Option<Vec<Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    #[serde(rename = "ID")]
    id: String,
    /// API 1.41 and before: one parent; later ones have `Parents`.
    #[serde(default)]
    parent: String,
    #[serde(default)]
    parents: Option<Vec<String>>,
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    in_use: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pruned {
    #[serde(default)]
    space_reclaimed: u64,
}

impl DockerEngine {
    pub(super) async fn cache_records(&self) -> Result<Vec<CacheRecord>, EngineError> {
        // The engine answers one such question at a time, and refuses a second one instead of waiting.
        let mut tries = 0;
        let body = loop {
            match self.ask(Request::get(USAGE), "list build cache").await {
                Err(EngineError::Operation { reason, .. }) if reason.contains("already running") && tries < 120 => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                }
                answer => break answer?,
            }
        };
        let usage: Usage = understood("list build cache", &body)?;
        Ok(usage
            .build_cache
            .unwrap_or_default()
            .into_iter()
            .map(CacheRecord::from)
            .collect())
    }

    /// The `id` filter is an unanchored regular expression on 20.10, so it is anchored here. Without any id the
    /// request would prune everything: that is never sent.
    pub(super) async fn prune_exactly(&self, ids: &[String]) -> Result<Bytes, EngineError> {
        let mut freed = Bytes(0);
        // The filter travels in the request's path, whose length servers limit.
        for some in ids.chunks(100) {
            if let Some(odd) = some
                .iter()
                .find(|id| id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()))
            {
                return Err(EngineError::Operation {
                    operation: "remove build-cache record",
                    subject: odd.clone(),
                    reason: "not an id that can be matched exactly".into(),
                });
            }
            let filters = serde_json::json!({ "id": [format!("^({})$", some.join("|"))] }).to_string();
            let path = format!("/build/prune?all=1&filters={}", percent_encoded(&filters));
            let body = self.ask(Request::post(path), "remove build-cache records").await?;
            let pruned: Pruned = understood("remove build-cache records", &body)?;
            freed.0 += pruned.space_reclaimed;
        }
        Ok(freed)
    }

    async fn ask(
        &self,
        request: hyper::http::request::Builder,
        operation: &'static str,
    ) -> Result<Vec<u8>, EngineError> {
        let fail = |reason: String| EngineError::Operation {
            operation,
            subject: self.address().to_string(),
            reason,
        };
        let request = request
            .header("Host", "docker")
            .body(http::empty())
            .map_err(|error| fail(error.to_string()))?;
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(error.to_string()))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| fail(error.to_string()))?
            .to_bytes();
        if status.is_success() {
            Ok(body.to_vec())
        } else {
            Err(fail(String::from_utf8_lossy(&body).into_owned()))
        }
    }
}

fn understood<'a, T: Deserialize<'a>>(operation: &'static str, body: &'a [u8]) -> Result<T, EngineError> {
    serde_json::from_slice(body).map_err(|error| EngineError::Protocol {
        operation,
        reason: error.to_string(),
    })
}

/// RFC 3986: everything but unreserved characters is encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl From<Record> for CacheRecord {
    fn from(record: Record) -> Self {
        let mut parents = record.parents.unwrap_or_default();
        if !record.parent.is_empty() {
            parents.push(record.parent);
        }
        Self {
            id: record.id,
            parents,
            kind: record.kind,
            description: record.description,
            size: Bytes(u64::try_from(record.size).unwrap_or(0)),
            in_use: record.in_use,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_old_and_new_engines_are_read() {
        let text = r#"{"BuildCache":[
            {"ID":"a","Parent":"p","Type":"regular","Description":"d","InUse":true,"Shared":false,"Size":7},
            {"ID":"b","Parents":["p","q"],"Type":"exec.cachemount","Size":-1}]}"#;
        let usage: Usage = understood("list", text.as_bytes()).expect("valid");
        let records: Vec<CacheRecord> = usage
            .build_cache
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect();
        assert_eq!(records[0].parents, ["p"]);
        assert!(records[0].in_use);
        assert_eq!(records[1].parents, ["p", "q"]);
        assert_eq!(records[1].size, Bytes(0));
        let none: Usage = understood("list", br#"{"BuildCache":null}"#).expect("valid");
        assert!(none.build_cache.is_none());
    }

    #[test]
    fn filters_survive_the_request_path() {
        assert_eq!(
            percent_encoded(r#"{"id":["^(a|b)$"]}"#),
            "%7B%22id%22%3A%5B%22%5E%28a%7Cb%29%24%22%5D%7D"
        );
    }
}
