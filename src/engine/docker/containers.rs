//! Containers, volumes and networks, all of them labelled as ours.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;

use bollard::models::{
    ContainerCreateBody, HostConfig, Ipam, IpamConfig, NetworkCreateRequest, PortBinding, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptions, InspectContainerOptions, ListContainersOptions,
    ListNetworksOptions, ListVolumesOptions, LogsOptions, RemoveContainerOptions, RemoveVolumeOptions,
    StartContainerOptions, UploadToContainerOptions, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};

use super::{DockerEngine, failed, is_absent};
use crate::engine::{
    Addresses, Container, ContainerExit, ContainerSpec, EngineError, Owned, OwnedKind, Powers, Publish, RUN_LABEL,
};

impl DockerEngine {
    pub(super) async fn start_container(&self, spec: &ContainerSpec) -> Result<Container, EngineError> {
        let id = self.create(spec).await?;
        let started = async {
            if let Some(files) = &spec.files {
                let options = UploadToContainerOptions {
                    path: "/".into(),
                    ..UploadToContainerOptions::default()
                };
                let body = bollard::body_full(files.clone().into());
                let sent = self.docker.upload_to_container(&id, Some(options), body).await;
                sent.map_err(failed("copy files into container", &spec.name))?;
            }
            let start = self.docker.start_container(&id, None::<StartContainerOptions>).await;
            start.map_err(failed("start container", &spec.name))?;
            self.published(&id, spec).await
        };
        match started.await {
            Ok(ports) => Ok(Container { id, ports }),
            Err(error) => {
                // What could not be started must not stay; the first error is the one to tell.
                let _ = self.delete_container(&id).await;
                Err(error)
            }
        }
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, EngineError> {
        let key = |publish: &Publish| format!("{}/tcp", publish.port);
        let binding = |publish: &Publish| {
            let (ip, port) = match publish.on {
                Some(port) => ("0.0.0.0", port.to_string()),
                None => ("127.0.0.1", String::new()),
            };
            PortBinding {
                host_ip: Some(ip.into()),
                host_port: Some(port),
            }
        };
        let ports = spec.publish.iter();
        let bindings: HashMap<_, _> = ports.map(|port| (key(port), Some(vec![binding(port)]))).collect();
        let mounts = spec.volume.iter().chain(&spec.folders);
        let mounts: Vec<String> = mounts.map(|(what, at)| format!("{what}:{at}")).collect();
        let host = HostConfig {
            port_bindings: Some(bindings).filter(|bindings| !bindings.is_empty()),
            extra_hosts: Some(spec.extra_hosts.clone()).filter(|hosts| !hosts.is_empty()),
            binds: Some(mounts).filter(|mounts| !mounts.is_empty()),
            network_mode: spec.network.clone(),
            ..powers(spec.powers)
        };
        let body = ContainerCreateBody {
            image: Some(spec.image.clone()),
            cmd: spec.command.clone(),
            // A command of ours replaces the image's entry point as well: it is the whole command line.
            entrypoint: spec.command.as_ref().map(|_| Vec::new()),
            env: Some(spec.env.clone()),
            working_dir: spec.workdir.clone(),
            exposed_ports: Some(spec.publish.iter().map(key).collect::<Vec<_>>()).filter(|ports| !ports.is_empty()),
            labels: Some(spec.labels.clone().into_iter().collect()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(spec.name.clone()),
            ..CreateContainerOptions::default()
        };
        let created = self.docker.create_container(Some(options), body).await;
        Ok(created.map_err(failed("create container", &spec.name))?.id)
    }

    async fn published(&self, id: &str, spec: &ContainerSpec) -> Result<Vec<u16>, EngineError> {
        if spec.publish.is_empty() {
            return Ok(Vec::new());
        }
        let name = &spec.name;
        let details = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let details = details.map_err(failed("inspect container", name))?;
        // One that has ended already has no ports. Who asks for an answer there finds that it has ended, and why.
        if details.state.as_ref().and_then(|state| state.running) == Some(false) {
            return Ok(vec![0; spec.publish.len()]);
        }
        let ports = details
            .network_settings
            .and_then(|settings| settings.ports)
            .unwrap_or_default();
        let of = |publish: &Publish| {
            let port = publish.port;
            let bindings = ports.get(&format!("{port}/tcp")).cloned().flatten().unwrap_or_default();
            bindings
                .iter()
                .find_map(|binding| binding.host_port.as_ref()?.parse().ok())
                .ok_or_else(|| EngineError::Operation {
                    operation: "publish a port of container",
                    subject: name.clone(),
                    reason: format!("port {port} got no port on the loopback interface"),
                })
        };
        spec.publish.iter().map(of).collect()
    }

    pub(super) async fn wait_container(&self, id: &str) -> Result<ContainerExit, EngineError> {
        let options = WaitContainerOptions {
            condition: "not-running".into(),
        };
        let mut waiting = std::pin::pin!(self.docker.wait_container(id, Some(options)));
        let code = match waiting.next().await {
            Some(Ok(answer)) => answer.status_code,
            // bollard makes an error of every exit code but 0.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(failed("wait for container", id)(error)),
            None => {
                let reason = "the answer was empty".into();
                return Err(EngineError::Protocol {
                    operation: "wait for container",
                    reason,
                });
            }
        };
        let told = std::time::Instant::now();
        let (_, log) = self.peek_container(id).await?;
        Ok(ContainerExit { code, told, log })
    }

    pub(super) async fn peek_container(&self, id: &str) -> Result<(bool, String), EngineError> {
        let details = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let running = details
            .map_err(failed("inspect container", id))?
            .state
            .and_then(|state| state.running);
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: "all".into(),
            ..LogsOptions::default()
        };
        let mut stream = std::pin::pin!(self.docker.logs(id, Some(options)));
        let mut log = String::new();
        while let Some(part) = stream
            .try_next()
            .await
            .map_err(failed("read the log of container", id))?
        {
            // Writing to a string can't fail.
            let _ = write!(log, "{part}");
        }
        Ok((running.unwrap_or(false), log))
    }

    pub(super) async fn first_process(&self, id: &str) -> Result<u32, EngineError> {
        let details = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let state = details.map_err(failed("inspect container", id))?.state;
        let process = state
            .and_then(|state| state.pid)
            .and_then(|pid| u32::try_from(pid).ok());
        process
            .filter(|process| *process > 0)
            .ok_or_else(|| EngineError::Protocol {
                operation: "inspect container",
                reason: "it has no process".into(),
            })
    }

    pub(super) async fn download(&self, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let mut stream = std::pin::pin!(self.docker.download_from_container(id, Some(options)));
        let mut archive = Vec::new();
        while let Some(part) = stream.try_next().await.map_err(failed("copy out of container", path))? {
            archive.extend_from_slice(&part);
        }
        Ok(archive)
    }

    pub(super) async fn delete_container(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            link: false,
        };
        match self.docker.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("remove container", id)(error)),
        }
    }

    pub(super) async fn make_volume(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        self.docker
            .create_volume(request)
            .await
            .map(|_| ())
            .map_err(failed("create volume", name))
    }

    pub(super) async fn delete_volume(&self, name: &str) -> Result<(), EngineError> {
        match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("remove volume", name)(error)),
        }
    }

    pub(super) async fn make_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        mtu: Option<u32>,
        addresses: Option<&Addresses>,
    ) -> Result<(), EngineError> {
        let option = |mtu: u32| HashMap::from([("com.docker.network.driver.mtu".to_owned(), mtu.to_string())]);
        let pool = |addresses: &Addresses| IpamConfig {
            subnet: addresses.subnet.clone(),
            gateway: Some(addresses.gateway.to_string()),
            ..IpamConfig::default()
        };
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".into()),
            labels: Some(labels.clone().into_iter().collect()),
            options: mtu.map(option),
            ipam: addresses.map(|addresses| Ipam {
                config: Some(vec![pool(addresses)]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let made = self.docker.create_network(request).await;
        made.map(|_| ()).map_err(failed("create network", name))
    }

    pub(super) async fn delete_network(&self, name: &str) -> Result<(), EngineError> {
        match self.docker.remove_network(name).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("remove network", name)(error)),
        }
    }

    pub(super) async fn network_addresses(&self, name: &str) -> Result<Addresses, EngineError> {
        let none = |reason: &str| EngineError::Operation {
            operation: "find the gateway of network",
            subject: name.to_owned(),
            reason: reason.to_owned(),
        };
        let options = None::<bollard::query_parameters::InspectNetworkOptions>;
        let network = self.docker.inspect_network(name, options).await;
        let network = network.map_err(failed("inspect network", name))?;
        let pools = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let addresses = |pool: IpamConfig| {
            let gateway = match pool.gateway {
                Some(gateway) => gateway.parse().ok(),
                // An engine that has just been set up names it only after its next start; it is the first of the subnet.
                None => first_address(pool.subnet.as_deref()?),
            };
            Some(Addresses {
                gateway: gateway?,
                subnet: pool.subnet,
            })
        };
        let mut pools: Vec<Addresses> = pools.into_iter().filter_map(addresses).collect();
        // IPv4 is what every container has.
        pools.sort_by_key(|pool| pool.gateway.is_ipv6());
        pools.into_iter().next().ok_or_else(|| none("it has none"))
    }

    pub(super) async fn list_owned(&self) -> Result<Vec<Owned>, EngineError> {
        let filters = || Some(HashMap::from([("label".to_owned(), vec![RUN_LABEL.to_owned()])]));
        let run_of = |labels: &HashMap<String, String>| labels.get(RUN_LABEL).cloned().unwrap_or_default();
        let mut owned = Vec::new();

        let options = ListContainersOptions {
            all: true,
            filters: filters(),
            ..ListContainersOptions::default()
        };
        let containers = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(failed("list", "containers"))?;
        for container in containers {
            let name = container
                .names
                .unwrap_or_default()
                .into_iter()
                .next()
                .unwrap_or_default();
            let name = name.trim_start_matches('/').to_owned();
            // A container that a user started from one of our images inherits the label, but not such a name.
            if name.starts_with("bakeoff-") {
                let run = run_of(&container.labels.unwrap_or_default());
                owned.push(Owned {
                    kind: OwnedKind::Container,
                    id: container.id.unwrap_or_default(),
                    name,
                    run,
                });
            }
        }
        owned.extend(self.owned_images().await?);
        let options = ListVolumesOptions { filters: filters() };
        let volumes = self
            .docker
            .list_volumes(Some(options))
            .await
            .map_err(failed("list", "volumes"))?;
        for volume in volumes.volumes.unwrap_or_default() {
            let run = run_of(&volume.labels);
            owned.push(Owned {
                kind: OwnedKind::Volume,
                id: volume.name.clone(),
                name: volume.name,
                run,
            });
        }
        let options = ListNetworksOptions { filters: filters() };
        let networks = self
            .docker
            .list_networks(Some(options))
            .await
            .map_err(failed("list", "networks"))?;
        for network in networks {
            let name = network.name.unwrap_or_default();
            let run = run_of(&network.labels.unwrap_or_default());
            owned.push(Owned {
                kind: OwnedKind::Network,
                id: network.id.unwrap_or_default(),
                name,
                run,
            });
        }
        Ok(owned)
    }
}

