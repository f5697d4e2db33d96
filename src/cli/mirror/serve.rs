//! `bakeoff mirror serve`: a recording as a package index for programs on this machine, to try things by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::args::{Serve, new_name};
use super::bar::Bar;
use super::shelf::Shelf;
use super::tidy::said;
use crate::cli::run::interruption;
use crate::cli::{Failure, paths, print};
use crate::mirror::recording::Recording;
use crate::mirror::{Config, Mirror, MirrorError, Mode, Origin, Upstream};
use crate::units::{Bytes, Link};

/// How often what was refused is told of.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn serve(shelf: &Shelf, arguments: &Serve) -> Result<(), Failure> {
    if arguments.record && !arguments.listen.ip().is_loopback() {
        // Whoever could reach it could reach what this machine can.
        return Err(Failure::Mirror(MirrorError::Public(arguments.listen.ip())));
    }
    let (recording, upstream) = open(shelf, arguments)?;
    let config = Config {
        mode: if arguments.record { Mode::Record } else { Mode::Replay },
        recording: Arc::new(recording),
        upstream,
        aliases: Vec::new(),
        synthetic: None,
        bind: vec![arguments.listen.ip()],
        host: match arguments.listen {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        },
        port: arguments.listen.port(),
    };
    let mirror = Mirror::start(config).await.map_err(|error| match error {
        MirrorError::Recording(error) => Failure::Recording(error),
        other => Failure::Mirror(other),
    })?;
    let recording = mirror.recording();
    let bar = Arc::new(Bar::new(&format!("checking {}", recording.name())));
    let shown = Arc::clone(&bar);
    for damage in mirror.warm(move |read, all| shown.set(read, all)).await? {
        bar.say(&format!("warning: damaged: {}", said(&damage)));
    }
    drop(bar);
    mirror.begin(arguments.link);
    print(&introduction(&mirror, arguments.listen, arguments.link))?;

    let mut served = Served::default();
    let interrupted = interruption();
    tokio::pin!(interrupted);
    loop {
        let ended = tokio::select! {
            () = &mut interrupted => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        served.take(&mirror);
        if ended {
            break;
        }
    }
    let mut text = format!("served {} requests, {}", served.requests, served.bytes);
    if served.refused > 0 {
        text.push_str(&format!("; refused {}", served.refused));
    }
    if arguments.record {
        let stats = recording.stats();
        text.push_str(&format!(
            "; {} holds {} downloads, {} now",
            recording.name(),
            stats.entries,
            stats.size
        ));
    }
    print(&format!("{text}\n"))
}

/// The recording, and where what it lacks comes from.
fn open(shelf: &Shelf, arguments: &Serve) -> Result<(Recording, Option<Upstream>), Failure> {
    let name = &arguments.name;
    if !arguments.record {
        return Ok((shelf.open(name)?, None));
    }
    let is_there = shelf.recordings(&[])?.iter().any(|known| known.name == *name);
    let there = is_there.then(|| shelf.open(name)).transpose()?;
    let recorded = there.as_ref().and_then(Recording::index);
    let upstream = match &arguments.index {
        Some(address) => Some(Upstream::new(address, "--index")?),
        // What the user's clients are configured for may have a password for the same index.
        None => paths::index()?.filter(|own| recorded.as_deref().is_none_or(|index| own.index.as_str() == index)),
    };
    if upstream.is_none() && recorded.is_none() {
        return Err(Failure::NoIndex);
    }
    if let Some(recording) = there {
        return Ok((recording, upstream));
    }
    let name = new_name(name).map_err(|expected| Failure::RecordingName {
        name: name.clone(),
        expected,
    })?;
    Ok((Recording::create(&shelf.place(&name))?, upstream))
}

/// What is served, where, and what to try.
fn introduction(mirror: &Mirror, wanted: SocketAddr, link: Link) -> String {
    let recording = mirror.recording();
    let stats = recording.stats();
    let verb = match mirror.mode() {
        Mode::Record => "recording into",
        Mode::Replay => "serving",
    };
    let mut text = format!(
        "{verb} {} ({} downloads, {}), link {link}, until interrupted\n",
        recording.name(),
        stats.entries,
        stats.size
    );
    let address = mirror.address();
    if address.port() != wanted.port() && wanted.port() != 0 {
        text.push_str(&format!("port {} is taken, so this is another one\n", wanted.port()));
    }
    let index = mirror.index_url();
    // pip believes plain HTTP from loopback only.
    let trusted = if address.ip().is_loopback() {
        String::new()
    } else {
        format!(" --trusted-host {}", address.ip())
    };
    text.push_str(&format!(
        "index: {index}\n\n  pip install --no-cache-dir --index-url {index}{trusted} PACKAGE\n  \
         uv pip install --no-cache --index-url {index} PACKAGE\n\n"
    ));
    text
}

/// What was asked for so far.
#[derive(Debug, Default)]
struct Served {
    requests: u64,
    bytes: Bytes,
    refused: u64,
}

impl Served {
    /// Adds what was asked for since the last call, and says what went wrong.
    fn take(&mut self, mirror: &Mirror) {
        for transfer in mirror.ended_transfers() {
            self.requests += 1;
            self.bytes.0 += transfer.bytes.0;
            self.refused += u64::from(transfer.origin == Origin::Refused);
            if let Some(problem) = transfer.problem {
                eprintln!("{problem}");
            }
        }
    }
}
