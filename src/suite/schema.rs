//! The JSON Schemas of suites and fixtures, for editors. Not for: checking suites (that is `validate`'s, which says more).

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::factors::{FACTORS, Values};
use super::file::{FixtureFile, SuiteFile};

/// What [`crate::units::Link`] reads, but for its limits.
const LINK: &str = concat!(
    r"^\s*(unshaped|[0-9.]+\s*([kKmMgG]?[bB][iI][tT]|[mMuU]?[sS])",
    r"(\s*,\s*[0-9.]+\s*([kKmMgG]?[bB][iI][tT]|[mMuU]?[sS]))?)\s*$",
);

/// What [`crate::engine::EngineChoice`] reads in a suite.
const ENGINE: &str = r"^(host|isolated(:[0-9]+(\.[0-9]+){0,2})?)$";

fn link_value() -> Value {
    json!({
        "type": "string",
        "pattern": LINK,
        "description": "A bandwidth, a latency or both: \"100mbit,20ms\"; or \"unshaped\".",
    })
}

fn engine_value() -> Value {
    json!({
        "type": "string",
        "pattern": ENGINE,
        "description": "The host's engine (\"host\"), or a throw-away one: \"isolated\", \"isolated:28\".",
    })
}

/// The key of a link, which can be left out.
pub(super) fn link(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": LINK })
}

/// An object with one property per known factor, made from the schema of one of the factor's values.
fn per_factor(of_value: impl Fn(Value) -> Value) -> serde_json::Map<String, Value> {
    let value = |values: &Values| match values {
        Values::These(values) => json!({ "enum": values }),
        Values::Links => link_value(),
        Values::Engines => engine_value(),
    };
    FACTORS
        .iter()
        .map(|factor| (factor.name.to_owned(), of_value(value(&factor.values))))
        .collect()
}

/// A table of factors with lists of their values.
pub(super) fn factors(_: &mut SchemaGenerator) -> Schema {
    let properties = per_factor(|value| json!({ "type": "array", "items": value, "minItems": 1, "uniqueItems": true }));
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The list of combinations to leave out.
pub(super) fn excludes(_: &mut SchemaGenerator) -> Schema {
    let mut properties = per_factor(|value| value);
    let scenario = json!({
        "type": "string", "description": "A scenario's name; `*` and `?` stand for any text and any character.",
    });
    properties.insert("scenario".to_owned(), scenario);
    json_schema!({
        "type": "array",
        "items": {
            "type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1,
        },
    })
}

/// The JSON Schema of suite files, pretty, with a line break at its end.
#[must_use]
pub fn json_schema() -> String {
    pretty(&schemars::schema_for!(SuiteFile))
}

/// The JSON Schema of `fixture.toml` files, pretty, with a line break at its end.
#[must_use]
pub fn fixture_json_schema() -> String {
    pretty(&schemars::schema_for!(FixtureFile))
}

fn pretty(schema: &Schema) -> String {
    // The alternate form of a JSON value is the pretty one, and unlike `to_string_pretty` it can't fail.
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares a committed file with what the program generates; `BAKEOFF_UPDATE=1` writes it instead.
    fn committed(path: &str, generated: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            std::fs::write(&path, generated).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == generated,
            "{} is stale: run the tests with BAKEOFF_UPDATE=1 set",
            path.display()
        );
    }

    #[test]
    fn the_committed_schemas_are_those_of_the_code() {
        committed("scenarios/suite.schema.json", &json_schema());
        committed("scenarios/fixture.schema.json", &fixture_json_schema());
    }

    #[test]
    fn the_schema_knows_required_keys_values_and_factors() {
        let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["schema", "suite"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["schema"]["const"], 1);
        let factors = &schema["properties"]["factors"]["properties"];
        assert_eq!(
            factors["cache_mounts"]["items"]["enum"],
            serde_json::json!(["on", "off"])
        );
        assert_eq!(
            factors["builder"]["items"]["enum"],
            serde_json::json!(["buildkit", "classic"])
        );
        assert_eq!(
            schema["properties"]["exclude"]["items"]["properties"]["scenario"]["type"],
            "string"
        );
    }

    #[test]
    fn the_schema_of_a_link_agrees_with_the_reader_of_links() {
        let pattern = regex::Regex::new(LINK).unwrap();
        for text in [
            "100mbit,20ms",
            "1.5Gbit , 500us",
            " 20ms,1 kbit ",
            "1s",
            "64bit",
            "unshaped",
            "",
            "fast",
            "100",
            "100mb",
            "-1mbit",
            "1mbit,",
            "Unshaped",
            "1ms,1ms,1ms",
        ] {
            let read = text.parse::<crate::units::Link>().is_ok();
            assert_eq!(pattern.is_match(text), read, "{text:?}");
        }
    }

    #[test]
    fn the_schema_knows_the_network_and_open_factors() {
        let schema: Value = serde_json::from_str(&json_schema()).unwrap();
        let properties = &schema["properties"];
        assert_eq!(properties["factors"]["properties"]["link"]["items"]["pattern"], LINK);
        assert_eq!(properties["exclude"]["items"]["properties"]["link"]["pattern"], LINK);
        let network = &schema["$defs"]["NetworkTable"];
        assert_eq!(network.get("required"), None);
        assert_eq!(network["properties"]["link"]["pattern"], LINK);
        let synthetic = &schema["$defs"]["SyntheticTable"];
        assert_eq!(synthetic["required"], json!(["packages", "files", "bytes", "depth"]));
        assert_eq!(synthetic["properties"]["packages"]["maximum"], 10_000);
    }
}
