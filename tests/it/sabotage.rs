//! Suites whose phases do not do what they say: each manipulation check must catch its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::lock::EngineLock;
use bakeoff::engine::session::Taken;
use bakeoff::engine::{BuildRequest, Builder, Context, Engine as _, EngineChoice, Grants, archive, reaper};
use bakeoff::plan::Plan;
use bakeoff::runner::event::{Outcome, PhaseRecord, RunEvent};
use bakeoff::runner::{self, Settings};
use bakeoff::suite::{self, NetworkMode, Overrides};
use bakeoff::units::RunId;
use tokio_util::sync::CancellationToken;

use crate::records::Records;
use crate::support::{ONE, SUITE, TWO_LAYERS, base_images, engine, nothing_of_runs_is_left, phase, small, wait};

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

/// A Python to build on.
fn python(engine: &DockerEngine) -> String {
    let images = base_images();
    let resolved = images.resolve(engine, "python", "python:3.12.10-slim-bookworm", &|_| {});
    wait(resolved).expect("an image").used
}

/// What somebody builds, who is not a run.
fn request(context: Context, dockerfile: &str, tag: &str, build_args: &[(&str, &str)]) -> BuildRequest {
    let build_args = build_args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    BuildRequest {
        builder: match context {
            Context::Tar(_) => Builder::Classic,
            Context::Folders { .. } => Builder::Buildkit,
        },
        context,
        dockerfile: dockerfile.into(),
        tag: tag.to_owned(),
        build_args: build_args.collect(),
        labels: BTreeMap::new(),
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(600),
    }
}

/// A registry that takes whatever is pushed, and afterwards has no `cold` and of `hot` another manifest than came.
const LYING_REGISTRY: &str = r#"
import hashlib, http.server, itertools

held = {}
uploads = itertools.count()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            whole += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return whole

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/v2/":
            return self.answer(200, b"{}")
        kind, body = held.get(path, ("", None))
        if body is None or path.endswith("/manifests/cold"):
            return self.answer(404, b"{}")
        if path.endswith("/manifests/hot"):
            body += b"\n"
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)

    do_HEAD = do_GET

    def do_POST(self):
        self.body()
        self.answer(202, Location=self.path.split("?")[0] + str(next(uploads)), Range="0-0")

    def do_PATCH(self):
        path = self.path.split("?")[0]
        held[path] = ("", self.body())
        self.answer(202, Location=path, Range="0-%d" % (len(held[path][1]) - 1))

    def do_PUT(self):
        path, _, query = self.path.partition("?")
        body = self.body()
        if "/manifests/" in path:
            held[path] = (self.headers["Content-Type"], body)
        else:
            digest = query.split("digest=")[1].split("&")[0].replace("%3A", ":")
            _, sent = held.pop(path, ("", b""))
            path = path.split("/uploads/")[0] + "/" + digest
            body = sent + body
            held[path] = ("application/octet-stream", body)
        self.answer(201, Location=path, Docker_Content_Digest="sha256:" + hashlib.sha256(body).hexdigest())

http.server.ThreadingHTTPServer(("", 5000), Handler).serve_forever()
"#;

#[test]
fn a_push_that_the_registry_does_not_hold_counts_for_nothing() {
    let Some((engine, _turn)) = engine() else { return };
    let registry = format!("bakeoff-test-lying-registry:{}", std::process::id());
    let suite = format!("{ONE}[images]\nregistry = \"{registry}\"\n");
    let place = small(&suite, &[("Dockerfile", TWO_LAYERS)]);
    // Copied and not built on: a stand-in's label would say that it is one.
    let dockerfile = format!(
        "FROM scratch\nCOPY --from={} / /\nCOPY registry.py /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n\
         ENTRYPOINT [\"python3\", \"/registry.py\"]\n",
        python(&engine)
    );
    let files = [
        ("Dockerfile".into(), dockerfile.into_bytes()),
        ("registry.py".into(), LYING_REGISTRY.as_bytes().to_vec()),
    ];
    let packed = archive::archive(&files, 0o644).expect("packs");
    std::fs::write(place.path("context.tar"), packed).expect("written");
    let build = request(Context::Tar(place.path("context.tar")), "Dockerfile", &registry, &[]);
    wait(engine.build(&build, &|_| {})).expect("a registry");
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    wait(engine.remove_image(&registry)).expect("removed");

    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    for (name, expected) in [
        (
            "cold push",
            "after the push: read manifest of bakeoff/one:cold: the registry answered 404",
        ),
        ("hot push", ", and the registry holds sha256:"),
    ] {
        let outcome = &phase(&log, "one", name).outcome;
        let told = matches!(outcome, Outcome::Invalid(reasons) if reasons.iter().any(|it| it.contains(expected)));
        assert!(told, "{name}: {outcome:?}");
    }
    for name in ["cold build", "hot build"] {
        assert_eq!(phase(&log, "one", name).outcome, Outcome::Measured, "{name}");
    }
    nothing_of_runs_is_left(&engine);
}

