//! What a manifest says, line by line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::RecordingError;
use super::manifest::{Entry, Key, Line, SCHEMA};

/// What the manifest says, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// How far it has been read.
    pub(super) read: u64,
    /// How many lines that was.
    pub(super) lines: usize,
    /// Which file that was: a pruned manifest is another one.
    pub(super) inode: u64,
    pub(super) index: Option<String>,
    pub(super) entries: HashMap<Key, Arc<Entry>>,
    pub(super) locks: BTreeMap<String, (u64, String)>,
    pub(super) complete: HashSet<String>,
    pub(super) damaged: HashSet<String>,
}

impl Known {
    pub(super) fn take(&mut self, line: Line, path: &Path) -> Result<(), Option<RecordingError>> {
        match line {
            Line::Recording { schema, .. } if schema > SCHEMA => {
                return Err(Some(RecordingError::Newer {
                    path: path.to_owned(),
                    found: schema,
                    known: SCHEMA,
                }));
            }
            Line::Recording { index, .. } => self.index = index.or(self.index.take()),
            Line::Index { url } => self.index = Some(url),
            Line::Download(entry) => {
                // Hashes become paths.
                if !is_sha256(&entry.sha256) {
                    return Err(None);
                }
                self.entries.insert(entry.key.clone(), Arc::new(entry));
            }
            Line::Lock { key, size, sha256 } => {
                if !is_sha256(&sha256) {
                    return Err(None);
                }
                self.locks.insert(key, (size, sha256));
            }
            Line::Complete { key } => {
                self.complete.insert(key);
            }
        }
        Ok(())
    }

    pub(super) fn lines_again(&self) -> Vec<Line> {
        let mut entries: Vec<_> = self.entries.values().collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let head = Line::Recording {
            schema: SCHEMA,
            bakeoff_version: env!("CARGO_PKG_VERSION").to_owned(),
            index: self.index.clone(),
        };
        let locks = self.locks.iter().map(|(key, (size, sha256))| Line::Lock {
            key: key.clone(),
            size: *size,
            sha256: sha256.clone(),
        });
        let mut complete: Vec<_> = self.complete.iter().cloned().collect();
        complete.sort();
        std::iter::once(head)
            .chain(entries.into_iter().map(|entry| Line::Download(entry.as_ref().clone())))
            .chain(locks)
            .chain(complete.into_iter().map(|key| Line::Complete { key }))
            .collect()
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
