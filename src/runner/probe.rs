//! Starts images and asks them whether they work: in phases of the kind `start` as fast as it can, and after the last phase
//! each image that the trial built, unmeasured, so that a broken image can't win. (A started container would warm caches for
//! the phase after it.)

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Trial;
use crate::engine::http::{self, Address};
use crate::engine::{Container, ContainerSpec, Engine, EngineError};
use crate::suite::{Probe, Suite};
use crate::units::Nanos;

/// How often an image is asked over HTTP while nothing is measured.
const UNMEASURED: Duration = Duration::from_millis(100);

/// And while its start is measured: so much may be missing between its first answer and the figure. More often, and asking
/// takes the processor away from what is asked.
const MEASURED: Duration = Duration::from_millis(10);

/// How an image is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long the engine may take to start its container.
    starting: Duration,
    /// How long it may take to answer then.
    limit: Duration,
    /// How long it is left alone after a request that got no answer.
    pause: Duration,
    /// Whether an answer with a status of 400 or above may be followed by a better one.
    hopes: bool,
}

impl Patience {
    fn probing(suite: &Suite) -> Self {
        Self {
            starting: suite.timeout,
            limit: suite.probe_limit,
            pause: UNMEASURED,
            hopes: false,
        }
    }

    pub(super) fn measuring(suite: &Suite) -> Self {
        Self {
            starting: suite.timeout,
            limit: suite.probe_limit.min(suite.timeout),
            pause: MEASURED,
            hopes: true,
        }
    }
}

/// What became of an image that was started and asked.
pub(super) struct Asked {
    /// The container that was asked, by its id or name.
    pub container: Option<String>,
    /// The time from the request until the engine said that the container runs.
    pub running: Nanos,
    /// The time from the request until it was known whether the image works.
    pub wall: Nanos,
    /// How often it was asked over HTTP.
    pub times: u32,
    /// Whether it works.
    pub answer: Result<(), Ailment>,
}

/// Why an image does not work.
pub(super) struct Ailment {
    pub reason: String,
    /// What its container wrote.
    pub log: String,
}

impl Ailment {
    fn of(reason: &EngineError) -> Self {
        Self {
            reason: reason.to_string(),
            log: String::new(),
        }
    }

    fn late(limit: Duration) -> Self {
        Self {
            reason: format!("its container did not start within {}", Nanos::from(limit)),
            log: String::new(),
        }
    }

    /// All of it in one line.
    fn told(self) -> String {
        match tail(&self.log) {
            log if log.is_empty() => self.reason,
            log => format!("{}: {log}", self.reason),
        }
    }
}

