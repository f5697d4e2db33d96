//! The suite and fixture files as they are written: raw serde types, nothing checked but names and types. Not for:
//! anything that needs to look at two places at once (that is `validate`'s).

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};

use super::locate::Located;

/// The schema number that this version reads and writes.
pub const SCHEMA: i64 = 1;
/// The roles of base images that every suite has, with the public references that they have by default. The uv image
/// is pinned: an unpinned one would make two runs of one suite incomparable.
pub const DEFAULT_IMAGES: [(&str, &str); 3] = [
    ("python", "python:3.12.10-slim-bookworm"),
    ("registry", "registry:2"),
    ("uv", DEFAULT_UV_IMAGE),
];
/// The uv image that a suite uses unless it names another: a release of the week of the published benchmark.
pub const DEFAULT_UV_IMAGE: &str = "ghcr.io/astral-sh/uv:0.7.8";
/// The build arguments that name base images by default, with their roles.
pub const DEFAULT_IMAGE_ARGS: [(&str, &str); 2] = [("PYTHON_IMAGE", "python"), ("UV_IMAGE", "uv")];

/// Keys of strings, each of which knows where it stands.
pub type Table<T> = BTreeMap<Located<String>, T>;

/// A bakeoff suite: a fixture, ways to build it, and the phases that are measured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "bakeoff suite")]
pub struct SuiteFile {
    /// The version of this format: 1.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: Located<i64>,
    /// What the suite is and how often it is measured.
    pub suite: Located<SuiteTable>,
    /// Base images: role to public reference. The roles `python`, `uv` and `registry` have defaults.
    #[serde(default)]
    pub images: Table<Located<String>>,
    /// Build arguments that name base images: argument to role. Given to Dockerfiles that declare the argument before
    /// their first FROM. `PYTHON_IMAGE` and `UV_IMAGE` are there by default.
    #[serde(default)]
    pub image_args: Table<Located<String>>,
    /// The factors and their values; scenarios are the product.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::factors")]
    pub factors: FactorTable,
    /// Ways to build the fixture.
    #[serde(default)]
    pub scenario: Vec<ScenarioTable>,
    /// Combinations to leave out: a combination is dropped if every key matches.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::excludes")]
    pub exclude: Vec<Located<Table<Located<String>>>>,
    /// The measured phases, in order.
    #[serde(default)]
    pub journey: Vec<JourneyTable>,
    /// How each built image is proven to work; without it none is started.
    pub probe: Option<Located<ProbeTable>>,
    /// Published figures to show beside the measured ones.
    pub published: Option<PublishedTable>,
    /// How builds reach what they download.
    pub network: Option<NetworkTable>,
}

/// Factor to its values.
pub type FactorTable = Table<Located<Vec<Located<String>>>>;

/// What the suite is and how often it is measured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteTable {
    /// The suite's name; names runs and tables.
    pub name: Located<String>,
    /// One or two sentences for the head of reports.
    #[serde(default)]
    pub description: String,
    /// The fixture's folder, relative to the suite file.
    pub fixture: Located<String>,
    /// The fixture's variant (size), if not its default.
    pub variant: Option<Located<String>>,
    /// Measured rounds; 5 by default.
    #[schemars(range(min = 1))]
    pub rounds: Option<Located<u32>>,
    /// Discarded rounds before them; 1 by default.
    pub warmup: Option<u32>,
    /// The limit of one phase, such as "1h" (the default) or "90 s".
    pub timeout: Option<Located<String>>,
    /// Build arguments whose values may be written to disk; all others are redacted there.
    #[serde(default)]
    pub public_args: Vec<String>,
    /// The phases that the suite asks about: comparisons answer these together, and no others; all phases by default.
    #[serde(default)]
    pub questions: Vec<Located<String>>,
}

/// One way to build the fixture.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioTable {
    /// Its name: letters, digits, `.`, `_` and `-`.
    pub name: Located<String>,
    /// The Dockerfile, relative to the fixture's folder or else to the suite file's.
    pub dockerfile: Located<String>,
    /// Build arguments.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build, if not the last.
    pub target: Option<Located<String>>,
    /// The platform to build for, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Secrets that its steps may mount.
    #[serde(default)]
    pub secrets: Vec<SecretTable>,
    /// ssh agents that its steps may use: `default` for that of `SSH_AUTH_SOCK`, or `id=socket`.
    #[serde(default)]
    pub ssh: Vec<Located<String>>,
    /// Images that may be taken as a cache.
    #[serde(default)]
    pub cache_from: Vec<Located<String>>,
    /// `inline` for images that can later be taken as a cache.
    #[schemars(extend("const" = "inline"))]
    pub cache_to: Option<Located<String>>,
    /// Factor values of this scenario, in place of the suite's.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::factors")]
    pub factors: FactorTable,
    /// What must be true of its images.
    pub expect: Option<ScenarioExpectTable>,
}

