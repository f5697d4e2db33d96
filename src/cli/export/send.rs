//! Sends spans to an OpenTelemetry collector: OTLP over HTTP, JSON, as the OpenTelemetry specification's "Protocol
//! Exporter" and "OTLP/HTTP" pages say. Not for: what the spans are.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::args::Export;
use crate::cli::Failure;
use crate::report::export::{ExportFormat, ExportedRun, OTLP_PATH, OtlpBatch, otlp_batches, trace_id};
use crate::units::with_causes;

/// So many spans go into one request: some 2 MB, where collectors take 20 by default.
const SPANS: usize = 2000;
/// How often a request is tried that the collector has no time for.
const TRIES: u32 = 4;
/// How long is waited before the second try, if the collector does not say; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// No collector makes us wait longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The specification's default.
const LIMIT: Duration = Duration::from_secs(10);

/// Why spans could not be sent.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SendError {
    /// What `--endpoint` or a variable says can't be used.
    #[error("{name} is {value:?}, and should be {expected}")]
    Setting {
        name: &'static str,
        value: String,
        expected: &'static str,
    },
    /// Only spans are sent.
    #[error("--endpoint is for otlp; {0} is written, not sent")]
    Format(&'static str),
    /// Nobody answers, or not in time.
    #[error("sending spans to {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The collector does not want them.
    #[error("{url} answered {status}{}", said(text))]
    Refused { url: String, status: u16, text: String },
    /// Whoever answered is no collector, or not one that can be understood.
    #[error("{url} took the spans, but its answer can't be read: {reason}")]
    Unreadable { url: String, reason: String },
    /// The collector took some and dropped others.
    #[error("{url} rejected {rejected} of {all} spans{}", said(text))]
    Partial {
        url: String,
        rejected: u64,
        all: usize,
        text: String,
    },
}

impl SendError {
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        match self {
            Self::Setting { .. } | Self::Partial { .. } => None,
            Self::Format(_) => Some("write to a file with --output".into()),
            Self::Unreachable { .. } => Some(
                "a collector listens for OTLP over HTTP on port 4318; `--output FILE` writes the spans instead".into(),
            ),
            Self::Unreadable { .. } => {
                Some("is that a collector's address? It listens for OTLP over HTTP on port 4318".into())
            }
            Self::Refused { status: 404, .. } => Some(format!(
                "the endpoint is a collector's address without /{OTLP_PATH}; with it goes OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
            )),
            Self::Refused { status: 401 | 403, .. } => Some(
                "OTEL_EXPORTER_OTLP_HEADERS=name=value gives a header, such as authorization, with each request".into(),
            ),
            Self::Refused { status: 300..=399, .. } => {
                Some("spans are not sent on to another address than the one that was named; name that one".into())
            }
            Self::Refused { .. } => Some("`--output FILE` writes the spans instead".into()),
        }
    }
}

/// What the other side said, for the end of a message.
fn said(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {}", text.chars().take(500).collect::<String>())
    }
}

/// Who gets the spans.
#[derive(Debug)]
pub(super) struct Receiver {
    url: Url,
    headers: HeaderMap,
    limit: Duration,
}

/// Who gets the spans, if somebody does: by `--endpoint`, or if nothing says where to write them, by the environment.
pub(super) fn receiver(arguments: &Export) -> Result<Option<Receiver>, Failure> {
    let format = ExportFormat::from(arguments.to);
    if format != ExportFormat::Otlp {
        return match &arguments.endpoint {
            None => Ok(None),
            Some(_) => Err(SendError::Format(format.name()).into()),
        };
    }
    if arguments.output.is_some() {
        return Ok(None);
    }
    let variable = |name: &str| std::env::var(name).ok();
    Ok(from_settings(arguments.endpoint.as_deref(), &variable)?)
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

fn from_settings(
    endpoint: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Receiver>, SendError> {
    // An empty variable is as one that is not set.
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let either = |signal: &'static str, general: &'static str| {
        let own = variable(signal).map(|value| (signal, value));
        own.or_else(|| variable(general).map(|value| (general, value)))
    };
    let url = match (endpoint, variable(TRACES_ENDPOINT), variable(ENDPOINT)) {
        (Some(endpoint), _, _) => below(parse("--endpoint", endpoint)?),
        // As it is: the signal's own address has the path in it.
        (None, Some(value), _) => parse(TRACES_ENDPOINT, &value)?,
        (None, None, Some(value)) => below(parse(ENDPOINT, &value)?),
        (None, None, None) => return Ok(None),
    };
    let headers = either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
    let limit = either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
    Ok(Some(Receiver {
        url,
        headers: headers.map_or_else(|| Ok(HeaderMap::new()), |(name, value)| parse_headers(name, &value))?,
        limit: limit.map_or(Ok(LIMIT), |(name, value)| parse_limit(name, value))?,
    }))
}

fn parse(name: &'static str, value: &str) -> Result<Url, SendError> {
    let url = Url::parse(value.trim()).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| SendError::Setting {
            name,
            value: value.to_owned(),
            expected: "an address such as http://127.0.0.1:4318",
        })
}

/// The address of traces below a collector's.
fn below(mut url: Url) -> Url {
    let path = format!("{}/{OTLP_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// `name=value,name=value` with values percent-encoded, as in the W3C's Baggage.
fn parse_headers(name: &'static str, value: &str) -> Result<HeaderMap, SendError> {
    let pairs = value.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse::<HeaderName>().ok()?, value))
    };
    // Values are most often secrets: none is told.
    pairs
        .map(pair)
        .collect::<Option<HeaderMap>>()
        .ok_or(SendError::Setting {
            name,
            value: "…".to_owned(),
            expected: "name=value,name=value with percent-encoded values",
        })
}