/// The settings of a container's host side that give it powers.
fn powers(powers: Powers) -> HostConfig {
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    match powers {
        Powers::Usual => HostConfig::default(),
        Powers::All => HostConfig {
            privileged: Some(true),
            init: Some(true),
            ..HostConfig::default()
        },
        Powers::Engine => HostConfig {
            cap_add: list(&["NET_ADMIN", "SYS_ADMIN"]),
            security_opt: list(&["seccomp=unconfined", "apparmor=unconfined"]),
            // What the client calls systempaths=unconfined.
            masked_paths: Some(Vec::new()),
            readonly_paths: Some(Vec::new()),
            device_cgroup_rules: list(&["a *:* rwm"]),
            init: Some(true),
            ..HostConfig::default()
        },
    }
}

/// The first address that a host can have in a subnet: `172.17.0.1` in `172.17.0.0/16`.
fn first_address(subnet: &str) -> Option<IpAddr> {
    let (network, _) = subnet.split_once('/')?;
    let network: std::net::Ipv4Addr = network.parse().ok()?;
    Some(std::net::Ipv4Addr::from(u32::from(network).checked_add(1)?).into())
}

#[cfg(test)]
mod tests {
    use super::first_address;

    #[test]
    fn the_gateway_is_the_first_address_of_the_subnet() {
        let first = |subnet| first_address(subnet).map(|address| address.to_string());
        assert_eq!(first("172.17.0.0/16").as_deref(), Some("172.17.0.1"));
        assert_eq!(first("nonsense"), None);
        assert_eq!(first("fd00::/64"), None);
    }
}
