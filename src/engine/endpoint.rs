//! Which engine is meant, and where it listens, found as the docker client finds it: `DOCKER_HOST`, else the docker
//! context of `DOCKER_CONTEXT` or of the docker configuration, else the default socket. Reads files and connects to
//! nothing (that is [`super::http`]'s).

mod context;
mod error;

use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use url::Url;

pub use error::EndpointError;

use super::http::{Address, Material, Ssh, Tls};
use context::Files;

/// Where the engine listens unless anything says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The context that is none: the engine of `DOCKER_HOST`, or the default socket.
const DEFAULT_CONTEXT: &str = "default";
/// The host of an address that names none.
const DEFAULT_NAME: &str = "localhost";
/// The ports of an address that names none: the docker client takes the first also where it speaks TLS.
const DEFAULT_PORT: u16 = 2375;
/// Where the docker client looks if it is told to speak TLS, but not with whom.
const DEFAULT_TLS_ADDRESS: &str = "tcp://localhost:2376";

/// An engine: where it listens, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEndpoint {
    /// Where it listens.
    pub address: Address,
    /// Who says so.
    pub origin: Origin,
}

/// Who says where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// `DOCKER_HOST`.
    Host,
    /// A docker context.
    Context {
        /// Its name.
        name: String,
        /// What chose it: `DOCKER_CONTEXT`, or the docker client's configuration.
        chosen: String,
    },
    /// The program itself: an engine of its own making.
    Own,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::Host => f.write_str("DOCKER_HOST"),
            Self::Context { name, chosen } => write!(f, "the docker context {name:?}, chosen by {chosen}"),
            Self::Own => f.write_str("bakeoff itself"),
        }
    }
}

/// What the finding depends on, apart from files.
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The user's home.
    pub home: Option<PathBuf>,
}

impl Surroundings<'_> {
    fn of_process() -> Self {
        Self {
            variable: &|name| std::env::var(name).ok(),
            home: etcetera::home_dir().ok(),
        }
    }

    /// A variable that is set, and not to nothing.
    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The folder of the docker client's configuration; for a user without a home the docker client takes this too.
    fn folder(&self) -> PathBuf {
        let own = self.set("DOCKER_CONFIG").map(PathBuf::from);
        own.unwrap_or_else(|| self.home.clone().unwrap_or_default().join(".docker"))
    }
}

/// The folder of the docker client's configuration.
pub(super) fn client_folder() -> PathBuf {
    Surroundings::of_process().folder()
}

impl EngineEndpoint {
    /// The engine that this process's environment and its user's files name.
    ///
    /// # Errors
    /// If they name one that can't be used, or can't be read.
    pub fn from_environment() -> Result<Self, EndpointError> {
        Self::find(&Surroundings::of_process())
    }

    /// The engine that an environment and the files that it leads to name.
    ///
    /// # Errors
    /// If they name one that can't be used, or can't be read.
    pub fn find(surroundings: &Surroundings<'_>) -> Result<Self, EndpointError> {
        if let Some(host) = surroundings.set("DOCKER_HOST") {
            return plain(surroundings, host.trim(), Origin::Host);
        }
        let files = Files::new(surroundings.folder());
        let chosen = match surroundings.set("DOCKER_CONTEXT") {
            Some(name) => Some((name, "DOCKER_CONTEXT".to_owned())),
            None => files.current()?,
        };
        match chosen.filter(|(name, _)| name != DEFAULT_CONTEXT) {
            Some((name, chosen)) => of_context(&files, name, chosen),
            None if speaks_tls(surroundings) => plain(surroundings, DEFAULT_TLS_ADDRESS, Origin::Default),
            None => plain(surroundings, "", Origin::Default),
        }
    }

    /// The engine at an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`, without TLS.
    ///
    /// # Errors
    /// If it is none, or of a kind that is not spoken.
    pub fn at(host: &str, origin: Origin) -> Result<Self, EndpointError> {
        match address(host) {
            Ok(address) => Ok(Self { address, origin }),
            Err(reason) => Err(EndpointError::Form {
                origin,
                address: without_password(host),
                reason,
            }),
        }
    }

    /// Whether the engine runs on this machine as far as can be told: what it publishes on 127.0.0.1 is here, and what
    /// listens here can be reached by its containers.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.address {
            Address::Unix(_) => true,
            Address::Tcp(to) | Address::Tls(to, _) => {
                let Ok(addresses) = to.to_socket_addrs() else {
                    return false;
                };
                let mut addresses = addresses.map(|address| address.ip()).peekable();
                // Only an address of this machine can be listened on.
                let ours = |ip: std::net::IpAddr| ip.is_loopback() || TcpListener::bind((ip, 0)).is_ok();
                addresses.peek().is_some() && addresses.all(ours)
            }
            // Even on a port of this machine it may lead into a virtual machine.
            Address::Ssh(_) => false,
        }
    }
}