fn parse_limit(name: &'static str, value: String) -> Result<Duration, SendError> {
    let limit = value.trim().parse().ok().filter(|limit| *limit > 0);
    limit.map(Duration::from_millis).ok_or(SendError::Setting {
        name,
        value,
        expected: "a number of milliseconds",
    })
}

/// What a collector answers when it takes spans.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    partial_success: Partial,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Partial {
    rejected_spans: Number,
    error_message: Option<String>,
}

/// A 64-bit integer is a string in protobuf's JSON; not every collector does so.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Default for Number {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Receiver {
    /// Sends a run's spans, and says so.
    pub async fn send(&self, run: &ExportedRun) -> Result<String, Failure> {
        let batches = otlp_batches(run, SPANS)?;
        // Another part of the process may have chosen one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("bakeoff/", env!("CARGO_PKG_VERSION")))
            .timeout(self.limit)
            // A redirected POST becomes a GET that a page answers, and headers with keys go along to whatever host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| self.unreachable(&error))?;
        for batch in &batches {
            self.send_batch(&client, batch).await?;
        }
        let spans: usize = batches.iter().map(|batch| batch.spans).sum();
        let id = trace_id(&run.report.run.id);
        Ok(format!("sent {spans} spans to {}: trace {id}", self.address()))
    }

    async fn send_batch(&self, client: &reqwest::Client, batch: &OtlpBatch) -> Result<(), SendError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            let response = self.post(client, batch).await?;
            if !is_busy(response.status()) {
                return self.judge(response, batch).await;
            }
            tokio::time::sleep(asked_pause(&response).unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
        let response = self.post(client, batch).await?;
        self.judge(response, batch).await
    }

    async fn post(&self, client: &reqwest::Client, batch: &OtlpBatch) -> Result<Response, SendError> {
        let request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .headers(self.headers.clone())
            .body(batch.body.clone());
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    async fn judge(&self, response: Response, batch: &OtlpBatch) -> Result<(), SendError> {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_binary = kind.contains("protobuf") || kind.contains("octet-stream");
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(SendError::Refused {
                url: self.address(),
                status: status.as_u16(),
                text,
            });
        }
        // An answer may be empty, or protobuf although JSON was sent: then nothing was rejected as far as can be told.
        let answer = match serde_json::from_str::<Answer>(&text) {
            Ok(answer) => answer,
            Err(_) if text.trim().is_empty() || is_binary => Answer::default(),
            Err(error) => {
                return Err(SendError::Unreadable {
                    url: self.address(),
                    reason: error.to_string(),
                });
            }
        };
        let partial = answer.partial_success;
        let rejected = match &partial.rejected_spans {
            Number::Number(number) => *number,
            Number::Text(text) => text.parse().map_err(|_| SendError::Unreadable {
                url: self.address(),
                reason: format!("{text:?} rejected spans"),
            })?,
        };
        if rejected == 0 {
            return Ok(());
        }
        Err(SendError::Partial {
            url: self.address(),
            rejected,
            all: batch.spans,
            text: partial.error_message.unwrap_or_default(),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> SendError {
        SendError::Unreachable {
            url: self.address(),
            reason: with_causes(error),
        }
    }

    /// The address without a password.
    fn address(&self) -> String {
        let mut url = self.url.clone();
        if url.password().is_some() {
            // It has a host, so this can't fail.
            let _ = url.set_password(Some("…"));
        }
        url.to_string()
    }
}

/// Whether the same request may be taken later.
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}

/// For how long the collector asks us to wait.
fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
