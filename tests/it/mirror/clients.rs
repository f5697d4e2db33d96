//! Real clients, pip and uv, against mirrors of generated packages.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bakeoff::mirror::recording::Recording;
use bakeoff::mirror::synthetic::{self, Catalogue, META, Spec};
use bakeoff::mirror::{Config, LOOPBACK, Mirror, Mode, Origin, Upstream};
use tempfile::TempDir;

use crate::support::Ended;

/// Five packages and the one that requires them all.
const SPEC: Spec = Spec {
    packages: 5,
    files: 2,
    bytes: 20_000,
    depth: 3,
    seed: 1,
};

/// A mirror with a recording in a folder.
async fn mirror(mode: Mode, folder: &Path, synthetic: Option<Catalogue>, upstream: Option<&Mirror>) -> Mirror {
    let recording = match mode {
        Mode::Record => Recording::create(folder),
        Mode::Replay => Recording::open(folder),
    };
    let upstream = upstream.map(|from| Upstream::new(&from.index_url(), "a test").expect("an address"));
    let config = Config {
        mode,
        recording: Arc::new(recording.expect("a recording")),
        upstream,
        aliases: Vec::new(),
        synthetic,
        bind: vec![LOOPBACK],
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    Mirror::start(config).await.expect("a mirror")
}

/// A mirror of generated packages only.
async fn generated(folder: &TempDir) -> Mirror {
    let catalogue = synthetic::generate(&SPEC, &folder.path().join("packages"), &|_, _| {}).expect("packages");
    mirror(Mode::Record, &folder.path().join("generated"), Some(catalogue), None).await
}

/// Runs a client that knows nothing of this machine's configuration, and has no cache.
async fn run(program: &Path, arguments: &[&str], folder: &Path) -> Ended {
    let cache = TempDir::new().expect("a folder");
    let mut command = std::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if upper.starts_with("PIP_") || upper.starts_with("UV_") || upper.ends_with("_PROXY") || upper == "VIRTUAL_ENV"
        {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("UV_NO_CONFIG", "1")
        .env("UV_CACHE_DIR", cache.path())
        .env("UV_PYTHON_DOWNLOADS", "never");
    let output = tokio::process::Command::from(command).output().await;
    output.expect("the client starts").into()
}

async fn succeeds(program: &Path, arguments: &[&str], folder: &Path) {
    let ended = run(program, arguments, folder).await;
    assert_eq!(ended.code, 0, "{arguments:?}:\n{}\n{}", ended.out, ended.err);
}

/// Installs everything with the `pip` of this machine.
async fn pip_installs(index: &str, target: &str, folder: &Path) {
    // Without the look for a newer pip, which is on no index here.
    let arguments = ["-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir"];
    let arguments = [&arguments[..], &["--index-url", index, "--target", target, META]].concat();
    succeeds(Path::new("python3"), &arguments, folder).await;
    assert_eq!(installed(Path::new(target)), 6);
}

/// What is installed in a folder.
fn installed(folder: &Path) -> usize {
    let listed = std::fs::read_dir(folder).expect("a folder");
    let names = listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".dist-info")).count()
}

/// The packages in a project's environment.
fn synced(project: &Path) -> usize {
    let lib = std::fs::read_dir(project.join(".venv/lib")).expect("an environment");
    let python = lib.map(|entry| entry.expect("an entry").path()).next();
    installed(&python.expect("a version").join("site-packages"))
}

/// Every transfer since the last look went well and came from there.
async fn all_from(mirror: &Mirror, origin: Origin, least: usize) {
    let transfers = mirror.transfers().await;
    let bad = transfers
        .iter()
        .find(|seen| seen.origin != origin || seen.problem.is_some());
    assert!(bad.is_none(), "{bad:#?}");
    assert!(transfers.len() >= least, "{transfers:#?}");
}

/// uv from the index that this machine is configured for, fetched once. `None` where it can't be had, unless the
/// environment says that nothing may be skipped.
fn uv() -> Option<&'static Path> {
    static UV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = UV.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv");
        let program = kept.join("bin/uv");
        if program.is_file() {
            return Some(program);
        }
        let staging = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let output = std::process::Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "uv", "--target"])
            .arg(staging.path())
            .output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            // Another process may have been quicker.
            if std::fs::rename(staging.path(), &kept).is_ok() {
                let _ = staging.keep();
            }
            return Some(program);
        }
        assert!(
            std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
            "uv is required here: {output:?}"
        );
        eprintln!("skipped: there is no uv: {output:?}");
        None
    });
    found.as_deref()
}

