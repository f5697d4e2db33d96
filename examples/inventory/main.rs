//! Prints what the engine holds, one thing a line, for `scripts/test` to compare; but for what bakeoff may keep there.

mod held;

use bakeoff::engine::docker::DockerEngine;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), bakeoff::engine::EngineError> {
    for thing in held::held(&DockerEngine::from_environment()?).await? {
        println!("{thing}");
    }
    Ok(())
}
