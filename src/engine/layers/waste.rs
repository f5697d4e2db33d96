//! What an image holds and nobody can see: files that a later layer replaced or removed. And the score that dive gives it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use super::{Entry, Kind, LayerFiles};
use crate::units::Bytes;

/// So many of the files that waste the most are told.
const TOP: usize = 10;

/// What of an image's layers is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waste {
    /// Bytes of files, in whichever layer, that a later one replaced or removed.
    pub wasted: Bytes,
    /// The paths that those had.
    pub paths: u64,
    /// The sum over all paths of the smallest size that each has in any layer, as dive counts it.
    pub dive_needed: Bytes,
    /// The sum over all paths of the sizes that each has in all layers, as dive counts it.
    pub dive_stored: Bytes,
    /// What dive calls wasted: all sizes of the paths that several layers have, the last one included.
    pub dive_wasted: Bytes,
    /// The paths that waste the most, the largest first.
    pub top: Vec<WastedFile>,
}

/// A path of which bytes are wasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WastedFile {
    /// The path, without a slash before it.
    pub path: String,
    /// The bytes that nobody can see.
    pub wasted: Bytes,
    /// In how many layers it was replaced or removed.
    pub times: u32,
}

impl Waste {
    /// dive's efficiency score, from 0 to 1: the needed bytes as a share of the stored ones, and 1 of nothing.
    #[must_use]
    pub fn efficiency(&self) -> f64 {
        if self.dive_stored.0 == 0 {
            1.0
        } else {
            self.dive_needed.as_f64() / self.dive_stored.as_f64()
        }
    }
}

/// Looks for waste in an image's layers, lowest first.
///
/// dive's figures follow its `Efficiency` (github.com/wagoodman/dive, `dive/filetree/efficiency.go`): of each layer it visits
/// the leaves of the tree of its paths. A file counts with its size; a whiteout counts, under the name of what it removes,
/// as 0 for a file and as all that was below it for a folder. The score is the sum of each path's smallest count divided by
/// the sum of all counts; a path that was visited twice or more is wasteful with the sum of its counts. So a removed folder
/// adds the same to both sums and costs nothing, and what an opaque folder hides is not seen at all; for that the first
/// figure, [`Waste::wasted`], is ours. Where dive gives up on a layer (a whiteout of what is not there) this goes on.
#[must_use]
pub fn waste(layers: &[&LayerFiles]) -> Waste {
    let (needed, stored, wasted) = dive(layers);
    let hidden = hidden(layers);
    let mut top: Vec<WastedFile> = hidden
        .iter()
        .filter(|(_, (wasted, _))| *wasted > 0)
        .map(|(path, (wasted, times))| WastedFile {
            path: String::from_utf8_lossy(path).into_owned(),
            wasted: Bytes(*wasted),
            times: *times,
        })
        .collect();
    let paths = top.len() as u64;
    top.sort_by(|a, b| b.wasted.cmp(&a.wasted).then_with(|| a.path.cmp(&b.path)));
    top.truncate(TOP);
    Waste {
        wasted: Bytes(hidden.values().map(|(wasted, _)| wasted).sum()),
        paths,
        dive_needed: Bytes(needed),
        dive_stored: Bytes(stored),
        dive_wasted: Bytes(wasted),
        top,
    }
}

/// A file system as the layers so far make it: each path with its size, and whether it is a folder.
#[derive(Default)]
struct Stack(BTreeMap<Box<[u8]>, (u64, bool)>);

impl Stack {
    /// What lies below a path.
    fn below(&self, folder: &[u8]) -> Vec<(Box<[u8]>, u64)> {
        let prefix = match folder {
            [] => Vec::new(),
            folder => [folder, b"/"].concat(),
        };
        let from = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
        self.0
            .range::<[u8], _>(from)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, (size, _))| (path.clone(), *size))
            .collect()
    }

    /// Takes away what lies below a path, and says what that was.
    fn clear(&mut self, folder: &[u8]) -> Vec<(Box<[u8]>, u64)> {
        let below = self.below(folder);
        for (path, _) in &below {
            self.0.remove(path);
        }
        below
    }

    fn remove(&mut self, path: &[u8]) -> Vec<(Box<[u8]>, u64)> {
        let mut gone = self.clear(path);
        gone.extend(self.0.remove(path).map(|(size, _)| (path.into(), size)));
        gone
    }

    /// Puts an entry in its place, and says what is no longer to be seen.
    fn put(&mut self, entry: &Entry) -> Vec<(Box<[u8]>, u64)> {
        let is_folder = entry.kind == Kind::Folder;
        let old = self.0.insert(entry.path.clone(), (entry.size, is_folder));
        match old {
            Some((size, false)) => vec![(entry.path.clone(), size)],
            Some((_, true)) if !is_folder => self.clear(&entry.path),
            _ => Vec::new(),
        }
    }
}

