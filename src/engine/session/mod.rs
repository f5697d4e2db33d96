//! A BuildKit session: the connection over which a builder asks us for files while it builds, as it asks the docker client.
//! We connect, the engine turns the connection round, and then we are the server on it. Not for: the build itself (that
//! is the engine's), or deciding what the builder may have.

mod agent;
mod auth;
mod diffcopy;
mod filesync;
mod follow;
mod health;
mod secrets;
mod stat;
mod tree;
mod wire;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::server::NamedService;

use super::http::{self, Address, HttpError};
use super::{Grants, Source};
use crate::units::Bytes;
use agent::Agents;
use auth::Auth;
use filesync::FileSync;
use health::Health;
use secrets::SecretStore;

/// The folder that holds the Dockerfile, as BuildKit's Dockerfile frontend calls it.
const DOCKERFILE: &str = "dockerfile";
/// The build context, as it calls that.
const CONTEXT: &str = "context";

/// The patterns of an ignore file travel as headers; the usual limit is 16 KiB for all of them.
const MAX_HEADERS: u32 = 16 * 1024 * 1024;

/// What a builder may ask for.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// The build context.
    pub context: PathBuf,
    /// The folder that holds the Dockerfile and, where there is one, its own ignore file.
    pub dockerfile: PathBuf,
    /// What the engine keeps sent files under: with the same key again, only what changed is sent.
    pub shared_key: String,
    /// Secrets and agents that it may use.
    pub grants: Grants,
    /// What the builder has taken.
    pub taken: Taken,
    /// How much it was sent.
    pub sent: Sent,
}

/// How many bytes of files a builder was sent: names, attributes and content, without what carries them (gRPC and HTTP/2).
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<AtomicU64>);

impl Sent {
    /// All of them so far.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        Bytes(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What a builder has taken and keeps, even if the build failed later.
#[derive(Debug, Clone, Default)]
pub struct Taken(Arc<Mutex<BTreeSet<Source>>>);

impl PartialEq for Taken {
    fn eq(&self, other: &Self) -> bool {
        self.sources() == other.sources()
    }
}

impl Eq for Taken {}

impl Taken {
    /// All of it so far.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, source: Source) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source);
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The engine can't be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The engine does not turn the connection round.
    #[error("the engine refused a BuildKit session: {status}: {said}")]
    Refused {
        /// Its answer's status.
        status: StatusCode,
        /// Its words.
        said: String,
    },
    /// The connection broke while it was being turned round.
    #[error("opening a BuildKit session: {0}")]
    Upgrade(#[from] hyper::Error),
}

/// An open session. It ends, with its connection, when it is dropped.
#[derive(Debug)]
pub struct Session {
    id: String,
    serving: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Session {
    /// Opens a session on a connection of its own.
    ///
    /// # Errors
    /// If the engine can't be reached, or knows no sessions.
    pub async fn open(address: &Address, offer: Offer) -> Result<Self, SessionError> {
        let id = new_id();
        let shared_key = format!("{:x}", Sha256::digest(&offer.shared_key));
        let mut request = Request::post("/session")
            .header("Host", "docker")
            .header("Connection", "Upgrade")
            .header("Upgrade", "h2c")
            .header("X-Docker-Expose-Session-Uuid", &id)
            .header("X-Docker-Expose-Session-Name", "bakeoff")
            .header("X-Docker-Expose-Session-Sharedkey", shared_key);
        let services = Services::new(offer);
        for method in services.methods() {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
        let request = request.body(http::empty()).map_err(HttpError::from)?;
        let stream = http::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            let said = String::from_utf8_lossy(&body).trim().to_owned();
            return Err(SessionError::Refused { status, said });
        }
        let turned = hyper::upgrade::on(response).await?;
        let services = Arc::new(services);
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_HEADERS)
            .serve_connection(turned, service_fn(move |request| Arc::clone(&services).answer(request)));
        let serving = tokio::spawn(async move {
            // However it ends, the build says what went wrong.
            let _ = serving.await;
        });
        Ok(Self { id, serving })
    }

    /// Its id, by which a build names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What answers the builder.
struct Services {
    files: Arc<FileSync>,
    grants: Grants,
}

impl Services {
    fn new(offer: Offer) -> Self {
        Self {
            files: Arc::new(FileSync {
                folders: [(CONTEXT, offer.context), (DOCKERFILE, offer.dockerfile)].into(),
                shared_key: offer.shared_key,
                taken: offer.taken,
                sent: offer.sent,
            }),
            grants: offer.grants,
        }
    }

    /// What the engine may call.
    fn methods(&self) -> Vec<String> {
        let mut methods = vec![
            (HealthServer::<Health>::NAME, "Check"),
            (FileSync::NAME, "DiffCopy"),
            (AuthServer::<Auth>::NAME, "Credentials"),
        ];
        if !self.grants.secrets.is_empty() {
            methods.push((SecretsServer::<SecretStore>::NAME, "GetSecret"));
        }
        if !self.grants.agents.is_empty() {
            methods.push((SshServer::<Agents>::NAME, "CheckAgent"));
            methods.push((SshServer::<Agents>::NAME, "ForwardAgent"));
        }
        let path = |(service, method)| format!("/{service}/{method}");
        methods.into_iter().map(path).collect()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        match service.as_str() {
            name if name == HealthServer::<Health>::NAME => HealthServer::new(Health).call(request).await,
            FileSync::NAME => Ok(Arc::clone(&self.files).answer(request).await),
            name if name == AuthServer::<Auth>::NAME => AuthServer::new(Auth).call(request).await,
            name if name == SecretsServer::<SecretStore>::NAME => {
                let store = SecretStore(self.grants.clone());
                SecretsServer::new(store).call(request).await
            }
            name if name == SshServer::<Agents>::NAME => {
                let agents = Agents(self.grants.clone());
                SshServer::new(agents).call(request).await
            }
            _ => Ok(Status::unimplemented(format!("no service {service}")).into_http()),
        }
    }
}

/// An id that no other session has.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
    format!(
        "bakeoff-{}-{nanos:x}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
