//! Connections, and a small HTTP/1 client over them, on hyper: Unix and TCP sockets, TLS, ssh. All that is said to an
//! engine goes through here, bollard's requests included; so do the registry's manifests and the probe of a started image.
//! Not for: where an engine is (see [`super::endpoint`]), nor anything on a public network.

mod ssh;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub use ssh::Ssh;
pub use tls::{Material, Part, Tls};

use crate::units::with_causes;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long a whole answer may take where it is small.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
    /// `host:port`, and how TLS is spoken there.
    Tls(String, Tls),
    /// A docker client on another machine, which connects to the engine there.
    Ssh(Ssh),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
            Self::Ssh(ssh) => ssh.fmt(f),
        }
    }
}

/// What can go wrong in a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// The address.
        address: Address,
        /// The cause.
        source: std::io::Error,
    },
    /// The connection broke, or the answer was no HTTP.
    #[error("{address}: {}", with_causes(source))]
    Exchange {
        /// The address.
        address: Address,
        /// The cause.
        source: hyper::Error,
    },
    /// The request could not be formed.
    #[error("forming a request: {0}")]
    Request(#[from] hyper::http::Error),
}

/// A request's body.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// An empty body.
#[must_use]
pub fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed()
}

/// A connection to a server, whatever it goes through.
pub type Connection = Box<dyn Stream>;

/// What a connection can do.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes a connection. The one place that does. Whether ssh gets through shows only with the first answer.
///
/// # Errors
/// If none can be made within 5 s.
pub async fn connect(address: &Address) -> Result<Connection, HttpError> {
    let connecting = async {
        Ok::<Connection, std::io::Error>(match address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp(to) => Box::new(tcp(to).await?),
            Address::Tls(to, tls) => Box::new(tls.wrap(to, tcp(to).await?).await?),
            Address::Ssh(ssh) => Box::new(ssh.connect()?),
        })
    };
    let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 5 s");
    let connected = tokio::time::timeout(CONNECT_LIMIT, connecting).await.map_err(late);
    connected.flatten().map_err(|source| HttpError::Connect {
        address: address.clone(),
        source,
    })
}

async fn tcp(to: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends one request on a connection of its own; the answer's body is still to be read.
///
/// # Errors
/// If no connection can be made or it breaks before the answer's head.
pub async fn send<B>(address: &Address, request: Request<B>) -> Result<Response<Incoming>, HttpError>
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let failed = |source| HttpError::Exchange {
        address: address.clone(),
        source,
    };
    let stream = connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // The connection ends by itself when the answer has been read or dropped; its error reaches us as the body's.
    let mut driving = tokio::spawn(connection.with_upgrades());
    let mut answering = std::pin::pin!(sender.send_request(request));
    let (answer, ended) = tokio::select! {
        biased;
        answer = &mut answering => (Some(answer), None),
        ended = &mut driving => (None, Some(ended)),
    };
    // A request that is handed over while the connection ends may stay with the sender, and nobody ever answers it.
    drop(sender);
    let answer = match answer {
        Some(answer) => answer,
        None => answering.await,
    };
    match answer {
        // It broke before there was a request to fail: only the connection knows why.
        Err(error) if error.is_canceled() => {
            let ended = match ended {
                Some(ended) => ended,
                None => driving.await,
            };
            let broken = ended.ok().and_then(Result::err);
            Err(failed(broken.unwrap_or(error)))
        }
        answer => answer.map_err(failed),
    }
}

/// Gets a path and reads the whole answer.
///
/// # Errors
/// If the request fails before the answer is complete. A status of 400 and above is no error here.
pub async fn get(address: &Address, path: &str, accept: &str) -> Result<(StatusCode, Bytes), HttpError> {
    let late = |_| {
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 30 s");
        HttpError::Connect {
            address: address.clone(),
            source,
        }
    };
    tokio::time::timeout(ANSWER_LIMIT, get_whole(address, path, accept))
        .await
        .map_err(late)?
}

async fn get_whole(address: &Address, path: &str, accept: &str) -> Result<(StatusCode, Bytes), HttpError> {
    let request = Request::get(path)
        .header("Host", "localhost")
        .header("Accept", accept)
        .body(empty())?;
    let response = send(address, request).await?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|source| HttpError::Exchange {
            address: address.clone(),
            source,
        })?;
    Ok((status, body.to_bytes()))
}

/// Splits an answer's body into lines as they arrive.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The lines of a body.
    #[must_use]
    pub fn new(body: Incoming) -> Self {
        Self {
            body,
            buffer: Vec::new(),
            ended: false,
        }
    }

    /// The next non-empty line without its end; `None` at the end.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, hyper::Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.truncate(line.trim_ascii_end().len());
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.ended {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.trim_ascii().is_empty()).then_some(rest));
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Some(data) = frame?.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A proxy of a port at which nothing listens yet does that.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_server_that_hangs_up_at_once_is_no_reason_to_wait() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = Address::Tcp(listener.local_addr().expect("an address").to_string());
        let hanging_up = tokio::spawn(async move {
            for number in 0.. {
                let Ok((connection, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(number * 50 % 3000)).await;
                    drop(connection);
                });
            }
        });
        let asking = (0..8).map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                for _ in 0..500 {
                    let began = Instant::now();
                    get(&address, "/", "*/*").await.expect_err("nobody answers");
                    assert!(began.elapsed() < ANSWER_LIMIT / 2, "{:?}", began.elapsed());
                }
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            asked.await.expect("no request hangs");
        }
        hanging_up.abort();
    }
}
