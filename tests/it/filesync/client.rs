//! The docker clients of this machine that can build with BuildKit.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A docker client.
#[derive(Debug, Clone)]
pub struct Client {
    program: PathBuf,
    pub version: String,
    /// The engine that it talks to, if not the one that it finds by itself.
    host: Option<String>,
}

impl Client {
    /// Builds a context as a user would.
    pub fn build(&self, context: &Path, dockerfile: &Path, tag: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.command();
        command
            .args(["build", "--quiet", "--tag", tag, "--file"])
            .arg(dockerfile);
        let output = command
            .args(arguments)
            .arg(context)
            .output()
            .expect("the client starts");
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The same, talking to another engine.
    pub fn at_engine(&self, address: String) -> Self {
        Self {
            host: Some(address),
            ..self.clone()
        }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("DOCKER_BUILDKIT", "1");
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    fn at(program: PathBuf) -> Option<Self> {
        let client = Self {
            program,
            version: String::new(),
            host: None,
        };
        let output = client.command().arg("--version").output().ok()?;
        // Docker version 20.10.24+dfsg1, build 297e128
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.split_whitespace().nth(2)?.trim_end_matches(',').to_owned();
        let major: u32 = version.split('.').next()?.parse().ok()?;
        let plugin = client.command().args(["buildx", "version"]).output().ok()?;
        // Since 23 the client can't build with BuildKit by itself.
        (major < 23 || plugin.status.success()).then_some(Self { version, ..client })
    }
}

/// The first client in PATH that can build with BuildKit; other ones may come before it that can't.
pub fn client() -> Option<Client> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("docker"))
        .filter(|program| program.is_file())
        .find_map(Client::at);
    if found.is_none() {
        assert!(
            std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
            "a docker client that can build with BuildKit is required here: one before 23, or one with buildx"
        );
        eprintln!("skipped: no docker client in PATH can build with BuildKit");
    }
    found
}
