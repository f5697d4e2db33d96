//! Suites and fixtures that must not load, with the whole messages that they get.

use super::testing::{Refusal, refusals};

const SUITE_FILE: &str = "scenarios/x.toml";
const FIXTURE_FILE: &str = "fixtures/app/fixture.toml";

#[test]
fn bad_syntax_and_types() {
    refusals(SUITE_FILE, BAD_SYNTAX_AND_TYPES);
}

const BAD_SYNTAX_AND_TYPES: &[Refusal] = &[
    (
        "schema = 1\n",
        "",
        r#"
scenarios/x.toml:1:1: the key "schema" is missing
  |
1 |
  | ^
"#,
    ),
    (
        "schema = 1",
        "schema = 2",
        r"
scenarios/x.toml:1:10: schema 2 is not known to this version; expected 1
  |
1 | schema = 2
  |          ^
",
    ),
    (
        "schema = 1",
        r#"schema = "1""#,
        r#"
scenarios/x.toml:1:10: invalid type: string "1", expected a whole number
  |
1 | schema = "1"
  |          ^^^
"#,
    ),
    (
        "rounds = 3",
        "ruonds = 3",
        r#"
scenarios/x.toml:7:1: unknown key "ruonds"; expected one of name, description, fixture, variant, rounds, warmup, timeout, public_args, questions; did you mean "rounds"?
  |
7 | ruonds = 3
  | ^^^^^^
"#,
    ),
    (
        "rounds = 3",
        r#"rounds = "3""#,
        r#"
scenarios/x.toml:7:10: invalid type: string "3", expected a whole number from 0
  |
7 | rounds = "3"
  |          ^^^
"#,
    ),
    (
        "rounds = 3",
        "rounds = -3",
        r"
scenarios/x.toml:7:10: invalid value: integer `-3`, expected a whole number from 0
  |
7 | rounds = -3
  |          ^^
",
    ),
    (
        "rounds = 3",
        "rounds =",
        r"
scenarios/x.toml:7:9: string values must be quoted, expected literal string
  |
7 | rounds =
  |         ^
",
    ),
    (
        "rounds = 3",
        "rounds = 3\nrounds = 4",
        r"
scenarios/x.toml:8:1: duplicate key
  |
8 | rounds = 4
  | ^^^^^^
",
    ),
    (
        "name = \"small\"\n",
        "",
        r#"
scenarios/x.toml:3:1: the key "name" is missing
  |
3 | [suite]
  | ^^^^^^^
"#,
    ),
    (
        r#"kind = "push""#,
        r#"kind = "puhs""#,
        r#"
scenarios/x.toml:45:8: unknown value "puhs"; expected one of build, push, pull, start; did you mean "push"?
   |
45 | kind = "puhs"
   |        ^^^^^^
"#,
    ),
    (
        r#"build_args = { MODE = "fast" }"#,
        "build_args = { MODE = 1 }",
        r"
scenarios/x.toml:24:23: invalid type: integer `1`, expected a string
   |
24 | build_args = { MODE = 1 }
   |                       ^
",
    ),
    (
        "[[journey]]",
        "[[jorney]]",
        r#"
scenarios/x.toml:32:3: unknown key "jorney"; expected one of schema, suite, images, image_args, factors, scenario, exclude, journey, probe, published, network; did you mean "journey"?
   |
32 | [[jorney]]
   |   ^^^^^^
"#,
    ),
    (
        "[factors]",
        "[suite]",
        r"
scenarios/x.toml:18:2: duplicate key
   |
18 | [suite]
   |  ^^^^^
",
    ),
    (
        r#"= ["on", "off"]"#,
        r#"= "on""#,
        r#"
scenarios/x.toml:19:16: invalid type: string "on", expected a list
   |
19 | cache_mounts = "on"
   |                ^^^^
"#,
    ),
    (
        "port = 8000",
        "port = 80000",
        r#"
scenarios/x.toml:49:17: invalid value: integer `80000`, expected a whole number from 0 to 65535
   |
49 | http = { port = 80000, path = "/health" }
   |                 ^^^^^
"#,
    ),
    (
        "platform = \"linux/amd64\"\n",
        "[scenario.factor]\n",
        r#"
scenarios/x.toml:30:11: unknown key "factor"; expected one of name, dockerfile, build_args, target, platform, secrets, ssh, cache_from, cache_to, factors, expect; did you mean "factors"?
   |
30 | [scenario.factor]
   |           ^^^^^^
"#,
    ),
];

