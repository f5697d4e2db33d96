//! What comes out: the bytes, the archives, the graph; and whether the real pip installs it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::ZipArchive;

use super::graph::Graph;
use super::*;
use crate::mirror::index::Page;

const SMALL: Spec = Spec {
    packages: 6,
    files: 4,
    bytes: 20_000,
    depth: 3,
    seed: 1,
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn generated(spec: &Spec, folder: &Path) -> Catalogue {
    generate(spec, folder, &|_, _| {}).unwrap()
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

fn unpacked(wheel: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(fs::File::open(wheel).unwrap()).unwrap();
    let count = archive.len();
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    };
    (0..count).map(read).collect()
}

/// The names that a wheel requires, as its metadata file has them.
fn requirements(wheel: &WheelFile) -> Vec<String> {
    let metadata = fs::read_to_string(&wheel.metadata_path).unwrap();
    let lines = metadata.lines().filter_map(|line| line.strip_prefix("Requires-Dist: "));
    lines
        .map(|line| line.strip_suffix(">=1.0").unwrap().to_owned())
        .collect()
}

#[test]
fn a_spec_reads_well_and_has_a_stable_key() {
    let spec = Spec {
        packages: 200,
        files: 40,
        bytes: 2_000_000,
        depth: 3,
        seed: 1,
    };
    assert_eq!(
        spec.to_string(),
        "200 packages of 40 files, 2.0 MB each, depth 3, seed 1"
    );
    assert_eq!(spec.key(), "synthetic-v1-p200-f40-b2000000-d3-s1");
    let one = Spec {
        packages: 1,
        files: 1,
        bytes: 10,
        depth: 1,
        seed: 0,
    };
    assert_eq!(one.to_string(), "1 package of 1 file, 10 B each, depth 1, seed 0");
}

#[test]
fn the_same_numbers_give_the_same_bytes() {
    let (one, other, third) = (folder(), folder(), folder());
    generated(&SMALL, one.path());
    generated(&SMALL, other.path());
    assert_eq!(contents(one.path()), contents(other.path()));
    let catalogue = generated(&Spec { seed: 2, ..SMALL }, third.path());
    let wheel = &catalogue.projects["bakeoff-synthetic-0000"][0];
    assert_ne!(contents(one.path())[&wheel.filename], fs::read(&wheel.path).unwrap());
}

#[test]
fn the_format_version_changes_with_the_bytes() {
    let folder = folder();
    let catalogue = generated(&SMALL, folder.path());
    let hashes: Vec<_> = catalogue
        .projects
        .values()
        .flatten()
        .map(|wheel| &*wheel.sha256)
        .collect();
    let hash = format!("{:x}", Sha256::digest(hashes.concat()));
    // If this fails, a change made other wheels of the same numbers, or a new release of the compressor did: raise
    // FORMAT, so that no folder of the old ones is used, and put the new hash here.
    assert_eq!((FORMAT, &hash[..16]), (1, "d914d5747c9fab6e"));
}

#[test]
fn a_wheel_is_what_its_record_says() {
    let folder = folder();
    let catalogue = generated(&SMALL, folder.path());
    for wheel in catalogue.projects.values().flatten() {
        assert_eq!(
            wheel.sha256,
            format!("{:x}", Sha256::digest(fs::read(&wheel.path).unwrap()))
        );
        assert_eq!(
            wheel.metadata_sha256,
            format!("{:x}", Sha256::digest(fs::read(&wheel.metadata_path).unwrap()))
        );
        assert_eq!(wheel.size, fs::metadata(&wheel.path).unwrap().len());
        let files = unpacked(&wheel.path);
        let info = wheel.filename.replace("-py3-none-any.whl", ".dist-info");
        let record = files.last().unwrap();
        assert_eq!(record.0, format!("{info}/RECORD"));
        let line = |(path, content): &(String, Vec<u8>)| {
            format!(
                "{path},sha256={},{}\n",
                URL_SAFE_NO_PAD.encode(Sha256::digest(content)),
                content.len()
            )
        };
        let expected: String = files[..files.len() - 1].iter().map(line).collect();
        assert_eq!(
            String::from_utf8_lossy(&record.1),
            format!("{expected}{info}/RECORD,,\n")
        );
        let inside = files
            .iter()
            .find(|(path, _)| *path == format!("{info}/METADATA"))
            .unwrap();
        assert_eq!(inside.1, fs::read(&wheel.metadata_path).unwrap());
    }
}

#[test]
fn modules_have_the_size_that_was_asked_for() {
    for (files, bytes) in [(1, 1), (4, 2), (7, 100_000), (3, 1_000_003)] {
        let folder = folder();
        let catalogue = generated(
            &Spec {
                files,
                bytes,
                packages: 1,
                depth: 1,
                seed: 9,
            },
            folder.path(),
        );
        let wheel = &catalogue.projects["bakeoff-synthetic-0000"][0];
        let modules: Vec<_> = unpacked(&wheel.path)
            .into_iter()
            .filter(|file| !file.0.contains(".dist-info/"))
            .collect();
        assert_eq!(modules.len(), files as usize);
        assert_eq!(modules.iter().map(|file| file.1.len() as u64).sum::<u64>(), bytes);
        assert_eq!(modules[0].0, "bakeoff_synthetic_0000/__init__.py");
        if bytes > 10_000 {
            assert!(
                (bytes / 4..bytes / 2).contains(&wheel.size),
                "{bytes} became {}",
                wheel.size
            );
        }
    }
}

#[test]
fn the_longest_chain_has_the_depth_that_was_asked_for() {
    fn chain(graph: &Graph, package: u32) -> usize {
        let below = &graph.requires[package as usize];
        1 + below.iter().map(|package| chain(graph, *package)).max().unwrap_or(0)
    }
    for (packages, depth) in [(1, 1), (2, 2), (10, 1), (10, 10), (40, 7), (200, 3)] {
        for seed in 0..5 {
            let graph = Graph::of(&Spec {
                packages,
                depth,
                seed,
                ..SMALL
            });
            let longest = (0..packages).map(|package| chain(&graph, package)).max();
            assert_eq!(longest, Some(depth as usize));
            let mut required = vec![0; packages as usize];
            graph
                .requires
                .iter()
                .flatten()
                .for_each(|package| required[*package as usize] += 1);
            for package in 0..packages {
                let by = required[package as usize];
                assert!(if graph.roots.contains(&package) {
                    by == 0
                } else {
                    by == 1 || by == 2
                });
            }
        }
    }
}

#[test]
fn the_meta_package_brings_all_others() {
    let folder = folder();
    let catalogue = generated(&SMALL, folder.path());
    let meta = &catalogue.projects[META];
    let names: Vec<_> = meta.iter().map(|wheel| &*wheel.filename).collect();
    assert_eq!(
        names,
        [
            "bakeoff_synthetic-1.0-py3-none-any.whl",
            "bakeoff_synthetic-1.1-py3-none-any.whl"
        ]
    );
    assert_eq!(requirements(&meta[0]), requirements(&meta[1]));
    let mut reached = BTreeSet::from([META.to_owned()]);
    let mut open = vec![META.to_owned()];
    while let Some(project) = open.pop() {
        let required = requirements(&catalogue.projects[&project][0]);
        open.extend(required.into_iter().filter(|project| reached.insert(project.clone())));
    }
    assert!(reached.iter().eq(catalogue.projects.keys()));
    assert_eq!(reached.len(), 7);
}

#[test]
fn a_complete_set_is_used_again_and_any_other_is_made_anew() {
    let folder = folder();
    let complete = folder.path().join("complete.json");
    let made = Cell::new(0);
    let again = || {
        made.set(0);
        let catalogue = generate(&SMALL, folder.path(), &|done, all| {
            assert_eq!((made.replace(done) + 1, all), (done, 8));
        });
        (catalogue.unwrap(), made.get())
    };
    let (catalogue, made_first) = again();
    assert_eq!(made_first, 8);
    assert_eq!(again(), (catalogue.clone(), 0));

    let text = fs::read_to_string(&complete).unwrap();
    let wheel = &catalogue.projects[META][0];
    let broken = [
        String::new(),
        "{".to_owned(),
        text[..text.len() / 2].to_owned(),
        text.replace("\"schema\": 1", "\"schema\": 2"),
        text.replace("-s1\"", "-s2\""),
        text.replace(&wheel.sha256, "no hash"),
        text.replace(&wheel.filename, "../elsewhere.whl"),
    ];
    for broken in broken {
        assert_ne!(broken, text);
        fs::write(&complete, broken).unwrap();
        assert_eq!(again(), (catalogue.clone(), 8));
        assert_eq!(fs::read_to_string(&complete).unwrap(), text);
    }
    fs::OpenOptions::new()
        .append(true)
        .open(&wheel.path)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert_eq!(again(), (catalogue.clone(), 8));
    fs::remove_file(&wheel.metadata_path).unwrap();
    assert_eq!(again(), (catalogue.clone(), 8));
    assert_eq!(again(), (catalogue, 0));
}

#[test]
fn several_may_generate_at_once() {
    let (together, alone) = (folder(), folder());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| generated(&SMALL, together.path()));
        }
    });
    generated(&SMALL, alone.path());
    assert_eq!(contents(together.path()), contents(alone.path()));
}

