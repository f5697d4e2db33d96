//! A folder to work in, a small suite to write into it, and the program to run there.

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::http::Address;
use bakeoff::engine::isolated::{Isolated, IsolatedSpec};
use bakeoff::engine::{Engine as _, ImageStore, Owned, OwnedKind, Powers, RUN_LABEL};
use bakeoff::images::{BaseImages, Source};
use bakeoff::runner::event::PhaseRecord;
use tempfile::TempDir;

use crate::held::held;

/// A folder of its own for a test.
pub struct Place {
    dir: TempDir,
    /// The cache that the program uses there, if not the user's.
    cache: Option<PathBuf>,
    /// The engine that it uses, with the process in whose network that is, if not the machine's.
    alone: Option<(String, u32)>,
}

/// How a call of the program ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Place {
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().expect("a folder"),
            cache: None,
            alone: None,
        }
    }

    /// A place whose recordings are its own; stand-ins of base images are the user's, since they take a minute to make.
    pub fn with_own_recordings() -> Self {
        let mut place = Self::new();
        let strategy = etcetera::choose_base_strategy().expect("a home");
        let images = etcetera::BaseStrategy::cache_dir(&strategy).join("bakeoff/images");
        std::fs::create_dir_all(&images).expect("a folder");
        let cache = place.path("cache");
        std::fs::create_dir_all(cache.join("bakeoff")).expect("a folder");
        std::os::unix::fs::symlink(images, cache.join("bakeoff/images")).expect("a link");
        place.cache = Some(cache);
        place
    }

    /// The same, for a program that uses this engine.
    pub fn on(mut self, alone: &Alone) -> Self {
        self.alone = Some((alone.address.clone(), alone.process));
        self
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_bakeoff");
        let mut command = match &self.alone {
            // It becomes the program, which can be killed by its number then.
            Some((address, process)) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/proc/{process}/ns/net")).arg(program);
                command.env("DOCKER_HOST", address);
                command
            }
            None => Command::new(program),
        };
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("NO_COLOR", "1")
            .env("BAKEOFF_ENGINE", "host")
            .stdin(std::process::Stdio::null());
        if let Some(cache) = &self.cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        command
    }

    pub fn bakeoff(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// The text of everything that a run left on disk.
    pub fn all_text(&self, folder: &str) -> String {
        let mut text = String::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&String::from_utf8_lossy(&std::fs::read(path).expect("a file")));
                }
            }
        }
        text
    }

    pub fn log(&self, folder: &str) -> bakeoff::journal::RunLog {
        bakeoff::journal::read(&self.path(folder)).expect("a readable journal")
    }
}

/// The head of a suite over the fixture in `app/`, without scenarios.
pub const SUITE: &str = r#"schema = 1
[suite]
name = "small"
fixture = "app"
rounds = 1
warmup = 0
"#;

/// The article's journey, with the edit `bump`.
pub const JOURNEY: &str = r#"
[[journey]]
name = "cold build"
kind = "build"
image = "cold"
[[journey]]
name = "hot build"
kind = "build"
image = "hot"
edit = "bump"
[[journey]]
name = "cold push"
kind = "push"
image = "cold"
[[journey]]
name = "hot push"
kind = "push"
image = "hot"
"#;

/// A fixture whose file `state` says `cold`, and `hot` after the edit `bump`.
pub const FIXTURE: &str = r#"schema = 1
name = "app"
layers = ["files"]
[edit.bump]
[[edit.bump.change]]
file = "state"
find = "cold"
replace = "hot"
"#;

/// A small fixture with its suite file `suite.toml`; `more` is scenarios and the like.
pub fn small(more: &str, dockerfiles: &[(&str, &str)]) -> Place {
    let place = Place::with_own_recordings();
    place.write("suite.toml", &format!("{SUITE}{JOURNEY}{more}"));
    place
        .write("app/fixture.toml", FIXTURE)
        .write("app/files/state", "cold\n");
    for (name, text) in dockerfiles {
        place.write(&format!("app/{name}"), text);
    }
    place
}

/// One test at a time may run builds: a run locks the engine.
static TURN: Mutex<()> = Mutex::new(());

