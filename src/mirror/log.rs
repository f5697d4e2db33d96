//! The log of transfers: each request has a ticket, which tells of it when it is dropped, however that came about.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Kind, Origin, Transfer};
use crate::units::Bytes;

/// What has been transferred since somebody last asked.
#[derive(Debug, Default)]
pub struct Log {
    kept: Mutex<Kept>,
    open: AtomicUsize,
}

#[derive(Debug, Default)]
struct Kept {
    transfers: Vec<Transfer>,
    sent: HashSet<String>,
}

impl Log {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was sent: from now on nothing is a repeat.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    /// What has been transferred since the last call. Waits a little for transfers that are still open: a client that
    /// has just ended is noticed only when its connection is.
    pub async fn take(&self, patience: Duration) -> Vec<Transfer> {
        let waited = tokio::time::Instant::now();
        while self.open.load(Ordering::Acquire) > 0 && waited.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut transfers = std::mem::take(&mut self.kept().transfers);
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
}

impl Ticket {
    /// Begins with a request.
    pub fn new(log: &Arc<Log>, source: IpAddr, kind: Kind, name: &str, identity: String) -> Self {
        log.open.fetch_add(1, Ordering::AcqRel);
        let now = unix_now();
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
        }
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
        transfer.repeat = kept.sent.contains(&self.identity);
        if self.expected == Some(transfer.bytes.0) && transfer.problem.is_none() && transfer.bytes.0 > 0 {
            kept.sent.insert(std::mem::take(&mut self.identity));
        }
        kept.transfers.push(transfer);
        drop(kept);
        self.log.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
