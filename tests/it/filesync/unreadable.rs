//! Files and folders that may not be read: nobody misses them where the ignore file leaves them out, and elsewhere the run
//! ends at once and says which.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Ended, ONE, Place, SUITE, engine};

const JOURNEY: &str = "[[journey]]\nname = \"cold build\"\nkind = \"build\"\nimage = \"cold\"\n";

/// Runs the program so that modes count: as root, without what lets root pass by them. `None` where that can't be done.
fn bakeoff(place: &Place, arguments: &[&str]) -> Option<Ended> {
    let mut program = place.command(arguments);
    if rustix::process::geteuid().is_root() {
        let mut as_user = Command::new("setpriv");
        let without = ["bounding-set", "inh-caps"].map(|set| format!("--{set}=-dac_override,-dac_read_search"));
        as_user
            .args(without)
            .arg(program.get_program())
            .args(program.get_args());
        as_user.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        as_user.current_dir(place.path(""));
        program = as_user;
    }
    match program.output() {
        Ok(output) => Some(output.into()),
        Err(error) => {
            assert!(
                std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
                "setpriv is required here: {error}"
            );
            eprintln!("skipped: setpriv: {error}");
            None
        }
    }
}

#[test]
fn what_is_ignored_may_be_unreadable_and_nothing_else() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = Place::with_own_recordings();
    place
        .write("suite.toml", &format!("{SUITE}{JOURNEY}{ONE}"))
        .write("app/state", "cold\n")
        .write("app/secret/key", "")
        .write("app/data", "")
        // The pattern with a wildcard could take something in any folder back.
        .write("app/.dockerignore", "secret\ndata\n!**/public\n")
        .write(
            "app/Dockerfile",
            "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE}\nCOPY . /context/\n",
        );
    let mode = |name: &str, mode| set_permissions(place.path(name), Permissions::from_mode(mode)).expect("a mode");
    mode("app/secret", 0o000);
    mode("app/data", 0o000);
    let run = |out: &str| bakeoff(&place, &["run", "suite.toml", "--out", out]);
    let Some(ended) = run("run") else { return };
    assert_eq!(ended.code, 0, "{}", ended.err);

    place.write("app/.dockerignore", "data\n");
    let Some(ended) = run("other") else { return };
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("app/secret: Permission denied"), "{}", ended.err);
    assert!(
        ended.err.contains("\nhint: let yourself read it (chmod"),
        "{}",
        ended.err
    );

    place.write("app/.dockerignore", "secret\n");
    let Some(ended) = run("other") else { return };
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("app/data: Permission denied"), "{}", ended.err);
    mode("app/secret", 0o700);
}
