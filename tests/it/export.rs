//! `bakeoff export` on the command line, from committed journals: no engine is needed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::Value;

use crate::support::{Ended, Place, repository};

const FORMATS: [&str; 9] = [
    "hyperfine",
    "bmf",
    "github-action-benchmark",
    "otava",
    "otava-config",
    "junit",
    "github-step-summary",
    "perfetto",
    "otlp",
];

fn run() -> String {
    let run = repository().join("reports/published-torch");
    run.to_str().expect("UTF-8").to_owned()
}

/// Calls the program without what the environment of the test may say of collectors.
fn bakeoff(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = place.command(arguments);
    for name in ["ENDPOINT", "HEADERS", "TIMEOUT"] {
        command.env_remove(format!("OTEL_EXPORTER_OTLP_{name}"));
        command.env_remove(format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
    }
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().expect("starts").into()
}

#[test]
fn every_format_goes_to_standard_output_or_into_a_file_and_is_the_same() {
    let place = Place::new();
    for format in FORMATS {
        let shown = bakeoff(&place, &["export", &run(), "--to", format], &[]);
        assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{format}");
        assert!(!shown.out.is_empty());
        let written = bakeoff(&place, &["export", &run(), "--to", format, "-o", "out"], &[]);
        assert_eq!((written.code, written.out.as_str()), (0, ""), "{}", written.err);
        let file = std::fs::read_to_string(place.path("out")).expect("written");
        assert_eq!(file, shown.out, "{format}");
    }
    let dash = bakeoff(&place, &["export", &run(), "--to", "bmf", "--output", "-"], &[]);
    let bmf: Value = serde_json::from_str(&dash.out).expect("JSON");
    let size = &bmf["published/torch/uv-multi: cold build"]["image-size"]["value"];
    assert!(
        size.as_f64().is_some_and(|size| (5.47e9..5.49e9).contains(&size)),
        "{size}"
    );
}

#[test]
fn the_help_has_a_command_for_each_format() {
    let help = Place::new().bakeoff(&["export", "--help"]);
    assert_eq!(help.code, 0);
    for format in FORMATS {
        assert!(
            help.out.contains(&format!("--to {format}")),
            "{format} is not in\n{}",
            help.out
        );
    }
}

#[test]
fn the_documentation_tells_of_every_format() {
    let page = std::fs::read_to_string(repository().join("docs/export.md")).expect("readable");
    for format in FORMATS {
        assert!(page.contains(&format!("--to {format}")), "{format}");
    }
}

#[test]
fn several_runs_make_one_table_of_otava_s_if_they_are_of_one_suite() {
    let place = Place::new();
    let journal =
        std::fs::read_to_string(repository().join("reports/published-torch/journal.jsonl")).expect("readable");
    let first: Value = serde_json::from_str(journal.lines().next().expect("a line")).expect("JSON");
    let id = first["run"].as_str().expect("an id");
    for (night, cpus) in [("a", None), ("b", None), ("c", Some(64))] {
        let mut journal = journal.replacen(id, night, 1);
        if let Some(cpus) = cpus {
            let of = &first["fingerprint"]["identity"]["cpus"];
            journal = journal.replacen(&format!("\"cpus\":{of}"), &format!("\"cpus\":{cpus}"), 1);
        }
        place.write(&format!("reports/runs/{night}/journal.jsonl"), &journal);
    }
    let export = |arguments: &[&str]| bakeoff(&place, &[&["export", "--to", "otava"], arguments].concat(), &[]);
    let two = export(&["a", "b"]);
    assert_eq!((two.code, two.out.lines().count()), (0, 3), "{}", two.err);

    let other = export(&["a", "c"]);
    assert_eq!((other.code, other.out.as_str()), (2, ""));
    assert!(
        other.err.contains("runs a and c don't make one series: processors"),
        "{}",
        other.err
    );
    assert!(other.err.contains("hint: --allow-different-machine"), "{}", other.err);
    assert_eq!(export(&["a", "c", "--allow-different-machine"]).code, 0);
    assert_eq!(export(&["a", "a"]).code, 2);
}

#[test]
fn what_can_t_be_exported_ends_with_its_code_and_leaves_no_file() {
    let place = Place::new();
    let run = run();
    for (arguments, code, said) in [
        (
            &[&run, &run, "--to", "junit"][..],
            2,
            "error: junit takes one run, not 2",
        ),
        (&[&run, "--to", "csv"], 2, "invalid value 'csv' for '--to <FORMAT>'"),
        (&["none", "--to", "junit"], 1, "no runs in reports/runs"),
        (
            &[&run, "--to", "junit", "--endpoint", "http://127.0.0.1:1"],
            2,
            "--endpoint is for otlp",
        ),
        (
            &[&run, "--to", "otlp", "--endpoint", "nowhere"],
            2,
            "--endpoint is \"nowhere\"",
        ),
        (
            &[&run, "--to", "otlp", "--endpoint", "http://127.0.0.1:1"],
            1,
            "sending spans to http://127.0.0.1:1/v1/traces",
        ),
        (&[&run, "--to", "bmf", "-o", "none/out"], 1, "error: writing the export"),
    ] {
        let ended = bakeoff(&place, &[&["export"], arguments].concat(), &[]);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            ended.err
        );
        assert!(ended.err.contains(said), "{said} is not in\n{}", ended.err);
    }
    // A run that died before anything was measured.
    let journal =
        std::fs::read_to_string(repository().join("reports/published-torch/journal.jsonl")).expect("readable");
    let (head, _) = journal.split_once('\n').expect("lines");
    place
        .write("died/journal.jsonl", &format!("{head}\n"))
        .write("out", "before");
    let ended = bakeoff(&place, &["export", "died", "--to", "hyperfine", "-o", "out"], &[]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("was measured") && ended.err.contains("hint: "),
        "{}",
        ended.err
    );
    let kept = std::fs::read_to_string(place.path("out")).expect("still there");
    assert_eq!(kept, "before");
}

