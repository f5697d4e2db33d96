//! Starts each image that a trial built and checks that it works, so that a broken image can't win. It happens after the
//! last phase, unmeasured: a started container would warm caches for the phase after it.

use std::time::{Duration, Instant};

use super::Trial;
use crate::engine::http::{self, Address};
use crate::engine::{Container, ContainerSpec, Engine};
use crate::suite::Probe;

/// How long an image may take to answer.
const LIMIT: Duration = Duration::from_secs(60);

impl<E: Engine> Trial<'_, E> {
    /// The images that work, and those that don't with the reason.
    pub(super) async fn probe_images(&self) -> (Vec<String>, Vec<(String, String)>) {
        let (mut works, mut broken) = (Vec::new(), Vec::new());
        let Some(probe) = &self.session.suite.probe else {
            return (works, broken);
        };
        for (image, name) in &self.images {
            self.session.note(format!(
                "starting the {image} image of {} to see that it works",
                self.key.scenario
            ));
            let answer = tokio::select! {
                biased;
                () = self.session.cancel.cancelled() => return (works, broken),
                answer = self.probe(image, name, probe) => answer,
            };
            match answer {
                Ok(()) => works.push(image.clone()),
                Err(reason) => broken.push((image.clone(), reason)),
            }
        }
        (works, broken)
    }

    async fn probe(&self, image: &str, name: &str, probe: &Probe) -> Result<(), String> {
        let spec = ContainerSpec {
            name: format!("bakeoff-{}-probe-{}", self.nonce, super::trial::slug(image)),
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
        let container = self
            .place
            .engine
            .start(&spec)
            .await
            .map_err(|error| error.to_string())?;
        let answer = async {
            match probe {
                Probe::Command(command) => self.ends_well(&container, command).await,
                Probe::Http { path, .. } => self.answers(&container, path).await,
            }
        };
        let answer = tokio::time::timeout(LIMIT, answer).await;
        // It is labelled: a failure to remove it now is mended with the rest of the trial, or by `bakeoff clean`.
        let _ = self.place.engine.remove_container(&container.id).await;
        answer.unwrap_or_else(|_| Err(format!("nothing within {} s", LIMIT.as_secs())))
    }

    async fn ends_well(&self, container: &Container, command: &[String]) -> Result<(), String> {
        let exit = self
            .place
            .engine
            .wait(&container.id)
            .await
            .map_err(|error| error.to_string())?;
        if exit.code == 0 {
            return Ok(());
        }
        Err(format!(
            "`{}` ended with {}: {}",
            command.join(" "),
            exit.code,
            tail(&exit.log)
        ))
    }

    async fn answers(&self, container: &Container, path: &str) -> Result<(), String> {
        let address = Address::Tcp(format!("127.0.0.1:{}", self.place.published(container)));
        let started = Instant::now();
        loop {
            // While the program starts, connections are refused or closed: only an HTTP answer counts.
            if let Ok((status, body)) = http::get(&address, path, "*/*").await {
                if status.as_u16() < 400 {
                    return Ok(());
                }
                return Err(format!(
                    "GET {path} answered {status}: {}",
                    tail(&String::from_utf8_lossy(&body))
                ));
            }
            let (running, log) = self
                .place
                .engine
                .peek(&container.id)
                .await
                .map_err(|error| error.to_string())?;
            if !running {
                return Err(format!("it ended before it answered: {}", tail(&log)));
            }
            if started.elapsed() > LIMIT {
                return Err(format!("no answer to GET {path}: {}", tail(&log)));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The last lines of a log, in one line.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
