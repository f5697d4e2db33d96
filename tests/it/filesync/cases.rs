//! Each context, built by bakeoff's engine and by the docker client.

use std::path::Path;
use std::time::Duration;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{BuildRequest, Builder, Context, Engine as _};
use tempfile::TempDir;

use super::client::{Client, client};
use super::contexts::{CASES, Case, SINCE_23, lay};
use super::image::{same, tree};
use crate::support::{Throwaway, engine, versions, wait};

/// A build of a folder, as the runner asks for one.
pub fn request(context: &Path, dockerfile: &Path, tag: &str) -> BuildRequest {
    BuildRequest {
        context: Context::Folders {
            context: context.to_owned(),
            dockerfile: dockerfile.parent().expect("a folder").to_owned(),
            shared_key: context.display().to_string(),
        },
        dockerfile: dockerfile.file_name().expect("a name").to_string_lossy().into_owned(),
        tag: tag.to_owned(),
        build_args: [("TO".to_owned(), "ours".to_owned())].into(),
        labels: std::collections::BTreeMap::new(),
        builder: Builder::Buildkit,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        compression: None,
        limit: Duration::from_secs(120),
    }
}

/// What went wrong, if anything.
async fn compare(engine: &DockerEngine, client: &Client, case: &Case) -> Result<(), String> {
    let place = TempDir::new().expect("a folder");
    let context = place.path().join("context");
    std::fs::create_dir(&context).expect("a folder");
    for (name, text) in case.files {
        lay(&context, name, text);
    }
    lay(&context, case.at, case.dockerfile);
    (case.more)(&context);
    let unchanged: fn(&Path) = |_| {};
    let dockerfile = context.join(case.at);
    let (ours, theirs) = (
        format!("bakeoff-filesync:ours-{}", std::process::id()),
        format!("bakeoff-filesync:theirs-{}", std::process::id()),
    );
    for (number, change) in std::iter::once(&unchanged).chain(case.changes).enumerate() {
        change(&context);
        let name = format!("{} ({number})", case.name);
        let built = engine.build(&request(&context, &dockerfile, &ours), &|_| {}).await;
        let by_client = client.build(&context, &dockerfile, &theirs, &["--build-arg", "TO=them"]);
        match (built, by_client) {
            (Ok(_), Ok(())) => {}
            // Newer engines take no names but UTF-8.
            (Err(_), Err(_)) if case.name == "names that are no UTF-8" => continue,
            (Err(failure), Err(said)) => return Err(format!("{name}: both failed: {} and {said}", failure.message)),
            (Err(failure), Ok(())) => return Err(format!("{name}: only ours failed: {}", failure.message)),
            (Ok(_), Err(said)) => return Err(format!("{name}: only the docker client failed: {said}")),
        }
        let our_tree = tree(engine, &ours, "ours").await;
        let their_tree = tree(engine, &theirs, "them").await;
        for image in [&ours, &theirs] {
            engine.remove_image(image).await.expect("removed");
        }
        same(&our_tree, &their_tree).map_err(|differences| format!("{name}: {differences}"))?;
    }
    Ok(())
}

#[test]
fn what_arrives_is_what_the_docker_client_sends() {
    let Some((engine, _turn)) = engine() else { return };
    let Some(client) = client() else { return };
    let is_new = client
        .version
        .split('.')
        .next()
        .is_some_and(|major| major.parse().is_ok_and(|major: u32| major >= 23));
    let newer: &[Case] = if is_new { SINCE_23 } else { &[] };
    let differences = |engine: &DockerEngine, client: &Client| -> Vec<String> {
        let cases = CASES.iter().chain(newer);
        let compared = cases.map(|case| wait(compare(engine, client, case)));
        compared.filter_map(Result::err).collect()
    };
    let failures = differences(&engine, &client);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let host = wait(engine.info()).expect("an answer").version;
    for version in versions().into_iter().filter(|version| !host.starts_with(version)) {
        let throwaway = Throwaway::start(&engine, &version, None);
        let client = client.at_engine(throwaway.address());
        let failures = differences(throwaway.engine(), &client);
        assert!(failures.is_empty(), "Engine {version}:\n{}", failures.join("\n"));
    }
}
