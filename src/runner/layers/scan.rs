//! Reads the layers of a scenario's images, once in a run: out of the trial's registry where they were pushed, else out of what
//! the engine saves. A layer of a base that several scenarios have is read once for all of them.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::{Buf as _, Bytes, Incoming};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::engine::layers::{self, LayerFiles, Waste};
use crate::engine::{Engine, registry};
use crate::plan::Round;
use crate::runner::Trial;
use crate::runner::event::{ImageRecord, LayerOrigin, LayerRecord};
use crate::units::with_causes;

/// How long the images of one scenario may take to be read. It is nobody's measurement, and must not take longer than one.
const LIMIT: Duration = Duration::from_secs(120);

/// What a run has read.
#[derive(Debug, Default)]
pub(in crate::runner) struct Scan {
    /// The scenarios that it is done with.
    scenarios: Mutex<BTreeSet<String>>,
    /// What lies in the layers of base images, by diff id.
    bases: Mutex<HashMap<String, Arc<LayerFiles>>>,
}

/// What was read for one scenario, by diff id.
type Known = HashMap<String, Arc<LayerFiles>>;

impl<E: Engine> Trial<'_, E> {
    /// Whether this is the first measured trial of its scenario in which every build did what its name says.
    pub(super) fn is_to_be_scanned(&self) -> bool {
        let is_measured = |round: Round| matches!(round, Round::Measured(_));
        let settings = self.session.settings;
        // A run that goes on has the journal of before.
        let before = settings.resume.iter().flat_map(|resume| &resume.finished);
        let mut before = before.filter(|trial| is_measured(trial.round) && trial.scenario == self.key.scenario);
        let done = self
            .session
            .scan
            .scenarios
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        settings.scan_layers
            && self.sound
            && is_measured(self.key.round)
            && before.next().is_none()
            && !done.contains(&self.key.scenario)
    }

    /// Says of each image what is wasted in it, or why that can't be said.
    pub(super) async fn scan(&self, images: &mut [ImageRecord]) {
        let scan = &self.session.scan;
        let mut known: Known = scan.bases.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let began = Instant::now();
        for record in images {
            let left = LIMIT.saturating_sub(began.elapsed());
            // Dropped with what follows, it ends the thread that reads.
            let stop = CancellationToken::new();
            let _guard = stop.clone().drop_guard();
            match tokio::time::timeout(left, self.waste(record, &mut known, &stop)).await {
                Ok(Ok(waste)) => record.waste = Some(waste),
                Ok(Err(reason)) => record.unread = Some(reason),
                Err(_) => {
                    let limit = LIMIT.as_secs();
                    record.unread = Some(format!("reading the scenario's layers took longer than {limit} s"));
                }
            }
        }
        let scenario = self.key.scenario.clone();
        scan.scenarios
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(scenario);
    }

    async fn waste(&self, image: &ImageRecord, known: &mut Known, stop: &CancellationToken) -> Result<Waste, String> {
        let unknown = |layer: &&LayerRecord| is_looked_at(layer) && !known.contains_key(&layer.diff_id);
        let missing: Vec<&LayerRecord> = image.layers.iter().filter(unknown).collect();
        if missing.iter().all(|layer| layer.blob.is_some()) {
            for (number, layer) in missing.iter().enumerate() {
                self.session.note(format!(
                    "reading the {} image of {}, layer {} of {}",
                    image.image,
                    self.key.scenario,
                    number + 1,
                    missing.len()
                ));
                let files = self.of_registry(layer, stop).await?;
                self.learn(layer, files, known);
            }
        } else {
            self.session
                .note(format!("reading the {} image of {}", image.image, self.key.scenario));
            let wanted: Vec<bool> = image.layers.iter().map(|layer| unknown(&layer)).collect();
            let files = self.of_engine(&image.image, wanted, stop).await?;
            for (layer, files) in image.layers.iter().zip(files) {
                if let Some(files) = files {
                    self.learn(layer, files, known);
                }
            }
        }
        let all = image.layers.iter().filter(|layer| is_looked_at(layer));
        let all: Vec<Arc<LayerFiles>> = all.filter_map(|layer| known.get(&layer.diff_id).cloned()).collect();
        let found = tokio::task::spawn_blocking(move || {
            let all: Vec<&LayerFiles> = all.iter().map(Arc::as_ref).collect();
            layers::waste(&all)
        });
        found.await.map_err(|error| error.to_string())
    }

    fn learn(&self, layer: &LayerRecord, files: LayerFiles, known: &mut Known) {
        let files = Arc::new(files);
        if layer.origin == LayerOrigin::Base {
            let mut bases = self.session.scan.bases.lock().unwrap_or_else(PoisonError::into_inner);
            bases.insert(layer.diff_id.clone(), Arc::clone(&files));
        }
        known.insert(layer.diff_id.clone(), files);
    }

    /// A layer out of the trial's registry, as it arrives.
    async fn of_registry(&self, layer: &LayerRecord, stop: &CancellationToken) -> Result<LayerFiles, String> {
        let digest = layer.blob.as_ref().map_or("", |(digest, _)| digest.as_str());
        let port = self.place.registry_port(&self.registry);
        let body = registry::blob(port, &self.repository(), digest).await;
        let body = body.map_err(|error| with_causes(&error))?;
        let from = Blocking {
            body,
            runtime: Handle::current(),
            chunk: Bytes::new(),
            stop: stop.clone(),
        };
        let reading = tokio::task::spawn_blocking(move || layers::read(from));
        let read = reading.await.map_err(|error| error.to_string())?;
        read.map_err(|error| format!("reading the layer {digest}: {error}"))
    }

    /// The wanted layers out of what the engine saves.
    async fn of_engine(
        &self,
        image: &str,
        wanted: Vec<bool>,
        stop: &CancellationToken,
    ) -> Result<Vec<Option<LayerFiles>>, String> {
        let name = self.images.get(image).cloned().unwrap_or_default();
        let file = crate::scratch::file("layers").map_err(|error| error.to_string())?;
        let saving = self.place.engine.save(std::slice::from_ref(&name), file.path());
        saving.await.map_err(|error| with_causes(&error))?;
        // The file stays with who waits: it goes at once when nobody does any more.
        let (path, stop) = (file.path().to_owned(), stop.clone());
        let reading = tokio::task::spawn_blocking(move || layers::of_archive(&path, &wanted, &|| stop.is_cancelled()));
        let read = reading.await.map_err(|error| error.to_string())?;
        read.map_err(|error| format!("reading the saved image: {error}"))
    }
}