/// A project that requires all generated packages.
fn project(folder: &TempDir, name: &str) -> PathBuf {
    let project = folder.path().join(name);
    std::fs::create_dir(&project).expect("a folder");
    let text = format!(
        "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"{META}\"]\n"
    );
    std::fs::write(project.join("pyproject.toml"), text).expect("written");
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_installs_generated_packages() {
    let folder = TempDir::new().expect("a folder");
    let mirror = generated(&folder).await;
    let target = folder.path().join("target");
    let target = target.to_str().expect("text");
    let index = mirror.index_url();
    pip_installs(&index, target, folder.path()).await;
    all_from(&mirror, Origin::Synthetic, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_gets_the_same_from_upstream_and_from_the_recording() {
    let folder = TempDir::new().expect("a folder");
    let upstream = generated(&folder).await;
    let recorded = folder.path().join("recording");
    for (mode, origin) in [(Mode::Record, Origin::Upstream), (Mode::Replay, Origin::Recording)] {
        let mirror = mirror(mode, &recorded, None, Some(&upstream)).await;
        let target = folder.path().join(format!("{mode:?}"));
        let target = target.to_str().expect("text");
        let index = mirror.index_url();
        upstream.begin(bakeoff::units::Link::default());
        pip_installs(&index, target, folder.path()).await;
        all_from(&mirror, origin, 12).await;
        assert_eq!(upstream.transfers().await.is_empty(), mode == Mode::Replay);
    }
    let recording = Recording::open(&recorded).expect("a recording");
    assert_eq!(recording.verify(&|_, _| {}).expect("readable"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn uv_installs_and_locks_and_syncs_generated_packages() {
    let Some(uv) = uv() else { return };
    let folder = TempDir::new().expect("a folder");
    let mirror = generated(&folder).await;
    let index = mirror.index_url();
    let target = folder.path().join("target");
    let target = target.to_str().expect("text");
    succeeds(
        uv,
        &["pip", "install", "--target", target, "--index-url", &index, META],
        folder.path(),
    )
    .await;
    assert_eq!(installed(Path::new(target)), 6);
    all_from(&mirror, Origin::Synthetic, 12).await;

    let project = project(&folder, "app");
    succeeds(uv, &["lock", "--default-index", &index], &project).await;
    succeeds(uv, &["lock", "--check", "--default-index", &index], &project).await;
    succeeds(uv, &["sync", "--locked", "--default-index", &index], &project).await;
    assert_eq!(synced(&project), 6);
    all_from(&mirror, Origin::Synthetic, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_of_the_upstream_is_good_for_uv_once_it_is_rewritten() {
    let Some(uv) = uv() else { return };
    let folder = TempDir::new().expect("a folder");
    let upstream = generated(&folder).await;
    let made = project(&folder, "made");
    succeeds(uv, &["lock", "--default-index", &upstream.index_url()], &made).await;
    let lock = std::fs::read_to_string(made.join("uv.lock")).expect("a lock file");
    let recorded = folder.path().join("recording");
    let recording = mirror(Mode::Record, &recorded, None, Some(&upstream)).await;
    check_rewritten(uv, &folder, &recording, &lock, "first").await;
    // A lock file says where the files are: no page is needed.
    all_from(&recording, Origin::Upstream, 6).await;
    drop((upstream, recording));
    let replaying = mirror(Mode::Replay, &recorded, None, None).await;
    check_rewritten(uv, &folder, &replaying, &lock, "second").await;
    all_from(&replaying, Origin::Recording, 6).await;
}

/// A lock file passes, and everything can be installed by it, but only after it was rewritten.
async fn check_rewritten(uv: &Path, folder: &TempDir, mirror: &Mirror, lock: &str, name: &str) {
    let project = project(folder, name);
    let index = mirror.index_url();
    let path = project.join("uv.lock");
    std::fs::write(&path, lock).expect("written");
    let unchanged = run(uv, &["lock", "--check", "--default-index", &index], &project).await;
    assert_ne!(unchanged.code, 0, "{}", unchanged.err);
    std::fs::write(&path, mirror.rewrite_lock(lock)).expect("written");
    mirror.begin(bakeoff::units::Link::default());
    succeeds(uv, &["lock", "--check", "--default-index", &index], &project).await;
    succeeds(uv, &["sync", "--locked", "--default-index", &index], &project).await;
    assert_eq!(synced(&project), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_of_an_index_that_nobody_can_reach_is_good_for_uv_once_it_is_rewritten() {
    const INDEX: &str = "https://index.invalid/simple";
    let Some(uv) = uv() else { return };
    let folder = TempDir::new().expect("a folder");
    let catalogue = synthetic::generate(&SPEC, &folder.path().join("packages"), &|_, _| {}).expect("packages");
    let recorded = folder.path().join("recording");
    let recording = Recording::create(&recorded).expect("a recording");
    recording.set_index(&format!("{INDEX}/")).expect("set");
    let mirror = mirror(Mode::Replay, &recorded, Some(catalogue), None).await;
    let index = mirror.index_url();
    let project = project(&folder, "app");
    succeeds(uv, &["lock", "--default-index", &index], &project).await;
    let path = project.join("uv.lock");
    let ours = std::fs::read_to_string(&path).expect("a lock file");
    let files = format!("{}/synthetic", mirror.origin());
    let theirs = ours
        .replace(&index, INDEX)
        .replace(&files, "https://files.invalid/packages");
    assert!(!theirs.contains(&mirror.origin()), "{theirs}");
    std::fs::write(&path, &theirs).expect("written");
    let unchanged = run(uv, &["lock", "--check", "--default-index", &index], &project).await;
    assert_ne!(unchanged.code, 0, "{}", unchanged.err);
    let rewritten = mirror.rewrite_lock(&theirs);
    assert!(!rewritten.contains("https://"), "{rewritten}");
    std::fs::write(&path, rewritten).expect("written");
    succeeds(uv, &["lock", "--check", "--default-index", &index], &project).await;
}
