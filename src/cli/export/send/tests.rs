use std::collections::HashMap;

use super::*;

fn settings(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Receiver>, String> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    from_settings(endpoint, &variable).map_err(|error| error.to_string())
}

fn url(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
    let receiver = settings(endpoint, variables).expect("usable");
    receiver.map(|receiver| receiver.url.to_string())
}

#[test]
fn the_address_is_the_option_s_else_the_signal_s_else_the_general_one() {
    let general = (ENDPOINT, "http://b.example:4318/base/");
    let signal = (TRACES_ENDPOINT, "http://c.example/as/it/is");
    assert_eq!(url(None, &[]), None);
    assert_eq!(url(None, &[(ENDPOINT, " ")]), None, "an empty variable is none");
    assert_eq!(
        url(Some("http://a.example:4318"), &[general, signal]).as_deref(),
        Some("http://a.example:4318/v1/traces")
    );
    assert_eq!(
        url(None, &[general, signal]).as_deref(),
        Some("http://c.example/as/it/is")
    );
    assert_eq!(
        url(None, &[general]).as_deref(),
        Some("http://b.example:4318/base/v1/traces")
    );
}

#[test]
fn headers_and_limit_come_from_the_environment() {
    let variables = [
        (ENDPOINT, "http://b.example"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Basic%20eA%3D%3D, x-tenant = t=1 ,",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
    ];
    let receiver = settings(None, &variables).expect("usable").expect("one");
    assert_eq!(receiver.headers["authorization"], "Basic eA==");
    assert_eq!(receiver.headers["x-tenant"], "t=1");
    assert!(receiver.headers["authorization"].is_sensitive());
    assert_eq!(receiver.limit, Duration::from_millis(250));
}

#[test]
fn settings_that_can_t_be_used_are_named() {
    for (endpoint, variable, expected) in [
        (Some("localhost:4318"), ("", ""), "--endpoint is \"localhost:4318\""),
        (Some("ftp://a.example"), ("", ""), "--endpoint is \"ftp://a.example\""),
        (
            None,
            (ENDPOINT, "nowhere"),
            "OTEL_EXPORTER_OTLP_ENDPOINT is \"nowhere\"",
        ),
        (
            Some("http://a.example"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            "OTEL_EXPORTER_OTLP_HEADERS is \"…\", and should be name=value",
        ),
        (
            Some("http://a.example"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            "OTEL_EXPORTER_OTLP_TIMEOUT is \"0\", and should be a number of milliseconds",
        ),
    ] {
        let error = settings(endpoint, &[variable]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn no_message_has_a_password_in_it() {
    let receiver = settings(Some("http://me:secret@a.example"), &[])
        .expect("usable")
        .expect("one");
    assert_eq!(receiver.address(), "http://me:%E2%80%A6@a.example/v1/traces");
}