/// What bakeoff laid over the base is none of the image's.
fn is_looked_at(layer: &LayerRecord) -> bool {
    layer.origin != LayerOrigin::Mark
}

/// An answer's body for a thread that may wait, until it is to stop: it goes on when nobody waits for it any more.
struct Blocking {
    body: Incoming,
    runtime: Handle,
    chunk: Bytes,
    stop: CancellationToken,
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let arriving = self.stop.run_until_cancelled(self.body.frame());
            match self.runtime.block_on(arriving) {
                None => return Err(layers::nobody_waits()),
                Some(None) => return Ok(0),
                Some(Some(frame)) => {
                    if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                        self.chunk = data;
                    }
                }
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reading_that_waits_for_the_registry_ends_when_nobody_waits_for_it() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hanging = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            // What comes before the question is no answer.
            let asked = connection.read(&mut [0; 1024]).await.expect("a question");
            assert!(asked > 0);
            let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
            connection.write_all(begun).await.expect("written");
            // The rest never comes.
            std::future::pending::<()>().await;
        });
        let stop = CancellationToken::new();
        let mut from = Blocking {
            body: registry::blob(port, "x", "y").await.expect("an answer"),
            runtime: Handle::current(),
            chunk: Bytes::new(),
            stop: stop.clone(),
        };
        let (told, begun) = tokio::sync::oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 9];
            assert_eq!(from.read(&mut buffer).expect("a part"), 3);
            told.send(()).expect("somebody listens");
            from.read(&mut buffer)
        });
        begun.await.expect("the first part was read");
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(5), reading).await;
        ended
            .expect("it ends")
            .expect("no panic")
            .expect_err("there is no more");
        hanging.abort();
    }
}
