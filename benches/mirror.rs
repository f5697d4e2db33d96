//! `cargo bench --bench mirror`: what the mirror costs a build. Criterion samples a large file and many small ones over
//! loopback; then the shaped link is held against its nominal rate, with 1 and with 8 connections, and the bench fails if
//! it is off by more than 2 %. `benches/mirror-peers` compares with nginx.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and rates here are small and positive"
)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bakeoff::mirror::recording::{Entry, Key, Recording};
use bakeoff::mirror::{Config, LOOPBACK, Mirror, Mode};
use bakeoff::units::{Link, hex};
use criterion::{Criterion, SamplingMode, Throughput};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const LARGE: usize = 256 << 20;
const SMALL: usize = 16 << 10;
const CLIENTS: usize = 50;
const REQUESTS: usize = 100;

/// How far a shaped link may be from its rate.
const TOLERANCE: f64 = 0.02;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick proof that the bench runs; it has nothing to prove.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), Error> {
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let recording = Recording::create(&folder.path().join("bench"))?;
    for (name, size) in [("large.whl", LARGE), ("small.whl", SMALL), ("middle.whl", 4 << 20)] {
        record(&recording, name, size)?;
    }
    let mirror = runtime.block_on(Mirror::start(Config {
        mode: Mode::Replay,
        recording: Arc::new(recording),
        upstream: None,
        aliases: Vec::new(),
        synthetic: None,
        bind: vec![LOOPBACK],
        host: "127.0.0.1".into(),
        port: 0,
    }))?;
    let at = mirror.address();

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("replay");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Bytes(LARGE as u64));
    group.bench_function("256 MiB, 1 client", |bencher| {
        bencher.iter(|| runtime.block_on(clients(at, "large.whl", 1, 1)).expect("answers"));
    });
    group.throughput(Throughput::Elements((CLIENTS * REQUESTS) as u64));
    group.bench_function("16 KiB, 50 clients", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(clients(at, "small.whl", CLIENTS, REQUESTS))
                .expect("answers");
        });
    });
    group.finish();
    // What has been told of so far nobody wants to know.
    runtime.block_on(mirror.transfers());

    let mut worst: f64 = 0.0;
    println!("shaped link: nominal and measured, Mbit/s");
    for text in ["10mbit", "100mbit", "1gbit"] {
        for connections in [1, 8] {
            let link: Link = text.parse()?;
            let nominal = link.bits_per_second.unwrap_or_default() as f64;
            mirror.begin(link);
            // About three seconds of the link, in as many files as that takes.
            let name = if text == "1gbit" { "large.whl" } else { "middle.whl" };
            let size = if text == "1gbit" { LARGE } else { 4 << 20 };
            let repeats = ((nominal * 3.0 / 8.0 / size as f64 / connections as f64).ceil() as usize).max(1);
            let started = Instant::now();
            runtime.block_on(clients(at, name, connections, repeats))?;
            let rate = (size * connections * repeats) as f64 * 8.0 / started.elapsed().as_secs_f64();
            let off = rate / nominal - 1.0;
            worst = worst.max(off.abs());
            println!(
                "{text:>8} {connections} connection(s): {:>7.1} {:>7.1}  {:+.2} %",
                nominal / 1e6,
                rate / 1e6,
                off * 100.0
            );
        }
    }
    if worst > TOLERANCE {
        return Err(format!("a shaped link is off by {:.1} %", worst * 100.0).into());
    }
    Ok(())
}

fn url(name: &str) -> String {
    format!("http://bench.invalid/{name}")
}

/// Adds a file of this size to the recording.
fn record(recording: &Recording, name: &str, size: usize) -> Result<(), Error> {
    let content: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    let mut file = tempfile::NamedTempFile::new_in(recording.partial())?;
    std::io::Write::write_all(&mut file, &content)?;
    let entry = Entry {
        key: Key::get(url(name)),
        status: 200,
        size: size as u64,
        sha256: hex(&Sha256::digest(&content)),
        headers: vec![("content-type".into(), "application/octet-stream".into())],
        recorded_unix_s: 0,
    };
    recording.add(entry, file.into_temp_path())?;
    Ok(())
}

/// So many clients at once, each with one connection and so many requests.
async fn clients(at: SocketAddr, name: &'static str, count: usize, requests: usize) -> Result<(), Error> {
    let client = || tokio::spawn(client(at, name, requests));
    for ended in futures_util::future::join_all((0..count).map(|_| client())).await {
        ended?.map_err(|error| format!("a client: {error}"))?;
    }
    Ok(())
}

/// Asks for a file over one connection, again and again, and reads what comes as a kernel would throw it away.
async fn client(at: SocketAddr, name: &'static str, requests: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /files/{} HTTP/1.1\r\nhost: bench\r\n\r\n",
        url(name).replace("://", "/")
    );
    let mut buffer = vec![0; 256 << 10];
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await?;
        let (mut read, mut left) = (0, None);
        // The head, and the beginning of the body.
        while left.is_none() {
            let count = stream.read(&mut buffer[read..]).await?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            read += count;
            if let Some(end) = buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or_default();
                if !head.starts_with("http/1.1 200") {
                    return Err(std::io::Error::other(head));
                }
                left = Some(length - (read - end - 4));
            }
        }
        let mut left = left.unwrap_or_default();
        while left > 0 {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(count);
        }
    }
    // A moment for the other end to see that we are gone.
    drop(stream);
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}
