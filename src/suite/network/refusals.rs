//! Networks of suites that must not load, with the whole messages that they get.

use crate::suite::testing::{Refusal, refusals};

const SUITE_FILE: &str = "scenarios/x.toml";

#[test]
fn bad_networks() {
    refusals(SUITE_FILE, BAD_NETWORKS);
}

const BAD_NETWORKS: &[Refusal] = &[
    (
        "[probe]",
        "[network]\nmode = \"recod\"\n[probe]",
        r#"
scenarios/x.toml:49:8: unknown value "recod"; expected one of auto, record, replay, upstream; did you mean "record"?
   |
49 | mode = "recod"
   |        ^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nlnk = \"80ms\"\n[probe]",
        r#"
scenarios/x.toml:49:1: unknown key "lnk"; expected one of mode, link, recording, index, synthetic; did you mean "link"?
   |
49 | lnk = "80ms"
   | ^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nlink = \"100mb\"\n[probe]",
        r#"
scenarios/x.toml:49:8: the link can't be "100mb"; expected a bandwidth, a latency or both, such as "100mbit,20ms", "1gbit" or "80ms", or "unshaped"
   |
49 | link = "100mb"
   |        ^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nrecording = \"a b\"\n[probe]",
        r#"
scenarios/x.toml:49:13: the recording's name can't be "a b"; expected at most 64 letters, digits, ".", "_" and "-", a letter or digit first
   |
49 | recording = "a b"
   |             ^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nindex = \"index.example\"\n[probe]",
        r#"
scenarios/x.toml:49:9: the index can't be "index.example"; expected an http or https URL with a host, without query and fragment, such as "https://index.example/simple"
   |
49 | index = "index.example"
   |         ^^^^^^^^^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nmode = \"upstream\"\nlink = \"80ms\"\n[probe]",
        r#"
scenarios/x.toml:50:8: a shaped link and mode = "upstream" can't stand together, because only the mirror can shape a link; expected "unshaped" or another mode
   |
50 | link = "80ms"
   |        ^^^^^^
"#,
    ),
    (
        "[factors]",
        "[network]\nmode = \"upstream\"\n\n[factors]\nlink = [\"unshaped\", \"80ms\"]",
        r#"
scenarios/x.toml:22:21: a shaped link and mode = "upstream" can't stand together, because only the mirror can shape a link; expected "unshaped" or another mode
   |
22 | link = ["unshaped", "80ms"]
   |                     ^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nmode = \"upstream\"\nsynthetic = { packages = 1, files = 1, bytes = \"1kB\", depth = 1 }\n[probe]",
        r#"
scenarios/x.toml:50:13: [network.synthetic] and mode = "upstream" can't stand together, because only the mirror can serve generated packages; expected another mode
   |
50 | synthetic = { packages = 1, files = 1, bytes = "1kB", depth = 1 }
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        "cache_mounts =",
        "link = [\"100mbit,20\"]\ncache_mounts =",
        r#"
scenarios/x.toml:19:9: a link can't be "100mbit,20"; expected a bandwidth, a latency or both, such as "100mbit,20ms", "1gbit" or "80ms", or "unshaped"
   |
19 | link = ["100mbit,20"]
   |         ^^^^^^^^^^^^
"#,
    ),
    (
        "cache_mounts =",
        "link = [\"100mbit\", \"0.1gbit,0ms\"]\ncache_mounts =",
        r#"
scenarios/x.toml:19:20: the value "100mbit" is there twice, first in line 19
   |
19 | link = ["100mbit", "0.1gbit,0ms"]
   |                    ^^^^^^^^^^^^^
"#,
    ),
    (
        "cache_mounts =",
        "link = []\ncache_mounts =",
        r"
scenarios/x.toml:19:8: the list of a factor's values is empty; expected at least one value
   |
19 | link = []
   |        ^^
",
    ),
    (
        "cache_mounts =",
        "lnik = [\"80ms\"]\ncache_mounts =",
        r#"
scenarios/x.toml:19:1: unknown factor "lnik"; expected one of cache_mounts, builder, link, engine, image_store, compression; did you mean "link"?
   |
19 | lnik = ["80ms"]
   | ^^^^
"#,
    ),
    (
        "[probe]",
        "[[exclude]]\nlink = \"fast\"\n[probe]",
        r#"
scenarios/x.toml:49:8: a link can't be "fast"; expected a bandwidth, a latency or both, such as "100mbit,20ms", "1gbit" or "80ms", or "unshaped"
   |
49 | link = "fast"
   |        ^^^^^^
"#,
    ),
];

#[test]
fn bad_generated_packages() {
    refusals(SUITE_FILE, BAD_GENERATED_PACKAGES);
}

const BAD_GENERATED_PACKAGES: &[Refusal] = &[
    (
        "[probe]",
        "[network]\nsynthetic = { packages = 1, files = 1, depth = 1 }\n[probe]",
        r#"
scenarios/x.toml:49:13: the key "bytes" is missing
   |
49 | synthetic = { packages = 1, files = 1, depth = 1 }
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network]\nsynthetic = { package = 1 }\n[probe]",
        r#"
scenarios/x.toml:49:15: unknown key "package"; expected one of packages, files, bytes, depth, seed; did you mean "packages"?
   |
49 | synthetic = { package = 1 }
   |               ^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 0\nfiles = 1\nbytes = \"1kB\"\ndepth = 1\n[probe]",
        r"
scenarios/x.toml:49:12: the number of packages can't be 0; expected a whole number from 1 to 10000
   |
49 | packages = 0
   |            ^
",
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 10001\nfiles = 1\nbytes = \"1kB\"\ndepth = 1\n[probe]",
        r"
scenarios/x.toml:49:12: the number of packages can't be 10001; expected a whole number from 1 to 10000
   |
49 | packages = 10001
   |            ^^^^^
",
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 1\nfiles = 10001\nbytes = \"1kB\"\ndepth = 1\n[probe]",
        r"
scenarios/x.toml:50:9: the number of files can't be 10001; expected a whole number from 1 to 10000
   |
50 | files = 10001
   |         ^^^^^
",
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 1\nfiles = 1\nbytes = \"999 B\"\ndepth = 1\n[probe]",
        r#"
scenarios/x.toml:51:9: the size of a package can't be "999 B"; expected a size from 1 kB to 1 GB, such as "2MB"
   |
51 | bytes = "999 B"
   |         ^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 1\nfiles = 1\nbytes = \"1.1 GB\"\ndepth = 1\n[probe]",
        r#"
scenarios/x.toml:51:9: the size of a package can't be "1.1 GB"; expected a size from 1 kB to 1 GB, such as "2MB"
   |
51 | bytes = "1.1 GB"
   |         ^^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 7\nfiles = 1\nbytes = \"1kB\"\ndepth = 8\n[probe]",
        r"
scenarios/x.toml:52:9: the depth of dependencies can't be 8; expected a whole number from 1 to the number of packages, 7
   |
52 | depth = 8
   |         ^
",
    ),
    (
        "[probe]",
        "[network.synthetic]\npackages = 7\nfiles = 1\nbytes = \"1kB\"\ndepth = 1\nseed = -1\n[probe]",
        r"
scenarios/x.toml:53:8: invalid value: integer `-1`, expected a whole number from 0
   |
53 | seed = -1
   |        ^^
",
    ),
];
