//! Brings a schema of a few kilobytes that no validator can finish: each of its levels names the next one twice.
//!
//! This guest shows that a schema is untrusted input, and that the check of a configuration against it is limited.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::{Descriptor, Provoked, Verdict, descriptor};

/// The number of doublings. Twenty take about a second.
const LEVELS: u32 = 40;

pub struct DoublingSchema;

impl Provoked for DoublingSchema {
    fn misbehave() -> Vec<Verdict> {
        Vec::new()
    }

    fn describe() -> Descriptor {
        let level = |n: u32| {
            let next = n + 1;
            format!("\"l{n}\": {{\"allOf\": [{{\"$ref\": \"#/$defs/l{next}\"}}, {{\"$ref\": \"#/$defs/l{next}\"}}]}}")
        };
        let levels: Vec<String> = (0..LEVELS).map(level).collect();
        let last = format!("\"l{LEVELS}\": {{\"type\": \"object\"}}");
        let schema = format!("{{\"$ref\": \"#/$defs/l0\", \"$defs\": {{{}, {last}}}}}", levels.join(", "));
        Descriptor { configuration_schema: schema, ..descriptor() }
    }
}

plugin::export_plugin!(DoublingSchema);
