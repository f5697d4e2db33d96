//! The log of transfers: each request has a ticket, which tells of it when it is dropped, however that came about.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::{Kind, Origin, Transfer};
use crate::units::Bytes;

/// How long tunnels may take to end once they are cut.
const CUT_LIMIT: Duration = Duration::from_millis(200);

/// What has been transferred since somebody last asked.
#[derive(Debug, Default)]
pub struct Log {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    transfers: Vec<Transfer>,
    sent: HashSet<String>,
    /// Counts the times that somebody took what there was: a request belongs to the one in which it was made, and what
    /// ends later is nobody's.
    generation: u64,
    /// Requests of this generation that are in progress.
    open: usize,
    /// Ends what of this generation would never end by itself.
    over: CancellationToken,
}

impl Kept {
    fn next(&mut self) {
        self.generation += 1;
        self.open = 0;
        self.over = CancellationToken::new();
    }
}

impl Log {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was sent: from now on nothing is a repeat.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.transfers.clear();
        kept.sent.clear();
        kept.next();
    }

    /// What has ended since the last call; what is open goes on being counted.
    pub fn drain(&self) -> Vec<Transfer> {
        std::mem::take(&mut self.kept().transfers)
    }

    /// What has been transferred since the last call. Waits a little for transfers that are still open: a client that
    /// has just ended is noticed only when its connection is. Tunnels that are open even then are cut, and told of; the rest
    /// never is.
    pub async fn take(&self, patience: Duration) -> Vec<Transfer> {
        let waited = tokio::time::Instant::now();
        while self.kept().open > 0 && waited.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let cut = tokio::time::Instant::now();
        self.kept().over.cancel();
        while self.kept().open > 0 && cut.elapsed() < CUT_LIMIT {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut kept = self.kept();
        kept.next();
        let mut transfers = std::mem::take(&mut kept.transfers);
        drop(kept);
        transfers.sort_by_key(|transfer| transfer.started_unix_ns);
        transfers
    }
}

/// A request in progress.
#[derive(Debug)]
pub struct Ticket {
    log: Arc<Log>,
    /// What it becomes.
    transfer: Transfer,
    /// What is remembered as sent once all of it was: a key of its own, since names may be the same.
    identity: String,
    /// How many bytes the body has; `None` if that is not known, or does not count.
    expected: Option<u64>,
    generation: u64,
    over: CancellationToken,
}

impl Ticket {
    /// Begins with a request.
    pub fn new(log: &Arc<Log>, source: IpAddr, kind: Kind, name: &str, identity: String) -> Self {
        let now = unix_now();
        let mut kept = log.kept();
        kept.open += 1;
        let (generation, over) = (kept.generation, kept.over.clone());
        drop(kept);
        Self {
            log: Arc::clone(log),
            transfer: Transfer {
                source,
                kind,
                name: name.to_owned(),
                started_unix_ns: now,
                ended_unix_ns: now,
                bytes: Bytes(0),
                origin: Origin::Recording,
                repeat: false,
                status: 200,
                problem: None,
            },
            identity,
            expected: None,
            generation,
            over,
        }
    }

    /// Is cancelled when what is asked for belongs to a build that is over.
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// What the answer is.
    pub fn answered(&mut self, status: u16, origin: Origin, expected: Option<u64>) {
        self.transfer.status = status;
        self.transfer.origin = origin;
        self.expected = expected;
    }

    /// The body has so many bytes.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = Some(bytes as u64);
    }

    /// The body, whose length nobody knew before, has come to its end.
    pub fn ended(&mut self) {
        if self.transfer.status != 206 {
            self.expected = Some(self.transfer.bytes.0);
        }
    }

    /// Only a part of it was asked for, or nothing of it is needed: that is no sending of the whole.
    pub fn status(&mut self, status: u16) {
        self.transfer.status = status;
        self.expected = None;
    }

    /// The request was refused or failed; the name becomes the whole of what was asked for.
    pub fn failed(&mut self, status: u16, origin: Origin, url: &str, problem: String) {
        self.transfer.status = status;
        self.transfer.origin = origin;
        url.clone_into(&mut self.transfer.name);
        self.transfer.problem = Some(problem);
        self.expected = None;
    }

    /// Something went wrong while the body was sent.
    pub fn broke(&mut self, problem: String) {
        self.transfer.problem = Some(problem);
    }

    /// So many bytes more.
    pub fn sent(&mut self, bytes: usize) {
        self.transfer.bytes.0 += bytes as u64;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut transfer = self.transfer.clone();
        transfer.ended_unix_ns = unix_now();
        let mut kept = self.log.kept();
        if kept.generation != self.generation {
            return;
        }
        kept.open -= 1;
        transfer.repeat = kept.sent.contains(&self.identity);
        if self.expected == Some(transfer.bytes.0) && transfer.problem.is_none() && transfer.bytes.0 > 0 {
            kept.sent.insert(std::mem::take(&mut self.identity));
        }
        kept.transfers.push(transfer);
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(log: &Arc<Log>, name: &str) -> Ticket {
        Ticket::new(log, IpAddr::from([127, 0, 0, 1]), Kind::File, name, name.to_owned())
    }

    async fn names(log: &Log) -> Vec<String> {
        let taken = log.take(Duration::ZERO).await;
        taken.into_iter().map(|transfer| transfer.name).collect()
    }

    #[tokio::test]
    async fn what_ends_after_it_was_asked_for_belongs_to_nobody() {
        let log = Arc::new(Log::default());
        let late = ticket(&log, "late");
        drop(ticket(&log, "in time"));
        assert_eq!(names(&log).await, ["in time"]);
        let next = ticket(&log, "next");
        drop(late);
        drop(next);
        assert_eq!(names(&log).await, ["next"]);
        let before = ticket(&log, "before a new trial");
        log.clear();
        drop(before);
        assert!(names(&log).await.is_empty());
    }
}