#[test]
fn bad_values() {
    refusals(SUITE_FILE, BAD_VALUES);
}

const BAD_VALUES: &[Refusal] = &[
    (
        "rounds = 3",
        "rounds = 0",
        r"
scenarios/x.toml:7:10: rounds can't be 0; expected at least 1 measured round
  |
7 | rounds = 0
  |          ^
",
    ),
    (
        r#""20m""#,
        r#""20 minutes""#,
        r#"
scenarios/x.toml:8:11: the timeout can't be "20 minutes"; expected a number with a unit (ms, s, m or h), such as "90 s" or "1h 30m", above 0
  |
8 | timeout = "20 minutes"
  |           ^^^^^^^^^^^^
"#,
    ),
    (
        r#""20m""#,
        r#""0 s""#,
        r#"
scenarios/x.toml:8:11: the timeout can't be "0 s"; expected a number with a unit (ms, s, m or h), such as "90 s" or "1h 30m", above 0
  |
8 | timeout = "0 s"
  |           ^^^^^
"#,
    ),
    (
        r#"public_args = ["MODE"]"#,
        r#"questions = ["cold bild"]"#,
        r#"
scenarios/x.toml:9:14: unknown phase "cold bild"; expected one of cold build, hot build, cold push; did you mean "cold build"?
  |
9 | questions = ["cold bild"]
  |              ^^^^^^^^^^^
"#,
    ),
    (
        r#"public_args = ["MODE"]"#,
        r#"questions = ["cold build", "cold build"]"#,
        r#"
scenarios/x.toml:9:28: the question "cold build" is there twice, first in line 9
  |
9 | questions = ["cold build", "cold build"]
  |                            ^^^^^^^^^^^^
"#,
    ),
    (
        r#""small""#,
        r#""""#,
        r#"
scenarios/x.toml:4:8: the suite's name can't be ""; expected at most 64 letters, digits, ".", "_" and "-", a letter or digit first
  |
4 | name = ""
  |        ^^
"#,
    ),
    (
        r#""node:22""#,
        r#""node 22""#,
        r#"
scenarios/x.toml:13:8: a base image can't be "node 22"; expected a reference for the role "node", such as "registry:2"
   |
13 | node = "node 22"
   |        ^^^^^^^^^
"#,
    ),
    (
        "port = 8000",
        "port = 0",
        r#"
scenarios/x.toml:49:17: the probe's port can't be 0; expected a port from 1 to 65535
   |
49 | http = { port = 0, path = "/health" }
   |                 ^
"#,
    ),
    (
        r#""/health""#,
        r#""health""#,
        r#"
scenarios/x.toml:49:30: the probe's path can't be "health"; expected a path such as "/health"
   |
49 | http = { port = 8000, path = "health" }
   |                              ^^^^^^^^
"#,
    ),
    (
        r#"http = { port = 8000, path = "/health" }"#,
        "",
        r"
scenarios/x.toml:48:1: [probe] is empty; expected http or command
   |
48 | [probe]
   | ^^^^^^^
",
    ),
    (
        "http = {",
        "command = [\"true\"]\nhttp = {",
        r#"
scenarios/x.toml:49:11: http and command can't stand together; expected one of them
   |
49 | command = ["true"]
   |           ^^^^^^^^
"#,
    ),
    (
        r#"http = { port = 8000, path = "/health" }"#,
        "command = []",
        r"
scenarios/x.toml:49:11: the probe's command is empty; expected a program and its arguments
   |
49 | command = []
   |           ^^
",
    ),
];

