//! What a session hands over beside files: secrets and ssh agents.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{BuildFailure, BuildTrace, Engine as _, Grants, SecretSource};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::cases::request;
use super::image::exported;
use crate::records::Records;
use crate::support::{ONE, engine, nothing_of_runs_is_left, small, wait};

const SECRET: &str = "kd83-hunter2-neverwritten";

/// A base with a shell and Python: the stand-in that runs make, or the real one.
fn python(engine: &DockerEngine) -> String {
    let stand_in = bakeoff::images::stand_in_tag("python", "").expect("a stand-in");
    // Some run has to have made it.
    if wait(engine.image(&stand_in)).expect("an answer").is_none() {
        let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\n";
        let run = small(ONE, &[("Dockerfile", dockerfile)]).bakeoff(&["run", "suite.toml"]);
        assert_eq!(run.code, 0, "{}", run.err);
    }
    if wait(engine.image(&stand_in)).expect("an answer").is_some() {
        stand_in
    } else {
        "python:3.12.10-slim-bookworm".to_owned()
    }
}

/// A word that no step has had before: what secrets and agents a step may use is no part of its cache key, so an engine that
/// has run the same one would take it from its cache.
fn once() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_nanos().to_string()
}

/// Builds a Dockerfile alone, with grants; `then` looks at the image.
fn build(
    engine: &DockerEngine,
    dockerfile: &str,
    grants: Grants,
    then: impl FnOnce(&str),
) -> Result<BuildTrace, Box<BuildFailure>> {
    let place = TempDir::new().expect("a folder");
    let path = place.path().join("Dockerfile");
    std::fs::write(&path, dockerfile).expect("a file");
    let tag = format!("bakeoff-filesync:services-{}", std::process::id());
    let mut request = request(place.path(), &path, &tag, "ours");
    request.grants = grants;
    let mut records = wait(Records::of(engine));
    let built = wait(engine.build(&request, &|_| {}));
    let trace = built.as_ref().unwrap_or_else(|failure| &failure.trace);
    records.note(trace, "ours");
    if built.is_ok() {
        then(&tag);
        wait(engine.remove_image(&tag)).expect("removed");
    }
    wait(records.remove(engine));
    built
}

#[test]
fn a_secret_reaches_the_step_and_neither_image_nor_journal() {
    let Some((engine, _turn)) = engine() else { return };
    let digest = format!("{:x}", Sha256::digest(SECRET));
    let checks = format!(
        "ARG PYTHON_IMAGE=python\nFROM ${{PYTHON_IMAGE}}\nCOPY state /state\nRUN --mount=type=secret,id=token \
         cat /run/secrets/token; test \"$(sha256sum < /run/secrets/token | cut -c1-64)\" = {digest}\n"
    );
    let fails = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /state\nRUN --mount=type=secret,id=token \
                 cat /run/secrets/token; false\n";
    let scenario = |name: &str| {
        format!(
            "[[scenario]]\nname = \"{name}\"\ndockerfile = \"{name}\"\nsecrets = [{{ id = \"token\", env = \"BAKEOFF_TEST_TOKEN\" }}]\n"
        )
    };
    let place = small(
        &(scenario("checks") + &scenario("fails")),
        &[("checks", &checks), ("fails", fails)],
    );
    let absent = place.bakeoff(&["run", "suite.toml", "--out", "absent"]);
    assert_eq!(absent.code, 2, "{}", absent.err);
    assert!(absent.err.contains("BAKEOFF_TEST_TOKEN is not set"), "{}", absent.err);

    let run = place
        .command(&["run", "suite.toml", "--out", "run", "--verbose"])
        .env("BAKEOFF_TEST_TOKEN", SECRET)
        .output()
        .expect("the program starts");
    let shown = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(5), "{shown}");
    let log = place.log("run");
    let phases = log.phases.iter().filter(|phase| phase.trial.scenario == "checks");
    for phase in phases {
        assert!(phase.is_measured(), "{phase:?}");
    }
    let written = place.all_text("run");
    assert!(!written.contains(SECRET) && !shown.contains(SECRET));
    assert!(written.contains("[redacted]"), "the failing step's lines are not there");
    nothing_of_runs_is_left(&engine);

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), SECRET).expect("written");
    let grants = Grants {
        secrets: [("token".to_owned(), SecretSource::File(file.path().to_owned()))].into(),
        ..Grants::default()
    };
    let dockerfile = format!(
        "FROM {}\nRUN --mount=type=secret,id=token : {} && \
         test \"$(sha256sum < /run/secrets/token | cut -c1-64)\" = {digest} && echo done > /done\n",
        python(&engine),
        once()
    );
    let built = build(&engine, &dockerfile, grants, |image| {
        let packed = wait(exported(&engine, image));
        let holds = |text: &[u8]| packed.windows(text.len()).any(|window| window == text);
        assert!(holds(b"done\n") && !holds(SECRET.as_bytes()));
    });
    built.expect("a build");
}

#[test]
fn an_agent_lists_keys_and_does_nothing_else() {
    let Some((engine, _turn)) = engine() else { return };
    let place = TempDir::new().expect("a folder");
    let socket = place.path().join("agent");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let asked = std::thread::spawn(move || {
        let mut questions = Vec::new();
        // The engine may look whether the agent is there before a step uses it.
        while let Ok((mut stream, _)) = listener.accept() {
            let mut question = [0; 5];
            while stream.read_exact(&mut question).is_ok() {
                questions.push(question[4]);
                stream.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).expect("an answer");
            }
            if !questions.is_empty() {
                break;
            }
        }
        questions
    });
    let script = "import os, socket\n\
                  s = socket.socket(socket.AF_UNIX)\n\
                  s.connect(os.environ['SSH_AUTH_SOCK'])\n\
                  s.sendall(bytes([0, 0, 0, 1, 11]))\n\
                  assert s.recv(100) == bytes([0, 0, 0, 5, 12, 0, 0, 0, 0])\n\
                  s.sendall(bytes([0, 0, 0, 1, 19]))\n\
                  assert s.recv(100) == bytes([0, 0, 0, 1, 5])\n";
    let script = script.replace('\n', "\\n");
    let dockerfile = format!(
        "FROM {}\nRUN --mount=type=ssh : {} && printf \"{script}\" | python3\n",
        python(&engine),
        once()
    );
    let grants = |socket: Option<PathBuf>| Grants {
        agents: [("default".to_owned(), socket)].into(),
        ..Grants::default()
    };
    let none = build(&engine, &dockerfile, grants(Some(place.path().join("none"))), |_| {});
    assert!(none.is_err(), "a build without its agent succeeded");
    let built = build(&engine, &dockerfile, grants(Some(socket)), |_| {});
    built.unwrap_or_else(|failure| panic!("{}: {:?}", failure.message, failure.trace.log));
    // Nothing but the list was passed on.
    assert_eq!(asked.join().expect("the agent's thread"), [11]);
}
