//! Bodies of answers: counted, shaped, and read from files in pieces.

use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use super::fetch::{Download, Stage};
use super::log::Ticket;
use super::shape::Shaper;

/// What is read from a file at once. With the three pieces that may wait, and one on its way, a reader holds 1.25 MB.
const PIECE: usize = 256 * 1024;

/// The body of an answer.
pub type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A body that is in memory.
pub fn whole(bytes: Bytes, ticket: Ticket, shaper: &Arc<Shaper>) -> Answer {
    if shaper.link().bits_per_second.is_none() {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        return Whole { bytes, ticket }.boxed_unsync();
    }
    let length = bytes.len() as u64;
    shaped(Box::pin(stream::iter([Ok(bytes)])), Some(length), ticket, shaper)
}

/// A part of a file.
pub fn file(path: PathBuf, from: u64, length: u64, ticket: Ticket, shaper: &Arc<Shaper>) -> Answer {
    let (sender, receiver) = mpsc::channel(3);
    tokio::task::spawn_blocking(move || {
        let read = |sender: &mpsc::Sender<std::io::Result<Bytes>>| -> std::io::Result<()> {
            let mut file = std::fs::File::open(&path)?;
            file.seek(std::io::SeekFrom::Start(from))?;
            let mut left = length;
            while left > 0 {
                let piece = read_piece(&mut file, left)?;
                if piece.is_empty() {
                    let reason = format!("{} ends {left} bytes early", path.display());
                    return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, reason));
                }
                left -= piece.len() as u64;
                if sender.blocking_send(Ok(piece)).is_err() {
                    // The client has gone away.
                    break;
                }
            }
            Ok(())
        };
        if let Err(error) = read(&sender) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    shaped(Box::pin(pieces), Some(length), ticket, shaper)
}

fn read_piece(file: &mut std::fs::File, left: u64) -> std::io::Result<Bytes> {
    let mut piece = Vec::with_capacity(usize::try_from(left).unwrap_or(PIECE).min(PIECE));
    file.take(left.min(PIECE as u64)).read_to_end(&mut piece)?;
    Ok(Bytes::from(piece))
}

/// A file that is still being downloaded: what is there is sent while the rest comes.
pub fn growing(download: Download, length: Option<u64>, ticket: Ticket, shaper: &Arc<Shaper>) -> Answer {
    let begin = (download, None::<std::fs::File>, 0_u64);
    let pieces = stream::unfold(begin, |(mut download, mut file, mut at)| async move {
        loop {
            let stage = download.borrow_and_update().clone();
            let available = match &stage {
                Stage::Waiting => 0,
                Stage::Arriving { written, .. } => *written,
                Stage::Done { entry, .. } => entry.size,
                Stage::Failed(failure) => {
                    let error = std::io::Error::other(failure.reason.clone());
                    return Some((Err(error), (download, file, at)));
                }
            };
            if at < available {
                let opened = match file.take() {
                    Some(file) => Ok(file),
                    None => stage.open(),
                };
                let read = tokio::task::spawn_blocking(move || {
                    let mut file = opened?;
                    let piece = read_piece(&mut file, available - at)?;
                    Ok::<_, std::io::Error>((file, piece))
                });
                return match read.await.map_err(std::io::Error::other).and_then(|read| read) {
                    Ok((_, piece)) if piece.is_empty() => {
                        let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "a partial file ends early");
                        Some((Err(error), (download, None, at)))
                    }
                    Ok((read, piece)) => {
                        at += piece.len() as u64;
                        Some((Ok(piece), (download, Some(read), at)))
                    }
                    // Between our look and the opening it became whole and got its final name.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound && download.changed().await.is_ok() => {
                        file = None;
                        continue;
                    }
                    Err(error) => Some((Err(error), (download, None, at))),
                };
            }
            if matches!(stage, Stage::Done { .. }) {
                return None;
            }
            if download.changed().await.is_err() {
                let error = std::io::Error::other("the download was given up");
                return Some((Err(error), (download, file, at)));
            }
        }
    });
    shaped(Box::pin(pieces), length, ticket, shaper)
}

/// Sends pieces over the link and counts them.
fn shaped(pieces: Pieces, length: Option<u64>, ticket: Ticket, shaper: &Arc<Shaper>) -> Answer {
    let state = (pieces, Bytes::new(), ticket, Arc::clone(shaper));
    let frames = stream::unfold(state, move |(mut pieces, mut rest, mut ticket, shaper)| async move {
        if rest.is_empty() {
            match pieces.next().await {
                None => {
                    if length.is_none() {
                        ticket.ended();
                    }
                    return None;
                }
                Some(Ok(piece)) => rest = piece,
                Some(Err(error)) => {
                    ticket.broke(error.to_string());
                    // After an error nothing more is asked for.
                    return Some((Err(error), (pieces, rest, ticket, shaper)));
                }
            }
        }
        let part = rest.split_to(rest.len().min(shaper.chunk()));
        shaper.carry(part.len()).await;
        ticket.sent(part.len());
        Some((Ok(Frame::data(part)), (pieces, rest, ticket, shaper)))
    });
    Sized {
        body: StreamBody::new(Box::pin(frames)),
        length,
    }
    .boxed_unsync()
}

/// A body in memory over an unshaped link: the quickest way.
struct Whole {
    bytes: Option<Bytes>,
    ticket: Ticket,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let bytes = self.bytes.take();
        if let Some(bytes) = &bytes {
            self.ticket.sent(bytes.len());
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A stream whose length is known, so that the answer says it.
struct Sized<B> {
    body: B,
    length: Option<u64>,
}

impl<B: Body<Data = Bytes, Error = std::io::Error> + Unpin> Body for Sized<B> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(length)) = (&polled, &mut self.length) {
            let sent = frame.data_ref().map_or(0, Bytes::len) as u64;
            *length = length.saturating_sub(sent);
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
