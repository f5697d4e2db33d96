//! Answers the builds: which request gets what. Not for: how bodies travel (that is `body`'s) or how they are had (that is
//! `fetch`'s).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper::body::{Bytes, Incoming};
use hyper::header;
use hyper::{Method, Request, Response, StatusCode, Uri};

use tokio_util::sync::CancellationToken;

use super::body::{self, Answer};
use super::content::Content;
use super::fetch::{Download, Failure, Fetcher, Stage};
use super::log::{Log, Ticket};
use super::pages::{Pages, Rendered};
use super::recording::{self, Entry, Key, Lookup, Recording};
use super::reply::{Asked, accepts_gzip, moved, nothing, plain, put, refused, said};
use super::shape::Shaper;
use super::synthetic::WheelFile;
use super::{Kind, Mode, Origin, index, tunnel};

/// What an index is asked for: the form that says most, else any.
const PAGES: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// What every connection shares.
#[derive(Debug)]
pub struct Shared {
    pub mode: Mode,
    /// The name by which builds know the mirror, and the address that it listens on.
    pub host: String,
    pub address: SocketAddr,
    /// Further addresses that it listens on.
    pub others: Vec<SocketAddr>,
    pub recording: Arc<Recording>,
    pub fetcher: Option<Arc<Fetcher>>,
    /// The simple index upstream, with a slash at its end.
    pub index: Option<url::Url>,
    /// Other addresses of it, which lock files may name.
    pub aliases: Vec<String>,
    pub synthetic: BTreeMap<String, WheelFile>,
    pub pages: Pages,
    pub shaper: Arc<Shaper>,
    pub log: Arc<Log>,
    pub small: Mutex<BTreeMap<String, Bytes>>,
    /// Ends what has left its connection: tunnels.
    pub ended: CancellationToken,
}

