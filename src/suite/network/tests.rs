//! Networks of whole suites: what they become, alone and with what the command line says.

use crate::suite::testing::{Project, refusal};
use crate::suite::{Network, NetworkMode, Overrides, Suite, Synthetic};
use crate::units::{Bytes, Link};

const SUITE_FILE: &str = "scenarios/x.toml";

fn link(text: &str) -> Link {
    text.parse().unwrap()
}

/// The project with some tables more.
fn project(tables: &str) -> Project {
    let project = Project::new();
    project.change(SUITE_FILE, "[probe]", &format!("{tables}\n[probe]"));
    project
}

fn loaded(project: &Project, overrides: &Overrides) -> Suite {
    project.load(overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// The full names of scenarios with their links.
fn links(suite: &Suite) -> Vec<String> {
    let shown = suite
        .scenarios
        .iter()
        .map(|scenario| format!("{} {}", scenario.name, scenario.link));
    shown.collect()
}

#[test]
fn a_suite_without_a_network_has_the_default_one() {
    for tables in ["", "[network]\n"] {
        let suite = loaded(&project(tables), &Overrides::default());
        assert_eq!(suite.network, Network::default());
        assert!(suite.scenarios.iter().all(|scenario| !scenario.link.is_shaped()));
    }
}

#[test]
fn a_network_is_resolved() {
    let tables = "[network]\nmode = \"record\"\nlink = \"20ms, 0.1gbit\"\nrecording = \"light.2\"\n\
                  index = \"https://index.example:8443/a@b/simple\"\n\
                  [network.synthetic]\npackages = 200\nfiles = 40\nbytes = \"2MB\"\ndepth = 200\n";
    let suite = loaded(&project(tables), &Overrides::default());
    let expected = Network {
        mode: NetworkMode::Record,
        link: link("100mbit,20ms"),
        recording: Some("light.2".to_owned()),
        index: Some("https://index.example:8443/a@b/simple".to_owned()),
        synthetic: Some(Synthetic {
            packages: 200,
            files: 40,
            bytes: Bytes(2_000_000),
            depth: 200,
            seed: 1,
        }),
    };
    assert_eq!(suite.network, expected);
    assert!(
        suite
            .scenarios
            .iter()
            .all(|scenario| scenario.link == link("100mbit,20ms"))
    );
}

#[test]
fn the_edges_of_generated_packages_load() {
    for (numbers, seed) in [
        ("packages = 1\nfiles = 1\nbytes = \"1kB\"\ndepth = 1\nseed = 0", 0),
        (
            "packages = 10000\nfiles = 10000\nbytes = \"1 GB\"\ndepth = 10000\nseed = 9223372036854775807",
            u64::try_from(i64::MAX).unwrap(),
        ),
    ] {
        let suite = loaded(
            &project(&format!("[network.synthetic]\n{numbers}\n")),
            &Overrides::default(),
        );
        assert_eq!(suite.network.synthetic.unwrap().seed, seed);
    }
}

#[test]
fn every_mode_is_known_by_its_name() {
    for mode in [
        NetworkMode::Auto,
        NetworkMode::Record,
        NetworkMode::Replay,
        NetworkMode::Upstream,
    ] {
        let tables = format!("[network]\nmode = {:?}\n", mode.name());
        assert_eq!(loaded(&project(&tables), &Overrides::default()).network.mode, mode);
    }
}

#[test]
fn a_factor_of_links_multiplies_every_scenario() {
    let project = project("[network]\nlink = \"1s\"\n");
    project.change(
        SUITE_FILE,
        "[factors]",
        "[factors]\nlink = [\"100000kbit , 20ms\", \"80ms\"]",
    );
    project.change(SUITE_FILE, "build_args", "factors = { link = [\"1gbit\"] }\nbuild_args");
    let suite = loaded(&project, &Overrides::default());
    assert_eq!(
        links(&suite),
        [
            "pip 1gbit",
            "uv[link=100mbit+20ms,cache_mounts=on] 100mbit,20ms",
            "uv[link=100mbit+20ms,cache_mounts=off] 100mbit,20ms",
            "uv[link=80ms,cache_mounts=on] 80ms",
            "uv[link=80ms,cache_mounts=off] 80ms",
        ]
    );
    assert_eq!(
        suite.scenarios[1].factors[0],
        ("link".to_owned(), "100mbit,20ms".to_owned())
    );

    let selected = Overrides {
        scenario: vec!["*[link=100mbit+20ms,*".to_owned()],
        ..Overrides::default()
    };
    assert_eq!(loaded(&project, &selected).scenarios.len(), 2);
}

#[test]
fn scenarios_without_the_factor_have_the_network_s_link() {
    let project = project("[network]\nlink = \"80ms\"\n[[exclude]]\nlink = \"0.08s\"\ncache_mounts = \"off\"\n");
    project.change(SUITE_FILE, "build_args", "factors = { link = [\"1gbit\"] }\nbuild_args");
    let suite = loaded(&project, &Overrides::default());
    assert_eq!(links(&suite), ["pip 1gbit", "uv 80ms"]);
}

#[test]
fn the_command_line_replaces_the_network_and_every_link() {
    let project = project("[network]\nlink = \"80ms\"\nrecording = \"a\"\nindex = \"http://a.example\"\n");
    project.change(SUITE_FILE, "[factors]", "[factors]\nlink = [\"1gbit\", \"1mbit\"]");
    project.change(
        SUITE_FILE,
        "build_args",
        "factors = { link = [\"2ms\", \"3ms\"] }\nbuild_args",
    );
    let overrides = Overrides {
        network: Some(NetworkMode::Replay),
        link: Some(link("5ms")),
        recording: Some("b".to_owned()),
        index: Some("https://me:secret@b.example/simple".to_owned()),
        ..Overrides::default()
    };
    let suite = loaded(&project, &overrides);
    let expected = Network {
        mode: NetworkMode::Replay,
        link: link("5ms"),
        recording: Some("b".to_owned()),
        index: Some("https://me:secret@b.example/simple".to_owned()),
        synthetic: None,
    };
    assert_eq!(suite.network, expected);
    assert_eq!(
        links(&suite),
        ["pip 5ms", "uv[cache_mounts=on] 5ms", "uv[cache_mounts=off] 5ms"]
    );
    assert_eq!(suite.scenarios[0].factors, [("link".to_owned(), "5ms".to_owned())]);

    let unshaped = Overrides {
        network: Some(NetworkMode::Upstream),
        link: Some(Link::default()),
        ..Overrides::default()
    };
    let suite = loaded(&project, &unshaped);
    assert_eq!(suite.network.mode, NetworkMode::Upstream);
    assert!(suite.scenarios.iter().all(|scenario| !scenario.link.is_shaped()));
}

/// The message that a project gets with some overrides.
fn message(project: &Project, overrides: &Overrides) -> String {
    match project.load(overrides) {
        Ok(_) => "(loads)".to_owned(),
        Err(error) => project.shown(&error),
    }
}

#[test]
fn no_upstream_where_only_the_mirror_can_do_it() {
    let upstream = Overrides {
        network: Some(NetworkMode::Upstream),
        ..Overrides::default()
    };
    let both = Overrides {
        link: Some(link("5ms")),
        ..upstream.clone()
    };
    let shaped = Overrides {
        link: Some(link("5ms")),
        ..Overrides::default()
    };
    assert_eq!(
        message(&project(""), &both),
        "--link: can't be shaped together with --network upstream, because only the mirror can shape a link; leave one \
         of them out"
    );
    assert_eq!(
        message(&project("[network]\nmode = \"upstream\"\n"), &shaped),
        "--link: can't be shaped, because the suite's mode is \"upstream\" and only the mirror can shape a link; add \
         --network auto"
    );
    assert_eq!(
        message(&project("[network]\nlink = \"80ms\"\n"), &upstream),
        "--network upstream: the suite has a shaped link, and only the mirror can shape one; add --link unshaped or \
         leave --network upstream out\nscenarios/x.toml:49:8:\n   |\n49 | link = \"80ms\"\n   |        ^^^^^^"
    );
    let synthetic = "[network.synthetic]\npackages = 1\nfiles = 1\nbytes = \"1kB\"\ndepth = 1\n";
    assert_eq!(
        message(&project(synthetic), &upstream),
        "--network upstream: the suite has generated packages, and only the mirror can serve them; leave --network \
         upstream out\nscenarios/x.toml:48:1:\n   |\n48 | [network.synthetic]\n   | ^^^^^^^^^^^^^^^^^^^"
    );
    let factor = Project::new();
    factor.change(SUITE_FILE, "[factors]", "[factors]\nlink = [\"unshaped\", \"80ms\"]");
    assert!(
        message(&factor, &upstream).contains("x.toml:19:21:"),
        "{}",
        message(&factor, &upstream)
    );

    let recorded = Overrides {
        network: Some(NetworkMode::Auto),
        ..shaped
    };
    assert_eq!(
        message(&project("[network]\nmode = \"upstream\"\n"), &recorded),
        "(loads)"
    );
}

#[test]
fn names_and_addresses_on_the_command_line_are_checked() {
    let recording = |name: &str| Overrides {
        recording: Some(name.to_owned()),
        ..Overrides::default()
    };
    let index = |address: &str| Overrides {
        index: Some(address.to_owned()),
        ..Overrides::default()
    };
    let expected = "expected an http or https URL with a host, without query and fragment, such as \
                    \"https://index.example/simple\"";
    for (overrides, found) in [
        (
            recording("../x"),
            "--recording: can't be \"../x\"; expected at most 64 letters, digits, \".\", \"_\" and \"-\", a letter or \
             digit first"
                .to_owned(),
        ),
        (
            index("ftp://index.example/simple"),
            format!("--index: can't be \"ftp://index.example/simple\"; {expected}"),
        ),
        (
            index("https://me:se cret@index.example"),
            format!("--index: can't be an address with \"@\" in it; {expected}"),
        ),
    ] {
        assert_eq!(message(&Project::new(), &overrides), found);
    }
}

#[test]
fn what_is_no_index_is_refused() {
    for text in [
        "",
        "index.example",
        "/simple",
        "https://",
        "https:///simple",
        "https://index.example:port/",
        "https://index.example:",
        "https://index.example/a b",
        "https://index.example/?a=b",
        "https://index.example/#a",
    ] {
        assert!(!super::is_index(text), "{text:?}");
    }
    for text in ["http://127.0.0.1:3141/root/simple/", "https://[::1]:80", "http://a@b"] {
        assert!(super::is_index(text), "{text:?}");
    }
}

#[test]
fn a_password_in_a_suite_is_refused_without_showing_it() {
    for address in [
        "https://me:secret@index.example/simple",
        "https://secret@index.example",
        "https://me:se cret@index.example",
        "https://me:sec/ret@index.example",
    ] {
        let found = refusal(
            SUITE_FILE,
            "[probe]",
            &format!("[network]\nindex = {address:?}\n[probe]"),
        );
        assert!(
            found.starts_with("scenarios/x.toml:49:9: the index can't be an address with "),
            "{found}"
        );
        assert!(!found.contains("ret") && !found.contains('\n'), "{found}");
    }
    assert_eq!(
        refusal(
            SUITE_FILE,
            "[probe]",
            "[network]\nindex = \"https://me:secret@index.example\"\n[probe]"
        ),
        "scenarios/x.toml:49:9: the index can't be an address with a user name or a password; expected one without, \
         because journals keep the suite's text; put them into your own configuration of pip or uv"
    );
}
