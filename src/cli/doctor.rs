//! `bakeoff doctor`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::{Doctor, ListFormat};
use super::failure::engine_hint;
use super::run::interruptions;
use super::{Failure, noise, paths, print, style};
use crate::engine::docker::DockerEngine;
use crate::engine::{Engine as _, EngineError};
use crate::environment::doctor::{self, Check, Status, Wanted, examine};
use crate::environment::noise::Noise;
use crate::images;
use crate::suite::file::DEFAULT_IMAGES;
use crate::suite::{self, Overrides};

pub(super) async fn doctor(arguments: &Doctor) -> Result<(), Failure> {
    let references: BTreeMap<String, String> = match &arguments.suite {
        Some(path) => suite::load(path, &Overrides::default())?.images,
        None => DEFAULT_IMAGES
            .map(|(role, reference)| (role.to_owned(), reference.to_owned()))
            .into(),
    };
    let wanted: Vec<_> = references
        .into_iter()
        .map(|(role, reference)| Wanted {
            stand_in: images::stand_in_tag(&role, &reference),
            role,
            reference,
        })
        .collect();
    let engine = DockerEngine::from_environment();
    let cancel = CancellationToken::new();
    let watch = tokio::spawn(interruptions(cancel.clone()));
    let mut checks = match &engine {
        Ok(engine) => uninterrupted(engine, &wanted, &cancel).await?,
        Err(error) => vec![no_engine(error)],
    };
    let noise = match arguments.noise {
        // After the other checks: what they start in the engine would be found again as other load.
        Some(seconds) => Some(noise::probe(Duration::from_secs(seconds), &cancel).await?),
        None => None,
    };
    watch.abort();
    checks.extend(noise.iter().flat_map(noise::checks));
    match arguments.format {
        ListFormat::Terminal => print(&lines(&checks, noise.as_ref(), style().color))?,
        ListFormat::Json => print(&json(&checks, noise.as_ref()))?,
    }
    let count = checks.iter().filter(|check| check.status == Status::Bad).count();
    if count == 0 {
        Ok(())
    } else {
        Err(Failure::Unwell {
            count,
            all: checks.len(),
        })
    }
}

/// Every check, unless the user interrupts: then what they made goes away first.
async fn uninterrupted(
    engine: &DockerEngine,
    wanted: &[Wanted],
    cancel: &CancellationToken,
) -> Result<Vec<Check>, Failure> {
    let examined = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        checks = examine_all(engine, wanted) => Some(checks),
    };
    if examined.is_none() {
        doctor::remove_left_overs(engine).await?;
    }
    examined.ok_or(Failure::Interrupted)
}

async fn examine_all(engine: &DockerEngine, wanted: &[Wanted]) -> Vec<Check> {
    let mut checks = vec![doctor::endpoint(engine.endpoint())];
    let local = engine.endpoint().is_local();
    match engine.info().await {
        Err(error) => checks.push(no_engine(&error)),
        Ok(info) => {
            checks.extend(examine(engine, &info, wanted, local).await);
            if local {
                let reference = "docker:dind".to_owned();
                let images: Vec<String> = images::stand_in_tag("engine", &reference)
                    .into_iter()
                    .chain([reference])
                    .collect();
                checks.push(doctor::isolated(engine, &info.id, &images).await);
                let index = paths::configured().map(|index| index.map(|index| index.from));
                checks.push(doctor::mirror(engine, &index.map_err(|error| error.to_string())).await);
            }
        }
    }
    checks
}

fn no_engine(error: &EngineError) -> Check {
    Check {
        name: "engine".into(),
        status: Status::Bad,
        found: error.to_string(),
        remedy: engine_hint(error).unwrap_or_default(),
    }
}

fn lines(checks: &[Check], noise: Option<&Noise>, color: bool) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (mark, paint) = match check.status {
            Status::Good => ("ok  ", "\x1b[32m"),
            Status::Warning => ("note", "\x1b[33m"),
            Status::Bad => ("FAIL", "\x1b[1;31m"),
        };
        let (paint, off) = if color { (paint, "\x1b[0m") } else { ("", "") };
        text.push_str(&format!("{paint}{mark}{off}  {:width$}  {}\n", check.name, check.found));
        if !check.remedy.is_empty() {
            text.push_str(&format!("      {:width$}  remedy: {}\n", "", check.remedy));
        }
    }
    if let Some(noise) = noise {
        text.push_str(&format!("this machine is {}\n", noise.verdict()));
    }
    text
}

fn json(checks: &[Check], noise: Option<&Noise>) -> String {
    let status = |check: &Check| match check.status {
        Status::Good => "ok",
        Status::Warning => "warning",
        Status::Bad => "failed",
    };
    let entries: Vec<_> = checks
        .iter()
        .map(|check| {
            serde_json::json!({
                "name": check.name, "status": status(check), "found": check.found, "remedy": check.remedy,
            })
        })
        .collect();
    let mut all = serde_json::json!({ "schema": 1, "checks": entries });
    if let Some(noise) = noise {
        let figures: serde_json::Map<_, _> = noise
            .findings
            .iter()
            .map(|it| (it.name.clone(), serde_json::json!(it.figures)))
            .collect();
        all["noise"] = serde_json::json!({ "quiet": noise.is_quiet(), "verdict": noise.verdict(), "figures": figures });
    }
    format!("{all:#}\n")
}
