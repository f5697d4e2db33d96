//! Builds, with BuildKit or the classic builder. The answer is read as it comes: bollard's typed stream takes one that the
//! engine cuts short for a failed build.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Request;
use hyper::body::{Bytes, Frame};
use prost::Message as _;
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::DockerEngine;
use super::cache::percent_encoded;
use super::trace::Collector;
use crate::engine::http::{self, Body, Lines};
use crate::engine::session::{self, Offer, Session};
use crate::engine::{BuildFailure, BuildRequest, BuildTrace, Builder, Context, Engine as _, ImageDetails, Observer};
use crate::units::{Bytes as Size, with_causes};

/// Chunks of a packed context as they are read and sent.
const CHUNK: usize = 256 * 1024;

/// One message of the engine's answer.
#[derive(Deserialize)]
struct Line {
    aux: Option<Aux>,
    stream: Option<String>,
    error: Option<String>,
}

/// BuildKit's progress, or the image.
#[derive(Deserialize)]
#[serde(untagged)]
enum Aux {
    /// A status message in base64.
    Status(String),
    Image {
        #[serde(rename = "ID")]
        id: String,
    },
}

/// Why a build's answer is not one of success.
enum Broken {
    /// It ended within a message, or before the one that names the image.
    Cut,
    /// The engine, or the way to it, says why.
    Said(String),
}

/// What a context becomes.
struct Sent {
    body: Body,
    session: Option<Offer>,
    /// The size of a packed context; the engine takes all of it before it begins.
    packed: Size,
}

impl DockerEngine {
    pub(super) async fn run_build(
        &self,
        request: &BuildRequest,
        observer: Observer<'_>,
    ) -> Result<BuildTrace, Box<BuildFailure>> {
        let mut collector = Collector::default();
        // The file is opened before the clock starts: the context's packing is the harness's affair, its journey
        // to the engine is the user's.
        let sent = match opened(request).await {
            Ok(sent) => sent,
            Err(message) => {
                return Err(Box::new(BuildFailure {
                    message,
                    step: None,
                    trace: BuildTrace::default(),
                }));
            }
        };
        // What the name stands for now, to tell a build that succeeds without saying so.
        let before = self.image(&request.tag).await.ok().flatten();
        let started = Instant::now();
        let deadline = tokio::time::Instant::from_std(started) + request.limit;
        let mut image_id = String::new();
        let taken = sent.session.as_ref().map(|offer| offer.taken.clone());
        let counted = sent.session.as_ref().map(|offer| offer.sent.clone());
        let packed = sent.packed;
        let following = Box::pin(self.follow(request, sent, &mut collector, &mut image_id, observer));
        let ended = tokio::time::timeout_at(deadline, following).await.unwrap_or_else(|_| {
            // What follows it has been dropped by now, and that cancels the build.
            let limit = request.limit.as_secs();
            Err(Broken::Said(format!(
                "the build took longer than its limit of {limit} s"
            )))
        });
        let wall = started.elapsed().into();
        if let Err(Broken::Said(message)) = &ended
            && request.builder == Builder::Classic
        {
            collector.classic_failed(message);
        }
        let mut trace = collector.finish(observer);
        trace.wall = wall;
        trace.image_id = image_id;
        trace.context = counted.map_or(packed, |sent| sent.bytes());
        trace.sources = taken.map(|taken| taken.sources()).unwrap_or_default();
        let ended = match ended {
            Ok(()) => Ok(()),
            Err(Broken::Said(message)) => Err(message),
            Err(Broken::Cut) => self.cut_short(request, before.as_ref(), &mut trace).await,
        };
        match ended {
            Ok(()) => Ok(trace),
            Err(message) => Err(Box::new(failure(message, trace))),
        }
    }

