//! What builds leave behind in our own process: nothing.

use std::os::unix::ffi::OsStrExt as _;

use tempfile::TempDir;

use bakeoff::engine::Engine as _;

use super::cases::request;
use crate::records::Records;
use crate::support::{engine, wait};

/// The sockets that this process has open.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("a list");
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.as_os_str().as_bytes().starts_with(b"socket:"))
        .count()
}

#[test]
fn a_hundred_builds_leave_no_socket_open() {
    let Some((engine, _turn)) = engine() else { return };
    let place = TempDir::new().expect("a folder");
    let dockerfile = place.path().join("Dockerfile");
    std::fs::write(&dockerfile, "FROM scratch\nCOPY Dockerfile /\n").expect("a file");
    let tag = format!("bakeoff-filesync:leaks-{}", std::process::id());
    let request = request(place.path(), &dockerfile, &tag, "ours");
    wait(async {
        let mut records = Records::of(&engine).await;
        let trace = engine.build(&request, &|_| {}).await.expect("a build");
        records.note(&trace, "ours");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let before = sockets();
        for _ in 0..100 {
            engine.build(&request, &|_| {}).await.expect("a build");
        }
        // A connection's task ends a moment after its build.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let after = sockets();
        engine.remove_image(&tag).await.expect("removed");
        records.remove(&engine).await;
        assert!(after <= before, "{before} sockets before, {after} after 100 builds");
    });
}
