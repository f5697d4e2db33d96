//! What the mirror tells of each request that it answered.

use std::net::IpAddr;

use crate::units::Bytes;

/// One request of a build and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Who asked: the address of the step's container.
    pub source: IpAddr,
    /// What was asked for.
    pub kind: Kind,
    /// Its name without any host: a project (`numpy`), a file (`numpy-2.2.5-cp313-cp313-linux_x86_64.whl`), the path of
    /// a proxied URL. Only a tunnel and a refused or failed request have the whole URL, since it is what must be mended.
    pub name: String,
    /// When the request arrived, in nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// When the last byte was handed over, or the client went away.
    pub ended_unix_ns: u64,
    /// Bytes of the body that were handed over; of a tunnel those that came down.
    pub bytes: Bytes,
    /// Where they came from.
    pub origin: Origin,
    /// Whether the same thing had been sent before in this trial.
    pub repeat: bool,
    /// The status of the answer.
    pub status: u16,
    /// Why it was refused or failed, in words that name the URL; `None` if all went well.
    pub problem: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A page of the package index.
    Index,
    /// A package's metadata file (PEP 658).
    Metadata,
    /// A wheel or a source distribution.
    File,
    /// Something else over plain HTTP, through the proxy: a distribution's packages, say.
    Proxied,
    /// A tunnel (`CONNECT`), whose content nobody sees.
    Tunnel,
}

/// Where the bytes of an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The recording.
    Recording,
    /// Upstream: it was recorded on the way, or it passed through, or it should have and upstream failed.
    Upstream,
    /// A generated package.
    Synthetic,
    /// Nowhere: the request was refused.
    Refused,
}
