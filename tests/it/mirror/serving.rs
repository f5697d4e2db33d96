//! What clients get when all is well, recorded and replayed.

use std::io::Read as _;
use std::time::{Duration, Instant};

use bakeoff::mirror::{Kind, Origin};
use hyper::Method;

use super::stage::{JSON, METADATA, Stage, WHEEL, ask, get, head, noise, transfer, wheel, with};
use super::upstream::{Length, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_replayed_byte_for_byte_and_upstream_is_not_asked() {
    let stage = Stage::new().await;
    stage.upstream.serve("/empty", Reply::file(""));
    let metadata = format!("{WHEEL}.metadata");
    let mirror = stage.record().await;
    let mut asked = vec!["/simple/foo-bar/".to_owned(), "/simple/none/".to_owned()];
    asked.extend([WHEEL, &metadata, "/absent.whl", "/empty"].map(|path| stage.file(path)));
    let mut recorded = Vec::new();
    for path in &asked {
        recorded.push(with(&mirror, path, &[("accept", JSON)]).await);
    }
    let origin = mirror.origin();
    drop(mirror);
    let seen = stage.upstream.seen();
    assert_eq!(seen.len(), asked.len(), "{seen:?}");

    let mirror = stage.replay().await;
    for (path, first) in asked.iter().zip(&recorded) {
        let got = with(&mirror, path, &[("accept", JSON)]).await;
        assert_eq!(got.good().0, first.good().0, "{path}");
        assert_eq!(got.text().replace(&mirror.origin(), &origin), first.text(), "{path}");
        for kept in ["content-type", "cache-control", "last-modified"] {
            assert_eq!(got.header(kept), first.header(kept), "{kept} of {path}");
        }
    }
    assert_eq!(stage.upstream.seen(), seen);
    let statuses: Vec<_> = recorded.iter().map(|got| got.status).collect();
    assert_eq!(statuses, [200, 404, 200, 200, 404, 200]);
    assert_eq!(recorded[2].body, wheel());
    assert_eq!(recorded[3].body, METADATA);
    assert_eq!(recorded[2].header("cache-control"), "max-age=60, immutable");
    stage.holds(&[
        "/absent.whl",
        "/empty",
        WHEEL,
        &metadata,
        "/simple/foo-bar/",
        "/simple/none/",
    ]);
    let refused = get(&mirror, "/simple/other/").await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("/simple/other/ is not in the recording"),
        "{}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_page_comes_in_the_form_that_the_client_likes_with_links_that_lead_here() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let page = |accept: &'static str| {
        let mirror = &mirror;
        async move { with(mirror, "/simple/foo-bar/", &[("accept", accept)]).await }
    };
    let link = format!("{}{}", mirror.origin(), stage.file(WHEEL));
    for accept in [JSON, "application/vnd.pypi.simple.v1+json, text/html;q=0.01"] {
        let got = page(accept).await;
        assert_eq!(got.header("content-type"), JSON);
        assert_eq!(got.header("cache-control"), "max-age=600");
        let json: serde_json::Value = serde_json::from_slice(got.good().1).expect("JSON");
        assert_eq!(json["files"][0]["url"], link);
    }
    for accept in [
        "text/html",
        "*/*",
        "application/vnd.pypi.simple.v1+json;q=0.1, text/html",
    ] {
        let got = page(accept).await;
        assert!(got.header("content-type").starts_with("text/html"), "{accept}");
        assert!(got.text().contains(&link), "{}", got.text());
        assert!(!got.text().contains(&stage.upstream.url("")), "{}", got.text());
    }
    assert_eq!(stage.upstream.seen().len(), 1);

    let plain = page(JSON).await;
    let headers = [("accept", JSON), ("accept-encoding", "gzip, deflate")];
    let zipped = with(&mirror, "/simple/foo-bar/", &headers).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(zipped.good().1)
        .read_to_end(&mut unzipped)
        .expect("gzip");
    assert_eq!(unzipped, plain.body);
    assert_ne!(zipped.header("etag"), plain.header("etag"));
    for got in [&plain, &zipped] {
        assert!(got.header("vary").contains("accept"), "{:?}", got.headers);
    }

    let known = plain.header("etag");
    let again = with(
        &mirror,
        "/simple/foo-bar/",
        &[("accept", JSON), ("if-none-match", known)],
    )
    .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), known);
    let head = ask(mirror.address(), Method::HEAD, "/simple/foo-bar/", &[("accept", JSON)]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), plain.body.len().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_html_is_understood_and_its_relative_links_are_resolved() {
    let stage = Stage::new().await;
    let page = "<!DOCTYPE html><a href=\"../../packages/foo_bar-1.0-py3-none-any.whl#sha256=x\">foo_bar-1.0-py3-none-any.whl</a>";
    stage
        .upstream
        .serve("/simple/foo-bar/", Reply::new(200, "text/html; charset=utf-8", page));
    let mirror = stage.record().await;
    let got = with(&mirror, "/simple/foo-bar/", &[("accept", JSON)]).await;
    let json: serde_json::Value = serde_json::from_slice(got.good().1).expect("JSON");
    assert_eq!(
        json["files"][0]["url"],
        format!("{}{}", mirror.origin(), stage.file(WHEEL))
    );
    assert_eq!(get(&mirror, &stage.file(WHEEL)).await.good(), (200, &wheel()[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_links_are_resolved_where_a_redirect_led() {
    let stage = Stage::new().await;
    let moved = Reply::new(301, "text/plain", "").with("location", "/mirrors/one/simple/foo-bar/");
    stage.upstream.serve("/simple/foo-bar/", moved);
    let page = "<a href=\"../../files/foo_bar-1.0-py3-none-any.whl\">foo_bar-1.0-py3-none-any.whl</a>";
    stage
        .upstream
        .serve("/mirrors/one/simple/foo-bar/", Reply::new(200, "text/html", page));
    for mirror in [stage.record().await, stage.replay().await] {
        let got = get(&mirror, "/simple/foo-bar/").await;
        let expected = stage.file("/mirrors/one/files/foo_bar-1.0-py3-none-any.whl");
        assert!(got.text().contains(&expected), "{}", got.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_a_project_lead_to_its_page() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    for (asked, location) in [
        ("/simple/Foo_Bar/", "/simple/foo-bar/"),
        ("/simple/foo-bar", "/simple/foo-bar/"),
        ("/simple/foo.BAR/", "/simple/foo-bar/"),
    ] {
        let got = get(&mirror, asked).await;
        assert_eq!((got.status, got.header("location")), (301, location), "{asked}");
    }
    let seen = stage.upstream.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_what_is_recorded_whole_can_be_had() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let path = stage.file(WHEEL);
    get(&mirror, &path).await;
    drop(mirror);
    let mirror = stage.replay().await;
    let all = wheel();
    let size = all.len();
    for (range, from, to) in [
        ("bytes=0-99", 0, 99),
        ("bytes=-16", size - 16, size - 1),
        ("bytes=599990-", 599_990, size - 1),
        ("bytes=100-9999999", 100, size - 1),
    ] {
        let got = with(&mirror, &path, &[("range", range)]).await;
        assert_eq!(got.good(), (206, &all[from..=to]), "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {from}-{to}/{size}"));
    }
    let beyond = with(&mirror, &path, &[("range", "bytes=600000-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */600000"));
    let nonsense = with(&mirror, &path, &[("range", "lines=1-2")]).await;
    assert_eq!(nonsense.good(), (200, &all[..]));
    let got = head(&mirror, &path).await;
    assert_eq!((got.status, got.header("content-length")), (200, "600000"));
    assert_eq!(got.header("accept-ranges"), "bytes");
    let tag = got.header("etag");
    let same = with(&mirror, &path, &[("if-none-match", tag)]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let other = with(&mirror, &path, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
    assert_eq!(other.good(), (200, &all[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_in_part_is_replayed_in_that_part_only() {
    let stage = Stage::new().await;
    let path = stage.file(WHEEL);
    let mut first = Vec::new();
    for mirror in [stage.record().await, stage.replay().await] {
        let got = with(&mirror, &path, &[("range", "bytes=10-19")]).await;
        assert_eq!(got.good(), (206, &wheel()[10..20]));
        assert_eq!(got.header("content-range"), "bytes 10-19/600000");
        let part = transfer(&mirror).await;
        assert_eq!((part.status, part.bytes.0), (206, 10));
        let got = head(&mirror, &path).await;
        assert_eq!(
            (got.status, got.header("content-length"), got.body.len()),
            (200, "600000", 0)
        );
        first.push(mirror);
    }
    let replay = &first[1];
    assert_eq!(get(replay, &path).await.status, 403);
    assert_eq!(with(replay, &path, &[("range", "bytes=0-9")]).await.status, 403);
    stage.holds(&[WHEEL, WHEEL]);
    // The whole makes every part available.
    assert_eq!(get(&first[0], &path).await.good(), (200, &wheel()[..]));
    assert_eq!(with(replay, &path, &[("range", "bytes=0-9")]).await.status, 206);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_http_proxy_records_and_replays() {
    let stage = Stage::new().await;
    stage.upstream.serve("/debian/Packages", Reply::file("Package: x\n"));
    let url = stage.upstream.url("/debian/Packages");
    for (mirror, origin) in [
        (stage.record().await, Origin::Upstream),
        (stage.replay().await, Origin::Recording),
    ] {
        assert_eq!(get(&mirror, &url).await.good(), (200, &b"Package: x\n"[..]));
        let seen = transfer(&mirror).await;
        assert_eq!((seen.kind, seen.origin), (Kind::Proxied, origin));
        assert_eq!(seen.name, "/debian/Packages");
        // Its own pages through itself, as of a client that ignores NO_PROXY.
        let own = format!("{}/simple/Foo_Bar/", mirror.origin());
        assert_eq!(get(&mirror, &own).await.status, 301);
    }
    assert_eq!(stage.upstream.seen(), ["GET /debian/Packages"]);
    stage.holds(&["/debian/Packages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_in_addresses_get_into_no_recording() {
    let stage = Stage::new().await;
    let host = stage.upstream.address.to_string();
    let with_password = format!("me:hunter2@{host}");
    let mirror = stage.record().await;
    let url = stage.upstream.url(WHEEL).replace(&host, &with_password);
    assert_eq!(get(&mirror, &url).await.status, 200);
    let path = stage.file(&format!("{WHEEL}.metadata")).replace(&host, &with_password);
    assert_eq!(get(&mirror, &path).await.status, 200);
    let told = format!("{:?}", mirror.transfers().await);
    assert!(!told.contains("hunter2"), "{told}");
    let manifest = std::fs::read_to_string(stage.recording_folder().join("manifest.jsonl")).expect("text");
    assert!(!manifest.contains("hunter2"), "{manifest}");
    // Without the password it is the same thing.
    assert_eq!(get(&stage.replay().await, &stage.file(WHEEL)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_told_of_once_with_what_came_of_it() {
    const FIRST: &[(&str, &str)] = &[("range", "bytes=0-9")];
    const SECOND: &[(&str, &str)] = &[("range", "bytes=10-29")];

    let stage = Stage::new().await;
    stage
        .upstream
        .serve("/chunked", Reply::file("12345678").length(Length::Untold));
    let mirror = stage.record().await;
    let page = with(&mirror, "/simple/foo-bar/", &[("accept", JSON)]).await;
    let seen = transfer(&mirror).await;
    assert_eq!(
        (seen.kind, seen.name.as_str(), seen.origin),
        (Kind::Index, "foo-bar", Origin::Upstream)
    );
    assert_eq!(
        (seen.status, seen.bytes.0, seen.repeat),
        (200, page.body.len() as u64, false)
    );
    assert!(seen.started_unix_ns <= seen.ended_unix_ns && seen.problem.is_none() && seen.source.is_loopback());

    let told = |path: String, headers: &'static [(&'static str, &'static str)]| {
        let mirror = &mirror;
        async move {
            with(mirror, &path, headers).await;
            let seen = transfer(mirror).await;
            (seen.kind, seen.origin, seen.bytes.0, seen.repeat)
        }
    };
    let file = |path: &str| stage.file(path);
    let metadata = told(file(&format!("{WHEEL}.metadata")), &[]).await;
    assert_eq!(
        metadata,
        (Kind::Metadata, Origin::Upstream, METADATA.len() as u64, false)
    );
    // Different parts are different things; only a whole that was sent before is a repeat.
    for origin in [Origin::Upstream, Origin::Recording] {
        assert_eq!(told(file(WHEEL), FIRST).await, (Kind::File, origin, 10, false));
        assert_eq!(told(file(WHEEL), SECOND).await, (Kind::File, origin, 20, false));
    }
    assert_eq!(
        told(file(WHEEL), &[]).await,
        (Kind::File, Origin::Upstream, 600_000, false)
    );
    assert_eq!(
        told(file(WHEEL), &[]).await,
        (Kind::File, Origin::Recording, 600_000, true)
    );
    assert_eq!(
        told(file("/chunked"), &[]).await,
        (Kind::File, Origin::Upstream, 8, false)
    );
    assert_eq!(
        told(file("/chunked"), &[]).await,
        (Kind::File, Origin::Recording, 8, true)
    );
    mirror.begin(bakeoff::units::Link::default());
    assert_eq!(
        told(file(WHEEL), &[]).await,
        (Kind::File, Origin::Recording, 600_000, false)
    );
    get(&mirror, &file(WHEEL)).await;
    mirror.begin(bakeoff::units::Link::default());
    assert_eq!(mirror.transfers().await, []);

    let replay = stage.replay().await;
    get(&replay, &file("/absent.whl")).await;
    let seen = transfer(&replay).await;
    let url = stage.upstream.url("/absent.whl");
    assert_eq!((seen.status, seen.origin, &seen.name), (403, Origin::Refused, &url));
    assert!(seen.problem.is_some_and(|problem| problem.contains(&url)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_link() {
    let stage = Stage::new().await;
    stage.upstream.serve("/500k", Reply::file(noise(500_000)));
    let mirror = stage.record().await;
    let path = stage.file("/500k");
    get(&mirror, &path).await;
    mirror.begin("20mbit".parse().expect("a link"));
    let began = Instant::now();
    let all = futures_util::future::join_all((0..8).map(|_| get(&mirror, &path))).await;
    let took = began.elapsed();
    assert!(all.iter().all(|got| got.good() == (200, &noise(500_000)[..])));
    // 32 million bits over 20 million a second.
    let expected = Duration::from_millis(1_500)..Duration::from_millis(2_500);
    assert!(expected.contains(&took), "{took:?}");
    assert_eq!(mirror.transfers().await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_ends_with_its_value_also_for_connections_that_are_open() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let mut stream = tokio::net::TcpStream::connect(mirror.address())
        .await
        .expect("a connection");
    let request = b"HEAD /simple/Foo_Bar/ HTTP/1.1\r\nhost: x\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request)
        .await
        .expect("sent");
    let mut first = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first)
        .await
        .expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 301");
    drop(mirror);
    let mut rest = Vec::new();
    let ends = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(5), ends).await;
    assert!(ended.is_ok(), "the connection is still open");
}
