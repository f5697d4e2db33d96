//! What has to be right before anything is measured: each check is a line, each failure has its remedy.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::host;
use crate::engine::endpoint::EngineEndpoint;
use crate::engine::isolated::{Isolated, IsolatedSpec, TriedOut};
use crate::engine::lock::{EngineLock, LockError};
use crate::engine::{Addresses, Engine, EngineError, EngineInfo, Powers, RUN_LABEL, STAND_IN_LABEL, reaper};
use crate::units::Bytes;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Fine.
    Good,
    /// Runs will work, but something is worth knowing.
    Warning,
    /// Runs will fail or mislead.
    Bad,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when nothing has to be done.
    pub remedy: String,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, remedy: &str) -> Self {
        Self {
            name: name.to_owned(),
            status,
            found: found.into(),
            remedy: remedy.to_owned(),
        }
    }
}

/// The check that makes something in the engine.
const ISOLATED: &str = "isolated engine";

/// The disk below which even the light fixture does not fit.
const LITTLE_DISK: Bytes = Bytes(8_000_000_000);

/// What to do where no engine answers.
pub const START_ENGINE: &str = "start Docker Engine, join the docker group, or set DOCKER_HOST; on Debian and Ubuntu \
                                scripts/setup installs and starts it";

/// What to do where no engine answers at an address.
#[must_use]
pub fn reach_engine(address: &str) -> &'static str {
    match address.split_once("://") {
        Some(("ssh", _)) => {
            "`ssh HOST docker version` must work without being asked for anything: a known host, a key in an agent, and \
             a docker client (18.09 or newer) there"
        }
        Some(("tcp", _)) => {
            "see that the engine listens there, and whether with TLS: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or a docker \
             context, say so; DOCKER_HOST names another engine"
        }
        _ => START_ENGINE,
    }
}

/// A base image to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its role.
    pub role: String,
    /// The public reference.
    pub reference: String,
    /// The name of its stand-in, where there is a recipe for one.
    pub stand_in: Option<String>,
}

/// Where the engine listens, who says so, and whether that is on this machine.
#[must_use]
pub fn endpoint(endpoint: &EngineEndpoint) -> Check {
    let name = "address";
    if endpoint.is_local() {
        return Check::new(name, Status::Good, format!("{endpoint}, on this machine"), "");
    }
    let found =
        format!("{endpoint}, on another machine: its registry, and builds that ask the mirror, can't be reached");
    let remedy = "run bakeoff on that machine, or choose an engine of this one with DOCKER_HOST";
    Check::new(name, Status::Bad, found, remedy)
}

/// Checks an engine that answers, and looks for base images. What is looked at on this machine is left out for an engine
/// that is on another one.
pub async fn examine<E: Engine>(engine: &E, info: &EngineInfo, wanted: &[Wanted], local: bool) -> Vec<Check> {
    let mut checks = vec![
        Check::new(
            "engine",
            Status::Good,
            format!(
                "Docker Engine {} ({}, {}, {} CPUs, {})",
                info.version, info.storage_driver, info.image_store, info.cpus, info.memory
            ),
            "",
        ),
        builder(info),
    ];
    if local {
        checks.push(disk(&info.root_dir));
        checks.push(mtu(info.bridge_mtu, host::uplink_mtu()));
    }
    for image in wanted {
        checks.push(base_image(engine, image).await);
    }
    checks
}

/// Whether throw-away engines can be had: makes one of the first of these images that is there, and removes it again. Where a
/// run uses the engine that is not tried: it would be measured along, and the run may take it for a left-over.
///
/// Whoever drops this before it ends must [remove](remove_left_overs) what it has made.
pub async fn isolated<E: Engine>(engine: &E, engine_id: &str, images: &[String]) -> Check {
    let name = ISOLATED;
    let _lock = match EngineLock::take(engine_id) {
        Ok(lock) => lock,
        Err(LockError::Busy { .. }) => {
            let found = "not tried: a run uses this engine";
            return Check::new(name, Status::Warning, found, "ask again when it has ended");
        }
        Err(error) => {
            let remedy = "whoever may use the engine must be able to use that file: runs need it too";
            return Check::new(name, Status::Warning, format!("not tried: {error}"), remedy);
        }
    };
    let mut there = None;
    for image in images {
        if matches!(engine.image(image).await, Ok(Some(_))) {
            there = Some(image.clone());
            break;
        }
    }
    let Some(image) = there else {
        let (status, found) = if host::has_program("mmdebstrap") {
            (Status::Good, "its image will be pulled, or made (about a minute)")
        } else {
            (Status::Warning, "its image will be pulled")
        };
        let remedy = match status {
            Status::Good => "",
            _ => {
                "where no registry can be reached: apt-get install mmdebstrap, for stand-ins; or measure with --engine host"
            }
        };
        return Check::new(name, status, found, remedy);
    };
    match try_isolated(engine, image).await {
        Ok(tried) => Check::new(
            name,
            Status::Good,
            format!(
                "Docker Engine {} answers {:.1} s after its start and is gone in {:.1} s",
                tried.info.version,
                tried.started.as_secs_f64(),
                tried.removed.as_secs_f64()
            ),
            "",
        ),
        Err(error) => Check::new(
            name,
            Status::Warning,
            error.to_string(),
            "runs measure in the host's engine instead; it needs an engine that allows privileged containers, or \
             CAP_SYS_ADMIN and CAP_NET_ADMIN",
        ),
    }
}

