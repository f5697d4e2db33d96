//! The service that a builder asks for folders: which folder, and which of its files, stands in the request's metadata.
//! Not for: sending them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use hyper::body::Incoming;
use percent_encoding::percent_decode;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::tree::Wanted;
use super::wire::Packet;
use super::{Sent, Taken, diffcopy};
use crate::engine::Source;

/// The folders that a builder may ask for, by name.
#[derive(Debug)]
pub(super) struct FileSync {
    pub folders: BTreeMap<&'static str, PathBuf>,
    pub shared_key: String,
    /// What has been taken to the end.
    pub taken: Taken,
    /// How much has been sent.
    pub sent: Sent,
}

impl FileSync {
    /// The service's name. bollard generates a server for it, but with messages that hold names as text.
    pub const NAME: &str = "moby.filesync.v1.FileSync";

    pub async fn answer(self: Arc<Self>, request: hyper::Request<Incoming>) -> hyper::Response<Body> {
        if request.uri().path().ends_with("/DiffCopy") {
            Grpc::new(ProstCodec::default())
                .streaming(DiffCopy(self), request)
                .await
        } else {
            Status::unimplemented("only DiffCopy is spoken").into_http()
        }
    }
}

struct DiffCopy(Arc<FileSync>);

impl StreamingService<Packet> for DiffCopy {
    type Response = Packet;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Packet>>) -> Self::Future {
        let files = Arc::clone(&self.0);
        Box::pin(async move {
            let metadata = request.metadata();
            let name = values(metadata, "dir-name").into_iter().next().unwrap_or_default();
            let Some(folder) = files.folders.get(name.as_str()) else {
                return Err(Status::not_found(format!("no access allowed to dir {name:?}")));
            };
            let wanted = Wanted {
                include: values(metadata, "include-patterns"),
                exclude: values(metadata, "exclude-patterns"),
                follow: metadata
                    .contains_key("followpaths")
                    .then(|| values(metadata, "followpaths")),
            };
            // The Dockerfile frontend asks for the ignore file before the context, and keeps that apart.
            let is_ignore_file = wanted.follow.as_ref().is_some_and(|paths| paths == &[".dockerignore"]);
            let source = Source {
                key: format!("{} {is_ignore_file}", files.shared_key),
                folder: name,
            };
            let taken = files.taken.clone();
            let finished = move || taken.note(source);
            let sent = files.sent.clone();
            let stream = diffcopy::send(folder.clone(), wanted, request.into_inner(), sent, finished);
            Ok(Response::new(Box::pin(stream) as Self::ResponseStream))
        })
    }
}

/// The values of a key. Newer engines encode those that hold more than ASCII, and say so under another key.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let is_encoded = metadata
        .get(format!("{key}-encoded"))
        .is_some_and(|flag| matches!(flag.as_bytes(), b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True"));
    let all = metadata.get_all(key);
    all.iter()
        .map(|value| {
            if is_encoded {
                let spaced: Vec<u8> = value
                    .as_bytes()
                    .iter()
                    .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                    .collect();
                percent_decode(&spaced).decode_utf8_lossy().into_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_and_plain_values_are_understood() {
        let mut metadata = MetadataMap::new();
        for value in ["a+b", "%2A.py"] {
            metadata.append("exclude-patterns", value.parse().expect("ASCII"));
            metadata.append("followpaths", value.parse().expect("ASCII"));
        }
        metadata.insert("followpaths-encoded", "1".parse().expect("ASCII"));
        assert_eq!(values(&metadata, "exclude-patterns"), ["a+b", "%2A.py"]);
        assert_eq!(values(&metadata, "followpaths"), ["a b", "*.py"]);
        assert!(values(&metadata, "include-patterns").is_empty());
    }
}
