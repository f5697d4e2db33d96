//! Where runs and caches lie.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use super::Failure;

/// Where runs lie unless `--out` says otherwise, below the folder in which the program is called.
pub(super) const RUNS: &str = "reports/runs";

/// The program's folder in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`).
pub(super) fn cache() -> Result<PathBuf, Failure> {
    Ok(etcetera::choose_base_strategy()?.cache_dir().join("bakeoff"))
}
