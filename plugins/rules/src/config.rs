//! The configuration under `[plugin.config]`. The schema is loose, because the rules' own errors name rule, key and
//! column, and errors of a schema do not.

use ctwarden_sdk::prelude::*;
use serde_json::{Value, json};

/// Configuration of the rules, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config(pub Value);

impl Configuration for Config {
    fn schema() -> String {
        let describe = |text: &str| json!({ "description": text });
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Rules",
            "description": "Configuration of rules. docs/rules.md explains every key.",
            "type": "object",
            "properties": {
                "rule": {
                    "description": "Rules in order. Every rule that applies acts.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": describe("Code of the rule's verdicts: letters, digits and -."),
                            "comment": describe("Text for people."),
                            "match": describe("Conditions with the words of [[protect]], and sets."),
                            "when": describe("Condition in CEL, over flow, sets and now."),
                            "on": describe("Kinds of entries: new, row, update, destroy. Default: new and row."),
                            "per": describe("What is counted together: source, destination, service, pair, or a network."),
                            "count": describe("The rule applies from this number of new flows on."),
                            "bytes": describe("The rule applies from this number of bytes on."),
                            "packets": describe("The rule applies from this number of packets on."),
                            "distinct": describe("The rule applies from this number of different values on."),
                            "within": describe("Length of the window, such as \"10s\"."),
                            "then": describe("delete, kill, mark, label, timeout, block, alert, log."),
                        },
                    },
                },
            },
        })
        .to_string()
    }

    fn read(json: &str) -> Result<Self, Refusal> {
        Ok(Self(serde_json::from_str(json)?))
    }
}