/// What must be true of a scenario's images.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioExpectTable {
    /// Instructions, by their text or its beginning, whose layers a build that is not cold takes over from the cold image.
    #[serde(default)]
    pub reuse: Vec<Located<String>>,
}

/// A secret, and where its value comes from: one of `env` and `file`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretTable {
    /// The id that steps mount it by.
    pub id: Located<String>,
    /// An environment variable.
    pub env: Option<Located<String>>,
    /// A file, relative to the suite file's folder.
    pub file: Option<Located<String>>,
}

/// One measured phase.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JourneyTable {
    /// Its name: a row of the table.
    pub name: Located<String>,
    /// What is done.
    pub kind: KindName,
    /// The image that it makes, pushes, pulls or starts.
    pub image: Located<String>,
    /// The edit of the fixture before a build.
    pub edit: Option<Located<String>>,
    /// Several edits before a build, in place of `edit`.
    pub edits: Option<Located<Vec<Located<String>>>>,
    /// What the phase claims about the state before it. By default the first build is cold, a build with an edit hot,
    /// a later one without noop, and a push is what the build of its image is; the first pull is cold, and a later one hot
    /// or, of an image that the machine has, noop; the first start of an image is cold, and a later one hot.
    pub temperature: Option<Located<TemperatureName>>,
    /// What must be true of the phase, in place of what follows from its kind and temperature.
    pub expect: Option<Located<PhaseExpectTable>>,
}

/// What must be true of a phase, in place of what follows from its kind and temperature.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseExpectTable {
    /// How much was there already: of a build's steps in the cache, of a push's layers in the registry.
    pub cached: Option<CachedName>,
    /// For builds: whether the cache mounts of the steps that run have to be new.
    pub mounts: Option<Located<MountsName>>,
    /// For builds: whether the files that the edits change have to differ from those of the cold build.
    pub context: Option<Located<ContextName>>,
    /// For builds: whether the layers that scenarios reuse have to be those of the cold image.
    pub reuse: Option<Located<bool>>,
}

/// How much of a build or a push was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CachedName {
    /// Nothing.
    None,
    /// Something, or everything.
    Some,
    /// Not everything, or nothing.
    NotAll,
    /// Everything.
    All,
    /// It doesn't matter.
    Any,
}

/// Whether cache mounts have to be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountsName {
    /// Nothing may be in them.
    Empty,
    /// It doesn't matter.
    Any,
}

/// Whether the context has to differ from the cold build's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContextName {
    /// A file that the build is sent differs.
    Changed,
    /// It doesn't matter.
    Any,
}

/// What a phase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// Build an image.
    Build,
    /// Push an image to the trial's registry.
    Push,
    /// Pull an image from the trial's registry: cold onto a new engine that holds nothing, else onto that of the pull before.
    Pull,
    /// Start an image, and wait until the suite's probe succeeds.
    Start,
}

/// What a phase claims about the state before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TemperatureName {
    /// Nothing of the scenario exists.
    Cold,
    /// Done again after an edit; pulled where something was pulled before; started again.
    Hot,
    /// Done again with nothing changed.
    Noop,
}

/// How a built image is proven to work: exactly one of `http` and `command`. Phases of the kind `start` wait for it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["http"] }, { "required": ["command"] }]))]
pub struct ProbeTable {
    /// The image's own command must answer an HTTP GET.
    pub http: Option<HttpTable>,
    /// A command in the image that must exit with 0.
    #[schemars(length(min = 1))]
    pub command: Option<Located<Vec<String>>>,
    /// How long an image may take to prove that it works, such as "5m"; "60 s" by default.
    pub limit: Option<Located<String>>,
}

/// An HTTP GET that the image must answer with a status below 400.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTable {
    /// The port that the image listens on.
    #[schemars(range(min = 1))]
    pub port: Located<u16>,
    /// The path, from its `/`.
    #[schemars(regex(pattern = "^/"))]
    pub path: Located<String>,
}

/// Figures somebody published.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// Who, where, when.
    pub source: String,
    /// Phase or `image size`, then scenario, to a figure with its unit: "4.75 s", "9.05 GB".
    #[serde(default)]
    pub figures: Table<Table<Located<String>>>,
}

/// How builds reach what they download.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkTable {
    /// Where downloads come from: `auto` by default.
    pub mode: Option<ModeName>,
    /// The bandwidth and the latency of downloads: "100mbit,20ms". Unshaped by default.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::link")]
    pub link: Option<Located<String>>,
    /// The recording's name; by default it is named after the suite and the fixture's variant.
    pub recording: Option<Located<String>>,
    /// The simple package index to record from, without a user name or a password; by default the one that the user's
    /// package clients are configured for.
    #[schemars(regex(pattern = "^https?://[^/?#@]+(/[^?#]*)?$"))]
    pub index: Option<Located<String>>,
    /// Generated packages to serve beside the recorded ones.
    pub synthetic: Option<Located<SyntheticTable>>,
}

