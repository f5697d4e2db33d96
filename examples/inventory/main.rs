//! Prints what the engine holds, one thing a line, for `scripts/test` to compare; but for what bakeoff may keep there:
//! stand-ins of base images, the real ones that suites name unless told otherwise, and BuildKit's handles on their layers.

use bakeoff::engine::Engine as _;
use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::inventory::{Owner, Thing, ThingKind};
use bakeoff::suite::file::DEFAULT_IMAGES;

fn may_stay(thing: &Thing) -> bool {
    let is_base = DEFAULT_IMAGES.iter().any(|(_, reference)| thing.name == *reference);
    let is_engine = thing.name.starts_with("docker:") && thing.name.ends_with("dind");
    thing.owner == Owner::StandIn
        || thing.is_image_layer()
        || (thing.kind == ThingKind::Image && (is_base || is_engine))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), bakeoff::engine::EngineError> {
    let inventory = DockerEngine::from_environment()?.inventory().await?;
    for thing in inventory.0.iter().filter(|thing| !may_stay(thing)) {
        println!("{} {} {}", thing.kind.name(), thing.name, thing.id);
    }
    Ok(())
}
