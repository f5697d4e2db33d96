//! Tunnels (`CONNECT`): nobody sees what goes through, so nothing can be recorded. In record they pass and are counted; in
//! replay they are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::io::InspectReader;

use super::body::Answer;
use super::log::Ticket;
use super::reply::{nothing, plain, refused};
use super::server::Shared;
use super::{Mode, Origin};

/// How long the connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    ticket: &impl Fn(&str) -> Ticket,
) -> Response<Answer> {
    let to = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let mut ticket = ticket(&to);
    if shared.mode == Mode::Replay {
        let problem = format!("CONNECT {to}: what goes through a tunnel can't be replayed");
        return refused(ticket, StatusCode::FORBIDDEN, &to, problem);
    }
    let connecting = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(&to)).await;
    let upstream = match connecting.map_err(|_| "no answer within 15 s".to_owned()) {
        Ok(Ok(upstream)) => upstream,
        Ok(Err(error)) => return unreachable(ticket, &to, &error.to_string(), shared),
        Err(late) => return unreachable(ticket, &to, &late, shared),
    };
    ticket.answered(200, Origin::Upstream, None);
    let (ended, over) = (shared.ended.clone(), ticket.over());
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let mut client = TokioIo::new(upgraded);
            // What goes up is no download.
            let down = AtomicUsize::new(0);
            let mut upstream = InspectReader::new(upstream, |bytes: &[u8]| {
                down.fetch_add(bytes.len(), Ordering::Relaxed);
            });
            // How a tunnel ends is its ends' affair. One that breaks off has carried what it has.
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
                () = ended.cancelled() => {}
                // The build is over, and the other side does not notice.
                () = over.cancelled() => {}
            }
            ticket.sent(down.load(Ordering::Relaxed));
        }
    });
    Response::new(nothing())
}

fn unreachable(mut ticket: Ticket, to: &str, reason: &str, shared: &Shared) -> Response<Answer> {
    let problem = format!("CONNECT {to}: {reason}");
    ticket.failed(502, Origin::Upstream, to, problem.clone());
    plain(502, format!("bakeoff mirror: {problem}\n"), ticket, &shared.shaper)
}
