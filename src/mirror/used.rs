//! When a folder of the cache was last used: the time of an empty file in it. Not for: deciding what is too old.

use std::path::Path;
use std::time::SystemTime;

/// The file whose time it is.
const USED: &str = "used";

/// Says that the folder is being used. That it can't be said, on a disk that is only for reading, is no reason not to
/// use it.
pub fn touch(folder: &Path) {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(USED));
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// When the folder was last used; if nobody has said so, when this file in it was last changed.
#[must_use]
pub fn last(folder: &Path, otherwise: &str) -> Option<SystemTime> {
    let time = |name: &str| folder.join(name).metadata().and_then(|data| data.modified()).ok();
    time(USED).or_else(|| time(otherwise))
}
