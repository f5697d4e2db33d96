//! Requests that no good client makes, and tunnels.

use bakeoff::mirror::{Kind, Origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stage::{Stage, WHEEL, get, raw, transfer, wheel};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_leaves_the_recording() {
    let stage = Stage::new().await;
    drop(stage.record().await);
    let mirror = stage.replay().await;
    let long = "a".repeat(9_000);
    let up = "../".repeat(12);
    for path in [
        "/files/https/../../etc/passwd".to_owned(),
        format!("/files/https/{up}etc/passwd"),
        "/files/https/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/files/file/etc/passwd".to_owned(),
        "/files/file//etc/passwd".to_owned(),
        "/files/file/localhost/etc/passwd".to_owned(),
        "/files/https/".to_owned(),
        "/files/https".to_owned(),
        "/files/".to_owned(),
        "/files/https/a%00b/x".to_owned(),
        "/files/https/host/a%00b".to_owned(),
        "/simple/../../x/".to_owned(),
        "/simple/%2e%2e/".to_owned(),
        "/simple/..%2f..%2fetc%2fpasswd/".to_owned(),
        "/simple/a%00b/".to_owned(),
        "/simple//".to_owned(),
        "/simple//elsewhere.invalid/".to_owned(),
        "/simple/".to_owned(),
        format!("/simple/{long}/"),
        format!("/files/https/host/{long}"),
        format!("/synthetic/{up}etc/passwd"),
        "/synthetic/%2e%2e%2fpasswd".to_owned(),
        format!("/{up}etc/passwd"),
        "/".to_owned(),
        "*".to_owned(),
        "//etc/passwd".to_owned(),
    ] {
        let answer = raw(
            &mirror,
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .await;
        let status = answer.get(9..12).unwrap_or_default();
        assert!(matches!(status, "400" | "403" | "404"), "{path:.80}: {answer:.300}");
        assert!(!answer.contains("root:"), "{path:.80}");
        assert!(answer.len() < 20_000, "{path:.80}: {} bytes", answer.len());
    }
    for request in [
        &b"GET /simple/a\0b/ HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET /files/https/h/\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let answer = raw(&mirror, request).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    // It is still there, and has told of what was refused.
    assert_eq!(get(&mirror, "/simple/Foo_Bar/").await.status, 301);
    let mut told = mirror.transfers().await;
    // Some are sent to the right spelling first.
    told.retain(|seen| seen.status != 301);
    assert!(
        told.len() > 20
            && told
                .iter()
                .all(|seen| seen.origin == Origin::Refused && seen.problem.is_some())
    );
    stage.holds(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_climb_are_taken_as_names_while_recording() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let climbing = format!("/files/http/{}/x/../../../..{WHEEL}", stage.upstream.address);
    let answer = raw(
        &mirror,
        format!("GET {climbing} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
    // One thing has one key, however it was spelt.
    stage.holds(&[WHEEL]);
    let left: Vec<_> = std::fs::read_dir(stage.folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_things_upstream_is_refused() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let path = stage.file(WHEEL);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc");
        let answer = raw(&mirror, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        let seen = transfer(&mirror).await;
        assert_eq!((seen.status, seen.origin), (405, Origin::Refused));
    }
    assert!(stage.upstream.seen().is_empty());
    stage.holds(&[]);
}

/// A server that sends back what it gets, in capitals, and hangs up roughly if it is told to.
async fn shouting() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut text).await {
                let loud = text[..count].to_ascii_uppercase();
                let _ = stream.write_all(&loud).await;
            }
        }
    });
    address
}

/// Opens a tunnel and returns it with the answer's head.
async fn connect(mirror: &bakeoff::mirror::Mirror, to: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(mirror.address()).await.expect("a connection");
    let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    (stream, String::from_utf8(head).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_passes_while_recording_and_is_counted() {
    let stage = Stage::new().await;
    let to = shouting().await.to_string();
    let mirror = stage.record().await;
    let (mut tunnel, head) = connect(&mirror, &to).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    tunnel.write_all(b"hello").await.expect("sent");
    let mut answer = [0; 5];
    tunnel.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HELLO");
    drop(tunnel);
    let seen = transfer(&mirror).await;
    assert_eq!(
        (seen.kind, seen.origin, seen.name.as_str()),
        (Kind::Tunnel, Origin::Upstream, to.as_str())
    );
    // What went up is no download.
    assert_eq!((seen.bytes.0, seen.problem), (5, None));
    stage.holds(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_breaks_off_is_counted_too() {
    let stage = Stage::new().await;
    let to = shouting().await.to_string();
    let mirror = stage.record().await;
    let (mut tunnel, _) = connect(&mirror, &to).await;
    tunnel.write_all(b"hello").await.expect("sent");
    tunnel.readable().await.expect("an answer");
    // Closing with an answer unread resets the connection, as clients do that have what they wanted.
    drop(tunnel);
    let seen = transfer(&mirror).await;
    assert_eq!(seen.bytes.0, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_nobody_closes_is_counted_when_its_build_is_over() {
    let stage = Stage::new().await;
    let to = shouting().await.to_string();
    let mirror = stage.record().await;
    let (mut tunnel, _) = connect(&mirror, &to).await;
    tunnel.write_all(b"hello").await.expect("sent");
    tunnel.readable().await.expect("an answer");
    let seen = transfer(&mirror).await;
    assert_eq!((seen.kind, seen.bytes.0), (Kind::Tunnel, 5));
    // And it is closed.
    let mut rest = Vec::new();
    tunnel.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(rest, b"HELLO");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_refused_in_replay() {
    let stage = Stage::new().await;
    let to = shouting().await.to_string();
    drop(stage.record().await);
    let mirror = stage.replay().await;
    let (_tunnel, head) = connect(&mirror, &to).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let seen = transfer(&mirror).await;
    assert_eq!(
        (seen.kind, seen.origin, &seen.name),
        (Kind::Tunnel, Origin::Refused, &to)
    );
    assert!(seen.problem.is_some_and(|problem| problem.contains(&to)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_to_nowhere_is_told_of() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    for to in ["127.0.0.1:1", "nowhere.invalid:443"] {
        let (_tunnel, head) = connect(&mirror, to).await;
        assert!(head.starts_with("HTTP/1.1 502"), "{head}");
        let seen = transfer(&mirror).await;
        assert_eq!((seen.kind, seen.name.as_str(), seen.status), (Kind::Tunnel, to, 502));
        assert!(seen.problem.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_pages_can_be_had_through_itself() {
    let stage = Stage::new().await;
    let mirror = stage.record().await;
    let uri = format!("{}{}", mirror.origin(), stage.file(WHEEL));
    assert_eq!(get(&mirror, &uri).await.good(), (200, &wheel()[..]));
    stage.holds(&[WHEEL]);
}
