//! Throw-away engines: a Docker Engine in a container of the host's, with a volume for its data and a Unix socket in a
//! folder that both sides see. One is made for each trial, so that nothing earlier can be in its cache, and nothing of the
//! trial can be left in the host's. Not for: finding its image (that is the `images` room's), or deciding which trial gets
//! which engine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::http::Address;
use super::{Container, ContainerSpec, Engine, EngineError, EngineInfo, ImageStore, Powers, Publish};
use crate::scratch::Folder;

/// How long an engine may take to answer after its container has started.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The port at which the registry listens in the engine's network namespace.
pub const REGISTRY_PORT: u16 = 5000;

/// The port at which a probed image answers on the engine's own network.
pub const PROBE_PORT: u16 = 8080;

/// Where the folder with the socket is in the container.
const FOLDER: &str = "/run/bakeoff";

/// Paths of Unix sockets are limited to 107 bytes; what follows the folder for temporary files takes less than 40.
const LONGEST_FOLDER: usize = 64;

/// What starts the engine in its container. The official image has a script of its own for what a privileged container
/// needs; the rest is for images that are nothing but a distribution's packages.
///
/// - Control groups, version 2: a group that hands controllers down may hold no processes itself, so they move to a group
///   of their own. Version 1: the hierarchies are mounted read-only unless the container is privileged; mounted again, the
///   engine's containers get their groups below the container's own, with which they go.
/// - A container's file systems are private mounts; the engine's own must be shared for its volumes.
const LAUNCH: &str = r#"
set -e
if command -v dockerd-entrypoint.sh >/dev/null; then
    exec dockerd-entrypoint.sh dockerd "$@"
fi
groups=/sys/fs/cgroup
if [ -f "$groups/cgroup.controllers" ]; then
    mount -o remount,rw "$groups" 2>/dev/null || true
    mkdir -p "$groups/init"
    while read -r pid; do echo "$pid" >"$groups/init/cgroup.procs" 2>/dev/null || true; done <"$groups/cgroup.procs"
    sed -e 's/ / +/g' -e 's/^/+/' "$groups/cgroup.controllers" >"$groups/cgroup.subtree_control" || true
