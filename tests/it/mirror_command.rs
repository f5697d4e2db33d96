//! `bakeoff mirror`: what lies in the cache, as files and as an index.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use bakeoff::mirror::recording::{Entry, Key, Recording};
use bakeoff::mirror::synthetic::{self, Spec};
use bakeoff::units::hex;
use sha2::{Digest as _, Sha256};

use crate::support::{Ended, Place};

const INDEX: &str = "https://index.example/simple/";

/// A cache of its own, and the program that uses it.
struct Cache(Place);

impl Cache {
    fn new() -> Self {
        Self(Place::new())
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.0.command(&[&["mirror"], arguments].concat());
        command
            .env("XDG_CACHE_HOME", self.0.path("cache"))
            .env_remove("COLUMNS");
        command
    }

    fn mirror(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path(&format!("cache/bakeoff/recordings/{name}"))
    }

    fn synthetic(&self) -> PathBuf {
        let spec = Spec {
            packages: 2,
            files: 1,
            bytes: 1_000,
            depth: 1,
            seed: 1,
        };
        let folder = self.0.path(&format!("cache/bakeoff/synthetic/{}", spec.key()));
        synthetic::generate(&spec, &folder, &|_, _| {}).expect("generated");
        folder
    }

    /// A recording of a page of the index, a package and something else.
    fn record(&self, name: &str) -> Recording {
        let recording = Recording::create(&self.folder(name)).expect("made");
        recording.set_index(INDEX).expect("written");
        let wheel = "https://files.example/demo-1.0-py3-none-any.whl";
        let page = format!("<a href=\"{wheel}\">demo-1.0-py3-none-any.whl</a>");
        add(&recording, &format!("{INDEX}demo/"), page.as_bytes(), Some("text/html"));
        add(&recording, wheel, &[7; 5000], None);
        add(
            &recording,
            "http://deb.example/debian/InRelease",
            b"Suite: stable\n",
            None,
        );
        recording.mark_complete("a scenario").expect("written");
        recording
    }

    /// The recording with the wheel damaged.
    fn damaged(&self, name: &str) {
        let recording = self.record(name);
        std::fs::write(recording.blob(&hex(&Sha256::digest([7; 5000]))), [8; 5000]).expect("written");
    }
}

fn add(recording: &Recording, url: &str, body: &[u8], media: Option<&str>) {
    let mut file = tempfile::NamedTempFile::new_in(recording.partial()).expect("a file");
    file.write_all(body).expect("written");
    let entry = Entry {
        key: Key::get(url),
        status: 200,
        size: body.len() as u64,
        sha256: hex(&Sha256::digest(body)),
        headers: media
            .map(|media| ("content-type".to_owned(), media.to_owned()))
            .into_iter()
            .collect(),
        recorded_unix_s: 1,
    };
    recording.add(entry, file.into_temp_path()).expect("added");
}

/// Makes a folder look as if nobody had used it for 40 days.
fn age(folder: &std::path::Path) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 24 * 3600);
    let file = std::fs::File::create(folder.join("used")).expect("a file");
    file.set_modified(then).expect("set");
}

#[test]
fn help_teaches() {
    let cache = Cache::new();
    insta::assert_snapshot!(cache.mirror(&["--help"]).out);
    for command in ["stats", "verify", "prune", "export", "import", "serve"] {
        insta::assert_snapshot!(format!("help_of_{command}"), cache.mirror(&[command, "--help"]).out);
    }
}

#[test]
fn without_recordings_it_says_how_to_make_one() {
    let cache = Cache::new();
    let stats = cache.mirror(&["stats"]);
    assert_eq!(
        (stats.code, stats.out.contains("bakeoff run")),
        (0, true),
        "{}",
        stats.out
    );
    let verify = cache.mirror(&["verify"]);
    assert_eq!((verify.code, &verify.out), (0, &stats.out));
    assert_eq!(cache.mirror(&["prune", "--all"]).code, 0);
    let export = cache.mirror(&["export", "x.tar"]);
    assert_eq!(export.code, 4);
    assert!(export.err.contains("--network record"), "{}", export.err);
}

