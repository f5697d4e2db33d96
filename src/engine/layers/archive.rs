//! The layers of an image that was saved into a file, for images that no registry holds.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::super::image_archive;
use super::{LayerFiles, Until, read};

/// What lies in the layers of a saved image, lowest first; those that are not wanted, by their number, are not read.
///
/// # Errors
/// If it is no archive of one image, can't be read to its end, or `is_over` before.
pub fn of_archive(from: &Path, wanted: &[bool], is_over: &dyn Fn() -> bool) -> io::Result<Vec<Option<LayerFiles>>> {
    let open = || {
        let from = File::open(from)?;
        Ok::<_, io::Error>(tar::Archive::new(BufReader::new(Until { from, is_over })))
    };
    let paths = image_archive::layers(open()?)?;
    let mut links: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut found: HashMap<PathBuf, LayerFiles> = HashMap::new();
    // A layer that the image has twice lies there once, and a link leads to it.
    for entry in open()?.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        if let Some(target) = entry.link_name()? {
            let beside = path.parent().unwrap_or(Path::new("")).join(&target);
            links.insert(path, image_archive::tidy(&beside));
        }
    }
    let real = |path: &PathBuf| links.get(path).unwrap_or(path).clone();
    let wanted: Vec<Option<PathBuf>> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| (wanted.get(number) == Some(&true)).then(|| real(path)))
        .collect();
    for entry in open()?.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() && wanted.contains(&Some(path.clone())) {
            found.insert(path, read(entry)?);
        }
    }
    let of = |path: &Option<PathBuf>| match path {
        None => Ok(None),
        Some(path) => found.get(path).cloned().map(Some).ok_or_else(|| {
            let reason = format!("the saved image lacks its layer {}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, reason)
        }),
    };
    wanted.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::archive::archive;

    #[test]
    fn layers_come_in_the_images_order_and_links_are_followed() {
        let layer = |name: &str| archive(&[(name.into(), b"123".to_vec())], 0o644).expect("packs");
        let manifest = br#"[{"Config":"c.json","Layers":["b/layer.tar","a/layer.tar","c/layer.tar"]}]"#;
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut builder = tar::Builder::new(file.as_file());
        let mut add = |path: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content).expect("packs");
        };
        add("a/layer.tar", &layer("in-a"));
        add("b/layer.tar", &layer("in-b"));
        add("manifest.json", manifest);
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder
            .append_link(&mut link, "c/layer.tar", "../b/layer.tar")
            .expect("packs");
        builder.finish().expect("packs");

        let all = of_archive(file.path(), &[true, false, true], &|| false).expect("an image");
        let first = |files: &Option<LayerFiles>| files.as_ref().map(|files| files.entries[0].path.to_vec());
        let names: Vec<_> = all.iter().map(first).collect();
        assert_eq!(names, [Some(b"in-b".to_vec()), None, Some(b"in-b".to_vec())]);
    }
    #[test]
    fn reading_ends_even_where_nothing_is_wanted() {
        let content = vec![b'x'; 100_000];
        let mut files = vec![("manifest.json".into(), br#"[{"Layers":["a"]}]"#.to_vec())];
        files.extend((0..50).map(|number| (format!("{number}").into(), content.clone())));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), archive(&files, 0o644).expect("packs")).expect("written");
        let asked = std::cell::Cell::new(0);
        // Soon after the beginning.
        let is_over = || {
            asked.set(asked.get() + 1);
            asked.get() > 5
        };
        let error = of_archive(file.path(), &[false], &is_over).expect_err("it is over");
        assert_eq!(error.to_string(), super::super::nobody_waits().to_string());
        assert_eq!(asked.get(), 6, "nothing is read any more");
    }
}