/// Where downloads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeName {
    /// Replayed if all that the run needs was recorded, else recorded.
    Auto,
    /// From upstream what the recording lacks, which is added to it.
    Record,
    /// From the recording alone.
    Replay,
    /// The builds download by themselves.
    Upstream,
}

/// Generated packages, the same for the same numbers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyntheticTable {
    /// How many packages.
    #[schemars(range(min = 1, max = 10_000))]
    pub packages: Located<u32>,
    /// Files in each package.
    #[schemars(range(min = 1, max = 10_000))]
    pub files: Located<u32>,
    /// The size of each package's files together, unpacked: "2MB"; from 1 kB to 1 GB.
    pub bytes: Located<String>,
    /// The longest chain of dependencies, in packages: at most as many as there are.
    #[schemars(range(min = 1, max = 10_000))]
    pub depth: Located<u32>,
    /// What their content is made from; 1 by default.
    pub seed: Option<u64>,
}

/// A bakeoff fixture: the project that is built, with its sizes and its edits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "bakeoff fixture")]
pub struct FixtureFile {
    /// The version of this format: 1.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: Located<i64>,
    /// The fixture's name.
    pub name: Located<String>,
    /// The variant that is used unless a suite or `--fixture` names another.
    pub default_variant: Option<Located<String>>,
    /// Files of the context in which `@NAME@` is replaced by the placeholder's value.
    #[serde(default)]
    pub templates: Vec<Located<String>>,
    /// Folders, relative to the fixture's, that are laid over each other to make the context. Without any, the
    /// fixture's folder itself is the context.
    #[serde(default)]
    pub layers: Vec<Located<String>>,
    /// Disk that one trial needs at most on the engine's side: "4 GB".
    pub disk: Option<Located<String>>,
    /// Time that one trial takes: "90 s".
    pub trial_time: Option<Located<String>>,
    /// Sizes of the fixture.
    #[serde(default)]
    pub variant: Table<VariantTable>,
    /// Values of placeholders, without the `@`. `PYTHON_MINOR` is always there.
    #[serde(default)]
    pub placeholders: Table<String>,
    /// The lock file that is made before anything is measured.
    pub lock: Option<LockTable>,
    /// Named, reversible changes of the context.
    #[serde(default)]
    pub edit: Table<EditTable>,
}

/// One size of a fixture: what it adds to, or has in place of, what the fixture says.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantTable {
    /// Folders that are laid over the fixture's.
    #[serde(default)]
    pub layers: Vec<Located<String>>,
    /// Disk that one trial needs at most on the engine's side: "4 GB".
    pub disk: Option<Located<String>>,
    /// Time that one trial takes: "90 s".
    pub trial_time: Option<Located<String>>,
    /// Values of placeholders, in place of the fixture's.
    #[serde(default)]
    pub placeholders: Table<String>,
}

/// The lock file that is made before anything is measured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockTable {
    /// Its path in the context.
    pub file: Located<String>,
    /// The files of the context that it is made from.
    pub inputs: Vec<Located<String>>,
    /// The command that makes it, run in the context's folder.
    #[schemars(length(min = 1))]
    pub command: Located<Vec<String>>,
}

/// A named, reversible change of the context.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditTable {
    /// What it stands for in a developer's day.
    #[serde(default)]
    pub description: String,
    /// The changes that make it up.
    #[serde(default)]
    pub change: Vec<ChangeTable>,
}

/// One change in one file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTable {
    /// The file, relative to the context.
    pub file: Located<String>,
    /// The text that must occur in it.
    #[schemars(length(min = 1))]
    pub find: Located<String>,
    /// What replaces it; a list is used up in turn by repeated edits, and `@N@` is the edit's number in its trial.
    pub replace: Located<OneOrMany>,
}

/// A text or a list of texts. Not an untagged enum, because those forget where their values stand.
#[derive(Debug, Clone)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_lists_know_where_they_stand() {
        let text = "schema = 1\nname = \"f\"\nlayers = [\"a\", \"bc\"]\n[edit.touch]\n\
                    [[edit.touch.change]]\nfile = \"x\"\nfind = \"1\"\nreplace = [\"2\", \"3\"]\n";
        let file: FixtureFile = toml::from_str(text).unwrap();
        assert_eq!(&text[file.layers[1].span()], "\"bc\"");
        let (name, edit) = file.edit.iter().next().unwrap();
        assert_eq!(&text[name.span()], "touch");
        assert_eq!(&text[edit.change[0].replace.span()], "[\"2\", \"3\"]");
        assert_eq!(edit.change[0].replace.0, ["2", "3"]);
    }
}