#[test]
fn an_error_names_the_folder() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = generate(&SMALL, &file.join("below"), &|_, _| {}).unwrap_err();
    assert!(
        error.to_string().ends_with("file/below for generated packages"),
        "{error}"
    );
}

#[test]
fn a_project_has_a_page() {
    let folder = folder();
    let catalogue = generated(&SMALL, folder.path());
    let page = catalogue
        .page("Bakeoff.Synthetic", |name| format!("http://index.example/files/{name}"))
        .unwrap();
    let wheel = &catalogue.projects[META][1];
    let file = page.files().nth(1).unwrap();
    assert_eq!(file.filename, wheel.filename);
    assert_eq!(
        file.url,
        "http://index.example/files/bakeoff_synthetic-1.1-py3-none-any.whl"
    );
    assert_eq!((file.sha256, file.size), (Some(&*wheel.sha256), Some(wheel.size)));
    assert_eq!(file.metadata_sha256, Some(&*wheel.metadata_sha256));
    let base = "http://index.example/simple/bakeoff-synthetic/".parse().unwrap();
    let json = page.to_json(str::to_owned);
    assert_eq!(
        Page::parse("application/vnd.pypi.simple.v1+json", &json, &base).unwrap(),
        page
    );
    assert!(String::from_utf8(json).unwrap().contains(r#""versions":["1.0","1.1"]"#));
    assert_eq!(catalogue.page("numpy", str::to_owned), None);
}

/// What Python says when it has imported everything: how many modules, and how many distributions.
const IMPORT_ALL: &str = "
import importlib, importlib.metadata, pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
modules = [path.relative_to(folder).with_suffix('') for path in folder.glob('bakeoff_synthetic*/*.py')]
for module in modules:
    importlib.import_module('.'.join(module.parts))
print(len(modules), len(list(importlib.metadata.distributions(path=[str(folder)]))))
";

#[test]
fn pip_installs_it_all() {
    let python = |arguments: &[&str]| Command::new("python3").args(arguments).output();
    if !python(&["-m", "pip", "--version"]).is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("BAKEOFF_REQUIRE_DOCKER").is_none(),
            "pip is required here"
        );
        eprintln!("skipped: no pip");
        return;
    }
    let (wheels, installed) = (folder(), folder());
    generated(
        &Spec {
            bytes: 100_000,
            ..SMALL
        },
        wheels.path(),
    );
    let (from, to) = (wheels.path().to_str().unwrap(), installed.path().to_str().unwrap());
    let quiet = [
        "-m",
        "pip",
        "--isolated",
        "--disable-pip-version-check",
        "install",
        "--no-cache-dir",
    ];
    let what = [
        "--no-index",
        "--find-links",
        from,
        "--target",
        to,
        "bakeoff-synthetic==1.0",
    ];
    let output = python(&[&quiet[..], &what[..]].concat()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = python(&["-c", IMPORT_ALL, to]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // Six packages of four modules, and the one that requires them.
    assert_eq!(said.trim(), "25 7", "{}", String::from_utf8_lossy(&output.stderr));
}