else
    for group in "$groups" "$groups"/*; do
        ! mountpoint -q "$group" || mount -o remount,rw,bind "$group" 2>/dev/null || true
    done
fi
mount --make-rshared / 2>/dev/null || true
exec dockerd "$@"
"#;

/// An engine to be made.
#[derive(Debug, Clone)]
pub struct IsolatedSpec {
    /// The container's and the volume's name; starts with `bakeoff-`.
    pub name: String,
    /// The image, of the host's engine.
    pub image: String,
    /// The labels of the container and the volume.
    pub labels: BTreeMap<String, String>,
    /// The network of the host's engine that the container is in.
    pub network: String,
    /// The packet size of its own bridge, if it may not be the usual one.
    pub mtu: Option<u32>,
    /// Where it keeps images; `None` for its own choice.
    pub store: Option<ImageStore>,
    /// What its container may do: [`Powers::All`] or [`Powers::Engine`].
    pub powers: Powers,
    /// Registries, `NAME:PORT`, that it may speak plain HTTP to.
    pub insecure_registries: Vec<String>,
}

/// A throw-away engine that was made and removed again.
#[derive(Debug, Clone)]
pub struct TriedOut {
    /// What its container had to be allowed.
    pub powers: Powers,
    /// What it said of itself.
    pub info: EngineInfo,
    /// How long it took from the container's creation to the first answer.
    pub started: Duration,
    /// How long its removal took.
    pub removed: Duration,
}

/// A throw-away engine that answers. It must be [removed](Isolated::remove); one that is dropped leaves a labelled
/// container and volume behind for `bakeoff clean`.
#[derive(Debug)]
pub struct Isolated<E> {
    /// The engine.
    pub engine: E,
    /// The container that it runs in. Its published ports are [`REGISTRY_PORT`] and [`PROBE_PORT`].
    pub container: Container,
    /// What it says of itself.
    pub info: EngineInfo,
    /// How long it took from the container's creation to the first answer.
    pub took: Duration,
    name: String,
    /// The folder with its socket.
    _folder: Folder,
}

impl<E: Engine> Isolated<E> {
    /// Makes an engine, and waits until it answers.
    ///
    /// # Errors
    /// If the host's engine refuses the container, or the engine in it ends or does not answer within 30 s. What was made
    /// by then is removed.
    pub async fn start(host: &E, spec: &IsolatedSpec) -> Result<Self, EngineError> {
        let folder = socket_folder()?;
        host.create_volume(&spec.name, &spec.labels).await?;
        let started = Self::start_in(host, spec, folder).await;
        if started.is_err() {
            // The first error is the one to tell; what stays carries the label.
            let _ = host.remove_container(&spec.name).await;
            let _ = host.remove_volume(&spec.name).await;
        }
        started
    }

    async fn start_in(host: &E, spec: &IsolatedSpec, folder: Folder) -> Result<Self, EngineError> {
        let clock = Instant::now();
        let container = host.start(&container(spec, folder.path())).await?;
        let engine = host.beside(&Address::Unix(folder.path().join("docker.sock")));
        let engine = loop {
            // bollard looks for the socket when it is told of it.
            match &engine {
                Ok(engine) => {
                    if engine.info().await.is_ok() {
                        break engine.clone();
                    }
                }
                Err(_) => {
                    if let Ok(engine) = host.beside(&Address::Unix(folder.path().join("docker.sock")))
                        && engine.info().await.is_ok()
                    {
                        break engine;
                    }
                }
            }
            let (running, log) = host.peek(&container.id).await?;
            if !running || clock.elapsed() > START_LIMIT {
                let ended = if running { "it does not answer" } else { "it has ended" };
                return Err(EngineError::Operation {
                    operation: "start an engine in container",
                    subject: spec.name.clone(),
                    reason: format!("{ended}:\n{}", tail(&log)),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let took = clock.elapsed();
        let info = engine.info().await?;
        Ok(Self {
            engine,
            container,
            info,
            took,
            name: spec.name.clone(),
            _folder: folder,
        })
    }

    /// Makes an engine and removes it again: with what powers it can be had, and what it says of itself. `spec.powers` are
    /// not looked at: a machine may refuse a privileged container, and still allow enough for an engine.
    ///
    /// # Errors
    /// If no powers do, or it can't be removed.
    pub async fn try_out(host: &E, spec: &IsolatedSpec) -> Result<TriedOut, EngineError> {
        let with = |powers| IsolatedSpec { powers, ..spec.clone() };
        let (powers, isolated) = match Self::start(host, &with(Powers::All)).await {
            Ok(isolated) => (Powers::All, isolated),
            Err(_) => (Powers::Engine, Self::start(host, &with(Powers::Engine)).await?),
        };
        let (info, started) = (isolated.info.clone(), isolated.took);
        let clock = Instant::now();
        match isolated.remove(host).await.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(TriedOut {
                powers,
                info,
                started,
                removed: clock.elapsed(),
            }),
        }
    }

    /// Removes the engine with all that is in it. Returns what could not be removed.
    pub async fn remove(self, host: &E) -> Vec<EngineError> {
        let gone = [
            host.remove_container(&self.container.id).await,
            host.remove_volume(&self.name).await,
        ];
        gone.into_iter().filter_map(Result::err).collect()
    }

    /// The last lines that the engine wrote, and whether its container still runs: why it does not answer.
    pub async fn last_words(&self, host: &E) -> (bool, String) {
        match host.peek(&self.container.id).await {
            Ok((running, log)) => (running, tail(&log)),
            Err(error) => (false, error.to_string()),
        }
    }
}

/// A folder for the socket that nobody else may look into: whoever can use the socket is root in the container.
fn socket_folder() -> Result<Folder, EngineError> {
    let usual = std::env::temp_dir();
    let parent = if usual.as_os_str().len() > LONGEST_FOLDER {
        Path::new("/tmp")
    } else {
        &usual
    };
    let failed = |source| EngineError::File {
        operation: "making a folder in",
        path: parent.to_owned(),
        source,
    };
    let folder = Folder::below(parent, "engine").map_err(failed)?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(folder)
}

fn container(spec: &IsolatedSpec, folder: &Path) -> ContainerSpec {
    let mut command = ["sh", "-c", LAUNCH, "dockerd"].map(str::to_owned).to_vec();
    command.push(format!("--host=unix://{FOLDER}/docker.sock"));
    // The socket belongs to root in the container; the group is that of whoever runs this program.
    command.push(format!("--group={}", rustix::process::getegid().as_raw()));
    if let Some(mtu) = spec.mtu {
        command.push(format!("--mtu={mtu}"));
    }
    let insecure = spec.insecure_registries.iter();
    command.extend(insecure.map(|registry| format!("--insecure-registry={registry}")));
    let settings = settings(spec.store);
    let files = (settings != "{}").then(|| {
        let file = [("etc/docker/daemon.json".into(), settings.into_bytes())];
        super::archive::archive(&file, 0o644).unwrap_or_default()
    });
    let published = |port| Publish { port, on: None };
    ContainerSpec {
        name: spec.name.clone(),
        image: spec.image.clone(),
        command: Some(command),
        // The official image would make certificates for an address that nobody uses.
        env: vec!["DOCKER_TLS_CERTDIR=".into()],
        labels: spec.labels.clone(),
        publish: vec![published(REGISTRY_PORT), published(PROBE_PORT)],
        volume: Some((spec.name.clone(), "/var/lib/docker".into())),
        folders: vec![(folder.to_string_lossy().into_owned(), FOLDER.into())],
        network: Some(spec.network.clone()),
        powers: spec.powers,
        files,
        ..ContainerSpec::default()
    }
}

/// The engine's `daemon.json`.
fn settings(store: Option<ImageStore>) -> String {
    match store {
        None => "{}".to_owned(),
        Some(store) => {
            let containerd = store == ImageStore::Containerd;
            serde_json::json!({ "features": { "containerd-snapshotter": containerd } }).to_string()
        }
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_store_is_set_only_if_it_is_asked_for() {
        assert_eq!(settings(None), "{}");
        assert_eq!(
            settings(Some(ImageStore::Containerd)),
            r#"{"features":{"containerd-snapshotter":true}}"#
        );
    }

    #[test]
    fn only_we_can_look_into_the_folder_of_the_socket() {
        let folder = socket_folder().expect("a folder");
        let mode = std::fs::metadata(folder.path()).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(folder.path().join("docker.sock").as_os_str().len() < 107);
    }
}
