//! Each context, built by bakeoff's engine and by the docker client.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::session::Taken;
use bakeoff::engine::{BuildRequest, Builder, Context, Engine as _, Grants};
use bakeoff::fixture::Workspace;
use bakeoff::suite::Fixture;
use tempfile::TempDir;

use super::client::{Client, client};
use super::contexts::{CASES, Case, SINCE_23, lay};
use super::image::{same, tree};
use crate::records::Records;
use crate::support::{Throwaway, engine, versions, wait};

/// A build of a folder, as the runner asks for one.
pub fn request(context: &Path, dockerfile: &Path, tag: &str, to: &str) -> BuildRequest {
    BuildRequest {
        context: Context::Folders {
            context: context.to_owned(),
            dockerfile: dockerfile.parent().expect("a folder").to_owned(),
            shared_key: context.display().to_string(),
            taken: Taken::default(),
        },
        dockerfile: dockerfile.file_name().expect("a name").to_string_lossy().into_owned(),
        tag: tag.to_owned(),
        build_args: [("TO".to_owned(), to.to_owned())].into(),
        labels: BTreeMap::new(),
        builder: Builder::Buildkit,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(120),
    }
}

/// The steps that copy and are not taken from the cache. BuildKit's keys for them are made from all that it was sent but
/// for times: extended attributes too, most of which no image holds.
async fn uncached(engine: &DockerEngine, request: &BuildRequest) -> Result<(), Vec<String>> {
    let trace = engine
        .build(request, &|_| {})
        .await
        .map_err(|failure| vec![failure.message])?;
    let copies = trace.steps.into_iter().filter(|step| step.name.contains("COPY"));
    let missed: Vec<String> = copies.filter(|step| !step.cached).map(|step| step.name).collect();
    if missed.is_empty() { Ok(()) } else { Err(missed) }
}

/// What bakeoff builds: a folder, or the copy of it that a run makes.
#[derive(Clone, Copy, PartialEq)]
enum Built {
    Original,
    Copy,
}

/// A folder as a run lays it out.
fn copy(context: &Path, dockerfile: &Path) -> Workspace {
    let fixture = Fixture {
        name: "case".to_owned(),
        variant: String::new(),
        root: context.to_owned(),
        layers: vec![".".into()],
        placeholders: BTreeMap::new(),
        templates: Vec::new(),
        lock: None,
        edits: BTreeMap::new(),
        disk: None,
        trial_time: None,
    };
    Workspace::new(&fixture, &[dockerfile], &BTreeMap::new()).expect("laid out")
}

/// What went wrong, if anything.
async fn compare(engine: &DockerEngine, client: &Client, case: &Case, from: Built) -> Result<(), String> {
    let place = TempDir::new().expect("a folder");
    let context = place.path().join("context");
    std::fs::create_dir(&context).expect("a folder");
    for (name, text) in case.files {
        lay(&context, name, text);
    }
    lay(&context, case.at, case.dockerfile);
    (case.more)(&context);
    let mut records = Records::of(engine).await;
    let unchanged: fn(&Path) = |_| {};
    let dockerfile = context.join(case.at);
    let (ours, theirs) = (
        format!("bakeoff-filesync:ours-{}", std::process::id()),
        format!("bakeoff-filesync:theirs-{}", std::process::id()),
    );
    for (number, change) in std::iter::once(&unchanged).chain(case.changes).enumerate() {
        change(&context);
        let name = format!("{} ({number})", case.name);
        let copied = (from == Built::Copy).then(|| copy(&context, &dockerfile));
        let request = |to: &str| {
            let mut request = request(&context, &dockerfile, &ours, to);
            // With the original's key: the engine takes each copy for the next state of the same folder.
            if let (Some(copied), Context::Folders { context, .. }) = (&copied, &mut request.context) {
                copied.path().clone_into(context);
            }
            request
        };
        let our = engine.build(&request("ours"), &|_| {}).await;
        let their = client.build(&context, &dockerfile, &theirs, &["--build-arg", "TO=them"]);
        match (our, their) {
            (Ok(trace), Ok(())) => {
                records.note(&trace, "ours");
                records.note(&trace, "theirs");
            }
            // Engines since 28 refuse names that are no UTF-8, whoever sends them.
            (Err(_), Err(_)) if case.may_fail => continue,
            (our, their) => {
                let our = our.map(|_| ()).map_err(|failure| failure.message);
                return Err(format!("{name}: ours {our:?}, theirs {their:?}"));
            }
        }
        let our_tree = tree(engine, &ours, "ours").await;
        let their_tree = tree(engine, &theirs, "them").await;
        for image in [&ours, &theirs] {
            engine.remove_image(image).await.expect("removed");
        }
        same(&our_tree, &their_tree).map_err(|differences| format!("{name}: {differences}"))?;
        uncached(engine, &request("them"))
            .await
            .map_err(|steps| format!("{name}: the client's build is no cache for ours: {steps:?}"))?;
        engine.remove_image(&ours).await.expect("removed");
    }
    records.remove(engine).await;
    Ok(())
}

/// Compares every case, and says what went wrong.
fn differences(engine: &DockerEngine, client: &Client, from: Built) -> String {
    let is_new = client
        .version
        .split('.')
        .next()
        .is_some_and(|major| major.parse().is_ok_and(|major: u32| major >= 23));
    let newer: &[Case] = if is_new { SINCE_23 } else { &[] };
    let compared = CASES
        .iter()
        .chain(newer)
        .map(|case| wait(compare(engine, client, case, from)));
    let failures: Vec<String> = compared.filter_map(Result::err).collect();
    failures.join("\n")
}

#[test]
fn what_arrives_is_what_the_docker_client_sends() {
    let Some((engine, _turn)) = engine() else { return };
    let Some(client) = client() else { return };
    let before = wait(engine.build_cache()).expect("an answer").len();
    assert_eq!(differences(&engine, &client, Built::Original), "");
    let after = wait(engine.build_cache()).expect("an answer").len();
    assert!(after <= before, "{before} records before, {after} after");
    let host = wait(engine.info()).expect("an answer").version;
    for version in versions().into_iter().filter(|version| !host.starts_with(version)) {
        let throwaway = Throwaway::start(&engine, &version, None);
        let client = client.at_engine(throwaway.address());
        let differences = differences(throwaway.engine(), &client, Built::Original);
        assert_eq!(differences, "", "Engine {version}");
    }
}

#[test]
fn what_arrives_of_the_copy_that_a_run_builds_is_what_the_docker_client_sends_of_the_original() {
    let Some((engine, _turn)) = engine() else { return };
    let Some(client) = client() else { return };
    assert_eq!(differences(&engine, &client, Built::Copy), "");
}
