//! Error messages about values, in words for people who write configurations.
//!
//! The parser's own messages are about its data model: "invalid type: integer `1`, expected a sequence". This module
//! turns them into what was written, what is needed instead, and a line to copy. The examples come from the example
//! configuration, which shows every key.

/// The configuration that shows every key.
pub(super) const EXAMPLE: &str = include_str!("../../ctwarden.example.toml");

/// Translates the parser's message about the value of a key. Messages of this crate stay unchanged.
pub(super) fn in_our_words(message: &str, key: &str) -> String {
    let told = |what: &str| message.strip_prefix(what);
    if let Some(rest) = told("invalid type: ").or_else(|| told("invalid value: ")).or_else(|| told("invalid length ")) {
        let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "something else"));
        return format!("{} is not {}{}", found_words(found), expected_words(expected), for_example(key));
    }
    if let Some(rest) = told("unknown field ") {
        let (found, known) = rest.split_once(", ").unwrap_or((rest, ""));
        return unknown("key", found, known);
    }
    if let Some(rest) = told("unknown variant ") {
        let (found, known) = rest.split_once(", ").unwrap_or((rest, ""));
        return unknown("choice", found, known);
    }
    if let Some(rest) = told("missing field ") {
        let name = rest.trim_matches('`');
        return format!("{name} is missing{}", for_example(name));
    }
    // The parser's message if the key takes one of a few words and the value is not a string.
    if message == "wanted string or table" || message.starts_with("expected ") {
        return format!("this is not a text in quotes{}", for_example(key));
    }
    if let Some(rest) = told("duplicate field ") {
        return format!("{} is written twice; remove one of them", rest.trim_matches('`'));
    }
    message.to_owned()
}

fn found_words(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    match kind {
        "integer" | "floating" | "string" | "boolean" => value.trim_start_matches("point `").to_owned(),
        "sequence" => "a list".to_owned(),
        "map" | "newtype" | "struct" => "a table".to_owned(),
        _ => found.replace('`', ""),
    }
}

fn expected_words(expected: &str) -> String {
    let whole = |least: i128, most: u128| format!("a whole number from {least} to {most}");
    match expected {
        "a string" | "string" | "a borrowed string" => "a text in quotes".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a sequence" | "sequence" => "a list in brackets".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" => whole(0, u64::MAX.into()),
        "i32" => whole(i32::MIN.into(), 2_147_483_647),
        "a string or a number that is not negative" => "a text in quotes or a number from 0 up".to_owned(),
        other if other.starts_with("struct ") || other.starts_with("a map") || other.starts_with("map") => {
            "a table".to_owned()
        }
        other => other.replace('`', "\""),
    }
}

/// A name that is not among the known ones: "expected one of `a`, `b`" or "expected `a` or `b`".
fn unknown(what: &str, found: &str, known: &str) -> String {
    let found = found.trim_matches('`');
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let likeness = |name: &&str| strsim::jaro(found, name);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|name| likeness(name) > 0.8) {
        Some(nearest) => {
            format!("there is no {what} \"{found}\"; did you mean {nearest}? the {what}s are {}", known.join(", "))
        }
        None if known.is_empty() => format!("there is no {what} \"{found}\"; remove it"),
        None => format!("there is no {what} \"{found}\"; the {what}s are {}", known.join(", ")),
    }
}

/// The line of the example with that key, as the end of a sentence.
fn for_example(key: &str) -> String {
    let line = |line: &'static str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let (name, value) = line.split_once(" = ")?;
        let shown = value.split(" #").next().unwrap_or(value).trim_end();
        (name == key).then(|| format!("; write for example {key} = {shown}"))
    };
    EXAMPLE.lines().find_map(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_and_what_is_needed_is_told_with_an_example() {
        for (message, key, ours) in [
            (
                "invalid type: string \"delete\", expected a sequence",
                "allow",
                "\"delete\" is not a list in brackets; write for example allow = [\"delete\", \"block\", \"unblock\", \"alert\", \
                 \"sweep\"]",
            ),
            (
                "invalid type: integer `5`, expected path string",
                "state",
                "5 is not a path in quotes; write for example state = \"/var/lib/ctwarden\"",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "queue-entries",
                "-1 is not a whole number from 0 to 4294967295; write for example queue-entries = 16384",
            ),
            (
                "invalid type: floating point `1.5`, expected u8",
                "table-share-per-minute",
                "1.5 is not a whole number from 0 to 255; write for example table-share-per-minute = 10",
            ),
            ("invalid type: map, expected a string", "none-such", "a table is not a text in quotes"),
            ("missing field `table`", "b", "table is missing; write for example table = \"inet filter\""),
            (
                "unknown field `alerts-per-secon`, expected one of `verdicts-per-second`, `alerts-per-second`",
                "alerts-per-secon",
                "there is no key \"alerts-per-secon\"; did you mean alerts-per-second? the keys are \
                 verdicts-per-second, alerts-per-second",
            ),
            (
                "unknown variant `on`, expected `observe` or `enforce`",
                "mode",
                "there is no choice \"on\"; the choices are observe, enforce",
            ),
            ("unknown field `x`, there are no fields", "x", "there is no key \"x\"; remove it"),
            ("wanted string or table", "mode", "this is not a text in quotes; write for example mode = \"enforce\""),
            ("\"64MB\" is not a size", "memory", "\"64MB\" is not a size"),
        ] {
            assert_eq!(in_our_words(message, key), ours);
        }
    }
}