    /// Asks for the build and takes its answer to the end. The session ends with this, however this does.
    async fn follow(
        &self,
        request: &BuildRequest,
        sent: Sent,
        collector: &mut Collector,
        image_id: &mut String,
        observer: Observer<'_>,
    ) -> Result<(), Broken> {
        let said = |error: &dyn std::error::Error| Broken::Said(with_causes(error));
        let session = match sent.session {
            Some(offer) => Some(
                Session::open(self.address(), offer)
                    .await
                    .map_err(|error| said(&error))?,
            ),
            None => None,
        };
        let asked = Request::post(path(request, session.as_ref().map(Session::id)))
            .header("Host", "docker")
            .header("Content-Type", "application/x-tar")
            .body(sent.body)
            .map_err(|error| said(&error))?;
        let response = http::send(self.address(), asked).await.map_err(|error| said(&error))?;
        if !response.status().is_success() {
            let body = response.into_body().collect().await.map_err(|error| said(&error))?;
            return Err(Broken::Said(refusal(&body.to_bytes())));
        }
        let mut lines = Lines::new(response.into_body());
        while let Some(line) = lines.next().await.map_err(|error| said(&error))? {
            let Ok(line) = serde_json::from_slice::<Line>(&line) else {
                return Err(match lines.next().await {
                    Ok(None) => Broken::Cut,
                    _ => Broken::Said(format!(
                        "the engine's answer was not understood: {}",
                        String::from_utf8_lossy(&line)
                    )),
                });
            };
            if let Some(error) = line.error {
                return Err(Broken::Said(error.trim().to_owned()));
            }
            match line.aux {
                Some(Aux::Status(text)) => {
                    let status = STANDARD.decode(text).map_err(|error| said(&error))?;
                    let status = StatusResponse::decode(status.as_slice()).map_err(|error| said(&error))?;
                    collector.status(status, observer);
                }
                Some(Aux::Image { id }) => *image_id = id,
                None => {}
            }
            if let Some(text) = line.stream {
                collector.classic_line(&text, observer);
            }
        }
        if image_id.is_empty() { Err(Broken::Cut) } else { Ok(()) }
    }

    /// Whether a build whose answer was cut short has succeeded: Engine 20.10 now and then closes the stream before it has
    /// written its last message whole. The name then stands for a new image, and no step says that it failed.
    async fn cut_short(
        &self,
        request: &BuildRequest,
        before: Option<&ImageDetails>,
        trace: &mut BuildTrace,
    ) -> Result<(), String> {
        let after = self.image(&request.tag).await.ok().flatten();
        // Where nothing was to be done the image is the old one; its last step says that it was written all the same.
        let exported = |trace: &BuildTrace| {
            let last = trace.steps.iter().find(|step| step.name.starts_with("exporting to"));
            last.is_some_and(|step| step.intervals.iter().any(|interval| interval.completed.is_some()))
        };
        let is_new = |image: &ImageDetails| before.is_none_or(|before| before.id != image.id) || exported(trace);
        match after.filter(is_new) {
            Some(image) if trace.steps.iter().all(|step| step.error.is_none()) => {
                trace.image_id = image.id;
                let warning =
                    "the engine cut its answer short; the image is there, and the last step's end may be missing";
                trace.warnings.push(warning.to_owned());
                Ok(())
            }
            _ => Err("the engine cut its answer short".to_owned()),
        }
    }
}

/// Makes a context ready to be sent.
async fn opened(request: &BuildRequest) -> Result<Sent, String> {
    match &request.context {
        Context::Tar(path) => match tokio::fs::File::open(path).await {
            Ok(file) => {
                let packed = file.metadata().await.map_or(0, |metadata| metadata.len());
                let chunks = ReaderStream::with_capacity(file, CHUNK).map_ok(Frame::<Bytes>::data);
                Ok(Sent {
                    body: http_body_util::BodyExt::boxed(StreamBody::new(chunks)),
                    session: None,
                    packed: Size(packed),
                })
            }
            Err(error) => Err(format!("reading the context {}: {error}", path.display())),
        },
        Context::Folders {
            context,
            dockerfile,
            shared_key,
            taken,
        } => Ok(Sent {
            body: http::empty(),
            session: Some(Offer {
                context: context.clone(),
                dockerfile: dockerfile.clone(),
                shared_key: shared_key.clone(),
                grants: request.grants.clone(),
                taken: taken.clone(),
                sent: session::Sent::default(),
            }),
            packed: Size(0),
        }),
    }
}