#[test]
fn bad_paths() {
    refusals(SUITE_FILE, BAD_PATHS);
}

const BAD_PATHS: &[Refusal] = &[
    (
        r#""../fixtures/app""#,
        r#""../fixture/app""#,
        r#"
scenarios/x.toml:6:11: there is no fixture folder "../fixture/app"; looked for fixture/app
  |
6 | fixture = "../fixture/app"
  |           ^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#""Dockerfile.uv""#,
        r#""Dockerfile.vu""#,
        r#"
scenarios/x.toml:28:14: there is no Dockerfile "Dockerfile.vu"; looked for fixtures/app/Dockerfile.vu or scenarios/Dockerfile.vu; did you mean "Dockerfile.uv"?
   |
28 | dockerfile = "Dockerfile.vu"
   |              ^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#""Dockerfile.pip""#,
        r#""sub/x""#,
        r#"
scenarios/x.toml:23:14: there is no Dockerfile "sub/x"; looked for fixtures/app/sub/x or scenarios/sub/x
   |
23 | dockerfile = "sub/x"
   |              ^^^^^^^
"#,
    ),
];

#[test]
fn unknown_names() {
    refusals(SUITE_FILE, UNKNOWN_NAMES);
}

const UNKNOWN_NAMES: &[Refusal] = &[
    (
        "rounds = 3",
        r#"variant = "torhc""#,
        r#"
scenarios/x.toml:7:11: unknown variant "torhc"; expected one of light, torch; did you mean "torch"?
  |
7 | variant = "torhc"
  |           ^^^^^^^
"#,
    ),
    (
        r#"edit = "bump-light""#,
        r#"edit = "bump-lite""#,
        r#"
scenarios/x.toml:41:8: unknown edit "bump-lite"; expected one of bump-light, touch-source; did you mean "bump-light"?
   |
41 | edit = "bump-lite"
   |        ^^^^^^^^^^^
"#,
    ),
    (
        r#"edit = "bump-light""#,
        r#"edits = ["touch-source", "bump"]"#,
        r#"
scenarios/x.toml:41:26: unknown edit "bump"; expected one of bump-light, touch-source; did you mean "bump-light"?
   |
41 | edits = ["touch-source", "bump"]
   |                          ^^^^^^
"#,
    ),
    (
        r#"NODE_IMAGE = "node""#,
        r#"NODE_IMAGE = "nod""#,
        r#"
scenarios/x.toml:16:14: unknown role "nod"; expected one of node, python, registry, uv; did you mean "node"?
   |
16 | NODE_IMAGE = "nod"
   |              ^^^^^
"#,
    ),
    (
        r#""Final""#,
        r#""finale""#,
        r#"
scenarios/x.toml:29:10: unknown stage "finale"; expected final; did you mean "final"?
   |
29 | target = "finale"
   |          ^^^^^^^^
"#,
    ),
    (
        r#"uv = "4m""#,
        r#"uvv = "4m""#,
        r#"
scenarios/x.toml:55:36: unknown scenario "uvv"; expected one of pip, uv; did you mean "uv"?
   |
55 | "cold build" = { pip = "268.98 s", uvv = "4m" }
   |                                    ^^^
"#,
    ),
    (
        r#""cold build" = {"#,
        r#""could build" = {"#,
        r#"
scenarios/x.toml:55:1: unknown phase "could build"; expected one of cold build, hot build, cold push, image size; did you mean "cold build"?
   |
55 | "could build" = { pip = "268.98 s", uv = "4m" }
   | ^^^^^^^^^^^^^
"#,
    ),
    (
        r#""268.98 s""#,
        r#""9.05 GB""#,
        r#"
scenarios/x.toml:55:24: a published time can't be "9.05 GB"; expected a number with a unit (ms, s, m or h), such as "90 s" or "1h 30m"
   |
55 | "cold build" = { pip = "9.05 GB", uv = "4m" }
   |                        ^^^^^^^^^
"#,
    ),
    (
        r#""9.05 GB""#,
        r#""12 s""#,
        r#"
scenarios/x.toml:56:23: a published size can't be "12 s"; expected a number with a unit (B, kB, MB, GB or TB), such as "9.05 GB"
   |
56 | "image size" = { uv = "12 s" }
   |                       ^^^^^^
"#,
    ),
];