/// What the things that this process makes carry in the label of runs.
fn label() -> String {
    format!("doctor-{}", std::process::id())
}

/// Removes what an interrupted [`isolated`] has left.
///
/// # Errors
/// If the engine does not answer, or refuses.
pub async fn remove_left_overs<E: Engine>(engine: &E) -> Result<(), EngineError> {
    let ours = label();
    // What the engine was asked for when the asking ended may be there only a moment later.
    for pause in [Duration::ZERO, reaper::SETTLES] {
        tokio::time::sleep(pause).await;
        reaper::reap(engine, |thing| thing.run == ours, |_| {}).await?;
    }
    Ok(())
}

async fn try_isolated<E: Engine>(engine: &E, image: String) -> Result<TriedOut, EngineError> {
    let name = format!("bakeoff-doctor-{}", std::process::id());
    let labels = BTreeMap::from([(RUN_LABEL.to_owned(), label())]);
    let mtu = host::uplink_mtu();
    engine.create_network(&name, &labels, mtu, None).await?;
    let spec = IsolatedSpec {
        name: name.clone(),
        image,
        labels,
        network: name.clone(),
        mtu,
        store: None,
        powers: Powers::All,
        insecure_registries: Vec::new(),
    };
    let tried = Isolated::try_out(engine, &spec).await;
    let removed = engine.remove_network(&name).await;
    tried.and_then(|tried| removed.map(|()| tried))
}

/// Whether builds can download through a mirror on this machine, and where it would record from: `index` says where the
/// user has configured a package index, or what is wrong with it.
pub async fn mirror<E: Engine>(engine: &E, index: &Result<Option<String>, String>) -> Check {
    let listens = match engine.addresses(None).await {
        Ok(Addresses { gateway, .. }) => std::net::TcpListener::bind((gateway, 0))
            .map(|_| gateway)
            .map_err(|error| format!("can't listen on {gateway}, the engine's bridge: {error}")),
        Err(error) => Err(error.to_string()),
    };
    listening(listens, index)
}

fn listening(listens: Result<std::net::IpAddr, String>, index: &Result<Option<String>, String>) -> Check {
    let check = |status, found: String, remedy: &str| Check::new("mirror", status, found, remedy);
    let gateway = match listens {
        Ok(gateway) => gateway,
        Err(found) => {
            let remedy = "run bakeoff on the engine's own machine, or measure with --network upstream";
            return check(Status::Warning, found, remedy);
        }
    };
    let source = match index {
        Ok(Some(from)) => format!("the index from {from}"),
        Ok(None) => "the index that pip uses by default".to_owned(),
        Err(found) => {
            let remedy = "correct it, or name an index with --index";
            return check(Status::Warning, found.clone(), remedy);
        }
    };
    check(
        Status::Good,
        format!("can listen on {gateway}; records from {source}"),
        "",
    )
}

/// BuildKit came to the engine's API with version 1.39 (Docker 18.09).
fn builder(info: &EngineInfo) -> Check {
    let number = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    if number(&info.api_version) >= Some((1, 39)) {
        return Check::new(
            "builder",
            Status::Good,
            format!("BuildKit and classic (API {})", info.api_version),
            "",
        );
    }
    let found = format!("API {} has no BuildKit", info.api_version);
    Check::new("builder", Status::Bad, found, "use Docker Engine 18.09 or newer")
}

