//! A plugin's `[plugin.config]` as the JSON that the plugin receives.
//!
//! TOML has dates and infinite numbers, JSON does not. Both are refused: a silent change into strings would surprise
//! the plugin's schema.

use serde_json::{Map, Number, Value};
use toml::Table;

/// Converts the table to JSON.
///
/// # Errors
/// One line for each value that JSON lacks, with its key.
pub(super) fn to_json(table: &Table) -> Result<Value, Vec<String>> {
    let mut mistakes = Vec::new();
    let value = object(table, "", &mut mistakes);
    if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
}

fn object(table: &Table, path: &str, mistakes: &mut Vec<String>) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        (key.clone(), convert(value, &path, mistakes))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

fn convert(value: &toml::Value, path: &str, mistakes: &mut Vec<String>) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::Bool(*yes),
        toml::Value::Float(number) => Number::from_f64(*number).map_or_else(
            || {
                mistakes.push(format!("{path}: JSON cannot represent {number}; write a finite number"));
                Value::Null
            },
            Value::Number,
        ),
        toml::Value::Datetime(date) => {
            mistakes.push(format!("{path}: JSON has no dates; write the date as a string: \"{date}\""));
            Value::Null
        }
        toml::Value::Array(items) => {
            let items = items.iter().enumerate();
            Value::Array(items.map(|(index, item)| convert(item, &format!("{path}[{index}]"), mistakes)).collect())
        }
        toml::Value::Table(table) => object(table, path, mistakes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_that_json_has_goes_over() {
        let table = toml::from_str("a = 1\nb = [true, 2.5, 'x']\n[c.d]\ne = {}\n").unwrap();
        assert_eq!(to_json(&table).unwrap(), json!({"a": 1, "b": [true, 2.5, "x"], "c": {"d": {"e": {}}}}));
    }

    #[test]
    fn what_json_lacks_is_named_by_its_key() {
        let table = toml::from_str("since = 2026-01-01\n[a]\nb = [1, nan, inf]\n").unwrap();
        let mut said = to_json(&table).unwrap_err();
        said.sort();
        assert_eq!(
            said,
            [
                "a.b[1]: JSON cannot represent NaN; write a finite number",
                "a.b[2]: JSON cannot represent inf; write a finite number",
                "since: JSON has no dates; write the date as a string: \"2026-01-01\"",
            ]
        );
    }
}