#[test]
fn stats_show_what_there_is() {
    let cache = Cache::new();
    cache.record("light").touch();
    cache.synthetic();
    std::fs::create_dir_all(cache.folder("no-recording")).expect("a folder");
    let filters = vec![
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:[\d.]+Z)?", "[time]"),
        (r"/[^ ]*/cache/", "[cache]/"),
    ];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!(cache.mirror(&["stats"]).out);
        insta::assert_snapshot!("stats_as_json", cache.mirror(&["stats", "--format", "json"]).out);
    });
    let one = cache.mirror(&["stats", "light"]);
    assert!(!one.out.contains("generated"), "{}", one.out);
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    let cache = Cache::new();
    cache.record("published-light");
    cache.record("published-torch");
    let arguments: [&[&str]; 5] = [
        &["stats", "published-ligth"],
        &["verify", "published-ligth"],
        &["prune", "published-ligth", "--all"],
        &["export", "x.tar", "--recording", "published-ligth"],
        &["serve", "published-ligth"],
    ];
    for arguments in arguments {
        let ended = cache.mirror(arguments);
        assert_eq!(ended.code, 4, "{arguments:?}");
        assert!(
            ended.err.contains("there are published-light, published-torch")
                && ended.err.contains("did you mean \"published-light\"?"),
            "{}",
            ended.err
        );
    }
    let several = cache.mirror(&["export", "x.tar"]);
    assert_eq!(several.code, 2);
    assert!(several.err.contains("--recording"), "{}", several.err);
    for path in ["../recordings/published-light", "..", ".", "/etc"] {
        assert_eq!(cache.mirror(&["prune", "--all", path]).code, 2, "{path}");
    }
}

#[test]
fn damage_is_found_told_and_removed() {
    let cache = Cache::new();
    cache.record("good");
    cache.damaged("bad");
    let verify = cache.mirror(&["verify"]);
    assert_eq!(verify.code, 1);
    assert!(
        verify
            .out
            .contains("bad: damaged: https://files.example/demo-1.0-py3-none-any.whl: its file has the hash"),
        "{}",
        verify.out
    );
    assert!(
        verify.out.contains("good: 3 downloads, 5.1 kB: all good"),
        "{}",
        verify.out
    );
    assert!(verify.err.contains("hint: `bakeoff mirror prune`"), "{}", verify.err);

    let dry = cache.mirror(&["prune", "--dry-run"]);
    assert!(
        dry.out
            .ends_with("would remove 1 damaged or abandoned thing (5.0 kB)\n"),
        "{}",
        dry.out
    );
    assert_eq!(cache.mirror(&["verify", "bad"]).code, 1);
    let prune = cache.mirror(&["prune"]);
    assert_eq!(prune.out, "removed 1 damaged or abandoned thing (5.0 kB)\n");
    assert_eq!(cache.mirror(&["verify"]).code, 0);
    let left = Recording::open(&cache.folder("bad")).expect("a recording");
    assert_eq!((left.stats().entries, left.completed()), (2, 0));
}

#[test]
fn only_what_nobody_uses_is_removed_and_nothing_that_is_no_recording() {
    let cache = Cache::new();
    cache.record("old");
    cache.record("new").touch();
    let generated = cache.synthetic();
    let foreign = [cache.folder("foreign"), generated.with_file_name("foreign")];
    for folder in foreign.iter().chain([&cache.folder("old"), &generated]) {
        std::fs::create_dir_all(folder).expect("a folder");
        age(folder);
    }
    let dry = cache.mirror(&["prune", "--unused-for", "30d", "--dry-run"]);
    assert!(dry.out.contains("would remove old"), "{}", dry.out);
    assert!(cache.folder("old").exists() && generated.exists());
    assert_eq!(cache.mirror(&["prune", "--unused-for", "41d"]).code, 0);
    assert!(cache.folder("old").exists());

    let prune = cache.mirror(&["prune", "--unused-for", "720h"]);
    assert_eq!(prune.code, 0, "{}", prune.err);
    assert!(prune.out.contains("removed 2 folders"), "{}", prune.out);
    assert!(!cache.folder("old").exists() && !generated.exists() && cache.folder("new").exists());
    cache.synthetic();
    cache.record("other");
    assert_eq!(cache.mirror(&["prune", "--all", "new"]).code, 0);
    assert!(!cache.folder("new").exists() && cache.folder("other").exists() && generated.exists());
    assert_eq!(cache.mirror(&["prune", "--all"]).code, 0);
    assert!(!cache.folder("other").exists() && !generated.exists());
    assert!(foreign.iter().all(|folder| folder.exists()));
}