fn disk(root: &Path) -> Check {
    match host::free_disk(root) {
        Some(free) if free >= LITTLE_DISK => Check::new("disk", Status::Good, format!("{free} free"), ""),
        Some(free) => {
            let found = format!("{free} free where the engine keeps its data ({})", root.display());
            Check::new(
                "disk",
                Status::Bad,
                found,
                "free some space, or move the engine's data-root",
            )
        }
        None => {
            let found = format!("the engine's folder {} can't be looked at from here", root.display());
            Check::new(
                "disk",
                Status::Warning,
                found,
                "see that the engine's host has enough space",
            )
        }
    }
}

/// A bridge whose packets are larger than the uplink's hangs on large packets: downloads stall for ever.
fn mtu(bridge: Option<u32>, uplink: Option<u32>) -> Check {
    let name = "network MTU";
    match (bridge, uplink) {
        (Some(bridge), Some(uplink)) if bridge > uplink => Check::new(
            name,
            Status::Bad,
            format!("the engine's bridge has {bridge}, the uplink {uplink}: downloads in builds will hang"),
            &format!("start dockerd with --mtu {uplink} (or \"mtu\": {uplink} in its daemon.json)"),
        ),
        (Some(bridge), Some(uplink)) => Check::new(name, Status::Good, format!("bridge {bridge}, uplink {uplink}"), ""),
        _ => Check::new(
            name,
            Status::Warning,
            "could not be told",
            "if downloads in builds hang, compare them by hand",
        ),
    }
}

async fn base_image<E: Engine>(engine: &E, wanted: &Wanted) -> Check {
    let Wanted {
        role,
        reference,
        stand_in,
    } = wanted;
    // The registry is one of our own, on a free loopback port; its image is all that it needs.
    let name = if role == "registry" {
        role.clone()
    } else {
        format!("image {role}")
    };
    let good = |found: String| Check::new(&name, Status::Good, found, "");
    match engine.image(reference).await {
        Ok(Some(image)) if !image.labels.contains_key(STAND_IN_LABEL) => return good(format!("{reference} is there")),
        Ok(_) => {}
        Err(error) => return Check::new(&name, Status::Bad, error.to_string(), START_ENGINE),
    }
    if let Some(tag) = stand_in {
        if matches!(engine.image(tag).await, Ok(Some(_))) {
            return good(format!(
                "{reference} is not there; the stand-in {tag} is, and serves where it can't be pulled"
            ));
        }
        if host::has_program("mmdebstrap") {
            return good(format!(
                "{reference} is not there; it will be pulled, or a stand-in made (about a minute)"
            ));
        }
    }
    let found = format!("{reference} is not there and will be pulled");
    Check::new(
        &name,
        Status::Warning,
        found,
        "where no registry can be reached: apt-get install mmdebstrap, for stand-ins",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_wider_than_the_uplink_is_bad() {
        assert_eq!(mtu(Some(1500), Some(1400)).status, Status::Bad);
        assert_eq!(mtu(Some(1400), Some(1400)).status, Status::Good);
        assert_eq!(mtu(None, Some(1400)).status, Status::Warning);
        assert!(mtu(Some(1500), Some(1400)).remedy.contains("--mtu 1400"));
    }

    #[test]
    fn the_mirror_must_be_able_to_listen_and_to_know_an_index() {
        let gateway = || Ok(std::net::IpAddr::from([172, 17, 0, 1]));
        let good = listening(gateway(), &Ok(Some("PIP_INDEX_URL".into())));
        assert_eq!(good.status, Status::Good);
        assert_eq!(
            good.found,
            "can listen on 172.17.0.1; records from the index from PIP_INDEX_URL"
        );
        let by_default = listening(gateway(), &Ok(None));
        assert!(by_default.found.contains("by default"), "{}", by_default.found);
        let wrong = listening(gateway(), &Err("pip.conf: nonsense".into()));
        assert_eq!(
            (wrong.status, wrong.found.as_str()),
            (Status::Warning, "pip.conf: nonsense")
        );
        let elsewhere = listening(Err("refused".into()), &Ok(None));
        assert_eq!(elsewhere.status, Status::Warning);
        assert!(elsewhere.remedy.contains("--network upstream"), "{}", elsewhere.remedy);
    }

    #[test]
    fn buildkit_needs_api_1_39() {
        let with = |api: &str| {
            builder(&EngineInfo {
                api_version: api.into(),
                ..EngineInfo::default()
            })
            .status
        };
        assert_eq!(with("1.41"), Status::Good);
        assert_eq!(with("1.38"), Status::Bad);
        assert_eq!(with(""), Status::Bad);
    }
}
