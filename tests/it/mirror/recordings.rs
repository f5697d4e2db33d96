//! Recordings that were damaged, moved, shared or tampered with.

use std::fs::OpenOptions;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bakeoff::mirror::Origin;
use bakeoff::mirror::recording::archive::{export, import};
use bakeoff::mirror::recording::{Entry, Key, Lookup, Recording};

use super::stage::{METADATA, Stage, WHEEL, get, sha256, transfer, wheel, with};

fn manifest(folder: &Path) -> PathBuf {
    folder.join("manifest.jsonl")
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

/// Adds a download without any network.
fn add(recording: &Recording, url: &str, body: &[u8]) {
    let mut file = tempfile::NamedTempFile::new_in(recording.partial()).expect("a file");
    file.write_all(body).expect("written");
    let entry = Entry {
        key: Key::get(url),
        status: 200,
        size: body.len() as u64,
        sha256: sha256(body),
        headers: Vec::new(),
        recorded_unix_s: 0,
    };
    recording.add(entry, file.into_temp_path()).expect("added");
}

fn urls(recording: &Recording) -> Vec<String> {
    let entries = recording.entries();
    entries.iter().map(|entry| entry.key.url.clone()).collect()
}

fn has(recording: &Recording, url: &str) -> bool {
    matches!(recording.find(&Key::get(url)), Ok(Lookup::Found(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_is_found_refused_fetched_again_and_pruned() {
    let stage = Stage::new().await;
    let metadata = format!("{WHEEL}.metadata");
    let paths = [stage.file(WHEEL), stage.file(&metadata)];
    let mirror = stage.record().await;
    for path in &paths {
        get(&mirror, path).await;
    }
    // The small one is in the mirror's memory by now, or would be.
    get(&mirror, &paths[1]).await;
    let damage = |path: &str| {
        let mut file = OpenOptions::new().write(true).open(stage.blob(path)).expect("a body");
        file.seek(std::io::SeekFrom::Start(7)).expect("a place");
        file.write_all(b"#").expect("written");
    };
    damage(WHEEL);
    damage(&metadata);
    let found = mirror.warm(|_, _| {}).await.expect("readable");
    let mut keys: Vec<_> = found.iter().filter_map(|damage| damage.key.clone()).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            Key::get(stage.upstream.url(WHEEL)),
            Key::get(stage.upstream.url(&metadata))
        ]
    );
    assert!(
        found.iter().all(|damage| damage.reason.contains("instead of")),
        "{found:?}"
    );

    let replay = stage.replay().await;
    replay.warm(|_, _| {}).await.expect("readable");
    let got = get(&replay, &paths[0]).await;
    assert_eq!(got.status, 500);
    assert!(
        got.text().contains(&stage.upstream.url(WHEEL)) && got.text().contains("damaged"),
        "{}",
        got.text()
    );

    let before = stage.upstream.seen().len();
    assert_eq!(get(&mirror, &paths[0]).await.good(), (200, &wheel()[..]));
    assert_eq!(get(&mirror, &paths[0]).await.good(), (200, &wheel()[..]));
    assert_eq!(stage.upstream.seen().len(), before + 1);

    let pruned = Recording::open(&stage.recording_folder()).expect("a recording");
    assert!(export(&pruned, &stage.folder.path().join("x.tar")).is_err());
    assert_eq!(
        pruned.prune().expect("pruned"),
        (1, bakeoff::units::Bytes(METADATA.len() as u64))
    );
    assert_eq!(pruned.prune().expect("pruned"), (0, bakeoff::units::Bytes(0)));
    stage.holds(&[WHEEL]);
    let replay = stage.replay().await;
    assert_eq!(get(&replay, &paths[0]).await.good(), (200, &wheel()[..]));
    assert_eq!(get(&replay, &paths[1]).await.status, 403);
    // The mirror that was running meanwhile fetches what is gone.
    assert_eq!(get(&mirror, &paths[1]).await.good(), (200, METADATA));
    stage.holds(&[WHEEL, &metadata]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_rotted_after_the_check_is_never_served() {
    let stage = Stage::new().await;
    let metadata = format!("{WHEEL}.metadata");
    let path = stage.file(&metadata);
    drop(get(&stage.record().await, &path).await);
    let blob = stage.blob(&metadata);
    let rotten: Vec<u8> = METADATA.iter().map(|byte| byte ^ 1).collect();
    std::fs::write(&blob, &rotten).expect("written");
    // A part of it is no better.
    for part in [None, Some(("range", "bytes=0-3"))] {
        let replay = stage.replay().await;
        for _ in 0..2 {
            let got = with(&replay, &path, part.as_slice()).await;
            assert!(got.status == 500 && got.text().contains("damaged"), "{got:?}");
            let seen = transfer(&replay).await;
            assert_eq!(seen.origin, Origin::Refused);
            let problem = seen.problem.unwrap_or_default();
            assert!(problem.contains(&stage.upstream.url(&metadata)), "{problem}");
        }
    }
    let mirror = stage.record().await;
    assert_eq!(get(&mirror, &path).await.status, 500);
    // From then on it is known, and fetched again.
    assert_eq!(get(&mirror, &path).await.good(), (200, METADATA));
    assert_eq!(get(&mirror, &path).await.good(), (200, METADATA));
    assert_eq!(mirror.warm(|_, _| {}).await.expect("readable"), []);
}

#[test]
fn half_a_line_at_the_end_is_as_if_it_were_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let recording = Recording::create(&path).expect("a recording");
    add(&recording, "http://x.invalid/a", b"a");
    append(&manifest(&path), r#"{"record":"download","url":"http://x.inv"#);
    for reopened in [
        Recording::open(&path).expect("still good"),
        Recording::create(&path).expect("still good"),
        recording,
    ] {
        assert!(has(&reopened, "http://x.invalid/a"));
        assert!(!has(&reopened, "http://x.invalid/b"));
    }
    let recording = Recording::create(&path).expect("still good");
    add(&recording, "http://x.invalid/b", b"b");
    let reopened = Recording::open(&path).expect("still good");
    assert_eq!(urls(&reopened), ["http://x.invalid/a", "http://x.invalid/b"]);
    // Even of the first line.
    let torn = folder.path().join("torn");
    std::fs::create_dir(&torn).expect("a folder");
    std::fs::write(manifest(&torn), "{\"record\":\"recor").expect("written");
    let recording = Recording::create(&torn).expect("begun anew");
    add(&recording, "http://x.invalid/a", b"a");
    let text = std::fs::read_to_string(manifest(&torn)).expect("text");
    assert!(text.starts_with("{\"record\":\"recording\",\"schema\":1"), "{text}");
}

#[test]
fn a_line_that_makes_no_sense_is_told_of_by_file_and_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let recording = Recording::create(&path).expect("a recording");
    recording.set_index("http://x.invalid/simple/").expect("set");
    add(&recording, "http://x.invalid/a", b"a");
    add(&recording, "http://x.invalid/a", b"b");
    append(&manifest(&path), "garbage\n");
    let expected = format!("{}:5: ", manifest(&path).display());
    let error = Recording::open(&path).expect_err("garbage").to_string();
    assert!(error.starts_with(&expected), "{error}");
    // However often somebody looks, and from wherever he had read before.
    for _ in 0..2 {
        let error = recording.find(&Key::get("http://x.invalid/none")).expect_err("garbage");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    for (line, told) in [
        (r#"{"record":"recording","schema":99,"bakeoff_version":"9"}"#, "99"),
        (
            r#"{"record":"download","url":"http://x.invalid/c","status":200,"size":1,"sha256":"../../../etc/passwd","recorded_unix_s":0}"#,
            ":1: a hash that is none",
        ),
        (r#"{"record":"unheard-of"}"#, ":1: "),
    ] {
        std::fs::write(manifest(&path), format!("{line}\n")).expect("written");
        let error = Recording::open(&path).expect_err("not as it should be").to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn processes_that_add_at_once_lose_nothing_and_see_each_other() {
    const EACH: usize = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let recordings = [(); 2].map(|()| Arc::new(Recording::create(&path).expect("a recording")));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recording = &recordings[thread % 2];
            scope.spawn(move || {
                for number in 0..EACH {
                    let url = format!("http://x.invalid/{thread}/{number}");
                    // Some bodies are the same.
                    add(recording, &url, format!("{}", number % 7).as_bytes());
                    assert!(has(recording, &url));
                }
            });
        }
    });
    for recording in &recordings {
        for thread in 0..4 {
            for number in 0..EACH {
                assert!(has(recording, &format!("http://x.invalid/{thread}/{number}")));
            }
        }
        assert_eq!(recording.verify(&|_, _| {}).expect("readable"), []);
    }
    let reopened = Recording::open(&path).expect("good");
    assert_eq!(urls(&reopened).len(), 4 * EACH);
    assert_eq!(reopened.digest(), recordings[0].digest());
    assert_eq!(std::fs::read_dir(path.join("partial")).expect("a folder").count(), 0);
}

#[test]
fn what_another_process_added_is_checked_and_exported_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let ours = Recording::create(&path).expect("a recording");
    let theirs = Recording::create(&path).expect("a recording");
    add(&theirs, "http://x.invalid/a", b"a");
    let file = folder.path().join("r.tar");
    assert_eq!(export(&ours, &file).expect("exported").entries, 1);
    assert_eq!(
        import(&file, &folder.path().join("again")).expect("imported").entries,
        1
    );
    let latest = Recording::open(&path).expect("good");
    std::fs::write(latest.blob(&sha256(b"a")), "b").expect("written");
    let third = Recording::open(&path).expect("good");
    add(&theirs, "http://x.invalid/b", b"bb");
    std::fs::write(third.blob(&sha256(b"bb")), "cc").expect("written");
    assert_eq!(third.verify(&|_, _| {}).expect("readable").len(), 2);
}

#[test]
fn an_exported_recording_is_imported_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::create(&folder.path().join("r")).expect("a recording");
    recording.set_index("http://x.invalid/simple/").expect("set");
    add(&recording, "http://x.invalid/a", b"a");
    add(&recording, "http://x.invalid/large", &wheel());
    recording.keep_lock_file("lock", b"version = 1").expect("kept");
    recording.mark_complete("all").expect("marked");
    let file = folder.path().join("r.tar");
    let stats = export(&recording, &file).expect("exported");
    let target = folder.path().join("else/where");
    assert_eq!(import(&file, &target).expect("imported"), stats);
    let again = Recording::open(&target).expect("good");
    assert_eq!(again.digest(), recording.digest());
    assert_eq!(again.index().as_deref(), Some("http://x.invalid/simple/"));
    assert_eq!(
        again.lock_file("lock").expect("readable").as_deref(),
        Some(&b"version = 1"[..])
    );
    assert!(again.is_complete("all"));
    assert_eq!(again.verify(&|_, _| {}).expect("readable"), []);
    // It can be added to, and isn't written over.
    add(&Recording::create(&target).expect("good"), "http://x.invalid/b", b"b");
    let error = import(&file, &target).expect_err("it is there").to_string();
    assert!(error.contains("already"), "{error}");
    assert_eq!(Recording::open(&target).expect("good").stats().entries, 3);
}

/// A member of an archive: its path, its content and its type.
type Member<'a> = (&'a str, &'a [u8], tar::EntryType);

fn tar_of(members: &[Member<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content, kind) in members {
        let mut header = tar::Header::new_gnu();
        // Past the crate, which refuses to write what climbs.
        header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind != tar::EntryType::Regular {
            header.set_link_name("/etc/passwd").expect("a link");
        }
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).expect("packed");
    }
    tar.into_inner().expect("packed")
}

#[test]
fn what_is_no_good_recording_is_not_imported_and_leaves_nothing() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};

    let hash = sha256(b"a");
    let blob = format!("blobs/{}/{hash}", &hash[..2]);
    let lines = |size: u64| {
        format!(
            "{{\"record\":\"recording\",\"schema\":1,\"bakeoff_version\":\"1\"}}\n\
             {{\"record\":\"download\",\"url\":\"http://x.invalid/a\",\"status\":200,\"size\":{size},\"sha256\":\"{hash}\",\"recorded_unix_s\":0}}\n"
        )
    };
    let good = lines(1);
    let wrong_size = lines(2);
    let manifest: Member<'_> = ("manifest.jsonl", good.as_bytes(), Regular);
    let body: Member<'_> = (&blob, b"a", Regular);
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("no tar", b"no tar at all".repeat(100), "tar archive"),
        ("short", b"short".to_vec(), ""),
        ("nothing", Vec::new(), "manifest.jsonl"),
        (
            "climbing",
            tar_of(&[manifest, body, ("../evil", b"x", Regular)]),
            "../evil",
        ),
        (
            "climbing within",
            tar_of(&[manifest, body, ("blobs/../../evil", b"x", Regular)]),
            "evil",
        ),
        ("absolute", tar_of(&[manifest, body, ("/evil", b"x", Regular)]), "evil"),
        ("symlink", tar_of(&[manifest, (&blob, b"", Symlink)]), "is no file"),
        ("hard link", tar_of(&[(&blob, b"", Link), manifest]), "is no file"),
        (
            "symlinked manifest",
            tar_of(&[("manifest.jsonl", b"", Symlink)]),
            "is no file",
        ),
        ("folder", tar_of(&[manifest, body, ("blobs", b"", Directory)]), "blobs"),
        (
            "stranger",
            tar_of(&[manifest, body, ("README", b"x", Regular)]),
            "README",
        ),
        ("damaged", tar_of(&[manifest, (&blob, b"b", Regular)]), "damaged"),
        ("missing", tar_of(&[manifest]), "missing"),
        ("no manifest", tar_of(&[body]), "manifest.jsonl"),
        ("twice", tar_of(&[manifest, body, body]), &hash),
        (
            "garbage",
            tar_of(&[("manifest.jsonl", b"garbage\n", Regular), body]),
            ":1: ",
        ),
        (
            "wrong size",
            tar_of(&[("manifest.jsonl", wrong_size.as_bytes(), Regular), body]),
            &hash,
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.tar");
    let target = folder.path().join("imported/r");
    let refused = |what: &str, archive: &[u8], told: &str| {
        std::fs::write(&file, archive).expect("written");
        let error = match import(&file, &target) {
            Err(error) => error.to_string(),
            Ok(stats) => panic!("{what} was imported: {stats:?}"),
        };
        assert!(error.contains(told), "{what}: {error}");
        let left: Vec<_> =
            std::fs::read_dir(folder.path().join("imported")).map_or_else(|_| Vec::new(), Iterator::collect);
        assert!(left.is_empty(), "{what}: {left:?}");
        assert!(
            !folder.path().join("evil").exists() && !Path::new("/evil").exists(),
            "{what}"
        );
    };
    for (what, archive, told) in cases {
        refused(what, archive, told);
    }
    let whole = tar_of(&[manifest, body]);
    // Up to the end of the last body; the padding after it carries nothing.
    let end = whole.len() - 1024 - 511;
    for length in (0..end).step_by(97) {
        refused(&format!("the first {length} bytes"), &whole[..length], "");
    }
    std::fs::write(&file, &whole).expect("written");
    assert_eq!(import(&file, &target).expect("good").entries, 1);
}
