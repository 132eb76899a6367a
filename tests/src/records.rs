//! The daemon's records, read from its file: one JSON object per line.
//!
//! Scenarios ask about plugin, action and outcome, so a change of the format affects this module only.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Record(pub Value);

impl Record {
    /// A text field of the record.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// Whether the record is about a verdict.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        self.text("record") == Some("verdict")
    }

    /// Whether the record is about a verdict of this action with this outcome.
    #[must_use]
    pub fn came(&self, action: &str, outcome: &str) -> bool {
        self.is_verdict() && self.text("action") == Some(action) && self.text("outcome") == Some(outcome)
    }

    /// Whether the record is this notice.
    #[must_use]
    pub fn is_notice(&self, name: &str) -> bool {
        self.text("record") == Some("notice") && self.text("notice") == Some(name)
    }

    /// Whether the record is a fault of this plugin.
    #[must_use]
    pub fn is_fault(&self, plugin: &str) -> bool {
        self.text("record") == Some("fault") && self.is_of(plugin)
    }

    /// Whether the record belongs to this plugin.
    #[must_use]
    pub fn is_of(&self, plugin: &str) -> bool {
        self.text("plugin") == Some(plugin)
    }

    /// Whether the flow of the record has this port in its original direction, as source or destination.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        ["src_port", "dst_port"].iter().any(|name| self.0["flow"][name] == port)
    }

    /// A number inside the record, by the names of the path to it.
    #[must_use]
    pub fn number(&self, way: &[&str]) -> Option<u64> {
        way.iter().fold(&self.0, |value, name| &value[name]).as_u64()
    }
}

/// The file of records.
#[derive(Clone, Debug)]
pub struct Records {
    file: PathBuf,
    /// The bytes that an earlier daemon had written.
    begin: usize,
}

impl Records {
    /// The records that are written to the file from now on.
    pub(crate) fn from_now(file: PathBuf) -> Self {
        let begin = fs::read(&file).map_or(0, |bytes| bytes.len());
        Self { file, begin }
    }

    /// All complete lines so far.
    ///
    /// # Panics
    /// If a line is not a JSON object with a time and a kind.
    #[must_use]
    pub fn all(&self) -> Vec<Record> {
        let Ok(text) = fs::read_to_string(&self.file) else { return Vec::new() };
        let complete = text.rfind('\n').and_then(|end| text.get(self.begin..=end)).unwrap_or_default();
        complete.lines().map(read).collect()
    }

    /// The records for which `is` holds.
    #[must_use]
    pub fn which(&self, is: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.all().into_iter().filter(|record| is(record)).collect()
    }
}

fn read(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
    assert!(value["time"].is_string() && value["record"].is_string(), "no record: {line}");
    Record(value)
}