/// The bytes that nobody can see, and how often that came about, by path.
fn hidden(layers: &[&LayerFiles]) -> HashMap<Box<[u8]>, (u64, u32)> {
    let mut stack = Stack::default();
    let mut hidden: HashMap<Box<[u8]>, (u64, u32)> = HashMap::new();
    let mut note = |gone: Vec<(Box<[u8]>, u64)>| {
        for (path, size) in gone {
            let of_path = hidden.entry(path).or_default();
            of_path.0 += size;
            of_path.1 += 1;
        }
    };
    for layer in layers {
        // What a layer removes is that of lower ones, never its own.
        for entry in &layer.entries {
            match entry.kind {
                Kind::Whiteout => note(stack.remove(&entry.path)),
                Kind::Opaque => note(stack.clear(&entry.path)),
                Kind::File | Kind::Folder => {}
            }
        }
        for entry in layer.entries.iter().filter(|entry| is_there(entry)) {
            note(stack.put(entry));
        }
    }
    hidden
}

fn is_there(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File | Kind::Folder)
}

/// What dive counts for one path.
#[derive(Default)]
struct Counted {
    visits: u32,
    smallest: u64,
    sum: u64,
}

impl Counted {
    fn visit(&mut self, size: u64) {
        self.smallest = if self.visits == 0 {
            size
        } else {
            self.smallest.min(size)
        };
        self.sum += size;
        self.visits += 1;
    }
}

/// The needed, the stored and the wasted bytes, as dive counts them.
fn dive(layers: &[&LayerFiles]) -> (u64, u64, u64) {
    let mut stack = Stack::default();
    let mut counted: HashMap<&[u8], Counted> = HashMap::new();
    for layer in layers {
        // Of an archive that has a path twice the last one counts.
        let files: BTreeMap<&[u8], &Entry> = layer
            .entries
            .iter()
            .filter(|entry| is_there(entry))
            .map(|entry| (&*entry.path, entry))
            .collect();
        let whiteouts = || layer.entries.iter().filter(|entry| entry.kind == Kind::Whiteout);
        let inner = folders_of(files.keys().copied().chain(whiteouts().map(|entry| &*entry.path)));
        for entry in whiteouts() {
            let size = match stack.0.get(&entry.path) {
                None => continue,
                Some((_, false)) => 0,
                Some((_, true)) => stack.below(&entry.path).iter().map(|(_, size)| size).sum(),
            };
            counted.entry(&entry.path).or_default().visit(size);
        }
        for (path, entry) in files.iter().filter(|(path, _)| !inner.contains(*path)) {
            counted.entry(path).or_default().visit(entry.size);
        }
        for entry in whiteouts() {
            stack.remove(&entry.path);
        }
        for (path, entry) in files {
            stack.0.insert(path.into(), (entry.size, entry.kind == Kind::Folder));
        }
    }
    let sum = |read: fn(&Counted) -> u64| counted.values().map(read).sum();
    (
        sum(|path| path.smallest),
        sum(|path| path.sum),
        sum(|path| if path.visits > 1 { path.sum } else { 0 }),
    )
}

