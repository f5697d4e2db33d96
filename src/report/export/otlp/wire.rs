//! The part of OTLP that spans need, in its JSON encoding: an `ExportTraceServiceRequest` of opentelemetry-proto 1.x by
//! protobuf's JSON mapping with OTLP's exceptions: ids in hexadecimal, enums as numbers, 64-bit integers as strings.

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'s> {
    pub resource_spans: [ResourceSpans<'s>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'s> {
    pub resource: Resource<'s>,
    pub scope_spans: [ScopeSpans<'s>; 1],
}

#[derive(Serialize)]
pub(super) struct Resource<'s> {
    pub attributes: &'s [Attribute],
}

#[derive(Serialize)]
pub(super) struct ScopeSpans<'s> {
    pub scope: Scope,
    pub spans: &'s [Span],
}

#[derive(Serialize)]
pub(super) struct Scope {
    pub name: &'static str,
    pub version: &'static str,
}

/// `SPAN_KIND_INTERNAL`
pub(super) const INTERNAL: u32 = 1;
/// `STATUS_CODE_ERROR`
pub(super) const ERROR: u32 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    pub trace_id: String,
    #[serde(rename = "spanId")]
    pub id: String,
    /// Empty of the root.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parent_span_id: String,
    pub name: String,
    pub kind: u32,
    pub start_time_unix_nano: String,
    pub end_time_unix_nano: String,
    pub attributes: Vec<Attribute>,
    pub status: Status,
}

/// Nothing is said of what went well, as the specification asks of instrumentation.
#[derive(Serialize, Default)]
pub(super) struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "is_unset")]
    pub code: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_unset(code: &u32) -> bool {
    *code == 0
}

#[derive(Serialize, Clone)]
pub(super) struct Attribute {
    pub key: &'static str,
    pub value: AnyValue,
}

#[derive(Serialize, Clone)]
pub(super) enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    /// A 64-bit integer.
    #[serde(rename = "intValue")]
    Int(String),
}

impl Attribute {
    pub fn text(key: &'static str, value: impl Into<String>) -> Self {
        let value = AnyValue::Text(value.into());
        Self { key, value }
    }

    pub const fn bool(key: &'static str, value: bool) -> Self {
        let value = AnyValue::Bool(value);
        Self { key, value }
    }

    /// A whole number. The protocol knows none above 2⁶³ − 1.
    pub fn int(key: &'static str, value: u64) -> Self {
        let value = AnyValue::Int(i64::try_from(value).unwrap_or(i64::MAX).to_string());
        Self { key, value }
    }
}