#[test]
fn bad_factors_and_excludes() {
    refusals(SUITE_FILE, BAD_FACTORS_AND_EXCLUDES);
}

const BAD_FACTORS_AND_EXCLUDES: &[Refusal] = &[
    (
        "cache_mounts =",
        "cache_mount =",
        r#"
scenarios/x.toml:19:1: unknown factor "cache_mount"; expected one of cache_mounts, builder, link, engine, image_store, compression; did you mean "cache_mounts"?
   |
19 | cache_mount = ["on", "off"]
   | ^^^^^^^^^^^
"#,
    ),
    (
        r#""on", "off"]"#,
        r#""on", "of"]"#,
        r#"
scenarios/x.toml:19:23: unknown value "of"; expected one of on, off; did you mean "off"?
   |
19 | cache_mounts = ["on", "of"]
   |                       ^^^^
"#,
    ),
    (
        r#""on", "off"]"#,
        r#""on", "on"]"#,
        r#"
scenarios/x.toml:19:23: the value "on" is there twice, first in line 19
   |
19 | cache_mounts = ["on", "on"]
   |                       ^^^^
"#,
    ),
    (
        r#"["on", "off"]"#,
        "[]",
        r"
scenarios/x.toml:19:16: the list of a factor's values is empty; expected at least one value
   |
19 | cache_mounts = []
   |                ^^
",
    ),
    (
        r#"platform = "linux/amd64""#,
        r#"factors = { builder = ["docker"] }"#,
        r#"
scenarios/x.toml:30:24: unknown value "docker"; expected one of buildkit, classic
   |
30 | factors = { builder = ["docker"] }
   |                        ^^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[[exclude]]\nscenario = \"vu*\"\n[probe]",
        r#"
scenarios/x.toml:49:12: unknown scenario "vu*"; expected one of pip, uv
   |
49 | scenario = "vu*"
   |            ^^^^^
"#,
    ),
    (
        "[probe]",
        "[[exclude]]\nbuidler = \"classic\"\n[probe]",
        r#"
scenarios/x.toml:49:1: unknown factor "buidler"; expected one of cache_mounts, builder, link, engine, image_store, compression, scenario; did you mean "builder"?
   |
49 | buidler = "classic"
   | ^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[[exclude]]\nbuilder = \"clasic\"\n[probe]",
        r#"
scenarios/x.toml:49:11: unknown value "clasic"; expected one of buildkit, classic; did you mean "classic"?
   |
49 | builder = "clasic"
   |           ^^^^^^^^
"#,
    ),
    (
        "[probe]",
        "[[exclude]]\n[probe]",
        r"
scenarios/x.toml:48:1: the [[exclude]] is empty; expected scenario, or a factor and its value
   |
48 | [[exclude]]
   | ^^^^^^^^^^^
",
    ),
    (
        "[probe]",
        "[[exclude]]\nscenario = \"*\"\n[probe]",
        r"
scenarios/x.toml:48:1: the suite's scenarios are all excluded; expected at least one that is left
   |
48 | [[exclude]]
   | ^^^^^^^^^^^
",
    ),
];

#[test]
fn bad_journeys() {
    refusals(SUITE_FILE, BAD_JOURNEYS);
}

