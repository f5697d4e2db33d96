//! Projects in temporary folders, for tests of whole suites.

use std::fmt::Write as _;

use super::{Overrides, Suite, SuiteError, load};

/// A suite that uses every part of the format, and loads.
pub(super) const SUITE: &str = r#"schema = 1

[suite]
name = "small"
description = "A suite for tests."
fixture = "../fixtures/app"
rounds = 3
timeout = "20m"
public_args = ["MODE"]

[images]
python = "python:3.13-slim"
node = "node:22"

[image_args]
NODE_IMAGE = "node"

[factors]
cache_mounts = ["on", "off"]

[[scenario]]
name = "pip"
dockerfile = "Dockerfile.pip"
build_args = { MODE = "fast" }

[[scenario]]
name = "uv"
dockerfile = "Dockerfile.uv"
target = "Final"
platform = "linux/amd64"

[[journey]]
name = "cold build"
kind = "build"
image = "cold"

[[journey]]
name = "hot build"
kind = "build"
image = "hot"
edit = "bump-light"

[[journey]]
name = "cold push"
kind = "push"
image = "cold"

[probe]
http = { port = 8000, path = "/health" }

[published]
source = "somewhere (2025)"

[published.figures]
"cold build" = { pip = "268.98 s", uv = "4m" }
"image size" = { uv = "9.05 GB" }
"#;

/// The fixture of [`SUITE`].
pub(super) const FIXTURE: &str = r#"schema = 1
name = "app"
default_variant = "light"
templates = ["pyproject.toml"]
layers = ["common"]
disk = "1 GB"

[placeholders]
LIGHT = "1.0"
HEAVY = "none"

[variant.light]
layers = ["light"]
disk = "4 GB"
trial_time = "90 s"

[variant.light.placeholders]
HEAVY = "2.0"

[variant.torch]

[lock]
file = "uv.lock"
inputs = ["pyproject.toml"]
command = ["uv", "lock"]

[edit.bump-light]
description = "A newer light dependency."

[[edit.bump-light.change]]
file = "pyproject.toml"
find = "light==1.0"
replace = "light==1.1"

[[edit.bump-light.change]]
file = "src/main.py"
find = "VERSION = 0"
replace = ["VERSION = @N@", "VERSION = -@N@"]

[edit.touch-source]

[[edit.touch-source.change]]
file = "src/main.py"
find = "VERSION"
replace = "WERSION"
"#;

const PIP: &str = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nRUN pip install x\n";
const UV: &str = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE} AS final\n\
                  RUN --mount=type=cache,target=/c --mount=type=bind,target=/b uv sync\n";

/// A suite `scenarios/x.toml` and its fixture `fixtures/app` in a temporary folder.
pub(super) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// The project of [`SUITE`] and [`FIXTURE`].
    pub fn new() -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, text) in [
            ("scenarios/x.toml", SUITE),
            ("fixtures/app/fixture.toml", FIXTURE),
            ("fixtures/app/Dockerfile.pip", PIP),
            ("fixtures/app/Dockerfile.uv", UV),
            (
                "fixtures/app/common/pyproject.toml",
                "requires-python = \"==@PYTHON_MINOR@.*\"\ndeps = [\"light==@LIGHT@\", \"heavy==@HEAVY@\"]\n",
            ),
            ("fixtures/app/common/src/main.py", "VERSION = 9\n"),
            ("fixtures/app/light/src/main.py", "VERSION = 0\n"),
        ] {
            project.write(path, text);
        }
        project
    }

    /// Writes a file, and the folders it lies in.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text that must be there.
    pub fn change(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold {from:?}");
        self.write(path, &text.replacen(from, to, 1));
    }

    pub fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    pub fn load(&self, overrides: &Overrides) -> Result<Suite, SuiteError> {
        load(&self.path("scenarios/x.toml"), overrides)
    }

    /// The names of the scenarios of a suite that must load.
    pub fn names(&self) -> Vec<String> {
        let suite = self
            .load(&Overrides::default())
            .unwrap_or_else(|error| panic!("{error}"));
        suite.scenarios.into_iter().map(|scenario| scenario.name).collect()
    }

    /// The error's text, without the temporary folder's path.
    pub fn shown(&self, error: &SuiteError) -> String {
        error
            .to_string()
            .replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// Loads the project after one text of one file was replaced, and gives the message.
pub(super) fn refusal(file: &str, from: &str, to: &str) -> String {
    let project = Project::new();
    project.change(file, from, to);
    match project.load(&Overrides::default()) {
        Ok(_) => "(loads)".to_owned(),
        Err(error) => project.shown(&error),
    }
}

/// A change of a file and what it leads to: what is replaced, by what, and the whole message.
pub(super) type Refusal = (&'static str, &'static str, &'static str);

/// Checks a table of changes of one file.
pub(super) fn refusals(file: &str, table: &[Refusal]) {
    let mut wrong = String::new();
    for (from, to, expected) in table {
        let found = refusal(file, from, to);
        if found != expected.trim_matches('\n') {
            writeln!(wrong, "--- {from:?} -> {to:?}\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
