//! What an image holds, file by file.

use std::collections::BTreeMap;
use std::io::Read as _;

use bakeoff::engine::Engine as _;
use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::http;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use sha2::{Digest as _, Sha256};

/// A file or folder: all that an image keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    kind: tar::EntryType,
    mode: u32,
    owner: (u64, u64),
    modified: u64,
    link: Vec<u8>,
    device: Option<(Option<u32>, Option<u32>)>,
    content: String,
    /// Extended attributes.
    attributes: BTreeMap<String, Vec<u8>>,
}

/// Everything in an image below `/TO/`, by path without that prefix.
pub async fn tree(engine: &DockerEngine, image: &str, to: &str) -> BTreeMap<Vec<u8>, Entry> {
    entries(&exported(engine, image).await, to)
}

/// An image's files as a tar file, from a container that is never started.
pub async fn exported(engine: &DockerEngine, image: &str) -> Vec<u8> {
    let body = serde_json::json!({ "Image": image, "Cmd": ["none"], "Labels": { "dev.bakeoff.run": "filesync-test" } });
    let body = Full::new(body.to_string().into_bytes().into()).map_err(|never| match never {});
    let create = Request::post("/containers/create")
        .header("Host", "docker")
        .header("Content-Type", "application/json")
        .body(body.boxed())
        .expect("a request");
    let created: serde_json::Value = serde_json::from_slice(&whole(engine, create).await).expect("JSON");
    let id = created["Id"].as_str().expect("an id").to_owned();
    let export = Request::get(format!("/containers/{id}/export"))
        .header("Host", "docker")
        .body(http::empty())
        .expect("a request");
    let packed = whole(engine, export).await;
    engine.remove_container(&id).await.expect("removed");
    packed
}

async fn whole(engine: &DockerEngine, request: Request<http::Body>) -> Vec<u8> {
    let response = http::send(engine.address(), request).await.expect("an answer");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    body.to_vec()
}

fn entries(packed: &[u8], to: &str) -> BTreeMap<Vec<u8>, Entry> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(packed).entries().expect("a tar file") {
        let mut entry = entry.expect("an entry");
        let path = entry.path_bytes().into_owned();
        let Some(path) = path
            .strip_prefix(to.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"/"))
            .map(<[u8]>::to_vec)
        else {
            continue;
        };
        let mut attributes = BTreeMap::new();
        if let Some(extensions) = entry.pax_extensions().expect("extensions") {
            for extension in extensions {
                let extension = extension.expect("an extension");
                let key = String::from_utf8_lossy(extension.key_bytes()).into_owned();
                if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                    attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
                }
            }
        }
        let header = entry.header();
        let is_device = header.entry_type().is_block_special() || header.entry_type().is_character_special();
        let mut described = Entry {
            kind: header.entry_type(),
            mode: header.mode().expect("a mode"),
            owner: (header.uid().expect("an owner"), header.gid().expect("a group")),
            modified: header.mtime().expect("a time"),
            link: entry
                .link_name_bytes()
                .map(std::borrow::Cow::into_owned)
                .unwrap_or_default(),
            device: is_device.then(|| {
                (
                    header.device_major().ok().flatten(),
                    header.device_minor().ok().flatten(),
                )
            }),
            content: String::new(),
            attributes,
        };
        // A hard link's target holds the prefix.
        let prefix = format!("{to}/");
        if described.kind.is_hard_link()
            && let Some(rest) = described.link.strip_prefix(prefix.as_bytes())
        {
            described.link = rest.to_vec();
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        described.content = format!("{} {:x}", content.len(), Sha256::digest(&content));
        // Folders get the time of the build from 20.10, whoever asks.
        if described.kind.is_dir() {
            described.modified = 0;
        }
        found.insert(path, described);
    }
    found
}

/// The differences, if there are any.
pub fn same(ours: &BTreeMap<Vec<u8>, Entry>, theirs: &BTreeMap<Vec<u8>, Entry>) -> Result<(), String> {
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differing = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name));
    let differences: Vec<String> = differing
        .map(|name| {
            let shown = String::from_utf8_lossy(name);
            format!(
                "{shown}\n  ours:   {:?}\n  theirs: {:?}",
                ours.get(name),
                theirs.get(name)
            )
        })
        .collect();
    if ours.is_empty() {
        return Err("nothing to compare".to_owned());
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n"))
    }
}