#[test]
fn a_cache_mount_that_is_older_than_its_trial_makes_no_cold_build() {
    let Some((engine, _turn)) = engine() else { return };
    // Somebody's mount is nobody's that a run would remove; by this the test knows its own.
    let mark = format!("old-{}", std::process::id());
    let run = RunId(format!("test-{}", std::process::id()));
    let mounts = |step: &str| format!("{FROM}\nRUN --mount=type=cache,target=/c {step}\nCOPY state /state\n");
    let place = small(
        ONE,
        &[
            ("Dockerfile", &mounts("ls /c > /seen")),
            ("Before", &mounts(&format!("touch /c/{mark}"))),
        ],
    );
    let tag = format!("somebodys-own:{}", std::process::id());
    let context = Context::Folders {
        context: place.path("app/files"),
        dockerfile: place.path("app"),
        shared_key: tag.clone(),
        taken: Taken::default(),
    };
    // The first trial's namespace, which nobody can know of a run that chooses its id itself.
    let namespace = format!("bakeoff-{run}-1");
    let python = python(&engine);
    let arguments = [
        ("PYTHON_IMAGE", python.as_str()),
        ("BUILDKIT_CACHE_MOUNT_NS", &namespace),
    ];
    let mut made = wait(Records::of(&engine));
    let built = wait(engine.build(&request(context, "Before", &tag, &arguments), &|_| {}));
    made.note(&built.expect("somebody's build"), "somebody");

    let overrides = Overrides {
        engine: Some(EngineChoice::Host),
        network: Some(NetworkMode::Upstream),
        ..Overrides::default()
    };
    let suite = suite::load(&place.path("suite.toml"), &overrides).expect("a valid suite");
    let images = base_images();
    let settings = Settings {
        run,
        selected: Vec::new(),
        cache: images.cache.parent().expect("a folder").to_owned(),
        source: images.source,
        trust_host_ca: false,
        index: None,
        repeats: 1,
        options: BTreeMap::new(),
        fixture_digest: String::new(),
        noise: None,
        scan_layers: false,
        resume: None,
    };
    let told: Mutex<Vec<PhaseRecord>> = Mutex::new(Vec::new());
    let events = |event: RunEvent| {
        if let RunEvent::PhaseFinished(record) = event {
            told.lock().expect("nobody panics").push(*record);
        }
        ControlFlow::Continue(())
    };
    let ended = wait(async {
        let lock = EngineLock::take(&engine.info().await.expect("an answer").id).expect("nobody else runs");
        let cancel = CancellationToken::new();
        let plan = Plan::new(&suite, 1);
        let ended = Box::pin(runner::run(&engine, &suite, &plan, &settings, &cancel, &events)).await;
        drop(lock);
        ended
    });
    wait(engine.remove_image(&tag)).expect("removed");
    wait(made.remove(&engine));
    let records = wait(engine.build_cache()).expect("an answer");
    let marked = records.iter().filter(|record| record.description.contains(&mark));
    let marked = marked.map(|record| record.id.clone()).collect();
    wait(reaper::remove_all(&engine, &records, &marked)).expect("removed");

    ended.expect("a run");
    let told = told.into_inner().expect("nobody panics");
    let cold = told.iter().find(|record| record.phase == "cold build").expect("told");
    let expected = "the steps have used 1 cache mounts (/c), and the engine has 0 that are not older than the trial";
    assert_eq!(cold.outcome, Outcome::Invalid(vec![expected.to_owned()]));
    nothing_of_runs_is_left(&engine);
}
