//! Sends a folder by BuildKit's file sync: tells every file and folder, and then, in the same stream, the content of those
//! that the builder asks for. It does what fsutil's sender does, which is the docker client's. Not for: which files are
//! told (that is the tree's).

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::Stream;
use hyper::body::Bytes;
use prost::Message as _;
use rustix::fs::OFlags;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::Sent;
use super::stat::has_content;
use super::tree::{Tree, WalkError, Wanted};
use super::wire::{Kind, Packet};

/// A file's content travels in parts of this size: nothing is ever held whole.
const CHUNK: usize = 32 * 1024;
/// Messages that may wait to be sent.
const QUEUE: usize = 64;
/// Threads that read content. More than one, so that the disk is read while the connection is written.
const READERS: usize = 2;

/// The way back to the builder, and how much has gone there.
#[derive(Clone)]
struct Answers {
    packets: mpsc::Sender<Result<Packet, Status>>,
    sent: Sent,
}

/// Nobody listens any more.
struct Gone;

impl Answers {
    /// Sends from a thread that may wait.
    fn send_blocking(&self, packet: Packet) -> Result<(), Gone> {
        let length = packet.encoded_len();
        self.packets.blocking_send(Ok(packet)).map_err(|_| Gone)?;
        self.sent.add(length);
        Ok(())
    }

    /// Ends the transfer with an error. If nobody listens, they know already.
    fn fail_blocking(&self, message: String) {
        let _ = self.send_blocking(Packet::error(message.clone()));
        let _ = self.packets.blocking_send(Err(Status::unknown(message)));
    }

    async fn send(&self, packet: Packet) {
        let length = packet.encoded_len();
        if self.packets.send(Ok(packet)).await.is_ok() {
            self.sent.add(length);
        }
    }

    /// Ends the transfer with an error, which is no good end.
    async fn fail(&self, message: String) -> bool {
        let _ = self.packets.send(Err(Status::unknown(message))).await;
        false
    }
}

/// The files that may be asked for, by their place among all that was told.
type Files = Arc<Mutex<Vec<Option<Box<Path>>>>>;

/// Starts a transfer; it ends when the builder has what it wants, which `finished` is told, or hangs up.
pub(super) fn send<F: FnOnce() + Send + 'static>(
    root: PathBuf,
    wanted: Wanted,
    asked: Streaming<Packet>,
    sent: Sent,
    finished: F,
) -> impl Stream<Item = Result<Packet, Status>> + use<F> {
    let (packets, stream) = mpsc::channel(QUEUE);
    let answers = Answers { packets, sent };
    tokio::spawn(async move {
        if serve(root, wanted, asked, answers).await {
            finished();
        }
    });
    futures_util::stream::unfold(stream, |mut stream| async move {
        let next = stream.recv().await?;
        Some((next, stream))
    })
}

/// Whether the transfer went to its end.
async fn serve(root: PathBuf, wanted: Wanted, asked: Streaming<Packet>, answers: Answers) -> bool {
    let made = tokio::task::spawn_blocking(move || Tree::new(&root, &wanted)).await;
    let tree = match made {
        Ok(Ok(tree)) => Arc::new(tree),
        Ok(Err(error)) => return answers.fail(error.to_string()).await,
        Err(error) => return answers.fail(error.to_string()).await,
    };
    let files = Files::default();
    let (wishes, queue) = mpsc::unbounded_channel::<(u32, Box<Path>)>();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..READERS {
        let (tree, queue, answers) = (Arc::clone(&tree), Arc::clone(&queue), answers.clone());
        tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; CHUNK];
            while let Some((id, path)) = next_wish(&queue) {
                if send_content(&tree.full(&path), id, &mut buffer, &answers).is_err() {
                    return;
                }
            }
        });
    }
    let (known, told) = (Arc::clone(&files), answers.clone());
    tokio::task::spawn_blocking(move || tell_all(&tree, &known, &told));
    listen(asked, &files, &wishes, &answers).await
}

/// Tells the whole tree. The builder may ask for the first files before the last ones are told.
fn tell_all(tree: &Tree, files: &Files, answers: &Answers) {
    let walked = tree.walk(&mut |stat| {
        let path = has_content(stat.mode).then(|| {
            use std::os::unix::ffi::OsStrExt as _;
            Box::from(Path::new(std::ffi::OsStr::from_bytes(&stat.path)))
        });
        files.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        let told = answers.send_blocking(Packet::stat(Some(stat)));
        told.map_err(|Gone| WalkError::Gone)
    });
    match walked {
        // That nobody listens is known by then.
        Ok(()) => drop(answers.send_blocking(Packet::stat(None))),
        Err(WalkError::Gone) => {}
        Err(error) => answers.fail_blocking(error.to_string()),
    }
}

/// Takes what the builder says until it has all (then it's true), or hangs up. That ends the readers too.
async fn listen(
    mut asked: Streaming<Packet>,
    files: &Files,
    wishes: &mpsc::UnboundedSender<(u32, Box<Path>)>,
    answers: &Answers,
) -> bool {
    while let Ok(Some(packet)) = asked.message().await {
        match Kind::try_from(packet.kind) {
            Ok(Kind::Request) => {
                let wish = files
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_mut(packet.id as usize)
                    .and_then(Option::take);
                let Some(path) = wish else {
                    return answers.fail(format!("invalid file id {}", packet.id)).await;
                };
                // Nobody reads any more only if the connection is gone.
                let _ = wishes.send((packet.id, path));
            }
            Ok(Kind::Finish) => {
                answers.send(Packet::finish()).await;
                return true;
            }
            Ok(Kind::Error) => {
                let said = String::from_utf8_lossy(&packet.data);
                return answers.fail(format!("error from receiver: {said}")).await;
            }
            Ok(Kind::Stat | Kind::Data) | Err(_) => {}
        }
    }
    false
}

fn next_wish(queue: &Mutex<mpsc::UnboundedReceiver<(u32, Box<Path>)>>) -> Option<(u32, Box<Path>)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

/// Sends a file's content as it is now. One that has vanished since it was told, or can't be opened, arrives empty, and
/// one that changes arrives as it was read: so it is with the docker client.
fn send_content(path: &Path, id: u32, buffer: &mut [u8], answers: &Answers) -> Result<(), Gone> {
    // What was a file may be a pipe by now, whose opening would wait for ever.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    if let Ok(mut file) = File::options().read(true).custom_flags(flags).open(path) {
        loop {
            match file.read(buffer) {
                Ok(0) => break,
                Ok(length) => answers.send_blocking(Packet::data(id, Bytes::copy_from_slice(&buffer[..length])))?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    answers.fail_blocking(format!("{}: {error}", path.display()));
                    return Err(Gone);
                }
            }
        }
    }
    answers.send_blocking(Packet::data(id, Bytes::new()))
}
