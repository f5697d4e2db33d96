//! What an engine holds but for what bakeoff may keep there: stand-ins of base images, the real ones that suites name unless
//! told otherwise, and BuildKit's handles on their layers. Tests share this with the program that prints it.

use std::collections::{BTreeMap, BTreeSet};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::inventory::{Owner, Thing, ThingKind};
use bakeoff::engine::{Engine as _, EngineError};
use bakeoff::suite::file::DEFAULT_IMAGES;

fn may_stay(thing: &Thing) -> bool {
    let is_base = DEFAULT_IMAGES.iter().any(|(_, reference)| thing.name == *reference);
    let is_engine = thing.name.starts_with("docker:") && thing.name.ends_with("dind");
    thing.owner == Owner::StandIn
        || thing.is_image_layer()
        || (thing.kind == ThingKind::Image && (is_base || is_engine))
}

/// What the engine holds, one thing a line; records of the build cache with what the engine says of them, which tells whose
/// they are.
pub async fn held(engine: &DockerEngine) -> Result<BTreeSet<String>, EngineError> {
    let records = engine.build_cache().await?;
    let said: BTreeMap<_, _> = records
        .iter()
        .map(|record| (record.id.as_str(), record.description.trim()))
        .collect();
    let inventory = engine.inventory().await?;
    let line = |thing: &Thing| {
        let said = said.get(thing.id.as_str()).map(|said| format!(": {said}"));
        let said = said.unwrap_or_default();
        format!("{} {} {}{said}", thing.kind.name(), thing.name, thing.id)
    };
    Ok(inventory.0.iter().filter(|thing| !may_stay(thing)).map(line).collect())
}