/// A test's turn to use the engine. At its end the engine must hold what it held before, but for what bakeoff may keep.
pub struct Turn {
    engine: DockerEngine,
    before: BTreeSet<String>,
    _exclusive: MutexGuard<'static, ()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What a test that failed has left tells nothing.
        if std::thread::panicking() {
            return;
        }
        let began = Instant::now();
        loop {
            let after = wait(held(&self.engine)).expect("an answer");
            let changed: Vec<_> = self.before.symmetric_difference(&after).collect();
            if changed.is_empty() {
                return;
            }
            // An engine finishes a moment after whoever gave up.
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "these are left or gone: {changed:#?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// An engine and the turn to use it. `None` where no engine answers, unless the environment says that one must
/// (`scripts/test` does, so that no test skips itself in CI).
pub fn engine() -> Option<(DockerEngine, Turn)> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = DockerEngine::from_environment().and_then(|engine| wait(engine.info()).map(|_| engine));
    match found {
        Ok(engine) => {
            let turn = Turn {
                engine: engine.clone(),
                before: wait(held(&engine)).expect("an answer"),
                _exclusive: turn,
            };
            Some((engine, turn))
        }
        Err(error) => {
            assert!(
                std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
                "an engine is required here: {error}"
            );
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// One scenario of one Dockerfile.
pub const ONE: &str = "[[scenario]]\nname = \"one\"\ndockerfile = \"Dockerfile\"\n";

/// A heavy layer that an edit must not touch, and a light one that it must.
pub const TWO_LAYERS: &str = "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE}\nWORKDIR /app\n\
                          RUN head -c 3000000 /dev/urandom > heavy\nCOPY state .\nRUN cat state > seen\n";

/// A phase of the first round.
pub fn phase<'l>(log: &'l bakeoff::journal::RunLog, scenario: &str, phase: &str) -> &'l PhaseRecord {
    let found = log
        .phases
        .iter()
        .find(|record| record.trial.scenario == scenario && record.phase == phase);
    found.unwrap_or_else(|| panic!("no {phase} of {scenario}"))
}

/// The records of the build cache that hold more than a file that was copied: what a run must take away again.
pub fn records(engine: &DockerEngine) -> Vec<String> {
    let records = wait(engine.build_cache()).expect("an answer");
    let worth = records.into_iter().filter(|record| {
        let starts = |with| record.description.starts_with(with);
        record.kind == "source.local" || starts("mount /") || starts("cached mount")
    });
    let mut ids: Vec<_> = worth.map(|record| record.id).collect();
    ids.sort();
    ids
}

/// Fails if anything of a run is left in the engine.
pub fn nothing_of_runs_is_left(engine: &DockerEngine) {
    let owned = wait(engine.owned()).expect("an answer");
    let left: Vec<_> = owned.iter().filter(|thing| thing.run != "stand-in").collect();
    assert!(left.is_empty(), "{left:?}");
    let records = wait(engine.build_cache()).expect("an answer");
    let marks: Vec<_> = records
        .iter()
        .filter(|record| record.description.contains("bakeoff-anchor"))
        .collect();
    assert!(marks.is_empty(), "{marks:?}");
}

/// A Docker Engine of a test's own, in a network namespace of its own (`scripts/offline`), thrown away at its end with all that
/// is in it: the contexts and cache mounts of runs that were killed, which an old engine can't tell from anybody else's. Base
/// images are stand-ins from the user's cache.
pub struct Alone {
    pub engine: DockerEngine,
    address: String,
    /// Its process, whose network the program has to be in.
    process: u32,
    script: std::process::Child,
    _turn: Turn,
}

impl Alone {
    /// Starts one. `None` where no engine answers, as with [`engine`].
    pub fn start() -> Option<Self> {
        let (host, turn) = engine()?;
        // It ends when its input does, so with this process at the latest. A shell gives what it starts in the background no
        // input but by another number.
        let mut script = Command::new("bash")
            .args([
                "-c",
                "exec 3<&0 \"$0\" bash -c 'echo \"$DOCKER_HOST\" && exec cat <&3 >/dev/null'",
            ])
            .arg(repository().join("scripts/offline"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut address = String::new();
        let mut said = std::io::BufReader::new(script.stdout.take().expect("piped"));
        said.read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        let socket = PathBuf::from(address.strip_prefix("unix://").expect("an engine"));
        let process = wait(async {
            let connected = tokio::net::UnixStream::connect(&socket).await.expect("it listens");
            connected.peer_cred().expect("whose it is").pid().expect("a process")
        });
        Some(Self {
            engine: host.beside(&Address::Unix(socket)).expect("an engine"),
            address,
            process: process.try_into().expect("a process"),
            script,
            _turn: turn,
        })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// Runs a future to its end.
pub fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A service with a layer of so many bytes that can't be compressed, which an edit must not touch.
pub fn service(heavy: u32) -> String {
    format!(
        "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${{PYTHON_IMAGE}}\nWORKDIR /app\n\
         RUN head -c {heavy} /dev/urandom > heavy\nCOPY state .\n\
         CMD [\"python3\", \"-m\", \"http.server\", \"8000\"]\n"
    )
}

/// A journey: each phase's name, kind and image, and what else there is.
pub fn journey(phases: &[(&str, &str, &str, &str)]) -> String {
    let one = |(name, kind, image, more): &(&str, &str, &str, &str)| {
        format!("[[journey]]\nname = \"{name}\"\nkind = \"{kind}\"\nimage = \"{image}\"\n{more}\n")
    };
    phases.iter().map(one).collect()
}

/// A place with such a journey of one scenario; `more` is tables and what else there is.
pub fn with_journey(phases: &[(&str, &str, &str, &str)], more: &str, dockerfile: &str) -> Place {
    let place = Place::with_own_recordings();
    place.write("suite.toml", &format!("{SUITE}{more}{ONE}{}", journey(phases)));
    place
        .write("app/fixture.toml", FIXTURE)
        .write("app/files/state", "cold\n")
        .write("app/Dockerfile", dockerfile);
    place
}

/// What runs have in the engine.
pub fn of_runs(engine: &DockerEngine) -> Vec<Owned> {
    let owned = wait(engine.owned()).expect("an answer");
    owned.into_iter().filter(|thing| thing.run != "stand-in").collect()
}

/// The container whose name ends so.
pub fn container(owned: &[Owned], end: &str) -> Option<String> {
    let named = |thing: &&Owned| thing.kind == OwnedKind::Container && thing.name.ends_with(end);
    owned.iter().find(named).map(|thing| thing.id.clone())
}

/// Waits for something to be so while a run goes on.
pub fn until(run: &mut Child, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(400), "it did not come to it");
        assert!(run.try_wait().expect("a state").is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a run whose journal has this text pulls: its registry has sent the first blob, which is the small
/// configuration. Returns the container of the engine that pulls.
pub fn until_it_pulls(engine: &DockerEngine, run: &mut Child, journal: &Path, text: &str) -> String {
    let machine = std::cell::RefCell::default();
    until(run, || {
        let owned = of_runs(engine);
        *machine.borrow_mut() = container(&owned, "-pull-1").unwrap_or_default();
        let registry = container(&owned, "-registry").unwrap_or_default();
        let sent = |line: &str| line.contains("\"GET /v2/") && line.contains("/blobs/");
        !machine.borrow().is_empty()
            && std::fs::read_to_string(journal).is_ok_and(|journal| journal.contains(text))
            && wait(engine.peek(&registry)).is_ok_and(|(_, log)| log.lines().any(sent))
    });
    machine.into_inner()
}

/// The versions of throw-away engines to test: `BAKEOFF_TEST_ENGINES`, else the oldest and the newest that the distribution
/// has.
pub fn versions() -> Vec<String> {
    let asked = std::env::var("BAKEOFF_TEST_ENGINES").unwrap_or_default();
    let asked = asked.split(',').map(str::trim).filter(|version| !version.is_empty());
    let asked: Vec<String> = asked.map(str::to_owned).collect();
    if asked.is_empty() {
        ["20.10", "28"].map(str::to_owned).to_vec()
    } else {
        asked
    }
}

/// Base images, or stand-ins from the user's cache.
pub fn base_images() -> BaseImages {
    let strategy = etcetera::choose_base_strategy().expect("a home");
    BaseImages {
        cache: etcetera::BaseStrategy::cache_dir(&strategy).join("bakeoff/images"),
        source: Source::Auto,
        trust: None,
    }
}

/// A throw-away engine in a network of its own, both removed with this value.
pub struct Throwaway {
    host: DockerEngine,
    isolated: Option<Isolated<DockerEngine>>,
    network: String,
}

impl Throwaway {
    /// Makes one.
    pub fn start(host: &DockerEngine, version: &str, store: Option<ImageStore>) -> Self {
        let images = base_images();
        let (role, reference) = (format!("engine:{version}"), format!("docker:{version}-dind"));
        let name = format!("bakeoff-test-{}-{version}", std::process::id());
        let labels = [(RUN_LABEL.to_owned(), "throw-away-of-a-test".to_owned())];
        wait(async {
            let image = images
                .resolve(host, &role, &reference, &|_| {})
                .await
                .expect("an image");
            let labels: std::collections::BTreeMap<_, _> = labels.into();
            let mtu = bakeoff::environment::host::uplink_mtu();
            host.create_network(&name, &labels, mtu, None).await.expect("a network");
            let spec = IsolatedSpec {
                name: name.clone(),
                image: image.used,
                labels,
                network: name.clone(),
                mtu,
                store,
                powers: Powers::All,
                insecure_registries: Vec::new(),
            };
            let tried = Isolated::try_out(host, &spec).await.expect("an engine");
            let spec = IsolatedSpec {
                powers: tried.powers,
                ..spec
            };
            let isolated = Isolated::start(host, &spec).await.expect("an engine");
            Self {
                host: host.clone(),
                isolated: Some(isolated),
                network: name,
            }
        })
    }

    pub fn engine(&self) -> &DockerEngine {
        &self.isolated.as_ref().expect("it is there until the end").engine
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        self.engine().address().to_string()
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let isolated = self.isolated.take();
        wait(async {
            if let Some(isolated) = isolated {
                isolated.remove(&self.host).await;
            }
            let _ = self.host.remove_network(&self.network).await;
        });
    }
}
