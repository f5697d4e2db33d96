//! Builds, with BuildKit or the classic builder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bollard::models::BuildInfoAux;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::TryStreamExt;
use tokio_util::io::ReaderStream;

use super::trace::Collector;
use super::{DockerEngine, said};
use crate::engine::{BuildFailure, BuildRequest, BuildTrace, Builder, ImageDetails, Observer};

/// Chunks of the context as they are read and sent.
const CHUNK: usize = 256 * 1024;

impl DockerEngine {
    pub(super) async fn run_build(
        &self,
        request: &BuildRequest,
        observer: Observer<'_>,
    ) -> Result<BuildTrace, Box<BuildFailure>> {
        let mut collector = Collector::default();
        // The file is opened before the clock starts: the context's packing is the harness's affair, its journey
        // to the engine is the user's.
        let context = match tokio::fs::File::open(&request.context).await {
            Ok(file) => file,
            Err(error) => {
                let message = format!("reading the context {}: {error}", request.context.display());
                return Err(Box::new(BuildFailure {
                    message,
                    step: None,
                    trace: BuildTrace::default(),
                }));
            }
        };
        // What the name stands for now, to tell a build that succeeds without saying so.
        let before = self.inspect_image(&request.tag).await.ok().flatten();
        let body = bollard::body_try_stream(ReaderStream::with_capacity(context, CHUNK));
        let started = Instant::now();
        let deadline = tokio::time::Instant::from_std(started) + request.limit;
        let mut image_id = String::new();
        let mut stream = std::pin::pin!(self.docker.build_image(options(request), None, Some(body)));
        let ended = loop {
            let Ok(next) = tokio::time::timeout_at(deadline, stream.try_next()).await else {
                // Dropping the stream cancels the build.
                break Err(format!(
                    "the build took longer than its limit of {} s",
                    request.limit.as_secs()
                ));
            };
            match next {
                Ok(Some(info)) => {
                    match info.aux {
                        Some(BuildInfoAux::BuildKit(status)) => collector.status(status, observer),
                        Some(BuildInfoAux::Default(image)) => image_id = image.id.unwrap_or(image_id),
                        None => {}
                    }
                    if let Some(text) = info.stream {
                        collector.classic_line(&text, observer);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(said(&error)),
            }
        };
        let wall = started.elapsed().into();
        if let Err(message) = &ended
            && request.builder == Builder::Classic
        {
            collector.classic_failed(message);
        }
        let mut trace = collector.finish(observer);
        trace.wall = wall;
        trace.image_id = image_id;
        let ended = match ended {
            Err(message) if message.contains(CUT) => {
                self.cut_short(request, before.as_ref(), message, &mut trace).await
            }
            ended => ended,
        };
        match ended {
            Ok(()) => Ok(trace),
            Err(message) => Err(Box::new(failure(message, trace))),
        }
    }
}

/// How bollard says that an answer ended within a message.
const CUT: &str = "bytes remaining on stream";

impl DockerEngine {
    /// Whether a build whose answer was cut short has succeeded: Engine 20.10 now and then closes the stream before it has
    /// written its last message whole. The name then stands for a new image, and no step says that it failed.
    async fn cut_short(
        &self,
        request: &BuildRequest,
        before: Option<&ImageDetails>,
        message: String,
        trace: &mut BuildTrace,
    ) -> Result<(), String> {
        let after = self.inspect_image(&request.tag).await.ok().flatten();
        let is_new = |image: &ImageDetails| before.is_none_or(|before| before.id != image.id);
        match after.filter(is_new) {
            Some(image) if trace.steps.iter().all(|step| step.error.is_none()) => {
                trace.image_id = image.id;
                let warning =
                    "the engine cut its answer short; the image is there, and the last step's end may be missing";
                trace.warnings.push(warning.to_owned());
                Ok(())
            }
            _ => Err(message),
        }
    }
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

/// Never `nocache`: on the Docker API that also empties cache mounts by id for the whole daemon.
fn options(request: &BuildRequest) -> BuildImageOptions {
    let map = |pairs: &std::collections::BTreeMap<String, String>| -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let (version, session) = match request.builder {
        Builder::Buildkit => (BuilderVersion::BuilderBuildKit, Some(session_id())),
        Builder::Classic => (BuilderVersion::BuilderV1, None),
    };
    BuildImageOptions {
        dockerfile: request.dockerfile.clone(),
        t: Some(request.tag.clone()),
        rm: true,
        forcerm: true,
        buildargs: Some(map(&request.build_args)),
        labels: Some(map(&request.labels)),
        platform: request.platform.clone().unwrap_or_default(),
        target: request.target.clone().unwrap_or_default(),
        // The API takes several, bollard one; the mirror's is all there is.
        extrahosts: request.extra_hosts.first().cloned(),
        version,
        session,
        ..BuildImageOptions::default()
    }
}

/// A session id that no other session of this engine has.
fn session_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
    format!(
        "bakeoff-{}-{nanos:x}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