impl std::fmt::Display for EngineEndpoint {
    /// The address, and who says so.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.address, self.origin)
    }
}

fn speaks_tls(surroundings: &Surroundings<'_>) -> bool {
    surroundings.set("DOCKER_TLS_VERIFY").is_some() || surroundings.set("DOCKER_TLS").is_some()
}

/// The engine at `host`, which no context names; TLS is the environment's affair then.
fn plain(surroundings: &Surroundings<'_>, host: &str, origin: Origin) -> Result<EngineEndpoint, EndpointError> {
    let mut endpoint = EngineEndpoint::at(host, origin)?;
    if let Address::Tcp(to) = &endpoint.address
        && speaks_tls(surroundings)
    {
        let folder = surroundings.set("DOCKER_CERT_PATH").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| surroundings.folder());
        let verify = surroundings.set("DOCKER_TLS_VERIFY").is_some();
        let tls = tls(&folder, !verify, true)?;
        endpoint.address = Address::Tls(to.clone(), tls);
    }
    Ok(endpoint)
}

fn of_context(files: &Files, name: String, chosen: String) -> Result<EngineEndpoint, EndpointError> {
    let meta = files.context(&name, &chosen)?;
    let folder = files.tls_folder(&name);
    let mut endpoint = EngineEndpoint::at(&meta.host, Origin::Context { name, chosen })?;
    if let Address::Tcp(to) = &endpoint.address
        && (meta.skip_tls_verify || folder.is_dir())
    {
        let tls = tls(&folder, meta.skip_tls_verify, false)?;
        endpoint.address = Address::Tls(to.clone(), tls);
    }
    Ok(endpoint)
}

/// TLS with the material in a folder. Of a certificate and its key the docker client takes both or none.
fn tls(folder: &Path, skip_verify: bool, needs_ca: bool) -> Result<Tls, EndpointError> {
    let read = |name: &str, needed: bool| {
        let file = folder.join(name);
        match std::fs::read(&file) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !needed => Ok(None),
            Err(error) => Err(EndpointError::Certificate {
                file,
                reason: error.to_string(),
            }),
        }
    };
    let material = Material {
        ca: read("ca.pem", needs_ca)?,
        identity: read("cert.pem", false)?.zip(read("key.pem", false)?),
        skip_verify,
    };
    Tls::new(&material).map_err(|(part, reason)| EndpointError::Certificate {
        file: folder.join(part.file_name()),
        reason,
    })
}

/// Reads an address as the docker client does.
fn address(host: &str) -> Result<Address, String> {
    let (scheme, rest) = match host.split_once("://") {
        Some(parts) => parts,
        None if host.is_empty() || host.starts_with(['/', '.']) => ("unix", host),
        None => ("tcp", host),
    };
    match scheme {
        "unix" if rest.is_empty() => Ok(Address::Unix(DEFAULT_SOCKET.into())),
        "unix" => Ok(Address::Unix(rest.into())),
        "tcp" | "http" => tcp(rest).map(Address::Tcp),
        "ssh" => Ssh::parse(host).map(Address::Ssh),
        "https" => {
            Err("TLS is spoken with tcp:// addresses, where DOCKER_TLS_VERIFY or a docker context asks for it".into())
        }
        _ if is_scheme(scheme) => Err(format!("{scheme}:// addresses are not spoken")),
        _ => Err("it is of no kind that is spoken".into()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// An address as it may be shown: without a password, which no form of it that is spoken may hold. It need not be one that
/// can be understood, so what may be a password counts as one.
fn without_password(host: &str) -> String {
    let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
    let start = if scheme.is_empty() || !is_scheme(scheme) {
        0
    } else {
        scheme.len() + "://".len()
    };
    let (before, rest) = host.split_at(start);
    let Some((user, server)) = rest.rsplit_once('@') else {
        return host.to_owned();
    };
    match user.split_once(':') {
        // A path of a socket, or what follows a port, may hold such signs too.
        Some((name, rest)) if !name.contains('/') && !follows_port(rest) => format!("{before}{name}@{server}"),
        _ => host.to_owned(),
    }
}

/// Whether this is a port with a path after it.
fn follows_port(text: &str) -> bool {
    let port = text.split_once('/').map(|(port, _)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `host:port`, with what is left out.
fn tcp(rest: &str) -> Result<String, String> {
    let whole = if rest.is_empty() || rest.starts_with(':') {
        format!("tcp://{DEFAULT_NAME}{rest}")
    } else {
        format!("tcp://{rest}")
    };
    let url = Url::parse(&whole).map_err(|error| error.to_string())?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("nothing may follow the port".into());
    }
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or("it names no host")?;
    Ok(format!("{host}:{}", url.port().unwrap_or(DEFAULT_PORT)))
}

#[cfg(test)]
mod tests;
