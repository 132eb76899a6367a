//! Checks a plugin's configuration against the JSON Schema that the plugin provides.
//!
//! The schema comes from the plugin and is untrusted. It is compiled offline (no reference leaves the document), and
//! its patterns run on an engine that does not backtrack.

use jsonschema::PatternOptions;
use serde_json::Value;

/// Findings shown at most: more than a person reads.
const SHOWN_MAX: usize = 20;

/// Checks the configuration against the schema (draft 2020-12 unless the schema names another).
///
/// # Errors
/// One line for each finding: the key, and what is expected there.
pub(crate) fn check_against_schema(schema: &str, config: &Value) -> Result<(), Vec<String>> {
    let broken = |error: String| vec![format!("the plugin's own schema is broken: {error}; tell the plugin's author")];
    let schema: Value = serde_json::from_str(schema).map_err(|error| broken(error.to_string()))?;
    let validator = jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| broken(error.to_string()))?;
    let mut findings = validator.iter_errors(config);
    let mut lines: Vec<String> = findings
        .by_ref()
        .take(SHOWN_MAX)
        .map(|error| match key_path(error.instance_path().as_str()) {
            path if path.is_empty() => error.to_string(),
            path => format!("{path}: {error}"),
        })
        .collect();
    let more = findings.count();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

/// A JSON Pointer (RFC 6901) as a TOML key: `/services/0/ports` is `services[0].ports`.
fn key_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = r#"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "cap": {"type": "integer", "minimum": 1},
            "ports": {"type": "array", "items": {"type": "integer", "maximum": 65535}},
            "name": {"type": "string", "pattern": "^[a-z]+$"}
        },
        "required": ["cap"],
        "additionalProperties": false
    }"#;

    #[test]
    fn what_holds_is_taken() {
        assert_eq!(check_against_schema(SCHEMA, &json!({"cap": 3, "ports": [1, 2], "name": "a"})), Ok(()));
    }

    #[test]
    fn each_finding_names_the_key_and_what_is_expected() {
        let found =
            check_against_schema(SCHEMA, &json!({"cap": 0, "ports": [1, 70000], "caps": 1, "name": "A"})).unwrap_err();
        let said = found.join("\n");
        assert_eq!(found.len(), 4, "{said}");
        assert!(said.contains("cap: 0 is less than the minimum of 1"), "{said}");
        assert!(said.contains("ports[1]: 70000 is greater than the maximum of 65535"), "{said}");
        assert!(said.contains("'caps' was unexpected"), "{said}");
        assert!(said.contains("name: \"A\" does not match"), "{said}");
        let missing = check_against_schema(SCHEMA, &json!({})).unwrap_err();
        assert_eq!(missing, ["\"cap\" is a required property"]);
    }

    #[test]
    fn a_broken_schema_is_the_authors_affair() {
        for schema in
            ["{", "{\"type\": 3}", "{\"$ref\": \"https://example.com/s.json\"}", "{\"$ref\": \"file:///etc/passwd\"}"]
        {
            let found = check_against_schema(schema, &json!({})).unwrap_err();
            assert!(found[0].starts_with("the plugin's own schema is broken: "), "{schema}: {found:?}");
            assert!(found[0].ends_with("tell the plugin's author"), "{found:?}");
        }
    }

    #[test]
    fn many_findings_are_cut() {
        let schema = r#"{"items": {"type": "string"}}"#;
        let config = Value::from((0..100).collect::<Vec<_>>());
        let found = check_against_schema(schema, &config).unwrap_err();
        assert_eq!((found.len(), found.last().map(String::as_str)), (21, Some("and 80 more")));
    }

    #[test]
    fn a_pointer_reads_as_a_key() {
        assert_eq!(key_path("/services/0/ports/12"), "services[0].ports[12]");
        assert_eq!(key_path("/a~1b/c~0d"), "a/b.c~d");
        assert_eq!(key_path(""), "");
    }
}
