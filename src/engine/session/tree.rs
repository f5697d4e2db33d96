//! Walks a folder as fsutil does: in the order of names, only what the builder's patterns let through, folders only
//! with what is in them where they are not asked for themselves. Not for: sending anything.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::follow::{follow, is_absent, without_nested};
use super::stat::Links;
use super::wire::Stat;
use crate::units::patterns::{Matched, PatternError, Patterns, text_of};

/// What a builder wants of a folder.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Only what matches, and the folders above it.
    pub include: Vec<String>,
    /// Not what matches.
    pub exclude: Vec<String>,
    /// More to include, with the links on the way to it. `None` for everything.
    pub follow: Option<Vec<String>>,
}

/// Why a folder could not be walked.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The builder's patterns are impossible.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Nobody listens any more.
    #[error("the transfer was broken off")]
    Gone,
}

/// A folder to be walked, with the builder's patterns worked out.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    include: Patterns,
    exclude: Patterns,
}

/// A folder above the current path.
struct Above {
    path: PathBuf,
    full: PathBuf,
    metadata: Metadata,
    include: Matched,
    exclude: Matched,
    told: bool,
}

impl Tree {
    /// Resolves the root and the patterns.
    pub fn new(root: &Path, wanted: &Wanted) -> Result<Self, WalkError> {
        let failed = |source| WalkError::Read {
            path: root.to_owned(),
            source,
        };
        let root = root.canonicalize().map_err(failed)?;
        let mut include = wanted.include.clone();
        if let Some(paths) = &wanted.follow
            && let Some(targets) = follow(&root, paths).map_err(failed)?
        {
            include.extend(targets);
            include = without_nested(include).unwrap_or_default();
        }
        Ok(Self {
            root,
            include: Patterns::new(include)?,
            exclude: Patterns::new(&wanted.exclude)?,
        })
    }

