//! The messages of BuildKit's file sync ("diffcopy"). bollard's generated ones hold names as text; here they are bytes,
//! as they are on disk, so that a name that is no UTF-8 travels as it does from the docker client.

use std::collections::BTreeMap;

use hyper::body::Bytes;

/// One message, in either direction.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Packet {
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    #[prost(message, optional, tag = "2")]
    pub stat: Option<Stat>,
    /// The place of the file among all that was told, from 0.
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    /// Tells a file or folder; without one, all have been told.
    Stat = 0,
    /// Asks for a file's content.
    Request = 1,
    /// A part of a file's content; an empty one ends it.
    Data = 2,
    /// The transfer is over; the other side answers with the same.
    Finish = 3,
    /// The transfer has failed.
    Error = 4,
}

/// A file or folder as it is told.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stat {
    /// Relative to the root.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// Permissions, and the kind of file in the bits of Go's `os.FileMode`.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    #[prost(uint32, tag = "3")]
    pub uid: u32,
    #[prost(uint32, tag = "4")]
    pub gid: u32,
    #[prost(int64, tag = "5")]
    pub size: i64,
    /// Nanoseconds since the Unix epoch.
    #[prost(int64, tag = "6")]
    pub modified: i64,
    /// A symbolic link's target, or the path that was told before of the same file.
    #[prost(bytes = "vec", tag = "7")]
    pub link: Vec<u8>,
    #[prost(int64, tag = "8")]
    pub device_major: i64,
    #[prost(int64, tag = "9")]
    pub device_minor: i64,
    #[prost(btree_map = "string, bytes", tag = "10")]
    pub attributes: BTreeMap<String, Vec<u8>>,
}

impl Packet {
    pub fn stat(stat: Option<Stat>) -> Self {
        Self {
            kind: Kind::Stat.into(),
            stat,
            ..Self::default()
        }
    }

    pub fn data(id: u32, data: Bytes) -> Self {
        Self {
            kind: Kind::Data.into(),
            id,
            data,
            ..Self::default()
        }
    }

    pub fn finish() -> Self {
        Self {
            kind: Kind::Finish.into(),
            ..Self::default()
        }
    }

    pub fn error(message: String) -> Self {
        Self {
            kind: Kind::Error.into(),
            data: message.into_bytes().into(),
            ..Self::default()
        }
    }
}