const BAD_JOURNEYS: &[Refusal] = &[
    (
        r#"edit = "bump-light""#,
        "edit = \"bump-light\"\nedits = []",
        r"
scenarios/x.toml:42:9: edit and edits can't stand together; expected one of them
   |
42 | edits = []
   |         ^^
",
    ),
    (
        "kind = \"push\"\nimage = \"cold\"",
        "kind = \"push\"\nimage = \"cold\"\nedit = \"bump-light\"",
        r#"
scenarios/x.toml:47:8: a push can't have an edit; expected it in the build of the image
   |
47 | edit = "bump-light"
   |        ^^^^^^^^^^^^
"#,
    ),
    (
        "kind = \"push\"\nimage = \"cold\"",
        "kind = \"push\"\nimage = \"colt\"",
        r#"
scenarios/x.toml:46:9: no build before this push makes the image "colt"; expected one of cold, hot; did you mean "cold"?
   |
46 | image = "colt"
   |         ^^^^^^
"#,
    ),
    (
        "kind = \"build\"\nimage = \"cold\"",
        "kind = \"push\"\nimage = \"cold\"",
        r#"
scenarios/x.toml:35:9: no build before this push makes the image "cold"; there are none
   |
35 | image = "cold"
   |         ^^^^^^
"#,
    ),
    (
        r#"image = "hot""#,
        r#"image = "hot:1""#,
        r#"
scenarios/x.toml:40:9: the name of an image can't be "hot:1"; expected at most 64 letters, digits, ".", "_" and "-", a letter or digit first
   |
40 | image = "hot:1"
   |         ^^^^^^^
"#,
    ),
    (
        r#"name = "cold push""#,
        r#"name = "cold build""#,
        r#"
scenarios/x.toml:44:8: the phase "cold build" is there twice, first in line 33
   |
44 | name = "cold build"
   |        ^^^^^^^^^^^^
"#,
    ),
    (
        r#"name = "cold push""#,
        r#"name = "image size""#,
        r#"
scenarios/x.toml:44:8: the name of a phase can't be "image size"; expected some text, and not "image size", which is a row of its own
   |
44 | name = "image size"
   |        ^^^^^^^^^^^^
"#,
    ),
];

#[test]
fn bad_scenario_names() {
    refusals(SUITE_FILE, BAD_SCENARIO_NAMES);
}

const BAD_SCENARIO_NAMES: &[Refusal] = &[
    (
        r#"name = "uv""#,
        r#"name = "pip""#,
        r#"
scenarios/x.toml:27:8: the scenario "pip" is there twice, first in line 22
   |
27 | name = "pip"
   |        ^^^^^
"#,
    ),
    (
        r#"name = "uv""#,
        r#"name = "uv[x]""#,
        r#"
scenarios/x.toml:27:8: the name of a scenario can't be "uv[x]"; expected at most 64 letters, digits, ".", "_" and "-", a letter or digit first
   |
27 | name = "uv[x]"
   |        ^^^^^^^
"#,
    ),
];

#[test]
fn bad_fixtures() {
    refusals(FIXTURE_FILE, BAD_FIXTURES);
}

