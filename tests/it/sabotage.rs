//! Suites whose phases do not do what they say: each manipulation check must catch its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use bakeoff::engine::Engine as _;
use bakeoff::engine::docker::DockerEngine;
use bakeoff::runner::event::Outcome;

use crate::support::{ONE, SUITE, TWO_LAYERS, engine, nothing_of_runs_is_left, phase, small, wait};

/// Serves something else with each answer, for ever.
fn ever_changing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for (number, connection) in listener.incoming().enumerate() {
            let Ok(mut connection) = connection else { continue };
            let _ = connection.read(&mut [0; 4096]);
            let body = format!("answer {number}\n");
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = connection.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

/// What builders fetched from there is nobody's that a run could tell.
fn forget_fetched(engine: &DockerEngine, port: u16) {
    let records = wait(engine.build_cache()).expect("an answer");
    let fetched = records
        .into_iter()
        .filter(|record| record.description.contains(&format!("127.0.0.1:{port}")));
    let fetched: Vec<String> = fetched.map(|record| record.id).collect();
    if !fetched.is_empty() {
        wait(engine.remove_cache_records(&fetched)).expect("removed");
    }
}

const FIXTURE: &str = r#"schema = 1
name = "app"
layers = ["files"]
[edit.bump]
change = [{ file = "state", find = "cold", replace = "hot" }]
[edit.other]
change = [{ file = "state", find = "cold", replace = "warm" }]
"#;

const JOURNEY: &str = r#"
[[journey]]
name = "cold"
kind = "build"
image = "cold"
[[journey]]
name = "edited"
kind = "build"
image = "edited"
edit = "other"
temperature = "cold"
[[journey]]
name = "hot"
kind = "build"
image = "hot"
edit = "bump"
[[journey]]
name = "noop"
kind = "build"
image = "noop"
edit = "bump"
temperature = "noop"
[[journey]]
name = "again"
kind = "build"
image = "again"
temperature = "cold"
[[journey]]
name = "meant"
kind = "build"
image = "meant"
temperature = "cold"
expect = { cached = "all" }
[[journey]]
name = "cold push"
kind = "push"
image = "cold"
[[journey]]
name = "again push"
kind = "push"
image = "again"
[[journey]]
name = "meant push"
kind = "push"
image = "meant"
expect.cached = "all"
"#;

const FROM: &str = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}";