/// Every folder that something of these paths lies in.
fn folders_of<'p>(paths: impl Iterator<Item = &'p [u8]>) -> HashSet<&'p [u8]> {
    let mut folders = HashSet::new();
    for mut path in paths {
        while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..slash];
            if !folders.insert(path) {
                break;
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer from lines such as `app/a 5`, `app/` (a folder), `-app/a` (a whiteout) and `!app` (an opaque folder).
    fn layer(lines: &str) -> LayerFiles {
        let entry = |line: &str| {
            let of = |path: &str, kind, size| Entry {
                path: path.as_bytes().into(),
                kind,
                size,
            };
            if let Some(path) = line.strip_prefix('-') {
                of(path, Kind::Whiteout, 0)
            } else if let Some(path) = line.strip_prefix('!') {
                of(path, Kind::Opaque, 0)
            } else if let Some(path) = line.strip_suffix('/') {
                of(path, Kind::Folder, 0)
            } else {
                let (path, size) = line.split_once(' ').expect("a size");
                of(path, Kind::File, size.parse().expect("a size"))
            }
        };
        LayerFiles {
            entries: lines.split(", ").map(entry).collect(),
        }
    }

    fn of(layers: &[&str]) -> Waste {
        let layers: Vec<LayerFiles> = layers.iter().map(|lines| layer(lines)).collect();
        waste(&layers.iter().collect::<Vec<_>>())
    }

    /// By hand. The first layer has etc/conf (100), app/big (1000), app/small (10), opt/d/x (300) and opt/d/y (200). The second
    /// writes app/big again (1500) and removes etc/conf. The third removes the folder opt/d, writes app/big once more (1500)
    /// and new (50).
    ///
    /// Nobody sees app/big of the first two layers (2500), etc/conf (100), and what was in opt/d (500): 3100.
    ///
    /// dive's counts, the smallest and the sum: etc/conf 100 and 0, so 0 and 100; app/big 1000, 1500 and 1500, so 1000 and
    /// 4000; app/small 10 and 10; opt/d/x 300 and 300; opt/d/y 200 and 200; opt/d itself, removed with 500 in it, 500 and 500;
    /// new 50 and 50. Together 2060 and 5160. Paths that were visited more than once: etc/conf and app/big, 4100.
    #[test]
    fn an_image_that_was_counted_by_hand() {
        let found = of(&[
            "etc/, etc/conf 100, app/, app/big 1000, app/small 10, opt/, opt/d/, opt/d/x 300, opt/d/y 200",
            "app/, app/big 1500, etc/, -etc/conf",
            "opt/, -opt/d, app/, app/big 1500, new 50",
        ]);
        assert_eq!(found.wasted, Bytes(3100));
        assert_eq!((found.dive_needed, found.dive_stored), (Bytes(2060), Bytes(5160)));
        assert_eq!(found.dive_wasted, Bytes(4100));
        assert!((found.efficiency() - 2060.0 / 5160.0).abs() < 1e-12);
        let top: Vec<_> = found
            .top
            .iter()
            .map(|file| (file.path.as_str(), file.wasted.0, file.times))
            .collect();
        assert_eq!(
            top,
            [
                ("app/big", 2500, 2),
                ("opt/d/x", 300, 1),
                ("opt/d/y", 200, 1),
                ("etc/conf", 100, 1)
            ]
        );
        assert_eq!(found.paths, 4);
    }

    #[test]
    fn an_image_without_waste_is_perfect() {
        let found = of(&["a/, a/x 5", "a/, a/y 7, b/"]);
        assert_eq!(
            (found.wasted, found.dive_wasted, found.top.len()),
            (Bytes(0), Bytes(0), 0)
        );
        assert!((found.efficiency() - 1.0).abs() < 1e-12);
        assert!((of(&[]).efficiency() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_opaque_folder_hides_what_was_in_it_but_not_what_is() {
        let found = of(&["d/, d/old 40, d/sub/, d/sub/x 2", "d/, !d, d/new 1"]);
        assert_eq!(found.wasted, Bytes(42));
        // To dive it hides nothing.
        assert!((found.efficiency() - 1.0).abs() < 1e-12);
        assert_eq!(
            of(&["a 1, b 2", "!, c 3"]).wasted,
            Bytes(3),
            "the root too can be opaque"
        );
    }

    #[test]
    fn a_folder_and_a_file_can_take_each_other_s_place() {
        assert_eq!(of(&["d/, d/x 40, dx 7", "d 1"]).wasted, Bytes(40));
        assert_eq!(of(&["d 40", "d/, d/x 1"]).wasted, Bytes(40));
        // A folder that is only there again takes nothing away.
        assert_eq!(of(&["d/, d/x 40", "d/, d/y 1", "d/"]).wasted, Bytes(0));
    }

    #[test]
    fn what_is_removed_and_comes_again_was_wasted_once() {
        let found = of(&["x 10", "-x", "x 10"]);
        assert_eq!(found.wasted, Bytes(10));
        assert_eq!(
            (found.top[0].times, found.dive_needed, found.dive_stored),
            (1, Bytes(0), Bytes(20))
        );
        // A whiteout of what is not there, such as a builder's own, is nothing.
        assert_eq!(of(&["a 1", "-b, c 2"]).dive_stored, Bytes(3));
    }

    #[test]
    fn only_so_many_files_are_told_but_all_are_counted() {
        let names: Vec<String> = (0..30).map(|number| format!("f{number:02} {}", 100 + number)).collect();
        let gone: Vec<String> = (0..30).map(|number| format!("-f{number:02}")).collect();
        let found = of(&[&names.join(", "), &gone.join(", ")]);
        assert_eq!(
            (found.top.len(), found.paths, found.top[0].wasted),
            (TOP, 30, Bytes(129))
        );
    }
}
