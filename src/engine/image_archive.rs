//! Saved images under another name, and with their layers compressed if need be. What is saved by digest has no name when it
//! is loaded. And an engine with a graph driver saves layers as they lie there, while one with containerd's image store keeps
//! them as they come: loaded from such a file, its base images would be uncompressed, and so would every push of them be,
//! which no pulled image is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The list of images in an archive, of Docker's own format (`docker save`; newer engines write it beside OCI's).
const MANIFEST: &str = "manifest.json";

/// Copies a saved image under the name `name`, with its layers compressed by gzip, as a push compresses them, if `compress`
/// says so. Only what Docker's own format needs is copied, so that no engine takes names and layers of an OCI layout
/// beside it.
///
/// # Errors
/// If `from` is no archive of one image, or `to` can't be written.
pub fn rename(from: &Path, to: &Path, name: &str, compress: bool) -> io::Result<()> {
    let mut manifest = manifest(opened(from)?)?;
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{MANIFEST} has {what}"));
    let images = manifest.as_array_mut().ok_or_else(|| odd("no list of images"))?;
    if images.len() != 1 {
        return Err(odd("more or less than one image"));
    }
    let mut wanted: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for image in images {
        image["RepoTags"] = serde_json::json!([name]);
        let config = image["Config"]
            .as_str()
            .ok_or_else(|| odd("an image without a configuration"))?;
        wanted.insert(config.into(), false);
        for layer in image["Layers"].as_array().into_iter().flatten() {
            wanted.insert(
                layer.as_str().ok_or_else(|| odd("a layer without a path"))?.into(),
                true,
            );
        }
    }
    let mut builder = tar::Builder::new(BufWriter::new(File::create(to)?));
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    for entry in opened(from)?.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(&is_layer) = wanted.get(&path) else {
            continue;
        };
        // A layer that several images have lies there once, and others lead to it.
        if let Some(target) = entry.link_name()?.filter(|_| !entry.header().entry_type().is_file()) {
            let beside = path.parent().unwrap_or(Path::new("")).join(&target);
            links.push((path, tidy(&beside)));
            continue;
        }
        if is_layer && compress {
            let mut packed = compressed(&mut entry)?;
            append(&mut builder, &path, &mut packed)?;
        } else {
            let mut header = header(entry.size());
            builder.append_data(&mut header, &path, &mut entry)?;
        }
    }
    for (path, target) in links {
        let mut header = header(0);
        header.set_entry_type(tar::EntryType::Symlink);
        let up: PathBuf = path.components().skip(1).map(|_| "..").collect();
        builder.append_link(&mut header, &path, up.join(target))?;
    }
    let text = serde_json::to_vec(&manifest)?;
    let mut header = header(text.len() as u64);
    builder.append_data(&mut header, MANIFEST, text.as_slice())?;
    builder.into_inner()?.flush()
}

fn opened(file: &Path) -> io::Result<tar::Archive<impl Read>> {
    Ok(tar::Archive::new(BufReader::new(File::open(file)?)))
}

fn manifest(mut from: tar::Archive<impl Read>) -> io::Result<Value> {
    for entry in from.entries()? {
        let mut entry = entry?;
        if entry.path()?.as_os_str() == MANIFEST {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            return Ok(serde_json::from_slice(&text)?);
        }
    }
    let reason = format!("no {MANIFEST} in the saved images");
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Where the layers of the image in an archive lie in it, lowest first.
///
/// # Errors
/// If it is no archive of one image.
pub(super) fn layers(from: tar::Archive<impl Read>) -> io::Result<Vec<PathBuf>> {
    let manifest = manifest(from)?;
    let layers = manifest[0]["Layers"].as_array().into_iter().flatten();
    let paths: Option<Vec<PathBuf>> = layers.map(|layer| Some(layer.as_str()?.into())).collect();
    paths.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{MANIFEST} has a layer without a path"),
        )
    })
}

/// A file with what is read, compressed unless it is already.
fn compressed(layer: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let mut magic = [0; 4];
    let mut filled = 0;
    while filled < magic.len() {
        match layer.read(&mut magic[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    let mut whole = magic[..filled].chain(layer);
    let is_compressed = magic.starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd];
    if is_compressed {
        io::copy(&mut whole, &mut file)?;
    } else {
        let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::default());
        io::copy(&mut whole, &mut encoder)?;
        file = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn append(builder: &mut tar::Builder<impl io::Write>, path: &Path, file: &mut File) -> io::Result<()> {
    let mut header = header(file.metadata()?.len());
    builder.append_data(&mut header, path, file)
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

/// A path without `..`.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(entries: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut builder = tar::Builder::new(file.as_file());
        for (path, content) in entries {
            let mut header = header(content.len() as u64);
            builder.append_data(&mut header, path, *content).expect("packs");
        }
        let mut link = header(0);
        link.set_entry_type(tar::EntryType::Symlink);
        builder
            .append_link(&mut link, "b/layer.tar", "../a/layer.tar")
            .expect("packs");
        builder.finish().expect("packs");
        drop(builder);
        file
    }

    #[test]
    fn layers_are_compressed_and_nothing_else_is_copied() {
        let manifest = r#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["a/layer.tar","b/layer.tar"]}]"#;
        let from = saved(&[
            ("c.json", b"{}"),
            ("a/layer.tar", &[7; 5000]),
            ("a/VERSION", b"1.0"),
            ("index.json", b"{}"),
            ("manifest.json", manifest.as_bytes()),
        ]);
        let to = tempfile::NamedTempFile::new().expect("a file");
        rename(from.path(), to.path(), "y:2", true).expect("copies");

        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(File::open(to.path()).expect("a file"))
            .entries()
            .expect("a tar")
        {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let link = entry
                .link_name()
                .expect("a link")
                .map(|link| link.display().to_string());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            found.insert(path, (link, content));
        }
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["a/layer.tar", "b/layer.tar", "c.json", "manifest.json"]);
        let mut unpacked = Vec::new();
        let packed = &found["a/layer.tar"].1;
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .expect("gzip");
        assert_eq!(unpacked, [7; 5000]);
        assert_eq!(found["b/layer.tar"].0.as_deref(), Some("../a/layer.tar"));
        let copied: Value = serde_json::from_slice(&found["manifest.json"].1).expect("JSON");
        assert_eq!(
            copied,
            serde_json::from_str::<Value>(&manifest.replace("x:1", "y:2")).expect("JSON")
        );
    }

    #[test]
    fn what_is_compressed_stays_as_it_is() {
        let packed = [0x1f, 0x8b, 1, 2, 3];
        let mut content = Vec::new();
        let mut file = compressed(&mut packed.as_slice()).expect("copies");
        file.read_to_end(&mut content).expect("reads");
        assert_eq!(content, packed);
    }

    #[test]
    fn an_archive_without_images_is_told() {
        let from = saved(&[("c.json", b"{}")]);
        let to = tempfile::NamedTempFile::new().expect("a file");
        let error = rename(from.path(), to.path(), "y:2", false).expect_err("no manifest");
        assert!(error.to_string().contains("manifest.json"), "{error}");
    }
}