    /// Tells everything that is wanted, folders before what is in them. What vanishes meanwhile is left out.
    pub fn walk(&self, tell: &mut dyn FnMut(Stat) -> Result<(), WalkError>) -> Result<(), WalkError> {
        let mut links = Links::default();
        let mut above: Vec<Above> = Vec::new();
        let mut walk = WalkDir::new(&self.root).min_depth(1).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.failed(error, &above)?;
                    continue;
                }
            };
            above.truncate(entry.depth() - 1);
            let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            let text = text_of(path.as_os_str());
            let at_root = (Matched::default(), Matched::default());
            let (include, exclude) = above
                .last()
                .map_or((&at_root.0, &at_root.1), |folder| (&folder.include, &folder.exclude));
            let (included, include) = self.include.step(&text, include);
            let (excluded, exclude) = self.exclude.step(&text, exclude);
            let is_folder = entry.file_type().is_dir();
            let left_out = !self.include.is_empty() && !included;
            if is_folder
                && ((left_out && !self.include.may_match_in(&text, false))
                    || (excluded && !self.exclude.may_match_in(&text, true)))
            {
                walk.skip_current_dir();
                continue;
            }
            let told = !left_out && !excluded;
            if !told && !is_folder {
                continue;
            }
            let Some(metadata) = Self::metadata(&entry)? else {
                if is_folder {
                    walk.skip_current_dir();
                }
                continue;
            };
            if told {
                for folder in above.iter_mut().filter(|folder| !folder.told) {
                    folder.told = true;
                    tell_one(&mut links, &folder.full, &folder.path, &folder.metadata, tell)?;
                }
                tell_one(&mut links, entry.path(), path, &metadata, tell)?;
            }
            if is_folder {
                above.push(Above {
                    path: path.to_owned(),
                    full: entry.path().to_owned(),
                    metadata,
                    include,
                    exclude,
                    told,
                });
            }
        }
        Ok(())
    }

    /// What the walk met instead of a file: nothing, if that has vanished, or may not be read and was not wanted.
    fn failed(&self, error: walkdir::Error, above: &[Above]) -> Result<(), WalkError> {
        let path = error.path().unwrap_or(&self.root).to_owned();
        let wanted = above
            .iter()
            .find(|folder| folder.full == path)
            .is_none_or(|folder| folder.told);
        let source = io::Error::from(error);
        if is_absent(&source) || (source.kind() == io::ErrorKind::PermissionDenied && !wanted) {
            return Ok(());
        }
        Err(WalkError::Read { path, source })
    }

    fn metadata(entry: &DirEntry) -> Result<Option<Metadata>, WalkError> {
        match entry.metadata().map_err(io::Error::from) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(WalkError::Read {
                path: entry.path().to_owned(),
                source,
            }),
        }
    }

    /// A path of the walk on disk.
    pub fn full(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

fn tell_one(
    links: &mut Links,
    full: &Path,
    path: &Path,
    metadata: &Metadata,
    tell: &mut dyn FnMut(Stat) -> Result<(), WalkError>,
) -> Result<(), WalkError> {
    match links.stat(full, path, metadata) {
        Ok(stat) => tell(stat),
        Err(error) if is_absent(&error) => Ok(()),
        Err(source) => Err(WalkError::Read {
            path: full.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, file).expect("a file");
        }
        folder
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn told(root: &Path, wanted: &Wanted) -> Vec<String> {
        let mut told = Vec::new();
        let tree = Tree::new(root, wanted).expect("a tree");
        let walked = tree.walk(&mut |stat| {
            told.push(String::from_utf8(stat.path).expect("text"));
            Ok(())
        });
        walked.expect("a walk");
        told
    }

    #[test]
    fn everything_is_told_in_the_order_of_names() {
        let root = folder(&["b/2", "b/1", "a", "b.x", "b-x", "c/d/e"]);
        fs::create_dir(root.path().join("empty")).expect("a folder");
        assert_eq!(
            told(root.path(), &Wanted::default()),
            ["a", "b", "b/1", "b/2", "b-x", "b.x", "c", "c/d", "c/d/e", "empty"]
        );
    }

    #[test]
    fn folders_that_are_left_out_are_told_only_with_what_is_in_them() {
        let root = folder(&["a/keep", "a/no", "b/no", "c/d/keep", "c/e/no"]);
        let wanted = Wanted {
            exclude: strings(&["*", "!**/keep"]),
            ..Wanted::default()
        };
        assert_eq!(told(root.path(), &wanted), ["a", "a/keep", "c", "c/d", "c/d/keep"]);
        let wanted = Wanted {
            include: strings(&["c/*/keep", "b"]),
            ..Wanted::default()
        };
        assert_eq!(told(root.path(), &wanted), ["b", "b/no", "c", "c/d", "c/d/keep"]);
        let wanted = Wanted {
            include: strings(&["a", "c"]),
            exclude: strings(&["**/no"]),
            ..Wanted::default()
        };
        assert_eq!(
            told(root.path(), &wanted),
            ["a", "a/keep", "c", "c/d", "c/d/keep", "c/e"]
        );
    }

    #[test]
    fn links_on_the_way_are_followed_and_nothing_leads_out() {
        let root = folder(&["real/a", "real/b", "other/c", "x"]);
        symlink("real", root.path().join("link")).expect("a link");
        symlink("../../../other/c", root.path().join("real/up")).expect("a link");
        symlink("loop", root.path().join("loop")).expect("a link");
        let following = |paths: &[&str]| {
            let wanted = Wanted {
                follow: Some(strings(paths)),
                ..Wanted::default()
            };
            told(root.path(), &wanted)
        };
        assert_eq!(following(&["link/a"]), ["link", "real", "real/a"]);
        assert_eq!(following(&["link/up"]), ["link", "other", "other/c", "real", "real/up"]);
        assert_eq!(following(&["loop", "nowhere/x", "/x"]), ["loop", "x"]);
        assert_eq!(following(&["real/?"]), ["real", "real/a", "real/b"]);
        assert_eq!(following(&["l*k"]), ["link", "real", "real/a", "real/b", "real/up"]);
        assert_eq!(following(&["x", "."]).len(), 9);
    }

    #[test]
    fn impossible_patterns_and_absent_folders_are_errors() {
        let root = folder(&["a"]);
        let wanted = Wanted {
            exclude: strings(&["["]),
            ..Wanted::default()
        };
        let failure = Tree::new(root.path(), &wanted).expect_err("impossible");
        assert_eq!(failure.to_string(), "pattern \"[\": expected `]`");
        assert!(Tree::new(&root.path().join("none"), &Wanted::default()).is_err());
    }

    #[test]
    fn hard_links_lead_to_the_first_that_is_told() {
        let root = folder(&["a", "c"]);
        fs::hard_link(root.path().join("a"), root.path().join("b")).expect("a link");
        fs::hard_link(root.path().join("a"), root.path().join("d")).expect("a link");
        let links = |exclude: &[&str]| {
            let wanted = Wanted {
                exclude: strings(exclude),
                ..Wanted::default()
            };
            let mut links = Vec::new();
            let tree = Tree::new(root.path(), &wanted).expect("a tree");
            let walked = tree.walk(&mut |stat| {
                let text = |bytes| String::from_utf8(bytes).expect("text");
                links.push(format!("{} {} {}", text(stat.path), text(stat.link), stat.size));
                Ok(())
            });
            walked.expect("a walk");
            links
        };
        assert_eq!(links(&[]), ["a  1", "b a 1", "c  1", "d a 1"]);
        assert_eq!(links(&["a"]), ["b  1", "c  1", "d b 1"]);
    }
}