/// A request that a collector got: its first line with its headers, and its body.
type Taken = (String, Value);

/// A collector that gives these answers, one after the other, and then tells what it was asked.
fn collector(answers: &[&str]) -> (String, JoinHandle<Vec<Taken>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let serving = std::thread::spawn(move || {
        let mut taken = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if line.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(": ")
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().expect("a number");
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            taken.push((head, serde_json::from_slice(&body).expect("JSON")));
            let (status, text) = answer.split_once('|').expect("status and body");
            let text = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            reader.get_mut().write_all(text.as_bytes()).expect("answered");
        }
        taken
    });
    (address, serving)
}

#[test]
fn spans_are_sent_to_where_the_environment_says_and_again_if_the_collector_is_busy() {
    let (address, serving) = collector(&["503 Busy\r\nretry-after: 0|", "200 OK|{\"partialSuccess\":{}}"]);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x"),
    ];
    let place = Place::new();
    let sent = bakeoff(&place, &["export", &run(), "--to", "otlp"], &variables);
    assert_eq!(sent.code, 0, "{}", sent.err);
    let taken = serving.join().expect("served");
    assert_eq!(taken.len(), 2);
    let (head, body) = &taken[1];
    assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
    assert!(
        head.contains("authorization: Bearer x") && head.contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(body, &taken[0].1);
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .as_array()
        .expect("a list")
        .len();
    assert!(
        sent.out
            .starts_with(&format!("sent {spans} spans to {address}/v1/traces: trace ")),
        "{}",
        sent.out
    );

    // What is told to be written is not sent: nobody listens there any more.
    let written = bakeoff(&place, &["export", &run(), "--to", "otlp", "-o", "-"], &variables);
    assert_eq!(written.code, 0);
    assert!(written.out.starts_with("{\"resourceSpans\""));
}

#[test]
fn what_a_collector_refuses_or_rejects_is_an_error() {
    let place = Place::new();
    for (answer, said) in [
        ("404 Not Found|no such page", "/v1/traces answered 404: no such page"),
        ("401 Unauthorized|", "answered 401"),
        (
            "200 OK|{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too old\"}}",
            "rejected 3 of",
        ),
        (
            "200 OK|{\"partialSuccess\":{\"rejectedSpans\":5,\"errorMessage\":null}}",
            "rejected 5 of",
        ),
        // A gateway that wants a login answers the request that it redirects to.
        ("302 Found\r\nlocation: /login|", "answered 302"),
        ("200 OK|<html>log in</html>", "can't be read"),
    ] {
        let (address, serving) = collector(&[answer]);
        let ended = bakeoff(&place, &["export", &run(), "--to", "otlp", "--endpoint", &address], &[]);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{answer}");
        assert!(ended.err.contains(said), "{said} is not in\n{}", ended.err);
        serving.join().expect("served");
    }
}