const BAD_FIXTURES: &[Refusal] = &[
    (
        "schema = 1\n",
        "",
        r#"
fixtures/app/fixture.toml:1:1: the key "schema" is missing
  |
1 | name = "app"
  | ^
"#,
    ),
    (
        "templates =",
        "template =",
        r#"
fixtures/app/fixture.toml:4:1: unknown key "template"; expected one of schema, name, default_variant, templates, layers, disk, trial_time, variant, placeholders, lock, edit; did you mean "templates"?
  |
4 | template = ["pyproject.toml"]
  | ^^^^^^^^
"#,
    ),
    (
        r#"default_variant = "light""#,
        r#"default_variant = "lihgt""#,
        r#"
fixtures/app/fixture.toml:3:19: unknown variant "lihgt"; expected one of light, torch; did you mean "light"?
  |
3 | default_variant = "lihgt"
  |                   ^^^^^^^
"#,
    ),
    (
        "default_variant = \"light\"\n",
        "",
        r#"
fixtures/app/fixture.toml:2:8: the key "default_variant" is missing
  |
2 | name = "app"
  |        ^^^^^
"#,
    ),
    (
        "[\"pyproject.toml\"]\nlayers",
        "[\"pyproject.tml\"]\nlayers",
        r#"
fixtures/app/fixture.toml:4:14: there is no template "pyproject.tml"; looked for fixtures/app/common/pyproject.tml or fixtures/app/light/pyproject.tml
  |
4 | templates = ["pyproject.tml"]
  |              ^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"["common"]"#,
        r#"["../common"]"#,
        r#"
fixtures/app/fixture.toml:5:11: the path "../common" leaves the fixture's folder; expected a relative path without ".."
  |
5 | layers = ["../common"]
  |           ^^^^^^^^^^^
"#,
    ),
    (
        r#"["common"]"#,
        r#"["comon"]"#,
        r#"
fixtures/app/fixture.toml:5:11: there is no layer "comon"; looked for fixtures/app/comon
  |
5 | layers = ["comon"]
  |           ^^^^^^^
"#,
    ),
    (
        r#""4 GB""#,
        r#""4""#,
        r#"
fixtures/app/fixture.toml:14:8: disk can't be "4"; expected a number with a unit (B, kB, MB, GB or TB), such as "9.05 GB"
   |
14 | disk = "4"
   |        ^^^
"#,
    ),
    (
        r#""90 s""#,
        r#""90 seconds""#,
        r#"
fixtures/app/fixture.toml:15:14: trial_time can't be "90 seconds"; expected a number with a unit (ms, s, m or h), such as "90 s" or "1h 30m"
   |
15 | trial_time = "90 seconds"
   |              ^^^^^^^^^^^^
"#,
    ),
    (
        r#"LIGHT = "1.0""#,
        r#"light = "1.0""#,
        r#"
fixtures/app/fixture.toml:9:1: the name of a placeholder can't be "light"; expected capital letters, digits and "_", a letter first, and not "N"
  |
9 | light = "1.0"
  | ^^^^^
"#,
    ),
    (
        r#"LIGHT = "1.0""#,
        r#"N = "1.0""#,
        r#"
fixtures/app/fixture.toml:9:1: the name of a placeholder can't be "N"; expected capital letters, digits and "_", a letter first, and not "N"
  |
9 | N = "1.0"
  | ^
"#,
    ),
    (
        r#"["uv", "lock"]"#,
        "[]",
        r"
fixtures/app/fixture.toml:25:11: the command that makes the lock file is empty; expected a program and its arguments
   |
25 | command = []
   |           ^^
",
    ),
    (
        r#"inputs = ["pyproject.toml"]"#,
        r#"inputs = ["pyproject.tml"]"#,
        r#"
fixtures/app/fixture.toml:24:11: there is no input of the lock file "pyproject.tml"; looked for fixtures/app/common/pyproject.tml or fixtures/app/light/pyproject.tml
   |
24 | inputs = ["pyproject.tml"]
   |           ^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"file = "uv.lock""#,
        r#"file = "/uv.lock""#,
        r#"
fixtures/app/fixture.toml:23:8: the path "/uv.lock" leaves the context; expected a relative path without ".."
   |
23 | file = "/uv.lock"
   |        ^^^^^^^^^^
"#,
    ),
];

#[test]
fn bad_edits() {
    refusals(FIXTURE_FILE, BAD_EDITS);
}

