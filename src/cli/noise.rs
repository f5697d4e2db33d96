//! The noise part of `bakeoff doctor`, and what it leaves for the runs after it.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{Failure, paths};
use crate::environment::doctor::{Check, Status};
use crate::environment::host;
use crate::environment::noise::Noise;
use crate::journal;
use crate::units::with_causes;

/// Probes this machine, shows how far it is, and keeps what it found for the runs that follow.
pub(super) async fn probe(lasts: Duration, cancel: &CancellationToken) -> Result<Noise, Failure> {
    let cache = paths::cache()?;
    let folder = cache.clone();
    let bar = bar(lasts);
    let stop = cancel.clone();
    let shown = bar.clone();
    let probing = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let told = |gone: Duration| shown.set_position(u64::try_from(gone.as_millis()).unwrap_or(u64::MAX));
        Noise::probe(lasts, &folder, &told, &|| stop.is_cancelled())
    });
    let probed = probing
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    bar.finish_and_clear();
    let probed = probed.map_err(|source| Failure::Probe {
        folder: cache.clone(),
        source,
    })?;
    let noise = probed.ok_or(Failure::Interrupted)?;
    journal::write_noise(&cache, &noise)?;
    Ok(noise)
}

/// A bar on standard error, if that is a terminal.
fn bar(lasts: Duration) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:24} {msg}  {elapsed}");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar.set_message(format!("probing this machine's noise for {} s", lasts.as_secs()));
    bar
}

/// What the last probe since this start of the machine found, for a run. A file that can't be read is no reason not to
/// measure.
pub(super) fn last(cache: &Path) -> Option<Noise> {
    journal::read_noise(cache, &host::boot_id()).unwrap_or_else(|error| {
        eprintln!(
            "warning: {}; `bakeoff doctor --noise` makes it anew",
            with_causes(&error)
        );
        None
    })
}

/// What was found, as checks among others.
pub(super) fn checks(noise: &Noise) -> Vec<Check> {
    let check = |finding: &crate::environment::noise::Finding| Check {
        name: format!("noise: {}", finding.name),
        status: if finding.noisy { Status::Warning } else { Status::Good },
        found: finding.found.clone(),
        remedy: finding.remedy.clone(),
    };
    noise.findings.iter().map(check).collect()
}