#[test]
fn what_is_not_what_it_says_is_thrown_out_with_the_reason() {
    let Some((engine, _turn)) = engine() else { return };
    let port = ever_changing();
    let mounts = format!(
        "{FROM}\nCOPY state /state\nRUN --mount=type=cache,target=/c ls /c >/seen; touch /c/mark; cat /state\n"
    );
    let copied = format!(
        "{FROM} AS heavy\nCOPY state /s\nRUN cp /s /heavy\nFROM ${{PYTHON_IMAGE}}\nWORKDIR /app\nCOPY --from=heavy /heavy /heavy\n"
    );
    let fetched = format!("{FROM}\nADD http://127.0.0.1:{port}/x /x\nCOPY . /app\n");
    let place = small(
        "",
        &[
            ("Layers", TWO_LAYERS),
            ("Mounts", &mounts),
            ("Copied", &copied),
            ("Fetched", &fetched),
            ("Fetched.dockerignore", "state\n"),
        ],
    );
    let scenario = |name: &str, more: &str| {
        let file = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        format!("[[scenario]]\nname = \"{name}\"\ndockerfile = \"{file}\"\n{more}")
    };
    let scenarios = [
        scenario("layers", "expect.reuse = [\"RUN head\"]\n"),
        scenario("mounts", ""),
        scenario("copied", "expect = { reuse = [\"COPY --from=heavy\"] }\n"),
        scenario("fetched", ""),
    ];
    place.write("suite.toml", &format!("{SUITE}{JOURNEY}{}", scenarios.concat()));
    place
        .write("app/fixture.toml", FIXTURE)
        .write("app/files/kept", "kept\n");
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    forget_fetched(&engine, port);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);

    let log = place.log("run");
    let hit = "a cold build took a step from the cache";
    let had = "layers of a push that was to send all";
    let expected: BTreeMap<(&str, &str), &str> = [
        (("layers", "edited"), hit),
        (("layers", "again"), hit),
        (("layers", "again push"), had),
        (("mounts", "edited"), "the cache mount /c was not empty"),
        (("mounts", "again"), hit),
        (("mounts", "again push"), had),
        (("copied", "edited"), hit),
        (("copied", "hot"), "(COPY --from=heavy /heavy /heavy) was not reused"),
        (("copied", "noop"), "(COPY --from=heavy /heavy /heavy) was not reused"),
        (("copied", "again"), hit),
        (("copied", "again push"), had),
        (
            ("fetched", "hot"),
            "the edit (bump) changed no file that the build is sent",
        ),
        (("fetched", "noop"), "a no-op build ran a step"),
        (("fetched", "meant"), "a cold build ran a step"),
        (("fetched", "again push"), had),
        (("fetched", "meant push"), "the registry lacked"),
    ]
    .into();
    assert_eq!(log.phases.len(), 36);
    for record in &log.phases {
        let what = (record.trial.scenario.as_str(), record.phase.as_str());
        match (&record.outcome, expected.get(&what)) {
            (Outcome::Measured, None) => {}
            (Outcome::Invalid(reasons), Some(expected)) => {
                assert!(
                    reasons.iter().all(|reason| reason.contains(expected)),
                    "{what:?}: {reasons:?}"
                );
            }
            (outcome, expected) => panic!("{what:?}: {outcome:?}, expected {expected:?}"),
        }
    }
    assert!(ended.out.contains("the cache mount /c was not empty"), "{}", ended.out);
    let past = format!("fetched: line 3 of its Dockerfile adds http://127.0.0.1:{port}/x, which the builder fetches");
    let page = place.bakeoff(&["report", "run", "--format", "markdown"]).out;
    assert!(page.contains(&past), "{page}");
    let csv = place.bakeoff(&["report", "run", "--format", "csv"]).out;
    let row = csv
        .lines()
        .find(|line| line.contains("mounts") && line.contains("edited"));
    assert!(row.is_some_and(|row| row.contains("invalid")), "{csv}");
    nothing_of_runs_is_left(&engine);
}

#[test]
fn a_replay_that_reaches_out_counts_for_nothing() {
    let Some((engine, _turn)) = engine() else { return };
    // A step that gives up then says so, but not what mends it; of one that goes on only the mirror knows.
    let reaches = "RUN python3 -c \"import urllib.request as r; r.urlopen('http://192.0.2.1/x')\"";
    let tolerant = format!("{reaches} || true");
    let network = "[network]\nmode = \"replay\"\nrecording = \"generated\"\n[network.synthetic]\npackages = 1\nfiles = 1\n\
                   bytes = \"1 kB\"\ndepth = 1\n";
    let more = "[[scenario]]\nname = \"tolerant\"\ndockerfile = \"Tolerant\"\n";
    let place = small(
        &format!("{ONE}{more}{network}"),
        &[
            ("Dockerfile", &format!("{TWO_LAYERS}{reaches}\n")),
            ("Tolerant", &format!("{TWO_LAYERS}{tolerant}\n")),
        ],
    );
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains("hint: run with --network record"), "{}", ended.err);
    let log = place.log("run");
    for (scenario, gave_up) in [("one", true), ("tolerant", false)] {
        let Outcome::Failed(failure) = &phase(&log, scenario, "cold build").outcome else {
            panic!("{:?}", phase(&log, scenario, "cold build").outcome)
        };
        assert!(
            failure
                .message
                .starts_with("not hermetic: the step \"[6/6] RUN python3")
                && failure.message.contains("http://192.0.2.1/x is not in the recording"),
            "{failure:?}"
        );
        assert_eq!(
            failure.message.contains("the build then failed: "),
            gave_up,
            "{failure:?}"
        );
    }
    nothing_of_runs_is_left(&engine);
}
