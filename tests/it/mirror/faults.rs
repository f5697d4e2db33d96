//! Upstreams, clients and disks that fail: whoever asked is told, and the recording stays good.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bakeoff::mirror::Origin;
use bakeoff::mirror::recording::Recording;
use bakeoff::mirror::{Mirror, Mode};
use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::stage::{METADATA, Stage, WHEEL, ask, get, holds, noise, start, transfer, wheel};
use super::upstream::{Length, Reply};

/// Waits until something has come about.
async fn until(what: &str, there: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Asks for the wheel as upstream fails, and once more when it is well again.
async fn fails_and_recovers(stage: &Stage, mirror: &Mirror, status: u16, told: &str) {
    let path = stage.file(WHEEL);
    let got = get(mirror, &path).await;
    let seen = transfer(mirror).await;
    if got.status == status {
        assert!(got.text().contains(told), "{}", got.text());
    } else {
        // The head was sent before the trouble; the body must not look whole.
        assert!(got.status == 200 && !got.whole, "{} {}", got.status, got.text());
    }
    let problem = seen.problem.unwrap_or_default();
    assert!(problem.contains(told), "{problem}");
    assert!(problem.contains(&stage.upstream.url(WHEEL)), "{problem}");
    stage.holds(&[]);
    stage.upstream.serve(WHEEL, Reply::file(wheel()));
    assert_eq!(get(mirror, &path).await.good(), (200, &wheel()[..]));
    stage.holds(&[WHEEL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_is_told_of() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let got = get(&mirror, &format!("/files/http/{address}/a.whl")).await;
    assert_eq!(got.status, 502);
    let url = format!("http://{address}/a.whl");
    assert!(
        got.text().contains(&url) && got.text().contains("refused"),
        "{}",
        got.text()
    );
    let seen = transfer(&mirror).await;
    assert_eq!((seen.origin, &seen.name), (Origin::Upstream, &url));
    assert!(seen.problem.is_some());
    stage.holds(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_upstream_is_passed_on_and_not_recorded() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    stage
        .upstream
        .serve(WHEEL, Reply::new(500, "text/plain", "out of order"));
    let got = get(&mirror, &stage.file(WHEEL)).await;
    assert_eq!(got.good(), (500, &b"out of order"[..]));
    stage
        .upstream
        .serve("/simple/foo-bar/", Reply::new(503, "text/plain", "busy"));
    let page = get(&mirror, "/simple/foo-bar/").await;
    assert_eq!(page.status, 502);
    assert!(page.text().contains("503"), "{}", page.text());
    until("nothing half downloaded", || {
        super::stage::partial(&stage.recording_folder()).is_empty()
    })
    .await;
    stage.holds(&[]);
    stage.offer(&wheel(), METADATA);
    assert_eq!(get(&mirror, "/simple/foo-bar/").await.status, 200);
    assert_eq!(get(&mirror, &stage.file(WHEEL)).await.good(), (200, &wheel()[..]));
    stage.holds(&[WHEEL, "/simple/foo-bar/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_index_says_is_refused() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    stage.offer(b"another wheel", b"other metadata");
    get(&mirror, "/simple/foo-bar/").await;
    mirror.transfers().await;
    for path in [WHEEL.to_owned(), format!("{WHEEL}.metadata")] {
        let got = get(&mirror, &stage.file(&path)).await;
        assert!(!got.whole || got.status == 502, "{} {}", got.status, got.text());
        let problem = transfer(&mirror).await.problem.unwrap_or_default();
        assert!(problem.contains("the index says"), "{problem}");
    }
    stage.holds(&["/simple/foo-bar/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_not_recorded() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    stage
        .upstream
        .serve(WHEEL, Reply::file(wheel()).length(Length::Claimed(600_001)));
    fails_and_recovers(&stage, &mirror, 502, "upstream failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_recorded_whole() {
    let stage = Stage::new().await;
    stage.upstream.serve(WHEEL, Reply::file(wheel()).length(Length::Untold));
    for mirror in [stage.record().await, stage.replay().await] {
        assert_eq!(get(&mirror, &stage.file(WHEEL)).await.good(), (200, &wheel()[..]));
    }
    stage.holds(&[WHEEL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_none_is_asked_for_again() {
    let stage = Stage::new().await;
    stage
        .upstream
        .serve("/simple/foo-bar/", Reply::new(200, super::stage::JSON, "{ torn"));
    let mirror = stage.record().await;
    let got = get(&mirror, "/simple/foo-bar/").await;
    assert_eq!(got.status, 502);
    assert!(got.text().contains("/simple/foo-bar/"), "{}", got.text());
    drop(mirror);
    stage.offer(&wheel(), METADATA);
    assert_eq!(get(&stage.record().await, "/simple/foo-bar/").await.status, 200);
    assert_eq!(get(&stage.replay().await, "/simple/foo-bar/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_ask_at_once_share_one_download() {
    let stage = Stage::new().await;
    let gate = Arc::new(Semaphore::new(0));
    stage.upstream.serve(WHEEL, Reply::file(wheel()).gated(&gate));
    let mirror = stage.record().await;
    let path = stage.file(WHEEL);
    let all = futures_util::future::join_all((0..12).map(|_| get(&mirror, &path)));
    let open = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        gate.add_permits(1);
    };
    let (all, ()) = tokio::join!(all, open);
    assert!(all.iter().all(|got| got.good() == (200, &wheel()[..])));
    assert_eq!(stage.upstream.seen(), [format!("GET {WHEEL}")]);
    stage.holds(&[WHEEL]);
    assert_eq!(mirror.transfers().await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_end_the_download() {
    let stage = Stage::new().await;
    let gate = Arc::new(Semaphore::new(0));
    stage.upstream.serve(WHEEL, Reply::file(wheel()).gated(&gate));
    let mirror = stage.record().await;
    let path = stage.file(WHEEL);
    let mut client = tokio::net::TcpStream::connect(mirror.address())
        .await
        .expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("sent");
    // Bytes are passed on before all of them are there.
    let mut begun = vec![0; 100_000];
    client.read_exact(&mut begun).await.expect("the first half");
    drop(client);
    let seen = transfer(&mirror).await;
    assert!(seen.bytes.0 < 600_000 && !seen.repeat, "{seen:?}");
    gate.add_permits(1);
    let recording = Recording::open(&stage.recording_folder()).expect("a recording");
    let key = bakeoff::mirror::recording::Key::get(stage.upstream.url(WHEEL));
    until("recorded", || {
        matches!(recording.find(&key), Ok(bakeoff::mirror::recording::Lookup::Found(_)))
    })
    .await;
    assert_eq!(get(&mirror, &path).await.good(), (200, &wheel()[..]));
    assert_eq!(stage.upstream.seen().len(), 1);
    stage.holds(&[WHEEL]);
    let seen = transfer(&mirror).await;
    assert!(!seen.repeat, "half of it was no sending of it");
}

/// A small disk.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount, unless the environment says that nothing may be skipped.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let options = format!("size={size}");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        assert!(
            std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
            "a small disk is required here: {output:?}"
        );
        eprintln!("skipped: {output:?}");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_download_and_harms_nothing() {
    let stage = Stage::new().await;
    let at = stage.folder.path().join("disk");
    let Some(_disk) = Disk::mount(&at, "1m") else { return };
    let folder = at.join("recording");
    let recording = Recording::create(&folder).expect("a recording");
    let mirror = start(Mode::Record, recording, None).await;
    stage.upstream.serve("/large", Reply::file(noise(2_000_000)));
    assert_eq!(get(&mirror, &stage.file(WHEEL)).await.good().0, 200);
    mirror.transfers().await;

    let got = ask(mirror.address(), Method::GET, &stage.file("/large"), &[]).await;
    assert!(got.status == 507 || !got.whole, "{} {}", got.status, got.whole);
    let problem = transfer(&mirror).await.problem.unwrap_or_default();
    assert!(problem.contains("No space left"), "{problem}");
    assert!(problem.contains(&stage.upstream.url("/large")), "{problem}");
    holds(&folder, &stage.upstream, &[WHEEL]);

    // An answer without a body, on a disk that is filled to the last byte.
    let filler = at.join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|count| count > 0) {}
    drop(file);
    stage.upstream.serve("/empty", Reply::file(""));
    // Its record needs more than what is left of the manifest's last page.
    let empty = format!("/empty?{}", "x".repeat(5_000));
    let got = get(&mirror, &stage.file(&empty)).await;
    assert_eq!(got.status, 507);
    assert!(got.text().contains("No space left"), "{}", got.text());
    holds(&folder, &stage.upstream, &[WHEEL]);

    std::fs::remove_file(filler).expect("removed");
    stage.upstream.serve("/large", Reply::file(noise(100_000)));
    assert_eq!(get(&mirror, &stage.file("/large")).await.good().0, 200);
    assert_eq!(get(&mirror, &stage.file(&empty)).await.good().0, 200);
    holds(&folder, &stage.upstream, &[&empty, "/large", WHEEL]);
}
