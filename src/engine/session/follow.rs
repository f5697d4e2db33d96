//! The paths that a builder asks for, with the symbolic links on the way to them: what `COPY link/file` needs of a
//! context. The rules are fsutil's, by which the docker client does the same.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::units::patterns::{clean, name_matches, text_of};

/// The patterns for what `paths` (with wildcards) stand for below `root`: themselves, and what they lead to. `None` if one
/// of them is the root: then everything is asked for.
pub(super) fn follow(root: &Path, paths: &[String]) -> io::Result<Option<Vec<String>>> {
    let mut found = Followed {
        root,
        resolved: BTreeSet::new(),
    };
    for path in paths {
        found.append(path)?;
    }
    Ok(without_nested(found.resolved))
}

/// Leaves out what lies in another one of the (sorted) paths; `None` if one of them is the root.
pub(super) fn without_nested(paths: impl IntoIterator<Item = String>) -> Option<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for path in paths {
        if path == "." {
            return None;
        }
        let last = kept.last().map_or("", String::as_str);
        if !path.strip_prefix(last).is_some_and(|rest| rest.starts_with('/')) {
            kept.push(path);
        }
    }
    Some(kept)
}

struct Followed<'a> {
    root: &'a Path,
    resolved: BTreeSet<String>,
}

impl Followed<'_> {
    fn append(&mut self, path: &str) -> io::Result<()> {
        // Nothing leads out of the root.
        let path = clean(&format!("/{path}"));
        let mut rest = path.trim_start_matches('/');
        let mut current = String::new();
        loop {
            let first;
            (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
            current = match (current.as_str(), first) {
                ("", "") => ".".to_owned(),
                ("", first) => first.to_owned(),
                (parent, first) => format!("{parent}/{first}"),
            };
            let targets = self.targets(&current)?;
            if (rest.is_empty() || !targets.is_empty()) && !self.resolved.insert(current.clone()) {
                return Ok(());
            }
            if !targets.is_empty() {
                for target in targets {
                    self.append(&format!("{target}/{rest}"))?;
                }
                return Ok(());
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Where the links lead that a path (with wildcards in its last part) stands for; nowhere if there is none.
    fn targets(&self, path: &str) -> io::Result<Vec<String>> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !has_wildcards(name) {
            return Ok(self.target(path)?.into_iter().collect());
        }
        let entries = match std::fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(text_of(&entry?.file_name()).into_owned());
        }
        names.sort();
        let mut targets = Vec::new();
        for entry in names.iter().filter(|entry| name_matches(name, entry)) {
            targets.extend(self.target(&format!("{folder}/{entry}"))?);
        }
        Ok(targets)
    }

    fn target(&self, path: &str) -> io::Result<Option<String>> {
        let full = self.root.join(path.trim_start_matches('/'));
        let target = match std::fs::symlink_metadata(&full) {
            Ok(metadata) if metadata.is_symlink() => std::fs::read_link(&full)?,
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let target = text_of(target.as_os_str());
        if target.starts_with('/') {
            return Ok(Some(clean(&target)));
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(Some(clean(&format!("/{folder}/{target}"))))
    }
}

/// Whether something is not there, or lies in what is no folder.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn has_wildcards(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}