impl Shared {
    /// Answers a request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Response<Answer> {
        let asked = Asked {
            head_only: request.method() == Method::HEAD,
            headers: request.headers().clone(),
            source: peer.ip().to_canonical(),
        };
        if request.method() == Method::CONNECT {
            return tunnel::answer(&self, request, &asked.ticketed(&self.log, Kind::Tunnel)).await;
        }
        let uri = request.uri().clone();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let url = url::Url::parse(&uri.to_string()).map_or_else(|_| uri.path().to_owned(), without_login);
            let ticket = asked.ticket(&self.log, Kind::Proxied, uri.path(), &url);
            let problem = format!("{} {url}: only GET and HEAD can be recorded", request.method());
            return refused(ticket, StatusCode::METHOD_NOT_ALLOWED, &url, problem);
        }
        match uri.host() {
            Some(host) if !self.is_own(host, uri.port_u16()) => self.proxied(&uri, &asked).await,
            _ => self.own(&uri, &asked).await,
        }
    }

    /// A client that ignores `NO_PROXY` asks for our own pages through us.
    fn is_own(&self, host: &str, port: Option<u16>) -> bool {
        let is_address = |address: &SocketAddr| host == address.ip().to_string();
        let mut addresses = self.others.iter().chain([&self.address]);
        let named = host.eq_ignore_ascii_case(&self.host) || addresses.any(is_address);
        named && port.unwrap_or(80) == self.address.port()
    }

    async fn own(&self, uri: &Uri, asked: &Asked) -> Response<Answer> {
        let path = uri.path();
        if let Some(project) = path.strip_prefix("/simple/").filter(|project| !project.is_empty()) {
            let Some(project) = project.strip_suffix('/') else {
                return self.moved(&format!("{path}/"), asked).await;
            };
            let normalized = index::normalize(project);
            if index::is_project_name(project) && normalized != project {
                return self.moved(&format!("/simple/{normalized}/"), asked).await;
            }
            return self.project(project, asked).await;
        }
        if let Some(name) = path.strip_prefix("/synthetic/") {
            return self.generated(name, asked).await;
        }
        if let Some(rest) = path.strip_prefix("/files/") {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            return self.file(rest, &query, asked).await;
        }
        let ticket = asked.ticket(&self.log, Kind::Proxied, path, path);
        let problem = format!("{path}: the mirror serves /simple/PROJECT/ and /files/…");
        refused(ticket, StatusCode::NOT_FOUND, path, problem)
    }

    /// Sends a client to the right spelling of an address: a request like any other.
    async fn moved(&self, to: &str, asked: &Asked) -> Response<Answer> {
        let mut ticket = asked.ticket(&self.log, Kind::Index, to, to);
        ticket.status(301);
        self.shaper.delay().await;
        moved(to)
    }

    /// A page of the index.
    async fn project(&self, project: &str, asked: &Asked) -> Response<Answer> {
        let mut ticket = asked.ticket(&self.log, Kind::Index, project, &format!("simple/{project}"));
        if !index::is_project_name(project) {
            let shown: String = project.chars().take(80).collect();
            let problem = format!("{shown:?} is no name of a project");
            return refused(ticket, StatusCode::NOT_FOUND, &shown, problem);
        }
        let form = index::Form::negotiate(asked.header(header::ACCEPT));
        let zipped = accepts_gzip(asked.header(header::ACCEPT_ENCODING));
        if let Some(page) = self.pages.synthetic(project, form, zipped) {
            ticket.answered(200, Origin::Synthetic, None);
            return self.page(&page, form, zipped, asked, ticket).await;
        }
        let Some(url) = self
            .index
            .as_ref()
            .and_then(|index| index.join(&format!("{project}/")).ok())
        else {
            let problem = format!(
                "the index page of {project}: no package has been recorded, and no index is configured to record from"
            );
            return refused(ticket, StatusCode::FORBIDDEN, &format!("/simple/{project}/"), problem);
        };
        match self.rendered(&Key::get(url.as_str()), form, zipped).await {
            Ok((_, origin, Some(page))) => {
                ticket.answered(200, origin, None);
                self.page(&page, form, zipped, asked, ticket).await
            }
            Ok((status, origin, None)) => {
                ticket.answered(status, origin, Some(0));
                self.shaper.delay().await;
                let text = format!("{project}: the index has no such project\n");
                plain(status, text, ticket, &self.shaper)
            }
            Err(failure) => self.failed(ticket, url.as_str(), &failure),
        }
    }

    /// A page of the index upstream: the status, and the page if there is one. What was recorded and is no page is
    /// fetched again: upstream, or something on the way there, had a bad moment.
    async fn rendered(
        &self,
        key: &Key,
        form: index::Form,
        zipped: bool,
    ) -> Result<(u16, Origin, Option<Arc<Rendered>>), Failure> {
        let mut again = self.fetcher.is_some();
        loop {
            let (entry, origin) = self.whole(key).await?;
            if entry.status != 200 {
                return Ok((entry.status, origin, None));
            }
            let fetcher = self.fetcher.as_deref();
            match self.pages.render(&self.recording, &entry, form, zipped, fetcher) {
                Ok(page) => return Ok((200, origin, Some(page))),
                Err(_) if again && origin == Origin::Recording => {
                    self.recording.distrust(&entry.sha256);
                    again = false;
                }
                Err(reason) => return Err(Failure { status: 502, reason }),
            }
        }
    }

    async fn page(
        &self,
        page: &Rendered,
        form: index::Form,
        zipped: bool,
        asked: &Asked,
        mut ticket: Ticket,
    ) -> Response<Answer> {
        self.shaper.delay().await;
        let mut response = Response::new(nothing());
        let headers = response.headers_mut();
        put(headers, header::CONTENT_TYPE, form.content_type());
        put(headers, header::ETAG, &page.etag);
        put(headers, header::VARY, "accept, accept-encoding");
        if let Some(caching) = &page.cache_control {
            put(headers, header::CACHE_CONTROL, caching);
        }
        if zipped {
            put(headers, header::CONTENT_ENCODING, "gzip");
        }
        if asked.has(&page.etag, None) {
            ticket.status(304);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if asked.head_only {
            put(headers, header::CONTENT_LENGTH, &page.body.len().to_string());
        } else {
            ticket.expect(page.body.len());
            *response.body_mut() = body::whole(page.body.clone(), ticket, &self.shaper);
        }
        response
    }

    async fn generated(&self, name: &str, asked: &Asked) -> Response<Answer> {
        let kind = kind_of(name);
        let mut ticket = asked.ticket(&self.log, kind, name, &format!("synthetic/{name}"));
        let wheel = self.synthetic.get(name.strip_suffix(".metadata").unwrap_or(name));
        let Some(wheel) = wheel else {
            let problem = format!("{name}: no such package was generated");
            return refused(ticket, StatusCode::NOT_FOUND, name, problem);
        };
        let headers = [
            ("content-type".to_owned(), "application/octet-stream".to_owned()),
            (
                "cache-control".to_owned(),
                "max-age=365000000, immutable, public".to_owned(),
            ),
        ];
        let (path, sha256) = match kind {
            Kind::Metadata => (&wheel.metadata_path, &wheel.metadata_sha256),
            _ => (&wheel.path, &wheel.sha256),
        };
        let size = path.metadata().map_or(0, |data| data.len());
        ticket.answered(200, Origin::Synthetic, Some(size));
        let content = Content {
            name,
            path: path.clone(),
            size,
            sha256,
            headers: &headers,
        };
        self.send(&content, asked, ticket).await
    }

    /// `rest` is `https/HOST/PATH`.
    async fn file(&self, rest: &str, query: &str, asked: &Asked) -> Response<Answer> {
        let url = rest.split_once('/').and_then(|(scheme, rest)| {
            let (host, path) = rest.split_once('/')?;
            // To pip a host with a port is a part of a path, and it quotes the colon.
            let host = percent_encoding::percent_decode_str(host).decode_utf8().ok()?;
            let url = url::Url::parse(&format!("{scheme}://{host}/{path}{query}")).ok()?;
            (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
        });
        let Some(url) = url else {
            let shown: String = rest.chars().take(200).collect();
            let ticket = asked.ticket(&self.log, Kind::File, &shown, &shown);
            let problem = format!("/files/{shown}: expected /files/https/HOST/PATH");
            return refused(ticket, StatusCode::NOT_FOUND, &shown, problem);
        };
        let name = url.path().rsplit('/').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name)
            .decode_utf8_lossy()
            .into_owned();
        let url = super::fetch::canonical(&without_login(url));
        let ticket = asked.ticket(&self.log, kind_of(&name), &name, &url);
        self.recorded(&url, asked, ticket).await
    }

    /// Anything else over plain HTTP.
    async fn proxied(&self, uri: &Uri, asked: &Asked) -> Response<Answer> {
        let parsed = url::Url::parse(&uri.to_string()).ok();
        let url = parsed.filter(|url| url.scheme() == "http").map(without_login);
        let Some(url) = url else {
            let scheme = uri.scheme_str().unwrap_or_default();
            let shown = format!("{scheme}://{}{}", uri.host().unwrap_or_default(), uri.path());
            let ticket = asked.ticket(&self.log, Kind::Proxied, uri.path(), &shown);
            let problem = format!("{shown}: only plain HTTP can be recorded through the proxy");
            return refused(ticket, StatusCode::BAD_REQUEST, &shown, problem);
        };
        let ticket = asked.ticket(&self.log, Kind::Proxied, uri.path(), &url);
        self.recorded(&url, asked, ticket).await
    }

    /// Something recorded, or to be recorded, under its URL.
    async fn recorded(&self, url: &str, asked: &Asked, mut ticket: Ticket) -> Response<Answer> {
        let get = Key::get(url);
        let part = Key {
            url: url.to_owned(),
            method: if asked.head_only {
                recording::Method::Head
            } else {
                recording::Method::Get
            },
            range: asked.header(header::RANGE).map(str::to_owned),
        };
        // What is recorded whole has every part; a part is recorded by itself only if the whole is not.
        for key in [&get, &part] {
            match self.find(key) {
                Ok(Some(entry)) => {
                    let expected = Some(entry.size).filter(|_| entry.status != 206);
                    ticket.answered(entry.status, Origin::Recording, expected);
                    return self.entry(&entry, asked, ticket).await;
                }
                Ok(None) => {}
                Err(failure) => return self.failed(ticket, url, &failure),
            }
        }
        let Some(fetcher) = &self.fetcher else {
            return self.failed(ticket, url, &self.not_recorded(url));
        };
        let mut download = fetcher.get(&part, asked.header(header::ACCEPT));
        match begun(&mut download, asked.head_only).await {
            Ok((entry, length)) => {
                ticket.answered(entry.status, Origin::Upstream, length.filter(|_| entry.status != 206));
                self.shaper.delay().await;
                let mut response = Response::new(nothing());
                *response.status_mut() = StatusCode::from_u16(entry.status).unwrap_or(StatusCode::BAD_GATEWAY);
                said(response.headers_mut(), &entry.headers);
                if !asked.head_only {
                    *response.body_mut() = body::growing(download, length, ticket, &self.shaper);
                }
                response
            }
            Err(failure) => self.failed(ticket, url, &failure),
        }
    }

    fn find(&self, key: &Key) -> Result<Option<Arc<Entry>>, Failure> {
        match self.recording.find(key) {
            Ok(Lookup::Found(entry)) => Ok(Some(entry)),
            Ok(Lookup::Damaged(_)) if self.fetcher.is_none() => Err(Failure {
                status: 500,
                reason: format!(
                    "{key}: its recording is damaged (`bakeoff mirror verify` says how); `bakeoff mirror prune` removes it, \
                     and a run with --network record fetches it again"
                ),
            }),
            // Fetched again.
            Ok(Lookup::Damaged(_) | Lookup::Missing) => Ok(None),
            Err(error) => Err(Failure {
                status: 500,
                reason: error.to_string(),
            }),
        }
    }

    fn not_recorded(&self, url: &str) -> Failure {
        Failure {
            status: 403,
            reason: format!("{url} is not in the recording {:?}", self.recording.name()),
        }
    }

    /// Something recorded, downloaded to its end if need be.
    async fn whole(&self, key: &Key) -> Result<(Arc<Entry>, Origin), Failure> {
        if let Some(entry) = self.find(key)? {
            return Ok((entry, Origin::Recording));
        }
        let Some(fetcher) = &self.fetcher else {
            return Err(self.not_recorded(&key.url));
        };
        let mut download = fetcher.get(key, Some(PAGES));
        let ended = download.wait_for(|stage| matches!(stage, Stage::Done { .. } | Stage::Failed(_)));
        match ended.await.as_deref() {
            Ok(Stage::Done { entry, .. }) if matches!(entry.status, 200 | 404 | 410) => {
                Ok((Arc::clone(entry), Origin::Upstream))
            }
            Ok(Stage::Done { entry, .. }) => Err(Failure {
                status: 502,
                reason: format!("{}: upstream answered with the status {}", key.url, entry.status),
            }),
            Ok(Stage::Failed(failure)) => Err(failure.clone()),
            _ => Err(given_up()),
        }
    }

    pub(super) fn failed(&self, mut ticket: Ticket, url: &str, failure: &Failure) -> Response<Answer> {
        let origin = if self.fetcher.is_some() {
            Origin::Upstream
        } else {
            Origin::Refused
        };
        ticket.failed(failure.status, origin, url, failure.reason.clone());
        plain(
            failure.status,
            format!("bakeoff mirror: {}\n", failure.reason),
            ticket,
            &self.shaper,
        )
    }
}

/// A URL as it is recorded and told: a user and a password in it are nobody else's business.
fn without_login(mut url: url::Url) -> String {
    // Neither can fail for an address with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn kind_of(name: &str) -> Kind {
    if name.ends_with(".metadata") {
        Kind::Metadata
    } else {
        Kind::File
    }
}

fn given_up() -> Failure {
    Failure {
        status: 502,
        reason: "the download was given up".to_owned(),
    }
}

/// Waits for the head of a download, or for its end if no byte of a body can be held back until all is well.
async fn begun(download: &mut Download, head_only: bool) -> Result<(Arc<Entry>, Option<u64>), Failure> {
    let enough = |stage: &Stage| match stage {
        Stage::Waiting => false,
        Stage::Arriving { length, .. } => !head_only && *length != Some(0),
        Stage::Done { .. } | Stage::Failed(_) => true,
    };
    match download.wait_for(enough).await.as_deref() {
        Ok(Stage::Arriving { head, length, .. }) => Ok((Arc::clone(head), *length)),
        Ok(Stage::Done { entry, .. }) => Ok((Arc::clone(entry), Some(entry.size))),
        Ok(Stage::Failed(failure)) => Err(failure.clone()),
        _ => Err(given_up()),
    }
}