impl<E: Engine> Trial<'_, E> {
    /// The images that work, and those that don't with the reason.
    pub(super) async fn probe_images(&self) -> (Vec<String>, Vec<(String, String)>) {
        let (mut works, mut broken) = (Vec::new(), Vec::new());
        let suite = self.session.suite;
        let Some(probe) = &suite.probe else {
            return (works, broken);
        };
        for (image, name) in &self.images {
            self.session.note(format!(
                "starting the {image} image of {} to see that it works",
                self.key.scenario
            ));
            let purpose = format!("probe-{}", super::trial::slug(image));
            let asked = tokio::select! {
                biased;
                () = self.session.cancel.cancelled() => return (works, broken),
                asked = self.ask(&purpose, name, probe, Patience::probing(suite)) => asked,
            };
            self.remove_asked(&asked).await;
            match asked.answer {
                Ok(()) => works.push(image.clone()),
                Err(ailment) => broken.push((image.clone(), ailment.told())),
            }
        }
        (works, broken)
    }

    /// Removes the container of an image that was asked. It is labelled: a failure to remove it now is mended with the rest of the
    /// trial, or by `bakeoff clean`.
    pub(super) async fn remove_asked(&self, asked: &Asked) {
        if let Some(container) = &asked.container {
            let _ = self.place.engine.remove_container(container).await;
        }
    }

    /// Starts an image and asks it. Its container is still there then.
    pub(super) async fn ask(&self, purpose: &str, name: &str, probe: &Probe, patience: Patience) -> Asked {
        let engine = &self.place.engine;
        let spec = ContainerSpec {
            name: format!("bakeoff-{}-{purpose}", self.nonce),
            image: name.to_owned(),
            command: match probe {
                Probe::Command(command) => Some(command.clone()),
                Probe::Http { .. } => None,
            },
            labels: self.session.labels(),
            publish: match probe {
                Probe::Command(_) => Vec::new(),
                Probe::Http { port, .. } => vec![self.place.publish(*port)],
            },
            ..ContainerSpec::default()
        };
        let clock = Instant::now();
        let started = tokio::time::timeout(patience.starting, engine.start(&spec)).await;
        let running = clock.elapsed().into();
        let not_started = |container, ailment| Asked {
            container,
            running,
            wall: running,
            times: 0,
            answer: Err(ailment),
        };
        let container = match started {
            Ok(Ok(container)) => container,
            Ok(Err(error)) => return not_started(None, Ailment::of(&error)),
            // The engine may have made it all the same.
            Err(_) => return not_started(Some(spec.name), Ailment::late(patience.starting)),
        };
        let times = AtomicU32::new(0);
        let refusal = Mutex::new(None);
        let answering = async {
            match probe {
                Probe::Command(command) => self.ends_well(&container, command).await,
                Probe::Http { path, .. } => self.answers(&container, path, patience, &times, &refusal).await,
            }
        };
        let answered = tokio::time::timeout(patience.limit, answering).await;
        // The engine has told of a command's end before its log was read.
        let (at, answer) = match answered {
            Ok(answered) => answered,
            Err(_) => (Instant::now(), Err(self.nothing(&container, patience, refusal).await)),
        };
        Asked {
            container: Some(container.id),
            running,
            wall: at.saturating_duration_since(clock).into(),
            times: times.into_inner(),
            answer,
        }
    }

    /// What to say of an image that has taken too long.
    async fn nothing(&self, container: &Container, patience: Patience, refusal: Mutex<Option<String>>) -> Ailment {
        let refusal = refusal.into_inner().ok().flatten();
        let found = refusal.map_or_else(|| "nothing".to_owned(), |refusal| format!("nothing but \"{refusal}\""));
        Ailment {
            reason: format!("{found} within {}", Nanos::from(patience.limit)),
            log: self
                .place
                .engine
                .peek(&container.id)
                .await
                .map_or_else(|error| error.to_string(), |(_, log)| log),
        }
    }

    async fn ends_well(&self, container: &Container, command: &[String]) -> (Instant, Result<(), Ailment>) {
        match self.place.engine.wait(&container.id).await {
            Ok(exit) if exit.code == 0 => (exit.told, Ok(())),
            Ok(exit) => {
                let reason = format!("`{}` ended with {}", command.join(" "), exit.code);
                (exit.told, Err(Ailment { reason, log: exit.log }))
            }
            Err(error) => (Instant::now(), Err(Ailment::of(&error))),
        }
    }

    /// Asks until there is an answer that counts, or the container ends.
    async fn answers(
        &self,
        container: &Container,
        path: &str,
        patience: Patience,
        times: &AtomicU32,
        refusal: &Mutex<Option<String>>,
    ) -> (Instant, Result<(), Ailment>) {
        let address = Address::Tcp(format!("127.0.0.1:{}", self.place.published(container)));
        let asking = async {
            loop {
                times.fetch_add(1, Ordering::Relaxed);
                // While the program starts, connections are refused or closed: only an HTTP answer counts.
                if let Ok((status, body)) = http::get(&address, path, "*/*").await {
                    let at = Instant::now();
                    if status.as_u16() < 400 {
                        return (at, Ok(()));
                    }
                    let reason = format!("GET {path} answered {status}");
                    if !patience.hopes {
                        let log = String::from_utf8_lossy(&body).into_owned();
                        return (at, Err(Ailment { reason, log }));
                    }
                    if let Ok(mut refusal) = refusal.lock() {
                        *refusal = Some(reason);
                    }
                }
                tokio::time::sleep(patience.pause).await;
            }
        };
        tokio::select! {
            answer = asking => answer,
            exit = self.place.engine.wait(&container.id) => match exit {
                Ok(exit) => {
                    let reason = format!("it ended with {} before it answered", exit.code);
                    (exit.told, Err(Ailment { reason, log: exit.log }))
                }
                Err(error) => (Instant::now(), Err(Ailment::of(&error))),
            },
        }
    }
}

/// The last lines of a log, in one line.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