#[test]
fn a_recording_travels_as_a_file() {
    let cache = Cache::new();
    let digest = cache.record("light").digest();
    let export = cache.mirror(&["export", "light.tar"]);
    assert_eq!(export.code, 0, "{}", export.err);
    assert!(
        export
            .out
            .starts_with("exported light (3 downloads, 5.1 kB) to light.tar"),
        "{}",
        export.out
    );
    let again = cache.mirror(&["export", "light.tar"]);
    assert_eq!((again.code, again.err.contains("--force")), (1, true), "{}", again.err);
    assert_eq!(cache.mirror(&["export", "light.tar", "--force"]).code, 0);

    let there = cache.mirror(&["import", "light.tar"]);
    assert_eq!(
        (there.code, there.err.contains("prune --all light")),
        (1, true),
        "{}",
        there.err
    );
    let import = cache.mirror(&["import", "light.tar", "--recording", "copy"]);
    assert_eq!(import.code, 0, "{}", import.err);
    assert_eq!(
        Recording::open(&cache.folder("copy")).expect("a recording").digest(),
        digest
    );
    for (file, code) in [("a b.tar", 2), ("nowhere.tar", 1)] {
        assert_eq!(cache.mirror(&["import", file]).code, code, "{file}");
    }
    assert_eq!(cache.mirror(&["import", "light.tar", "--recording", "../x"]).code, 2);
    std::fs::write(cache.0.path("nonsense.tar"), "nonsense").expect("written");
    assert_eq!(cache.mirror(&["import", "nonsense.tar"]).code, 1);
    assert!(!cache.folder("nonsense").exists());
}

/// What an address answers, head and all.
fn get(url: &str) -> String {
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a URL");
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_recording_is_served_until_interrupted() {
    let cache = Cache::new();
    cache.record("light");
    let arguments = ["serve", "light", "--listen", "127.0.0.1:0", "--link", "1ms"];
    let mut command = cache.command(&arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("uv pip install") {
        assert_ne!(out.read_line(&mut said).expect("readable"), 0, "{said}");
    }
    assert!(
        said.starts_with("serving light (3 downloads, 5.1 kB), link 1ms, until interrupted\n"),
        "{said}"
    );
    let index = said
        .lines()
        .find_map(|line| line.strip_prefix("index: "))
        .expect("an index");
    assert!(
        said.contains(&format!("pip install --no-cache-dir --index-url {index} PACKAGE")),
        "{said}"
    );
    let page = get(&format!("{index}/demo/"));
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("demo-1.0-py3-none-any.whl"),
        "{page}"
    );
    let refused = get(&format!("{index}/other/"));
    assert!(!refused.starts_with("HTTP/1.1 200"), "{refused}");
    for (arguments, code) in [
        (["prune", "--all", "light"].as_slice(), 4),
        (&["prune", "--all", "--dry-run"], 4),
        (&["prune", "--unused-for", "0h"], 0),
    ] {
        let prune = cache.mirror(arguments);
        assert_eq!(prune.code, code, "{arguments:?}: {}{}", prune.out, prune.err);
        assert!(prune.out.contains("light is in use by a run"), "{}", prune.out);
        assert!(
            prune.err.is_empty() || prune.err.contains("hint: wait"),
            "{}",
            prune.err
        );
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("sent");
    let ended = child.wait_with_output().expect("ends");
    out.read_to_string(&mut said).expect("readable");
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        said.contains("served 2 requests") && said.ends_with("; refused 1\n"),
        "{said}"
    );
    let complaints = String::from_utf8_lossy(&ended.stderr);
    assert!(complaints.contains("other"), "{complaints}");
    assert!(cache.folder("light").join("used").exists());
    assert_eq!(cache.mirror(&["prune", "--all", "light"]).code, 0);
    assert!(!cache.folder("light").exists());
}

#[test]
fn nothing_is_served_where_strangers_could_reach_it_or_recorded_from_nowhere() {
    let cache = Cache::new();
    cache.record("light");
    let public = cache.mirror(&["serve", "light", "--listen", "0.0.0.0:0"]);
    assert_eq!(
        (public.code, public.err.contains("loopback")),
        (4, true),
        "{}",
        public.err
    );
    assert_eq!(cache.mirror(&["serve", "light", "--index", INDEX]).code, 2);
    let record = ["serve", "new", "--record", "--index", "ftp://index.example"];
    let wrong = cache.mirror(&record);
    assert_eq!((wrong.code, wrong.err.contains("--index")), (3, true), "{}", wrong.err);
    assert!(!cache.folder("new").exists());
    let other = cache.mirror(&["serve", "light", "--record", "--index", "https://other.example/simple"]);
    assert_eq!(
        (other.code, other.err.contains("was made from the index")),
        (4, true),
        "{}",
        other.err
    );
}
