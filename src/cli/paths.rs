//! Where runs and caches lie.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use super::Failure;
use crate::mirror::{self, Configured, Upstream};

/// Where runs lie unless `--out` says otherwise, below the folder in which the program is called.
pub(super) const RUNS: &str = "reports/runs";

/// The program's folder in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`).
pub(super) fn cache() -> Result<PathBuf, Failure> {
    Ok(etcetera::choose_base_strategy()?.cache_dir().join("bakeoff"))
}

/// The package index that the user's pip or uv is configured for.
pub(super) fn index() -> Result<Option<Upstream>, Failure> {
    Ok(configured()?.map(|configured| configured.upstream))
}

/// That index, and where it is configured.
pub(super) fn configured() -> Result<Option<Configured>, Failure> {
    let strategy = etcetera::choose_base_strategy()?;
    let variable = |name: &str| std::env::var(name).ok();
    Ok(mirror::configured(
        &variable,
        strategy.home_dir(),
        &strategy.config_dir(),
    )?)
}