/// What an engine says that does not even begin.
pub(super) fn refusal(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().to_owned(),
        |refusal: Refusal| refusal.message,
    )
}

/// The request's path. Never `nocache`: on the Docker API that also empties cache mounts by id for the whole daemon.
fn path(request: &BuildRequest, session: Option<&str>) -> String {
    let json = |map: &std::collections::BTreeMap<String, String>| serde_json::json!(map).to_string();
    let mut build_args = request.build_args.clone();
    if request.grants.inline_cache {
        build_args.insert("BUILDKIT_INLINE_CACHE".to_owned(), "1".to_owned());
    }
    let mut query = vec![
        ("dockerfile", request.dockerfile.clone()),
        ("t", request.tag.clone()),
        ("rm", "1".to_owned()),
        ("forcerm", "1".to_owned()),
        ("buildargs", json(&build_args)),
        ("labels", json(&request.labels)),
    ];
    query.extend(request.platform.clone().map(|platform| ("platform", platform)));
    query.extend(request.target.clone().map(|target| ("target", target)));
    query.extend(request.extra_hosts.iter().map(|host| ("extrahosts", host.clone())));
    if let Some(compression) = request.compression {
        // The exporter is the one that it would be without this; its name is all that has to be said again.
        let attributes = serde_json::json!({ "compression": compression.name() });
        let outputs = serde_json::json!([{ "Type": "moby", "Attrs": attributes }]);
        query.push(("outputs", outputs.to_string()));
    }
    if !request.grants.cache_from.is_empty() {
        query.push(("cachefrom", serde_json::json!(request.grants.cache_from).to_string()));
    }
    let version = match request.builder {
        Builder::Buildkit => "2",
        Builder::Classic => "1",
    };
    query.push(("version", version.to_owned()));
    if let Some(session) = session {
        query.push(("remote", "client-session".to_owned()));
        query.push(("session", session.to_owned()));
    }
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(&value)))
        .collect();
    format!("/build?{}", query.join("&"))
}

/// The step that failed is the one that says so; those that were cancelled because of it say "context canceled".
fn failure(message: String, trace: BuildTrace) -> BuildFailure {
    let own = |error: &String| !error.contains("context canceled");
    let step = trace
        .steps
        .iter()
        .find(|step| step.error.as_ref().is_some_and(own))
        .map(|step| step.name.clone());
    BuildFailure { message, step, trace }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::engine::Grants;
    use crate::engine::endpoint::{EngineEndpoint, Origin};

    /// The time is not the real one: it passes when nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn a_build_in_an_engine_that_hangs_ends_at_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("engine.sock");
        // It takes connections and never says a word.
        let _engine = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let context = folder.path().join("context.tar");
        std::fs::write(&context, []).expect("a file");
        let address = format!("unix://{}", socket.display());
        let endpoint = EngineEndpoint::at(&address, Origin::Own).expect("an address");
        let request = BuildRequest {
            context: Context::Tar(context),
            dockerfile: "Dockerfile".into(),
            tag: "x:1".into(),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            builder: Builder::Classic,
            target: None,
            platform: None,
            extra_hosts: Vec::new(),
            grants: Grants::default(),
            compression: None,
            limit: Duration::from_secs(100),
        };
        let began = tokio::time::Instant::now();
        let engine = DockerEngine::new(endpoint).expect("an engine");
        let failure = engine.build(&request, &|_| {}).await.expect_err("it hangs");
        assert!(failure.message.contains("limit of 100 s"), "{}", failure.message);
        assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
    }
}
