//! What scenarios grant, and grants that must not load, with the whole messages that they get.

use crate::engine::SecretSource;
use crate::suite::Overrides;
use crate::suite::testing::{Project, Refusal, refusals};

const FILE: &str = "scenarios/x.toml";

#[test]
fn grants_are_read_with_paths_relative_to_the_suite_file() {
    let project = Project::new();
    let grants = r#"target = "Final"
secrets = [{ id = "npm", env = "NPM_TOKEN" }, { id = "a/key", file = "../key.pem" }]
ssh = ["default", "deploy=agent.sock", "ci=/run/agent.sock"]
cache_from = ["registry.example:5000/app:cache", "app"]
cache_to = "inline""#;
    project.change(FILE, r#"target = "Final""#, grants);
    let suite = project
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(suite.scenarios[0].grants, crate::engine::Grants::default());
    let grants = &suite.scenarios[1].grants;
    let folder = project.path("scenarios");
    assert_eq!(grants.secrets["npm"], SecretSource::Environment("NPM_TOKEN".to_owned()));
    assert_eq!(grants.secrets["a/key"], SecretSource::File(folder.join("../key.pem")));
    assert_eq!(grants.agents["default"], None);
    assert_eq!(grants.agents["deploy"], Some(folder.join("agent.sock")));
    assert_eq!(grants.agents["ci"], Some("/run/agent.sock".into()));
    assert_eq!(grants.cache_from, ["registry.example:5000/app:cache", "app"]);
    assert!(grants.inline_cache);
}

#[test]
fn impossible_grants_are_refused() {
    refusals(FILE, TABLE);
}

const TABLE: &[Refusal] = &[
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "npm" }]"#,
        r#"
scenarios/x.toml:29:19: a secret comes from a variable or from a file; expected one of env and file
   |
29 | secrets = [{ id = "npm" }]
   |                   ^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "npm", env = "A", file = "b" }]"#,
        r#"
scenarios/x.toml:29:19: a secret comes from a variable or from a file; expected one of env and file
   |
29 | secrets = [{ id = "npm", env = "A", file = "b" }]
   |                   ^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "a,b", env = "A" }]"#,
        r#"
scenarios/x.toml:29:19: the id of a secret can't be "a,b"; expected an id as in `--mount=type=secret,id=npm`
   |
29 | secrets = [{ id = "a,b", env = "A" }]
   |                   ^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "a", env = "A=b" }]"#,
        r#"
scenarios/x.toml:29:30: the env of a secret can't be "A=b"; expected an environment variable's name
   |
29 | secrets = [{ id = "a", env = "A=b" }]
   |                              ^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "a", file = "" }]"#,
        r#"
scenarios/x.toml:29:31: the file of a secret can't be ""; expected a file's path
   |
29 | secrets = [{ id = "a", file = "" }]
   |                               ^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "a", env = "A" }, { id = "a", env = "B" }]"#,
        r#"
scenarios/x.toml:29:44: the secret "a" is there twice, first in line 29
   |
29 | secrets = [{ id = "a", env = "A" }, { id = "a", env = "B" }]
   |                                            ^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"secrets = [{ id = "a", value = "x" }]"#,
        r#"
scenarios/x.toml:29:24: unknown key "value"; expected one of id, env, file
   |
29 | secrets = [{ id = "a", value = "x" }]
   |                        ^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"ssh = ["default="]"#,
        r#"
scenarios/x.toml:29:8: an ssh agent can't be "default="; expected "default" for the agent of SSH_AUTH_SOCK, or an id with a socket: "deploy=/run/agent.sock"
   |
29 | ssh = ["default="]
   |        ^^^^^^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"ssh = ["default", "default=/run/x"]"#,
        r#"
scenarios/x.toml:29:19: an ssh agent can't be "default=/run/x"; expected each id once
   |
29 | ssh = ["default", "default=/run/x"]
   |                   ^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"cache_from = ["type=registry,ref=app"]"#,
        r#"
scenarios/x.toml:29:15: cache_from can't be "type=registry,ref=app"; expected an image's name, such as "registry.example/app:cache"; the engine's build API can import no other cache
   |
29 | cache_from = ["type=registry,ref=app"]
   |               ^^^^^^^^^^^^^^^^^^^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"cache_to = "type=inline""#,
        r#"
scenarios/x.toml:29:12: cache_to can't be "type=inline"; expected "inline"; the engine's build API can export no other cache
   |
29 | cache_to = "type=inline"
   |            ^^^^^^^^^^^^^
"#,
    ),
    (
        r#"target = "Final""#,
        r#"cache_to = "inline"
factors = { builder = ["buildkit", "classic"], cache_mounts = ["off"] }"#,
        r#"
scenarios/x.toml:30:36: the classic builder knows no secrets, no ssh agents and no cache_to; use BuildKit alone for a scenario that has them: factors = { builder = ["buildkit"] }
   |
30 | factors = { builder = ["buildkit", "classic"], cache_mounts = ["off"] }
   |                                    ^^^^^^^^^
"#,
    ),
];