const BAD_EDITS: &[Refusal] = &[
    (
        r#"file = "src/main.py""#,
        r#"file = "src/../../main.py""#,
        r#"
fixtures/app/fixture.toml:36:8: the path "src/../../main.py" leaves the context; expected a relative path without ".."
   |
36 | file = "src/../../main.py"
   |        ^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"file = "src/main.py""#,
        r#"file = "src/man.py""#,
        r#"
fixtures/app/fixture.toml:36:8: there is no file of the context "src/man.py"; looked for fixtures/app/common/src/man.py or fixtures/app/light/src/man.py
   |
36 | file = "src/man.py"
   |        ^^^^^^^^^^^^
"#,
    ),
    (
        r#"find = "light==1.0""#,
        r#"find = "light==1.2""#,
        r#"
fixtures/app/fixture.toml:32:8: the edit "bump-light" changes nothing: its text does not occur in fixtures/app/common/pyproject.toml
   |
32 | find = "light==1.2"
   |        ^^^^^^^^^^^^
"#,
    ),
    (
        r#"find = "VERSION = 0""#,
        r#"find = "VERSION = 9""#,
        r#"
fixtures/app/fixture.toml:38:11: the edit "bump-light" changes nothing: a replacement is the text that it replaces
   |
38 | replace = ["VERSION = @N@", "VERSION = -@N@"]
   |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"find = "light==1.0""#,
        r#"find = """#,
        r#"
fixtures/app/fixture.toml:32:8: the edit "bump-light" changes nothing: its text is empty
   |
32 | find = ""
   |        ^^
"#,
    ),
    (
        r#"replace = "light==1.1""#,
        r#"replace = "light==1.0""#,
        r#"
fixtures/app/fixture.toml:33:11: the edit "bump-light" changes nothing: a replacement is the text that it replaces
   |
33 | replace = "light==1.0"
   |           ^^^^^^^^^^^^
"#,
    ),
    (
        r#"replace = "light==1.1""#,
        r#"replace = ["light==1.1", "light==@LIGHT@"]"#,
        r#"
fixtures/app/fixture.toml:33:11: the edit "bump-light" changes nothing: a replacement is the text that it replaces
   |
33 | replace = ["light==1.1", "light==@LIGHT@"]
   |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"replace = ["VERSION = @N@", "VERSION = -@N@"]"#,
        "replace = []",
        r#"
fixtures/app/fixture.toml:38:11: the edit "bump-light" changes nothing: it has no replacement
   |
38 | replace = []
   |           ^^
"#,
    ),
    (
        r#"replace = ["VERSION = @N@", "VERSION = -@N@"]"#,
        "replace = 4",
        r"
fixtures/app/fixture.toml:38:11: invalid type: integer `4`, expected a string or a list of strings
   |
38 | replace = 4
   |           ^
",
    ),
    (
        r#"replace = ["VERSION = @N@", "VERSION = -@N@"]"#,
        "replace = \"VERSION = @N@\"\n[[edit.bump-light.change]]\nfile = \"src/main.py\"\nfind = \"VERSION = 2\"\nreplace = \"VERSION = @N@\"",
        r#"
fixtures/app/fixture.toml:42:11: the edit "bump-light" changes nothing: a replacement is the text that it replaces
   |
42 | replace = "VERSION = @N@"
   |           ^^^^^^^^^^^^^^^
"#,
    ),
    (
        "[edit.touch-source]",
        "[edit.empty]\n\n[edit.touch-source]",
        r#"
fixtures/app/fixture.toml:40:7: the edit "empty" changes nothing: it has no [[change]]
   |
40 | [edit.empty]
   |       ^^^^^
"#,
    ),
    (
        "[edit.touch-source]",
        "[[edit.bump-light.change]]\nfile = \"src/main.py\"\nfind = \"VERSION = 1\"\nreplace = \"VERSION = 0\"\n\n[[edit.bump-light.change]]\nfile = \"pyproject.toml\"\nfind = \"light==1.1\"\nreplace = \"light==1.0\"\n\n[edit.touch-source]",
        r#"
fixtures/app/fixture.toml:27:7: the edit "bump-light" changes nothing: its changes undo each other
   |
27 | [edit.bump-light]
   |       ^^^^^^^^^^
"#,
    ),
];
